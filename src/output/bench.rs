//! Measurements of a bulb and their comparison.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::parameters::ParametersRecord;
use super::records::Bulb;
use super::text::{BOLD, DIM, Layout};
use crate::error::{Error, Result};
use crate::files;
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

    fn median(&self) -> Option<Estimate> {
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
        let _ = writeln!(
            out,
            "  {name:<22}p50 {p50:.1} ms  p90 {p90:.1}  p99 {p99:.1}  max {max:.1}  ±{:.0}  ({rounds})",
            self.error_ms
        );
        let _ = writeln!(out, "  {:<22}{} {min:.1} to {max:.1} ms", "", plot(&self.samples_ms, min, max));
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

    fn highest(&self) -> Option<Estimate> {
        let value = self.highest_per_s.or(self.loss_from_per_s.map(|_| 0.0))?;
        let high = self.loss_from_per_s.unwrap_or(value * (1.0 + RATE_ERROR));
        Some(Estimate { value, low: value * (1.0 - RATE_ERROR), high: high * (1.0 + RATE_ERROR) })
    }

    fn text(&self, out: &mut String) {
        let name = format!("rate, write {}", self.kind);
        let highest = match (self.highest_per_s, self.witness.as_deref()) {
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
        for step in self.steps.iter().filter(|step| step.losses().is_some()) {
            let lost = step.losses().unwrap_or_default();
            let _ = writeln!(out, "  {:<22}at {:.0}/s: {lost}", "", step.per_s);
        }
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
struct Estimate {
    value: f64,
    low: f64,
    high: f64,
}

/// The comparable part of a saved measurement.
#[derive(Clone, Debug, Deserialize)]
pub struct SavedBench {
    r#type: String,
    at: String,
    name: Option<String>,
    id: String,
    /// Missing in files of older versions.
    parameters: Option<ParametersRecord>,
    connect: Option<TimesRecord>,
    discovery: Option<TimesRecord>,
    notification: Option<TimesRecord>,
    answer: Option<TimesRecord>,
    rates: Vec<RateRecord>,
}

/// The longest accepted file, bytes. A measurement of every part takes about a thousandth of it.
const LONGEST_BENCH: u64 = 16 << 20;

impl SavedBench {
    /// Reads a file written by `bench --json` or `bench --save`.
    pub fn read(path: &Path) -> Result<Self> {
        let unreadable = |detail: String| Error::FileUnreadable { path: path.display().to_string(), detail };
        let text = files::text(path, LONGEST_BENCH)?;
        Self::parse(&text).map_err(unreadable)
    }

    pub fn parse(text: &str) -> Result<Self, String> {
        let saved: Self = serde_json::from_str(text.lines().next().unwrap_or_default())
            .map_err(|error| format!("this is not a measurement saved by bench: {error}"))?;
        if saved.r#type == "bench" {
            Ok(saved)
        } else {
            Err("this is not a measurement saved by bench".to_owned())
        }
    }

    /// Name, unit and estimate of each measured value.
    fn figures(&self) -> Vec<(String, &'static str, Estimate)> {
        let times = [
            ("connect", &self.connect),
            ("discovery", &self.discovery),
            ("notification", &self.notification),
            ("answer", &self.answer),
        ];
        let times = times
            .into_iter()
            .filter_map(|(name, times)| Some((name.to_owned(), "ms", times.as_ref()?.median()?)));
        let rates = self
            .rates
            .iter()
            .filter_map(|rate| Some((format!("rate_{}", rate.kind), "1/s", rate.highest()?)));
        times.chain(rates).collect()
    }
}

/// One value of two measurements.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DifferenceRecord {
    /// Compared value: `connect`, `discovery`, `notification`, `answer` (medians), `rate_request` or `rate_command` (without loss).
    pub figure: String,
    /// Unit: `ms` or `1/s`.
    pub unit: &'static str,
    /// Old value; null if it was not measured.
    pub old: Option<f64>,
    /// New value; null if it was not measured.
    pub new: Option<f64>,
    pub change_percent: Option<f64>,
    /// True if the difference exceeds the error of both measurements.
    pub beyond_noise: Option<bool>,
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ComparisonRecord {
    /// Name or identifier of the old measurement's bulb.
    pub old_name: String,
    /// Time of the old measurement (RFC 3339).
    pub old_at: String,
    /// Name or identifier of the new measurement's bulb.
    pub new_name: String,
    /// Time of the new measurement (RFC 3339).
    pub new_at: String,
    /// Connection parameters of the old measurement; null if unknown.
    pub old_parameters: Option<ParametersRecord>,
    /// Connection parameters of the new measurement; null if unknown.
    pub new_parameters: Option<ParametersRecord>,
    /// Values of either measurement.
    pub differences: Vec<DifferenceRecord>,
}

impl ComparisonRecord {
    pub fn of(old: &SavedBench, new: &SavedBench) -> Self {
        let (before, after) = (old.figures(), new.figures());
        let find = |all: &[(String, &'static str, Estimate)], name: &str| {
            all.iter().find(|(own, ..)| own == name).map(|(.., known)| *known)
        };
        let more = after.iter().filter(|(name, ..)| find(&before, name).is_none());
        let differences = before.iter().chain(more).map(|(name, unit, _)| {
            let (old, new) = (find(&before, name), find(&after, name));
            let both = old.zip(new);
            DifferenceRecord {
                figure: name.clone(),
                unit,
                old: old.map(|known| known.value),
                new: new.map(|known| known.value),
                change_percent: both
                    .filter(|(old, _)| old.value > 0.0)
                    .map(|(old, new)| tenth((new.value - old.value) / old.value * 100.0)),
                beyond_noise: both.map(|(old, new)| new.low > old.high || new.high < old.low),
            }
        });
        let label = |saved: &SavedBench| saved.name.clone().unwrap_or_else(|| saved.id.clone());
        Self {
            old_name: label(old),
            old_at: old.at.clone(),
            new_name: label(new),
            new_at: new.at.clone(),
            old_parameters: old.parameters.clone(),
            new_parameters: new.parameters.clone(),
            differences: differences.collect(),
        }
    }

    pub(super) fn text(&self, layout: Layout) -> String {
        let bold = layout.style(BOLD);
        let mut out = String::new();
        let [new, old] = [&self.new_name, &self.old_name].map(|name| sanitise(name));
        let [new_at, old_at] = [&self.new_at, &self.old_at].map(|at| sanitise(at));
        let _ = match new == old {
            true => writeln!(out, "{bold}{new}{bold:#}: {new_at} compared with {old_at}"),
            false => writeln!(out, "{bold}{new}{bold:#} ({new_at}) compared with {old} ({old_at})"),
        };
        if let Some((old, new)) = self.old_parameters.as_ref().zip(self.new_parameters.as_ref())
            && old != new
        {
            let _ = writeln!(out, "  {:<14}{old}\n  {:<14}-> {new}", "connection", "");
        }
        for one in &self.differences {
            // Only programs need values that one measurement lacks.
            let Some((old, new)) = one.old.zip(one.new) else { continue };
            let change = one.change_percent.map_or_else(String::new, |change| format!("  {change:+.1} %"));
            let noise = match one.beyond_noise {
                Some(true) => "  differs",
                Some(false) => "  within the noise",
                None => "",
            };
            let _ = writeln!(out, "  {:<14}{old:.1} -> {new:.1} {}{change}{noise}", one.figure, one.unit);
        }
        out.trim_end().to_owned()
    }
}

/// Milliseconds, rounded to microseconds.
fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
