//! Three bridges on one broker, each at its place in one world of virtual bulbs. Bulbs take a link from each, so that nothing
//! but the claims keeps two bridges from driving one. The air log says who wrote what.

use std::time::Instant;

use rustix::process::Signal;

use super::proxy::Proxy;
use super::*;
use bridge::Bridge;
use broker::{Message, quiet};

const PLACES: [&str; 3] = ["kitchen", "attic", "cellar"];
/// Time from the death of an owner to the first write of the next one.
const TAKEOVER: Duration = Duration::from_secs(30);
/// The lease of a claim, with what a loaded machine adds.
const LEASE: Duration = Duration::from_secs(14);
/// A new broker is no witness for the time before its start, so the first claims take 13 s.
const START: Duration = Duration::from_secs(40);

fn rig() -> String {
    let bulb = |n: u8, more: &str| {
        format!(
            "[[bulb]]\naddress = \"C4:11:00:00:00:{n:02X}\"\ninterval = \"200ms\"\n\
             connect_latency = \"5ms\"\nstatus_latency = \"5ms\"\n{more}\n"
        )
    };
    format!(
        "rig = 1\n{}{}",
        // An owner writes to this one by itself, every two seconds.
        bulb(1, "profile = \"govee:segments\"\nheard = { kitchen = -45, attic = -75, cellar = -80 }"),
        bulb(2, "name = \"Light-2\"\nheard = { kitchen = -75, attic = -45, cellar = -80 }"),
    )
}

struct House {
    machine: Machine,
    broker: Mosquitto,
    witness: Witness,
    bridges: Vec<Bridge>,
}

impl House {
    /// Starts the three, the first one behind a proxy if there is one. `None` without mosquitto.
    fn start(proxied: bool) -> Option<(Self, Option<Proxy>)> {
        let broker = Mosquitto::with(|_| "allow_anonymous true\nsys_interval 1\n".to_owned(), &[])?;
        let (witness, machine) = (broker.witness(), Machine::new(&rig()));
        let proxy = proxied.then(|| Proxy::to(broker.port));
        let mut bridges = Vec::new();
        for place in PLACES {
            let url = proxy.as_ref().filter(|_| place == PLACES[0]).map_or_else(|| broker.url(), Proxy::url);
            bridges.push(spawn(&machine, place, &url));
        }
        let house = Self { machine, broker, witness, bridges };
        for (bulb, place) in [(1, "kitchen"), (2, "attic")] {
            house.wait_owner(bulb, place, START);
        }
        Some((house, proxy))
    }

    fn owner(&self, bulb: u8) -> Option<String> {
        let claims = self.witness.of(&format!("bulbctl/{}/owner", id(bulb)));
        let claim =
            claims.iter().rev().map(|claim| claim.json()).find(|claim| claim["released"].is_null())?;
        Some(claim["bridge"].as_str()?.to_owned())
    }

    /// Waits until the bridge at this place owns a bulb, and can write to it.
    fn wait_owner(&self, bulb: u8, place: &str, limit: Duration) {
        within(limit, &format!("{place} owns bulb {bulb}, not {:?}", self.owner(bulb)), &mut || {
            (self.owner(bulb).as_deref() == Some(place)).then_some(())
        });
    }

    /// Sends commands until a bridge other than `before` carries one out. Returns its place and the time that it took.
    fn taken_over(&self, bulb: u8, before: &str) -> (String, Duration) {
        let start = Instant::now();
        let known = self.writes(bulb).len();
        let mut brightness = 0;
        loop {
            brightness = brightness % 99 + 1;
            self.broker.publish(
                &set(&id(bulb)),
                &json!({"state": "ON", "brightness": brightness}).to_string(),
                &[],
            );
            let writes = self.writes(bulb);
            let new = writes[known..].iter().find(|write| write.place != before);
            if let Some(write) = new {
                return (write.place.clone(), start.elapsed());
            }
            assert!(start.elapsed() < TAKEOVER, "nobody else has bulb {bulb} after {TAKEOVER:?}");
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    fn writes(&self, bulb: u8) -> Vec<Write> {
        let address = format!("C4:11:00:00:00:{bulb:02X}");
        let writes = self.machine.writes().into_iter().filter(|write| write["bulb"] == *address);
        writes.map(|write| Write { place: write["place"].as_str().unwrap().to_owned() }).collect()
    }

    /// Checks who wrote to a bulb, one after the other: never two at a time, and nobody comes back.
    fn check_writers(&self, bulb: u8, changes: &[&str]) {
        let mut writers: Vec<String> = self.writes(bulb).into_iter().map(|write| write.place).collect();
        writers.dedup();
        assert_eq!(writers, changes, "{:?}", self.writes(bulb));
    }
}

#[derive(Debug)]
struct Write {
    place: String,
}

fn spawn(machine: &Machine, place: &str, url: &str) -> Bridge {
    spawn_with(machine, place, url, &[])
}

fn spawn_with(machine: &Machine, place: &str, url: &str, more: &[&str]) -> Bridge {
    let common = ["bridge", "--json", "-v", "--name", place, "--broker", url];
    let mut command = machine.bulbctl(&[&common, more].concat());
    command.env("BULBCTL_SIM_PLACE", place).env("XDG_STATE_HOME", machine.path(place));
    machine.spawn(command)
}

fn id(bulb: u8) -> String {
    format!("c411000000{bulb:02x}")
}

#[test]
fn a_killed_bridge_is_replaced_and_its_bulb_goes_home_with_it() {
    let Some((mut house, _)) = House::start(false) else { return };
    house.broker.publish(&set(&id(1)), "{\"state\":\"ON\",\"brightness\":30}", &[]);
    house.witness.wait_state(&id(1), &json!({"brightness": 30}));
    house.bridges[0].kill();
    house.witness.wait_last("bulbctl/bridge/kitchen/state", "offline");
    house.broker.publish(
        &set(&id(1)),
        "{\"brightness\":31}",
        &["-D", "publish", "response-topic", "results"],
    );
    let (next, time) = house.taken_over(1, "kitchen");
    println!("killed: {next} wrote after {time:.1?}");
    house.check_writers(1, &["kitchen", next.as_str()]);
    // Its claim was still there when this came.
    house.witness.wait("the result", |message| message.topic == "results");
    // The other bulb has not changed hands.
    assert_eq!(house.owner(2).as_deref(), Some("attic"));
}

#[test]
fn a_frozen_bridge_that_wakes_writes_nothing_more() {
    let Some((house, _)) = House::start(false) else { return };
    house.broker.publish(&set(&id(1)), "{\"state\":\"ON\",\"brightness\":30}", &[]);
    house.witness.wait_state(&id(1), &json!({"brightness": 30}));
    // It freezes with a command in its socket.
    house.bridges[0].signal(Signal::STOP);
    house.broker.publish(&set(&id(1)), "{\"state\":\"ON\",\"brightness\":99}", &[]);
    let (next, time) = house.taken_over(1, "kitchen");
    println!("frozen: {next} wrote after {time:.1?}");
    let before = house.writes(1).len();
    house.bridges[0].signal(Signal::CONT);
    let start = Instant::now();
    while start.elapsed() < LEASE {
        house.broker.publish(&set(&id(1)), "{\"state\":\"ON\",\"brightness\":40}", &[]);
        house.broker.publish(&set(&id(1)), "{\"state\":\"ON\",\"brightness\":50}", &[]);
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(house.writes(1).len() > before + 20, "the new owner goes on");
    house.check_writers(1, &["kitchen", next.as_str()]);
}

#[test]
fn a_bridge_that_is_cut_from_the_broker_stops_by_itself() {
    let Some((house, proxy)) = House::start(true) else { return };
    let proxy = proxy.unwrap();
    house.broker.publish(&set(&id(1)), "{\"state\":\"ON\",\"brightness\":30}", &[]);
    house.witness.wait_state(&id(1), &json!({"brightness": 30}));
    proxy.stop();
    let cut = Instant::now();
    let (next, time) = house.taken_over(1, "kitchen");
    println!("cut: {next} wrote after {time:.1?}");
    // It still runs, has a link, and does not write.
    assert!(cut.elapsed() < TAKEOVER);
    let before = house.writes(1).len();
    proxy.go_on();
    let start = Instant::now();
    while start.elapsed() < LEASE * 2 {
        house.broker.publish(&set(&id(1)), "{\"state\":\"ON\",\"brightness\":40}", &[]);
        house.broker.publish(&set(&id(1)), "{\"state\":\"ON\",\"brightness\":50}", &[]);
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(house.writes(1).len() > before + 20, "the new owner goes on");
    house.check_writers(1, &["kitchen", next.as_str()]);
}

/// A bridge that is not meant for a bulb any more leaves it to the one that owns it, and a bulb that nobody hears is offline.
#[test]
fn p11_and_p19_a_bridge_starts_again_and_leaves_what_another_owns_and_says_what_nobody_hears() {
    let Some(broker) = Mosquitto::with(|_| "allow_anonymous true\nsys_interval 1\n".to_owned(), &[]) else {
        return;
    };
    let (witness, machine) = (broker.witness(), Machine::new(&rig()));
    let url = broker.url();
    let announced_after = |from: usize| {
        for bulb in [1, 2] {
            let is_it = |message: &Message| message.topic == config(&id(bulb)) && !message.text.is_empty();
            within(START, "the discovery", &mut || witness.all().into_iter().skip(from).find(is_it));
        }
    };
    let remembers = |place: &str, count: usize| {
        let file = machine.path(place).join(format!("bulbctl/bridge-{place}.json"));
        within(START, &format!("{place} remembers {count} bulbs"), &mut || {
            let memory: Value = serde_json::from_str(&std::fs::read_to_string(&file).ok()?).ok()?;
            (memory["bulbs"].as_object()?.len() == count).then_some(())
        });
    };
    let mut kitchen = spawn(&machine, "kitchen", &url);
    announced_after(0);
    remembers("kitchen", 2);

    // One that is started again goes on at once with what it owned, and need not wait for its own claim to run out.
    kitchen.end();
    let owner = |message: &Message| {
        let is_it = message.topic == format!("bulbctl/{}/owner", id(1));
        is_it.then(|| message.json()).filter(|claim| claim["released"].is_null())
    };
    let before = witness.all().iter().rev().find_map(owner).unwrap();
    let start = Instant::now();
    let mut kitchen = spawn(&machine, "kitchen", &url);
    witness.wait("a claim of the new run", |message| {
        owner(message)
            .is_some_and(|claim| claim["bridge"] == "kitchen" && claim["instance"] != before["instance"])
    });
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    kitchen.kill();
    let from = witness.count();
    let mut attic = spawn(&machine, "attic", &url);
    announced_after(from);
    remembers("attic", 2);
    let from = witness.count();
    let _kitchen = spawn_with(&machine, "kitchen", &url, &["Nothing-*"]);
    remembers("kitchen", 0);
    let cleared: Vec<_> =
        witness.all()[from..].iter().filter(|message| message.text.is_empty()).cloned().collect();
    assert_eq!(cleared, [], "it is another bridge's");

    attic.kill();
    machine.write("rig.toml", "rig = 1\n");
    let last = |bulb: u8| witness.last(&availability(&id(bulb))).unwrap().text;
    assert_eq!([last(1), last(2)], ["online", "online"]);
    let _attic = spawn(&machine, "attic", &url);
    for bulb in [1, 2] {
        within(START, "offline", &mut || (last(bulb) == "offline").then_some(()));
    }
}

/// Three bridges get a command for a bulb that none of them has.
#[test]
fn p17_a_command_that_nobody_carries_out_is_one_error_also_if_the_first_bridge_has_frozen() {
    let Some(broker) = Mosquitto::start() else { return };
    let (witness, machine) = (broker.witness(), Machine::new("rig = 1\n"));
    let bridges = PLACES.map(|place| spawn(&machine, place, &broker.url()));
    for place in PLACES {
        witness.wait_last(&format!("bulbctl/bridge/{place}/state"), "online");
    }
    let errors = |command: &str| -> Vec<String> {
        let all = witness.all().into_iter().filter(|message| message.topic.ends_with("/errors"));
        all.filter(|message| message.json()["command"] == command).map(|message| message.topic).collect()
    };
    let nobodys = set("c411000000aa");
    broker.publish(&nobodys, "ON", &["-D", "publish", "response-topic", "results"]);
    quiet(Duration::from_secs(3));
    broker.publish(&nobodys, "OFF", &["-D", "publish", "response-topic", "results"]);
    until("the first error", || errors("ON").pop());
    bridges[1].signal(Signal::STOP);
    until("the second error", || errors("OFF").pop());
    // Each bridge waits two seconds for the one before it.
    quiet(Duration::from_secs(4));
    assert_eq!(errors("ON"), ["bulbctl/bridge/attic/errors"]);
    assert_eq!(errors("OFF"), ["bulbctl/bridge/cellar/errors"]);
    assert_eq!(witness.of("results").len(), 2);
}
