//! Series of measured times and their percentiles.

use std::time::Duration;

/// What a clock reading may be off by: timers and wake-ups have a grain of a millisecond (Tokio's; that of most systems is
/// finer).
pub const CLOCK_ERROR: Duration = Duration::from_millis(1);
/// Half of how many standard deviations hold 95 % of a normal distribution, for the ranks around the median.
const HALF_RANKS: f64 = 0.98;

/// Times of one kind, in the order in which they were measured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    /// The times.
    pub times: Vec<Duration>,
    /// How many rounds ended without one.
    pub failed: u32,
}

/// What a series comes to. Exact: each of its values is one that was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The least.
    pub min: Duration,
    /// Half of them took up to so long.
    pub p50: Duration,
    /// Where the median of many more rounds would be found, with 95 % confidence: not below this…
    pub p50_low: Duration,
    /// …and not above this.
    pub p50_high: Duration,
    /// Nine of ten took up to so long.
    pub p90: Duration,
    /// 99 of a hundred took up to so long.
    pub p99: Duration,
    /// The greatest.
    pub max: Duration,
}

impl Series {
    /// Enters what a round gave, but not while warming up.
    pub(super) fn enter(&mut self, counts: bool, time: Option<Duration>) {
        match (counts, time) {
            (false, _) => {}
            (true, Some(time)) => self.times.push(time),
            (true, None) => self.failed += 1,
        }
    }

    /// What it comes to; nothing where nothing was measured.
    pub fn summary(&self) -> Option<Summary> {
        let mut sorted = self.times.clone();
        sorted.sort_unstable();
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let rank = |rank: f64| at_rank(&sorted, rank).unwrap_or(max);
        #[expect(clippy::cast_precision_loss, reason = "a count of rounds")]
        let count = sorted.len() as f64;
        // The interval of a median from ranks needs nothing of the distribution (binomial, as its normal approximation).
        let spread = HALF_RANKS * count.sqrt();
        Some(Summary {
            min,
            p50: rank((count * 0.5).ceil()),
            p50_low: rank((count / 2.0 - spread).floor()),
            p50_high: rank((1.0 + count / 2.0 + spread).ceil()),
            p90: rank((count * 0.9).ceil()),
            p99: rank((count * 0.99).ceil()),
            max,
        })
    }
}

/// The value of a rank, from 1; the nearest that there is.
fn at_rank(sorted: &[Duration], rank: f64) -> Option<Duration> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to what can be an index"
    )]
    let index = rank.clamp(1.0, 1e6) as usize - 1;
    sorted.get(index).or(sorted.last()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(times: impl IntoIterator<Item = u64>) -> Series {
        Series { times: times.into_iter().map(Duration::from_millis).collect(), failed: 0 }
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let summary = of((1..=100).rev()).summary().unwrap();
        let ms = Duration::from_millis;
        assert_eq!((summary.min, summary.p50, summary.p90), (ms(1), ms(50), ms(90)));
        assert_eq!((summary.p99, summary.max), (ms(99), ms(100)));
        // Binomial tables give ranks 40 and 61 for 100 values.
        assert_eq!((summary.p50_low, summary.p50_high), (ms(40), ms(61)));
        let one = of([7]).summary().unwrap();
        assert_eq!([one.min, one.p50_low, one.p50, one.p50_high, one.p99, one.max], [ms(7); 6]);
        assert_eq!(of([]).summary(), None);
    }

    #[test]
    fn of_few_rounds_the_median_may_be_anywhere_among_them() {
        let summary = of([10, 20, 30, 40]).summary().unwrap();
        assert_eq!((summary.p50_low, summary.p50_high), (summary.min, summary.max));
    }
}
