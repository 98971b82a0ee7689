//! Bulbs of every family: which controls they have, what is rejected, and where states come from.

use std::sync::Arc;
use std::time::Duration;

use bulb_protocol::profile::{Feature, Features, Light, Mode, Profile};
use bulb_protocol::{Percent, Rgb};
use bulbctl::Error;
use bulbctl::bulb::{
    BulbState, Change, DrivenProfile, DriverCommand, DriverEvent, Families, LinkPhase, Power,
};
use bulbctl::radio::{SeenDevice, gatt::uuid16};
use bulbctl::tui::{Depth, Effect, Event, RadioEvent};
use crossterm::event::{KeyCode, MouseButton, MouseEventKind};
use insta::assert_snapshot;
use ratatui::style::Color;

use super::test_desk::{ON, TestDesk, id};

fn profile(name: &str) -> Arc<Profile> {
    let (family, variant) = name.split_once(':').map_or((name, None), |(family, own)| (family, Some(own)));
    Families::default().profile(family, variant).unwrap()
}

fn advert(desk: &TestDesk, number: u16, name: &str, state: &Light) -> SeenDevice {
    let data = profile(name).advertise(state);
    SeenDevice {
        services: data.services,
        manufacturer: data.manufacturer.into_iter().collect(),
        service_data: data.service_data.into_iter().collect(),
        ..desk.report(number, data.name.as_deref().unwrap_or_default(), -50)
    }
}

impl TestDesk {
    fn advertise(&mut self, number: u16, name: &str, state: &Light) {
        let report = advert(self, number, name, state);
        self.radio(RadioEvent::DevicesSeen(vec![report]));
        self.tick();
    }

    /// Connects a bulb of this profile.
    fn hold(&mut self, number: u16, name: &str, state: BulbState) {
        self.bulb(number, DriverEvent::Link(LinkPhase::Connecting(1)));
        self.bulb(number, DriverEvent::Connected(self.start + self.now));
        self.bulb(number, DriverEvent::Recognised(DrivenProfile(profile(name))));
        self.bulb(number, DriverEvent::Link(LinkPhase::Up));
        self.bulb(number, DriverEvent::State(state, 0));
    }

    /// Returns the changes since the last call.
    fn changes(&mut self) -> Vec<Change> {
        let changes = self.effects.drain(..).filter_map(|effect| match effect {
            Effect::Command(_, DriverCommand::Change(change), _) => Some(change),
            _ => None,
        });
        changes.collect()
    }

    fn row(&self, text: &str) -> u16 {
        let screen = self.screen();
        let row = screen.lines().position(|line| line.contains(text));
        u16::try_from(row.unwrap_or_else(|| panic!("no {text}:\n{screen}"))).unwrap()
    }

    fn go(&mut self, control: &str) {
        self.keys("2");
        (0..20).for_each(|_| self.press(KeyCode::Up));
        for _ in 0..20 {
            if self.screen().lines().any(|line| line.contains(&format!("▸ {control}"))) {
                return;
            }
            self.press(KeyCode::Down);
        }
        panic!("there is no {control}:\n{}", self.screen());
    }
}

fn white(kelvin: u16) -> Light {
    Light {
        power: Some(true),
        brightness: Some(Percent::clamped(40)),
        kelvin: Some(kelvin),
        mode: Some(Mode::White),
        ..Light::default()
    }
}

fn shown(effect: &str) -> Change {
    Change::from(Light { effect: Some(effect.to_owned()), ..Light::default() })
}

fn kelvin(kelvin: u16) -> Change {
    Change::from(Light { kelvin: Some(kelvin), ..Light::default() })
}

/// Returns a desk with a bulb of this kind after some use.
fn bulb_of_kind(kind: &str, width: u16, height: u16) -> TestDesk {
    let mut desk = TestDesk::new(width, height);
    match kind {
        "elk" => {
            desk.advertise(1, "elk", &Light::default());
            desk.hold(1, "elk", BulbState::unknown());
            desk.keys("cteal");
            desk.press(KeyCode::Enter);
            desk.bulb(1, DriverEvent::Written);
        }
        "zengge" => {
            desk.advertise(1, "zengge", &Light::default());
            let light = Light {
                effect: Some("fade-red".to_owned()),
                speed: Some(Percent::clamped(30)),
                mode: Some(Mode::Effect),
                ..Light::from(ON)
            };
            desk.hold(1, "zengge", BulbState::reported(light));
        }
        "hue" => {
            desk.advertise(1, "hue", &Light::default());
            let light = Light { color: Some(Rgb::new(0xff, 0xb4, 0x6b)), ..white(2700) };
            let assumed = Features::NONE.with(Feature::Speed);
            let light = Light { speed: Some(Percent::clamped(20)), ..light };
            desk.hold(1, "hue", BulbState { assumed, ..BulbState::reported(light) });
        }
        "govee" => desk.advertise(1, "govee:encrypted", &Light::default()),
        _ => {
            let services = vec![uuid16(0xFFF0)];
            let report = SeenDevice { services, ..desk.report(1, "Bulb X1", -50) };
            desk.radio(RadioEvent::DevicesSeen(vec![report]));
            desk.tick();
            desk.press(KeyCode::Enter);
            desk.bulb(
                1,
                DriverEvent::Trouble(Error::Unrecognised {
                    device: "Bulb X1".to_owned(),
                    found: "fff0 (fff5, fff7)".to_owned(),
                    nearest: "closest match: base, score 15, but it has no control characteristic fff0/fff1"
                        .to_owned(),
                }),
            );
            desk.bulb(1, DriverEvent::Link(LinkPhase::Down));
            desk.press(KeyCode::Esc);
        }
    }
    desk.keys("2");
    desk
}

#[test]
fn every_kind_of_bulb_on_both_sides_of_each_width() {
    for kind in ["elk", "zengge", "hue", "govee", "unrecognised"] {
        for (width, height) in [(50, 15), (71, 24), (72, 24), (80, 24), (139, 30), (140, 30)] {
            let desk = bulb_of_kind(kind, width, height);
            assert_snapshot!(format!("{kind}_{width}x{height}"), desk.screen());
        }
    }
}

#[test]
fn nothing_is_offered_but_to_connect_until_something_speaks_for_a_family() {
    let mut desk = TestDesk::office(80, 24);
    let screen = desk.screen();
    assert!(!screen.contains("Brightness") && screen.contains("Enter connects"), "{screen}");
    assert!(screen.contains("Connect to find out"), "{screen}");
    assert!(screen.contains("not known") && screen.contains("undecided: base 5"), "{screen}");
    // The advertised family is shown, and can be used once connected.
    desk.advertise(5, "hue", &Light::default());
    desk.keys("G");
    desk.press(KeyCode::Home);
    while desk.model.selected() != Some(&id(5)) {
        desk.press(KeyCode::Down);
    }
    let screen = desk.screen();
    assert!(screen.contains("Kelvin") && screen.contains("hue (advertised)"), "{screen}");
    desk.keys("+");
    assert_eq!(desk.changes(), []);
    assert!(desk.screen().contains("not connected: Enter connects it"), "{}", desk.screen());
}

#[test]
fn a_state_that_is_advertised_is_shown_as_such() {
    let mut desk = TestDesk::new(80, 24);
    let light = Light { power: Some(true), ..Light::from(ON) };
    desk.advertise(1, "switchbot", &light);
    let screen = desk.screen();
    assert!(screen.contains("advertised") && screen.contains("▐▌"), "{screen}");
    // The state follows the advertisements until a link reports it.
    desk.advertise(1, "switchbot", &Light { power: Some(false), ..light.clone() });
    assert!(desk.screen().contains("off") && desk.screen().contains("··"), "{}", desk.screen());
    desk.hold(1, "switchbot", BulbState::reported(light));
    assert!(desk.screen().contains("reported") && !desk.screen().contains("▐▌"), "{}", desk.screen());
}

#[test]
fn a_bulb_that_never_reports_is_assumed_and_nothing_failed() {
    let mut desk = TestDesk::new(80, 24);
    desk.advertise(1, "elk", &Light::default());
    desk.hold(1, "elk", BulbState::unknown());
    let screen = desk.screen();
    assert!(screen.contains("state unknown") && screen.contains("never reports"), "{screen}");
    // Its state is unknown: first on, then off.
    desk.keys(" ");
    assert_eq!(desk.changes(), [Change::power(Power::On)]);
    desk.keys(" ");
    assert_eq!(desk.changes(), [Change::power(Power::Off)]);
    desk.bulb(1, DriverEvent::Written);
    let off = Light { power: Some(false), ..Light::default() };
    desk.bulb(1, DriverEvent::State(BulbState::assumed(off), 99));
    let screen = desk.screen();
    assert!(screen.contains("assumed: never reports") && !screen.contains("not confirmed"), "{screen}");
    assert!(!screen.contains('~') && !screen.contains('✗'), "{screen}");
    // A slider without a value gets a default value first.
    desk.go("Kelvin");
    desk.press(KeyCode::Right);
    desk.press(KeyCode::Right);
    assert_eq!(desk.changes(), [kelvin(4650), kelvin(4700)]);
    assert!(desk.screen().contains("4700K"), "{}", desk.screen());
    // The mouse can set a slider without a value.
    desk.go("White");
    let row = desk.row("▸ White");
    desk.mouse(MouseEventKind::Down(MouseButton::Left), 54, row);
    assert_eq!(desk.changes(), [Change::from(Light { white: Some(Percent::MIN), ..Light::default() })]);
}

#[test]
fn kelvin_go_from_warm_to_cold_within_the_range_of_the_bulb() {
    let mut desk = bulb_of_kind("hue", 80, 24);
    desk.effects.clear();
    desk.go("Kelvin");
    for (key, expected) in [
        (KeyCode::Right, 2750),
        (KeyCode::PageUp, 3250),
        (KeyCode::End, 6535),
        (KeyCode::Left, 6500),
        (KeyCode::Home, 2000),
    ] {
        desk.press(key);
        assert_eq!(desk.changes(), [kelvin(expected)], "{key:?}");
    }
    // At the end of the slider nothing is sent.
    desk.press(KeyCode::Left);
    assert_eq!(desk.changes(), []);
    // The track goes from warm to cold.
    let row = desk.row("▸ Kelvin");
    let buffer = desk.buffer();
    let cells: Vec<Color> = (54..80)
        .filter(|column| buffer[(*column, row)].symbol() == "━")
        .map(|column| buffer[(column, row)].fg)
        .collect();
    let blue = |color: &Color| match color {
        Color::Rgb(_, _, blue) => *blue,
        other => panic!("{other:?}"),
    };
    assert!(cells.windows(2).all(|pair| blue(&pair[0]) <= blue(&pair[1])), "{cells:?}");
    assert!(blue(&cells[0]) < 60 && blue(cells.last().unwrap()) > 200, "{cells:?}");
    // The mouse reaches both ends.
    desk.mouse(MouseEventKind::Down(MouseButton::Left), 60, row);
    desk.mouse(MouseEventKind::Drag(MouseButton::Left), 79, row);
    desk.mouse(MouseEventKind::Drag(MouseButton::Left), 40, row);
    let sent: Vec<u16> = desk.changes().iter().map(|change| change.set.kelvin.unwrap()).collect();
    assert_eq!((sent.len(), sent[1], sent[2]), (3, 6535, 2000));
    // `t` works in every pane. A value out of range is rejected with the range.
    desk.keys("1t9000");
    desk.press(KeyCode::Enter);
    assert!(desk.screen().contains("a whole number from 2000 to 6535"), "{}", desk.screen());
    (0..4).for_each(|_| desk.press(KeyCode::Backspace));
    desk.keys("4000 K");
    desk.press(KeyCode::Enter);
    assert_eq!(desk.changes(), [kelvin(4000)]);
}

#[test]
fn effects_are_chosen_from_a_list_that_can_be_filtered() {
    let mut desk = bulb_of_kind("zengge", 80, 24);
    desk.effects.clear();
    // Arrows select the next effect.
    desk.go("Effect");
    desk.press(KeyCode::Right);
    assert_eq!(desk.changes(), [shown("fade-green")]);
    desk.press(KeyCode::Enter);
    assert_snapshot!("effects_list", desk.screen());
    desk.keys("/blue");
    assert_snapshot!("effects_filtered", desk.screen());
    desk.event(Event::Resize(50, 15));
    assert_snapshot!("effects_small", desk.screen());
    desk.event(Event::Resize(80, 24));
    desk.press(KeyCode::Down);
    desk.press(KeyCode::Enter);
    assert_eq!(desk.changes(), [shown("crossfade-red-blue")]);
    assert!(!desk.screen().contains("Effects"), "{}", desk.screen());
    // `v` works in every pane, and a click chooses.
    desk.keys("1v/nothing-like-that");
    assert!(desk.screen().contains("No effect matches"), "{}", desk.screen());
    desk.press(KeyCode::Enter);
    assert_eq!(desk.changes(), []);
    desk.keys("v");
    let row = desk.row("fade-cyan");
    desk.click(20, row);
    assert_eq!(desk.changes(), [shown("fade-cyan")]);
    // A click outside closes the list.
    desk.keys("v");
    desk.click(0, 0);
    assert!(!desk.screen().contains(" Effects "));
    assert_eq!(desk.changes(), []);
}

#[test]
fn effects_that_have_numbers_only_are_listed_too() {
    let mut desk = TestDesk::new(80, 24);
    desk.advertise(1, "sp110e", &Light::default());
    desk.hold(1, "sp110e", BulbState::reported(Light { effect: Some("7".to_owned()), ..Light::from(ON) }));
    desk.keys("2v/12");
    let screen = desk.screen();
    assert!(
        screen.contains("number 12 ") && screen.contains("number 120") && !screen.contains("number 112"),
        "{screen}"
    );
    desk.press(KeyCode::Enter);
    assert_eq!(desk.changes(), [shown("12")]);
}

#[test]
fn what_a_bulb_cannot_do_is_no_control_and_refused_from_the_keyboard() {
    let mut desk = TestDesk::office(80, 24);
    desk.connect(1, ON);
    desk.effects.clear();
    let screen = desk.screen();
    assert!(!screen.contains("Kelvin") && !screen.contains("v effects"), "{screen}");
    desk.keys("t");
    assert!(desk.screen().contains("bulb.unsupported") && desk.changes().is_empty(), "{}", desk.screen());
    desk.keys("v");
    assert!(desk.screen().contains("has no known effects"), "{}", desk.screen());
    assert_eq!(desk.changes(), []);
}

#[test]
fn a_speed_is_offered_while_the_bulb_takes_one() {
    let mut desk = bulb_of_kind("zengge", 80, 24);
    desk.go("Speed");
    desk.effects.clear();
    desk.press(KeyCode::Right);
    assert_eq!(
        desk.changes(),
        [Change::from(Light { speed: Some(Percent::clamped(31)), ..Light::default() })]
    );
    let speed = |desk: &TestDesk| {
        let (buffer, row) = (desk.buffer(), desk.row("Speed"));
        buffer[(42, row)].modifier.contains(ratatui::style::Modifier::DIM)
    };
    desk.press(KeyCode::Up);
    assert!(!speed(&desk));
    desk.bulb(1, DriverEvent::State(BulbState::reported(ON), 99));
    assert!(speed(&desk), "{}", desk.screen());
}

#[test]
fn several_families_at_once_are_driven_by_what_each_can_do() {
    let mut desk = TestDesk::new(80, 24);
    for (number, name) in [(1, "elk"), (2, "hue"), (3, "zengge")] {
        desk.advertise(number, name, &Light::default());
    }
    desk.hold(1, "elk", BulbState::unknown());
    desk.hold(2, "hue", BulbState::reported(white(3000)));
    desk.hold(3, "zengge", BulbState::reported(ON));
    desk.keys("M");
    desk.effects.clear();
    // Controls of any marked bulb are shown. A bulb without the control gets nothing, and a message says so.
    let screen = desk.screen();
    assert!(screen.contains("controls 3 marked") && screen.contains("Kelvin"), "{screen}");
    desk.keys("t4000");
    desk.press(KeyCode::Enter);
    let sent: Vec<_> = desk
        .effects
        .drain(..)
        .map(|effect| match effect {
            Effect::Command(id, DriverCommand::Change(change), _) => (id, change),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(sent, [(id(1), kelvin(4000)), (id(2), kelvin(4000))]);
    desk.bulb(2, DriverEvent::Confirmed(Some(Duration::from_millis(20))));
    let screen = desk.screen();
    assert!(screen.contains("bulb.unsupported"), "{screen}");
    let sign = |desk: &TestDesk, name: &str| {
        let screen = desk.screen();
        let short: String = name.chars().take(8).collect();
        let line = screen.lines().skip(3).find(|line| line.contains(&short)).unwrap().to_owned();
        line.chars().nth(7).unwrap()
    };
    let names: Vec<String> =
        ["elk", "hue", "zengge"].iter().map(|name| profile(name).example.name.clone().unwrap()).collect();
    assert_eq!(sign(&desk, names[0].trim()), '…');
    assert_eq!(sign(&desk, &names[1]), '✓');
    assert_eq!(sign(&desk, &names[2]), '✗');
    // A held key shows the message once.
    desk.go("Kelvin");
    (0..5).for_each(|_| desk.press(KeyCode::Right));
    desk.keys("e");
    assert_eq!(desk.screen().matches("bulb.unsupported").count(), 1, "{}", desk.screen());
    desk.keys("2");
    // The list counts the bulbs that have an effect.
    desk.keys("v");
    assert!(desk.screen().contains("1 of 3 bulbs"), "{}", desk.screen());
}

#[test]
fn a_fade_says_which_bulbs_cannot_do_it() {
    let mut desk = TestDesk::new(80, 24);
    for (number, name) in [(1, "elk"), (2, "hue")] {
        desk.advertise(number, name, &Light::default());
    }
    desk.hold(1, "elk", BulbState::unknown());
    desk.hold(2, "hue", BulbState::reported(white(3000)));
    desk.keys("M");
    desk.effects.clear();
    desk.keys("F4000K 2s");
    desk.press(KeyCode::Enter);
    // One never reports, so a fade has no start.
    let screen = desk.screen();
    assert!(screen.contains("bulb.write_only") && screen.contains("do not report their state"), "{screen}");
    let light = Light { kelvin: Some(4000), ..Light::default() };
    let fade = DriverCommand::Fade(light, Duration::from_secs(2));
    assert!(
        matches!(&desk.effects[..], [Effect::Command(bulb, command, _)] if (bulb, command) == (&id(2), &fade))
    );
}

#[test]
fn what_turned_out_to_be_no_bulb_says_so_until_it_is_tried_again() {
    let mut desk = bulb_of_kind("unrecognised", 80, 24);
    let screen = desk.screen();
    assert!(screen.contains("profile.unknown") && !screen.contains("Brightness"), "{screen}");
    desk.press(KeyCode::Enter);
    desk.bulb(1, DriverEvent::Link(LinkPhase::Connecting(1)));
    assert!(!desk.screen().contains("profile.unknown"), "{}", desk.screen());
}

#[test]
fn without_colours_shapes_tell_what_is_known_how() {
    let mut desk = TestDesk::with(80, 24, Depth::None);
    desk.advertise(1, "switchbot", &Light::from(ON));
    assert!(desk.screen().contains("▐▌"), "{}", desk.screen());
    let effect = Light { effect: Some("1".to_owned()), mode: Some(Mode::Effect), ..Light::from(ON) };
    desk.hold(1, "switchbot", BulbState::reported(effect));
    assert!(desk.screen().contains("▓▒"), "{}", desk.screen());
    assert!(desk.buffer().content.iter().all(|cell| cell.fg == Color::Reset));
}
