use dbus::arg::Variant;

use super::*;
use crate::radio::DeviceId;

const PATH: &str = "/org/bluez/hci0";

fn signal(sender: &str, path: &str, interface: &str, member: &str) -> Message {
    let mut message = Message::new_signal(path, interface, member).unwrap();
    message.set_sender(Some(sender.into()));
    message
}

fn powered_by(sender: &str, on: bool) -> Message {
    let properties = PropMap::from([("Powered".to_owned(), Variant(Box::new(on) as _))]);
    let changed = signal(sender, PATH, "org.freedesktop.DBus.Properties", "PropertiesChanged");
    changed.append3(ADAPTER, properties, Vec::<String>::new())
}

fn name_taken(sender: &str, name: &str, owner: &str) -> Message {
    let changed = signal(sender, "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged");
    changed.append3(name, "", owner)
}

fn powered(on: bool) -> Message {
    powered_by(":1.9", on)
}

fn owner(now: &str) -> Message {
    name_taken(BUS_NAME, BLUEZ, now)
}

#[test]
fn only_bluez_and_the_bus_are_believed() {
    let signals = SignalReceiver::default();
    let shared = Arc::new(SharedState::new(AdapterState::On));
    signals.begin(PATH.to_owned(), shared.clone(), Some(":1.9".to_owned()), Some(&Objects::new()));
    let state = |message: Message| {
        signals.signal(message);
        (shared.adapter_now(), signals.is_running())
    };
    let calm = (AdapterState::On, true);
    for sender in [":1.66", "org.bluez", BUS_NAME] {
        assert_eq!(state(powered_by(sender, false)), calm, "{sender}");
    }
    for sender in [":1.66", ":1.9", "org.bluez"] {
        assert_eq!(state(name_taken(sender, BLUEZ, "")), calm, "{sender}");
        assert_eq!(state(name_taken(sender, BLUEZ, ":1.66")), calm, "{sender}");
    }
    assert_eq!(state(name_taken(BUS_NAME, "org.example", "")), calm);
    assert_eq!(state(powered_by(":1.66", false)), calm, "it owns nothing");
    assert_eq!(state(powered(false)), (AdapterState::Off, true));
    assert_eq!(state(powered(true)), calm);
    // Another BlueZ without a gap: all is as it says, and the one before is nobody.
    assert_eq!(state(owner(":1.10")), (AdapterState::Absent, true));
    assert_eq!(state(powered(true)), (AdapterState::Absent, true));
    assert_eq!(state(powered_by(":1.10", true)), calm);
    assert_eq!(state(owner(":1.10")), calm, "the same one");
}

#[test]
fn beside_btleplug_only_the_adapter_and_links_count() {
    let signals = SignalReceiver::new(Scope::BesideBtleplug);
    let shared = Arc::new(SharedState::new(AdapterState::On));
    let path = |number| format!("{PATH}/dev_C4_11_00_00_00_0{number}");
    let device = |number, connected: bool| {
        let properties = PropMap::from([
            ("Connected".to_owned(), Variant(Box::new(connected) as _)),
            ("Name".to_owned(), Variant(Box::new("Light-1".to_owned()) as _)),
        ]);
        (path(number), HashMap::from([(DEVICE.to_owned(), properties)]))
    };
    let objects = Objects::from([device(1, true), device(2, false)].map(|(path, all)| (path.into(), all)));
    signals.begin(PATH.to_owned(), shared.clone(), Some(":1.9".to_owned()), Some(&objects));
    let known: Vec<_> = shared.known().iter().map(|one| (one.id.to_string(), one.name.clone())).collect();
    assert_eq!(known, [("C4:11:00:00:00:01".to_owned(), None)], "btleplug reports the rest");
    let id = DeviceId::new("C4:11:00:00:00:01");
    let link = |sender: &str, connected: bool| {
        let (path, mut device) = device(1, connected);
        let changed = signal(sender, &path, "org.freedesktop.DBus.Properties", "PropertiesChanged");
        signals.signal(changed.append3(DEVICE, device.remove(DEVICE).unwrap(), Vec::<String>::new()));
        let link = shared.system_link(&id);
        (link.connected, link.drops)
    };
    assert_eq!(link(":1.66", false), (true, 0), "this is not BlueZ");
    assert_eq!(link(":1.9", false), (false, 1));
    assert_eq!(link(":1.9", true), (true, 1));
    assert_eq!(link(":1.9", false), (false, 2));
    signals.signal(powered(false));
    assert_eq!(shared.adapter_now(), AdapterState::Off);
    signals.signal(owner(""));
    assert_eq!((shared.adapter_now(), signals.is_running()), (AdapterState::Absent, false));
}

#[test]
fn on_a_new_bus_all_begins_anew_and_nothing_that_was_heard_is_lost() {
    let signals = SignalReceiver::default();
    let shared = Arc::new(SharedState::new(AdapterState::On));
    let begin = |objects: Option<&Objects>| {
        signals.begin(PATH.to_owned(), shared.clone(), objects.map(|_| ":1.9".to_owned()), objects);
    };
    begin(Some(&Objects::new()));
    assert_eq!((signals.is_running(), signals.has_bus()), (true, true));

    signals.lost();
    assert_eq!((signals.is_running(), signals.has_bus()), (false, false));
    assert_eq!(shared.adapter_now(), AdapterState::Absent);
    // A signal between the subscription and the first request for all objects.
    signals.signal(owner(":1.9"));
    signals.signal(powered(true));
    assert_eq!(shared.adapter_now(), AdapterState::Absent);
    begin(None);
    assert!(signals.is_running());
    assert_eq!(shared.adapter_now(), AdapterState::On);

    // Signals of the lost bus no longer count, and bluetoothd may start after the bus.
    signals.lost();
    signals.signal(powered(true));
    signals.lost();
    begin(None);
    assert_eq!((signals.is_running(), signals.has_bus()), (false, true));
    assert_eq!(shared.adapter_now(), AdapterState::Absent);
    signals.signal(owner(":1.9"));
    signals.signal(powered(true));
    assert!(signals.is_running());
    assert_eq!(shared.adapter_now(), AdapterState::On);
    signals.signal(owner(""));
    assert!(!signals.is_running());
    assert_eq!(shared.adapter_now(), AdapterState::Absent);
}

/// BlueZ is `:1.9`, and has said this: a bulb with one characteristic.
fn told_of_a_bulb(scope: Scope) -> (SignalReceiver, Arc<SharedState>, String) {
    let signals = SignalReceiver::new(scope);
    let shared = Arc::new(SharedState::new(AdapterState::On));
    let device = format!("{PATH}/dev_C4_11_00_00_00_01");
    let all = |of: Vec<(&str, Box<dyn dbus::arg::RefArg>)>| -> PropMap {
        of.into_iter().map(|(name, value)| (name.to_owned(), Variant(value))).collect()
    };
    let uuid = |short| Box::new(crate::radio::gatt::uuid16(short).to_string());
    let link = all(vec![("Connected", Box::new(true))]);
    let light = all(vec![("UUID", uuid(0xFFF0))]);
    let control = all(vec![("UUID", uuid(0xFFF1)), ("MTU", Box::new(185_u16))]);
    let objects = Objects::from(
        [
            (device.clone(), DEVICE, link),
            (format!("{device}/service0001"), SERVICE, light),
            (format!("{device}/service0001/char0002"), CHARACTERISTIC, control),
        ]
        .map(|(path, interface, all)| (path.into(), HashMap::from([(interface.to_owned(), all)]))),
    );
    signals.begin(PATH.to_owned(), shared.clone(), Some(":1.9".to_owned()), Some(&objects));
    (signals, shared, device)
}

#[test]
fn the_name_of_bluez_and_the_mtu_of_a_link_are_as_they_were_told() {
    let (signals, _, device) = told_of_a_bulb(Scope::Everything);
    assert_eq!(signals.owner().as_deref(), Some(":1.9"));
    assert_eq!(signals.mtu(&device), Some(185));
    assert_eq!(signals.mtu(&format!("{PATH}/dev_C4_11_00_00_00_02")), None);
    signals.signal(owner(""));
    assert_eq!((signals.owner(), signals.mtu(&device)), (None, None));
}

#[test]
fn a_device_that_bluez_removes_is_forgotten_unless_btleplug_reports_it() {
    for (scope, left) in [(Scope::Everything, 0), (Scope::BesideBtleplug, 1)] {
        let (signals, shared, device) = told_of_a_bulb(scope);
        assert_eq!(shared.known().len(), 1);
        let removed = signal(":1.9", "/", "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved");
        signals.signal(removed.append2(dbus::Path::from(device), vec![DEVICE]));
        assert_eq!(shared.known().len(), left, "{scope:?}");
    }
}
