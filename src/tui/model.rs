//! All that is on the desk.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use bulb_protocol::Rgb;
use tokio::time::Instant;
use tui_input::Input;

use super::control::{Control, visible_controls};
use super::device::{Device, LinkState};
use super::event::ScanPhase;
use super::frames::FrameLog;
use super::layout::{self, Areas};
use super::style::Depth;
use crate::bulb::Families;
use crate::error::Error;
use crate::fleet::Target;
use crate::output::sanitise;
use crate::radio::{AdapterState, DeviceId};

/// A device that a running scan has not heard for so long fades, and then goes.
pub(crate) const FADE_AFTER: Duration = Duration::from_secs(10);
pub(crate) const FORGET_AFTER: Duration = Duration::from_secs(30);
/// How many devices are kept: strangers change their addresses every few minutes, and a desk stays open for days.
const MAX_DEVICES: usize = 10_000;
/// How many messages are kept.
const MAX_MESSAGES: usize = 200;
/// How long a message that is no failure stays in view.
const INFO_TIME: Duration = Duration::from_secs(6);
/// How many colours of one's own are kept.
pub(crate) const MAX_RECENT_COLORS: usize = 10;
/// The clock ticks so often, while there is anything for it.
const TICK: Duration = Duration::from_millis(500);

/// A group of the configuration.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its name, without `@`.
    pub name: String,
    /// What it means.
    pub target: Target,
}

/// What the desk is made with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// How many colours the terminal shows.
    pub depth: Depth,
    /// The groups of the configuration.
    pub groups: Vec<Group>,
    /// The beginning of time: events carry how long ago that was.
    pub start: Instant,
    /// The families that bulbs may be of.
    pub families: Arc<Families>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            size: (80, 24),
            depth: Depth::True,
            groups: Vec::new(),
            start: Instant::now(),
            families: Arc::default(),
        }
    }
}

/// What the keys go to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Pane {
    #[default]
    List,
    Detail,
    Frames,
}

/// The order of the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sort {
    #[default]
    Signal,
    Name,
    Address,
}

/// A window over the panes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Popup {
    Help,
    Messages,
    Groups,
    Effects,
}

/// What is being typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prompt {
    Filter,
    FrameFilter,
    EffectFilter,
    Color,
    Kelvin,
    /// The value of a slider.
    Value(Control),
    File,
}

/// How serious a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    Info,
    Error,
}

/// Something to tell the user.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) at: Duration,
    pub(crate) severity: Severity,
    pub(crate) code: Option<&'static str>,
    pub(crate) text: String,
    pub(crate) hint: Option<String>,
}

/// All that is on the desk.
#[derive(Debug)]
pub struct Model {
    pub(crate) size: (u16, u16),
    pub(crate) depth: Depth,
    pub(crate) now: Duration,
    start: Instant,
    pub(crate) families: Arc<Families>,
    pub(crate) adapter: Option<String>,
    /// Why Bluetooth cannot be used at present.
    pub(crate) banner: Option<Error>,
    pub(crate) scan_wanted: bool,
    pub(crate) scan: ScanPhase,
    /// The position of the sign that the scan hears something.
    pub(crate) spinner: u8,
    pub(crate) heard_since_tick: bool,
    pub(crate) devices: BTreeMap<DeviceId, Device>,
    /// What the list shows, in its order.
    pub(crate) order: Vec<DeviceId>,
    pub(crate) selected: Option<DeviceId>,
    /// Whether the user has begun to choose; until then the first of the list is selected.
    pub(crate) user_selected: bool,
    pub(crate) offset: usize,
    pub(crate) marked: BTreeSet<DeviceId>,
    pub(crate) sort: Sort,
    pub(crate) show_all: bool,
    pub(crate) filter: String,
    pub(crate) pane: Pane,
    pub(crate) control: Control,
    pub(crate) preset: usize,
    pub(crate) recent_index: usize,
    pub(crate) recent: VecDeque<Rgb>,
    pub(crate) popup: Option<Popup>,
    pub(crate) popup_row: usize,
    /// In lower case.
    pub(crate) effect_filter: String,
    pub(crate) prompt: Option<(Prompt, Input)>,
    /// What was wrong with what was typed.
    pub(crate) prompt_error: Option<String>,
    /// The control that the mouse holds.
    pub(crate) dragged: Option<Control>,
    pub(crate) frames: FrameLog,
    pub(crate) messages: VecDeque<Message>,
    /// Whether the newest message is in view.
    pub(crate) message_shown: bool,
    pub(crate) groups: Vec<Group>,
    pub(crate) tokens: u64,
    last_tick: Duration,
    changed: bool,
    reorder: bool,
}

impl Model {
    /// An empty desk that scans.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            size: options.size,
            depth: options.depth,
            now: Duration::ZERO,
            start: options.start,
            families: options.families,
            adapter: None,
            banner: None,
            scan_wanted: true,
            scan: ScanPhase::Off,
            spinner: 0,
            heard_since_tick: false,
            devices: BTreeMap::new(),
            order: Vec::new(),
            selected: None,
            user_selected: false,
            offset: 0,
            marked: BTreeSet::new(),
            sort: Sort::default(),
            show_all: false,
            filter: String::new(),
            pane: Pane::List,
            control: Control::Power,
            preset: 0,
            recent_index: 0,
            recent: VecDeque::new(),
            popup: None,
            popup_row: 0,
            effect_filter: String::new(),
            prompt: None,
            prompt_error: None,
            dragged: None,
            frames: FrameLog::default(),
            messages: VecDeque::new(),
            message_shown: false,
            groups: options.groups,
            tokens: 0,
            last_tick: Duration::ZERO,
            changed: true,
            reorder: false,
        }
    }

    /// Whether the screen differs from what [`view`](super::view()) would draw now; asking makes it agree.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Which device is selected.
    #[must_use]
    pub fn selected(&self) -> Option<&DeviceId> {
        self.selected.as_ref()
    }

    /// The devices that the list shows, in its order.
    #[must_use]
    pub fn listed(&self) -> &[DeviceId] {
        &self.order
    }

    /// When the clock is to tick next, counted from the beginning; never if nothing on the screen depends on it.
    #[must_use]
    pub fn next_tick(&self) -> Option<Duration> {
        let scanning = self.scan == ScanPhase::On && !self.devices.is_empty();
        let waiting = self.devices.values().any(|device| matches!(device.link, LinkState::Waiting(_)));
        let note = self.message().is_some_and(|message| message.severity == Severity::Info);
        (scanning || waiting || note).then(|| self.last_tick + TICK)
    }

    /// What counts moments of the radio side's clock from the beginning.
    pub(crate) fn to_model_time(&self) -> impl Fn(Instant) -> Duration + use<> {
        let start = self.start;
        move |moment| moment.saturating_duration_since(start)
    }

    /// How long ago the clock ticked last, as far as that was on purpose.
    pub(crate) fn time_since_tick(&mut self) -> Duration {
        let passed = self.now.saturating_sub(self.last_tick);
        self.last_tick = self.now;
        passed.min(2 * TICK)
    }

    pub(crate) fn selected_device(&self) -> Option<&Device> {
        self.devices.get(self.selected.as_ref()?)
    }

    /// The place of the selected device in the list.
    pub(crate) fn selected_index(&self) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        self.order.iter().position(|id| id == selected)
    }

    /// The devices that changes go to: the marked ones, or else the selected one.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &Device> {
        self.target_ids().filter_map(|id| self.devices.get(id))
    }

    pub(crate) fn target_ids(&self) -> impl Iterator<Item = &DeviceId> {
        let selected = self.selected.as_ref().filter(|_| self.marked.is_empty());
        self.marked.iter().chain(selected)
    }

    /// Whether changes go to this device.
    pub(crate) fn is_target(&self, device: &Device) -> bool {
        self.marked.is_empty() || self.marked.contains(device.id())
    }

    pub(crate) fn areas(&self) -> Areas {
        layout::areas(self)
    }

    /// The message in view.
    pub(crate) fn message(&self) -> Option<&Message> {
        self.messages.back().filter(|_| self.message_shown)
    }

    pub(crate) fn changed(&mut self) {
        self.changed = true;
    }

    /// The list has to be made anew.
    pub(crate) fn reorder(&mut self) {
        self.reorder = true;
        self.changed = true;
    }

    pub(crate) fn show_info(&mut self, text: impl Into<String>) {
        self.push_message(Message {
            at: self.now,
            severity: Severity::Info,
            code: None,
            text: text.into(),
            hint: None,
        });
    }

    /// Tells of a failure; `who` is the bulb where the error does not name it.
    pub(crate) fn show_error(&mut self, error: &Error, who: Option<&str>) {
        let text = error.to_string();
        let text = match who {
            Some(who) if !text.contains(who) => format!("{who}: {text}"),
            _ => text,
        };
        self.push_message(Message {
            at: self.now,
            severity: Severity::Error,
            code: Some(error.code()),
            text: sanitise(&text).into_owned(),
            hint: error.hint(),
        });
    }

    pub(crate) fn push_message(&mut self, message: Message) {
        // What a held key brings about again and again is said once.
        let again =
            |last: &Message| last.code.is_some() && (last.code, &last.text) == (message.code, &message.text);
        if self.messages.back().is_some_and(again) {
            self.messages.pop_back();
        }
        self.messages.push_back(message);
        if self.messages.len() > MAX_MESSAGES {
            self.messages.pop_front();
        }
        self.message_shown = true;
        self.changed = true;
    }

    /// Brings into agreement what follows from the rest: the order, the selection, what is scrolled where. Ends every update.
    pub(crate) fn refresh(&mut self) {
        if std::mem::take(&mut self.reorder) {
            self.sort_and_filter();
        }
        let visible_controls = visible_controls(self);
        if !visible_controls.contains(&self.control) {
            self.control = visible_controls.first().copied().unwrap_or_default();
        }
        let height = usize::from(self.areas().list_rows());
        let index = self.selected_index().unwrap_or_default();
        let most = self.order.len().saturating_sub(height);
        let offset = self.offset.clamp(index.saturating_sub(height.saturating_sub(1)), index).min(most);
        self.changed |= offset != self.offset;
        self.offset = offset;
        let frames = usize::from(self.areas().frame_rows());
        self.frames.scroll(0, frames);
    }

    fn sort_and_filter(&mut self) {
        let index = self.selected_index();
        self.forget_silent_devices();
        let filter = self.filter.to_lowercase();
        let mut shown: Vec<&Device> =
            self.devices.values().filter(|device| self.is_listed(device, &filter)).collect();
        match self.sort {
            Sort::Signal => shown.sort_by_cached_key(|device| {
                (Reverse(device.signal_step), device.name.to_lowercase(), device.id().clone())
            }),
            Sort::Name => shown.sort_by_cached_key(|device| {
                (device.name.is_empty(), device.name.to_lowercase(), device.id().clone())
            }),
            Sort::Address => shown.sort_by_key(|device| (device.seen.address, device.id())),
        }
        self.order = shown.into_iter().map(|device| device.id().clone()).collect();
        if !self.user_selected {
            self.selected = self.order.first().cloned();
        } else if self.selected_index().is_none() {
            let nearest = index.unwrap_or_default().min(self.order.len().saturating_sub(1));
            self.selected = self.order.get(nearest).cloned();
        }
        if self.pane == Pane::Detail && self.selected.is_none() {
            self.pane = Pane::List;
        }
    }

    fn is_listed(&self, device: &Device, filter: &str) -> bool {
        let kept = self.selected.as_ref() == Some(device.id());
        let kind = self.show_all || device.bulb || device.wants_link() || self.marked.contains(device.id());
        let text = || {
            filter.is_empty()
                || device.name.to_lowercase().contains(filter)
                || device.address().to_lowercase().contains(filter)
        };
        // One that is only remembered from an earlier day is not here.
        let here = self.show_all
            || kept
            || device.last_heard.is_some()
            || device.wants_link()
            || device.seen.connected;
        kind && here && text()
    }

    /// Devices that are gone stay while somebody has to do with them.
    fn forget_silent_devices(&mut self) {
        let selected = self.selected.clone();
        let marked = std::mem::take(&mut self.marked);
        self.devices.retain(|id, device| {
            device.silent_for < FORGET_AFTER
                || device.wants_link()
                || device.seen.connected
                || Some(id) == selected.as_ref()
                || marked.contains(id)
        });
        self.marked = marked;
        let excess = self.devices.len().saturating_sub(MAX_DEVICES);
        if excess == 0 {
            return;
        }
        let idle = self
            .devices
            .values()
            .filter(|device| !device.wants_link() && Some(device.id()) != selected.as_ref());
        let mut idle: Vec<_> = idle.map(|device| (device.last_heard, device.id().clone())).collect();
        // All at once: in a flood there are hundreds with each batch.
        idle.sort_unstable();
        for (_, oldest) in idle.into_iter().take(excess) {
            self.devices.remove(&oldest);
            self.marked.remove(&oldest);
        }
    }

    /// All that the clock may change on the screen, to be compared.
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
        visible_state.finish()
    }

    /// How long ago a device was heard, where that is worth a word.
    pub(crate) fn age(&self, device: &Device) -> Option<String> {
        let age = self.now.saturating_sub(device.last_heard?);
        match age.as_secs() {
            _ if device.is_connected() => None,
            0 | 1 => None,
            seconds @ 2..=99 => Some(format!("{seconds}s")),
            seconds => Some(format!("{}m", seconds / 60)),
        }
    }

    /// The message that is no failure goes by itself.
    pub(crate) fn expire_info(&mut self) {
        let old = self.message().is_some_and(|message| {
            message.severity == Severity::Info && self.now.saturating_sub(message.at) >= INFO_TIME
        });
        if old {
            self.message_shown = false;
        }
    }

    /// Takes the adapter's state in.
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
