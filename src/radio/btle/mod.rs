//! The real radio: the system's Bluetooth. Through btleplug on macOS and Windows; on Linux through BlueZ's own D-Bus
//! interface, or through btleplug where `btleplug` is named as the adapter, so that both can be held against each other.
//!
//! - `system` is the seam between the two: `bluez` and `plug`.
//! - `shared` gathers what the system tells: the `registry` of devices, the adapter's state, what becomes of links.
//! - `scan` starts and ends the scan, and starts it anew where nothing is heard.
//! - `connect` makes a link of a device, `link` does what is asked of it, `disconnects` ends it.
//! - `fault` tells what the system's refusals mean.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{broadcast, watch};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::{
    AdapterInfo, AdapterState, ConnectRetry, Deadline, DeviceDetails, DeviceId, Diagnosis, Link, Radio,
    SeenDevice,
};
use crate::error::{Error, Operation, Result};

mod adapter_choice;
#[cfg(target_os = "linux")]
mod bluez;
mod connect;
mod disconnect_queue;
mod link;
mod platform_error;
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

/// How long opening may take. It is some round trips over a local socket; a bus that hangs must not hang us.
const OPEN_TIME: Duration = Duration::from_secs(5);
/// How long closing may take at the worst.
const CLOSE_TIME: Duration = Duration::from_millis(1500);

#[cfg(test)]
mod tests;

/// What opening an adapter gives.
struct Opened {
    info: AdapterInfo,
    shared: Arc<SharedState>,
    system: Arc<dyn System>,
}

/// Opens an adapter: by its name or its address in any spelling; without either, the first powered one in the order of
/// names. An adapter that was asked for may be off: scanning and connecting tell. `btleplug`, or `btleplug:` and a name
/// or an address, goes through btleplug also where something better is at hand.
///
/// # Errors
/// There is no bus, no service, or it may not be used; there is no such adapter, or none that is powered.
pub async fn open(wanted: Option<&str>) -> Result<Arc<dyn Radio>> {
    let opened = match through_btleplug(wanted) {
        Some(wanted) => opened_in_time(plug::open(wanted)).await?,
        None => opened_in_time(native(wanted)).await?,
    };
    Ok(Arc::new(BtleRadio::new(opened)))
}

/// Looks at the system's Bluetooth without using it. `wanted` is the adapter that would be opened.
pub async fn diagnose(wanted: Option<&str>) -> Diagnosis {
    let looking = async {
        match through_btleplug(wanted) {
            Some(wanted) => plug::diagnose(wanted).await,
            None => native_diagnose(wanted).await,
        }
    };
    match timeout(OPEN_TIME, looking).await {
        Ok(diagnosis) => diagnosis,
        Err(_) => Diagnosis { fault: Some(silent()), ..Diagnosis::default() },
    }
}

#[cfg(target_os = "linux")]
use bluez::{diagnose as native_diagnose, open as native};
#[cfg(not(target_os = "linux"))]
use plug::{diagnose as native_diagnose, open as native};

/// Which adapter is to be reached through btleplug, if that is asked for.
fn through_btleplug(wanted: Option<&str>) -> Option<Option<&str>> {
    match wanted?.strip_prefix("btleplug")? {
        "" => Some(None),
        rest => rest.strip_prefix(':').map(Some),
    }
}

async fn opened_in_time(opening: impl Future<Output = Result<Opened>>) -> Result<Opened> {
    match timeout(OPEN_TIME, opening).await {
        Ok(opened) => opened,
        Err(_) => Err(silent()),
    }
}

fn silent() -> Error {
    Error::ServiceSilent { detail: format!("no answer within {OPEN_TIME:?} when it was opened") }
}

fn open_error(fault: &PlatformError) -> Error {
    let context = Context { adapter: "", device: "", rssi: None, waited: OPEN_TIME };
    fault.error(&Operation::QueryService, context)
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

    fn adapter_state(&self) -> watch::Receiver<AdapterState> {
        self.radio.shared.adapter()
    }

    fn seen_devices(&self) -> broadcast::Receiver<SeenDevice> {
        self.radio.shared.seen_devices()
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

    async fn known_devices(&self) -> Result<Vec<SeenDevice>> {
        if self.radio.shared.adapter_now() == AdapterState::Absent {
            self.radio.check_adapter().await?;
        }
        let late = |_| PlatformError::new("org.freedesktop.DBus.Error.NoReply", "no answer");
        Deadline::after(OPEN_TIME)
            .run(self.radio.system.refresh(), late)
            .await
            .map_err(|fault| open_error(&fault))?;
        Ok(self.radio.shared.known())
    }

    async fn details(&self, device: &DeviceId) -> Result<DeviceDetails> {
        let late = |_| PlatformError::new("org.freedesktop.DBus.Error.NoReply", "no answer");
        let asked = Deadline::after(OPEN_TIME).run(self.radio.system.details(device), late);
        asked.await.map_err(|fault| open_error(&fault))
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
        // The scan is not worth an error here: it ends with our connection to the service.
        let both = async { tokio::join!(self.stop_scan(), self.radio.disconnects.flush()) };
        if timeout(CLOSE_TIME, both).await.is_err() {
            tracing::debug!("closing took longer than {CLOSE_TIME:?}");
        }
    }
}
