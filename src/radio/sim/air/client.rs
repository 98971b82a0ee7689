//! The centrals' side of the air: finds the bulbs that other processes emulate.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use futures::future::join_all;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::sync::broadcast;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::link::AirLink;
use super::{
    Answer, Heard, LONGEST_LINE, Message, NumberedRequest, Request, SOCKET_TIME, connect, line, socket,
};
use crate::error::Result;
use crate::lines::Lines;
use crate::radio::retry::ConnectRetries;
use crate::radio::{Address, Deadline, DeviceId, Link, LinkState, SeenDevice, SeenTimes, lock};

/// The most bulbs of other processes.
const BULBS: usize = 256;
/// The interval at which a scan looks for new bulbs.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The bulbs that other processes emulate.
#[derive(Debug)]
pub(in crate::radio::sim) struct Air {
    /// `None` if the user has no home directory.
    folder: Option<PathBuf>,
    seen: broadcast::Sender<SeenDevice>,
    devices: Arc<Mutex<BTreeMap<Address, SeenDevice>>>,
    scan: Mutex<Option<AbortOnDropHandle<()>>>,
    links: Mutex<BTreeMap<Address, Weak<AirLink>>>,
}

impl Air {
    pub(in crate::radio::sim) fn new(folder: Option<PathBuf>, seen: broadcast::Sender<SeenDevice>) -> Self {
        Self { folder, seen, devices: Arc::default(), scan: Mutex::default(), links: Mutex::default() }
    }

    pub(in crate::radio::sim) fn start_scan(&self) {
        let Some(folder) = self.folder.clone() else { return };
        let mut scan = lock(&self.scan);
        if scan.as_ref().is_none_or(AbortOnDropHandle::is_finished) {
            let (devices, seen) = (Arc::clone(&self.devices), self.seen.clone());
            *scan = Some(AbortOnDropHandle::new(tokio::spawn(self::scan(folder, devices, seen))));
        }
    }

    pub(in crate::radio::sim) fn stop_scan(&self) {
        lock(&self.scan).take();
    }

    /// The bulbs that the system knows.
    pub(in crate::radio::sim) async fn known(&self) -> Vec<SeenDevice> {
        let Some(folder) = &self.folder else { return Vec::new() };
        let looks = addresses(folder).into_iter().map(|address| async move {
            let asked = timeout(SOCKET_TIME, look(socket(folder, address))).await.ok().flatten();
            Some((address, asked?))
        });
        let found = join_all(looks).await.into_iter().flatten();
        found.map(|(address, heard)| note(&self.devices, address, heard, false)).collect()
    }

    /// The address of a device that another process emulates.
    pub(in crate::radio::sim) fn find(&self, device: &DeviceId) -> Option<Address> {
        let address = device.as_str().parse().ok()?;
        socket(self.folder.as_ref()?, address).exists().then_some(address)
    }

    /// Connects to a bulb that was [found](Self::find).
    pub(in crate::radio::sim) async fn connect(
        &self,
        address: Address,
        deadline: Deadline,
        attempts: u32,
        retries: &ConnectRetries,
    ) -> Result<Arc<dyn Link>> {
        let ours = lock(&self.links).get(&address).and_then(Weak::upgrade);
        if let Some(ours) = ours.filter(|link| *link.state().borrow() == LinkState::Up) {
            return Ok(ours);
        }
        let device = lock(&self.devices).get(&address).cloned();
        let device = device.unwrap_or_else(|| SeenDevice {
            id: DeviceId::new(address.to_string()),
            address: Some(address),
            ..SeenDevice::default()
        });
        let folder = self.folder.clone().unwrap_or_default();
        let link = connect::connect(socket(&folder, address), &device, deadline, attempts, retries).await?;
        let mut links = lock(&self.links);
        links.retain(|_, link| link.strong_count() > 0);
        links.insert(address, Arc::downgrade(&link));
        Ok(link)
    }

    /// Ends the links that are not kept.
    pub(in crate::radio::sim) fn end_links(&self) {
        let links: Vec<_> = lock(&self.links).values().filter_map(Weak::upgrade).collect();
        for link in links {
            link.give_up();
        }
    }
}

/// The addresses of the sockets in a folder. Those of dead processes are among them.
fn addresses(folder: &std::path::Path) -> Vec<Address> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let addresses = entries.flatten().filter_map(|entry| {
        let name = entry.file_name();
        name.to_str()?.strip_suffix(".sock")?.parse().ok()
    });
    addresses.take(BULBS).collect()
}

/// Adds what was heard of a device to what is known of it.
fn note(
    devices: &Mutex<BTreeMap<Address, SeenDevice>>,
    address: Address,
    heard: Heard,
    advertised: bool,
) -> SeenDevice {
    let mut devices = lock(devices);
    let device = devices.entry(address).or_default();
    device.id = DeviceId::new(address.to_string());
    device.address = Some(address);
    device.connected = heard.connected;
    if heard.name.is_some() {
        device.name = heard.name;
    }
    if heard.rssi.is_some() {
        device.services = heard.services;
        device.manufacturer = heard.manufacturer;
        device.service_data = heard.service_data;
    }
    if advertised && !heard.connected {
        let now = Instant::now();
        device.rssi = heard.rssi;
        device.seen = Some(SeenTimes { first: device.seen.map_or(now, |seen| seen.first), last: now });
    }
    device.clone()
}

/// Asks a bulb what it advertises; `None` if the system does not know it.
async fn look(path: PathBuf) -> Option<Heard> {
    let mut stream = UnixStream::connect(path).await.ok()?;
    let request = NumberedRequest { number: 0, request: Request::Look };
    stream.write_all(&line(&request).ok()?).await.ok()?;
    let answer = Lines::up_to(LONGEST_LINE, stream).next().await.ok()??.text.ok()?;
    match serde_json::from_str(&answer).ok()? {
        Message::Answer(_, Answer::Device { heard, known: true }) => Some(heard),
        _ => None,
    }
}

/// Listens to every bulb, also to those that come later.
async fn scan(
    folder: PathBuf,
    devices: Arc<Mutex<BTreeMap<Address, SeenDevice>>>,
    seen: broadcast::Sender<SeenDevice>,
) {
    let mut listeners = JoinSet::new();
    let mut heard = BTreeSet::new();
    loop {
        while let Some(ended) = listeners.try_join_next() {
            if let Ok(address) = ended {
                heard.remove(&address);
            }
        }
        for address in addresses(&folder) {
            if heard.insert(address) {
                let (path, devices, seen) = (socket(&folder, address), Arc::clone(&devices), seen.clone());
                listeners.spawn(async move {
                    listen(path, address, &devices, &seen).await;
                    address
                });
            }
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Passes the advertisements of a bulb on until its process ends.
async fn listen(
    path: PathBuf,
    address: Address,
    devices: &Mutex<BTreeMap<Address, SeenDevice>>,
    seen: &broadcast::Sender<SeenDevice>,
) -> Option<()> {
    let connected = timeout(SOCKET_TIME, UnixStream::connect(path)).await.ok()?;
    let mut stream = connected.ok()?;
    let request = NumberedRequest { number: 0, request: Request::Listen };
    stream.write_all(&line(&request).ok()?).await.ok()?;
    let mut lines = Lines::up_to(LONGEST_LINE, stream);
    while let Some(line) = lines.next().await.ok()? {
        if let Ok(Message::Advertisement(heard)) = serde_json::from_str(&line.text.ok()?) {
            // Having no receiver is no error.
            let _ = seen.send(note(devices, address, heard, true));
        }
    }
    Some(())
}
