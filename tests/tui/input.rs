//! Where keys go, and the line of typed text.

use std::time::Duration;

use bulb_protocol::profile::Light;
use bulbctl::bulb::{Change, DriverCommand};
use bulbctl::tui::{Effect, Event};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::panes;
use super::test_desk::{ON, TestDesk, id};

/// The text behind `filter: `.
fn typed(desk: &TestDesk) -> String {
    let screen = desk.screen();
    let line =
        screen.lines().find_map(|line| line.split_once("filter: ")).unwrap_or_else(|| panic!("{screen}"));
    line.1.split("  ").next().unwrap().to_owned()
}

fn focus(desk: &TestDesk) -> String {
    let screen = desk.screen();
    let border = screen.lines().find_map(|line| line.split_once("┏ ")).unwrap_or_else(|| panic!("{screen}"));
    border.1.split_whitespace().next().unwrap().to_owned()
}

#[test]
fn the_line_is_edited_with_the_usual_keys() {
    use KeyCode::{Backspace, Delete, End, Home, Left, Right};
    for (keys, control, text) in [
        (&[][..], None, "light desk"),
        (&[Backspace], None, "light desx"),
        (&[Left], None, "light desxk"),
        (&[Home], None, "xlight desk"),
        (&[Home, Delete], None, "xight desk"),
        (&[Home, Right], None, "lxight desk"),
        (&[Home, End], None, "light deskx"),
        (&[], Some('w'), "light x"),
        (&[], Some('u'), "x"),
        (&[], Some('a'), "xlight desk"),
        (&[Home], Some('e'), "light deskx"),
        // No command, and no letter.
        (&[], Some('k'), "light deskx"),
    ] {
        let mut desk = TestDesk::office(80, 24);
        desk.keys("/light desk");
        assert_eq!(typed(&desk), "light desk");
        keys.iter().for_each(|code| desk.press(*code));
        if let Some(control) = control {
            desk.control(control);
        }
        if text != "light desk" {
            desk.keys("x");
        }
        assert_eq!(typed(&desk), text, "{keys:?} {control:?}");
    }
    let mut desk = TestDesk::office(80, 24);
    desk.keys("/light");
    desk.event(Event::Key(KeyEvent::new(KeyCode::Char('d'), KeyModifiers::ALT)));
    assert_eq!(typed(&desk), "light");
}

#[test]
fn esc_gives_up_what_was_typed() {
    let mut desk = TestDesk::office(80, 24);
    desk.keys("/hall");
    assert_eq!(desk.model.listed(), [id(3)]);
    // There is no list to go up and down in.
    desk.press(KeyCode::Up);
    desk.press(KeyCode::Down);
    assert_eq!(typed(&desk), "hall");
    desk.press(KeyCode::Esc);
    assert_eq!(desk.model.listed().len(), 3);
}

#[test]
fn a_file_without_a_name_is_not_written() {
    let mut desk = panes::desk(80, 24);
    desk.keys("3w");
    desk.control('u');
    desk.keys(" ");
    desk.effects.clear();
    desk.press(KeyCode::Enter);
    assert_eq!(desk.effects, []);
    desk.keys("w");
    desk.press(KeyCode::Enter);
    assert!(matches!(&desk.effects[..], [Effect::Save(..)]), "{:?}", desk.effects);
}

#[test]
fn the_palette_is_a_list_and_each_action_is_seen_in_its_pane() {
    let mut desk = panes::desk(80, 24);
    for (start, action, pane) in [
        ("3", "filter bulbs", "Bulbs"),
        ("1", "pause or continue", "Frames"),
        ("1", "read the value", "GATT"),
        ("1", "run the checks", "Check"),
    ] {
        desk.press(KeyCode::Esc);
        desk.keys(start);
        desk.keys(":");
        desk.keys(action);
        desk.press(KeyCode::Enter);
        assert_eq!(focus(&desk), pane, "{action}\n{}", desk.screen());
    }
    desk.press(KeyCode::Esc);
    // Down and up again is the first.
    desk.keys(":sort by");
    let first = desk.screen();
    desk.press(KeyCode::Down);
    desk.press(KeyCode::Up);
    assert_eq!(desk.screen(), first);
    desk.press(KeyCode::Esc);
    desk.keys(":");
    let first = desk.screen();
    desk.press(KeyCode::Down);
    assert_ne!(desk.screen(), first);
    desk.press(KeyCode::Up);
    assert_eq!(desk.screen(), first);
}

#[test]
fn panes_are_walked_in_both_directions() {
    let mut desk = panes::desk(80, 24);
    desk.keys("31");
    for (key, pane) in [
        (KeyCode::Tab, "Light-Desk"),
        (KeyCode::Tab, "Frames"),
        (KeyCode::Tab, "Bulbs"),
        (KeyCode::BackTab, "Frames"),
        (KeyCode::BackTab, "Light-Desk"),
        (KeyCode::BackTab, "Bulbs"),
    ] {
        desk.press(key);
        assert_eq!(focus(&desk), pane, "{}", desk.screen());
    }
    // The lower panes form a circle.
    desk.keys("3");
    for (key, pane) in [("[", "Log"), ("[", "Check"), ("]", "Log"), ("]", "Frames"), ("]", "Graphs")] {
        desk.keys(key);
        assert_eq!(focus(&desk), pane, "{}", desk.screen());
    }
    // Without a bulb, there is none to go to.
    let mut desk = TestDesk::new(80, 24);
    desk.press(KeyCode::Tab);
    assert_eq!(focus(&desk), "Frames");
}

#[test]
fn a_lower_pane_scrolls_to_both_ends() {
    let mut desk = panes::desk(80, 24);
    desk.keys("3");
    let newest = desk.screen();
    for (keys, back) in [
        (&[KeyCode::Up][..], KeyCode::Down),
        (&[KeyCode::PageUp], KeyCode::PageDown),
        (&[KeyCode::Home], KeyCode::End),
    ] {
        keys.iter().for_each(|code| desk.press(*code));
        assert_ne!(desk.screen(), newest, "{keys:?}");
        desk.press(back);
        assert_eq!(desk.screen(), newest, "{back:?}");
    }
    desk.press(KeyCode::Home);
    let oldest = desk.screen();
    desk.press(KeyCode::Up);
    assert_eq!(desk.screen(), oldest);
    desk.keys("x");
    assert!(!desk.screen().contains("fff1"), "{}", desk.screen());
}

#[test]
fn help_is_turned_by_pages() {
    let mut desk = TestDesk::office(80, 24);
    desk.keys("?");
    let first = desk.screen();
    desk.press(KeyCode::PageDown);
    let second = desk.screen();
    assert_ne!(second, first);
    desk.press(KeyCode::PageUp);
    assert_eq!(desk.screen(), first);
}

#[test]
fn the_scan_is_started_and_stopped_and_the_screen_drawn_again() {
    let mut desk = TestDesk::office(80, 24);
    desk.keys("s");
    desk.keys("s");
    desk.control('l');
    assert_eq!(desk.effects, [Effect::Scan(false), Effect::Scan(true), Effect::Redraw]);
    // While something is typed, too.
    desk.effects.clear();
    desk.keys("/");
    desk.control('l');
    assert_eq!(desk.effects, [Effect::Redraw]);
}

#[test]
fn esc_clears_the_filter_of_the_pane_that_one_is_in() {
    let mut desk = panes::desk(80, 24);
    desk.keys("3/fff2");
    desk.press(KeyCode::Enter);
    desk.keys("1/Desk");
    desk.press(KeyCode::Enter);
    assert_eq!(desk.model.listed(), [id(1)]);
    desk.press(KeyCode::Esc);
    assert!(desk.model.listed().len() > 1, "the filter of the list");
    desk.keys("3");
    assert!(!desk.screen().contains("fff1"), "{}", desk.screen());
    desk.press(KeyCode::Esc);
    assert!(desk.screen().contains("fff1"), "{}", desk.screen());
}

#[test]
fn marking_goes_on_to_the_next_bulb() {
    let mut desk = TestDesk::office(80, 24);
    desk.press(KeyCode::Down);
    desk.keys("m");
    assert_eq!(desk.model.selected(), Some(&id(3)));
    assert!(desk.screen().contains("1 marked"), "{}", desk.screen());
    desk.keys("@");
    desk.keys("j");
    desk.press(KeyCode::Enter);
    assert!(desk.screen().contains("1 bulb of @hall is marked"), "{}", desk.screen());
}

#[test]
fn nothing_is_sent_without_a_bulb() {
    let mut desk = TestDesk::new(80, 24);
    for key in ["+", " ", "6\r"] {
        desk.keys(key.trim_end_matches('\r'));
        if key.ends_with('\r') {
            desk.press(KeyCode::Enter);
        }
        assert!(desk.screen().contains("no bulb selected"), "{key}\n{}", desk.screen());
        assert_eq!(desk.effects, []);
    }
}

#[test]
fn a_slider_that_does_not_move_sends_nothing_to_one_bulb() {
    let full = bulb_protocol::LightState { brightness: bulb_protocol::Percent::MAX, ..ON };
    let mut desk = TestDesk::office(80, 24);
    desk.connect(1, full);
    desk.connect(2, ON);
    desk.effects.clear();
    desk.keys("+");
    assert_eq!(desk.effects, [], "it is as bright as it can be");
    // One marked bulb is one bulb.
    desk.keys("m");
    desk.press(KeyCode::Home);
    desk.keys("+");
    assert_eq!(desk.effects, []);
    desk.press(KeyCode::Down);
    desk.keys("m");
    desk.press(KeyCode::Home);
    desk.keys("+");
    let full = Change::from(Light { brightness: Some(bulb_protocol::Percent::MAX), ..Light::default() });
    let sent = |number| matches!(&desk.effects[..], [a, b] if [a, b].iter().any(|one| matches!(one, Effect::Command(to, DriverCommand::Change(change), _) if *to == id(number) && *change == full)));
    assert!(sent(1) && sent(2), "the other may differ: {:?}", desk.effects);
}

#[test]
fn only_a_bulb_is_checked() {
    let mut desk = TestDesk::office(80, 24);
    desk.keys("a");
    while desk.model.selected() != Some(&id(4)) {
        desk.press(KeyCode::Down);
    }
    desk.keys("6");
    desk.press(KeyCode::Enter);
    assert!(desk.screen().contains("JBL Flip 5 is no bulb that bulbctl knows"), "{}", desk.screen());
    assert_eq!(desk.effects, []);
}

#[test]
fn checks_on_one_bulb_leave_the_others() {
    let mut desk = TestDesk::office(80, 24);
    desk.keys("6");
    desk.press(KeyCode::Enter);
    desk.effects.clear();
    desk.keys("1");
    desk.press(KeyCode::Down);
    desk.press(KeyCode::Enter);
    assert!(matches!(&desk.effects[..], [Effect::Connect(seen)] if seen.id == id(2)), "{:?}", desk.effects);
}

#[test]
fn a_fade_needs_a_bulb_that_is_connected_and_reports() {
    let mut desk = TestDesk::office(80, 24);
    desk.keys("F");
    assert!(desk.screen().contains("a fade needs a connected bulb"), "{}", desk.screen());
    desk.connect(1, ON);
    desk.keys("F50% 1h");
    desk.effects.clear();
    desk.press(KeyCode::Enter);
    let hour = |effect: &Effect| matches!(effect, Effect::Command(_, DriverCommand::Fade(_, over), _) if *over == Duration::from_secs(3600));
    assert!(desk.effects.iter().any(hour), "the longest fade: {:?}", desk.effects);
}
