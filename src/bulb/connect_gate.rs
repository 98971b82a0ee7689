//! Connects take turns, and the scan rests meanwhile.
//!
//! BlueZ answers overlapping connects with "operation in progress", and a scan that runs beside a connect makes controllers
//! drop links that they have (bluepy#401).

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit, watch};

/// How long a connect waits for the scan to rest. A scan that does not is no reason not to connect.
const QUIET_TIME: Duration = Duration::from_secs(2);

/// Lets one connect at a time through, once the scan rests.
#[derive(Debug)]
pub struct ConnectGate {
    turn: Semaphore,
    waiting: watch::Sender<usize>,
    quiet: watch::Sender<bool>,
}

/// The permission to connect, for as long as it is held.
#[derive(Debug)]
pub struct ConnectTurn<'a> {
    /// Absent only once the gate has gone.
    _turn: Option<SemaphorePermit<'a>>,
    _waiting: Waiting<'a>,
}

/// Counts as one who wants to connect.
#[derive(Debug)]
struct Waiting<'a>(&'a ConnectGate);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.send_modify(|waiting| *waiting = waiting.saturating_sub(1));
    }
}

impl Default for ConnectGate {
    fn default() -> Self {
        Self { turn: Semaphore::new(1), waiting: watch::Sender::new(0), quiet: watch::Sender::new(true) }
    }
}

impl ConnectGate {
    /// Waits for one's turn to connect, and until the scan rests.
    pub async fn enter(&self) -> ConnectTurn<'_> {
        self.waiting.send_modify(|waiting| *waiting += 1);
        let waiting = Waiting(self);
        let turn = self.turn.acquire().await.ok();
        let mut quiet = self.quiet.subscribe();
        if tokio::time::timeout(QUIET_TIME, quiet.wait_for(|quiet| *quiet)).await.is_err() {
            tracing::warn!("connecting while the scan still runs");
        }
        ConnectTurn { _turn: turn, _waiting: waiting }
    }

    /// How many are connecting or wait for it, as it changes: above none, whoever scans is to pause.
    #[must_use]
    pub fn waiting(&self) -> watch::Receiver<usize> {
        self.waiting.subscribe()
    }

    /// Whoever scans says so: whether the scan rests.
    pub fn set_quiet(&self, quiet: bool) {
        self.quiet.send_replace(quiet);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_at_a_time_once_the_scan_rests() {
        let gate = ConnectGate::default();
        gate.set_quiet(false);
        let mut waiting = gate.waiting();
        let (first, ()) = tokio::join!(gate.enter(), async {
            assert_eq!(*waiting.wait_for(|waiting| *waiting == 1).await.unwrap(), 1);
            gate.set_quiet(true);
        });
        assert!(tokio::time::timeout(Duration::from_secs(1), gate.enter()).await.is_err());
        drop(first);
        assert_eq!(*waiting.borrow_and_update(), 0);
        drop(gate.enter().await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_scan_that_does_not_rest_holds_nobody_up_for_ever() {
        let gate = ConnectGate::default();
        gate.set_quiet(false);
        drop(gate.enter().await);
    }
}
