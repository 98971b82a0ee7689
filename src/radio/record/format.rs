//! The lines of a recording. docs/RECORDINGS.md specifies them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use uuid::Uuid;

use crate::radio::gatt::Service;
use crate::radio::{AdapterState, CharacteristicId, DeviceDetails, DeviceId, SeenDevice, SeenTimes};

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
        state: AdapterState,
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
        state: AdapterState,
    },
    /// The bulb sent a notification. `link` is the number of the call that connected.
    Notification {
        link: u32,
        characteristic: CharacteristicId,
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

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "snake_case")]
pub(super) enum Call {
    StartScan,
    StopScan,
    Known,
    Details { device: String },
    Connect { device: String },
    Read { link: u32, characteristic: CharacteristicId },
    Write { link: u32, characteristic: CharacteristicId, hex: Hex, response: bool },
    Subscribe { link: u32, characteristic: CharacteristicId },
    Unsubscribe { link: u32, characteristic: CharacteristicId },
    Battery { link: u32 },
    Bond { link: u32 },
    Disconnect { link: u32 },
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
    pub(super) details: Option<DeviceDetails>,
    /// For `connect`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) connected: Option<Connected>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Connected {
    pub(super) was_up: bool,
    pub(super) mtu: Option<u16>,
    pub(super) services: Vec<Service>,
}

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

/// The time in microseconds, at most `u64::MAX`.
pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Call {
    /// The number of the call that made the link, for calls of a link.
    pub(super) const fn link(&self) -> Option<u32> {
        match self {
            Self::StartScan | Self::StopScan | Self::Known | Self::Details { .. } | Self::Connect { .. } => {
                None
            }
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
            Self::Details { device } => write!(f, "details of {device}"),
            Self::Connect { device } => write!(f, "connect {device}"),
            Self::Read { characteristic, .. } => write!(f, "read {}", characteristic),
            Self::Write { characteristic, hex, response, .. } => {
                let kind = if *response { "request" } else { "command" };
                write!(f, "write {kind} {} {}", characteristic, hex::encode(&hex.0))
            }
            Self::Subscribe { characteristic, .. } => write!(f, "subscribe {}", characteristic),
            Self::Unsubscribe { characteristic, .. } => write!(f, "unsubscribe {}", characteristic),
            Self::Battery { .. } => f.write_str("battery level"),
            Self::Bond { .. } => f.write_str("bond"),
            Self::Disconnect { .. } => f.write_str("disconnect"),
        }
    }
}
