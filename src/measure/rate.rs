//! Writes at rising rates, until some writes are lost or the link is saturated.

use std::time::Duration;

use bulb_protocol::Percent;
use bulb_protocol::profile::Write;
use tokio::time::{Instant, sleep, sleep_until};

use super::bench_bulb::BenchBulb;
use super::{BenchResult, LossEvidence, Part, Rate, RateStep};
use crate::bulb::PacedWriter;
use crate::error::{Error, Result};
use crate::radio::{Deadline, WriteKind};

/// Writes a second. Timers have a resolution of a millisecond, so higher rates cannot be result.
const RATES: [f64; 11] = [10.0, 20.0, 30.0, 50.0, 75.0, 100.0, 150.0, 200.0, 300.0, 500.0, 1000.0];
/// The number of steps of the binary search between the last good rate and the first bad one.
const HALVINGS: usize = 3;
/// A burst takes a quarter of a second, within these numbers of commands.
const MIN_COMMANDS: u32 = 10;
const MAX_COMMANDS: u32 = 200;
/// The time limit of a burst.
const BURST_TIME: Duration = Duration::from_secs(10);
/// After this time without a status, no more are expected.
const STATUS_TIME: Duration = Duration::from_millis(600);
/// The pause between two bursts.
const PAUSE: Duration = Duration::from_millis(200);
/// The time limit of the query after a burst.
const QUERY_TIME: Duration = Duration::from_secs(2);

/// Measures each kind of write that the bulb accepts.
pub(super) async fn climb(bulb: &mut BenchBulb, result: &mut BenchResult) -> Result<()> {
    let kinds = kinds(bulb)?;
    if kinds.is_empty() {
        result.skip(Part::Rate, "its commands cannot be written");
    }
    for kind in kinds {
        let rate = one_kind(bulb, kind).await?;
        let lost = rate.steps.iter().any(|step| step.link_lost);
        result.rates.push(rate);
        if lost {
            result.skip(Part::Rate, "stopped, because the link dropped at this rate");
            break;
        }
    }
    Ok(())
}

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
    let readback = bulb.profile.readback();
    let evidence = match (bulb.notifies, readback.read || readback.query) {
        (true, _) => Some(LossEvidence::Notification),
        (false, true) => Some(LossEvidence::Readback),
        (false, false) => None,
    };
    let mut rate =
        Rate { kind, evidence, highest: None, loss_from: None, saturated: false, steps: Vec::new() };
    let mut good: Option<f64> = None;
    let mut results = Vec::new();
    for wanted in RATES {
        let last = twice(bulb, kind, wanted, &mut rate).await?;
        results.push(last);
        if last.loses() == Some(true) {
            if !last.link_lost {
                narrow(bulb, kind, good, wanted, &mut rate, &mut results).await?;
            }
            break;
        }
        good = Some(wanted);
        if !last.keeps_up() {
            rate.saturated = true;
            break;
        }
    }
    (rate.highest, rate.loss_from) = limits(&results);
    Ok(rate)
}

/// The highest rate below every loss, and the lowest rate with a loss. The rate that a burst reached counts, and a burst may
/// be slower than one before it that was wanted slower.
fn limits(results: &[RateStep]) -> (Option<f64>, Option<f64>) {
    let (bad, good): (Vec<&RateStep>, Vec<&RateStep>) =
        results.iter().partition(|step| step.loses() == Some(true));
    let loss_from = bad.iter().map(|step| step.reached).min_by(f64::total_cmp);
    let below = good.iter().map(|step| step.reached).filter(|rate| loss_from.is_none_or(|loss| *rate < loss));
    (below.max_by(f64::total_cmp), loss_from)
}

/// Searches between the last good rate and the first bad one.
async fn narrow(
    bulb: &mut BenchBulb,
    kind: WriteKind,
    good: Option<f64>,
    bad: f64,
    rate: &mut Rate,
    results: &mut Vec<RateStep>,
) -> Result<()> {
    let Some(mut good) = good else { return Ok(()) };
    let mut bad = bad;
    for _ in 0..HALVINGS {
        let wanted = f64::midpoint(good, bad);
        let last = twice(bulb, kind, wanted, rate).await?;
        results.push(last);
        if last.loses() == Some(true) {
            bad = wanted;
        } else {
            good = wanted;
        }
        if last.link_lost {
            break;
        }
    }
    Ok(())
}

/// Runs a burst, and repeats it after a loss, because interference may have caused that. Returns the result of the last one.
async fn twice(bulb: &mut BenchBulb, kind: WriteKind, wanted: f64, rate: &mut Rate) -> Result<RateStep> {
    let mut step = burst(bulb, kind, wanted, rate.evidence).await?;
    rate.steps.push(step);
    if step.loses() == Some(true) && !step.link_lost {
        step = burst(bulb, kind, wanted, rate.evidence).await?;
        rate.steps.push(step);
    }
    Ok(step)
}

struct Burst {
    writer: PacedWriter,
    commands: Vec<Vec<Write>>,
    every: Duration,
}

/// The result of writing a burst.
struct Written {
    sent: u32,
    refused: u32,
    took: Duration,
    lost: bool,
}

impl Burst {
    /// Writes each command at its time, or as soon as the link accepts it.
    async fn run(self) -> Result<Written> {
        let start = Instant::now();
        let deadline = Deadline::after(BURST_TIME);
        let mut written = Written { sent: 0, refused: 0, took: Duration::ZERO, lost: false };
        for command in &self.commands {
            sleep_until(start + self.every * written.sent).await;
            // From the first command to the last: one interval less than commands.
            written.took = start.elapsed();
            for write in command {
                match self.writer.write(write, deadline).await {
                    Ok(()) => {}
                    Err(Error::LinkLost { .. }) => {
                        written.sent += 1;
                        written.lost = true;
                        return Ok(written);
                    }
                    Err(
                        error @ (Error::Silent { .. }
                        | Error::Refused { .. }
                        | Error::RefusedWithoutCode { .. }),
                    ) => {
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

/// Writes at a rate, and counts the writes that arrive.
async fn burst(
    bulb: &mut BenchBulb,
    kind: WriteKind,
    wanted: f64,
    evidence: Option<LossEvidence>,
) -> Result<RateStep> {
    let pause = PAUSE.max(bulb.profile.link_rules.gap);
    sleep(pause).await;
    if evidence == Some(LossEvidence::Readback) {
        // The state before the burst must differ from its last command, or the loss of all would go unnoticed.
        let (_, first) = prepare(bulb, kind, 1.0, 1)?;
        first.run().await?;
        sleep(pause).await;
    }
    bulb.forget_old_notifications();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the rates are small")]
    let number = ((wanted / 4.0) as u32).clamp(MIN_COMMANDS, MAX_COMMANDS) & !1;
    let (end, burst) = prepare(bulb, kind, wanted, number)?;
    let (written, statuses) = count(bulb, burst, end).await?;
    let intervals = f64::from(written.sent.saturating_sub(1).max(1));
    let mut step = RateStep {
        wanted,
        reached: (intervals / written.took.as_secs_f64().max(0.001)).min(wanted),
        sent: written.sent,
        refused: written.refused,
        confirmed: (evidence == Some(LossEvidence::Notification)).then_some(statuses.min(written.sent)),
        last_arrived: None,
        link_lost: written.lost,
    };
    if evidence == Some(LossEvidence::Readback) && !written.lost {
        sleep(STATUS_TIME).await;
        match bulb.is_at(end, Deadline::after(QUERY_TIME)).await {
            Ok(arrived) => step.last_arrived = Some(arrived),
            Err(Error::LinkLost { .. }) => step.link_lost = true,
            Err(error) => return Err(error),
        }
    }
    Ok(step)
}

/// Encodes commands that alternate, and returns the brightness of the last one: the first brightness if there is one command,
/// the other if their number is even.
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

/// Runs a burst and counts statuses until there is one for each command, or none for [`STATUS_TIME`].
async fn count(bulb: &mut BenchBulb, burst: Burst, end: Percent) -> Result<(Written, u32)> {
    let running = burst.run();
    tokio::pin!(running);
    let mut written: Option<Written> = None;
    let mut statuses: u32 = 0;
    let mut until = Instant::now();
    loop {
        if let Some(done) = written.take_if(|done| done.lost || !bulb.notifies || statuses >= done.sent) {
            return Ok((done, statuses));
        }
        let is_written = written.is_some();
        tokio::select! {
            done = &mut running, if !is_written => {
                written = Some(done?);
                until = Instant::now() + STATUS_TIME;
            }
            status = bulb.next_status(end) => match status {
                Ok((more, _)) => {
                    statuses = statuses.saturating_add(more);
                    until = Instant::now() + STATUS_TIME;
                }
                Err(Error::LinkLost { .. }) => {
                    let done = match written.take() {
                        Some(done) => done,
                        None => running.await?,
                    };
                    return Ok((Written { lost: true, ..done }, statuses));
                }
                Err(error) => return Err(error),
            },
            () = sleep_until(until), if is_written => {
                if let Some(done) = written.take() {
                    return Ok((done, statuses));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_rate_is_below_every_loss() {
        let step = |wanted, reached, confirmed| RateStep {
            wanted,
            reached,
            sent: 10,
            refused: 0,
            confirmed: Some(confirmed),
            last_arrived: None,
            link_lost: false,
        };
        // The burst for 75/s was slower than the one for 50/s.
        let results = [step(30.0, 30.0, 10), step(50.0, 47.0, 10), step(75.0, 40.0, 7), step(62.0, 60.0, 10)];
        assert_eq!(limits(&results), (Some(30.0), Some(40.0)));
        assert_eq!(limits(&results[..2]), (Some(47.0), None));
        assert_eq!(limits(&results[2..3]), (None, Some(40.0)));
    }
}
