//! What is to happen in the world, in the order of time.

use std::collections::BTreeMap;
use std::time::Duration;

/// Things to come, each at an age of the world. Those of the same time come in the order in which they were entered.
#[derive(Debug)]
pub(super) struct Agenda<T> {
    entries: BTreeMap<(Duration, u64), T>,
    entered: u64,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), entered: 0 }
    }
}

impl<T> Agenda<T> {
    pub(super) fn enter(&mut self, at: Duration, what: T) {
        self.entered += 1;
        self.entries.insert((at, self.entered), what);
    }

    /// When the next thing is due.
    pub(super) fn next(&self) -> Option<Duration> {
        self.entries.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes out the next thing, if it is due by now.
    pub(super) fn take(&mut self, now: Duration) -> Option<T> {
        let entry = self.entries.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(entry.remove())
    }
}
