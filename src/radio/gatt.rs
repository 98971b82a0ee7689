//! GATT tables: services, characteristics, properties. Their serialized forms are those of recordings.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

pub use bulb_protocol::gatt::{Properties, WriteKind, parse_uuid, short_of, uuid_text, uuid16};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Identifies a characteristic of a link. Its UUID is unique within a service only, and on some
/// boards not even there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CharacteristicId {
    pub service: Uuid,
    pub characteristic: Uuid,
    /// The position among characteristics with the same two UUIDs, in table order, from 0.
    pub nth: u8,
}

impl CharacteristicId {
    /// The first characteristic with these UUIDs.
    pub const fn new(service: Uuid, characteristic: Uuid) -> Self {
        Self { service, characteristic, nth: 0 }
    }

    /// The first characteristic with these 16-bit UUIDs.
    pub const fn short(service: u16, characteristic: u16) -> Self {
        Self::new(uuid16(service), uuid16(characteristic))
    }
}

/// The UUID, with `#2` for the second characteristic of the same UUIDs.
impl fmt::Display for CharacteristicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&uuid_text(self.characteristic))?;
        if self.nth > 0 { write!(f, "#{}", u16::from(self.nth) + 1) } else { Ok(()) }
    }
}

/// Parses `SERVICE/CHARACTERISTIC`, with `#2` for the second of the same name.
impl TryFrom<String> for CharacteristicId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no SERVICE/CHARACTERISTIC");
        let (service, rest) = text.split_once('/').ok_or_else(wrong)?;
        let (characteristic, nth) = rest.split_once('#').unwrap_or((rest, "1"));
        let nth = nth.parse::<u8>().ok().and_then(|nth| nth.checked_sub(1)).ok_or_else(wrong)?;
        let uuid = |text: &str| text.parse::<Uuid>().map_err(|_| wrong());
        Ok(Self { nth, ..Self::new(uuid(service)?, uuid(characteristic)?) })
    }
}

impl From<CharacteristicId> for String {
    fn from(id: CharacteristicId) -> Self {
        match id.nth {
            0 => format!("{}/{}", id.service, id.characteristic),
            nth => format!("{}/{}#{}", id.service, id.characteristic, u16::from(nth) + 1),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(Uuid, Option<u16>)", into = "(Uuid, Option<u16>)")]
pub struct Descriptor {
    pub uuid: Uuid,
    pub handle: Option<u16>,
}

impl From<(Uuid, Option<u16>)> for Descriptor {
    fn from((uuid, handle): (Uuid, Option<u16>)) -> Self {
        Self { uuid, handle }
    }
}

impl From<Descriptor> for (Uuid, Option<u16>) {
    fn from(Descriptor { uuid, handle }: Descriptor) -> Self {
        (uuid, handle)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Characteristic {
    pub uuid: Uuid,
    /// The handle of the declaration, if the platform reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<u16>,
    pub properties: Properties,
    /// Other flags that the platform reports, in the words of BlueZ: `encrypt-read`, `broadcast`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub descriptors: Vec<Descriptor>,
}

impl Characteristic {
    pub fn new(uuid: Uuid, properties: Properties) -> Self {
        Self { uuid, properties, ..Self::default() }
    }

    /// The handle of the value, which captures show. It follows the handle of the declaration
    /// (Bluetooth Core 5.4, Vol 3, Part G, 3.3.2).
    pub fn value_handle(&self) -> Option<u16> {
        self.handle?.checked_add(1)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    pub uuid: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<u16>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secondary: bool,
    pub characteristics: Vec<Characteristic>,
}

impl Service {
    pub fn new(uuid: Uuid, characteristics: Vec<Characteristic>) -> Self {
        Self { uuid, characteristics, ..Self::default() }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GattTable {
    pub services: Vec<Service>,
}

impl GattTable {
    /// The UUIDs that several services have, and how many.
    pub fn duplicate_services(&self) -> impl Iterator<Item = (Uuid, usize)> {
        let mut counts: BTreeMap<Uuid, usize> = BTreeMap::new();
        for service in &self.services {
            *counts.entry(service.uuid).or_default() += 1;
        }
        counts.into_iter().filter(|(_, count)| *count > 1)
    }

    pub fn service(&self, uuid: Uuid) -> Option<&Service> {
        self.services.iter().find(|service| service.uuid == uuid)
    }

    pub fn characteristic(&self, id: CharacteristicId) -> Option<&Characteristic> {
        let services = self.services.iter().filter(|service| service.uuid == id.service);
        let alike = services.flat_map(|service| &service.characteristics);
        alike.filter(|one| one.uuid == id.characteristic).nth(id.nth.into())
    }

    pub fn properties(&self, id: CharacteristicId) -> Option<Properties> {
        self.characteristic(id).map(|found| found.properties)
    }

    /// Every characteristic with its identifier, in table order.
    pub fn all(&self) -> impl Iterator<Item = (CharacteristicId, &Service, &Characteristic)> {
        let mut seen: HashMap<(Uuid, Uuid), u8> = HashMap::new();
        let pairs = self
            .services
            .iter()
            .flat_map(|service| service.characteristics.iter().map(move |c| (service, c)));
        pairs.map(move |(service, found)| {
            let count = seen.entry((service.uuid, found.uuid)).or_default();
            let id = CharacteristicId { nth: *count, ..CharacteristicId::new(service.uuid, found.uuid) };
            *count = count.saturating_add(1);
            (id, service, found)
        })
    }

    /// Lists the UUIDs for error messages: `fff0 (fff1, fff2), 180f (2a19)`.
    pub fn outline(&self) -> String {
        let services = self.services.iter().map(|service| {
            let inside: Vec<_> = service.characteristics.iter().map(|c| uuid_text(c.uuid)).collect();
            format!("{} ({})", uuid_text(service.uuid), inside.join(", "))
        });
        let services: Vec<_> = services.collect();
        if services.is_empty() { "nothing".to_owned() } else { services.join(", ") }
    }

    /// Assigns the handles that a bulb with only this table would use, from 1. Adds a Client
    /// Characteristic Configuration to characteristics that notify.
    pub fn numbered(mut self) -> Self {
        let mut last = 0_u16;
        let mut next = || {
            last = last.saturating_add(1);
            Some(last)
        };
        for service in &mut self.services {
            service.handle = next();
            for characteristic in &mut service.characteristics {
                characteristic.handle = next();
                let _value = next();
                if characteristic.properties.notifies() {
                    characteristic.descriptors = vec![Descriptor { uuid: uuid16(0x2902), handle: next() }];
                }
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_characteristics_alike_each_can_be_named() {
        let one = |uuid| Characteristic::new(uuid16(uuid), Properties::default());
        let table = GattTable {
            services: vec![
                Service::new(uuid16(0xFFF0), vec![one(0xFFF1), one(0xFFF2), one(0xFFF1)]),
                Service::new(uuid16(0xFFF0), vec![one(0xFFF1)]),
                Service::new(uuid16(0xFFE0), vec![one(0xFFF1)]),
            ],
        }
        .numbered();
        let all: Vec<_> = table.all().map(|(id, _, c)| (id.to_string(), c.handle.unwrap())).collect();
        let want = [("fff1", 2), ("fff2", 4), ("fff1#2", 6), ("fff1#3", 9), ("fff1", 12)];
        assert_eq!(all, want.map(|(id, handle)| (id.to_owned(), handle)));
        for (id, _, characteristic) in table.all() {
            assert_eq!(table.characteristic(id), Some(characteristic));
        }
        let third = CharacteristicId { nth: 3, ..CharacteristicId::short(0xFFF0, 0xFFF1) };
        assert_eq!(table.characteristic(third), None);
    }

    #[test]
    fn an_identifier_is_read_as_it_is_written() {
        for nth in [0, 1, 254] {
            let id = CharacteristicId { nth, ..CharacteristicId::short(0xFFF0, 0xFFF1) };
            assert_eq!(CharacteristicId::try_from(String::from(id)), Ok(id));
        }
        let first = format!("{}/{}", uuid16(0xFFF0), uuid16(0xFFF1));
        for wrong in [format!("{first}#0"), format!("{first}#256"), format!("{first}#x")] {
            assert!(CharacteristicId::try_from(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_services_that_are_there_several_times_are_duplicates() {
        let service = |uuid| Service::new(uuid16(uuid), Vec::new());
        let services = [0xFFF0, 0xFFE0, 0xFFF0, 0x180F, 0xFFE0, 0xFFF0].map(service).to_vec();
        let duplicates: Vec<_> = GattTable { services }.duplicate_services().collect();
        assert_eq!(duplicates, [(uuid16(0xFFE0), 2), (uuid16(0xFFF0), 3)]);
    }
}
