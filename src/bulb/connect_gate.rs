//! Lets one connect at a time through, while the scan is paused, and limits the links.
//!
//! BlueZ answers overlapping connects with "operation in progress", and a scan during a connect makes controllers drop
//! other links (bluepy#401).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, watch};

/// After this time, connects do not wait for the scan to pause any more.
const QUIET_TIME: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub struct ConnectGate {
    turn: Semaphore,
    waiting: watch::Sender<usize>,
    quiet: watch::Sender<bool>,
    slots: Arc<Semaphore>,
}

/// The permission to hold one link until it is dropped.
#[derive(Debug)]
pub struct LinkSlot {
    _permit: Option<OwnedSemaphorePermit>,
}

/// The permission to connect until it is dropped.
#[derive(Debug)]
pub struct ConnectTurn<'a> {
    _turn: Option<SemaphorePermit<'a>>,
    _waiting: Waiting<'a>,
}

#[derive(Debug)]
struct Waiting<'a>(&'a ConnectGate);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.send_modify(|waiting| *waiting = waiting.saturating_sub(1));
    }
}

impl Default for ConnectGate {
    fn default() -> Self {
        Self::with_limit(usize::MAX)
    }
}

impl ConnectGate {
    /// Allows this many links at a time, at least one.
    pub fn with_limit(links: usize) -> Self {
        Self {
            turn: Semaphore::new(1),
            waiting: watch::Sender::new(0),
            quiet: watch::Sender::new(true),
            slots: Arc::new(Semaphore::new(links.clamp(1, Semaphore::MAX_PERMITS))),
        }
    }

    /// Takes a link if one is free and nobody waits for it.
    pub fn try_slot(&self) -> Option<LinkSlot> {
        let permit = Arc::clone(&self.slots).try_acquire_owned().ok()?;
        Some(LinkSlot { _permit: Some(permit) })
    }

    /// Waits for a free link. The first to wait is the first to get one.
    pub async fn slot(&self) -> LinkSlot {
        // The semaphore is never closed.
        LinkSlot { _permit: Arc::clone(&self.slots).acquire_owned().await.ok() }
    }

    /// Waits for a turn to connect, and for the scan to pause.
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

    /// The number of connects that wait or run. Above zero, the scan should pause.
    pub fn waiting(&self) -> watch::Receiver<usize> {
        self.waiting.subscribe()
    }

    /// Called by the owner of the scan when it pauses or starts again.
    pub fn set_quiet(&self, quiet: bool) {
        self.quiet.send_replace(quiet);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_at_a_time_while_the_scan_is_paused() {
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
    async fn links_are_given_in_the_order_of_asking() {
        let gate = ConnectGate::with_limit(1);
        let first = gate.try_slot().unwrap();
        let mut second = std::pin::pin!(gate.slot());
        assert!(tokio::time::timeout(Duration::from_secs(60), &mut second).await.is_err());
        drop(first);
        assert!(gate.try_slot().is_none());
        drop(second.await);
        assert!(gate.try_slot().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_scan_that_does_not_pause_delays_connects_only_for_a_time() {
        let gate = ConnectGate::default();
        gate.set_quiet(false);
        drop(gate.enter().await);
    }
}
