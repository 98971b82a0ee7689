//! Receives the signals of BlueZ and updates the shared state.
//!
//! Any program on the bus can send any signal to us. The bus writes the sender into each, so only
//! those of BlueZ count, and, for the owner of BlueZ's name, those of the bus itself.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, Weak};

use dbus::arg::PropMap;
use dbus::message::Message;
use tokio::sync::Notify;

use super::super::registry::DeviceUpdate;
use super::super::shared::{SharedState, lock};
use super::super::system::Listener;
use super::bus::{BLUEZ, BUS_NAME};
use super::gatt_objects::GattObjects;
use super::properties::{
    ADAPTER, AdapterProperties, CHARACTERISTIC, DESCRIPTOR, DEVICE, Objects, SERVICE, characteristic_of,
    device_of, device_update, link_update, mtu_of, resolved, service_of, uuid_of, value_of,
};
use crate::radio::{AdapterState, CharacteristicId, GattTable};

/// Capacity for signals that come before the adapter is chosen, which takes milliseconds.
const EARLY: usize = 1024;

/// The signals to receive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Scope {
    /// Those about BlueZ itself, the adapter and links: btleplug reports the rest. Its events of links come after an
    /// unknown time and do not tell who sent them.
    BesideBtleplug,
    #[default]
    Everything,
}

/// The receiver of signals. It exists before the adapter is chosen, so that no signal is lost
/// between the first request for all objects and the choice.
#[derive(Debug, Default)]
pub(super) struct SignalReceiver {
    state: Mutex<State>,
    new_owner: Notify,
    woken: Notify,
}

#[derive(Debug, Default)]
struct State {
    scope: Scope,
    to: Option<SignalTarget>,
    gatt: GattObjects,
    /// Paths of devices whose services were resolved since the last discovery.
    fresh: HashSet<String>,
    /// The receivers of values, by the path of the device.
    listeners: HashMap<String, Weak<dyn Listener>>,
    early: Vec<Message>,
    /// The unique name of BlueZ on the bus.
    owner: Option<String>,
    discovering: bool,
    /// BlueZ or the bus is gone.
    down: bool,
    blocked: bool,
}

#[derive(Clone, Debug)]
struct SignalTarget {
    adapter: String,
    shared: Arc<SharedState>,
}

impl SignalReceiver {
    pub(super) fn new(scope: Scope) -> Self {
        let state = Mutex::new(State { scope, ..State::default() });
        Self { state, new_owner: Notify::new(), woken: Notify::new() }
    }

    pub(super) fn scope(&self) -> Scope {
        lock(&self.state).scope
    }

    /// Starts with these objects and with the signals received so far. Call it again on every new
    /// connection. Without objects, BlueZ is not running. `owner` is its unique name.
    pub(super) fn begin(
        &self,
        adapter: String,
        shared: Arc<SharedState>,
        owner: Option<String>,
        objects: Option<&Objects>,
    ) {
        let to = SignalTarget { adapter, shared };
        let mut state = lock(&self.state);
        state.owner = owner;
        state.down = objects.is_none();
        if let Some(objects) = objects {
            state.objects(&to, objects);
        }
        for message in std::mem::take(&mut state.early) {
            self.received(&mut state, &to, &message);
        }
        state.to = Some(to);
    }

    /// Completes when another BlueZ has taken the name, once for each.
    pub(super) async fn new_owner(&self) {
        self.new_owner.notified().await;
    }

    /// Completes when the computer has woken up from sleep. Needs [`watch_sleep`](super::bus::Bus::watch_sleep).
    pub(super) async fn woken(&self) {
        self.woken.notified().await;
    }

    /// The unique name of BlueZ, if it is running. Each start of it has another one.
    pub(super) fn owner(&self) -> Option<String> {
        lock(&self.state).owner.clone()
    }

    /// Returns true if BlueZ sent this message.
    pub(super) fn is_from_bluez(&self, message: &Message) -> bool {
        lock(&self.state).is_from_bluez(message)
    }

    pub(super) fn take(&self, objects: &Objects) {
        let mut state = lock(&self.state);
        if let Some(to) = state.to.clone() {
            state.objects(&to, objects);
        }
    }

    /// The device at this path is connected.
    pub(super) fn connected(&self, path: &str) {
        let to = lock(&self.state).to.clone();
        if let Some(to) = to
            && let Some(device) = device_of(&to.adapter, path)
        {
            to.shared.merge(&device, DeviceUpdate { connected: Some(true), ..DeviceUpdate::default() });
        }
    }

    pub(super) fn signal(&self, message: Message) {
        if message.member().as_deref() == Some("PrepareForSleep") {
            // Whoever sends it, looking again does no harm.
            if message.get1() == Some(false) {
                self.woken.notify_one();
            }
            return;
        }
        let mut state = lock(&self.state);
        match state.to.clone() {
            Some(to) => self.received(&mut state, &to, &message),
            None if state.early.len() < EARLY => state.early.push(message),
            None => {}
        }
    }

    fn received(&self, state: &mut State, to: &SignalTarget, message: &Message) {
        if state.signal(to, message) {
            self.new_owner.notify_one();
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

    /// Returns true if the bus is there. It changes together with the state of the adapter, so that whoever sees the
    /// adapter go can ask why.
    pub(super) fn has_bus(&self) -> bool {
        lock(&self.state).to.is_some()
    }

    pub(super) fn blocked(&self) -> bool {
        lock(&self.state).blocked
    }
}

impl State {
    fn objects(&mut self, to: &SignalTarget, objects: &Objects) {
        for (path, interfaces) in objects {
            self.added(to, path, interfaces, false);
        }
    }

    fn is_from_bluez(&self, message: &Message) -> bool {
        self.owner.is_some() && message.sender().as_deref() == self.owner.as_deref()
    }

    /// Takes a signal. Returns true if another BlueZ has taken the name.
    fn signal(&mut self, to: &SignalTarget, message: &Message) -> bool {
        let member = message.member();
        if member.as_deref() == Some("NameOwnerChanged") {
            return match message.read3::<&str, &str, &str>() {
                Ok((BLUEZ, _, owner)) if message.sender().as_deref() == Some(BUS_NAME) => {
                    self.owned_by(to, owner)
                }
                _ => false,
            };
        }
        if self.is_from_bluez(message) {
            self.bluez(to, message);
        } else {
            tracing::debug!("ignored a signal of {:?}, which is not BlueZ", message.sender());
        }
        false
    }

    fn owned_by(&mut self, to: &SignalTarget, owner: &str) -> bool {
        let owner = (!owner.is_empty()).then(|| owner.to_owned());
        if owner != self.owner {
            // All objects are those of the owner before, even if there was no gap.
            self.gone(to);
        }
        self.down = owner.is_none();
        std::mem::replace(&mut self.owner, owner) != self.owner && self.owner.is_some()
    }

    fn bluez(&mut self, to: &SignalTarget, message: &Message) {
        let member = message.member();
        match member.as_deref() {
            Some("PropertiesChanged") => {
                if let (Some(path), Ok((interface, properties))) =
                    (message.path(), message.read2::<&str, PropMap>())
                {
                    self.changed(to, &path, interface, &properties, false);
                    if interface == DEVICE && resolved(&properties) {
                        self.fresh.insert(path.to_string());
                    }
                }
            }
            Some("InterfacesAdded") => {
                if let Ok((path, interfaces)) = message.read2::<dbus::Path<'_>, HashMap<String, PropMap>>() {
                    self.added(to, &path, &interfaces, true);
                }
            }
            Some("InterfacesRemoved") => {
                if let Ok((path, interfaces)) = message.read2::<dbus::Path<'_>, Vec<&str>>() {
                    self.removed(to, &path, &interfaces);
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

    /// Takes an object. `now` says that it appeared just now.
    fn added(&mut self, to: &SignalTarget, path: &str, interfaces: &HashMap<String, PropMap>, now: bool) {
        for interface in [ADAPTER, DEVICE] {
            if let Some(properties) = interfaces.get(interface) {
                self.changed(to, path, interface, properties, now);
            }
        }
        if self.scope == Scope::BesideBtleplug {
            return;
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
        } else if self.scope == Scope::BesideBtleplug {
            // btleplug reports the rest.
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

    fn changed(
        &mut self,
        to: &SignalTarget,
        path: &str,
        interface: &str,
        properties: &PropMap,
        appeared: bool,
    ) {
        if interface == ADAPTER && path == to.adapter {
            self.adapter(to, AdapterProperties::of(properties));
        } else if interface == DEVICE
            && let Some(device) = device_of(&to.adapter, path)
        {
            let update = match self.scope {
                Scope::Everything => DeviceUpdate { appeared, ..device_update(properties) },
                Scope::BesideBtleplug => link_update(properties),
            };
            // Many changes do not matter here, such as modes of a headset. A device that was never connected needs no entry
            // to say so.
            let is_down = self.scope == Scope::BesideBtleplug && update.connected == Some(false);
            let says_nothing = is_down && !to.shared.system_link(&device).connected;
            if update != DeviceUpdate::default() && !says_nothing {
                to.shared.merge(&device, update);
            }
        } else if interface == CHARACTERISTIC && self.scope == Scope::Everything {
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
mod tests;
