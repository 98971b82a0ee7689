//! A device of a played system.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_trait::async_trait;
use btleplug::api::{
    BDAddr, CharPropFlags, Characteristic, Descriptor, Peripheral, PeripheralProperties, Service,
    ValueNotification, WriteType,
};
use btleplug::platform::PeripheralId;
use btleplug::{Error, Result};
use futures::Stream;
use tokio::sync::broadcast;
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::super::super::shared::lock;
use super::central::{Core, EVENTS, stream_of};
use super::{PlayedSystem, request_error};
use crate::radio::gatt::uuid16;
use crate::radio::{
    CharacteristicId, Deadline, DeviceId, GattTable, Link, LinkState, Notifications, SeenDevice, WriteKind,
};

/// The systems know no deadline of a request.
const NEVER: Duration = Duration::from_secs(3600);
/// Windows gives up a connect, and keeps a link for a while after it was closed. General knowledge.
const CONNECT_TIME: Duration = Duration::from_secs(7);
const LINGERS: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub(in super::super::super) struct PlayedPeripheral {
    shared: Arc<Shared>,
}

struct Shared {
    core: Weak<Core>,
    system: PlayedSystem,
    device: DeviceId,
    key: PeripheralId,
    properties: Mutex<PeripheralProperties>,
    values: broadcast::Sender<ValueNotification>,
    alive: AtomicBool,
    link: Mutex<Option<UsedLink>>,
    /// A link of Windows that was closed and lingers, with the task that ends it.
    closing: Mutex<Option<LingeringLink>>,
    services: Mutex<BTreeSet<Service>>,
}

type LingeringLink = (Arc<dyn Link>, AbortOnDropHandle<()>);

struct UsedLink {
    link: Arc<dyn Link>,
    /// Tells the end of the link.
    _watcher: AbortOnDropHandle<()>,
    listeners: HashMap<CharacteristicId, AbortOnDropHandle<()>>,
}

impl fmt::Debug for PlayedPeripheral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PlayedPeripheral").field(&self.shared.device).finish()
    }
}

impl PlayedPeripheral {
    pub(super) fn new(core: &Arc<Core>, device: &SeenDevice, key: PeripheralId) -> Self {
        Self::with(Arc::downgrade(core), core.system, device.id.clone(), key)
    }

    fn with(core: Weak<Core>, system: PlayedSystem, device: DeviceId, key: PeripheralId) -> Self {
        let shared = Shared {
            core,
            system,
            device,
            key,
            properties: Mutex::default(),
            values: broadcast::Sender::new(EVENTS),
            alive: AtomicBool::new(true),
            link: Mutex::default(),
            closing: Mutex::default(),
            services: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Another handle of the same device.
    pub(super) fn fresh(&self) -> Self {
        let Shared { core, system, device, key, .. } = &*self.shared;
        let fresh = Self::with(core.clone(), *system, device.clone(), key.clone());
        *lock(&fresh.shared.properties) = lock(&self.shared.properties).clone();
        fresh
    }

    pub(super) fn platform_id(&self) -> DeviceId {
        match self.shared.system {
            PlayedSystem::Windows => self.shared.device.clone(),
            PlayedSystem::MacOs => DeviceId::new(uuid_of(&self.shared.device).to_string().to_uppercase()),
        }
    }

    pub(super) fn is_alive(&self) -> bool {
        self.shared.alive.load(Ordering::Relaxed)
    }

    pub(super) fn die(&self) {
        self.shared.alive.store(false, Ordering::Relaxed);
    }

    pub(super) fn update_name(&self, device: &SeenDevice) {
        let mut properties = lock(&self.shared.properties);
        if device.name.is_some() {
            properties.local_name.clone_from(&device.name);
            properties.advertisement_name.clone_from(&device.name);
        }
    }

    pub(super) fn update_rssi(&self, device: &SeenDevice) {
        lock(&self.shared.properties).rssi = device.rssi;
    }

    /// Returns true if the device advertises any data.
    pub(super) fn update_data(&self, device: &SeenDevice) -> bool {
        let mut properties = lock(&self.shared.properties);
        properties.tx_power_level = device.tx_power;
        properties.manufacturer_data = device.manufacturer.clone().into_iter().collect();
        properties.service_data = device.service_data.clone().into_iter().collect();
        properties.services.clone_from(&device.services);
        let SeenDevice { manufacturer, service_data, services, .. } = device;
        !(manufacturer.is_empty() && service_data.is_empty() && services.is_empty())
    }

    #[cfg(test)]
    pub(super) fn used_link(&self) -> Option<Arc<dyn Link>> {
        lock(&self.shared.link).as_ref().map(|used| used.link.clone())
    }

    fn core(&self) -> Result<Arc<Core>> {
        self.shared.core.upgrade().ok_or(Error::NotConnected)
    }

    fn link(&self) -> Result<Arc<dyn Link>> {
        let link = lock(&self.shared.link).as_ref().map(|used| used.link.clone());
        link.ok_or_else(|| match self.shared.system {
            PlayedSystem::MacOs => Error::RuntimeError("Peripheral no longer available".to_owned()),
            PlayedSystem::Windows => Error::NotSupported("Service not found".to_owned()),
        })
    }

    fn failed(&self, what: &str, error: &crate::error::Error) -> Error {
        request_error(self.shared.system, what, error)
    }

    /// Makes a request. The systems pair by themselves when a device asks for it: general knowledge.
    async fn paired<T, F: Future<Output = crate::error::Result<T>>>(
        &self,
        what: &str,
        link: &Arc<dyn Link>,
        request: impl Fn() -> F,
    ) -> Result<T> {
        let failed = |error: crate::error::Error| self.failed(what, &error);
        match request().await {
            Err(error @ crate::error::Error::NeedsPairing { .. }) => {
                link.bond(Deadline::after(NEVER)).await.map_err(|_| failed(error))?;
                request().await.map_err(failed)
            }
            result => result.map_err(failed),
        }
    }

    fn use_link(&self, core: &Core, link: Arc<dyn Link>) {
        core.link_up(&self.shared.device, self.shared.key.clone());
        let mut state = link.state();
        let (shared, weak) = (Arc::downgrade(&self.shared), self.shared.core.clone());
        let watcher = tokio::spawn(async move {
            let _ = state.wait_for(|state| *state == LinkState::Down).await;
            if let (Some(shared), Some(core)) = (shared.upgrade(), weak.upgrade()) {
                core.link_down(&shared.device, shared.key.clone());
            }
        });
        let _watcher = AbortOnDropHandle::new(watcher);
        *lock(&self.shared.link) = Some(UsedLink { link, _watcher, listeners: HashMap::new() });
    }

    /// Does not answer, or says that a request is in progress, if a test wants so.
    #[cfg(test)]
    async fn stall(&self, core: &Core) -> Result<()> {
        if core.unanswered.is_next.swap(false, Ordering::Relaxed) {
            let link = self.link()?;
            // A link that is down already is no error.
            let _ = link.disconnect().await;
            return std::future::pending().await;
        }
        let less = |left: usize| left.checked_sub(1);
        match core.unanswered.busy.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less) {
            Ok(_) => Err(Error::Other("In Progress".into())),
            Err(_) => Ok(()),
        }
    }

    async fn make_link(&self, core: &Core) -> Result<Arc<dyn Link>> {
        let made = core.radio.connect(&self.shared.device, Deadline::after(NEVER));
        let made = match self.shared.system {
            PlayedSystem::MacOs => made.await,
            PlayedSystem::Windows => match tokio::time::timeout(CONNECT_TIME, made).await {
                Ok(made) => made,
                // Unreachable.
                Err(_) => return Err(Error::NotConnected),
            },
        };
        made.map_err(|error| match self.shared.system {
            PlayedSystem::MacOs => {
                tracing::debug!("played: {error}");
                Error::RuntimeError("Device disconnected".to_owned())
            }
            PlayedSystem::Windows => Error::NotConnected,
        })
    }
}

/// A UUID that does not show the address, always the same for a device.
fn uuid_of(device: &DeviceId) -> Uuid {
    let mut bits: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for byte in device.as_str().bytes() {
        // FNV-1a, 128 bits.
        bits = (bits ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    Uuid::from_u128(bits)
}

fn id_of(characteristic: &Characteristic) -> CharacteristicId {
    CharacteristicId::new(characteristic.service_uuid, characteristic.uuid)
}

fn services_of(table: &GattTable, system: PlayedSystem) -> BTreeSet<Service> {
    // Core Bluetooth keeps these two for itself: general knowledge.
    let hidden = [uuid16(0x1800), uuid16(0x1801)];
    let shown =
        table.services.iter().filter(|one| system == PlayedSystem::Windows || !hidden.contains(&one.uuid));
    let services = shown.map(|service| Service {
        uuid: service.uuid,
        primary: !service.secondary,
        characteristics: service
            .characteristics
            .iter()
            .map(|one| Characteristic {
                uuid: one.uuid,
                service_uuid: service.uuid,
                properties: CharPropFlags::from_bits_truncate(one.properties.bits()),
                descriptors: one
                    .descriptors
                    .iter()
                    .map(|descriptor| Descriptor {
                        uuid: descriptor.uuid,
                        service_uuid: service.uuid,
                        characteristic_uuid: one.uuid,
                    })
                    .collect(),
            })
            .collect(),
    });
    // Both keep services and characteristics by UUID.
    let mut by_uuid: HashMap<Uuid, Service> = HashMap::new();
    for service in services {
        by_uuid.entry(service.uuid).or_insert(service);
    }
    by_uuid.into_values().collect()
}

async fn forward(mut from: Notifications, id: CharacteristicId, to: Weak<Shared>) {
    loop {
        match from.recv().await {
            Ok(value) => {
                let Some(to) = to.upgrade() else { return };
                if to.alive.load(Ordering::Relaxed) {
                    let notification =
                        ValueNotification { uuid: id.characteristic, service_uuid: id.service, value };
                    // Having no receiver is no error.
                    let _ = to.values.send(notification);
                }
            }
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

#[async_trait]
impl Peripheral for PlayedPeripheral {
    fn id(&self) -> PeripheralId {
        self.shared.key.clone()
    }

    fn address(&self) -> BDAddr {
        match (self.shared.system, self.shared.device.as_str().parse()) {
            (PlayedSystem::Windows, Ok(address)) => address,
            _ => BDAddr::default(),
        }
    }

    fn mtu(&self) -> u16 {
        23
    }

    async fn properties(&self) -> Result<Option<PeripheralProperties>> {
        Ok(Some(lock(&self.shared.properties).clone()))
    }

    fn services(&self) -> BTreeSet<Service> {
        lock(&self.shared.services).clone()
    }

    async fn is_connected(&self) -> Result<bool> {
        let used = lock(&self.shared.link);
        Ok(used.as_ref().is_some_and(|used| *used.link.state().borrow() == LinkState::Up))
    }

    async fn connect(&self) -> Result<()> {
        let core = self.core()?;
        #[cfg(test)]
        self.stall(&core).await?;
        if self.is_connected().await? {
            return Ok(());
        }
        if !core.has_inside(&self.shared.device) {
            return Err(Error::RuntimeError("Peripheral no longer available".to_owned()));
        }
        let lingering = lock(&self.shared.closing).take().map(|(link, _)| link);
        let link = match lingering {
            Some(link) if *link.state().borrow() == LinkState::Up => link,
            _ => self.make_link(&core).await?,
        };
        lock(&self.shared.services).clear();
        self.use_link(&core, link);
        Ok(())
    }

    async fn disconnect(&self) -> Result<()> {
        let core = self.core()?;
        let Some(used) = lock(&self.shared.link).take() else { return Ok(()) };
        if self.shared.system == PlayedSystem::Windows {
            lock(&self.shared.services).clear();
            let link = used.link.clone();
            let ends = tokio::spawn(async move {
                sleep(LINGERS).await;
                // Nobody waits for the result.
                let _ = link.disconnect().await;
            });
            *lock(&self.shared.closing) = Some((used.link.clone(), AbortOnDropHandle::new(ends)));
        } else {
            used.link.disconnect().await.map_err(|error| self.failed("disconnect", &error))?;
        }
        core.link_down(&self.shared.device, self.shared.key.clone());
        Ok(())
    }

    async fn discover_services(&self) -> Result<()> {
        let link = self.link()?;
        *lock(&self.shared.services) = services_of(link.table(), self.shared.system);
        Ok(())
    }

    async fn write(&self, characteristic: &Characteristic, data: &[u8], kind: WriteType) -> Result<()> {
        let kind = match kind {
            WriteType::WithResponse => WriteKind::Request,
            WriteType::WithoutResponse => WriteKind::Command,
        };
        let link = self.link()?;
        let write = || link.write(id_of(characteristic), data, kind, Deadline::after(NEVER));
        self.paired("write", &link, write).await
    }

    async fn read(&self, characteristic: &Characteristic) -> Result<Vec<u8>> {
        let link = self.link()?;
        self.paired("read", &link, || link.read(id_of(characteristic), Deadline::after(NEVER))).await
    }

    async fn subscribe(&self, characteristic: &Characteristic) -> Result<()> {
        let id = id_of(characteristic);
        let link = self.link()?;
        let subscribe = || link.subscribe(id, Deadline::after(NEVER));
        let values = self.paired("subscribe", &link, subscribe).await?;
        let task = tokio::spawn(forward(values, id, Arc::downgrade(&self.shared)));
        if let Some(used) = lock(&self.shared.link).as_mut() {
            used.listeners.insert(id, AbortOnDropHandle::new(task));
        }
        Ok(())
    }

    async fn unsubscribe(&self, characteristic: &Characteristic) -> Result<()> {
        let id = id_of(characteristic);
        let ended = self.link()?.unsubscribe(id, Deadline::after(NEVER)).await;
        if let Some(used) = lock(&self.shared.link).as_mut() {
            used.listeners.remove(&id);
        }
        ended.map_err(|error| self.failed("unsubscribe", &error))
    }

    async fn notifications(&self) -> Result<Pin<Box<dyn Stream<Item = ValueNotification> + Send>>> {
        Ok(stream_of(self.shared.values.subscribe()))
    }

    async fn write_descriptor(&self, _: &Descriptor, _: &[u8]) -> Result<()> {
        Err(Error::NotSupported("descriptors are not played".to_owned()))
    }

    async fn read_descriptor(&self, _: &Descriptor) -> Result<Vec<u8>> {
        Err(Error::NotSupported("descriptors are not played".to_owned()))
    }
}
