//! The tables and keys of a profile file. `docs/PROFILES.md` describes them.

mod abilities;
mod check;
mod frames;
mod pair;
#[cfg(feature = "schema")]
mod schema;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::abilities::Grade;
use super::models::NamePattern;
use super::text::{CharacteristicPath, FrameBytes, Hex, OneOf, Pattern, Time, UuidText};
use crate::gatt::WriteKind;

pub(crate) use crate::file::Located;
pub(crate) use abilities::{AbilitiesDef, BrightnessDef, EffectDef, KelvinDef, LevelDef};
pub(crate) use check::CheckDef;
pub(crate) use frames::{FrameTable, Frames, ImpliedStateDef, ModeDef};
pub(crate) use pair::Pair;

/// A family of bulbs.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// Version of the format: 1
    pub(crate) profile: Located<u32>,
    /// The name on the command line: lower-case letters, digits and hyphens
    pub(crate) name: Located<String>,
    /// A short description
    pub(crate) title: String,
    /// A longer description
    pub(crate) about: Option<String>,
    /// The trust in the facts: A, B or C
    #[serde(default)]
    pub(crate) grade: Grade,
    /// The sources of the facts
    #[serde(default)]
    pub(crate) sources: Vec<String>,
    /// A named codec that wraps every frame: lednetwf, aes-128-ecb
    pub(crate) codec: Option<Located<String>>,
    /// The length of a frame with `...`, bytes
    pub(crate) frame_length: Option<usize>,
    /// Evidence for this family in advertisements
    #[serde(default, rename = "match")]
    pub(crate) matches: Vec<Located<MatchDef>>,
    /// The models that the family itself drives, without a variant
    #[serde(default)]
    pub(crate) models: Vec<Located<String>>,
    /// Models that cannot be driven
    #[serde(default)]
    pub(crate) unsupported: Vec<Located<UnsupportedDef>>,
    /// Models that are not bulbs
    #[serde(default)]
    pub(crate) not_a_bulb: Vec<Located<NotABulbDef>>,
    /// Bytes with a name, for frames: `mask = "FF 7F"` is put where a frame has {mask}; also 7E? and ??
    #[serde(default)]
    pub(crate) bytes: BTreeMap<String, Located<FrameBytes>>,
    /// The first bytes of the notifications that carry a status, where it comes in several: they are joined without these
    #[serde(default)]
    pub(crate) parts: Vec<Hex>,
    /// Evidence for and against it in the GATT table
    #[serde(default)]
    pub(crate) gatt: GattDef,
    /// A read that confirms the family
    pub(crate) probe: Option<Located<ProbeDef>>,
    /// The characteristics by purpose: `control` takes commands, `status` sends statuses
    pub(crate) role: BTreeMap<String, Located<RoleDef>>,
    /// The rules for using a link
    #[serde(default)]
    pub(crate) session: LinkRulesDef,
    /// The features of the bulb, and the numbers for their values
    pub(crate) can: AbilitiesDef,
    /// The frames that set the state
    pub(crate) commands: BTreeMap<String, Located<Frames>>,
    /// The status frames, tried in this order
    #[serde(default)]
    pub(crate) report: Vec<Located<StatusDef>>,
    /// State in advertisements
    #[serde(default)]
    pub(crate) advert: Vec<Located<AdvertDef>>,
    /// The advertisement and device information of a virtual bulb
    #[serde(default)]
    pub(crate) example: ExampleDef,
    /// Additional checks for `bulbctl check`
    #[serde(default)]
    pub(crate) check: Vec<Located<CheckDef>>,
    /// Models that differ
    #[serde(default)]
    pub(crate) variant: BTreeMap<String, Located<VariantDef>>,
}

/// Evidence in an advertisement. It needs one of `name`, `service`, `company` and `service_data`.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct MatchDef {
    /// A pattern for the name, with * and ?, and {model} where the model is; it ignores case and padding
    pub(crate) name: Option<NamePattern>,
    /// An advertised service
    pub(crate) service: Option<UuidText>,
    /// A company identifier, or the first and the last of several
    pub(crate) company: Option<Companies>,
    /// The service of service data
    pub(crate) service_data: Option<UuidText>,
    /// The start of the data after the company or the service, or, after `...`, its end; with bytes for {model} and {revision}
    pub(crate) data: Option<Pattern>,
    /// The weight of the evidence, 1 to 100
    pub(crate) score: Located<u8>,
    /// The variant that it identifies
    pub(crate) variant: Option<Located<String>>,
}

impl MatchDef {
    pub(crate) fn reads_model(&self) -> bool {
        self.name.as_ref().is_some_and(NamePattern::reads_model)
            || self.data.as_ref().is_some_and(Pattern::reads_model)
    }
}

/// Models that are known, and cannot be driven.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct UnsupportedDef {
    /// The models
    pub(crate) models: Vec<Located<String>>,
    /// The reason, as a sentence without a capital and a full stop
    pub(crate) reason: String,
}

/// Models that are not bulbs.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct NotABulbDef {
    /// The models
    pub(crate) models: Vec<Located<String>>,
    /// The kind of device, with its article: "a thermometer"
    pub(crate) is: String,
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

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Companies, E> {
                self.visit_i64(i64::try_from(number).unwrap_or(i64::MAX))
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
    /// The weight of a table that has every role, 0 to 100
    pub(crate) score: u8,
    /// Characteristics that this family never has
    pub(crate) forbid: Vec<CharacteristicPath>,
    /// Any evidence in name or data is enough beside the table, if no other family comes into question
    pub(crate) suffices: bool,
    /// Values that say that this unit cannot be driven
    pub(crate) refuse: Vec<RefusalDef>,
}

/// A read that may say that a unit cannot be driven. It is not made if the table lacks the characteristic.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct RefusalDef {
    /// The characteristic to read
    pub(crate) at: CharacteristicPath,
    /// The beginning of the value, as in `data` of a match
    pub(crate) data: Pattern,
    /// The reason why the unit cannot be driven
    pub(crate) reason: String,
}

/// A read that confirms the family. It needs `role`, or `at` and `text`.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct ProbeDef {
    /// The characteristic to read, if it is not one of the roles
    pub(crate) at: Option<CharacteristicPath>,
    /// The value that it must have
    pub(crate) text: Option<String>,
    /// The role to read; its value must be a status frame
    pub(crate) role: Option<String>,
    /// The weight of a success, 1 to 100
    pub(crate) score: u8,
}

/// A characteristic and its purpose.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct RoleDef {
    /// The places to look for it; the first that the bulb has is used
    pub(crate) at: Vec<CharacteristicPath>,
    /// The properties that it needs: `read`, or `write|write-without-response` for either
    #[serde(default)]
    pub(crate) properties: Vec<OneOf>,
    /// The kind of write, where the bulb allows both
    pub(crate) write: Option<WriteKind>,
    /// Bulbs of this family may lack it
    #[serde(default)]
    pub(crate) optional: bool,
    /// It notifies each command to `control` as it is, which confirms the command
    #[serde(default)]
    pub(crate) echo: bool,
}

/// The rules for using a link.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LinkRulesDef {
    /// Writes that a link starts with
    pub(crate) first: Vec<FirstWriteDef>,
    /// Subscribe before the first write
    pub(crate) subscribe_first: bool,
    /// The minimum time between two writes
    pub(crate) gap: Time,
    /// A repeated write that keeps the link open
    pub(crate) keep_alive: Option<KeepAliveDef>,
    /// The bulb only accepts writes from a bonded computer
    pub(crate) needs_bonding: bool,
    /// The way to put the bulb into pairing mode, as a sentence for users
    pub(crate) pairing_hint: Option<String>,
    /// The smallest ATT MTU that the frames fit into, bytes
    pub(crate) mtu: Option<u16>,
}

/// A write at the start of a link.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct FirstWriteDef {
    /// The frame
    pub(crate) frame: Located<String>,
    /// The role to write to (control)
    #[serde(default = "control")]
    pub(crate) to: String,
    /// The time to wait afterwards
    #[serde(default)]
    pub(crate) delay: Time,
}

/// A write that keeps a link open.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct KeepAliveDef {
    /// The frame
    pub(crate) frame: Located<String>,
    /// The role to write to (control)
    #[serde(default = "control")]
    pub(crate) to: String,
    /// The time between two writes
    pub(crate) every: Time,
}

fn control() -> String {
    "control".into()
}

fn status() -> String {
    "status".into()
}

/// A status frame.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct StatusDef {
    /// The template of the frame
    pub(crate) frame: Option<Located<String>>,
    /// A named codec instead of a template: hue, govee-burst
    pub(crate) codec: Option<Located<String>>,
    /// The role that sends it (status)
    #[serde(default = "status")]
    pub(crate) from: String,
    /// The query that it answers: a frame without fields
    pub(crate) ask: Option<Located<String>>,
    /// The role to write the query to (control)
    #[serde(default = "control")]
    pub(crate) ask_to: String,
    /// Occasions on which the bulb also sends it: `read`, `command` (after each command), `change` (after each change), `maybe` (some
    /// bulbs send it; virtual bulbs do not)
    #[serde(default)]
    pub(crate) on: Vec<TriggerDef>,
    /// Its colour is dimmed by the brightness
    #[serde(default)]
    pub(crate) scaled: bool,
    /// State that it implies without a field for it
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

/// State in an advertisement.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct AdvertDef {
    /// The company of the manufacturer data, or the first and the last of several
    pub(crate) company: Option<Companies>,
    /// The service of the service data
    pub(crate) service_data: Option<UuidText>,
    /// The template of the data after the company or the service
    pub(crate) frame: Located<String>,
    /// Its colour is dimmed by the brightness
    #[serde(default)]
    pub(crate) scaled: bool,
    /// State that it implies without a field for it
    #[serde(default)]
    pub(crate) means: ImpliedStateDef,
}

/// The advertisement and device information of a virtual bulb.
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
    /// Its manufacturer data, if that holds no state
    pub(crate) data: Hex,
    /// The service of its service data
    pub(crate) service: Option<UuidText>,
    /// Its service data, if that holds no state
    pub(crate) service_data: Hex,
    /// The manufacturer in its device information
    pub(crate) manufacturer: Option<String>,
}

/// A model that differs. Its keys replace those of the family.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct VariantDef {
    /// A short description of the model
    pub(crate) title: Option<String>,
    /// The sources of its facts, if they are not those of the family
    pub(crate) sources: Option<Vec<String>>,
    /// The variant that this one changes further; without it, it changes the family
    pub(crate) extends: Option<Located<String>>,
    /// The models that it drives
    pub(crate) models: Vec<Located<String>>,
    /// Bytes of frames that differ
    pub(crate) bytes: BTreeMap<String, Located<FrameBytes>>,
    /// The reason why it cannot be driven
    pub(crate) unsupported: Option<String>,
    /// The trust in the facts
    pub(crate) grade: Option<Grade>,
    /// Features that this model lacks
    pub(crate) without: Vec<Located<String>>,
    /// Roles that differ
    pub(crate) role: BTreeMap<String, Located<RoleDef>>,
    /// All rules for using a link
    pub(crate) session: Option<LinkRulesDef>,
    /// Features that differ
    pub(crate) can: AbilitiesDef,
    /// Commands that differ
    pub(crate) commands: BTreeMap<String, Located<Frames>>,
    /// The first bytes of the notifications of a status that comes in several
    pub(crate) parts: Option<Vec<Hex>>,
    /// All status frames
    pub(crate) report: Option<Vec<Located<StatusDef>>>,
    /// All state in advertisements
    pub(crate) advert: Option<Vec<Located<AdvertDef>>>,
    /// The whole example
    pub(crate) example: Option<ExampleDef>,
}
