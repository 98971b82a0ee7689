//! Which of several bridges under one broker drives a bulb. Pure: events and time in, messages out.
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

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

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
    /// Claims for bulbs that this bridge does not have.
    others: BTreeMap<K, Others>,
    /// Claims that came before this time may have been forgotten.
    forgotten: Duration,
    /// The number of the last claim for any bulb.
    number: u64,
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

/// The claims of other bridges for a bulb.
#[derive(Clone, Debug, Default)]
struct Others {
    newest: Option<OtherClaim>,
    /// The time of the newest claim of any other bridge than that of `newest`.
    before: Duration,
}

#[derive(Clone, Debug)]
struct OtherClaim {
    claim: Claim,
    at: Duration,
}

impl Others {
    fn received(&mut self, claim: &Claim, at: Duration) {
        let same = |newest: &OtherClaim| {
            newest.claim.bridge == claim.bridge && newest.claim.instance == claim.instance
        };
        if claim.released {
            // Claims with greater numbers were sent after the release.
            self.newest =
                self.newest.take().filter(|newest| !same(newest) || newest.claim.number > claim.number);
            return;
        }
        let newest = self.newest.take();
        let at = newest.as_ref().filter(|newest| same(newest)).map_or(at, |newest| at.max(newest.at));
        if let Some(other) = newest.filter(|newest| !same(newest)) {
            self.before = self.before.max(other.at);
        }
        self.newest = Some(OtherClaim { claim: claim.clone(), at });
    }

    /// The time of the newest claim that has not been released.
    fn last(&self) -> Duration {
        self.newest.as_ref().map_or(self.before, |newest| newest.at.max(self.before))
    }

    fn owner(&self, now: Duration) -> Option<&Claim> {
        self.newest.as_ref().filter(|newest| now < newest.at + QUIET).map(|newest| &newest.claim)
    }
}

/// The signal of a bulb, smoothed.
#[derive(Clone, Copy, Debug)]
struct Signal {
    /// Sixteenths of a dB.
    level: i32,
    at: Duration,
    /// The start of the present time in range.
    since: Duration,
}

impl Signal {
    fn heard(before: Option<Self>, rssi: i16, now: Duration) -> Self {
        let new = i32::from(rssi) * 16;
        match before.filter(|before| before.is_fresh(now)) {
            Some(before) => {
                Self { level: before.level + (new - before.level) / 8, at: now, since: before.since }
            }
            None => Self { level: new, at: now, since: now },
        }
    }

    fn is_fresh(&self, now: Duration) -> bool {
        now <= self.at + HEARD_FOR
    }

    fn dbm(&self) -> i16 {
        i16::try_from(self.level / 16).unwrap_or(i16::MIN)
    }
}

#[derive(Clone, Debug)]
struct HandOver {
    to: Option<String>,
    since: Duration,
}

/// One bulb of this bridge.
#[derive(Debug)]
struct Ownership {
    others: Others,
    signal: Option<Signal>,
    /// The start of the link, if there is one.
    linked: Option<Duration>,
    /// The last command.
    used: Option<Duration>,
    /// The number of its last claim.
    number: u64,
    /// Claims that have not come back: the number and the time of sending.
    sent: VecDeque<(u64, Duration)>,
    last_sent: Option<Duration>,
    /// The end of the lease, and the time when this bridge became the owner.
    lease: Option<(Duration, Duration)>,
    leaving: Option<HandOver>,
    /// This bridge has given the bulb away, and claims it no sooner.
    not_before: Duration,
    better_since: Option<Duration>,
    last_bid: Option<Duration>,
}

impl Ownership {
    fn new(others: Others) -> Self {
        Self {
            others,
            signal: None,
            linked: None,
            used: None,
            number: 0,
            sent: VecDeque::new(),
            last_sent: None,
            lease: None,
            leaving: None,
            not_before: Duration::ZERO,
            better_since: None,
            last_bid: None,
        }
    }

    fn owns(&self, now: Duration) -> bool {
        self.lease.is_some_and(|(end, _)| now < end)
    }

    fn rssi(&self, now: Duration) -> Option<i16> {
        // A bulb with a link does not advertise: its last signal counts.
        self.signal.filter(|signal| self.linked.is_some() || signal.is_fresh(now)).map(|signal| signal.dbm())
    }

    /// Our claim has come back from the broker. If it was retained, it may hide the claim of another that came before it.
    fn came_back(
        &mut self,
        number: u64,
        retained: Option<Duration>,
        known_since: Option<Duration>,
        now: Duration,
    ) {
        if let Some(age) = retained {
            self.others.before = self.others.before.max(now.saturating_sub(age));
        }
        let sent = self.sent.iter().find(|(sent, _)| *sent == number).map(|(_, at)| *at);
        self.sent.retain(|(sent, _)| *sent > number);
        let (Some(sent), Some(known_since)) = (sent, known_since) else { return };
        if self.leaving.is_some() || now >= sent + LEASE {
            return;
        }
        if let Some((end, since)) = self.lease.filter(|(end, _)| now < *end) {
            self.lease = Some((end.max(sent + LEASE), since));
        } else if self.free_at(known_since) <= sent {
            self.lease = Some((sent + LEASE, now));
            self.better_since = None;
        }
    }

    /// The time when every lease of another is over.
    fn free_at(&self, known_since: Duration) -> Duration {
        self.others.last().max(known_since) + QUIET
    }

    /// The time to send a claim for a bulb that this bridge does not own.
    fn claim_at(&self, broker: &Broker) -> Option<Duration> {
        let known_since = broker.known_since()?;
        let near_since = self.signal.map(|signal| signal.since).or(self.linked)?;
        let free = self.free_at(known_since).max(near_since).max(self.not_before);
        let wait = self.signal.map_or(LONGEST_WAIT, |signal| wait(signal.dbm()));
        let retry = self.last_sent.map_or(Duration::ZERO, |sent| sent + RENEW);
        let at = if broker.others_online { free + wait } else { free }.max(retry);
        (self.linked.is_some() || self.signal?.is_fresh(at)).then_some(at)
    }

    /// The time for the next bid, if this bridge hears the bulb better than its owner.
    fn bid_at(&self) -> Option<Duration> {
        let owner = self.others.newest.as_ref()?;
        let patience = if owner.claim.rssi.is_some() { BETTER_FOR } else { BETTER_FOR_LOST };
        let at = (self.better_since? + patience)
            .max(self.last_bid.map_or(Duration::ZERO, |last| last + BID_EVERY));
        (at < owner.at + QUIET && self.signal?.is_fresh(at)).then_some(at)
    }

    fn compare(&mut self, now: Duration) {
        let rssi = self.rssi(now);
        let better =
            !self.owns(now) && self.others.owner(now).is_some_and(|owner| is_better(rssi, owner.rssi));
        self.better_since = better.then(|| self.better_since.unwrap_or(now));
    }

    fn wake(&self, broker: &Broker) -> Option<Duration> {
        let end = self.lease.map(|(end, _)| end);
        if broker.subscribed.is_none() {
            return end;
        }
        if let (Some(end), Some(leaving)) = (end, &self.leaving) {
            return Some(if self.linked.is_some() {
                (leaving.since + UNLINK_TIME).min(end)
            } else {
                leaving.since
            });
        }
        if let Some(end) = end {
            return Some(self.last_sent.map_or(end, |sent| (sent + RENEW).min(end)));
        }
        [self.claim_at(broker), self.bid_at()].into_iter().flatten().min()
    }

    fn step(
        &mut self,
        own: &Identity,
        broker: &Broker,
        last_number: &mut u64,
        now: Duration,
    ) -> Option<ClaimAction> {
        if !self.owns(now) && self.lease.take().is_some() {
            self.leaving = None;
        }
        broker.subscribed?;
        if let Some(leaving) = &self.leaving {
            if self.linked.is_some() && now < leaving.since + UNLINK_TIME {
                return None;
            }
            let to = leaving.to.clone();
            self.leaving = None;
            self.lease = None;
            self.sent.clear();
            self.not_before = now + QUIET;
            return Some(ClaimAction::Release(Claim { released: true, to, ..self.claim(own, now) }));
        }
        if self.lease.is_some() {
            return self
                .last_sent
                .is_none_or(|sent| now >= sent + RENEW)
                .then(|| self.publish(own, last_number, now));
        }
        self.compare(now);
        if self.claim_at(broker).is_some_and(|at| at <= now) {
            return Some(self.publish(own, last_number, now));
        }
        if self.bid_at().is_some_and(|at| at <= now) {
            let to = self.others.owner(now)?.bridge.clone();
            self.last_bid = Some(now);
            return Some(ClaimAction::Bid { to, claim: self.claim(own, now) });
        }
        None
    }

    fn publish(&mut self, own: &Identity, last_number: &mut u64, now: Duration) -> ClaimAction {
        *last_number += 1;
        self.number = *last_number;
        self.last_sent = Some(now);
        if self.sent.len() == MAX_SENT {
            self.sent.pop_front();
        }
        self.sent.push_back((self.number, now));
        ClaimAction::Publish(self.claim(own, now))
    }

    fn claim(&self, own: &Identity, now: Duration) -> Claim {
        Claim {
            bridge: own.bridge.clone(),
            instance: own.instance.clone(),
            number: self.number,
            rssi: self.rssi(now),
            released: false,
            to: None,
        }
    }
}

/// The age of a retained claim with this message expiry, which the broker counts down in seconds.
pub fn age(expiry: Option<Duration>) -> Duration {
    let second = Duration::from_secs(1);
    expiry.map_or(Duration::ZERO, |left| CLAIM_EXPIRY.saturating_sub(left).saturating_sub(second))
}

fn is_better(rssi: Option<i16>, than: Option<i16>) -> bool {
    match (rssi, than) {
        (Some(rssi), Some(than)) => rssi >= than.saturating_add(BETTER),
        (rssi, None) => rssi.is_some(),
        (None, Some(_)) => false,
    }
}

fn wait(rssi: i16) -> Duration {
    let below = u32::try_from(STRONG.saturating_sub(rssi)).unwrap_or_default();
    WAIT_PER_DB.saturating_mul(below).min(LONGEST_WAIT)
}

impl<K: Ord + Clone> Claims<K> {
    pub fn new(own: Identity) -> Self {
        let (bulbs, others) = (BTreeMap::new(), BTreeMap::new());
        Self { own, broker: Broker::default(), bulbs, others, forgotten: Duration::ZERO, number: 0 }
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
