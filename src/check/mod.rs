//! The conformance suite: what a bulb of a family has to do, one named check each.
//!
//! [`CHECKS`] is the table of all; [`run`] goes through it over one [`Board`], which brings the bulb to what each check needs,
//! keeps what passed, and puts the bulb back into the state that it was found in ([`Restorer`](crate::bulb::Undo)).

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::{Instant, timeout};

use bulb_protocol::profile::Profile;
use bulb_protocol::text::glob;

use crate::error::{Error, Result};

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

/// When a check is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// Always.
    Safe,
    /// Where flashing light was allowed.
    Flashing,
    /// Where the time for it was given.
    Long,
}

/// One check: a row of the table.
#[derive(Debug)]
pub struct Check {
    /// What it is called; kebab case, and kept for good.
    pub name: &'static str,
    /// What it expects, as one sentence without a full stop.
    pub about: &'static str,
    /// When it is run.
    pub class: Category,
    /// Why a bulb of this family does not have it; nothing where it does.
    pub lacks: fn(&Profile) -> Option<String>,
    /// How it is run. Everything that it needs it brings about itself.
    pub run: for<'a> fn(&'a mut Board) -> BoxFuture<'a, RunResult>,
    /// How long it may take, besides the time of a long one.
    pub time: Duration,
    /// Where to look in the firmware when it fails.
    pub look: &'static str,
}

/// How a check ends before it has passed.
#[derive(Clone, Debug, PartialEq)]
pub enum NotPassed {
    /// The bulb does otherwise than it should.
    Failed {
        /// What was expected.
        expected: String,
        /// What was seen instead.
        seen: String,
    },
    /// It cannot be said, because something else does not work; what.
    Blocked(String),
    /// It is of no use here; why.
    Skipped(String),
    /// The radio itself is of no use any more.
    RadioUnusable(Error),
}

/// How a check ends.
pub type RunResult = Result<(), NotPassed>;

/// What became of a check.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The bulb does what it should.
    Passed,
    /// It does not.
    Failed {
        /// What was expected.
        expected: String,
        /// What was seen instead.
        seen: String,
    },
    /// It cannot be said: what is in the way.
    Blocked(String),
    /// It was not run: why.
    Skipped(String),
}

/// A check that is over.
#[derive(Clone, Debug)]
pub struct FinishedCheck {
    /// Its name.
    pub name: String,
    /// What it expects.
    pub about: String,
    /// Where to look in the firmware when it fails.
    pub look: String,
    /// What became of it.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
    /// The last frames that passed, oldest first, as the air log has them: `write fff1 request 0164ff0000`.
    pub frames: Vec<String>,
    /// What else there is to say.
    pub note: Option<String>,
}

/// Which checks are run.
#[derive(Clone, Debug, Default)]
pub struct CheckPlan {
    /// Only those whose names match one of these; all where there are none.
    pub only: Vec<String>,
    /// Those that flash, too.
    pub flashing: bool,
    /// Those that take long too, and how long the bulb is left alone in them.
    pub long: Option<Duration>,
}

impl CheckPlan {
    /// Whether a check was asked for by its name.
    #[must_use]
    pub fn names(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|pattern| glob(pattern, name))
    }

    /// Why a check of this class is left out, if it is.
    fn leaves_out(&self, class: Category) -> Option<&'static str> {
        match class {
            Category::Flashing if !self.flashing => Some("it flashes; --flashing runs it"),
            Category::Long if self.long.is_none() => Some("it takes minutes; --long runs it"),
            _ => None,
        }
    }
}

/// How all of it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many passed.
    pub passed: usize,
    /// How many failed.
    pub failed: usize,
    /// How many could not be run.
    pub blocked: usize,
    /// How many were left out.
    pub skipped: usize,
    /// How long it took.
    pub took: Duration,
    /// Whether the bulb is as it was found; nothing where it never told how it was.
    pub restored: Option<bool>,
}

/// Runs the checks one after the other, gives each to `told` when it is over, and puts the bulb back into the state that it
/// was found in.
///
/// # Errors
/// What `told` gives, and the error that leaves the radio itself without use. What is wrong with the bulb is no error.
pub async fn run(
    board: &mut Board,
    plan: &CheckPlan,
    mut told: impl FnMut(&FinishedCheck) -> Result<()>,
) -> Result<Summary> {
    let start = Instant::now();
    let mut summary = Summary::default();
    board.idle_time = plan.long.unwrap_or_default();
    for check in CHECKS.iter().filter(|check| plan.names(check.name)) {
        let time = check.time + if check.class == Category::Long { board.idle_time } else { Duration::ZERO };
        let row = Row { name: check.name, about: check.about, class: check.class, look: check.look, time };
        let lacks = (check.lacks)(board.profile());
        summary.count(&row.run(board, plan, lacks, |board| (check.run)(board)).await?, &mut told)?;
    }
    let profile = Arc::clone(board.profile());
    for check in &profile.checks {
        let name = profile_check_name(&profile, check);
        if plan.names(&name) {
            let (about, look, own) = (&*check.about, profile_check_hint(check), check.clone());
            let row =
                Row { name: &name, about, class: profile_check_category(check), look, time: table::TIME };
            summary.count(
                &row.run(board, plan, None, |board| profile_checks::run(board, own)).await?,
                &mut told,
            )?;
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
        told: &mut impl FnMut(&FinishedCheck) -> Result<()>,
    ) -> Result<()> {
        match done.outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed { .. } => self.failed += 1,
            Outcome::Blocked(_) => self.blocked += 1,
            Outcome::Skipped(_) => self.skipped += 1,
        }
        told(done)
    }
}

/// One check, of the table or of the profile's own.
struct Row<'a> {
    name: &'a str,
    about: &'a str,
    class: Category,
    look: &'a str,
    time: Duration,
}

impl Row<'_> {
    /// Runs it within its time.
    async fn run<'s>(
        &self,
        board: &'s mut Board,
        plan: &CheckPlan,
        lacks: Option<String>,
        run: impl for<'a> FnOnce(&'a mut Board) -> BoxFuture<'a, RunResult>,
    ) -> Result<FinishedCheck> {
        let start = Instant::now();
        board.begin_check();
        let left_out = plan.leaves_out(self.class).map(str::to_owned);
        let verdict = match left_out.or(lacks) {
            Some(why) => Err(NotPassed::Skipped(why)),
            None => match timeout(self.time, run(board)).await {
                Ok(verdict) => verdict,
                Err(_) => {
                    // Whatever hangs there is not to be in the way of the next one.
                    board.drop_link().await;
                    let seen = format!("it was not over after {} s", self.time.as_secs());
                    Err(failed(self.about, seen))
                }
            },
        };
        let outcome = match verdict {
            Ok(()) => Outcome::Passed,
            Err(NotPassed::Failed { expected, seen }) => Outcome::Failed { expected, seen },
            Err(NotPassed::Blocked(what)) => Outcome::Blocked(what),
            Err(NotPassed::Skipped(why)) => Outcome::Skipped(why),
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

/// What an error of the radio or the bulb means for a check.
trait OrNotPassed<T> {
    /// The bulb should have done it.
    fn or_failed(self, what: &str) -> Result<T, NotPassed>;
    /// It has to work for the check, and is what another check is for.
    fn or_blocked(self, what: &str) -> Result<T, NotPassed>;
}

impl<T> OrNotPassed<T> for Result<T> {
    fn or_failed(self, what: &str) -> Result<T, NotPassed> {
        self.map_err(|error| match error {
            error if error.kind().is_local() => NotPassed::RadioUnusable(error),
            error => failed(what, error.to_string()),
        })
    }

    fn or_blocked(self, what: &str) -> Result<T, NotPassed> {
        self.map_err(|error| match error {
            error if error.kind().is_local() => NotPassed::RadioUnusable(error),
            error => NotPassed::Blocked(format!("{what}: {error}")),
        })
    }
}

fn failed(expected: impl Into<String>, seen: impl Into<String>) -> NotPassed {
    NotPassed::Failed { expected: expected.into(), seen: seen.into() }
}
