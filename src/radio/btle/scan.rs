//! Starts and stops the scan, and restarts it if the controller goes silent.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use super::adapter_choice::PowerBlock;
use super::link::RadioHandle;
use super::platform_error::{Context, ErrorClass, PlatformError};
use crate::error::{Error, Operation, Result};
use crate::radio::{AdapterState, Deadline, OnDrop};

/// Time limit for starting or stopping a scan. BlueZ answers after the controller.
const SCAN_TIME: Duration = Duration::from_secs(5);
/// Time for which to retry while the adapter is busy. Another program is busy for a moment only. But
/// after bluetoothd was killed, the kernel continues its scan for ten seconds (`DISCOV_LE_TIMEOUT`)
/// and refuses a new one.
const BUSY_TIME: Duration = Duration::from_secs(12);
/// The first and the longest pause between retries.
const SCAN_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_SCAN_PAUSE: Duration = Duration::from_secs(1);
/// Restart a scan that received nothing for this long: some controllers stop reporting without an
/// error (bluez pull request 1555). The slowest advertising interval is 10.24 s.
const SILENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Scan {
    radio: RadioHandle,
    /// Serialises starting and stopping.
    turn: Mutex<()>,
}

impl Scan {
    pub(super) fn new(radio: RadioHandle) -> Self {
        Self { radio, turn: Mutex::new(()) }
    }

    pub(super) async fn start(&self) -> Result<()> {
        let _turn = self.turn.lock().await;
        if self.radio.shared.scanning() {
            return Ok(());
        }
        let patience = Deadline::after(BUSY_TIME);
        loop {
            // btleplug would power on an adapter that is off.
            self.radio.check_adapter().await?;
            // Set this before the request: the first devices come before the answer.
            self.radio.shared.set_scanning(true);
            let mut starting = OnDrop { armed: true, call: || self.radio.shared.set_scanning(false) };
            self.ask(&Operation::StartScan, patience).await?;
            starting.armed = false;
            if self.radio.shared.scanning() {
                return Ok(());
            }
            // The adapter went off and on again, or the service is another one. That ended the scan.
            tracing::info!("the scan ended while it was started");
        }
    }

    pub(super) async fn stop(&self) -> Result<()> {
        let _turn = self.turn.lock().await;
        if !self.radio.shared.scanning() {
            return Ok(());
        }
        self.ask(&Operation::StopScan, Deadline::after(BUSY_TIME)).await?;
        self.radio.shared.set_scanning(false);
        Ok(())
    }

    /// Restarts the scan whenever it is silent for too long. Never returns.
    pub(super) async fn watch(self: Arc<Self>) {
        loop {
            sleep(LOOK).await;
            let _turn = self.turn.lock().await;
            let silent = self.radio.shared.silence().is_some_and(|silence| silence >= SILENCE);
            if silent && self.radio.shared.adapter_now() == AdapterState::On {
                tracing::info!("nothing received for {SILENCE:?}: restarting the scan");
                self.radio.shared.scan_restarts();
                for operation in [Operation::StopScan, Operation::StartScan] {
                    if let Err(error) = self.ask(&operation, Deadline::after(BUSY_TIME)).await {
                        tracing::info!("the scan: {error}");
                    }
                }
            }
        }
    }

    /// Starts or stops the scan, and retries while the adapter is busy.
    async fn ask(&self, operation: &Operation, patience: Deadline) -> Result<()> {
        let mut pause = SCAN_PAUSE;
        loop {
            let asked = async {
                match operation {
                    Operation::StopScan => self.radio.system.stop_scan().await,
                    _ => self.radio.system.start_scan().await,
                }
            };
            let late = |_| PlatformError::new("org.freedesktop.DBus.Error.NoReply", "no answer");
            let Err(error) = Deadline::after(SCAN_TIME).run(asked, late).await else { return Ok(()) };
            let again = match error.classify(operation) {
                ErrorClass::Done => return Ok(()),
                ErrorClass::Again => true,
                // A new bluetoothd reports the adapter as on before it is ready, and before a request finds it.
                ErrorClass::Off | ErrorClass::Gone => self.radio.shared.adapter_now() == AdapterState::On,
                _ => false,
            };
            if !again || patience.remaining() <= pause {
                return Err(self.scan_error(&error, operation, patience).await);
            }
            tracing::info!("the adapter is busy: {}", error.text());
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_SCAN_PAUSE);
            if *operation == Operation::StartScan {
                // A cancelled start of ours may have left a scan running.
                let _ = timeout(SCAN_PAUSE, self.radio.system.stop_scan()).await;
            }
        }
    }

    async fn scan_error(&self, error: &PlatformError, operation: &Operation, deadline: Deadline) -> Error {
        let context =
            Context { adapter: &self.radio.adapter, device: "", rssi: None, waited: deadline.waited() };
        match error.to_error(operation, context) {
            // The switches of the system tell more than the error does.
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
