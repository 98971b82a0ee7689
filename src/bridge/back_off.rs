//! The pauses before each connect to the broker.

use std::time::Duration;

use tokio::time::Instant;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// The pause after the broker refused the credentials: somebody has to correct them, and brokers lock out those who try often.
const REFUSED: Duration = Duration::from_secs(300);
/// Only a connection that lasted this long makes the pauses short again. One that drops at once may be the second of two bridges
/// that throw each other out.
const STEADY: Duration = Duration::from_secs(60);

/// The reason for the end of a connection, or of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The broker could not be reached, or the connection was lost.
    Lost,
    /// The broker refused the credentials.
    Refused,
}

/// Counts the failures in a row.
#[derive(Clone, Debug, Default)]
pub struct BackOff {
    failures: u32,
    since: Option<Instant>,
}

impl BackOff {
    pub fn connected(&mut self, now: Instant) {
        self.since = Some(now);
    }

    /// Returns the pause before the next attempt. `spread`, from 0 to 1, shortens it by up to a quarter, so that bridges that lost
    /// their broker together do not return together.
    pub fn ended(&mut self, why: Ended, now: Instant, spread: f64) -> Duration {
        if self.since.take().is_some_and(|since| now.duration_since(since) >= STEADY) {
            self.failures = 0;
        }
        let pause = match why {
            Ended::Refused => REFUSED,
            Ended::Lost => FIRST.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST),
        };
        self.failures = self.failures.saturating_add(1);
        pause.mul_f64(1.0 - spread.clamp(0.0, 1.0) / 4.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(back_off: &mut BackOff, now: Instant, count: usize) -> Vec<u64> {
        (0..count).map(|_| back_off.ended(Ended::Lost, now, 0.0).as_secs()).collect()
    }

    #[test]
    fn p23_pauses_grow_also_after_connections_that_drop_soon() {
        let mut now = Instant::now();
        let mut back_off = BackOff::default();
        assert_eq!(pauses(&mut back_off, now, 8), [1, 2, 4, 8, 16, 32, 60, 60]);
        back_off.connected(now);
        now += Duration::from_secs(5);
        assert_eq!(pauses(&mut back_off, now, 1), [60], "it dropped at once");
        back_off.connected(now);
        now += STEADY;
        assert_eq!(pauses(&mut back_off, now, 2), [1, 2], "it was steady");
    }

    #[test]
    fn p23_refused_credentials_get_a_long_pause() {
        let mut back_off = BackOff::default();
        assert_eq!(back_off.ended(Ended::Refused, Instant::now(), 0.0), REFUSED);
        assert_eq!(back_off.ended(Ended::Refused, Instant::now(), 1.0), REFUSED.mul_f64(0.75));
    }
}
