//! The tables and keys of a rig file, as serde reads them. Unknown keys are errors.

use std::collections::BTreeMap;

use bulb_protocol::file::Located;
use serde::Deserialize;

use super::text::{Addr, Att, Bytes, Color, Company, Kelvin, Level, Mtu, Rssi, Span, Uid};
use super::{AddressType, Defect, FaultTrigger, InitialAdapter};
use crate::radio::Properties;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) rig: Located<i64>,
    #[serde(default)]
    pub(super) about: String,
    #[serde(default)]
    pub(super) adapter: AdapterTable,
    #[serde(default)]
    pub(super) bulb: Vec<BulbTable>,
    #[serde(default)]
    pub(super) bystander: Vec<BystanderTable>,
    #[serde(default)]
    pub(super) event: Vec<Located<EventTable>>,
    /// The expected results of `bulbctl check`, for tests.
    #[serde(rename = "expect")]
    pub(super) _expect: Option<ExpectTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectTable {
    #[serde(rename = "fails")]
    _fails: Vec<String>,
    #[serde(rename = "blocked", default)]
    _blocked: Vec<String>,
    #[serde(rename = "real_stack")]
    _real_stack: Option<String>,
    #[serde(rename = "restored", default)]
    _restored: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AdapterTable {
    #[serde(default)]
    pub(super) state: InitialAdapter,
    pub(super) links: Option<Located<usize>>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum NameIn {
    #[default]
    Advertisement,
    ScanResponse,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manufacturer {
    pub(super) company: Company,
    #[serde(default)]
    pub(super) data: Bytes,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServiceData {
    pub(super) service: Uid,
    #[serde(default)]
    pub(super) data: Bytes,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BystanderTable {
    pub(super) name: Option<String>,
    pub(super) address: Located<Addr>,
    #[serde(default)]
    pub(super) address_type: AddressType,
    pub(super) rssi: Option<Rssi>,
    pub(super) interval: Option<Located<Span>>,
    #[serde(default)]
    pub(super) name_in: NameIn,
    pub(super) advertises: Option<Vec<Uid>>,
    pub(super) manufacturer: Option<Manufacturer>,
    pub(super) service_data: Option<ServiceData>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BulbTable {
    pub(super) profile: Option<Located<String>>,
    pub(super) key: Option<Located<String>>,
    pub(super) name: Option<String>,
    pub(super) address: Located<Addr>,
    #[serde(default)]
    pub(super) address_type: AddressType,
    pub(super) rssi: Option<Rssi>,
    /// The signal strength at each place.
    #[serde(default)]
    pub(super) heard: BTreeMap<String, Rssi>,
    pub(super) interval: Option<Located<Span>>,
    #[serde(default)]
    pub(super) name_in: NameIn,
    pub(super) advertises: Option<Vec<Uid>>,
    pub(super) manufacturer: Option<Manufacturer>,
    pub(super) service_data: Option<ServiceData>,
    pub(super) power: Option<Located<bool>>,
    pub(super) brightness: Option<Located<Level>>,
    pub(super) color: Option<Located<Color>>,
    pub(super) white: Option<Located<Level>>,
    pub(super) kelvin: Option<Located<Kelvin>>,
    pub(super) effect: Option<Located<String>>,
    pub(super) speed: Option<Located<Level>>,
    pub(super) battery: Option<Level>,
    pub(super) battery_drain: Option<Located<Span>>,
    pub(super) status_latency: Option<Span>,
    pub(super) connect_latency: Option<Span>,
    pub(super) idle_drop: Option<Located<Span>>,
    pub(super) mtu: Option<Mtu>,
    pub(super) needs_bonding: Option<bool>,
    #[serde(default)]
    pub(super) pairing: bool,
    pub(super) device: Option<Information>,
    pub(super) service: Option<Vec<ServiceTable>>,
    #[serde(default)]
    pub(super) defects: Vec<Defect>,
    #[serde(default)]
    pub(super) fault: Vec<Located<FaultTable>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Information {
    pub(super) manufacturer: Option<String>,
    pub(super) model: Option<String>,
    pub(super) firmware: Option<String>,
    pub(super) hardware: Option<String>,
    pub(super) serial: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServiceTable {
    pub(super) uuid: Uid,
    #[serde(default)]
    pub(super) characteristic: Vec<CharacteristicTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CharacteristicTable {
    pub(super) uuid: Uid,
    pub(super) properties: Properties,
    pub(super) value: Option<Bytes>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum FaultKind {
    Drop,
    Silent,
    Error,
    Reply,
    Delay,
    Lose,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FaultTable {
    pub(super) on: FaultTrigger,
    pub(super) r#do: Located<FaultKind>,
    pub(super) characteristic: Option<Located<Uid>>,
    pub(super) count: Option<u32>,
    #[serde(default)]
    pub(super) after: u32,
    pub(super) att: Option<Located<Att>>,
    pub(super) bytes: Option<Located<Bytes>>,
    pub(super) r#for: Option<Located<Span>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum BulbEventKind {
    Set,
    Drop,
    Vanish,
    Appear,
    Rename,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum OnOff {
    On,
    Off,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventTable {
    pub(super) at: Span,
    pub(super) adapter: Option<OnOff>,
    pub(super) bulb: Option<Located<Addr>>,
    pub(super) r#do: Option<BulbEventKind>,
    pub(super) power: Option<Located<bool>>,
    pub(super) brightness: Option<Located<Level>>,
    pub(super) color: Option<Located<Color>>,
    pub(super) white: Option<Located<Level>>,
    pub(super) kelvin: Option<Located<Kelvin>>,
    pub(super) effect: Option<Located<String>>,
    pub(super) speed: Option<Located<Level>>,
    pub(super) name: Option<String>,
}
