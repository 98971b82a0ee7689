//! The state that all parts of the radio share: devices, adapter and links.
//!
//! Nothing here waits. Locks are held for a few map look-ups and never over an await.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use super::link::BtleLink;
use super::registry::{CAPACITY, DeviceUpdate, Merged, Registry, SystemLink};
pub(super) use crate::radio::lock;
use crate::radio::retry::ConnectRetries;
use crate::radio::{AdapterState, DeviceId, SEEN_DEVICE_QUEUE, SeenDevice, Wanted};

#[derive(Debug)]
pub(super) struct SharedState {
    state: Mutex<State>,
    seen: broadcast::Sender<SeenDevice>,
    adapter: watch::Sender<AdapterState>,
    freed: watch::Sender<()>,
    pub(super) attempts: ConnectRetries,
}

#[derive(Debug)]
struct State {
    registry: Registry,
    /// Watchers of the links, by device.
    watchers: HashMap<DeviceId, watch::Sender<SystemLink>>,
    links: HashMap<DeviceId, Weak<BtleLink>>,
    turns: HashMap<DeviceId, Weak<Turn>>,
    /// Links that are being closed. BlueZ takes two seconds.
    closing: HashSet<DeviceId>,
    /// The number of links of this program that filled the adapter, if it was ever full.
    slots: Option<usize>,
    /// The later of the start of the scan and the last device seen.
    news: Instant,
}

/// Held while one task connects to a device.
pub(super) type Turn = tokio::sync::Mutex<()>;

impl SharedState {
    pub(super) fn new(adapter: AdapterState) -> Self {
        let state = State {
            registry: Registry::new(CAPACITY),
            watchers: HashMap::new(),
            links: HashMap::new(),
            turns: HashMap::new(),
            closing: HashSet::new(),
            slots: None,
            news: Instant::now(),
        };
        Self {
            state: Mutex::new(state),
            seen: broadcast::Sender::new(SEEN_DEVICE_QUEUE),
            adapter: watch::Sender::new(adapter),
            freed: watch::Sender::new(()),
            attempts: ConnectRetries::default(),
        }
    }

    // -- updates from the system ------------------------------------------------------------------

    /// Merges an update, and publishes the device if it matters to receivers.
    pub(super) fn merge(&self, id: &DeviceId, update: DeviceUpdate) {
        let mut state = lock(&self.state);
        let time = Instant::now();
        state.make_room_for(id);
        let merged = state.registry.merge(id, update, time);
        let Merged { device, before, now, heard } = merged;
        if heard {
            state.news = time;
        }
        if heard || before.connected != now.connected || (state.registry.scanning() && device.seen.is_some())
        {
            // Having no receiver is no error.
            let _ = self.seen.send(device);
        }
        let dropped = before.drops != now.drops;
        let lost = if before == now { None } else { state.link_changed(id, now, dropped) };
        drop(state);
        if dropped {
            self.freed.send_replace(());
        }
        if let Some(link) = lost {
            link.down();
        }
    }

    /// Removes a device that the system dropped, and ends its link. Only BlueZ reports this.
    #[cfg(target_os = "linux")]
    pub(super) fn remove(&self, id: &DeviceId) {
        let mut state = lock(&self.state);
        let Some(before) = state.registry.remove(id) else { return };
        let mut gone = before;
        gone.go_down();
        let lost = state.link_changed(id, gone, before.connected);
        drop(state);
        if before.connected {
            self.freed.send_replace(());
        }
        if let Some(link) = lost {
            link.down();
        }
    }

    /// Sets the state of the adapter. If it is not on, the scan and all links end.
    pub(super) fn set_adapter(&self, now: AdapterState) {
        if now != AdapterState::On {
            self.all_down();
        }
        self.adapter.send_if_modified(|state| std::mem::replace(state, now) != now);
    }

    fn all_down(&self) {
        let mut state = lock(&self.state);
        let dropped = state.registry.all_down();
        let mut lost = Vec::new();
        for id in &dropped {
            let system_link = state.registry.system_link(id);
            lost.extend(state.link_changed(id, system_link, true));
            if let Some(device) = state.registry.seen_device(id) {
                let _ = self.seen.send(device);
            }
        }
        drop(state);
        for link in lost {
            link.down();
        }
    }

    // -- queries ----------------------------------------------------------------------------------

    pub(super) fn seen_devices(&self) -> broadcast::Receiver<SeenDevice> {
        self.seen.subscribe()
    }

    pub(super) fn adapter(&self) -> watch::Receiver<AdapterState> {
        self.adapter.subscribe()
    }

    pub(super) fn adapter_now(&self) -> AdapterState {
        *self.adapter.borrow()
    }

    pub(super) fn prefer(&self, wanted: Wanted) {
        lock(&self.state).registry.prefer(wanted);
    }

    pub(super) fn scanning(&self) -> bool {
        lock(&self.state).registry.scanning()
    }

    pub(super) fn set_scanning(&self, scanning: bool) {
        let mut state = lock(&self.state);
        state.registry.set_scanning(scanning);
        state.news = Instant::now();
    }

    /// Restarts the count of the scan's silence.
    pub(super) fn scan_restarts(&self) {
        lock(&self.state).news = Instant::now();
    }

    /// Returns the time for which the scan has received nothing; `None` if no scan is running.
    pub(super) fn silence(&self) -> Option<Duration> {
        let state = lock(&self.state);
        state.registry.scanning().then(|| state.news.elapsed())
    }

    pub(super) fn known(&self) -> Vec<SeenDevice> {
        lock(&self.state).registry.seen_devices()
    }

    pub(super) fn seen_device(&self, id: &DeviceId) -> Option<SeenDevice> {
        lock(&self.state).registry.seen_device(id)
    }

    pub(super) fn unnamed(&self) -> Vec<DeviceId> {
        lock(&self.state).registry.unnamed()
    }

    pub(super) fn system_link(&self, id: &DeviceId) -> SystemLink {
        lock(&self.state).registry.system_link(id)
    }

    pub(super) fn watch_link(&self, id: &DeviceId) -> watch::Receiver<SystemLink> {
        let mut state = lock(&self.state);
        let now = state.registry.system_link(id);
        state.watchers.retain(|_, sender| sender.receiver_count() > 0);
        let sender = state.watchers.entry(id.clone()).or_insert_with(|| watch::Sender::new(now));
        sender.send_replace(now);
        sender.subscribe()
    }

    // -- links of this program --------------------------------------------------------------------

    pub(super) fn link(&self, id: &DeviceId) -> Option<Arc<BtleLink>> {
        let link = lock(&self.state).links.get(id).and_then(Weak::upgrade);
        link.filter(|link| link.is_up())
    }

    /// Registers a link. It is marked as down when the system reports the loss.
    pub(super) fn enter(&self, id: &DeviceId, link: &Arc<BtleLink>) {
        let mut state = lock(&self.state);
        state.links.retain(|_, link| link.strong_count() > 0);
        state.links.insert(id.clone(), Arc::downgrade(link));
    }

    /// The lock for connecting to this device. Without it, the second of two connects would take
    /// the link of the first for one that was up before.
    pub(super) fn turn(&self, id: &DeviceId) -> Arc<Turn> {
        let mut state = lock(&self.state);
        state.turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = state.turns.get(id).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::new(Turn::new(()));
        state.turns.insert(id.clone(), Arc::downgrade(&turn));
        turn
    }

    pub(super) fn links(&self) -> Vec<Arc<BtleLink>> {
        lock(&self.state).links.values().filter_map(Weak::upgrade).collect()
    }

    pub(super) fn set_closing(&self, id: &DeviceId) {
        let mut state = lock(&self.state);
        if state.registry.system_link(id).connected {
            state.closing.insert(id.clone());
        }
    }

    /// Changes when any link of the system ends.
    pub(super) fn freed(&self) -> watch::Receiver<()> {
        self.freed.subscribe()
    }

    /// The number of connections of the adapter that this program holds, those that are ending
    /// included, besides that to this device.
    pub(super) fn held_besides(&self, id: &DeviceId) -> usize {
        lock(&self.state).held_besides(id)
    }

    /// Remembers that the adapter was full with this many links.
    pub(super) fn learn_slots(&self, held: usize) {
        if held > 0 {
            let mut state = lock(&self.state);
            state.slots = Some(state.slots.map_or(held, |slots| slots.min(held)));
        }
    }

    /// Returns true if the adapter was full before with as many links as now.
    pub(super) fn is_full(&self, id: &DeviceId) -> bool {
        let state = lock(&self.state);
        state.slots.is_some_and(|slots| state.held_besides(id) >= slots)
    }

    pub(super) fn is_closing(&self, id: &DeviceId) -> bool {
        lock(&self.state).closing.contains(id)
    }
}

impl State {
    fn make_room_for(&mut self, id: &DeviceId) {
        let Self { registry, watchers, links, .. } = self;
        registry.make_room_for(id, |id| {
            watchers.get(id).is_some_and(|watcher| watcher.receiver_count() > 0)
                || links.get(id).is_some_and(|link| link.strong_count() > 0)
        });
    }

    fn held_besides(&self, id: &DeviceId) -> usize {
        let up = self.links.iter().filter(|(_, link)| link.strong_count() > 0).map(|(other, _)| other);
        let held: HashSet<_> = up.chain(&self.closing).filter(|other| *other != id).collect();
        held.len()
    }

    /// Updates the watchers. Returns the link if it dropped; mark it as down after releasing the
    /// lock.
    fn link_changed(&mut self, id: &DeviceId, now: SystemLink, dropped: bool) -> Option<Arc<BtleLink>> {
        if let Some(sender) = self.watchers.get(id) {
            sender.send_replace(now);
        }
        if !dropped {
            return None;
        }
        self.closing.remove(id);
        self.links.remove(id).and_then(|link| link.upgrade())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> DeviceUpdate {
        DeviceUpdate { name: Some(name.to_owned()), rssi: Some(-50), ..DeviceUpdate::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_program_looks_for_is_forgotten_last() {
        for preferred in [true, false] {
            let shared = SharedState::new(AdapterState::On);
            shared.set_scanning(true);
            if preferred {
                shared.prefer(std::sync::Arc::new(|device| device.name.as_deref() == Some("Light")));
            }
            let light = DeviceId::new("light");
            shared.merge(&light, named("Light"));
            for number in 0..CAPACITY {
                // Each is seen later than those before.
                tokio::time::advance(Duration::from_millis(1)).await;
                shared.merge(&DeviceId::new(format!("{number}")), named("Phone"));
            }
            assert_eq!(shared.seen_device(&light).is_some(), preferred);
            assert_eq!(shared.known().len(), CAPACITY);
        }
    }

    #[test]
    fn devices_without_a_name_can_be_asked_for_it() {
        let shared = SharedState::new(AdapterState::On);
        shared.set_scanning(true);
        let (named_one, other) = (DeviceId::new("a"), DeviceId::new("b"));
        shared.merge(&named_one, named("Light"));
        shared.merge(&other, DeviceUpdate { rssi: Some(-60), ..DeviceUpdate::default() });
        assert_eq!(shared.unnamed(), std::slice::from_ref(&other));
        shared.merge(&other, named("Light-2"));
        assert!(shared.unnamed().is_empty());
    }
}
