//! Profiles: bulb families described by TOML files, and the engine that encodes and decodes their frames.
//!
//! A profile says how to recognise a bulb, which characteristics it has, how to use the link, what the bulb can do, and
//! what its frames look like. `docs/PROFILES.md` describes the format. The frames are templates that work in both
//! directions, so the same file drives a real bulb and plays a virtual one.
//!
//! ```
//! use bulb_protocol::profile::{Light, builtin};
//! let triones = builtin::load("zengge", None)?;
//! let red = Light { color: Some(bulb_protocol::Rgb::new(255, 0, 0)), ..Light::default() };
//! let encoded = triones.encode(&red, &Light::default(), 0).unwrap();
//! assert_eq!(encoded.writes[0].bytes, [0x56, 0xFF, 0x00, 0x00, 0x00, 0xF0, 0xAA]);
//! # Ok::<(), bulb_protocol::profile::LoadError>(())
//! ```
//!
//! - [`Family`] is a profile file. [`Family::recognise`] scores an advertisement; [`Family::profile`] compiles a variant.
//! - [`Profile`] drives a bulb: [`encode`](Profile::encode) a change, [`decode`](Profile::decode) a status, compare both
//!   with [`mismatches`](Profile::mismatches), and find its characteristics with [`match_table`](Profile::match_table).
//! - [`VirtualBulb`] is the other side: it decodes commands and builds status frames.
//!
//! There is no clock and no I/O, and no call panics, whatever bytes it gets.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

mod abilities;
pub mod builtin;
mod codec;
mod color;
mod compile;
mod decode;
mod encode;
mod error;
mod family;
mod file;
mod frame;
mod key;
mod light;
mod models;
mod parts;
mod peripheral;
mod profile_check;
mod recognise;
mod relative;
mod scale;
mod template;
mod text;
mod virtual_bulb;

pub use crate::file::ParseError;
pub use abilities::Grade;
pub use encode::{EncodeError, EncodedChange};
pub use family::{Ability, Family, LoadError};
pub use frame::{DecodeError, DecodeErrorKind};
pub use key::{InvalidKey, Key};
pub use light::{Feature, Features, Light, Mode};
pub use models::{KnownModel, Support};
pub use parts::StatusParts;
pub use peripheral::{DecodedCommand, StatusFrame, Trigger};
pub use profile_check::{Expectation, ProfileCheck};
pub use recognise::{
    Advert, AdvertData, Evidence, FamilyMatch, Identification, MIN_LEAD, MIN_SCORE, RoleMatch, TableMatch,
    identify,
};
pub use relative::Relative;
pub use text::CharacteristicPath;
use text::Pattern;
pub use virtual_bulb::{SentFrame, VirtualBulb, WriteOutcome};

use crate::gatt::{Properties, Uuid, WriteKind};
use abilities::Abilities;
use codec::{Body, Wrapper};
use file::{Companies, ExampleDef};
use template::Template;

/// The JSON schema of profile files, for editors.
#[cfg(feature = "schema")]
#[must_use]
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(file::File)
}

/// A family of bulbs, or one of its variants, ready to encode and decode.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The family's name.
    pub name: String,
    /// The variant's name; `None` for the family itself.
    pub variant: Option<String>,
    /// A short description.
    pub title: String,
    /// The sources of the facts.
    pub sources: Vec<String>,
    /// The trust in the facts of the file, for features without a grade of their own.
    pub grade: Grade,
    /// The reason why a model that is only recognised cannot be driven.
    pub unsupported: Option<String>,
    /// The characteristics.
    pub roles: Vec<Role>,
    /// The rules for using a link.
    pub link_rules: LinkRules,
    /// The score of a GATT table that has every role, 0 to 100.
    pub gatt_score: u8,
    /// Characteristics that this family never has.
    pub forbid: Vec<CharacteristicPath>,
    /// Any evidence in name or data is enough beside the table, if no other family comes into question.
    pub table_suffices: bool,
    /// A read that confirms the family.
    pub probe: Option<Probe>,
    /// Reads that may say that a unit cannot be driven.
    pub refusals: Vec<Refusal>,
    /// The advertisement and device information of a virtual bulb.
    pub example: Example,
    /// Conformance checks in addition to the built-in ones.
    pub checks: Vec<ProfileCheck>,
    /// Commands carry hue and saturation, or x and y, so the strength of a colour is in the brightness.
    pub(crate) chromatic: bool,
    /// The first bytes of the notifications that a status comes in, if it comes in several.
    pub(crate) parts: Vec<Vec<u8>>,
    /// The role that notifies each command as the bulb takes it.
    pub(crate) echo_role: Option<String>,
    pub(crate) abilities: Abilities,
    pub(crate) commands: Vec<Command>,
    pub(crate) queries: Vec<Query>,
    pub(crate) statuses: Vec<StatusRule>,
    pub(crate) adverts: Vec<AdvertState>,
    pub(crate) wrapper: Option<Wrapper>,
}

/// A characteristic and its purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// `control`, `status`, or another name from the file.
    pub name: String,
    /// The places to look for it, in order of preference.
    pub at: Vec<CharacteristicPath>,
    /// The properties that it needs: at least one of each set.
    pub properties: Vec<Properties>,
    /// The preferred kind of write, for bulbs that allow both.
    pub write: Option<WriteKind>,
    /// True if bulbs of this family may lack it.
    pub optional: bool,
}

/// The rules for using a link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkRules {
    /// Writes that a link starts with.
    pub first: Vec<Write>,
    /// Subscribe before the first write.
    pub subscribe_first: bool,
    /// The minimum time between two writes.
    pub gap: Duration,
    /// A write that keeps the link open.
    pub keep_alive: Option<KeepAlive>,
    /// The bulb only accepts writes from a bonded computer.
    pub needs_bonding: bool,
    /// The way to put the bulb into pairing mode, as a sentence for users.
    pub pairing_hint: Option<String>,
    /// The smallest ATT MTU that the frames fit into, bytes.
    pub mtu: Option<u16>,
}

/// A repeated write that keeps a link open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// The write.
    pub write: Write,
    /// The time between two writes.
    pub every: Duration,
}

/// A write to the bulb.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The role to write to.
    pub role: String,
    /// The bytes of the frame.
    pub bytes: Vec<u8>,
    /// The kind of write, for characteristics that allow both.
    pub kind: WriteKind,
    /// The time to wait afterwards.
    pub delay: Duration,
}

/// A read that confirms the family of a bulb. It writes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Read a role; [`Profile::decode`] must accept the value.
    Role {
        /// The role.
        role: String,
        /// The score of a success, 1 to 100.
        score: u8,
    },
    /// Read a characteristic; its value must be this text.
    Text {
        /// The characteristic.
        at: CharacteristicPath,
        /// The text.
        text: String,
        /// The score of a success, 1 to 100.
        score: u8,
    },
}

/// A read that may say that a unit cannot be driven. It writes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The characteristic.
    pub at: CharacteristicPath,
    /// The reason, if it is one.
    pub reason: String,
    data: Pattern,
}

impl Refusal {
    /// Returns true if this value says so.
    #[must_use]
    pub fn applies(&self, value: &[u8]) -> bool {
        self.data.matches(value).is_some()
    }
}

/// The advertisement and device information of a virtual bulb.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Example {
    /// The advertised name.
    pub name: Option<String>,
    /// The advertised services.
    pub services: Vec<Uuid>,
    /// The company of the manufacturer data, and its data if that holds no state.
    pub manufacturer: Option<(u16, Vec<u8>)>,
    /// The service of the service data, and its data if that holds no state.
    pub service_data: Option<(Uuid, Vec<u8>)>,
    /// The manufacturer's name in the device information.
    pub manufacturer_name: Option<String>,
}

impl From<ExampleDef> for Example {
    fn from(example: ExampleDef) -> Self {
        Self {
            name: example.name,
            services: example.services.into_iter().map(|service| service.0).collect(),
            manufacturer: example.company.map(|company| (company, example.data.0)),
            service_data: example.service.map(|service| (service.0, example.service_data.0)),
            manufacturer_name: example.manufacturer,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ImpliedState {
    pub(crate) power: Option<bool>,
    pub(crate) mode: Option<Mode>,
}

impl ImpliedState {
    fn add_to(self, light: &mut Light) {
        light.power = self.power.or(light.power);
        light.mode = self.mode.or(light.mode);
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) body: Body,
    /// The features that it can set, including implied power and scaled brightness.
    pub(crate) features: Features,
    pub(crate) fields: Features,
    pub(crate) needs: Features,
    pub(crate) mode: Option<Mode>,
    /// It is understood, but not sent.
    pub(crate) alias: bool,
    /// Written first if the bulb is in another mode.
    pub(crate) before: Option<Template>,
    /// Written first, whatever the mode.
    pub(crate) lead: Vec<Template>,
    /// The number of the effect that it starts, where each effect has frames of its own.
    pub(crate) only: Option<u32>,
    /// It changes the state by a step.
    pub(crate) relative: Option<Relative>,
    pub(crate) implied: ImpliedState,
    pub(crate) role: String,
    pub(crate) kind: WriteKind,
    pub(crate) delay: Duration,
    /// It is written before the commands of other features.
    pub(crate) first: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub(crate) template: Template,
    pub(crate) role: String,
    pub(crate) kind: WriteKind,
}

/// A status frame, and when the bulb sends it.
#[derive(Clone, Debug)]
pub(crate) struct StatusRule {
    pub(crate) body: Body,
    pub(crate) role: String,
    /// The query that it answers: an index in the profile's queries.
    pub(crate) query: Option<usize>,
    pub(crate) on_read: bool,
    pub(crate) on_command: bool,
    pub(crate) on_change: bool,
    /// Colour and white are dimmed by the brightness.
    pub(crate) scaled: bool,
    pub(crate) implied: ImpliedState,
    pub(crate) mode: Option<Mode>,
}

impl StatusRule {
    fn features(&self) -> Features {
        let mut features = self.body.features();
        if self.implied.power.is_some() {
            features = features.with(Feature::Power);
        }
        if self.scaled && (features.contains(Feature::Color) || features.contains(Feature::White)) {
            features = features.with(Feature::Brightness);
        }
        features
    }
}

#[derive(Clone, Debug)]
pub(crate) struct AdvertState {
    pub(crate) company: Option<Companies>,
    pub(crate) service: Option<Uuid>,
    pub(crate) template: Template,
    pub(crate) scaled: bool,
    pub(crate) implied: ImpliedState,
}

/// The ways in which a bulb reports its state. If all are false, the family is write-only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readback {
    /// By reading a characteristic.
    pub read: bool,
    /// By a notification after each command.
    pub command: bool,
    /// By a notification after each change, whoever made it.
    pub change: bool,
    /// By a notification that answers a query.
    pub query: bool,
    /// In advertisements.
    pub advert: bool,
}

impl Profile {
    /// Sets the Bluetooth address of the bulb, as it is printed. Some frames carry it; without it, they cannot be encoded,
    /// and are decoded with any address.
    pub const fn set_address(&mut self, address: [u8; 6]) {
        self.abilities.address = Some(address);
    }

    /// Returns true if commands carry the Bluetooth address of the bulb.
    #[must_use]
    pub fn carries_address(&self) -> bool {
        self.commands.iter().any(|command| command.body.carries_address())
    }

    /// The features that commands can set; none for an [unsupported](Self::unsupported) model.
    #[must_use]
    pub fn settable(&self) -> Features {
        if self.unsupported.is_some() {
            return Features::NONE;
        }
        let all = self.commands.iter().fold(Features::NONE, |all, command| all.or(command.features));
        all.and(self.abilities.declared)
    }

    /// The features that status frames report, except those that a bulb only may send.
    #[must_use]
    pub fn reported(&self) -> Features {
        let echoed = if self.echo_role.is_some() { self.settable() } else { Features::NONE };
        let sent = |status: &&StatusRule| {
            status.query.is_some() || status.on_read || status.on_command || status.on_change
        };
        self.statuses.iter().filter(sent).fold(echoed, |all, status| all.or(status.features()))
    }

    /// The features that advertisements report.
    #[must_use]
    pub fn advertised(&self) -> Features {
        self.adverts.iter().fold(Features::NONE, |all, advert| all.or(advert.template.features()))
    }

    /// The ways in which a bulb reports its state.
    #[must_use]
    pub fn readback(&self) -> Readback {
        let any = |way: fn(&StatusRule) -> bool| self.statuses.iter().any(way);
        Readback {
            read: any(|status| status.on_read),
            command: self.echo_role.is_some() || any(|status| status.on_command),
            change: any(|status| status.on_change),
            query: any(|status| status.query.is_some()),
            advert: !self.adverts.is_empty(),
        }
    }

    /// Returns true if the bulb has no brightness and is dimmed by scaling colour and white.
    #[must_use]
    pub const fn scales_brightness(&self) -> bool {
        self.abilities.scaled
    }

    /// The grade of a feature; `None` if the family does not have the feature.
    #[must_use]
    pub fn grade_of(&self, feature: Feature) -> Option<Grade> {
        self.abilities.grades.iter().find(|(known, _)| *known == feature).map(|(_, grade)| *grade)
    }

    /// The least and the greatest value of a feature, in percent or kelvin. `None` for power, colour and effects, and for
    /// features that the family does not have.
    #[must_use]
    pub fn range(&self, feature: Feature) -> Option<(u32, u32)> {
        let scale = self.abilities.scale_of(feature)?;
        self.abilities.declared.contains(feature).then_some(scale.range)
    }

    /// The names of the effects, in the order of their numbers.
    pub fn effects(&self) -> impl Iterator<Item = &str> {
        self.abilities.effects.iter().map(|(name, _)| name.as_str())
    }

    /// The first and the last of the effects that only have a number.
    #[must_use]
    pub const fn numbered_effects(&self) -> Option<(u32, u32)> {
        self.abilities.numbered
    }

    /// The roles that send status frames as notifications.
    pub fn notifying_roles(&self) -> impl Iterator<Item = &Role> {
        let notifies = |status: &StatusRule| status.query.is_some() || status.on_command || status.on_change;
        self.roles.iter().filter(move |role| {
            let has_status = self.statuses.iter().any(|status| status.role == role.name && notifies(status));
            has_status || self.echo_role.as_ref() == Some(&role.name)
        })
    }

    /// The roles whose value is a status frame.
    pub fn readable_roles(&self) -> impl Iterator<Item = &Role> {
        let is_read =
            |role: &Role| self.statuses.iter().any(|status| status.role == role.name && status.on_read);
        self.roles.iter().filter(move |role| is_read(role))
    }

    /// The role of this name.
    #[must_use]
    pub fn role(&self, name: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.name == name)
    }

    /// The name on the command line: `elk`, or `elk:melk` for a variant.
    #[must_use]
    pub fn full_name(&self) -> String {
        match &self.variant {
            Some(variant) => alloc::format!("{}:{variant}", self.name),
            None => self.name.clone(),
        }
    }
}
