//! Decides whether a bulb is online. It is while it is linked, was heard lately, or confirmed its last command.

use std::time::Duration;

use tokio::time::Instant;

/// A bulb that was not heard for this time is offline. Bulbs advertise at least every second or two, and a scan that pauses for
/// a connect misses some.
const WINDOW: Duration = Duration::from_secs(60);
/// The longest window of a bulb that comes and goes.
const LONGEST_WINDOW: Duration = Duration::from_secs(600);
/// A bulb that is back this soon comes and goes.
const SOON: Duration = Duration::from_secs(300);

/// The availability of one bulb. It starts offline.
#[derive(Clone, Debug)]
pub struct Availability {
    linked: bool,
    /// The last sign of life.
    last: Option<Instant>,
    window: Duration,
    online: bool,
    went_offline: Option<Instant>,
}

impl Default for Availability {
    fn default() -> Self {
        Self { linked: false, last: None, window: WINDOW, online: false, went_offline: None }
    }
}

impl Availability {
    /// An advertisement came, or the bulb confirmed a command.
    pub fn sign_of_life(&mut self, now: Instant) {
        self.last = Some(now);
        self.update(now);
    }

    /// The link is up or down. A linked bulb does not advertise, so silence is not absence.
    pub fn set_linked(&mut self, linked: bool, now: Instant) {
        if self.linked || linked {
            self.last = Some(now);
        }
        self.linked = linked;
        self.update(now);
    }

    /// The link ended because the bulb did. Only an advertisement makes it online again after the window.
    pub fn lost(&mut self, now: Instant) {
        self.linked = false;
        self.update(now);
    }

    /// Nothing is known any more, as after a suspend.
    pub fn forget(&mut self) {
        *self = Self { window: self.window, ..Self::default() };
    }

    pub const fn online(&self) -> bool {
        self.online
    }

    /// Applies the passing of time.
    pub fn update(&mut self, now: Instant) {
        let online = self.linked || self.last.is_some_and(|last| now < last + self.window);
        if online == self.online {
            return;
        }
        self.online = online;
        if !online {
            self.went_offline = Some(now);
        } else if let Some(went) = self.went_offline {
            self.window = match now.duration_since(went) < SOON {
                true => (self.window * 2).min(LONGEST_WINDOW),
                false => WINDOW,
            };
        }
    }

    /// The next time at which [`update`](Self::update) may change something.
    pub fn wake(&self) -> Option<Instant> {
        let waits = self.online && !self.linked;
        self.last.filter(|_| waits).map(|last| last + self.window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn p20_a_bulb_is_online_while_linked_or_heard() {
        let start = Instant::now();
        let mut bulb = Availability::default();
        assert!(!bulb.online(), "it starts offline");
        bulb.sign_of_life(start);
        assert!(bulb.online());
        bulb.update(start + 59 * SECOND);
        assert!(bulb.online());
        assert_eq!(bulb.wake(), Some(start + WINDOW));
        bulb.update(start + WINDOW);
        assert!(!bulb.online());
        // It does not advertise while it is linked.
        bulb.set_linked(true, start + 400 * SECOND);
        bulb.update(start + 4000 * SECOND);
        assert!(bulb.online());
        assert_eq!(bulb.wake(), None);
        // Another bulb has the link now: the end of it is a sign of life.
        bulb.set_linked(false, start + 5000 * SECOND);
        bulb.update(start + 5059 * SECOND);
        assert!(bulb.online());
        bulb.update(start + 5060 * SECOND);
        assert!(!bulb.online());
    }

    #[test]
    fn p20_a_bulb_that_comes_and_goes_is_given_more_time() {
        let mut now = Instant::now();
        let mut bulb = Availability::default();
        let mut changes = 0;
        for _ in 0..60 {
            let before = bulb.online();
            bulb.sign_of_life(now);
            changes += u32::from(before != bulb.online());
            now += 70 * SECOND;
            bulb.update(now);
        }
        assert_eq!(changes, 2, "the second window is long enough");
        bulb.update(now + LONGEST_WINDOW);
        assert!(!bulb.online());
        bulb.sign_of_life(now + LONGEST_WINDOW + SOON);
        bulb.update(now + LONGEST_WINDOW + SOON + WINDOW);
        assert!(!bulb.online(), "the window is the usual one again");
    }
}
