//! What the radio and the clock bring to the desk.

use std::path::PathBuf;
use std::time::Duration;

use bulbctl::Error;
use bulbctl::bulb::DriverEvent;
use bulbctl::error::Operation;
use bulbctl::radio::SeenDevice;
use bulbctl::tui::{Effect, RadioEvent, SavedKind, ScanPhase};
use crossterm::event::KeyCode;

use super::test_desk::{ON, TestDesk, id};

#[test]
fn a_mistake_in_a_file_ends_the_desk_and_a_missing_adapter_does_not() {
    let mut desk = TestDesk::new(80, 24);
    desk.radio(RadioEvent::OpenFailed(Error::AdapterNone));
    assert_eq!(desk.effects, []);
    assert!(desk.screen().contains("adapter.none"), "{}", desk.screen());
    // Other failures are shown beside it.
    desk.see(1, "Light-Desk", -48);
    let lost = || Error::LinkLost { device: "Light-Desk".to_owned(), operation: Operation::Idle };
    desk.bulb(1, DriverEvent::Trouble(lost()));
    assert!(desk.screen().contains("link.lost"), "{}", desk.screen());
    desk.radio(RadioEvent::OpenFailed(Error::Usage("a rig without bulbs".to_owned())));
    assert!(
        matches!(&desk.effects[..], [Effect::Fail(error)] if error.code() == "usage"),
        "{:?}",
        desk.effects
    );
}

#[test]
fn a_failure_of_the_radio_is_over_when_it_scans_again() {
    let mut desk = TestDesk::office(80, 24);
    desk.radio(RadioEvent::Failed(Error::ServiceDown));
    desk.radio(RadioEvent::Scan(ScanPhase::Off));
    assert!(desk.screen().contains("service.down"), "{}", desk.screen());
    desk.radio(RadioEvent::Scan(ScanPhase::On));
    assert!(!desk.screen().contains("service.down"), "{}", desk.screen());
    // One of this computer's own is not.
    desk.radio(RadioEvent::Failed(Error::Usage("no such file".to_owned())));
    desk.radio(RadioEvent::Scan(ScanPhase::On));
    assert!(desk.screen().contains("no such file"), "{}", desk.screen());
}

#[test]
fn what_was_saved_is_counted() {
    for (kind, count, text) in [
        (SavedKind::Frames, 0, "saved 0 lines to x"),
        (SavedKind::Frames, 1, "saved 1 line to x"),
        (SavedKind::Frames, 12, "saved 12 lines to x"),
        (SavedKind::Recording, 12, "saved the recording to x"),
        (SavedKind::Scene, 1, "saved the scene to x"),
    ] {
        let mut desk = TestDesk::office(80, 24);
        desk.radio(RadioEvent::Saved(kind, count, PathBuf::from("x")));
        assert!(desk.screen().contains(text), "{text}\n{}", desk.screen());
    }
}

#[test]
fn frames_that_were_missed_add_up() {
    let mut desk = TestDesk::office(120, 40);
    desk.keys("3");
    desk.radio(RadioEvent::Frames(Vec::new(), 2));
    desk.radio(RadioEvent::Frames(Vec::new(), 3));
    assert!(desk.screen().contains("5 missed"), "{}", desk.screen());
}

#[test]
fn the_scan_turns_while_anything_is_heard() {
    let mut desk = TestDesk::office(80, 24);
    let spinner =
        |desk: &TestDesk| desk.screen().lines().next().unwrap().split(" scanning").next().unwrap().to_owned();
    desk.tick();
    let before = spinner(&desk);
    desk.tick();
    assert_eq!(spinner(&desk), before, "nothing was heard");
    // Twice between two ticks.
    desk.see(1, "Light-Desk", -48);
    desk.see(1, "Light-Desk", -48);
    desk.tick();
    assert_ne!(spinner(&desk), before);
    let before = spinner(&desk);
    // A report from the memory of the system is not heard.
    let known = SeenDevice { seen: None, rssi: None, ..desk.report(9, "Light-Old", -50) };
    desk.radio(RadioEvent::DevicesSeen(vec![known]));
    desk.tick();
    assert_eq!(spinner(&desk), before);
}

#[test]
fn a_fade_is_shown_until_it_has_ended() {
    let mut desk = TestDesk::office(80, 24);
    desk.connect(1, ON);
    let still = desk.screen();
    desk.keys("F20% 4s");
    desk.press(KeyCode::Enter);
    // Its last command takes a moment.
    for (wait, shown) in [(1000, true), (2500, true), (1000, true), (1500, false)] {
        desk.wait(wait);
        let screen = desk.screen();
        assert_eq!(screen.contains("fad"), shown, "{wait}\n{screen}\n{still}");
    }
}

#[test]
fn the_signal_of_bulbs_is_kept_before_anybody_asks_for_it() {
    let mut desk = TestDesk::office(120, 40);
    desk.keys("a4");
    for _ in 0..20 {
        for (number, name, rssi) in [(1, "Light-Desk", -48), (2, "Light-Shelf", -61), (4, "JBL Flip 5", -66)]
        {
            desk.see(number, name, rssi);
        }
        desk.wait(1000);
    }
    let dots =
        |desk: &TestDesk| desk.screen().chars().filter(|c| ('\u{2801}'..='\u{28ff}').contains(c)).count();
    assert!(dots(&desk) > 5, "{}", desk.screen());
    desk.keys("1");
    for (wanted, has_history) in [(2, true), (4, false)] {
        while desk.model.selected() != Some(&id(wanted)) {
            desk.press(KeyCode::Down);
        }
        assert_eq!(dots(&desk) > 5, has_history, "{wanted}\n{}", desk.screen());
    }
}

#[test]
fn a_crowd_of_bulbs_does_not_fill_the_memory_with_signals() {
    let mut desk = TestDesk::new(120, 40);
    let report = |desk: &TestDesk| {
        (100..300).map(|number| desk.report(number, &format!("Light-{number}"), -50)).collect::<Vec<_>>()
    };
    for _ in 0..20 {
        let all = report(&desk);
        desk.radio(RadioEvent::DevicesSeen(all));
        desk.wait(1000);
    }
    desk.keys("4");
    desk.keys("1");
    let dots =
        |desk: &TestDesk| desk.screen().chars().filter(|c| ('\u{2801}'..='\u{28ff}').contains(c)).count();
    // Thirty-two of them have a history.
    let mut with = 0;
    desk.press(KeyCode::Home);
    for _ in 0..200 {
        with += usize::from(dots(&desk) > 5);
        desk.press(KeyCode::Down);
    }
    assert!((32..=33).contains(&with), "{with}");
    // Without a scan, nothing is added.
    desk.radio(RadioEvent::Scan(ScanPhase::Off));
    let before = dots(&desk);
    desk.now += Duration::from_secs(5);
    desk.tick();
    assert_eq!(dots(&desk), before);
}
