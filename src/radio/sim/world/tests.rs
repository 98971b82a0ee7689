//! Every fault at every point, on the world alone: no clock, no tasks.

use super::*;
use crate::radio::WriteKind;
use crate::radio::sim::rig::{BATTERY_LEVEL, parse};

const BULB: &str = "C4:11:00:00:00:01";
const CONTROL: CharacteristicId = CharacteristicId::short(0xfff0, 0xfff1);
const STATUS: CharacteristicId = CharacteristicId::short(0xfff0, 0xfff2);
const RED: [u8; 5] = [1, 100, 255, 0, 0];
const START: [u8; 5] = [0, 50, 255, 255, 255];
const LATENCY: Duration = Duration::from_millis(20);

fn address() -> Address {
    BULB.parse().unwrap()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A world with one bulb that has what the text says besides, heard just now.
fn world(more: &str) -> World {
    let text = format!(
        "rig = 1\n[[bulb]]\nname = \"Light\"\naddress = \"{BULB}\"\nbattery = 50\nbattery_drain = \"1s\"\n{more}"
    );
    let mut world = World::new(parse(&text, "test").unwrap(), false, Duration::ZERO);
    world.devices.get_mut(&address()).unwrap().hear(Duration::ZERO, true);
    world
}

/// The same with a link, and the status subscribed.
fn linked(more: &str) -> (World, LinkId) {
    let mut world = world(more);
    world.begin_connect(address(), Duration::ZERO);
    let link = world.link_up(address(), Duration::ZERO).unwrap();
    world.end_connect(address());
    world.subscribed(link, STATUS, Duration::ZERO);
    world.effects();
    (world, link)
}

fn fault(on: &str, what: &str) -> String {
    format!("[[bulb.fault]]\non = \"{on}\"\n{what}\n")
}

fn is_up(world: &World) -> bool {
    world.device(address()).unwrap().link.is_some()
}

fn frame(world: &World) -> Vec<u8> {
    world.device(address()).unwrap().value(STATUS, Duration::ZERO)
}

fn request(world: &mut World, link: LinkId) -> DelayedResponse {
    world.write(link, CONTROL, &RED, WriteKind::Request, Duration::ZERO)
}

/// The notifications that are sent by then.
fn notified(world: &mut World, at: Duration) -> Vec<Vec<u8>> {
    world.advance(at);
    let effects = world.effects().into_iter();
    effects
        .filter_map(|effect| if let Effect::Notify(_, _, value) = effect { Some(value) } else { None })
        .collect()
}

#[test]
fn a_command_is_obeyed_at_once_and_notified_after_the_latency() {
    let (mut world, link) = linked("");
    assert_eq!(request(&mut world, link), DelayedResponse::now(Response::Done));
    assert_eq!(frame(&world), RED);
    assert_eq!(notified(&mut world, LATENCY - ms(1)), Vec::<Vec<u8>>::new());
    assert_eq!(notified(&mut world, LATENCY), [RED]);
}

#[test]
fn a_notification_has_the_state_of_when_it_is_sent() {
    let (mut world, link) = linked("");
    request(&mut world, link);
    world.write(link, CONTROL, &START, WriteKind::Command, ms(10));
    assert_eq!(notified(&mut world, ms(30)), [START, START]);
}

#[test]
fn a_wrong_command_is_refused_or_passed_over() {
    let (mut world, link) = linked("");
    for (value, att) in [
        (&[][..], 0x0d),
        (&[1, 100, 255, 0], 0x0d),
        (&[1, 100, 255, 0, 0, 0], 0x0d),
        (&[2, 100, 255, 0, 0], 0x80),
        (&[1, 101, 255, 0, 0], 0x80),
    ] {
        let response = |world: &mut World, kind| world.write(link, CONTROL, value, kind, ms(1)).response;
        assert_eq!(response(&mut world, WriteKind::Request), Response::AttError(att), "{value:?}");
        assert_eq!(response(&mut world, WriteKind::Command), Response::Done, "{value:?}");
    }
    assert_eq!(frame(&world), START);
    assert_eq!(notified(&mut world, ms(1000)), Vec::<Vec<u8>>::new());
}

const PROPERTIES: &str = r#"
[[bulb.service]]
uuid = "fff0"
[[bulb.service.characteristic]]
uuid = "fff1"
properties = ["write-without-response"]
[[bulb.service.characteristic]]
uuid = "fff2"
properties = ["notify"]
[[bulb.service.characteristic]]
uuid = "fff3"
properties = ["read", "write"]
value = "2a"
"#;

#[test]
fn properties_are_held() {
    let (mut world, link) = linked(PROPERTIES);
    assert_eq!(request(&mut world, link).response, Response::AttError(0x03));
    assert_eq!(world.read(link, STATUS, ms(1)).response, Response::AttError(0x02));
    let other = CharacteristicId::short(0xfff0, 0xfff3);
    assert_eq!(world.read(link, other, ms(1)).response, Response::Value(vec![0x2a]));
    // A write command that the characteristic does not take is sent, and comes to nothing.
    assert_eq!(world.write(link, other, &[7], WriteKind::Command, ms(1)).response, Response::Done);
    assert_eq!(world.read(link, other, ms(1)).response, Response::Value(vec![0x2a]));
    assert_eq!(world.write(link, other, &[7], WriteKind::Request, ms(1)).response, Response::Done);
    assert_eq!(world.read(link, other, ms(1)).response, Response::Value(vec![7]));
    assert_eq!(world.write(link, CONTROL, &RED, WriteKind::Command, ms(1)).response, Response::Done);
    assert_eq!(frame(&world), RED);
}

#[test]
fn faults_of_connect() {
    let attempt = |what: &str| world(&fault("connect", what)).begin_connect(address(), Duration::ZERO);
    let delay = ms(60);
    assert_eq!(attempt("do = \"drop\"\ncount = 0"), ConnectOutcome::Connects { delay, drops: false });
    assert_eq!(attempt("do = \"drop\""), ConnectOutcome::Connects { delay, drops: true });
    assert_eq!(attempt("do = \"silent\""), ConnectOutcome::Silent);
    let delay = ms(560);
    assert_eq!(attempt("do = \"delay\"\nfor = \"500ms\""), ConnectOutcome::Connects { delay, drops: false });
}

/// Runs an operation with each fault that fits, and returns its response and whether the link is up afterwards.
fn check(
    point: &str,
    right: &Response,
    fits: &[&str],
    operation: impl Fn(&mut World, LinkId) -> DelayedResponse,
) {
    for what in fits {
        let (text, response, up) = match *what {
            "drop" => ("do = \"drop\"", DelayedResponse::now(Response::Silent), false),
            "silent" => ("do = \"silent\"", DelayedResponse::now(Response::Silent), true),
            "error" => ("do = \"error\"\natt = 0x0e", DelayedResponse::now(Response::AttError(0x0e)), true),
            "reply" => (
                "do = \"reply\"\nbytes = \"0165\"",
                DelayedResponse::now(Response::Value(vec![1, 0x65])),
                true,
            ),
            _ => {
                let (mut world, link) = linked(&fault(point, "do = \"delay\"\nfor = \"1s\""));
                let response = operation(&mut world, link);
                assert_eq!(response.delay, ms(1000), "{point} delay");
                assert_eq!(&response.response, right, "{point} delay");
                continue;
            }
        };
        let (mut world, link) = linked(&fault(point, text));
        assert_eq!(operation(&mut world, link), response, "{point} {what}");
        assert_eq!(is_up(&world), up, "{point} {what}");
        assert_eq!(frame(&world), START, "{point} {what}");
        // Once, and for another characteristic.
        let (mut world, link) = linked(&fault(point, &format!("{text}\ncount = 1")));
        assert_eq!(operation(&mut world, link), response, "{point} {what} once");
        if up {
            assert_eq!(&operation(&mut world, link).response, right, "{point} {what} twice");
        }
        if point != "discover" {
            let (mut world, link) = linked(&fault(point, &format!("{text}\ncharacteristic = \"2a00\"")));
            assert_eq!(&operation(&mut world, link).response, right, "{point} {what} elsewhere");
        }
    }
}

#[test]
fn faults_of_operations() {
    let now = ms(1);
    check("discover", &Response::Done, &["drop", "silent", "delay"], |world, link| world.discover(link, now));
    let right = Response::Value(START.to_vec());
    check("read", &right, &["drop", "silent", "error", "reply", "delay"], |world, link| {
        world.read(link, STATUS, now)
    });
    check("write", &Response::Done, &["drop", "silent", "error", "delay"], request);
    check("subscribe", &Response::Done, &["drop", "silent", "error", "delay"], |world, link| {
        world.subscribe(link, BATTERY_LEVEL, now)
    });
}

#[test]
fn a_lost_write_is_answered_and_not_obeyed() {
    let (mut world, link) = linked(&fault("write", "do = \"lose\"\ncount = 1"));
    assert_eq!(request(&mut world, link), DelayedResponse::now(Response::Done));
    assert_eq!(frame(&world), START);
    assert_eq!(request(&mut world, link), DelayedResponse::now(Response::Done));
    assert_eq!(frame(&world), RED);
}

#[test]
fn a_delayed_write_is_obeyed_later_even_if_nobody_waits() {
    let (mut world, link) = linked(&fault("write", "do = \"delay\"\nfor = \"1s\""));
    assert_eq!(
        world.write(link, CONTROL, &RED, WriteKind::Command, Duration::ZERO),
        DelayedResponse::now(Response::Done)
    );
    world.advance(ms(999));
    assert_eq!(frame(&world), START);
    assert_eq!(notified(&mut world, ms(1000)), Vec::<Vec<u8>>::new());
    assert_eq!(frame(&world), RED);
    assert_eq!(notified(&mut world, ms(1020)), [RED]);
}

#[test]
fn a_write_command_meets_the_same_faults_and_tells_nobody() {
    for (what, up) in
        [("do = \"drop\"", false), ("do = \"silent\"", true), ("do = \"error\"\natt = 14", true)]
    {
        let (mut world, link) = linked(&fault("write", what));
        let response = world.write(link, CONTROL, &RED, WriteKind::Command, Duration::ZERO);
        assert_eq!((response, is_up(&world)), (DelayedResponse::now(Response::Done), up), "{what}");
        assert_eq!(frame(&world), START, "{what}");
    }
}

#[test]
fn faults_of_notifications() {
    let sent = |what: &str, at: Duration| {
        let (mut world, link) = linked(&fault("notify", what));
        request(&mut world, link);
        world.advance(LATENCY);
        (notified(&mut world, at), is_up(&world), frame(&world))
    };
    let red = RED.to_vec();
    assert_eq!(sent("do = \"drop\"", LATENCY), (vec![], false, red.clone()));
    assert_eq!(sent("do = \"lose\"", ms(5000)), (vec![], true, red.clone()));
    assert_eq!(sent("do = \"reply\"\nbytes = \"01\"", LATENCY), (vec![vec![1]], true, red.clone()));
    let delay = "do = \"delay\"\nfor = \"500ms\"";
    assert_eq!(sent(delay, LATENCY + ms(499)), (vec![], true, red.clone()));
    assert_eq!(sent(delay, LATENCY + ms(500)), (vec![red.clone()], true, red));
}

#[test]
fn of_several_faults_the_first_with_a_count_left_acts_alone() {
    let faults = [
        fault("read", "do = \"error\"\natt = 1\ncount = 1"),
        fault("read", "do = \"error\"\natt = 2\ncount = 1\ncharacteristic = \"2a19\""),
        fault("read", "do = \"error\"\natt = 3\ncount = 2"),
    ];
    let (mut world, link) = linked(&faults.concat());
    let mut read = |id| world.read(link, id, Duration::ZERO).response;
    assert_eq!(read(STATUS), Response::AttError(1));
    assert_eq!(read(STATUS), Response::AttError(3));
    assert_eq!(read(BATTERY_LEVEL), Response::AttError(2));
    assert_eq!(read(BATTERY_LEVEL), Response::AttError(3));
    assert_eq!(read(BATTERY_LEVEL), Response::Value(vec![50]));
}

#[test]
fn the_battery_tells_each_percent_that_it_loses() {
    let (mut world, link) = linked("");
    world.subscribed(link, BATTERY_LEVEL, ms(500));
    assert_eq!(notified(&mut world, ms(999)), Vec::<Vec<u8>>::new());
    assert_eq!(notified(&mut world, ms(1000)), [[49]]);
    assert_eq!(notified(&mut world, ms(2000)), [[48]]);
    world.unsubscribe(link, BATTERY_LEVEL);
    assert_eq!(notified(&mut world, ms(3000)), Vec::<Vec<u8>>::new());
    assert_eq!(world.read(link, BATTERY_LEVEL, ms(3000)).response, Response::Value(vec![47]));
}

#[test]
fn a_bulb_with_a_link_or_gone_does_not_advertise() {
    let heard = |world: &mut World, from: Duration| {
        world.start_scan(from);
        world.effects();
        for at in (0..=300).step_by(10) {
            world.advance(from + ms(at));
        }
        world.stop_scan();
        world.effects().contains(&Effect::SeenDevice(address()))
    };
    let (mut world, link) = linked("[[event]]\nat = \"1s\"\nbulb = \"C4:11:00:00:00:01\"\ndo = \"vanish\"");
    assert!(!heard(&mut world, Duration::ZERO));
    world.disconnect(link, DisconnectedBy::Central, ms(400));
    assert!(heard(&mut world, ms(400)));
    assert!(!heard(&mut world, ms(1000)));
    assert_eq!(
        world.begin_connect(address(), ms(1300)),
        ConnectOutcome::NotAdvertising { interval: ms(100) }
    );
}

#[test]
fn the_system_forgets_a_device_thirty_seconds_after_it_was_last_heard_or_linked() {
    let mut heard = world("");
    assert_eq!(heard.known(ms(30_000)).count(), 1);
    assert_eq!(heard.known(ms(30_001)).count(), 0);
    assert_eq!(heard.begin_connect(address(), ms(30_001)), ConnectOutcome::Unknown);
    let (mut world, link) = linked("");
    assert_eq!(world.known(ms(90_000)).count(), 1);
    world.disconnect(link, DisconnectedBy::Bulb, ms(90_000));
    assert_eq!(world.known(ms(120_000)).count(), 1);
    assert_eq!(world.known(ms(120_001)).count(), 0);
}

#[test]
fn events_happen_to_bulbs_and_the_adapter() {
    let event = |at: &str, what: &str| format!("[[event]]\nat = \"{at}\"\n{what}\n");
    let bulb = |what: &str| format!("bulb = \"{BULB}\"\n{what}");
    let events = [
        event("1s", &bulb("do = \"set\"\npower = true\ncolor = \"#0000ff\"")),
        event("2s", &bulb("do = \"rename\"\nname = \"Bulb\"")),
        event("3s", &bulb("do = \"drop\"")),
        event("4s", "adapter = \"off\""),
        event("5s", "adapter = \"on\""),
    ];
    let (mut world, _) = linked(&events.concat());
    assert_eq!(notified(&mut world, ms(1000)), [[1, 50, 0, 0, 255]]);
    world.advance(ms(2000));
    assert_eq!(world.device(address()).unwrap().name.as_deref(), Some("Bulb"));
    assert!(is_up(&world));
    world.advance(ms(3000));
    assert!(!is_up(&world));
    world.advance(ms(4000));
    assert_eq!(world.begin_connect(address(), ms(4000)), ConnectOutcome::AdapterOff);
    world.advance(ms(5000));
    assert!(world.effects().contains(&Effect::AdapterPowered(true)));
    assert!(matches!(world.begin_connect(address(), ms(5000)), ConnectOutcome::Connects { .. }));
}

#[test]
fn an_adapter_that_is_switched_off_drops_everything() {
    let (mut world, link) = linked("[[event]]\nat = \"1s\"\nadapter = \"off\"");
    world.start_scan(Duration::ZERO);
    world.advance(ms(1000));
    assert!(!is_up(&world));
    let effects = world.effects();
    assert!(effects.contains(&Effect::AdapterPowered(false)));
    assert!(effects.contains(&Effect::LinkDown(link)));
    assert!(effects.contains(&Effect::Log(address(), LogEvent::Disconnect(DisconnectedBy::Central))));
    // Nothing more is advertised.
    world.advance(ms(5000));
    assert_eq!(world.effects(), []);
}

#[test]
fn what_is_saved_is_taken_over() {
    let (mut old, link) = linked(&fault("read", "do = \"silent\"\ncount = 1"));
    request(&mut old, link);
    old.read(link, STATUS, Duration::ZERO);
    let mut new = world(&fault("read", "do = \"silent\"\ncount = 1"));
    new.merge_saved(&old.save(), ms(1));
    assert_eq!(frame(&new), RED);
    let ConnectOutcome::Connected { link, resolved: false } = new.begin_connect(address(), ms(1)) else {
        panic!("the link is held")
    };
    assert!(matches!(new.read(link, STATUS, ms(1)).response, Response::Value(_)));
    // And the link's end, too.
    old.disconnect_all(ms(2));
    new.save();
    new.merge_saved(&old.save(), ms(2));
    assert!(!is_up(&new));
}

#[test]
fn what_another_command_did_does_not_undo_what_we_did() {
    let (mut ours, link) = linked("");
    ours.save();
    let stale = ours.save();
    request(&mut ours, link);
    ours.merge_saved(&stale, ms(1));
    assert_eq!(frame(&ours), RED);
}
