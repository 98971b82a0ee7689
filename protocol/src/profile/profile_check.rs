//! Conformance checks that a profile file adds to the built-in ones.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use super::abilities::Reading;
use super::codec::Body;
use super::compile::{Compiler, validate_name};
use super::decode::ClosestMismatch;
use super::error::{Mistake, Validated, all, both};
use super::file::{CheckDef, FirstWriteDef, Located};
use super::frame::DecodeError;
use super::{Profile, Write};

/// A conformance check of a profile file.
#[derive(Clone, Debug)]
pub struct ProfileCheck {
    /// The name: lower-case letters, digits and hyphens.
    pub name: String,
    /// The expected behaviour, as a sentence without a full stop.
    pub about: String,
    /// The writes, in order.
    pub writes: Vec<Write>,
    /// The expected effect of the writes.
    pub expect: Expectation,
    /// True if it makes the light flash.
    pub flashing: bool,
    /// Place to look in the firmware after a failure; may be empty.
    pub look: String,
    pattern: Option<Body>,
}

/// The expected effect of the writes of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// The bulb notifies a frame that [`Profile::matches_check`] accepts.
    Reply {
        /// The role that notifies.
        role: String,
        /// The time that the reply may take.
        within: Duration,
    },
    /// A role has a value that [`Profile::matches_check`] accepts.
    Read {
        /// The role to read.
        role: String,
    },
    /// The state is the same as before, and the link is up.
    Unchanged,
}

impl Profile {
    /// Compares bytes with the frame that a check expects. A check that expects no frame accepts all bytes.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes do not match the frame.
    pub fn matches_check(&self, check: &ProfileCheck, bytes: &[u8]) -> Result<(), DecodeError> {
        let Some(pattern) = &check.pattern else { return Ok(()) };
        let frame = self.unwrapped(bytes)?;
        pattern.read(&frame, &self.abilities, Reading::Status).map(|_| ()).map_err(|mismatch| {
            let mut closest = ClosestMismatch::default();
            closest.add(mismatch);
            closest.error(&check.name, &self.abilities, &frame, bytes)
        })
    }
}

impl Compiler<'_> {
    pub(super) fn checks(
        &self,
        write: impl Fn(&FirstWriteDef) -> Validated<Write>,
    ) -> Validated<Vec<ProfileCheck>> {
        let check = |(index, table): (usize, &Located<CheckDef>)| {
            let name = &table.value.name;
            let mut before = self.file.check.iter().take(index);
            let unique = match before.find(|other| other.value.name.value == name.value) {
                Some(_) => Err(Mistake::new(name.at, format!("there are two checks {:?}", name.value))),
                None => Ok(()),
            };
            both(self.check(table, &write), unique).map(|(check, ())| check)
        };
        all(self.file.check.iter().enumerate().map(check))
    }

    fn check(
        &self,
        check: &Located<CheckDef>,
        write: impl Fn(&FirstWriteDef) -> Validated<Write>,
    ) -> Validated<ProfileCheck> {
        let (at, check) = (check.at, &check.value);
        validate_name(check.name.at, &check.name.value)?;
        let role = || self.role(at, &check.from);
        let (expect, pattern) = match (&check.reply, &check.read, check.unchanged) {
            (Some(frame), None, false) => {
                (Expectation::Reply { role: role()?, within: check.within.0 }, Some(frame))
            }
            (None, Some(frame), false) => (Expectation::Read { role: role()? }, Some(frame)),
            (None, None, true) => (Expectation::Unchanged, None),
            _ => return Err(Mistake::new(at, "a check needs one of `reply`, `read` and `unchanged`")),
        };
        if check.write.is_empty() && !matches!(expect, Expectation::Read { .. }) {
            return Err(Mistake::new(at, "a check without `write` needs `read`"));
        }
        let pattern = pattern.map(|frame| self.body(frame.at, Some(&frame.value), None)).transpose()?;
        Ok(ProfileCheck {
            name: check.name.value.clone(),
            about: check.about.trim_end_matches('.').to_string(),
            writes: check.write.iter().map(write).collect::<Validated<_>>()?,
            expect,
            flashing: check.flashing,
            look: check.look.clone(),
            pattern,
        })
    }
}
