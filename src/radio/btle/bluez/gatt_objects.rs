//! The GATT objects of all devices, as BlueZ announces them.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use crate::radio::{CharacteristicId, GattTable, Properties, gatt};

/// Services, characteristics and descriptors by object path. Paths contain the handles, so they
/// sort in table order.
///
/// Its size is that of the objects in bluetoothd: those of connected and paired devices.
#[derive(Debug, Default)]
pub(super) struct GattObjects {
    services: BTreeMap<String, GattService>,
    characteristics: BTreeMap<String, GattCharacteristic>,
    descriptors: BTreeMap<String, Uuid>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct GattService {
    pub(super) uuid: Uuid,
    pub(super) secondary: bool,
}

#[derive(Clone, Debug)]
pub(super) struct GattCharacteristic {
    pub(super) uuid: Uuid,
    pub(super) flags: Vec<String>,
    /// The MTU of the link. BlueZ reports it since 5.62.
    pub(super) mtu: Option<u16>,
}

impl GattObjects {
    pub(super) fn add_service(&mut self, path: &str, service: GattService) {
        self.services.insert(path.to_owned(), service);
    }

    pub(super) fn add_characteristic(&mut self, path: &str, characteristic: GattCharacteristic) {
        self.characteristics.insert(path.to_owned(), characteristic);
    }

    pub(super) fn add_descriptor(&mut self, path: &str, uuid: Uuid) {
        self.descriptors.insert(path.to_owned(), uuid);
    }

    /// Sets the MTU, which may be agreed on after the characteristics were announced.
    pub(super) fn set_mtu(&mut self, path: &str, mtu: u16) {
        if let Some(characteristic) = self.characteristics.get_mut(path) {
            characteristic.mtu = Some(mtu);
        }
    }

    pub(super) fn remove(&mut self, path: &str) {
        self.services.remove(path);
        self.characteristics.remove(path);
        self.descriptors.remove(path);
    }

    pub(super) fn id_of(&self, path: &str) -> Option<CharacteristicId> {
        // …/dev_…/service…/char…
        let (service, _) = path.rsplit_once('/')?;
        let (device, _) = service.rsplit_once('/')?;
        let id =
            CharacteristicId::new(self.services.get(service)?.uuid, self.characteristics.get(path)?.uuid);
        let services = below(&self.services, device).filter(|(_, service)| service.uuid == id.service);
        let alike = services.flat_map(|(service, _)| below(&self.characteristics, service));
        let before = alike.filter(|(_, one)| one.uuid == id.characteristic);
        let nth = before.take_while(|(before, _)| before.as_str() != path).count();
        Some(CharacteristicId { nth: u8::try_from(nth).ok()?, ..id })
    }

    pub(super) fn mtu(&self, device: &str) -> Option<u16> {
        below(&self.characteristics, device).find_map(|(_, characteristic)| characteristic.mtu)
    }

    /// The table of a device, and the path of each characteristic.
    pub(super) fn table(&self, device: &str) -> (GattTable, HashMap<CharacteristicId, String>) {
        let services = below(&self.services, device).map(|(path, service)| gatt::Service {
            uuid: service.uuid,
            handle: handle_of(path),
            secondary: service.secondary,
            characteristics: below(&self.characteristics, path)
                .map(|(path, found)| self.characteristic(path, found))
                .collect(),
        });
        let table = GattTable { services: services.collect() };
        let paths = below(&self.services, device)
            .flat_map(|(service, _)| below(&self.characteristics, service).map(|(path, _)| path.clone()));
        let paths = table.all().map(|(id, ..)| id).zip(paths).collect();
        (table, paths)
    }

    fn characteristic(&self, path: &str, found: &GattCharacteristic) -> gatt::Characteristic {
        let descriptor =
            |(path, uuid): (&String, &Uuid)| gatt::Descriptor { uuid: *uuid, handle: handle_of(path) };
        gatt::Characteristic {
            uuid: found.uuid,
            properties: properties_of(&found.flags),
            handle: handle_of(path),
            flags: found.flags.iter().filter(|flag| Properties::named(flag).is_none()).cloned().collect(),
            descriptors: below(&self.descriptors, path).map(descriptor).collect(),
        }
    }
}

/// The handle at the end of a path: `…/char0011`.
fn handle_of(path: &str) -> Option<u16> {
    let digits = path.len().checked_sub(4)?;
    u16::from_str_radix(path.get(digits..)?, 16).ok()
}

fn below<'a, T>(map: &'a BTreeMap<String, T>, path: &str) -> impl Iterator<Item = (&'a String, &'a T)> {
    let start = format!("{path}/");
    map.range(start.clone()..).take_while(move |(path, _)| path.starts_with(&start))
}

fn properties_of(flags: &[String]) -> Properties {
    flags.iter().filter_map(|flag| Properties::named(flag)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::radio::gatt::uuid16;

    const BULB: &str = "/org/bluez/hci0/dev_C4_11_00_00_00_01";
    const STATUS: CharacteristicId = CharacteristicId::short(0xFFF0, 0xFFF2);

    fn service(short: u16) -> GattService {
        GattService { uuid: uuid16(short), secondary: false }
    }

    fn characteristic(short: u16, flags: &[&str]) -> GattCharacteristic {
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        GattCharacteristic { uuid: uuid16(short), flags, mtu: Some(517) }
    }

    fn objects() -> GattObjects {
        let mut objects = GattObjects::default();
        // In random order, as they may come.
        objects.add_characteristic(
            &format!("{BULB}/service0010/char0013"),
            characteristic(0xFFF2, &["read", "notify", "later"]),
        );
        objects.add_descriptor(&format!("{BULB}/service0010/char0013/desc0015"), uuid16(0x2902));
        objects.add_service(&format!("{BULB}/service0020"), service(0x180F));
        objects.add_service(&format!("{BULB}/service0010"), service(0xFFF0));
        objects
            .add_characteristic(&format!("{BULB}/service0010/char0011"), characteristic(0xFFF1, &["write"]));
        objects.add_service(&format!("{BULB}0/service0001"), service(0x1800));
        objects
    }

    #[test]
    fn a_table_is_in_the_order_of_its_handles() {
        let (table, paths) = objects().table(BULB);
        let services: Vec<_> = table.services.iter().map(|service| service.uuid).collect();
        assert_eq!(services, [uuid16(0xFFF0), uuid16(0x180F)]);
        let light = table.service(uuid16(0xFFF0)).unwrap();
        assert_eq!(light.characteristics[0].uuid, uuid16(0xFFF1));
        let status = table.properties(STATUS).unwrap();
        assert_eq!(status, Properties::READ.or(Properties::NOTIFY));
        assert_eq!(paths[&STATUS], format!("{BULB}/service0010/char0013"));
        let status = table.characteristic(STATUS).unwrap();
        assert_eq!(
            (light.handle, status.handle, status.value_handle()),
            (Some(0x10), Some(0x13), Some(0x14))
        );
        assert_eq!(status.flags, ["later"]);
        let configuration = gatt::Descriptor { uuid: uuid16(0x2902), handle: Some(0x15) };
        assert_eq!(status.descriptors, [configuration]);
        assert_eq!(objects().mtu(BULB), Some(517));
    }

    #[test]
    fn a_path_leads_back_to_its_characteristic() {
        let mut objects = objects();
        let path = format!("{BULB}/service0010/char0013");
        assert_eq!(objects.id_of(&path), Some(STATUS));
        objects.remove(&path);
        assert_eq!(objects.id_of(&path), None);
        assert_eq!(objects.id_of("/"), None);
    }

    #[test]
    fn of_two_of_one_kind_each_has_its_path() {
        let mut objects = objects();
        objects.add_service(&format!("{BULB}/service0030"), service(0xFFF0));
        objects.add_characteristic(&format!("{BULB}/service0030/char0031"), characteristic(0xFFF2, &[]));
        let (table, paths) = objects.table(BULB);
        assert_eq!(table.services.len(), 3);
        let second = CharacteristicId { nth: 1, ..STATUS };
        for (id, path) in [(STATUS, "service0010/char0013"), (second, "service0030/char0031")] {
            let path = format!("{BULB}/{path}");
            assert_eq!(paths[&id], path);
            assert_eq!(objects.id_of(&path), Some(id));
        }
    }
}
