//! From what is asked for to what is written.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::fmt;

use super::can::Source;
use super::color;
use super::light::{Item, Items, Light, Mode};
use super::{Command, Profile, Write};
use crate::Percent;

/// What is to be written for a change, and what the lamp will be like if it obeys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// What is to be written, in this order.
    pub writes: Vec<Write>,
    /// What was known, with the change, and with what the frames mean besides.
    pub assumed: Light,
}

/// Why a change cannot be encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The model is known by sight only.
    Model {
        /// Why.
        reason: String,
    },
    /// The lamp cannot do this.
    Unsupported {
        /// What was asked for.
        item: Item,
        /// What can be set.
        can: Items,
    },
    /// The value is out of the lamp's range.
    OutOfRange {
        /// What was asked for.
        item: Item,
        /// The value.
        value: u32,
        /// The least and the greatest value.
        range: (u32, u32),
    },
    /// There is no such effect.
    NoEffect {
        /// What was asked for.
        name: String,
        /// The effects that there are.
        have: String,
    },
    /// The frame needs something that is not known: it has to be asked of the bulb, or set along.
    NeedsState {
        /// What was asked for.
        item: Item,
        /// What has to be known.
        missing: Items,
    },
    /// It cannot be set in the mode that the lamp is in.
    WrongMode {
        /// What was asked for.
        item: Item,
        /// The mode.
        mode: Mode,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model { reason } => f.write_str(reason),
            Self::Unsupported { item, can } => write!(f, "{item} cannot be set; what can be: {can}"),
            Self::OutOfRange { item, value, range: (least, most) } => {
                write!(f, "{item} {value} is out of range: {least} to {most} can be set")
            }
            Self::NoEffect { name, have } => write!(f, "there is no effect {name:?}; there are {have}"),
            Self::NeedsState { item, missing } => {
                write!(f, "{item} cannot be set alone: name {missing} too, which is sent along and not known")
            }
            Self::WrongMode { item, mode } => {
                write!(f, "{item} cannot be set while the lamp shows {mode}")
            }
        }
    }
}

impl core::error::Error for Refusal {}

/// In this order things are set. Switching on comes before them and switching off after.
const ORDER: [Item; 6] =
    [Item::Effect, Item::Color, Item::White, Item::Kelvin, Item::Brightness, Item::Speed];

impl Profile {
    /// What has to be written for a change. `known` is what is known of the lamp: families whose frames carry several
    /// values fill the others from it. `sequence` numbers the frames of families that count them, and is to rise by the
    /// number of writes.
    ///
    /// # Errors
    /// [`Refusal`]: what the lamp cannot do is never approximated.
    pub fn encode(&self, change: &Light, known: &Light, sequence: u8) -> Result<Sent, Refusal> {
        self.check(change)?;
        let change = self.with_strength(change, known);
        let target = known.clone().merged(&change);
        let mut sent = Sent { writes: Vec::new(), assumed: target.clone() };
        let mut left = change.items();
        let first = change.power.filter(|on| *on).map(|_| Item::Power);
        let last = change.power.filter(|on| !*on).map(|_| Item::Power);
        for item in first.into_iter().chain(ORDER).chain(last) {
            if !left.contains(item) {
                continue;
            }
            let command = self.choose(item, left, &change, &target)?;
            let bytes = command.body.write(&self.can, &Source::new(&target, self.can.scaled)).map_err(
                |super::can::Lack::Unknown(missing)| Refusal::NeedsState {
                    item,
                    missing: Items::NONE.with(missing),
                },
            )?;
            let number = u8::try_from(sent.writes.len()).unwrap_or(u8::MAX);
            let bytes = match self.wrapper {
                None => bytes,
                Some(wrapper) => wrapper.wrap_command(&bytes, false, sequence.wrapping_add(number)),
            };
            sent.writes.push(Write {
                role: command.to.clone(),
                bytes,
                kind: command.kind,
                delay: command.delay,
            });
            command.means.add_to(&mut sent.assumed);
            left = left.less(covered(command, &target));
        }
        sent.assumed.power = change.power.or(sent.assumed.power);
        Ok(sent)
    }

    /// The frames that ask the bulb for its state, in this order.
    #[must_use]
    pub fn queries(&self, sequence: u8) -> Vec<Write> {
        let nothing = Light::default();
        let write = |(number, ask): (usize, &super::Query)| {
            let bytes = ask.template.write(&self.can, &Source::new(&nothing, false)).unwrap_or_default();
            let number = u8::try_from(number).unwrap_or(u8::MAX);
            let bytes = match self.wrapper {
                None => bytes,
                Some(wrapper) => wrapper.wrap_command(&bytes, true, sequence.wrapping_add(number)),
            };
            Write { role: ask.to.clone(), bytes, kind: ask.kind, delay: core::time::Duration::ZERO }
        };
        self.asks.iter().enumerate().map(write).collect()
    }

    /// Whether everything that is asked for can be set, to the values that are asked for.
    ///
    /// # Errors
    /// What cannot.
    pub fn check(&self, change: &Light) -> Result<(), Refusal> {
        if let Some(reason) = &self.unsupported {
            return Err(Refusal::Model { reason: reason.clone() });
        }
        let can = self.settable();
        if let Some(item) = change.items().less(can).iter().next() {
            return Err(Refusal::Unsupported { item, can });
        }
        let percent = |value: Option<Percent>| value.map(|value| u32::from(value.get()));
        for (item, value) in [
            (Item::Brightness, percent(change.brightness)),
            (Item::White, percent(change.white)),
            (Item::Kelvin, change.kelvin.map(u32::from)),
            (Item::Speed, percent(change.speed)),
        ] {
            let (Some(value), Some(range)) = (value, self.range(item)) else { continue };
            if !(range.0..=range.1).contains(&value) {
                return Err(Refusal::OutOfRange { item, value, range });
            }
        }
        match &change.effect {
            Some(name) if self.can.effect_number(name).is_none() => {
                Err(Refusal::NoEffect { name: name.clone(), have: self.effect_names() })
            }
            _ => Ok(()),
        }
    }

    /// What the lamp has for effects, for people.
    #[must_use]
    pub fn effect_names(&self) -> String {
        let mut names: Vec<String> = self.effects().map(String::from).collect();
        if let Some((first, last)) = self.can.numbered {
            names.push(format!("{first} to {last}"));
        }
        names.join(", ")
    }

    /// Where frames carry a colour's kind alone, how strong it is goes into the brightness.
    fn with_strength(&self, change: &Light, known: &Light) -> Light {
        let mut change = change.clone();
        let Some(asked) = change.color.filter(|_| self.chromatic) else { return change };
        let (full, strength) = color::undimmed(asked);
        if Some(asked) == full || !self.settable().contains(Item::Brightness) {
            return change;
        }
        let brightness = change.brightness.or(known.brightness).unwrap_or(Percent::MAX);
        let least = self.can.brightness.range.0;
        let dimmed = Percent::clamped(color::dim(brightness.get(), strength));
        change.brightness = Some(dimmed.max(Percent::clamped(u8::try_from(least).unwrap_or(100))));
        change.color = full.or(Some(crate::Rgb::WHITE));
        change
    }

    /// The command that does most of what is left, and takes least from what is only known.
    fn choose(&self, item: Item, left: Items, change: &Light, target: &Light) -> Result<&Command, Refusal> {
        let there = target.items();
        let mode = target.mode;
        let mut missing = None;
        let mut other_mode = None;
        let mut best: Option<(Reverse<u32>, u32, &Command)> = None;
        for command in &self.commands {
            let covers = covered(command, target);
            if !covers.contains(item) {
                continue;
            }
            // A frame that puts the lamp into another mode than is asked for would do more than is asked for.
            let own = command.means.mode.or_else(|| command.body.mode());
            let wanted = command.body.items().and(change.items()).iter().any(|item| item.mode() == own);
            if let (Some(mode), Some(own)) = (mode, own)
                && own != mode
                && !wanted
            {
                other_mode = Some(mode);
                continue;
            }
            let lacks = command.body.needs().less(there);
            if !lacks.is_empty() {
                missing = missing.or(Some(lacks));
                continue;
            }
            let extra = command.body.items().less(change.items()).count();
            let rank = (Reverse(covers.and(left).count()), extra);
            if best.is_none_or(|(most, least, _)| rank < (most, least)) {
                best = Some((rank.0, rank.1, command));
            }
        }
        match (best, missing, other_mode) {
            (Some((.., command)), ..) => Ok(command),
            (None, Some(missing), _) => Err(Refusal::NeedsState { item, missing }),
            (None, None, Some(mode)) => Err(Refusal::WrongMode { item, mode }),
            (None, None, None) => Err(Refusal::Unsupported { item, can: self.settable() }),
        }
    }
}

/// What a command does of what is wanted: its power counts where it is the power that is wanted.
fn covered(command: &Command, target: &Light) -> Items {
    match command.means.power {
        Some(power) if target.power != Some(power) => command.items.without(Item::Power),
        _ => command.items,
    }
}
