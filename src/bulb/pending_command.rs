//! The next command of a driver, and what else its owner sees of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bulb_protocol::profile::Light;
use tokio::sync::Notify;

use super::change::Change;
use crate::radio::Link;

/// An action of a driver on its bulb.
#[derive(Clone, Debug, PartialEq)]
pub enum DriverCommand {
    Change(Change),
    /// Fade to this state over this time.
    Fade(Light, Duration),
    /// Write the settable values of a saved state.
    Restore(Light),
}

/// The next command. A change is merged into one that still waits; anything else replaces it.
#[derive(Debug, Default)]
pub(super) struct PendingCommand {
    next: Mutex<Option<(DriverCommand, u64)>>,
    pub(super) filled: Notify,
    pub(super) retry_now: Notify,
    /// The link, for others that use it.
    link: Mutex<Option<Arc<dyn Link>>>,
}

impl PendingCommand {
    pub(super) fn push(&self, command: DriverCommand, token: u64) {
        let mut next = lock(&self.next);
        let merged = match (next.take(), command) {
            (Some((DriverCommand::Change(before), _)), DriverCommand::Change(change)) => {
                DriverCommand::Change(before.then(change))
            }
            (_, command) => command,
        };
        *next = Some((merged, token));
        drop(next);
        self.filled.notify_one();
    }

    pub(super) fn take(&self) -> Option<(DriverCommand, u64)> {
        lock(&self.next).take()
    }

    pub(super) fn link(&self) -> Option<Arc<dyn Link>> {
        lock(&self.link).clone()
    }

    pub(super) fn set_link(&self, link: Option<Arc<dyn Link>>) {
        *lock(&self.link) = link;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
