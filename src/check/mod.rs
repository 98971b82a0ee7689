//! The conformance suite: named checks of the behaviour that a family requires.
//!
//! [`run`] runs the checks of [`CHECKS`] and of the profile file on a [`Board`], which prepares the bulb for each check, keeps
//! the frames that passed, and restores the state that the bulb was found in.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::{Instant, timeout};

use bulb_protocol::profile::Profile;
use bulb_protocol::text::glob;

use crate::bulb::{BASE, Families, recognise, refuse_unsupported};
use crate::error::{Error, Result};
use crate::radio::{Deadline, Radio, SeenDevice};

mod board;
mod frames;
mod light;
mod link;
mod malformed;
mod profile_checks;
mod table;

pub use board::Board;
pub use profile_checks::{profile_check_category, profile_check_hint, profile_check_name};
pub use table::CHECKS;

const LINK_DROPPED: &str = "the link dropped";

/// The flag that a check needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// None: it always runs.
    Safe,
    /// `--flashing`.
    Flashing,
    /// `--long`.
    Long,
}

/// One check: a row of the table.
#[derive(Debug)]
pub struct Check {
    /// In kebab case. Never changes.
    pub name: &'static str,
    /// The requirement, as a sentence without a full stop.
    pub about: &'static str,
    pub category: Category,
    /// Returns why the check does not apply to a family, if so.
    pub skip_reason: fn(&Profile) -> Option<String>,
    pub run: for<'a> fn(&'a mut Board) -> BoxFuture<'a, RunResult>,
    /// The time limit, without the pause of a long check.
    pub time: Duration,
    /// Place to look in the firmware when it fails.
    pub look: &'static str,
}

/// The reason why a check did not pass.
#[derive(Clone, Debug, PartialEq)]
pub enum NotPassed {
    Failed {
        expected: String,
        seen: String,
    },
    /// Something else that the check needs does not work.
    Blocked(String),
    Skipped(String),
    /// The radio of this computer failed. This ends the run.
    RadioUnusable(Error),
}

pub type RunResult = Result<(), NotPassed>;

#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Passed,
    Failed { expected: String, seen: String },
    Blocked(String),
    Skipped(String),
}

#[derive(Clone, Debug)]
pub struct FinishedCheck {
    pub name: String,
    pub about: String,
    pub look: String,
    pub outcome: Outcome,
    pub took: Duration,
    /// The last frames, oldest first, such as `write fff1 request 0164ff0000`.
    pub frames: Vec<String>,
    /// More detail, such as a measured time.
    pub note: Option<String>,
}

/// The checks to run.
#[derive(Clone, Debug, Default)]
pub struct CheckPlan {
    /// Patterns of names; all checks if empty.
    pub only: Vec<String>,
    pub flashing: bool,
    /// Runs long checks, with a pause of this length.
    pub long: Option<Duration>,
}

impl CheckPlan {
    pub fn names(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|pattern| glob(pattern, name))
    }

    fn missing_flag(&self, category: Category) -> Option<&'static str> {
        match category {
            Category::Flashing if !self.flashing => Some("it flashes; --flashing runs it"),
            Category::Long if self.long.is_none() => Some("it takes minutes; --long runs it"),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub passed: usize,
    pub failed: usize,
    pub blocked: usize,
    pub skipped: usize,
    pub took: Duration,
    /// True if the bulb is back in the state that it was found in; `None` if that is not known.
    pub restored: Option<bool>,
}

/// The profile to check a bulb against: the one the user named, or the detected one. A bulb whose GATT table does not
/// fit the family it advertises is checked against that family, so that the suite shows what is missing.
///
/// # Errors
/// The bulb cannot be connected to, or it is of no family that can be checked.
pub async fn profile_for(
    radio: &dyn Radio,
    device: &SeenDevice,
    families: &Families,
    deadline: Deadline,
) -> Result<Arc<Profile>> {
    if let Some(named) = families.configured_profile(device)? {
        return Ok(named);
    }
    refuse_unsupported(device, families)?;
    let link = radio.connect(&device.id, deadline).await?;
    match recognise(link.as_ref(), device, families, deadline).await {
        Ok(profile) => Ok(profile),
        Err(
            error @ (Error::Unrecognised { .. }
            | Error::NoService { .. }
            | Error::NoCharacteristic { .. }
            | Error::WrongProperties { .. }),
        ) => match families.advertised(device) {
            Some(name) => families.load(&name).map(|(_, profile)| Arc::new(profile)),
            None if matches!(error, Error::Unrecognised { .. }) => Err(error),
            None => families.profile(BASE, None),
        },
        Err(error) => Err(error),
    }
}

/// Runs the checks one after the other, passes each result to `finished`, and restores the state that the bulb was found in.
///
/// # Errors
/// Those of `finished`, and errors of this computer's radio. A fault of the bulb is a result, not an error.
pub async fn run(
    board: &mut Board,
    plan: &CheckPlan,
    mut finished: impl FnMut(&FinishedCheck) -> Result<()>,
) -> Result<Summary> {
    let start = Instant::now();
    let mut summary = Summary::default();
    board.idle_time = plan.long.unwrap_or_default();
    for check in CHECKS.iter().filter(|check| plan.names(check.name)) {
        let &Check { name, about, category, look, .. } = check;
        let pause = if category == Category::Long { board.idle_time } else { Duration::ZERO };
        let row = Row { name, about, category, look, time: check.time + pause };
        let skip_reason = (check.skip_reason)(board.profile());
        summary.count(&row.run(board, plan, skip_reason, check.run).await?, &mut finished)?;
    }
    let profile = Arc::clone(board.profile());
    for check in &profile.checks {
        let name = profile_check_name(&profile, check);
        if plan.names(&name) {
            let row = Row {
                name: &name,
                about: &check.about,
                category: profile_check_category(check),
                look: profile_check_hint(check),
                time: table::TIME,
            };
            let done = row.run(board, plan, None, |board| profile_checks::run(board, check.clone()).boxed());
            summary.count(&done.await?, &mut finished)?;
        }
    }
    summary.restored = board.restorer().run().await;
    summary.took = start.elapsed();
    Ok(summary)
}

impl Summary {
    fn count(
        &mut self,
        done: &FinishedCheck,
        finished: &mut impl FnMut(&FinishedCheck) -> Result<()>,
    ) -> Result<()> {
        match done.outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed { .. } => self.failed += 1,
            Outcome::Blocked(_) => self.blocked += 1,
            Outcome::Skipped(_) => self.skipped += 1,
        }
        finished(done)
    }
}

/// A check of the table or of a profile file.
struct Row<'a> {
    name: &'a str,
    about: &'a str,
    category: Category,
    look: &'a str,
    time: Duration,
}

impl Row<'_> {
    /// Runs the check within its time limit.
    async fn run(
        &self,
        board: &mut Board,
        plan: &CheckPlan,
        skip_reason: Option<String>,
        run: impl for<'a> FnOnce(&'a mut Board) -> BoxFuture<'a, RunResult>,
    ) -> Result<FinishedCheck> {
        let start = Instant::now();
        board.begin_check();
        let missing_flag = plan.missing_flag(self.category).map(str::to_owned);
        let verdict = match missing_flag.or(skip_reason) {
            Some(reason) => Err(skipped(reason)),
            None => match timeout(self.time, run(board)).await {
                Ok(verdict) => verdict,
                Err(_) => {
                    // A request that hangs must not delay the next check.
                    board.drop_link().await;
                    let seen = format!("it did not end within {} s", self.time.as_secs());
                    Err(failed(self.about, seen))
                }
            },
        };
        let outcome = match verdict {
            Ok(()) => Outcome::Passed,
            Err(NotPassed::Failed { expected, seen }) => Outcome::Failed { expected, seen },
            Err(NotPassed::Blocked(reason)) => Outcome::Blocked(reason),
            Err(NotPassed::Skipped(reason)) => Outcome::Skipped(reason),
            Err(NotPassed::RadioUnusable(error)) => return Err(error),
        };
        let (frames, note) = board.end_check();
        Ok(FinishedCheck {
            name: self.name.to_owned(),
            about: self.about.to_owned(),
            look: self.look.to_owned(),
            outcome,
            took: start.elapsed(),
            frames,
            note,
        })
    }
}

/// Turns an error into the result of a check.
trait OrNotPassed<T> {
    /// For what this check tests.
    fn or_failed(self, what: &str) -> Result<T, NotPassed>;
    /// For what this check needs and another check tests.
    fn or_blocked(self, what: &str) -> Result<T, NotPassed>;
}

impl<T> OrNotPassed<T> for Result<T> {
    fn or_failed(self, what: &str) -> Result<T, NotPassed> {
        self.map_err(|error| not_passed(error, |error| failed(what, error.to_string())))
    }

    fn or_blocked(self, what: &str) -> Result<T, NotPassed> {
        self.map_err(|error| not_passed(error, |error| blocked(format!("{what}: {error}"))))
    }
}

/// Judges the bulb by `judge`, unless the radio of this computer is at fault.
fn not_passed(error: Error, judge: impl FnOnce(&Error) -> NotPassed) -> NotPassed {
    if error.kind().is_local() { NotPassed::RadioUnusable(error) } else { judge(&error) }
}

fn blocked(reason: impl Into<String>) -> NotPassed {
    NotPassed::Blocked(reason.into())
}

fn skipped(reason: impl Into<String>) -> NotPassed {
    NotPassed::Skipped(reason.into())
}

fn failed(expected: impl Into<String>, seen: impl Into<String>) -> NotPassed {
    NotPassed::Failed { expected: expected.into(), seen: seen.into() }
}
