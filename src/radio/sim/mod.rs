//! The virtual radio: plays the bulbs of a rig file, for trying bulbctl without hardware and for tests.
//!
//! - `rig` reads rig files; fixtures/rigs/README.md specifies them.
//! - `world` is the state of all devices, without a clock and I/O.
//! - `simulation` runs a world on a clock.
//! - `connect` and `link` are the central's side.
//! - `emulated` plays a rig's bulbs for a radio in the peripheral role.
//! - `server` plays a rig's bulbs for another radio, that of the real-stack tests.
//! - `air` carries emulated bulbs between processes.
//! - `store` saves the world between commands, each of which is a process. `log` writes the air log.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use tokio::sync::{broadcast, watch};
use tokio_util::task::AbortOnDropHandle;

use super::peripheral::Peripheral;
use super::{AdapterInfo, AdapterState, ConnectRetry, Deadline, DeviceId, Link, Radio, SeenDevice};
use crate::error::{Error, Result};
use crate::files::{self, LONGEST_TEXT};
use crate::radio::retry::ATTEMPTS;
use rig::InitialAdapter;
use simulation::Simulation;
use world::DisconnectedBy;

#[cfg(unix)]
mod air;
mod connect;
pub mod emulated;
mod link;
mod log;
#[cfg(not(unix))]
mod no_air;
mod rig;
mod server;
mod simulation;
mod store;
mod world;

#[cfg(unix)]
use air::{Air, AirPeripheral};
#[cfg(not(unix))]
use no_air::Air;
pub use server::serve_bulbs;

const DESK: &str = include_str!("../../../fixtures/rigs/desk.toml");
/// The built-in rig with a bulb of each family, and its name.
const FAMILIES: &str = include_str!("../../../fixtures/rigs/families.toml");
const FAMILIES_NAME: &str = "families";

const ADAPTER: &str = "sim";

#[derive(Clone, Debug, Default)]
pub struct SimOptions {
    /// The folder of the world file. `None` for the user's state directory.
    pub dir: Option<PathBuf>,
    /// The air log, which is appended to. `None` for no log.
    pub log: Option<PathBuf>,
}

impl SimOptions {
    /// Reads `BULBCTL_SIM_DIR` and `BULBCTL_SIM_LOG`.
    pub fn from_env() -> Self {
        let path = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self { dir: path("BULBCTL_SIM_DIR"), log: path("BULBCTL_SIM_LOG") }
    }
}

/// The variable with the place of a radio among several in one world.
const PLACE: &str = "BULBCTL_SIM_PLACE";

/// Opens the virtual radio with a rig file, the default rig, or the built-in rig called `families`.
pub async fn open(rig: Option<&Path>, options: SimOptions) -> Result<Arc<dyn Radio>> {
    let (text, path) = rig_text(rig)?;
    match std::env::var(PLACE).ok().filter(|place| !place.is_empty()) {
        Some(place) => open_at(&text, &path, &place, options),
        None => open_text(&text, &path, options),
    }
}

/// Opens the virtual radio for a caller that repeats failed attempts to connect.
#[cfg(all(target_os = "linux", debug_assertions))]
pub(super) fn open_for_attempts(rig: Option<&Path>, options: SimOptions) -> Result<Arc<dyn Radio>> {
    let (text, path) = rig_text(rig)?;
    open_with(&text, &path, None, options, 1)
}

/// The text of a rig and its path.
fn rig_text(rig: Option<&Path>) -> Result<(String, String)> {
    Ok(match rig {
        None => (DESK.to_owned(), "desk.toml".to_owned()),
        Some(path) if path.as_os_str() == FAMILIES_NAME => (FAMILIES.to_owned(), "families.toml".to_owned()),
        Some(path) => (files::text(path, LONGEST_TEXT)?, path.display().to_string()),
    })
}

/// The virtual bulbs of a rig, each with the name of its profile, without opening a radio.
pub fn bulbs(rig: Option<&Path>) -> Result<Vec<(SeenDevice, String)>> {
    let (text, path) = rig_text(rig)?;
    let bulbs = rig::parse(&text, &path)?.devices.into_iter().filter_map(|device| {
        let profile = device.bulb?.virtual_bulb.profile().full_name();
        let (id, address) = (DeviceId::new(device.address.to_string()), Some(device.address));
        Some((SeenDevice { id, address, name: device.advert.name, ..SeenDevice::default() }, profile))
    });
    Ok(bulbs.collect())
}

/// Opens the virtual radio with the text of a rig. `path` is its name in messages; its folder holds the profile files
/// that the rig names.
pub fn open_text(text: &str, path: &str, options: SimOptions) -> Result<Arc<dyn Radio>> {
    open_with(text, path, None, options, ATTEMPTS)
}

/// Opens the virtual radio of one computer of several. They share the bulbs, but not the adapter: each has links and signals
/// of its own, and bulbs have a link to any number of them.
pub fn open_at(text: &str, path: &str, place: &str, options: SimOptions) -> Result<Arc<dyn Radio>> {
    open_with(text, path, Some(place), options, ATTEMPTS)
}

fn open_with(
    text: &str,
    path: &str,
    place: Option<&str>,
    options: SimOptions,
    attempts: u32,
) -> Result<Arc<dyn Radio>> {
    let mut rig = rig::parse(text, path)?;
    if let Some(place) = place {
        rig.move_to(place);
    }
    tracing::debug!("rig {path}: {}", rig.about);
    check_usable(rig.adapter)?;
    let store = store::Store::new(options.dir, &format!("{text}{}", rig.profiles), rig.about.clone());
    let log = options.log.as_deref().and_then(|path| log::Log::open(path, place));
    let simulation = Simulation::new(rig, place.is_some(), store, log);
    Ok(Arc::new(SimRadio::new(Arc::new(simulation), attempts)))
}

/// Opens the air of a rig, to put bulbs on it. See [`open`] for the rig.
#[cfg(unix)]
pub fn open_peripheral(rig: Option<&Path>, options: SimOptions) -> Result<Arc<dyn Peripheral>> {
    let (text, path) = rig_text(rig)?;
    let rig = rig::parse(&text, &path)?;
    check_usable(rig.adapter)?;
    if rig.adapter == InitialAdapter::Off {
        return Err(Error::AdapterOff { adapter: ADAPTER.to_owned() });
    }
    let store = store::Store::new(options.dir, &format!("{text}{}", rig.profiles), rig.about);
    let folder = store.air_folder().ok_or_else(|| Error::CannotAdvertise {
        adapter: ADAPTER.to_owned(),
        detail: "you have no state folder; set BULBCTL_SIM_DIR".to_owned(),
    })?;
    let label =
        |device: &rig::DeviceSpec| device.advert.name.clone().unwrap_or_else(|| "a device".to_owned());
    let taken = rig.devices.iter().map(|device| (device.address, label(device))).collect();
    Ok(Arc::new(AirPeripheral::new(folder, taken)))
}

#[cfg(not(unix))]
pub fn open_peripheral(_rig: Option<&Path>, _options: SimOptions) -> Result<Arc<dyn Peripheral>> {
    Err(Error::CannotAdvertise {
        adapter: ADAPTER.to_owned(),
        detail: "bulbs for other programs need Unix sockets, which this system does not have".to_owned(),
    })
}

/// Returns a real radio's error if Bluetooth is unusable, with the details that BlueZ and D-Bus give.
fn check_usable(adapter: InitialAdapter) -> Result<()> {
    Err(match adapter {
        InitialAdapter::On | InitialAdapter::Off => return Ok(()),
        InitialAdapter::Blocked => Error::AdapterBlocked { adapter: ADAPTER.to_owned(), hard: false },
        InitialAdapter::Absent => Error::AdapterNone,
        InitialAdapter::NoService => Error::ServiceDown,
        InitialAdapter::NoBus => Error::NoBus {
            detail: "Failed to connect to socket /run/dbus/system_bus_socket: No such file or directory"
                .to_owned(),
        },
        InitialAdapter::Denied => {
            Error::Denied { detail: "Rejected send message, 2 matched rules".to_owned() }
        }
    })
}

#[derive(Debug)]
struct SimRadio {
    simulation: Arc<Simulation>,
    /// The bulbs that other processes emulate.
    air: Air,
    attempts: u32,
    /// The world has been saved.
    closed: AtomicBool,
    _schedule: AbortOnDropHandle<()>,
    _sync: AbortOnDropHandle<()>,
}

impl SimRadio {
    fn new(simulation: Arc<Simulation>, attempts: u32) -> Self {
        let (schedule, sync) = (simulation.clone(), simulation.clone());
        let air = Air::new(simulation.air_folder(), simulation.seen_sender());
        Self {
            simulation,
            air,
            attempts,
            closed: AtomicBool::new(false),
            _schedule: AbortOnDropHandle::new(tokio::spawn(async move { schedule.run().await })),
            _sync: AbortOnDropHandle::new(tokio::spawn(async move { sync.run_sync().await })),
        }
    }

    fn end_links(&self) {
        for link in self.simulation.owned_links() {
            self.simulation.with_world(|world, now| world.disconnect(link, DisconnectedBy::Central, now));
        }
    }
}

#[async_trait]
impl Radio for SimRadio {
    fn adapter(&self) -> AdapterInfo {
        AdapterInfo { name: ADAPTER.to_owned(), address: None }
    }

    fn link_limit(&self) -> usize {
        self.simulation.with_world(|world, _| world.link_limit())
    }

    fn adapter_state(&self) -> watch::Receiver<AdapterState> {
        self.simulation.adapter()
    }

    fn seen_devices(&self) -> broadcast::Receiver<SeenDevice> {
        self.simulation.seen_devices()
    }

    fn connect_retries(&self) -> broadcast::Receiver<ConnectRetry> {
        self.simulation.attempts.subscribe()
    }

    async fn start_scan(&self) -> Result<()> {
        let on = self.simulation.with_world(|world, now| {
            world.start_scan(now);
            world.adapter_on()
        });
        if on {
            self.air.start_scan();
        }
        if on { Ok(()) } else { Err(Error::AdapterOff { adapter: ADAPTER.to_owned() }) }
    }

    async fn stop_scan(&self) -> Result<()> {
        self.air.stop_scan();
        self.simulation.with_world(|world, _| world.stop_scan());
        Ok(())
    }

    async fn known_devices(&self) -> Result<Vec<SeenDevice>> {
        let mut known = self.simulation.known();
        known.extend(self.air.known().await);
        Ok(known)
    }

    async fn connect(&self, device: &DeviceId, deadline: Deadline) -> Result<Arc<dyn Link>> {
        if let Some(address) = self.air.find(device) {
            let retries = &self.simulation.attempts;
            return self.air.connect(address, deadline, self.attempts, retries).await;
        }
        Ok(connect::connect(&self.simulation, device, deadline, self.attempts).await?)
    }

    async fn close(&self) {
        self.air.stop_scan();
        self.air.end_links();
        self.simulation.with_world(|world, _| world.stop_scan());
        self.end_links();
        self.simulation.sync().await;
        self.closed.store(true, Ordering::Relaxed);
    }
}

impl Drop for SimRadio {
    fn drop(&mut self) {
        self.end_links();
        if !self.closed.load(Ordering::Relaxed) {
            self.simulation.sync_at_end();
        }
    }
}
