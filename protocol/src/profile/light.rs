//! What is asked of a lamp and what it reports, in units that are the same for every family.

use alloc::format;
use alloc::string::String;
use core::fmt;

use crate::{LightState, Percent, Rgb};

/// One thing that can be set or reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Item {
    /// On or off.
    Power,
    /// Brightness, percent.
    Brightness,
    /// Colour, three channels of 0 to 255.
    Color,
    /// Level of the white channel, percent.
    White,
    /// Temperature of white, kelvin.
    Kelvin,
    /// An effect, by its name.
    Effect,
    /// Speed of an effect, percent; higher is faster in every family.
    Speed,
}

impl Item {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Power, Self::Brightness, Self::Color, Self::White, Self::Kelvin, Self::Effect, Self::Speed];

    /// The word for it, in files and for people.
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

    /// The mode that setting it puts the lamp into.
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
        match self {
            Self::Power => 1,
            Self::Brightness => 2,
            Self::Color => 4,
            Self::White => 8,
            Self::Kelvin => 16,
            Self::Effect => 32,
            Self::Speed => 64,
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Items(u8);

impl Items {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// Whether it is in the set.
    #[must_use]
    pub const fn contains(self, item: Item) -> bool {
        self.0 & item.bit() != 0
    }

    /// The set and one more.
    #[must_use]
    pub const fn with(self, item: Item) -> Self {
        Self(self.0 | item.bit())
    }

    /// The set less one.
    #[must_use]
    pub const fn without(self, item: Item) -> Self {
        Self(self.0 & !item.bit())
    }

    /// What is in this set or the other.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in this set and not in the other.
    #[must_use]
    pub const fn less(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether nothing is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many are in it.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// What is in it, in the order of [`Item::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Item> {
        Item::ALL.into_iter().filter(move |item| self.contains(*item))
    }
}

impl FromIterator<Item> for Items {
    fn from_iter<I: IntoIterator<Item = Item>>(items: I) -> Self {
        items.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Display for Items {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing");
        }
        for (index, item) in self.iter().enumerate() {
            write!(f, "{}{item}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// What a lamp shines with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// A colour.
    Color,
    /// White light: a level of the white channel, or a temperature.
    White,
    /// An effect, which changes by itself.
    Effect,
}

impl Mode {
    /// The word for it, in files and for people.
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

/// A change that is asked for, a report, or what is known by now: each part may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Light {
    /// On or off.
    pub power: Option<bool>,
    /// Brightness.
    pub brightness: Option<Percent>,
    /// Colour at full brightness.
    pub color: Option<Rgb>,
    /// Level of the white channel, at full brightness.
    pub white: Option<Percent>,
    /// Temperature of white, kelvin.
    pub kelvin: Option<u16>,
    /// The effect's name; its number where the profile has no name for it.
    pub effect: Option<String>,
    /// Speed of effects; higher is faster.
    pub speed: Option<Percent>,
    /// What the lamp shines with. In a change it follows from the parts that are there, see
    /// [`merge`](Self::merge).
    pub mode: Option<Mode>,
}

impl Light {
    /// The parts that are there.
    #[must_use]
    pub fn items(&self) -> Items {
        let there = [
            (Item::Power, self.power.is_some()),
            (Item::Brightness, self.brightness.is_some()),
            (Item::Color, self.color.is_some()),
            (Item::White, self.white.is_some()),
            (Item::Kelvin, self.kelvin.is_some()),
            (Item::Effect, self.effect.is_some()),
            (Item::Speed, self.speed.is_some()),
        ];
        there.into_iter().filter_map(|(item, there)| there.then_some(item)).collect()
    }

    /// These parts alone. Its mode is that of its parts.
    #[must_use]
    pub fn only(&self, items: Items) -> Self {
        let has = |item: Item| items.contains(item);
        Self {
            power: self.power.filter(|_| has(Item::Power)),
            brightness: self.brightness.filter(|_| has(Item::Brightness)),
            color: self.color.filter(|_| has(Item::Color)),
            white: self.white.filter(|_| has(Item::White)),
            kelvin: self.kelvin.filter(|_| has(Item::Kelvin)),
            effect: self.effect.clone().filter(|_| has(Item::Effect)),
            speed: self.speed.filter(|_| has(Item::Speed)),
            mode: None,
        }
    }

    /// Takes over the parts that the other has. Its mode is that of its parts where it does not say: an effect's
    /// before a colour's before white's.
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
        self.mode = other.mode.or_else(|| other.mode_of_parts()).or(self.mode);
    }

    /// This with the parts of the other, see [`merge`](Self::merge).
    #[must_use]
    pub fn merged(mut self, other: &Self) -> Self {
        self.merge(other);
        self
    }

    pub(crate) fn mode_of_parts(&self) -> Option<Mode> {
        [Item::Effect, Item::Color, Item::White, Item::Kelvin]
            .into_iter()
            .find(|item| self.items().contains(*item))
            .and_then(Item::mode)
    }
}

/// What is there, as `LightState` shows itself; of the colour, white and the effect only what shows, if that is known.
impl fmt::Display for Light {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shows = |mode: Mode| self.mode.is_none_or(|own| own == mode);
        let (color, white) = (shows(Mode::Color), shows(Mode::White));
        let words = [
            self.power.map(|on| String::from(if on { "on" } else { "off" })),
            self.brightness.map(|brightness| format!("{brightness}")),
            self.color.filter(|_| color).map(|color| format!("{color}")),
            self.white.filter(|_| white).map(|white| format!("white {white}")),
            self.kelvin.filter(|_| white).map(|kelvin| format!("{kelvin} K")),
            self.effect.as_ref().filter(|_| shows(Mode::Effect)).map(|effect| format!("effect {effect}")),
            self.speed.filter(|_| shows(Mode::Effect)).map(|speed| format!("speed {speed}")),
        ];
        if words.iter().all(Option::is_none) {
            return f.write_str("nothing of the light");
        }
        for (index, word) in words.iter().flatten().enumerate() {
            write!(f, "{}{word}", if index == 0 { "" } else { "  " })?;
        }
        Ok(())
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
