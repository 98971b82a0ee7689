//! A virtual lamp: a profile with a state and a place in a GATT table. It is what the virtual bulbs of all radios are
//! made of, so that each family behaves the same everywhere. Without a clock: who plays it says when it tells what it has
//! to tell.

use alloc::string::String;
use alloc::vec::Vec;

use super::Profile;
use super::bulb::{DecodedCommand, Occasion, StatusFrame};
use super::light::{Item, Light, Mode};
use super::recognise::AdvertData;
use super::text::CharacteristicPath;
use crate::Percent;
use crate::gatt::Uuid;

/// ATT errors of a request that is refused (Bluetooth Core 5.4, Vol 3, Part F, 3.4.1.1): one for frames of a wrong length,
/// and the first of those that are the firmware's own.
const INVALID_LENGTH: u8 = 0x0d;
const OUT_OF_RANGE: u8 = 0x80;

/// A virtual lamp.
#[derive(Clone, Debug)]
pub struct VirtualBulb {
    profile: Profile,
    /// Its roles, and where each is in its table.
    roles: Vec<(String, CharacteristicPath)>,
    light: Light,
    sequence: u8,
    /// How many of the first writes it has been given over this link.
    greeted: usize,
}

/// What a lamp does with a write that it has accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// It has changed as it was told, or is already so; it tells of [`Occasion::Command`].
    Obeyed,
    /// It was asked, and tells of [`Occasion::Question`].
    Asked(usize),
    /// Nothing.
    Nothing,
    /// Nothing is commanded here: the value is to be kept, and read back.
    Kept,
}

/// What a lamp sends, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentFrame {
    /// The characteristic; its service is always there.
    pub at: CharacteristicPath,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Profile {
    /// The state that a virtual lamp starts with: what is said, which has to be something that the family
    /// [can do](Profile::check), and besides off, half bright, white.
    #[must_use]
    pub fn starting(&self, said: &Light) -> Light {
        let mut light = self.initial(false);
        if light.brightness.is_some() && !self.scales_brightness() {
            let (least, most) = self.range(Item::Brightness).unwrap_or((0, 100));
            light.brightness = Some(Percent::clamped(u8::try_from(50.clamp(least, most)).unwrap_or(50)));
        }
        light.merged(said)
    }

    /// Whether anything is ever written to a role.
    fn commands_go_to(&self, role: &str) -> bool {
        self.commands.iter().any(|command| command.to == role) || self.asks.iter().any(|ask| ask.to == role)
    }
}

impl VirtualBulb {
    /// A lamp in this state, whose table has these services and characteristics. A role is where it is first looked for
    /// and found, whatever the properties there.
    #[must_use]
    pub fn new(profile: Profile, table: &[(Uuid, Uuid)], light: Light) -> Self {
        let spot = |at: &CharacteristicPath| {
            let (service, characteristic) = table.iter().copied().find(|(service, uuid)| {
                at.service.is_none_or(|own| own == *service) && at.characteristic == *uuid
            })?;
            Some(CharacteristicPath { service: Some(service), characteristic })
        };
        let roles = profile.roles.iter().filter_map(|role| {
            let at = role.at.iter().find_map(spot)?;
            Some((role.name.clone(), at))
        });
        Self { roles: roles.collect(), profile, light, sequence: 0, greeted: 0 }
    }

    /// What it plays.
    #[must_use]
    pub const fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Its state.
    #[must_use]
    pub const fn light(&self) -> &Light {
        &self.light
    }

    /// Puts it into a state, whoever did that.
    pub fn set(&mut self, light: Light) {
        self.light = light;
    }

    /// A link came up. One that was up before and is only found again has its first writes behind it.
    pub fn connected(&mut self, found_again: bool) {
        self.greeted = if found_again { usize::MAX } else { 0 };
    }

    /// The roles of a characteristic.
    fn roles_at(&self, at: CharacteristicPath) -> impl Iterator<Item = &str> {
        self.roles.iter().filter(move |(_, own)| *own == at).map(|(name, _)| name.as_str())
    }

    /// Whether a characteristic is one of the family's own.
    #[must_use]
    pub fn has_role(&self, at: CharacteristicPath) -> bool {
        self.roles_at(at).next().is_some()
    }

    /// The role to which commands are written there.
    fn commanded(&self, at: CharacteristicPath) -> Option<&str> {
        self.roles_at(at).find(|role| self.profile.commands_go_to(role))
    }

    /// Whether it accepts a write.
    ///
    /// # Errors
    /// The ATT error that it answers a request with.
    pub fn accepts(&self, at: CharacteristicPath, bytes: &[u8]) -> Result<(), u8> {
        let Some(role) = self.commanded(at) else { return Ok(()) };
        if self.profile.unsupported.is_some() {
            return Err(OUT_OF_RANGE);
        }
        match self.profile.decode_command(role, bytes) {
            Ok(_) => Ok(()),
            // Nothing nearer than a frame of another length.
            Err(error) if error.nearness().0 <= 1 => Err(INVALID_LENGTH),
            Err(_) => Err(OUT_OF_RANGE),
        }
    }

    /// Takes a write. Frames that it does not accept come to nothing, and neither do commands before the first writes that
    /// the family wants.
    pub fn write(&mut self, at: CharacteristicPath, bytes: &[u8]) -> Reaction {
        let Some(role) = self.commanded(at) else { return Reaction::Kept };
        if self.profile.unsupported.is_some() {
            return Reaction::Nothing;
        }
        let first = self.profile.session.first.get(self.greeted);
        let greets = first.is_some_and(|first| first.role == role && first.bytes == bytes);
        let heard = self.profile.decode_command(role, bytes);
        if greets {
            self.greeted = self.greeted.saturating_add(1);
        }
        match heard {
            Ok(DecodedCommand::Change(_)) if !greets && self.greeted < self.profile.session.first.len() => {
                Reaction::Nothing
            }
            Ok(DecodedCommand::Change(change)) => {
                self.light.merge(&change);
                Reaction::Obeyed
            }
            Ok(DecodedCommand::Question(question)) => Reaction::Asked(question),
            Ok(DecodedCommand::Nothing) | Err(_) => Reaction::Nothing,
        }
    }

    /// What a read gives; none where the family has nothing to say there.
    #[must_use]
    pub fn read(&self, at: CharacteristicPath) -> Option<Vec<u8>> {
        let told = |role| self.answers(Occasion::Read(role)).into_iter().next();
        self.roles_at(at).find_map(told).map(|answer| answer.bytes)
    }

    /// Who asks gets an answer: where the family has no report of what the lamp shines with, it is that of what it shone with
    /// otherwise.
    fn answers(&self, occasion: Occasion<'_>) -> Vec<StatusFrame> {
        let as_if = |mode: Option<Mode>| {
            let light = Light { mode, ..self.light.clone() };
            self.profile.answers(occasion, &light, self.sequence)
        };
        let answers = as_if(self.light.mode);
        if !answers.is_empty() || !matches!(occasion, Occasion::Read(_) | Occasion::Question(_)) {
            return answers;
        }
        let modes = [Mode::Color, Mode::White, Mode::Effect];
        modes
            .into_iter()
            .map(|mode| as_if(Some(mode)))
            .find(|answers| !answers.is_empty())
            .unwrap_or_default()
    }

    /// What it sends on an occasion, as its state is by now.
    pub fn tell(&mut self, occasion: Occasion<'_>) -> Vec<SentFrame> {
        if self.profile.unsupported.is_some() {
            return Vec::new();
        }
        let answers = self.answers(occasion);
        self.sequence = self.sequence.wrapping_add(u8::try_from(answers.len()).unwrap_or(u8::MAX));
        let place = |role: &str| self.roles.iter().find(|(name, _)| name == role).map(|(_, at)| *at);
        let told = |answer: StatusFrame| Some(SentFrame { at: place(&answer.role)?, bytes: answer.bytes });
        answers.into_iter().filter_map(told).collect()
    }

    /// What it advertises.
    #[must_use]
    pub fn advertise(&self) -> AdvertData {
        self.profile.advertise(&self.light)
    }
}
