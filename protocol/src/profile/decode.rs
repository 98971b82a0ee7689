//! From the frames of a bulb to its state.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::abilities::{Abilities, Field, Reading};
use super::codec::Body;
use super::frame::{DecodeError, DecodeErrorKind, Mismatch, MismatchKind};
use super::light::{Feature, Features, Light, Mode};
use super::recognise::Advert;
use super::scale::Scale;
use super::{Command, DecodedCommand, Profile, Trigger, color};
use crate::{Percent, Rgb};

/// The largest difference per channel between equal colours: the rounding between 8 bits, percent and degrees.
const COLOR_TOLERANCE: u8 = 6;

/// The longest value of an attribute, bytes (Bluetooth Core 5.4, Vol 3, Part F, 3.2.9).
const MAX_ATT_VALUE: usize = 512;

impl Profile {
    /// Decodes a status frame: a notification, or a value that was read.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes match no status frame of this role.
    pub fn decode(&self, role: &str, bytes: &[u8]) -> Result<Light, DecodeError> {
        let frame = self.unwrapped(bytes)?;
        self.read_status(role, &frame, bytes).or_else(|error| {
            let bodies = self.statuses.iter().filter(|status| status.role == role).map(|status| &status.body);
            let echoed = self.echoed_commands(role).map(|command| &command.body);
            let bodies: Vec<&Body> = bodies.chain(echoed).collect();
            let parts =
                self.glued(&frame, &bodies, |part| self.read_status(role, part, part)).ok_or(error)??;
            Ok(parts.iter().fold(Light::default(), |all, part| all.merged(part)))
        })
    }

    /// Reads one status frame. `bytes` are those of the error.
    fn read_status(&self, role: &str, frame: &[u8], bytes: &[u8]) -> Result<Light, DecodeError> {
        let mut closest = ClosestMismatch::default();
        // A rule without the effect goes before an effect that is not known.
        for reading in [Reading::Status, Reading::UnknownEffect] {
            for status in self.statuses.iter().filter(|status| status.role == role) {
                match status.body.read(frame, &self.abilities, reading) {
                    Ok(values) => {
                        let mut light = values.light(status.scaled, &self.abilities);
                        status.implied.add_to(&mut light);
                        return Ok(light);
                    }
                    Err(mismatch) => closest.add(mismatch),
                }
            }
        }
        if self.echoed_commands(role).next().is_some() {
            return match self.read_command("control", frame, bytes)? {
                DecodedCommand::Change(light) => Ok(light),
                _ => Ok(Light::default()),
            };
        }
        if self.statuses.iter().any(|status| status.role == role) && self.is_part(frame) {
            return Ok(Light::default());
        }
        Err(closest.error(&self.name, &self.abilities, frame, bytes))
    }

    /// The commands that this role notifies as the bulb takes them.
    fn echoed_commands(&self, role: &str) -> impl Iterator<Item = &Command> {
        let echoes = self.echo_role.as_deref() == Some(role);
        self.commands.iter().filter(move |command| echoes && command.role == "control")
    }

    /// Splits several frames that were sent as one value. `None` if they cannot be told apart.
    ///
    /// The frames must be of a kind whose end can be found. One that is not known is left out if it begins like a known one.
    ///
    /// # Errors
    /// The error of a malformed part.
    pub(super) fn glued<T>(
        &self,
        frame: &[u8],
        bodies: &[&Body],
        read: impl Fn(&[u8]) -> Result<T, DecodeError>,
    ) -> Option<Result<Vec<T>, DecodeError>> {
        if self.wrapper.is_some() || frame.len() > MAX_ATT_VALUE {
            return None;
        }
        let mut lengths: Vec<usize> = Vec::new();
        for length in bodies.iter().filter_map(|body| body.length()) {
            if !lengths.contains(&length) {
                lengths.push(length);
            }
        }
        let (mut parts, mut rest, mut skipping) = (Vec::new(), frame, false);
        while let Some(first) = rest.first() {
            let read_part = |length: &usize| Some((*length, read(rest.get(..*length)?)));
            let tried: Vec<_> = lengths.iter().filter_map(read_part).collect();
            let mut malformed = None;
            let mut known = None;
            for (length, result) in tried {
                match result {
                    Ok(part) => known = known.or(Some((length, part))),
                    Err(error) if !error.is_unknown() && error.kind() != DecodeErrorKind::Length => {
                        malformed = Some(error);
                    }
                    Err(_) => {}
                }
            }
            let length = match (known, malformed) {
                (Some((length, part)), _) => {
                    parts.push(part);
                    skipping = false;
                    length
                }
                (None, Some(error)) if !skipping => return (!parts.is_empty()).then_some(Err(error)),
                _ if skipping || bodies.iter().any(|body| body.first_byte() == Some(*first)) => {
                    skipping = true;
                    1
                }
                _ => return None,
            };
            rest = rest.get(length..).unwrap_or_default();
        }
        (!parts.is_empty()).then_some(Ok(parts))
    }

    /// The query that a status frame answers: an index in [`queries`](Self::queries). `None` if the bulb sent the frame
    /// without a query, or if the bytes are not a status frame.
    #[must_use]
    pub fn answered_query(&self, role: &str, bytes: &[u8]) -> Option<usize> {
        let frame = self.unwrapped(bytes).ok()?;
        let mut of_role = self.statuses.iter().filter(|status| status.role == role);
        of_role.find(|status| status.body.read(&frame, &self.abilities, Reading::Status).is_ok())?.query
    }

    pub(crate) fn unwrapped<'a>(&self, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>, DecodeError> {
        let Some(wrapper) = self.wrapper else { return Ok(Cow::Borrowed(bytes)) };
        wrapper
            .unwrap(bytes)
            .map(Cow::Owned)
            .map_err(|reason| DecodeError::new(reason.to_string(), DecodeErrorKind::Structure, 0, bytes))
    }

    /// Decodes the state within an advertisement; `None` if it has none.
    #[must_use]
    pub fn decode_advert(&self, advert: &Advert<'_>) -> Option<Light> {
        self.adverts.iter().find_map(|state| {
            let company = advert.manufacturer.iter().filter(|(company, _)| {
                state.company.is_some_and(|companies| (companies.0..=companies.1).contains(company))
            });
            let service = advert.service_data.iter().filter(|(service, _)| state.service == Some(*service));
            let data = company.map(|(_, data)| *data).chain(service.map(|(_, data)| *data));
            let values = data
                .filter_map(|data| state.template.read(data, &self.abilities, Reading::Status).ok())
                .next()?;
            let mut light = values.light(state.scaled, &self.abilities);
            state.implied.add_to(&mut light);
            Some(light)
        })
    }

    /// Compares a reported state with an assumed one, and returns those of the `asked` features that differ.
    ///
    /// `assumed` is from [`EncodedChange`](super::EncodedChange). A level may be one step of the bulb's scale off, because bulbs round. A
    /// feature that either state lacks does not differ.
    #[must_use]
    pub fn mismatches(&self, asked: Features, assumed: &Light, reported: &Light) -> Features {
        self.compare(asked, assumed, reported, 1)
    }

    /// As [`mismatches`](Self::mismatches), but a level must have the same number in a frame.
    #[must_use]
    pub fn inexact(&self, asked: Features, assumed: &Light, reported: &Light) -> Features {
        self.compare(asked, assumed, reported, 0)
    }

    /// Returns those of the `asked` features whose reported value is the one from `before` a command, and not the assumed one:
    /// the bulb may have ignored the command. [`mismatches`](Self::mismatches) does not tell if the two are a step apart. Values
    /// that the bulb reports in the same way are the same.
    #[must_use]
    pub fn unchanged(&self, asked: Features, before: &Light, assumed: &Light, reported: &Light) -> Features {
        let all = asked.and(before.features()).and(assumed.features()).and(reported.features());
        let is_old = |feature: Feature| {
            let shown = |light: &Light| self.shown(feature, light);
            shown(reported).is_some() && shown(before) == shown(reported) && shown(assumed) != shown(reported)
        };
        let old: Features = all.iter().filter(|feature| is_old(*feature)).collect();
        if old.is_empty() {
            return old;
        }
        // Rounded as the bulb rounds it, the assumed state may be the reported one.
        let expected = self.status_of(&self.full_state(true).merged(assumed));
        let is_expected = |feature: Feature| {
            let has = |light: &&Light| light.features().contains(feature);
            let mut expected = expected.iter().filter(has).map(|light| self.shown(feature, light)).peekable();
            expected.peek().is_none() || expected.any(|shown| shown == self.shown(feature, reported))
        };
        old.iter().filter(|feature| !is_expected(*feature)).collect()
    }

    /// The status frames of a bulb in this state, decoded: what the family can report of it.
    #[must_use]
    pub fn status_of(&self, state: &Light) -> Vec<Light> {
        let queries = (0..self.queries.len()).map(Trigger::Query);
        let reads = self.roles.iter().map(|role| Trigger::Read(&role.name));
        let triggers = queries.chain(reads).chain([Trigger::Command, Trigger::Change]);
        let frames = triggers.flat_map(|trigger| self.status_frames(trigger, state, 0));
        frames.filter_map(|frame| self.decode(&frame.role, &frame.bytes).ok()).collect()
    }

    /// The numbers that show a feature; `None` for those that are no level and no dimmed colour.
    fn shown(&self, feature: Feature, light: &Light) -> Option<[u32; 4]> {
        let dims_color = self.abilities.scaled || self.chromatic;
        match feature {
            Feature::Color | Feature::Brightness if dims_color && light.color.is_some() => {
                let Rgb { red, green, blue } = light.color?;
                Some([red, green, blue, brightness(light).get()].map(u32::from))
            }
            Feature::White if self.abilities.scaled => {
                Some([color::dim(light.white?.get(), brightness(light)).into(), 0, 0, 0])
            }
            _ => {
                let number = light.number(feature)?;
                Some([self.abilities.scale_of(feature)?.to_raw(number.into()), 0, 0, 0])
            }
        }
    }

    /// `steps` is the number of steps of the bulb's scale by which a level may be off.
    fn compare(&self, asked: Features, assumed: &Light, reported: &Light, steps: u32) -> Features {
        let both = asked.and(assumed.features()).and(reported.features());
        let mode = assumed.mode.or_else(|| assumed.implied_mode());
        let scaled = self.abilities.scaled;
        // A status of black has the mode of a colour, but no colour.
        let reports_color = reported.color.is_some() || reported.mode == Some(Mode::Color);
        let differs = |feature: Feature| match (feature, mode) {
            (Feature::Power, _) => assumed.power != reported.power,
            (Feature::Effect, _) => !self.same_effect(assumed, reported),
            // The strength of a colour may be in the colour or in the brightness: compare the product.
            (Feature::Color, _) if scaled || self.chromatic => !same_color(assumed, reported),
            (Feature::Color, _) => assumed.color != reported.color,
            (Feature::Brightness, Some(Mode::White)) if scaled => !same_white(assumed, reported),
            (Feature::Brightness, Some(Mode::Color)) if self.chromatic && reports_color => {
                !same_color(assumed, reported)
            }
            (Feature::Brightness, _) if scaled && reports_color => !same_color(assumed, reported),
            (Feature::White, _) if scaled => !same_white(assumed, reported),
            (Feature::Brightness, _) => self.differ(feature, assumed.brightness, reported.brightness, steps),
            (Feature::White, _) => self.differ(feature, assumed.white, reported.white, steps),
            (Feature::Speed, _) => self.differ(feature, assumed.speed, reported.speed, steps),
            (Feature::Kelvin, _) => {
                let number = |kelvin: Option<u16>| self.abilities.kelvin.to_raw(kelvin.unwrap_or(0).into());
                number(assumed.kelvin) != number(reported.kelvin)
            }
        };
        both.iter().filter(|feature| differs(*feature)).collect()
    }

    /// Returns true if two states show the same effect, by its name or by its number.
    fn same_effect(&self, a: &Light, b: &Light) -> bool {
        let number = |light: &Light| self.abilities.effect_number(light.effect.as_deref()?);
        a.effect == b.effect || number(a).is_some_and(|effect| Some(effect) == number(b))
    }

    /// Returns true if the numbers of two percentages in a frame are more than `steps` apart.
    fn differ(&self, feature: Feature, a: Option<Percent>, b: Option<Percent>, steps: u32) -> bool {
        let number =
            |scale: Scale, value: Option<Percent>| scale.to_raw(value.unwrap_or(Percent::MAX).get().into());
        self.abilities
            .scale_of(feature)
            .is_none_or(|scale| number(scale, a).abs_diff(number(scale, b)) > steps)
    }
}

fn brightness(light: &Light) -> Percent {
    light.brightness.unwrap_or(Percent::MAX)
}

/// Returns true if two states show the same colour, dimmed by their brightness.
fn same_color(a: &Light, b: &Light) -> bool {
    let dimmed = |light: &Light| color::dimmed(light.color.unwrap_or(Rgb::new(0, 0, 0)), brightness(light));
    let (a, b) = (dimmed(a), dimmed(b));
    let near = |a: u8, b: u8| a.abs_diff(b) <= COLOR_TOLERANCE;
    near(a.red, b.red) && near(a.green, b.green) && near(a.blue, b.blue)
}

/// Returns true if two states show the same level of white, dimmed by their brightness. Rounding may cost 1 %.
fn same_white(a: &Light, b: &Light) -> bool {
    let level = |light: &Light| color::dim(light.white.unwrap_or(Percent::MAX).get(), brightness(light));
    level(a).abs_diff(level(b)) <= 1
}

#[derive(Default)]
pub(crate) struct ClosestMismatch {
    closest: Option<Mismatch>,
    lengths: Vec<usize>,
}

impl ClosestMismatch {
    pub(crate) fn add(&mut self, mismatch: Mismatch) {
        if let MismatchKind::Length(length) = mismatch.kind
            && !self.lengths.contains(&length)
        {
            self.lengths.push(length);
        }
        let closeness = |mismatch: &Mismatch| (mismatch.error_kind(), mismatch.at);
        if self.closest.is_none_or(|closest| closeness(&mismatch) > closeness(&closest)) {
            self.closest = Some(mismatch);
        }
    }

    /// The error for `bytes`; `frame` is what is left of them without the transport's header.
    pub(crate) fn error(
        &self,
        profile: &str,
        abilities: &Abilities,
        frame: &[u8],
        bytes: &[u8],
    ) -> DecodeError {
        let Some(closest) = self.closest else {
            let reason = format!("{profile} has no frames here");
            return DecodeError::new(reason, DecodeErrorKind::NoFrames, 0, bytes);
        };
        let (at, len) = (closest.at, frame.len());
        let reason = match closest.kind {
            MismatchKind::Length(expected) if self.lengths.len() <= 1 => {
                format!("a frame is {expected} bytes long, this one has {len}")
            }
            MismatchKind::Length(_) | MismatchKind::TooShort(_) => {
                format!("{profile} has no frame of {len} bytes")
            }
            MismatchKind::FixedByte => format!("byte {at} matches no frame of {profile}"),
            MismatchKind::Checksum { name, expected } => {
                format!("byte {at} ({name}) is wrong, expected {expected:02x}")
            }
            MismatchKind::Value { field, raw } => {
                format!("byte {at} ({}) is {raw}, not {}", field.name(), valid_numbers(field, abilities))
            }
            MismatchKind::Codec(reason) => reason.to_string(),
        };
        DecodeError::new(reason, closest.error_kind(), at, bytes)
    }
}

fn valid_numbers(field: Field, abilities: &Abilities) -> String {
    let range = |(min, max): (u32, u32)| format!("{min} to {max}");
    match field {
        Field::Power => {
            let (on, off) = abilities.power;
            format!("{} or {}", on.min(off), on.max(off))
        }
        Field::Hue => "0 to 360".to_string(),
        Field::Saturation => range(abilities.saturation.raw_range()),
        Field::Effect => "the number of an effect".to_string(),
        Field::Red | Field::Green | Field::Blue => range(abilities.color.raw_range()),
        _ => abilities.scale_of(field.feature()).map_or_else(String::new, |scale| range(scale.raw_range())),
    }
}
