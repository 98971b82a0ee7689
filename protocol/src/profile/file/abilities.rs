//! The `[can]` table.

use alloc::collections::BTreeMap;
use alloc::string::String;

use serde::Deserialize;

use super::super::abilities::Grade;
use super::{Located, Pair};

/// The features of the bulb. It does not have the others.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct AbilitiesDef {
    /// Switch on and off
    pub(crate) power: Option<Located<PowerDef>>,
    /// Brightness, percent
    pub(crate) brightness: Option<Located<BrightnessDef>>,
    /// Colour
    pub(crate) color: Option<Located<ColorDef>>,
    /// Level of the white channel, percent
    pub(crate) white: Option<Located<LevelDef>>,
    /// Colour temperature of white
    pub(crate) kelvin: Option<Located<KelvinDef>>,
    /// Effects
    pub(crate) effect: Option<Located<EffectDef>>,
    /// Speed of effects, percent, higher is faster
    pub(crate) speed: Option<Located<LevelDef>>,
}

/// The numbers for on and off.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct PowerDef {
    /// The number for on (1)
    pub(crate) on: Option<u32>,
    /// The number for off (0)
    pub(crate) off: Option<u32>,
    /// The trust in this feature: A, B or C
    pub(crate) grade: Option<Grade>,
}

/// Brightness, percent.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct BrightnessDef {
    /// The least and the greatest value, percent (0, 100)
    pub(crate) range: Option<Pair>,
    /// The numbers in frames for these (the same)
    pub(crate) raw: Option<Pair>,
    /// Round numbers down, not to the nearest
    #[serde(default)]
    pub(crate) down: bool,
    /// Frames have no brightness: dim colour and white instead
    #[serde(default)]
    pub(crate) scaled: bool,
    /// The trust in this feature: A, B or C
    pub(crate) grade: Option<Grade>,
}

/// A percentage.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct LevelDef {
    /// The least and the greatest value, percent (0, 100)
    pub(crate) range: Option<Pair>,
    /// The numbers in frames for these (the same)
    pub(crate) raw: Option<Pair>,
    /// Round numbers down, not to the nearest
    #[serde(default)]
    pub(crate) down: bool,
    /// The trust in this feature: A, B or C
    pub(crate) grade: Option<Grade>,
}

/// Colour.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct ColorDef {
    /// The numbers of a dark and of a full channel (0, 255)
    pub(crate) raw: Option<Pair>,
    /// The number of full saturation (100)
    pub(crate) saturation: Option<u32>,
    /// The trust in this feature: A, B or C
    pub(crate) grade: Option<Grade>,
}

/// Colour temperature of white.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct KelvinDef {
    /// The warmest and the coldest temperature, kelvin
    pub(crate) range: Pair,
    /// The numbers in frames for these (the same)
    pub(crate) raw: Option<Pair>,
    /// Numbers are in mireds: 1,000,000 divided by the kelvin
    #[serde(default)]
    pub(crate) mired: bool,
    /// The preview colours that frames carry, by kelvin: 3600 = "ffcb8d"; several, one for each 100 K more, have spaces
    /// between them
    #[serde(default)]
    pub(crate) tint: BTreeMap<String, Located<String>>,
    /// The trust in this feature: A, B or C
    pub(crate) grade: Option<Grade>,
}

/// Effects.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct EffectDef {
    /// The names of the effects and their numbers
    #[serde(default)]
    pub(crate) names: BTreeMap<String, u32>,
    /// The first and the last of the effects without a name
    pub(crate) numbered: Option<Pair>,
    /// The trust in this feature: A, B or C
    pub(crate) grade: Option<Grade>,
}
