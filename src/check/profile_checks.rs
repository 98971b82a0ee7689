//! Checks defined in a profile file.

use std::time::Duration;

use bulb_protocol::profile::{DecodeError, Expectation, Profile, ProfileCheck};
use tokio::time::Instant;

use super::board::REQUEST_TIME;
use super::malformed::changes_nothing;
use super::{Board, Category, OrNotPassed, RunResult, failed};
use crate::radio::Deadline;

const LOOK: &str = "the handler of the frames that were written";

/// `FAMILY.NAME`
pub fn profile_check_name(profile: &Profile, check: &ProfileCheck) -> String {
    format!("{}.{}", profile.name, check.name)
}

pub const fn profile_check_category(check: &ProfileCheck) -> Category {
    if check.flashing { Category::Flashing } else { Category::Safe }
}

pub fn profile_check_hint(check: &ProfileCheck) -> &str {
    if check.look.is_empty() { LOOK } else { &check.look }
}

pub(super) async fn run(board: &mut Board, check: ProfileCheck) -> RunResult {
    let check = &check;
    board.prepare(true).await?;
    match &check.expect {
        Expectation::Unchanged => changes_nothing(board, &check.writes, &check.about).await,
        Expectation::Reply { role, within } => {
            write(board, check).await?;
            replies(board, check, role, *within).await
        }
        Expectation::Read { role } => {
            write(board, check).await?;
            let value = board.read(role).await.or_failed(&check.about)?;
            fits(board, check, &value).map_err(|error| failed(&check.about, format!("it was read: {error}")))
        }
    }
}

async fn write(board: &mut Board, check: &ProfileCheck) -> RunResult {
    board.drain();
    for write in &check.writes {
        board.write(write, Deadline::after(REQUEST_TIME)).await.or_failed("the frame is accepted")?;
    }
    Ok(())
}

fn fits(board: &Board, check: &ProfileCheck, value: &[u8]) -> Result<(), DecodeError> {
    board.profile().matches_check(check, value)
}

/// Waits for the frame. Ignores other frames, and reports the last of them if the right one does not come.
async fn replies(board: &mut Board, check: &ProfileCheck, role: &str, within: Duration) -> RunResult {
    let from = board.characteristic_of(role);
    let start = Instant::now();
    let mut seen = format!("nothing was notified within {} ms", within.as_millis());
    while let Some(notified) = board.next(within.saturating_sub(start.elapsed())).await? {
        if Some(notified.id) != from {
            continue;
        }
        match fits(board, check, &notified.bytes) {
            Ok(()) => return Ok(()),
            Err(error) => seen = format!("it was notified: {error}"),
        }
    }
    Err(failed(&check.about, seen))
}
