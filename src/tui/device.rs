//! What the desk knows of one device.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bulb_protocol::profile::{Light, Profile, Recognised};

use super::hsv::Tint;
use super::text::plain;
use crate::bulb::families::light_of;
use crate::bulb::{Battery, BulbState, DeviceInfo, DriverEvent, Families, LinkPhase, Provenance};
use crate::radio::{DeviceId, SeenDevice};

/// How many signal strengths are kept, one a tick.
pub(crate) const HISTORY: usize = 10;
/// The weight of a new signal strength in the average: half of it is from the last three reports.
const WEIGHT: f32 = 0.2;
/// The borders of the signal's steps, dBm, as `scan` has them: from "beside it" to "about to lose it".
const STEPS: [f32; 4] = [-88.0, -78.0, -67.0, -55.0];
/// By so much a signal has to pass a border before its step changes, dB, so that rows do not dance.
const HYSTERESIS: f32 = 3.0;

/// How our link to a device is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Link {
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
pub(crate) enum Answer {
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
    pub(crate) report: SeenDevice,
    /// The name as it is shown; empty if there is none.
    pub(crate) name: String,
    pub(crate) bulb: bool,
    /// The profile that it is driven by, or that its advertisements speak for.
    pub(crate) can: Option<Arc<Profile>>,
    /// Whether it is, or was, driven by that.
    pub(crate) driven: bool,
    /// Whether that was named for it, on the command line or in the configuration.
    pub(crate) named: bool,
    /// What its advertisements say for each family, the nearest first.
    pub(crate) weighed: Vec<Recognised>,
    /// Why it turned out to be nothing that can be driven: the error's code, and its text with the hint.
    pub(crate) refusal: Option<(&'static str, String)>,
    /// Signal strength: the running average, and what is shown of it.
    average: Option<f32>,
    /// Whether the average is newer than what is shown.
    fresh: bool,
    pub(crate) rssi: Option<i16>,
    /// 0 to 4 bars.
    pub(crate) step: u8,
    pub(crate) history: VecDeque<i16>,
    /// When it was last heard; absent if it is only remembered.
    pub(crate) last: Option<Duration>,
    /// For how long a running scan has not heard it.
    pub(crate) silent: Duration,
    pub(crate) link: Link,
    pub(crate) state: BulbState,
    /// The state before the changes that are under way.
    pub(crate) token: u64,
    pub(crate) answer: Answer,
    pub(crate) tint: Tint,
    /// The level; nothing if the bulb has no battery. Unknown while it was not read.
    pub(crate) battery: Option<Option<Battery>>,
    pub(crate) info: Option<DeviceInfo>,
    pub(crate) latency: Option<Duration>,
    pub(crate) losses: u32,
}

impl Device {
    pub(crate) fn new(report: SeenDevice, families: &Families) -> Self {
        let mut device = Self {
            name: String::new(),
            bulb: false,
            can: None,
            driven: false,
            named: false,
            weighed: Vec::new(),
            refusal: None,
            average: None,
            fresh: false,
            rssi: None,
            step: 0,
            history: VecDeque::with_capacity(HISTORY),
            last: None,
            silent: Duration::ZERO,
            link: Link::None,
            state: BulbState::unknown(),
            token: 0,
            answer: Answer::None,
            tint: Tint::default(),
            battery: None,
            info: None,
            latency: None,
            losses: 0,
            report: report.clone(),
        };
        device.recognise(&report, families);
        device.describe(report);
        device.sample();
        device
    }

    pub(crate) fn id(&self) -> &DeviceId {
        &self.report.id
    }

    /// What to call it.
    pub(crate) fn label(&self) -> &str {
        if self.name.is_empty() { self.report.id.as_str() } else { &self.name }
    }

    pub(crate) fn address(&self) -> String {
        self.report.address.map_or_else(|| self.report.id.to_string(), |address| address.to_string())
    }

    /// Takes a report in; whether anything but its signal is new.
    pub(crate) fn hear(&mut self, report: SeenDevice, at: Option<Duration>, families: &Families) -> bool {
        let heard = at > self.last;
        if heard {
            self.last = at;
            self.silent = Duration::ZERO;
        }
        let old = &self.report;
        let news = old.name != report.name
            || old.alias != report.alias
            || old.services != report.services
            || old.connected != report.connected;
        let told = old.manufacturer != report.manufacturer || old.service_data != report.service_data;
        // Weighing takes its time, and most reports say nothing new.
        let news = if news || told { self.recognise(&report, families) | news } else { news };
        self.describe(report);
        news
    }

    /// Takes in what an advertisement says for families; whether that makes it another bulb.
    fn recognise(&mut self, report: &SeenDevice, families: &Families) -> bool {
        let before = (self.bulb, self.family());
        self.bulb = families.looks_like_a_bulb(report);
        self.weighed = families.score_advertisement(report);
        self.weighed.retain(|one| one.score > 0);
        self.weighed.sort_by_key(|one| std::cmp::Reverse(one.score));
        if !self.driven {
            self.named = families.configured_profile(report).is_ok_and(|named| named.is_some());
            self.can = families.advertised_profile(report).or(self.can.take());
        }
        (self.bulb, self.family()) != before
    }

    fn describe(&mut self, report: SeenDevice) {
        self.name = plain(report.names().next().unwrap_or_default());
        // A bulb that we hold tells itself, if anything does.
        if !self.up()
            && let Some(profile) = self.can.as_deref().filter(|profile| profile.readback().advert)
            && let Some(light) = light_of(profile, &report)
        {
            self.state = BulbState::advertised(light);
        }
        // BlueZ says 127 for "not measured", and cheap controllers say what they like.
        if let Some(rssi) = report.rssi.filter(|rssi| (-127..=20).contains(rssi)) {
            let rssi = f32::from(rssi);
            self.average = Some(self.average.map_or(rssi, |average| average + WEIGHT * (rssi - average)));
            self.fresh = true;
        }
        self.report = report;
    }

    /// Takes the present average as what is shown.
    #[allow(clippy::cast_possible_truncation, reason = "an average of numbers that fit")]
    pub(crate) fn sample(&mut self) {
        let Some(average) = self.average.filter(|_| std::mem::take(&mut self.fresh)) else { return };
        self.rssi = Some(average.round() as i16);
        let above = |margin: f32| {
            let count = STEPS.iter().filter(|&&border| average >= border + margin).count();
            u8::try_from(count).unwrap_or_default()
        };
        let (least, most) = (above(HYSTERESIS), above(-HYSTERESIS));
        self.step = if self.history.is_empty() { above(0.0) } else { self.step.clamp(least, most) };
        self.history.push_back(self.rssi.unwrap_or_default());
        while self.history.len() > HISTORY {
            self.history.pop_front();
        }
    }

    /// Whether its controls can be used.
    pub(crate) fn up(&self) -> bool {
        matches!(self.link, Link::Up(_))
    }

    /// Whether somebody wants a link to it.
    pub(crate) fn wanted(&self) -> bool {
        self.link != Link::None
    }

    pub(crate) fn light(&self) -> Option<&Light> {
        self.state.light()
    }

    /// The family, with its variant.
    pub(crate) fn family(&self) -> Option<String> {
        self.can.as_deref().map(Profile::full_name)
    }

    /// Whether it tells its state over a link, as far as is known.
    pub(crate) fn tells(&self) -> bool {
        self.can.as_deref().is_none_or(|profile| {
            let way = profile.readback();
            way.read || way.command || way.change || way.ask
        })
    }

    /// Takes in what its driver says; a moment of the radio side's clock becomes one of ours through `clock`.
    pub(crate) fn take(
        &mut self,
        happening: &DriverEvent,
        now: Duration,
        clock: impl Fn(tokio::time::Instant) -> Duration,
    ) {
        match happening {
            DriverEvent::Link(phase) => self.link(phase, now, clock),
            // A state from before the newest change would make the slider jump back under the finger.
            DriverEvent::State(state, token) if *token >= self.token => {
                self.state = state.clone();
                if let Some(color) = state.light().and_then(|light| light.color) {
                    self.tint = self.tint.of(color);
                }
                if state.provenance == Provenance::Unknown {
                    self.answer = Answer::None;
                }
            }
            DriverEvent::State(..) => {}
            DriverEvent::Recognised(driven) => {
                self.can = Some(driven.0.clone());
                self.driven = true;
            }
            DriverEvent::Written => self.answer = Answer::None,
            DriverEvent::Confirmed(latency) => {
                self.latency = Some(*latency);
                self.answer = Answer::Confirmed;
            }
            DriverEvent::Unconfirmed => self.answer = Answer::Unconfirmed,
            DriverEvent::Battery(battery) => self.battery = Some(*battery),
            DriverEvent::Info(info) => self.info = Some(info.clone()),
            DriverEvent::Trouble(error) => {
                // It is not a bulb, or not one of what it was taken for.
                if error.kind() == crate::error::ErrorKind::NotDrivable {
                    let hint = error.hint().map_or_else(String::new, |hint| format!(". {hint}"));
                    self.refusal = Some((error.code(), plain(&format!("{error}{hint}"))));
                }
                if self.answer == Answer::Pending {
                    self.answer = Answer::Failed;
                }
            }
        }
    }

    fn link(&mut self, phase: &LinkPhase, now: Duration, clock: impl Fn(tokio::time::Instant) -> Duration) {
        let was_up = self.up();
        self.link = match phase {
            LinkPhase::Connecting(attempt) => {
                self.refusal = None;
                Link::Connecting(*attempt)
            }
            LinkPhase::Up => Link::Up(now),
            LinkPhase::Waiting(until) => Link::Waiting(clock(*until)),
            LinkPhase::Down => Link::None,
        };
        if !self.up() {
            self.state = BulbState::unknown();
            self.latency = None;
            if was_up && matches!(self.link, Link::Waiting(_)) {
                self.losses += 1;
            }
        }
        if !self.wanted() {
            // It begins to be heard, or not, from now.
            self.silent = Duration::ZERO;
            self.last = self.last.map(|_| now);
            self.answer = Answer::None;
        }
    }
}
