//! Checks of a profile's own.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::Deserialize;

use super::super::text::Time;
use super::{FirstWriteDef, Located};

/// A check of this family's own. It expects one of `reply`, `read` and `unchanged`.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct CheckDef {
    /// What it is called: small letters, digits and hyphens
    pub(crate) name: Located<String>,
    /// What it expects, as one sentence without a full stop
    pub(crate) about: String,
    /// What is written, one frame after the other
    #[serde(default)]
    pub(crate) write: Vec<FirstWriteDef>,
    /// The frame that has to come back by notification
    pub(crate) reply: Option<Located<String>>,
    /// The frame that has to be read afterwards
    pub(crate) read: Option<Located<String>>,
    /// The writes may be refused, and change nothing; the link stays up
    #[serde(default)]
    pub(crate) unchanged: bool,
    /// The role that the reply comes from, or that is read
    #[serde(default = "super::status")]
    pub(crate) from: String,
    /// How long the reply may take
    #[serde(default = "second")]
    pub(crate) within: Time,
    /// Whether it makes the light flash: it is run with `--flashing` only
    #[serde(default)]
    pub(crate) flashing: bool,
    /// Where to look in the firmware when it fails
    #[serde(default)]
    pub(crate) look: String,
}

const fn second() -> Time {
    Time(Duration::from_secs(1))
}
