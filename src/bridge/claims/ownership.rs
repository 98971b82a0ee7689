//! One bulb of this bridge: the claims of others for it, its signal, and our lease.

use std::collections::VecDeque;
use std::time::Duration;

use super::{
    BETTER, BETTER_FOR, BETTER_FOR_LOST, BID_EVERY, Broker, Claim, ClaimAction, HEARD_FOR, Identity, LEASE,
    LONGEST_WAIT, MAX_SENT, QUIET, RENEW, STRONG, UNLINK_TIME, WAIT_PER_DB,
};

/// The claims of other bridges for a bulb.
#[derive(Clone, Debug, Default)]
pub(super) struct Others {
    pub(super) newest: Option<OtherClaim>,
    /// The time of the newest claim of any other bridge than that of `newest`.
    pub(super) before: Duration,
}

#[derive(Clone, Debug)]
pub(super) struct OtherClaim {
    pub(super) claim: Claim,
    pub(super) at: Duration,
}

impl Others {
    pub(super) fn received(&mut self, claim: &Claim, at: Duration) {
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
    pub(super) fn last(&self) -> Duration {
        self.newest.as_ref().map_or(self.before, |newest| newest.at.max(self.before))
    }

    pub(super) fn owner(&self, now: Duration) -> Option<&Claim> {
        self.newest.as_ref().filter(|newest| now < newest.at + QUIET).map(|newest| &newest.claim)
    }
}

/// The signal of a bulb, smoothed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signal {
    /// Sixteenths of a dB.
    pub(super) level: i32,
    pub(super) at: Duration,
    /// The start of the present time in range.
    pub(super) since: Duration,
}

impl Signal {
    pub(super) fn heard(before: Option<Self>, rssi: i16, now: Duration) -> Self {
        let new = i32::from(rssi) * 16;
        match before.filter(|before| before.is_fresh(now)) {
            Some(before) => {
                Self { level: before.level + (new - before.level) / 8, at: now, since: before.since }
            }
            None => Self { level: new, at: now, since: now },
        }
    }

    pub(super) fn is_fresh(&self, now: Duration) -> bool {
        now <= self.at + HEARD_FOR
    }

    pub(super) fn dbm(&self) -> i16 {
        i16::try_from(self.level / 16).unwrap_or(i16::MIN)
    }
}

#[derive(Clone, Debug)]
pub(super) struct HandOver {
    pub(super) to: Option<String>,
    pub(super) since: Duration,
}

/// One bulb of this bridge.
#[derive(Debug)]
pub(super) struct Ownership {
    pub(super) others: Others,
    pub(super) signal: Option<Signal>,
    /// The start of the link, if there is one.
    pub(super) linked: Option<Duration>,
    /// The last command.
    pub(super) used: Option<Duration>,
    /// The number of its last claim.
    pub(super) number: u64,
    /// Claims that have not come back: the number and the time of sending.
    pub(super) sent: VecDeque<(u64, Duration)>,
    pub(super) last_sent: Option<Duration>,
    /// The end of the lease, and the time when this bridge became the owner.
    pub(super) lease: Option<(Duration, Duration)>,
    pub(super) leaving: Option<HandOver>,
    /// This bridge has given the bulb away, and claims it no sooner.
    pub(super) not_before: Duration,
    pub(super) better_since: Option<Duration>,
    pub(super) last_bid: Option<Duration>,
}

impl Ownership {
    pub(super) fn new(others: Others) -> Self {
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

    pub(super) fn owns(&self, now: Duration) -> bool {
        self.lease.is_some_and(|(end, _)| now < end)
    }

    pub(super) fn rssi(&self, now: Duration) -> Option<i16> {
        // A bulb with a link does not advertise: its last signal counts.
        self.signal.filter(|signal| self.linked.is_some() || signal.is_fresh(now)).map(|signal| signal.dbm())
    }

    /// Our claim has come back from the broker. If it was retained, it may hide the claim of another that came before it.
    pub(super) fn came_back(
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
    pub(super) fn free_at(&self, known_since: Duration) -> Duration {
        self.others.last().max(known_since) + QUIET
    }

    /// The time to send a claim for a bulb that this bridge does not own.
    pub(super) fn claim_at(&self, broker: &Broker) -> Option<Duration> {
        let known_since = broker.known_since()?;
        let near_since = self.signal.map(|signal| signal.since).or(self.linked)?;
        let free = self.free_at(known_since).max(near_since).max(self.not_before);
        let wait = self.signal.map_or(LONGEST_WAIT, |signal| wait(signal.dbm()));
        let retry = self.last_sent.map_or(Duration::ZERO, |sent| sent + RENEW);
        let at = if broker.others_online { free + wait } else { free }.max(retry);
        (self.linked.is_some() || self.signal?.is_fresh(at)).then_some(at)
    }

    /// The time for the next bid, if this bridge hears the bulb better than its owner.
    pub(super) fn bid_at(&self) -> Option<Duration> {
        let owner = self.others.newest.as_ref()?;
        let patience = if owner.claim.rssi.is_some() { BETTER_FOR } else { BETTER_FOR_LOST };
        let at = (self.better_since? + patience)
            .max(self.last_bid.map_or(Duration::ZERO, |last| last + BID_EVERY));
        (at < owner.at + QUIET && self.signal?.is_fresh(at)).then_some(at)
    }

    pub(super) fn compare(&mut self, now: Duration) {
        let rssi = self.rssi(now);
        let better =
            !self.owns(now) && self.others.owner(now).is_some_and(|owner| is_better(rssi, owner.rssi));
        self.better_since = better.then(|| self.better_since.unwrap_or(now));
    }

    pub(super) fn wake(&self, broker: &Broker) -> Option<Duration> {
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

    pub(super) fn step(
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

    pub(super) fn publish(&mut self, own: &Identity, last_number: &mut u64, now: Duration) -> ClaimAction {
        *last_number += 1;
        self.number = *last_number;
        self.last_sent = Some(now);
        if self.sent.len() == MAX_SENT {
            self.sent.pop_front();
        }
        self.sent.push_back((self.number, now));
        ClaimAction::Publish(self.claim(own, now))
    }

    pub(super) fn claim(&self, own: &Identity, now: Duration) -> Claim {
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

pub(super) fn is_better(rssi: Option<i16>, than: Option<i16>) -> bool {
    match (rssi, than) {
        (Some(rssi), Some(than)) => rssi >= than.saturating_add(BETTER),
        (rssi, None) => rssi.is_some(),
        (None, Some(_)) => false,
    }
}

pub(super) fn wait(rssi: i16) -> Duration {
    let below = u32::try_from(STRONG.saturating_sub(rssi)).unwrap_or_default();
    WAIT_PER_DB.saturating_mul(below).min(LONGEST_WAIT)
}
