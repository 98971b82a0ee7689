//! The services of all connected devices, as BlueZ announces them.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use crate::radio::gatt::uuid_text;
use crate::radio::{CharacteristicId, GattTable, Properties, gatt};

/// Services and characteristics by object path. The paths hold the handles, so that their order is that of the table.
///
/// It holds what bluetoothd holds, of devices that are connected or paired.
#[derive(Debug, Default)]
pub(super) struct GattObjects {
    services: BTreeMap<String, Uuid>,
    characteristics: BTreeMap<String, (Uuid, Properties)>,
}

impl GattObjects {
    pub(super) fn add_service(&mut self, path: &str, uuid: Uuid) {
        self.services.insert(path.to_owned(), uuid);
    }

    pub(super) fn add_characteristic(&mut self, path: &str, uuid: Uuid, flags: &[String]) {
        self.characteristics.insert(path.to_owned(), (uuid, properties_of(flags)));
    }

    pub(super) fn remove(&mut self, path: &str) {
        self.services.remove(path);
        self.characteristics.remove(path);
    }

    /// Which characteristic this path is.
    pub(super) fn id_of(&self, path: &str) -> Option<CharacteristicId> {
        let (service, _) = path.rsplit_once('/')?;
        let (characteristic, _) = *self.characteristics.get(path)?;
        Some(CharacteristicId { service: *self.services.get(service)?, characteristic })
    }

    /// The table of this device, and the path of each characteristic. Of several with the same UUIDs, the first.
    pub(super) fn table(&self, device: &str) -> (GattTable, HashMap<CharacteristicId, String>) {
        let mut table = GattTable::default();
        let mut paths = HashMap::new();
        for (path, uuid) in below(&self.services, device) {
            if table.service(*uuid).is_some() {
                tracing::warn!("there are several services {}: the first is used", uuid_text(*uuid));
            }
            let mut service = gatt::Service { uuid: *uuid, characteristics: Vec::new() };
            for (path, (characteristic, properties)) in below(&self.characteristics, path) {
                let id = CharacteristicId { service: *uuid, characteristic: *characteristic };
                match paths.entry(id) {
                    Entry::Vacant(free) => {
                        free.insert(path.clone());
                    }
                    Entry::Occupied(_) => {
                        tracing::warn!("there are several characteristics {id}: the first is used");
                    }
                }
                service
                    .characteristics
                    .push(gatt::Characteristic { uuid: *characteristic, properties: *properties });
            }
            table.services.push(service);
        }
        (table, paths)
    }
}

/// What lies below this path.
fn below<'a, T>(map: &'a BTreeMap<String, T>, path: &str) -> impl Iterator<Item = (&'a String, &'a T)> {
    let start = format!("{path}/");
    map.range(start.clone()..).take_while(move |(path, _)| path.starts_with(&start))
}

/// The flags that matter here; there are more, and later versions add some.
fn properties_of(flags: &[String]) -> Properties {
    let has = |name: &str| flags.iter().any(|flag| flag == name);
    Properties {
        read: has("read"),
        write: has("write"),
        write_without_response: has("write-without-response"),
        notify: has("notify"),
        indicate: has("indicate"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::radio::gatt::uuid16;

    const BULB: &str = "/org/bluez/hci0/dev_C4_11_00_00_00_01";
    const STATUS: CharacteristicId = CharacteristicId::short(0xFFF0, 0xFFF2);

    fn objects() -> GattObjects {
        let mut objects = GattObjects::default();
        let flags = |flags: &[&str]| flags.iter().map(|flag| (*flag).to_owned()).collect::<Vec<_>>();
        // In no order, as they come.
        objects.add_characteristic(
            &format!("{BULB}/service0010/char0013"),
            uuid16(0xFFF2),
            &flags(&["read", "notify", "later"]),
        );
        objects.add_service(&format!("{BULB}/service0020"), uuid16(0x180F));
        objects.add_service(&format!("{BULB}/service0010"), uuid16(0xFFF0));
        objects.add_characteristic(
            &format!("{BULB}/service0010/char0011"),
            uuid16(0xFFF1),
            &flags(&["write"]),
        );
        objects.add_service(&format!("{BULB}0/service0001"), uuid16(0x1800));
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
        assert_eq!(status, Properties { read: true, notify: true, ..Properties::default() });
        assert_eq!(paths[&STATUS], format!("{BULB}/service0010/char0013"));
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
    fn of_two_of_one_kind_the_first_is_used() {
        let mut objects = objects();
        objects.add_service(&format!("{BULB}/service0030"), uuid16(0xFFF0));
        objects.add_characteristic(&format!("{BULB}/service0030/char0031"), uuid16(0xFFF2), &[]);
        let (table, paths) = objects.table(BULB);
        assert_eq!(table.services.len(), 3);
        assert_eq!(paths[&STATUS], format!("{BULB}/service0010/char0013"));
    }
}
