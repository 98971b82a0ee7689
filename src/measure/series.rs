//! Series of measured times and their percentiles.

use std::time::Duration;

/// The error of a measured time: the resolution of Tokio's timers.
pub const CLOCK_ERROR: Duration = Duration::from_millis(1);
/// 95 % of a normal distribution are within 1.96 standard deviations. Half of that, for the ranks around the median.
const MEDIAN_SPREAD: f64 = 0.98;

/// BenchResult times, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    pub times: Vec<Duration>,
    /// The number of rounds without a result.
    pub failed: u32,
}

/// Percentiles of a series. Each is a measured value, not interpolated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    pub min: Duration,
    pub p50: Duration,
    /// The 95 % confidence interval of the median: from here …
    pub p50_low: Duration,
    /// … to here.
    pub p50_high: Duration,
    pub p90: Duration,
    pub p99: Duration,
    pub max: Duration,
}

impl Series {
    /// Adds the result of a round, unless it is a warm-up.
    pub(super) fn add(&mut self, counts: bool, time: Option<Duration>) {
        match (counts, time) {
            (false, _) => {}
            (true, Some(time)) => self.times.push(time),
            (true, None) => self.failed += 1,
        }
    }

    /// `None` without any time.
    pub fn summary(&self) -> Option<Summary> {
        let mut sorted = self.times.clone();
        sorted.sort_unstable();
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let rank = |rank: f64| at_rank(&sorted, rank).unwrap_or(max);
        #[expect(clippy::cast_precision_loss, reason = "a count of rounds")]
        let count = sorted.len() as f64;
        // An interval from ranks holds for every distribution. The ranks are binomial; this is their normal approximation.
        let spread = MEDIAN_SPREAD * count.sqrt();
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

/// Returns the value at a rank, from 1, or the nearest one.
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
    fn with_few_rounds_the_interval_of_the_median_is_the_whole_range() {
        let summary = of([10, 20, 30, 40]).summary().unwrap();
        assert_eq!((summary.p50_low, summary.p50_high), (summary.min, summary.max));
    }
}
