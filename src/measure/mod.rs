//! The benchmark: connect time, service discovery, latency, and the write rate at which the bulb starts to lose writes.
//!
//! Every time is taken from before the call into the radio until its result is there, so the system's Bluetooth service is in it.
//! The brightness moves by one percent (by more where that makes no difference to the bulb), and the state that was found is written back at the end, also after an interrupt
//! ([`Restorer`]).

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
use crate::radio::{ConnectionParameters, Radio, SeenDevice, WriteKind};

pub use series::{CLOCK_ERROR, Series, Summary};

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// From the wish for a link until it can be used.
    Connect,
    /// The part of that in which the services are found.
    Discovery,
    /// From a write until the bulb reports it.
    Latency,
    /// How many writes a second, and where loss begins.
    Rate,
}

/// What is to be measured, and how often.
#[derive(Clone, Debug)]
pub struct BenchPlan {
    /// How many rounds count.
    pub rounds: u32,
    /// How many rounds go before these, and do not count.
    pub warm_up: u32,
    /// What is measured.
    pub parts: Vec<Part>,
    /// The brightness to measure around; without it, what the bulb reports.
    pub brightness: Option<Percent>,
    /// How long each operation may take.
    pub timeout: Duration,
}

impl BenchPlan {
    fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    /// All rounds, each with whether it counts.
    fn all_rounds(&self) -> impl Iterator<Item = (u32, bool)> + use<> {
        let warm_up = self.warm_up;
        (0..warm_up.saturating_add(self.rounds)).map(move |round| (round, round >= warm_up))
    }
}

/// How the writes of a step went.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateStep {
    /// How many writes a second were wanted.
    pub wanted: f64,
    /// How many there were.
    pub reached: f64,
    /// How many commands were written.
    pub sent: u32,
    /// How many of these the link or the bulb refused.
    pub refused: u32,
    /// How many the bulb reported; nothing where it does not report by itself.
    pub confirmed: Option<u32>,
    /// Whether the last one arrived, by a question or a read; nothing where that was not looked at.
    pub last_arrived: Option<bool>,
    /// Whether the link was lost.
    pub link_lost: bool,
}

impl RateStep {
    /// Whether something did not arrive; nothing where that cannot be told.
    pub fn loses(&self) -> Option<bool> {
        let known = self.confirmed.map(|confirmed| confirmed < self.sent);
        let known = known.or(self.last_arrived.map(|arrived| !arrived));
        if self.link_lost || self.refused > 0 { Some(true) } else { known }
    }

    /// Whether the link took as many as were wanted, with a tenth for timers.
    pub fn keeps_up(&self) -> bool {
        self.reached >= self.wanted * 0.9
    }
}

/// The way in which a lost write is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LossEvidence {
    /// The bulb notifies each command: they are counted.
    Notification,
    /// The last command is asked for or read after each burst.
    Readback,
}

/// Rising rates of one kind of write.
#[derive(Clone, Debug, PartialEq)]
pub struct Rate {
    /// With or without an answer.
    pub kind: WriteKind,
    /// What tells of loss; nothing where the family never tells.
    pub witness: Option<LossEvidence>,
    /// The highest rate at which nothing was lost, or that the link took where loss cannot be told.
    pub highest: Option<f64>,
    /// The lowest rate at which something was lost, twice in a row.
    pub loss_from: Option<f64>,
    /// Whether the link took no more.
    pub saturated: bool,
    /// What was tried, in this order.
    pub steps: Vec<RateStep>,
}

/// Something that was not measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// What.
    pub part: Part,
    /// Why.
    pub reason: String,
}

/// The results.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// The family; nothing where that was not needed.
    pub profile: Option<String>,
    /// The ATT MTU, bytes, where the platform tells.
    pub mtu: Option<u16>,
    /// What its links were asked to be timed like, where the platform tells.
    pub parameters: Option<ConnectionParameters>,
    /// From the wish for a link until it can be used.
    pub connect: Option<Series>,
    /// The part of that in which the services were found.
    pub discovery: Option<Series>,
    /// From a write until its notification.
    pub notification: Option<Series>,
    /// From a write request until its answer.
    pub answer: Option<Series>,
    /// Writes a second.
    pub rates: Vec<Rate>,
    /// What was not measured.
    pub skipped: Vec<Skipped>,
    /// Whether the state that was found is back; nothing where it was not known, or not touched.
    pub restored: Option<bool>,
}

impl Measured {
    fn skip(&mut self, part: Part, reason: impl Into<String>) {
        self.skipped.push(Skipped { part, reason: reason.into() });
    }
}

/// Measures a bulb. `restorer` is what an interrupted caller has to run; `progress` is told what is done.
///
/// # Errors
/// What connecting, recognising and writing give where nothing can be measured at all. What fails in single rounds is counted.
pub async fn measure(
    radio: &Arc<dyn Radio>,
    report: &SeenDevice,
    families: &Families,
    plan: &BenchPlan,
    restorer: &Restorer,
    progress: impl Fn(&str),
) -> Result<Measured> {
    let mut measured = Measured::default();
    let mut link = connect::fresh(radio.as_ref(), &report.id, plan.timeout).await?;
    if plan.has(Part::Connect) || plan.has(Part::Discovery) {
        progress("connecting again and again");
        link = connect::rounds(radio.as_ref(), link, plan, &mut measured).await?;
    }
    if plan.has(Part::Latency) || plan.has(Part::Rate) {
        over_one_link(link, report, families, plan, restorer, &progress, &mut measured).await?;
        measured.restored = restorer.run().await;
    } else {
        measured.mtu = link.mtu();
    }
    // Last: a bulb may ask for others once it is connected. That they are not known spoils nothing.
    measured.parameters = radio.details(&report.id).await.unwrap_or_default().parameters;
    Ok(measured)
}

/// What is measured over one link.
async fn over_one_link(
    link: Arc<dyn crate::radio::Link>,
    report: &SeenDevice,
    families: &Families,
    plan: &BenchPlan,
    restorer: &Restorer,
    progress: &impl Fn(&str),
    measured: &mut Measured,
) -> Result<()> {
    let (mut bulb, reason) = bench_bulb::BenchBulb::open(link, report, families, plan, restorer).await?;
    measured.profile = Some(bulb.profile.full_name());
    measured.mtu = bulb.session.link().mtu();
    if let Some(reason) = reason {
        for part in [Part::Latency, Part::Rate].into_iter().filter(|part| plan.has(*part)) {
            measured.skip(part, reason.clone());
        }
        return Ok(());
    }
    if plan.has(Part::Latency) {
        progress("writing and waiting for the answer");
        latency::rounds(&mut bulb, plan, measured).await?;
    }
    // Again: it may be agreed on only after the first exchange.
    measured.mtu = bulb.session.link().mtu();
    if plan.has(Part::Rate) {
        progress("writing at rising rates");
        rate::climb(&mut bulb, measured).await?;
    }
    Ok(())
}

/// Whether a failed round says something of the bulb, so that one counts it and goes on.
fn is_of_a_round(error: &Error) -> bool {
    matches!(
        error,
        Error::ConnectTimeout { .. }
            | Error::ConnectFailed { .. }
            | Error::DiscoverTimeout { .. }
            | Error::Silent { .. }
            | Error::Refused { .. }
    )
}
