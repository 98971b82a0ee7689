//! What keys, clicks and the palette do, and for how long messages hold.

use std::time::Duration;

use bulb_protocol::profile::Light;
use bulb_protocol::{Percent, Rgb};
use bulbctl::Error;
use bulbctl::bulb::{BulbState, Change, DriverCommand, DriverEvent, LinkPhase, Power};
use bulbctl::config::Config;
use bulbctl::fleet::Target;
use bulbctl::radio::DeviceId;
use bulbctl::tui::{Depth, Effect, Event, Options, RadioEvent, ScanPhase, Settings};
use crossterm::event::KeyCode;
use insta::assert_snapshot;

use super::test_desk::{ON, TestDesk, id};

fn lost() -> Error {
    Error::LinkLost { device: "Light-Desk".to_owned(), operation: bulbctl::error::Operation::Idle }
}

fn refused() -> Error {
    Error::Refused {
        device: "Light-Desk".to_owned(),
        operation: bulbctl::error::Operation::write("fff1"),
        att: 0x0e,
    }
}

#[test]
fn a_message_goes_when_it_no_longer_holds() {
    let mut desk = TestDesk::office(80, 24);
    desk.connect(1, ON);
    desk.bulb(1, DriverEvent::Trouble(lost()));
    desk.bulb(1, DriverEvent::Link(LinkPhase::Waiting(desk.start + desk.now + Duration::from_secs(1))));
    desk.bulb(1, DriverEvent::Link(LinkPhase::Connecting(2)));
    assert!(desk.screen().contains("link.lost"));
    desk.connect(1, ON);
    assert!(!desk.screen().contains("link.lost"), "{}", desk.screen());
    // A refused change, until the next one.
    desk.bulb(1, DriverEvent::Trouble(refused()));
    assert!(desk.screen().contains("bulb.refused"), "{}", desk.screen());
    desk.keys("+");
    assert!(!desk.screen().contains("bulb.refused"), "{}", desk.screen());
    // What the radio says, until it works.
    desk.radio(RadioEvent::Failed(Error::ScanBusy { detail: "busy".to_owned() }));
    desk.radio(RadioEvent::Scan(ScanPhase::Failed));
    assert!(desk.screen().contains("scan.busy"), "{}", desk.screen());
    desk.radio(RadioEvent::Scan(ScanPhase::On));
    assert!(!desk.screen().contains("scan.busy"));
    // A lost link that the user gives up.
    desk.bulb(1, DriverEvent::Trouble(lost()));
    desk.bulb(1, DriverEvent::Link(LinkPhase::Waiting(desk.start + desk.now + Duration::from_secs(9))));
    desk.keys("d");
    assert!(!desk.screen().contains("link.lost"));
    // A note, until the next key.
    desk.keys("@");
    desk.press(KeyCode::Enter);
    assert!(desk.screen().contains("no bulb of @cellar"), "{}", desk.screen());
    desk.press(KeyCode::Down);
    assert!(!desk.screen().contains("@cellar"));
}

#[test]
fn the_log_is_not_in_the_message_line() {
    let mut desk = TestDesk::office(80, 24);
    desk.radio(RadioEvent::Log("  17.931234s  WARN the adapter is slow".to_owned()));
    let screen = desk.screen();
    assert!(!screen.contains("WARN") && !screen.contains("slow"), "{screen}");
    assert!(screen.contains("7 Log!"), "{screen}");
    desk.keys("e");
    let screen = desk.screen();
    assert!(screen.contains("! the adapter is slow") && !screen.contains("WARN"), "{screen}");
    assert!(!screen.contains("Log!"), "{screen}");
    // A panic is for the user.
    desk.radio(RadioEvent::Panic("panicked at x".to_owned()));
    assert!(desk.screen().lines().nth(22).unwrap().contains("unexpected failure: panicked at x"));
}

#[test]
fn space_connects_and_switches() {
    let mut desk = TestDesk::office(80, 24);
    desk.keys(" ");
    let [Effect::Connect(seen), Effect::Command(bulb, command, 1)] = &desk.effects[..] else {
        panic!("{:?}", desk.effects);
    };
    assert_eq!((&seen.id, bulb), (&id(1), &id(1)));
    assert_eq!(*command, DriverCommand::Change(Change::power(Power::Toggle)));
    assert!(desk.screen().contains("◌ connecting"), "{}", desk.screen());
    desk.effects.clear();
    // A device that is no bulb is left alone.
    desk.keys("a");
    desk.press(KeyCode::End);
    assert_eq!(desk.model.selected(), desk.model.listed().last());
    while desk.model.selected() != Some(&id(4)) {
        desk.press(KeyCode::Up);
    }
    desk.keys(" ");
    assert_eq!(desk.effects, []);
    assert!(desk.screen().contains("JBL Flip 5 is not a bulb"), "{}", desk.screen());
}

#[test]
fn the_list_is_in_the_order_of_the_signal() {
    let mut desk = TestDesk::new(80, 24);
    // All of them have the same bars.
    for (number, rssi) in [(1, -49), (2, -53), (3, -41), (4, -45)] {
        desk.see(number, &format!("Light-{number}"), rssi);
    }
    desk.tick();
    assert_eq!(desk.model.listed(), [id(3), id(4), id(1), id(2)]);
    // A small change keeps the place, and what the list shows.
    for _ in 0..20 {
        desk.see(1, "Light-1", -47);
        desk.tick();
    }
    assert_eq!(desk.model.listed(), [id(3), id(4), id(1), id(2)]);
    assert!(desk.screen().contains("-49"), "{}", desk.screen());
}

#[test]
fn a_click_on_a_hint_does_it_and_a_double_click_connects() {
    let mut desk = TestDesk::office(80, 24);
    let column = |desk: &TestDesk, text: &str| {
        let screen = desk.screen();
        let line = screen.lines().last().unwrap().to_owned();
        u16::try_from(line.find(text).unwrap_or_else(|| panic!("{text}: {line}"))).unwrap()
    };
    let at = column(&desk, "? help");
    desk.click(at, 23);
    assert!(desk.screen().contains("Everywhere"), "{}", desk.screen());
    let at = column(&desk, "Esc close");
    desk.click(at, 23);
    assert!(!desk.screen().contains("Everywhere"));
    let at = column(&desk, "/ filter");
    desk.click(at + 3, 23);
    assert!(desk.screen().contains("filter:"));
    desk.press(KeyCode::Esc);
    // Two slow clicks select, two quick ones connect.
    desk.click(10, 4);
    desk.wait(1000);
    desk.click(10, 4);
    assert_eq!(desk.effects, []);
    desk.click(10, 4);
    assert!(matches!(&desk.effects[..], [Effect::Connect(seen)] if seen.id == id(2)), "{:?}", desk.effects);
}

#[test]
fn the_palette_has_every_action() {
    let mut desk = TestDesk::office(80, 24);
    desk.keys(":");
    assert_snapshot!("palette", desk.screen());
    desk.keys("frames rec");
    let screen = desk.screen();
    assert!(screen.contains("save-recording") && screen.contains("W"), "{screen}");
    desk.press(KeyCode::Enter);
    assert!(desk.screen().contains("save recording to:"), "{}", desk.screen());
    desk.press(KeyCode::Esc);
    desk.keys(":zoom");
    desk.press(KeyCode::Enter);
    desk.keys(":quit");
    desk.press(KeyCode::Enter);
    assert_eq!(desk.effects, [Effect::Quit]);
    desk.keys(":");
    desk.press(KeyCode::Esc);
    assert!(!desk.screen().contains("Actions"));
}

#[test]
fn popups_are_as_large_as_what_they_hold() {
    let mut desk = TestDesk::office(120, 40);
    desk.keys("@");
    let rows = |desk: &TestDesk| {
        let screen = desk.screen();
        let lines: Vec<&str> = screen.lines().collect();
        let top = lines.iter().position(|line| line.contains("Groups")).unwrap();
        lines[top..].iter().position(|line| line.contains('┗')).unwrap()
    };
    assert_eq!(rows(&desk), 4);
    desk.press(KeyCode::Esc);
    // Help says that there is more.
    desk.keys("?");
    assert!(desk.screen().contains("↓ more"), "{}", desk.screen());
    desk.keys("G");
    assert!(!desk.screen().contains("↓ more"), "{}", desk.screen());
    desk.event(Event::Resize(200, 160));
    desk.keys("g");
    let screen = desk.screen();
    assert!(screen.contains("Everywhere") && screen.contains("change failed"), "{screen}");
}

#[test]
fn a_colour_is_seen_while_it_is_typed() {
    use ratatui::style::Color;
    let mut desk = TestDesk::office(80, 24);
    desk.connect(1, ON);
    let teal = |desk: &TestDesk| {
        let buffer = desk.buffer();
        let is = |cell: &&ratatui::buffer::Cell| cell.fg == Color::Rgb(0, 114, 114) && cell.symbol() == "█";
        buffer.content.iter().filter(is).count()
    };
    desk.keys("ctea");
    assert_eq!(teal(&desk), 0);
    desk.keys("l");
    // Half of the bar of three rows, and the end of the input line.
    assert_eq!(teal(&desk), 3 * 6 + 6, "{}", desk.screen());
    assert!(!desk.effects.iter().any(|effect| matches!(effect, Effect::Command(..))));
    desk.press(KeyCode::Esc);
    assert_eq!(teal(&desk), 0);
}

#[test]
fn a_fade_is_typed_shown_and_run() {
    let mut desk = TestDesk::office(80, 24);
    desk.connect(1, ON);
    desk.effects.clear();
    desk.keys("Fteal 20% 4s");
    assert_snapshot!("typing_fade", desk.screen());
    desk.press(KeyCode::Enter);
    let light = Light {
        color: Some(Rgb::new(0, 0x80, 0x80)),
        brightness: Some(Percent::clamped(20)),
        ..Light::default()
    };
    let fade = DriverCommand::Fade(light, Duration::from_secs(4));
    assert_eq!(desk.effects, [Effect::Command(id(1), fade, 1)]);
    desk.wait(2000);
    assert!(desk.screen().contains("fading 2 s ▰▰▰▰▱▱▱▱"), "{}", desk.screen());
    desk.bulb(1, DriverEvent::Confirmed(None));
    assert!(!desk.screen().contains("fading"));
    desk.keys("Fnonsense");
    desk.press(KeyCode::Enter);
    assert!(desk.screen().contains("\"nonsense\" is not known"), "{}", desk.screen());
}

#[test]
fn a_scene_is_what_was_reported_and_goes_to_its_bulbs() {
    let mut desk = TestDesk::office(80, 24);
    desk.keys("S");
    assert!(desk.screen().contains("no bulb here has reported"), "{}", desk.screen());
    desk.connect(1, ON);
    desk.connect(2, ON);
    // What was only written is not saved.
    desk.bulb(2, DriverEvent::State(BulbState::assumed(ON), 0));
    desk.effects.clear();
    desk.keys("MSevening");
    desk.press(KeyCode::Enter);
    let [Effect::SaveScene(name, states)] = &desk.effects[..] else { panic!("{:?}", desk.effects) };
    let saved: Vec<&str> = states.iter().map(|state| state.target.as_str()).collect();
    assert_eq!((name.as_str(), saved), ("evening", vec![id(1).as_str()]));
    desk.effects.clear();
    desk.keys("R");
    assert_eq!(desk.effects, [Effect::ListScenes]);
    desk.radio(RadioEvent::Scenes(vec!["evening".to_owned(), "work".to_owned()]));
    assert!(desk.screen().contains(" Scenes "), "{}", desk.screen());
    desk.keys("j");
    desk.press(KeyCode::Enter);
    assert_eq!(desk.effects.last(), Some(&Effect::ReadScene("work".to_owned())));
    desk.effects.clear();
    let light = Light { power: Some(true), ..Light::default() };
    let target = |text: &str| Target::parse(text, &Config::default(), &std::sync::Arc::default()).unwrap();
    // One is connected, one is not, one is not here.
    let states = [id(1), id(3), DeviceId::new("C4:11:00:00:00:77")];
    let states = states.map(|id| (target(id.as_str()), light.clone())).to_vec();
    desk.radio(RadioEvent::SceneRead("work".to_owned(), states));
    let restore =
        |number: u16, token| Effect::Command(id(number), DriverCommand::Restore(light.clone()), token);
    let [first, Effect::Connect(seen), second] = &desk.effects[..] else { panic!("{:?}", desk.effects) };
    assert_eq!((first, &seen.id, second), (&restore(1, 1), &id(3), &restore(3, 2)));
    assert!(desk.screen().contains("recalled work on 2 of 3 bulbs"), "{}", desk.screen());
}

fn settings(text: &str) -> Result<Settings, (usize, String)> {
    Settings::of(&Config::parse(text, "config.toml").unwrap().tui)
}

#[test]
fn settings_change_keys_columns_order_and_colours() {
    let settings = settings(
        "[tui]\ntheme = \"dark\"\nsort = \"name\"\ncolumns = [\"address\"]\n\
         [tui.colors]\nselection = \"#102030\"\n[tui.keys]\nquit = [\"Q\"]\nzoom = [\"F2\"]\n",
    );
    let options = Options { size: (120, 40), settings: settings.unwrap(), ..Options::default() };
    let mut desk = TestDesk::of(options);
    for (number, name) in [(1, "Light-Z"), (2, "Light-A")] {
        desk.see(number, name, -40 - i16::try_from(number).unwrap());
    }
    desk.tick();
    assert_eq!(desk.model.listed(), [id(2), id(1)]);
    let screen = desk.screen();
    for text in ["by name", "C4:11:00:00:00:02", "Q quit"] {
        assert!(screen.contains(text), "{text}: {screen}");
    }
    let buffer = desk.buffer();
    let selected = ratatui::style::Color::Rgb(0x10, 0x20, 0x30);
    assert!(buffer.content.iter().any(|cell| cell.bg == selected));
    desk.keys("q");
    assert_eq!(desk.effects, []);
    desk.press(KeyCode::F(2));
    assert!(
        !desk.screen().contains("Select a bulb") && desk.screen().contains("2 Bulb"),
        "{}",
        desk.screen()
    );
    desk.keys("Q");
    assert_eq!(desk.effects, [Effect::Quit]);
}

#[test]
fn each_mistake_in_the_settings_has_its_line() {
    for (text, line, message) in [
        ("[tui]\ntheme = \"neon\"", 2, "\"neon\" is not a theme: use one of terminal, dark, light, mono"),
        ("[tui]\n\nsort = \"size\"", 3, "\"size\" is not a sort: use one of signal, name, address"),
        ("[tui]\ncolumns = [\"age\",\n\"mood\"]", 3, "\"mood\" is not a column"),
        ("[tui.colors]\naccent = \"#12\"", 2, "\"#12\" is not a colour"),
        ("[tui.colors]\nborder = \"red\"", 2, "the theme has no colour \"border\""),
        ("[tui.keys]\nquit = [\"Hyper-x\"]", 2, "\"Hyper-x\" is not a key"),
        ("[tui.keys]\nfly = [\"x\"]", 2, "there is no action \"fly\""),
        ("[tui.keys]\nquit = [\"z\"]", 2, "z is the key of "),
    ] {
        let (at, error) = settings(text).unwrap_err();
        assert!(at == line && error.starts_with(message), "{text}: line {at}: {error}");
    }
    assert!(Depth::True == Depth::default());
}
