//! Checks of the time of answers and notifications, and of lost writes.

use std::time::Duration;

use bulb_protocol::Percent;
use bulb_protocol::profile::{Feature, Features, Light, Profile};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::{Instant, sleep};

use super::board::SETTLE_TIME;
use super::light::require_unchanged;
use super::link::notifies;
use super::{Board, NotPassed, OrNotPassed, RunResult, failed};
use crate::bulb::ACK_TIME;

/// A notification this long before the answer is too early. Shorter times may come from the system.
const EARLY: Duration = Duration::from_millis(20);
/// A burst has this many rounds of this many writes. After each round, its last write must have arrived.
const ROUNDS: u8 = 10;
const ROUND: u8 = 20;

pub(super) fn notifies_commands(profile: &Profile) -> Option<String> {
    let way = profile.readback();
    let silent = !way.command && !way.change;
    notifies(profile).or_else(|| silent.then(|| "its family does not notify after commands".to_owned()))
}

fn off() -> Light {
    Light { power: Some(false), ..Light::default() }
}

async fn listening(board: &mut Board) -> RunResult {
    board.prepare(true).await?;
    match board.is_subscribed() {
        true => Ok(()),
        false => Err(NotPassed::Blocked("it cannot be subscribed to, see subscribes".to_owned())),
    }
}

pub(super) fn answers_in_time(board: &mut Board) -> BoxFuture<'_, RunResult> {
    async {
        board.prepare(true).await?;
        let start = Instant::now();
        board.send(&off()).await.or_failed("the command is accepted")?;
        let took = start.elapsed();
        board.note = Some(format!("{} ms", took.as_millis()));
        sleep(SETTLE_TIME).await;
        match took <= ACK_TIME {
            true => Ok(()),
            false => Err(failed(
                "a write is answered within 1 s",
                format!("the answer came after {} ms", took.as_millis()),
            )),
        }
    }
    .boxed()
}

pub(super) fn notifies_in_time(board: &mut Board) -> BoxFuture<'_, RunResult> {
    async {
        listening(board).await?;
        board.send(&off()).await.or_failed("the command is accepted")?;
        let start = Instant::now();
        let expected = "a frame of its family is notified within 1 s";
        let mut seen = "nothing was notified".to_owned();
        loop {
            let left = ACK_TIME.saturating_sub(start.elapsed());
            let Some(notified) = board.next(left).await? else { break };
            if board.decode(&notified).is_some() {
                board.note = Some(format!("{} ms", notified.at.duration_since(start).as_millis()));
                return Ok(());
            }
            seen = format!("{} {} was notified", notified.id, hex::encode(&notified.bytes));
        }
        // A late notification must not count for the next check.
        if let Some(late) = board.next(ACK_TIME * 4).await? {
            seen = format!(
                "{seen}; {} after {} ms",
                hex::encode(&late.bytes),
                late.at.duration_since(start).as_millis()
            );
        }
        Err(failed(expected, seen))
    }
    .boxed()
}

pub(super) fn notified_is_read(board: &mut Board) -> BoxFuture<'_, RunResult> {
    async {
        listening(board).await?;
        board.send(&off()).await.or_failed("the command is accepted")?;
        let Some(told) = board.collect_status(ACK_TIME, |light| !light.features().is_empty()).await? else {
            return Err(NotPassed::Blocked("no report was notified, see notifies-in-time".to_owned()));
        };
        let read = board.read_state().await.or_blocked("see state-readable")?;
        require_unchanged(board, &told, &read, told.features(), "what is read is what was notified")
    }
    .boxed()
}

pub(super) fn reads(profile: &Profile) -> Option<String> {
    let reads = profile.readback().read;
    notifies_commands(profile).or_else(|| (!reads).then(|| "its state cannot be read".to_owned()))
}

pub(super) fn answer_first(board: &mut Board) -> BoxFuture<'_, RunResult> {
    async {
        listening(board).await?;
        let (answered, notified) =
            board.write_and_watch(&off()).await.or_failed("the command is accepted")?;
        sleep(SETTLE_TIME).await;
        let Some(notified) = notified else { return Ok(()) };
        let early = answered.saturating_duration_since(notified.at);
        if early < EARLY {
            return Ok(());
        }
        let seen = format!(
            "{} was notified {} ms before the answer",
            hex::encode(notified.bytes),
            early.as_millis()
        );
        Err(failed("a write is answered before what it changed is notified", seen))
    }
    .boxed()
}

pub(super) fn burst(board: &mut Board) -> BoxFuture<'_, RunResult> {
    async {
        let gap = board.profile().link_rules.gap;
        board.prepare(true).await?;
        let before = board.current_state(None).await?;
        let start = Instant::now();
        let mut slowest = Duration::ZERO;
        for round in 0..ROUNDS {
            // The last command must lead to the same state alone and after all the others.
            let last = dimmed(39 - round);
            let alone = board.command(&last).await?;
            if let (0, Some(before), Some(alone)) = (round, &before, &alone)
                && board.profile().mismatches(last.features(), before, alone).is_empty()
            {
                return Err(NotPassed::Blocked("a change of brightness is not carried out".to_owned()));
            }
            sleep(SETTLE_TIME).await;
            for number in 0..ROUND {
                let begun = Instant::now();
                let level = if number + 1 == ROUND { last.clone() } else { dimmed(10 + number) };
                board.send(&level).await.or_failed("every write of the burst is accepted")?;
                slowest = slowest.max(begun.elapsed());
                if slowest > ACK_TIME + gap {
                    return Err(NotPassed::Blocked(
                        "its answers are too slow, see answers-in-time".to_owned(),
                    ));
                }
            }
            sleep(SETTLE_TIME).await;
            let notified = board.latest_status();
            let after = board.current_state(notified).await?;
            if let (Some(alone), Some(after)) = (alone, after) {
                let items = alone.features();
                let what = format!("the last of {ROUND} writes in a row arrives");
                require_unchanged(board, &alone, &after, items, &what)?;
            }
        }
        board.note = Some(format!("200 writes in {} ms", start.elapsed().as_millis()));
        Ok(())
    }
    .boxed()
}

fn dimmed(percent: u8) -> Light {
    Light { brightness: Some(Percent::clamped(percent)), ..Light::default() }
}

pub(super) fn switching(board: &mut Board) -> BoxFuture<'_, RunResult> {
    async {
        board.prepare(false).await?;
        for number in 0..ROUND {
            let begun = Instant::now();
            let wanted = Light { power: Some(number % 2 == 1), ..Light::default() };
            board.send(&wanted).await.or_failed("every switch is accepted")?;
            if begun.elapsed() > ACK_TIME + board.profile().link_rules.gap * 2 {
                return Err(NotPassed::Blocked("its answers are too slow, see answers-in-time".to_owned()));
            }
        }
        sleep(SETTLE_TIME).await;
        let notified = board.latest_status();
        let Some(after) = board.current_state(notified).await? else { return Ok(()) };
        let told = board.known.clone();
        let power = Features::NONE.with(Feature::Power);
        require_unchanged(board, &told, &after, power, "after twenty switches it is as the last one says")
    }
    .boxed()
}
