//! The state of the desk.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use bulb_protocol::Rgb;
use bulb_protocol::profile::{Light, Mode};
use tokio::time::Instant;
use tui_input::Input;

use super::check_run::CheckRun;
use super::control::{Control, visible_controls};
use super::device::{Device, LinkState};
use super::event::ScanPhase;
use super::frames::FrameLog;
use super::layout::{self, Areas};
use super::messages::{Holds, Message, MessageLog, Severity};
use super::settings::{Settings, Sort};
use super::style::{Depth, Theme};
use crate::bulb::Families;
use crate::error::Error;
use crate::fleet::Target;
use crate::radio::{AdapterState, DeviceId};

/// A device that the running scan has not seen for this long is dimmed; after `FORGET_AFTER` it is removed.
pub(crate) const FADE_AFTER: Duration = Duration::from_secs(10);
pub(crate) const FORGET_AFTER: Duration = Duration::from_secs(30);
/// Limit for recently used colours.
pub(crate) const MAX_RECENT_COLORS: usize = 10;
/// Interval of [`Event::Tick`](super::Event::Tick).
const TICK: Duration = Duration::from_millis(500);

#[derive(Clone, Debug)]
pub struct Group {
    /// Name without `@`.
    pub name: String,
    pub target: Target,
}

#[derive(Clone, Debug)]
pub struct Options {
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    pub depth: Depth,
    pub groups: Vec<Group>,
    /// Start of the desk. All times in the model count from here.
    pub start: Instant,
    pub families: Arc<Families>,
    pub settings: Settings,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            size: (80, 24),
            depth: Depth::True,
            groups: Vec::new(),
            start: Instant::now(),
            families: Arc::default(),
            settings: Settings::default(),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Pane {
    #[default]
    List,
    Detail,
    Frames,
    Graphs,
    Gatt,
    Check,
    Log,
}

impl Pane {
    /// The panes that share one place, in the order of their keys.
    pub(crate) const LOWER: [Self; 5] = [Self::Frames, Self::Graphs, Self::Gatt, Self::Check, Self::Log];

    pub(crate) fn is_lower(self) -> bool {
        Self::LOWER.contains(&self)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Popup {
    Help,
    Palette,
    Groups,
    Effects,
    Scenes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prompt {
    Filter,
    FrameFilter,
    EffectFilter,
    Color,
    Kelvin,
    Value(Control),
    File,
    Recording,
    Gatt,
    Palette,
    Fade,
    Scene,
}

/// A light that is typed, before it is sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TypedLight(pub(crate) Light);

impl TypedLight {
    /// Returns what the bulb would show: the rest of its light stays.
    pub(crate) fn on_top_of(&self, present: Option<&Light>) -> Light {
        let present = present.cloned().unwrap_or_default();
        let typed = &self.0;
        let mode = match (typed.color, typed.kelvin) {
            (Some(_), _) => Some(Mode::Color),
            (None, Some(_)) => Some(Mode::White),
            _ => present.mode,
        };
        Light {
            power: typed.power.or(Some(true)),
            brightness: typed.brightness.or(present.brightness),
            color: typed.color.or(present.color),
            kelvin: typed.kelvin.or(present.kelvin),
            mode,
            ..present
        }
    }
}

#[derive(Debug, Default)]
pub struct Model {
    pub(crate) size: (u16, u16),
    pub(crate) theme: Theme,
    pub(crate) settings: Settings,
    pub(crate) now: Duration,
    /// `None` only in an empty model.
    start: Option<Instant>,
    pub(crate) families: Arc<Families>,
    pub(crate) adapter: Option<String>,
    /// Largest number of links at a time.
    pub(crate) link_limit: usize,
    /// Reason why Bluetooth is unusable at the moment.
    pub(crate) banner: Option<Error>,
    pub(crate) scan_wanted: bool,
    pub(crate) scan: ScanPhase,
    pub(crate) spinner: u8,
    pub(crate) heard_since_tick: bool,
    pub(crate) devices: BTreeMap<DeviceId, Device>,
    /// The listed devices, sorted and filtered.
    pub(crate) order: Vec<DeviceId>,
    pub(crate) selected: Option<DeviceId>,
    /// True once the user pressed a key or clicked. Until then the first device in the list is selected.
    pub(crate) user_selected: bool,
    pub(crate) offset: usize,
    pub(crate) marked: BTreeSet<DeviceId>,
    pub(crate) sort: Sort,
    pub(crate) show_all: bool,
    pub(crate) filter: String,
    /// The pane with the focus.
    pub(crate) pane: Pane,
    /// The one of the lower panes that is shown.
    pub(crate) lower: Pane,
    /// True if the pane with the focus has the whole screen.
    pub(crate) zoomed: bool,
    /// The controls of the bulb pane. Stored, as it depends on every marked bulb.
    pub(crate) controls: Vec<Control>,
    pub(crate) control: Control,
    pub(crate) preset: usize,
    pub(crate) recent_index: usize,
    pub(crate) recent: VecDeque<Rgb>,
    pub(crate) popup: Option<Popup>,
    pub(crate) popup_row: usize,
    /// Lower case.
    pub(crate) effect_filter: String,
    pub(crate) prompt: Option<(Prompt, Input)>,
    pub(crate) prompt_error: Option<String>,
    pub(crate) dragged: Option<Control>,
    pub(crate) last_click: Option<(Duration, u16, u16)>,
    pub(crate) frames: FrameLog,
    pub(crate) messages: MessageLog,
    /// The selected row of the GATT table.
    pub(crate) gatt_row: usize,
    pub(crate) check: Option<CheckRun>,
    pub(crate) check_row: usize,
    /// Width of the widest listed name.
    pub(crate) widest_name: u16,
    /// Width of the widest listed family.
    pub(crate) widest_family: u16,
    pub(crate) palette_filter: String,
    pub(crate) scenes: Vec<String>,
    pub(crate) groups: Vec<Group>,
    pub(crate) tokens: u64,
    last_tick: Duration,
    changed: bool,
    pub(super) reorder: bool,
}

impl Model {
    pub fn new(options: Options) -> Self {
        Self {
            size: options.size,
            theme: Theme { depth: options.depth, colors: options.settings.colors },
            sort: options.settings.sort,
            settings: options.settings,
            lower: Pane::Frames,
            start: Some(options.start),
            families: options.families,
            groups: options.groups,
            scan_wanted: true,
            changed: true,
            ..Self::default()
        }
    }

    /// Returns true if the screen must be redrawn, and resets the flag.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    pub fn selected(&self) -> Option<&DeviceId> {
        self.selected.as_ref()
    }

    pub fn listed(&self) -> &[DeviceId] {
        &self.order
    }

    /// Returns the time of the next tick since the start, or `None` if nothing on the screen depends on time.
    pub fn next_tick(&self) -> Option<Duration> {
        let scanning = self.scan == ScanPhase::On && !self.devices.is_empty();
        let waiting = self.devices.values().any(|device| matches!(device.link, LinkState::Waiting(_)));
        let note = self.message().is_some_and(|message| message.holds == Holds::Briefly);
        let running = self.check.as_ref().is_some_and(CheckRun::is_running)
            || self.devices.values().any(|device| device.fade.is_some());
        (scanning || waiting || note || running).then(|| self.last_tick + TICK)
    }

    /// Returns a function from radio timestamps to time since the start.
    pub(crate) fn to_model_time(&self) -> impl Fn(Instant) -> Duration + use<> {
        let start = self.start;
        move |moment| start.map_or(Duration::ZERO, |start| moment.saturating_duration_since(start))
    }

    /// Returns the time since the last tick, capped because the clock may have been stopped.
    pub(crate) fn time_since_tick(&mut self) -> Duration {
        let passed = self.now.saturating_sub(self.last_tick);
        self.last_tick = self.now;
        passed.min(2 * TICK)
    }

    pub(crate) fn selected_device(&self) -> Option<&Device> {
        self.devices.get(self.selected.as_ref()?)
    }

    pub(crate) fn selected_index(&self) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        self.order.iter().position(|id| id == selected)
    }

    /// Returns the devices that changes are sent to: the marked ones, or else the selected one.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &Device> {
        self.target_ids().filter_map(|id| self.devices.get(id))
    }

    pub(crate) fn target_ids(&self) -> impl Iterator<Item = &DeviceId> {
        let selected = self.selected.as_ref().filter(|_| self.marked.is_empty());
        self.marked.iter().chain(selected)
    }

    /// Returns true if changes are sent to this device while it is selected.
    pub(crate) fn is_target(&self, device: &Device) -> bool {
        self.marked.is_empty() || self.marked.contains(device.id())
    }

    pub(crate) fn areas(&self) -> Areas {
        layout::areas(self)
    }

    pub(crate) fn message(&self) -> Option<&Message> {
        self.messages.current()
    }

    /// Returns the light that the input line describes, if it shows one.
    pub(crate) fn typed_light(&self) -> Option<TypedLight> {
        let (what, input) = self.prompt.as_ref()?;
        let text = input.value().trim();
        let light = match what {
            Prompt::Color => Light { color: crate::color::parse(text).ok(), ..Light::default() },
            Prompt::Fade => super::update::parse_fade(text).ok()?.0,
            Prompt::Kelvin => {
                let kelvin = text.trim_end_matches(['K', 'k', ' ']).parse().ok()?;
                Light { kelvin: Some(kelvin), mode: Some(Mode::White), ..Light::default() }
            }
            _ => return None,
        };
        (!light.features().is_empty()).then_some(TypedLight(light))
    }

    /// Moves the focus. A lower pane takes the place of the one that is shown.
    pub(crate) fn focus(&mut self, pane: Pane) {
        if pane == Pane::Detail && self.selected.is_none() {
            return;
        }
        self.pane = pane;
        if pane.is_lower() {
            self.lower = pane;
        }
    }

    /// Returns true if this lower pane is on the screen.
    pub(crate) fn shows(&self, pane: Pane) -> bool {
        let areas = self.areas();
        (self.lower == pane && areas.lower.is_some()) || (pane == Pane::Graphs && areas.graphs.is_some())
    }

    pub(crate) fn changed(&mut self) {
        self.changed = true;
    }

    /// Sorts and filters the list at the end of this update.
    pub(crate) fn reorder(&mut self) {
        self.reorder = true;
        self.changed = true;
    }

    pub(crate) fn show_info(&mut self, text: impl Into<String>) {
        self.push_message(Message::new(self.now, Severity::Info, text, Holds::Briefly));
    }

    /// Shows an error. `who` names the bulb if the error does not.
    pub(crate) fn show_error(&mut self, error: &Error, who: Option<&str>, holds: Holds) {
        self.push_message(Message::of(self.now, error, who, holds));
    }

    pub(crate) fn push_message(&mut self, message: Message) {
        self.messages.push(message);
        self.changed = true;
    }

    /// Closes messages that no longer hold.
    pub(crate) fn close_messages(&mut self, over: impl Fn(&Holds) -> bool) {
        self.changed |= self.messages.close(|message| over(&message.holds));
    }

    /// Updates what depends on other fields: list order, selection, scroll offsets. Called at the end of
    /// every update.
    pub(crate) fn refresh(&mut self) {
        if std::mem::take(&mut self.reorder) {
            self.sort_and_filter();
        }
        self.controls = visible_controls(self);
        if !self.controls.contains(&self.control) {
            self.control = self.controls.first().copied().unwrap_or_default();
        }
        let height = usize::from(self.areas().list_rows());
        let index = self.selected_index().unwrap_or_default();
        let most = self.order.len().saturating_sub(height);
        let offset = self.offset.clamp(index.saturating_sub(height.saturating_sub(1)), index).min(most);
        self.changed |= offset != self.offset;
        self.offset = offset;
        let lower = usize::from(self.areas().lower_rows());
        self.frames.scroll(0, lower);
        self.messages.scroll(0, lower);
        if self.messages.unread > 0 && self.shows(Pane::Log) {
            self.messages.unread = 0;
        }
        self.check_row = self.check_row.min(self.check.as_ref().map_or(0, CheckRun::last_row));
        self.gatt_row = self.gatt_row.min(super::gatt::rows(self).len().saturating_sub(1));
    }

    /// Returns a hash of everything on the screen that a tick can change.
    pub(crate) fn visible_state(&self) -> u64 {
        let mut visible_state = DefaultHasher::new();
        let rows = usize::from(self.areas().list_rows());
        let visible = self.order.iter().skip(self.offset).take(rows);
        for device in visible.chain(&self.selected).filter_map(|id| self.devices.get(id)) {
            (device.id(), device.rssi, device.signal_step, &device.history, self.age(device))
                .hash(&mut visible_state);
            (device.silent_for >= FADE_AFTER).hash(&mut visible_state);
            if let LinkState::Waiting(until) = device.link {
                until.saturating_sub(self.now).as_secs().hash(&mut visible_state);
            }
        }
        (self.order.len(), self.devices.len(), self.spinner, self.message().is_some())
            .hash(&mut visible_state);
        if self.shows(Pane::Graphs) {
            let logs = self.targets().filter_map(|device| device.signal_log.back());
            logs.for_each(|sample| sample.hash(&mut visible_state));
        }
        if let Some(check) = self.check.as_ref().filter(|check| check.is_running()) {
            self.now.saturating_sub(check.started).as_secs().hash(&mut visible_state);
        }
        for device in self.devices.values().filter(|device| device.fade.is_some()) {
            (device.id(), self.now.as_millis() / 250).hash(&mut visible_state);
        }
        visible_state.finish()
    }

    /// Returns how long ago a device was last seen, as text; `None` if it was just seen or is connected.
    pub(crate) fn age(&self, device: &Device) -> Option<String> {
        let age = self.now.saturating_sub(device.last_heard?);
        match age.as_secs() {
            _ if device.is_connected() => None,
            0 | 1 => None,
            seconds @ 2..=99 => Some(format!("{seconds}s")),
            seconds => Some(format!("{}m", seconds / 60)),
        }
    }

    pub(crate) fn set_adapter_state(&mut self, state: AdapterState) {
        let adapter = self.adapter.clone().unwrap_or_default();
        self.banner = match state {
            AdapterState::On => None,
            AdapterState::Off => Some(Error::AdapterOff { adapter }),
            AdapterState::Absent => Some(Error::AdapterLost { adapter }),
        };
        self.changed = true;
    }
}
