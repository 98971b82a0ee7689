//! From a change to the frames to write.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::fmt;
use core::time::Duration;

use super::abilities::{MissingValue, ValuesToEncode};
use super::light::{Feature, Features, Light, Mode};
use super::{Command, Profile, Write, color};
use crate::{Percent, Rgb};

/// An encoded change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedChange {
    /// The writes, in order.
    pub writes: Vec<Write>,
    /// The state of the bulb after it has carried them out: the known state, the change, and what the frames imply.
    pub assumed: Light,
}

/// An error of [`Profile::encode`] and [`Profile::validate`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// The model is only recognised and cannot be driven.
    Model {
        /// The reason, as a sentence for users.
        reason: String,
    },
    /// The bulb does not have this feature.
    Unsupported {
        /// The feature.
        feature: Feature,
        /// The features that can be set.
        settable: Features,
    },
    /// The value is out of the bulb's range.
    OutOfRange {
        /// The feature.
        feature: Feature,
        /// The value, in percent or kelvin.
        value: u32,
        /// The least and the greatest value.
        range: (u32, u32),
    },
    /// The bulb has no effect of this name.
    UnknownEffect {
        /// The name.
        name: String,
        /// The effects that the bulb has, as a list for users.
        known: String,
    },
    /// The frame also carries other features, whose values are not known. Read the state first, or set them too.
    NeedsState {
        /// The feature to set.
        feature: Feature,
        /// The features that must be known.
        missing: Features,
    },
    /// The frames carry the bulb's Bluetooth address, which is not known: see
    /// [`Profile::set_address`](super::Profile::set_address).
    NeedsAddress,
    /// The feature cannot be set in the bulb's present mode.
    WrongMode {
        /// The feature.
        feature: Feature,
        /// The present mode.
        mode: Mode,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model { reason } => f.write_str(reason),
            Self::Unsupported { feature, settable } => {
                write!(f, "{feature} cannot be set; this bulb supports: {settable}")
            }
            Self::OutOfRange { feature, value, range: (min, max) } => {
                write!(f, "{feature} {value} is out of range: this bulb supports {min} to {max}")
            }
            Self::UnknownEffect { name, known } => {
                write!(f, "there is no effect {name:?}; this bulb has: {known}")
            }
            Self::NeedsState { feature, missing } => {
                write!(
                    f,
                    "{feature} cannot be set alone: its frame also carries {missing}, which is not known"
                )
            }
            Self::NeedsAddress => {
                f.write_str("the frames of this bulb carry its Bluetooth address, which is not known here")
            }
            Self::WrongMode { feature, mode } => {
                write!(f, "{feature} cannot be set while the bulb shows {mode}")
            }
        }
    }
}

impl core::error::Error for EncodeError {}

/// The order in which features are set. Switching on comes before them, switching off after.
const ORDER: [Feature; 6] =
    [Feature::Effect, Feature::Color, Feature::White, Feature::Kelvin, Feature::Brightness, Feature::Speed];

impl Profile {
    /// Encodes a change.
    ///
    /// `known` is the known state of the bulb: frames that carry several features take the others from it. `sequence`
    /// numbers the frames of families that count them; raise it by the number of writes.
    ///
    /// # Errors
    /// [`EncodeError`] if the bulb cannot do exactly this, or a value that the frames need is not known.
    pub fn encode(&self, change: &Light, known: &Light, sequence: u8) -> Result<EncodedChange, EncodeError> {
        self.validate(change)?;
        let change = self.as_chromaticity(change);
        let target = known.clone().merged(&change);
        let values = ValuesToEncode::new(&target, self.abilities.scaled);
        let mut encoded = EncodedChange { writes: Vec::new(), assumed: target.clone() };
        let mut left = change.features();
        let first = change.power.filter(|on| *on).map(|_| Feature::Power);
        let last = change.power.filter(|on| !*on).map(|_| Feature::Power);
        for feature in first.into_iter().chain(self.order()).chain(last) {
            if !left.contains(feature) {
                continue;
            }
            if let Some((command, steps)) = self.steps(feature, known, &target)? {
                let bytes = command.body.write(&self.abilities, &values).unwrap_or_default();
                for _ in 0..steps {
                    encoded.writes.push(self.write_of(
                        command,
                        bytes.clone(),
                        sequence,
                        encoded.writes.len(),
                    ));
                }
                left = left.without(feature);
                continue;
            }
            let command = self.choose_command(feature, left, &change, &target)?;
            let missing = |missing| match missing {
                MissingValue::Of(missing) => {
                    EncodeError::NeedsState { feature, missing: Features::NONE.with(missing) }
                }
                MissingValue::Address => EncodeError::NeedsAddress,
            };
            let bytes = command.body.write(&self.abilities, &values).map_err(missing)?;
            let in_other_mode = known.mode.is_some() && command.mode.is_some() && known.mode != command.mode;
            if let Some(before) = command.before.as_ref().filter(|_| in_other_mode) {
                let bytes = before.write(&self.abilities, &values).map_err(missing)?;
                encoded.writes.push(self.write_of(command, bytes, sequence, encoded.writes.len()));
            }
            for lead in &command.lead {
                let bytes = lead.write(&self.abilities, &values).map_err(missing)?;
                encoded.writes.push(self.write_of(command, bytes, sequence, encoded.writes.len()));
            }
            encoded.writes.push(self.write_of(command, bytes, sequence, encoded.writes.len()));
            command.implied.add_to(&mut encoded.assumed);
            left = left.less(sets(command, &target));
        }
        encoded.assumed.power = change.power.or(encoded.assumed.power);
        Ok(encoded)
    }

    /// The order in which features are set: first those whose commands say so.
    fn order(&self) -> impl Iterator<Item = Feature> {
        let first = self.commands.iter().filter(|command| command.first);
        let first = first.fold(Features::NONE, |all, command| all.or(command.fields));
        let of = move |wanted: bool| ORDER.into_iter().filter(move |one| first.contains(*one) == wanted);
        of(true).chain(of(false))
    }

    fn write_of(&self, command: &Command, bytes: Vec<u8>, sequence: u8, index: usize) -> Write {
        Write {
            role: command.role.clone(),
            bytes: self.wrapped(bytes, false, sequence, index),
            kind: command.kind,
            delay: command.delay,
        }
    }

    /// The frames that ask the bulb for its state, in order. `sequence` is as for [`encode`](Self::encode).
    #[must_use]
    pub fn queries(&self, sequence: u8) -> Vec<Write> {
        let unknown = Light::default();
        let values = ValuesToEncode::new(&unknown, false);
        let write = |(index, query): (usize, &super::Query)| {
            let bytes = query.template.write(&self.abilities, &values).unwrap_or_default();
            Write {
                role: query.role.clone(),
                bytes: self.wrapped(bytes, true, sequence, index),
                kind: query.kind,
                delay: Duration::ZERO,
            }
        };
        self.queries.iter().enumerate().map(write).collect()
    }

    fn wrapped(&self, bytes: Vec<u8>, wants_answer: bool, sequence: u8, index: usize) -> Vec<u8> {
        let Some(wrapper) = self.wrapper else { return bytes };
        let index = u8::try_from(index).unwrap_or(u8::MAX);
        wrapper.wrap_command(&bytes, wants_answer, sequence.wrapping_add(index))
    }

    /// Checks that the bulb has every feature of a change, in the range of the values.
    ///
    /// # Errors
    /// [`EncodeError`] for the first feature that it does not have.
    pub fn validate(&self, change: &Light) -> Result<(), EncodeError> {
        if let Some(reason) = &self.unsupported {
            return Err(EncodeError::Model { reason: reason.clone() });
        }
        let settable = self.settable();
        if let Some(feature) = change.features().less(settable).iter().next() {
            return Err(EncodeError::Unsupported { feature, settable });
        }
        for feature in change.features().iter() {
            let (Some(value), Some(range)) = (change.number(feature), self.range(feature)) else { continue };
            let value = u32::from(value);
            if !(range.0..=range.1).contains(&value) {
                return Err(EncodeError::OutOfRange { feature, value, range });
            }
        }
        match &change.effect {
            Some(name) if self.abilities.effect_number(name).is_none() => {
                Err(EncodeError::UnknownEffect { name: name.clone(), known: self.effect_names() })
            }
            _ => Ok(()),
        }
    }

    /// The effects of the bulb, as a list for messages.
    #[must_use]
    pub fn effect_names(&self) -> String {
        let mut names: Vec<String> = self.effects().map(String::from).collect();
        if let Some((first, last)) = self.abilities.numbered {
            names.push(format!("{first} to {last}"));
        }
        names.join(", ")
    }

    /// Takes only the hue and saturation of a colour, where frames carry no more: its strength is not the brightness that was
    /// set. Black is the least brightness.
    fn as_chromaticity(&self, change: &Light) -> Light {
        let mut change = change.clone();
        let Some(color) = change.color.filter(|_| self.chromatic) else { return change };
        let (full, _) = color::undimmed(color);
        if full.is_none() && self.settable().contains(Feature::Brightness) {
            let min = u8::try_from(self.abilities.brightness.range.0).unwrap_or(100);
            change.brightness = Some(Percent::clamped(min));
        }
        change.color = full.or(Some(Rgb::WHITE));
        change
    }

    /// Chooses the command that sets `feature`: the one that sets most of what is `left`, then the one that repeats the
    /// fewest known values.
    fn choose_command(
        &self,
        feature: Feature,
        left: Features,
        change: &Light,
        target: &Light,
    ) -> Result<&Command, EncodeError> {
        let (known, changed) = (target.features(), change.features());
        let effect = target.effect.as_deref().and_then(|name| self.abilities.effect_number(name));
        let mut missing = None;
        let mut other_mode = None;
        let mut best: Option<((Reverse<u32>, u32), &Command)> = None;
        for command in self.commands.iter().filter(|command| command.relative.is_none() && !command.alias) {
            let sets = sets(command, target);
            if !sets.contains(feature) || command.only.is_some() && command.only != effect {
                continue;
            }
            // A frame that puts the bulb into a mode that nobody asked for would do more than the change says.
            let wanted = command.fields.and(changed).iter().any(|field| field.mode() == command.mode);
            if let (Some(mode), Some(of_command)) = (target.mode, command.mode)
                && of_command != mode
                && !wanted
            {
                other_mode = Some(mode);
                continue;
            }
            let unknown = command.needs.less(known);
            if !unknown.is_empty() {
                missing = missing.or(Some(unknown));
                continue;
            }
            let rank = (Reverse(sets.and(left).count()), command.fields.less(changed).count());
            if best.is_none_or(|(best, _)| rank < best) {
                best = Some((rank, command));
            }
        }
        match (best, missing, other_mode) {
            (Some((_, command)), ..) => Ok(command),
            (None, Some(missing), _) => Err(EncodeError::NeedsState { feature, missing }),
            (None, None, Some(mode)) => Err(EncodeError::WrongMode { feature, mode }),
            (None, None, None) => Err(EncodeError::Unsupported { feature, settable: self.settable() }),
        }
    }
}

/// The features that a command sets as wanted. A frame that switches the other way does not set the power.
fn sets(command: &Command, target: &Light) -> Features {
    match command.implied.power {
        Some(power) if target.power != Some(power) => command.features.without(Feature::Power),
        _ => command.features,
    }
}
