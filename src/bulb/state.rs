//! What is known of a bulb's state, and how.

use bulb_protocol::profile::{Features, Light};
use serde::Serialize;

/// How a state is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Provenance {
    /// The bulb said so.
    Reported,
    /// It was written, and not confirmed.
    Assumed,
    /// An advertisement said so, before any link.
    Advertised,
    /// Nothing is known: never asked, or the link was lost since.
    #[default]
    Unknown,
}

/// A bulb's state as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BulbState {
    /// How it is known.
    pub provenance: Provenance,
    /// What is known; nothing of it where the provenance is unknown.
    pub light: Light,
    /// Which parts of a reported state were only written: the bulb does not tell them.
    pub assumed: Features,
}

impl BulbState {
    /// The bulb said so.
    #[must_use]
    pub fn reported(light: impl Into<Light>) -> Self {
        Self { provenance: Provenance::Reported, light: light.into(), assumed: Features::NONE }
    }

    /// It was written, and not confirmed.
    #[must_use]
    pub fn assumed(light: impl Into<Light>) -> Self {
        let light = light.into();
        let assumed = light.features();
        Self { provenance: Provenance::Assumed, light, assumed }
    }

    /// An advertisement said so.
    #[must_use]
    pub fn advertised(light: impl Into<Light>) -> Self {
        Self { provenance: Provenance::Advertised, light: light.into(), assumed: Features::NONE }
    }

    /// Nothing is known.
    #[must_use]
    pub fn unknown() -> Self {
        Self::default()
    }

    /// The light, if anything is known of it.
    #[must_use]
    pub fn light(&self) -> Option<&Light> {
        (self.provenance != Provenance::Unknown).then_some(&self.light)
    }
}
