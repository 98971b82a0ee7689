//! The `[[check]]` tables.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::Deserialize;

use super::super::text::Time;
use super::{FirstWriteDef, Located};

/// A conformance check for this family. It needs one of `reply`, `read` and `unchanged`.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct CheckDef {
    /// The name: lower-case letters, digits and hyphens
    pub(crate) name: Located<String>,
    /// The expected behaviour, as a sentence without a full stop
    pub(crate) about: String,
    /// The writes, in order
    #[serde(default)]
    pub(crate) write: Vec<FirstWriteDef>,
    /// The frame that the bulb must notify
    pub(crate) reply: Option<Located<String>>,
    /// The frame that a read must return afterwards
    pub(crate) read: Option<Located<String>>,
    /// The writes must not change the state or drop the link; the bulb may refuse them
    #[serde(default)]
    pub(crate) unchanged: bool,
    /// The role that notifies or is read (status)
    #[serde(default = "super::status")]
    pub(crate) from: String,
    /// The time that the reply may take (1s)
    #[serde(default = "second")]
    pub(crate) within: Time,
    /// The check makes the light flash, so it only runs with `--flashing`
    #[serde(default)]
    pub(crate) flashing: bool,
    /// Place to look in the firmware after a failure
    #[serde(default)]
    pub(crate) look: String,
}

const fn second() -> Time {
    Time(Duration::from_secs(1))
}
