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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use tempfile::TempDir;
    use tokio::sync::broadcast;
    use tokio::time::{Instant, sleep_until};
    use tokio_util::task::AbortOnDropHandle;

    use super::*;
    use crate::pass_on;
    use crate::radio::sim::{SimOptions, open_text};
    use crate::radio::{AdapterInfo, ConnectRetry, DeviceDetails, DeviceId, Link, SeenDevice, Wanted};

    /// A radio that refuses to scan so many times.
    #[derive(Debug)]
    struct Refusing {
        radio: Arc<dyn Radio>,
        refusals: AtomicUsize,
    }

    #[async_trait]
    impl Radio for Refusing {
        pass_on! {
            radio: adapter -> AdapterInfo,
            connect_retries -> broadcast::Receiver<ConnectRetry>,
            link_limit -> usize,
            keeps_links -> bool,
            adapter_state -> watch::Receiver<AdapterState>,
            seen_devices -> broadcast::Receiver<SeenDevice>
        }

        fn prefer(&self, wanted: Wanted) {
            self.radio.prefer(wanted);
        }

        async fn check_adapter(&self) -> Result<()> {
            self.radio.check_adapter().await
        }

        async fn start_scan(&self) -> Result<()> {
            let less = |left: usize| left.checked_sub(1);
            match self.refusals.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less) {
                Ok(_) => Err(Error::ScanBusy { detail: "refused".to_owned() }),
                Err(_) => self.radio.start_scan().await,
            }
        }

        async fn stop_scan(&self) -> Result<()> {
            self.radio.stop_scan().await
        }

        async fn known_devices(&self) -> Result<Vec<SeenDevice>> {
            self.radio.known_devices().await
        }

        async fn details(&self, device: &DeviceId) -> Result<DeviceDetails> {
            self.radio.details(device).await
        }

        async fn connect(&self, device: &DeviceId, deadline: Deadline) -> Result<Arc<dyn Link>> {
            self.radio.connect(device, deadline).await
        }

        async fn close(&self) {
            self.radio.close().await;
        }
    }

    struct Stage {
        start: Instant,
        wanted: watch::Sender<bool>,
        gate: Arc<ConnectGate>,
        events: mpsc::Receiver<ScanEvent>,
        _task: AbortOnDropHandle<()>,
        _dir: TempDir,
    }

    impl Stage {
        fn begin(events: &str, refusals: usize) -> Self {
            let rig =
                format!("rig = 1\n[[bulb]]\nname = \"Light-1\"\naddress = \"C4:11:00:00:00:01\"\n{events}");
            let dir = TempDir::new().unwrap();
            let options = SimOptions { dir: Some(dir.path().to_owned()), log: None };
            let radio = open_text(&rig, "rig.toml", options).unwrap();
            let radio = Arc::new(Refusing { radio, refusals: refusals.into() });
            let (wanted, wish) = watch::channel(true);
            let gate = Arc::new(ConnectGate::default());
            let (out, events) = mpsc::channel(100);
            let task = tokio::spawn(keep_scanning(radio, wish, gate.clone(), out));
            let _task = AbortOnDropHandle::new(task);
            Self { start: Instant::now(), wanted, gate, events, _task, _dir: dir }
        }

        /// What was told until so many seconds after the start.
        async fn until(&mut self, seconds: u64) -> Vec<String> {
            sleep_until(self.start + Duration::from_secs(seconds)).await;
            let mut told = Vec::new();
            while let Ok(event) = self.events.try_recv() {
                told.push(match event {
                    ScanEvent::Phase(phase) => format!("{phase:?}"),
                    ScanEvent::Failed(error) => error.code().to_owned(),
                });
            }
            told
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_phase_is_told_once() {
        let adapter = |at: u8, to: &str| format!("[[event]]\nat = \"{at}s\"\nadapter = \"{to}\"\n");
        let mut stage = Stage::begin(&format!("{}{}", adapter(20, "off"), adapter(40, "on")), 0);
        assert_eq!(stage.until(10).await, ["On"]);
        assert_eq!(stage.until(30).await, ["Failed"]);
        assert_eq!(stage.until(50).await, ["On"]);
        let gate = stage.gate.clone();
        let turn = gate.enter().await;
        assert_eq!(stage.until(60).await, ["Paused"]);
        drop(turn);
        assert_eq!(stage.until(70).await, ["On"]);
        stage.wanted.send_replace(false);
        assert_eq!(stage.until(80).await, ["Off"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_scan_that_is_refused_is_tried_again_and_the_reason_told_once() {
        let mut stage = Stage::begin("", 3);
        assert_eq!(stage.until(1).await, ["scan.busy", "Failed"]);
        assert_eq!(stage.until(8).await, ["Failed", "Failed"]);
        assert_eq!(stage.until(30).await, ["On"]);
    }
}
