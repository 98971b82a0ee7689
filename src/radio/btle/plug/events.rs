//! Reads the events of btleplug and updates the shared state.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use btleplug::api::{Central, CentralEvent, CentralState, Peripheral};
use btleplug::platform::PeripheralId;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::super::registry::{CAPACITY, DeviceUpdate};
use super::super::shared::SharedState;
use super::gatt::UndroppedStream;
use super::{Backend, Plug, address_of};
use crate::radio::{AdapterState, DeviceId};

/// The shortest time between two reads of the properties of a device: on some platforms each is a
/// round trip.
const READ_EVERY: Duration = Duration::from_millis(200);
/// Interval at which to ask for missing names. A name may come with a later advertisement, for which some
/// platforms have no event.
const NAME_EVERY: Duration = Duration::from_millis(500);

struct KnownPeripheral<P> {
    peripheral: P,
    id: DeviceId,
    read: Option<Instant>,
}

/// Reads the events of an adapter.
pub(super) struct EventReader<B: Backend> {
    plug: Arc<Plug<B>>,
    central: B::Central,
    shared: Arc<SharedState>,
    /// A companion reports the state of the adapter and of links.
    has_companion: bool,
    asks: bool,
    known: HashMap<PeripheralId, KnownPeripheral<B::Peripheral>>,
}

impl<B: Backend> EventReader<B> {
    pub(super) fn new(
        plug: Arc<Plug<B>>,
        central: B::Central,
        shared: Arc<SharedState>,
        has_companion: bool,
    ) -> Self {
        let asks = plug.backend.ways().asks;
        Self { plug, central, shared, has_companion, asks, known: HashMap::new() }
    }

    /// Reads until the stream ends.
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
    }

    async fn take(&mut self, event: CentralEvent) {
        match event {
            CentralEvent::StateUpdate(_)
            | CentralEvent::DeviceConnected(_)
            | CentralEvent::DeviceDisconnected(_)
                if self.has_companion => {}
            CentralEvent::StateUpdate(state) => self.shared.set_adapter(adapter_state(&state)),
            CentralEvent::DeviceConnected(id) => self.link(&id, true).await,
            CentralEvent::DeviceDisconnected(id) => self.link(&id, false).await,
            // macOS and Windows report each advertisement so. Some have neither data nor a signal strength.
            CentralEvent::DeviceDiscovered(id) | CentralEvent::DeviceUpdated(id) => {
                self.news(id, DeviceUpdate { received: true, ..DeviceUpdate::default() }).await;
            }
            CentralEvent::DeviceServicesModified(id) => self.news(id, DeviceUpdate::default()).await,
            CentralEvent::RssiUpdate { id, rssi } => {
                self.news(id, DeviceUpdate { rssi: Some(rssi), ..DeviceUpdate::default() }).await;
            }
            CentralEvent::ManufacturerDataAdvertisement { id, manufacturer_data } => {
                let manufacturer = Some(manufacturer_data.into_iter().collect());
                self.news(id, DeviceUpdate { manufacturer, received: true, ..DeviceUpdate::default() }).await;
            }
            CentralEvent::ServiceDataAdvertisement { id, service_data } => {
                let service_data = Some(service_data.into_iter().collect());
                self.news(id, DeviceUpdate { service_data, received: true, ..DeviceUpdate::default() }).await;
            }
            CentralEvent::ServicesAdvertisement { id, services } => {
                self.news(
                    id,
                    DeviceUpdate { services: Some(services), received: true, ..DeviceUpdate::default() },
                )
                .await;
            }
        }
    }

    async fn link(&mut self, id: &PeripheralId, up: bool) {
        if let Some(known) = self.known(id).await {
            let device = known.id.clone();
            if !up {
                self.plug.link_ended(&self.central, id, &device).await;
                self.known.remove(id);
            }
            // The services are known only after the connect of btleplug has returned.
            self.shared.merge(&device, DeviceUpdate { connected: Some(up), ..DeviceUpdate::default() });
        }
    }

    /// Merges an event, and reads the other properties unless that was done just now.
    async fn news(&mut self, id: PeripheralId, update: DeviceUpdate) {
        let asks = self.asks;
        let shared = self.shared.clone();
        let Some(known) = self.known(&id).await else { return };
        let device = known.id.clone();
        let fresh = known.read.is_some_and(|read| read.elapsed() < READ_EVERY)
            && !(asks && update.has_other_data(shared.seen_device(&device).as_ref()));
        let update = if asks { DeviceUpdate::default() } else { update };
        if fresh {
            self.shared.merge(&device, update);
            return;
        }
        known.read = Some(Instant::now());
        // An event that was missed has left its data there.
        let rest = read(&known.peripheral).await;
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

    async fn known(&mut self, id: &PeripheralId) -> Option<&mut KnownPeripheral<B::Peripheral>> {
        if !self.known.contains_key(id) {
            let peripheral = self.central.peripheral(id).await.ok()?;
            if self.known.len() >= CAPACITY {
                self.known.clear();
            }
            let known = KnownPeripheral { id: B::id_of(&peripheral), peripheral, read: None };
            self.known.insert(id.clone(), known);
        }
        self.known.get_mut(id)
    }
}

/// Reads what is known of a device.
pub(super) async fn read(peripheral: &impl Peripheral) -> DeviceUpdate {
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
