//! The objects that BlueZ reads on our connection: the GATT application and the advertisement.
//!
//! They are served here and not by the crate `dbus-crossroads`: they never change while they are registered, so that
//! three look-ups answer for all their properties, and a read or a write is answered later, by whom its event reaches.

use std::collections::HashMap;
use std::sync::Mutex;

use dbus::Message;
use dbus::arg::{Dict, PropMap, RefArg, Variant};
use dbus::strings::ErrorName;
use uuid::Uuid;

use super::super::properties::{CHARACTERISTIC, PROPERTIES, SERVICE};
use crate::radio::peripheral::{Advertisement, AdvertisementRoom, ServedBulb};
use crate::radio::{CharacteristicId, Properties, lock};

/// What the paths of all objects begin with.
pub(super) const ROOT: &str = "/org/bulbctl/emulate";
pub(super) const APPLICATION: &str = "/org/bulbctl/emulate/bulb";
pub(super) const ADVERTISEMENT: &str = "/org/bulbctl/emulate/advertisement";
pub(super) const ADVERTISEMENT_INTERFACE: &str = "org.bluez.LEAdvertisement1";
const OBJECT_MANAGER: &str = "org.freedesktop.DBus.ObjectManager";

/// BlueZ adds flags only if it is asked to.
pub(super) const WITH_FLAGS: AdvertisementRoom = AdvertisementRoom { flags: true, name_in_response: true };
pub(super) const WITHOUT_FLAGS: AdvertisementRoom =
    AdvertisementRoom { flags: false, name_in_response: true };

#[derive(Debug)]
pub(super) struct Exports {
    services: Vec<ServiceObject>,
    characteristics: Vec<CharacteristicObject>,
    advertisement: Mutex<Advertisement>,
}

#[derive(Debug)]
struct ServiceObject {
    path: String,
    uuid: Uuid,
    secondary: bool,
}

#[derive(Debug)]
pub(super) struct CharacteristicObject {
    pub(super) path: String,
    service: String,
    pub(super) id: CharacteristicId,
    pub(super) properties: Properties,
    pub(super) closed: bool,
}

impl Exports {
    pub(super) fn new(bulb: &ServedBulb) -> Self {
        let mut ids = bulb.table.all();
        let (mut services, mut characteristics) = (Vec::new(), Vec::new());
        for (number, service) in bulb.table.services.iter().enumerate() {
            let path = format!("{APPLICATION}/service{number:04x}");
            for (number, (id, _, characteristic)) in
                ids.by_ref().take(service.characteristics.len()).enumerate()
            {
                characteristics.push(CharacteristicObject {
                    path: format!("{path}/char{number:04x}"),
                    service: path.clone(),
                    id,
                    properties: characteristic.properties,
                    closed: bulb.closed.contains(&id),
                });
            }
            services.push(ServiceObject { path, uuid: service.uuid, secondary: service.secondary });
        }
        Self { services, characteristics, advertisement: Mutex::new(bulb.advertisement.clone()) }
    }

    pub(super) fn set_advertisement(&self, advertisement: Advertisement) {
        *lock(&self.advertisement) = advertisement;
    }

    pub(super) fn characteristic(&self, path: &str) -> Option<&CharacteristicObject> {
        self.characteristics.iter().find(|one| one.path == path)
    }

    pub(super) fn path_of(&self, id: CharacteristicId) -> Option<&str> {
        self.characteristics.iter().find(|one| one.id == id).map(|one| one.path.as_str())
    }

    /// A characteristic that is closed to centrals without a bond.
    pub(super) fn is_closed(&self, id: CharacteristicId) -> bool {
        self.characteristics.iter().any(|one| one.id == id && one.closed)
    }

    /// Answers a question about the objects. `None` for what happens at the bulb.
    pub(super) fn answer(&self, call: &Message) -> Option<Message> {
        let (path, interface, member) = (call.path()?, call.interface()?, call.member()?);
        match (&*interface, &*member) {
            (OBJECT_MANAGER, "GetManagedObjects") if &*path == APPLICATION => Some(self.objects(call)),
            (PROPERTIES, "GetAll") => {
                let asked = call.get1::<&str>().unwrap_or_default();
                Some(match self.properties(&path, asked) {
                    Some(properties) => call.return_with_args((properties,)),
                    None => unknown(call, c"there is no such interface"),
                })
            }
            (PROPERTIES, "Get") => {
                let (asked, name) = call.get2::<&str, &str>();
                let properties = asked.and_then(|interface| self.properties(&path, interface));
                Some(match properties.and_then(|mut all| all.remove(name?)) {
                    Some(value) => call.return_with_args((value,)),
                    None => unknown(call, c"there is no such property"),
                })
            }
            // BlueZ tells the handle of each object and the transmit power of the advertisement in this way.
            (PROPERTIES, "Set") => Some(call.method_return()),
            _ => None,
        }
    }

    /// Lists the objects in the order of the table, in which BlueZ assigns handles.
    fn objects(&self, call: &Message) -> Message {
        let services = self.services.iter().map(|one| (one.path.as_str(), SERVICE));
        let characteristics = self.characteristics.iter().map(|one| (one.path.as_str(), CHARACTERISTIC));
        let all = services.chain(characteristics).map(|(path, interface)| {
            let properties = self.properties(path, interface).unwrap_or_default();
            (dbus::Path::from(path.to_owned()), HashMap::from([(interface, properties)]))
        });
        call.return_with_args((Dict::new(all),))
    }

    fn properties(&self, path: &str, interface: &str) -> Option<PropMap> {
        match interface {
            SERVICE => {
                let service = self.services.iter().find(|one| one.path == path)?;
                Some(map([
                    ("UUID", Box::new(service.uuid.to_string()) as Box<dyn RefArg>),
                    ("Primary", Box::new(!service.secondary)),
                ]))
            }
            CHARACTERISTIC => {
                let characteristic = self.characteristic(path)?;
                Some(map([
                    ("UUID", Box::new(characteristic.id.characteristic.to_string()) as Box<dyn RefArg>),
                    ("Service", Box::new(dbus::Path::from(characteristic.service.clone()))),
                    ("Flags", Box::new(flags_of(characteristic))),
                ]))
            }
            ADVERTISEMENT_INTERFACE if path == ADVERTISEMENT => {
                Some(advertisement_properties(&lock(&self.advertisement)))
            }
            _ => None,
        }
    }
}

/// The flags of a characteristic in the words of BlueZ.
fn flags_of(characteristic: &CharacteristicObject) -> Vec<String> {
    let flags = characteristic.properties.names().map(|name| match name {
        // For a write command BlueZ has no flag that asks for encryption.
        "write-without-response" => name.to_owned(),
        name if characteristic.closed => format!("encrypt-{name}"),
        name => name.to_owned(),
    });
    flags.collect()
}

fn advertisement_properties(advertisement: &Advertisement) -> PropMap {
    let Advertisement { name, services, manufacturer, service_data, interval, .. } = advertisement;
    let bytes = |data: &Vec<u8>| Variant(Box::new(data.clone()) as Box<dyn RefArg>);
    let uuids: Vec<String> = services.iter().map(Uuid::to_string).collect();
    let companies: HashMap<u16, Variant<Box<dyn RefArg>>> =
        manufacturer.iter().map(|(company, data)| (*company, bytes(data))).collect();
    let by_service: PropMap =
        service_data.iter().map(|(uuid, data)| (uuid.to_string(), bytes(data))).collect();
    // BlueZ 5.66 considers the interval only if it was started with `--experimental`.
    let interval = u32::try_from(interval.as_millis()).unwrap_or(u32::MAX).clamp(20, 10_240);
    let mut all = map([
        ("Type", Box::new("peripheral".to_owned()) as Box<dyn RefArg>),
        ("ServiceUUIDs", Box::new(uuids)),
        ("ManufacturerData", Box::new(companies)),
        ("ServiceData", Box::new(by_service)),
        ("MinInterval", Box::new(interval)),
        ("MaxInterval", Box::new(interval)),
    ]);
    if let Some(name) = name {
        all.extend(map([("LocalName", Box::new(name.clone()) as Box<dyn RefArg>)]));
    }
    // The data of some families leaves no room for the flags.
    if WITH_FLAGS.check(advertisement).is_ok() {
        all.extend(map([("Discoverable", Box::new(true) as Box<dyn RefArg>)]));
    }
    all
}

fn map<const N: usize>(all: [(&str, Box<dyn RefArg>); N]) -> PropMap {
    all.into_iter().map(|(name, value)| (name.to_owned(), Variant(value))).collect()
}

fn unknown(call: &Message, text: &std::ffi::CStr) -> Message {
    call.error(&ErrorName::from("org.freedesktop.DBus.Error.InvalidArgs"), text)
}

#[cfg(test)]
mod tests;
