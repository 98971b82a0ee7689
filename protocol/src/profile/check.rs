//! Checks that a profile file adds to the conformance suite.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use super::codec::Body;
use super::compile::Compiler;
use super::decode::Nearest;
use super::error::{Mistake, Validated};
use super::file::{CheckDef, Located};
use super::frame::DecodeError;
use super::{Profile, Write};

/// A check of a family's own.
#[derive(Clone, Debug)]
pub struct OwnCheck {
    /// What it is called.
    pub name: String,
    /// What it expects, as one sentence.
    pub about: String,
    /// What is written, one frame after the other.
    pub writes: Vec<Write>,
    /// What has to come of it.
    pub expect: Expect,
    /// Whether it makes the light flash.
    pub flashing: bool,
    /// Where to look in the firmware when it fails; may be empty.
    pub look: String,
    pattern: Option<Body>,
}

/// What has to come of a check's writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// A frame that [`Profile::check_fits`] takes is notified.
    Reply {
        /// By this role.
        role: String,
        /// How long it may take.
        within: Duration,
    },
    /// This role's value is a frame that [`Profile::check_fits`] takes.
    Read {
        /// The role.
        role: String,
    },
    /// The state is what it was, and the link is up.
    Unchanged,
}

impl Profile {
    /// Whether bytes are the frame that a check expects.
    ///
    /// # Errors
    /// [`DecodeError`] with the bytes, and what is wrong with them.
    pub fn check_fits(&self, check: &OwnCheck, bytes: &[u8]) -> Result<(), DecodeError> {
        let Some(pattern) = &check.pattern else { return Ok(()) };
        let frame = self.unwrapped(bytes)?;
        match pattern.read(&frame, &self.can) {
            Ok(_) => Ok(()),
            Err(mismatch) => {
                let mut nearest = Nearest::default();
                nearest.add(mismatch);
                Err(nearest.error(&check.name, &self.can, &frame, bytes))
            }
        }
    }
}

impl Compiler<'_> {
    pub(super) fn checks(
        &self,
        write: impl Fn(&super::file::FirstDef) -> Validated<Write>,
    ) -> Validated<Vec<OwnCheck>> {
        let mut checks: Vec<OwnCheck> = Vec::new();
        for check in &self.file.check {
            let own = self.own_check(check, &write)?;
            if checks.iter().any(|other| other.name == own.name) {
                return Err(Mistake::new(
                    check.value.name.at,
                    format!("there are two checks {:?}", own.name),
                ));
            }
            checks.push(own);
        }
        Ok(checks)
    }

    fn own_check(
        &self,
        check: &Located<CheckDef>,
        write: impl Fn(&super::file::FirstDef) -> Validated<Write>,
    ) -> Validated<OwnCheck> {
        let (at, check) = (check.at, &check.value);
        super::compile::name(&check.name)?;
        let role = || self.role(at, &check.from);
        let (expect, pattern) = match (&check.reply, &check.read, check.unchanged) {
            (Some(frame), None, false) => {
                (Expect::Reply { role: role()?, within: check.within.0 }, Some(frame))
            }
            (None, Some(frame), false) => (Expect::Read { role: role()? }, Some(frame)),
            (None, None, true) => (Expect::Unchanged, None),
            _ => return Err(Mistake::new(at, "a check expects one of `reply`, `read` and `unchanged`")),
        };
        if check.write.is_empty() && !matches!(expect, Expect::Read { .. }) {
            return Err(Mistake::new(at, "a check without a `write` has to `read`"));
        }
        let pattern = pattern.map(|frame| self.body(frame.at, Some(&frame.value), None)).transpose()?;
        Ok(OwnCheck {
            name: check.name.value.to_owned(),
            about: check.about.trim_end_matches('.').to_string(),
            writes: check.write.iter().map(write).collect::<Validated<_>>()?,
            expect,
            flashing: check.flashing,
            look: check.look.clone(),
            pattern,
        })
    }
}
