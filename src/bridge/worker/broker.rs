//! The connection to the broker: making it, losing it, and what goes over it.

use std::fmt;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::super::back_off::{BackOff, Ended};
use super::super::clock;
use super::super::mqtt::{BrokerEvent, Connection, ConnectionPlan};
use super::super::outbox::Message;
use super::super::payload::OFFLINE;
use super::super::topics::BridgeTopic;
use super::Worker;
use super::claims::CLAIM_NUMBER;
use crate::error::Error;
use crate::output::BridgePhase;

/// The most denials that are reported over one connection.
const MOST_DENIALS: u32 = 5;

/// The connection, or the time of the next attempt.
pub(super) struct Broker {
    connection: Option<Connection>,
    /// The broker accepted the connection.
    connected: bool,
    /// The start of the subscriptions, by the clock of the claims.
    pub(super) connected_at: Option<Duration>,
    /// It did so at least once.
    pub(super) was_connected: bool,
    pub(super) connect_at: Option<Instant>,
    back_off: BackOff,
    /// Our facts came back from the broker. Any other instance that follows them is another bridge. (An acknowledgement does not
    /// tell: it may overtake the facts of an earlier run.)
    info_came_back: bool,
    /// What the broker denied over this connection.
    denials: u32,
    /// The code of the last error, so that a repeated one is reported once.
    reported: Option<&'static str>,
    /// Ends the bridge.
    pub(super) fatal: Option<Error>,
}

impl Default for Broker {
    fn default() -> Self {
        Self {
            connection: None,
            connected: false,
            connected_at: None,
            was_connected: false,
            connect_at: Some(Instant::now()),
            back_off: BackOff::default(),
            info_came_back: false,
            denials: 0,
            reported: None,
            fatal: None,
        }
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").field("connected", &self.connected).finish_non_exhaustive()
    }
}

impl Broker {
    /// Waits for the next event; forever without a connection. Cancel-safe.
    pub(super) async fn next(&mut self) -> BrokerEvent {
        match &mut self.connection {
            Some(connection) => connection.next().await,
            None => std::future::pending().await,
        }
    }

    pub(super) const fn is_connected(&self) -> bool {
        self.connected
    }

    pub(super) async fn close(&mut self) {
        self.connected = false;
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
    }
}

impl Worker {
    pub(super) fn connect_if_due(&mut self, now: Instant) {
        if self.broker.connection.is_some() || self.broker.connect_at.is_none_or(|at| now < at) {
            return;
        }
        self.broker.connect_at = None;
        let topics = &self.settings.topics;
        let plan = ConnectionPlan {
            access: self.settings.access.clone(),
            client_id: format!("bulbctl-{}-{}", topics.bridge_name(), self.store.memory().installation),
            will: Message::retained(topics.bridge(BridgeTopic::State), OFFLINE),
            subscriptions: topics.subscriptions(),
        };
        match Connection::open(plan) {
            Ok(connection) => self.broker.connection = Some(connection),
            Err(error) => self.connection_ended(error, Ended::Lost, now),
        }
    }

    pub(super) fn broker_event(&mut self, event: BrokerEvent, now: Instant) {
        match event {
            BrokerEvent::Connected => {
                self.broker.connected = true;
                self.broker.back_off.connected(now);
                self.broker.reported = None;
                self.broker.denials = 0;
            }
            BrokerEvent::Subscribed => {
                // Commands can come from now on, so the bridge is online.
                self.broker.was_connected = true;
                self.broker.connected_at = Some(clock::now());
                self.outbox.connected();
                self.publish_online();
                self.claims_subscribed();
                self.tell(BridgePhase::Connected, None);
            }
            BrokerEvent::Delivered(delivery) => self.delivered(delivery, now),
            BrokerEvent::Denied(error, message) => {
                let mut round = false;
                if let Some((number, topic)) = message {
                    if number == CLAIM_NUMBER
                        && let Some(owners) = &mut self.owners
                    {
                        owners.acknowledged();
                    }
                    self.outbox.acknowledged(number, &topic, now);
                    round = topic == self.settings.topics.bridge(BridgeTopic::Errors);
                }
                // A denied prefix denies every bulb.
                self.broker.denials += 1;
                match self.broker.denials > MOST_DENIALS {
                    true => tracing::info!("{error}"),
                    // An error about the topic of errors would go round in circles.
                    false if round => self.report_locally(&error),
                    false => self.report(&error, None),
                }
            }
            BrokerEvent::Ended(error, why) => self.connection_ended(error, why, now),
            event @ BrokerEvent::Acknowledged(..) => self.acknowledge(event),
        }
    }

    /// Takes note of an acknowledgement; ignores other events.
    pub(super) fn acknowledge(&mut self, event: BrokerEvent) {
        match event {
            BrokerEvent::Acknowledged(CLAIM_NUMBER, _) | BrokerEvent::Denied(_, Some((CLAIM_NUMBER, _))) => {
                if let Some(owners) = &mut self.owners {
                    owners.acknowledged();
                }
            }
            BrokerEvent::Acknowledged(number, topic) => {
                let newest = self.outbox.acknowledged(number, &topic, Instant::now());
                if newest {
                    self.published(&topic);
                }
            }
            BrokerEvent::Denied(_, Some((number, topic))) => {
                self.outbox.acknowledged(number, &topic, Instant::now());
            }
            BrokerEvent::Ended(..) => self.broker.connected = false,
            _ => {}
        }
    }

    fn connection_ended(&mut self, error: Error, why: Ended, now: Instant) {
        let first = !self.broker.was_connected;
        let was_connected = self.broker.connected;
        self.broker_lost();
        // The user is there to correct these. Later, they may be a mistake of the broker.
        if first && matches!(error, Error::BrokerCredentials { .. } | Error::BrokerTls { .. }) {
            self.broker.fatal = Some(error);
            return;
        }
        let pause = self.broker.back_off.ended(why, now, self.spread());
        self.broker.connect_at = Some(now + pause);
        tracing::info!("connecting to the broker again in {pause:.1?}");
        if was_connected {
            self.tell(BridgePhase::Disconnected, Some(error.to_string()));
        }
        if self.broker.reported != Some(error.code()) {
            self.broker.reported = Some(error.code());
            self.report_locally(&error);
        }
    }

    /// Drops the connection. Nothing of it comes late.
    pub(super) fn broker_lost(&mut self) {
        self.broker.connection = None;
        self.broker.connected = false;
        self.broker.connected_at = None;
        self.outbox.disconnected();
        self.home_assistant_at = None;
        self.claims_disconnected();
    }

    /// Sends what waits, as far as the broker takes it.
    pub(super) fn flush(&mut self) {
        let Some(connection) = self.broker.connection.as_mut().filter(|_| self.broker.connected) else {
            return;
        };
        if let Some(owners) = &mut self.owners {
            owners.flush(connection);
        }
        while let Some((number, message)) = self.outbox.take() {
            connection.publish(number, message);
        }
    }

    /// A number from 0 to 1 that depends on the installation.
    pub(super) fn spread(&self) -> f64 {
        let digits = self.store.memory().installation.get(..4).unwrap_or_default();
        f64::from(u16::from_str_radix(digits, 16).unwrap_or_default()) / f64::from(u16::MAX)
    }

    /// Someone published the facts about a bridge with our name.
    pub(super) fn info_received(&mut self, payload: &[u8], retain: bool) {
        let info: Value = serde_json::from_slice(payload).unwrap_or_default();
        let text = |key: &str| info.get(key).and_then(Value::as_str).unwrap_or_default();
        let own = text("instance") == self.instance;
        self.broker.info_came_back |= own;
        // An earlier run of this bridge has left its facts.
        let left = retain && !self.broker.info_came_back;
        if text("instance").is_empty() || own || left {
            return;
        }
        let own = (self.started_text(), self.instance.clone());
        let other = (text("started").to_owned(), text("instance").to_owned());
        let error = Error::BridgeDuplicate { name: self.settings.topics.bridge_name().to_owned() };
        if own > other {
            // The one that started later gives way, so that one of them stays.
            self.broker.fatal = Some(error);
        } else {
            self.report_locally(&error);
            // Tells the other one.
            self.outbox.again(&self.settings.topics.bridge(BridgeTopic::Info));
        }
    }
}
