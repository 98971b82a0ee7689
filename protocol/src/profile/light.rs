//! Light states and features, in units that are the same for every family.

use alloc::format;
use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{LightState, Percent, Rgb};

/// A feature of a light that can be set or reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// On or off.
    Power,
    /// Brightness, percent.
    Brightness,
    /// Colour, three channels of 0 to 255.
    Color,
    /// Level of the white channel, percent.
    White,
    /// Colour temperature of white, kelvin.
    Kelvin,
    /// Effect, by name.
    Effect,
    /// Speed of an effect, percent; higher is faster in every family.
    Speed,
}

impl Feature {
    /// Every feature.
    pub const ALL: [Self; 7] =
        [Self::Power, Self::Brightness, Self::Color, Self::White, Self::Kelvin, Self::Effect, Self::Speed];

    /// The name in files and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::Brightness => "brightness",
            Self::Color => "color",
            Self::White => "white",
            Self::Kelvin => "kelvin",
            Self::Effect => "effect",
            Self::Speed => "speed",
        }
    }

    /// The mode of a bulb after this feature was set; `None` if it stays the same.
    #[must_use]
    pub const fn mode(self) -> Option<Mode> {
        match self {
            Self::Color => Some(Mode::Color),
            Self::White | Self::Kelvin => Some(Mode::White),
            Self::Effect => Some(Mode::Effect),
            Self::Power | Self::Brightness | Self::Speed => None,
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features(u8);

impl Features {
    /// The empty set.
    pub const NONE: Self = Self(0);

    /// Returns true if the set contains a feature.
    #[must_use]
    pub const fn contains(self, feature: Feature) -> bool {
        self.0 & feature.bit() != 0
    }

    /// The set with one more feature.
    #[must_use]
    pub const fn with(self, feature: Feature) -> Self {
        Self(self.0 | feature.bit())
    }

    /// The set without one feature.
    #[must_use]
    pub const fn without(self, feature: Feature) -> Self {
        Self(self.0 & !feature.bit())
    }

    /// The union of two sets.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The intersection of two sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The features of this set that are not in the other.
    #[must_use]
    pub const fn less(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Returns true if the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The number of features.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// The features, in the order of [`Feature::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Feature> {
        Feature::ALL.into_iter().filter(move |feature| self.contains(*feature))
    }

    /// The mode that these features show: an effect hides a colour, a colour hides white.
    pub(crate) fn mode(self) -> Option<Mode> {
        [Feature::Effect, Feature::Color, Feature::White, Feature::Kelvin]
            .into_iter()
            .find(|feature| self.contains(*feature))
            .and_then(Feature::mode)
    }
}

impl FromIterator<Feature> for Features {
    fn from_iter<I: IntoIterator<Item = Feature>>(features: I) -> Self {
        features.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing");
        }
        for (index, feature) in self.iter().enumerate() {
            write!(f, "{}{feature}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// The source of the light.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// A colour.
    Color,
    /// White, from a white channel or by colour temperature.
    White,
    /// An effect that changes the light over time.
    Effect,
}

impl Mode {
    /// The name in files and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Color => "color",
            Self::White => "white",
            Self::Effect => "effect",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A change, a status, or a known state. `None` is a value that is not changed, not reported or not known.
///
/// In files and records, percentages are numbers and a colour is `#rrggbb`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Light {
    /// On or off.
    pub power: Option<bool>,
    /// Brightness.
    pub brightness: Option<Percent>,
    /// Colour at full brightness.
    pub color: Option<Rgb>,
    /// Level of the white channel at full brightness.
    pub white: Option<Percent>,
    /// Colour temperature of white, kelvin.
    pub kelvin: Option<u16>,
    /// The name of the effect, or its number if the profile has no name for it.
    pub effect: Option<String>,
    /// Speed of effects; higher is faster.
    pub speed: Option<Percent>,
    /// The source of the light. [`merge`](Self::merge) derives it from the other values of a change.
    pub mode: Option<Mode>,
}

impl Light {
    /// The features that have a value.
    #[must_use]
    pub const fn features(&self) -> Features {
        let mut bits = 0;
        bits |= (self.power.is_some() as u8) * Feature::Power.bit();
        bits |= (self.brightness.is_some() as u8) * Feature::Brightness.bit();
        bits |= (self.color.is_some() as u8) * Feature::Color.bit();
        bits |= (self.white.is_some() as u8) * Feature::White.bit();
        bits |= (self.kelvin.is_some() as u8) * Feature::Kelvin.bit();
        bits |= (self.effect.is_some() as u8) * Feature::Effect.bit();
        bits |= (self.speed.is_some() as u8) * Feature::Speed.bit();
        Features(bits)
    }

    /// Returns the value of a feature that is one number: percent or kelvin. None for power, colour and effect.
    #[must_use]
    pub fn number(&self, feature: Feature) -> Option<u16> {
        let percent = |value: Option<Percent>| value.map(|value| u16::from(value.get()));
        match feature {
            Feature::Brightness => percent(self.brightness),
            Feature::White => percent(self.white),
            Feature::Speed => percent(self.speed),
            Feature::Kelvin => self.kelvin,
            Feature::Power | Feature::Color | Feature::Effect => None,
        }
    }

    /// Returns this with a feature that is one number; percentages over 100 become 100. Unchanged for power, colour and effect.
    #[must_use]
    pub fn with_number(mut self, feature: Feature, number: u16) -> Self {
        let percent = Some(Percent::clamped(u8::try_from(number).unwrap_or(u8::MAX)));
        match feature {
            Feature::Brightness => self.brightness = percent,
            Feature::White => self.white = percent,
            Feature::Speed => self.speed = percent,
            Feature::Kelvin => self.kelvin = Some(number),
            Feature::Power | Feature::Color | Feature::Effect => {}
        }
        self
    }

    /// Formats one feature for people, with its unit: `on`, `30 %`, `#ff8800`, `2700 K`, `fade-red`.
    #[must_use]
    pub fn text(&self, feature: Feature) -> Option<String> {
        match feature {
            Feature::Power => self.power.map(|on| String::from(if on { "on" } else { "off" })),
            Feature::Color => self.color.map(|color| format!("{color}")),
            Feature::Effect => self.effect.clone(),
            Feature::Kelvin => self.kelvin.map(|kelvin| format!("{kelvin} K")),
            Feature::Brightness | Feature::White | Feature::Speed => {
                self.number(feature).map(|value| format!("{value} %"))
            }
        }
    }

    /// Lists the features that show: of colour, white and effect only what fits the mode, if that is known.
    pub fn shown(&self) -> impl Iterator<Item = Feature> {
        let mode =
            |feature: Feature| if feature == Feature::Speed { Some(Mode::Effect) } else { feature.mode() };
        let shows = move |feature: &Feature| {
            self.mode.is_none() || mode(*feature).is_none_or(|own| Some(own) == self.mode)
        };
        self.features().iter().filter(shows)
    }

    /// Returns the features in which the other is not the same.
    #[must_use]
    pub fn differing(&self, other: &Self) -> Features {
        let differs = |feature: &Feature| {
            let alone = Features::NONE.with(*feature);
            self.only(alone) != other.only(alone)
        };
        Feature::ALL.into_iter().filter(differs).collect()
    }

    /// The values of these features, without a mode.
    #[must_use]
    pub fn only(&self, features: Features) -> Self {
        let has = |feature: Feature| features.contains(feature);
        Self {
            power: self.power.filter(|_| has(Feature::Power)),
            brightness: self.brightness.filter(|_| has(Feature::Brightness)),
            color: self.color.filter(|_| has(Feature::Color)),
            white: self.white.filter(|_| has(Feature::White)),
            kelvin: self.kelvin.filter(|_| has(Feature::Kelvin)),
            effect: self.effect.clone().filter(|_| has(Feature::Effect)),
            speed: self.speed.filter(|_| has(Feature::Speed)),
            mode: None,
        }
    }

    /// Overwrites the values that the other state has.
    ///
    /// If the other has no mode, its values imply one: an effect before a colour, a colour before white.
    pub fn merge(&mut self, other: &Self) {
        self.power = other.power.or(self.power);
        self.brightness = other.brightness.or(self.brightness);
        self.color = other.color.or(self.color);
        self.white = other.white.or(self.white);
        self.kelvin = other.kelvin.or(self.kelvin);
        self.speed = other.speed.or(self.speed);
        if other.effect.is_some() {
            self.effect.clone_from(&other.effect);
        }
        self.mode = other.mode.or_else(|| other.implied_mode()).or(self.mode);
    }

    /// The state after [`merge`](Self::merge).
    #[must_use]
    pub fn merged(mut self, other: &Self) -> Self {
        self.merge(other);
        self
    }

    pub(crate) fn implied_mode(&self) -> Option<Mode> {
        self.features().mode()
    }
}

/// Lists the values that have an effect in the present mode, separated by two spaces: `on  50 %  #ff8800`.
impl fmt::Display for Light {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for feature in self.shown() {
            let Some(text) = self.text(feature) else { continue };
            f.write_str(separator)?;
            if matches!(feature, Feature::White | Feature::Effect | Feature::Speed) {
                write!(f, "{feature} ")?;
            }
            f.write_str(&text)?;
            separator = "  ";
        }
        if separator.is_empty() { f.write_str("no light state") } else { Ok(()) }
    }
}

impl From<LightState> for Light {
    fn from(state: LightState) -> Self {
        Self {
            power: Some(state.power),
            brightness: Some(state.brightness),
            color: Some(state.color),
            mode: Some(Mode::Color),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::borrow::ToOwned;
    use alloc::string::ToString;

    use super::*;

    fn full() -> Light {
        Light {
            power: Some(true),
            brightness: Some(Percent::clamped(30)),
            color: Some(Rgb::new(255, 136, 0)),
            white: Some(Percent::clamped(40)),
            kelvin: Some(2700),
            effect: Some("fade-red".to_owned()),
            speed: Some(Percent::clamped(50)),
            mode: None,
        }
    }

    #[test]
    fn every_part_is_taken_and_left_out() {
        let full = full();
        assert_eq!(full.features().count(), 7);
        for feature in Feature::ALL {
            let only = full.only(Features::NONE.with(feature));
            assert_eq!(only.features(), Features::NONE.with(feature));
            assert_eq!(
                full.differing(&full.only(full.features().without(feature))),
                Features::NONE.with(feature)
            );
            assert_eq!(Light::default().merged(&only).only(full.features()), only);
            let number = full.number(feature);
            assert_eq!(
                number.map(|number| Light::default().with_number(feature, number)),
                number.map(|_| only)
            );
        }
    }

    #[test]
    fn shows_what_it_shines_with() {
        let text = |mode| Light { mode, ..full() }.to_string();
        assert_eq!(text(None), "on  30 %  #ff8800  white 40 %  2700 K  effect fade-red  speed 50 %");
        assert_eq!(text(Some(Mode::Color)), "on  30 %  #ff8800");
        assert_eq!(text(Some(Mode::White)), "on  30 %  white 40 %  2700 K");
        assert_eq!(text(Some(Mode::Effect)), "on  30 %  effect fade-red  speed 50 %");
        assert_eq!(Light::default().to_string(), "no light state");
        for (mode, name) in [(Mode::Color, "color"), (Mode::White, "white"), (Mode::Effect, "effect")] {
            // The same name in files and in messages.
            assert_eq!((mode.name(), serde_json::to_value(mode).unwrap().as_str()), (name, Some(name)));
        }
    }
}
