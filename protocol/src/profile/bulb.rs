//! The bulb's side: what a command asks for, and what a real bulb would answer. For virtual bulbs.

use alloc::string::String;
use alloc::vec::Vec;

use super::can::Source;
use super::decode::Nearest;
use super::frame::DecodeError;
use super::light::{Item, Light};
use super::recognise::AdvertData;
use super::{Profile, StatusRule};
use crate::Percent;

/// What a bulb is told by a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodedCommand {
    /// A change, to be [merged](Light::merge) into the bulb's state.
    Change(Light),
    /// A question, by its place in [`Profile::queries`].
    Question(usize),
    /// A write of the session policy, which changes nothing.
    Nothing,
}

/// Why a bulb would send something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion<'a> {
    /// This question was asked.
    Question(usize),
    /// A command was carried out.
    Command,
    /// Something changed without a command over this link.
    Change,
    /// This role is read.
    Read(&'a str),
}

/// What a bulb sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusFrame {
    /// The role that gives it.
    pub role: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Profile {
    /// What a write to a role asks of the bulb. Where brightness is only scaled colour, the bulb hears of the colour.
    ///
    /// # Errors
    /// [`DecodeError`]: the bulb does not know this frame.
    pub fn decode_command(&self, role: &str, bytes: &[u8]) -> Result<DecodedCommand, DecodeError> {
        let frame = self.unwrapped(bytes)?;
        let question = |ask: &super::Query| ask.to == role && ask.template.read(&frame, &self.can).is_ok();
        if let Some(question) = self.asks.iter().position(question) {
            return Ok(DecodedCommand::Question(question));
        }
        let mut nearest = Nearest::default();
        let mut best: Option<(u32, Light)> = None;
        for command in self.commands.iter().filter(|command| command.to == role) {
            match command.body.read(&frame, &self.can) {
                Ok(reading) => {
                    let bits = command.body.fixed_bits();
                    if best.as_ref().is_none_or(|(most, _)| bits > *most) {
                        let mut light = reading.light(false, &self.can);
                        command.means.add_to(&mut light);
                        best = Some((bits, light));
                    }
                }
                Err(mismatch) => nearest.add(mismatch),
            }
        }
        let Some((_, mut light)) = best else {
            if self.is_of_session(role, &frame) {
                return Ok(DecodedCommand::Nothing);
            }
            return Err(nearest.error(&self.name, &self.can, &frame, bytes));
        };
        if self.can.scaled && (light.color.is_some() || light.white.is_some()) {
            light.brightness = Some(Percent::MAX);
        }
        Ok(DecodedCommand::Change(light))
    }

    /// Whether it is a write of the session policy.
    fn is_of_session(&self, role: &str, frame: &[u8]) -> bool {
        let keep_alive = self.session.keep_alive.iter().map(|keep| &keep.write);
        self.session.first.iter().chain(keep_alive).any(|write| {
            write.role == role && self.unwrapped(&write.bytes).is_ok_and(|payload| payload == frame)
        })
    }

    /// What a bulb in this state sends on an occasion: for each role and question, the first report that fits the state.
    #[must_use]
    pub fn answers(&self, occasion: Occasion<'_>, state: &Light, sequence: u8) -> Vec<StatusFrame> {
        let mut given: Vec<(&str, Option<usize>)> = Vec::new();
        let mut answers = Vec::new();
        for report in self.reports.iter().filter(|report| suits(report, occasion)) {
            let kind = (report.from.as_str(), report.ask);
            if given.contains(&kind) {
                continue;
            }
            let Some(bytes) = self.told(report, state) else { continue };
            given.push(kind);
            let number = u8::try_from(answers.len()).unwrap_or(u8::MAX);
            let bytes = match (self.wrapper, occasion) {
                (Some(wrapper), _) => wrapper.wrap_report(&bytes, sequence.wrapping_add(number)),
                (None, _) => bytes,
            };
            answers.push(StatusFrame { role: report.from.clone(), bytes });
        }
        answers
    }

    /// The report of a state; none if the report is of another mode, or of another power.
    fn told(&self, report: &StatusRule, state: &Light) -> Option<Vec<u8>> {
        let mode = state.mode.or_else(|| state.mode_of_parts());
        let other = report.mode.is_some_and(|own| mode.is_some_and(|mode| mode != own))
            || report.means.power.is_some_and(|power| state.power.is_some_and(|own| own != power));
        if other {
            return None;
        }
        report.body.write(&self.can, &Source::new(state, report.scaled)).ok()
    }

    /// What a virtual bulb in this state advertises.
    #[must_use]
    pub fn advertise(&self, state: &Light) -> AdvertData {
        let example = &self.example;
        let mut data = AdvertData {
            name: example.name.clone(),
            services: example.services.clone(),
            manufacturer: example.manufacturer.iter().cloned().collect(),
            service_data: example.service_data.iter().cloned().collect(),
        };
        let mode = state.mode.or_else(|| state.mode_of_parts());
        let fits = |advert: &&super::AdvertState| {
            let own = advert.means.mode.or_else(|| advert.template.mode());
            let power = advert.means.power.is_none() || advert.means.power == state.power;
            power && (own.is_none() || mode.is_none() || own == mode)
        };
        let built = self.adverts.iter().filter(fits).find_map(|advert| {
            let bytes = advert.template.write(&self.can, &Source::new(state, advert.scaled)).ok()?;
            Some((advert, bytes))
        });
        if let Some((advert, bytes)) = built {
            if let Some(companies) = advert.company {
                let company = example.manufacturer.as_ref().map_or(companies.0, |(company, _)| *company);
                data.manufacturer = alloc::vec![(company, bytes)];
            } else if let Some(service) = advert.service {
                data.service_data = alloc::vec![(service, bytes)];
            }
        }
        data
    }

    /// A state that a bulb of this family may start with, with all that it can do.
    #[must_use]
    pub fn initial(&self, power: bool) -> Light {
        let can = self.settable().or(self.reported());
        let has = |item: Item| can.contains(item);
        let middle = |item: Item| {
            self.range(item).map(|(least, most)| u16::try_from(least.midpoint(most)).unwrap_or(0))
        };
        let percent =
            |item: Item| middle(item).map(|value| Percent::clamped(u8::try_from(value).unwrap_or(100)));
        let effect = self.effects().next().map(String::from);
        let mut light = Light {
            power: has(Item::Power).then_some(power),
            brightness: has(Item::Brightness).then_some(Percent::MAX),
            color: has(Item::Color).then_some(crate::Rgb::WHITE),
            white: percent(Item::White),
            kelvin: middle(Item::Kelvin),
            effect: effect.or_else(|| self.can.numbered.map(|(first, _)| alloc::format!("{first}"))),
            speed: percent(Item::Speed),
            mode: None,
        };
        light.mode = if has(Item::Color) { Some(super::Mode::Color) } else { light.mode_of_parts() };
        light
    }
}

fn suits(report: &StatusRule, occasion: Occasion<'_>) -> bool {
    match occasion {
        Occasion::Question(number) => report.ask == Some(number),
        Occasion::Command => report.on_command || report.on_change,
        Occasion::Change => report.on_change,
        Occasion::Read(role) => report.on_read && report.from == role,
    }
}
