//! What `bridge --once` prints.

use super::discovery::{self, Announcement};
use super::outbox::Message;
use super::payload;
use super::topics::{BulbId, BulbTopic};
use super::worker::Settings;
use crate::bulb::{BulbState, DrivenProfile};
use crate::output::MessageRecord;
use crate::radio::SeenDevice;

/// The messages that would be published about a bulb in this state.
pub fn messages(
    settings: &Settings,
    device: &SeenDevice,
    profile: &DrivenProfile,
    state: &BulbState,
    battery: Option<u8>,
) -> Vec<MessageRecord> {
    let (id, topics) = (BulbId::of(device), &settings.topics);
    let (name, area) = settings.name_of(device);
    let address = device.address.map(|address| address.to_string());
    let mut messages = Vec::new();
    if settings.discovery {
        let battery = battery.is_some();
        let announcement =
            Announcement { id: &id, name: &name, area: area.as_deref(), address, profile, battery };
        let payload = announcement.payload(topics).to_string();
        messages.push(Message::retained(topics.discovery(&discovery::node(&id)), payload));
    }
    let state = payload::state(&profile.0, state).to_string();
    messages.push(Message::retained(topics.bulb(&id, BulbTopic::State), state));
    messages.push(Message::retained(topics.bulb(&id, BulbTopic::Availability), payload::ONLINE));
    if let Some(percent) = battery {
        messages.push(Message::retained(topics.bulb(&id, BulbTopic::Battery), percent.to_string()));
    }
    messages.into_iter().map(record).collect()
}

fn record(message: Message) -> MessageRecord {
    let text = String::from_utf8_lossy(&message.payload).into_owned();
    let payload = serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text));
    MessageRecord { topic: message.topic, payload, retain: message.retain }
}
