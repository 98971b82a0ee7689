//! The state of the desk.

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
use super::text::cut;
use crate::bulb::Families;
use crate::error::Error;
use crate::fleet::Target;
use crate::output::sanitise;
use crate::radio::{AdapterState, DeviceId};

/// A device that the running scan has not seen for this long is dimmed; after `FORGET_AFTER` it is removed.
pub(crate) const FADE_AFTER: Duration = Duration::from_secs(10);
pub(crate) const FORGET_AFTER: Duration = Duration::from_secs(30);
/// Limit for known devices. Phones change addresses every few minutes and a desk stays open for days.
const MAX_DEVICES: usize = 10_000;
const MAX_MESSAGES: usize = 200;
/// Limit for the text of a message, in columns.
const MAX_MESSAGE_WIDTH: usize = 2_000;
/// Time that an info message stays in the message line.
const INFO_TIME: Duration = Duration::from_secs(6);
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

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Pane {
    #[default]
    List,
    Detail,
    Frames,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sort {
    #[default]
    Signal,
    Name,
    Address,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Popup {
    Help,
    Messages,
    Groups,
    Effects,
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    Info,
    Error,
}

#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) at: Duration,
    pub(crate) severity: Severity,
    pub(crate) code: Option<&'static str>,
    pub(crate) text: String,
    pub(crate) hint: Option<String>,
}

#[derive(Debug, Default)]
pub struct Model {
    pub(crate) size: (u16, u16),
    pub(crate) depth: Depth,
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
    pub(crate) pane: Pane,
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
    pub(crate) frames: FrameLog,
    pub(crate) messages: VecDeque<Message>,
    /// True while the newest message is in the message line.
    pub(crate) message_shown: bool,
    pub(crate) groups: Vec<Group>,
    pub(crate) tokens: u64,
    last_tick: Duration,
    changed: bool,
    reorder: bool,
}

impl Model {
    pub fn new(options: Options) -> Self {
        Self {
            size: options.size,
            depth: options.depth,
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
        let note = self.message().is_some_and(|message| message.severity == Severity::Info);
        (scanning || waiting || note).then(|| self.last_tick + TICK)
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
        self.messages.back().filter(|_| self.message_shown)
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
        self.push_message(Message {
            at: self.now,
            severity: Severity::Info,
            code: None,
            text: text.into(),
            hint: None,
        });
    }

    /// Shows an error. `who` names the bulb if the error does not.
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

    pub(crate) fn push_message(&mut self, mut message: Message) {
        message.text = cut(&message.text, MAX_MESSAGE_WIDTH).into_owned();
        // Repeating a failed key does not repeat its message.
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
        // Hides devices that the system remembers but that were not seen yet.
        let here = self.show_all
            || kept
            || device.last_heard.is_some()
            || device.wants_link()
            || device.seen.connected;
        kind && here && text()
    }

    /// Removes devices that are silent, unless they are selected, marked or connected.
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
        // What is marked, connected, a bulb, or known without having been heard goes last.
        let mut idle: Vec<_> = idle
            .map(|device| {
                let linked = device.seen.connected;
                let unheard = device.last_heard.is_none();
                let rank = (self.marked.contains(device.id()) || linked, device.bulb, unheard);
                (rank, device.last_heard, device.id().clone())
            })
            .collect();
        // Removes all at once: in a crowd each batch can add hundreds.
        idle.sort_unstable();
        for (_, _, oldest) in idle.into_iter().take(excess) {
            self.devices.remove(&oldest);
            self.marked.remove(&oldest);
        }
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

    /// Hides an info message that is old enough. Errors stay.
    pub(crate) fn expire_info(&mut self) {
        let old = self.message().is_some_and(|message| {
            message.severity == Severity::Info && self.now.saturating_sub(message.at) >= INFO_TIME
        });
        if old {
            self.message_shown = false;
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
