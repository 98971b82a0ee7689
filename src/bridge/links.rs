//! Which bulbs have a link, if there are more bulbs than links. Pure: what is known of the bulbs and the time in, decisions
//! out. docs/BRIDGE.md has the rules for users, and `cargo xtask bench bridge` their effect.
//!
//! 1. A command goes first. Its bulb takes the free link or that of an idle bulb, and interrupts a visit that is connecting.
//! 2. Bulbs in use keep their link: those with a command in the last [`IN_USE`].
//! 3. One link stays free for commands, because closing one takes BlueZ two seconds.
//! 4. The other links go around. A visit reads the state, and the link stays up until another bulb needs it.
//!
//! Nothing waits forever. Commands go in the order in which they came, but those for several bulbs go last, and those for
//! missing bulbs go [`PATIENCE`] later, with one attempt at a time. A bulb whose visit is [`OVERDUE`] may take a link of a bulb
//! in use.

use std::cmp::Reverse;
use std::time::Duration;

use tokio::time::Instant;

/// The time after a command in which its bulb keeps the link.
pub const IN_USE: Duration = Duration::from_secs(60);
/// The interval between two visits of a bulb, at least.
pub const VISIT_EVERY: Duration = Duration::from_secs(60);
/// The interval between two visits of any bulbs, at least: each one connects, and the scan rests.
pub const VISIT_PACE: Duration = Duration::from_secs(5);
/// The time that the link of a visit lasts, at least.
pub const STAY: Duration = Duration::from_secs(5);
/// The same while a bulb waits for its first visit. First visits have no pace: a bulb is announced after it.
pub const FIRST_STAY: Duration = Duration::from_secs(1);
/// The links that end at a time for first visits.
const FIRST_RELEASES: usize = 2;
/// After this time without news, a bulb may take the link of one in use.
pub const OVERDUE: Duration = Duration::from_secs(600);
/// The lead of commands for bulbs that are there, and the time that a missing bulb gets while others wait.
pub const PATIENCE: Duration = Duration::from_secs(3);
/// A bulb that has not been heard for this time is missing.
pub const MISSING: Duration = Duration::from_secs(60);
/// The links that stay free for commands.
const SPARE: usize = 1;

/// The way to learn the state of a bulb.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reports {
    /// Not at all: a visit is of no use.
    Never,
    /// Only by asking: a visit is enough.
    WhenAsked,
    /// It sends changes over its link.
    ByItself,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkView {
    None,
    Connecting {
        since: Instant,
    },
    Up {
        since: Instant,
    },
    /// It ends. Its slot is not free yet.
    Releasing,
}

/// What the policy has to know of a bulb that this bridge may drive.
#[derive(Clone, Debug)]
pub struct BulbView<K> {
    pub id: K,
    /// The time when it became a bulb of this bridge.
    pub since: Instant,
    pub link: LinkView,
    /// The oldest command that waits.
    pub command: Option<Instant>,
    /// The newest command is for several bulbs. Commands for one bulb go first.
    pub several: bool,
    pub last_command: Option<Instant>,
    /// The last time when its state was reported, read or asked for.
    pub last_polled: Option<Instant>,
    /// Its last advertisement.
    pub heard: Option<Instant>,
    /// Attempts to connect have failed; visit it no sooner.
    pub not_before: Option<Instant>,
    /// The end of its last link or attempt.
    pub last_link: Option<Instant>,
    pub reports: Reports,
    /// Its link costs a frame every few seconds.
    pub keep_alive: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkAction<K> {
    /// There is a free slot for it.
    Connect(K),
    /// Ends the link, or the attempt to connect.
    Release(K),
}

impl<K> BulbView<K> {
    fn is_missing(&self, now: Instant) -> bool {
        self.heard.is_none_or(|heard| now > heard + MISSING) || self.not_before.is_some_and(|at| now < at)
    }

    fn is_connecting(&self) -> bool {
        matches!(self.link, LinkView::Connecting { .. })
    }

    fn waits(&self) -> bool {
        self.command.is_some() && self.link == LinkView::None
    }

    /// The place of its command in the queue. After an attempt, it goes to the end.
    fn turn(&self, now: Instant) -> Option<Instant> {
        let command = self.command?;
        let from = self.last_link.map_or(command, |ended| ended.max(command));
        Some(if self.is_missing(now) { from + PATIENCE } else { from })
    }

    fn in_use(&self, now: Instant) -> bool {
        self.last_command.is_some_and(|last| now < last + IN_USE)
    }

    fn news(&self) -> Instant {
        self.last_polled.unwrap_or(self.since)
    }

    fn is_new(&self) -> bool {
        self.last_link.is_none() && self.last_polled.is_none()
    }

    /// The time from which it is worth a visit; `None` if it never is.
    fn visit_at(&self) -> Option<Instant> {
        let due = self.last_polled.map_or(self.since, |last| last + VISIT_EVERY);
        let due = self.not_before.map_or(due, |not_before| due.max(not_before));
        let useful = self.reports != Reports::Never || self.is_new();
        (useful && self.heard.is_some_and(|heard| due <= heard + MISSING || heard >= due)).then_some(due)
    }

    /// The time from which its link may be taken for a visit of another; `None` if it has none.
    fn free_at(&self, stay: Duration) -> Option<Instant> {
        let LinkView::Up { since } = self.link else { return None };
        self.command.is_none().then_some(since + stay)
    }
}

/// The decisions for one adapter.
#[derive(Clone, Debug)]
pub struct Links {
    slots: usize,
    spare: usize,
    last_visit: Option<Instant>,
}

impl Links {
    /// For this many links at a time, at least one.
    pub fn new(slots: usize) -> Self {
        Self::with_spare(slots, SPARE)
    }

    /// The same with another number of links that stay free, to compare.
    pub fn with_spare(slots: usize, spare: usize) -> Self {
        let slots = slots.max(1);
        Self { slots, spare: spare.min(slots - 1), last_visit: None }
    }

    /// What to do now. Carry it out before the next call; it takes a time that grows with the number of bulbs.
    pub fn plan<K: Clone>(&mut self, bulbs: &[BulbView<K>], now: Instant) -> Vec<LinkAction<K>> {
        let used = bulbs.iter().filter(|bulb| bulb.link != LinkView::None).count();
        let plan =
            Plan { bulbs, now, free: self.slots.saturating_sub(used), enough: bulbs.len() <= self.slots };
        let waiting = bulbs.iter().filter(|bulb| bulb.waits()).count();
        if waiting > 0 {
            return plan.commands(waiting);
        }
        if bulbs.iter().any(BulbView::is_connecting) {
            return Vec::new();
        }
        if plan.enough {
            return plan.hold().into_iter().collect();
        }
        let action = self.visit(&plan).or_else(|| self.refill(&plan));
        if let Some(LinkAction::Connect(_)) = &action {
            self.last_visit = Some(now);
        }
        action.into_iter().collect()
    }

    /// Visits the bulb with the oldest state, or frees a link for it.
    fn visit<K: Clone>(&self, plan: &Plan<'_, K>) -> Option<LinkAction<K>> {
        let now = plan.now;
        let due = |bulb: &&BulbView<K>| {
            bulb.link == LinkView::None
                && !bulb.is_missing(now)
                && bulb.visit_at().is_some_and(|at| at <= now)
        };
        let next = plan.bulbs.iter().filter(due).min_by_key(|bulb| (!bulb.is_new(), bulb.news()))?;
        let too_soon = self.last_visit.is_some_and(|last| now < last + VISIT_PACE);
        if !next.is_new() && (too_soon || plan.releasing() > 0) {
            return None;
        }
        let connect = || LinkAction::Connect(next.id.clone());
        if plan.free > self.spare {
            return Some(connect());
        }
        if plan.releasing() >= FIRST_RELEASES {
            return None;
        }
        if let Some(idle) = plan.idle(if next.is_new() { FIRST_STAY } else { STAY }) {
            return Some(LinkAction::Release(idle));
        }
        if plan.free > 0 && plan.bulbs.iter().all(|bulb| bulb.link == LinkView::None || bulb.in_use(now)) {
            return Some(connect());
        }
        let overdue = now >= next.news() + OVERDUE;
        overdue.then(|| plan.least_used()).flatten().map(LinkAction::Release)
    }

    /// Closes an idle link, so that a command finds a free one.
    fn refill<K: Clone>(&self, plan: &Plan<'_, K>) -> Option<LinkAction<K>> {
        (plan.free + plan.releasing() < self.spare)
            .then(|| plan.idle(STAY))
            .flatten()
            .map(LinkAction::Release)
    }

    /// The next time at which [`plan`](Self::plan) may decide anything without an event.
    pub fn wake<K>(&self, bulbs: &[BulbView<K>], now: Instant) -> Option<Instant> {
        let pace = self.last_visit.map(|last| last + VISIT_PACE);
        let of_bulb = |bulb: &BulbView<K>| {
            let attempt = match bulb.link {
                LinkView::Connecting { since } => Some(since + PATIENCE),
                _ => None,
            };
            let idle = bulb.last_command.map(|last| last + IN_USE).filter(|_| bulb.free_at(STAY).is_some());
            let visit = bulb.visit_at().filter(|_| bulb.link == LinkView::None);
            [
                attempt,
                bulb.free_at(STAY),
                bulb.free_at(FIRST_STAY),
                idle,
                visit,
                visit.map(|_| bulb.news() + OVERDUE),
            ]
        };
        let times = bulbs.iter().flat_map(of_bulb).chain([pace]).flatten();
        times.filter(|at| *at > now).min()
    }
}

struct Plan<'a, K> {
    bulbs: &'a [BulbView<K>],
    now: Instant,
    free: usize,
    /// Each bulb can have a link.
    enough: bool,
}

impl<K: Clone> Plan<'_, K> {
    fn releasing(&self) -> usize {
        self.bulbs.iter().filter(|bulb| bulb.link == LinkView::Releasing).count()
    }

    /// Connects the bulb whose turn it is, and frees a link for each of the others.
    fn commands(&self, waiting: usize) -> Vec<LinkAction<K>> {
        let now = self.now;
        let mut actions = Vec::new();
        let mut free = self.free;
        match self.bulbs.iter().find(|bulb| bulb.is_connecting()) {
            Some(bulb) if self.is_in_the_way(bulb) => actions.push(LinkAction::Release(bulb.id.clone())),
            Some(_) => {}
            None if free > 0 => {
                let next = self
                    .bulbs
                    .iter()
                    .filter(|bulb| bulb.waits())
                    .min_by_key(|bulb| (bulb.several, bulb.turn(now)));
                actions.extend(next.map(|bulb| LinkAction::Connect(bulb.id.clone())));
                free -= 1;
            }
            None => {}
        }
        let connects = actions.iter().any(|action| matches!(action, LinkAction::Connect(_)));
        let ends = self.releasing() + actions.len() - usize::from(connects);
        let missing = (waiting - usize::from(connects)).saturating_sub(free + ends);
        let mut idle: Vec<_> = self.bulbs.iter().filter(|bulb| self.may_end(bulb)).collect();
        idle.sort_by_key(|bulb| self.worth(bulb));
        actions.extend(idle.into_iter().take(missing).map(|bulb| LinkAction::Release(bulb.id.clone())));
        actions
    }

    /// A visit, or an attempt at a missing bulb, makes way for a command.
    fn is_in_the_way(&self, bulb: &BulbView<K>) -> bool {
        let LinkView::Connecting { since } = bulb.link else { return false };
        bulb.command.is_none() || (bulb.is_missing(self.now) && self.now >= since + PATIENCE)
    }

    fn may_end(&self, bulb: &BulbView<K>) -> bool {
        matches!(bulb.link, LinkView::Up { .. }) && bulb.command.is_none()
    }

    /// The greater, the more a link is worth.
    fn worth(&self, bulb: &BulbView<K>) -> impl Ord + use<K> {
        (bulb.in_use(self.now), bulb.last_command, bulb.reports, Reverse(bulb.keep_alive), bulb.news())
    }

    /// The bulb that needs its link least, if there is one that is not in use.
    fn idle(&self, stay: Duration) -> Option<K> {
        let stayed = |bulb: &&BulbView<K>| {
            bulb.free_at(stay).is_some_and(|at| at <= self.now) && !bulb.in_use(self.now)
        };
        let least = self.bulbs.iter().filter(stayed).min_by_key(|bulb| self.worth(bulb))?;
        Some(least.id.clone())
    }

    /// The same, also of the bulbs in use.
    fn least_used(&self) -> Option<K> {
        let stayed = |bulb: &&BulbView<K>| bulb.free_at(STAY).is_some_and(|at| at <= self.now);
        Some(self.bulbs.iter().filter(stayed).min_by_key(|bulb| self.worth(bulb))?.id.clone())
    }

    /// Connects the bulb that has been without a link for longest.
    fn hold(&self) -> Option<LinkAction<K>> {
        let wants = |bulb: &&BulbView<K>| bulb.link == LinkView::None && !bulb.is_missing(self.now);
        let next = self.bulbs.iter().filter(wants).min_by_key(|bulb| bulb.last_link)?;
        (self.free > 0).then(|| LinkAction::Connect(next.id.clone()))
    }
}
