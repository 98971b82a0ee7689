//! A desk without radio and terminal, driven by scripted events.

use std::sync::Arc;
use std::time::Duration;

use bulb_protocol::{LightState, Percent, Rgb};
use bulbctl::bulb::{BulbState, DrivenProfile, DriverEvent, Families, LinkPhase};
use bulbctl::config::Config;
use bulbctl::fleet::Target;
use bulbctl::radio::{AdapterState, Address, DeviceId, SeenDevice, SeenTimes, gatt::uuid16};
use bulbctl::tui::{
    Depth, Effect, Event, Group, Model, Options, RadioEvent, ScanPhase, Settings, update, view,
};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use tokio::time::Instant;

pub(crate) const ON: LightState =
    LightState { power: true, brightness: Percent::clamped(80), color: Rgb::new(0xff, 0x88, 0) };

pub(crate) struct TestDesk {
    pub(crate) model: Model,
    pub(crate) start: Instant,
    pub(crate) now: Duration,
    pub(crate) effects: Vec<Effect>,
    size: (u16, u16),
}

pub(crate) fn id(number: u16) -> DeviceId {
    DeviceId::new(address(number).to_string())
}

fn address(number: u16) -> Address {
    let [high, low] = number.to_be_bytes();
    Address::new([0xC4, 0x11, 0, 0, high, low])
}

impl TestDesk {
    pub(crate) fn new(width: u16, height: u16) -> Self {
        Self::with(width, height, Depth::True)
    }

    pub(crate) fn with(width: u16, height: u16, depth: Depth) -> Self {
        let config = Config::parse(
            "[groups]\noffice = [\"Light-*\"]\nhall = [\"C4:11:00:00:00:03\"]\ncellar = [\"Nobody\"]\n",
            "test",
        )
        .unwrap();
        let groups = config.groups.keys().map(|name| Group {
            name: name.clone(),
            target: Target::parse(&format!("@{name}"), &config, &Arc::default()).unwrap(),
        });
        let start = Instant::now();
        let options = Options {
            size: (width, height),
            depth,
            groups: groups.collect(),
            start,
            families: Arc::default(),
            settings: Settings::default(),
        };
        Self::of(options)
    }

    pub(crate) fn of(options: Options) -> Self {
        let (size, start) = (options.size, options.start);
        let mut desk =
            Self { model: Model::new(options), start, now: Duration::ZERO, effects: Vec::new(), size };
        desk.radio(RadioEvent::Opened("sim".to_owned(), AdapterState::On, 5));
        desk.radio(RadioEvent::Scan(ScanPhase::On));
        desk.effects.clear();
        desk
    }

    /// Returns a desk with three bulbs and another device. The second bulb advertises its service.
    pub(crate) fn office(width: u16, height: u16) -> Self {
        let mut desk = Self::new(width, height);
        desk.see(1, "Light-Desk", -48);
        desk.see(2, "Light-Shelf", -61);
        desk.see(3, "Bulb-Hallway", -74);
        desk.see(4, "JBL Flip 5", -66);
        desk.tick();
        desk
    }

    pub(crate) fn event(&mut self, event: Event) {
        if let Event::Resize(width, height) = event {
            self.size = (width, height);
        }
        self.effects.extend(update(&mut self.model, event, self.now));
    }

    pub(crate) fn radio(&mut self, word: RadioEvent) {
        self.event(Event::Radio(word));
    }

    pub(crate) fn bulb(&mut self, number: u16, event: DriverEvent) {
        self.radio(RadioEvent::Driver(id(number), event));
    }

    pub(crate) fn report(&self, number: u16, name: &str, rssi: i16) -> SeenDevice {
        let heard = self.start + self.now;
        SeenDevice {
            id: id(number),
            address: Some(address(number)),
            name: (!name.is_empty()).then(|| name.to_owned()),
            rssi: Some(rssi),
            services: if number == 2 { vec![uuid16(0xFFF0)] } else { Vec::new() },
            seen: Some(SeenTimes { first: heard, last: heard }),
            ..SeenDevice::default()
        }
    }

    pub(crate) fn see(&mut self, number: u16, name: &str, rssi: i16) {
        let report = self.report(number, name, rssi);
        self.radio(RadioEvent::DevicesSeen(vec![report]));
    }

    pub(crate) fn connect(&mut self, number: u16, light: LightState) {
        self.bulb(number, DriverEvent::Link(LinkPhase::Connecting(1)));
        self.bulb(number, DriverEvent::Connected(self.start + self.now));
        let base = Families::default().profile("base", None).unwrap();
        self.bulb(number, DriverEvent::Recognised(DrivenProfile(base)));
        self.bulb(number, DriverEvent::Link(LinkPhase::Up));
        self.bulb(number, DriverEvent::State(BulbState::reported(light), 0));
    }

    pub(crate) fn tick(&mut self) {
        self.wait(500);
    }

    /// Advances the clock with its ticks.
    pub(crate) fn wait(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        while let Some(next) = self.model.next_tick().filter(|next| *next <= end) {
            self.now = next.max(self.now);
            self.event(Event::Tick);
        }
        self.now = end;
    }

    pub(crate) fn press(&mut self, code: KeyCode) {
        self.event(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    }

    pub(crate) fn control(&mut self, c: char) {
        self.event(Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL)));
    }

    pub(crate) fn keys(&mut self, text: &str) {
        text.chars().for_each(|c| self.press(KeyCode::Char(c)));
    }

    pub(crate) fn mouse(&mut self, kind: MouseEventKind, column: u16, row: u16) {
        self.event(Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }));
    }

    pub(crate) fn click(&mut self, column: u16, row: u16) {
        self.mouse(MouseEventKind::Down(MouseButton::Left), column, row);
        self.mouse(MouseEventKind::Up(MouseButton::Left), column, row);
    }

    pub(crate) fn buffer(&self) -> Buffer {
        let mut terminal = Terminal::new(TestBackend::new(self.size.0, self.size.1)).unwrap();
        terminal.draw(|frame| view(&self.model, frame)).unwrap().buffer.clone()
    }

    pub(crate) fn screen(&self) -> String {
        let buffer = self.buffer();
        let rows = (0..self.size.1).map(|row| {
            let mut text = String::new();
            let mut skip = 0_usize;
            for column in 0..self.size.0 {
                let symbol = buffer[(column, row)].symbol();
                if skip == 0 {
                    text.push_str(symbol);
                }
                skip = skip.max(unicode_width::UnicodeWidthStr::width(symbol)).saturating_sub(1);
            }
            text.trim_end().to_owned()
        });
        rows.collect::<Vec<_>>().join("\n")
    }
}
