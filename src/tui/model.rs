//! All that is on the desk.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use bulb_protocol::Rgb;
use tokio::time::Instant;
use tui_input::Input;

use super::control::{Control, offered};
use super::device::{Device, Link};
use super::event::ScanPhase;
use super::frames::FrameLog;
use super::layout::{self, Areas};
use super::paint::Depth;
use crate::bulb::Families;
use crate::error::Error;
use crate::fleet::Target;
use crate::output::sanitise;
use crate::radio::{AdapterState, DeviceId};

/// A device that a running scan has not heard for so long fades, and then goes.
pub(crate) const FADE: Duration = Duration::from_secs(10);
pub(crate) const GONE: Duration = Duration::from_secs(30);
/// How many devices are kept: strangers change their addresses every few minutes, and a desk stays open for days.
const DEVICES: usize = 10_000;
/// How many messages are kept.
const MESSAGES: usize = 200;
/// How long a message that is no failure stays in view.
const NOTE_TIME: Duration = Duration::from_secs(6);
/// How many colours of one's own are kept.
pub(crate) const RECENT: usize = 10;
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
pub(crate) enum Typing {
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
pub(crate) enum Weight {
    Note,
    Failure,
}

/// Something to tell the user.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) at: Duration,
    pub(crate) weight: Weight,
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
    pub(crate) turn: u8,
    pub(crate) heard: bool,
    pub(crate) devices: BTreeMap<DeviceId, Device>,
    /// What the list shows, in its order.
    pub(crate) order: Vec<DeviceId>,
    pub(crate) selected: Option<DeviceId>,
    /// Whether the user has begun to choose; until then the first of the list is selected.
    pub(crate) chosen: bool,
    pub(crate) offset: usize,
    pub(crate) marked: BTreeSet<DeviceId>,
    pub(crate) sort: Sort,
    pub(crate) any: bool,
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
    pub(crate) typing: Option<(Typing, Input)>,
    /// What was wrong with what was typed.
    pub(crate) typing_fault: Option<String>,
    /// The control that the mouse holds.
    pub(crate) held: Option<Control>,
    pub(crate) frames: FrameLog,
    pub(crate) messages: VecDeque<Message>,
    /// Whether the newest message is in view.
    pub(crate) message_shown: bool,
    pub(crate) groups: Vec<Group>,
    pub(crate) tokens: u64,
    ticked: Duration,
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
            turn: 0,
            heard: false,
            devices: BTreeMap::new(),
            order: Vec::new(),
            selected: None,
            chosen: false,
            offset: 0,
            marked: BTreeSet::new(),
            sort: Sort::default(),
            any: false,
            filter: String::new(),
            pane: Pane::List,
            control: Control::Power,
            preset: 0,
            recent_index: 0,
            recent: VecDeque::new(),
            popup: None,
            popup_row: 0,
            effect_filter: String::new(),
            typing: None,
            typing_fault: None,
            held: None,
            frames: FrameLog::default(),
            messages: VecDeque::new(),
            message_shown: false,
            groups: options.groups,
            tokens: 0,
            ticked: Duration::ZERO,
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
        let waiting = self.devices.values().any(|device| matches!(device.link, Link::Waiting(_)));
        let note = self.message().is_some_and(|message| message.weight == Weight::Note);
        (scanning || waiting || note).then(|| self.ticked + TICK)
    }

    /// What counts moments of the radio side's clock from the beginning.
    pub(crate) fn clock(&self) -> impl Fn(Instant) -> Duration + use<> {
        let start = self.start;
        move |moment| moment.saturating_duration_since(start)
    }

    /// How long ago the clock ticked last, as far as that was on purpose.
    pub(crate) fn since_tick(&mut self) -> Duration {
        let passed = self.now.saturating_sub(self.ticked);
        self.ticked = self.now;
        passed.min(2 * TICK)
    }

    pub(crate) fn current(&self) -> Option<&Device> {
        self.devices.get(self.selected.as_ref()?)
    }

    /// The place of the selected device in the list.
    pub(crate) fn index(&self) -> Option<usize> {
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

    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.say(Message { at: self.now, weight: Weight::Note, code: None, text: text.into(), hint: None });
    }

    /// Tells of a failure; `who` is the bulb where the error does not name it.
    pub(crate) fn fail(&mut self, error: &Error, who: Option<&str>) {
        let text = error.to_string();
        let text = match who {
            Some(who) if !text.contains(who) => format!("{who}: {text}"),
            _ => text,
        };
        self.say(Message {
            at: self.now,
            weight: Weight::Failure,
            code: Some(error.code()),
            text: sanitise(&text).into_owned(),
            hint: error.hint(),
        });
    }

    pub(crate) fn say(&mut self, message: Message) {
        // What a held key brings about again and again is said once.
        let again =
            |last: &Message| last.code.is_some() && (last.code, &last.text) == (message.code, &message.text);
        if self.messages.back().is_some_and(again) {
            self.messages.pop_back();
        }
        self.messages.push_back(message);
        if self.messages.len() > MESSAGES {
            self.messages.pop_front();
        }
        self.message_shown = true;
        self.changed = true;
    }

    /// Brings into agreement what follows from the rest: the order, the selection, what is scrolled where. Ends every update.
    pub(crate) fn settle(&mut self) {
        if std::mem::take(&mut self.reorder) {
            self.order_anew();
        }
        let offered = offered(self);
        if !offered.contains(&self.control) {
            self.control = offered.first().copied().unwrap_or_default();
        }
        let height = usize::from(self.areas().list_rows());
        let index = self.index().unwrap_or_default();
        let most = self.order.len().saturating_sub(height);
        let offset = self.offset.clamp(index.saturating_sub(height.saturating_sub(1)), index).min(most);
        self.changed |= offset != self.offset;
        self.offset = offset;
        let frames = usize::from(self.areas().frame_rows());
        self.frames.scroll(0, frames);
    }

    fn order_anew(&mut self) {
        let index = self.index();
        self.forget_the_gone();
        let filter = self.filter.to_lowercase();
        let mut shown: Vec<&Device> =
            self.devices.values().filter(|device| self.lists(device, &filter)).collect();
        match self.sort {
            Sort::Signal => shown.sort_by_cached_key(|device| {
                (Reverse(device.step), device.name.to_lowercase(), device.id().clone())
            }),
            Sort::Name => shown.sort_by_cached_key(|device| {
                (device.name.is_empty(), device.name.to_lowercase(), device.id().clone())
            }),
            Sort::Address => shown.sort_by_key(|device| (device.report.address, device.id())),
        }
        self.order = shown.into_iter().map(|device| device.id().clone()).collect();
        if !self.chosen {
            self.selected = self.order.first().cloned();
        } else if self.index().is_none() {
            let nearest = index.unwrap_or_default().min(self.order.len().saturating_sub(1));
            self.selected = self.order.get(nearest).cloned();
        }
        if self.pane == Pane::Detail && self.selected.is_none() {
            self.pane = Pane::List;
        }
    }

    fn lists(&self, device: &Device, filter: &str) -> bool {
        let kept = self.selected.as_ref() == Some(device.id());
        let kind = self.any || device.bulb || device.wanted() || self.marked.contains(device.id());
        let text = || {
            filter.is_empty()
                || device.name.to_lowercase().contains(filter)
                || device.address().to_lowercase().contains(filter)
        };
        // One that is only remembered from an earlier day is not here.
        let here = self.any || kept || device.last.is_some() || device.wanted() || device.report.connected;
        kind && here && text()
    }

    /// Devices that are gone stay while somebody has to do with them.
    fn forget_the_gone(&mut self) {
        let selected = self.selected.clone();
        let marked = std::mem::take(&mut self.marked);
        self.devices.retain(|id, device| {
            device.silent < GONE
                || device.wanted()
                || device.report.connected
                || Some(id) == selected.as_ref()
                || marked.contains(id)
        });
        self.marked = marked;
        let excess = self.devices.len().saturating_sub(DEVICES);
        if excess == 0 {
            return;
        }
        let idle =
            self.devices.values().filter(|device| !device.wanted() && Some(device.id()) != selected.as_ref());
        let mut idle: Vec<_> = idle.map(|device| (device.last, device.id().clone())).collect();
        // All at once: in a flood there are hundreds with each batch.
        idle.sort_unstable();
        for (_, oldest) in idle.into_iter().take(excess) {
            self.devices.remove(&oldest);
            self.marked.remove(&oldest);
        }
    }

    /// All that the clock may change on the screen, to be compared.
    pub(crate) fn face(&self) -> u64 {
        let mut face = DefaultHasher::new();
        let rows = usize::from(self.areas().list_rows());
        let visible = self.order.iter().skip(self.offset).take(rows);
        for device in visible.chain(&self.selected).filter_map(|id| self.devices.get(id)) {
            (device.id(), device.rssi, device.step, &device.history, self.age(device)).hash(&mut face);
            (device.silent >= FADE).hash(&mut face);
            if let Link::Waiting(until) = device.link {
                until.saturating_sub(self.now).as_secs().hash(&mut face);
            }
        }
        (self.order.len(), self.devices.len(), self.turn, self.message().is_some()).hash(&mut face);
        face.finish()
    }

    /// How long ago a device was heard, where that is worth a word.
    pub(crate) fn age(&self, device: &Device) -> Option<String> {
        let age = self.now.saturating_sub(device.last?);
        match age.as_secs() {
            _ if device.up() => None,
            0 | 1 => None,
            seconds @ 2..=99 => Some(format!("{seconds}s")),
            seconds => Some(format!("{}m", seconds / 60)),
        }
    }

    /// The message that is no failure goes by itself.
    pub(crate) fn let_notes_go(&mut self) {
        let old = self.message().is_some_and(|message| {
            message.weight == Weight::Note && self.now.saturating_sub(message.at) >= NOTE_TIME
        });
        if old {
            self.message_shown = false;
        }
    }

    /// Takes the adapter's state in.
    pub(crate) fn adapter_is(&mut self, state: AdapterState) {
        let adapter = self.adapter.clone().unwrap_or_default();
        self.banner = match state {
            AdapterState::On => None,
            AdapterState::Off => Some(Error::AdapterOff { adapter }),
            AdapterState::Absent => Some(Error::AdapterLost { adapter }),
        };
        self.changed = true;
    }
}
