//! A GATT table as its discovery shows it, piece by piece.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::radio::gatt::{Characteristic, Descriptor, Service};
use crate::radio::{CharacteristicId, GattTable, Properties};

/// What was discovered so far. A later discovery replaces what an earlier one said of a handle.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// By their first handles: the last, the UUID, and whether it is secondary.
    services: BTreeMap<u16, (u16, Uuid, bool)>,
    /// By their declarations.
    characteristics: BTreeMap<u16, (Properties, Uuid)>,
    /// All other attributes.
    descriptors: BTreeMap<u16, Uuid>,
    /// What was read that may be the device's name, by handle.
    pub(super) device_name: BTreeMap<u16, String>,
}

/// Where a handle is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttributeRef {
    /// The characteristic. Its service is nil where it was not discovered.
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

    /// The handle of the value of the first characteristic of this UUID.
    pub(super) fn value_handle(&self, uuid: Uuid) -> Option<u16> {
        let found = self.characteristics.iter().find(|(_, (_, own))| *own == uuid);
        found?.0.checked_add(1)
    }

    /// The table. Characteristics of which no service is known are in one that is nil.
    pub(super) fn gatt(&self) -> GattTable {
        let owner = |handle: u16| {
            let (first, (last, uuid, secondary)) = self.services.range(..=handle).next_back()?;
            (*last >= handle).then_some((*first, *uuid, *secondary))
        };
        let mut all: Vec<_> = (self.characteristics.iter())
            .map(|(handle, (properties, uuid))| {
                let own = Characteristic { handle: Some(*handle), ..Characteristic::new(*uuid, *properties) };
                (owner(*handle), own)
            })
            .collect();
        for (handle, uuid) in &self.descriptors {
            // Declarations are attributes too, and so are values.
            let declares = (0x2800..=0x2803).any(|number| *uuid == crate::radio::gatt::uuid16(number));
            let after = all.partition_point(|(_, c)| c.handle.is_some_and(|own| own < *handle));
            let Some((service, found)) = after.checked_sub(1).and_then(|at| all.get_mut(at)) else {
                continue;
            };
            if !declares && found.value_handle() != Some(*handle) && *service == owner(*handle) {
                found.descriptors.push(Descriptor { uuid: *uuid, handle: Some(*handle) });
            }
        }
        for (service, own) in &mut all {
            let last = service.and_then(|(first, ..)| self.services.get(&first)).map(|(last, ..)| *last);
            own.descriptors.extend(self.undiscovered_cccd(own, last));
        }
        let mut services: Vec<Service> = Vec::new();
        for (first, (_, uuid, secondary)) in &self.services {
            let own =
                Service { handle: Some(*first), secondary: *secondary, ..Service::new(*uuid, Vec::new()) };
            services.push(own);
        }
        for (own, characteristic) in all {
            let handle = own.map(|(first, ..)| first);
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

    /// The Client Characteristic Configuration that nobody asked for: where a characteristic that notifies has room for one
    /// descriptor only, it can be no other (Vol 3, Part G, 3.3.3.3), and BlueZ 5.66 spares the question.
    fn undiscovered_cccd(&self, of: &Characteristic, last_of_service: Option<u16>) -> Option<Descriptor> {
        let tells = of.properties.notifies();
        let handle = of.value_handle()?.checked_add(1)?;
        let next = self.characteristics.range(handle..).next().map(|(next, _)| *next);
        let alone = last_of_service == Some(handle) || next == handle.checked_add(1);
        let free = of.descriptors.is_empty() && next != Some(handle);
        (tells && alone && free)
            .then(|| Descriptor { uuid: crate::radio::gatt::uuid16(0x2902), handle: Some(handle) })
    }

    pub(super) fn attributes(&self) -> BTreeMap<u16, AttributeRef> {
        let table = self.gatt();
        let mut places = BTreeMap::new();
        for (id, _, characteristic) in table.all() {
            places.extend(
                characteristic.value_handle().map(|handle| (handle, AttributeRef { id, descriptor: None })),
            );
            for descriptor in &characteristic.descriptors {
                let place = AttributeRef { id, descriptor: Some(descriptor.uuid) };
                places.extend(descriptor.handle.map(|handle| (handle, place)));
            }
        }
        places
    }
}
