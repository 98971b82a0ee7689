//! Profiles: bulb families as data, and the engine that plays them, from either side of the link.
//!
//! A profile is one TOML file, described in `docs/PROFILES.md`: how to recognise a bulb, its characteristics by role, how
//! to treat the link, what the lamp can do, and its frames as templates. The same templates build a command and read it
//! back, read a status and build it, so that a virtual bulb plays every family that a program can drive.
//!
//! ```
//! use bulb_protocol::profile::{Light, builtin};
//! let triones = builtin::load("zengge", None)?;
//! let red = Light { color: Some(bulb_protocol::Rgb::new(255, 0, 0)), ..Light::default() };
//! let sent = triones.encode(&red, &Light::default(), 0).unwrap();
//! assert_eq!(sent.writes[0].bytes, [0x56, 0xFF, 0x00, 0x00, 0x00, 0xF0, 0xAA]);
//! # Ok::<(), bulb_protocol::profile::LoadError>(())
//! ```
//!
//! - [`Family`] is a file: [`Family::recognise`] weighs an advertisement, [`Family::profile`] compiles one of its variants.
//! - [`Profile`] drives a bulb: [`encode`](Profile::encode), [`decode`](Profile::decode), [`queries`](Profile::queries),
//!   [`fit`](Profile::fit); what it reports agrees with what was asked for: [`disagrees`](Profile::disagrees).
//! - [`Profile::decode_command`] and [`Profile::answers`] are the bulb's side; a [`VirtualBulb`] is a whole virtual lamp.
//!
//! Everything is pure: bytes and values in, bytes and values out; no clock, no radio; no call panics, whatever bytes it is
//! given.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

mod abilities;
pub mod builtin;
mod bulb;
mod can;
mod check;
mod codec;
mod color;
mod compile;
mod decode;
mod encode;
mod error;
mod family;
mod file;
mod frame;
mod light;
mod recognise;
mod scale;
mod template;
mod text;
mod virtual_bulb;

pub use crate::file::ParseError;
pub use bulb::{DecodedCommand, Occasion, StatusFrame};
pub use can::Grade;
pub use check::{Expect, OwnCheck};
pub use encode::{Refusal, Sent};
pub use family::{Ability, Family, LoadError};
pub use frame::DecodeError;
pub use light::{Item, Items, Light, Mode};
pub use recognise::{Advert, AdvertData, ENOUGH, Evidence, Fit, Found, LEAD, Recognised, Verdict, decide};
pub use text::CharacteristicPath;
pub use virtual_bulb::{Reaction, SentFrame, VirtualBulb};

use crate::gatt::{Properties, Uuid, WriteKind};
use can::Can;
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
    /// The variant's name, unless it is the family as such.
    pub variant: Option<String>,
    /// What it is, in a few words.
    pub title: String,
    /// How far its facts can be trusted, where an ability has no grade of its own.
    pub grade: Grade,
    /// Why it cannot be driven, where it is only known by sight.
    pub unsupported: Option<String>,
    /// Its characteristics by what they are for.
    pub roles: Vec<Role>,
    /// How to treat the link.
    pub session: LinkRules,
    /// How much it says when every role is there.
    pub gatt_score: u8,
    /// Characteristics that this family never has.
    pub forbid: Vec<CharacteristicPath>,
    /// A harmless read that settles what the lamp is.
    pub probe: Option<Probe>,
    /// How a virtual bulb of this family shows itself.
    pub example: Example,
    /// What the conformance suite looks at besides.
    pub checks: Vec<OwnCheck>,
    pub(crate) chromatic: bool,
    pub(crate) can: Can,
    pub(crate) commands: Vec<Command>,
    pub(crate) asks: Vec<Query>,
    pub(crate) reports: Vec<StatusRule>,
    pub(crate) adverts: Vec<AdvertState>,
    pub(crate) wrapper: Option<Wrapper>,
}

/// A characteristic by what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// `control`, `status`, or another name that the file gives it.
    pub name: String,
    /// Where it is; the first that the bulb has is taken.
    pub at: Vec<CharacteristicPath>,
    /// The properties that it must have: of each, any.
    pub properties: Vec<Properties>,
    /// How it is written where the bulb allows both. The property bits of the real characteristic decide.
    pub write: Option<WriteKind>,
    /// Whether bulbs of this family may lack it.
    pub optional: bool,
}

/// How to treat the link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkRules {
    /// What is written before anything else, and how long to wait after each.
    pub first: Vec<Write>,
    /// Subscribe to what reports before the first write.
    pub subscribe_first: bool,
    /// The least time between two writes.
    pub gap: Duration,
    /// What keeps the link alive.
    pub keep_alive: Option<KeepAlive>,
    /// The bulb takes nothing from a computer that it is not bonded with.
    pub needs_bonding: bool,
    /// How to make the bulb ready to be paired, for people.
    pub pairing_hint: Option<String>,
    /// The smallest ATT MTU that its frames fit into, bytes.
    pub mtu: Option<u16>,
}

/// What keeps a link alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// What is written.
    pub write: Write,
    /// How often.
    pub every: Duration,
}

/// Something to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The role that it is written to.
    pub role: String,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// How it is written, where the characteristic's properties allow both.
    pub kind: WriteKind,
    /// How long to wait after it.
    pub delay: Duration,
}

/// A read that settles what the lamp is, and writes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Reading this role has to give something that [`Profile::decode`] takes.
    Role {
        /// The role.
        role: String,
        /// How much it says.
        score: u8,
    },
    /// Reading this place has to give this text.
    Text {
        /// The characteristic.
        at: CharacteristicPath,
        /// The text.
        text: String,
        /// How much it says.
        score: u8,
    },
}

/// How a virtual bulb shows itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Example {
    /// The advertised name.
    pub name: Option<String>,
    /// Advertised services.
    pub services: Vec<Uuid>,
    /// Manufacturer data: the company, and what does not hold the state.
    pub manufacturer: Option<(u16, Vec<u8>)>,
    /// Service data: the service, and what does not hold the state.
    pub service_data: Option<(Uuid, Vec<u8>)>,
    /// The manufacturer's name in its device information.
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

/// What a frame says without a field for it.
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

/// A frame that is written.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) body: Body,
    /// What it can say, what it means and scaled brightness included.
    pub(crate) items: Items,
    pub(crate) means: ImpliedState,
    pub(crate) to: String,
    pub(crate) kind: WriteKind,
    pub(crate) delay: Duration,
}

/// A frame that asks for a report.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub(crate) template: Template,
    pub(crate) to: String,
    pub(crate) kind: WriteKind,
}

/// A frame that comes back.
#[derive(Clone, Debug)]
pub(crate) struct StatusRule {
    pub(crate) body: Body,
    pub(crate) from: String,
    /// The question that it answers, by its place among the asks.
    pub(crate) ask: Option<usize>,
    pub(crate) on_read: bool,
    pub(crate) on_command: bool,
    pub(crate) on_change: bool,
    pub(crate) scaled: bool,
    pub(crate) means: ImpliedState,
    pub(crate) mode: Option<Mode>,
}

impl StatusRule {
    fn items(&self) -> Items {
        let mut items = self.body.items();
        if self.means.power.is_some() {
            items = items.with(Item::Power);
        }
        if self.scaled && (items.contains(Item::Color) || items.contains(Item::White)) {
            items = items.with(Item::Brightness);
        }
        items
    }
}

/// State within an advertisement.
#[derive(Clone, Debug)]
pub(crate) struct AdvertState {
    pub(crate) company: Option<Companies>,
    pub(crate) service: Option<Uuid>,
    pub(crate) template: Template,
    pub(crate) scaled: bool,
    pub(crate) means: ImpliedState,
}

/// What becomes known of a lamp by reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readback {
    /// Reading characteristics tells.
    pub read: bool,
    /// The bulb tells by itself after a command.
    pub command: bool,
    /// The bulb tells by itself when anybody changed something.
    pub change: bool,
    /// The bulb tells when it is asked.
    pub ask: bool,
    /// Advertisements tell.
    pub advert: bool,
}

impl Profile {
    /// What can be set.
    #[must_use]
    pub fn settable(&self) -> Items {
        if self.unsupported.is_some() {
            return Items::NONE;
        }
        self.commands.iter().fold(Items::NONE, |all, command| all.or(command.items.and(self.can.declared)))
    }

    /// What the bulb reports.
    #[must_use]
    pub fn reported(&self) -> Items {
        self.reports.iter().fold(Items::NONE, |all, report| all.or(report.items()))
    }

    /// What advertisements tell.
    #[must_use]
    pub fn advertised(&self) -> Items {
        self.adverts.iter().fold(Items::NONE, |all, advert| all.or(advert.template.items()))
    }

    /// By which ways the bulb tells its state. None of them: it is write-only, and its state is always assumed.
    #[must_use]
    pub fn readback(&self) -> Readback {
        let any = |way: fn(&StatusRule) -> bool| self.reports.iter().any(way);
        Readback {
            read: any(|report| report.on_read),
            command: any(|report| report.on_command),
            change: any(|report| report.on_change),
            ask: any(|report| report.ask.is_some()),
            advert: !self.adverts.is_empty(),
        }
    }

    /// Whether brightness is only scaled colour.
    #[must_use]
    pub const fn scales_brightness(&self) -> bool {
        self.can.scaled
    }

    /// How far the ability can be trusted; none if the lamp does not have it.
    #[must_use]
    pub fn grade_of(&self, item: Item) -> Option<Grade> {
        self.can.grades.iter().find(|(known, _)| *known == item).map(|(_, grade)| *grade)
    }

    /// The least and the greatest value that can be set, in percent or kelvin. None for power, colour and effects, and for
    /// what cannot be set.
    #[must_use]
    pub fn range(&self, item: Item) -> Option<(u32, u32)> {
        let scale = self.can.scale_of(item)?;
        self.can.declared.contains(item).then_some(scale.range)
    }

    /// The effects that have names, in the order of their numbers.
    pub fn effects(&self) -> impl Iterator<Item = &str> {
        self.can.effects.iter().map(|(name, _)| name.as_str())
    }

    /// The first and the last of the effects that go by their number.
    #[must_use]
    pub const fn numbered_effects(&self) -> Option<(u32, u32)> {
        self.can.numbered
    }

    /// The roles that give reports by notification.
    pub fn notifying_roles(&self) -> impl Iterator<Item = &Role> {
        self.roles.iter().filter(|role| {
            self.reports.iter().any(|report| {
                let notified = report.ask.is_some() || report.on_command || report.on_change;
                report.from == role.name && notified
            })
        })
    }

    /// The roles whose value is a report.
    pub fn readable_roles(&self) -> impl Iterator<Item = &Role> {
        self.roles
            .iter()
            .filter(|role| self.reports.iter().any(|report| report.from == role.name && report.on_read))
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
