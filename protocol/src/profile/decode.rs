//! From what a bulb sends to what it says.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::can::{Can, Field};
use super::frame::{DecodeError, Mismatch, Why};
use super::light::{Item, Items, Light, Mode};
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
        Err(nearest.error(&self.name, &self.can, &frame, bytes))
    }

    /// Which question a report answers, by its place in [`queries`](Self::queries); none if it came by itself, or is no report.
    #[must_use]
    pub fn question_of(&self, role: &str, bytes: &[u8]) -> Option<usize> {
        let frame = self.unwrapped(bytes).ok()?;
        let own = self.reports.iter().filter(|report| report.from == role);
        own.into_iter().find(|report| report.body.read(&frame, &self.can).is_ok())?.ask
    }

    pub(crate) fn unwrapped(&self, bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
        match self.wrapper {
            None => Ok(bytes.to_vec()),
            Some(wrapper) => {
                wrapper.unwrap(bytes).map_err(|why| DecodeError::new(why.to_string(), (4, 0), bytes))
            }
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

    /// Of the items that were asked for, those that a report contradicts. `assumed` is what [`Sent`](super::Sent) says that the
    /// lamp is like if it obeys. Values that are the same on the wire agree, and what is not reported contradicts nothing.
    #[must_use]
    pub fn disagrees(&self, asked: Items, assumed: &Light, reported: &Light) -> Items {
        let both = asked.and(assumed.items()).and(reported.items());
        let mode = assumed.mode.or_else(|| assumed.mode_of_parts());
        let differs = |item: Item| match (item, mode) {
            (Item::Power, _) => assumed.power != reported.power,
            (Item::Effect, _) => assumed.effect != reported.effect,
            // How strong a colour is may be in the colour or in the brightness: what counts is both together.
            (Item::Color, _) if self.can.scaled || self.chromatic => !near(shown(assumed), shown(reported)),
            (Item::Color, _) => assumed.color != reported.color,
            (Item::Brightness, Some(Mode::White)) if self.can.scaled => !self.as_white(assumed, reported),
            (Item::Brightness, Some(Mode::Color)) if self.chromatic && shows_color(reported) => {
                !near(shown(assumed), shown(reported))
            }
            (Item::Brightness, _) if self.can.scaled && shows_color(reported) => {
                !near(shown(assumed), shown(reported))
            }
            (Item::White, _) if self.can.scaled => !self.as_white(assumed, reported),
            (Item::Brightness, _) => {
                self.differ(item, percent(assumed.brightness), percent(reported.brightness))
            }
            (Item::White, _) => self.differ(item, percent(assumed.white), percent(reported.white)),
            (Item::Speed, _) => self.differ(item, percent(assumed.speed), percent(reported.speed)),
            (Item::Kelvin, _) => {
                let kelvin = |light: &Light| u32::from(light.kelvin.unwrap_or(0));
                self.differ(item, kelvin(assumed), kelvin(reported))
            }
        };
        both.iter().filter(|item| differs(*item)).collect()
    }

    /// Whether two levels of dimmed white are the same, but for what is lost between percent and the wire.
    fn as_white(&self, assumed: &Light, reported: &Light) -> bool {
        let level = |light: &Light| color::dim(light.white.unwrap_or(Percent::MAX).get(), percent_of(light));
        level(assumed).abs_diff(level(reported)) <= 1
    }

    fn differ(&self, item: Item, asked: u32, reported: u32) -> bool {
        self.can.scale_of(item).is_none_or(|scale| scale.to_raw(asked) != scale.to_raw(reported))
    }
}

fn percent(value: Option<Percent>) -> u32 {
    u32::from(value.unwrap_or(Percent::MAX).get())
}

/// Whether a report is of a colour; black has none.
fn shows_color(light: &Light) -> bool {
    light.color.is_some() || light.mode == Some(Mode::Color)
}

fn percent_of(light: &Light) -> Percent {
    light.brightness.unwrap_or(Percent::MAX)
}

/// A colour as it shows, dimmed by the brightness.
fn shown(light: &Light) -> Rgb {
    color::dimmed(light.color.unwrap_or(Rgb::new(0, 0, 0)), percent_of(light))
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
        if self.best.is_none_or(|best| weight(&mismatch) > weight(&best)) {
            self.best = Some(mismatch);
        }
    }

    /// The error for a frame.
    pub(crate) fn error(self, profile: &str, can: &Can, frame: &[u8], bytes: &[u8]) -> DecodeError {
        let nearness = self.best.as_ref().map_or((0, 0), weight);
        DecodeError::new(self.reason(profile, can, frame.len()), nearness, bytes)
    }

    fn reason(self, profile: &str, can: &Can, len: usize) -> String {
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

/// What agrees in length and fixed bytes was meant; else, what agrees for longest.
const fn weight(mismatch: &Mismatch) -> (u8, usize) {
    match mismatch.why {
        Why::Check { .. } | Why::Codec(_) => (4, mismatch.at),
        Why::Value { .. } => (3, mismatch.at),
        Why::Byte => (2, mismatch.at),
        Why::Length(_) | Why::Short(_) => (1, 0),
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
