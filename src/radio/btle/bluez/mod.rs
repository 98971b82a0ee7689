//! The system interface on BlueZ, over D-Bus.
//!
//! btleplug does not report that a name came late, that a device disappeared, that a link dropped
//! while connecting, why an adapter is off, or the battery level. Each of its events costs a round
//! trip, discovering the services of one bulb about forty, and its connect can end in the panic
//! message of a task. Here, one subscription and one request for all objects report everything,
//! services included.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use dbus::arg::{PropMap, Variant};

use super::adapter_choice::{Candidate, PowerBlock, choose};
use super::platform_error::PlatformError;
use super::shared::SharedState;
use super::system::{Companion, Gatt, System};
use super::{Opened, open_error};
use crate::error::Result;
use crate::radio::{AdapterInfo, AdapterState, DeviceId};

mod agent;
mod bus;
mod companion;
mod connection;
mod diagnose;
mod gatt;
mod gatt_objects;
mod installed;
mod parameters;
mod peripheral;
mod properties;
mod rfkill;
mod signals;

use bus::{Bus, Subscribed};
pub(super) use companion::BluezCompanion;
pub(super) use diagnose::diagnose;
use gatt::BusGatt;
pub(super) use peripheral::open as open_peripheral;
use properties::{ADAPTER, AdapterProperties, DEVICE, Objects};
use rfkill::{SWITCHES, block_of};
use signals::{Scope, SignalReceiver};

#[derive(Debug)]
struct Bluez {
    companion: BluezCompanion,
}

pub(super) async fn open(wanted: Option<&str>) -> Result<Opened> {
    let OpenedBluez { info, shared, companion, .. } = open_bluez(wanted).await?;
    Ok(Opened { info, shared, system: Arc::new(Bluez { companion }) })
}

/// An adapter, before it is used in one of its two roles.
struct OpenedBluez {
    info: AdapterInfo,
    shared: Arc<SharedState>,
    companion: BluezCompanion,
    objects: Objects,
}

async fn open_bluez(wanted: Option<&str>) -> Result<OpenedBluez> {
    let to_error = |error: PlatformError| open_error(&error);
    let signals = Arc::new(SignalReceiver::new(Scope::Everything));
    let bus = Bus::open(signals.clone()).await.map_err(to_error)?;
    let subscribed = bus.subscribe(Scope::Everything).await.map_err(|error| to_error(error.into()))?;
    let Subscribed { owner, objects } = subscribed;
    let objects = objects.map_err(|error| to_error(error.into()))?;
    let chosen = choose(&mut candidates(&objects), wanted)?;
    let shared = Arc::new(SharedState::new(if chosen.powered == Some(false) {
        AdapterState::Off
    } else {
        AdapterState::On
    }));
    let companion = BluezCompanion::new(&chosen.info, bus, signals, shared.clone(), owner, Some(&objects));
    Ok(OpenedBluez { info: chosen.info, shared, companion, objects })
}

fn candidates(objects: &Objects) -> Vec<Candidate> {
    let adapters = objects.iter().filter_map(|(path, interfaces)| {
        let properties = interfaces.get(ADAPTER)?;
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        let update = AdapterProperties::of(properties);
        let block = if update.powered == Some(false) { why_off(&name, update.blocked) } else { None };
        let address = update.address;
        Some(Candidate { info: AdapterInfo { name, address }, powered: update.powered, block })
    });
    adapters.collect()
}

/// Returns why the adapter is off. BlueZ only says "blocked"; the switches of the kernel say how.
fn why_off(name: &str, blocked: Option<bool>) -> Option<PowerBlock> {
    let soft = blocked.unwrap_or_default().then_some(PowerBlock { hard: false });
    block_of(Path::new(SWITCHES), name).or(soft)
}

#[async_trait]
impl System for Bluez {
    async fn start_scan(&self) -> Result<(), PlatformError> {
        let bus = self.companion.bus();
        let other_scans = self.companion.signals.discovering();
        let filter = PropMap::from([
            // A device that was also seen over classic Bluetooth would be connected that way.
            ("Transport".to_owned(), Variant(Box::new("le".to_owned()) as _)),
            // Report devices even if nothing about them changed.
            ("DuplicateData".to_owned(), Variant(Box::new(true) as _)),
        ]);
        // Sent together, because the bus keeps the order.
        futures::try_join!(
            bus.call::<()>(&self.companion.path, ADAPTER, "SetDiscoveryFilter", (filter,)),
            bus.call::<()>(&self.companion.path, ADAPTER, "StartDiscovery", ()),
        )?;
        if other_scans {
            // Devices found by the scan of another program are not announced again.
            bus.refresh(&self.companion.signals).await?;
        }
        Ok(())
    }

    async fn stop_scan(&self) -> Result<(), PlatformError> {
        Ok(self.companion.bus().call(&self.companion.path, ADAPTER, "StopDiscovery", ()).await?)
    }

    async fn refresh(&self) -> Result<(), PlatformError> {
        // Signals keep the state up to date.
        Ok(())
    }

    async fn connect(&self, device: &DeviceId) -> Result<(), PlatformError> {
        Ok(self.companion.bus().connect(&self.companion.path_of(device)?, &self.companion.signals).await?)
    }

    async fn disconnect(&self, device: &DeviceId) -> Result<(), PlatformError> {
        Ok(self.companion.bus().send(&self.companion.path_of(device)?, DEVICE, "Disconnect").await?)
    }

    async fn gatt(&self, device: &DeviceId) -> Result<Arc<dyn Gatt>, PlatformError> {
        let path = self.companion.path_of(device)?;
        Ok(Arc::new(BusGatt::new(self.companion.bus(), self.companion.signals.clone(), path)))
    }

    fn companion(&self) -> Option<&dyn Companion> {
        Some(&self.companion)
    }
}
