//! Random event sequences: nothing panics, and the selected device is in the list.

use std::time::Duration;

use bulb_protocol::{LightState, Percent, Rgb};
use bulbctl::bulb::{BulbState, DrivenProfile, DriverEvent, Families, LinkPhase};
use bulbctl::radio::AdapterState;
use bulbctl::tui::{Effect, Event, RadioEvent, ScanPhase};
use bulbctl::{Error, tui::keys};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEventKind};
use proptest::prelude::*;

use super::test_desk::{TestDesk, id};

#[derive(Clone, Debug)]
enum Step {
    Key(KeyCode, KeyModifiers),
    Mouse(MouseEventKind, u16, u16),
    Paste(String),
    Resize(u16, u16),
    Hear(u16, String, i16, bool),
    Bulb(u16, DriverEvent),
    Adapter(AdapterState),
    Scan(ScanPhase),
    Trouble,
    Wait(u64),
}

fn key() -> impl Strategy<Value = Step> {
    let code = prop_oneof![
        6 => proptest::char::range(' ', '~').prop_map(KeyCode::Char),
        1 => any::<char>().prop_map(KeyCode::Char),
        8 => proptest::sample::select(vec![
            KeyCode::Up, KeyCode::Down, KeyCode::Left, KeyCode::Right, KeyCode::Home, KeyCode::End,
            KeyCode::PageUp, KeyCode::PageDown, KeyCode::Enter, KeyCode::Esc, KeyCode::Tab,
            KeyCode::BackTab, KeyCode::Backspace, KeyCode::Delete, KeyCode::F(1),
        ]),
    ];
    let modifiers = proptest::sample::select(vec![
        KeyModifiers::NONE,
        KeyModifiers::NONE,
        KeyModifiers::NONE,
        KeyModifiers::SHIFT,
        KeyModifiers::CONTROL,
    ]);
    (code, modifiers).prop_map(|(code, modifiers)| Step::Key(code, modifiers))
}

fn mouse() -> impl Strategy<Value = Step> {
    let kind = proptest::sample::select(vec![
        MouseEventKind::Down(MouseButton::Left),
        MouseEventKind::Drag(MouseButton::Left),
        MouseEventKind::Up(MouseButton::Left),
        MouseEventKind::ScrollUp,
        MouseEventKind::ScrollDown,
        MouseEventKind::Moved,
    ]);
    (kind, 0_u16..230, 0_u16..70).prop_map(|(kind, column, row)| Step::Mouse(kind, column, row))
}

fn light() -> impl Strategy<Value = LightState> {
    (any::<bool>(), 0_u8..=100, any::<(u8, u8, u8)>()).prop_map(|(power, brightness, (r, g, b))| LightState {
        power,
        brightness: Percent::clamped(brightness),
        color: Rgb::new(r, g, b),
    })
}

fn recognised() -> impl Strategy<Value = DriverEvent> {
    let names = ["base", "elk", "zengge", "hue", "sp110e", "govee:encrypted", "lednetwf", "switchbot"];
    proptest::sample::select(names.to_vec()).prop_map(|name| {
        let (family, variant) =
            name.split_once(':').map_or((name, None), |(family, own)| (family, Some(own)));
        let profile = FAMILIES.with(|families| families.profile(family, variant).unwrap());
        DriverEvent::Recognised(DrivenProfile(profile))
    })
}

thread_local! {
    static FAMILIES: Families = Families::default();
}

fn event() -> impl Strategy<Value = DriverEvent> {
    prop_oneof![
        Just(DriverEvent::Link(LinkPhase::Up)),
        Just(DriverEvent::Link(LinkPhase::Down)),
        Just(DriverEvent::Link(LinkPhase::Connecting(2))),
        Just(DriverEvent::Link(LinkPhase::Queued)),
        Just(DriverEvent::Connected(tokio::time::Instant::now())),
        Just(DriverEvent::Link(LinkPhase::Waiting(tokio::time::Instant::now()))),
        (light(), 0_u64..40).prop_map(|(light, token)| DriverEvent::State(BulbState::reported(light), token)),
        (light(), 0_u64..40).prop_map(|(light, token)| DriverEvent::State(BulbState::assumed(light), token)),
        Just(DriverEvent::State(BulbState::unknown(), 99)),
        recognised(),
        recognised(),
        Just(DriverEvent::Written),
        Just(DriverEvent::Trouble(Error::Unrecognised {
            device: "x".to_owned(),
            found: "nothing".to_owned(),
            nearest: "none".to_owned(),
        })),
        Just(DriverEvent::Confirmed(Some(Duration::from_millis(20)))),
        Just(DriverEvent::Unconfirmed),
        Just(DriverEvent::Battery(None)),
        Just(DriverEvent::Trouble(Error::AdapterNone)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => key(),
        3 => mouse(),
        1 => any::<String>().prop_map(Step::Paste),
        2 => (0_u16..230, 0_u16..70).prop_map(|(width, height)| Step::Resize(width, height)),
        6 => (0_u16..12, "(Light|Bulb|x)?.{0,40}", -140_i16..140, any::<bool>())
            .prop_map(|(number, name, rssi, connected)| Step::Hear(number, name, rssi, connected)),
        6 => (0_u16..12, event()).prop_map(|(number, event)| Step::Bulb(number, event)),
        1 => proptest::sample::select(vec![AdapterState::On, AdapterState::Off, AdapterState::Absent])
            .prop_map(Step::Adapter),
        1 => proptest::sample::select(vec![
            ScanPhase::On, ScanPhase::Off, ScanPhase::Paused, ScanPhase::Failed,
        ])
        .prop_map(Step::Scan),
        1 => Just(Step::Trouble),
        3 => (0_u64..40_000).prop_map(Step::Wait),
    ]
}

fn play(desk: &mut TestDesk, step: Step) {
    match step {
        Step::Key(code, modifiers) => desk.event(Event::Key(KeyEvent::new(code, modifiers))),
        Step::Mouse(kind, column, row) => desk.mouse(kind, column, row),
        Step::Paste(text) => desk.event(Event::Paste(text)),
        Step::Resize(width, height) => desk.event(Event::Resize(width, height)),
        Step::Hear(number, name, rssi, connected) => {
            let mut report = desk.report(number, &name, rssi);
            report.connected = connected;
            desk.radio(RadioEvent::DevicesSeen(vec![report]));
        }
        Step::Bulb(number, event) => desk.bulb(number, event),
        Step::Adapter(state) => desk.radio(RadioEvent::Adapter(state)),
        Step::Scan(phase) => desk.radio(RadioEvent::Scan(phase)),
        Step::Trouble => desk.radio(RadioEvent::Failed(Error::ServiceDown)),
        Step::Wait(ms) => desk.wait(ms),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 5, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_events_does_harm(steps in proptest::collection::vec(step(), 1..60)) {
        let mut desk = TestDesk::office(80, 24);
        for step in steps {
            play(&mut desk, step);
            let (selected, listed) = (desk.model.selected(), desk.model.listed());
            match selected {
                Some(selected) => prop_assert!(listed.contains(selected)),
                None => prop_assert!(listed.is_empty()),
            }
            let _ = desk.screen();
        }
        // Effects only name known bulbs.
        for effect in &desk.effects {
            let bulb = match effect {
                Effect::Command(bulb, ..) | Effect::RetryNow(bulb) => bulb,
                Effect::Connect(report) => &report.id,
                _ => continue,
            };
            prop_assert!((0..12).any(|number| id(number) == *bulb));
        }
    }

    #[test]
    fn the_screen_may_be_another_size_than_we_think(width in 0_u16..200, height in 0_u16..60, popup in "[?@e/cvt:F34567zSR]") {
        let mut desk = TestDesk::office(200, 60);
        desk.keys(&popup);
        let backend = ratatui::backend::TestBackend::new(width, height);
        let mut terminal = ratatui::Terminal::new(backend).unwrap();
        terminal.draw(|frame| bulbctl::tui::view(&desk.model, frame)).unwrap();
    }
}

#[test]
fn every_key_of_the_table_is_taken() {
    for row in keys::TABLE {
        let mut desk = TestDesk::office(80, 24);
        for key in row.keys.iter() {
            assert!(!key.text().is_empty());
        }
        desk.press(KeyCode::Enter);
        let _ = desk.screen();
    }
}
