//! What goes out to the broker.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::clock;
use super::super::discovery::{self, Announcement};
use super::super::memory::{Memory, RememberedBulb};
use super::super::outbox::Message;
use super::super::payload::{OFFLINE, ONLINE, group_state};
use super::super::topics::{BridgeTopic, BulbId, BulbTopic};
use super::Worker;
use crate::bulb::DrivenProfile;
use crate::error::Error;
use crate::output::{ErrorRecord, Record, stamp};
use crate::sanitise::sanitise;

/// A retained `online` outlives a power cut of the bridge, unless the broker forgets it. It is refreshed every third of this.
const ONLINE_EXPIRY: Duration = Duration::from_secs(180);

/// Collects the changes of the list of bulbs.
const LIST_DELAY: Duration = Duration::from_millis(500);

const VERSION: &str = env!("CARGO_PKG_VERSION");

impl Worker {
    fn set_bulb(&mut self, id: &BulbId, topic: BulbTopic, payload: impl Into<Vec<u8>>) -> bool {
        self.outbox.set(Message::retained(self.settings.topics.bulb(id, topic), payload))
    }

    /// Publishes the availability of a bulb, if it is ours to tell.
    pub(super) fn publish_availability(&mut self, id: &BulbId) {
        let Some(bulb) = self.bulbs.get_mut(id) else { return };
        bulb.availability.update(Instant::now());
        let online = bulb.availability.online();
        if !self.may_drive(id) {
            return;
        }
        let topic = self.settings.topics.bulb(id, BulbTopic::Availability);
        let message = Message::retained(topic, if online { ONLINE } else { OFFLINE });
        if self.outbox.set(if online { message.expires(ONLINE_EXPIRY) } else { message }) {
            self.publish_groups_of(id);
        }
    }

    pub(super) fn update_availability(&mut self, now: Instant) {
        let due = |bulb: &&super::Bulb| bulb.availability.wake().is_some_and(|wake| wake <= now);
        let ids: Vec<BulbId> = self.bulbs.values().filter(due).map(|bulb| bulb.id.clone()).collect();
        ids.iter().for_each(|id| self.publish_availability(id));
        self.publish_nobodys();
    }

    /// A bulb that no bridge hears has no owner to say so. An owner that was killed may have left it online.
    fn publish_nobodys(&mut self) {
        let Some(connected) = self.broker.connected_at.filter(|at| self.claims_known_since(*at)) else {
            return;
        };
        let is_nobodys = |bulb: &&super::Bulb| {
            bulb.told_offline.is_none_or(|told| told < connected)
                && !bulb.availability.online()
                && self.is_nobodys(&bulb.id)
        };
        let ids: Vec<BulbId> = self.bulbs.values().filter(is_nobodys).map(|bulb| bulb.id.clone()).collect();
        for id in ids {
            // Not kept: it would be repeated when the bulb has an owner.
            let topic = self.settings.topics.bulb(&id, BulbTopic::Availability);
            self.outbox.event(Message::retained(topic, OFFLINE));
            if let Some(bulb) = self.bulbs.get_mut(&id) {
                bulb.told_offline = Some(connected);
            }
        }
    }

    /// Publishes the state of a bulb. While commands are under way nothing is published: a slider would jump back.
    pub(super) fn publish_state(&mut self, id: &BulbId) {
        let Some(bulb) = self.bulbs.get_mut(id).filter(|bulb| bulb.queue.is_empty()) else { return };
        let Some(payload) = bulb.state_payload() else { return };
        bulb.published = payload.clone();
        if self.may_drive(id) && self.set_bulb(id, BulbTopic::State, payload.to_string()) {
            self.publish_groups_of(id);
        }
    }

    pub(super) fn publish_battery(&mut self, id: &BulbId) {
        if let Some(percent) = self.bulbs.get(id).and_then(|bulb| bulb.battery).filter(|_| self.may_drive(id))
        {
            self.set_bulb(id, BulbTopic::Battery, percent.to_string());
        }
    }

    pub(super) fn publish_signal(&mut self, id: &BulbId, signal: Option<i16>, seen: bool) {
        if !self.may_drive(id) {
            return;
        }
        if let Some(signal) = signal {
            self.set_bulb(id, BulbTopic::Signal, signal.to_string());
        }
        if seen {
            self.set_bulb(id, BulbTopic::LastSeen, stamp(SystemTime::now()));
        }
    }

    /// Announces a bulb of a known family to Home Assistant, if something about it is new.
    pub(super) fn announce(&mut self, id: &BulbId) {
        let Some(bulb) = self.bulbs.get(id).filter(|_| self.settings.discovery && self.may_drive(id)) else {
            return;
        };
        let Some(profile) = bulb.profile.as_ref().filter(|_| bulb.complete) else { return };
        let remembered = self.store.memory().bulbs.get(id).cloned().unwrap_or_default();
        let announcement = Announcement {
            id,
            name: &bulb.name,
            area: bulb.area.as_deref(),
            address: bulb.device.address.map(|address| address.to_string()),
            profile,
            battery: bulb.battery.is_some() || remembered.components.contains_key("battery"),
        };
        let payload = announcement.payload(&self.settings.topics);
        let topic = self.settings.topics.discovery(&discovery::node(id));
        // A component that is gone is removed first; the payload itself follows when the broker has that.
        let removal = discovery::with_removals(&payload, &remembered.components);
        let after_removal = removal.is_some().then(|| discovery::components(&payload));
        let message = removal.unwrap_or(payload);
        let known = RememberedBulb {
            device: bulb.device.id.to_string(),
            name: bulb.device.name.clone(),
            profile: profile.0.full_name(),
            components: discovery::components(&message),
        };
        if let Some(bulb) = self.bulbs.get_mut(id) {
            bulb.after_removal = after_removal;
        }
        self.store.memory_mut().bulbs.insert(id.clone(), known);
        self.outbox.set(Message::retained(topic, message.to_string()));
    }

    /// The broker has the newest message of a topic.
    pub(super) fn published(&mut self, topic: &str) {
        let node = self.settings.topics.discovered(topic);
        let id = node.and_then(|node| node.strip_prefix("bulbctl_")).map(str::to_owned);
        let Some(id) = id.and_then(|id| BulbId::try_from(id).ok()) else { return };
        if let Some(components) = self.bulbs.get_mut(&id).and_then(|bulb| bulb.after_removal.take()) {
            if let Some(known) = self.store.memory_mut().bulbs.get_mut(&id) {
                known.components = components;
            }
            self.announce(&id);
        }
    }

    /// Leaves the topics of a bulb to another bridge.
    pub(super) fn leave_topics(&mut self, id: &BulbId) {
        for topic in self.retained_topics(id) {
            self.outbox.remove(&topic);
        }
    }

    /// Removes a bulb from the broker and from Home Assistant, unless another bridge owns it.
    pub(super) fn forget(&mut self, id: &BulbId) {
        if self.owners.is_some() {
            // Its owner is not known yet, or it has just been given away.
            self.forgetting.insert(id.clone(), clock::now());
        } else {
            self.clear(id);
        }
    }

    /// Removes the bulbs that nobody has claimed since they were to be forgotten.
    pub(super) fn forget_if_due(&mut self) {
        let due = |asked: &Duration| self.claims_known_since(*asked);
        let ids: Vec<BulbId> =
            self.forgetting.iter().filter(|(_, asked)| due(asked)).map(|(id, _)| id.clone()).collect();
        for id in ids {
            self.forgetting.remove(&id);
            if self.bulbs.contains_key(&id) {
                // It is meant again.
            } else if self.is_anothers(&id) {
                self.store.memory_mut().bulbs.remove(&id);
            } else {
                self.clear(&id);
            }
        }
    }

    fn clear(&mut self, id: &BulbId) {
        if !self.store.memory().bulbs.contains_key(id) && !self.settings.discovery {
            return;
        }
        for topic in self.retained_topics(id) {
            self.outbox.set(Message::clear(topic));
        }
    }

    /// The retained topics of a bulb, except its claim.
    fn retained_topics(&self, id: &BulbId) -> Vec<String> {
        let topics = &self.settings.topics;
        let states = BulbTopic::RETAINED.into_iter().map(|topic| topics.bulb(id, topic));
        [topics.discovery(&discovery::node(id))].into_iter().chain(states).collect()
    }

    fn retained_topics_of_group(&self, slug: &str) -> [String; 3] {
        let topics = &self.settings.topics;
        let state = |topic| topics.group(slug, topic);
        [
            topics.discovery(&discovery::group_node(topics, slug)),
            state(BulbTopic::State),
            state(BulbTopic::Availability),
        ]
    }

    /// Forgets bulbs and groups whose removal the broker has confirmed. If this process ends before that, the next one removes
    /// them.
    pub(super) fn forget_removed(&mut self) {
        let Memory { bulbs, groups, .. } = self.store.memory();
        let is_removed = |topics: &[String]| topics.iter().all(|topic| self.outbox.is_published(topic));
        let gone = |id: &&BulbId| !self.bulbs.contains_key(*id) && !self.forgetting.contains_key(*id);
        let bulbs: Vec<BulbId> =
            bulbs.keys().filter(|id| gone(id) && is_removed(&self.retained_topics(id))).cloned().collect();
        let groups: Vec<String> = groups
            .iter()
            .filter(|slug| {
                !self.groups.contains_key(*slug) && is_removed(&self.retained_topics_of_group(slug))
            })
            .cloned()
            .collect();
        for id in bulbs {
            self.store.memory_mut().bulbs.remove(&id);
        }
        for slug in groups {
            self.store.memory_mut().groups.remove(&slug);
        }
    }

    /// The bulbs of a group that this bridge has.
    pub(super) fn group_members(&self, slug: &str) -> Vec<BulbId> {
        let Some(group) = self.groups.get(slug) else { return Vec::new() };
        let member = |bulb: &&super::Bulb| group.target.means(&bulb.device);
        self.bulbs.values().filter(member).map(|bulb| bulb.id.clone()).collect()
    }

    /// Announces the groups, and removes those that are gone.
    pub(super) fn announce_groups(&mut self) {
        let remembered = &self.store.memory().groups;
        let gone: Vec<String> =
            remembered.iter().filter(|slug| !self.groups.contains_key(*slug)).cloned().collect();
        for topic in gone.iter().flat_map(|slug| self.retained_topics_of_group(slug)).collect::<Vec<_>>() {
            self.outbox.set(Message::clear(topic));
        }
        let slugs: Vec<String> = self.groups.keys().cloned().collect();
        slugs.iter().for_each(|slug| self.announce_group(slug));
    }

    fn announce_group(&mut self, slug: &str) {
        let members: Vec<(BulbId, DrivenProfile)> = self
            .group_members(slug)
            .into_iter()
            .filter_map(|id| {
                let bulb = self.bulbs.get(&id).filter(|bulb| bulb.complete)?;
                Some((id, bulb.profile.clone()?))
            })
            .collect();
        // A group without bulbs can do nothing, and Home Assistant would show it so.
        let Some(group) = self.groups.get(slug).filter(|_| !members.is_empty()) else { return };
        if self.settings.discovery {
            let topics = &self.settings.topics;
            let payload = discovery::group(topics, &group.name, slug, &members);
            self.outbox.set(Message::retained(
                topics.discovery(&discovery::group_node(topics, slug)),
                payload.to_string(),
            ));
            self.store.memory_mut().groups.insert(slug.to_owned());
        }
        self.publish_group(slug);
    }

    pub(super) fn update_groups_of(&mut self, id: &BulbId) {
        for slug in self.groups_of(id) {
            self.announce_group(&slug);
        }
    }

    fn groups_of(&self, id: &BulbId) -> Vec<String> {
        let Some(bulb) = self.bulbs.get(id) else { return Vec::new() };
        let with = self.groups.iter().filter(|(_, group)| group.target.means(&bulb.device));
        with.map(|(slug, _)| slug.clone()).collect()
    }

    fn publish_groups_of(&mut self, id: &BulbId) {
        for slug in self.groups_of(id) {
            self.publish_group(&slug);
        }
    }

    fn publish_group(&mut self, slug: &str) {
        let members = self.group_members(slug);
        let bulbs = || members.iter().filter_map(|id| self.bulbs.get(id));
        let states: Vec<Value> =
            bulbs().map(|bulb| bulb.published.clone()).filter(Value::is_object).collect();
        let online = bulbs().any(|bulb| bulb.availability.online());
        let topics = &self.settings.topics;
        let state = Message::retained(topics.group(slug, BulbTopic::State), group_state(&states).to_string());
        let availability = topics.group(slug, BulbTopic::Availability);
        let availability = match online {
            true => Message::retained(availability, ONLINE).expires(ONLINE_EXPIRY),
            false => Message::retained(availability, OFFLINE),
        };
        self.outbox.set(state);
        self.outbox.set(availability);
    }

    /// Publishes the facts about this bridge, and announces it.
    pub(super) fn publish_bridge(&mut self) {
        let topics = &self.settings.topics;
        let info = json!({
            "name": topics.bridge_name(),
            "version": VERSION,
            "adapter": self.radio.adapter().name,
            "powered": self.powered,
            "error": self.adapter_error.as_ref().map(Error::code),
            "links": self.slots,
            "instance": self.instance,
            "started": self.started_text(),
        });
        self.outbox.set(Message::retained(topics.bridge(BridgeTopic::Info), info.to_string()));
        if self.settings.discovery {
            let topic = topics.discovery(&discovery::bridge_node(topics));
            self.outbox.set(Message::retained(topic, discovery::bridge(topics).to_string()));
        }
    }

    /// The list of bulbs has changed. At the start, many changes come at once.
    pub(super) fn bulbs_changed(&mut self) {
        self.bulbs_due.get_or_insert_with(|| Instant::now() + LIST_DELAY);
    }

    pub(super) fn started_text(&self) -> String {
        stamp(self.started)
    }

    /// Publishes the list of bulbs, if it has changed.
    pub(super) fn publish_bulbs_if_due(&mut self, now: Instant) {
        if self.bulbs_due.take_if(|due| *due <= now).is_none() {
            return;
        }
        let bulbs: Vec<Value> = self
            .bulbs
            .values()
            .map(|bulb| {
                json!({
                    "id": bulb.id.as_str(),
                    "name": sanitise(&bulb.name),
                    "area": bulb.area,
                    "address": bulb.device.address.map(|address| address.to_string()),
                    "profile": bulb.profile.as_ref().map(|profile| profile.0.full_name()),
                })
            })
            .collect();
        let topic = self.settings.topics.bridge(BridgeTopic::Bulbs);
        self.outbox.set(Message::retained(topic, Value::from(bulbs).to_string()));
    }

    /// The birth: the broker has the subscriptions.
    pub(super) fn publish_online(&mut self) {
        let topic = self.settings.topics.bridge(BridgeTopic::State);
        self.outbox.put(Message::retained(topic, ONLINE).expires(ONLINE_EXPIRY));
    }

    pub(super) fn publish_offline(&mut self) {
        let topic = self.settings.topics.bridge(BridgeTopic::State);
        self.outbox.put(Message::retained(topic, OFFLINE));
    }

    /// Home Assistant has started: it gets the discovery again, then states and availability.
    pub(super) fn announce_if_due(&mut self, now: Instant) {
        if self.home_assistant_at.take_if(|at| *at <= now).is_none() {
            return;
        }
        tracing::info!("Home Assistant has started; publishing everything again");
        let topics = self.settings.topics.clone();
        let ids: Vec<BulbId> = self.bulbs.keys().cloned().collect();
        let slugs: Vec<String> = self.groups.keys().cloned().collect();
        if self.settings.discovery {
            self.outbox.again(&topics.discovery(&discovery::bridge_node(&topics)));
            ids.iter().for_each(|id| self.outbox.again(&topics.discovery(&discovery::node(id))));
            for slug in &slugs {
                self.outbox.again(&topics.discovery(&discovery::group_node(&topics, slug)));
            }
        }
        for topic in BulbTopic::RETAINED {
            ids.iter().for_each(|id| self.outbox.again(&topics.bulb(id, topic)));
            slugs.iter().for_each(|slug| self.outbox.again(&topics.group(slug, topic)));
        }
        self.outbox.again(&topics.bridge(BridgeTopic::State));
    }

    /// Publishes an error, with the command that it is of.
    pub(super) fn publish_error(&mut self, error: &Error, id: Option<&BulbId>, command: Option<&str>) {
        let ErrorRecord { code, message, hint, .. } = ErrorRecord::of(error, None);
        let name = id.and_then(|id| self.bulbs.get(id)).map(|bulb| sanitise(&bulb.name).into_owned());
        let payload = json!({
            "code": code,
            "message": sanitise(&message),
            "hint": hint,
            "bulb": id.map(BulbId::as_str),
            "name": name,
            "command": command,
            "at": stamp(SystemTime::now()),
        });
        let topic = self.settings.topics.bridge(BridgeTopic::Errors);
        self.outbox.event(Message::event(topic, payload.to_string()));
    }

    /// Reports an error on the output only.
    pub(super) fn report_locally(&self, error: &Error) {
        self.send(Record::Error(ErrorRecord::of(error, None)));
    }
}
