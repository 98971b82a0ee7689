//! Measures the time from a write to its answer and to its notification, one write at a time.

use std::time::Duration;

use bulb_protocol::Percent;
use bulb_protocol::profile::Write;
use tokio::time::{Instant, sleep};

use super::bench_bulb::BenchBulb;
use super::{BenchPlan, BenchResult, Part, Series, is_round_failure};
use crate::error::{Error, Result};
use crate::radio::{Deadline, WriteKind};

const ACK_TIME: Duration = Duration::from_secs(2);
/// The longest pause between two rounds. The pauses differ, so that the rounds do not follow the connection events.
const MAX_PAUSE: Duration = Duration::from_millis(50);
/// The number of consecutive failures that ends the measurement.
const MAX_FAILURES: u32 = 5;

struct Round {
    notified: Option<Duration>,
    answered: Option<Duration>,
}

pub(super) async fn rounds(bulb: &mut BenchBulb, plan: &BenchPlan, result: &mut BenchResult) -> Result<()> {
    let (mut notifications, mut answers) = (Series::default(), Series::default());
    let answers_writes = bulb.kind(None)? == Some(WriteKind::Request);
    if !bulb.notifies && !answers_writes {
        result.skip(Part::Latency, "it neither answers writes nor notifies");
        return Ok(());
    }
    let mut failures = 0;
    for (round, counts) in plan.all_rounds() {
        let (brightness, writes) = bulb.command(round % 2 == 0)?;
        bulb.forget_old_notifications();
        match once(bulb, brightness, &writes, Deadline::after(plan.timeout)).await {
            Ok(Round { notified, answered }) => {
                if bulb.notifies {
                    notifications.add(counts, notified);
                }
                if answers_writes {
                    answers.add(counts, answered);
                }
                failures = if notified.or(answered).is_some() { 0 } else { failures + 1 };
            }
            Err(error) if is_round_failure(&error) => {
                tracing::info!("{error}");
                notifications.add(counts && bulb.notifies, None);
                answers.add(counts && answers_writes, None);
                failures += 1;
            }
            Err(error) => return Err(error),
        }
        if failures >= MAX_FAILURES {
            result.skip(
                Part::Latency,
                format!("stopped after {MAX_FAILURES} rounds in a row without an answer"),
            );
            break;
        }
        let pause = MAX_PAUSE * (round * 7 % 10) / 10;
        sleep(bulb.profile.link_rules.gap + pause).await;
    }
    result.notification = Some(notifications).filter(|_| bulb.notifies);
    result.answer = Some(answers).filter(|_| answers_writes);
    Ok(())
}

/// Writes, and waits for the answer and the notification at the same time: either may come first.
async fn once(
    bulb: &mut BenchBulb,
    brightness: Percent,
    writes: &[Write],
    deadline: Deadline,
) -> Result<Round> {
    let Some((last, first)) = writes.split_last() else {
        return Ok(Round { notified: None, answered: None });
    };
    let writer = bulb.writer(None);
    for write in first {
        writer.write(write, deadline).await?;
    }
    let (_, kind) = writer.destination(last)?;
    let start = Instant::now();
    let answer = async {
        writer.write_without_delay(last, deadline).await?;
        Ok(Some(start.elapsed()).filter(|_| kind == WriteKind::Request))
    };
    let notification = async {
        if !bulb.notifies {
            return Ok(None);
        }
        let notified = async {
            while !bulb.next_status(brightness).await?.1 {}
            Ok::<_, Error>(start.elapsed())
        };
        tokio::time::timeout(ACK_TIME, notified).await.ok().transpose()
    };
    let (answered, notified) = tokio::try_join!(answer, notification)?;
    Ok(Round { notified, answered })
}
