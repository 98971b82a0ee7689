//! The virtual radio: bulbs that a rig file describes, for trying everything without hardware and for tests.
//!
//! - `rig` is what the file says; fixtures/rigs/README.md specifies it.
//! - `world` is what is the case: a state machine without clock and I/O.
//! - `air` has the clock: it carries out what happens in the world, and owns our side of the links.
//! - `connect` and `link` are what a central sees.
//! - `store` keeps the world between commands, each of which is a process of its own; `log` is the air log.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{broadcast, watch};
use tokio_util::task::AbortOnDropHandle;

use super::{AdapterInfo, AdapterState, ConnectRetry, Deadline, DeviceId, Link, Radio, SeenDevice};
use crate::error::{Error, Result};
use air::Air;
use rig::Start;
use world::By;

mod air;
mod connect;
mod link;
mod log;
mod rig;
mod store;
mod world;

/// The rig that is played where none is named.
const DESK: &str = include_str!("../../../fixtures/rigs/desk.toml");
/// The built-in rig of the families that people own, and what it is called.
const FAMILIES: &str = include_str!("../../../fixtures/rigs/families.toml");
const FAMILIES_NAME: &str = "families";

/// The name of the virtual adapter.
const ADAPTER: &str = "sim";

/// Where the virtual radio keeps things.
#[derive(Clone, Debug, Default)]
pub struct SimOptions {
    /// Where the world is kept between commands; absent for the user's state directory.
    pub dir: Option<PathBuf>,
    /// Where the air log goes; absent for none. Appended to.
    pub log: Option<PathBuf>,
}

impl SimOptions {
    /// From `BULBCTL_SIM_DIR` and `BULBCTL_SIM_LOG`.
    #[must_use]
    pub fn from_env() -> Self {
        let path = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self { dir: path("BULBCTL_SIM_DIR"), log: path("BULBCTL_SIM_LOG") }
    }
}

/// Opens the virtual radio: a rig file's, that of the built-in rig, or that of the other one, which is called `families`.
///
/// # Errors
/// [`Error::FileUnreadable`], [`Error::RigInvalid`], and what a real radio gives where the rig says that Bluetooth is
/// unusable.
pub async fn open(rig: Option<&Path>, options: SimOptions) -> Result<Arc<dyn Radio>> {
    let (text, path) = match rig {
        None => (DESK.to_owned(), "desk.toml".to_owned()),
        Some(path) if path.as_os_str() == FAMILIES_NAME => (FAMILIES.to_owned(), "families.toml".to_owned()),
        Some(path) => (read(path)?, path.display().to_string()),
    };
    open_text(&text, &path, options)
}

/// As [`open`], of a rig's text. `path` is what it is called, and its folder is where profile files of the rig are.
///
/// # Errors
/// [`Error::RigInvalid`], and what a real radio gives where the rig says that Bluetooth is unusable.
pub fn open_text(text: &str, path: &str, options: SimOptions) -> Result<Arc<dyn Radio>> {
    let rig = rig::parse(text, path)?;
    tracing::debug!("rig {path}: {}", rig.about);
    usable(rig.adapter)?;
    let store = store::Store::new(options.dir, &format!("{text}{}", rig.profiles), rig.about.clone());
    let log = options.log.as_deref().and_then(log::Log::open);
    Ok(Arc::new(SimRadio::new(Arc::new(Air::new(rig, store, log)))))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| Error::FileUnreadable {
        path: path.display().to_string(),
        detail: error.to_string(),
    })
}

/// What a real radio says where Bluetooth is unusable, in the words that BlueZ and D-Bus have for it.
fn usable(start: Start) -> Result<()> {
    Err(match start {
        Start::On | Start::Off => return Ok(()),
        Start::Blocked => Error::AdapterBlocked { adapter: ADAPTER.to_owned(), hard: false },
        Start::Absent => Error::AdapterNone,
        Start::NoService => Error::ServiceDown,
        Start::NoBus => Error::NoBus {
            detail: "Failed to connect to socket /run/dbus/system_bus_socket: No such file or directory"
                .to_owned(),
        },
        Start::Denied => Error::Denied { detail: "Rejected send message, 2 matched rules".to_owned() },
    })
}

/// The virtual radio. Its tasks end with it.
#[derive(Debug)]
struct SimRadio {
    air: Arc<Air>,
    _clock: AbortOnDropHandle<()>,
    _keeper: AbortOnDropHandle<()>,
}

impl SimRadio {
    fn new(air: Arc<Air>) -> Self {
        let (clock, keeper) = (air.clone(), air.clone());
        Self {
            air,
            _clock: AbortOnDropHandle::new(tokio::spawn(async move { clock.run().await })),
            _keeper: AbortOnDropHandle::new(tokio::spawn(async move { keeper.keep().await })),
        }
    }

    fn end_links(&self) {
        for link in self.air.ours() {
            self.air.act(|world, now| world.end(link, By::Central, now));
        }
    }
}

#[async_trait]
impl Radio for SimRadio {
    fn adapter(&self) -> AdapterInfo {
        AdapterInfo { name: ADAPTER.to_owned(), address: None }
    }

    /// The virtual controller has a slot for every bulb of the rig.
    fn link_limit(&self) -> usize {
        usize::MAX
    }

    fn adapter_state(&self) -> watch::Receiver<AdapterState> {
        self.air.adapter()
    }

    fn seen_devices(&self) -> broadcast::Receiver<SeenDevice> {
        self.air.seen_devices()
    }

    fn attempts(&self) -> broadcast::Receiver<ConnectRetry> {
        self.air.attempts.subscribe()
    }

    async fn start_scan(&self) -> Result<()> {
        let on = self.air.act(|world, now| {
            world.start_scan(now);
            world.adapter_on()
        });
        if on { Ok(()) } else { Err(Error::AdapterOff { adapter: ADAPTER.to_owned() }) }
    }

    async fn stop_scan(&self) -> Result<()> {
        self.air.act(|world, _| world.stop_scan());
        Ok(())
    }

    async fn known(&self) -> Result<Vec<SeenDevice>> {
        Ok(self.air.known())
    }

    async fn connect(&self, device: &DeviceId, deadline: Deadline) -> Result<Arc<dyn Link>> {
        Ok(connect::connect(&self.air, device, deadline).await?)
    }

    async fn close(&self) {
        self.air.act(|world, _| world.stop_scan());
        self.end_links();
        self.air.flush().await;
    }
}

impl Drop for SimRadio {
    fn drop(&mut self) {
        self.end_links();
        self.air.flush_now();
    }
}
