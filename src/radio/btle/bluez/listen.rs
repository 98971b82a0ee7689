//! What BlueZ announces, brought to the hub.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use dbus::arg::PropMap;
use dbus::message::Message;

use super::super::hub::{Hub, lock};
use super::super::registry::Facts;
use super::parse::{ADAPTER, AdapterFacts, DEVICE, Objects, device_facts, device_of};
use crate::radio::AdapterState;

/// How many signals wait for the choice of the adapter. That takes some milliseconds.
const EARLY: usize = 1024;

/// The ear on the bus. It is there before the adapter is chosen, so that nothing falls between the first look and
/// the first signal.
#[derive(Debug, Default)]
pub(super) struct Listening {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    to: Option<To>,
    early: Vec<Message>,
    discovering: bool,
    blocked: bool,
}

#[derive(Clone, Debug)]
struct To {
    adapter: String,
    hub: Arc<Hub>,
}

impl Listening {
    /// Starts with what there is, then what has been heard since, then whatever comes.
    pub(super) fn begin(&self, adapter: String, hub: Arc<Hub>, objects: &Objects) {
        let to = To { adapter, hub };
        let mut state = lock(&self.state);
        state.objects(&to, objects);
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

    /// The bus is gone.
    pub(super) fn lost(&self) {
        if let Some(to) = &lock(&self.state).to {
            to.hub.set_adapter(AdapterState::Absent);
        }
    }

    /// Whether anybody scans.
    pub(super) fn discovering(&self) -> bool {
        lock(&self.state).discovering
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
                }
            }
            Some("InterfacesAdded") => {
                if let Ok((path, interfaces)) = message.read2::<dbus::Path<'_>, HashMap<String, PropMap>>() {
                    self.added(to, &path, &interfaces);
                }
            }
            Some("InterfacesRemoved") => {
                if let Ok((path, interfaces)) = message.read2::<dbus::Path<'_>, Vec<&str>>() {
                    removed(to, &path, &interfaces);
                }
            }
            Some("NameOwnerChanged") => {
                if let Ok((_, _, "")) = message.read3::<&str, &str, &str>() {
                    self.discovering = false;
                    to.hub.set_adapter(AdapterState::Absent);
                }
            }
            _ => {}
        }
    }

    fn added(&mut self, to: &To, path: &str, interfaces: &HashMap<String, PropMap>) {
        for interface in [ADAPTER, DEVICE] {
            if let Some(properties) = interfaces.get(interface) {
                self.changed(to, path, interface, properties);
            }
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

fn removed(to: &To, path: &str, interfaces: &[&str]) {
    if path == to.adapter && interfaces.contains(&ADAPTER) {
        to.hub.set_adapter(AdapterState::Absent);
    } else if interfaces.contains(&DEVICE)
        && let Some(device) = device_of(&to.adapter, path)
    {
        to.hub.remove(&device);
    }
}
