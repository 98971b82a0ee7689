//! The world with a clock: what happens in it is carried out here, as reports, notifications, states, and lines of the
//! air log.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, broadcast, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::link::SimLink;
use super::log::Log;
use super::rig::Rig;
use super::store::{SavedPeers, Store, Turn};
use super::world::{Effect, LinkId, Peer, World};
use crate::radio::retry::ConnectRetries;
use crate::radio::{
    AdapterState, Address, CharacteristicId, DeviceId, LinkState, NOTIFICATION_QUEUE, Notifications,
    SEEN_DEVICE_QUEUE, SeenDevice, SeenTimes,
};

/// How often is looked whether another command has changed the world, while we have a link in it.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// So long after a change the world file is written, with what else has changed by then.
const KEEP_AFTER: Duration = Duration::from_millis(20);

/// A world that runs.
#[derive(Debug)]
pub(super) struct Air {
    opened: Instant,
    /// The age of the world when it was opened.
    age: Duration,
    inner: Mutex<Inner>,
    store: Store,
    /// The agenda may have changed.
    wake: Notify,
    /// There is something to keep.
    keep: Notify,
    reports: broadcast::Sender<SeenDevice>,
    adapter: watch::Sender<AdapterState>,
    pub(super) attempts: ConnectRetries,
}

#[derive(Debug)]
struct Inner {
    world: World,
    wires: BTreeMap<Address, Wire>,
    log: Option<Log>,
}

/// Our side of a link.
#[derive(Debug)]
struct Wire {
    link: LinkId,
    state: watch::Sender<LinkState>,
    streams: BTreeMap<CharacteristicId, broadcast::Sender<Vec<u8>>>,
    handle: Weak<SimLink>,
    ends_with_us: bool,
}

impl Air {
    pub(super) fn new(rig: Rig, store: Store, log: Option<Log>) -> Self {
        let saved = store.load();
        let age = saved.as_ref().map_or(Duration::ZERO, |saved| saved.age());
        let mut world = World::new(rig, age);
        if let Some(saved) = &saved {
            world.adopt(&saved.peers, age);
        }
        if !world.adapter_on() {
            world.end_all(age);
        }
        let state = if world.adapter_on() { AdapterState::On } else { AdapterState::Off };
        let air = Self {
            opened: Instant::now(),
            age,
            inner: Mutex::new(Inner { world, wires: BTreeMap::new(), log }),
            store,
            wake: Notify::new(),
            keep: Notify::new(),
            reports: broadcast::Sender::new(SEEN_DEVICE_QUEUE),
            adapter: watch::Sender::new(state),
            attempts: ConnectRetries::default(),
        };
        air.act(|_, _| ());
        air
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The age of the world.
    fn now(&self) -> Duration {
        self.age + self.opened.elapsed()
    }

    /// The point in time at which the world has, or had, this age.
    fn instant(&self, age: Duration) -> Instant {
        match age.checked_sub(self.age) {
            Some(later) => self.opened + later,
            None => self.opened,
        }
    }

    /// Does something in the world, and carries out what comes of it.
    pub(super) fn act<T>(&self, act: impl FnOnce(&mut World, Duration) -> T) -> T {
        let result = self.act_quietly(act);
        self.wake.notify_one();
        result
    }

    fn act_quietly<T>(&self, act: impl FnOnce(&mut World, Duration) -> T) -> T {
        let now = self.now();
        let mut inner = self.inner();
        inner.world.advance(now);
        let result = act(&mut inner.world, now);
        for effect in inner.world.effects() {
            self.carry_out(&mut inner, effect);
        }
        result
    }

    fn carry_out(&self, inner: &mut Inner, effect: Effect) {
        match effect {
            Effect::SeenDevice(address) => {
                if let Some(peer) = inner.world.peer(address) {
                    // Fails when nobody listens, which is fine.
                    let _ = self.reports.send(self.report(peer));
                }
            }
            Effect::Notify(link, id, value) => {
                let wire = inner.wires.get(&link.address).filter(|wire| wire.link == link);
                if let Some(stream) = wire.and_then(|wire| wire.streams.get(&id)) {
                    let _ = stream.send(value);
                }
            }
            Effect::Down(link) => {
                if inner.wires.get(&link.address).is_some_and(|wire| wire.link == link)
                    && let Some(wire) = inner.wires.remove(&link.address)
                {
                    wire.state.send_replace(LinkState::Down);
                }
            }
            Effect::Adapter(on) => {
                self.adapter.send_replace(if on { AdapterState::On } else { AdapterState::Off });
            }
            Effect::Log(address, what) => {
                if let Some(log) = &mut inner.log {
                    log.write(self.opened.elapsed(), address, &what);
                }
            }
            Effect::Keep => self.keep.notify_one(),
        }
    }

    /// All that the system knows of a device.
    fn report(&self, peer: &Peer) -> SeenDevice {
        let heard = peer.known.by_us;
        SeenDevice {
            id: DeviceId::new(peer.address().to_string()),
            address: Some(peer.address()),
            name: peer.known.name.clone(),
            alias: None,
            rssi: peer.known.rssi,
            tx_power: None,
            services: peer.services(),
            manufacturer: peer.manufacturer(),
            service_data: peer.service_data(),
            connected: peer.link.is_some(),
            heard: heard
                .map(|(first, last)| SeenTimes { first: self.instant(first), last: self.instant(last) }),
        }
    }

    // -- what the radio shows ------------------------------------------------------------------------------------

    pub(super) fn seen_devices(&self) -> broadcast::Receiver<SeenDevice> {
        self.reports.subscribe()
    }

    pub(super) fn adapter(&self) -> watch::Receiver<AdapterState> {
        self.adapter.subscribe()
    }

    pub(super) fn known(&self) -> Vec<SeenDevice> {
        self.act(|world, now| world.known(now).map(|peer| self.report(peer)).collect())
    }

    // -- our side of the links -----------------------------------------------------------------------------------

    /// The handle of a link that we have already; none inside where the link is just beginning or ending.
    pub(super) fn handle(&self, address: Address) -> Option<Option<Arc<SimLink>>> {
        self.inner().wires.get(&address).map(|wire| wire.handle.upgrade())
    }

    /// Takes hold of a link. Its state is down if it has gone meanwhile.
    pub(super) fn attach(&self, link: LinkId, ends_with_us: bool) -> watch::Receiver<LinkState> {
        let mut inner = self.inner();
        let up = inner.world.peer(link.address).and_then(|peer| peer.link.as_ref());
        if up.is_none_or(|up| up.number != link.number) {
            return watch::Sender::new(LinkState::Down).subscribe();
        }
        let state = watch::Sender::new(LinkState::Up);
        let receiver = state.subscribe();
        let wire = Wire { link, state, streams: BTreeMap::new(), handle: Weak::new(), ends_with_us };
        inner.wires.insert(link.address, wire);
        receiver
    }

    /// Enters the handle of a link, for those who connect to the same bulb.
    pub(super) fn enter(&self, link: &Arc<SimLink>) {
        self.with_wire(link.id(), |wire| wire.handle = Arc::downgrade(link));
    }

    /// Leaves the link up when we go.
    pub(super) fn keep_up(&self, link: LinkId) {
        self.with_wire(link, |wire| wire.ends_with_us = false);
    }

    /// Whether the link goes when we go.
    pub(super) fn ends_with_us(&self, link: LinkId) -> bool {
        self.with_wire(link, |wire| wire.ends_with_us).unwrap_or(false)
    }

    /// Opens the stream of a characteristic's notifications; ended already if the link is gone.
    pub(super) fn open_stream(&self, link: LinkId, id: CharacteristicId) -> Notifications {
        let stream = self.with_wire(link, |wire| {
            wire.streams.entry(id).or_insert_with(|| broadcast::Sender::new(NOTIFICATION_QUEUE)).subscribe()
        });
        stream.unwrap_or_else(|| broadcast::Sender::new(1).subscribe())
    }

    /// Ends the stream of a characteristic's notifications. Says whether there was one.
    pub(super) fn end_stream(&self, link: LinkId, id: CharacteristicId) -> bool {
        self.with_wire(link, |wire| wire.streams.remove(&id).is_some()).unwrap_or(false)
    }

    /// Lets go of a link that stays up: the system ends our subscriptions.
    pub(super) fn detach(&self, link: LinkId) {
        let mut inner = self.inner();
        let ours = inner.wires.get(&link.address).is_some_and(|wire| wire.link == link);
        let streams = if ours { inner.wires.remove(&link.address).map(|wire| wire.streams) } else { None };
        drop(inner);
        self.act(|world, _| {
            for id in streams.unwrap_or_default().into_keys() {
                world.unsubscribe(link, id);
            }
        });
    }

    /// All links that go when we go.
    pub(super) fn ours(&self) -> Vec<LinkId> {
        self.inner().wires.values().filter(|wire| wire.ends_with_us).map(|wire| wire.link).collect()
    }

    fn with_wire<T>(&self, link: LinkId, with: impl FnOnce(&mut Wire) -> T) -> Option<T> {
        self.inner().wires.get_mut(&link.address).filter(|wire| wire.link == link).map(with)
    }

    // -- tasks -----------------------------------------------------------------------------------------------------

    /// Has everything happen when it is due. Never ends.
    pub(super) async fn run(&self) {
        loop {
            match self.act_quietly(|world, _| world.next_due()) {
                None => self.wake.notified().await,
                Some(due) => tokio::select! {
                    () = self.wake.notified() => {}
                    () = sleep_until(self.instant(due)) => {}
                },
            }
        }
    }

    /// Keeps the world file and the world alike. Never ends.
    pub(super) async fn keep(&self) {
        let mut seen = None;
        loop {
            tokio::select! {
                () = self.keep.notified() => {
                    // A hundred bulbs that are set at once are one file.
                    sleep(KEEP_AFTER).await;
                    seen = Some(self.flush().await);
                }
                () = sleep(LOOK_EVERY), if self.inner().world.any_link() => {
                    if self.store.load().map(|saved| saved.peers) != seen {
                        seen = Some(self.flush().await);
                    }
                }
            }
        }
    }

    /// Takes over what other commands did, and writes what we did, when it is our turn. Gives what the file has then.
    pub(super) async fn flush(&self) -> SavedPeers {
        let turn = self.store.turn().await;
        self.sync(&turn)
    }

    /// As [`flush`](Self::flush), where nothing can be waited for.
    pub(super) fn flush_now(&self) {
        self.sync(&self.store.turn_now());
    }

    fn sync(&self, turn: &Turn) -> SavedPeers {
        let theirs = self.store.load();
        let (age, ours) = self.act(|world, now| {
            if let Some(theirs) = &theirs {
                world.adopt(&theirs.peers, now);
            }
            (now, world.save())
        });
        if theirs.is_none_or(|theirs| theirs.peers != ours) {
            self.store.save(age, &ours, turn);
        }
        ours
    }
}
