//! The bulb's side of the link: reading commands and building status frames, for virtual bulbs.

use alloc::string::String;
use alloc::vec::Vec;

use super::abilities::{Reading, ValuesToEncode};
use super::decode::ClosestMismatch;
use super::frame::DecodeError;
use super::light::{Feature, Light, Mode};
use super::recognise::AdvertData;
use super::relative::Relative;
use super::{AdvertState, Profile, StatusRule};
use crate::{Percent, Rgb};

/// A write to the bulb, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodedCommand {
    /// A change to [merge](Light::merge) into the bulb's state.
    Change(Light),
    /// A step from the state of the bulb.
    Relative(Relative),
    /// A query for the state: its index in [`Profile::queries`].
    Query(usize),
    /// A write of the [`LinkRules`](super::LinkRules). It changes nothing.
    LinkRule,
}

/// A reason for a bulb to send its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger<'a> {
    /// The computer sent this query: an index in [`Profile::queries`].
    Query(usize),
    /// The bulb carried out a command.
    Command,
    /// The state changed without a command over this link.
    Change,
    /// The computer reads this role.
    Read(&'a str),
}

/// A status frame of a bulb, by role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusFrame {
    /// The role whose characteristic sends it.
    pub role: String,
    /// The bytes of the frame.
    pub bytes: Vec<u8>,
}

impl Profile {
    /// Decodes a write to a role, as the bulb does.
    ///
    /// Of a bulb that dims by scaling its colour, the change has the scaled colour and a brightness of 100 %.
    ///
    /// # Errors
    /// [`DecodeError`] if the profile does not know the frame.
    pub fn decode_command(&self, role: &str, bytes: &[u8]) -> Result<DecodedCommand, DecodeError> {
        let frame = self.unwrapped(bytes)?;
        self.read_command(role, &frame, bytes).or_else(|error| {
            let commands = self.commands.iter().filter(|command| command.role == role);
            let bodies: Vec<_> = commands.map(|command| &command.body).collect();
            let parts =
                self.glued(&frame, &bodies, |part| self.read_command(role, part, part)).ok_or(error)??;
            let change = parts.iter().filter_map(|part| match part {
                DecodedCommand::Change(light) => Some(light),
                _ => None,
            });
            let change =
                change.fold(None, |all: Option<Light>, light| Some(all.unwrap_or_default().merged(light)));
            let first = parts.into_iter().next().unwrap_or(DecodedCommand::LinkRule);
            Ok(change.map_or(first, DecodedCommand::Change))
        })
    }

    /// Reads one command frame. `bytes` are those of the error.
    pub(super) fn read_command(
        &self,
        role: &str,
        frame: &[u8],
        bytes: &[u8],
    ) -> Result<DecodedCommand, DecodeError> {
        let query = self.queries.iter().position(|query| {
            query.role == role && query.template.read(frame, &self.abilities, Reading::Command).is_ok()
        });
        if let Some(query) = query {
            return Ok(DecodedCommand::Query(query));
        }
        let mut closest = ClosestMismatch::default();
        let mut best: Option<(u32, Light, Option<Relative>)> = None;
        for command in self.commands.iter().filter(|command| command.role == role) {
            match command.body.read(frame, &self.abilities, Reading::Command) {
                Ok(values) => {
                    let bits = command.body.fixed_bits();
                    if best.as_ref().is_none_or(|(most, ..)| bits > *most) {
                        let mut light = values.light(false, &self.abilities);
                        command.implied.add_to(&mut light);
                        if let Some(effect) = command.only {
                            light.effect = self.abilities.effect_name(effect);
                            light.mode = Some(Mode::Effect);
                        }
                        best = Some((bits, light, command.relative));
                    }
                }
                Err(mismatch) => closest.add(mismatch),
            }
        }
        let Some((_, mut light, relative)) = best else {
            if self.is_link_rule(role, frame) {
                return Ok(DecodedCommand::LinkRule);
            }
            return Err(closest.error(&self.name, &self.abilities, frame, bytes));
        };
        if let Some(relative) = relative {
            return Ok(DecodedCommand::Relative(relative));
        }
        if self.abilities.scaled && (light.color.is_some() || light.white.is_some()) {
            light.brightness = Some(Percent::MAX);
        }
        Ok(DecodedCommand::Change(light))
    }

    fn is_link_rule(&self, role: &str, frame: &[u8]) -> bool {
        let of_role = self.commands.iter().filter(|command| command.role == role);
        let mut first = of_role.flat_map(|command| command.before.iter().chain(&command.lead));
        if first.any(|template| template.read(frame, &self.abilities, Reading::Command).is_ok()) {
            return true;
        }
        let keep_alive = self.link_rules.keep_alive.iter().map(|keep| &keep.write);
        self.link_rules.first.iter().chain(keep_alive).any(|write| {
            write.role == role && self.unwrapped(&write.bytes).is_ok_and(|payload| *payload == *frame)
        })
    }

    /// Builds the frames that a bulb in this state sends: for each role and query, the first that can express the state.
    ///
    /// `sequence` numbers the frames of families that count them; raise it by the number of frames.
    #[must_use]
    pub fn status_frames(&self, trigger: Trigger<'_>, state: &Light, sequence: u8) -> Vec<StatusFrame> {
        let mut sources: Vec<(&str, Option<usize>)> = Vec::new();
        let mut frames = Vec::new();
        for status in self.statuses.iter().filter(|status| status.is_sent_on(trigger)) {
            let source = (status.role.as_str(), status.query);
            if sources.contains(&source) {
                continue;
            }
            let Some(bytes) = self.build_status(status, state) else { continue };
            sources.push(source);
            let index = u8::try_from(frames.len()).unwrap_or(u8::MAX);
            let bytes = match self.wrapper {
                Some(wrapper) => wrapper.wrap_status(&bytes, sequence.wrapping_add(index)),
                None => bytes,
            };
            frames.push(StatusFrame { role: status.role.clone(), bytes });
        }
        frames
    }

    fn build_status(&self, status: &StatusRule, state: &Light) -> Option<Vec<u8>> {
        let mode = state.mode.or_else(|| state.implied_mode());
        if differ(status.mode, mode) || differ(status.implied.power, state.power) {
            return None;
        }
        status.body.write(&self.abilities, &ValuesToEncode::new(state, status.scaled)).ok()
    }

    /// Builds the advertisement of a virtual bulb in this state.
    #[must_use]
    pub fn advertise(&self, state: &Light) -> AdvertData {
        let example = &self.example;
        let mut data = AdvertData {
            name: example.name.clone(),
            services: example.services.clone(),
            manufacturer: example.manufacturer.iter().cloned().collect(),
            service_data: example.service_data.iter().cloned().collect(),
        };
        let mode = state.mode.or_else(|| state.implied_mode());
        let fits = |advert: &&AdvertState| {
            let power = advert.implied.power;
            !differ(advert.implied.mode.or_else(|| advert.template.mode()), mode)
                && (power.is_none() || power == state.power)
        };
        let built = self.adverts.iter().filter(fits).find_map(|advert| {
            let values = ValuesToEncode::new(state, advert.scaled);
            Some((advert, advert.template.write(&self.abilities, &values).ok()?))
        });
        if let Some((advert, mut bytes)) = built {
            if let Some(companies) = advert.company {
                let own = example.manufacturer.as_ref();
                let company = own.map_or(companies.0, |(company, _)| *company);
                advert.template.fill_open_bytes(&mut bytes, own.map_or(&[], |(_, data)| data));
                data.manufacturer = alloc::vec![(company, bytes)];
            } else if let Some(service) = advert.service {
                let own = example.service_data.as_ref();
                advert.template.fill_open_bytes(&mut bytes, own.map_or(&[], |(_, data)| data));
                data.service_data = alloc::vec![(service, bytes)];
            }
        }
        data
    }

    /// A state with a value for every feature of the family: full brightness, white, and the middle of other ranges.
    #[must_use]
    pub fn full_state(&self, power: bool) -> Light {
        let features = self.settable().or(self.reported());
        let has = |feature: Feature| features.contains(feature);
        let middle = |feature: Feature| {
            self.range(feature).map(|(min, max)| u16::try_from(min.midpoint(max)).unwrap_or(0))
        };
        let percent =
            |feature| middle(feature).map(|value| Percent::clamped(u8::try_from(value).unwrap_or(100)));
        let effect = self.effects().next().map(String::from);
        let mut light = Light {
            power: has(Feature::Power).then_some(power),
            brightness: has(Feature::Brightness).then_some(Percent::MAX),
            color: has(Feature::Color).then_some(Rgb::WHITE),
            white: percent(Feature::White),
            kelvin: middle(Feature::Kelvin),
            effect: effect.or_else(|| self.abilities.numbered.map(|(first, _)| alloc::format!("{first}"))),
            speed: percent(Feature::Speed),
            mode: None,
        };
        light.mode = if has(Feature::Color) { Some(Mode::Color) } else { light.implied_mode() };
        light
    }
}

/// Returns true if both values are known and different.
fn differ<T: PartialEq>(a: Option<T>, b: Option<T>) -> bool {
    a.is_some() && b.is_some() && a != b
}

impl StatusRule {
    fn is_sent_on(&self, trigger: Trigger<'_>) -> bool {
        match trigger {
            Trigger::Query(query) => self.query == Some(query),
            Trigger::Command => self.on_command || self.on_change,
            Trigger::Change => self.on_change,
            Trigger::Read(role) => self.on_read && self.role == role,
        }
    }
}
