//! Saved measurements and the comparison of two.

use std::fmt::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::bench::{Estimate, RateRecord, TimesRecord, Unit, tenth};
use super::parameters::ParametersRecord;
use super::text::{BOLD, Layout};
use crate::error::{Error, Result};
use crate::files;
use crate::sanitise::sanitise;

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
            let (old, new, unit) = match one.unit {
                "ms" => {
                    let unit = Unit::of(old.max(new));
                    (unit.number(old), unit.number(new), unit.name())
                }
                other => (format!("{old:.1}"), format!("{new:.1}"), other),
            };
            let _ = writeln!(out, "  {:<14}{old} -> {new} {unit}{change}{noise}", one.figure);
        }
        out.trim_end().to_owned()
    }
}
