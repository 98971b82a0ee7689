//! From the frames of a bulb to its state.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::abilities::{Abilities, Field};
use super::frame::{DecodeError, DecodeErrorKind, Mismatch, MismatchKind};
use super::light::{Feature, Features, Light, Mode};
use super::recognise::Advert;
use super::scale::Scale;
use super::{Profile, color};
use crate::{Percent, Rgb};

/// The largest difference per channel between equal colours: the rounding between 8 bits, percent and degrees.
const COLOR_TOLERANCE: u8 = 6;

impl Profile {
    /// Decodes a status frame: a notification, or a value that was read.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes match no status frame of this role.
    pub fn decode(&self, role: &str, bytes: &[u8]) -> Result<Light, DecodeError> {
        let frame = self.unwrapped(bytes)?;
        let mut closest = ClosestMismatch::default();
        for status in self.statuses.iter().filter(|status| status.role == role) {
            match status.body.read(&frame, &self.abilities) {
                Ok(values) => {
                    let mut light = values.light(status.scaled, &self.abilities);
                    status.implied.add_to(&mut light);
                    return Ok(light);
                }
                Err(mismatch) => closest.add(mismatch),
            }
        }
        Err(closest.error(&self.name, &self.abilities, &frame, bytes))
    }

    /// The query that a status frame answers: an index in [`queries`](Self::queries). `None` if the bulb sent the frame
    /// without a query, or if the bytes are not a status frame.
    #[must_use]
    pub fn answered_query(&self, role: &str, bytes: &[u8]) -> Option<usize> {
        let frame = self.unwrapped(bytes).ok()?;
        let mut of_role = self.statuses.iter().filter(|status| status.role == role);
        of_role.find(|status| status.body.read(&frame, &self.abilities).is_ok())?.query
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
            let values = data.filter_map(|data| state.template.read(data, &self.abilities).ok()).next()?;
            let mut light = values.light(state.scaled, &self.abilities);
            state.implied.add_to(&mut light);
            Some(light)
        })
    }

    /// Compares a reported state with an assumed one, and returns those of the `asked` features that differ.
    ///
    /// `assumed` is from [`EncodedChange`](super::EncodedChange). Values that have the same number in a frame are equal. A
    /// feature that either state lacks does not differ.
    #[must_use]
    pub fn mismatches(&self, asked: Features, assumed: &Light, reported: &Light) -> Features {
        let both = asked.and(assumed.features()).and(reported.features());
        let mode = assumed.mode.or_else(|| assumed.implied_mode());
        let scaled = self.abilities.scaled;
        // A status of black has the mode of a colour, but no colour.
        let reports_color = reported.color.is_some() || reported.mode == Some(Mode::Color);
        let differs = |feature: Feature| match (feature, mode) {
            (Feature::Power, _) => assumed.power != reported.power,
            (Feature::Effect, _) => assumed.effect != reported.effect,
            // The strength of a colour may be in the colour or in the brightness: compare the product.
            (Feature::Color, _) if scaled || self.chromatic => !same_color(assumed, reported),
            (Feature::Color, _) => assumed.color != reported.color,
            (Feature::Brightness, Some(Mode::White)) if scaled => !same_white(assumed, reported),
            (Feature::Brightness, Some(Mode::Color)) if self.chromatic && reports_color => {
                !same_color(assumed, reported)
            }
            (Feature::Brightness, _) if scaled && reports_color => !same_color(assumed, reported),
            (Feature::White, _) if scaled => !same_white(assumed, reported),
            (Feature::Brightness, _) => self.differ(feature, assumed.brightness, reported.brightness),
            (Feature::White, _) => self.differ(feature, assumed.white, reported.white),
            (Feature::Speed, _) => self.differ(feature, assumed.speed, reported.speed),
            (Feature::Kelvin, _) => {
                let number = |kelvin: Option<u16>| self.abilities.kelvin.to_raw(kelvin.unwrap_or(0).into());
                number(assumed.kelvin) != number(reported.kelvin)
            }
        };
        both.iter().filter(|feature| differs(*feature)).collect()
    }

    /// Returns true if two percentages have different numbers in a frame.
    fn differ(&self, feature: Feature, a: Option<Percent>, b: Option<Percent>) -> bool {
        let number =
            |scale: Scale, value: Option<Percent>| scale.to_raw(value.unwrap_or(Percent::MAX).get().into());
        self.abilities.scale_of(feature).is_none_or(|scale| number(scale, a) != number(scale, b))
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

/// The numbers that a field can have, for messages.
fn valid_numbers(field: Field, abilities: &Abilities) -> String {
    let range = |(min, max): (u32, u32)| format!("{min} to {max}");
    match field {
        Field::Power => {
            let (on, off) = abilities.power;
            format!("{} or {}", on.min(off), on.max(off))
        }
        Field::Hue => "0 to 360".to_string(),
        Field::Saturation => "0 to 100".to_string(),
        Field::Effect => "the number of an effect".to_string(),
        Field::Red | Field::Green | Field::Blue => range(abilities.color.raw_range()),
        _ => abilities.scale_of(field.feature()).map_or_else(String::new, |scale| range(scale.raw_range())),
    }
}
