//! Whole screens. Review a difference with `cargo insta review`.

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

use super::stage::{ON, Stage, id};

/// Everything is on it: bulbs in different states, frames, device information.
fn busy(width: u16, height: u16) -> Stage {
    let mut stage = Stage::office(width, height);
    stage.up(1, ON);
    stage.bulb(1, DriverEvent::Battery(Some(Battery { percent: 87, source: BatterySource::Gatt })));
    let text = |text: &str| Some(text.to_owned());
    stage.bulb(
        1,
        DriverEvent::Info(DeviceInfo {
            manufacturer: text("Bulb Works"),
            model: text("BW-1"),
            firmware: text("1.4.2"),
            hardware: text("B"),
            serial: text("0001"),
        }),
    );
    stage.up(2, LightState { power: false, ..ON });
    stage.bulb(2, DriverEvent::Battery(Some(Battery { percent: 9, source: BatterySource::Bluez })));
    stage.bulb(3, DriverEvent::Link(LinkPhase::Waiting(stage.start + stage.now + Duration::from_secs(8))));
    frames(&mut stage);
    stage
}

fn frames(stage: &mut Stage) {
    let frame = |ms: u64, operation, short, bytes: &[u8]| TracedFrame {
        at: stage.start + Duration::from_millis(ms),
        time: SystemTime::UNIX_EPOCH + Duration::from_millis(ms),
        device: id(1),
        operation,
        characteristic: CharacteristicId::short(if short == 0x2A19 { 0x180F } else { 0xFFF0 }, short),
        bytes: bytes.to_vec(),
        said: None,
    };
    let frames = vec![
        frame(1234, AttOperation::Read, 0xFFF2, &[1, 80, 0xff, 0x88, 0]),
        frame(1240, AttOperation::Read, 0x2A19, &[87]),
        frame(12_001, AttOperation::Write(WriteKind::Request), 0xFFF1, &[1, 30, 0xff, 0x88, 0]),
        frame(12_021, AttOperation::Notification, 0xFFF2, &[1, 30, 0xff, 0x88, 0]),
        frame(12_400, AttOperation::Notification, 0xFFF2, &[1, 101, 0, 0, 0]),
    ];
    stage.word(RadioEvent::Frames(frames, 0));
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
        (139, 24),
        (140, 24),
        (220, 50),
    ] {
        assert_snapshot!(format!("layout_{width}x{height}"), busy(width, height).screen());
    }
}

#[test]
fn one_pane_at_a_time_where_there_is_little_room() {
    let mut stage = busy(50, 15);
    stage.press(KeyCode::Tab);
    assert_snapshot!("small_bulb", stage.screen());
    // On the last control, what is below it comes into view.
    stage.press(KeyCode::End);
    (0..9).for_each(|_| stage.press(KeyCode::Down));
    assert_snapshot!("small_bulb_end", stage.screen());
    stage.press(KeyCode::Tab);
    assert_snapshot!("small_frames", stage.screen());
}

#[test]
fn nothing_heard_and_nothing_to_hear_with() {
    let mut stage = Stage::new(80, 24);
    assert_snapshot!("empty", stage.screen());
    stage.word(RadioEvent::Adapter(AdapterState::Off));
    assert_snapshot!("adapter_off", stage.screen());
    stage.word(RadioEvent::Adapter(AdapterState::On));
    assert!(!stage.screen().contains("adapter.off"));
    stage.word(RadioEvent::Closed(Error::AdapterBlocked { adapter: "hci0".to_owned(), hard: false }));
    assert!(stage.screen().contains("rfkill unblock"));
    stage.hear(4, "JBL Flip 5", -66);
    stage.word(RadioEvent::Adapter(AdapterState::On));
    assert!(stage.screen().contains("1 other device is"), "{}", stage.screen());
    stage.keys("a");
    assert!(stage.screen().contains("JBL Flip 5"));
    stage.keys("/zzz");
    assert!(stage.screen().contains("Nothing has \"zzz\""), "{}", stage.screen());
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
        let mut stage = Stage::new(width, 24);
        for (number, name) in (1..).zip(names.iter().copied().chain([long.as_str(), ""])) {
            stage.hear(number, name, -50);
        }
        stage.keys("ao");
        stage.wait(10_000);
        assert_snapshot!(format!("names_{width}"), stage.screen());
        // No column is shifted: the frame on the right of the list is in one line.
        let buffer = stage.buffer();
        let edge =
            (0..width).filter(|column| ["┃", "│"].contains(&buffer[(*column, 3)].symbol())).nth(1).unwrap();
        for row in 3..15 {
            assert!(["┃", "│"].contains(&buffer[(edge, row)].symbol()), "row {row}");
        }
    }
}

#[test]
fn three_hundred_devices() {
    let mut stage = Stage::new(80, 24);
    for number in 0..300 {
        stage.hear(number, &format!("Light-{number:03}"), -40 - i16::try_from(number % 60).unwrap());
    }
    stage.tick();
    stage.press(KeyCode::PageDown);
    stage.press(KeyCode::PageDown);
    assert_snapshot!("three_hundred", stage.screen());
    stage.press(KeyCode::End);
    assert!(stage.screen().contains("300 of 300"));
}

#[test]
fn every_state_of_a_bulb() {
    let mut stage = Stage::office(80, 24);
    let mut shown = Vec::new();
    let mut look = |stage: &Stage, what: &str| {
        // The bulb's row, its first rows in the pane, and the message.
        let screen = stage.screen();
        let lines: Vec<&str> = screen.lines().skip(3).take(4).chain(screen.lines().nth(22)).collect();
        shown.push(format!("-- {what}\n{}", lines.join("\n")));
    };
    look(&stage, "not connected");
    stage.press(KeyCode::Enter);
    look(&stage, "connecting");
    stage.bulb(1, DriverEvent::Link(LinkPhase::Connecting(3)));
    look(&stage, "connecting, third attempt");
    stage.up(1, ON);
    look(&stage, "reported");
    stage.keys("-");
    look(&stage, "assumed");
    let dimmed = LightState { brightness: Percent::clamped(75), ..ON };
    stage.bulb(1, DriverEvent::Confirmed(Duration::from_millis(23)));
    stage.bulb(1, DriverEvent::State(BulbState::reported(dimmed), 1));
    look(&stage, "confirmed");
    stage.keys(" ");
    stage.bulb(1, DriverEvent::Unconfirmed);
    look(&stage, "not confirmed");
    let refused = Error::Refused {
        device: "Light-Desk".to_owned(),
        operation: bulbctl::error::Operation::write("fff1"),
        att: 0x0e,
    };
    stage.keys(" ");
    stage.bulb(1, DriverEvent::Trouble(refused));
    stage.bulb(1, DriverEvent::State(BulbState::reported(dimmed), 3));
    look(&stage, "refused");
    stage.press(KeyCode::Esc);
    stage.bulb(1, DriverEvent::State(BulbState::reported(LightState { power: false, ..ON }), 3));
    look(&stage, "off");
    let black = LightState { color: Rgb::new(0, 0, 0), brightness: Percent::MIN, ..ON };
    stage.bulb(1, DriverEvent::State(BulbState::reported(black), 3));
    look(&stage, "on, and black");
    let lost =
        Error::LinkLost { device: "Light-Desk".to_owned(), operation: bulbctl::error::Operation::Idle };
    stage.bulb(1, DriverEvent::Trouble(lost));
    stage.bulb(1, DriverEvent::Link(LinkPhase::Waiting(stage.start + stage.now + Duration::from_secs(4))));
    look(&stage, "lost");
    stage.bulb(1, DriverEvent::Link(LinkPhase::Down));
    stage.press(KeyCode::Esc);
    let mut report = stage.report(1, "Light-Desk", -48);
    report.connected = true;
    stage.word(RadioEvent::Reports(vec![report]));
    look(&stage, "held elsewhere");
    assert_snapshot!("states", shown.join("\n"));
}

#[test]
fn windows_over_the_panes() {
    let mut stage = busy(80, 24);
    stage.keys("?");
    assert_snapshot!("help", stage.screen());
    stage.keys("G");
    assert_snapshot!("help_end", stage.screen());
    stage.press(KeyCode::Esc);
    stage.keys("@");
    assert_snapshot!("groups", stage.screen());
    stage.press(KeyCode::Esc);
    stage.word(RadioEvent::Trouble(Error::ScanBusy { detail: "Operation already in progress".to_owned() }));
    stage.keys("e");
    assert_snapshot!("messages", stage.screen());
}

#[test]
fn what_is_typed() {
    let mut stage = busy(80, 24);
    stage.keys("corang");
    stage.press(KeyCode::Enter);
    assert_snapshot!("typing_color", stage.screen());
    stage.press(KeyCode::Esc);
    stage.keys("3p/notif");
    assert_snapshot!("typing_filter", stage.screen());
}

#[test]
fn colours_are_what_the_terminal_shows() {
    for (depth, expected) in [
        (Depth::True, Color::Rgb(228, 122, 0)),
        (Depth::Indexed, Color::Indexed(172)),
        (Depth::Sixteen, Color::Indexed(3)),
        (Depth::None, Color::Reset),
    ] {
        let mut stage = Stage::with(80, 24, depth);
        stage.hear(1, "Light-Desk", -48);
        stage.up(1, ON);
        let buffer = stage.buffer();
        let lamp = (0..80).find(|column| *column > 40 && buffer[(*column, 5)].symbol() == "█").unwrap();
        assert_eq!(buffer[(lamp, 5)].fg, expected, "{depth:?}");
        // The swatch in the list is not reversed by the cursor that stands on it.
        assert_eq!(buffer[(5, 3)].fg, expected, "{depth:?}");
        assert!(depth == Depth::None || !buffer[(5, 3)].modifier.contains(Modifier::REVERSED));
        // Text is in the terminal's own colours, which fit its background.
        let painted: Vec<Color> =
            buffer.content.iter().map(|cell| cell.bg).filter(|bg| *bg != Color::Reset).collect();
        assert_eq!(painted, [], "{depth:?}");
        if depth == Depth::None {
            assert!(buffer.content.iter().all(|cell| cell.fg == Color::Reset));
        }
    }
    let mut stage = Stage::with(80, 24, Depth::None);
    stage.hear(1, "Light-Desk", -48);
    stage.up(1, ON);
    stage.event(Event::Resize(80, 24));
    assert_snapshot!("no_colors", stage.screen());
}
