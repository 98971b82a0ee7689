//! The system as btleplug has it: the same on all platforms.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use btleplug::api::{Central, CentralState, Manager as _, Peripheral as _, ScanFilter};
use btleplug::platform::{Adapter, Manager, Peripheral};

use super::adapter_choice::Candidate;
use super::platform_error::PlatformError;
use super::shared::lock;
use crate::radio::{AdapterInfo, Address, DeviceId};

mod events;
mod gatt;
mod system;

pub(super) use gatt::PlugGatt;
pub(super) use system::{diagnose, open};

/// One adapter of btleplug.
#[derive(Debug)]
pub(super) struct Plug {
    central: Adapter,
    /// One object a device for the life of the radio: a second one would have an empty table, and each has its own
    /// stream of notifications.
    devices: Mutex<HashMap<DeviceId, Arc<PlugGatt>>>,
}

impl Plug {
    pub(super) fn new(central: Adapter) -> Self {
        Self { central, devices: Mutex::default() }
    }

    pub(super) async fn start_scan(&self) -> Result<(), PlatformError> {
        // Unfiltered: BlueZ merges the filters of all programs, and many bulbs do not advertise their service.
        Ok(self.central.start_scan(ScanFilter::default()).await?)
    }

    pub(super) async fn stop_scan(&self) -> Result<(), PlatformError> {
        Ok(self.central.stop_scan().await?)
    }

    pub(super) async fn gatt(&self, device: &DeviceId) -> Result<Arc<PlugGatt>, PlatformError> {
        if let Some(gatt) = lock(&self.devices).get(device) {
            return Ok(gatt.clone());
        }
        let all = self.central.peripherals().await?;
        let found = all.into_iter().find(|peripheral| id_of(peripheral) == *device);
        let peripheral = found.ok_or_else(|| PlatformError::from(btleplug::Error::DeviceNotFound))?;
        let mut devices = lock(&self.devices);
        Ok(devices.entry(device.clone()).or_insert_with(|| Arc::new(PlugGatt::new(peripheral))).clone())
    }
}

/// How we name a device: by its address where the platform tells it, else by the platform's identifier.
fn id_of(peripheral: &Peripheral) -> DeviceId {
    match address_of(peripheral) {
        Some(address) => DeviceId::new(address.to_string()),
        None => DeviceId::new(peripheral.id().to_string()),
    }
}

/// macOS says 00:00:00:00:00:00 for every device.
fn address_of(peripheral: &Peripheral) -> Option<Address> {
    let bytes = peripheral.address().into_inner();
    (bytes != [0; 6]).then_some(Address::new(bytes))
}

/// Keeps the panics of bluez-async's tasks off the user's terminal. Its connect drops a stream, whose drop starts a task
/// that panics if a signal comes at the wrong moment ("No match with that id found", bluez-async 0.9.0). That ends no
/// more than the task, so its message says nothing that anybody needs; all other panics are told as before.
#[cfg(target_os = "linux")]
fn hush() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let of_library = panic.location().is_some_and(|place| place.file().contains("/bluez-async-"));
            if of_library {
                tracing::debug!("a task of bluez-async ended in a panic: {panic}");
            } else {
                others(panic);
            }
        }));
    });
}

/// Reaches the system.
pub(super) async fn manager() -> Result<Manager, PlatformError> {
    #[cfg(target_os = "linux")]
    hush();
    // It connects to the bus, and blocks meanwhile.
    let runtime = tokio::runtime::Handle::current();
    match tokio::task::spawn_blocking(move || runtime.block_on(Manager::new())).await {
        Ok(manager) => Ok(manager?),
        Err(error) => Err(PlatformError::own(error.to_string())),
    }
}

/// The adapters, in the order in which the system happens to list them.
pub(super) async fn adapters(manager: &Manager) -> Result<Vec<(String, Adapter)>, PlatformError> {
    let mut named = Vec::new();
    for adapter in manager.adapters().await? {
        let name = name_of(&adapter.adapter_info().await?);
        named.push((name, adapter));
    }
    Ok(named)
}

/// `hci0 (usb:v1D6Bp0246d0552)` is called `hci0`; elsewhere there is one adapter, whose text may be long.
fn name_of(info: &str) -> String {
    info.split(" (").next().unwrap_or(info).to_owned()
}

async fn candidate(name: &str, adapter: &Adapter) -> Candidate {
    let address = adapter.adapter_address().await.ok().flatten();
    let address = address.map(|address| Address::new(address.into_inner()));
    // macOS says "unknown" until it has decided, or if the program may not: trying tells.
    let powered = !matches!(adapter.adapter_state().await, Ok(CentralState::PoweredOff));
    Candidate { info: AdapterInfo { name: name.to_owned(), address }, powered, block: None }
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn the_name_of_an_adapter_is_what_its_description_starts_with() {
        assert_eq!(name_of("hci0 (usb:v1D6Bp0246d0552)"), "hci0");
        assert_eq!(name_of("WinRT"), "WinRT");
    }
}
