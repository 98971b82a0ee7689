//! What is known of a bulb's state, and how.

use bulb_protocol::LightState;
use serde::Serialize;

/// How a state is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Provenance {
    /// The bulb said so.
    Reported,
    /// It was written, and not confirmed.
    Assumed,
    /// Nothing is known: never asked, or the link was lost since.
    Unknown,
}

/// A bulb's state as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BulbState {
    /// The bulb said so.
    Reported(LightState),
    /// It was written, and not confirmed.
    Assumed(LightState),
    /// Nothing is known.
    Unknown,
}

impl BulbState {
    /// How it is known.
    #[must_use]
    pub const fn provenance(self) -> Provenance {
        match self {
            Self::Reported(_) => Provenance::Reported,
            Self::Assumed(_) => Provenance::Assumed,
            Self::Unknown => Provenance::Unknown,
        }
    }

    /// The light, if anything is known of it.
    #[must_use]
    pub const fn light(self) -> Option<LightState> {
        match self {
            Self::Reported(light) | Self::Assumed(light) => Some(light),
            Self::Unknown => None,
        }
    }
}
