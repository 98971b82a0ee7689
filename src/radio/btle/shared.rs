//! What all parts of the radio share: the devices, the seen about them, the state of the adapter and of each link.
//!
//! Nothing here waits. The locks are held for some map look-ups, never over an await.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use super::link::BtleLink;
use super::registry::{CAPACITY, DeviceUpdate, Merged, Registry, SystemLink};
use crate::radio::retry::ConnectRetries;
use crate::radio::{AdapterState, DeviceId, SEEN_DEVICE_QUEUE, SeenDevice};

#[derive(Debug)]
pub(super) struct SharedState {
    state: Mutex<State>,
    seen: broadcast::Sender<SeenDevice>,
    adapter: watch::Sender<AdapterState>,
    pub(super) attempts: ConnectRetries,
}

#[derive(Debug)]
struct State {
    registry: Registry,
    /// Who waits for what becomes of a link.
    watchers: HashMap<DeviceId, watch::Sender<SystemLink>>,
    /// Our own links.
    links: HashMap<DeviceId, Weak<BtleLink>>,
    /// Whose turn it is to connect to a device.
    turns: HashMap<DeviceId, Weak<Turn>>,
    /// Links that were asked to end and have not ended yet: BlueZ takes two seconds.
    closing: HashSet<DeviceId>,
    /// When the scan was started or something was heard in it, whichever is later.
    news: Instant,
}

/// Held while one task connects to a device.
pub(super) type Turn = tokio::sync::Mutex<()>;

/// Takes a lock. A panic of another thread while it held it leaves maps that are whole all the same.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SharedState {
    pub(super) fn new(adapter: AdapterState) -> Self {
        let state = State {
            registry: Registry::new(CAPACITY),
            watchers: HashMap::new(),
            links: HashMap::new(),
            turns: HashMap::new(),
            closing: HashSet::new(),
            news: Instant::now(),
        };
        Self {
            state: Mutex::new(state),
            seen: broadcast::Sender::new(SEEN_DEVICE_QUEUE),
            adapter: watch::Sender::new(adapter),
            attempts: ConnectRetries::default(),
        }
    }

    // -- what the system tells ---------------------------------------------------------------------------------

    /// Takes news of a device, and passes them on if they are of interest to a listener.
    pub(super) fn merge(&self, id: &DeviceId, update: DeviceUpdate) {
        let mut state = lock(&self.state);
        let time = Instant::now();
        let merged = state.registry.merge(id, update, time);
        let Merged { device, before, now, heard } = merged;
        if heard {
            state.news = time;
        }
        if heard || before.connected != now.connected || (state.registry.scanning() && device.seen.is_some())
        {
            // Nobody signals is no error.
            let _ = self.seen.send(device);
        }
        let dropped = before.drops != now.drops;
        let lost = if before == now { None } else { state.link_changed(id, now, dropped) };
        drop(state);
        if let Some(link) = lost {
            link.down();
        }
    }

    /// The system has dropped the device (only BlueZ tells), and with it the link if there was one.
    #[cfg(target_os = "linux")]
    pub(super) fn remove(&self, id: &DeviceId) {
        let mut state = lock(&self.state);
        let Some(before) = state.registry.remove(id) else { return };
        let gone = SystemLink { connected: false, resolved: false, drops: before.drops.wrapping_add(1) };
        let lost = state.link_changed(id, gone, before.connected);
        drop(state);
        if let Some(link) = lost {
            link.down();
        }
    }

    /// Takes the adapter's state. Without an adapter there is no scan and no link.
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

    // -- what is asked of it -----------------------------------------------------------------------------------

    pub(super) fn seen_devices(&self) -> broadcast::Receiver<SeenDevice> {
        self.seen.subscribe()
    }

    pub(super) fn adapter(&self) -> watch::Receiver<AdapterState> {
        self.adapter.subscribe()
    }

    pub(super) fn adapter_now(&self) -> AdapterState {
        *self.adapter.borrow()
    }

    pub(super) fn scanning(&self) -> bool {
        lock(&self.state).registry.scanning()
    }

    pub(super) fn set_scanning(&self, scanning: bool) {
        let mut state = lock(&self.state);
        state.registry.set_scanning(scanning);
        state.news = Instant::now();
    }

    /// For how long nothing has been heard in the scan; nothing where there is none.
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

    /// What becomes of the link to this device.
    pub(super) fn watch_link(&self, id: &DeviceId) -> watch::Receiver<SystemLink> {
        let mut state = lock(&self.state);
        let now = state.registry.system_link(id);
        state.watchers.retain(|_, sender| sender.receiver_count() > 0);
        let sender = state.watchers.entry(id.clone()).or_insert_with(|| watch::Sender::new(now));
        sender.send_replace(now);
        sender.subscribe()
    }

    // -- our own links -----------------------------------------------------------------------------------------

    /// Our link to this device, if it is up.
    pub(super) fn link(&self, id: &DeviceId) -> Option<Arc<BtleLink>> {
        let link = lock(&self.state).links.get(id).and_then(Weak::upgrade);
        link.filter(|link| link.is_up())
    }

    /// Enters a link, which is told from now on when it is lost.
    pub(super) fn enter(&self, id: &DeviceId, link: &Arc<BtleLink>) {
        let mut state = lock(&self.state);
        state.links.retain(|_, link| link.strong_count() > 0);
        state.links.insert(id.clone(), Arc::downgrade(link));
    }

    /// Whose turn it is to connect to this device. Of two at once, the second would take the link that the first is
    /// making for one that was there before.
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

    /// Our links, up or not.
    pub(super) fn links(&self) -> Vec<Arc<BtleLink>> {
        lock(&self.state).links.values().filter_map(Weak::upgrade).collect()
    }

    /// Notes that this link was asked to end.
    pub(super) fn set_closing(&self, id: &DeviceId) {
        let mut state = lock(&self.state);
        if state.registry.system_link(id).connected {
            state.closing.insert(id.clone());
        }
    }

    pub(super) fn is_closing(&self, id: &DeviceId) -> bool {
        lock(&self.state).closing.contains(id)
    }
}

impl State {
    /// Tells who waits. Gives our link if it is lost, to be told when the lock is released.
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
