//! The lower panes at three sizes.

use std::time::{Duration, SystemTime};

use bulbctl::bulb::{DriverEvent, Families};
use bulbctl::check::{FinishedCheck, Outcome, Summary};
use bulbctl::radio::gatt::{Characteristic, Properties, Service, uuid16};
use bulbctl::radio::trace::{AttOperation, TracedFrame};
use bulbctl::radio::{CharacteristicId, GattTable, WriteKind};
use bulbctl::tui::{CheckEvent, Effect, RadioEvent};
use crossterm::event::KeyCode;
use insta::assert_snapshot;

use super::test_desk::{ON, TestDesk, id};

/// A long UUID, as vendors use them, with these digits in its second group.
fn vendor(digits: u16) -> CharacteristicId {
    let uuid = |digits: u16| format!("932c32bd-{digits:04x}-47a2-835a-a8d455b859dd").parse().unwrap();
    CharacteristicId::new(uuid(0), uuid(digits))
}

fn table() -> GattTable {
    let read_notify = Properties::READ.or(Properties::NOTIFY);
    let write = Properties::WRITE.or(Properties::WRITE_WITHOUT_RESPONSE);
    GattTable {
        services: vec![
            Service::new(
                uuid16(0xFFF0),
                vec![
                    Characteristic::new(uuid16(0xFFF1), write),
                    Characteristic::new(uuid16(0xFFF2), read_notify),
                ],
            ),
            Service::new(uuid16(0x180F), vec![Characteristic::new(uuid16(0x2A19), read_notify)]),
            Service::new(
                vendor(0).service,
                vec![
                    Characteristic::new(vendor(2).characteristic, read_notify),
                    Characteristic::new(vendor(3).characteristic, read_notify),
                ],
            ),
        ],
    }
    .numbered()
}

/// A desk with two connected bulbs, a minute of signal, answers, frames of both, and a GATT table.
pub(crate) fn desk(width: u16, height: u16) -> TestDesk {
    let mut desk = TestDesk::office(width, height);
    for second in 0..40_i16 {
        desk.see(1, "Light-Desk", -48 - (second * 7) % 9);
        desk.see(2, "Light-Shelf", -61 - (second * 3) % 5);
        desk.see(3, "Bulb-Hallway", -74 + (second * 5) % 11);
        desk.wait(1000);
    }
    desk.connect(1, ON);
    let followed = vec![CharacteristicId::short(0xFFF0, 0xFFF2)];
    desk.bulb(1, DriverEvent::Table(table().into(), followed));
    desk.connect(2, ON);
    let time = desk.now;
    let frame =
        |desk: &TestDesk, number: u16, ms: u64, operation, characteristic, bytes: &[u8]| TracedFrame {
            at: desk.start + time + Duration::from_millis(ms),
            time: SystemTime::UNIX_EPOCH + Duration::from_millis(ms),
            device: id(number),
            operation,
            characteristic,
            bytes: bytes.to_vec(),
            decoded: None,
        };
    let (control, status) =
        (CharacteristicId::short(0xFFF0, 0xFFF1), CharacteristicId::short(0xFFF0, 0xFFF2));
    let write = AttOperation::Write(WriteKind::Request);
    let notified = AttOperation::Notification;
    let mut frames = vec![
        frame(&desk, 1, 0, AttOperation::Read, CharacteristicId::short(0x180F, 0x2A19), &[87]),
        frame(&desk, 1, 5, AttOperation::Read, vendor(2), &[1]),
        frame(&desk, 1, 9, notified, vendor(3), &[0xA5; 40]),
    ];
    for step in 0..8_u8 {
        let (at, value) = (1000 + 700 * u64::from(step), [1, 30 + step, 0xff, 0x88, 0]);
        let number = 1 + u16::from(step % 2);
        frames.push(frame(&desk, number, at, write, control, &value));
        frames.push(frame(&desk, number, at + 18 + 3 * u64::from(step), notified, status, &value));
    }
    frames.push(frame(&desk, 1, 9000, notified, status, &[1, 101, 0, 0, 0]));
    desk.radio(RadioEvent::Frames(frames, 0));
    desk.wait(1000);
    desk
}

pub(crate) fn finished(name: &str, outcome: Outcome) -> RadioEvent {
    let done = FinishedCheck {
        name: name.to_owned(),
        about: "it notifies a frame of its family within 1 s of a command".to_owned(),
        look: "the notification after a command: whether it is sent, its length, and timers before it"
            .to_owned(),
        outcome,
        took: Duration::from_millis(130),
        frames: vec!["write fff1 request 0164ff0000".to_owned(), "notify fff2 0164ff00".to_owned()],
        note: None,
    };
    RadioEvent::Check(id(1), CheckEvent::Finished(Box::new(done)))
}

/// Runs some checks on the selected bulb.
fn check(desk: &mut TestDesk) {
    desk.keys("6");
    desk.press(KeyCode::Enter);
    desk.radio(finished(
        "advertises",
        Outcome::Skipped("the bulb was connected before the check".to_owned()),
    ));
    desk.radio(finished("connects-in-time", Outcome::Passed));
    desk.radio(finished("state-readable", Outcome::Passed));
    let (expected, seen) = ("a frame of 5 bytes".to_owned(), "4 bytes: 01 64 ff 00".to_owned());
    desk.radio(finished("notifies-in-time", Outcome::Failed { expected, seen }));
}

#[test]
fn each_pane_at_each_size() {
    for (width, height) in [(80, 24), (120, 40), (200, 60)] {
        for (key, name) in [("3", "frames"), ("4", "graphs"), ("5", "gatt"), ("7", "log")] {
            let mut desk = desk(width, height);
            desk.keys(key);
            desk.press(KeyCode::Down);
            assert_snapshot!(format!("{name}_{width}x{height}"), desk.screen());
        }
        let mut desk = desk(width, height);
        check(&mut desk);
        assert_snapshot!(format!("check_{width}x{height}"), desk.screen());
    }
}

#[test]
fn a_pane_can_have_the_whole_screen() {
    let mut desk = desk(120, 40);
    desk.keys("3z");
    let screen = desk.screen();
    assert!(screen.contains("link up") && !screen.contains("Brightness"), "{screen}");
    assert_snapshot!("zoomed_120x40", screen);
    // The keys of other panes change what is zoomed.
    desk.keys("2");
    assert!(desk.screen().contains("Brightness") && !desk.screen().contains("0124ff8800"));
    desk.press(KeyCode::Esc);
    let screen = desk.screen();
    assert!(screen.contains("Brightness") && screen.contains("0124ff8800"), "{screen}");
    // Brackets go through the lower panes.
    desk.keys("]]");
    assert!(desk.screen().contains("Battery Service"), "{}", desk.screen());
    desk.keys("[[");
    assert!(desk.screen().contains("0124ff8800"), "{}", desk.screen());
}

#[test]
fn frames_have_all_bytes_names_and_links() {
    let mut desk = desk(200, 60);
    desk.keys("3");
    let screen = desk.screen();
    assert!(screen.contains(&"a5".repeat(40)), "{screen}");
    assert!(screen.contains("932c32bd-0002") && screen.contains("932c32bd-0003"), "{screen}");
    desk.bulb(1, DriverEvent::Trouble(lost()));
    desk.bulb(1, DriverEvent::Link(bulbctl::bulb::LinkPhase::Waiting(desk.start + desk.now)));
    assert!(desk.screen().contains("link down  link.lost"), "{}", desk.screen());
    // Text and a recording, of what the filter leaves.
    desk.keys("/0002");
    desk.press(KeyCode::Enter);
    desk.effects.clear();
    desk.keys("w");
    desk.press(KeyCode::Enter);
    desk.keys("W");
    desk.press(KeyCode::Enter);
    let [Effect::Save(_, _, text), Effect::Save(_, _, recording)] = &desk.effects[..] else {
        panic!("{:?}", desk.effects);
    };
    assert_eq!(text.len(), 1, "{text:?}");
    assert!(text[0].contains("932c32bd-0002-47a2-835a-a8d455b859dd <- 01"), "{text:?}");
    assert!(recording[0].contains("\"type\":\"recording\""), "{recording:?}");
    assert!(recording.last().unwrap().contains("\"hex\":\"01\""), "{recording:?}");
}

#[test]
fn a_link_comes_before_its_frames() {
    let mut desk = TestDesk::office(120, 40);
    let (start, at) = (desk.start, desk.now);
    let frame = TracedFrame {
        at: start + at + Duration::from_millis(40),
        time: SystemTime::UNIX_EPOCH,
        device: id(1),
        operation: AttOperation::Read,
        characteristic: CharacteristicId::short(0xFFF0, 0xFFF2),
        bytes: vec![1, 80, 0xff, 0x88, 0],
        decoded: None,
    };
    desk.keys("3");
    // The frame takes a shorter way to the desk.
    desk.radio(RadioEvent::Frames(vec![frame], 0));
    desk.bulb(1, DriverEvent::Connected(start + at));
    let screen = desk.screen();
    let row = |text: &str| {
        screen.lines().position(|line| line.contains(text)).unwrap_or_else(|| panic!("{screen}"))
    };
    assert!(row("link up") < row("0150ff8800"), "{screen}");
    // A bulb that turns out not to be one had a link too.
    desk.bulb(1, DriverEvent::Link(bulbctl::bulb::LinkPhase::Down));
    assert!(desk.screen().contains("link down"), "{}", desk.screen());
}

fn lost() -> bulbctl::Error {
    bulbctl::Error::LinkLost { device: "Light-Desk".to_owned(), operation: bulbctl::error::Operation::Idle }
}

#[test]
fn the_gatt_pane_reads_writes_and_subscribes() {
    use bulbctl::bulb::CharacteristicRef;
    use bulbctl::tui::GattRequest;
    let mut desk = desk(120, 40);
    desk.keys("5");
    desk.effects.clear();
    // The first row is a service: its first characteristic counts.
    desk.press(KeyCode::Enter);
    desk.keys("jw01 fe");
    desk.press(KeyCode::Enter);
    desk.keys("w\"hi\"");
    desk.press(KeyCode::Enter);
    let own = |request| Effect::Gatt(id(1), CharacteristicRef::Handle(2), request);
    let wanted = [GattRequest::Read, GattRequest::Write(vec![1, 0xfe]), GattRequest::Write(b"hi".to_vec())];
    assert_eq!(desk.effects, wanted.map(own));
    desk.effects.clear();
    // The desk's own subscription stays.
    desk.keys("jn");
    assert_eq!(desk.effects, []);
    assert!(desk.screen().contains("follows fff2 already"), "{}", desk.screen());
    desk.keys("wxyz");
    desk.press(KeyCode::Enter);
    assert!(desk.screen().contains("is not hex"), "{}", desk.screen());
    desk.press(KeyCode::Esc);
    desk.press(KeyCode::End);
    desk.keys("n");
    let [Effect::Gatt(_, _, GattRequest::Subscribe)] = &desk.effects[..] else {
        panic!("{:?}", desk.effects);
    };
    // Not connected: nothing is sent.
    desk.bulb(1, DriverEvent::Link(bulbctl::bulb::LinkPhase::Down));
    desk.effects.clear();
    desk.press(KeyCode::Enter);
    assert_eq!(desk.effects, []);
    assert!(desk.screen().contains("connect the bulb first"));
}

#[test]
fn a_check_takes_the_bulb_and_gives_it_back() {
    let mut desk = desk(120, 40);
    desk.keys("6");
    assert!(desk.screen().contains("Enter tests whether Light-Desk conforms"), "{}", desk.screen());
    desk.effects.clear();
    desk.press(KeyCode::Enter);
    let [Effect::Check(device, Some(driven))] = &desk.effects[..] else { panic!("{:?}", desk.effects) };
    let base = Families::default().profile("base", None).unwrap();
    assert_eq!((&device.id, &driven.0.name), (&id(1), &base.name));
    desk.bulb(1, DriverEvent::Link(bulbctl::bulb::LinkPhase::Down));
    desk.effects.clear();
    // Meanwhile the bulb is left alone.
    desk.keys("1");
    desk.press(KeyCode::Enter);
    desk.keys(" 6");
    assert_eq!(desk.effects, []);
    desk.press(KeyCode::Enter);
    assert_eq!(desk.effects, [Effect::StopCheck]);
    desk.effects.clear();
    let summary = Summary { passed: 1, restored: Some(true), ..Summary::default() };
    desk.radio(finished("advertises", Outcome::Passed));
    desk.radio(RadioEvent::Check(id(1), CheckEvent::End(Ok(summary))));
    assert!(matches!(&desk.effects[..], [Effect::Connect(seen)] if seen.id == id(1)), "{:?}", desk.effects);
    assert!(desk.screen().contains("1 passed  0 failed  done, restored"), "{}", desk.screen());
}
