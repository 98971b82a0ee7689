//! From what a bulb sends to what it says.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::can::{Can, Field};
use super::frame::{DecodeError, Mismatch, Why};
use super::light::{Item, Items, Light};
use super::recognise::Advert;
use super::{Profile, color};
use crate::{Percent, Rgb};

/// How far two colours may be apart that are the same on the wire: what is lost between 8 bits, percent and degrees.
const COLOR_TOLERANCE: u8 = 6;

impl Profile {
    /// What the bulb says with a value that was read from a role or that it notified.
    ///
    /// # Errors
    /// [`DecodeError`] with the bytes: no report of that role looks so.
    pub fn decode(&self, role: &str, bytes: &[u8]) -> Result<Light, DecodeError> {
        let frame = self.unwrapped(bytes)?;
        let mut nearest = Nearest::default();
        for report in self.reports.iter().filter(|report| report.from == role) {
            match report.body.read(&frame, &self.can) {
                Ok(reading) => {
                    let mut light = reading.light(report.scaled, &self.can);
                    report.means.add_to(&mut light);
                    return Ok(light);
                }
                Err(mismatch) => nearest.add(mismatch),
            }
        }
        Err(DecodeError::new(nearest.reason(&self.name, &self.can, frame.len()), bytes))
    }

    pub(crate) fn unwrapped(&self, bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
        match self.wrapper {
            None => Ok(bytes.to_vec()),
            Some(wrapper) => wrapper.unwrap(bytes).map_err(|why| DecodeError::new(why.to_string(), bytes)),
        }
    }

    /// What an advertisement says of the state; none if it says nothing.
    #[must_use]
    pub fn decode_advert(&self, advert: &Advert<'_>) -> Option<Light> {
        self.adverts.iter().find_map(|state| {
            let company = advert.manufacturer.iter().filter(|(company, _)| {
                state.company.is_some_and(|companies| (companies.0..=companies.1).contains(company))
            });
            let service = advert.service_data.iter().filter(|(service, _)| state.service == Some(*service));
            let data = company.map(|(_, data)| *data).chain(service.map(|(_, data)| *data));
            let reading = data.filter_map(|data| state.template.read(data, &self.can).ok()).next()?;
            let mut light = reading.light(state.scaled, &self.can);
            state.means.add_to(&mut light);
            Some(light)
        })
    }

    /// Of what was asked for, what a report contradicts. Values that are the same on the wire agree, and what is not
    /// reported contradicts nothing.
    #[must_use]
    pub fn disagrees(&self, asked: &Light, reported: &Light) -> Items {
        let both = asked.items().and(reported.items());
        let product = self.can.scaled || self.chromatic;
        let differs = |item: Item| match item {
            Item::Power => asked.power != reported.power,
            Item::Effect => asked.effect != reported.effect,
            Item::Color if product => !near(shown(asked, reported), shown(reported, reported)),
            Item::Color => asked.color != reported.color,
            // Dimmed white, and the brightness of a colour: the colour has been looked at already.
            Item::White if self.can.scaled => level(asked, reported).abs_diff(level(reported, reported)) > 1,
            Item::Brightness if product && asked.color.is_some() => false,
            Item::Brightness if self.can.scaled && asked.white.is_some() => false,
            Item::Brightness if self.can.scaled => {
                percent(asked.brightness).abs_diff(percent(reported.brightness)) > 1
            }
            Item::Brightness => self.differ(item, percent(asked.brightness), percent(reported.brightness)),
            Item::White => self.differ(item, percent(asked.white), percent(reported.white)),
            Item::Speed => self.differ(item, percent(asked.speed), percent(reported.speed)),
            Item::Kelvin => {
                let kelvin = |light: &Light| u32::from(light.kelvin.unwrap_or(0));
                self.differ(item, kelvin(asked), kelvin(reported))
            }
        };
        both.iter().filter(|item| differs(*item)).collect()
    }

    fn differ(&self, item: Item, asked: u32, reported: u32) -> bool {
        self.can.scale_of(item).is_none_or(|scale| scale.to_raw(asked) != scale.to_raw(reported))
    }
}

fn percent(value: Option<Percent>) -> u32 {
    u32::from(value.unwrap_or(Percent::MAX).get())
}

/// A colour as it shows, dimmed by the brightness.
fn shown(light: &Light, otherwise: &Light) -> Rgb {
    let brightness = light.brightness.or(otherwise.brightness).unwrap_or(Percent::MAX);
    color::dimmed(light.color.unwrap_or(Rgb::new(0, 0, 0)), brightness)
}

fn level(light: &Light, otherwise: &Light) -> u8 {
    let brightness = light.brightness.or(otherwise.brightness).unwrap_or(Percent::MAX);
    color::dim(light.white.unwrap_or(Percent::MIN).get(), brightness)
}

fn near(a: Rgb, b: Rgb) -> bool {
    [(a.red, b.red), (a.green, b.green), (a.blue, b.blue)]
        .iter()
        .all(|(a, b)| a.abs_diff(*b) <= COLOR_TOLERANCE)
}

/// Of several frames that bytes are not, the one that they are nearest to.
#[derive(Default)]
pub(crate) struct Nearest {
    best: Option<Mismatch>,
    lengths: Vec<usize>,
}

impl Nearest {
    pub(crate) fn add(&mut self, mismatch: Mismatch) {
        if let Why::Length(length) = mismatch.why
            && !self.lengths.contains(&length)
        {
            self.lengths.push(length);
        }
        // What agrees in length and fixed bytes was meant; else, what agrees for longest.
        let weight = |mismatch: &Mismatch| match mismatch.why {
            Why::Check { .. } | Why::Codec(_) => (3, mismatch.at),
            Why::Value { .. } => (2, mismatch.at),
            Why::Byte => (1, mismatch.at),
            Why::Length(_) | Why::Short(_) => (0, 0),
        };
        if self.best.is_none_or(|best| weight(&mismatch) > weight(&best)) {
            self.best = Some(mismatch);
        }
    }

    pub(crate) fn reason(self, profile: &str, can: &Can, len: usize) -> String {
        let Some(Mismatch { at, why }) = self.best else {
            return format!("{profile} knows no frame here");
        };
        match why {
            Why::Length(right) if self.lengths.len() <= 1 => {
                format!("a frame is {right} bytes long, this one has {len}")
            }
            Why::Length(_) | Why::Short(_) => format!("{profile} knows no frame of {len} bytes"),
            Why::Byte => format!("byte {at} fits no frame of {profile}"),
            Why::Check { name, right } => format!("byte {at} ({name}) is wrong, {right:02x} would be right"),
            Why::Value { field, raw } => {
                format!("byte {at} ({}) is {raw}, not {}", field.name(), wanted(field, can))
            }
            Why::Codec(why) => why.to_string(),
        }
    }
}

/// The numbers that a field can have, for people.
fn wanted(field: Field, can: &Can) -> String {
    let range = |(least, most): (u32, u32)| format!("{least} to {most}");
    match field {
        Field::Power => {
            let (on, off) = can.power;
            format!("{} or {}", on.min(off), on.max(off))
        }
        Field::Hue => "0 to 360".to_string(),
        Field::Saturation => "0 to 100".to_string(),
        Field::Effect => "the number of an effect".to_string(),
        Field::Red | Field::Green | Field::Blue => range(can.color.raw_range()),
        _ => can.scale_of(field.item()).map_or_else(String::new, |scale| range(scale.raw_range())),
    }
}
