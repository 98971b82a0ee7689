//! A bulb of the bridge: what is known of it, and what it is doing.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::super::availability::Availability;
use super::super::payload;
use super::super::topics::BulbId;
use super::queue::CommandQueue;
use crate::bulb::{BulbState, DrivenProfile, Driver, Power};
use crate::radio::SeenDevice;

/// The pauses before each attempt to connect again. The last one repeats.
const PAUSES: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(30),
    Duration::from_secs(60),
];
/// The pause after an error that another attempt cannot mend, such as a device that is no bulb.
const USELESS_PAUSE: Duration = Duration::from_secs(600);
/// A bulb that is heard after a silence of this length has come back.
const RETURN: Duration = Duration::from_secs(5);
/// The signal is published when it changes by this much, dB.
const SIGNAL_STEP: u16 = 6;
/// The time of the last advertisement is published this often.
const LAST_SEEN_INTERVAL: Duration = Duration::from_secs(60);
/// The time between two steps of blinking.
const BLINK: Duration = Duration::from_millis(600);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum LinkStage {
    #[default]
    None,
    Connecting(Instant),
    Up(Instant),
    /// The driver was told to disconnect.
    Releasing,
}

/// The steps of blinking that are left, the next one at a time.
#[derive(Clone, Debug)]
pub(super) struct Blinking {
    pub(super) next: Instant,
    steps: Vec<Power>,
}

impl Blinking {
    /// Blinks twice and ends with this power.
    pub(super) fn from(on: bool, now: Instant) -> Self {
        let (same, other) = if on { (Power::On, Power::Off) } else { (Power::Off, Power::On) };
        // Taken from the end.
        Self { next: now, steps: vec![same, other, same, other] }
    }

    /// Takes the step that is due.
    pub(super) fn step(&mut self, now: Instant) -> Option<Power> {
        if now < self.next {
            return None;
        }
        self.next = now + BLINK;
        self.steps.pop()
    }

    pub(super) fn is_over(&self) -> bool {
        self.steps.is_empty()
    }

    /// The power that it ends with.
    pub(super) fn end(&self) -> Option<Power> {
        self.steps.first().copied()
    }
}

#[derive(Debug)]
pub(super) struct Bulb {
    pub(super) id: BulbId,
    pub(super) device: SeenDevice,
    /// The name for people: the alias, else what it advertises, else its identifier.
    pub(super) name: String,
    pub(super) area: Option<String>,
    pub(super) profile: Option<DrivenProfile>,
    pub(super) state: BulbState,
    /// The payload of the state that was published last, for groups.
    pub(super) published: Value,
    pub(super) battery: Option<u8>,
    /// All that is announced is known. Announced too early, a bulb would get its address for a name.
    pub(super) complete: bool,
    /// The components that stay, if others are being removed from what was announced.
    pub(super) after_removal: Option<BTreeMap<String, String>>,
    pub(super) availability: Availability,
    /// The connection to the broker over which it was said that nobody hears the bulb.
    pub(super) told_offline: Option<Duration>,
    /// Since when the bridge cares for it.
    pub(super) since: Instant,
    pub(super) heard: Option<Instant>,
    pub(super) signal: Option<i16>,
    pub(super) last_seen: Option<Instant>,
    pub(super) driver: Option<Driver>,
    pub(super) link: LinkStage,
    pub(super) last_link: Option<Instant>,
    pub(super) failures: u32,
    pub(super) not_before: Option<Instant>,
    /// The code of the last error that was reported, so that a repeated one is reported once.
    pub(super) reported: Option<&'static str>,
    pub(super) queue: CommandQueue,
    pub(super) last_command: Option<Instant>,
    pub(super) last_polled: Option<Instant>,
    pub(super) blinking: Option<Blinking>,
}

impl Bulb {
    pub(super) fn new(device: SeenDevice, profile: Option<DrivenProfile>) -> Self {
        Self {
            id: BulbId::of(&device),
            name: device.label(),
            area: None,
            profile,
            state: BulbState::unknown(),
            published: Value::Null,
            battery: None,
            complete: false,
            after_removal: None,
            availability: Availability::default(),
            told_offline: None,
            since: Instant::now(),
            heard: None,
            signal: None,
            last_seen: None,
            driver: None,
            link: LinkStage::None,
            last_link: None,
            failures: 0,
            not_before: None,
            reported: None,
            queue: CommandQueue::default(),
            last_command: None,
            last_polled: None,
            blinking: None,
            device,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(self.link, LinkStage::Up(_))
    }

    /// Takes in an advertisement. Returns the signal and the time, if they are to be published.
    pub(super) fn advertised(&mut self, device: SeenDevice, now: Instant) -> (Option<i16>, bool) {
        // A link of an earlier run, or of another program, is as good as an advertisement.
        let heard = device.seen.map(|seen| seen.last).or(device.connected.then_some(now));
        if heard.is_some() && heard != self.heard {
            let before = self.heard.max(self.last_link);
            if !self.is_up() && before.is_some_and(|before| now.duration_since(before) >= RETURN) {
                // It was off and is back: what went wrong before may be over.
                self.recovered();
            }
            self.heard = heard;
            self.availability.sign_of_life(now);
        }
        let known = std::mem::replace(&mut self.device, device);
        // Names may come late, and go again.
        self.device.name = self.device.name.take().or(known.name);
        let moved = |rssi: &i16| self.signal.is_none_or(|before| rssi.abs_diff(before) >= SIGNAL_STEP);
        let signal = self.device.rssi.filter(moved);
        self.signal = signal.or(self.signal);
        let due = self.last_seen.is_none_or(|last| now.duration_since(last) >= LAST_SEEN_INTERVAL);
        let seen = heard.is_some() && due;
        if seen {
            self.last_seen = Some(now);
        }
        (signal, seen)
    }

    /// The link failed or dropped. Sets the time of the next attempt.
    pub(super) fn failed(&mut self, useless: bool, now: Instant) {
        let index = usize::try_from(self.failures).unwrap_or(usize::MAX).min(PAUSES.len() - 1);
        let pause = match useless {
            true => USELESS_PAUSE,
            false => PAUSES.get(index).copied().unwrap_or(USELESS_PAUSE),
        };
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now + pause);
    }

    /// Nothing is in the way of connecting.
    pub(super) fn recovered(&mut self) {
        (self.failures, self.not_before, self.reported) = (0, None, None);
    }

    pub(super) fn state_payload(&self) -> Option<Value> {
        Some(payload::state(&self.profile.as_ref()?.0, &self.state))
    }
}
