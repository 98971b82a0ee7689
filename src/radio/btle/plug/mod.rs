//! The system interface on btleplug, for all platforms.
//!
//! - `system` opens an adapter and uses it, `keeper` opens it again.
//! - `events` reads its events, `gatt` is the client of one device.
//! - `platform` is btleplug itself. `played` plays its ways on macOS and Windows for tests.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use btleplug::api::{Central, Peripheral, RetrievePeripheralsOptions};
use btleplug::platform::PeripheralId;
use tokio::sync::watch;
use tokio::time::timeout;

use super::platform_error::PlatformError;
use super::shared::{SharedState, lock};
use super::system::Companion;
use crate::radio::{AdapterInfo, Address, DeviceId};

mod events;
mod gatt;
mod keeper;
mod platform;
#[cfg(all(target_os = "linux", debug_assertions))]
mod played;
mod system;
#[cfg(test)]
#[cfg(all(target_os = "linux", debug_assertions))]
mod tests;

use gatt::PlugGatt;
#[cfg(all(target_os = "linux", debug_assertions))]
pub(super) use played::Played;
#[cfg(all(target_os = "linux", debug_assertions))]
pub(super) use system::open_on;
pub(super) use system::{diagnose, open};

const RETRIEVE_TIME: Duration = Duration::from_secs(1);

/// Opens adapters: btleplug itself, or a test that plays another system.
#[async_trait]
pub(super) trait Backend: fmt::Debug + Send + Sync + 'static {
    type Central: Central<Peripheral = Self::Peripheral> + fmt::Debug + 'static;
    type Peripheral: Peripheral + 'static;

    fn ways(&self) -> Ways;

    /// The adapters by name. Each call connects to the system anew.
    async fn adapters(&self) -> Result<Vec<(String, Self::Central)>, PlatformError>;

    /// A way to ask the system about this adapter for facts that btleplug lacks.
    async fn companion(
        &self,
        _: &AdapterInfo,
        _: &Arc<SharedState>,
    ) -> Result<Option<Box<dyn Companion>>, PlatformError> {
        Ok(None)
    }

    /// The identifier of a device: its address if the platform reports it, else the identifier of
    /// the platform.
    fn id_of(peripheral: &Self::Peripheral) -> DeviceId {
        match address_of(peripheral) {
            Some(address) => DeviceId::new(address.to_string()),
            None => DeviceId::new(peripheral.id().to_string()),
        }
    }
}

/// Differences between the systems below btleplug.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ways {
    /// On Linux, any user can send signals in the name of BlueZ, and the streams of btleplug do not tell who
    /// sent them. There a signal only says what to ask BlueZ for. Notifications cannot be asked for again, so
    /// those are believed.
    pub(super) asks: bool,
    /// bluetoothd holds links for all programs. On macOS and Windows, a link ends with its program: general
    /// knowledge.
    pub(super) keeps_links: bool,
    /// BlueZ announces values that were read; other platforms do not.
    pub(super) echoes_reads: bool,
    /// On macOS, btleplug forgets a device when its link ends: its handle connects no more, and the stream of its
    /// notifications stays empty (`on_peripheral_disconnect` in corebluetooth/internal.rs).
    pub(super) forgets: bool,
}

#[derive(Debug)]
pub(super) struct Plug<B: Backend> {
    backend: B,
    /// The adapter; `None` while it is lost.
    central: watch::Sender<Option<B::Central>>,
    /// One object per device for the life of its handle: a second one would have an empty table, and
    /// each has its own stream of notifications.
    devices: Mutex<HashMap<DeviceId, Arc<PlugGatt<B::Peripheral>>>>,
}

impl<B: Backend> Plug<B> {
    fn new(backend: B, central: B::Central) -> Self {
        Self { backend, central: watch::Sender::new(Some(central)), devices: Mutex::default() }
    }

    /// The adapter. Waits while it is lost; callers have deadlines.
    async fn central(&self) -> Result<B::Central, PlatformError> {
        let mut central = self.central.subscribe();
        let there = central.wait_for(Option::is_some).await;
        there
            .ok()
            .and_then(|there| there.clone())
            .ok_or_else(|| PlatformError::unnamed("the radio is closed"))
    }

    fn replace(&self, central: Option<B::Central>) {
        lock(&self.devices).clear();
        self.central.send_replace(central);
    }

    /// Replaces the handle of a device whose link has ended, where it is of no more use. Retrieving gives one that
    /// works, unless a scan has met the device again before.
    async fn link_ended(&self, central: &B::Central, id: &PeripheralId, device: &DeviceId) {
        let ways = self.backend.ways();
        if !ways.forgets {
            return;
        }
        let identifiers = Some(vec![id.clone()]);
        let options = RetrievePeripheralsOptions { identifiers, ..RetrievePeripheralsOptions::default() };
        let retrieved = timeout(RETRIEVE_TIME, central.retrieve_peripherals(options)).await;
        let fresh = retrieved.ok().and_then(Result::ok).and_then(|all| all.into_iter().next());
        let is_last = {
            let mut devices = lock(&self.devices);
            devices.remove(device);
            if let Some(fresh) = fresh {
                devices.insert(device.clone(), Arc::new(PlugGatt::new(fresh, device.clone(), ways)));
            }
            devices.is_empty()
        };
        if is_last {
            // The list has only handles that are not in use. With an empty list, the scan makes new ones.
            let _ = timeout(RETRIEVE_TIME, central.clear_peripherals()).await;
        }
    }

    async fn gatt(&self, device: &DeviceId) -> Result<Arc<PlugGatt<B::Peripheral>>, PlatformError> {
        if let Some(gatt) = lock(&self.devices).get(device) {
            return Ok(gatt.clone());
        }
        let peripheral = self.peripheral(device).await?;
        let ways = self.backend.ways();
        let mut devices = lock(&self.devices);
        Ok(devices
            .entry(device.clone())
            .or_insert_with(|| Arc::new(PlugGatt::new(peripheral, device.clone(), ways)))
            .clone())
    }

    async fn peripheral(&self, device: &DeviceId) -> Result<B::Peripheral, PlatformError> {
        let central = self.central().await?;
        let all = central.peripherals().await?;
        let found = all.into_iter().find(|peripheral| B::id_of(peripheral) == *device);
        found.ok_or_else(|| btleplug::Error::DeviceNotFound.into())
    }
}

/// macOS reports 00:00:00:00:00:00 for every device.
fn address_of(peripheral: &impl Peripheral) -> Option<Address> {
    let bytes = peripheral.address().into_inner();
    (bytes != [0; 6]).then_some(Address::new(bytes))
}
