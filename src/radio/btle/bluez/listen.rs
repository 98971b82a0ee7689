//! What BlueZ announces, brought to the hub.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, Weak};

use dbus::arg::PropMap;
use dbus::message::Message;

use super::super::hub::{Hub, lock};
use super::super::registry::Facts;
use super::super::system::Listener;
use super::objects::GattObjects;
use super::parse::{
    ADAPTER, AdapterFacts, CHARACTERISTIC, DESCRIPTOR, DEVICE, Objects, SERVICE, characteristic_of,
    device_facts, device_of, mtu_of, resolved, service_of, uuid_of, value_of,
};
use crate::radio::{AdapterState, CharacteristicId, GattTable};

/// How many signals wait for the choice of the adapter. That takes some milliseconds.
const EARLY: usize = 1024;

/// The ear on the bus. It is there before the adapter is chosen, so that nothing falls between the first look and
/// the first signal.
#[derive(Default)]
pub(super) struct Listening {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    to: Option<To>,
    gatt: GattObjects,
    /// Devices, by path, of whose services we have heard only that they are resolved now.
    fresh: HashSet<String>,
    /// Who wants the values of a device, by its path.
    listeners: HashMap<String, Weak<dyn Listener>>,
    early: Vec<Message>,
    discovering: bool,
    /// Whether BlueZ has left the bus, or the bus us.
    down: bool,
    blocked: bool,
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listening")
    }
}

#[derive(Clone, Debug)]
struct To {
    adapter: String,
    hub: Arc<Hub>,
}

impl Listening {
    /// Starts with what there is, then what has been heard since, then whatever comes. Again on every new connection to the bus;
    /// nothing at all is there while BlueZ is not.
    pub(super) fn begin(&self, adapter: String, hub: Arc<Hub>, objects: Option<&Objects>) {
        let to = To { adapter, hub };
        let mut state = lock(&self.state);
        state.down = objects.is_none();
        if let Some(objects) = objects {
            state.objects(&to, objects);
        }
        for message in std::mem::take(&mut state.early) {
            state.signal(&to, &message);
        }
        state.to = Some(to);
    }

    /// Takes what there is.
    pub(super) fn take(&self, objects: &Objects) {
        let mut state = lock(&self.state);
        if let Some(to) = state.to.clone() {
            state.objects(&to, objects);
        }
    }

    /// Takes a signal.
    pub(super) fn signal(&self, message: Message) {
        let mut state = lock(&self.state);
        match state.to.clone() {
            Some(to) => state.signal(&to, &message),
            None if state.early.len() < EARLY => state.early.push(message),
            None => {}
        }
    }

    /// The bus is gone. What is heard on the next one waits until [`begin`](Self::begin).
    pub(super) fn lost(&self) {
        let mut state = lock(&self.state);
        state.early.clear();
        if let Some(to) = state.to.take() {
            state.gone(&to);
        }
    }

    /// The services of the device of this path, as far as they have been announced.
    pub(super) fn table(&self, device: &str) -> (GattTable, HashMap<CharacteristicId, String>) {
        lock(&self.state).gatt.table(device)
    }

    /// The MTU of the link to this device, as far as BlueZ has told.
    pub(super) fn mtu(&self, device: &str) -> Option<u16> {
        lock(&self.state).gatt.mtu(device)
    }

    /// Whether the services of this device were resolved while we listened, and not asked for since.
    pub(super) fn was_just_resolved(&self, device: &str) -> bool {
        lock(&self.state).fresh.remove(device)
    }

    /// Has the values of this device go there from now on.
    pub(super) fn listen(&self, device: &str, to: Weak<dyn Listener>) {
        let mut state = lock(&self.state);
        state.listeners.retain(|_, listener| listener.strong_count() > 0);
        state.listeners.insert(device.to_owned(), to);
    }

    /// Whether anybody scans.
    pub(super) fn discovering(&self) -> bool {
        lock(&self.state).discovering
    }

    /// Whether BlueZ is there.
    pub(super) fn is_running(&self) -> bool {
        !lock(&self.state).down
    }

    /// Whether BlueZ says that rfkill holds the adapter off.
    pub(super) fn blocked(&self) -> bool {
        lock(&self.state).blocked
    }
}

impl State {
    fn objects(&mut self, to: &To, objects: &Objects) {
        for (path, interfaces) in objects {
            self.added(to, path, interfaces);
        }
    }

    fn signal(&mut self, to: &To, message: &Message) {
        let member = message.member();
        match member.as_deref() {
            Some("PropertiesChanged") => {
                if let (Some(path), Ok((interface, properties))) =
                    (message.path(), message.read2::<&str, PropMap>())
                {
                    self.changed(to, &path, interface, &properties);
                    if interface == DEVICE && resolved(&properties) {
                        self.fresh.insert(path.to_string());
                    }
                }
            }
            Some("InterfacesAdded") => {
                if let Ok((path, interfaces)) = message.read2::<dbus::Path<'_>, HashMap<String, PropMap>>() {
                    self.added(to, &path, &interfaces);
                }
            }
            Some("InterfacesRemoved") => {
                if let Ok((path, interfaces)) = message.read2::<dbus::Path<'_>, Vec<&str>>() {
                    self.removed(to, &path, &interfaces);
                }
            }
            Some("NameOwnerChanged") => {
                let owner = message.read3::<&str, &str, &str>();
                self.down = false;
                if matches!(owner, Ok((_, _, ""))) {
                    self.gone(to);
                }
            }
            _ => {}
        }
    }

    /// BlueZ is gone, and all that it had.
    fn gone(&mut self, to: &To) {
        self.down = true;
        self.discovering = false;
        self.gatt = GattObjects::default();
        self.fresh.clear();
        to.hub.set_adapter(AdapterState::Absent);
    }

    fn added(&mut self, to: &To, path: &str, interfaces: &HashMap<String, PropMap>) {
        for interface in [ADAPTER, DEVICE] {
            if let Some(properties) = interfaces.get(interface) {
                self.changed(to, path, interface, properties);
            }
        }
        if let Some(service) = interfaces.get(SERVICE).and_then(service_of) {
            self.gatt.add_service(path, service);
        }
        if let Some(characteristic) = interfaces.get(CHARACTERISTIC).and_then(characteristic_of) {
            self.gatt.add_characteristic(path, characteristic);
        }
        if let Some(uuid) = interfaces.get(DESCRIPTOR).and_then(uuid_of) {
            self.gatt.add_descriptor(path, uuid);
        }
    }

    fn removed(&mut self, to: &To, path: &str, interfaces: &[&str]) {
        if path == to.adapter && interfaces.contains(&ADAPTER) {
            to.hub.set_adapter(AdapterState::Absent);
        } else if interfaces.contains(&DEVICE) {
            self.fresh.remove(path);
            if let Some(device) = device_of(&to.adapter, path) {
                to.hub.remove(&device);
            }
        } else if [SERVICE, CHARACTERISTIC, DESCRIPTOR].iter().any(|gatt| interfaces.contains(gatt)) {
            self.gatt.remove(path);
        }
    }

    /// A characteristic has a new value, notified or read.
    fn value(&self, path: &str, value: Vec<u8>) {
        let Some(id) = self.gatt.id_of(path) else { return };
        // …/dev_…/service…/char…
        let device = path.rsplitn(3, '/').nth(2).unwrap_or_default();
        if let Some(listener) = self.listeners.get(device).and_then(Weak::upgrade) {
            listener.value(id, value);
        }
    }

    fn changed(&mut self, to: &To, path: &str, interface: &str, properties: &PropMap) {
        if interface == ADAPTER && path == to.adapter {
            self.adapter(to, AdapterFacts::of(properties));
        } else if interface == DEVICE
            && let Some(device) = device_of(&to.adapter, path)
        {
            let facts = device_facts(properties);
            // Much of what changes is of no concern here (modes of a headset, say).
            if facts != Facts::default() {
                to.hub.merge(&device, facts);
            }
        } else if interface == CHARACTERISTIC {
            if let Some(mtu) = mtu_of(properties) {
                self.gatt.set_mtu(path, mtu);
            }
            if let Some(value) = value_of(properties) {
                self.value(path, value);
            }
        }
    }

    fn adapter(&mut self, to: &To, facts: AdapterFacts) {
        if let Some(blocked) = facts.blocked {
            self.blocked = blocked;
        }
        if let Some(discovering) = facts.discovering {
            self.discovering = discovering;
        }
        if let Some(powered) = facts.powered {
            to.hub.set_adapter(if powered { AdapterState::On } else { AdapterState::Off });
        }
    }
}

#[cfg(test)]
mod tests {
    use dbus::arg::Variant;

    use super::*;

    const PATH: &str = "/org/bluez/hci0";

    fn powered(on: bool) -> Message {
        let properties = PropMap::from([("Powered".to_owned(), Variant(Box::new(on) as _))]);
        Message::new_signal(PATH, "org.freedesktop.DBus.Properties", "PropertiesChanged").unwrap().append3(
            ADAPTER,
            properties,
            Vec::<String>::new(),
        )
    }

    fn owner(now: &str) -> Message {
        Message::new_signal("/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged")
            .unwrap()
            .append3("org.bluez", "", now)
    }

    #[test]
    fn on_a_new_bus_all_begins_anew_and_nothing_that_was_heard_is_lost() {
        let listening = Listening::default();
        let hub = Arc::new(Hub::new(AdapterState::On));
        let begin = |objects: Option<&Objects>| listening.begin(PATH.to_owned(), hub.clone(), objects);
        begin(Some(&Objects::new()));
        assert!(listening.is_running());

        listening.lost();
        assert!(!listening.is_running());
        assert_eq!(hub.adapter_now(), AdapterState::Absent);
        // It comes between the subscription and the first look.
        listening.signal(owner(":1.9"));
        listening.signal(powered(true));
        assert_eq!(hub.adapter_now(), AdapterState::Absent);
        begin(None);
        assert!(listening.is_running());
        assert_eq!(hub.adapter_now(), AdapterState::On);

        // Of the bus before, nothing counts any more; and bluetoothd may come later than the bus.
        listening.lost();
        listening.signal(powered(true));
        listening.lost();
        begin(None);
        assert!(!listening.is_running());
        assert_eq!(hub.adapter_now(), AdapterState::Absent);
        listening.signal(owner(":1.2"));
        listening.signal(powered(true));
        assert!(listening.is_running());
        assert_eq!(hub.adapter_now(), AdapterState::On);
        listening.signal(owner(""));
        assert!(!listening.is_running());
        assert_eq!(hub.adapter_now(), AdapterState::Absent);
    }
}
