//! The real radio: the system's Bluetooth. Through btleplug on macOS and Windows; on Linux through BlueZ's own D-Bus
//! interface, or through btleplug where `btleplug` is named as the adapter, so that both can be held against each other.
//!
//! - `system` is the seam between the two: `bluez` and `plug`.
//! - `hub` gathers what the system tells: the `registry` of devices, the adapter's state, what becomes of links.
//! - `connect` makes a link of a device, `link` does what is asked of it, `janitor` ends it.
//! - `fault` tells what the system's refusals mean.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Mutex, broadcast, watch};
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::{
    AdapterInfo, AdapterState, Attempt, Deadline, Details, DeviceId, Diagnosis, Link, Radio, Report,
};
use crate::error::{Error, Result};

#[cfg(target_os = "linux")]
mod bluez;
mod choose;
mod connect;
mod fault;
mod hub;
mod janitor;
mod link;
mod plug;
mod registry;
mod system;
mod values;

use choose::Block;
use fault::{Context, Fault, Meaning, Operation};
use hub::Hub;
use janitor::Janitor;
use link::Tools;
use system::System;

/// How long opening may take. It is some round trips over a local socket; a bus that hangs must not hang us.
const OPEN_TIME: Duration = Duration::from_secs(5);
/// How long the start or the end of a scan may take. BlueZ answers when the controller has.
const SCAN_TIME: Duration = Duration::from_secs(5);
/// For how long a scan that the adapter is too busy for is asked for again: where another program is about to start or end one it
/// is a moment, but the kernel goes on with the scan of a bluetoothd that was killed for ten seconds (`DISCOV_LE_TIMEOUT`), and
/// lets the next bluetoothd start none meanwhile.
const BUSY_TIME: Duration = Duration::from_secs(12);
/// How long is waited in between: at first, and at the most.
const SCAN_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_SCAN_PAUSE: Duration = Duration::from_secs(1);
/// How long closing may take at the worst.
const CLOSE_TIME: Duration = Duration::from_millis(1500);

#[cfg(test)]
mod tests;

/// What opening an adapter gives.
struct Opened {
    info: AdapterInfo,
    hub: Arc<Hub>,
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

fn open_error(fault: &Fault) -> Error {
    let context = Context { adapter: "", device: "", rssi: None, doing: "open", waited: OPEN_TIME };
    fault.error(Operation::Ask, context)
}

#[derive(Debug)]
struct BtleRadio {
    info: AdapterInfo,
    tools: Tools,
    /// Whose turn it is to start or end the scan.
    scan: Mutex<()>,
    _janitor: AbortOnDropHandle<()>,
}

impl BtleRadio {
    fn new(opened: Opened) -> Self {
        let Opened { info, hub, system } = opened;
        let (janitor, task) = Janitor::start(system.clone());
        let tools = Tools { adapter: info.name.clone(), system, hub, janitor };
        Self { info, tools, scan: Mutex::new(()), _janitor: task }
    }

    /// Starts or ends the scan, again while the adapter is busy.
    async fn scan(&self, operation: Operation) -> Result<()> {
        let patience = Deadline::after(BUSY_TIME);
        let mut pause = SCAN_PAUSE;
        loop {
            let asked = async {
                match operation {
                    Operation::StopScan => self.tools.system.stop_scan().await,
                    _ => self.tools.system.start_scan().await,
                }
            };
            let late = |_| Fault::new("org.freedesktop.DBus.Error.NoReply", "no answer");
            let Err(fault) = Deadline::after(SCAN_TIME).run(asked, late).await else { return Ok(()) };
            let again = match fault.meaning(operation) {
                Meaning::Done => return Ok(()),
                Meaning::Again => true,
                // A bluetoothd that has just begun says that the adapter is on before it is ready.
                Meaning::Off => self.tools.hub.adapter_now() == AdapterState::On,
                _ => false,
            };
            if !again || patience.remaining() <= pause {
                return Err(self.scan_error(&fault, operation, patience).await);
            }
            tracing::info!("the adapter is busy: {}", fault.text());
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_SCAN_PAUSE);
            if operation == Operation::Scan {
                // It may be a scan of our own that a start given up half-way has left.
                let _ = timeout(SCAN_PAUSE, self.tools.system.stop_scan()).await;
            }
        }
    }

    async fn scan_error(&self, fault: &Fault, operation: Operation, deadline: Deadline) -> Error {
        let context = Context {
            adapter: &self.info.name,
            device: "",
            rssi: None,
            doing: "scan",
            waited: deadline.waited(),
        };
        match fault.error(operation, context) {
            // What holds it off, the system's switches tell better than the refusal.
            Error::AdapterOff { adapter } | Error::AdapterBlocked { adapter, .. } => {
                match self.tools.system.block().await {
                    Some(Block { hard }) => Error::AdapterBlocked { adapter, hard },
                    None => Error::AdapterOff { adapter },
                }
            }
            error => error,
        }
    }
}

/// Takes a scan for not started unless it was.
struct Starting<'a> {
    hub: &'a Hub,
    started: bool,
}

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        if !self.started {
            self.hub.set_scanning(false);
        }
    }
}

#[async_trait]
impl Radio for BtleRadio {
    fn adapter(&self) -> AdapterInfo {
        self.info.clone()
    }

    fn adapter_state(&self) -> watch::Receiver<AdapterState> {
        self.tools.hub.adapter()
    }

    fn reports(&self) -> broadcast::Receiver<Report> {
        self.tools.hub.reports()
    }

    fn attempts(&self) -> broadcast::Receiver<Attempt> {
        self.tools.hub.attempts.subscribe()
    }

    async fn start_scan(&self) -> Result<()> {
        let _turn = self.scan.lock().await;
        if self.tools.hub.scanning() {
            return Ok(());
        }
        // btleplug would switch an adapter on that is off.
        self.tools.check_adapter().await?;
        // Before it is asked for: the first reports come before the answer.
        self.tools.hub.set_scanning(true);
        let mut starting = Starting { hub: &self.tools.hub, started: false };
        self.scan(Operation::Scan).await?;
        starting.started = true;
        Ok(())
    }

    async fn stop_scan(&self) -> Result<()> {
        let _turn = self.scan.lock().await;
        if !self.tools.hub.scanning() {
            return Ok(());
        }
        self.scan(Operation::StopScan).await?;
        self.tools.hub.set_scanning(false);
        Ok(())
    }

    async fn known(&self) -> Result<Vec<Report>> {
        if self.tools.hub.adapter_now() == AdapterState::Absent {
            self.tools.check_adapter().await?;
        }
        let late = |_| Fault::new("org.freedesktop.DBus.Error.NoReply", "no answer");
        Deadline::after(OPEN_TIME)
            .run(self.tools.system.refresh(), late)
            .await
            .map_err(|fault| open_error(&fault))?;
        Ok(self.tools.hub.known())
    }

    async fn details(&self, device: &DeviceId) -> Result<Details> {
        let late = |_| Fault::new("org.freedesktop.DBus.Error.NoReply", "no answer");
        let asked = Deadline::after(OPEN_TIME).run(self.tools.system.details(device), late);
        asked.await.map_err(|fault| open_error(&fault))
    }

    async fn connect(&self, device: &DeviceId, deadline: Deadline) -> Result<Arc<dyn Link>> {
        self.tools.check_adapter().await?;
        Ok(connect::connect(&self.tools, device, deadline).await?)
    }

    async fn close(&self) {
        for link in self.tools.hub.links() {
            if link.ends_with_us() {
                link.give_up();
            }
        }
        // The scan is not worth an error here: it ends with our connection to the service.
        let both = async { tokio::join!(self.stop_scan(), self.tools.janitor.flush()) };
        if timeout(CLOSE_TIME, both).await.is_err() {
            tracing::debug!("closing took longer than {CLOSE_TIME:?}");
        }
    }
}
