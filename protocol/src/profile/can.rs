//! What a lamp of a profile can do, and how its values are numbered on the wire.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::color;
use super::light::{Item, Items, Light, Mode};
use super::scale::Scale;
use crate::{Percent, Rgb};

/// How far a statement about a family can be trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Grade {
    /// Two independent sources agree, or one with a captured packet whose checksum was re-computed.
    #[default]
    A,
    /// One source, nothing against it.
    B,
    /// One thin source, or sources that disagree: experimental.
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
}

/// What can be written into a frame, or read from one, at a place.
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
    /// The rest of `Kelvin`'s range: warm white where that is cold white.
    Warm,
    TintRed,
    TintGreen,
    TintBlue,
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
        ("effect", Self::Effect),
        ("speed", Self::Speed),
    ];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(word, _)| *word == name).map(|(_, field)| *field)
    }

    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        Self::NAMES.iter().map(|(name, _)| *name)
    }

    pub(crate) fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, field)| *field == self).map_or("", |(name, _)| name)
    }

    pub(crate) const fn item(self) -> Item {
        match self {
            Self::Power => Item::Power,
            Self::Brightness => Item::Brightness,
            Self::Red | Self::Green | Self::Blue => Item::Color,
            Self::Hue | Self::Saturation | Self::X | Self::Y => Item::Color,
            Self::White => Item::White,
            Self::Kelvin | Self::Warm => Item::Kelvin,
            Self::TintRed | Self::TintGreen | Self::TintBlue => Item::Kelvin,
            Self::Effect => Item::Effect,
            Self::Speed => Item::Speed,
        }
    }

    /// Whether it says something when read. A preview of a colour temperature does not.
    pub(crate) const fn tells(self) -> bool {
        !matches!(self, Self::TintRed | Self::TintGreen | Self::TintBlue)
    }
}

/// How every value is numbered, and which of them the profile declares.
#[derive(Clone, Debug)]
pub(crate) struct Can {
    pub(crate) declared: Items,
    pub(crate) grades: Vec<(Item, Grade)>,
    /// The numbers for on and off.
    pub(crate) power: (u32, u32),
    pub(crate) brightness: Scale,
    /// There is no brightness on the wire: colour and white are dimmed instead.
    pub(crate) scaled: bool,
    /// Each channel of a colour.
    pub(crate) color: Scale,
    pub(crate) white: Scale,
    pub(crate) kelvin: Scale,
    /// The preview colour of some temperatures, by kelvin.
    pub(crate) tint: Vec<(u32, Rgb)>,
    pub(crate) effects: Vec<(String, u32)>,
    /// Effects that go by their number.
    pub(crate) numbered: Option<(u32, u32)>,
    pub(crate) speed: Scale,
}

/// Why there is no number for a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    /// The value is not known.
    Unknown(Item),
}

/// The values of a light, made ready to be numbered.
pub(crate) struct Source<'a> {
    light: &'a Light,
    color: Option<Rgb>,
    white: Option<Percent>,
}

impl<'a> Source<'a> {
    /// With `scaled`, colour and white are dimmed by the brightness, if that is known.
    pub(crate) fn new(light: &'a Light, scaled: bool) -> Self {
        let percent = light.brightness.filter(|_| scaled).unwrap_or(Percent::MAX);
        Self {
            light,
            color: light.color.map(|color| color::dimmed(color, percent)),
            white: light.white.map(|white| Percent::clamped(color::dim(white.get(), percent))),
        }
    }
}

impl Source<'_> {
    pub(crate) fn mode(&self) -> Option<Mode> {
        self.light.mode.or_else(|| self.light.mode_of_parts())
    }
}

impl Can {
    pub(crate) fn scale_of(&self, item: Item) -> Option<Scale> {
        match item {
            Item::Brightness => Some(self.brightness),
            Item::White => Some(self.white),
            Item::Kelvin => Some(self.kelvin),
            Item::Speed => Some(self.speed),
            Item::Power | Item::Color | Item::Effect => None,
        }
    }

    /// The greatest number that the field can have.
    pub(crate) fn greatest(&self, field: Field) -> u32 {
        match field {
            Field::Power => self.power.0.max(self.power.1),
            Field::Red | Field::Green | Field::Blue => self.color.raw_range().1,
            Field::TintRed | Field::TintGreen | Field::TintBlue => 255,
            Field::Hue => 359,
            Field::Saturation => 100,
            Field::X | Field::Y => 0xFFFF,
            Field::Effect => {
                let named = self.effects.iter().map(|(_, number)| *number);
                named.chain(self.numbered.map(|(_, last)| last)).max().unwrap_or(0)
            }
            _ => self.scale_of(field.item()).map_or(0, |scale| scale.raw_range().1),
        }
    }

    /// The number of an effect.
    pub(crate) fn effect_number(&self, name: &str) -> Option<u32> {
        if let Some((_, number)) = self.effects.iter().find(|(known, _)| known == name) {
            return Some(*number);
        }
        let number = name.parse().ok()?;
        self.numbered.filter(|(least, most)| (*least..=*most).contains(&number)).map(|_| number)
    }

    fn effect_name(&self, number: u32) -> Option<String> {
        if let Some((name, _)) = self.effects.iter().find(|(_, known)| *known == number) {
            return Some(name.clone());
        }
        self.numbered.filter(|(least, most)| (*least..=*most).contains(&number)).map(|_| number.to_string())
    }

    /// The number for a field.
    pub(crate) fn number(&self, field: Field, from: &Source<'_>) -> Result<u32, Lack> {
        self.known_number(field, from).ok_or_else(|| Lack::Unknown(field.item()))
    }

    fn known_number(&self, field: Field, from: &Source<'_>) -> Option<u32> {
        let light = from.light;
        let channel = |part: fn(Rgb) -> u8| from.color.map(|color| self.color.to_raw(u32::from(part(color))));
        let percent = |scale: Scale, value: Option<Percent>| value.map(|v| scale.to_raw(u32::from(v.get())));
        let kelvin = light.kelvin.map(|kelvin| self.kelvin.to_raw(u32::from(kelvin)));
        match field {
            Field::Power => light.power.map(|on| if on { self.power.0 } else { self.power.1 }),
            Field::Brightness => percent(self.brightness, light.brightness),
            Field::Red => channel(|color| color.red),
            Field::Green => channel(|color| color.green),
            Field::Blue => channel(|color| color.blue),
            Field::Hue => from.color.map(|color| u32::from(color::to_hue_saturation(color).0)),
            Field::Saturation => from.color.map(|color| u32::from(color::to_hue_saturation(color).1)),
            Field::X => from.color.map(|color| u32::from(color::to_xy(color).0)),
            Field::Y => from.color.map(|color| u32::from(color::to_xy(color).1)),
            Field::White => percent(self.white, from.white),
            Field::Kelvin => kelvin,
            Field::Warm => kelvin.map(|cold| (self.kelvin.raw.0 + self.kelvin.raw.1).saturating_sub(cold)),
            Field::TintRed => self.tint_of(light.kelvin?).map(|tint| u32::from(tint.red)),
            Field::TintGreen => self.tint_of(light.kelvin?).map(|tint| u32::from(tint.green)),
            Field::TintBlue => self.tint_of(light.kelvin?).map(|tint| u32::from(tint.blue)),
            Field::Effect => self.effect_number(light.effect.as_deref()?),
            Field::Speed => percent(self.speed, light.speed),
        }
    }

    /// The preview colour of a temperature, on a straight line between the two in the table beside it.
    fn tint_of(&self, kelvin: u16) -> Option<Rgb> {
        let kelvin = u32::from(kelvin);
        let below = self.tint.iter().rev().find(|(at, _)| *at <= kelvin).or_else(|| self.tint.first())?;
        let above = self.tint.iter().find(|(at, _)| *at >= kelvin).or_else(|| self.tint.last())?;
        let between = |from: u8, to: u8| {
            let line = Scale {
                range: (below.0, above.0.max(below.0 + 1)),
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

/// The values of a frame while it is read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reading {
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

impl Reading {
    /// Takes the number of a field. False if it is none that the field can have, or contradicts one before.
    pub(crate) fn take(&mut self, field: Field, raw: u32, can: &Can) -> bool {
        let (place, value) = match field {
            Field::Power => {
                let on = match raw {
                    raw if raw == can.power.0 => true,
                    raw if raw == can.power.1 => false,
                    _ => return false,
                };
                return *self.power.get_or_insert(on) == on;
            }
            Field::TintRed | Field::TintGreen | Field::TintBlue => return raw <= 255,
            Field::Brightness => (&mut self.brightness, can.brightness.value_of(raw)),
            Field::Red => (&mut self.red, can.color.value_of(raw)),
            Field::Green => (&mut self.green, can.color.value_of(raw)),
            Field::Blue => (&mut self.blue, can.color.value_of(raw)),
            Field::Hue => (&mut self.hue, Some(raw).filter(|raw| *raw <= 360)),
            Field::Saturation => (&mut self.saturation, Some(raw).filter(|raw| *raw <= 100)),
            Field::X => (&mut self.x, Some(raw)),
            Field::Y => (&mut self.y, Some(raw)),
            Field::White => (&mut self.white, can.white.value_of(raw)),
            Field::Kelvin => (&mut self.kelvin, can.kelvin.value_of(raw)),
            Field::Warm => {
                let cold = (can.kelvin.raw.0 + can.kelvin.raw.1).checked_sub(raw);
                (&mut self.kelvin, cold.and_then(|cold| can.kelvin.value_of(cold)))
            }
            Field::Effect => (&mut self.effect, can.effect_name(raw).map(|_| raw)),
            Field::Speed => (&mut self.speed, can.speed.value_of(raw)),
        };
        value.is_some_and(|value| *place.get_or_insert(value) == value)
    }

    /// The light that was read. With `scaled`, colour and white are taken for dimmed ones.
    pub(crate) fn light(self, scaled: bool, can: &Can) -> Light {
        let percent = |value: u32| Percent::clamped(u8::try_from(value).unwrap_or(u8::MAX));
        let channel = |value: u32| u8::try_from(value).unwrap_or(u8::MAX);
        let coordinate = |value: u32| u16::try_from(value).unwrap_or(u16::MAX);
        let color = match (self.red, self.green, self.blue, self.hue, self.saturation, self.x, self.y) {
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
            effect: self.effect.and_then(|number| can.effect_name(number)),
            speed: self.speed.map(percent),
            mode: None,
        };
        light.mode = light.mode_of_parts();
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
