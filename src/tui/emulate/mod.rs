//! The screen of `emulate`: the bulbs as they shine, who is connected, and what came in.

mod log;
mod update;
mod view;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use ratatui::Frame;
use tokio::time::{Instant, sleep_until};
use tui_input::Input;

use self::log::EventLog;
use super::event::{Effect, Event};
use super::keys::KeyMap;
use super::messages::{Holds, MessageLog};
use super::run::{App, until_quit};
use super::screen::Screen;
use super::settings::Settings;
use super::style::{Depth, Theme};
use crate::emulate::{BulbAction, BulbEvent, BulbEventKind, Emulation, Next};
use crate::error::Result;
use crate::radio::CharacteristicId;

/// Interval of the check whether a message is old, and whether a battery has drained.
const TICK: Duration = Duration::from_secs(1);

/// A line that the user types, parsed: what to do to which bulb, the selected one if `None`.
pub type ParsedLine = (Option<usize>, BulbAction);

/// Parses a typed line. Returns `Ok(None)` if the line ends the emulation.
pub type LineParser = Box<dyn Fn(&str, &Emulation) -> Result<Option<ParsedLine>, String>>;

/// The settings of an [`EmulateScreen`].
pub struct EmulateOptions {
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    pub depth: Depth,
    pub settings: Settings,
    /// The time at which the emulation ends by itself.
    pub end: Option<Instant>,
    pub parse: LineParser,
}

impl fmt::Debug for EmulateOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmulateOptions").field("size", &self.size).finish_non_exhaustive()
    }
}

/// Shows an emulation on this terminal until the user quits. `options.size` is taken from the terminal.
///
/// # Errors
/// The terminal or the radio fails, or the user interrupts. The terminal has been restored in all cases.
pub async fn run(emulation: Emulation, mut options: EmulateOptions) -> Result<()> {
    let screen = Screen::open()?;
    options.size = screen.size()?;
    until_quit(&mut EmulateScreen::new(emulation, options), screen).await
}

/// The bulbs of an emulation on a screen, without a terminal.
pub struct EmulateScreen {
    emulation: Emulation,
    parse: LineParser,
    start: Instant,
    end: Option<Instant>,
    size: (u16, u16),
    theme: Theme,
    keys: KeyMap,
    bulbs: Vec<ShownBulb>,
    selected: usize,
    log: EventLog,
    messages: MessageLog,
    /// The first row of the help, if it is open.
    help: Option<usize>,
    prompt: Option<(Prompt, Input)>,
    prompt_error: Option<String>,
    /// Waits for [`App::handle`].
    next: Option<Next>,
    batteries: Vec<Option<u8>>,
    changed: bool,
}

impl fmt::Debug for EmulateScreen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmulateScreen").field("emulation", &self.emulation).finish_non_exhaustive()
    }
}

/// What the events told of a bulb.
#[derive(Debug, Default)]
struct ShownBulb {
    link: Option<ShownLink>,
    off_air: Option<String>,
}

#[derive(Debug)]
struct ShownLink {
    /// The name or the identifier of the central, safe for a terminal.
    central: String,
    mtu: Option<u16>,
    subscribed: Vec<CharacteristicId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prompt {
    Color,
    Kelvin,
    Line,
}

impl EmulateScreen {
    pub fn new(emulation: Emulation, options: EmulateOptions) -> Self {
        let count = emulation.bulbs().count();
        let mut screen = Self {
            emulation,
            parse: options.parse,
            start: Instant::now(),
            end: options.end,
            size: options.size,
            theme: Theme { depth: options.depth, colors: options.settings.colors },
            keys: options.settings.keys,
            bulbs: (0..count).map(|_| ShownBulb::default()).collect(),
            selected: 0,
            log: EventLog::default(),
            messages: MessageLog::default(),
            help: None,
            prompt: None,
            prompt_error: None,
            next: None,
            batteries: Vec::new(),
            changed: true,
        };
        screen.take_told();
        screen
    }

    pub fn view(&self, frame: &mut Frame<'_>) {
        view::draw(self, frame);
    }

    /// Handles an event, and what it leads to. Returns what the terminal has to do.
    ///
    /// # Errors
    /// The radio is gone.
    pub async fn handle(&mut self, event: Event) -> Result<Option<Effect>> {
        let effect = update::update(self, event).await?;
        self.take_told();
        Ok(effect)
    }

    /// Handles what happens in this time, without a terminal.
    ///
    /// # Errors
    /// The radio is gone.
    pub async fn run_for(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        while let Ok(event) = tokio::time::timeout_at(end, self.wait()).await {
            self.handle(event?).await?;
        }
        Ok(())
    }

    /// Waits until the emulation or the clock needs something. Cancel-safe.
    async fn wait(&mut self) -> Result<Event> {
        if self.next.is_none() {
            let now = Instant::now();
            let brief = self.messages.current().is_some_and(|message| message.holds == Holds::Briefly);
            let tick = (brief || self.batteries.iter().any(Option::is_some)).then(|| now + TICK);
            let wake = [tick, self.end].into_iter().flatten().min();
            let woken = async {
                match wake {
                    Some(wake) => sleep_until(wake).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                next = self.emulation.next() => self.next = Some(next?),
                () = woken => {}
            }
        }
        Ok(Event::Tick)
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn name(&self, bulb: usize) -> String {
        super::text::plain(self.emulation.name(bulb))
    }

    /// Takes in what happened at the bulbs.
    fn take_told(&mut self) {
        while let Some(event) = self.emulation.next_told() {
            self.told(&event);
            let row = log::Row::of(&self.emulation, &event, self.now());
            self.log.push(row);
            self.changed = true;
        }
        let batteries: Vec<_> =
            (0..self.bulbs.len()).map(|bulb| self.emulation.bulbs().battery(bulb)).collect();
        self.changed |= batteries != self.batteries;
        self.batteries = batteries;
    }

    fn told(&mut self, event: &BulbEvent) {
        let Some(bulb) = self.bulbs.get_mut(event.bulb) else { return };
        match &event.kind {
            BulbEventKind::Connected(central, mtu) => {
                let central = central.name.clone().unwrap_or_else(|| central.id.to_string());
                let central = super::text::plain(&central);
                bulb.link = Some(ShownLink { central, mtu: *mtu, subscribed: Vec::new() });
            }
            BulbEventKind::Disconnected(_) => bulb.link = None,
            BulbEventKind::OffAir(error) => {
                let reason = error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
                bulb.off_air = Some(super::text::plain(&reason));
            }
            BulbEventKind::Advertising(_) => bulb.off_air = None,
            BulbEventKind::Mtu(mtu) => {
                if let Some(link) = &mut bulb.link {
                    link.mtu = Some(*mtu);
                }
            }
            BulbEventKind::Subscribed(id) => {
                if let Some(link) = &mut bulb.link
                    && !link.subscribed.contains(id)
                {
                    link.subscribed.push(*id);
                }
            }
            BulbEventKind::Unsubscribed(id) => {
                if let Some(link) = &mut bulb.link {
                    link.subscribed.retain(|own| own != id);
                }
            }
            BulbEventKind::Paired
            | BulbEventKind::Read(..)
            | BulbEventKind::Written(_)
            | BulbEventKind::Notified(..)
            | BulbEventKind::State(_) => {}
        }
    }
}

#[async_trait(?Send)]
impl App for EmulateScreen {
    fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    fn draw(&self, frame: &mut Frame<'_>) {
        self.view(frame);
    }

    async fn next(&mut self) -> Result<Event> {
        self.wait().await
    }

    fn try_next(&mut self) -> Option<Event> {
        None
    }

    async fn handle(&mut self, event: Event) -> Result<Option<Effect>> {
        Self::handle(self, event).await
    }
}
