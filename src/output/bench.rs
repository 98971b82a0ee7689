//! Measurements of a bulb.

use std::fmt::Write;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::parameters::ParametersRecord;
use super::records::Bulb;
use super::text::{BOLD, DIM, Layout};
use crate::measure::{BenchPlan, BenchResult, CLOCK_ERROR, LossEvidence, Part, Rate, RateStep, Series};
use crate::radio::{AdapterInfo, SeenDevice};
use crate::sanitise::sanitise;

const BARS: usize = 32;
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Relative error of a measured rate, because of timers.
const RATE_ERROR: f64 = 0.1;

/// BenchResult times in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TimesRecord {
    /// Number of rounds that gave a time.
    pub count: usize,
    pub failed: u32,
    /// Shortest time.
    pub min_ms: Option<f64>,
    /// Median.
    pub p50_ms: Option<f64>,
    /// Lower end of the 95 % confidence interval of the median.
    pub p50_low_ms: Option<f64>,
    /// Upper end of the 95 % confidence interval of the median.
    pub p50_high_ms: Option<f64>,
    /// 90th percentile.
    pub p90_ms: Option<f64>,
    /// 99th percentile.
    pub p99_ms: Option<f64>,
    /// Longest time.
    pub max_ms: Option<f64>,
    /// Error of each time.
    pub error_ms: f64,
    /// All times, in the order of measurement.
    pub samples_ms: Vec<f64>,
}

impl TimesRecord {
    fn of(series: &Series) -> Self {
        let summary = series.summary();
        let part = |part: fn(&crate::measure::Summary) -> Duration| summary.as_ref().map(|all| ms(part(all)));
        Self {
            count: series.times.len(),
            failed: series.failed,
            min_ms: part(|all| all.min),
            p50_ms: part(|all| all.p50),
            p50_low_ms: part(|all| all.p50_low),
            p50_high_ms: part(|all| all.p50_high),
            p90_ms: part(|all| all.p90),
            p99_ms: part(|all| all.p99),
            max_ms: part(|all| all.max),
            error_ms: ms(CLOCK_ERROR),
            samples_ms: series.times.iter().map(|time| ms(*time)).collect(),
        }
    }

    pub(super) fn median(&self) -> Option<Estimate> {
        Some(Estimate {
            value: self.p50_ms?,
            low: self.p50_low_ms? - self.error_ms,
            high: self.p50_high_ms? + self.error_ms,
        })
    }

    fn text(&self, name: &str, out: &mut String) {
        let (Some(p50), Some(p90), Some(p99), Some(max), Some(min)) =
            (self.p50_ms, self.p90_ms, self.p99_ms, self.max_ms, self.min_ms)
        else {
            let _ = writeln!(out, "  {name:<22}all {} rounds failed", self.failed);
            return;
        };
        let rounds = match self.failed {
            0 => format!("{} rounds", self.count),
            failed => format!("{} rounds, {failed} failed", self.count),
        };
        let unit = Unit::of(p50);
        let error = unit.error(self.error_ms);
        let [p50, p90, p99, max, least] = [p50, p90, p99, max, min].map(|ms| unit.number(ms));
        let name_unit = unit.name();
        let _ = writeln!(
            out,
            "  {name:<22}p50 {p50} {name_unit}  p90 {p90}  p99 {p99}  max {max}  {error}  ({rounds})"
        );
        let plot = plot(&self.samples_ms, min, self.max_ms.unwrap_or(min));
        let _ = writeln!(out, "  {:<22}{plot} {least} to {max} {name_unit}", "");
    }
}

/// The unit in which times are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Milliseconds,
    Microseconds,
}

impl Unit {
    /// The unit for a time in milliseconds.
    pub(super) fn of(ms: f64) -> Self {
        if ms < 1.0 { Self::Microseconds } else { Self::Milliseconds }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Microseconds => "µs",
        }
    }

    pub(super) fn number(self, ms: f64) -> String {
        match self {
            Self::Milliseconds => format!("{ms:.1}"),
            Self::Microseconds => format!("{:.0}", ms * 1e3),
        }
    }

    fn error(self, ms: f64) -> String {
        match self {
            Self::Milliseconds => format!("±{ms:.0}"),
            Self::Microseconds => format!("±{ms:.0} ms"),
        }
    }
}

fn plot(samples: &[f64], min: f64, max: f64) -> String {
    let mut counts = [0_usize; BARS];
    // Differences below the clock's resolution mean nothing.
    let span = (max - min).max(ms(CLOCK_ERROR));
    for sample in samples {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a number of bars"
        )]
        let bar = ((sample - min) / span * BARS as f64).max(0.0) as usize;
        if let Some(count) = counts.get_mut(bar.min(BARS - 1)) {
            *count += 1;
        }
    }
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let bar = |count: usize| match count {
        0 => ' ',
        // A single sample is visible, however many fall into other bars.
        count => HEIGHTS.get((count * HEIGHTS.len()).div_ceil(most) - 1).copied().unwrap_or('█'),
    };
    counts.into_iter().map(bar).collect()
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StepRecord {
    /// Target rate in writes per second.
    pub wanted_per_s: f64,
    /// Reached rate in writes per second.
    pub per_s: f64,
    /// Number of commands written.
    pub sent: u32,
    /// Number of commands that the bulb refused or did not answer.
    pub refused: u32,
    /// Number of commands that the bulb confirmed by a notification; null if it sends none.
    pub confirmed: Option<u32>,
    /// True if a readback found the last command; null if it was not read back.
    pub last_arrived: Option<bool>,
    pub link_lost: bool,
}

impl StepRecord {
    fn of(step: &RateStep) -> Self {
        Self {
            wanted_per_s: tenth(step.wanted),
            per_s: tenth(step.reached),
            sent: step.sent,
            refused: step.refused,
            confirmed: step.confirmed,
            last_arrived: step.last_arrived,
            link_lost: step.link_lost,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RateRecord {
    /// `request` (with a response) or `command` (without).
    pub kind: String,
    /// Method by which lost writes are detected: `notification` (counted), `readback` (of the last write of a burst), or null if the family
    /// never reports.
    pub witness: Option<String>,
    /// Highest rate without loss, in writes per second.
    pub highest_per_s: Option<f64>,
    /// Lowest rate with loss; null if nothing was lost.
    pub loss_from_per_s: Option<f64>,
    /// True if the link carries no more than the highest rate.
    pub saturated: bool,
    /// Bursts of writes, one for each tested rate.
    pub steps: Vec<StepRecord>,
}

impl RateRecord {
    fn of(rate: &Rate) -> Self {
        let witness = rate.evidence.map(|evidence| match evidence {
            LossEvidence::Notification => "notification",
            LossEvidence::Readback => "readback",
        });
        Self {
            kind: rate.kind.name().to_owned(),
            witness: witness.map(str::to_owned),
            highest_per_s: rate.highest.map(tenth),
            loss_from_per_s: rate.loss_from.map(tenth),
            saturated: rate.saturated,
            steps: rate.steps.iter().map(StepRecord::of).collect(),
        }
    }

    pub(super) fn highest(&self) -> Option<Estimate> {
        let value = self.highest_per_s.or(self.loss_from_per_s.map(|_| 0.0))?;
        let high = self.loss_from_per_s.unwrap_or(value * (1.0 + RATE_ERROR));
        Some(Estimate { value, low: value * (1.0 - RATE_ERROR), high: high * (1.0 + RATE_ERROR) })
    }

    fn text(&self, out: &mut String) {
        let name = format!("rate, write {}", self.kind);
        let highest = match (self.highest_per_s, self.witness.as_deref()) {
            (Some(rate), Some(_)) if self.losses().any(|(_, _, again)| !again) => {
                format!("no loss twice in a row up to {rate:.0}/s")
            }
            (Some(rate), Some(_)) => format!("nothing lost up to {rate:.0}/s"),
            (Some(rate), None) => format!("the link carries {rate:.0}/s; the bulb does not confirm writes"),
            (None, _) => "writes lost at every tested rate".to_owned(),
        };
        let limit = match (self.loss_from_per_s, self.saturated) {
            (Some(rate), _) => format!(", loss from {rate:.0}/s"),
            (None, true) => ", the limit of the link".to_owned(),
            (None, false) => ", the highest tested rate".to_owned(),
        };
        let _ = writeln!(out, "  {name:<22}{highest}{limit}");
        for (step, lost, again) in self.losses() {
            let once = if again { "" } else { "; nothing when repeated" };
            let _ = writeln!(out, "  {:<22}at {:.0}/s: {lost}{once}", "", step.per_s);
        }
    }

    /// The steps with a loss, the loss, and whether the rate also loses in its other burst.
    fn losses(&self) -> impl Iterator<Item = (&StepRecord, String, bool)> {
        self.steps.iter().filter_map(|step| {
            // A burst is repeated after a loss, unless the link dropped.
            let mut bursts = self.steps.iter().filter(|other| other.wanted_per_s == step.wanted_per_s);
            Some((step, step.losses()?, bursts.all(|burst| burst.losses().is_some())))
        })
    }
}

impl StepRecord {
    fn losses(&self) -> Option<String> {
        let lost = self.confirmed.map_or(0, |confirmed| self.sent.saturating_sub(confirmed));
        let parts = [
            (lost > 0).then(|| format!("{lost} of {} not reported", self.sent)),
            (self.refused > 0).then(|| format!("{} of {} refused", self.refused, self.sent)),
            (self.last_arrived == Some(false)).then(|| "the last write did not arrive".to_owned()),
            self.link_lost.then(|| "the link dropped".to_owned()),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

/// A part that was not measured.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SkippedRecord {
    pub part: Part,
    pub reason: String,
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BenchRecord {
    pub target: String,
    #[serde(flatten)]
    pub bulb: Bulb,
    pub adapter: String,
    /// Profile with its variant; null if it was not needed.
    pub profile: Option<String>,
    /// Number of measured rounds.
    pub rounds: u32,
    pub warm_up: u32,
    /// ATT MTU of the link in bytes; null if the platform does not report it.
    pub mtu: Option<u16>,
    /// Requested connection parameters; null if the platform does not report them.
    pub parameters: Option<ParametersRecord>,
    /// Time to connect, including discovery.
    pub connect: Option<TimesRecord>,
    /// Time to discover the services; null if the platform does not report it.
    pub discovery: Option<TimesRecord>,
    pub notification: Option<TimesRecord>,
    /// Time from a write request to its response.
    pub answer: Option<TimesRecord>,
    pub rates: Vec<RateRecord>,
    /// Parts that were not measured.
    pub skipped: Vec<SkippedRecord>,
    /// True if the original state was restored; null if it was unknown or not changed.
    pub restored: Option<bool>,
}

impl BenchRecord {
    pub fn of(
        target: &str,
        device: &SeenDevice,
        adapter: &AdapterInfo,
        plan: &BenchPlan,
        measured: &BenchResult,
    ) -> Self {
        let times = |series: &Option<Series>| series.as_ref().map(TimesRecord::of);
        let skipped =
            measured.skipped.iter().map(|one| SkippedRecord { part: one.part, reason: one.reason.clone() });
        Self {
            target: target.to_owned(),
            bulb: Bulb::of(device),
            adapter: adapter.name.clone(),
            profile: measured.profile.clone(),
            rounds: plan.rounds,
            warm_up: plan.warm_up,
            mtu: measured.mtu,
            parameters: measured.parameters.map(ParametersRecord::of),
            connect: times(&measured.connect),
            discovery: times(&measured.discovery),
            notification: times(&measured.notification),
            answer: times(&measured.answer),
            rates: measured.rates.iter().map(RateRecord::of).collect(),
            skipped: skipped.collect(),
            restored: measured.restored,
        }
    }

    pub(super) fn text(&self, layout: Layout) -> String {
        let (bold, dim) = (layout.style(BOLD), layout.style(DIM));
        let mut out = String::new();
        let about = [
            self.profile.clone(),
            self.mtu.map(|mtu| format!("MTU {mtu}")),
            Some(format!("over {}", sanitise(&self.adapter))),
        ];
        let about: Vec<String> = about.into_iter().flatten().collect();
        let _ = writeln!(out, "{bold}{}{bold:#}  {}", sanitise(self.bulb.label()), about.join(", "));
        if let Some(parameters) = &self.parameters {
            let _ = writeln!(out, "  {:<22}{parameters}", "connection");
        }
        for (name, times) in [
            ("connect", &self.connect),
            ("  of that, discovery", &self.discovery),
            ("write to notification", &self.notification),
            ("write to answer", &self.answer),
        ] {
            if let Some(times) = times {
                times.text(name, &mut out);
            }
        }
        for rate in &self.rates {
            rate.text(&mut out);
        }
        for skipped in &self.skipped {
            let part = format!("{:?}", skipped.part).to_lowercase();
            let _ = writeln!(out, "  {dim}{part:<22}not measured: {}{dim:#}", sanitise(&skipped.reason));
        }
        if self.restored == Some(false) {
            let _ = writeln!(out, "  could not restore the original state");
        }
        out.trim_end().to_owned()
    }
}

/// A value with its error range.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimate {
    pub(super) value: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

/// Milliseconds, rounded to microseconds.
fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

pub(super) fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_times_are_in_microseconds() {
        let text = |micros: &[u64]| {
            let times = micros.iter().map(|time| Duration::from_micros(*time)).collect();
            let mut out = String::new();
            TimesRecord::of(&Series { times, failed: 0 }).text("write to answer", &mut out);
            out
        };
        let short = text(&[209, 121, 410]);
        assert!(short.contains("p50 209 µs  p90 410  p99 410  max 410  ±1 ms  (3 rounds)"), "{short}");
        assert!(short.contains(" 121 to 410 µs"), "{short}");
        let long = text(&[20_900, 800, 41_000]);
        assert!(long.contains("p50 20.9 ms  p90 41.0  p99 41.0  max 41.0  ±1  (3 rounds)"), "{long}");
    }

    #[test]
    fn a_loss_that_is_not_repeated_contradicts_nothing() {
        let step = |wanted_per_s: f64, confirmed| StepRecord {
            wanted_per_s,
            per_s: wanted_per_s,
            sent: 10,
            refused: 0,
            confirmed: Some(confirmed),
            last_arrived: None,
            link_lost: false,
        };
        let text = |steps: Vec<StepRecord>, loss_from_per_s| {
            let rate = RateRecord {
                kind: "request".to_owned(),
                witness: Some("notification".to_owned()),
                highest_per_s: Some(47.0),
                loss_from_per_s,
                saturated: false,
                steps,
            };
            let mut out = String::new();
            rate.text(&mut out);
            out
        };
        let once = text(vec![step(40.0, 7), step(40.0, 10), step(47.0, 10)], None);
        assert!(once.contains("no loss twice in a row up to 47/s"), "{once}");
        assert!(once.contains("at 40/s: 3 of 10 not reported; nothing when repeated"), "{once}");
        let twice = text(vec![step(47.0, 10), step(60.0, 7), step(60.0, 8)], Some(60.0));
        assert!(twice.contains("nothing lost up to 47/s, loss from 60/s"), "{twice}");
        assert!(twice.contains("at 60/s: 3 of 10") && !twice.contains("repeated"), "{twice}");
    }
}
