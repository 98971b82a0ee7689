//! Random bridges, delays, freezes, cuts and brokers that forget, with one bulb. At no time may two bridges drive it, and
//! when all is well again, one does.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use super::*;

const BULB: u8 = 7;
/// Nothing goes wrong after this time, ms.
const CALM: u64 = 200_000;
/// The owner is killed at this time.
const DEATH: u64 = CALM + 120_000;
/// The bridge that drives the bulb.
const OWNER: usize = usize::MAX;
const END: u64 = DEATH + 60_000;

#[derive(Clone, Debug)]
struct Case {
    /// Thousandths by which the clock of each bridge is fast.
    clocks: Vec<i64>,
    delays: Vec<u64>,
    events: Vec<(u64, Fault)>,
}

#[derive(Clone, Debug)]
enum Fault {
    /// The process stops for this many ms. When it goes on, its timers run first, or what has arrived.
    Freeze(usize, u64, bool),
    /// A proxy holds everything back for this many ms, and then delivers it, or resets the connection.
    Cut(usize, u64, bool),
    /// Another process starts after this many ms.
    Kill(usize, u64),
    /// It ends as it should, and another process starts after this many ms.
    Leave(usize, u64),
    Reset(usize),
    /// The broker starts again, with everything, with what it had this many ms before, or with nothing.
    Broker(Option<u64>),
    Signal(usize, Option<i16>),
    Command,
}

/// What the model does wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    /// The clocks run at very different rates.
    Clocks,
    /// The broker sends a claim back before the ones that came earlier.
    Order,
    /// The broker says that it has been up for longer.
    Memory,
}

#[derive(Clone, Debug)]
enum Message {
    Subscribed,
    Memory(u64),
    /// With the time since when it has been retained.
    Claim(Claim, Option<Duration>),
    Bid(Claim),
}

#[derive(Debug)]
enum Event {
    ToBroker(u64, ClaimAction),
    ToBridge(u64, Message),
    Tick(usize, u64),
    Advertise(usize),
    Connect(usize),
    Unlinked(usize, u32),
    Start(usize),
    Fault(Fault),
    End,
}

struct Bridge {
    claims: Claims<u8>,
    /// The claims that its last run stored when it ended.
    ended: Ended<u8>,
    run: u32,
    alive: bool,
    /// Thousandths.
    rate: i64,
    offset: u64,
    connection: Option<u64>,
    frozen_until: u64,
    timers_first: bool,
    /// What arrived while it was frozen.
    queue: Vec<Message>,
    rssi: Option<i16>,
    linked: bool,
    tick: u64,
}

#[derive(Default)]
struct Connection {
    bridge: usize,
    closed: bool,
    held_until: u64,
    /// The arrival of the last message in each direction.
    last_up: u64,
    last_down: u64,
}

#[derive(Clone)]
struct Retained {
    claim: Claim,
    at: u64,
}

#[derive(Debug, Default)]
struct Tally {
    owners: usize,
    takeovers: usize,
    slowest: u64,
    handed_over: usize,
}

struct Model {
    now: u64,
    lie: Option<Lie>,
    events: BinaryHeap<Reverse<(u64, u64)>>,
    bodies: BTreeMap<u64, Event>,
    next: u64,
    bridges: Vec<Bridge>,
    connections: BTreeMap<u64, Connection>,
    delays: Vec<u64>,
    retained: Option<Retained>,
    history: Vec<(u64, Option<Retained>)>,
    broker_since: u64,
    driver: Option<(usize, u32)>,
    tally: Tally,
}

impl Model {
    fn new(case: &Case, lie: Option<Lie>) -> Self {
        let stretch = if lie == Some(Lie::Clocks) { 12 } else { 1 };
        let bridges = case.clocks.iter().enumerate().map(|(number, fast)| Bridge {
            claims: Claims::new(identity(number, 0)),
            ended: Ended::default(),
            run: 0,
            alive: false,
            rate: 1000 + fast * stretch,
            offset: 1_000_000 * (1 + number as u64),
            connection: None,
            frozen_until: 0,
            timers_first: false,
            queue: Vec::new(),
            rssi: Some(-60),
            linked: false,
            tick: 0,
        });
        let mut model = Self {
            now: 0,
            lie,
            events: BinaryHeap::new(),
            bodies: BTreeMap::new(),
            next: 0,
            bridges: bridges.collect(),
            connections: BTreeMap::new(),
            delays: case.delays.clone(),
            retained: None,
            history: Vec::new(),
            broker_since: 0,
            driver: None,
            tally: Tally::default(),
        };
        for bridge in 0..model.bridges.len() {
            let at = model.delay() * 3;
            model.at(at, Event::Start(bridge));
            model.at(at, Event::Advertise(bridge));
        }
        for (at, fault) in &case.events {
            model.at(*at, Event::Fault(fault.clone()));
        }
        model.at(END, Event::End);
        model
    }

    fn at(&mut self, time: u64, event: Event) {
        self.next += 1;
        self.bodies.insert(self.next, event);
        self.events.push(Reverse((time.max(self.now), self.next)));
    }

    fn delay(&mut self) -> u64 {
        self.delays.rotate_left(1);
        let delay = self.delays[0];
        if self.now > CALM { delay.min(300) } else { delay }
    }

    /// The clock of a bridge.
    fn clock(&self, bridge: usize, now: u64) -> Duration {
        let Bridge { rate, offset, .. } = self.bridges[bridge];
        Duration::from_micros((offset + now) * u64::try_from(rate).unwrap())
    }

    fn time(&self, bridge: usize, clock: Duration) -> u64 {
        let Bridge { rate, offset, .. } = self.bridges[bridge];
        let millis = clock.as_micros().div_ceil(u128::try_from(rate).unwrap());
        u64::try_from(millis).unwrap().saturating_sub(offset)
    }

    fn run(mut self) -> Result<Tally, TestCaseError> {
        while let Some(Reverse((time, number))) = self.events.pop() {
            self.now = time;
            match self.bodies.remove(&number).unwrap() {
                Event::End => break,
                event => self.happen(event),
            }
            self.check()?;
        }
        let alive = self.bridges.iter().filter(|bridge| bridge.alive).count();
        prop_assert!(alive == 0 || self.driver.is_some(), "nobody drives the bulb in the end");
        Ok(self.tally)
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        let drives = |bridge: &usize| {
            let clock = self.clock(*bridge, self.now);
            self.bridges[*bridge].alive && self.bridges[*bridge].claims.may_drive(&BULB, clock)
        };
        let drivers: Vec<usize> = (0..self.bridges.len()).filter(drives).collect();
        prop_assert!(drivers.len() <= 1, "at {} ms, bridges {drivers:?} drive the bulb", self.now);
        let driver = drivers.first().map(|bridge| (*bridge, self.bridges[*bridge].run));
        if driver.is_some() && driver != self.driver {
            self.tally.owners += 1;
            if self.now > DEATH {
                self.tally.takeovers += 1;
                self.tally.slowest = self.tally.slowest.max(self.now - DEATH);
                prop_assert!(self.now - DEATH <= 30_000, "taken over after {} ms", self.now - DEATH);
            }
        }
        self.driver = driver;
        Ok(())
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::ToBroker(connection, action) => self.broker_receives(connection, action),
            Event::ToBridge(connection, message) => {
                let bridge = self.connections[&connection].bridge;
                if self.bridges[bridge].connection != Some(connection) {
                } else if self.is_frozen(bridge) {
                    self.bridges[bridge].queue.push(message);
                } else {
                    self.receive(bridge, message);
                    self.step(bridge);
                }
            }
            Event::Tick(bridge, tick) if self.bridges[bridge].tick == tick => {
                if self.is_frozen(bridge) {
                    return;
                }
                if self.bridges[bridge].timers_first {
                    self.step(bridge);
                }
                for message in std::mem::take(&mut self.bridges[bridge].queue) {
                    self.receive(bridge, message);
                }
                self.step(bridge);
            }
            Event::Tick(..) | Event::End => {}
            Event::Advertise(bridge) => {
                self.at(self.now + 700, Event::Advertise(bridge));
                let clock = self.clock(bridge, self.now);
                if !self.is_frozen(bridge) && !self.bridges[bridge].linked && self.bridges[bridge].alive {
                    let rssi = self.bridges[bridge].rssi;
                    self.bridges[bridge].claims.heard(&BULB, rssi, clock);
                    self.step(bridge);
                }
            }
            Event::Connect(bridge) => self.connect(bridge),
            Event::Unlinked(bridge, run) if self.bridges[bridge].run == run => {
                self.bridges[bridge].linked = false;
                let clock = self.clock(bridge, self.now);
                self.bridges[bridge].claims.linked(&BULB, false, clock);
                if !self.is_frozen(bridge) {
                    self.step(bridge);
                }
            }
            Event::Unlinked(..) => {}
            Event::Start(number) => {
                let bridge = &mut self.bridges[number];
                bridge.run += 1;
                bridge.alive = true;
                bridge.linked = false;
                bridge.claims = Claims::new(identity(number, bridge.run));
                bridge.claims.resume(bridge.ended.clone());
                bridge.claims.track(&BULB);
                bridge.claims.others_online(true);
                self.connect(number);
            }
            Event::Fault(fault) => self.fault(fault),
        }
    }

    fn fault(&mut self, fault: Fault) {
        match fault {
            Fault::Freeze(bridge, time, timers_first) => {
                let until = self.now + time;
                let frozen = &mut self.bridges[bridge];
                frozen.frozen_until = frozen.frozen_until.max(until);
                frozen.timers_first = timers_first;
                frozen.tick += 1;
                let (at, tick) = (frozen.frozen_until, frozen.tick);
                self.at(at, Event::Tick(bridge, tick));
            }
            Fault::Cut(bridge, time, resets) => {
                let until = self.now + time;
                if let Some(id) = self.bridges[bridge].connection {
                    let connection = self.connections.get_mut(&id).unwrap();
                    connection.held_until = connection.held_until.max(until);
                    if resets {
                        self.at(until, Event::Fault(Fault::Reset(bridge)));
                    }
                }
            }
            Fault::Kill(number, back_after) => {
                let number = if number == OWNER { self.driver.map_or(0, |(owner, _)| owner) } else { number };
                if self.bridges[number].alive {
                    self.close(number);
                    let bridge = &mut self.bridges[number];
                    bridge.alive = false;
                    bridge.frozen_until = 0;
                    bridge.tick += 1;
                    bridge.queue.clear();
                    let at = self.now + back_after;
                    self.at(at, Event::Start(number));
                }
            }
            Fault::Leave(number, back_after) => {
                if self.bridges[number].alive && !self.is_frozen(number) {
                    let clock = self.clock(number, self.now);
                    let claims = &mut self.bridges[number].claims;
                    let ended = claims.end(clock);
                    let release = claims.untrack(&BULB, clock);
                    self.bridges[number].ended = ended;
                    if let Some(action) = release {
                        self.send_up(number, action);
                    }
                    self.fault(Fault::Kill(number, back_after));
                }
            }
            Fault::Reset(bridge) => {
                self.close(bridge);
                self.reconnect_later(bridge);
            }
            Fault::Broker(back) => {
                self.retained = match back {
                    Some(back) => {
                        let then = self.now.saturating_sub(back);
                        let kept = self.history.iter().rev().find(|(at, _)| *at <= then);
                        kept.and_then(|(_, retained)| retained.clone())
                    }
                    None => None,
                };
                if self.lie != Some(Lie::Memory) {
                    self.broker_since = self.now;
                }
                for bridge in 0..self.bridges.len() {
                    self.close(bridge);
                    self.reconnect_later(bridge);
                }
            }
            Fault::Signal(bridge, rssi) => self.bridges[bridge].rssi = rssi,
            Fault::Command => {
                for bridge in 0..self.bridges.len() {
                    let clock = self.clock(bridge, self.now);
                    self.bridges[bridge].claims.used(&BULB, clock);
                }
            }
        }
    }

    fn is_frozen(&self, bridge: usize) -> bool {
        self.now < self.bridges[bridge].frozen_until
    }

    fn close(&mut self, bridge: usize) {
        if let Some(connection) = self.bridges[bridge].connection.take() {
            self.connections.get_mut(&connection).unwrap().closed = true;
            self.bridges[bridge].queue.clear();
            self.bridges[bridge].claims.disconnected();
        }
    }

    fn reconnect_later(&mut self, bridge: usize) {
        let at = self.now + 500 + self.delay();
        self.at(at, Event::Connect(bridge));
    }

    fn connect(&mut self, bridge: usize) {
        if !self.bridges[bridge].alive || self.bridges[bridge].connection.is_some() {
            return;
        }
        if self.is_frozen(bridge) {
            let at = self.bridges[bridge].frozen_until;
            return self.at(at, Event::Connect(bridge));
        }
        self.next += 1;
        let id = self.next;
        self.connections.insert(id, Connection { bridge, ..Connection::default() });
        self.bridges[bridge].connection = Some(id);
        self.send_down(id, Message::Subscribed);
        let up = self.now - self.broker_since + if self.lie == Some(Lie::Memory) { 60_000 } else { 0 };
        if let Some(Retained { claim, at }) = self.kept() {
            let left = (CLAIM_EXPIRY.as_millis() as u64).saturating_sub(self.now - at).div_ceil(1000);
            self.send_down(id, Message::Claim(claim, Some(age(Some(Duration::from_secs(left))))));
        }
        self.send_down(id, Message::Memory(up));
    }

    /// The retained claim, unless it has expired.
    fn kept(&self) -> Option<Retained> {
        let expiry = u64::try_from(CLAIM_EXPIRY.as_millis()).unwrap();
        self.retained.clone().filter(|retained| self.now < retained.at + expiry)
    }

    fn send_down(&mut self, id: u64, message: Message) {
        let delay = self.delay();
        let connection = self.connections.get_mut(&id).unwrap();
        let at = (self.now + delay).max(connection.held_until).max(connection.last_down);
        connection.last_down = at;
        self.at(at, Event::ToBridge(id, message));
    }

    fn send_up(&mut self, bridge: usize, action: ClaimAction) {
        let Some(id) = self.bridges[bridge].connection else { return };
        let delay = self.delay();
        let connection = self.connections.get_mut(&id).unwrap();
        let at = (self.now + delay).max(connection.held_until).max(connection.last_up);
        connection.last_up = at;
        self.at(at, Event::ToBroker(id, action));
    }

    /// A message arrives, possibly after its connection has ended.
    fn broker_receives(&mut self, from: u64, action: ClaimAction) {
        let open: Vec<u64> = self.bridges.iter().filter_map(|bridge| bridge.connection).collect();
        match action {
            ClaimAction::Publish(claim) => {
                self.retained = Some(Retained { claim: claim.clone(), at: self.now });
                self.history.push((self.now, self.retained.clone()));
                for id in open {
                    if id == from && self.lie == Some(Lie::Order) {
                        self.at(self.now, Event::ToBridge(id, Message::Claim(claim.clone(), None)));
                    } else {
                        self.send_down(id, Message::Claim(claim.clone(), None));
                    }
                }
            }
            ClaimAction::Release(claim) => {
                self.tally.handed_over += 1;
                for id in open {
                    self.send_down(id, Message::Claim(claim.clone(), None));
                }
            }
            ClaimAction::Bid { to, claim } => {
                for id in open {
                    if format!("bridge-{}", self.connections[&id].bridge) == to {
                        self.send_down(id, Message::Bid(claim.clone()));
                    }
                }
            }
        }
    }

    fn receive(&mut self, bridge: usize, message: Message) {
        let clock = self.clock(bridge, self.now);
        let claims = &mut self.bridges[bridge].claims;
        match message {
            Message::Subscribed => claims.subscribed(clock),
            Message::Memory(up) => claims.broker_memory(Duration::from_millis(up), clock),
            Message::Claim(claim, retained) => claims.received(&BULB, &claim, retained, clock),
            Message::Bid(claim) => claims.bid(&BULB, &claim, clock),
        }
    }

    fn step(&mut self, bridge: usize) {
        if !self.bridges[bridge].alive {
            return;
        }
        let clock = self.clock(bridge, self.now);
        for (_, action) in self.bridges[bridge].claims.step(clock) {
            self.send_up(bridge, action);
        }
        let drives = self.bridges[bridge].claims.may_drive(&BULB, clock);
        let (linked, run) = (self.bridges[bridge].linked, self.bridges[bridge].run);
        if drives && !linked {
            self.bridges[bridge].linked = true;
            self.bridges[bridge].claims.linked(&BULB, true, clock);
        } else if linked && !drives {
            let at = self.now + self.delay();
            self.at(at, Event::Unlinked(bridge, run));
        }
        if let Some(wake) = self.bridges[bridge].claims.wake() {
            assert!(
                wake > clock,
                "it wakes at {wake:?}, and it is {clock:?}: {:?}",
                self.bridges[bridge].claims
            );
            self.bridges[bridge].tick += 1;
            let (at, tick) = (self.time(bridge, wake), self.bridges[bridge].tick);
            self.at(at, Event::Tick(bridge, tick));
        }
    }
}

fn identity(bridge: usize, run: u32) -> Identity {
    Identity { bridge: format!("bridge-{bridge}"), instance: format!("{bridge}/{run}") }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "clocks {:?}, delays {:?}", self.clocks, self.delays)?;
        self.events.iter().try_for_each(|(at, fault)| write!(f, "\n{at} {fault:?}"))
    }
}

fn fault(bridges: usize) -> impl Strategy<Value = (u64, Fault)> {
    let bridge = 0..bridges;
    let time = || prop_oneof![2 => 10..3_000_u64, 3 => 3_000..40_000_u64];
    let fault = prop_oneof![
        4 => (bridge.clone(), time(), any::<bool>()).prop_map(|(bridge, time, first)| Fault::Freeze(bridge, time, first)),
        4 => (bridge.clone(), time(), any::<bool>()).prop_map(|(bridge, time, resets)| Fault::Cut(bridge, time, resets)),
        2 => (bridge.clone(), time()).prop_map(|(bridge, time)| Fault::Kill(bridge, time)),
        3 => (bridge.clone(), time()).prop_map(|(bridge, time)| Fault::Leave(bridge, time)),
        2 => bridge.clone().prop_map(Fault::Reset),
        2 => prop_oneof![Just(None), Just(Some(0)), time().prop_map(Some)].prop_map(Fault::Broker),
        3 => (bridge, proptest::option::weighted(0.9, -90..-40_i16)).prop_map(|(bridge, rssi)| Fault::Signal(bridge, rssi)),
        1 => Just(Fault::Command),
    ];
    (0..CALM - 50_000, fault)
}

fn cases() -> impl Strategy<Value = Case> {
    (2..=4_usize).prop_flat_map(|bridges| {
        let delay = prop_oneof![6 => 0..50_u64, 2 => 50..1_000_u64, 1 => 1_000..15_000_u64];
        (vec(-36..=36_i64, bridges), vec(delay, 1..30), vec(fault(bridges), 0..30)).prop_map(
            move |(clocks, delays, mut events)| {
                // In the end all hear it, and one dies.
                let back = (0..bridges).map(|bridge| (CALM, Fault::Signal(bridge, Some(-60))));
                events.extend(back.chain([(DEATH, Fault::Kill(OWNER, END))]));
                Case { clocks, delays, events }
            },
        )
    })
}

fn run(cases_wanted: u32, lie: Option<Lie>, tally: &std::cell::RefCell<Tally>) -> Result<(), String> {
    let config = Config {
        cases: cases_wanted,
        failure_persistence: None,
        max_shrink_time: 30_000,
        max_shrink_iters: if lie.is_some() { 5 } else { u32::MAX },
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let result = TestRunner::new_with_rng(config, rng).run(&cases(), |case| {
        let one = Model::new(&case, lie).run()?;
        let mut tally = tally.borrow_mut();
        tally.owners += one.owners;
        tally.takeovers += one.takeovers;
        tally.slowest = tally.slowest.max(one.slowest);
        tally.handed_over += one.handed_over;
        Ok(())
    });
    match result {
        Ok(()) => Ok(()),
        Err(TestError::Fail(reason, case)) => Err(format!("{reason}\n{case}")),
        Err(TestError::Abort(reason)) => Err(reason.to_string()),
    }
}

#[test]
fn never_do_two_drive_one_bulb() {
    let cases = std::env::var("BULBCTL_MODEL_CASES").map_or(1000, |text| text.parse().unwrap());
    let tally = std::cell::RefCell::default();
    if let Err(reason) = run(cases, None, &tally) {
        panic!("{reason}");
    }
    println!("{tally:?}");
    let tally = tally.into_inner();
    // Guards against a model in which nothing happens.
    if cases >= 1000 {
        assert!(tally.owners > 2000 && tally.takeovers > 100 && tally.handed_over > 100, "{tally:?}");
    }
}

/// The model finds each of these, so it would find the rules wrong too.
#[test]
fn a_world_that_breaks_the_rules_is_caught() {
    for lie in [Lie::Clocks, Lie::Order, Lie::Memory] {
        let reason = run(3000, Some(lie), &std::cell::RefCell::default()).expect_err("two should drive it");
        assert!(reason.contains("drive the bulb"), "{lie:?}: {reason}");
    }
}
