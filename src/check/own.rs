//! Checks that a profile file brings with it.

use std::time::Duration;

use bulb_protocol::profile::{DecodeError, Expect, OwnCheck, Profile};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::malformed::changes_nothing;
use super::stand::REQUEST_TIME;
use super::{Class, Judge, Stand, Verdict, failed};
use crate::radio::Deadline;

/// What is told of one where its file does not say where to look.
const LOOK: &str = "the handler of the frames that were written";

/// The name by which it is run and reported: the family's, a dot, and its own.
#[must_use]
pub fn own_name(profile: &Profile, check: &OwnCheck) -> String {
    format!("{}.{}", profile.name, check.name)
}

/// When it is run.
#[must_use]
pub const fn own_class(check: &OwnCheck) -> Class {
    if check.flashing { Class::Flashing } else { Class::Safe }
}

/// Where to look in the firmware when it fails.
#[must_use]
pub fn own_look(check: &OwnCheck) -> &str {
    if check.look.is_empty() { LOOK } else { &check.look }
}

pub(super) fn run(stand: &mut Stand, check: OwnCheck) -> BoxFuture<'_, Verdict> {
    async move {
        let check = &check;
        stand.base(true).await?;
        match &check.expect {
            Expect::Unchanged => changes_nothing(stand, &check.writes, &check.about).await,
            Expect::Reply { role, within } => {
                write(stand, check).await?;
                replies(stand, check, role, *within).await
            }
            Expect::Read { role } => {
                write(stand, check).await?;
                let value = stand.read(role).await.shall(&check.about)?;
                fits(stand, check, &value)
                    .map_err(|fault| failed(&check.about, format!("it was read: {fault}")))
            }
        }
    }
    .boxed()
}

async fn write(stand: &mut Stand, check: &OwnCheck) -> Verdict {
    stand.drain();
    for write in &check.writes {
        stand.write(write, Deadline::after(REQUEST_TIME)).await.shall("the frame is accepted")?;
    }
    Ok(())
}

fn fits(stand: &Stand, check: &OwnCheck, value: &[u8]) -> Result<(), DecodeError> {
    stand.profile().check_fits(check, value)
}

/// Waits for the frame. Others that come meanwhile are none of its business, and said where it does not come.
async fn replies(stand: &mut Stand, check: &OwnCheck, role: &str, within: Duration) -> Verdict {
    let from = stand.place(role);
    let start = Instant::now();
    let mut seen = format!("nothing was notified within {} ms", within.as_millis());
    while let Some(notified) = stand.next(within.saturating_sub(start.elapsed())).await? {
        if Some(notified.id) != from {
            continue;
        }
        match fits(stand, check, &notified.bytes) {
            Ok(()) => return Ok(()),
            Err(fault) => seen = format!("it was notified: {fault}"),
        }
    }
    Err(failed(&check.about, seen))
}
