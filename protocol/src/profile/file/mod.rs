//! A profile file as it is written: what `docs/PROFILES.md` describes.

mod abilities;
mod check;
mod frames;
#[cfg(feature = "schema")]
mod schema;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::abilities::Grade;
use super::text::{CharacteristicPath, Hex, OneOf, Pattern, Time, UuidText};
use crate::gatt::WriteKind;

pub(crate) use crate::file::Located;
pub(crate) use abilities::{AbilitiesDef, BrightnessDef, EffectDef, KelvinDef, LevelDef};
pub(crate) use check::CheckDef;
pub(crate) use frames::{FrameTable, Frames, ImpliedStateDef, ModeDef};

/// A family of bulbs.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// Version of the format: 1
    pub(crate) profile: Located<u32>,
    /// The name on the command line: small letters, digits and hyphens
    pub(crate) name: Located<String>,
    /// The family in a few words
    pub(crate) title: String,
    /// More about it, for people
    pub(crate) about: Option<String>,
    /// How far the facts can be trusted: A, B or C
    #[serde(default)]
    pub(crate) grade: Grade,
    /// Where the facts are from
    #[serde(default)]
    pub(crate) sources: Vec<String>,
    /// A named codec that wraps every frame: lednetwf
    pub(crate) codec: Option<Located<String>>,
    /// The length that `...` fills a frame up to, bytes
    pub(crate) frame_length: Option<usize>,
    /// What speaks for this family in an advertisement
    #[serde(default, rename = "match")]
    pub(crate) matches: Vec<Located<MatchDef>>,
    /// What speaks for or against it in the GATT table
    #[serde(default)]
    pub(crate) gatt: GattDef,
    /// A harmless read that settles it
    pub(crate) probe: Option<Located<ProbeDef>>,
    /// The characteristics by what they are for; `control` is written, `status` reports
    pub(crate) role: BTreeMap<String, Located<RoleDef>>,
    /// How to deal with the link
    #[serde(default)]
    pub(crate) session: LinkRulesDef,
    /// What the lamp can do, and how values are numbered
    pub(crate) can: AbilitiesDef,
    /// The frames that are written
    pub(crate) commands: BTreeMap<String, Located<Frames>>,
    /// The frames that come back, tried in this order
    #[serde(default)]
    pub(crate) report: Vec<Located<StatusDef>>,
    /// The state within advertisements
    #[serde(default)]
    pub(crate) advert: Vec<Located<AdvertDef>>,
    /// How a virtual bulb of this family shows itself
    #[serde(default)]
    pub(crate) example: ExampleDef,
    /// What `bulbctl check` looks at besides
    #[serde(default)]
    pub(crate) check: Vec<Located<CheckDef>>,
    /// Models that differ
    #[serde(default)]
    pub(crate) variant: BTreeMap<String, Located<VariantDef>>,
}

/// Evidence in an advertisement. One of name, service, company or service_data.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct MatchDef {
    /// The name, with * and ?; case and trailing spaces do not count
    pub(crate) name: Option<String>,
    /// An advertised service
    pub(crate) service: Option<UuidText>,
    /// A company identifier, or the first and the last of several
    pub(crate) company: Option<Companies>,
    /// Service data of this service
    pub(crate) service_data: Option<UuidText>,
    /// How the data after the company or the service begins
    pub(crate) data: Option<Pattern>,
    /// How much it says, 1 to 100
    pub(crate) score: Located<u8>,
    /// The variant that it speaks for
    pub(crate) variant: Option<Located<String>>,
}

/// One company identifier, or a range of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Companies(pub(crate) u16, pub(crate) u16);

impl<'de> Deserialize<'de> for Companies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Numbers;
        impl<'de> Visitor<'de> for Numbers {
            type Value = Companies;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a company identifier (0x0969), or the first and the last of several ([0x5A00, 0x5AFF])",
                )
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Companies, E> {
                let id = u16::try_from(number)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))?;
                Ok(Companies(id, id))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Companies, A::Error> {
                let first = seq.next_element()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
                let last = seq.next_element()?.ok_or_else(|| de::Error::invalid_length(1, &self))?;
                match seq.next_element::<u16>()? {
                    None => Ok(Companies(first, last)),
                    Some(_) => Err(de::Error::invalid_length(3, &self)),
                }
            }
        }
        deserializer.deserialize_any(Numbers)
    }
}

/// Evidence in the GATT table.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GattDef {
    /// How much it says that every role is there, 0 to 100
    pub(crate) score: u8,
    /// Characteristics that this family never has
    pub(crate) forbid: Vec<CharacteristicPath>,
}

/// A read that settles what the lamp is, and writes nothing.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct ProbeDef {
    /// Where to read, if it is no role of this family
    pub(crate) at: Option<CharacteristicPath>,
    /// The text that must be read there
    pub(crate) text: Option<String>,
    /// The role to read; it must give one of its reports
    pub(crate) role: Option<String>,
    /// How much it says, 1 to 100
    pub(crate) score: u8,
}

/// A characteristic by what it is for.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct RoleDef {
    /// Where it is; the first that the bulb has is taken
    pub(crate) at: Vec<CharacteristicPath>,
    /// The properties that it must have, each as `read` or, for one of several, `write|write-without-response`
    #[serde(default)]
    pub(crate) properties: Vec<OneOf>,
    /// How it is written where the bulb allows both
    pub(crate) write: Option<WriteKind>,
    /// Whether bulbs of this family may lack it
    #[serde(default)]
    pub(crate) optional: bool,
}

/// How to deal with the link.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LinkRulesDef {
    /// What is written before anything else
    pub(crate) first: Vec<FirstWriteDef>,
    /// Subscribe to what reports before the first write
    pub(crate) subscribe_first: bool,
    /// The least time between two writes
    pub(crate) gap: Time,
    /// What keeps the link alive
    pub(crate) keep_alive: Option<KeepAliveDef>,
    /// The bulb takes nothing from a computer that it is not bonded with
    pub(crate) needs_bonding: bool,
    /// How to make the bulb ready to be paired, for people
    pub(crate) pairing_hint: Option<String>,
    /// The smallest ATT MTU that its frames fit into, bytes
    pub(crate) mtu: Option<u16>,
}

/// A write at the start of a session.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct FirstWriteDef {
    /// The frame
    pub(crate) frame: Located<String>,
    /// The role that it is written to
    #[serde(default = "control")]
    pub(crate) to: String,
    /// How long to wait after it
    #[serde(default)]
    pub(crate) delay: Time,
}

/// A frame that is written again and again.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct KeepAliveDef {
    /// The frame
    pub(crate) frame: Located<String>,
    /// The role that it is written to
    #[serde(default = "control")]
    pub(crate) to: String,
    /// How often
    pub(crate) every: Time,
}

fn control() -> String {
    "control".into()
}

fn status() -> String {
    "status".into()
}

/// A frame that comes back.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct StatusDef {
    /// The template
    pub(crate) frame: Option<Located<String>>,
    /// A named codec in place of a template: hue
    pub(crate) codec: Option<Located<String>>,
    /// The role that gives it
    #[serde(default = "status")]
    pub(crate) from: String,
    /// The frame that asks for it
    pub(crate) ask: Option<Located<String>>,
    /// The role that it is asked for by
    #[serde(default = "control")]
    pub(crate) ask_to: String,
    /// When it comes besides: `read`, `command` (after a command), `change` (whoever changed something), `maybe` (some
    /// bulbs send it; virtual ones do not)
    #[serde(default)]
    pub(crate) on: Vec<TriggerDef>,
    /// Its colour is already dimmed by the brightness
    #[serde(default)]
    pub(crate) scaled: bool,
    /// What it says besides
    #[serde(default)]
    pub(crate) means: ImpliedStateDef,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum TriggerDef {
    Read,
    Command,
    Change,
    Maybe,
}

/// The state within an advertisement.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct AdvertDef {
    /// In manufacturer data of this company, or of these
    pub(crate) company: Option<Companies>,
    /// In service data of this service
    pub(crate) service_data: Option<UuidText>,
    /// The template, after the company or the service
    pub(crate) frame: Located<String>,
    /// Its colour is already dimmed by the brightness
    #[serde(default)]
    pub(crate) scaled: bool,
    /// What it says besides
    #[serde(default)]
    pub(crate) means: ImpliedStateDef,
}

/// How a virtual bulb shows itself.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ExampleDef {
    /// The advertised name
    pub(crate) name: Option<String>,
    /// Advertised services
    pub(crate) services: Vec<UuidText>,
    /// The company of its manufacturer data
    pub(crate) company: Option<u16>,
    /// Its manufacturer data, where that holds no state
    pub(crate) data: Hex,
    /// The service of its service data
    pub(crate) service: Option<UuidText>,
    /// Its service data, where that holds no state
    pub(crate) service_data: Hex,
    /// The manufacturer in its device information
    pub(crate) manufacturer: Option<String>,
}

/// A model that differs: what is here takes the place of the same in the family.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct VariantDef {
    /// The model in a few words
    pub(crate) title: Option<String>,
    /// Why it cannot be driven
    pub(crate) unsupported: Option<String>,
    /// How far the facts can be trusted
    pub(crate) grade: Option<Grade>,
    /// What this model cannot do
    pub(crate) without: Vec<Located<String>>,
    /// Roles that differ
    pub(crate) role: BTreeMap<String, Located<RoleDef>>,
    /// The whole session policy
    pub(crate) session: Option<LinkRulesDef>,
    /// Abilities that differ
    pub(crate) can: AbilitiesDef,
    /// Commands that differ
    pub(crate) commands: BTreeMap<String, Located<Frames>>,
    /// All reports
    pub(crate) report: Option<Vec<Located<StatusDef>>>,
    /// All state within advertisements
    pub(crate) advert: Option<Vec<Located<AdvertDef>>>,
    /// The whole example
    pub(crate) example: Option<ExampleDef>,
}
