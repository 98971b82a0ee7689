//! The adapter of a played system.

use std::collections::HashMap;
use std::pin::Pin;
#[cfg(test)]
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use btleplug::api::{
    Central, CentralEvent, CentralState, Peripheral as _, RetrievePeripheralsOptions, ScanFilter,
};
use btleplug::platform::PeripheralId;
use btleplug::{Error, Result};
use futures::Stream;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio_util::task::AbortOnDropHandle;

use super::super::super::shared::lock;
use super::peripheral::PlayedPeripheral;
use super::{PlayedSystem, key_of};
use crate::radio::{AdapterState, DeviceId, Radio, SeenDevice};

/// btleplug's own capacity; what is missed is skipped without a sign.
pub(super) const EVENTS: usize = 16;

#[derive(Clone, Debug)]
pub(in super::super::super) struct PlayedCentral {
    core: Arc<Core>,
    _feeds: Arc<[AbortOnDropHandle<()>; 2]>,
}

#[derive(Debug)]
pub(super) struct Core {
    pub(super) system: PlayedSystem,
    pub(super) radio: Arc<dyn Radio>,
    devices: Mutex<HashMap<DeviceId, Known>>,
    events: Mutex<broadcast::Sender<CentralEvent>>,
    /// The virtual radio also reports devices whose link changes.
    scanning: AtomicBool,
    #[cfg(test)]
    meets_at_once: AtomicBool,
    #[cfg(test)]
    pub(super) unanswered: Unanswered,
}

/// Whether the next request to connect ends the link that is up and is never answered, and how often those after it are told
/// that one is in progress: ways of BlueZ.
#[cfg(test)]
#[derive(Debug, Default)]
pub(super) struct Unanswered {
    pub(super) is_next: AtomicBool,
    pub(super) busy: AtomicUsize,
}

/// A device that the library has met.
#[derive(Debug)]
struct Known {
    /// The handle in the list of all.
    listed: PlayedPeripheral,
    /// The handle that was retrieved last, on macOS.
    retrieved: Option<PlayedPeripheral>,
    /// The thread of Core Bluetooth has it. A link that ends removes it there.
    inside: bool,
    up: bool,
    rssi: Option<i16>,
}

impl PlayedCentral {
    pub(super) fn new(system: PlayedSystem, radio: Arc<dyn Radio>) -> Self {
        let (seen, state) = (radio.seen_devices(), radio.adapter_state());
        let events = Mutex::new(broadcast::Sender::new(EVENTS));
        let core = Arc::new(Core {
            system,
            radio,
            devices: Mutex::default(),
            events,
            scanning: AtomicBool::default(),
            #[cfg(test)]
            meets_at_once: AtomicBool::default(),
            #[cfg(test)]
            unanswered: Unanswered::default(),
        });
        let devices = AbortOnDropHandle::new(tokio::spawn(feed_devices(core.clone(), seen)));
        let states = AbortOnDropHandle::new(tokio::spawn(feed_states(core.clone(), state)));
        Self { core, _feeds: Arc::new([devices, states]) }
    }

    /// Ends all streams of events, as if the library had lost the system.
    #[cfg(test)]
    pub(in super::super) fn end_events(&self) {
        *lock(&self.core.events) = broadcast::Sender::new(EVENTS);
    }

    /// Ends all links, and meets the devices again before anybody else acts.
    #[cfg(test)]
    pub(in super::super) async fn drop_links_and_meet_again(&self) {
        self.core.meets_at_once.store(true, Ordering::Relaxed);
        self.drop_links().await;
    }

    /// See [`Unanswered`].
    #[cfg(test)]
    pub(in super::super) fn stall(&self, unanswered: bool, busy: usize) {
        self.core.unanswered.is_next.store(unanswered, Ordering::Relaxed);
        self.core.unanswered.busy.store(busy, Ordering::Relaxed);
    }

    /// Ends all links as the bulbs would.
    #[cfg(test)]
    pub(in super::super) async fn drop_links(&self) {
        let links: Vec<_> = {
            let handles = lock(&self.core.devices);
            let handles = handles.values().flat_map(|known| known.retrieved.iter().chain([&known.listed]));
            handles.filter_map(PlayedPeripheral::used_link).collect()
        };
        for link in links {
            // A link that is down already is no error.
            let _ = link.disconnect().await;
        }
    }
}

async fn feed_devices(core: Arc<Core>, mut seen: broadcast::Receiver<SeenDevice>) {
    loop {
        match seen.recv().await {
            Ok(device) => core.seen(&device),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

async fn feed_states(core: Arc<Core>, mut state: watch::Receiver<AdapterState>) {
    while state.changed().await.is_ok() {
        let now = state_of(*state.borrow_and_update());
        core.emit(CentralEvent::StateUpdate(now));
    }
}

/// The stream of a receiver, without a sign of what it missed: as in btleplug.
pub(super) fn stream_of<T: Clone + Send + 'static>(
    receiver: broadcast::Receiver<T>,
) -> Pin<Box<dyn Stream<Item = T> + Send>> {
    Box::pin(futures::stream::unfold(receiver, async |mut receiver| {
        loop {
            match receiver.recv().await {
                Ok(item) => return Some((item, receiver)),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }))
}

fn state_of(state: AdapterState) -> CentralState {
    match state {
        AdapterState::On => CentralState::PoweredOn,
        AdapterState::Off | AdapterState::Absent => CentralState::PoweredOff,
    }
}

impl Core {
    pub(super) fn emit(&self, event: CentralEvent) {
        // Having no receiver is no error.
        let _ = lock(&self.events).send(event);
    }

    fn seen(self: &Arc<Self>, device: &SeenDevice) {
        let Some(key) = key_of(&device.id) else { return };
        let mut devices = lock(&self.devices);
        let is_new = !devices.contains_key(&device.id);
        if device.seen.is_none() && is_new {
            return;
        }
        let known = devices.entry(device.id.clone()).or_insert_with(|| Known {
            listed: PlayedPeripheral::new(self, device, key.clone()),
            retrieved: None,
            inside: true,
            up: false,
            rssi: None,
        });
        if device.connected && !known.up {
            known.up = true;
            self.emit(CentralEvent::DeviceConnected(key.clone()));
        }
        if device.connected || !self.scanning.load(Ordering::Relaxed) {
            // It does not advertise.
            return;
        }
        match self.system {
            PlayedSystem::MacOs => self.seen_by_macos(known, device, key, is_new),
            PlayedSystem::Windows => self.seen_by_windows(known, device, key, is_new),
        }
    }

    /// `did_discover_peripheral` and `on_discovered_peripheral` in corebluetooth.
    fn seen_by_macos(&self, known: &mut Known, device: &SeenDevice, key: PeripheralId, is_new: bool) {
        // A device that was forgotten gets a new channel, which nobody reads: its old handle stays deaf.
        known.inside = true;
        known.listed.update_name(device);
        if is_new {
            self.emit(CentralEvent::DeviceDiscovered(key.clone()));
        } else if device.name.is_some() {
            self.emit(CentralEvent::DeviceUpdated(key.clone()));
        }
        if known.listed.is_alive() {
            let any = known.listed.update_data(device);
            if any {
                known.listed.update_rssi(device);
            }
            self.emit_data(device, key);
        }
    }

    /// `update_properties` in winrtble/peripheral.rs, and the handler in its adapter.rs.
    fn seen_by_windows(&self, known: &mut Known, device: &SeenDevice, key: PeripheralId, is_new: bool) {
        known.listed.update_name(device);
        known.listed.update_data(device);
        known.listed.update_rssi(device);
        self.emit_data(device, key.clone());
        if let Some(rssi) = device.rssi.filter(|_| known.rssi != device.rssi) {
            self.emit(CentralEvent::RssiUpdate { id: key.clone(), rssi });
        }
        known.rssi = device.rssi;
        self.emit(if is_new {
            CentralEvent::DeviceDiscovered(key)
        } else {
            CentralEvent::DeviceUpdated(key)
        });
    }

    fn emit_data(&self, device: &SeenDevice, id: PeripheralId) {
        if !device.manufacturer.is_empty() {
            let manufacturer_data = device.manufacturer.clone().into_iter().collect();
            self.emit(CentralEvent::ManufacturerDataAdvertisement { id: id.clone(), manufacturer_data });
        }
        if !device.service_data.is_empty() {
            let service_data = device.service_data.clone().into_iter().collect();
            self.emit(CentralEvent::ServiceDataAdvertisement { id: id.clone(), service_data });
        }
        if !device.services.is_empty() {
            self.emit(CentralEvent::ServicesAdvertisement { id, services: device.services.clone() });
        }
    }

    /// Returns true if Core Bluetooth has the device; always on Windows.
    pub(super) fn has_inside(&self, device: &DeviceId) -> bool {
        lock(&self.devices).get(device).is_some_and(|known| known.inside)
    }

    pub(super) fn link_up(&self, device: &DeviceId, key: PeripheralId) {
        let mut devices = lock(&self.devices);
        let Some(known) = devices.get_mut(device) else { return };
        if !std::mem::replace(&mut known.up, true) {
            self.emit(CentralEvent::DeviceConnected(key));
        }
    }

    pub(super) fn link_down(&self, device: &DeviceId, key: PeripheralId) {
        let mut devices = lock(&self.devices);
        let Some(known) = devices.get_mut(device) else { return };
        if !std::mem::replace(&mut known.up, false) {
            return;
        }
        if self.system == PlayedSystem::MacOs {
            known.inside = false;
            known.listed.die();
            if let Some(retrieved) = known.retrieved.take() {
                retrieved.die();
            }
        }
        #[cfg(test)]
        if self.meets_at_once.load(Ordering::Relaxed) {
            known.inside = true;
        }
        self.emit(CentralEvent::DeviceDisconnected(key));
    }
}

#[async_trait]
impl Central for PlayedCentral {
    type Peripheral = PlayedPeripheral;

    async fn events(&self) -> Result<Pin<Box<dyn Stream<Item = CentralEvent> + Send>>> {
        Ok(stream_of(lock(&self.core.events).subscribe()))
    }

    async fn start_scan(&self, _: ScanFilter) -> Result<()> {
        self.core.scanning.store(true, Ordering::Relaxed);
        match (self.core.radio.start_scan().await, self.core.system) {
            // Core Bluetooth says nothing, even if it is off.
            (Ok(()), _) | (Err(_), PlayedSystem::MacOs) => Ok(()),
            (Err(error), PlayedSystem::Windows) => Err(Error::Other(error.to_string().into())),
        }
    }

    async fn stop_scan(&self) -> Result<()> {
        self.core.scanning.store(false, Ordering::Relaxed);
        self.core.radio.stop_scan().await.map_err(|error| Error::Other(error.to_string().into()))
    }

    async fn peripherals(&self) -> Result<Vec<PlayedPeripheral>> {
        Ok(lock(&self.core.devices).values().map(|known| known.listed.clone()).collect())
    }

    /// `retrieve_peripherals` in corebluetooth/internal.rs, and what its adapter.rs makes of the result.
    async fn retrieve_peripherals(
        &self,
        options: RetrievePeripheralsOptions,
    ) -> Result<Vec<PlayedPeripheral>> {
        let mut retrieved = Vec::new();
        let mut devices = lock(&self.core.devices);
        for id in options.identifiers.unwrap_or_default() {
            let Some(known) = devices.values_mut().find(|known| known.listed.id() == id) else { continue };
            if known.inside {
                let living = known.retrieved.iter().chain([&known.listed]).find(|handle| handle.is_alive());
                retrieved.extend(living.cloned());
            } else {
                known.inside = true;
                let fresh = known.listed.fresh();
                known.retrieved = Some(fresh.clone());
                retrieved.push(fresh);
            }
        }
        Ok(retrieved)
    }

    async fn peripheral(&self, id: &PeripheralId) -> Result<PlayedPeripheral> {
        let devices = lock(&self.core.devices);
        let found = devices.values().find(|known| known.listed.id() == *id);
        found.map(|known| known.listed.clone()).ok_or(Error::DeviceNotFound)
    }

    async fn add_peripheral(&self, id: &PeripheralId) -> Result<PlayedPeripheral> {
        self.peripheral(id).await
    }

    async fn clear_peripherals(&self) -> Result<()> {
        lock(&self.core.devices).clear();
        Ok(())
    }

    async fn adapter_info(&self) -> Result<String> {
        Ok("played".to_owned())
    }

    async fn adapter_state(&self) -> Result<CentralState> {
        Ok(state_of(*self.core.radio.adapter_state().borrow()))
    }
}
