//! The peripheral role on BlueZ: its GATT server and its advertising.
//!
//! BlueZ reads the objects of `exports` on our connection to the bus, and calls them for every read, write and
//! subscription (`calls`). The `keeper` is the task that registers them, again after everything that ends a registration,
//! and turns the calls into events. `changes` restores what BlueZ keeps: the name of the adapter, and bonds.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use dbus::arg::{PropMap, Variant, prop_cast};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::super::link::adapter_error;
use super::super::platform_error::{ErrorClass, PlatformError};
use super::super::shared::SharedState;
use super::super::system::Companion;
use super::super::{CLOSE_TIME, open_error, opened_in_time, playable, silent};
use super::bus::Bus;
use super::companion::BluezCompanion;
use super::properties::{ADAPTER, CHARACTERISTIC, DEVICE, Objects, PROPERTIES};
use super::{OpenedBluez, open_bluez};
use crate::error::{Error, Operation, Result};
use crate::radio::gatt::{uuid_text, uuid16};
use crate::radio::peripheral::{
    Advertisement, Behaviour, EVENT_QUEUE, Peripheral, PeripheralEvent, PeripheralLimits, ServedBulb,
};
use crate::radio::{AdapterInfo, AdapterState, CharacteristicId, Deadline, lock};

mod calls;
mod changes;
mod exports;
mod keeper;
mod registration;

pub(super) use changes::restore_all;
use changes::{ChangesFile, Restored};
use exports::{Exports, WITH_FLAGS, WITHOUT_FLAGS};
use keeper::{Keeper, Outputs};
use registration::Registration;

const ADVERTISING_MANAGER: &str = "org.bluez.LEAdvertisingManager1";
const GATT_MANAGER: &str = "org.bluez.GattManager1";
/// Generic access and generic attribute, which BlueZ serves itself.
const GENERIC: [Uuid; 2] = [uuid16(0x1800), uuid16(0x1801)];
const DEVICE_INFORMATION: Uuid = uuid16(0x180A);
/// The room of a legacy advertisement, bytes.
const WHOLE: u8 = 31;

pub(in super::super) async fn open(wanted: Option<&str>) -> Result<Arc<dyn Peripheral>> {
    let OpenedBluez { info, shared, companion, objects } = opened_in_time(open_bluez(wanted)).await?;
    let features = Features::of(&objects, &companion.path);
    Ok(Arc::new(BluezPeripheral {
        info,
        bluez: Arc::new(OpenBluez { shared, companion }),
        features,
        running: Mutex::default(),
    }))
}

/// What both the radio and its keeper use.
#[derive(Debug)]
struct OpenBluez {
    shared: Arc<SharedState>,
    companion: BluezCompanion,
}

/// What BlueZ says about the adapter before anything is touched.
#[derive(Clone, Copy, Debug, Default)]
struct Features {
    /// The advertisements that it still has room for. `None` if it cannot advertise at all.
    advertisements: Option<u8>,
    /// The longest advertisement, bytes, if BlueZ says it.
    room: Option<u8>,
    has_gatt: bool,
    /// It is visible to scans of classic Bluetooth. BlueZ then adds flags to every advertisement.
    discoverable: bool,
    /// BlueZ has a device information service of its own.
    device_information: bool,
}

impl Features {
    fn of(objects: &Objects, path: &str) -> Self {
        let Some((_, interfaces)) = objects.iter().find(|(own, _)| ***own == *path) else {
            return Self::default();
        };
        let adapter = interfaces.get(ADAPTER);
        let uuids = adapter.and_then(|all| prop_cast::<Vec<String>>(all, "UUIDs"));
        let own = |uuid: &String| uuid.parse() == Ok(DEVICE_INFORMATION);
        let manager = interfaces.get(ADVERTISING_MANAGER);
        Self {
            advertisements: manager.and_then(|all| prop_cast(all, "SupportedInstances").copied()),
            room: manager
                .and_then(|all| prop_cast::<PropMap>(all, "SupportedCapabilities"))
                .and_then(|all| prop_cast(all, "MaxAdvLen").copied()),
            has_gatt: interfaces.contains_key(GATT_MANAGER),
            discoverable: adapter.and_then(|all| prop_cast(all, "Discoverable").copied()).unwrap_or_default(),
            device_information: uuids.is_some_and(|all| all.iter().any(own)),
        }
    }

    /// Checks that BlueZ can be this bulb.
    fn check(self, adapter: &str, bulb: &ServedBulb) -> Result<()> {
        let cannot = |detail: &str| {
            Err(Error::CannotAdvertise { adapter: adapter.to_owned(), detail: detail.to_owned() })
        };
        match self.advertisements {
            None => return cannot("BlueZ has no advertising for it"),
            Some(0) => return cannot("BlueZ has no free advertisement on it (SupportedInstances is 0)"),
            Some(_) if !self.has_gatt => return cannot("BlueZ has no GATT server for it"),
            Some(_) => {}
        }
        for service in &bulb.table.services {
            let reason = if GENERIC.contains(&service.uuid) {
                "BlueZ serves it itself"
            } else if service.uuid == DEVICE_INFORMATION && self.device_information {
                "BlueZ has one of its own, unless its main.conf says `DeviceID = false`"
            } else {
                continue;
            };
            let what = format!("service {} of {}", uuid_text(service.uuid), bulb.label);
            return Err(Error::NotPlayable { adapter: adapter.to_owned(), what, reason: reason.to_owned() });
        }
        self.check_advertisement(adapter, &bulb.label, &bulb.advertisement)
    }

    fn check_advertisement(self, adapter: &str, label: &str, advertisement: &Advertisement) -> Result<()> {
        let too_long = |detail| Error::AdvertisementTooLong {
            device: label.to_owned(),
            adapter: adapter.to_owned(),
            detail,
        };
        let room = if self.discoverable { WITH_FLAGS } else { WITHOUT_FLAGS };
        room.check(advertisement).map_err(too_long)?;
        match self.room {
            Some(room) if room < WHOLE => Err(too_long(format!("the adapter takes only {room} bytes"))),
            _ => Ok(()),
        }
    }
}

#[derive(Debug)]
struct BluezPeripheral {
    info: AdapterInfo,
    bluez: Arc<OpenBluez>,
    features: Features,
    running: Mutex<Option<Running>>,
}

/// A bulb that is served.
#[derive(Debug)]
struct Running {
    label: String,
    /// Takes everything back when `closing` is cancelled, and cancels `ended` then.
    _keeper: AbortOnDropHandle<()>,
    closing: CancellationToken,
    ended: CancellationToken,
    exports: Arc<Exports>,
    wanted: watch::Sender<Option<Advertisement>>,
    /// The number of the link and the path of the central, while there is one.
    link: watch::Receiver<Option<(u64, String)>>,
}

impl BluezPeripheral {
    fn bus(&self) -> Arc<Bus> {
        self.bluez.companion.bus()
    }

    async fn check_adapter(&self) -> Result<()> {
        let (adapter, companion) = (self.info.name.clone(), &self.bluez.companion);
        match self.bluez.shared.adapter_now() {
            AdapterState::On => Ok(()),
            state => {
                let service = (companion.is_running(), companion.has_bus());
                Err(adapter_error(adapter, state, companion.block().await, service))
            }
        }
    }

    /// Locks the file about the adapter, and restores what a killed program has left.
    async fn take_changes(&self) -> Result<ChangesFile> {
        let adapter = &self.info.name;
        let (Some(folder), Some(address)) = (changes::folder(), self.info.address) else {
            tracing::warn!("without a state folder, adapter {adapter} cannot be restored after a crash");
            return Ok(ChangesFile::default());
        };
        let locked = ChangesFile::lock(&folder, address).map_err(|error| Error::FileUnwritable {
            path: folder.display().to_string(),
            detail: error.to_string(),
        })?;
        let Some(mut file) = locked else {
            let detail = "another bulbctl emulates a bulb on it".to_owned();
            return Err(Error::CannotAdvertise { adapter: adapter.clone(), detail });
        };
        let restored = file.restore(&self.bus(), &self.bluez.companion.path).await;
        let Restored { alias, bonds } = restored.map_err(|error| open_error(&error.into()))?;
        if let Some(alias) = alias {
            tracing::warn!(
                "restored the name of adapter {adapter}: it was {alias:?} since a killed `bulbctl emulate`"
            );
        }
        if bonds > 0 {
            tracing::warn!(
                "removed bonds of adapter {adapter} from a killed `bulbctl emulate`, {bonds} in number"
            );
        }
        Ok(file)
    }

    /// The addresses that are paired with the adapter.
    async fn paired(&self) -> Result<BTreeSet<String>> {
        let objects = self.bus().objects().await.map_err(|error| open_error(&error.into()))?;
        Ok(changes::bonded(&objects, &self.bluez.companion.path)
            .into_iter()
            .map(|(_, address)| address)
            .collect())
    }
}

#[async_trait]
impl Peripheral for BluezPeripheral {
    fn adapter(&self) -> AdapterInfo {
        self.info.clone()
    }

    fn limits(&self) -> PeripheralLimits {
        let mut own_services = GENERIC.to_vec();
        own_services.extend(self.features.device_information.then_some(DEVICE_INFORMATION));
        PeripheralLimits { bulbs: 1, room: Some(WITHOUT_FLAGS), chosen_addresses: false, own_services }
    }

    fn refusal(&self, behaviour: Behaviour) -> Option<&'static str> {
        playable::refusal(behaviour)
    }

    async fn start(
        &self,
        bulbs: Vec<ServedBulb>,
        deadline: Deadline,
    ) -> Result<mpsc::Receiver<PeripheralEvent>> {
        let (false, [bulb]) = (lock(&self.running).is_some(), bulbs.as_slice()) else {
            return Err(Error::Internal("BlueZ is one bulb, and only once".to_owned()));
        };
        self.check_adapter().await?;
        self.features.check(&self.info.name, bulb)?;
        let changes = deadline.run(self.take_changes(), silent).await?;
        let paired = deadline.run(self.paired(), silent).await?;
        let exports = Arc::new(Exports::new(bulb));
        let (events, receiver) = mpsc::channel(EVENT_QUEUE);
        let (wanted, wish) = watch::channel(Some(bulb.advertisement.clone()));
        let (link_sender, link) = watch::channel(None);
        let closing = CancellationToken::new();
        let to = Outputs { events, link: link_sender };
        let registration = Registration::new(&self.info.name, bulb, changes, paired);
        let keeper =
            Keeper::new(self.bluez.clone(), exports.clone(), registration, to, wish, closing.clone());
        let (registered, first) = oneshot::channel();
        let ended = CancellationToken::new();
        let guard = ended.clone().drop_guard();
        let _keeper = AbortOnDropHandle::new(tokio::spawn(async move {
            keeper.run(registered).await;
            drop(guard);
        }));
        let label = bulb.label.clone();
        // From here on, closing takes everything back, also if nobody waits for the registration any more.
        *lock(&self.running) = Some(Running { label, _keeper, closing, ended, exports, wanted, link });
        let gone = |_| Err(Error::Internal("the task that registers the bulb has ended".to_owned()));
        match deadline.run(async { first.await.unwrap_or_else(gone) }, silent).await {
            Ok(()) => Ok(receiver),
            Err(error) => {
                self.close().await;
                Err(error)
            }
        }
    }

    async fn advertise(&self, _bulb: usize, advertisement: Option<Advertisement>) -> Result<()> {
        if let Some(running) = &*lock(&self.running) {
            if let Some(advertisement) = &advertisement {
                self.features.check_advertisement(&self.info.name, &running.label, advertisement)?;
            }
            running.wanted.send_replace(advertisement);
        }
        Ok(())
    }

    async fn notify(
        &self,
        _bulb: usize,
        link: u64,
        characteristic: CharacteristicId,
        value: Vec<u8>,
    ) -> Result<()> {
        if let Some(running) = &*lock(&self.running)
            && running.link.borrow().as_ref().is_some_and(|(number, _)| *number == link)
            && let Some(path) = running.exports.path_of(characteristic)
        {
            let changed = PropMap::from([("Value".to_owned(), Variant(Box::new(value) as _))]);
            let body = (CHARACTERISTIC, changed, Vec::<String>::new());
            self.bus().emit(path, PROPERTIES, "PropertiesChanged", body);
        }
        Ok(())
    }

    async fn drop_link(&self, _bulb: usize, link: u64) -> Result<()> {
        let central = lock(&self.running).as_ref().and_then(|running| running.link.borrow().clone());
        let Some((_, path)) = central.filter(|(number, _)| *number == link) else { return Ok(()) };
        let sent = self.bus().send(&path, DEVICE, "Disconnect").await;
        sent.or_else(|error| match PlatformError::from(error).classify(&Operation::Disconnect) {
            ErrorClass::Gone | ErrorClass::NoLink | ErrorClass::Done => Ok(()),
            _ => Err(Error::AdapterLost { adapter: self.info.name.clone() }),
        })
    }

    async fn close(&self) {
        // It stays until it has ended, so that closing can be given up and repeated.
        let running = lock(&self.running)
            .as_ref()
            .map(|running| (running.link.borrow().clone(), running.closing.clone(), running.ended.clone()));
        let Some((central, closing, ended)) = running else { return };
        closing.cancel();
        let undone = async {
            if let Some((_, path)) = central {
                // It may be down by now.
                let _ = self.bus().send(&path, DEVICE, "Disconnect").await;
            }
            ended.cancelled().await;
        };
        if timeout(CLOSE_TIME * 2, undone).await.is_err() {
            tracing::warn!(
                "BlueZ does not answer: the next `bulbctl emulate` or `bulbctl doctor` restores the adapter"
            );
        }
    }
}

/// The longest wait for an answer of BlueZ.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// An error of registering, as one of the adapter.
fn refused(adapter: &str, what: &str, error: dbus::Error) -> Error {
    let error = PlatformError::from(error);
    let class = error.classify(&Operation::QueryService);
    if matches!(
        class,
        ErrorClass::Unknown
            | ErrorClass::Held
            | ErrorClass::Again
            | ErrorClass::Unsupported
            | ErrorClass::Refused
    ) {
        let detail = format!("BlueZ refused {what}: {}", error.text());
        return Error::CannotAdvertise { adapter: adapter.to_owned(), detail };
    }
    open_error(&error)
}

#[cfg(test)]
mod tests;
