//! The scan: started and ended as it is asked for, and started anew where the controller has gone silent.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use super::adapter_choice::PowerBlock;
use super::link::RadioHandle;
use super::platform_error::{Context, ErrorClass, PlatformError};
use super::shared::SharedState;
use crate::error::{Error, Operation, Result};
use crate::radio::{AdapterState, Deadline};

/// How long the start or the end of a scan may take. BlueZ answers when the controller has.
const SCAN_TIME: Duration = Duration::from_secs(5);
/// For how long a scan that the adapter is too busy for is asked for again: where another program is about to start or end one it
/// is a moment, but the kernel goes on with the scan of a bluetoothd that was killed for ten seconds (`DISCOV_LE_TIMEOUT`), and
/// lets the next bluetoothd start none meanwhile.
const BUSY_TIME: Duration = Duration::from_secs(12);
/// How long is waited in between: at first, and at the most.
const SCAN_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_SCAN_PAUSE: Duration = Duration::from_secs(1);
/// A scan in which nothing at all is heard for so long is started anew, as some controllers stop reporting without a word (bluez
/// pull request 1555). It costs a moment where there is nothing to hear: the slowest interval of advertising is 10.24 s.
const SILENCE: Duration = Duration::from_secs(30);
/// How often is looked whether it is silent.
const LOOK: Duration = Duration::from_secs(5);

/// The scan of a radio.
#[derive(Debug)]
pub(super) struct Scan {
    radio: RadioHandle,
    /// Whose turn it is to start or end it.
    turn: Mutex<()>,
}

impl Scan {
    pub(super) fn new(radio: RadioHandle) -> Self {
        Self { radio, turn: Mutex::new(()) }
    }

    /// Starts it, unless it runs.
    pub(super) async fn start(&self) -> Result<()> {
        let _turn = self.turn.lock().await;
        if self.radio.shared.scanning() {
            return Ok(());
        }
        // btleplug would switch an adapter on that is off.
        self.radio.check_adapter().await?;
        // Before it is asked for: the first reports come before the answer.
        self.radio.shared.set_scanning(true);
        let mut starting = ScanStart { shared: &self.radio.shared, started: false };
        self.ask(&Operation::StartScan).await?;
        starting.started = true;
        Ok(())
    }

    /// Ends it, if it runs.
    pub(super) async fn stop(&self) -> Result<()> {
        let _turn = self.turn.lock().await;
        if !self.radio.shared.scanning() {
            return Ok(());
        }
        self.ask(&Operation::StopScan).await?;
        self.radio.shared.set_scanning(false);
        Ok(())
    }

    /// Starts it anew whenever it has been silent for too long, for as long as this is polled.
    pub(super) async fn watch(self: Arc<Self>) {
        loop {
            sleep(LOOK).await;
            let _turn = self.turn.lock().await;
            let silent = self.radio.shared.silence().is_some_and(|silence| silence >= SILENCE);
            if silent && self.radio.shared.adapter_now() == AdapterState::On {
                tracing::info!("nothing was heard for {SILENCE:?}: the scan is started anew");
                self.radio.shared.set_scanning(true);
                for operation in [Operation::StopScan, Operation::StartScan] {
                    if let Err(error) = self.ask(&operation).await {
                        tracing::info!("the scan: {error}");
                    }
                }
            }
        }
    }

    /// Starts or ends the scan, again while the adapter is busy.
    async fn ask(&self, operation: &Operation) -> Result<()> {
        let patience = Deadline::after(BUSY_TIME);
        let mut pause = SCAN_PAUSE;
        loop {
            let asked = async {
                match operation {
                    Operation::StopScan => self.radio.system.stop_scan().await,
                    _ => self.radio.system.start_scan().await,
                }
            };
            let late = |_| PlatformError::new("org.freedesktop.DBus.Error.NoReply", "no answer");
            let Err(fault) = Deadline::after(SCAN_TIME).run(asked, late).await else { return Ok(()) };
            let again = match fault.classify(operation) {
                ErrorClass::Done => return Ok(()),
                ErrorClass::Again => true,
                // A bluetoothd that has just begun says that the adapter is on before it is ready.
                ErrorClass::Off => self.radio.shared.adapter_now() == AdapterState::On,
                _ => false,
            };
            if !again || patience.remaining() <= pause {
                return Err(self.scan_error(&fault, operation, patience).await);
            }
            tracing::info!("the adapter is busy: {}", fault.text());
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_SCAN_PAUSE);
            if *operation == Operation::StartScan {
                // It may be a scan of our own that a start given up half-way has left.
                let _ = timeout(SCAN_PAUSE, self.radio.system.stop_scan()).await;
            }
        }
    }

    async fn scan_error(&self, fault: &PlatformError, operation: &Operation, deadline: Deadline) -> Error {
        let context =
            Context { adapter: &self.radio.adapter, device: "", rssi: None, waited: deadline.waited() };
        match fault.error(operation, context) {
            // What holds it off, the system's switches tell better than the refusal.
            Error::AdapterOff { adapter } | Error::AdapterBlocked { adapter, .. } => {
                match self.radio.system.block().await {
                    Some(PowerBlock { hard }) => Error::AdapterBlocked { adapter, hard },
                    None => Error::AdapterOff { adapter },
                }
            }
            error => error,
        }
    }
}

/// Takes a scan for not started unless it was.
struct ScanStart<'a> {
    shared: &'a SharedState,
    started: bool,
}

impl Drop for ScanStart<'_> {
    fn drop(&mut self) {
        if !self.started {
            self.shared.set_scanning(false);
        }
    }
}
