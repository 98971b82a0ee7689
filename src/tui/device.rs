//! What the desk knows of one device.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bulb_protocol::profile::{Light, Profile, Recognised};

use super::hsv::HueSaturation;
use super::text::plain;
use crate::bulb::families::light_of;
use crate::bulb::{Battery, BulbState, DeviceInfo, DriverEvent, Families, LinkPhase, Provenance};
use crate::radio::{DeviceId, SeenDevice};

/// How many signal strengths are kept, one a tick.
pub(crate) const HISTORY: usize = 10;
/// The severity of a new signal strength in the average: half of it is from the last three reports.
const SMOOTHING: f32 = 0.2;
/// The borders of the signal's steps, dBm, as `scan` has them: from "beside it" to "about to lose it".
const STEP_BORDERS: [f32; 4] = [-88.0, -78.0, -67.0, -55.0];
/// By so much a signal has to pass a border before its step changes, dB, so that rows do not dance.
const HYSTERESIS: f32 = 3.0;

/// How our link to a device is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LinkState {
    /// Nobody wants one.
    #[default]
    None,
    /// It is being made; the number of the attempt.
    Connecting(u32),
    /// It is up since then.
    Up(Duration),
    /// It was lost or not made, and is tried again then.
    Waiting(Duration),
}

/// What became of the last change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ChangeOutcome {
    /// None was made.
    #[default]
    None,
    /// It is under way.
    Pending,
    /// The bulb reports what was asked for.
    Confirmed,
    /// It was written, and the bulb does not say.
    Unconfirmed,
    /// It failed.
    Failed,
}

/// One device.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) seen: SeenDevice,
    /// The name as it is shown; empty if there is none.
    pub(crate) name: String,
    pub(crate) bulb: bool,
    /// The profile that it is driven by, or that its advertisements speak for.
    pub(crate) profile: Option<Arc<Profile>>,
    /// Whether it is, or was, driven by that.
    pub(crate) driven: bool,
    /// Whether that was named for it, on the command line or in the configuration.
    pub(crate) profile_configured: bool,
    /// What its advertisements say for each family, the nearest first.
    pub(crate) candidates: Vec<Recognised>,
    /// Why it turned out to be nothing that can be driven: the error's code, and its text with the hint.
    pub(crate) refusal: Option<(&'static str, String)>,
    /// Signal strength: the running average, and what is shown of it.
    average: Option<f32>,
    /// Whether the average is newer than what is shown.
    average_changed: bool,
    pub(crate) rssi: Option<i16>,
    /// 0 to 4 bars.
    pub(crate) signal_step: u8,
    pub(crate) history: VecDeque<i16>,
    /// When it was last heard; absent if it is only remembered.
    pub(crate) last_heard: Option<Duration>,
    /// For how long a running scan has not heard it.
    pub(crate) silent_for: Duration,
    pub(crate) link: LinkState,
    pub(crate) state: BulbState,
    /// The state before the changes that are under way.
    pub(crate) token: u64,
    pub(crate) outcome: ChangeOutcome,
    pub(crate) hue_saturation: HueSaturation,
    /// The level; nothing if the bulb has no battery. Unknown while it was not read.
    pub(crate) battery: Option<Option<Battery>>,
    pub(crate) info: Option<DeviceInfo>,
    pub(crate) latency: Option<Duration>,
    pub(crate) link_losses: u32,
}

impl Device {
    pub(crate) fn new(report: SeenDevice, families: &Families) -> Self {
        let mut device = Self {
            name: String::new(),
            bulb: false,
            profile: None,
            driven: false,
            profile_configured: false,
            candidates: Vec::new(),
            refusal: None,
            average: None,
            average_changed: false,
            rssi: None,
            signal_step: 0,
            history: VecDeque::with_capacity(HISTORY),
            last_heard: None,
            silent_for: Duration::ZERO,
            link: LinkState::None,
            state: BulbState::unknown(),
            token: 0,
            outcome: ChangeOutcome::None,
            hue_saturation: HueSaturation::default(),
            battery: None,
            info: None,
            latency: None,
            link_losses: 0,
            seen: report.clone(),
        };
        device.recognise(&report, families);
        device.apply_seen(report);
        device.sample();
        device
    }

    pub(crate) fn id(&self) -> &DeviceId {
        &self.seen.id
    }

    /// What to call it.
    pub(crate) fn label(&self) -> &str {
        if self.name.is_empty() { self.seen.id.as_str() } else { &self.name }
    }

    pub(crate) fn address(&self) -> String {
        self.seen.address.map_or_else(|| self.seen.id.to_string(), |address| address.to_string())
    }

    /// Takes a report in; whether anything but its signal is new.
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
        // Weighing accepts_now its time, and most reports say nothing new.
        let news = if news || told { self.recognise(&report, families) | news } else { news };
        self.apply_seen(report);
        news
    }

    /// Takes in what an advertisement says for families; whether that makes it another bulb.
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
        // A bulb that we hold tells itself, if anything does.
        if !self.is_connected()
            && let Some(profile) = self.profile.as_deref().filter(|profile| profile.readback().advert)
            && let Some(light) = light_of(profile, &report)
        {
            self.state = BulbState::advertised(light);
        }
        // BlueZ says 127 for "not measured", and cheap controllers say what they like.
        if let Some(rssi) = report.rssi.filter(|rssi| (-127..=20).contains(rssi)) {
            let rssi = f32::from(rssi);
            self.average = Some(self.average.map_or(rssi, |average| average + SMOOTHING * (rssi - average)));
            self.average_changed = true;
        }
        self.seen = report;
    }

    /// Takes the present average as what is shown.
    #[allow(clippy::cast_possible_truncation, reason = "an average of numbers that fit")]
    pub(crate) fn sample(&mut self) {
        let Some(average) = self.average.filter(|_| std::mem::take(&mut self.average_changed)) else {
            return;
        };
        self.rssi = Some(average.round() as i16);
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

    /// Whether its controls can be used.
    pub(crate) fn is_connected(&self) -> bool {
        matches!(self.link, LinkState::Up(_))
    }

    /// Whether somebody wants a link to it.
    pub(crate) fn wants_link(&self) -> bool {
        self.link != LinkState::None
    }

    pub(crate) fn light(&self) -> Option<&Light> {
        self.state.light()
    }

    /// The family, with its variant.
    pub(crate) fn family(&self) -> Option<String> {
        self.profile.as_deref().map(Profile::full_name)
    }

    /// Whether it tells its state over a link, as far as is known.
    pub(crate) fn reports_state(&self) -> bool {
        self.profile.as_deref().is_none_or(|profile| {
            let way = profile.readback();
            way.read || way.command || way.change || way.ask
        })
    }

    /// Takes in what its driver says; a moment of the radio side's clock becomes one of ours through `clock`.
    pub(crate) fn apply_event(
        &mut self,
        event: &DriverEvent,
        now: Duration,
        clock: impl Fn(tokio::time::Instant) -> Duration,
    ) {
        match event {
            DriverEvent::Link(phase) => self.link(phase, now, clock),
            // A state from before the newest change would make the slider jump back under the finger.
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
                self.latency = Some(*latency);
                self.outcome = ChangeOutcome::Confirmed;
            }
            DriverEvent::Unconfirmed => self.outcome = ChangeOutcome::Unconfirmed,
            DriverEvent::Battery(battery) => self.battery = Some(*battery),
            DriverEvent::Info(info) => self.info = Some(info.clone()),
            DriverEvent::Trouble(error) => {
                // It is not a bulb, or not one of what it was taken for.
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

    fn link(&mut self, phase: &LinkPhase, now: Duration, clock: impl Fn(tokio::time::Instant) -> Duration) {
        let was_up = self.is_connected();
        self.link = match phase {
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
            if was_up && matches!(self.link, LinkState::Waiting(_)) {
                self.link_losses += 1;
            }
        }
        if !self.wants_link() {
            // It begins to be heard, or not, from now.
            self.silent_for = Duration::ZERO;
            self.last_heard = self.last_heard.map(|_| now);
            self.outcome = ChangeOutcome::None;
        }
    }
}
