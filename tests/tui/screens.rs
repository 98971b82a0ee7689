//! Snapshots of whole screens. Review changes with `cargo insta review`.

use std::time::{Duration, SystemTime};

use bulb_protocol::{LightState, Percent, Rgb};
use bulbctl::Error;
use bulbctl::bulb::{Battery, BatterySource, BulbState, DeviceInfo, DriverEvent, LinkPhase};
use bulbctl::radio::trace::{AttOperation, TracedFrame};
use bulbctl::radio::{AdapterState, CharacteristicId, WriteKind};
use bulbctl::tui::{Depth, Event, RadioEvent};
use crossterm::event::KeyCode;
use insta::assert_snapshot;
use ratatui::style::{Color, Modifier};

use super::test_desk::{ON, TestDesk, id};

/// Returns a full desk: bulbs in different states, frames, device information.
fn busy(width: u16, height: u16) -> TestDesk {
    let mut desk = TestDesk::office(width, height);
    desk.connect(1, ON);
    desk.bulb(1, DriverEvent::Battery(Some(Battery { percent: 87, source: BatterySource::Gatt })));
    let text = |text: &str| Some(text.to_owned());
    desk.bulb(
        1,
        DriverEvent::Info(DeviceInfo {
            manufacturer: text("Bulb Works"),
            model: text("BW-1"),
            firmware: text("1.4.2"),
            hardware: text("B"),
            serial: text("0001"),
        }),
    );
    desk.connect(2, LightState { power: false, ..ON });
    desk.bulb(2, DriverEvent::Battery(Some(Battery { percent: 9, source: BatterySource::Bluez })));
    desk.bulb(3, DriverEvent::Link(LinkPhase::Waiting(desk.start + desk.now + Duration::from_secs(8))));
    frames(&mut desk);
    desk
}

fn frames(desk: &mut TestDesk) {
    let frame = |ms: u64, operation, short, bytes: &[u8]| TracedFrame {
        at: desk.start + Duration::from_millis(ms),
        time: SystemTime::UNIX_EPOCH + Duration::from_millis(ms),
        device: id(1),
        operation,
        characteristic: CharacteristicId::short(if short == 0x2A19 { 0x180F } else { 0xFFF0 }, short),
        bytes: bytes.to_vec(),
        decoded: None,
    };
    let frames = vec![
        frame(1234, AttOperation::Read, 0xFFF2, &[1, 80, 0xff, 0x88, 0]),
        frame(1240, AttOperation::Read, 0x2A19, &[87]),
        frame(12_001, AttOperation::Write(WriteKind::Request), 0xFFF1, &[1, 30, 0xff, 0x88, 0]),
        frame(12_021, AttOperation::Notification, 0xFFF2, &[1, 30, 0xff, 0x88, 0]),
        frame(12_400, AttOperation::Notification, 0xFFF2, &[1, 101, 0, 0, 0]),
    ];
    desk.radio(RadioEvent::Frames(frames, 0));
}

#[test]
fn layouts_on_both_sides_of_each_width() {
    for (width, height) in [(49, 20), (50, 14)] {
        assert!(busy(width, height).screen().replace('\n', " ").contains("terminal too small"));
    }
    for (width, height) in [
        (50, 15),
        (71, 24),
        (72, 24),
        (80, 24),
        (80, 29),
        (80, 30),
        (100, 40),
        (120, 40),
        (127, 24),
        (128, 24),
        (200, 60),
    ] {
        assert_snapshot!(format!("layout_{width}x{height}"), busy(width, height).screen());
    }
}

#[test]
fn one_pane_at_a_time_where_there_is_little_room() {
    let mut desk = busy(50, 15);
    desk.press(KeyCode::Tab);
    assert_snapshot!("small_bulb", desk.screen());
    // The last control scrolls to the end of the pane.
    desk.press(KeyCode::End);
    (0..9).for_each(|_| desk.press(KeyCode::Down));
    assert_snapshot!("small_bulb_end", desk.screen());
    desk.press(KeyCode::Tab);
    assert_snapshot!("small_frames", desk.screen());
}

#[test]
fn nothing_heard_and_nothing_to_hear_with() {
    let mut desk = TestDesk::new(80, 24);
    assert_snapshot!("empty", desk.screen());
    desk.radio(RadioEvent::Adapter(AdapterState::Off));
    assert_snapshot!("adapter_off", desk.screen());
    desk.radio(RadioEvent::Adapter(AdapterState::On));
    assert!(!desk.screen().contains("adapter.off"));
    desk.radio(RadioEvent::OpenFailed(Error::AdapterBlocked { adapter: "hci0".to_owned(), hard: false }));
    assert!(desk.screen().contains("rfkill unblock"));
    desk.see(4, "JBL Flip 5", -66);
    desk.radio(RadioEvent::Adapter(AdapterState::On));
    assert!(desk.screen().contains("but 1 other"), "{}", desk.screen());
    desk.keys("a");
    assert!(desk.screen().contains("JBL Flip 5"));
    desk.keys("/zzz");
    assert!(desk.screen().contains("Nothing matches \"zzz\""), "{}", desk.screen());
}

#[test]
fn names_that_are_wide_combined_right_to_left_hostile_or_long() {
    let names = [
        "灯泡 Bulb",
        "💡 Light",
        "♻\u{fe0f}♻\u{fe0f} Light",
        "👩\u{200d}❤\u{fe0f}\u{200d}👨 Light",
        "Ge\u{301}ome\u{301}trie Light",
        "தமிழ\u{bbe} Light",
        "אור Light",
        "\u{202e}thgiL",
        "\u{1b}[2J\u{1b}[31mBulb",
        "Light\n\"x\",1",
        "Light \u{0}\u{0}",
    ];
    let long = "Light-".repeat(41) + "aa";
    assert_eq!(long.len(), 248);
    for width in [50, 80, 160] {
        let mut desk = TestDesk::new(width, 24);
        for (number, name) in (1..).zip(names.iter().copied().chain([long.as_str(), ""])) {
            desk.see(number, name, -50);
        }
        desk.keys("ao");
        desk.wait(10_000);
        assert_snapshot!(format!("names_{width}"), desk.screen());
        // No name shifts a column: the right border of the list is straight.
        let buffer = desk.buffer();
        let edge =
            (0..width).filter(|column| ["┃", "│"].contains(&buffer[(*column, 3)].symbol())).nth(1).unwrap();
        for row in 3..15 {
            assert!(["┃", "│"].contains(&buffer[(edge, row)].symbol()), "row {row}");
        }
    }
}

#[test]
fn three_hundred_devices() {
    let mut desk = TestDesk::new(80, 24);
    for number in 0..300 {
        desk.see(number, &format!("Light-{number:03}"), -40 - i16::try_from(number % 60).unwrap());
    }
    desk.tick();
    desk.press(KeyCode::PageDown);
    desk.press(KeyCode::PageDown);
    assert_snapshot!("three_hundred", desk.screen());
    desk.press(KeyCode::End);
    assert!(desk.screen().contains("300 of 300"));
}

#[test]
fn every_state_of_a_bulb() {
    let mut desk = TestDesk::office(80, 24);
    let mut shown = Vec::new();
    let mut look = |desk: &TestDesk, what: &str| {
        // The bulb's row, the first rows of its pane, and the message.
        let screen = desk.screen();
        let lines: Vec<&str> = screen.lines().skip(3).take(4).chain(screen.lines().nth(22)).collect();
        shown.push(format!("-- {what}\n{}", lines.join("\n")));
    };
    look(&desk, "not connected");
    desk.press(KeyCode::Enter);
    look(&desk, "connecting");
    desk.bulb(1, DriverEvent::Link(LinkPhase::Connecting(3)));
    look(&desk, "connecting, third attempt");
    desk.connect(1, ON);
    look(&desk, "reported");
    desk.keys("-");
    look(&desk, "assumed");
    let dimmed = LightState { brightness: Percent::clamped(75), ..ON };
    desk.bulb(1, DriverEvent::Confirmed(Some(Duration::from_millis(23))));
    desk.bulb(1, DriverEvent::State(BulbState::reported(dimmed), 1));
    look(&desk, "confirmed");
    desk.keys(" ");
    desk.bulb(1, DriverEvent::Unconfirmed);
    look(&desk, "not confirmed");
    let refused = Error::Refused {
        device: "Light-Desk".to_owned(),
        operation: bulbctl::error::Operation::write("fff1"),
        att: 0x0e,
    };
    desk.keys(" ");
    desk.bulb(1, DriverEvent::Trouble(refused));
    desk.bulb(1, DriverEvent::State(BulbState::reported(dimmed), 3));
    look(&desk, "refused");
    desk.press(KeyCode::Esc);
    desk.bulb(1, DriverEvent::State(BulbState::reported(LightState { power: false, ..ON }), 3));
    look(&desk, "off");
    let black = LightState { color: Rgb::new(0, 0, 0), brightness: Percent::MIN, ..ON };
    desk.bulb(1, DriverEvent::State(BulbState::reported(black), 3));
    look(&desk, "on, and black");
    let lost =
        Error::LinkLost { device: "Light-Desk".to_owned(), operation: bulbctl::error::Operation::Idle };
    desk.bulb(1, DriverEvent::Trouble(lost));
    desk.bulb(1, DriverEvent::Link(LinkPhase::Waiting(desk.start + desk.now + Duration::from_secs(4))));
    look(&desk, "lost");
    desk.bulb(1, DriverEvent::Link(LinkPhase::Down));
    desk.press(KeyCode::Esc);
    let mut report = desk.report(1, "Light-Desk", -48);
    report.connected = true;
    desk.radio(RadioEvent::DevicesSeen(vec![report]));
    look(&desk, "held elsewhere");
    assert_snapshot!("states", shown.join("\n"));
}

#[test]
fn windows_over_the_panes() {
    let mut desk = busy(80, 24);
    desk.keys("?");
    assert_snapshot!("help", desk.screen());
    desk.keys("G");
    assert_snapshot!("help_end", desk.screen());
    desk.press(KeyCode::Esc);
    desk.keys("@");
    assert_snapshot!("groups", desk.screen());
    desk.press(KeyCode::Esc);
    desk.radio(RadioEvent::Failed(Error::ScanBusy { detail: "Operation already in progress".to_owned() }));
    desk.keys("e");
    assert_snapshot!("messages", desk.screen());
}

#[test]
fn what_is_typed() {
    let mut desk = busy(80, 24);
    desk.keys("corang");
    desk.press(KeyCode::Enter);
    assert_snapshot!("typing_color", desk.screen());
    desk.press(KeyCode::Esc);
    desk.keys("3p/notif");
    assert_snapshot!("typing_filter", desk.screen());
}

#[test]
fn colours_are_what_the_terminal_shows() {
    for (depth, expected) in [
        (Depth::True, Color::Rgb(228, 122, 0)),
        (Depth::Indexed, Color::Indexed(172)),
        (Depth::Sixteen, Color::Indexed(3)),
        (Depth::None, Color::Reset),
    ] {
        let mut desk = TestDesk::with(80, 24, depth);
        desk.see(1, "Light-Desk", -48);
        desk.connect(1, ON);
        let buffer = desk.buffer();
        let preview = (0..80).find(|column| *column > 40 && buffer[(*column, 5)].symbol() == "█").unwrap();
        assert_eq!(buffer[(preview, 5)].fg, expected, "{depth:?}");
        // The colour in the list is not reversed by the cursor.
        assert_eq!(buffer[(5, 3)].fg, expected, "{depth:?}");
        assert!(depth == Depth::None || !buffer[(5, 3)].modifier.contains(Modifier::REVERSED));
        // Text keeps the terminal's own colours.
        let painted: Vec<Color> =
            buffer.content.iter().map(|cell| cell.bg).filter(|bg| *bg != Color::Reset).collect();
        assert_eq!(painted, [], "{depth:?}");
        if depth == Depth::None {
            assert!(buffer.content.iter().all(|cell| cell.fg == Color::Reset));
        }
    }
    let mut desk = TestDesk::with(80, 24, Depth::None);
    desk.see(1, "Light-Desk", -48);
    desk.connect(1, ON);
    desk.event(Event::Resize(80, 24));
    assert_snapshot!("no_colors", desk.screen());
}
