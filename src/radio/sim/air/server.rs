//! The bulbs' side of the air.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::bulb::{AirBulb, Attached, Connection, Detached, SharedLink};
use super::{Answer, LONGEST_LINE, Message, NumberedRequest, Request, SOCKET_TIME, line, socket};
use crate::error::{Error, Result};
use crate::lines::Lines;
use crate::radio::peripheral::{
    Advertisement, Central, EVENT_QUEUE, LONGEST_VALUE, Peripheral, PeripheralEvent, PeripheralEventKind,
    PeripheralLimits, Reply, Responder, ServedBulb,
};
use crate::radio::sim::ADAPTER;
use crate::radio::{AdapterInfo, Address, CharacteristicId, Deadline, DeviceId, WriteKind, lock};

/// The most bulbs at once. Each is a socket and a few kilobytes.
const BULBS: usize = 100;
/// The most connections to one bulb. Others are closed at once.
const CONNECTIONS: usize = 64;
/// Messages that may wait for a connection. One that does not read them loses its link.
const OUT_QUEUE: usize = 256;
/// The most sockets of dead processes that are removed at once.
const MOST_STALE: usize = 1000;
/// ATT error codes (Bluetooth Core 5.4, Vol 3, Part F, 3.4.1.1).
const INVALID_HANDLE: u8 = 0x01;
const INSUFFICIENT_AUTHENTICATION: u8 = 0x05;
const INVALID_LENGTH: u8 = 0x0d;
/// The interval at which to try the lock of the folder. It is held for microseconds.
const LOCK_EVERY: Duration = Duration::from_millis(2);

#[derive(Debug)]
pub(in crate::radio::sim) struct AirPeripheral {
    folder: PathBuf,
    /// The devices of the rig, whose addresses are taken.
    taken: BTreeMap<Address, String>,
    shared: Arc<Shared>,
    listeners: Mutex<Vec<Listener>>,
}

/// A bulb's socket and the task that accepts its connections.
#[derive(Debug)]
struct Listener {
    path: PathBuf,
    _task: AbortOnDropHandle<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        // If it cannot be removed, it is a stale socket, which disturbs nobody.
        let _ = fs::remove_file(&self.path);
    }
}

#[derive(Debug, Default)]
struct Shared {
    bulbs: Mutex<Vec<AirBulb>>,
    numbers: AtomicU64,
}

impl Shared {
    fn bulbs(&self) -> MutexGuard<'_, Vec<AirBulb>> {
        lock(&self.bulbs)
    }

    fn with_bulb<T>(&self, number: usize, call: impl FnOnce(&mut AirBulb) -> T) -> Option<T> {
        self.bulbs().get_mut(number).map(call)
    }

    fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl AirPeripheral {
    pub(in crate::radio::sim) fn new(folder: PathBuf, taken: BTreeMap<Address, String>) -> Self {
        Self { folder, taken, shared: Arc::default(), listeners: Mutex::default() }
    }

    fn check_addresses(&self, bulbs: &[ServedBulb]) -> Result<()> {
        for bulb in bulbs {
            if let Some(other) = self.taken.get(&bulb.address) {
                return Err(Error::NotPlayable {
                    adapter: ADAPTER.to_owned(),
                    what: format!("{} at {}", bulb.label, bulb.address),
                    reason: format!("{other} of its rig has this address"),
                });
            }
        }
        Ok(())
    }

    /// Binds the socket of each bulb.
    fn bind(&self, bulbs: &[ServedBulb]) -> Result<Vec<(PathBuf, UnixListener)>> {
        let mut bound = Vec::new();
        for bulb in bulbs {
            let path = socket(&self.folder, bulb.address);
            match UnixListener::bind(&path) {
                Ok(listener) => bound.push((path, listener)),
                Err(error) => {
                    for (path, _) in bound {
                        let _ = fs::remove_file(path);
                    }
                    return Err(bind_error(bulb, &path, &error));
                }
            }
        }
        Ok(bound)
    }
}

fn bind_error(bulb: &ServedBulb, path: &Path, error: &io::Error) -> Error {
    if error.kind() == ErrorKind::AddrInUse {
        let what = format!("{} at {}", bulb.label, bulb.address);
        let reason = "another bulbctl emulates a bulb with this address".to_owned();
        return Error::NotPlayable { adapter: ADAPTER.to_owned(), what, reason };
    }
    let detail = format!("no socket at {}: {error}", path.display());
    Error::CannotAdvertise { adapter: ADAPTER.to_owned(), detail }
}

/// Removes the sockets of processes that have died.
async fn remove_stale(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)?.take(MOST_STALE) {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "sock") {
            continue;
        }
        let connected = timeout(SOCKET_TIME, UnixStream::connect(&path)).await;
        if matches!(connected, Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused) {
            let _ = fs::remove_file(&path);
        }
    }
    Ok(())
}

/// Takes the lock of the folder: between finding a stale socket and binding it again, nobody else may bind it.
async fn lock_folder(folder: &Path) -> io::Result<File> {
    fs::create_dir_all(folder)?;
    let file = File::options().create(true).truncate(false).write(true).open(folder.join("lock"))?;
    while file.try_lock().is_err() {
        sleep(LOCK_EVERY).await;
    }
    Ok(file)
}

#[async_trait]
impl Peripheral for AirPeripheral {
    fn adapter(&self) -> AdapterInfo {
        AdapterInfo { name: ADAPTER.to_owned(), address: None }
    }

    fn limits(&self) -> PeripheralLimits {
        PeripheralLimits { bulbs: BULBS, room: None, chosen_addresses: true, own_services: Vec::new() }
    }

    async fn start(
        &self,
        bulbs: Vec<ServedBulb>,
        deadline: Deadline,
    ) -> Result<mpsc::Receiver<PeripheralEvent>> {
        self.check_addresses(&bulbs)?;
        let unusable = |error: io::Error| Error::CannotAdvertise {
            adapter: ADAPTER.to_owned(),
            detail: format!("cannot use {}: {error}", self.folder.display()),
        };
        let late = |_| io::Error::new(ErrorKind::TimedOut, "another process holds its lock");
        let _lock = deadline.run(lock_folder(&self.folder), late).await.map_err(unusable)?;
        remove_stale(&self.folder).await.map_err(unusable)?;
        let sockets = self.bind(&bulbs)?;
        let (events, receiver) = mpsc::channel(EVENT_QUEUE);
        *self.shared.bulbs() = bulbs.into_iter().map(AirBulb::new).collect();
        let listeners = sockets.into_iter().enumerate().map(|(bulb, (path, listener))| {
            let (shared, events) = (Arc::clone(&self.shared), events.clone());
            let task = tokio::spawn(accept(listener, bulb, shared, events));
            Listener { path, _task: AbortOnDropHandle::new(task) }
        });
        *lock(&self.listeners) = listeners.collect();
        Ok(receiver)
    }

    async fn advertise(&self, bulb: usize, advertisement: Option<Advertisement>) -> Result<()> {
        self.shared.with_bulb(bulb, |bulb| {
            bulb.on_air = advertisement.is_some();
            if let Some(advertisement) = advertisement {
                bulb.advertisement = advertisement;
            }
        });
        Ok(())
    }

    async fn notify(
        &self,
        bulb: usize,
        link: u64,
        characteristic: CharacteristicId,
        value: Vec<u8>,
    ) -> Result<()> {
        self.shared.with_bulb(bulb, |bulb| {
            let Some(shared) = bulb.link.as_ref().filter(|shared| shared.number == link) else { return };
            let wanted = |attached: &&Attached| attached.subscribed.contains(&characteristic);
            for attached in shared.attached.values().filter(wanted) {
                let _ = attached.out.try_send(Message::Notification(characteristic, value.clone()));
            }
        });
        Ok(())
    }

    async fn drop_link(&self, bulb: usize, link: u64) -> Result<()> {
        self.shared.with_bulb(bulb, |bulb| {
            if bulb.link.as_ref().is_some_and(|shared| shared.number == link) {
                bulb.end_link(None);
            }
        });
        Ok(())
    }

    async fn close(&self) {
        // The connections end with the tasks, and the links with them.
        lock(&self.listeners).clear();
    }
}

async fn accept(
    listener: UnixListener,
    bulb: usize,
    shared: Arc<Shared>,
    events: mpsc::Sender<PeripheralEvent>,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, _)) if connections.len() < CONNECTIONS => {
                let id = shared.next_number();
                let peer = Peer { bulb, id, shared: Arc::clone(&shared), events: events.clone() };
                connections.spawn(peer.serve(stream));
            }
            Ok(_) => {}
            // Out of file descriptors, say.
            Err(error) => {
                tracing::warn!("the air accepts no connection: {error}");
                sleep(SOCKET_TIME).await;
            }
        }
    }
}

/// The process at the other end of a connection.
#[derive(Clone)]
struct Peer {
    bulb: usize,
    id: Connection,
    shared: Arc<Shared>,
    events: mpsc::Sender<PeripheralEvent>,
}

impl Peer {
    async fn serve(self, stream: UnixStream) {
        let (read, write) = stream.into_split();
        let (out, messages) = mpsc::channel(OUT_QUEUE);
        let mut lines = Lines::up_to(LONGEST_LINE, read);
        let mut listening = None;
        let reading = async {
            while let Ok(Some(line)) = lines.next().await {
                let parsed = line.text.ok().and_then(|text| serde_json::from_str(&text).ok());
                let Some(NumberedRequest { number, request }) = parsed else { return };
                if matches!(request, Request::Listen) {
                    let task = tokio::spawn(advertise(self.bulb, Arc::clone(&self.shared), out.clone()));
                    listening = Some(AbortOnDropHandle::new(task));
                    continue;
                }
                if self.request(number, request, &out).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = reading => {}
            _ = send(messages, write) => {}
        }
        drop(listening);
        self.detach().await;
    }

    async fn detach(&self) {
        match self.shared.with_bulb(self.bulb, |bulb| bulb.detach(self.id)) {
            Some(Detached::Down(link)) => self.event(link, PeripheralEventKind::Disconnected).await,
            Some(Detached::Stays(link, unused)) => {
                for id in unused {
                    self.event(link, PeripheralEventKind::Unsubscribed(id)).await;
                }
            }
            Some(Detached::Nothing) | None => {}
        }
    }

    /// Passes an event on. Fails only if the emulation is over.
    async fn event(&self, link: u64, kind: PeripheralEventKind) {
        let _ = self.events.send(PeripheralEvent { bulb: self.bulb, link, kind }).await;
    }

    /// # Errors
    /// The other process does not read its answers.
    async fn request(&self, number: u32, request: Request, out: &mpsc::Sender<Message>) -> Result<(), ()> {
        let answer = |answer| out.try_send(Message::Answer(number, answer)).map_err(drop);
        match request {
            Request::Look => {
                let look = |bulb: &mut AirBulb| (bulb.heard(true), bulb.is_known());
                let Some((heard, known)) = self.shared.with_bulb(self.bulb, look) else { return Err(()) };
                return answer(Answer::Device { heard, known });
            }
            Request::Connect { central } => return self.connect(number, central, out).await,
            Request::Listen => return Ok(()),
            _ => {}
        }
        let link = self.shared.with_bulb(self.bulb, |bulb| bulb.link_of(self.id).map(|link| link.number));
        let Some(link) = link.flatten() else { return answer(Answer::NoLink) };
        match request {
            Request::Keep => {
                self.shared.with_bulb(self.bulb, |bulb| {
                    if let Some(link) = bulb.link_of(self.id) {
                        link.owner = None;
                    }
                });
            }
            Request::Disconnect => {
                self.shared.with_bulb(self.bulb, |bulb| bulb.end_link(None));
                self.event(link, PeripheralEventKind::Disconnected).await;
                answer(Answer::Done)?;
            }
            Request::Bond => {
                let bonds = self.shared.with_bulb(self.bulb, |bulb| {
                    let new = !bulb.bonded && bulb.served.pairing;
                    bulb.bonded |= new;
                    (bulb.bonded, new)
                });
                if let Some((true, true)) = bonds {
                    self.event(link, PeripheralEventKind::Paired).await;
                }
                let bonded = bonds.is_some_and(|(bonded, _)| bonded);
                let refused = Answer::AttError(INSUFFICIENT_AUTHENTICATION);
                answer(if bonded { Answer::Done } else { refused })?;
            }
            Request::Unsubscribe { characteristic } => {
                let last = self.shared.with_bulb(self.bulb, |bulb| {
                    let Some(link) = bulb.link_of(self.id) else { return false };
                    if let Some(attached) = link.attached.get_mut(&self.id) {
                        attached.subscribed.remove(&characteristic);
                    }
                    !link.attached.values().any(|other| other.subscribed.contains(&characteristic))
                });
                if last == Some(true) {
                    self.event(link, PeripheralEventKind::Unsubscribed(characteristic)).await;
                }
                answer(Answer::Done)?;
            }
            request => match self.refusal(&request) {
                Some(att) => answer(Answer::AttError(att))?,
                None => self.att(number, link, request, out).await,
            },
        }
        Ok(())
    }

    /// The ATT error of a request that no central of a real bulb could make; `None` if the bulb gets it.
    fn refusal(&self, request: &Request) -> Option<u8> {
        let known = |id: CharacteristicId| {
            self.shared.with_bulb(self.bulb, |bulb| bulb.served.table.characteristic(id).is_some())
        };
        match request {
            Request::Write { value, .. } if value.len() > LONGEST_VALUE => Some(INVALID_LENGTH),
            Request::Read { characteristic: id }
            | Request::Write { characteristic: id, .. }
            | Request::Subscribe { characteristic: id }
                if known(*id) != Some(true) =>
            {
                Some(INVALID_HANDLE)
            }
            _ => None,
        }
    }

    /// Passes a request on that the bulb answers.
    async fn att(&self, number: u32, link: u64, request: Request, out: &mpsc::Sender<Message>) {
        let reply = self.responder(number, out.clone());
        let kind = match request {
            Request::Discover => {
                let peer = self.clone();
                let discovered = move |answer: Reply| {
                    peer.shared.with_bulb(peer.bulb, |bulb| {
                        if let Some(link) = bulb.link_of(peer.id) {
                            link.resolved = true;
                        }
                    });
                    reply.send(answer);
                };
                PeripheralEventKind::Discover { reply: Responder::new(discovered) }
            }
            Request::Read { characteristic } => {
                PeripheralEventKind::Read { characteristic, offset: 0, reply }
            }
            Request::Subscribe { characteristic } => {
                let peer = self.clone();
                let subscribed = move |answer: Reply| {
                    if answer == Reply::Done {
                        peer.subscribed(link, characteristic);
                    }
                    reply.send(answer);
                };
                PeripheralEventKind::Subscribe { characteristic, reply: Responder::new(subscribed) }
            }
            Request::Write { characteristic, value, kind } => {
                // A command is done when it is sent.
                let reply = match kind {
                    WriteKind::Request => reply,
                    WriteKind::Command => {
                        reply.send(Reply::Done);
                        Responder::none()
                    }
                };
                PeripheralEventKind::Write { characteristic, offset: 0, value, kind: Some(kind), reply }
            }
            _ => return,
        };
        self.event(link, kind).await;
    }

    fn responder(&self, number: u32, out: mpsc::Sender<Message>) -> Responder {
        Responder::new(move |reply| {
            let answer = match reply {
                Reply::Done => Answer::Done,
                Reply::Value(value) => Answer::Value(value),
                Reply::AttError(att) => Answer::AttError(att),
            };
            // Whoever does not read has no use for an answer.
            let _ = out.try_send(Message::Answer(number, answer));
        })
    }

    fn subscribed(&self, number: u64, characteristic: CharacteristicId) {
        self.shared.with_bulb(self.bulb, |bulb| {
            let link = bulb.link_of(self.id).filter(|link| link.number == number);
            if let Some(attached) = link.and_then(|link| link.attached.get_mut(&self.id)) {
                attached.subscribed.insert(characteristic);
            }
        });
    }

    async fn connect(&self, number: u32, central: String, out: &mpsc::Sender<Message>) -> Result<(), ()> {
        let attached = Attached { out: out.clone(), subscribed: BTreeSet::new() };
        let link = self.shared.next_number();
        let outcome = self.shared.with_bulb(self.bulb, |bulb| match (&mut bulb.link, bulb.on_air) {
            (Some(link), _) if link.up => {
                link.attached.insert(self.id, attached);
                Err(bulb.link_answer(true))
            }
            (Some(_), _) => Err(Answer::Busy),
            (None, false) => {
                let interval = bulb.advertisement.interval.as_millis();
                Err(Answer::NotAdvertising { interval_ms: u64::try_from(interval).unwrap_or(u64::MAX) })
            }
            (None, true) => {
                let (owner, attached) = (Some(self.id), BTreeMap::from([(self.id, attached)]));
                bulb.link = Some(SharedLink { number: link, up: false, resolved: false, owner, attached });
                Ok(bulb.served.mtu)
            }
        });
        match outcome {
            None => Err(()),
            Some(Err(answer)) => out.try_send(Message::Answer(number, answer)).map_err(drop),
            Some(Ok(mtu)) => {
                let (peer, out) = (self.clone(), out.clone());
                let accept = move |_| peer.accepted(number, link, &out);
                let kind = PeripheralEventKind::Connected {
                    central: Central { id: DeviceId::new(central), name: None },
                    mtu: Some(mtu),
                    reply: Responder::new(accept),
                };
                self.event(link, kind).await;
                Ok(())
            }
        }
    }

    /// The bulb has accepted the link.
    fn accepted(&self, number: u32, link: u64, out: &mpsc::Sender<Message>) {
        let answer = self.shared.with_bulb(self.bulb, |bulb| {
            let shared = bulb.link.as_mut().filter(|shared| shared.number == link)?;
            shared.up = true;
            Some(bulb.link_answer(false))
        });
        if let Some(answer) = answer.flatten() {
            let _ = out.try_send(Message::Answer(number, answer));
        }
    }
}

/// Sends messages until the other process does not read them, or is gone.
async fn send(mut messages: mpsc::Receiver<Message>, mut to: OwnedWriteHalf) -> io::Result<()> {
    while let Some(message) = messages.recv().await {
        let line = line(&message)?;
        timeout(SOCKET_TIME, to.write_all(&line)).await??;
    }
    Ok(())
}

/// Sends the advertisements of a bulb to a scanner, and once that it is connected.
async fn advertise(bulb: usize, shared: Arc<Shared>, out: mpsc::Sender<Message>) {
    let mut told_connected = false;
    loop {
        let sent = shared.with_bulb(bulb, |bulb| {
            let advertises = bulb.on_air && bulb.link.is_none();
            if advertises {
                bulb.heard = Some(Instant::now());
            }
            let news = advertises || (bulb.link.is_some() && !told_connected);
            told_connected = bulb.link.is_some();
            let interval = bulb.advertisement.interval;
            let in_response = bulb.advertisement.name_in_response;
            let first = news.then(|| bulb.heard(!in_response || told_connected));
            (first, (news && in_response).then(|| bulb.heard(true)), interval)
        });
        let Some((first, response, interval)) = sent else { return };
        // A scanner that does not read loses advertisements.
        for heard in first.into_iter().chain(response) {
            let _ = out.try_send(Message::Advertisement(heard));
        }
        sleep(interval).await;
    }
}

#[cfg(test)]
mod tests;
