//! What btleplug hears, brought to the hub.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use btleplug::api::{Central, CentralEvent, CentralState, Peripheral as _, PeripheralProperties};
use btleplug::platform::{Adapter, Peripheral, PeripheralId};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::super::hub::Hub;
use super::super::registry::{CAPACITY, Facts};
use super::gatt::Undropped;
use super::{address_of, id_of};
use crate::radio::{AdapterState, DeviceId};

/// How often at most the properties of one device are read: each time is a round trip on some platforms.
const READ_EVERY: Duration = Duration::from_millis(200);
/// How often the devices without a name are asked for it. A name may come with a later advertisement, of which there is no
/// event everywhere.
const NAME_EVERY: Duration = Duration::from_millis(500);

struct Known {
    peripheral: Peripheral,
    id: DeviceId,
    read: Option<Instant>,
}

/// Reads the events of an adapter for the life of the radio.
pub(super) struct Feed {
    central: Adapter,
    hub: Arc<Hub>,
    known: HashMap<PeripheralId, Known>,
}

impl Feed {
    pub(super) fn new(central: Adapter, hub: Arc<Hub>) -> Self {
        Self { central, hub, known: HashMap::new() }
    }

    pub(super) async fn run(mut self, mut events: Undropped<CentralEvent>) {
        let mut names = interval(NAME_EVERY);
        names.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(event) => self.take(event).await,
                    None => break,
                },
                _ = names.tick(), if self.hub.scanning() => self.ask_for_names().await,
            }
        }
        self.hub.set_adapter(AdapterState::Absent);
    }

    async fn take(&mut self, event: CentralEvent) {
        match event {
            CentralEvent::StateUpdate(state) => self.hub.set_adapter(adapter_state(&state)),
            CentralEvent::DeviceConnected(id) => self.link(&id, true).await,
            CentralEvent::DeviceDisconnected(id) => self.link(&id, false).await,
            CentralEvent::DeviceDiscovered(id)
            | CentralEvent::DeviceUpdated(id)
            | CentralEvent::DeviceServicesModified(id) => self.news(id, Facts::default()).await,
            CentralEvent::RssiUpdate { id, rssi } => {
                self.news(id, Facts { rssi: Some(rssi), ..Facts::default() }).await;
            }
            CentralEvent::ManufacturerDataAdvertisement { id, manufacturer_data } => {
                let manufacturer = Some(manufacturer_data.into_iter().collect());
                self.news(id, Facts { manufacturer, ..Facts::default() }).await;
            }
            CentralEvent::ServiceDataAdvertisement { id, service_data } => {
                let service_data = Some(service_data.into_iter().collect());
                self.news(id, Facts { service_data, ..Facts::default() }).await;
            }
            CentralEvent::ServicesAdvertisement { id, services } => {
                self.news(id, Facts { services: Some(services), ..Facts::default() }).await;
            }
        }
    }

    async fn link(&mut self, id: &PeripheralId, up: bool) {
        if let Some(known) = self.known(id).await {
            // Resolved only once btleplug's connect has returned.
            let facts = Facts { connected: Some(up), ..Facts::default() };
            let id = known.id.clone();
            self.hub.merge(&id, facts);
        }
    }

    /// Takes what an event says, and reads the rest unless that was done just now.
    async fn news(&mut self, id: PeripheralId, facts: Facts) {
        let Some(known) = self.known(&id).await else { return };
        let device = known.id.clone();
        let fresh = known.read.is_some_and(|read| read.elapsed() < READ_EVERY);
        if fresh {
            self.hub.merge(&device, facts);
            return;
        }
        known.read = Some(Instant::now());
        let rest = read(&known.peripheral).await;
        self.hub.merge(&device, rest);
        if facts != Facts::default() {
            self.hub.merge(&device, facts);
        }
    }

    async fn ask_for_names(&mut self) {
        let unnamed = self.hub.unnamed();
        for known in self.known.values_mut().filter(|known| unnamed.contains(&known.id)) {
            let name = read(&known.peripheral).await.name;
            if name.is_some() {
                self.hub.merge(&known.id, Facts { name, ..Facts::default() });
            }
        }
    }

    async fn known(&mut self, id: &PeripheralId) -> Option<&mut Known> {
        if !self.known.contains_key(id) {
            let peripheral = self.central.peripheral(id).await.ok()?;
            if self.known.len() >= CAPACITY {
                self.known.clear();
            }
            let known = Known { id: id_of(&peripheral), peripheral, read: None };
            self.known.insert(id.clone(), known);
        }
        self.known.get_mut(id)
    }
}

/// What the platform has of a device at present; little if it is gone.
pub(super) async fn read(peripheral: &Peripheral) -> Facts {
    let address = address_of(peripheral);
    match peripheral.properties().await {
        Ok(Some(properties)) => Facts { address, ..facts_of(properties) },
        _ => Facts { address, ..Facts::default() },
    }
}

fn facts_of(properties: PeripheralProperties) -> Facts {
    Facts {
        address: None,
        name: properties.advertisement_name,
        alias: properties.local_name,
        rssi: properties.rssi,
        tx_power: properties.tx_power_level,
        services: Some(properties.services),
        // Reading them is no sign that they were heard just now.
        manufacturer: None,
        service_data: None,
        connected: None,
        resolved: None,
    }
}

pub(super) fn adapter_state(state: &CentralState) -> AdapterState {
    match state {
        CentralState::PoweredOff => AdapterState::Off,
        CentralState::PoweredOn | CentralState::Unknown => AdapterState::On,
    }
}
