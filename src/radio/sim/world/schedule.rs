//! A queue of future events, ordered by time.

use std::collections::BTreeMap;
use std::time::Duration;

/// Events by the age of the world at which they are due. Events due at the same time keep the order in which they were
/// added.
#[derive(Debug)]
pub(crate) struct Schedule<T> {
    entries: BTreeMap<(Duration, u64), T>,
    added: u64,
}

impl<T> Default for Schedule<T> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), added: 0 }
    }
}

impl<T> Schedule<T> {
    pub(crate) fn add(&mut self, at: Duration, event: T) {
        self.added += 1;
        self.entries.insert((at, self.added), event);
    }

    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.entries.first_key_value().map(|((at, _), _)| *at)
    }

    pub(crate) fn pop_due(&mut self, now: Duration) -> Option<T> {
        let entry = self.entries.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(entry.remove())
    }
}
