//! Receives the signals of BlueZ and updates the shared state.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, Weak};

use dbus::arg::PropMap;
use dbus::message::Message;

use super::super::registry::DeviceUpdate;
use super::super::shared::{SharedState, lock};
use super::super::system::Listener;
use super::gatt_objects::GattObjects;
use super::properties::{
    ADAPTER, AdapterProperties, CHARACTERISTIC, DESCRIPTOR, DEVICE, Objects, SERVICE, characteristic_of,
    device_of, device_update, mtu_of, resolved, service_of, uuid_of, value_of,
};
use crate::radio::{AdapterState, CharacteristicId, GattTable};

/// Capacity for signals that come before the adapter is chosen, which takes milliseconds.
const EARLY: usize = 1024;

/// The receiver of signals. It exists before the adapter is chosen, so that no signal is lost
/// between the first request for all objects and the choice.
#[derive(Default)]
pub(super) struct SignalReceiver {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    to: Option<SignalTarget>,
    gatt: GattObjects,
    /// Paths of devices whose services were resolved since the last discovery.
    fresh: HashSet<String>,
    /// The receivers of values, by the path of the device.
    listeners: HashMap<String, Weak<dyn Listener>>,
    early: Vec<Message>,
    discovering: bool,
    /// BlueZ or the bus is gone.
    down: bool,
    blocked: bool,
}

impl fmt::Debug for SignalReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignalReceiver")
    }
}

#[derive(Clone, Debug)]
struct SignalTarget {
    adapter: String,
    shared: Arc<SharedState>,
}

impl SignalReceiver {
    /// Starts with these objects and with the signals received so far. Call it again on every new
    /// connection. `None` means that BlueZ is not running.
    pub(super) fn begin(&self, adapter: String, shared: Arc<SharedState>, objects: Option<&Objects>) {
        let to = SignalTarget { adapter, shared };
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

    pub(super) fn take(&self, objects: &Objects) {
        let mut state = lock(&self.state);
        if let Some(to) = state.to.clone() {
            state.objects(&to, objects);
        }
    }

    pub(super) fn signal(&self, message: Message) {
        let mut state = lock(&self.state);
        match state.to.clone() {
            Some(to) => state.signal(&to, &message),
            None if state.early.len() < EARLY => state.early.push(message),
            None => {}
        }
    }

    /// Marks the bus as lost. Signals of the next one wait until [`begin`](Self::begin).
    pub(super) fn lost(&self) {
        let mut state = lock(&self.state);
        state.early.clear();
        if let Some(to) = state.to.take() {
            state.gone(&to);
        }
    }

    /// The table of a device, as far as announced, and the path of each characteristic.
    pub(super) fn table(&self, device: &str) -> (GattTable, HashMap<CharacteristicId, String>) {
        lock(&self.state).gatt.table(device)
    }

    pub(super) fn mtu(&self, device: &str) -> Option<u16> {
        lock(&self.state).gatt.mtu(device)
    }

    /// Returns true once if the services of this device were resolved since the last call.
    pub(super) fn was_just_resolved(&self, device: &str) -> bool {
        lock(&self.state).fresh.remove(device)
    }

    pub(super) fn listen(&self, device: &str, to: Weak<dyn Listener>) {
        let mut state = lock(&self.state);
        state.listeners.retain(|_, listener| listener.strong_count() > 0);
        state.listeners.insert(device.to_owned(), to);
    }

    pub(super) fn discovering(&self) -> bool {
        lock(&self.state).discovering
    }

    pub(super) fn is_running(&self) -> bool {
        !lock(&self.state).down
    }

    pub(super) fn blocked(&self) -> bool {
        lock(&self.state).blocked
    }
}

impl State {
    fn objects(&mut self, to: &SignalTarget, objects: &Objects) {
        for (path, interfaces) in objects {
            self.added(to, path, interfaces);
        }
    }

    fn signal(&mut self, to: &SignalTarget, message: &Message) {
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

    fn gone(&mut self, to: &SignalTarget) {
        self.down = true;
        self.discovering = false;
        self.gatt = GattObjects::default();
        self.fresh.clear();
        to.shared.set_adapter(AdapterState::Absent);
    }

    fn added(&mut self, to: &SignalTarget, path: &str, interfaces: &HashMap<String, PropMap>) {
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

    fn removed(&mut self, to: &SignalTarget, path: &str, interfaces: &[&str]) {
        if path == to.adapter && interfaces.contains(&ADAPTER) {
            to.shared.set_adapter(AdapterState::Absent);
        } else if interfaces.contains(&DEVICE) {
            self.fresh.remove(path);
            if let Some(device) = device_of(&to.adapter, path) {
                to.shared.remove(&device);
            }
        } else if [SERVICE, CHARACTERISTIC, DESCRIPTOR].iter().any(|gatt| interfaces.contains(gatt)) {
            self.gatt.remove(path);
        }
    }

    fn value(&self, path: &str, value: Vec<u8>) {
        let Some(id) = self.gatt.id_of(path) else { return };
        // …/dev_…/service…/char…
        let device = path.rsplitn(3, '/').nth(2).unwrap_or_default();
        if let Some(listener) = self.listeners.get(device).and_then(Weak::upgrade) {
            listener.value(id, value);
        }
    }

    fn changed(&mut self, to: &SignalTarget, path: &str, interface: &str, properties: &PropMap) {
        if interface == ADAPTER && path == to.adapter {
            self.adapter(to, AdapterProperties::of(properties));
        } else if interface == DEVICE
            && let Some(device) = device_of(&to.adapter, path)
        {
            let update = device_update(properties);
            // Many changes do not matter here, such as modes of a headset.
            if update != DeviceUpdate::default() {
                to.shared.merge(&device, update);
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

    fn adapter(&mut self, to: &SignalTarget, update: AdapterProperties) {
        if let Some(blocked) = update.blocked {
            self.blocked = blocked;
        }
        if let Some(discovering) = update.discovering {
            self.discovering = discovering;
        }
        if let Some(powered) = update.powered {
            to.shared.set_adapter(if powered { AdapterState::On } else { AdapterState::Off });
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
        let signals = SignalReceiver::default();
        let shared = Arc::new(SharedState::new(AdapterState::On));
        let begin = |objects: Option<&Objects>| signals.begin(PATH.to_owned(), shared.clone(), objects);
        begin(Some(&Objects::new()));
        assert!(signals.is_running());

        signals.lost();
        assert!(!signals.is_running());
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
        assert!(!signals.is_running());
        assert_eq!(shared.adapter_now(), AdapterState::Absent);
        signals.signal(owner(":1.2"));
        signals.signal(powered(true));
        assert!(signals.is_running());
        assert_eq!(shared.adapter_now(), AdapterState::On);
        signals.signal(owner(""));
        assert!(!signals.is_running());
        assert_eq!(shared.adapter_now(), AdapterState::Absent);
    }
}
