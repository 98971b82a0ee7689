//! A world on Tokio's clock: runs what is due, and turns the world's effects into reports, notifications, link states and
//! lines of the air log.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use tokio::sync::{Notify, broadcast, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::link::SimLink;
use super::log::Log;
use super::rig::Rig;
use super::store::{SavedDevices, Store, StoreLock};
use super::world::{Effect, LinkId, SimDevice, World};
use crate::radio::retry::ConnectRetries;
use crate::radio::{
    AdapterState, Address, CharacteristicId, DeviceId, LinkState, NOTIFICATION_QUEUE, Notifications,
    SEEN_DEVICE_QUEUE, SeenDevice, SeenTimes, lock,
};

/// Interval at which to look for changes of the world file by another command, while any link is up.
const POLL_EVERY: Duration = Duration::from_millis(100);
/// Delay from a change to the write of the world file. Changes in that time are written together.
const SAVE_AFTER: Duration = Duration::from_millis(20);

/// A running world, shared by the radio and its links.
#[derive(Debug)]
pub(super) struct Simulation {
    opened: Instant,
    /// The age of the world when it was opened.
    age: Duration,
    inner: Mutex<Inner>,
    store: Store,
    /// Wakes the task that runs the schedule, which may have changed.
    wake: Notify,
    /// Wakes the task that saves the world.
    save: Notify,
    seen: broadcast::Sender<SeenDevice>,
    adapter: watch::Sender<AdapterState>,
    pub(super) attempts: ConnectRetries,
}

#[derive(Debug)]
struct Inner {
    world: World,
    /// The links that this command has a handle of.
    links: BTreeMap<Address, LinkEntry>,
    log: Option<Log>,
}

/// This command's side of a link.
#[derive(Debug)]
struct LinkEntry {
    id: LinkId,
    state: watch::Sender<LinkState>,
    streams: BTreeMap<CharacteristicId, broadcast::Sender<Vec<u8>>>,
    handle: Weak<SimLink>,
    /// This command ends the link when it is done with it.
    owned: bool,
}

impl Simulation {
    /// `several` adapters are in the world: the links of others are not ours.
    pub(super) fn new(rig: Rig, several: bool, store: Store, log: Option<Log>) -> Self {
        let saved = store.load();
        let age = saved.as_ref().map_or(Duration::ZERO, |saved| saved.age());
        let mut world = World::new(rig, several, age);
        if let Some(saved) = &saved {
            world.merge_saved(&saved.devices, age);
        }
        if !world.adapter_on() {
            world.disconnect_all(age);
        }
        let state = adapter_state(world.adapter_on());
        let simulation = Self {
            opened: Instant::now(),
            age,
            inner: Mutex::new(Inner { world, links: BTreeMap::new(), log }),
            store,
            wake: Notify::new(),
            save: Notify::new(),
            seen: broadcast::Sender::new(SEEN_DEVICE_QUEUE),
            adapter: watch::Sender::new(state),
            attempts: ConnectRetries::default(),
        };
        simulation.with_world(|_, _| ());
        simulation
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    fn now(&self) -> Duration {
        self.age + self.opened.elapsed()
    }

    /// The time at which the world has this age. Ages from before the world was opened give the time of opening.
    fn instant(&self, age: Duration) -> Instant {
        match age.checked_sub(self.age) {
            Some(later) => self.opened + later,
            None => self.opened,
        }
    }

    /// Calls the world, carries out the effects, and wakes the task that runs the schedule.
    pub(super) fn with_world<T>(&self, call: impl FnOnce(&mut World, Duration) -> T) -> T {
        let result = self.with_world_no_wake(call);
        self.wake.notify_one();
        result
    }

    fn with_world_no_wake<T>(&self, call: impl FnOnce(&mut World, Duration) -> T) -> T {
        let now = self.now();
        let mut inner = self.inner();
        inner.world.advance(now);
        let result = call(&mut inner.world, now);
        for effect in inner.world.effects() {
            self.carry_out(&mut inner, effect);
        }
        result
    }

    fn carry_out(&self, inner: &mut Inner, effect: Effect) {
        match effect {
            Effect::SeenDevice(address) => {
                if let Some(device) = inner.world.device(address) {
                    // Fails if nobody listens, which is fine.
                    let _ = self.seen.send(self.seen_device(device));
                }
            }
            Effect::Notify(link, id, value) => {
                let entry = inner.links.get(&link.address).filter(|entry| entry.id == link);
                if let Some(stream) = entry.and_then(|entry| entry.streams.get(&id)) {
                    let _ = stream.send(value);
                }
            }
            Effect::LinkDown(link) => {
                if inner.links.get(&link.address).is_some_and(|entry| entry.id == link)
                    && let Some(entry) = inner.links.remove(&link.address)
                {
                    entry.state.send_replace(LinkState::Down);
                }
            }
            Effect::AdapterPowered(on) => {
                self.adapter.send_replace(adapter_state(on));
            }
            Effect::Log(address, event) => {
                if let Some(log) = &mut inner.log {
                    log.write(self.opened.elapsed(), address, &event);
                }
            }
            Effect::Save => self.save.notify_one(),
        }
    }

    fn seen_device(&self, device: &SimDevice) -> SeenDevice {
        SeenDevice {
            id: DeviceId::new(device.address().to_string()),
            address: Some(device.address()),
            name: device.known.name.clone(),
            alias: None,
            rssi: device.known.rssi,
            tx_power: None,
            services: device.services(),
            manufacturer: device.manufacturer(),
            service_data: device.service_data(),
            connected: device.link.is_some(),
            seen: device
                .known
                .heard_here
                .map(|(first, last)| SeenTimes { first: self.instant(first), last: self.instant(last) }),
        }
    }

    // -- for the radio -------------------------------------------------------------------------------------------

    pub(super) fn seen_devices(&self) -> broadcast::Receiver<SeenDevice> {
        self.seen.subscribe()
    }

    /// The sender of [`seen_devices`](Self::seen_devices), for devices that are not of this world.
    pub(super) fn seen_sender(&self) -> broadcast::Sender<SeenDevice> {
        self.seen.clone()
    }

    pub(super) fn air_folder(&self) -> Option<std::path::PathBuf> {
        self.store.air_folder()
    }

    pub(super) fn adapter(&self) -> watch::Receiver<AdapterState> {
        self.adapter.subscribe()
    }

    pub(super) fn known(&self) -> Vec<SeenDevice> {
        self.with_world(|world, now| world.known(now).map(|device| self.seen_device(device)).collect())
    }

    // -- for links -----------------------------------------------------------------------------------------------

    /// The handle of a link that this command has. The inner `None` means that the link is just coming up or ending.
    pub(super) fn handle(&self, address: Address) -> Option<Option<Arc<SimLink>>> {
        self.inner().links.get(&address).map(|entry| entry.handle.upgrade())
    }

    /// Adds a link to those of this command. The state is down if the link has ended in the meantime.
    pub(super) fn attach(&self, id: LinkId, owned: bool) -> watch::Receiver<LinkState> {
        let mut inner = self.inner();
        let open = inner.world.device(id.address).and_then(|device| device.link.as_ref());
        if open.is_none_or(|open| open.number != id.number) {
            return watch::Sender::new(LinkState::Down).subscribe();
        }
        let state = watch::Sender::new(LinkState::Up);
        let receiver = state.subscribe();
        let entry = LinkEntry { id, state, streams: BTreeMap::new(), handle: Weak::new(), owned };
        inner.links.insert(id.address, entry);
        receiver
    }

    pub(super) fn set_handle(&self, link: &Arc<SimLink>) {
        self.with_entry(link.id, |entry| entry.handle = Arc::downgrade(link));
    }

    /// Leaves the link up when this command is done with it.
    pub(super) fn disown(&self, id: LinkId) {
        self.with_entry(id, |entry| entry.owned = false);
    }

    /// Returns true if this command ends the link when it is done with it.
    pub(super) fn owns(&self, id: LinkId) -> bool {
        self.with_entry(id, |entry| entry.owned).unwrap_or(false)
    }

    /// The notifications of a characteristic. The stream has ended already if the link is down.
    pub(super) fn open_stream(&self, link: LinkId, id: CharacteristicId) -> Notifications {
        let stream = self.with_entry(link, |entry| {
            entry.streams.entry(id).or_insert_with(|| broadcast::Sender::new(NOTIFICATION_QUEUE)).subscribe()
        });
        stream.unwrap_or_else(|| broadcast::Sender::new(1).subscribe())
    }

    /// Ends the notification stream of a characteristic. Returns whether there was one.
    pub(super) fn end_stream(&self, link: LinkId, id: CharacteristicId) -> bool {
        self.with_entry(link, |entry| entry.streams.remove(&id).is_some()).unwrap_or(false)
    }

    /// Removes a link that stays up from those of this command. The system ends its subscriptions.
    pub(super) fn detach(&self, id: LinkId) {
        let mut inner = self.inner();
        let attached = inner.links.get(&id.address).is_some_and(|entry| entry.id == id);
        let streams =
            if attached { inner.links.remove(&id.address).map(|entry| entry.streams) } else { None };
        drop(inner);
        self.with_world(|world, _| {
            for characteristic in streams.unwrap_or_default().into_keys() {
                world.unsubscribe(id, characteristic);
            }
        });
    }

    pub(super) fn owned_links(&self) -> Vec<LinkId> {
        self.inner().links.values().filter(|entry| entry.owned).map(|entry| entry.id).collect()
    }

    fn with_entry<T>(&self, id: LinkId, call: impl FnOnce(&mut LinkEntry) -> T) -> Option<T> {
        self.inner().links.get_mut(&id.address).filter(|entry| entry.id == id).map(call)
    }

    // -- tasks ---------------------------------------------------------------------------------------------------

    /// Runs the schedule. Never returns.
    pub(super) async fn run(&self) {
        loop {
            match self.with_world_no_wake(|world, _| world.next_due()) {
                None => self.wake.notified().await,
                Some(due) => tokio::select! {
                    () = self.wake.notified() => {}
                    () = sleep_until(self.instant(due)) => {}
                },
            }
        }
    }

    /// Keeps the world and the world file in step. Never returns.
    pub(super) async fn run_sync(&self) {
        let mut seen = None;
        loop {
            tokio::select! {
                () = self.save.notified() => {
                    // One file for a hundred bulbs that are set at once.
                    sleep(SAVE_AFTER).await;
                    seen = Some(self.sync().await);
                }
                () = sleep(POLL_EVERY), if self.inner().world.has_links() => {
                    if self.store.load().map(|saved| saved.devices) != seen {
                        seen = Some(self.sync().await);
                    }
                }
            }
        }
    }

    /// Merges what other commands saved, and saves the result. Returns the contents of the file.
    pub(super) async fn sync(&self) -> SavedDevices {
        let lock = self.store.lock().await;
        self.sync_with(&lock)
    }

    /// The same as [`sync`](Self::sync), without waiting for other commands for long.
    pub(super) fn sync_at_end(&self) {
        self.sync_with(&self.store.lock_at_end());
    }

    fn sync_with(&self, lock: &StoreLock) -> SavedDevices {
        let theirs = self.store.load();
        let (age, ours) = self.with_world(|world, now| {
            if let Some(theirs) = &theirs {
                world.merge_saved(&theirs.devices, now);
            }
            (now, world.save())
        });
        if theirs.is_none_or(|theirs| theirs.devices != ours) {
            self.store.save(age, &ours, lock);
        }
        ours
    }
}

fn adapter_state(on: bool) -> AdapterState {
    if on { AdapterState::On } else { AdapterState::Off }
}
