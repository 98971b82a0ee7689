//! Reads the events of btleplug and updates the shared state.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use btleplug::api::{Central, CentralEvent, CentralState, Peripheral as _};
use btleplug::platform::{Adapter, Peripheral, PeripheralId};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::super::registry::{CAPACITY, DeviceUpdate};
use super::super::shared::SharedState;
use super::gatt::UndroppedStream;
use super::{address_of, id_of};
use crate::radio::{AdapterState, DeviceId};

/// The shortest time between two reads of the properties of a device: on some platforms each is a
/// round trip.
const READ_EVERY: Duration = Duration::from_millis(200);
/// Interval at which to ask for missing names. A name may come with a later advertisement, for which some
/// platforms have no event.
const NAME_EVERY: Duration = Duration::from_millis(500);

/// On Linux, any user can send signals in the name of BlueZ, and the streams of btleplug do not tell who
/// sent them. There a signal only says what to ask BlueZ for. Notifications cannot be asked for again, so
/// those are believed.
const ASKS: bool = cfg!(target_os = "linux");

struct KnownPeripheral {
    peripheral: Peripheral,
    id: DeviceId,
    read: Option<Instant>,
}

/// Reads the events of an adapter until it is dropped.
pub(super) struct EventReader {
    central: Adapter,
    shared: Arc<SharedState>,
    known: HashMap<PeripheralId, KnownPeripheral>,
}

impl EventReader {
    pub(super) fn new(central: Adapter, shared: Arc<SharedState>) -> Self {
        Self { central, shared, known: HashMap::new() }
    }

    pub(super) async fn run(mut self, mut events: UndroppedStream<CentralEvent>) {
        let mut names = interval(NAME_EVERY);
        names.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(event) => self.take(event).await,
                    None => break,
                },
                _ = names.tick(), if self.shared.scanning() => self.ask_for_names().await,
            }
        }
        self.shared.set_adapter(AdapterState::Absent);
    }

    async fn take(&mut self, event: CentralEvent) {
        match event {
            CentralEvent::StateUpdate(state) => {
                let state = if ASKS { self.central.adapter_state().await.unwrap_or(state) } else { state };
                self.shared.set_adapter(adapter_state(&state));
            }
            CentralEvent::DeviceConnected(id) => self.link(&id, true).await,
            CentralEvent::DeviceDisconnected(id) => self.link(&id, false).await,
            CentralEvent::DeviceDiscovered(id)
            | CentralEvent::DeviceUpdated(id)
            | CentralEvent::DeviceServicesModified(id) => self.news(id, DeviceUpdate::default()).await,
            CentralEvent::RssiUpdate { id, rssi } => {
                self.news(id, DeviceUpdate { rssi: Some(rssi), ..DeviceUpdate::default() }).await;
            }
            CentralEvent::ManufacturerDataAdvertisement { id, manufacturer_data } => {
                let manufacturer = Some(manufacturer_data.into_iter().collect());
                self.news(id, DeviceUpdate { manufacturer, ..DeviceUpdate::default() }).await;
            }
            CentralEvent::ServiceDataAdvertisement { id, service_data } => {
                let service_data = Some(service_data.into_iter().collect());
                self.news(id, DeviceUpdate { service_data, ..DeviceUpdate::default() }).await;
            }
            CentralEvent::ServicesAdvertisement { id, services } => {
                self.news(id, DeviceUpdate { services: Some(services), ..DeviceUpdate::default() }).await;
            }
        }
    }

    async fn link(&mut self, id: &PeripheralId, up: bool) {
        if let Some(known) = self.known(id).await {
            let up = if ASKS { known.peripheral.is_connected().await.unwrap_or(up) } else { up };
            // The services are known only after the connect of btleplug has returned.
            let update = DeviceUpdate { connected: Some(up), ..DeviceUpdate::default() };
            let id = known.id.clone();
            self.shared.merge(&id, update);
        }
    }

    /// Merges an event, and reads the other properties unless that was done just now.
    async fn news(&mut self, id: PeripheralId, update: DeviceUpdate) {
        let Some(known) = self.known(&id).await else { return };
        let update = if ASKS { DeviceUpdate::default() } else { update };
        let device = known.id.clone();
        let fresh = known.read.is_some_and(|read| read.elapsed() < READ_EVERY);
        if fresh {
            self.shared.merge(&device, update);
            return;
        }
        known.read = Some(Instant::now());
        let rest = if ASKS { read_all(&known.peripheral).await } else { read(&known.peripheral).await };
        self.shared.merge(&device, rest);
        if update != DeviceUpdate::default() {
            self.shared.merge(&device, update);
        }
    }

    async fn ask_for_names(&mut self) {
        let unnamed = self.shared.unnamed();
        for known in self.known.values_mut().filter(|known| unnamed.contains(&known.id)) {
            let name = read(&known.peripheral).await.name;
            if name.is_some() {
                self.shared.merge(&known.id, DeviceUpdate { name, ..DeviceUpdate::default() });
            }
        }
    }

    async fn known(&mut self, id: &PeripheralId) -> Option<&mut KnownPeripheral> {
        if !self.known.contains_key(id) {
            let peripheral = self.central.peripheral(id).await.ok()?;
            if self.known.len() >= CAPACITY {
                self.known.clear();
            }
            let known = KnownPeripheral { id: id_of(&peripheral), peripheral, read: None };
            self.known.insert(id.clone(), known);
        }
        self.known.get_mut(id)
    }
}

/// Reads what is known of a device, without its manufacturer and service data: reading does not show that they
/// were received just now.
pub(super) async fn read(peripheral: &Peripheral) -> DeviceUpdate {
    DeviceUpdate { manufacturer: None, service_data: None, ..read_all(peripheral).await }
}

async fn read_all(peripheral: &Peripheral) -> DeviceUpdate {
    let address = address_of(peripheral);
    let Ok(Some(properties)) = peripheral.properties().await else {
        return DeviceUpdate { address, ..DeviceUpdate::default() };
    };
    DeviceUpdate {
        address,
        name: properties.advertisement_name,
        alias: properties.local_name,
        rssi: properties.rssi,
        tx_power: properties.tx_power_level,
        services: Some(properties.services),
        manufacturer: Some(properties.manufacturer_data.into_iter().collect()),
        service_data: Some(properties.service_data.into_iter().collect()),
        ..DeviceUpdate::default()
    }
}

pub(super) fn adapter_state(state: &CentralState) -> AdapterState {
    match state {
        CentralState::PoweredOff => AdapterState::Off,
        CentralState::PoweredOn | CentralState::Unknown => AdapterState::On,
    }
}
