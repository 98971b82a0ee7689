//! Plays the policy of links: bulbs, commands, and the time that links take. For the property tests of the policy and for
//! `cargo xtask bench bridge`. The same seed gives the same run.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use bulbctl::bridge::links::{BulbView, LinkAction, LinkView, Links, Reports};
use tokio::time::Instant;

/// A command that has not been written by then fails (`COMMAND_TIME` in src/bridge/worker/queue.rs), ms.
const EXPIRY: u64 = 10_000;
/// The same for a command to several bulbs, whose other limit begins when the bulb gets its link.
const SEVERAL_EXPIRY: u64 = 120_000;
/// The time after which an attempt to connect is given up.
const CONNECT_TIMEOUT: u64 = 10_000;
/// The interval of the scan's news of each bulb without a link.
const HEARD_EVERY: u64 = 1_000;

/// Times in ms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// From the start of the connect to a link with which commands can be written.
    pub(crate) connect: (u64, u64),
    /// From the command to the light, over a link that is up.
    pub(crate) write: (u64, u64),
    /// From the request to disconnect to a free slot.
    pub(crate) release: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Bulb {
    pub(crate) reports: Reports,
    pub(crate) keep_alive: bool,
    /// It is there in this part of the time, ms of each hour.
    pub(crate) away: Option<(u64, u64)>,
}

/// Numbers that look random: SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    fn between(&mut self, (from, to): (u64, u64)) -> u64 {
        from + self.below(to - from + 1)
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// From command to light, ms.
    pub(crate) latencies: Vec<u64>,
    /// The commands that were not written in time, with the bulb.
    pub(crate) expired: Vec<usize>,
    /// The number of bulbs that had a link at least once.
    #[allow(dead_code, reason = "a test reads it")]
    pub(crate) visited: usize,
    /// The longest time between two states of each bulb that was there and can report, ms.
    pub(crate) longest_gap: Vec<u64>,
}

impl Outcome {
    /// The latency below which this part of the commands is, ms.
    #[allow(dead_code, reason = "the benchmark prints it")]
    pub(crate) fn percentile(&self, percent: usize) -> u64 {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(index).copied().unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    at: u64,
    several: bool,
}

impl Waiting {
    fn end(self, turn: Option<u64>) -> u64 {
        let whole = self.at + if self.several { SEVERAL_EXPIRY } else { EXPIRY };
        turn.map_or(whole, |turn| whole.min(turn.max(self.at) + EXPIRY))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Command(usize, Waiting),
    /// The number says which attempt or link it belongs to.
    LinkUp(usize, u32),
    ConnectFailed(usize, u32),
    Released(usize, u32),
    Written(usize, u32),
    Expire(usize),
    Scan,
    Wake(u64),
}

pub(crate) struct Simulation {
    start: Instant,
    now: u64,
    times: Times,
    slots: usize,
    links: Links,
    bulbs: Vec<Bulb>,
    views: Vec<BulbView<usize>>,
    commands: Vec<Vec<Waiting>>,
    /// When the bulb got a link for them.
    turns: Vec<Option<u64>>,
    failures: Vec<u32>,
    numbers: Vec<u32>,
    linked: Vec<bool>,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    added: u64,
    /// The event that wakes the policy; earlier ones are void.
    wake: u64,
    random: Random,
    outcome: Outcome,
}

impl Simulation {
    pub(crate) fn new(links: Links, slots: usize, times: Times, bulbs: Vec<Bulb>, seed: u64) -> Self {
        let start = Instant::now();
        let view = |(id, bulb): (usize, &Bulb)| BulbView {
            id,
            since: start,
            link: LinkView::None,
            command: None,
            several: false,
            last_command: None,
            last_polled: None,
            heard: None,
            not_before: None,
            last_link: None,
            reports: bulb.reports,
            keep_alive: bulb.keep_alive,
        };
        let views = bulbs.iter().enumerate().map(view).collect();
        let count = bulbs.len();
        let mut simulation = Self {
            start,
            now: 0,
            times,
            slots,
            links,
            views,
            bulbs,
            commands: vec![Vec::new(); count],
            turns: vec![None; count],
            failures: vec![0; count],
            numbers: vec![0; count],
            linked: vec![false; count],
            events: BinaryHeap::new(),
            added: 0,
            wake: 0,
            random: Random(seed),
            outcome: Outcome { longest_gap: vec![0; count], ..Outcome::default() },
        };
        simulation.at(0, Event::Scan);
        simulation
    }

    pub(crate) fn command(&mut self, at: u64, bulb: usize) {
        self.at(at, Event::Command(bulb, Waiting { at, several: false }));
    }

    /// A part of a command to several bulbs.
    #[allow(dead_code, reason = "the benchmark uses it")]
    pub(crate) fn command_to_several(&mut self, at: u64, bulb: usize) {
        self.at(at, Event::Command(bulb, Waiting { at, several: true }));
    }

    fn at(&mut self, time: u64, event: Event) {
        self.added += 1;
        self.events.push(Reverse((time, self.added, event)));
    }

    fn instant(&self, time: u64) -> Instant {
        self.start + Duration::from_millis(time)
    }

    fn is_there(&self, bulb: usize) -> bool {
        let hour = self.now % 3_600_000;
        self.bulbs[bulb].away.is_none_or(|(from, to)| hour < from || hour >= to)
    }

    /// Runs until this time, ms.
    pub(crate) fn run(mut self, end: u64) -> Outcome {
        while let Some(Reverse((time, _, event))) = self.events.pop() {
            if time > end {
                break;
            }
            if matches!(event, Event::Wake(number) if number != self.wake) {
                continue;
            }
            self.now = time;
            self.happen(event);
            self.plan();
        }
        self.now = end;
        for bulb in 0..self.bulbs.len() {
            self.polled(bulb);
        }
        self.outcome
    }

    fn happen(&mut self, event: Event) {
        let now = self.instant(self.now);
        match event {
            Event::Command(bulb, command) => {
                if self.commands[bulb].is_empty() {
                    self.turns[bulb] = None;
                }
                self.commands[bulb].push(command);
                let view = &mut self.views[bulb];
                view.command = view.command.or(Some(now));
                view.several = command.several;
                view.last_command = Some(now);
                if matches!(view.link, LinkView::Connecting { .. } | LinkView::Up { .. }) {
                    self.turns[bulb].get_or_insert(self.now);
                }
                self.at(command.end(self.turns[bulb]), Event::Expire(bulb));
                self.write(bulb);
            }
            Event::LinkUp(bulb, number) if self.numbers[bulb] == number => {
                self.failures[bulb] = 0;
                self.views[bulb].not_before = None;
                self.views[bulb].link = LinkView::Up { since: now };
                self.outcome.visited += usize::from(!std::mem::replace(&mut self.linked[bulb], true));
                self.polled(bulb);
                self.write(bulb);
            }
            Event::ConnectFailed(bulb, number) if self.numbers[bulb] == number => {
                self.failures[bulb] = (self.failures[bulb] + 1).min(6);
                let pause = Duration::from_secs(1 << self.failures[bulb]);
                let view = &mut self.views[bulb];
                view.not_before = Some(now + pause);
                view.link = LinkView::None;
                view.last_link = Some(now);
            }
            Event::Released(bulb, number) if self.numbers[bulb] == number => {
                self.views[bulb].link = LinkView::None;
                self.views[bulb].last_link = Some(now);
            }
            Event::Written(bulb, number) if self.numbers[bulb] == number => {
                let latencies = self.commands[bulb].drain(..).map(|command| self.now - command.at);
                self.outcome.latencies.extend(latencies);
                self.views[bulb].command = None;
                self.polled(bulb);
            }
            Event::Expire(bulb) => {
                let before = self.commands[bulb].len();
                let (now, turn) = (self.now, self.turns[bulb]);
                self.commands[bulb].retain(|command| command.end(turn) > now);
                let expired = before - self.commands[bulb].len();
                self.outcome.expired.extend(std::iter::repeat_n(bulb, expired));
                let oldest = self.commands[bulb].first().copied();
                self.views[bulb].command = oldest.map(|command| self.instant(command.at));
            }
            Event::Scan => {
                for bulb in 0..self.bulbs.len() {
                    if self.views[bulb].link == LinkView::None && self.is_there(bulb) {
                        self.views[bulb].heard = Some(now);
                    }
                    if let LinkView::Up { .. } = self.views[bulb].link {
                        self.views[bulb].heard = Some(now);
                        if self.bulbs[bulb].reports != Reports::Never {
                            self.polled(bulb);
                        }
                    }
                }
                self.at(self.now + HEARD_EVERY, Event::Scan);
            }
            _ => {}
        }
    }

    fn polled(&mut self, bulb: usize) {
        let now = self.instant(self.now);
        let last = self.views[bulb].last_polled.unwrap_or(self.start);
        let gap = u64::try_from((now - last).as_millis()).unwrap();
        if self.bulbs[bulb].away.is_none() && self.bulbs[bulb].reports != Reports::Never {
            self.outcome.longest_gap[bulb] = self.outcome.longest_gap[bulb].max(gap);
        }
        self.views[bulb].last_polled = Some(now);
    }

    fn write(&mut self, bulb: usize) {
        if matches!(self.views[bulb].link, LinkView::Up { .. }) && !self.commands[bulb].is_empty() {
            let time = self.random.between(self.times.write);
            self.at(self.now + time, Event::Written(bulb, self.numbers[bulb]));
        }
    }

    fn plan(&mut self) {
        let now = self.instant(self.now);
        for action in self.links.plan(&self.views, now) {
            match action {
                LinkAction::Connect(bulb) => {
                    let used = self.views.iter().filter(|view| view.link != LinkView::None).count();
                    assert!(used < self.slots, "there is no slot for {bulb}");
                    assert_eq!(self.views[bulb].link, LinkView::None);
                    let connecting =
                        |view: &BulbView<usize>| matches!(view.link, LinkView::Connecting { .. });
                    assert!(!self.views.iter().any(connecting), "two connects at a time");
                    self.numbers[bulb] += 1;
                    self.views[bulb].link = LinkView::Connecting { since: now };
                    self.turns[bulb].get_or_insert(self.now);
                    self.at(self.now + EXPIRY, Event::Expire(bulb));
                    let number = self.numbers[bulb];
                    if self.is_there(bulb) {
                        let time = self.random.between(self.times.connect);
                        self.at(self.now + time, Event::LinkUp(bulb, number));
                    } else {
                        self.at(self.now + CONNECT_TIMEOUT, Event::ConnectFailed(bulb, number));
                    }
                }
                LinkAction::Release(bulb) => {
                    let link = self.views[bulb].link;
                    assert!(matches!(link, LinkView::Up { .. } | LinkView::Connecting { .. }), "{link:?}");
                    let writes = matches!(link, LinkView::Up { .. }) && self.views[bulb].command.is_some();
                    assert!(!writes, "{bulb} has a command to write");
                    self.numbers[bulb] += 1;
                    self.views[bulb].link = LinkView::Releasing;
                    self.at(self.now + self.times.release, Event::Released(bulb, self.numbers[bulb]));
                }
            }
        }
        if let Some(wake) = self.links.wake(&self.views, now) {
            let at = u64::try_from((wake - self.start).as_nanos().div_ceil(1_000_000)).unwrap();
            self.wake += 1;
            self.at(at, Event::Wake(self.wake));
        }
    }
}
