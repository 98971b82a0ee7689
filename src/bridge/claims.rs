//! Decides which of several bridges drives a bulb. Pure: events and time in, messages out.
//!
//! A claim is a lease: its sender may drive the bulb for [`LEASE`], counted from the moment when it sent the claim.
//!
//! - To renew, the owner sends another claim. It counts when the broker has sent it back while the lease is still valid.
//! - To become the owner, a bridge must have been subscribed for [`QUIET`] without receiving the claim of another. Its
//!   claim counts when the broker has sent it back, and no claim of another came before.
//!
//! So the order in which the broker sends the claims of a bulb decides, and no two clocks are compared. Clocks must only run
//! at about the same rate: [`MARGIN`] covers a difference of 8 %. Two bridges cannot drive one bulb at the same time: a
//! new owner has received every earlier claim, and has waited until its lease was over; a claim that the broker received
//! later does not come back to its sender before the newer one. Nothing depends on wills, on retained messages that a
//! broker may forget, or on messages that arrive in time. ARCHITECTURE.md says what was not done instead.
//!
//! `now` is the time since any fixed moment, from a clock that goes on while the computer sleeps.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use ownership::{HandOver, Others, Ownership, Signal, is_better};

mod ownership;

/// The time for which a claim permits its sender to drive the bulb.
pub const LEASE: Duration = Duration::from_secs(12);
/// The interval between the claims of an owner.
pub const RENEW: Duration = Duration::from_secs(4);
/// What a clock may gain or lose during a lease.
pub const MARGIN: Duration = Duration::from_secs(1);
/// The time without the claim of another after which a bulb is free.
pub const QUIET: Duration = LEASE.saturating_add(MARGIN);
/// The message expiry of a claim.
pub const CLAIM_EXPIRY: Duration = QUIET;

/// A bridge that hears the bulb better by this many dB may get it.
pub const BETTER: i16 = 10;
/// The time for which it must hear it better.
const BETTER_FOR: Duration = Duration::from_secs(30);
/// The same if the owner does not hear the bulb.
const BETTER_FOR_LOST: Duration = Duration::from_secs(5);
/// The interval between two bids.
const BID_EVERY: Duration = Duration::from_secs(30);
/// A new owner keeps a bulb for at least this time.
const SETTLED: Duration = Duration::from_secs(60);
/// A bulb with a command in this time is not handed over.
const IN_USE: Duration = Duration::from_secs(10);
/// The time for which a measured signal counts.
const HEARD_FOR: Duration = Duration::from_secs(60);
/// The time in which the link must end before a bulb is handed over. Nothing is written in it.
const UNLINK_TIME: Duration = Duration::from_secs(5);
/// Bridges that hear a bulb less well wait longer before they claim it, by this time for each dB below [`STRONG`].
const WAIT_PER_DB: Duration = Duration::from_millis(40);
const STRONG: i16 = -40;
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// The number of bulbs of others whose claims are remembered.
const MAX_OTHERS: usize = 4096;
/// Brokers drop retained messages beyond the queue of a client, which is 1,000 in mosquitto. With more than this many, what
/// is missing is no evidence.
const MAX_RETAINED: usize = 500;
/// The claims that wait to come back. There are three during a lease.
const MAX_SENT: usize = 8;

/// The sender of a claim. The instance is another one in each run of a bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub bridge: String,
    pub instance: String,
}

/// A message about the owner of a bulb.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    pub bridge: String,
    pub instance: String,
    /// Grows with each claim of an instance.
    pub number: u64,
    /// The signal of the bulb at the sender, dBm.
    #[serde(default)]
    pub rssi: Option<i16>,
    /// The sender drives the bulb no more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub released: bool,
    /// The bridge that should have the bulb next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

impl Claim {
    fn is_of(&self, identity: &Identity) -> bool {
        self.bridge == identity.bridge && self.instance == identity.instance
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimAction {
    /// Publish it retained, with [`CLAIM_EXPIRY`]. Drop it if the broker cannot be reached.
    Publish(Claim),
    /// Publish it to the topic of the claims, not retained: a retained release could hide the claim of another.
    Release(Claim),
    /// Ask the owner for the bulb.
    Bid { to: String, claim: Claim },
}

/// The claims of all bulbs, as this bridge knows them.
#[derive(Debug)]
pub struct Claims<K> {
    own: Identity,
    broker: Broker,
    bulbs: BTreeMap<K, Ownership>,
    /// The last claims of the run before this one, which ended as their owner and drives nothing any more.
    earlier: Ended<K>,
    /// Claims for bulbs that this bridge does not have.
    others: BTreeMap<K, Others>,
    /// Claims that came before this time may have been forgotten.
    forgotten: Duration,
    /// The number of the last claim for any bulb.
    number: u64,
}

/// A bridge that has ended, and the number of its last claim for each bulb that it owned. While the broker has kept that claim,
/// no other bridge has owned the bulb since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "K: Ord + Deserialize<'de>"))]
pub struct Ended<K> {
    instance: String,
    claims: BTreeMap<K, u64>,
}

impl<K> Default for Ended<K> {
    fn default() -> Self {
        Self { instance: String::new(), claims: BTreeMap::new() }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Broker {
    /// The start of the subscription; `None` without a connection.
    subscribed: Option<Duration>,
    /// The broker has kept every retained message since this time.
    remembers_since: Option<Duration>,
    /// The number of retained claims since the subscription.
    retained: usize,
    /// Other bridges are online.
    others_online: bool,
}

impl Broker {
    /// The time since which every claim is known; `None` without a subscription.
    fn known_since(&self) -> Option<Duration> {
        let subscribed = self.subscribed?;
        let remembered = self.remembers_since.filter(|_| self.retained <= MAX_RETAINED);
        Some(remembered.map_or(subscribed, |since| since.min(subscribed)))
    }
}

/// The age of a retained claim with this message expiry, which the broker counts down in seconds.
pub fn age(expiry: Option<Duration>) -> Duration {
    let second = Duration::from_secs(1);
    expiry.map_or(Duration::ZERO, |left| CLAIM_EXPIRY.saturating_sub(left).saturating_sub(second))
}

impl<K: Ord + Clone> Claims<K> {
    pub fn new(own: Identity) -> Self {
        let (bulbs, others) = (BTreeMap::new(), BTreeMap::new());
        let (broker, earlier) = (Broker::default(), Ended::default());
        Self { own, broker, bulbs, earlier, others, forgotten: Duration::ZERO, number: 0 }
    }

    /// Continues where a run with the same name has ended.
    pub fn resume(&mut self, earlier: Ended<K>) {
        self.earlier = earlier;
    }

    /// Returns the claims for [`resume`](Self::resume) in the next run. Drive no bulb after this call.
    pub fn end(&self, now: Duration) -> Ended<K> {
        // A claim that has not come back may be behind one of another bridge.
        let owned = self.bulbs.iter().filter(|(_, bulb)| bulb.owns(now) && bulb.sent.is_empty());
        let claims = owned.map(|(id, bulb)| (id.clone(), bulb.number)).collect();
        Ended { instance: self.own.instance.clone(), claims }
    }

    // -- the broker ----------------------------------------------------------------------------------------------

    /// The broker has accepted the subscription to the claims.
    pub fn subscribed(&mut self, now: Duration) {
        let Broker { others_online, .. } = self.broker;
        self.broker = Broker { subscribed: Some(now), others_online, ..Broker::default() };
    }

    /// The broker has been up for this time, and so has kept what was retained in it.
    pub fn broker_memory(&mut self, up: Duration, now: Duration) {
        self.broker.remembers_since = Some(now.saturating_sub(up));
    }

    /// The connection has ended. The leases go on, and end if it does not come back.
    pub fn disconnected(&mut self) {
        self.broker.subscribed = None;
        self.broker.remembers_since = None;
        for bulb in self.bulbs.values_mut().filter(|bulb| bulb.lease.is_none()) {
            bulb.sent.clear();
        }
    }

    /// Other bridges are online, or none.
    pub fn others_online(&mut self, online: bool) {
        self.broker.others_online = online;
    }

    // -- bulbs ---------------------------------------------------------------------------------------------------

    /// The bulb is one that this bridge should drive if it can.
    pub fn track(&mut self, id: &K) {
        if !self.bulbs.contains_key(id) {
            let forgotten = Others { newest: None, before: self.forgotten };
            let others = self.others.remove(id).unwrap_or(forgotten);
            self.bulbs.insert(id.clone(), Ownership::new(others));
        }
    }

    /// The bulb is no longer one of this bridge. Returns what to publish. End its link first.
    pub fn untrack(&mut self, id: &K, now: Duration) -> Option<ClaimAction> {
        let mut bulb = self.bulbs.remove(id)?;
        self.remember(id.clone(), now).clone_from(&bulb.others);
        if !bulb.owns(now) {
            return None;
        }
        bulb.linked = None;
        bulb.leaving = Some(HandOver { to: None, since: now });
        bulb.step(&self.own, &self.broker, &mut self.number, now)
    }

    /// An advertisement arrived.
    pub fn heard(&mut self, id: &K, rssi: Option<i16>, now: Duration) {
        if let (Some(bulb), Some(rssi)) = (self.bulbs.get_mut(id), rssi) {
            bulb.signal = Some(Signal::heard(bulb.signal, rssi, now));
            bulb.compare(now);
        }
    }

    /// The link of this bridge is up, or down.
    pub fn linked(&mut self, id: &K, linked: bool, now: Duration) {
        if let Some(bulb) = self.bulbs.get_mut(id) {
            if bulb.linked.is_some() && !linked {
                // It advertises again. It must not count as lost before that can have been heard.
                bulb.signal = bulb.signal.map(|signal| Signal { at: now, ..signal });
            }
            bulb.linked = linked.then(|| bulb.linked.unwrap_or(now));
        }
    }

    /// A command arrived.
    pub fn used(&mut self, id: &K, now: Duration) {
        if let Some(bulb) = self.bulbs.get_mut(id) {
            bulb.used = Some(now);
        }
    }

    // -- messages ------------------------------------------------------------------------------------------------

    /// A message on the topic of the claims of a bulb, our own included. `retained` is the time for which the broker has
    /// kept it, or less; see [`age`].
    pub fn received(&mut self, id: &K, claim: &Claim, retained: Option<Duration>, now: Duration) {
        self.broker.retained = self.broker.retained.saturating_add(usize::from(retained.is_some()));
        let at = now.saturating_sub(retained.unwrap_or_default());
        let known_since = self.broker.known_since();
        let ours = claim.is_of(&self.own);
        let is_earlier = claim.bridge == self.own.bridge && claim.instance == self.earlier.instance;
        if is_earlier && retained.is_some() && self.earlier.claims.get(id) == Some(&claim.number) {
            return;
        }
        match self.bulbs.get_mut(id) {
            Some(bulb) if ours => bulb.came_back(claim.number, retained, known_since, now),
            Some(bulb) => {
                bulb.others.received(claim, at);
                if claim.released && claim.to.as_ref() != Some(&self.own.bridge) && claim.to.is_some() {
                    // Another bridge was chosen.
                    bulb.not_before = bulb.not_before.max(now + RENEW);
                }
                bulb.compare(now);
            }
            None if !ours => self.remember(id.clone(), now).received(claim, at),
            None => {}
        }
    }

    /// Another bridge asks for a bulb that this bridge may own.
    pub fn bid(&mut self, id: &K, bid: &Claim, now: Duration) {
        let Some(bulb) = self.bulbs.get_mut(id) else { return };
        let Some((_, since)) = bulb.lease.filter(|(end, _)| now < *end) else { return };
        let in_use = bulb.used.is_some_and(|used| now < used + IN_USE);
        let settled = now >= since + SETTLED || bulb.rssi(now).is_none();
        if settled && !in_use && bulb.leaving.is_none() && is_better(bid.rssi, bulb.rssi(now)) {
            bulb.leaving = Some(HandOver { to: Some(bid.bridge.clone()), since: now });
        }
    }

    /// The entry of a bulb of others. Forgets the ones whose leases are over if there are too many.
    fn remember(&mut self, id: K, now: Duration) -> &mut Others {
        if self.others.len() >= MAX_OTHERS && !self.others.contains_key(&id) {
            self.others.retain(|_, others| now < others.last() + QUIET);
            if self.others.len() >= MAX_OTHERS {
                self.others.clear();
                self.forgotten = now;
            }
        }
        let before = self.forgotten;
        self.others.entry(id).or_insert_with(|| Others { newest: None, before })
    }

    // -- results -------------------------------------------------------------------------------------------------

    /// Returns true if this bridge may write to the bulb now.
    pub fn may_drive(&self, id: &K, now: Duration) -> bool {
        self.lease(id).is_some_and(|end| now < end)
    }

    /// The end of the time in which this bridge may write to the bulb.
    pub fn lease(&self, id: &K) -> Option<Duration> {
        let bulb = self.bulbs.get(id).filter(|bulb| bulb.leaving.is_none())?;
        bulb.lease.map(|(end, _)| end)
    }

    /// The bridge that drives the bulb, as far as is known.
    pub fn owner(&self, id: &K, now: Duration) -> Option<&str> {
        let Some(bulb) = self.bulbs.get(id) else {
            return self.others.get(id)?.owner(now).map(|claim| claim.bridge.as_str());
        };
        if bulb.owns(now) {
            return Some(&self.own.bridge);
        }
        bulb.others.owner(now).map(|claim| claim.bridge.as_str())
    }

    /// What to publish now. Call it after each event, and at [`wake`](Self::wake).
    pub fn step(&mut self, now: Duration) -> Vec<(K, ClaimAction)> {
        let Self { own, broker, bulbs, number, .. } = self;
        bulbs
            .iter_mut()
            .filter(|(_, bulb)| bulb.wake(broker).is_some_and(|at| at <= now))
            .filter_map(|(id, bulb)| Some((id.clone(), bulb.step(own, broker, number, now)?)))
            .collect()
    }

    /// The next time at which something is to be done.
    pub fn wake(&self) -> Option<Duration> {
        self.bulbs.values().filter_map(|bulb| bulb.wake(&self.broker)).min()
    }
}

#[cfg(test)]
mod tests;
