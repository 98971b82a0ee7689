//! The desk's data about one device.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bulb_protocol::profile::{FamilyMatch, Light, Profile};

use super::hsv::HueSaturation;
use super::text::plain;
use crate::bulb::families::light_of;
use crate::bulb::{Battery, BulbState, DeviceInfo, DriverEvent, Families, LinkPhase, Provenance};
use crate::radio::trace::{AttOperation, TracedFrame};
use crate::radio::{CharacteristicId, DeviceId, GattTable, SeenDevice, plausible_dbm};

/// Difference in dB from which a device changes its place in the list. Keeps rows from jumping.
const RANK_STEP: i16 = 3;
/// Limit for the samples of the signal, one a second. Graphs show two minutes.
const MAX_SAMPLES: usize = 150;
/// Limit for the values of characteristics.
const MAX_VALUES: usize = 512;
/// Limit for the answer times.
const MAX_ANSWERS: usize = 500;
/// An answer after this time belongs to something else.
const ANSWER_TIME: Duration = Duration::from_secs(2);
/// Length of the signal history, one value per tick.
pub(crate) const HISTORY: usize = 10;
/// Weight of a new signal strength in the average: the last three reports make up half of it.
const SMOOTHING: f32 = 0.2;
/// Borders between the signal steps in dBm, as in `scan`.
const STEP_BORDERS: [f32; 4] = [-88.0, -78.0, -67.0, -55.0];
/// Distance in dB by which a signal must cross a border before its step changes. Keeps rows from jumping.
const HYSTERESIS: f32 = 3.0;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LinkState {
    #[default]
    None,
    /// Waits until another bulb gives up its link.
    Queued,
    /// Connecting; number of the attempt.
    Connecting(u32),
    /// Connected since then.
    Up(Duration),
    /// Lost or failed; the next attempt is then.
    Waiting(Duration),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ChangeOutcome {
    #[default]
    None,
    Pending,
    /// The bulb reported the new state.
    Confirmed,
    /// Written, but the bulb did not confirm it.
    Unconfirmed,
    Failed,
}

/// A fade that runs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fade {
    pub(crate) start: Duration,
    pub(crate) over: Duration,
    pub(crate) to: Light,
}

#[derive(Debug, Default)]
pub(crate) struct Device {
    pub(crate) seen: SeenDevice,
    /// Name as shown; empty if there is none.
    pub(crate) name: String,
    pub(crate) bulb: bool,
    /// The profile that drives the device, or that its advertisements match.
    pub(crate) profile: Option<Arc<Profile>>,
    /// True if the profile was confirmed over a link.
    pub(crate) driven: bool,
    /// True if the profile was set on the command line or in the configuration.
    pub(crate) profile_configured: bool,
    /// Families that the advertisements match, best first.
    pub(crate) candidates: Vec<FamilyMatch>,
    /// Reason why the device cannot be driven: error code, and text with hint.
    pub(crate) refusal: Option<(&'static str, String)>,
    /// Running average of the signal strength, dBm.
    average: Option<f32>,
    /// True if the average is newer than `rssi`.
    average_changed: bool,
    pub(crate) rssi: Option<i16>,
    /// The signal strength that the list shows and sorts by. Follows `rssi` in steps.
    pub(crate) rank: Option<i16>,
    /// The signal strength over time.
    pub(crate) signal_log: VecDeque<(Duration, i16)>,
    /// When a notification followed a write, and after which time.
    pub(crate) answers: VecDeque<(Duration, Duration)>,
    /// The time of a write that was not answered yet.
    unanswered: Option<Duration>,
    pub(crate) table: Option<Arc<GattTable>>,
    /// Characteristics that the driver itself is subscribed to.
    pub(crate) followed: Vec<CharacteristicId>,
    /// Characteristics that the user subscribed to.
    pub(crate) subscribed: BTreeSet<CharacteristicId>,
    /// The last value of each characteristic, and when it was seen.
    pub(crate) values: BTreeMap<CharacteristicId, (Duration, Vec<u8>)>,
    pub(crate) fade: Option<Fade>,
    /// 0 to 4 bars.
    pub(crate) signal_step: u8,
    pub(crate) history: VecDeque<i16>,
    /// Time when it was last seen; `None` if the system only remembers it.
    pub(crate) last_heard: Option<Duration>,
    /// Time for which the running scan has not seen it.
    pub(crate) silent_for: Duration,
    pub(crate) link: LinkState,
    /// True from the link itself on, also while the bulb is being recognised.
    pub(crate) linked: bool,
    pub(crate) state: BulbState,
    /// Token of the last change. States with an older one are ignored.
    pub(crate) token: u64,
    pub(crate) outcome: ChangeOutcome,
    pub(crate) hue_saturation: HueSaturation,
    /// `Some(None)` if the bulb has no battery; `None` if it was not read.
    pub(crate) battery: Option<Option<Battery>>,
    pub(crate) info: Option<DeviceInfo>,
    pub(crate) latency: Option<Duration>,
    pub(crate) link_losses: u32,
    /// Code of the error that ended the link, or kept it from coming up.
    pub(crate) last_trouble: Option<&'static str>,
}

impl Device {
    pub(crate) fn new(report: SeenDevice, families: &Families) -> Self {
        let mut device = Self { seen: report.clone(), ..Self::default() };
        device.recognise(&report, families);
        device.apply_seen(report);
        device.sample();
        device
    }

    pub(crate) fn id(&self) -> &DeviceId {
        &self.seen.id
    }

    /// Returns the name, or else the id.
    pub(crate) fn label(&self) -> &str {
        if self.name.is_empty() { self.seen.id.as_str() } else { &self.name }
    }

    pub(crate) fn address(&self) -> String {
        self.seen.address.map_or_else(|| self.seen.id.to_string(), |address| address.to_string())
    }

    /// Stores new data. Returns true if more than the signal strength changed.
    pub(crate) fn update_seen(
        &mut self,
        report: SeenDevice,
        at: Option<Duration>,
        families: &Families,
    ) -> bool {
        let heard = at > self.last_heard;
        if heard {
            self.last_heard = at;
            self.silent_for = Duration::ZERO;
        }
        let old = &self.seen;
        let news = old.name != report.name
            || old.alias != report.alias
            || old.services != report.services
            || old.connected != report.connected;
        let told = old.manufacturer != report.manufacturer || old.service_data != report.service_data;
        // Scoring families takes time, and most reports change nothing.
        let news = if news || told { self.recognise(&report, families) | news } else { news };
        self.apply_seen(report);
        news
    }

    /// Scores the families by the advertisement. Returns true if the result changed.
    fn recognise(&mut self, report: &SeenDevice, families: &Families) -> bool {
        let before = (self.bulb, self.family());
        self.bulb = families.looks_like_a_bulb(report);
        self.candidates = families.score_advertisement(report);
        self.candidates.retain(|one| one.score > 0);
        self.candidates.sort_by_key(|one| std::cmp::Reverse(one.score));
        if !self.driven {
            self.profile_configured = families.configured_profile(report).is_ok_and(|named| named.is_some());
            self.profile = families.advertised_profile(report).or(self.profile.take());
        }
        (self.bulb, self.family()) != before
    }

    fn apply_seen(&mut self, report: SeenDevice) {
        self.name = plain(report.names().next().unwrap_or_default());
        // A connected bulb reports its own state.
        if !self.is_connected()
            && let Some(profile) = self.profile.as_deref().filter(|profile| profile.readback().advert)
            && let Some(light) = light_of(profile, &report)
        {
            self.state = BulbState::advertised(light);
        }
        // BlueZ uses 127 for "not measured". Cheap controllers report other impossible values.
        if let Some(rssi) = report.rssi.and_then(plausible_dbm) {
            let rssi = f32::from(rssi);
            self.average = Some(self.average.map_or(rssi, |average| average + SMOOTHING * (rssi - average)));
            self.average_changed = true;
        }
        self.seen = report;
    }

    /// Shows the present average.
    #[allow(clippy::cast_possible_truncation, reason = "an average of numbers that fit")]
    pub(crate) fn sample(&mut self) {
        let Some(average) = self.average.filter(|_| std::mem::take(&mut self.average_changed)) else {
            return;
        };
        let rssi = average.round() as i16;
        self.rssi = Some(rssi);
        if self.rank.is_none_or(|rank| rank.abs_diff(rssi) >= RANK_STEP.unsigned_abs()) {
            self.rank = Some(rssi);
        }
        let above = |margin: f32| {
            let count = STEP_BORDERS.iter().filter(|&&border| average >= border + margin).count();
            u8::try_from(count).unwrap_or_default()
        };
        let (least, most) = (above(HYSTERESIS), above(-HYSTERESIS));
        self.signal_step =
            if self.history.is_empty() { above(0.0) } else { self.signal_step.clamp(least, most) };
        self.history.push_back(self.rssi.unwrap_or_default());
        while self.history.len() > HISTORY {
            self.history.pop_front();
        }
    }

    /// Adds the signal strength to the log, once a second while the device is heard.
    pub(crate) fn log_signal(&mut self, now: Duration) {
        let due = self.signal_log.back().is_none_or(|(last, _)| now >= *last + Duration::from_secs(1));
        let heard = self.last_heard.is_some_and(|heard| now.saturating_sub(heard) <= Duration::from_secs(2));
        if let Some(rssi) = self.rssi.filter(|_| due && heard) {
            // All at once, so that the memory is flat from the start.
            if self.signal_log.capacity() == 0 {
                self.signal_log.reserve_exact(MAX_SAMPLES + 1);
            }
            self.signal_log.push_back((now, rssi));
            if self.signal_log.len() > MAX_SAMPLES {
                self.signal_log.pop_front();
            }
        }
    }

    /// Returns true if changes can be sent.
    pub(crate) fn is_connected(&self) -> bool {
        matches!(self.link, LinkState::Up(_))
    }

    /// Returns true if the desk holds the link or tries to.
    pub(crate) fn wants_link(&self) -> bool {
        self.link != LinkState::None
    }

    pub(crate) fn light(&self) -> Option<&Light> {
        self.state.light()
    }

    pub(crate) fn family(&self) -> Option<String> {
        self.profile.as_deref().map(Profile::full_name)
    }

    /// Returns true unless the bulb is known never to report its state.
    pub(crate) fn reports_state(&self) -> bool {
        self.profile.as_deref().is_none_or(|profile| {
            let way = profile.readback();
            way.read || way.command || way.change || way.query
        })
    }

    /// Applies a driver event. `clock` converts its timestamps.
    pub(crate) fn apply_event(
        &mut self,
        event: &DriverEvent,
        now: Duration,
        clock: impl Fn(tokio::time::Instant) -> Duration,
    ) {
        match event {
            DriverEvent::Link(phase) => self.link(phase, now, clock),
            DriverEvent::Connected(_) => self.linked = true,
            // A state from before the newest change would make the slider jump back.
            DriverEvent::State(state, token) if *token >= self.token => {
                self.state = state.clone();
                if let Some(color) = state.light().and_then(|light| light.color) {
                    self.hue_saturation = self.hue_saturation.for_color(color);
                }
                if state.provenance == Provenance::Unknown {
                    self.outcome = ChangeOutcome::None;
                }
            }
            DriverEvent::State(..) => {}
            DriverEvent::Recognised(driven) => {
                self.profile = Some(driven.0.clone());
                self.driven = true;
            }
            DriverEvent::Written => self.outcome = ChangeOutcome::None,
            DriverEvent::Confirmed(latency) => {
                self.fade = None;
                self.latency = latency.or(self.latency);
                self.outcome = ChangeOutcome::Confirmed;
            }
            DriverEvent::Unconfirmed => self.outcome = ChangeOutcome::Unconfirmed,
            DriverEvent::Table(table, followed) => {
                self.table = Some(table.clone());
                self.followed.clone_from(followed);
            }
            DriverEvent::Battery(battery) => self.battery = Some(*battery),
            DriverEvent::Info(info) => self.info = Some(info.clone()),
            DriverEvent::Trouble(error) => {
                // Not a bulb, or not of the expected family.
                if error.kind() == crate::error::ErrorKind::NotDrivable {
                    let hint = error.hint().map_or_else(String::new, |hint| format!(". {hint}"));
                    self.refusal = Some((error.code(), plain(&format!("{error}{hint}"))));
                }
                if self.outcome == ChangeOutcome::Pending {
                    self.outcome = ChangeOutcome::Failed;
                }
            }
        }
    }

    /// Takes in a frame: the value of its characteristic, and the time from a write to a notification.
    pub(crate) fn frame(&mut self, frame: &TracedFrame, at: Duration) {
        match frame.operation {
            AttOperation::Write(_) => {
                // One that was not answered in time is forgotten.
                let waits = self.unanswered.is_some_and(|write| at.saturating_sub(write) <= ANSWER_TIME);
                if !waits {
                    self.unanswered = Some(at);
                }
            }
            AttOperation::Read => {}
            AttOperation::Notification => {
                let taken = self.unanswered.take().map(|write| at.saturating_sub(write));
                if let Some(taken) = taken.filter(|taken| *taken <= ANSWER_TIME) {
                    self.answers.push_back((at, taken));
                    if self.answers.len() > MAX_ANSWERS {
                        self.answers.pop_front();
                    }
                }
            }
        }
        if self.values.len() < MAX_VALUES || self.values.contains_key(&frame.characteristic) {
            self.values.insert(frame.characteristic, (at, frame.bytes.clone()));
        }
    }

    fn link(&mut self, phase: &LinkPhase, now: Duration, clock: impl Fn(tokio::time::Instant) -> Duration) {
        let was_up = self.is_connected();
        self.link = match phase {
            LinkPhase::Queued => LinkState::Queued,
            LinkPhase::Connecting(attempt) => {
                self.refusal = None;
                LinkState::Connecting(*attempt)
            }
            LinkPhase::Up => LinkState::Up(now),
            LinkPhase::Waiting(until) => LinkState::Waiting(clock(*until)),
            LinkPhase::Down => LinkState::None,
        };
        if !self.is_connected() {
            self.state = BulbState::unknown();
            self.latency = None;
            self.subscribed.clear();
            self.unanswered = None;
            self.fade = None;
            if was_up && matches!(self.link, LinkState::Waiting(_)) {
                self.link_losses += 1;
            }
        }
        if !self.wants_link() {
            // The next driver counts from the start.
            self.token = 0;
            // Silence counts from now.
            self.silent_for = Duration::ZERO;
            self.last_heard = self.last_heard.map(|_| now);
            self.outcome = ChangeOutcome::None;
        }
    }
}
