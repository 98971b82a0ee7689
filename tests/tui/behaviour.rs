//! Effects of keys, the mouse and radio events.

use std::time::Duration;

use bulb_protocol::profile::Light;
use bulb_protocol::{LightState, Percent, Rgb};
use bulbctl::bulb::{BulbState, Change, DriverCommand, DriverEvent, LinkPhase, Power};
use bulbctl::radio::SeenDevice;
use bulbctl::tui::{Effect, Event, RadioEvent, ScanPhase};
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEventKind};

use ratatui::style::Modifier;

use super::test_desk::{ON, TestDesk, id};

fn command(number: u16, change: Change, token: u64) -> Effect {
    Effect::Command(id(number), DriverCommand::Change(change), token)
}

fn brightness(percent: u8) -> Change {
    Change::from(Light { brightness: Some(Percent::clamped(percent)), ..Light::default() })
}

fn color(red: u8, green: u8, blue: u8) -> Change {
    Change::from(Light { color: Some(Rgb::new(red, green, blue)), ..Light::default() })
}

#[test]
fn the_selection_stays_with_its_bulb_while_the_list_moves() {
    let mut desk = TestDesk::office(80, 24);
    assert_eq!(desk.model.selected(), Some(&id(1)));
    desk.press(KeyCode::Down);
    assert_eq!(desk.model.selected(), Some(&id(2)));
    // Its signal becomes the strongest, then a new bulb is stronger.
    for _ in 0..30 {
        desk.see(2, "Light-Shelf", -30);
        desk.tick();
    }
    desk.see(9, "Light-Aisle", -20);
    desk.tick();
    assert_eq!(desk.model.selected(), Some(&id(2)));
    assert_eq!(desk.model.listed()[..3], [id(9), id(2), id(1)]);
    // A filter that hides the selected bulb selects one that matches.
    desk.keys("/hall");
    assert_eq!(desk.model.listed(), [id(3)]);
    assert_eq!(desk.model.selected(), Some(&id(3)));
}

#[test]
fn until_something_is_chosen_the_first_one_is_selected() {
    let mut desk = TestDesk::new(80, 24);
    desk.see(3, "Bulb-Hallway", -74);
    assert_eq!(desk.model.selected(), Some(&id(3)));
    desk.see(1, "Light-Desk", -48);
    assert_eq!(desk.model.selected(), Some(&id(1)));
    desk.press(KeyCode::Down);
    desk.see(2, "Light-Shelf", -40);
    assert_eq!(desk.model.selected(), Some(&id(3)));
}

#[test]
fn a_bulb_that_is_not_heard_fades_and_goes() {
    let mut desk = TestDesk::office(80, 24);
    desk.press(KeyCode::Down);
    for _ in 0..62 {
        desk.see(1, "Light-Desk", -48);
        desk.tick();
    }
    // Hallway and shelf are silent, but the shelf is selected.
    assert_eq!(desk.model.listed(), [id(1), id(2)]);
    desk.press(KeyCode::Up);
    assert_eq!(desk.model.listed(), [id(1)]);
    // Silence means nothing without a scan.
    desk.radio(RadioEvent::Scan(ScanPhase::Off));
    desk.wait(120_000);
    assert_eq!(desk.model.listed(), [id(1)]);
    assert_eq!(desk.model.next_tick(), None);
}

#[test]
fn a_linked_bulb_stays_in_the_list_however_long_it_is_silent() {
    // A bulb does not advertise while it has a link.
    let mut desk = TestDesk::office(80, 24);
    desk.connect(3, ON);
    // This one has a link of another program.
    let held = SeenDevice { connected: true, ..desk.report(2, "Light-Shelf", -61) };
    desk.radio(RadioEvent::DevicesSeen(vec![held]));
    // The scan hears something, so it is not the radio that is deaf.
    let wait = |desk: &mut TestDesk, ticks: usize| {
        for _ in 0..ticks {
            desk.see(4, "JBL Flip 5", -66);
            desk.tick();
        }
    };
    wait(&mut desk, 40);
    assert!(fades(&desk, "Light-Desk"), "{}", desk.screen());
    assert!(!fades(&desk, "Bulb-Hallway") && !fades(&desk, "Light-Shelf"), "{}", desk.screen());
    wait(&mut desk, 300);
    let listed = desk.model.listed();
    assert!(listed.contains(&id(3)) && listed.contains(&id(2)), "{listed:?}");
    assert!(!fades(&desk, "Bulb-Hallway") && !fades(&desk, "Light-Shelf"), "{}", desk.screen());
}

/// Returns true if the name is dim wherever it is on the screen.
fn fades(desk: &TestDesk, name: &str) -> bool {
    let (buffer, first) = (desk.buffer(), name.chars().next().unwrap());
    let screen = desk.screen();
    let mut places = screen.lines().enumerate().flat_map(|(row, line)| {
        line.match_indices(name).map(move |(at, _)| (line[..at].chars().count(), row)).collect::<Vec<_>>()
    });
    places.all(|(column, row)| {
        let cell = &buffer[(u16::try_from(column).unwrap(), u16::try_from(row).unwrap())];
        assert!(cell.symbol().starts_with(first), "{screen}");
        cell.modifier.contains(Modifier::DIM)
    })
}

/// What cannot be seen must not be changed.
#[test]
fn keys_do_nothing_while_the_terminal_is_too_small() {
    let mut desk = TestDesk::office(80, 24);
    desk.connect(1, ON);
    desk.event(Event::Resize(20, 5));
    let (selected, before) = (desk.model.selected().cloned(), desk.effects.len());
    let keys = "abcdefghijklmnoprstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 +-/?@:.";
    desk.keys(keys);
    for code in [
        KeyCode::Enter,
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::Tab,
        KeyCode::Delete,
    ] {
        desk.press(code);
    }
    desk.click(3, 3);
    assert_eq!(desk.effects.len(), before, "{:?}", &desk.effects[before..]);
    desk.event(Event::Resize(80, 24));
    assert_eq!(desk.model.selected().cloned(), selected);
    // The same keys act once there is room.
    desk.keys("+");
    assert!(desk.effects.len() > before);
    // The way out works in any size.
    desk.event(Event::Resize(20, 5));
    desk.keys("q");
    assert!(matches!(desk.effects.last(), Some(Effect::Quit)), "{:?}", desk.effects);
}

#[test]
fn a_slider_is_assumed_under_the_finger_and_settles_on_what_is_reported() {
    let mut desk = TestDesk::office(80, 24);
    desk.connect(1, ON);
    desk.effects.clear();
    desk.keys("--");
    assert_eq!(desk.effects, [command(1, brightness(75), 1), command(1, brightness(70), 2)]);
    assert!(desk.screen().contains("on  70 %") && desk.screen().contains("assumed"));
    // The bulb still reports the first change: the slider does not jump back.
    let at = |percent| LightState { brightness: Percent::clamped(percent), ..ON };
    desk.bulb(1, DriverEvent::State(BulbState::reported(at(75)), 1));
    assert!(desk.screen().contains("on  70 %"));
    desk.bulb(1, DriverEvent::Confirmed(Some(Duration::from_millis(20))));
    desk.bulb(1, DriverEvent::State(BulbState::reported(at(70)), 2));
    assert!(desk.screen().contains("reported"));
    // Someone else changes it.
    desk.bulb(1, DriverEvent::State(BulbState::reported(at(10)), 2));
    assert!(desk.screen().contains("on  10 %"));
    // After a lost link the state is unknown, not off.
    desk.bulb(1, DriverEvent::Link(LinkPhase::Waiting(desk.start + Duration::from_secs(60))));
    assert!(desk.screen().contains("state unknown") && !desk.screen().contains("10 %"));
}

#[test]
fn the_controls_change_what_they_say() {
    let mut desk = TestDesk::office(80, 24);
    desk.connect(1, ON);
    desk.effects.clear();
    desk.press(KeyCode::Enter);
    let changes = |desk: &mut TestDesk, key: KeyCode| {
        desk.press(key);
        let changes = desk.effects.drain(..).map(|effect| match effect {
            Effect::Command(_, DriverCommand::Change(change), _) => change,
            other => panic!("{other:?}"),
        });
        changes.collect::<Vec<_>>()
    };
    assert_eq!(changes(&mut desk, KeyCode::Enter), [Change::power(Power::Off)]);
    assert_eq!(changes(&mut desk, KeyCode::Right), [Change::power(Power::On)]);
    assert_eq!(changes(&mut desk, KeyCode::Down), []);
    assert_eq!(changes(&mut desk, KeyCode::Right), [brightness(81)]);
    assert_eq!(changes(&mut desk, KeyCode::End), [brightness(100)]);
    // A held key at the end of a slider sends nothing.
    assert_eq!(changes(&mut desk, KeyCode::Right), []);
    assert_eq!(changes(&mut desk, KeyCode::PageDown), [brightness(90)]);
    (0..3).for_each(|_| desk.press(KeyCode::Down));
    assert_eq!(changes(&mut desk, KeyCode::PageUp), [color(255, 136, 10)]);
    assert_eq!(changes(&mut desk, KeyCode::Home), [color(255, 136, 0)]);
    desk.press(KeyCode::Down);
    assert_eq!(changes(&mut desk, KeyCode::Home), [color(255, 0, 0)]);
    // Hues form a circle.
    assert_eq!(changes(&mut desk, KeyCode::Left), [color(255, 0, 4)]);
    desk.press(KeyCode::Down);
    assert_eq!(changes(&mut desk, KeyCode::Home), [color(255, 255, 255)]);
    assert_eq!(changes(&mut desk, KeyCode::End), [color(255, 0, 4)]);
    // Type a value and a colour.
    desk.press(KeyCode::Enter);
    desk.keys("101");
    assert_eq!(changes(&mut desk, KeyCode::Enter), []);
    desk.press(KeyCode::Backspace);
    assert_eq!(changes(&mut desk, KeyCode::Enter).len(), 1);
    desk.keys("cteal");
    assert_eq!(changes(&mut desk, KeyCode::Enter), [color(0, 0x80, 0x80)]);
    // Enter applies a preset. The typed colour is among the recent ones.
    desk.press(KeyCode::Down);
    desk.press(KeyCode::Down);
    desk.press(KeyCode::End);
    assert_eq!(changes(&mut desk, KeyCode::Enter), [color(255, 0, 0x88)]);
    desk.press(KeyCode::Down);
    desk.press(KeyCode::Right);
    assert_eq!(changes(&mut desk, KeyCode::Enter), [color(0, 0x80, 0x80)]);
}

#[test]
fn several_bulbs_are_driven_together_and_each_result_is_seen() {
    let mut desk = TestDesk::office(80, 24);
    desk.connect(1, ON);
    desk.connect(2, LightState { power: false, ..ON });
    desk.effects.clear();
    desk.keys("@");
    desk.keys("jj");
    desk.press(KeyCode::Enter);
    assert!(desk.screen().contains("2 bulbs of @office"), "{}", desk.screen());
    // One of them is on, so both are switched off.
    desk.keys(" ");
    let off = Change::power(Power::Off);
    assert_eq!(desk.effects, [command(1, off.clone(), 1), command(2, off, 2)]);
    desk.bulb(1, DriverEvent::Confirmed(Some(Duration::from_millis(20))));
    let refused = bulbctl::Error::Refused {
        device: "Light-Shelf".into(),
        operation: bulbctl::error::Operation::write("fff1"),
        att: 0x80,
    };
    desk.bulb(2, DriverEvent::Trouble(refused));
    let screen = desk.screen();
    assert!(screen.contains("✓ Light-Desk") && screen.contains("✗ Light-Shelf"), "{screen}");
    // Marked bulbs that are not connected are counted in a message.
    desk.press(KeyCode::Esc);
    desk.press(KeyCode::End);
    desk.keys("m+");
    assert!(desk.screen().contains("1 of 3 marked bulbs are not connected"), "{}", desk.screen());
    // Esc closes one thing at a time.
    desk.press(KeyCode::Esc);
    assert!(desk.screen().contains("3 marked"));
    desk.press(KeyCode::Esc);
    assert!(!desk.screen().contains("marked"));
}

#[test]
fn links_are_made_and_given_up() {
    let mut desk = TestDesk::office(80, 24);
    let report = desk.report(1, "Light-Desk", -48);
    desk.press(KeyCode::Enter);
    // A second Enter while connecting does nothing.
    desk.press(KeyCode::Enter);
    desk.keys("d");
    let [Effect::Connect(connect), Effect::Disconnect(disconnect)] = &desk.effects[..] else {
        panic!("{:?}", desk.effects);
    };
    assert_eq!((&connect.id, &connect.name, disconnect), (&id(1), &report.name, &id(1)));
    desk.effects.clear();
    desk.bulb(1, DriverEvent::Link(LinkPhase::Waiting(desk.start + Duration::from_secs(60))));
    desk.keys("1r");
    desk.press(KeyCode::Enter);
    assert_eq!(desk.effects, [Effect::RetryNow(id(1)), Effect::RetryNow(id(1))]);
    desk.effects.clear();
    desk.bulb(1, DriverEvent::Link(LinkPhase::Down));
    desk.keys("d-");
    assert_eq!(desk.effects, []);
    assert!(desk.screen().contains("not connected: Enter connects it"));
}

#[test]
fn the_mouse_selects_drags_and_scrolls() {
    let mut desk = TestDesk::office(80, 24);
    desk.connect(2, ON);
    desk.effects.clear();
    desk.click(10, 4);
    assert_eq!(desk.model.selected(), Some(&id(2)));
    // Drag the brightness slider past both ends.
    let screen = desk.screen();
    let row = screen.lines().position(|line| line.contains("Brightness")).unwrap();
    let row = u16::try_from(row).unwrap();
    let start = 39 + 1 + 14;
    desk.mouse(MouseEventKind::Down(MouseButton::Left), start, row);
    desk.mouse(MouseEventKind::Drag(MouseButton::Left), start + 9, row + 3);
    desk.mouse(MouseEventKind::Drag(MouseButton::Left), 79, row);
    desk.mouse(MouseEventKind::Up(MouseButton::Left), 79, row);
    desk.mouse(MouseEventKind::Drag(MouseButton::Left), start, row);
    let sent: Vec<_> = desk
        .effects
        .drain(..)
        .map(|effect| match effect {
            Effect::Command(_, DriverCommand::Change(change), _) => change.set.brightness.unwrap().get(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(sent, [0, 53, 100]);
    // The knob is under the mouse in every cell of the track.
    let is_track = |c: &char| matches!(c, '━' | '●');
    let cells = desk.screen().lines().nth(row.into()).unwrap().chars().filter(is_track).count();
    for column in (start..).take(cells) {
        desk.click(column, row);
        let screen = desk.screen();
        let line = screen.lines().nth(row.into()).unwrap();
        assert_eq!(line.chars().nth(column.into()), Some('●'), "{column}: {line}");
    }
    desk.mouse(MouseEventKind::ScrollDown, start, row);
    assert!(
        matches!(desk.effects.last(), Some(Effect::Command(_, DriverCommand::Change(change), _)) if *change == brightness(95))
    );
    desk.mouse(MouseEventKind::ScrollUp, 10, 4);
    assert_eq!(desk.model.selected(), Some(&id(1)));
    // The pane names.
    desk.click(20, 1);
    assert!(desk.screen().contains("link up"), "{}", desk.screen());
}

#[test]
fn only_presses_count_and_typing_takes_letters() {
    let mut desk = TestDesk::office(80, 24);
    let mut key = KeyEvent::new(KeyCode::Down, KeyModifiers::NONE);
    key.kind = KeyEventKind::Release;
    desk.event(Event::Key(key));
    assert_eq!(desk.model.selected(), Some(&id(1)));
    desk.keys("/q");
    desk.event(Event::Paste("\u{1b}[31m?\n".to_owned()));
    assert!(desk.effects.is_empty() && desk.screen().contains("filter: q[31m?"), "{}", desk.screen());
    desk.control('c');
    assert_eq!(desk.effects, [Effect::Interrupt]);
}

#[test]
fn nothing_is_drawn_without_a_visible_change() {
    let mut desk = TestDesk::new(80, 24);
    for number in 0..300 {
        desk.see(number, &format!("Light-{number:03}"), -60);
    }
    desk.tick();
    let _ = desk.model.take_changed();
    // Reports that only change the signal wait for the tick. Reports of hidden rows change nothing.
    for round in 0..20 {
        for number in 40..300 {
            desk.see(number, &format!("Light-{number:03}"), -60 - i16::try_from(round % 3).unwrap());
        }
        assert!(!desk.model.take_changed());
    }
}

#[test]
fn a_note_goes_by_itself_and_a_failure_stays() {
    let mut desk = TestDesk::office(80, 24);
    desk.keys("o");
    assert!(desk.screen().contains("sorted by name"));
    desk.wait(7_000);
    assert!(!desk.screen().contains("sorted by name"));
    desk.radio(RadioEvent::Failed(bulbctl::Error::ServiceDown));
    desk.wait(60_000);
    assert!(desk.screen().contains("service.down"));
    desk.press(KeyCode::Esc);
    assert!(!desk.screen().contains("service.down"));
    desk.keys("e");
    assert!(desk.screen().contains("systemctl start bluetooth"));
}

#[test]
fn a_crowd_of_strangers_leaves_what_is_marked_or_a_bulb() {
    let mut desk = TestDesk::office(80, 24);
    // Everything is listed, and what is no bulb is marked.
    desk.keys("a");
    while desk.model.selected() != Some(&id(4)) {
        desk.press(KeyCode::Down);
    }
    desk.keys("m");
    // One that the system knows, and nobody heard.
    let known = SeenDevice { seen: None, rssi: None, ..desk.report(9, "Kettle", -50) };
    desk.radio(RadioEvent::DevicesSeen(vec![known]));
    desk.now += Duration::from_secs(1);
    let crowd = (100..10_300).map(|number| desk.report(number, "Phone", -40)).collect();
    desk.radio(RadioEvent::DevicesSeen(crowd));
    let listed = desk.model.listed();
    assert_eq!(listed.len(), 10_000);
    for kept in [1, 2, 3, 4, 9] {
        assert!(listed.contains(&id(kept)), "{kept}");
    }
}
