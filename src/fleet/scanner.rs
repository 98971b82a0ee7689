//! Starts and stops the scan: on or off as the user wants, paused during connects, restarted with the
//! adapter.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use crate::bulb::ConnectGate;
use crate::error::{Error, Result};
use crate::radio::{AdapterState, Deadline, Radio};

/// Timeout of starting or stopping. Slightly longer than the radio's own retries of a busy scan.
const SCAN_TIMEOUT: Duration = Duration::from_secs(15);
const RETRY_DELAY: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScanPhase {
    #[default]
    Off,
    On,
    /// Paused during a connect.
    Paused,
    /// Wanted, but not possible at the moment.
    Failed,
}

/// What a scanner tells its user.
#[derive(Clone, Debug)]
pub enum ScanEvent {
    Phase(ScanPhase),
    /// The scan cannot start or stop. It is tried again.
    Failed(Error),
}

/// Runs until the sender of `wanted` is dropped.
pub async fn keep_scanning<E: From<ScanEvent>>(
    radio: Arc<dyn Radio>,
    mut wanted: watch::Receiver<bool>,
    gate: Arc<ConnectGate>,
    out: mpsc::Sender<E>,
) {
    let mut adapter = radio.adapter_state();
    let mut waiting = gate.waiting();
    let mut scanner =
        Scanner { radio: radio.as_ref(), gate: &gate, out, phase: ScanPhase::Off, last_error: None };
    loop {
        let on = *adapter.borrow_and_update() == AdapterState::On;
        let next = match (*wanted.borrow_and_update(), on, *waiting.borrow_and_update() > 0) {
            (false, ..) => ScanPhase::Off,
            (true, false, _) => ScanPhase::Failed,
            (true, true, true) => ScanPhase::Paused,
            (true, true, false) => ScanPhase::On,
        };
        scanner.set_phase(next, on).await;
        let again = next == ScanPhase::On && scanner.phase == ScanPhase::Failed;
        let closed = tokio::select! {
            closed = wanted.changed() => closed.is_err(),
            closed = adapter.changed() => {
                // The adapter may have been off in between, which ends a scan.
                scanner.phase = ScanPhase::Failed;
                closed.is_err()
            }
            closed = waiting.changed() => closed.is_err(),
            () = sleep(RETRY_DELAY), if again => false,
        };
        if closed {
            return;
        }
    }
}

struct Scanner<'a, E> {
    radio: &'a dyn Radio,
    gate: &'a ConnectGate,
    out: mpsc::Sender<E>,
    phase: ScanPhase,
    /// The last error that was sent, so that a repeated one is sent once.
    last_error: Option<&'static str>,
}

impl<E: From<ScanEvent>> Scanner<'_, E> {
    async fn set_phase(&mut self, next: ScanPhase, on: bool) {
        let late = |waited: Duration| Error::ScanBusy { detail: format!("no answer within {waited:.1?}") };
        let before = self.phase;
        self.phase = match (before == ScanPhase::On, next == ScanPhase::On) {
            (false, true) => {
                self.gate.set_quiet(false);
                match Deadline::after(SCAN_TIMEOUT).run(self.radio.start_scan(), late).await {
                    Ok(()) => {
                        self.last_error = None;
                        ScanPhase::On
                    }
                    Err(error) => {
                        self.gate.set_quiet(true);
                        self.report_error(error).await;
                        ScanPhase::Failed
                    }
                }
            }
            (true, false) => {
                let stopped: Result<()> =
                    Deadline::after(SCAN_TIMEOUT).run(self.radio.stop_scan(), late).await;
                self.gate.set_quiet(true);
                if let Err(error) = stopped
                    && on
                {
                    self.report_error(error).await;
                }
                next
            }
            (true, true) => before,
            (false, false) => next,
        };
        let _ = self.out.send(ScanEvent::Phase(self.phase).into()).await;
    }

    async fn report_error(&mut self, error: Error) {
        if self.last_error != Some(error.code()) {
            self.last_error = Some(error.code());
            let _ = self.out.send(ScanEvent::Failed(error).into()).await;
        }
    }
}
