//! Which of several bridges owns a bulb: the claims over the broker, and what a change of the owner means here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::super::claims::{self, CLAIM_EXPIRY, Claim, ClaimAction, Claims, Ended, Identity, QUIET, RENEW};
use super::super::clock;
use super::super::guard::{Guarded, Leases};
use super::super::mqtt::{Connection, Delivery};
use super::super::outbox::Message;
use super::super::topics::{BulbId, BulbTopic, Incoming};
use super::Worker;
use crate::radio::Radio;

/// The number of all messages about claims. The outbox has no message with it.
pub(super) const CLAIM_NUMBER: u64 = 0;
/// The most claims that the broker has not acknowledged. The queue of the connection is also for other messages.
const IN_FLIGHT: usize = 16;

/// The claims of a bridge that is not alone.
pub(super) struct Owners {
    claims: Claims<BulbId>,
    leases: Arc<Leases>,
    /// The bulbs of this bridge.
    owned: BTreeSet<BulbId>,
    /// The other bridges, and whether they are online.
    others: BTreeMap<String, bool>,
    /// Messages and their times. They are dropped when the next one is due.
    waiting: VecDeque<(Duration, Message)>,
    in_flight: usize,
    /// A message came that may change an owner.
    changed: bool,
}

impl fmt::Debug for Owners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owners").field("owned", &self.owned).finish_non_exhaustive()
    }
}

impl Owners {
    /// The other bridges that are online.
    fn online(&self) -> impl Iterator<Item = &str> {
        self.others.iter().filter(|(_, online)| **online).map(|(name, _)| name.as_str())
    }

    /// Returns also the radio, which from then on writes only to bulbs of this bridge.
    pub(super) fn new(
        bridge: &str,
        instance: &str,
        earlier: Ended<BulbId>,
        radio: Arc<dyn Radio>,
    ) -> (Self, Arc<dyn Radio>) {
        let own = Identity { bridge: bridge.to_owned(), instance: instance.to_owned() };
        let leases = Arc::new(Leases::default());
        let radio = Arc::new(Guarded::new(radio, Arc::clone(&leases)));
        let mut claims = Claims::new(own);
        claims.resume(earlier);
        let owners = Self {
            claims,
            leases,
            owned: BTreeSet::new(),
            others: BTreeMap::new(),
            waiting: VecDeque::new(),
            in_flight: 0,
            changed: false,
        };
        (owners, radio)
    }

    /// Sends what waits, as far as the connection takes it.
    pub(super) fn flush(&mut self, connection: &mut Connection) {
        let now = clock::now();
        while self.in_flight < IN_FLIGHT {
            let Some((at, message)) = self.waiting.pop_front() else { return };
            if now < at + RENEW {
                self.in_flight += 1;
                connection.publish(CLAIM_NUMBER, message);
            }
        }
    }

    pub(super) fn acknowledged(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }
}

impl Worker {
    /// Returns true if this bridge may hold a link to a bulb and write to it.
    pub(super) fn may_drive(&self, id: &BulbId) -> bool {
        self.owners.as_ref().is_none_or(|owners| owners.owned.contains(id))
    }

    /// Returns true if another bridge owns a bulb.
    pub(super) fn is_anothers(&self, id: &BulbId) -> bool {
        self.other_owner(id).is_some()
    }

    /// Returns true if another bridge carries out the commands for a bulb. If nobody does, because its owner has lost the
    /// broker, they wait here for the next owner, and fail.
    pub(super) fn another_carries_out(&self, id: &BulbId) -> bool {
        self.other_owner(id).is_some_and(|(owners, owner)| owners.others.get(owner) != Some(&false))
    }

    fn other_owner(&self, id: &BulbId) -> Option<(&Owners, &str)> {
        let owners = self.owners.as_ref().filter(|owners| !owners.owned.contains(id))?;
        let owner = owners.claims.owner(id, clock::now())?;
        (owner != self.settings.topics.bridge_name()).then_some((owners, owner))
    }

    /// Returns true if no bridge owns a bulb, and none has claimed it lately.
    pub(super) fn is_nobodys(&self, id: &BulbId) -> bool {
        self.owners.as_ref().is_some_and(|owners| owners.claims.owner(id, clock::now()).is_none())
    }

    /// Returns true if every bridge has had the time to claim its bulbs since then, and we were listening.
    pub(super) fn claims_known_since(&self, then: Duration) -> bool {
        self.broker.connected_at.is_some_and(|connected| clock::now() >= connected.max(then) + QUIET)
    }

    pub(super) fn has_others(&self) -> bool {
        self.owners.as_ref().is_some_and(|owners| owners.online().next().is_some())
    }

    /// The number of bridges that are online and whose names come before that of this one.
    pub(super) fn bridges_before(&self) -> usize {
        let own = self.settings.topics.bridge_name();
        let before = |owners: &Owners| owners.online().filter(|name| *name < own).count();
        self.owners.as_ref().map_or(0, before)
    }

    pub(super) fn claims_track(&mut self, id: &BulbId) {
        if let Some(owners) = &mut self.owners {
            owners.claims.track(id);
        }
    }

    pub(super) fn claims_untrack(&mut self, id: &BulbId) {
        let now = clock::now();
        let Some(owners) = &mut self.owners else { return };
        owners.owned.remove(id);
        if let Some(bulb) = self.bulbs.get(id) {
            owners.leases.set(&bulb.device.id, None);
        }
        let release = owners.claims.untrack(id, now);
        self.claim_actions(release.into_iter().map(|action| (id.clone(), action)).collect(), now);
    }

    pub(super) fn claims_heard(&mut self, id: &BulbId, rssi: Option<i16>) {
        if let Some(owners) = &mut self.owners {
            owners.claims.heard(id, rssi, clock::now());
        }
    }

    pub(super) fn claims_linked(&mut self, id: &BulbId, linked: bool) {
        if let Some(owners) = &mut self.owners {
            owners.claims.linked(id, linked, clock::now());
        }
    }

    pub(super) fn claims_used(&mut self, id: &BulbId) {
        if let Some(owners) = &mut self.owners {
            owners.claims.used(id, clock::now());
        }
    }

    pub(super) fn claims_subscribed(&mut self) {
        if let Some(owners) = &mut self.owners {
            owners.claims.subscribed(clock::now());
        }
    }

    pub(super) fn claims_disconnected(&mut self) {
        if let Some(owners) = &mut self.owners {
            owners.claims.disconnected();
            owners.waiting.clear();
            owners.in_flight = 0;
        }
    }

    /// mosquitto says how long it has been up: `123 seconds`.
    pub(super) fn broker_uptime(&mut self, payload: &[u8]) {
        let seconds = str::from_utf8(payload).ok().and_then(|text| text.split(' ').next()?.parse().ok());
        if let (Some(owners), Some(seconds)) = (&mut self.owners, seconds) {
            owners.changed = true;
            owners.claims.broker_memory(Duration::from_secs(seconds), clock::now());
        }
    }

    /// A message about the owner of a bulb.
    pub(super) fn claim_delivered(&mut self, incoming: Incoming, delivery: &Delivery) {
        let Some(owners) = &mut self.owners else { return };
        // What is no claim counts as none.
        let Ok(claim) = serde_json::from_slice::<Claim>(&delivery.payload) else { return };
        let now = clock::now();
        owners.changed = true;
        match incoming {
            Incoming::Owner(id) => {
                let retained = delivery.retain.then(|| claims::age(delivery.expiry));
                owners.claims.received(&id, &claim, retained, now);
                if self.another_carries_out(&id)
                    && let Some(bulb) = self.bulbs.get_mut(&id)
                {
                    // That bridge has the same commands.
                    bulb.queue.clear();
                }
            }
            Incoming::Bid(id) => owners.claims.bid(&id, &claim, now),
            _ => {}
        }
    }

    pub(super) fn claims_bridge(&mut self, name: &str, online: bool) {
        let own = self.settings.topics.bridge_name() == name;
        let Some(owners) = self.owners.as_mut().filter(|_| !own) else { return };
        if owners.others.len() < super::MOST_BULBS || owners.others.contains_key(name) {
            owners.others.insert(name.to_owned(), online);
        }
        let any = owners.online().next().is_some();
        owners.claims.others_online(any);
    }

    pub(super) fn claims_changed(&self) -> bool {
        self.owners.as_ref().is_some_and(|owners| owners.changed)
    }

    /// Publishes the claims that are due, and takes note of bulbs that were gained or lost.
    pub(super) fn claims_tick(&mut self) {
        let now = clock::now();
        let Some(owners) = &mut self.owners else { return };
        owners.changed = false;
        let actions = owners.claims.step(now);
        let mut changed = Vec::new();
        for bulb in self.bulbs.values() {
            let drives = owners.claims.may_drive(&bulb.id, now);
            owners.leases.set(&bulb.device.id, owners.claims.lease(&bulb.id));
            if drives != owners.owned.contains(&bulb.id) {
                changed.push((bulb.id.clone(), drives));
            }
        }
        self.claim_actions(actions, now);
        for (id, drives) in changed {
            self.unplanned = true;
            if drives { self.gained(&id) } else { self.given_up(&id) }
        }
    }

    fn gained(&mut self, id: &BulbId) {
        tracing::info!("{id}: this bridge drives it now");
        if let Some(owners) = &mut self.owners {
            owners.owned.insert(id.clone());
        }
        self.announce(id);
        self.publish_availability(id);
        self.publish_state(id);
        self.publish_battery(id);
    }

    /// Another bridge publishes what is known of the bulb from now on.
    fn given_up(&mut self, id: &BulbId) {
        tracing::info!("{id}: this bridge does not drive it any more");
        if let Some(owners) = &mut self.owners {
            owners.owned.remove(id);
        }
        self.leave_topics(id);
    }

    fn claim_actions(&mut self, actions: Vec<(BulbId, ClaimAction)>, now: Duration) {
        let Some(owners) = self.owners.as_mut().filter(|_| self.broker.is_connected()) else { return };
        let topics = &self.settings.topics;
        for (id, action) in actions {
            let owner = topics.bulb(&id, BulbTopic::Owner);
            let (topic, claim, retained) = match action {
                ClaimAction::Publish(claim) => (owner, claim, true),
                ClaimAction::Release(claim) => (owner, claim, false),
                ClaimAction::Bid { to, claim } => (topics.bid(&id, &to), claim, false),
            };
            let Ok(payload) = serde_json::to_string(&claim) else { continue };
            let message = match retained {
                true => Message::retained(topic, payload).expires(CLAIM_EXPIRY),
                false => Message::event(topic, payload),
            };
            owners.waiting.push_back((now, message));
        }
    }

    /// Lets others have the bulbs at once. Their links have ended.
    pub(super) fn claims_farewell(&mut self) {
        if let Some(owners) = &self.owners {
            self.store.memory_mut().ended = owners.claims.end(clock::now());
        }
        let ids: Vec<BulbId> = self.bulbs.keys().cloned().collect();
        ids.iter().for_each(|id| self.claims_untrack(id));
    }
}
