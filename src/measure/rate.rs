//! Writes at rising rates, until some are lost or the link takes no more.

use std::time::Duration;

use bulb_protocol::Percent;
use bulb_protocol::profile::Write;
use tokio::time::{Instant, sleep, sleep_until};

use super::bench_bulb::BenchBulb;
use super::{LossEvidence, Measured, Part, Rate, RateStep};
use crate::bulb::PacedWriter;
use crate::error::{Error, Result};
use crate::radio::{Deadline, WriteKind};

/// What is tried, writes a second. Timers have a grain of a millisecond, so more cannot be told.
const LADDER: [f64; 11] = [10.0, 20.0, 30.0, 50.0, 75.0, 100.0, 150.0, 200.0, 300.0, 500.0, 1000.0];
/// How often the space between the last good rate and the first bad one is halved.
const HALVINGS: usize = 3;
/// How many commands a step has: a quarter of a second's, within these.
const FEWEST: u32 = 10;
const MOST: u32 = 200;
/// A link that takes a write only after so long is not going to be any faster.
const STEP_TIME: Duration = Duration::from_secs(10);
/// Reports that have not come when it has been quiet for so long will not come.
const TAIL: Duration = Duration::from_millis(600);
/// How long the bulb rests between two steps.
const REST: Duration = Duration::from_millis(200);
/// How long a question after a burst may take.
const ASK_TIME: Duration = Duration::from_secs(2);

/// Measures each kind of write that the bulb takes.
pub(super) async fn climb(bulb: &mut BenchBulb, measured: &mut Measured) -> Result<()> {
    let kinds = kinds(bulb)?;
    if kinds.is_empty() {
        measured.skip(Part::Rate, "its commands cannot be written");
    }
    for kind in kinds {
        let rate = one_kind(bulb, kind).await?;
        let lost = rate.steps.iter().any(|step| step.link_lost);
        measured.rates.push(rate);
        if lost {
            measured.skip(Part::Rate, "the rest was given up, as the link was lost at this rate");
            break;
        }
    }
    Ok(())
}

/// The kinds in which its commands can be written.
fn kinds(bulb: &mut BenchBulb) -> Result<Vec<WriteKind>> {
    let mut kinds = Vec::new();
    for kind in [WriteKind::Request, WriteKind::Command] {
        if bulb.kind(Some(kind))? == Some(kind) {
            kinds.push(kind);
        }
    }
    Ok(kinds)
}

async fn one_kind(bulb: &mut BenchBulb, kind: WriteKind) -> Result<Rate> {
    let way = bulb.profile.readback();
    let witness = match (bulb.notifies, way.read || way.query) {
        (true, _) => Some(LossEvidence::Notification),
        (false, true) => Some(LossEvidence::Readback),
        (false, false) => None,
    };
    let mut rate =
        Rate { kind, witness, highest: None, loss_from: None, saturated: false, steps: Vec::new() };
    let mut good: Option<f64> = None;
    for wanted in LADDER {
        let last = twice(bulb, kind, wanted, &mut rate).await?;
        if last.loses() == Some(true) {
            rate.loss_from = Some(last.reached);
            if !last.link_lost {
                narrow(bulb, kind, good, wanted, &mut rate).await?;
            }
            break;
        }
        rate.highest = Some(last.reached);
        good = Some(wanted);
        if !last.keeps_up() {
            rate.saturated = true;
            break;
        }
    }
    Ok(rate)
}

/// Looks between the last good rate and the first bad one.
async fn narrow(
    bulb: &mut BenchBulb,
    kind: WriteKind,
    good: Option<f64>,
    bad: f64,
    rate: &mut Rate,
) -> Result<()> {
    let Some(mut good) = good else { return Ok(()) };
    let mut bad = bad;
    for _ in 0..HALVINGS {
        let wanted = f64::midpoint(good, bad);
        let last = twice(bulb, kind, wanted, rate).await?;
        if last.loses() == Some(true) {
            bad = wanted;
            rate.loss_from = Some(last.reached);
        } else {
            good = wanted;
            rate.highest = Some(last.reached);
        }
        if last.link_lost {
            break;
        }
    }
    Ok(())
}

/// A step, and where it loses something, once more: a single loss may be the air's. Gives the last.
async fn twice(bulb: &mut BenchBulb, kind: WriteKind, wanted: f64, rate: &mut Rate) -> Result<RateStep> {
    let mut step = burst(bulb, kind, wanted, rate.witness).await?;
    rate.steps.push(step);
    if step.loses() == Some(true) && !step.link_lost {
        step = burst(bulb, kind, wanted, rate.witness).await?;
        rate.steps.push(step);
    }
    Ok(step)
}

/// What is written in a step, and when.
struct Burst {
    writer: PacedWriter,
    commands: Vec<Vec<Write>>,
    every: Duration,
}

/// What became of a burst's writes.
struct Written {
    sent: u32,
    refused: u32,
    took: Duration,
    lost: bool,
}

impl Burst {
    /// Writes each command in its turn, or as soon as the link takes it.
    async fn run(self) -> Result<Written> {
        let start = Instant::now();
        let deadline = Deadline::after(STEP_TIME);
        let mut written = Written { sent: 0, refused: 0, took: Duration::ZERO, lost: false };
        for command in &self.commands {
            sleep_until(start + self.every * written.sent).await;
            // From the first to the last: one space less than commands.
            written.took = start.elapsed();
            for write in command {
                match self.writer.write(write, deadline).await {
                    Ok(()) => {}
                    Err(Error::LinkLost { .. }) => {
                        written.sent += 1;
                        written.lost = true;
                        return Ok(written);
                    }
                    Err(error @ (Error::Silent { .. } | Error::Refused { .. })) => {
                        tracing::info!("{error}");
                        written.refused += 1;
                    }
                    Err(error) => return Err(error),
                }
            }
            written.sent += 1;
            if deadline.remaining().is_zero() {
                break;
            }
        }
        Ok(written)
    }
}

/// Writes at a rate, and counts what arrives.
async fn burst(
    bulb: &mut BenchBulb,
    kind: WriteKind,
    wanted: f64,
    witness: Option<LossEvidence>,
) -> Result<RateStep> {
    let rest = REST.max(bulb.profile.link_rules.gap);
    sleep(rest).await;
    if witness == Some(LossEvidence::Readback) {
        // A burst that is lost as a whole must not end with what was there before.
        let (_, first) = prepare(bulb, kind, 1.0, 1)?;
        first.run().await?;
        sleep(rest).await;
    }
    bulb.forget_old_notifications();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the ladder's rates are small"
    )]
    let number = ((wanted / 4.0) as u32).clamp(FEWEST, MOST) & !1;
    let (end, burst) = prepare(bulb, kind, wanted, number)?;
    let (written, reports) = count(bulb, burst, end).await?;
    let spaces = f64::from(written.sent.saturating_sub(1).max(1));
    let mut step = RateStep {
        wanted,
        reached: (spaces / written.took.as_secs_f64().max(0.001)).min(wanted),
        sent: written.sent,
        refused: written.refused,
        confirmed: (witness == Some(LossEvidence::Notification)).then_some(reports.min(written.sent)),
        last_arrived: None,
        link_lost: written.lost,
    };
    if witness == Some(LossEvidence::Readback) && !written.lost {
        sleep(TAIL).await;
        match bulb.is_at(end, Deadline::after(ASK_TIME)).await {
            Ok(there) => step.last_arrived = Some(there),
            Err(Error::LinkLost { .. }) => step.link_lost = true,
            Err(error) => return Err(error),
        }
    }
    Ok(step)
}

/// The commands of a burst, to and fro, and the brightness that it ends with: the first one if there is one command, the other
/// if their number is even.
fn prepare(bulb: &mut BenchBulb, kind: WriteKind, rate: f64, count: u32) -> Result<(Percent, Burst)> {
    let mut commands = Vec::new();
    let mut end = Percent::MIN;
    for number in 0..count {
        let (brightness, writes) = bulb.command(number % 2 == 1)?;
        end = brightness;
        commands.push(writes);
    }
    let burst =
        Burst { writer: bulb.writer(Some(kind)), commands, every: Duration::from_secs_f64(1.0 / rate) };
    Ok((end, burst))
}

/// Runs a burst and counts what the bulb reports, until all is there or nothing comes any more.
async fn count(bulb: &mut BenchBulb, burst: Burst, end: Percent) -> Result<(Written, u32)> {
    let running = burst.run();
    tokio::pin!(running);
    let mut written: Option<Written> = None;
    let mut reports: u32 = 0;
    let mut until = Instant::now();
    loop {
        if let Some(done) = written.take_if(|done| done.lost || !bulb.notifies || reports >= done.sent) {
            return Ok((done, reports));
        }
        let over = written.is_some();
        tokio::select! {
            done = &mut running, if !over => {
                written = Some(done?);
                until = Instant::now() + TAIL;
            }
            report = bulb.next_status(end) => match report {
                Ok((more, _)) => {
                    reports = reports.saturating_add(more);
                    until = Instant::now() + TAIL;
                }
                Err(Error::LinkLost { .. }) => {
                    let done = match written.take() {
                        Some(done) => done,
                        None => running.await?,
                    };
                    return Ok((Written { lost: true, ..done }, reports));
                }
                Err(error) => return Err(error),
            },
            () = sleep_until(until), if over => {
                if let Some(done) = written.take() {
                    return Ok((done, reports));
                }
            }
        }
    }
}
