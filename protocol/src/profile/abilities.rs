//! The abilities of a bulb, and the numbers that its frames use for values.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::color;
use super::light::{Feature, Features, Light, Mode};
use super::scale::Scale;
use crate::{Percent, Rgb};

/// The trust in a statement about a family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Grade {
    /// Two independent sources agree, or one source has a captured packet whose checksum was computed again.
    #[default]
    A,
    /// One source, and nothing against it.
    B,
    /// One weak source, or sources that disagree: experimental.
    C,
}

impl Grade {
    /// The letter.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::A => 'A',
            Self::B => 'B',
            Self::C => 'C',
        }
    }

    /// Returns true if support is experimental.
    #[must_use]
    pub fn experimental(self) -> bool {
        self == Self::C
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Power,
    Brightness,
    Red,
    Green,
    Blue,
    Hue,
    Saturation,
    X,
    Y,
    White,
    Kelvin,
    /// The complement of `Kelvin`: the level of warm white, where `Kelvin` is the level of cold white.
    Warm,
    TintRed,
    TintGreen,
    TintBlue,
    /// The whole colour of a temperature, in frames that have no number for it.
    Tint,
    Effect,
    Speed,
}

impl Field {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("power", Self::Power),
        ("brightness", Self::Brightness),
        ("red", Self::Red),
        ("green", Self::Green),
        ("blue", Self::Blue),
        ("hue", Self::Hue),
        ("saturation", Self::Saturation),
        ("x", Self::X),
        ("y", Self::Y),
        ("white", Self::White),
        ("kelvin", Self::Kelvin),
        ("cold", Self::Kelvin),
        ("warm", Self::Warm),
        ("tint-red", Self::TintRed),
        ("tint-green", Self::TintGreen),
        ("tint-blue", Self::TintBlue),
        ("tint", Self::Tint),
        ("effect", Self::Effect),
        ("speed", Self::Speed),
    ];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, field)| *field)
    }

    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        Self::NAMES.iter().map(|(name, _)| *name)
    }

    pub(crate) fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, field)| *field == self).map_or("", |(name, _)| name)
    }

    pub(crate) const fn feature(self) -> Feature {
        match self {
            Self::Power => Feature::Power,
            Self::Brightness => Feature::Brightness,
            Self::Red | Self::Green | Self::Blue => Feature::Color,
            Self::Hue | Self::Saturation | Self::X | Self::Y => Feature::Color,
            Self::White => Feature::White,
            Self::Kelvin | Self::Warm => Feature::Kelvin,
            Self::TintRed | Self::TintGreen | Self::TintBlue | Self::Tint => Feature::Kelvin,
            Self::Effect => Feature::Effect,
            Self::Speed => Feature::Speed,
        }
    }

    /// Returns true if a frame with this field sets or reports the feature. A channel of a tint is only a preview of a colour
    /// temperature.
    pub(crate) const fn carries_state(self) -> bool {
        !matches!(self, Self::TintRed | Self::TintGreen | Self::TintBlue)
    }
}

/// The largest sum of differences between the colour of a temperature in two versions of a vendor's table: Govee's two
/// colours of 2700 K differ by 8.
const MAX_TINT_DISTANCE: u32 = 16;

/// The features that a profile declares, and the numbers for their values.
#[derive(Clone, Debug)]
pub(crate) struct Abilities {
    pub(crate) declared: Features,
    pub(crate) grades: Vec<(Feature, Grade)>,
    pub(crate) power: (u32, u32),
    pub(crate) brightness: Scale,
    /// Frames have no brightness: colour and white are dimmed instead.
    pub(crate) scaled: bool,
    pub(crate) color: Scale,
    /// Saturation, percent.
    pub(crate) saturation: Scale,
    pub(crate) white: Scale,
    pub(crate) kelvin: Scale,
    /// Preview colours by kelvin, in ascending order.
    pub(crate) tint: Vec<(u32, Rgb)>,
    pub(crate) effects: Vec<(String, u32)>,
    /// The first and the last of the effects without a name.
    pub(crate) numbered: Option<(u32, u32)>,
    pub(crate) speed: Scale,
    /// The Bluetooth address of the bulb, for frames that carry it.
    pub(crate) address: Option<[u8; 6]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MissingValue {
    Of(Feature),
    Address,
}

pub(crate) struct ValuesToEncode<'a> {
    light: &'a Light,
    color: Option<Rgb>,
    white: Option<Percent>,
}

impl<'a> ValuesToEncode<'a> {
    /// With `scaled`, dims colour and white by the brightness, if that is known.
    pub(crate) fn new(light: &'a Light, scaled: bool) -> Self {
        let percent = light.brightness.filter(|_| scaled).unwrap_or(Percent::MAX);
        Self {
            light,
            color: light.color.map(|color| color::dimmed(color, percent)),
            white: light.white.map(|white| Percent::clamped(color::dim(white.get(), percent))),
        }
    }

    /// A level in percent.
    pub(crate) fn percent(&self, field: Field) -> Option<Percent> {
        match field {
            Field::Brightness => self.light.brightness,
            Field::White => self.white,
            Field::Speed => self.light.speed,
            _ => None,
        }
    }

    pub(crate) fn mode(&self) -> Option<Mode> {
        self.light.mode.or_else(|| self.light.implied_mode())
    }
}

impl Abilities {
    pub(crate) const fn scale_of(&self, feature: Feature) -> Option<Scale> {
        match feature {
            Feature::Brightness => Some(self.brightness),
            Feature::White => Some(self.white),
            Feature::Kelvin => Some(self.kelvin),
            Feature::Speed => Some(self.speed),
            Feature::Power | Feature::Color | Feature::Effect => None,
        }
    }

    pub(crate) fn max_number(&self, field: Field) -> u32 {
        match field {
            Field::Power => self.power.0.max(self.power.1),
            Field::Red | Field::Green | Field::Blue => self.color.raw_range().1,
            Field::TintRed | Field::TintGreen | Field::TintBlue => 255,
            Field::Tint => 0xFF_FFFF,
            Field::Hue => 359,
            Field::Saturation => self.saturation.raw_range().1,
            Field::X | Field::Y => 0xFFFF,
            Field::Effect => {
                let named = self.effects.iter().map(|(_, number)| *number);
                named.chain(self.numbered.map(|(_, last)| last)).max().unwrap_or(0)
            }
            _ => self.scale_of(field.feature()).map_or(0, |scale| scale.raw_range().1),
        }
    }

    pub(crate) fn effect_number(&self, name: &str) -> Option<u32> {
        if let Some((_, number)) = self.effects.iter().find(|(known, _)| known == name) {
            return Some(*number);
        }
        name.parse().ok().filter(|number| self.is_numbered(*number))
    }

    pub(crate) fn effect_name(&self, number: u32) -> Option<String> {
        if let Some((name, _)) = self.effects.iter().find(|(_, known)| *known == number) {
            return Some(name.clone());
        }
        self.is_numbered(number).then(|| number.to_string())
    }

    fn has_effect(&self, number: u32) -> bool {
        self.is_numbered(number) || self.effects.iter().any(|(_, known)| *known == number)
    }

    fn is_numbered(&self, number: u32) -> bool {
        self.numbered.is_some_and(|(first, last)| (first..=last).contains(&number))
    }

    /// The number to send for a field; `None` if its value is not known.
    pub(crate) fn number(&self, field: Field, values: &ValuesToEncode<'_>) -> Option<u32> {
        let light = values.light;
        let channel =
            |channel: fn(Rgb) -> u8| values.color.map(|color| self.color.to_raw(channel(color).into()));
        let percent = |scale: Scale, value: Option<Percent>| Some(scale.to_raw(value?.get().into()));
        let kelvin = || Some(self.kelvin.to_raw(light.kelvin?.into()));
        match field {
            Field::Power => light.power.map(|on| if on { self.power.0 } else { self.power.1 }),
            Field::Brightness => percent(self.brightness, light.brightness),
            Field::Red => channel(|color| color.red),
            Field::Green => channel(|color| color.green),
            Field::Blue => channel(|color| color.blue),
            Field::Hue => Some(color::to_hue_saturation(values.color?).0.into()),
            Field::Saturation => {
                Some(self.saturation.to_raw(color::to_hue_saturation(values.color?).1.into()))
            }
            Field::X => Some(color::to_xy(values.color?).0.into()),
            Field::Y => Some(color::to_xy(values.color?).1.into()),
            Field::White => percent(self.white, values.white),
            Field::Kelvin => kelvin(),
            Field::Warm => Some((self.kelvin.raw.0 + self.kelvin.raw.1).saturating_sub(kelvin()?)),
            Field::TintRed => Some(self.tint_of(light.kelvin?)?.red.into()),
            Field::TintGreen => Some(self.tint_of(light.kelvin?)?.green.into()),
            Field::TintBlue => Some(self.tint_of(light.kelvin?)?.blue.into()),
            Field::Tint => {
                let Rgb { red, green, blue } = self.tint_at(self.kelvin.value_of(kelvin()?)?)?;
                Some(u32::from_be_bytes([0, red, green, blue]))
            }
            Field::Effect => self.effect_number(light.effect.as_deref()?),
            Field::Speed => percent(self.speed, light.speed),
        }
    }

    /// The preview colour of a temperature, interpolated between the two nearest in the table.
    fn tint_of(&self, kelvin: u16) -> Option<Rgb> {
        self.tint_at(kelvin.into())
    }

    /// The temperature in the table whose preview colour is nearest to this one; `None` if none is near.
    fn kelvin_of_tint(&self, tint: u32) -> Option<u32> {
        let [_, red, green, blue] = tint.to_be_bytes();
        let distance = |color: Rgb| {
            u32::from(color.red.abs_diff(red))
                + u32::from(color.green.abs_diff(green))
                + u32::from(color.blue.abs_diff(blue))
        };
        let (kelvin, color) = self.tint.iter().min_by_key(|(_, color)| distance(*color))?;
        let (min, max) = self.kelvin.range;
        (distance(*color) <= MAX_TINT_DISTANCE && (min..=max).contains(kelvin)).then_some(*kelvin)
    }

    fn tint_at(&self, kelvin: u32) -> Option<Rgb> {
        let below = self.tint.iter().rev().find(|(at, _)| *at <= kelvin).or_else(|| self.tint.first())?;
        let above = self.tint.iter().find(|(at, _)| *at >= kelvin).or_else(|| self.tint.last())?;
        let between = |from: u8, to: u8| {
            let line = Scale {
                range: (below.0, above.0),
                raw: (u32::from(from), u32::from(to)),
                down: false,
                inverse: false,
            };
            u8::try_from(line.to_raw(kelvin)).unwrap_or(u8::MAX)
        };
        Some(Rgb::new(
            between(below.1.red, above.1.red),
            between(below.1.green, above.1.green),
            between(below.1.blue, above.1.blue),
        ))
    }
}

/// The purpose of reading a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reading {
    /// As the bulb reads a command: with no other values than it has.
    #[default]
    Command,
    /// As a status: a level may be one step below the least, because bulbs round.
    Status,
    /// As a status with an effect that the profile does not know.
    UnknownEffect,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DecodedValues {
    reading: Reading,
    power: Option<bool>,
    brightness: Option<u32>,
    red: Option<u32>,
    green: Option<u32>,
    blue: Option<u32>,
    hue: Option<u32>,
    saturation: Option<u32>,
    x: Option<u32>,
    y: Option<u32>,
    white: Option<u32>,
    kelvin: Option<u32>,
    effect: Option<u32>,
    speed: Option<u32>,
}

impl DecodedValues {
    pub(crate) fn new(reading: Reading) -> Self {
        Self { reading, ..Self::default() }
    }

    /// Adds the number of a field. Returns false if the field cannot have this number, or has another already.
    pub(crate) fn insert(&mut self, field: Field, raw: u32, abilities: &Abilities) -> bool {
        let status = self.reading != Reading::Command;
        let level = |scale: Scale, raw: u32| {
            let least = scale.to_raw(scale.range.0);
            if status && raw.checked_add(1) == Some(least) { least } else { raw }
        };
        let (slot, value) = match field {
            Field::Power => {
                let on = match raw {
                    raw if raw == abilities.power.0 => true,
                    raw if raw == abilities.power.1 => false,
                    _ => return false,
                };
                return *self.power.get_or_insert(on) == on;
            }
            Field::TintRed | Field::TintGreen | Field::TintBlue => return raw <= 255,
            Field::Tint => (&mut self.kelvin, abilities.kelvin_of_tint(raw)),
            Field::Brightness => {
                (&mut self.brightness, abilities.brightness.value_of(level(abilities.brightness, raw)))
            }
            Field::Red => (&mut self.red, abilities.color.value_of(raw)),
            Field::Green => (&mut self.green, abilities.color.value_of(raw)),
            Field::Blue => (&mut self.blue, abilities.color.value_of(raw)),
            Field::Hue => (&mut self.hue, Some(raw).filter(|raw| *raw <= 360)),
            Field::Saturation => (&mut self.saturation, abilities.saturation.value_of(raw)),
            Field::X => (&mut self.x, Some(raw)),
            Field::Y => (&mut self.y, Some(raw)),
            Field::White => (&mut self.white, abilities.white.value_of(level(abilities.white, raw))),
            Field::Kelvin => (&mut self.kelvin, abilities.kelvin.value_of(raw)),
            Field::Warm => {
                let cold = (abilities.kelvin.raw.0 + abilities.kelvin.raw.1).checked_sub(raw);
                (&mut self.kelvin, cold.and_then(|cold| abilities.kelvin.value_of(cold)))
            }
            Field::Effect => {
                let known = abilities.has_effect(raw) || self.reading == Reading::UnknownEffect;
                (&mut self.effect, known.then_some(raw))
            }
            Field::Speed => (&mut self.speed, abilities.speed.value_of(raw)),
        };
        value.is_some_and(|value| *slot.get_or_insert(value) == value)
    }

    /// The state that the frame reports. With `scaled`, splits colour and white into full strength and brightness.
    pub(crate) fn light(self, scaled: bool, abilities: &Abilities) -> Light {
        let percent = |value: u32| Percent::clamped(u8::try_from(value).unwrap_or(u8::MAX));
        let channel = |value: u32| u8::try_from(value).unwrap_or(u8::MAX);
        let coordinate = |value: u32| u16::try_from(value).unwrap_or(u16::MAX);
        // Some apps leave red, green and blue zero beside the hue.
        let black = [self.red, self.green, self.blue] == [Some(0); 3];
        let color = match (self.red, self.green, self.blue, self.hue, self.saturation, self.x, self.y) {
            (.., Some(hue), Some(saturation), _, _) if black => color::from_hue_saturation(hue, saturation),
            (Some(red), Some(green), Some(blue), ..) => {
                Some(Rgb::new(channel(red), channel(green), channel(blue)))
            }
            (.., Some(hue), Some(saturation), _, _) => color::from_hue_saturation(hue, saturation),
            (.., Some(x), Some(y)) => Some(color::from_xy(coordinate(x), coordinate(y))),
            _ => None,
        };
        let mut light = Light {
            power: self.power,
            brightness: self.brightness.map(percent),
            color,
            white: self.white.map(percent),
            kelvin: self.kelvin.map(coordinate),
            effect: self
                .effect
                .map(|number| abilities.effect_name(number).unwrap_or_else(|| number.to_string())),
            speed: self.speed.map(percent),
            mode: None,
        };
        light.mode = light.implied_mode();
        if scaled && let Some(dimmed) = light.color {
            let (color, brightness) = color::undimmed(dimmed);
            light.color = color;
            light.brightness = Some(brightness);
        } else if scaled && let Some(level) = light.white {
            light.brightness = Some(level);
            light.white = Some(Percent::MAX);
        }
        light
    }
}
