//! What keys, the mouse and the radio make of the desk.

use std::time::Duration;

use bulb_protocol::{LightState, Percent, Rgb};
use bulbctl::bulb::{BulbState, Change, DriverEvent, LinkPhase, Power};
use bulbctl::tui::{Effect, Event, RadioEvent, ScanPhase};
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEventKind};

use super::stage::{ON, Stage, id};

fn brightness(percent: u8) -> Change {
    Change { brightness: Some(Percent::clamped(percent)), ..Change::default() }
}

fn color(red: u8, green: u8, blue: u8) -> Change {
    Change { color: Some(Rgb::new(red, green, blue)), ..Change::default() }
}

#[test]
fn the_selection_stays_with_its_bulb_while_the_list_moves() {
    let mut stage = Stage::office(80, 24);
    assert_eq!(stage.model.selected(), Some(&id(1)));
    stage.press(KeyCode::Down);
    assert_eq!(stage.model.selected(), Some(&id(2)));
    // It comes so near that it is the first now, and a new one is nearer still.
    for _ in 0..30 {
        stage.hear(2, "Light-Shelf", -30);
        stage.tick();
    }
    stage.hear(9, "Light-Aisle", -20);
    stage.tick();
    assert_eq!(stage.model.selected(), Some(&id(2)));
    assert_eq!(stage.model.listed()[..2], [id(9), id(1)]);
    // Typing a filter that it does not pass moves on to one that does.
    stage.keys("/hall");
    assert_eq!(stage.model.listed(), [id(3)]);
    assert_eq!(stage.model.selected(), Some(&id(3)));
}

#[test]
fn until_something_is_chosen_the_first_one_is_selected() {
    let mut stage = Stage::new(80, 24);
    stage.hear(3, "Bulb-Hallway", -74);
    assert_eq!(stage.model.selected(), Some(&id(3)));
    stage.hear(1, "Light-Desk", -48);
    assert_eq!(stage.model.selected(), Some(&id(1)));
    stage.press(KeyCode::Down);
    stage.hear(2, "Light-Shelf", -40);
    assert_eq!(stage.model.selected(), Some(&id(3)));
}

#[test]
fn a_bulb_that_is_not_heard_fades_and_goes() {
    let mut stage = Stage::office(80, 24);
    stage.press(KeyCode::Down);
    for _ in 0..62 {
        stage.hear(1, "Light-Desk", -48);
        stage.tick();
    }
    // The hallway has gone; the shelf too, but it is selected.
    assert_eq!(stage.model.listed(), [id(1), id(2)]);
    stage.press(KeyCode::Up);
    assert_eq!(stage.model.listed(), [id(1)]);
    // Without a scan nobody is heard, which says nothing.
    stage.word(RadioEvent::Scan(ScanPhase::Off));
    stage.wait(120_000);
    assert_eq!(stage.model.listed(), [id(1)]);
    assert_eq!(stage.model.next_tick(), None);
}

#[test]
fn a_slider_is_assumed_under_the_finger_and_settles_on_what_is_reported() {
    let mut stage = Stage::office(80, 24);
    stage.up(1, ON);
    stage.effects.clear();
    stage.keys("--");
    assert_eq!(
        stage.effects,
        [Effect::Change(id(1), brightness(75), 1), Effect::Change(id(1), brightness(70), 2)]
    );
    assert!(stage.screen().contains("on  70 %") && stage.screen().contains("assumed"));
    // The bulb is still at the first of them: the slider does not jump back.
    let at = |percent| LightState { brightness: Percent::clamped(percent), ..ON };
    stage.bulb(1, DriverEvent::State(BulbState::reported(at(75)), 1));
    assert!(stage.screen().contains("on  70 %"));
    stage.bulb(1, DriverEvent::Confirmed(Duration::from_millis(20)));
    stage.bulb(1, DriverEvent::State(BulbState::reported(at(70)), 2));
    assert!(stage.screen().contains("reported"));
    // Somebody else changes it.
    stage.bulb(1, DriverEvent::State(BulbState::reported(at(10)), 2));
    assert!(stage.screen().contains("on  10 %"));
    // A lost link makes it unknown, never off.
    stage.bulb(1, DriverEvent::Link(LinkPhase::Waiting(stage.start + Duration::from_secs(60))));
    assert!(stage.screen().contains("state unknown") && !stage.screen().contains("10 %"));
}

#[test]
fn the_controls_change_what_they_say() {
    let mut stage = Stage::office(80, 24);
    stage.up(1, ON);
    stage.effects.clear();
    stage.press(KeyCode::Enter);
    let changes = |stage: &mut Stage, key: KeyCode| {
        stage.press(key);
        let changes = stage.effects.drain(..).map(|effect| match effect {
            Effect::Change(_, change, _) => change,
            other => panic!("{other:?}"),
        });
        changes.collect::<Vec<_>>()
    };
    assert_eq!(changes(&mut stage, KeyCode::Enter), [Change::power(Power::Off)]);
    assert_eq!(changes(&mut stage, KeyCode::Right), [Change::power(Power::On)]);
    assert_eq!(changes(&mut stage, KeyCode::Down), []);
    assert_eq!(changes(&mut stage, KeyCode::Right), [brightness(81)]);
    assert_eq!(changes(&mut stage, KeyCode::End), [brightness(100)]);
    // A held key at the end of a slider asks for nothing.
    assert_eq!(changes(&mut stage, KeyCode::Right), []);
    assert_eq!(changes(&mut stage, KeyCode::PageDown), [brightness(90)]);
    (0..3).for_each(|_| stage.press(KeyCode::Down));
    assert_eq!(changes(&mut stage, KeyCode::PageUp), [color(255, 136, 10)]);
    assert_eq!(changes(&mut stage, KeyCode::Home), [color(255, 136, 0)]);
    stage.press(KeyCode::Down);
    assert_eq!(changes(&mut stage, KeyCode::Home), [color(255, 0, 0)]);
    // Round the circle of hues.
    assert_eq!(changes(&mut stage, KeyCode::Left), [color(255, 0, 4)]);
    stage.press(KeyCode::Down);
    assert_eq!(changes(&mut stage, KeyCode::Home), [color(255, 255, 255)]);
    assert_eq!(changes(&mut stage, KeyCode::End), [color(255, 0, 4)]);
    // Typing a value, and a colour.
    stage.press(KeyCode::Enter);
    stage.keys("101");
    assert_eq!(changes(&mut stage, KeyCode::Enter), []);
    stage.press(KeyCode::Backspace);
    assert_eq!(changes(&mut stage, KeyCode::Enter).len(), 1);
    stage.keys("cteal");
    assert_eq!(changes(&mut stage, KeyCode::Enter), [color(0, 0x80, 0x80)]);
    // Presets are taken with Enter; the colour typed is among the recent ones.
    stage.press(KeyCode::Down);
    stage.press(KeyCode::Down);
    stage.press(KeyCode::End);
    assert_eq!(changes(&mut stage, KeyCode::Enter), [color(255, 0, 0x88)]);
    stage.press(KeyCode::Down);
    stage.press(KeyCode::Right);
    assert_eq!(changes(&mut stage, KeyCode::Enter), [color(0, 0x80, 0x80)]);
}

#[test]
fn several_bulbs_are_driven_together_and_each_result_is_seen() {
    let mut stage = Stage::office(80, 24);
    stage.up(1, ON);
    stage.up(2, LightState { power: false, ..ON });
    stage.effects.clear();
    stage.keys("@");
    stage.keys("jj");
    stage.press(KeyCode::Enter);
    assert!(stage.screen().contains("2 bulbs of @office"), "{}", stage.screen());
    // One of them is on, so both go off.
    stage.keys(" ");
    let off = Change::power(Power::Off);
    assert_eq!(stage.effects, [Effect::Change(id(1), off.clone(), 1), Effect::Change(id(2), off, 2)]);
    stage.bulb(1, DriverEvent::Confirmed(Duration::from_millis(20)));
    let refused = bulbctl::Error::Refused {
        device: "Light-Shelf".into(),
        operation: bulbctl::error::Operation::write("fff1"),
        att: 0x80,
    };
    stage.bulb(2, DriverEvent::Trouble(refused));
    let screen = stage.screen();
    assert!(screen.contains("✓ Light-Desk") && screen.contains("✗ Light-Shelf"), "{screen}");
    // Marks that are not connected are told, not passed over.
    stage.press(KeyCode::Esc);
    stage.press(KeyCode::End);
    stage.keys("m+");
    assert!(stage.screen().contains("1 of 3 marked bulbs are not connected"), "{}", stage.screen());
    // Esc takes away one thing after the other.
    stage.press(KeyCode::Esc);
    assert!(stage.screen().contains("3 marked"));
    stage.press(KeyCode::Esc);
    assert!(!stage.screen().contains("marked"));
}

#[test]
fn links_are_made_and_given_up() {
    let mut stage = Stage::office(80, 24);
    let report = stage.report(1, "Light-Desk", -48);
    stage.press(KeyCode::Enter);
    // A second Enter while it connects asks for nothing more.
    stage.press(KeyCode::Enter);
    stage.keys("d");
    let [Effect::Connect(connect), Effect::Disconnect(disconnect)] = &stage.effects[..] else {
        panic!("{:?}", stage.effects);
    };
    assert_eq!((&connect.id, &connect.name, disconnect), (&id(1), &report.name, &id(1)));
    stage.effects.clear();
    stage.bulb(1, DriverEvent::Link(LinkPhase::Waiting(stage.start + Duration::from_secs(60))));
    stage.keys("1r");
    stage.press(KeyCode::Enter);
    assert_eq!(stage.effects, [Effect::Hurry(id(1)), Effect::Hurry(id(1))]);
    stage.effects.clear();
    stage.bulb(1, DriverEvent::Link(LinkPhase::Down));
    stage.keys("d -");
    assert_eq!(stage.effects, []);
    assert!(stage.screen().contains("not connected: Enter connects it"));
}

#[test]
fn the_mouse_selects_drags_and_scrolls() {
    let mut stage = Stage::office(80, 24);
    stage.up(2, ON);
    stage.effects.clear();
    stage.click(10, 4);
    assert_eq!(stage.model.selected(), Some(&id(2)));
    // The brightness slider: from its beginning to beyond its end.
    let screen = stage.screen();
    let row = screen.lines().position(|line| line.contains("Brightness")).unwrap();
    let row = u16::try_from(row).unwrap();
    let start = 39 + 1 + 14;
    stage.mouse(MouseEventKind::Down(MouseButton::Left), start, row);
    stage.mouse(MouseEventKind::Drag(MouseButton::Left), start + 9, row + 3);
    stage.mouse(MouseEventKind::Drag(MouseButton::Left), 79, row);
    stage.mouse(MouseEventKind::Up(MouseButton::Left), 79, row);
    stage.mouse(MouseEventKind::Drag(MouseButton::Left), start, row);
    let sent: Vec<_> = stage
        .effects
        .drain(..)
        .map(|effect| match effect {
            Effect::Change(_, change, _) => change.brightness.unwrap().get(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(sent, [0, 53, 100]);
    // The knob is where the mouse is, in every cell of the track.
    let is_track = |c: &char| matches!(c, '━' | '●');
    let cells = stage.screen().lines().nth(row.into()).unwrap().chars().filter(is_track).count();
    for column in (start..).take(cells) {
        stage.click(column, row);
        let screen = stage.screen();
        let line = screen.lines().nth(row.into()).unwrap();
        assert_eq!(line.chars().nth(column.into()), Some('●'), "{column}: {line}");
    }
    stage.mouse(MouseEventKind::ScrollDown, start, row);
    assert!(matches!(stage.effects.last(), Some(Effect::Change(_, change, _)) if *change == brightness(95)));
    stage.mouse(MouseEventKind::ScrollUp, 10, 4);
    assert_eq!(stage.model.selected(), Some(&id(1)));
    // The names of the panes.
    stage.click(20, 1);
    assert!(stage.screen().contains("What is sent to bulbs"), "{}", stage.screen());
}

#[test]
fn only_presses_count_and_typing_takes_letters() {
    let mut stage = Stage::office(80, 24);
    let mut key = KeyEvent::new(KeyCode::Down, KeyModifiers::NONE);
    key.kind = KeyEventKind::Release;
    stage.event(Event::Key(key));
    assert_eq!(stage.model.selected(), Some(&id(1)));
    stage.keys("/q");
    stage.event(Event::Paste("\u{1b}[31m?\n".to_owned()));
    assert!(stage.effects.is_empty() && stage.screen().contains("filter: q[31m?"), "{}", stage.screen());
    stage.control('c');
    assert_eq!(stage.effects, [Effect::Interrupt]);
}

#[test]
fn nothing_is_drawn_without_a_visible_change() {
    let mut stage = Stage::new(80, 24);
    for number in 0..300 {
        stage.hear(number, &format!("Light-{number:03}"), -60);
    }
    stage.tick();
    let _ = stage.model.take_changed();
    // Reports that change nothing but signals wait for the clock; those out of sight change nothing at all.
    for round in 0..20 {
        for number in 40..300 {
            stage.hear(number, &format!("Light-{number:03}"), -60 - i16::try_from(round % 3).unwrap());
        }
        assert!(!stage.model.take_changed());
    }
}

#[test]
fn a_note_goes_by_itself_and_a_failure_stays() {
    let mut stage = Stage::office(80, 24);
    stage.keys("o");
    assert!(stage.screen().contains("in the order of names"));
    stage.wait(7_000);
    assert!(!stage.screen().contains("in the order of names"));
    stage.word(RadioEvent::Trouble(bulbctl::Error::ServiceDown));
    stage.wait(60_000);
    assert!(stage.screen().contains("service.down"));
    stage.press(KeyCode::Esc);
    assert!(!stage.screen().contains("service.down"));
    stage.keys("e");
    assert!(stage.screen().contains("systemctl start bluetooth"));
}
