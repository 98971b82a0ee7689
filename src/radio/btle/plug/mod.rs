//! The system interface on btleplug, for all platforms.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use btleplug::api::{Central, CentralState, Manager as _, Peripheral as _};
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

#[derive(Debug)]
pub(super) struct Plug {
    central: Adapter,
    /// One object per device for the life of the radio: a second one would have an empty table, and
    /// each has its own stream of notifications.
    devices: Mutex<HashMap<DeviceId, Arc<PlugGatt>>>,
}

impl Plug {
    pub(super) fn new(central: Adapter) -> Self {
        Self { central, devices: Mutex::default() }
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

/// The identifier of a device: its address if the platform reports it, else the identifier of the
/// platform.
fn id_of(peripheral: &Peripheral) -> DeviceId {
    match address_of(peripheral) {
        Some(address) => DeviceId::new(address.to_string()),
        None => DeviceId::new(peripheral.id().to_string()),
    }
}

/// macOS reports 00:00:00:00:00:00 for every device.
fn address_of(peripheral: &Peripheral) -> Option<Address> {
    let bytes = peripheral.address().into_inner();
    (bytes != [0; 6]).then_some(Address::new(bytes))
}

/// Keeps panic messages of bluez-async off the terminal. Its connect drops a stream, which starts a
/// task that panics if a signal comes at the wrong moment ("No match with that id found",
/// bluez-async 0.9.0). The panic ends only that task. All other panics are reported as before.
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

pub(super) async fn manager() -> Result<Manager, PlatformError> {
    #[cfg(target_os = "linux")]
    hush();
    // Connecting to the bus blocks.
    let runtime = tokio::runtime::Handle::current();
    match tokio::task::spawn_blocking(move || runtime.block_on(Manager::new())).await {
        Ok(manager) => Ok(manager?),
        Err(error) => Err(PlatformError::unnamed(error.to_string())),
    }
}

pub(super) async fn adapters(manager: &Manager) -> Result<Vec<(String, Adapter)>, PlatformError> {
    let mut named = Vec::new();
    for adapter in manager.adapters().await? {
        let name = name_of(&adapter.adapter_info().await?);
        named.push((name, adapter));
    }
    Ok(named)
}

/// Shortens `hci0 (usb:v1D6Bp0246d0552)` to `hci0`. Other platforms have one adapter with any
/// description.
fn name_of(info: &str) -> String {
    info.split(" (").next().unwrap_or(info).to_owned()
}

async fn candidate(name: &str, adapter: &Adapter) -> Candidate {
    let address = adapter.adapter_address().await.ok().flatten();
    let address = address.map(|address| Address::new(address.into_inner()));
    // macOS reports "unknown" until it has decided, or if the program has no permission. Using the
    // adapter will tell.
    let powered = match adapter.adapter_state().await {
        Ok(CentralState::PoweredOn) => Some(true),
        Ok(CentralState::PoweredOff) => Some(false),
        Ok(CentralState::Unknown) | Err(_) => None,
    };
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
