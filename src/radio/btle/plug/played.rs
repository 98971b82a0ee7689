//! Plays btleplug's ways on macOS and Windows on top of the virtual radio, so that the scenarios run through
//! this folder's code for them too. The ways come from the source of btleplug 0.13.5, in the folders
//! corebluetooth and winrtble; ways of the systems themselves are marked as general knowledge.
//!
//! | way | macOS | Windows |
//! |---|---|---|
//! | identity of a device | a UUID, and the address 00:00:00:00:00:00 | the address |
//! | signal strength | only with manufacturer data, service data or services | with each advertisement |
//! | names | also later, with `DeviceUpdated` | with each advertisement |
//! | a link that ends | the device is forgotten, and its old handle is deaf | the table is stale |
//! | an attempt to connect | never ends by itself | ends after seven seconds |
//! | a disconnect | at once | reported at once, but the link lingers |
//! | errors | a sentence of the system | a number of a status; the ATT error is lost |
//! | services 1800 and 1801 | hidden | shown |
//! | permission | may be missing when the adapter is opened | never missing |

use std::path::PathBuf;
use std::str::FromStr;

use async_trait::async_trait;
use btleplug::platform::PeripheralId;

use super::super::platform_error::PlatformError;
use super::{Backend, Ways};
use crate::error::Error;
use crate::radio::{DeviceId, sim};

mod central;
mod peripheral;

pub(super) use central::PlayedCentral;
pub(super) use peripheral::PlayedPeripheral;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum PlayedSystem {
    MacOs,
    Windows,
}

impl FromStr for PlayedSystem {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "macos" => Ok(Self::MacOs),
            "windows" => Ok(Self::Windows),
            _ => Err(()),
        }
    }
}

/// The backend of a system that is played with the bulbs of a rig.
#[derive(Debug)]
pub(in super::super) struct Played {
    pub(in super::super) system: PlayedSystem,
    pub(in super::super) rig: Option<PathBuf>,
    pub(in super::super) options: sim::SimOptions,
}

#[async_trait]
impl Backend for Played {
    type Central = PlayedCentral;
    type Peripheral = PlayedPeripheral;

    fn ways(&self) -> Ways {
        let forgets = self.system == PlayedSystem::MacOs;
        Ways { asks: false, keeps_links: false, echoes_reads: false, forgets }
    }

    async fn adapters(&self) -> Result<Vec<(String, PlayedCentral)>, PlatformError> {
        let name = match self.system {
            PlayedSystem::MacOs => "CoreBluetooth",
            PlayedSystem::Windows => "WinRT",
        };
        match sim::open_for_attempts(self.rig.as_deref(), self.options.clone()) {
            Ok(radio) => Ok(vec![(name.to_owned(), PlayedCentral::new(self.system, radio))]),
            Err(Error::AdapterNone) => Ok(Vec::new()),
            // `run_corebluetooth_thread` looks at the authorisation.
            Err(Error::Denied { .. }) => Err(btleplug::Error::PermissionDenied.into()),
            Err(error) => Err(PlatformError::unnamed(error.to_string())),
        }
    }

    fn id_of(peripheral: &PlayedPeripheral) -> DeviceId {
        peripheral.platform_id()
    }
}

/// The key of a device in btleplug's maps. On Linux it can only be made of text.
fn key_of(device: &DeviceId) -> Option<PeripheralId> {
    let name = device.as_str().replace(':', "_");
    serde_json::from_value(serde_json::json!({ "object_path": format!("/org/bluez/played/dev_{name}") })).ok()
}

/// The error of a request, as the system puts it.
fn request_error(system: PlayedSystem, what: &str, error: &Error) -> btleplug::Error {
    let att = match error {
        Error::Refused { att, .. } => Some(*att),
        Error::NeedsPairing { .. } => Some(0x0f),
        Error::Unsupported { .. } => Some(0x06),
        _ => None,
    };
    match (system, att) {
        // `drain_pending_operations` in corebluetooth/internal.rs.
        (PlayedSystem::MacOs, None) => btleplug::Error::RuntimeError("Device disconnected".to_owned()),
        // The descriptions of `CBATTError`: general knowledge.
        (PlayedSystem::MacOs, Some(att)) => {
            let text = super::super::platform_error::apple_text(att);
            btleplug::Error::RuntimeError(text.unwrap_or("Unknown ATT error.").to_owned())
        }
        // `GattCommunicationStatus` in winrtble/ble/characteristic.rs: 1 is "unreachable", 2 is an ATT error.
        (PlayedSystem::Windows, att) => {
            let status = if att.is_some() { 2 } else { 1 };
            let text = format!("Windows UWP threw error on {what}: GattCommunicationStatus({status})");
            btleplug::Error::Other(text.into())
        }
    }
}
