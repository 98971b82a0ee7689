//! The time from a write to its answer and its notification, one write at a time.

use std::time::Duration;

use bulb_protocol::Percent;
use bulb_protocol::profile::Write;
use tokio::time::{Instant, sleep};

use super::bench_bulb::BenchBulb;
use super::{BenchPlan, Measured, Part, Series, is_of_a_round};
use crate::error::{Error, Result};
use crate::radio::{Deadline, WriteKind};

/// How long to wait for a notification.
const ACK_TIME: Duration = Duration::from_secs(2);
/// Between two rounds: up to so long, another time each, so that the rounds do not march in step with the connection events.
const PAUSE: Duration = Duration::from_millis(50);
/// So many rounds in a row without anything are no accident.
const HOPELESS: u32 = 5;

/// What a round gave.
struct Round {
    notified: Option<Duration>,
    answered: Option<Duration>,
}

/// Measures rounds of one write each.
pub(super) async fn rounds(bulb: &mut BenchBulb, plan: &BenchPlan, measured: &mut Measured) -> Result<()> {
    let (mut notifications, mut answers) = (Series::default(), Series::default());
    let asks = bulb.kind(None)? == Some(WriteKind::Request);
    if !bulb.notifies && !asks {
        measured.skip(Part::Latency, "it is written to without an answer, and does not notify");
        return Ok(());
    }
    let mut in_a_row = 0;
    for (round, counts) in plan.all_rounds() {
        let (brightness, writes) = bulb.command(round % 2 == 0)?;
        bulb.forget_old_notifications();
        match once(bulb, brightness, &writes, Deadline::after(plan.timeout)).await {
            Ok(Round { notified, answered }) => {
                if bulb.notifies {
                    notifications.enter(counts, notified);
                }
                if asks {
                    answers.enter(counts, answered);
                }
                in_a_row = if notified.or(answered).is_some() { 0 } else { in_a_row + 1 };
            }
            Err(error) if is_of_a_round(&error) => {
                tracing::info!("{error}");
                notifications.enter(counts && bulb.notifies, None);
                answers.enter(counts && asks, None);
                in_a_row += 1;
            }
            Err(error) => return Err(error),
        }
        if in_a_row >= HOPELESS {
            measured.skip(
                Part::Latency,
                format!("it was given up after {HOPELESS} rounds in a row without an answer"),
            );
            break;
        }
        let uneven = PAUSE * (round * 7 % 10) / 10;
        sleep(bulb.profile.link_rules.gap + uneven).await;
    }
    measured.notification = Some(notifications).filter(|_| bulb.notifies);
    measured.answer = Some(answers).filter(|_| asks);
    Ok(())
}

/// Writes, and waits for the answer and for the notification at once: either may come first.
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
        let heard = async {
            while !bulb.next_status(brightness).await?.1 {}
            Ok::<_, Error>(start.elapsed())
        };
        tokio::time::timeout(ACK_TIME, heard).await.map_or(Ok(None), |heard| heard.map(Some))
    };
    let (answered, notified) = tokio::try_join!(answer, notification)?;
    Ok(Round { notified, answered })
}
