//! What is to be published: of each topic the newest payload alone, so that it is bounded while the broker is away.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

/// The most messages that the broker has not acknowledged.
const IN_FLIGHT: usize = 32;
/// The most messages that are not retained, such as answers to commands. They have no newest. Commands are read however many
/// answers wait: the acknowledgements of the answers come behind them.
const EVENTS: usize = 8192;

/// A message for the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
    pub retain: bool,
    /// The broker forgets the message after this time.
    pub expiry: Option<Duration>,
    /// The request that this answers (MQTT 5, 4.10).
    pub correlation: Option<Vec<u8>>,
}

impl Message {
    pub fn retained(topic: String, payload: impl Into<Vec<u8>>) -> Self {
        Self { topic, payload: payload.into(), retain: true, expiry: None, correlation: None }
    }

    pub fn event(topic: String, payload: impl Into<Vec<u8>>) -> Self {
        Self { retain: false, ..Self::retained(topic, payload) }
    }

    /// A message that removes the retained one.
    pub fn clear(topic: String) -> Self {
        Self::retained(topic, "")
    }

    pub fn expires(self, after: Duration) -> Self {
        Self { expiry: Some(after), ..self }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Waiting,
    InFlight(u64),
    Published(Instant),
}

#[derive(Clone, Debug)]
struct Entry {
    message: Message,
    order: u64,
    progress: Progress,
}

/// The retained messages by their topics, and the others in their order.
#[derive(Debug, Default)]
pub struct Outbox {
    topics: BTreeMap<String, Entry>,
    events: VecDeque<Message>,
    /// The numbers of messages that the broker has not acknowledged.
    in_flight: BTreeSet<u64>,
    order: u64,
    connected: bool,
}

impl Outbox {
    /// Sets the payload of a retained topic. Returns false, and publishes nothing, if the topic has it already.
    pub fn set(&mut self, message: Message) -> bool {
        let changed = self.topics.get(&message.topic).is_none_or(|entry| entry.message != message);
        if changed {
            self.put(message);
        }
        changed
    }

    /// As [`set`](Self::set), but publishes also what the topic has: it may expire, or its readers may have forgotten it.
    pub fn put(&mut self, message: Message) {
        let order = self.next();
        let entry = Entry { message, order, progress: Progress::Waiting };
        self.topics.insert(entry.message.topic.clone(), entry);
    }

    /// Publishes the retained message of a topic again, if there is one.
    pub fn again(&mut self, topic: &str) {
        let order = self.next();
        if let Some(entry) = self.topics.get_mut(topic)
            && entry.progress != Progress::Waiting
        {
            (entry.progress, entry.order) = (Progress::Waiting, order);
        }
    }

    /// Forgets a topic, which is that of somebody else now.
    pub fn remove(&mut self, topic: &str) {
        self.topics.remove(topic);
    }

    /// Publishes something once. Dropped while the broker is away, and beyond a limit the oldest: it would come too late.
    pub fn event(&mut self, message: Message) {
        if !self.connected {
            return;
        }
        if self.events.len() == EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(message);
    }

    /// After a connect: a broker without persistence has forgotten everything.
    pub fn connected(&mut self) {
        self.connected = true;
        self.restart();
    }

    pub fn disconnected(&mut self) {
        self.connected = false;
        self.restart();
    }

    fn restart(&mut self) {
        self.in_flight.clear();
        self.events.clear();
        // What was cleared while the broker was away has to be cleared there, but needs no second time.
        self.topics.retain(|_, entry| {
            !(entry.message.payload.is_empty() && matches!(entry.progress, Progress::Published(_)))
        });
        for entry in self.topics.values_mut() {
            entry.progress = Progress::Waiting;
        }
    }

    /// Takes the next message to send, with a number for its acknowledgement. The messages come in the order in which they were
    /// set.
    pub fn take(&mut self) -> Option<(u64, Message)> {
        if !self.connected || self.in_flight.len() >= IN_FLIGHT {
            return None;
        }
        let number = self.next();
        if let Some(message) = self.events.pop_front() {
            self.in_flight.insert(number);
            return Some((number, message));
        }
        let waiting = self.topics.values_mut().filter(|entry| entry.progress == Progress::Waiting);
        let entry = waiting.min_by_key(|entry| entry.order)?;
        entry.progress = Progress::InFlight(number);
        self.in_flight.insert(number);
        Some((number, entry.message.clone()))
    }

    /// The broker has a message, or refused it. Returns true if that is the newest of a retained topic.
    pub fn acknowledged(&mut self, number: u64, topic: &str, now: Instant) -> bool {
        self.in_flight.remove(&number);
        match self.topics.get_mut(topic) {
            Some(entry) if entry.progress == Progress::InFlight(number) => {
                entry.progress = Progress::Published(now);
                true
            }
            _ => false,
        }
    }

    /// Returns true if nothing of a topic waits or is under way.
    pub fn is_published(&self, topic: &str) -> bool {
        self.topics.get(topic).is_none_or(|entry| matches!(entry.progress, Progress::Published(_)))
    }

    /// Returns true if the broker has every message.
    pub fn is_empty(&self) -> bool {
        let published = |entry: &Entry| matches!(entry.progress, Progress::Published(_));
        self.events.is_empty() && self.in_flight.is_empty() && self.topics.values().all(published)
    }

    /// Publishes again what expires before long.
    pub fn refresh(&mut self, now: Instant) {
        let due = |entry: &Entry| match (entry.progress, entry.message.expiry) {
            (Progress::Published(at), Some(expiry)) => now >= at + expiry / 3,
            _ => false,
        };
        for entry in self.topics.values_mut().filter(|entry| due(entry)) {
            entry.progress = Progress::Waiting;
        }
    }

    fn next(&mut self) -> u64 {
        self.order += 1;
        self.order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payloads(outbox: &mut Outbox) -> Vec<String> {
        let mut all = Vec::new();
        while let Some((number, message)) = outbox.take() {
            assert_eq!(outbox.acknowledged(number, &message.topic, Instant::now()), message.retain);
            all.push(format!("{}={}", message.topic, String::from_utf8(message.payload).unwrap()));
        }
        all
    }

    fn state(topic: &str, payload: &str) -> Message {
        Message::retained(topic.to_owned(), payload)
    }

    #[test]
    fn p29_only_the_newest_of_each_topic_waits_while_offline() {
        let mut outbox = Outbox::default();
        for n in 0..10_000 {
            outbox.set(state("a", &n.to_string()));
            outbox.set(state("b", &(n / 5000).to_string()));
            outbox.event(Message::event("errors".to_owned(), "late"));
        }
        assert_eq!(outbox.take(), None);
        outbox.connected();
        assert_eq!(payloads(&mut outbox), ["b=1", "a=9999"], "in the order of the last change");
        assert!(outbox.is_empty());
        outbox.set(state("a", "9999"));
        assert_eq!(payloads(&mut outbox), [""; 0], "it has that already");
    }

    #[test]
    fn p13_everything_is_published_again_after_each_connect() {
        let mut outbox = Outbox::default();
        outbox.connected();
        outbox.set(state("a", "1"));
        outbox.set(state("gone", "1"));
        assert_eq!(payloads(&mut outbox), ["a=1", "gone=1"]);
        outbox.set(Message::clear("gone".to_owned()));
        assert_eq!(payloads(&mut outbox), ["gone="]);
        outbox.disconnected();
        outbox.connected();
        assert_eq!(payloads(&mut outbox), ["a=1"]);
    }

    #[test]
    fn a_message_that_was_replaced_under_way_is_not_acknowledged() {
        let mut outbox = Outbox::default();
        outbox.connected();
        outbox.set(state("a", "1"));
        let (number, _) = outbox.take().unwrap();
        outbox.set(state("a", "2"));
        assert!(!outbox.acknowledged(number, "a", Instant::now()));
        assert_eq!(payloads(&mut outbox), ["a=2"]);
        assert!(outbox.is_empty());
    }

    #[test]
    fn few_messages_are_under_way_at_a_time() {
        let mut outbox = Outbox::default();
        outbox.connected();
        for n in 0..EVENTS + 10 {
            outbox.set(state(&n.to_string(), ""));
            outbox.event(Message::event("errors".to_owned(), n.to_string()));
        }
        let taken: Vec<_> = std::iter::from_fn(|| outbox.take()).collect();
        assert_eq!(taken.len(), IN_FLIGHT);
        assert_eq!(taken[0].1.payload, b"10", "the newest errors");
    }

    #[test]
    fn p19_what_expires_is_refreshed_in_time() {
        let mut outbox = Outbox::default();
        outbox.connected();
        let start = Instant::now();
        outbox.set(state("a", "online").expires(Duration::from_secs(180)));
        outbox.set(state("b", "x"));
        payloads(&mut outbox);
        outbox.refresh(start);
        assert_eq!(outbox.take(), None);
        outbox.refresh(Instant::now() + Duration::from_secs(60));
        assert_eq!(payloads(&mut outbox), ["a=online"]);
    }
}
