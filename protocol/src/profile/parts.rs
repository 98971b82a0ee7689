//! A status that comes in several notifications.

use alloc::vec::Vec;

use super::Profile;

/// The parts of a status that have come so far.
#[derive(Clone, Debug, Default)]
pub struct StatusParts {
    next: usize,
    bytes: Vec<u8>,
}

impl Profile {
    /// Takes a notification. Returns the whole status once its last part has come, and what is no part as it is.
    #[must_use]
    pub fn join(&self, parts: &mut StatusParts, bytes: &[u8]) -> Option<Vec<u8>> {
        let begins = |prefix: &Vec<u8>| bytes.starts_with(prefix);
        let Some(index) = self.parts.iter().position(begins) else { return Some(bytes.to_vec()) };
        let rest = bytes.get(self.parts.get(index)?.len()..).unwrap_or_default();
        if index == 0 {
            parts.bytes.clear();
        } else if index != parts.next {
            parts.next = 0;
            return None;
        }
        parts.bytes.extend(rest);
        parts.next = index.saturating_add(1);
        if parts.next < self.parts.len() {
            return None;
        }
        parts.next = 0;
        Some(core::mem::take(&mut parts.bytes))
    }

    /// The notifications that carry a status.
    pub(super) fn split(&self, bytes: Vec<u8>) -> Vec<Vec<u8>> {
        if self.parts.is_empty() {
            return alloc::vec![bytes];
        }
        let length = bytes.len().div_ceil(self.parts.len()).max(1);
        let parts = self.parts.iter().zip(bytes.chunks(length));
        parts.map(|(prefix, part)| [prefix.as_slice(), part].concat()).collect()
    }

    /// Returns true if these bytes are one part of a status, which means nothing alone.
    pub(super) fn is_part(&self, bytes: &[u8]) -> bool {
        self.parts.iter().any(|prefix| bytes.starts_with(prefix))
    }
}
