//! Builds a GATT table from the results of discovery.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::radio::gatt::{Characteristic, Descriptor, Service, uuid16};
use crate::radio::{CharacteristicId, GattTable, Properties};

/// The results of discovery by handle. A later result replaces an earlier one.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// By first handle: the last handle, the UUID, and true for a secondary service.
    services: BTreeMap<u16, (u16, Uuid, bool)>,
    /// By the handle of the declaration.
    characteristics: BTreeMap<u16, (Properties, Uuid)>,
    /// All other attributes.
    descriptors: BTreeMap<u16, Uuid>,
    /// Texts that may be the name of the device, by handle.
    pub(super) device_name: BTreeMap<u16, String>,
}

/// The attribute of a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttributeRef {
    /// Its service is nil if it was not discovered.
    pub id: CharacteristicId,
    pub descriptor: Option<Uuid>,
}

impl Table {
    pub(super) fn service(&mut self, first: u16, last: u16, uuid: Uuid, secondary: bool) {
        self.services.insert(first, (last, uuid, secondary));
    }

    pub(super) fn characteristic(&mut self, handle: u16, properties: u8, uuid: Uuid) {
        self.characteristics.insert(handle, (Properties::from_bits(properties), uuid));
    }

    pub(super) fn descriptor(&mut self, handle: u16, uuid: Uuid) {
        self.descriptors.insert(handle, uuid);
    }

    /// The handle of the value of the first characteristic with this UUID.
    pub(super) fn value_handle(&self, uuid: Uuid) -> Option<u16> {
        let found = self.characteristics.iter().find(|(_, (_, found))| *found == uuid);
        found?.0.checked_add(1)
    }

    /// Builds the table. Characteristics without a known service are in a nil service.
    pub(super) fn gatt(&self) -> GattTable {
        let owner = |handle: u16| {
            let (first, (last, uuid, secondary)) = self.services.range(..=handle).next_back()?;
            (*last >= handle).then_some((*first, *uuid, *secondary))
        };
        let mut all: Vec<_> = (self.characteristics.iter())
            .map(|(handle, (properties, uuid))| {
                let found =
                    Characteristic { handle: Some(*handle), ..Characteristic::new(*uuid, *properties) };
                (owner(*handle), found)
            })
            .collect();
        for (handle, uuid) in &self.descriptors {
            // Declarations and values are attributes too, but not descriptors.
            let declares = (0x2800..=0x2803).any(|number| *uuid == uuid16(number));
            let after = all.partition_point(|(_, c)| c.handle.is_some_and(|declared| declared < *handle));
            let Some((service, found)) = after.checked_sub(1).and_then(|at| all.get_mut(at)) else {
                continue;
            };
            if !declares && found.value_handle() != Some(*handle) && *service == owner(*handle) {
                found.descriptors.push(Descriptor { uuid: *uuid, handle: Some(*handle) });
            }
        }
        for (service, found) in &mut all {
            let last = service.and_then(|(first, ..)| self.services.get(&first)).map(|(last, ..)| *last);
            found.descriptors.extend(self.undiscovered_cccd(found, last));
        }
        let services = self.services.iter().map(|(first, (_, uuid, secondary))| Service {
            handle: Some(*first),
            secondary: *secondary,
            ..Service::new(*uuid, Vec::new())
        });
        let mut services: Vec<Service> = services.collect();
        for (service, characteristic) in all {
            let handle = service.map(|(first, ..)| first);
            let at = match services.binary_search_by_key(&handle, |service| service.handle) {
                Ok(at) => at,
                Err(at) => {
                    services.insert(at, Service { handle, ..Service::new(Uuid::nil(), Vec::new()) });
                    at
                }
            };
            if let Some(service) = services.get_mut(at) {
                service.characteristics.push(characteristic);
            }
        }
        GattTable { services }
    }

    /// The Client Characteristic Configuration, if it was not discovered. If a characteristic that notifies has room for only one
    /// descriptor, that is the one (Vol 3, Part G, 3.3.3.3), and BlueZ 5.66 does not discover it.
    fn undiscovered_cccd(&self, of: &Characteristic, last_of_service: Option<u16>) -> Option<Descriptor> {
        let notifies = of.properties.notifies();
        let handle = of.value_handle()?.checked_add(1)?;
        let next = self.characteristics.range(handle..).next().map(|(next, _)| *next);
        let alone = last_of_service == Some(handle) || next == handle.checked_add(1);
        let free = of.descriptors.is_empty() && next != Some(handle);
        (notifies && alone && free).then(|| Descriptor { uuid: uuid16(0x2902), handle: Some(handle) })
    }

    pub(super) fn attributes(&self) -> BTreeMap<u16, AttributeRef> {
        let table = self.gatt();
        let mut attributes = BTreeMap::new();
        for (id, _, characteristic) in table.all() {
            attributes.extend(
                characteristic.value_handle().map(|handle| (handle, AttributeRef { id, descriptor: None })),
            );
            for descriptor in &characteristic.descriptors {
                let attribute = AttributeRef { id, descriptor: Some(descriptor.uuid) };
                attributes.extend(descriptor.handle.map(|handle| (handle, attribute)));
            }
        }
        attributes
    }
}
