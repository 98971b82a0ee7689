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
use dbus::arg::{PropMap, RefArg, Variant, cast};
use tokio::sync::Mutex;
use tokio_util::task::AbortOnDropHandle;

use super::adapter_choice::{Candidate, PowerBlock, choose};
use super::platform_error::{PlatformError, WRONG_TYPE};
use super::shared::SharedState;
use super::system::{Gatt, System};
use super::{Opened, open_error};
use crate::error::Result;
use crate::radio::{AdapterInfo, AdapterState, Address, ConnectionParameters, DeviceDetails, DeviceId};

mod agent;
mod bus;
mod connection;
mod diagnose;
mod gatt;
mod gatt_objects;
mod installed;
mod parameters;
mod properties;
mod rfkill;
mod signals;

use bus::{Bus, Subscribed};
use connection::BusConnection;
pub(super) use diagnose::diagnose;
use gatt::BusGatt;
use parameters::{ADAPTERS, STORE, parameters_of};
use properties::{ADAPTER, AdapterProperties, DEVICE, Objects, PROPERTIES, details_of};
use rfkill::{SWITCHES, block_of};
use signals::SignalReceiver;

#[derive(Debug)]
struct Bluez {
    line: Arc<BusConnection>,
    _keeper: AbortOnDropHandle<()>,
    path: String,
    name: String,
    address: Option<Address>,
    signals: Arc<SignalReceiver>,
    /// Serialises pairing: an agent answers for one device.
    pairing: Mutex<()>,
}

pub(super) async fn open(wanted: Option<&str>) -> Result<Opened> {
    let to_error = |error: PlatformError| open_error(&error);
    let signals = Arc::new(SignalReceiver::default());
    let bus = Bus::open(signals.clone()).await.map_err(to_error)?;
    let Subscribed { owner, objects } = bus.subscribe().await.map_err(|error| to_error(error.into()))?;
    let objects = objects.map_err(|error| to_error(error.into()))?;
    let chosen = choose(&mut candidates(&objects), wanted)?;
    let name = chosen.info.name.clone();
    let path = format!("/org/bluez/{name}");
    let shared = Arc::new(SharedState::new(if chosen.powered == Some(false) {
        AdapterState::Off
    } else {
        AdapterState::On
    }));
    signals.begin(path.clone(), shared.clone(), owner, Some(&objects));
    let line = Arc::new(BusConnection::new(bus));
    let keeper = connection::keep(line.clone(), signals.clone(), path.clone(), shared.clone());
    let keeper = AbortOnDropHandle::new(tokio::spawn(keeper));
    let address = chosen.info.address;
    let system = Bluez { line, _keeper: keeper, path, name, address, signals, pairing: Mutex::default() };
    Ok(Opened { info: chosen.info, shared, system: Arc::new(system) })
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

impl Bluez {
    fn parameters(&self, device: &DeviceId) -> Option<ConnectionParameters> {
        let files = (Path::new(ADAPTERS), Path::new(STORE));
        parameters_of(files, &self.name, self.address, device.as_str().parse().ok()?)
    }

    fn path_of(&self, device: &DeviceId) -> Result<String, PlatformError> {
        let address: Address = device.as_str().parse().map_err(|_| {
            PlatformError::new("org.freedesktop.DBus.Error.UnknownObject", format!("{device} is no address"))
        })?;
        Ok(format!("{}/dev_{}", self.path, address.to_string().replace(':', "_")))
    }
}

#[async_trait]
impl System for Bluez {
    async fn start_scan(&self) -> Result<(), PlatformError> {
        let bus = self.line.bus();
        let other_scans = self.signals.discovering();
        let filter = PropMap::from([
            // A device that was also seen over classic Bluetooth would be connected that way.
            ("Transport".to_owned(), Variant(Box::new("le".to_owned()) as _)),
            // Report devices even if nothing about them changed.
            ("DuplicateData".to_owned(), Variant(Box::new(true) as _)),
        ]);
        // Sent together, because the bus keeps the order.
        futures::try_join!(
            bus.call::<()>(&self.path, ADAPTER, "SetDiscoveryFilter", (filter,)),
            bus.call::<()>(&self.path, ADAPTER, "StartDiscovery", ()),
        )?;
        if other_scans {
            // Devices found by the scan of another program are not announced again.
            bus.refresh(&self.signals).await?;
        }
        Ok(())
    }

    async fn stop_scan(&self) -> Result<(), PlatformError> {
        Ok(self.line.bus().call(&self.path, ADAPTER, "StopDiscovery", ()).await?)
    }

    async fn refresh(&self) -> Result<(), PlatformError> {
        // Signals keep the state up to date.
        Ok(())
    }

    async fn connect(&self, device: &DeviceId) -> Result<(), PlatformError> {
        Ok(self.line.bus().connect(&self.path_of(device)?, &self.signals).await?)
    }

    async fn disconnect(&self, device: &DeviceId) -> Result<(), PlatformError> {
        Ok(self.line.bus().send(&self.path_of(device)?, DEVICE, "Disconnect").await?)
    }

    async fn gatt(&self, device: &DeviceId) -> Result<Arc<dyn Gatt>, PlatformError> {
        let path = self.path_of(device)?;
        Ok(Arc::new(BusGatt::new(self.line.bus(), self.signals.clone(), path)))
    }

    async fn details(&self, device: &DeviceId) -> Result<DeviceDetails, PlatformError> {
        let path = self.path_of(device)?;
        let answer: Result<(PropMap,), _> =
            self.line.bus().call(&path, PROPERTIES, "GetAll", (DEVICE,)).await;
        match answer {
            Ok((properties,)) => {
                Ok(DeviceDetails { parameters: self.parameters(device), ..details_of(&properties) })
            }
            Err(error) if is_missing(&error) => Ok(DeviceDetails::default()),
            Err(error) => Err(error.into()),
        }
    }

    async fn pair(&self, device: &DeviceId) -> Result<(), PlatformError> {
        let path = self.path_of(device)?;
        let _turn = self.pairing.lock().await;
        Ok(agent::pair(&self.line.bus(), self.signals.clone(), &self.path, &path).await?)
    }

    async fn battery(&self, device: &DeviceId) -> Result<Option<u8>, PlatformError> {
        let question = ("org.bluez.Battery1", "Percentage");
        let path = self.path_of(device)?;
        let answer: Result<(Variant<Box<dyn RefArg>>,), _> =
            self.line.bus().call(&path, PROPERTIES, "Get", question).await;
        match answer {
            Ok((percent,)) => match cast::<u8>(&percent.0) {
                Some(percent) => Ok(Some(*percent)),
                None => Err(PlatformError::new(WRONG_TYPE, "the level of a battery is no byte")),
            },
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn is_running(&self) -> bool {
        self.signals.is_running()
    }

    fn has_bus(&self) -> bool {
        self.line.bus().is_up()
    }

    async fn block(&self) -> Option<PowerBlock> {
        why_off(&self.name, Some(self.signals.blocked()))
    }
}

fn is_missing(error: &dbus::Error) -> bool {
    let kind = error.name().and_then(|name| name.strip_prefix("org.freedesktop.DBus.Error."));
    matches!(
        kind,
        Some("InvalidArgs" | "UnknownInterface" | "UnknownMethod" | "UnknownObject" | "UnknownProperty")
    )
}
