//! Distributes the notifications of one link, and tells them from values that were read.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use tokio::sync::broadcast;

use super::shared::lock;
use super::system::Listener;
use crate::radio::{CharacteristicId, NOTIFICATION_QUEUE, Notifications};

#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    streams: HashMap<CharacteristicId, broadcast::Sender<Vec<u8>>>,
    reading: Option<(CharacteristicId, VecDeque<Vec<u8>>)>,
    closed: bool,
}

/// A read in progress. BlueZ reports a value that was read like a notification, so values of this
/// characteristic are held back until the answer is known. Dropping this releases them.
#[derive(Debug)]
pub(super) struct PendingRead<'a> {
    subscriptions: &'a Subscriptions,
}

impl Subscriptions {
    /// Opens or joins the stream of a characteristic. Returns true if it is new.
    pub(super) fn open(&self, characteristic: CharacteristicId) -> (Notifications, bool) {
        let mut state = lock(&self.state);
        if state.closed {
            // The sender is dropped, so the stream has ended.
            return (broadcast::Sender::new(1).subscribe(), false);
        }
        let mut new = false;
        let sender = state.streams.entry(characteristic).or_insert_with(|| {
            new = true;
            broadcast::Sender::new(NOTIFICATION_QUEUE)
        });
        (sender.subscribe(), new)
    }

    pub(super) fn end(&self, characteristic: CharacteristicId) -> bool {
        lock(&self.state).streams.remove(&characteristic).is_some()
    }

    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        state.streams.clear();
        state.reading = None;
    }

    /// Begins a read. Only one may be in progress.
    pub(super) fn reading(&self, characteristic: CharacteristicId) -> PendingRead<'_> {
        lock(&self.state).reading = Some((characteristic, VecDeque::new()));
        PendingRead { subscriptions: self }
    }
}

impl Listener for Subscriptions {
    fn value(&self, characteristic: CharacteristicId, value: Vec<u8>) {
        let mut state = lock(&self.state);
        if let Some((read, held)) = &mut state.reading
            && *read == characteristic
        {
            if held.len() == NOTIFICATION_QUEUE {
                held.pop_front();
            }
            held.push_back(value);
        } else {
            state.publish(characteristic, value);
        }
    }
}

impl PendingRead<'_> {
    /// Completes the read. One held value equal to the answer is dropped: it is the answer itself.
    pub(super) fn answered(self, value: &[u8]) {
        let mut state = lock(&self.subscriptions.state);
        if let Some((_, held)) = &mut state.reading
            && let Some(echo) = held.iter().rposition(|came| came == value)
        {
            held.remove(echo);
        }
        // Dropping `self` takes the lock.
        drop(state);
    }
}

impl Drop for PendingRead<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.subscriptions.state);
        if let Some((characteristic, held)) = state.reading.take() {
            for value in held {
                state.publish(characteristic, value);
            }
        }
    }
}

impl State {
    fn publish(&self, characteristic: CharacteristicId, value: Vec<u8>) {
        if let Some(sender) = self.streams.get(&characteristic) {
            // Having no receiver is no error.
            let _ = sender.send(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::broadcast::error::TryRecvError;

    use super::*;

    const STATUS: CharacteristicId = CharacteristicId::short(0xFFF0, 0xFFF2);
    const BATTERY: CharacteristicId = CharacteristicId::short(0x180F, 0x2A19);

    fn drain(stream: &mut Notifications) -> Vec<u8> {
        std::iter::from_fn(|| stream.try_recv().ok()).flatten().collect()
    }

    #[test]
    fn each_characteristic_has_its_own_stream() {
        let subscriptions = Subscriptions::default();
        let (mut status, new) = subscriptions.open(STATUS);
        assert!(new);
        subscriptions.value(STATUS, vec![1]);
        subscriptions.value(BATTERY, vec![2]);
        assert_eq!(drain(&mut status), [1]);
        assert!(!subscriptions.open(STATUS).1);
    }

    #[test]
    fn a_value_that_was_read_is_no_notification() {
        let subscriptions = Subscriptions::default();
        let (mut status, _) = subscriptions.open(STATUS);
        let (mut battery, _) = subscriptions.open(BATTERY);
        let reading = subscriptions.reading(STATUS);
        for value in [1, 7, 2, 7] {
            subscriptions.value(STATUS, vec![value]);
        }
        subscriptions.value(BATTERY, vec![7]);
        assert_eq!(drain(&mut battery), [7], "another characteristic does not wait");
        assert_eq!(drain(&mut status), [0; 0]);
        reading.answered(&[7]);
        assert_eq!(drain(&mut status), [1, 7, 2], "one of them is the answer");
        subscriptions.value(STATUS, vec![7]);
        assert_eq!(drain(&mut status), [7]);
    }

    #[test]
    fn a_read_that_fails_holds_nothing_back() {
        let subscriptions = Subscriptions::default();
        let (mut status, _) = subscriptions.open(STATUS);
        let reading = subscriptions.reading(STATUS);
        subscriptions.value(STATUS, vec![1]);
        drop(reading);
        assert_eq!(drain(&mut status), [1]);
    }

    #[test]
    fn a_closed_link_ends_its_streams_and_opens_none() {
        let subscriptions = Subscriptions::default();
        let (mut status, _) = subscriptions.open(STATUS);
        subscriptions.close();
        assert_eq!(status.try_recv(), Err(TryRecvError::Closed));
        assert_eq!(subscriptions.open(STATUS).0.try_recv(), Err(TryRecvError::Closed));
    }
}
