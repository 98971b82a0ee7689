//! The known state of a bulb, and where it comes from.

use bulb_protocol::profile::{Features, Light};
use serde::{Deserialize, Serialize};

/// The source of a state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Provenance {
    Reported,
    /// Written and not confirmed.
    Assumed,
    Advertised,
    #[default]
    Unknown,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BulbState {
    pub provenance: Provenance,
    pub light: Light,
    /// The parts that were only written, because the bulb does not report them.
    pub assumed: Features,
}

impl BulbState {
    pub fn reported(light: impl Into<Light>) -> Self {
        Self { provenance: Provenance::Reported, light: light.into(), assumed: Features::NONE }
    }

    pub fn assumed(light: impl Into<Light>) -> Self {
        let light = light.into();
        let assumed = light.features();
        Self { provenance: Provenance::Assumed, light, assumed }
    }

    pub fn advertised(light: impl Into<Light>) -> Self {
        Self { provenance: Provenance::Advertised, light: light.into(), assumed: Features::NONE }
    }

    pub fn unknown() -> Self {
        Self::default()
    }

    pub fn light(&self) -> Option<&Light> {
        (self.provenance != Provenance::Unknown).then_some(&self.light)
    }
}
