//! Keeps the scan as it is wanted: on, off, at rest while a connect is made, and on again when the adapter is.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::event::{RadioEvent, ScanPhase};
use crate::bulb::ConnectGate;
use crate::error::{Error, Result};
use crate::radio::{AdapterState, Deadline, Radio};

/// How long starting or stopping may take: a little more than a radio is asked for a scan that it is too busy for.
const TIME: Duration = Duration::from_secs(15);
/// How long after a failure it is tried again.
const AGAIN: Duration = Duration::from_secs(3);

/// Works until whoever wants the scan has gone.
pub(super) async fn run(
    radio: Arc<dyn Radio>,
    mut wanted: watch::Receiver<bool>,
    gate: Arc<ConnectGate>,
    words: mpsc::Sender<RadioEvent>,
) {
    let mut adapter = radio.adapter_state();
    let mut waiting = gate.waiting();
    let mut scanner =
        Scanner { radio: radio.as_ref(), gate: &gate, words, phase: ScanPhase::Off, told: None };
    loop {
        let on = *adapter.borrow_and_update() == AdapterState::On;
        let next = match (*wanted.borrow_and_update(), on, *waiting.borrow_and_update() > 0) {
            (false, ..) => ScanPhase::Off,
            (true, false, _) => ScanPhase::Failed,
            (true, true, true) => ScanPhase::Resting,
            (true, true, false) => ScanPhase::On,
        };
        scanner.bring_to(next, on).await;
        let again = next == ScanPhase::On && scanner.phase == ScanPhase::Failed;
        let closed = tokio::select! {
            closed = wanted.changed() => closed.is_err(),
            closed = adapter.changed() => {
                // It may have been off and on again since: then the scan is over, whatever we think.
                scanner.phase = ScanPhase::Failed;
                closed.is_err()
            }
            closed = waiting.changed() => closed.is_err(),
            () = sleep(AGAIN), if again => false,
        };
        if closed {
            return;
        }
    }
}

struct Scanner<'a> {
    radio: &'a dyn Radio,
    gate: &'a ConnectGate,
    words: mpsc::Sender<RadioEvent>,
    phase: ScanPhase,
    /// The last failure that was told, so that each is told once.
    told: Option<&'static str>,
}

impl Scanner<'_> {
    async fn bring_to(&mut self, next: ScanPhase, on: bool) {
        let late = |waited: Duration| Error::ScanBusy { detail: format!("no answer within {waited:.1?}") };
        let before = self.phase;
        self.phase = match (before == ScanPhase::On, next == ScanPhase::On) {
            (false, true) => {
                self.gate.set_quiet(false);
                match Deadline::after(TIME).run(self.radio.start_scan(), late).await {
                    Ok(()) => {
                        self.told = None;
                        ScanPhase::On
                    }
                    Err(error) => {
                        self.gate.set_quiet(true);
                        self.tell(error).await;
                        ScanPhase::Failed
                    }
                }
            }
            (true, false) => {
                let stopped: Result<()> = Deadline::after(TIME).run(self.radio.stop_scan(), late).await;
                self.gate.set_quiet(true);
                if let Err(error) = stopped
                    && on
                {
                    self.tell(error).await;
                }
                next
            }
            (true, true) => before,
            (false, false) => next,
        };
        let _ = self.words.send(RadioEvent::Scan(self.phase)).await;
    }

    async fn tell(&mut self, error: Error) {
        if self.told != Some(error.code()) {
            self.told = Some(error.code());
            let _ = self.words.send(RadioEvent::Trouble(error)).await;
        }
    }
}
