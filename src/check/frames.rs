//! Checks of late answers, late notifications, and lost writes.

use std::time::Duration;

use bulb_protocol::Percent;
use bulb_protocol::profile::{Feature, Features, Light, Profile};
use tokio::time::{Instant, sleep};

use super::board::SETTLE_TIME;
use super::light::{power, require_unchanged};
use super::link::notifies;
use super::{Board, OrNotPassed, RunResult, blocked, failed};
use crate::bulb::ACK_TIME;

/// A notification this long before the answer is too early. Shorter times may come from the system.
const EARLY: Duration = Duration::from_millis(20);
/// A burst has this many rounds of this many writes. After each round, its last write must have arrived.
const ROUNDS: u8 = 10;
const ROUND: u8 = 20;

pub(super) fn notifies_commands(profile: &Profile) -> Option<String> {
    let readback = profile.readback();
    let silent = !readback.command && !readback.change;
    notifies(profile).or_else(|| silent.then(|| "its family does not notify after commands".to_owned()))
}

async fn prepare_subscribed(board: &mut Board) -> RunResult {
    board.prepare(true).await?;
    if board.is_subscribed() { Ok(()) } else { Err(blocked("it cannot be subscribed to, see subscribes")) }
}

pub(super) async fn answers_in_time(board: &mut Board) -> RunResult {
    board.prepare(true).await?;
    let start = Instant::now();
    board.send(&power(false)).await.or_failed("the command is accepted")?;
    let took = start.elapsed();
    board.note = Some(format!("{} ms", took.as_millis()));
    sleep(SETTLE_TIME).await;
    if took <= ACK_TIME {
        return Ok(());
    }
    Err(failed("a write is answered within 1 s", format!("the answer came after {} ms", took.as_millis())))
}

pub(super) async fn notifies_in_time(board: &mut Board) -> RunResult {
    prepare_subscribed(board).await?;
    board.send(&power(false)).await.or_failed("the command is accepted")?;
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

pub(super) async fn notified_is_read(board: &mut Board) -> RunResult {
    prepare_subscribed(board).await?;
    board.send(&power(false)).await.or_failed("the command is accepted")?;
    let Some(notified) = board.collect_status(ACK_TIME, |light| !light.features().is_empty()).await? else {
        return Err(blocked("no status was notified, see notifies-in-time"));
    };
    let read = board.read_state().await.or_blocked("see state-readable")?;
    require_unchanged(board, &notified, &read, notified.features(), "a read returns the notified state")
}

pub(super) fn reads(profile: &Profile) -> Option<String> {
    let reads = profile.readback().read;
    notifies_commands(profile).or_else(|| (!reads).then(|| "its state cannot be read".to_owned()))
}

pub(super) async fn answer_first(board: &mut Board) -> RunResult {
    prepare_subscribed(board).await?;
    let (answered, notified) =
        board.write_and_watch(&power(false)).await.or_failed("the command is accepted")?;
    sleep(SETTLE_TIME).await;
    let Some(notified) = notified else { return Ok(()) };
    let early = answered.saturating_duration_since(notified.at);
    if early < EARLY {
        return Ok(());
    }
    let seen =
        format!("{} was notified {} ms before the answer", hex::encode(notified.bytes), early.as_millis());
    Err(failed("a write is answered before its change is notified", seen))
}

pub(super) async fn burst(board: &mut Board) -> RunResult {
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
            && alone.brightness.is_some()
            && !board.profile().inexact(last.features(), before, &board.known).is_empty()
            && board.profile().inexact(last.features(), before, alone).is_empty()
        {
            return Err(blocked("a change of brightness is not carried out"));
        }
        sleep(SETTLE_TIME).await;
        for number in 0..ROUND {
            let begin = Instant::now();
            let level = if number + 1 == ROUND { last.clone() } else { dimmed(10 + number) };
            board.send(&level).await.or_failed("every write of the burst is accepted")?;
            slowest = slowest.max(begin.elapsed());
            if slowest > ACK_TIME + gap {
                return Err(blocked("its answers are too slow, see answers-in-time"));
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

fn dimmed(percent: u8) -> Light {
    Light { brightness: Some(Percent::clamped(percent)), ..Light::default() }
}

pub(super) async fn switching(board: &mut Board) -> RunResult {
    board.prepare(false).await?;
    for number in 0..ROUND {
        let begin = Instant::now();
        board.send(&power(number % 2 == 1)).await.or_failed("every switch is accepted")?;
        if begin.elapsed() > ACK_TIME + board.profile().link_rules.gap * 2 {
            return Err(blocked("its answers are too slow, see answers-in-time"));
        }
    }
    sleep(SETTLE_TIME).await;
    let notified = board.latest_status();
    let Some(after) = board.current_state(notified).await? else { return Ok(()) };
    let commanded = board.known.clone();
    let items = Features::NONE.with(Feature::Power);
    require_unchanged(board, &commanded, &after, items, "after twenty switches it is in the last state")
}
