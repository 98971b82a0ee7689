//! `[can]`: what the lamp can do, as it is written.

use alloc::collections::BTreeMap;
use alloc::string::String;

use serde::Deserialize;

use super::super::abilities::Grade;
use super::Located;

/// What the lamp can do. What is left out it cannot.
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
    /// The level of the white channel, percent
    pub(crate) white: Option<Located<LevelDef>>,
    /// The temperature of white
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
    /// How far this can be trusted
    pub(crate) grade: Option<Grade>,
}

/// Brightness.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct BrightnessDef {
    /// The least and the greatest that can be set, percent (0, 100)
    pub(crate) range: Option<(u32, u32)>,
    /// The numbers for these (the same)
    pub(crate) raw: Option<(u32, u32)>,
    /// Round numbers down, not to the nearest
    #[serde(default)]
    pub(crate) down: bool,
    /// The lamp has none: colour and white are dimmed instead
    #[serde(default)]
    pub(crate) scaled: bool,
    /// How far this can be trusted
    pub(crate) grade: Option<Grade>,
}

/// A percentage.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct LevelDef {
    /// The least and the greatest that can be set, percent (0, 100)
    pub(crate) range: Option<(u32, u32)>,
    /// The numbers for these (the same)
    pub(crate) raw: Option<(u32, u32)>,
    /// Round numbers down, not to the nearest
    #[serde(default)]
    pub(crate) down: bool,
    /// How far this can be trusted
    pub(crate) grade: Option<Grade>,
}

/// Colour.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct ColorDef {
    /// The numbers of a channel that is dark and of one that is full (0, 255)
    pub(crate) raw: Option<(u32, u32)>,
    /// How far this can be trusted
    pub(crate) grade: Option<Grade>,
}

/// The temperature of white.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct KelvinDef {
    /// The warmest and the coldest, kelvin
    pub(crate) range: (u32, u32),
    /// The numbers for these (the same)
    pub(crate) raw: Option<(u32, u32)>,
    /// The number is in mireds: a million through the kelvin
    #[serde(default)]
    pub(crate) mired: bool,
    /// The colour to send along, by kelvin, as "ffcb8d"
    #[serde(default)]
    pub(crate) tint: BTreeMap<String, Located<String>>,
    /// How far this can be trusted
    pub(crate) grade: Option<Grade>,
}

/// Effects.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct EffectDef {
    /// The number of each effect by its name
    #[serde(default)]
    pub(crate) names: BTreeMap<String, u32>,
    /// The first and the last of the effects that go by their number
    pub(crate) numbered: Option<(u32, u32)>,
    /// How far this can be trusted
    pub(crate) grade: Option<Grade>,
}
