//! The lines of a recording. docs/RECORDINGS.md specifies them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use uuid::Uuid;

use crate::radio::gatt::{Characteristic, Descriptor, Service};
use crate::radio::{
    AdapterState, CharacteristicId, ConnectionParameters, DeviceDetails, DeviceId, GattTable, Properties,
    SeenDevice, SeenTimes, WriteKind,
};

use crate::error::Error;

pub(super) const VERSION: u32 = 1;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    /// Microseconds since the recording began.
    pub(super) t: u64,
    #[serde(flatten)]
    pub(super) event: Event,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Event {
    /// The first line.
    Recording {
        version: u32,
        program: String,
        adapter: String,
        address: Option<String>,
        links: usize,
        state: Power,
    },
    Call {
        n: u32,
        #[serde(flatten)]
        call: Call,
    },
    Done {
        n: u32,
        #[serde(flatten)]
        answer: Answer,
    },
    Failed {
        n: u32,
        code: String,
        error: Error,
    },
    /// The program stopped waiting for the answer.
    Dropped {
        n: u32,
    },
    /// A device was seen, or its link changed.
    #[serde(rename = "report")]
    SeenDevice(RecordedDevice),
    Adapter {
        state: Power,
    },
    /// The bulb sent a notification. `link` is the number of the call that connected.
    Notification {
        link: u32,
        characteristic: RecordedCharacteristic,
        hex: Hex,
    },
    Link {
        link: u32,
        up: bool,
    },
    /// The recording could not keep up: `lines` lines are missing here.
    Lost {
        lines: u64,
    },
}

/// A call of the radio, or of the link that call number `link` made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "snake_case")]
pub(super) enum Call {
    StartScan,
    StopScan,
    Known,
    #[serde(rename = "details")]
    DeviceDetails {
        device: String,
    },
    Connect {
        device: String,
    },
    Read {
        link: u32,
        characteristic: RecordedCharacteristic,
    },
    Write {
        link: u32,
        characteristic: RecordedCharacteristic,
        hex: Hex,
        response: bool,
    },
    Subscribe {
        link: u32,
        characteristic: RecordedCharacteristic,
    },
    Unsubscribe {
        link: u32,
        characteristic: RecordedCharacteristic,
    },
    Battery {
        link: u32,
    },
    Bond {
        link: u32,
    },
    Disconnect {
        link: u32,
    },
}

/// The result of a call. Each call sets its own field.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Answer {
    /// For `read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hex: Option<Hex>,
    /// For `battery`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) percent: Option<u8>,
    /// For `known`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) devices: Option<Vec<RecordedDevice>>,
    /// For `details`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) details: Option<RecordedDetails>,
    /// For `connect`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) connected: Option<Connected>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Connected {
    pub(super) was_up: bool,
    pub(super) mtu: Option<u16>,
    pub(super) services: Vec<ServiceLine>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ServiceLine {
    uuid: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    handle: Option<u16>,
    #[serde(default, skip_serializing_if = "is_false")]
    secondary: bool,
    characteristics: Vec<CharacteristicLine>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct CharacteristicLine {
    uuid: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    handle: Option<u16>,
    properties: Properties,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    flags: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    descriptors: Vec<(Uuid, Option<u16>)>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// Bytes, written as hex.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Hex(pub(super) Vec<u8>);

impl TryFrom<String> for Hex {
    type Error = hex::FromHexError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        hex::decode(text).map(Self)
    }
}

impl From<Hex> for String {
    fn from(hex: Hex) -> Self {
        hex::encode(hex.0)
    }
}

/// A characteristic, written as `SERVICE/CHARACTERISTIC`, with `#2` for the second of the same
/// name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct RecordedCharacteristic(pub(super) CharacteristicId);

impl TryFrom<String> for RecordedCharacteristic {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no SERVICE/CHARACTERISTIC");
        let (service, rest) = text.split_once('/').ok_or_else(wrong)?;
        let (characteristic, nth) = rest.split_once('#').unwrap_or((rest, "1"));
        let nth = nth.parse::<u8>().ok().and_then(|nth| nth.checked_sub(1)).ok_or_else(wrong)?;
        let uuid = |text: &str| text.parse::<Uuid>().map_err(|_| wrong());
        Ok(Self(CharacteristicId { nth, ..CharacteristicId::new(uuid(service)?, uuid(characteristic)?) }))
    }
}

impl From<RecordedCharacteristic> for String {
    fn from(RecordedCharacteristic(id): RecordedCharacteristic) -> Self {
        match id.nth {
            0 => format!("{}/{}", id.service, id.characteristic),
            nth => format!("{}/{}#{}", id.service, id.characteristic, u16::from(nth) + 1),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Power {
    On,
    Off,
    Absent,
}

impl From<AdapterState> for Power {
    fn from(state: AdapterState) -> Self {
        match state {
            AdapterState::On => Self::On,
            AdapterState::Off => Self::Off,
            AdapterState::Absent => Self::Absent,
        }
    }
}

impl From<Power> for AdapterState {
    fn from(state: Power) -> Self {
        match state {
            Power::On => Self::On,
            Power::Off => Self::Off,
            Power::Absent => Self::Absent,
        }
    }
}

/// A company identifier, written as four hex digits because JSON keys are text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Company(u16);

impl TryFrom<String> for Company {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        u16::from_str_radix(&text, 16).map(Self)
    }
}

impl From<Company> for String {
    fn from(Company(number): Company) -> Self {
        format!("{number:04x}")
    }
}

/// A [`SeenDevice`], written with times relative to the start of the recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RecordedDevice {
    pub(super) device: String,
    address: Option<String>,
    name: Option<String>,
    alias: Option<String>,
    rssi: Option<i16>,
    tx_power: Option<i16>,
    services: Vec<Uuid>,
    manufacturer: BTreeMap<Company, Hex>,
    service_data: BTreeMap<Uuid, Hex>,
    connected: bool,
    /// First and last time seen, in microseconds; 0 if before the recording.
    heard: Option<(u64, u64)>,
}

impl RecordedDevice {
    pub(super) fn of(device: &SeenDevice, began: Instant) -> Self {
        let since = |at: Instant| micros(at.saturating_duration_since(began));
        Self {
            device: device.id.to_string(),
            address: device.address.map(|address| address.to_string()),
            name: device.name.clone(),
            alias: device.alias.clone(),
            rssi: device.rssi,
            tx_power: device.tx_power,
            services: device.services.clone(),
            manufacturer: device
                .manufacturer
                .iter()
                .map(|(id, data)| (Company(*id), Hex(data.clone())))
                .collect(),
            service_data: device.service_data.iter().map(|(id, data)| (*id, Hex(data.clone()))).collect(),
            connected: device.connected,
            heard: device.seen.map(|seen| (since(seen.first), since(seen.last))),
        }
    }

    pub(super) fn to_seen(&self, began: Instant) -> SeenDevice {
        let at = |t: u64| began.checked_add(Duration::from_micros(t)).unwrap_or(began);
        SeenDevice {
            id: DeviceId::new(self.device.clone()),
            address: self.address.as_ref().and_then(|text| text.parse().ok()),
            name: self.name.clone(),
            alias: self.alias.clone(),
            rssi: self.rssi,
            tx_power: self.tx_power,
            services: self.services.clone(),
            manufacturer: self.manufacturer.iter().map(|(id, data)| (id.0, data.0.clone())).collect(),
            service_data: self.service_data.iter().map(|(id, data)| (*id, data.0.clone())).collect(),
            connected: self.connected,
            seen: self.heard.map(|(first, last)| SeenTimes { first: at(first), last: at(last) }),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RecordedDetails {
    address_type: Option<String>,
    appearance: Option<u16>,
    flags: Option<Hex>,
    bonded: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parameters: Option<ConnectionParameters>,
}

impl From<&DeviceDetails> for RecordedDetails {
    fn from(details: &DeviceDetails) -> Self {
        Self {
            address_type: details.address_type.clone(),
            appearance: details.appearance,
            flags: details.flags.clone().map(Hex),
            bonded: details.bonded,
            parameters: details.parameters,
        }
    }
}

impl From<RecordedDetails> for DeviceDetails {
    fn from(details: RecordedDetails) -> Self {
        Self {
            address_type: details.address_type,
            appearance: details.appearance,
            flags: details.flags.map(|flags| flags.0),
            bonded: details.bonded,
            parameters: details.parameters,
        }
    }
}

/// The time in microseconds, at most `u64::MAX`.
pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

pub(super) fn services(table: &GattTable) -> Vec<ServiceLine> {
    let characteristic = |found: &Characteristic| CharacteristicLine {
        uuid: found.uuid,
        handle: found.handle,
        properties: found.properties,
        flags: found.flags.clone(),
        descriptors: found.descriptors.iter().map(|one| (one.uuid, one.handle)).collect(),
    };
    let service = |service: &Service| ServiceLine {
        uuid: service.uuid,
        handle: service.handle,
        secondary: service.secondary,
        characteristics: service.characteristics.iter().map(characteristic).collect(),
    };
    table.services.iter().map(service).collect()
}

pub(super) fn table(lines: &[ServiceLine]) -> GattTable {
    let characteristic = |line: &CharacteristicLine| Characteristic {
        uuid: line.uuid,
        properties: line.properties,
        handle: line.handle,
        flags: line.flags.clone(),
        descriptors: line.descriptors.iter().map(|&(uuid, handle)| Descriptor { uuid, handle }).collect(),
    };
    let service = |line: &ServiceLine| Service {
        uuid: line.uuid,
        handle: line.handle,
        secondary: line.secondary,
        characteristics: line.characteristics.iter().map(characteristic).collect(),
    };
    GattTable { services: lines.iter().map(service).collect() }
}

pub(super) const fn has_response(kind: WriteKind) -> bool {
    matches!(kind, WriteKind::Request)
}

impl Call {
    /// The number of the call that made the link, for calls of a link.
    pub(super) const fn link(&self) -> Option<u32> {
        match self {
            Self::StartScan
            | Self::StopScan
            | Self::Known
            | Self::DeviceDetails { .. }
            | Self::Connect { .. } => None,
            Self::Read { link, .. }
            | Self::Write { link, .. }
            | Self::Subscribe { link, .. }
            | Self::Unsubscribe { link, .. }
            | Self::Battery { link }
            | Self::Bond { link }
            | Self::Disconnect { link } => Some(*link),
        }
    }
}

/// The form that error messages use.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StartScan => f.write_str("start a scan"),
            Self::StopScan => f.write_str("stop the scan"),
            Self::Known => f.write_str("list known devices"),
            Self::DeviceDetails { device } => write!(f, "details of {device}"),
            Self::Connect { device } => write!(f, "connect {device}"),
            Self::Read { characteristic, .. } => write!(f, "read {}", characteristic.0),
            Self::Write { characteristic, hex, response, .. } => {
                let kind = if *response { "request" } else { "command" };
                write!(f, "write {kind} {} {}", characteristic.0, hex::encode(&hex.0))
            }
            Self::Subscribe { characteristic, .. } => write!(f, "subscribe {}", characteristic.0),
            Self::Unsubscribe { characteristic, .. } => write!(f, "unsubscribe {}", characteristic.0),
            Self::Battery { .. } => f.write_str("battery level"),
            Self::Bond { .. } => f.write_str("bond"),
            Self::Disconnect { .. } => f.write_str("disconnect"),
        }
    }
}
