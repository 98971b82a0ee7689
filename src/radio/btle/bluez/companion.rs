//! Answers what only BlueZ's bus tells: bonds, batteries, and why an adapter cannot be used. The direct way
//! to BlueZ is built on it, and btleplug has it beside it.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use dbus::arg::{PropMap, RefArg, Variant, cast};
use tokio::sync::Mutex;
use tokio_util::task::AbortOnDropHandle;

use super::super::adapter_choice::PowerBlock;
use super::super::platform_error::{PlatformError, WRONG_TYPE};
use super::super::shared::SharedState;
use super::super::system::Companion;
use super::bus::{Bus, Subscribed};
use super::connection::{self, BusConnection};
use super::parameters::{ADAPTERS, STORE, parameters_of};
use super::properties::{DEVICE, Objects, PROPERTIES, details_of};
use super::signals::{Scope, SignalReceiver};
use super::{agent, why_off};
use crate::radio::{AdapterInfo, Address, ConnectionParameters, DeviceDetails, DeviceId};

#[derive(Debug)]
pub(in super::super) struct BluezCompanion {
    pub(super) line: Arc<BusConnection>,
    _keeper: AbortOnDropHandle<()>,
    pub(super) path: String,
    name: String,
    address: Option<Address>,
    pub(super) signals: Arc<SignalReceiver>,
    /// Serialises pairing: an agent answers for one device.
    pairing: Mutex<()>,
}

impl BluezCompanion {
    /// Opens a companion for an adapter that btleplug uses. It keeps the state of the adapter and of the links up to
    /// date, and leaves the rest to btleplug.
    pub(in super::super) async fn open(
        adapter: &AdapterInfo,
        shared: Arc<SharedState>,
    ) -> Result<Self, PlatformError> {
        let signals = Arc::new(SignalReceiver::new(Scope::BesideBtleplug));
        let bus = Bus::open(signals.clone()).await?;
        let Subscribed { owner, objects } = bus.subscribe(Scope::BesideBtleplug).await?;
        Ok(Self::new(adapter, bus, signals, shared, owner, Some(&objects?)))
    }

    pub(super) fn new(
        adapter: &AdapterInfo,
        bus: Bus,
        signals: Arc<SignalReceiver>,
        shared: Arc<SharedState>,
        owner: Option<String>,
        objects: Option<&Objects>,
    ) -> Self {
        let AdapterInfo { name, address } = adapter.clone();
        let path = format!("/org/bluez/{name}");
        signals.begin(path.clone(), shared.clone(), owner, objects);
        let line = Arc::new(BusConnection::new(bus));
        let keeper = connection::keep(line.clone(), signals.clone(), path.clone(), shared);
        let _keeper = AbortOnDropHandle::new(tokio::spawn(keeper));
        Self { line, _keeper, path, name, address, signals, pairing: Mutex::default() }
    }

    pub(super) fn bus(&self) -> Arc<Bus> {
        self.line.bus()
    }

    pub(super) fn path_of(&self, device: &DeviceId) -> Result<String, PlatformError> {
        let address: Address = device.as_str().parse().map_err(|_| {
            PlatformError::new("org.freedesktop.DBus.Error.UnknownObject", format!("{device} is no address"))
        })?;
        Ok(format!("{}/dev_{}", self.path, address.to_string().replace(':', "_")))
    }

    fn parameters(&self, device: &DeviceId) -> Option<ConnectionParameters> {
        let files = (Path::new(ADAPTERS), Path::new(STORE));
        parameters_of(files, &self.name, self.address, device.as_str().parse().ok()?)
    }
}

#[async_trait]
impl Companion for BluezCompanion {
    async fn details(&self, device: &DeviceId) -> Result<DeviceDetails, PlatformError> {
        let path = self.path_of(device)?;
        let answer: Result<(PropMap,), _> = self.bus().call(&path, PROPERTIES, "GetAll", (DEVICE,)).await;
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
        Ok(agent::pair(&self.bus(), self.signals.clone(), &self.path, &path).await?)
    }

    async fn battery(&self, device: &DeviceId) -> Result<Option<u8>, PlatformError> {
        let question = ("org.bluez.Battery1", "Percentage");
        let path = self.path_of(device)?;
        let answer: Result<(Variant<Box<dyn RefArg>>,), _> =
            self.bus().call(&path, PROPERTIES, "Get", question).await;
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
        self.signals.has_bus()
    }

    async fn lost(&self) {
        self.bus().lost().await;
    }

    async fn reopened(&self) {
        self.line.reopened().await;
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

#[cfg(test)]
mod tests {
    use super::super::bus::played::{error, played};
    use super::*;
    use crate::radio::AdapterState;

    /// A companion whose BlueZ answers every question with this error.
    fn companion(name: &'static str) -> BluezCompanion {
        let signals = Arc::new(SignalReceiver::new(Scope::BesideBtleplug));
        let (bus, _) = played(signals.clone(), move |call| Some(error(call, name)));
        let adapter = AdapterInfo { name: "hci0".to_owned(), address: None };
        let shared = Arc::new(SharedState::new(AdapterState::On));
        BluezCompanion::new(&adapter, bus, signals, shared, None, Some(&Objects::new()))
    }

    #[tokio::test]
    async fn of_a_device_that_bluez_does_not_know_nothing_is_known() {
        let device = DeviceId::new("C4:11:00:00:00:01");
        for (name, is_error) in [
            ("org.freedesktop.DBus.Error.UnknownObject", false),
            ("org.freedesktop.DBus.Error.InvalidArgs", false),
            ("org.freedesktop.DBus.Error.AccessDenied", true),
            ("org.bluez.Error.Failed", true),
        ] {
            let companion = companion(name);
            let details = companion.details(&device).await;
            assert_eq!(details.is_err(), is_error, "{name}: {details:?}");
            assert!(details.is_err() || details == Ok(DeviceDetails::default()));
            let battery = companion.battery(&device).await;
            assert!(battery.is_err() == is_error && (is_error || battery == Ok(None)), "{name}");
        }
    }

    #[tokio::test]
    async fn the_bus_is_there_until_it_is_lost() {
        let companion = companion("org.bluez.Error.Failed");
        assert!(companion.has_bus() && companion.is_running());
        companion.signals.lost();
        assert!(!companion.has_bus() && !companion.is_running());
    }
}
