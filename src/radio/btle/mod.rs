//! The system's Bluetooth as a radio. On Linux it uses BlueZ's D-Bus interface; on macOS and
//! Windows, and with `--adapter btleplug`, it uses btleplug.
//!
//! - `system` is the interface to the platform. `bluez` and `plug` implement it.
//! - `shared` holds the state: the `registry` of devices, the adapter, and the links.
//! - `scan` starts and stops the scan, and restarts it if nothing is received.
//! - `connect` makes links, `link` runs requests on them, and `disconnect_queue` ends them.
//! - `platform_error` classifies the errors of the platform.
//! - `playable` says what a bulb can do through the GATT server of BlueZ.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{broadcast, watch};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::peripheral::Peripheral;
use super::{
    AdapterInfo, AdapterState, ConnectRetry, Deadline, DeviceDetails, DeviceId, Diagnosis, Link, Radio,
    SeenDevice, Wanted,
};
use crate::error::{Error, Operation, Result};

mod adapter_choice;
#[cfg(target_os = "linux")]
mod bluez;
mod connect;
mod disconnect_queue;
mod link;
mod platform_error;
pub mod playable;
mod plug;
mod registry;
mod scan;
mod shared;
mod subscriptions;
mod system;

use disconnect_queue::DisconnectQueue;
use link::RadioHandle;
use platform_error::{Context, PlatformError};
use scan::Scan;
use shared::SharedState;
use system::System;

/// Time limit for opening. It needs a few round trips over a local socket.
const OPEN_TIME: Duration = Duration::from_secs(5);
const CLOSE_TIME: Duration = Duration::from_millis(1500);

#[cfg(test)]
mod tests;

struct Opened {
    info: AdapterInfo,
    shared: Arc<SharedState>,
    system: Arc<dyn System>,
}

/// Opens an adapter by name or address, or the first powered one by name. A named adapter may be
/// off; scanning and connecting then fail. `btleplug`, optionally with `:` and a name or an
/// address, forces btleplug.
pub async fn open(wanted: Option<&str>) -> Result<Arc<dyn Radio>> {
    let opened = match through_btleplug(wanted) {
        Some(wanted) => opened_in_time(plug::open(wanted)).await?,
        None => opened_in_time(native(wanted)).await?,
    };
    Ok(Arc::new(BtleRadio::new(opened)))
}

/// Opens an adapter in the peripheral role, chosen as by [`open`].
///
/// # Errors
/// Only BlueZ has this role: other systems, and btleplug, give [`Error::CannotAdvertise`].
pub async fn open_peripheral(wanted: Option<&str>) -> Result<Arc<dyn Peripheral>> {
    match through_btleplug(wanted) {
        Some(wanted) => Err(Error::CannotAdvertise {
            adapter: wanted.unwrap_or("btleplug").to_owned(),
            detail: "btleplug has only the central role".to_owned(),
        }),
        None => native_peripheral(wanted).await,
    }
}

#[cfg(target_os = "linux")]
use bluez::open_peripheral as native_peripheral;

#[cfg(not(target_os = "linux"))]
async fn native_peripheral(wanted: Option<&str>) -> Result<Arc<dyn Peripheral>> {
    Err(Error::CannotAdvertise {
        adapter: wanted.unwrap_or("this computer").to_owned(),
        detail: "bulbctl can be a bulb only through BlueZ, on Linux".to_owned(),
    })
}

/// Opens the virtual radio as btleplug would on another system: `macos` or `windows`. For tests of what these
/// systems do differently, so no release has it.
#[cfg(all(target_os = "linux", debug_assertions))]
pub async fn open_played(
    system: &str,
    rig: Option<std::path::PathBuf>,
    options: super::sim::SimOptions,
) -> Result<Arc<dyn Radio>> {
    let system =
        system.parse().map_err(|()| Error::Internal(format!("no such system is played: {system}")))?;
    let opened = opened_in_time(plug::open_on(plug::Played { system, rig, options }, None)).await?;
    Ok(Arc::new(BtleRadio::new(opened)))
}

/// Examines the Bluetooth of the system without using it. `wanted` is the adapter that [`open`]
/// would open. At the deadline, or after the time to open one, what is known at that time counts.
pub async fn diagnose(wanted: Option<&str>, deadline: Deadline) -> Diagnosis {
    let deadline = deadline.within(OPEN_TIME);
    match through_btleplug(wanted) {
        Some(wanted) => plug::diagnose(wanted, deadline).await,
        None => native_diagnose(wanted, deadline).await,
    }
}

#[cfg(target_os = "linux")]
use bluez::{diagnose as native_diagnose, open as native};
#[cfg(not(target_os = "linux"))]
use plug::{diagnose as native_diagnose, open as native};

fn through_btleplug(wanted: Option<&str>) -> Option<Option<&str>> {
    match wanted?.strip_prefix("btleplug")? {
        "" => Some(None),
        rest => rest.strip_prefix(':').map(Some),
    }
}

async fn opened_in_time<T>(opening: impl Future<Output = Result<T>>) -> Result<T> {
    match timeout(OPEN_TIME, opening).await {
        Ok(opened) => opened,
        Err(_) => Err(silent(OPEN_TIME)),
    }
}

fn silent(waited: Duration) -> Error {
    Error::ServiceSilent { detail: format!("no answer within {waited:.1?} when it was opened") }
}

fn open_error(error: &PlatformError) -> Error {
    let context = Context { adapter: "", device: "", rssi: None, waited: OPEN_TIME };
    error.to_error(&Operation::QueryService, context)
}

#[derive(Debug)]
struct BtleRadio {
    info: AdapterInfo,
    radio: RadioHandle,
    scan: Arc<Scan>,
    _tasks: [AbortOnDropHandle<()>; 2],
}

impl BtleRadio {
    fn new(opened: Opened) -> Self {
        let Opened { info, shared, system } = opened;
        let (disconnects, task) = DisconnectQueue::start(system.clone());
        let radio = RadioHandle { adapter: info.name.clone(), system, shared, disconnects };
        let scan = Arc::new(Scan::new(radio.clone()));
        let watchdog = AbortOnDropHandle::new(tokio::spawn(Arc::clone(&scan).watch()));
        Self { info, radio, scan, _tasks: [task, watchdog] }
    }
}

#[async_trait]
impl Radio for BtleRadio {
    fn adapter(&self) -> AdapterInfo {
        self.info.clone()
    }

    fn keeps_links(&self) -> bool {
        self.radio.system.keeps_links()
    }

    fn adapter_state(&self) -> watch::Receiver<AdapterState> {
        self.radio.shared.adapter()
    }

    fn seen_devices(&self) -> broadcast::Receiver<SeenDevice> {
        self.radio.shared.seen_devices()
    }

    fn prefer(&self, wanted: Wanted) {
        self.radio.shared.prefer(wanted);
    }

    fn connect_retries(&self) -> broadcast::Receiver<ConnectRetry> {
        self.radio.shared.attempts.subscribe()
    }

    async fn start_scan(&self) -> Result<()> {
        self.scan.start().await
    }

    async fn stop_scan(&self) -> Result<()> {
        self.scan.stop().await
    }

    async fn check_adapter(&self) -> Result<()> {
        self.radio.check_adapter().await
    }

    async fn known_devices(&self) -> Result<Vec<SeenDevice>> {
        if self.radio.shared.adapter_now() == AdapterState::Absent {
            self.radio.check_adapter().await?;
        }
        let late = |_| PlatformError::new("org.freedesktop.DBus.Error.NoReply", "no answer");
        Deadline::after(OPEN_TIME)
            .run(self.radio.system.refresh(), late)
            .await
            .map_err(|error| open_error(&error))?;
        Ok(self.radio.shared.known())
    }

    async fn details(&self, device: &DeviceId) -> Result<DeviceDetails> {
        let late = |_| PlatformError::new("org.freedesktop.DBus.Error.NoReply", "no answer");
        let asked = Deadline::after(OPEN_TIME).run(self.radio.system.details(device), late);
        asked.await.map_err(|error| open_error(&error))
    }

    async fn connect(&self, device: &DeviceId, deadline: Deadline) -> Result<Arc<dyn Link>> {
        self.radio.check_adapter().await?;
        Ok(connect::connect(&self.radio, device, deadline).await?)
    }

    async fn close(&self) {
        for link in self.radio.shared.links() {
            if link.ends_with_us() {
                link.give_up();
            }
        }
        // An error here does not matter: the scan ends with the connection to the service.
        let both = async { tokio::join!(self.stop_scan(), self.radio.disconnects.flush()) };
        if timeout(CLOSE_TIME, both).await.is_err() {
            tracing::debug!("closing took longer than {CLOSE_TIME:?}");
        }
    }
}
