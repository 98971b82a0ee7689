//! A virtual bulb: a profile with a state and a GATT table.
//!
//! The virtual radio, the virtual peripherals of the real Bluetooth stack and the tests share it, so a family behaves the
//! same everywhere. It has no clock: the caller decides when to send the status frames.

use alloc::string::String;
use alloc::vec::Vec;

use super::Profile;
use super::frame::{DecodeError, DecodeErrorKind};
use super::light::{Feature, Light, Mode};
use super::peripheral::{DecodedCommand, StatusFrame, Trigger};
use super::recognise::AdvertData;
use super::text::CharacteristicPath;
use crate::Percent;
use crate::gatt::Uuid;

/// The ATT error for a frame of a wrong length (Bluetooth Core 5.4, Vol 3, Part F, 3.4.1.1).
const INVALID_LENGTH: u8 = 0x0d;
/// The ATT error for every other refused frame: the first of the range for applications (same section).
const OUT_OF_RANGE: u8 = 0x80;
/// The most commands that wait to be echoed.
const MAX_ECHOES: usize = 16;

/// A virtual bulb.
#[derive(Clone, Debug)]
pub struct VirtualBulb {
    profile: Profile,
    roles: Vec<(String, CharacteristicPath)>,
    light: Light,
    sequence: u8,
    /// The number of first writes received over this link.
    first_writes: usize,
    /// The commands to echo, at most [`MAX_ECHOES`].
    echoes: Vec<Vec<u8>>,
}

/// The effect of an accepted write on a [`VirtualBulb`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteOutcome {
    /// The bulb carried out a command; send the frames of [`Trigger::Command`].
    Applied,
    /// The bulb received this query; send the frames of [`Trigger::Query`].
    Query(usize),
    /// The bulb does nothing.
    Ignored,
    /// The characteristic takes no commands. Store the value, and return it to reads.
    Stored,
}

/// A frame that a virtual bulb sends, by characteristic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentFrame {
    /// The characteristic; its service is always present.
    pub at: CharacteristicPath,
    /// The bytes of the frame.
    pub bytes: Vec<u8>,
}

impl Profile {
    /// The state in which a virtual bulb starts: `given`, completed with off, 50 % and white.
    ///
    /// [Validate](Profile::validate) `given` first.
    #[must_use]
    pub fn starting_state(&self, given: &Light) -> Light {
        let mut light = self.full_state(false);
        if light.brightness.is_some() && !self.scales_brightness() {
            let (min, max) = self.range(Feature::Brightness).unwrap_or((0, 100));
            light.brightness = Some(Percent::clamped(u8::try_from(50.clamp(min, max)).unwrap_or(50)));
        }
        light.merged(given)
    }

    fn takes_commands(&self, role: &str) -> bool {
        self.commands.iter().any(|command| command.role == role)
            || self.queries.iter().any(|query| query.role == role)
    }
}

impl VirtualBulb {
    /// A bulb in this state, with a GATT table of (service, characteristic).
    ///
    /// Each role is at the first of its places that the table has, whatever the properties there.
    #[must_use]
    pub fn new(profile: Profile, table: &[(Uuid, Uuid)], light: Light) -> Self {
        let find = |at: &CharacteristicPath| {
            let (service, characteristic) = table.iter().copied().find(|(service, characteristic)| {
                at.service.is_none_or(|wanted| wanted == *service) && at.characteristic == *characteristic
            })?;
            Some(CharacteristicPath { service: Some(service), characteristic })
        };
        let roles = profile.roles.iter();
        let roles = roles.filter_map(|role| Some((role.name.clone(), role.at.iter().find_map(find)?)));
        Self { roles: roles.collect(), profile, light, sequence: 0, first_writes: 0, echoes: Vec::new() }
    }

    /// The profile of the bulb.
    #[must_use]
    pub const fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The state of the bulb.
    #[must_use]
    pub const fn light(&self) -> &Light {
        &self.light
    }

    /// Sets the state, as a button or a remote control does.
    pub fn set(&mut self, light: Light) {
        self.light = light;
    }

    /// Records that a link is up. With `resumed`, the first writes were made before.
    pub fn connected(&mut self, resumed: bool) {
        self.first_writes = if resumed { usize::MAX } else { 0 };
    }

    fn roles_at(&self, at: CharacteristicPath) -> impl Iterator<Item = &str> {
        self.roles.iter().filter(move |(_, path)| *path == at).map(|(name, _)| name.as_str())
    }

    /// Returns true if the profile has a role for this characteristic.
    #[must_use]
    pub fn has_role(&self, at: CharacteristicPath) -> bool {
        self.roles_at(at).next().is_some()
    }

    fn command_role(&self, at: CharacteristicPath) -> Option<&str> {
        self.roles_at(at).find(|role| self.profile.takes_commands(role))
    }

    /// Decodes a write as the bulb does; `None` if the characteristic takes no commands.
    #[must_use]
    pub fn decode(
        &self,
        at: CharacteristicPath,
        bytes: &[u8],
    ) -> Option<(&str, Result<DecodedCommand, DecodeError>)> {
        let role = self.command_role(at)?;
        Some((role, self.profile.decode_command(role, bytes)))
    }

    /// Returns true if the bulb accepts a write.
    ///
    /// # Errors
    /// The ATT error code of the answer to a write request.
    pub fn accepts(&self, at: CharacteristicPath, bytes: &[u8]) -> Result<(), u8> {
        let Some(role) = self.command_role(at) else { return Ok(()) };
        if self.profile.unsupported.is_some() {
            return Err(OUT_OF_RANGE);
        }
        match self.profile.decode_command(role, bytes) {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.kind(), DecodeErrorKind::NoFrames | DecodeErrorKind::Length) => {
                Err(INVALID_LENGTH)
            }
            Err(_) => Err(OUT_OF_RANGE),
        }
    }

    /// Receives a write. The bulb ignores frames that it does not accept, and commands before the family's first writes.
    pub fn write(&mut self, at: CharacteristicPath, bytes: &[u8]) -> WriteOutcome {
        let Some(role) = self.command_role(at) else { return WriteOutcome::Stored };
        if self.profile.unsupported.is_some() {
            return WriteOutcome::Ignored;
        }
        let first_writes = &self.profile.link_rules.first;
        let expected = first_writes.get(self.first_writes);
        let is_first_write = expected.is_some_and(|first| first.role == role && first.bytes == bytes);
        let is_ready = is_first_write || self.first_writes >= first_writes.len();
        let command = self.profile.decode_command(role, bytes);
        if is_first_write {
            self.first_writes = self.first_writes.saturating_add(1);
        }
        match command {
            Ok(DecodedCommand::Change(change)) if is_ready => {
                self.light.merge(&change);
                if self.profile.echo_role.is_some() && self.echoes.len() < MAX_ECHOES {
                    self.echoes.push(bytes.to_vec());
                }
                WriteOutcome::Applied
            }
            Ok(DecodedCommand::Relative(relative)) if is_ready => {
                self.light = self.profile.step(&self.light, relative);
                WriteOutcome::Applied
            }
            Ok(DecodedCommand::Query(query)) => WriteOutcome::Query(query),
            Ok(DecodedCommand::Change(_) | DecodedCommand::Relative(_) | DecodedCommand::LinkRule)
            | Err(_) => WriteOutcome::Ignored,
        }
    }

    /// The value that a read returns; `None` if the profile has no status there.
    #[must_use]
    pub fn read(&self, at: CharacteristicPath) -> Option<Vec<u8>> {
        let first = |role| self.frames(Trigger::Read(role)).into_iter().next();
        self.roles_at(at).find_map(first).map(|frame| frame.bytes)
    }

    /// The status frames. A read or a query always gets an answer: if the family has no frame for the present mode, the
    /// bulb answers as if it were in another.
    fn frames(&self, trigger: Trigger<'_>) -> Vec<StatusFrame> {
        let in_mode = |mode: Option<Mode>| {
            let light = Light { mode, ..self.light.clone() };
            self.profile.status_frames(trigger, &light, self.sequence)
        };
        let frames = in_mode(self.light.mode);
        if !frames.is_empty() || !matches!(trigger, Trigger::Read(_) | Trigger::Query(_)) {
            return frames;
        }
        [Mode::Color, Mode::White, Mode::Effect]
            .into_iter()
            .map(|mode| in_mode(Some(mode)))
            .find(|frames| !frames.is_empty())
            .unwrap_or_default()
    }

    /// Builds the frames that the bulb sends in its present state.
    pub fn status_frames(&mut self, trigger: Trigger<'_>) -> Vec<SentFrame> {
        if self.profile.unsupported.is_some() {
            return Vec::new();
        }
        let mut frames = self.frames(trigger);
        if let (Trigger::Command, Some(role)) = (trigger, &self.profile.echo_role) {
            let echoes = self.echoes.drain(..);
            frames.extend(echoes.map(|bytes| StatusFrame { role: role.clone(), bytes }));
        }
        self.sequence = self.sequence.wrapping_add(u8::try_from(frames.len()).unwrap_or(u8::MAX));
        let path = |role: &str| self.roles.iter().find(|(name, _)| name == role).map(|(_, path)| *path);
        let sent = |frame: StatusFrame| {
            let at = path(&frame.role)?;
            Some(self.profile.split(frame.bytes).into_iter().map(move |bytes| SentFrame { at, bytes }))
        };
        frames.into_iter().filter_map(sent).flatten().collect()
    }

    /// The advertisement of the bulb.
    #[must_use]
    pub fn advertise(&self) -> AdvertData {
        self.profile.advertise(&self.light)
    }
}
