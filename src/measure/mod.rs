//! The benchmark: connect time, service discovery, latency, and the write rate at which the bulb starts to lose writes.
//!
//! A time is that of a call to the radio, so it includes the Bluetooth service of the system. The brightness changes by two
//! steps of the bulb, since bulbs round to the next one. At the end, also after an interrupt, the [`Restorer`] restores
//! the state that was found.

mod bench_bulb;
mod connect;
mod latency;
mod rate;
mod series;

use std::sync::Arc;
use std::time::Duration;

use bulb_protocol::Percent;

use crate::bulb::{Families, Restorer};
use crate::error::{Error, Result};
use crate::radio::{ConnectionParameters, Link, Radio, SeenDevice, WriteKind};

pub use series::{CLOCK_ERROR, Series, Summary};

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// From the request for a link until it is usable, discovery included.
    Connect,
    /// Service discovery.
    Discovery,
    /// From a write until the bulb reports it.
    Latency,
    /// The rate of writes at which the bulb starts to lose some.
    Rate,
}

#[derive(Clone, Debug)]
pub struct BenchPlan {
    pub rounds: u32,
    /// Rounds before these, which do not count.
    pub warm_up: u32,
    pub parts: Vec<Part>,
    /// The brightness to measure around; `None` for the reported one.
    pub brightness: Option<Percent>,
    /// The time limit of each operation.
    pub timeout: Duration,
}

impl BenchPlan {
    fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    /// Returns the number of each round, and true for those that count.
    fn all_rounds(&self) -> impl Iterator<Item = (u32, bool)> + use<> {
        let warm_up = self.warm_up;
        (0..warm_up.saturating_add(self.rounds)).map(move |round| (round, round >= warm_up))
    }
}

/// The result of a burst of writes at one rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateStep {
    /// Writes a second.
    pub wanted: f64,
    /// Writes a second.
    pub reached: f64,
    /// Commands written, refused ones included.
    pub sent: u32,
    pub refused: u32,
    /// The number of statuses that the bulb sent; `None` if it does not notify.
    pub confirmed: Option<u32>,
    /// `None` if no query or read tested it.
    pub last_arrived: Option<bool>,
    pub link_lost: bool,
}

impl RateStep {
    /// `None` if the family shows no loss.
    pub fn loses(&self) -> Option<bool> {
        let known = self.confirmed.map(|confirmed| confirmed < self.sent);
        let known = known.or(self.last_arrived.map(|arrived| !arrived));
        if self.link_lost || self.refused > 0 { Some(true) } else { known }
    }

    /// Returns true if the link reached the wanted rate, less a tenth for timers.
    pub fn keeps_up(&self) -> bool {
        self.reached >= self.wanted * 0.9
    }
}

/// The evidence of a lost write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LossEvidence {
    /// A command without a notification.
    Notification,
    /// A state that differs from the last command, read or queried after each burst.
    Readback,
}

/// The results of rising rates of one kind of write.
#[derive(Clone, Debug, PartialEq)]
pub struct Rate {
    pub kind: WriteKind,
    /// `None` if the family shows no loss.
    pub evidence: Option<LossEvidence>,
    /// The highest rate without a loss, or the highest that the link reached if the family shows no loss.
    pub highest: Option<f64>,
    /// The lowest rate with a loss twice in a row.
    pub loss_from: Option<f64>,
    /// The link could not reach a higher rate.
    pub saturated: bool,
    pub steps: Vec<RateStep>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    pub part: Part,
    pub reason: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct BenchResult {
    /// `None` if the parts measured need no profile.
    pub profile: Option<String>,
    /// The ATT MTU, bytes, if the platform knows it.
    pub mtu: Option<u16>,
    /// `None` if the platform does not know them.
    pub parameters: Option<ConnectionParameters>,
    pub connect: Option<Series>,
    pub discovery: Option<Series>,
    /// From a write until its notification.
    pub notification: Option<Series>,
    /// From a write request until its answer.
    pub answer: Option<Series>,
    pub rates: Vec<Rate>,
    pub skipped: Vec<Skipped>,
    /// `None` if nothing was written, or the state before was not known.
    pub restored: Option<bool>,
}

impl BenchResult {
    fn skip(&mut self, part: Part, reason: impl Into<String>) {
        self.skipped.push(Skipped { part, reason: reason.into() });
    }
}

/// Measures a bulb. A caller that interrupts this must run `restorer`. `progress` gets a text before each part.
///
/// # Errors
/// Only errors that prevent every measurement. Failures of single rounds are counted.
pub async fn measure(
    radio: &Arc<dyn Radio>,
    device: &SeenDevice,
    families: &Families,
    plan: &BenchPlan,
    restorer: &Restorer,
    progress: impl Fn(&str),
) -> Result<BenchResult> {
    let mut result = BenchResult::default();
    let mut link = connect::connect(radio.as_ref(), &device.id, plan.timeout).await?;
    if plan.has(Part::Connect) || plan.has(Part::Discovery) {
        progress("connecting repeatedly");
        link = connect::rounds(radio.as_ref(), link, plan, &mut result).await?;
    }
    if plan.has(Part::Latency) || plan.has(Part::Rate) {
        over_one_link(link, device, families, plan, restorer, &progress, &mut result).await?;
        result.restored = restorer.run().await;
    } else {
        result.mtu = link.mtu();
    }
    // Last, because a bulb may request others after it has connected.
    result.parameters = radio.details(&device.id).await.unwrap_or_default().parameters;
    Ok(result)
}

/// Measures latency and rate.
async fn over_one_link(
    link: Arc<dyn Link>,
    device: &SeenDevice,
    families: &Families,
    plan: &BenchPlan,
    restorer: &Restorer,
    progress: &impl Fn(&str),
    result: &mut BenchResult,
) -> Result<()> {
    let (mut bulb, reason) = bench_bulb::BenchBulb::open(link, device, families, plan, restorer).await?;
    result.profile = Some(bulb.profile.full_name());
    result.mtu = bulb.session.link().mtu();
    if let Some(reason) = reason {
        for part in [Part::Latency, Part::Rate].into_iter().filter(|part| plan.has(*part)) {
            result.skip(part, reason.clone());
        }
        return Ok(());
    }
    if plan.has(Part::Latency) {
        progress("writing and waiting for the answer");
        latency::rounds(&mut bulb, plan, result).await?;
    }
    // Again, because the first exchange may change it.
    result.mtu = bulb.session.link().mtu();
    if plan.has(Part::Rate) {
        progress("writing at rising rates");
        rate::climb(&mut bulb, result).await?;
    }
    Ok(())
}

/// Returns true for errors that count as a failed round, after which the measurement continues.
fn is_round_failure(error: &Error) -> bool {
    matches!(
        error,
        Error::ConnectTimeout { .. }
            | Error::ConnectFailed { .. }
            | Error::DiscoverTimeout { .. }
            | Error::Silent { .. }
            | Error::Refused { .. }
            | Error::RefusedWithoutCode { .. }
    )
}
