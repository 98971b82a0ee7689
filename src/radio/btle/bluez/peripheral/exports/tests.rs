use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dbus::arg::{ArgType, prop_cast};

use super::*;
use crate::radio::gatt::{Characteristic, Service, uuid16};
use crate::radio::{Address, GattTable};

fn bulb(name: &str, company: usize) -> ServedBulb {
    let characteristic = |uuid, properties| Characteristic::new(uuid16(uuid), properties);
    let light = vec![
        characteristic(0xfff1, Properties::WRITE.or(Properties::WRITE_WITHOUT_RESPONSE)),
        characteristic(0xfff2, Properties::READ.or(Properties::NOTIFY)),
        characteristic(0xfff2, Properties::INDICATE),
    ];
    let battery = vec![characteristic(0x2a19, Properties::READ)];
    ServedBulb {
        label: name.to_owned(),
        address: Address::new([0xC4, 0x11, 0, 0, 0, 1]),
        random_address: false,
        advertisement: Advertisement {
            name: Some(name.to_owned()),
            name_in_response: false,
            services: vec![uuid16(0xfff0)],
            manufacturer: BTreeMap::from([(0x5a02, vec![7; company])]),
            service_data: BTreeMap::new(),
            interval: Duration::from_millis(100),
        },
        table: GattTable {
            services: vec![Service::new(uuid16(0xfff0), light), Service::new(uuid16(0x180f), battery)],
        },
        closed: BTreeSet::from([CharacteristicId::short(0xfff0, 0xfff1)]),
        pairing: true,
        mtu: 517,
        rssi: -50,
    }
}

fn call(path: &str, interface: &str, member: &str) -> Message {
    let mut call = Message::new_method_call("org.bulbctl", path, interface, member).unwrap();
    call.set_serial(7);
    call
}

#[test]
fn the_objects_come_in_the_order_of_the_table() {
    let exports = Exports::new(&bulb("Light", 1));
    let answer = exports.answer(&call(APPLICATION, OBJECT_MANAGER, "GetManagedObjects")).unwrap();
    let mut all = answer.iter_init().recurse(ArgType::Array).unwrap();
    let mut found = Vec::new();
    while let Some(mut entry) = all.recurse(ArgType::DictEntry) {
        let path: dbus::Path<'_> = entry.read().unwrap();
        let interfaces: HashMap<String, PropMap> = entry.read().unwrap();
        let (interface, properties) = interfaces.into_iter().next().unwrap();
        let uuid: &String = prop_cast(&properties, "UUID").unwrap();
        let flags: Option<&Vec<String>> = prop_cast(&properties, "Flags");
        let path = path.strip_prefix(APPLICATION).unwrap().to_owned();
        found.push((path, interface, uuid[4..8].to_owned(), flags.map(|flags| flags.join(" "))));
        all.next();
    }
    let row = |path: &str, interface: &str, uuid: &str, flags: Option<&str>| {
        (path.to_owned(), interface.to_owned(), uuid.to_owned(), flags.map(str::to_owned))
    };
    assert_eq!(
        found,
        [
            row("/service0000", SERVICE, "fff0", None),
            row("/service0001", SERVICE, "180f", None),
            row(
                "/service0000/char0000",
                CHARACTERISTIC,
                "fff1",
                Some("encrypt-write write-without-response")
            ),
            row("/service0000/char0001", CHARACTERISTIC, "fff2", Some("read notify")),
            row("/service0000/char0002", CHARACTERISTIC, "fff2", Some("indicate")),
            row("/service0001/char0000", CHARACTERISTIC, "2a19", Some("read")),
        ]
    );
    let second = CharacteristicId { nth: 1, ..CharacteristicId::short(0xfff0, 0xfff2) };
    let path = exports.path_of(second).unwrap();
    assert_eq!(exports.characteristic(path).unwrap().id, second);
}

fn advertised(exports: &Exports) -> PropMap {
    let asked = call(ADVERTISEMENT, PROPERTIES, "GetAll").append1(ADVERTISEMENT_INTERFACE);
    exports.answer(&asked).unwrap().read1().unwrap()
}

#[test]
fn flags_are_asked_for_if_there_is_room() {
    // 4 bytes for the service, 4 and the data for the manufacturer, 3 for the flags.
    let exports = Exports::new(&bulb("Light", 20));
    let all = advertised(&exports);
    assert_eq!(prop_cast::<bool>(&all, "Discoverable"), Some(&true));
    assert_eq!(prop_cast::<String>(&all, "LocalName").unwrap(), "Light");
    assert_eq!(prop_cast::<u32>(&all, "MinInterval"), Some(&100));
    exports.set_advertisement(Advertisement { name: None, ..bulb("Light", 21).advertisement });
    let all = advertised(&exports);
    assert!(!all.contains_key("Discoverable") && !all.contains_key("LocalName"));
}

#[test]
fn what_is_not_there_is_an_error_and_what_happens_is_left_to_others() {
    let exports = Exports::new(&bulb("Light", 1));
    let asked = |path: &str, interface: &str, name: &str| {
        let mut answer = exports.answer(&call(path, PROPERTIES, "Get").append2(interface, name)).unwrap();
        answer.as_result().map(|_| ()).map_err(|error| error.name().unwrap().to_owned())
    };
    let light = format!("{APPLICATION}/service0000");
    assert_eq!(asked(&light, SERVICE, "UUID"), Ok(()));
    for (path, interface, name) in [
        (light.as_str(), SERVICE, "Colour"),
        (&light, CHARACTERISTIC, "UUID"),
        (APPLICATION, SERVICE, "UUID"),
        ("/org/bulbctl/emulate/bulb/service0009", SERVICE, "UUID"),
    ] {
        let want = Err("org.freedesktop.DBus.Error.InvalidArgs".to_owned());
        assert_eq!(asked(path, interface, name), want, "{path} {interface} {name}");
    }
    let char0 = format!("{light}/char0000");
    assert!(exports.answer(&call(&char0, PROPERTIES, "Set")).is_some());
    assert!(exports.answer(&call(&char0, CHARACTERISTIC, "WriteValue")).is_none());
    assert!(exports.answer(&call(ADVERTISEMENT, ADVERTISEMENT_INTERFACE, "Release")).is_none());
}
