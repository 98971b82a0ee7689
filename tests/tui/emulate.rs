//! The screen of `emulate`: snapshots, keys and the mouse on scripted events, without a terminal.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bulbctl::emulate::{BulbAction, Emulation};
use bulbctl::error::{Error, Result};
use bulbctl::radio::peripheral::{
    Advertisement, Central, Peripheral, PeripheralEvent, PeripheralEventKind, PeripheralLimits, Responder,
    ServedBulb,
};
use bulbctl::radio::sim::emulated::EmulatedBulbs;
use bulbctl::radio::{AdapterInfo, CharacteristicId, Deadline, DeviceId, WriteKind};
use bulbctl::tui::emulate::{EmulateOptions, EmulateScreen, LineParser};
use bulbctl::tui::{Depth, Effect, Event, Settings};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use insta::assert_snapshot;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use tempfile::TempDir;
use tokio::sync::mpsc;

const RIG: &str = "\
rig = 1
[[bulb]]
name = \"Light-Desk\"
address = \"C4:11:00:00:00:01\"
power = true
brightness = 80
color = \"#ff8800\"
battery = 87
[[bulb]]
name = \"ELK-BLEDOM\"
profile = \"elk\"
address = \"C4:11:00:00:00:02\"
[[bulb]]
profile = \"hue\"
address = \"C4:11:00:00:00:03\"
address_type = \"random\"
battery = 9
power = true
effect = \"candle\"
pairing = true
";
const CONTROL: CharacteristicId = CharacteristicId::short(0xFFF0, 0xFFF1);
const STATUS: CharacteristicId = CharacteristicId::short(0xFFF0, 0xFFF2);

/// A radio without an air. It keeps what it was asked for.
#[derive(Debug)]
struct Stage {
    events: Mutex<Option<mpsc::Receiver<PeripheralEvent>>>,
    dropped: Mutex<Vec<u64>>,
}

#[async_trait]
impl Peripheral for Stage {
    fn adapter(&self) -> AdapterInfo {
        AdapterInfo { name: "hci1".to_owned(), address: None }
    }

    fn limits(&self) -> PeripheralLimits {
        PeripheralLimits { bulbs: 100, room: None, chosen_addresses: true, own_services: Vec::new() }
    }

    async fn start(
        &self,
        _bulbs: Vec<ServedBulb>,
        _deadline: Deadline,
    ) -> Result<mpsc::Receiver<PeripheralEvent>> {
        Ok(self.events.lock().unwrap().take().unwrap())
    }

    async fn advertise(&self, _bulb: usize, _advertisement: Option<Advertisement>) -> Result<()> {
        Ok(())
    }

    async fn notify(
        &self,
        _bulb: usize,
        _link: u64,
        _characteristic: CharacteristicId,
        _value: Vec<u8>,
    ) -> Result<()> {
        Ok(())
    }

    async fn drop_link(&self, _bulb: usize, link: u64) -> Result<()> {
        self.dropped.lock().unwrap().push(link);
        Ok(())
    }

    async fn close(&self) {}
}

struct Played {
    screen: EmulateScreen,
    stage: Arc<Stage>,
    events: mpsc::Sender<PeripheralEvent>,
    size: (u16, u16),
}

impl Played {
    async fn with(rig: &str, size: (u16, u16), depth: Depth) -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("rig.toml");
        std::fs::write(&path, rig).unwrap();
        let bulbs = EmulatedBulbs::of_rig(&path, |_, _| true).unwrap();
        let (events, received) = mpsc::channel(64);
        let stage = Arc::new(Stage { events: Mutex::new(Some(received)), dropped: Mutex::default() });
        let deadline = Deadline::after(Duration::from_secs(5));
        let emulation = Emulation::start(stage.clone(), bulbs, deadline).await.unwrap();
        let parse: LineParser = Box::new(|text, _| match text {
            "quit" => Ok(None),
            "vanish" => Ok(Some((None, BulbAction::Vanish))),
            "rename" => Ok(Some((Some(1), BulbAction::Rename("Light-New".to_owned())))),
            other => Err(format!("unknown line {other:?}")),
        });
        let settings = Settings::default();
        let options = EmulateOptions { size, depth, settings, end: None, parse };
        Self { screen: EmulateScreen::new(emulation, options), stage, events, size }
    }

    async fn new(size: (u16, u16)) -> Self {
        Self::with(RIG, size, Depth::True).await
    }

    /// The bulbs after a while: one is driven, one is off the air.
    async fn busy(size: (u16, u16), depth: Depth) -> Self {
        let mut played = Self::with(RIG, size, depth).await;
        played.pass(1234).await;
        played.connect(0, 1).await;
        played.event(0, 1, PeripheralEventKind::Mtu(185)).await;
        let reply = Responder::none();
        played.event(0, 1, PeripheralEventKind::Subscribe { characteristic: STATUS, reply }).await;
        played.pass(1000).await;
        played.write(0, 1, &[1, 30, 0xff, 0, 0]).await;
        played.write(0, 1, &[1, 101, 0, 0, 0]).await;
        played.write(0, 1, &[0x7e]).await;
        let reply = Responder::none();
        played.event(0, 1, PeripheralEventKind::Read { characteristic: STATUS, offset: 0, reply }).await;
        let off = Error::AdapterOff { adapter: "hci1".to_owned() };
        played.event(1, 0, PeripheralEventKind::OffAir(off)).await;
        played.pass(40).await;
        played
    }

    async fn event(&mut self, bulb: usize, link: u64, kind: PeripheralEventKind) {
        self.events.send(PeripheralEvent { bulb, link, kind }).await.unwrap();
        self.pass(1).await;
    }

    async fn connect(&mut self, bulb: usize, link: u64) {
        let central =
            Central { id: DeviceId::new("7C:50:01:02:03:04"), name: Some("Pixel\u{1b}[2J 9".to_owned()) };
        let reply = Responder::none();
        self.event(bulb, link, PeripheralEventKind::Connected { central, mtu: None, reply }).await;
    }

    async fn write(&mut self, bulb: usize, link: u64, value: &[u8]) {
        let (value, reply) = (value.to_vec(), Responder::none());
        let (characteristic, kind) = (CONTROL, Some(WriteKind::Request));
        let write = PeripheralEventKind::Write { characteristic, offset: 0, value, kind, reply };
        self.event(bulb, link, write).await;
    }

    async fn pass(&mut self, ms: u64) {
        self.screen.run_for(Duration::from_millis(ms)).await.unwrap();
    }

    async fn press(&mut self, key: KeyCode) -> Option<Effect> {
        self.screen.handle(Event::Key(KeyEvent::new(key, KeyModifiers::NONE))).await.unwrap()
    }

    async fn keys(&mut self, keys: &str) {
        for key in keys.chars() {
            self.press(KeyCode::Char(key)).await;
        }
    }

    async fn mouse(&mut self, kind: MouseEventKind, column: u16, row: u16) {
        let mouse = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
        self.screen.handle(Event::Mouse(mouse)).await.unwrap();
    }

    async fn resize(&mut self, width: u16, height: u16) {
        self.size = (width, height);
        self.screen.handle(Event::Resize(width, height)).await.unwrap();
    }

    fn screen(&self) -> String {
        let mut terminal = Terminal::new(TestBackend::new(self.size.0, self.size.1)).unwrap();
        terminal.draw(|frame| self.screen.view(frame)).unwrap();
        terminal.backend().to_string()
    }

    #[track_caller]
    fn shows(&self, text: &str) {
        assert!(self.screen().contains(text), "no {text:?}:\n{}", self.screen());
    }

    #[track_caller]
    fn hides(&self, text: &str) {
        assert!(!self.screen().contains(text), "{text:?}:\n{}", self.screen());
    }
}

#[tokio::test(start_paused = true)]
async fn layouts() {
    for (width, height) in [(50, 15), (80, 24), (120, 40)] {
        let played = Played::busy((width, height), Depth::True).await;
        assert_snapshot!(format!("emulate_{width}x{height}"), played.screen());
    }
    for (width, height) in [(49, 20), (50, 14), (1, 1)] {
        let played = Played::busy((width, height), Depth::True).await;
        if width > 1 {
            assert!(played.screen().replace('\n', " ").contains("terminal too small"));
        }
        played.screen();
    }
}

#[tokio::test(start_paused = true)]
async fn one_bulb_and_its_frames() {
    let rig = RIG.split("[[bulb]]").take(2).collect::<Vec<_>>().join("[[bulb]]");
    let mut played = Played::with(&rig, (80, 24), Depth::True).await;
    played.connect(0, 1).await;
    let reply = Responder::none();
    played.event(0, 1, PeripheralEventKind::Subscribe { characteristic: STATUS, reply }).await;
    played.write(0, 1, &[1, 30, 0xff, 0, 0]).await;
    played.pass(200).await;
    played.keys("f").await;
    assert_snapshot!("emulate_frames", played.screen());
    // Without them, neither bytes nor notifications.
    played.keys("f").await;
    played.hides("011eff0000");
    played.hides("notification");
    played.shows("write fff1  on 30 % #ff0000");
}

/// What does not fit into a line goes on in the next one, and scrolling reaches the first line of the oldest event.
#[tokio::test(start_paused = true)]
async fn long_events_are_shown_in_full() {
    let rig = RIG.split("[[bulb]]").take(2).collect::<Vec<_>>().join("[[bulb]]");
    let mut played = Played::with(&rig, (50, 15), Depth::True).await;
    played.connect(0, 1).await;
    for last in 0..4 {
        played.write(0, 1, &[1, 30, 0xff, 0, 0, last]).await;
    }
    let has = |played: &Played, text: &str| {
        let screen = played.screen();
        let words: Vec<_> = screen.split(['┃', '"', '\n', ' ']).filter(|word| !word.is_empty()).collect();
        words.join(" ").contains(text)
    };
    let newest = "✗ write fff1 malformed: a frame is 5 bytes long, this one has 6: 01 1e ff 00 00 03 refused: invalid \
                  attribute value length (0x0d)";
    assert!(has(&played, newest), "{}", played.screen());
    played.press(KeyCode::Home).await;
    assert!(has(&played, "0.000 advertising on hci1"), "{}", played.screen());
    assert!(!has(&played, newest), "{}", played.screen());
    played.press(KeyCode::End).await;
    assert!(has(&played, newest), "{}", played.screen());
}

/// Without colours, shades tell a bulb that is on from one that is off, and signs the kinds of events.
#[tokio::test(start_paused = true)]
async fn no_colours() {
    let played = Played::busy((80, 24), Depth::None).await;
    assert_snapshot!("emulate_no_colours", played.screen());
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    terminal.draw(|frame| played.screen.view(frame)).unwrap();
    let plain = |cell: &ratatui::buffer::Cell| cell.fg == ratatui::style::Color::Reset;
    assert!(terminal.backend().buffer().content().iter().all(plain));
}

#[tokio::test(start_paused = true)]
async fn keys_are_buttons_of_the_selected_bulb() {
    let mut played = Played::new((80, 24)).await;
    played.shows("on  80 %  #ff8800");
    played.keys("-").await;
    played.shows("on  75 %");
    played.keys("++++++++").await;
    played.shows("on  100 %");
    played.keys(" ").await;
    played.shows("off  100 %");
    played.keys("cteal").await;
    played.press(KeyCode::Enter).await;
    played.shows("off  100 %  #008080");
    // A family without kelvin.
    played.keys("t2700").await;
    played.press(KeyCode::Enter).await;
    played.shows("✗ bulb.unsupported  Light-Desk");
    played.press(KeyCode::Down).await;
    played.hides("bulb.unsupported");
    played.keys(" ").await;
    played.shows("on  50 %  #ffffff");
    played.keys("t2700").await;
    played.press(KeyCode::Enter).await;
    played.shows("white 50 %  2700 K");
}

#[tokio::test(start_paused = true)]
async fn what_is_typed_wrong_stays_to_be_mended() {
    let mut played = Played::new((80, 24)).await;
    for (key, label, text, error) in [
        ("c", "colour:", "oranje", "is not a colour"),
        ("t", "kelvin:", "warm", "enter a whole number"),
        (":", "line:", "sing", "unknown line \"sing\""),
    ] {
        played.keys(key).await;
        played.keys(text).await;
        played.press(KeyCode::Enter).await;
        played.shows(error);
        played.shows(text);
        // Any other key removes the error.
        played.press(KeyCode::Backspace).await;
        played.hides(error);
        played.press(KeyCode::Esc).await;
        played.hides(label);
    }
}

#[tokio::test(start_paused = true)]
async fn a_line_reaches_the_bulb_that_it_names_or_the_selected_one() {
    let mut played = Played::new((80, 24)).await;
    played.screen.handle(Event::Key(KeyEvent::new(KeyCode::Char(':'), KeyModifiers::NONE))).await.unwrap();
    played.screen.handle(Event::Paste("rename\n".to_owned())).await.unwrap();
    played.press(KeyCode::Enter).await;
    played.shows("Light-New  elk");
    played.keys(":vanish").await;
    played.press(KeyCode::Enter).await;
    played.shows("○ off the air");
    played.keys(":quit").await;
    assert_eq!(played.press(KeyCode::Enter).await, Some(Effect::Quit));
}

#[tokio::test(start_paused = true)]
async fn the_link_is_dropped_and_another_central_comes() {
    let mut played = Played::new((80, 24)).await;
    played.keys("d").await;
    played.shows("Light-Desk has no link to drop");
    played.connect(0, 7).await;
    played.shows("● Pixel\\u{1b}[2J 9");
    played.shows("1 connected");
    played.keys("d").await;
    assert_eq!(*played.stage.dropped.lock().unwrap(), [7]);
    played.event(0, 7, PeripheralEventKind::Disconnected).await;
    played.shows("disconnected by the bulb");
    played.shows("0 connected");
    played.connect(0, 8).await;
    played.shows("1 connected");
    // The subscriptions are those of the link.
    let reply = Responder::none();
    played.event(0, 8, PeripheralEventKind::Subscribe { characteristic: STATUS, reply }).await;
    played.shows("subscribed to fff2 ");
    played.event(0, 8, PeripheralEventKind::Unsubscribed(STATUS)).await;
    played.keys("x").await;
    played.hides("subscribed to fff2 ");
}

#[tokio::test(start_paused = true)]
async fn events_are_bounded_and_scroll() {
    let mut played = Played::new((80, 24)).await;
    played.connect(0, 1).await;
    for number in 0..2100_u16 {
        played.write(0, 1, &[1, u8::try_from(number % 100).unwrap(), 0, 0, 1]).await;
    }
    played.press(KeyCode::Home).await;
    // Each write has an event of its own and one of its state.
    played.shows(" 1989 below ");
    played.hides("connected by");
    played.write(0, 1, &[1, 1, 0, 0, 2]).await;
    played.press(KeyCode::PageDown).await;
    played.mouse(MouseEventKind::ScrollDown, 10, 20).await;
    played.hides(" 1989 below ");
    played.press(KeyCode::End).await;
    played.hides(" below ");
    played.shows("#000002");
}

#[tokio::test(start_paused = true)]
async fn the_mouse_selects_scrolls_and_uses_hints() {
    let mut played = Played::new((80, 40)).await;
    played.shows("▌ ████████  Light-Desk");
    played.mouse(MouseEventKind::Down(MouseButton::Left), 20, 6).await;
    played.shows("▌ ░░░░░░░░  ELK-BLEDOM");
    let rows = played.screen();
    let hints: Vec<char> = rows.lines().last().unwrap().chars().collect();
    let text: String = hints.iter().collect();
    let column = text.split("on/off").next().unwrap().chars().count() - 1;
    played.mouse(MouseEventKind::Down(MouseButton::Left), u16::try_from(column).unwrap(), 39).await;
    played.shows("▌ ████████  ELK-BLEDOM");
}

#[tokio::test(start_paused = true)]
async fn help_pages_in_a_small_terminal() {
    let mut played = Played::new((80, 24)).await;
    played.keys("?").await;
    assert_snapshot!("emulate_help", played.screen());
    played.resize(50, 15).await;
    played.press(KeyCode::End).await;
    played.shows("changing colours");
    // The keys of the screen do nothing meanwhile.
    played.keys(" d").await;
    played.press(KeyCode::Esc).await;
    played.shows("on  80 %");
    assert_eq!(played.press(KeyCode::Char('q')).await, Some(Effect::Quit));
}

#[tokio::test(start_paused = true)]
async fn it_ends_without_its_radio() {
    let mut played = Played::new((80, 24)).await;
    drop(played.events);
    let gone = played.screen.run_for(Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(gone.code(), "adapter.lost");
}
