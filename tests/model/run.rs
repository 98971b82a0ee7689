//! Runs one case and checks it against the model.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bulb_protocol::Percent;
use bulb_protocol::profile::Light;
use bulbctl::bulb::{
    BulbState, Change, CommandOutcome, ConnectGate, Driver, DriverEvent, DriverMode, DriverPlan, Families,
    HeldLinks, LinkPhase, Power, Provenance, Session,
};
use bulbctl::radio::sim::{self, SimOptions};
use bulbctl::radio::{Deadline, DeviceId, Radio, SeenDevice};
use bulbctl::{Error, Result};
use proptest::test_runner::TestCaseError;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::case::{BULBS, Case, START, Step, What, address};
use crate::strain::Strained;
use crate::wrong::{Lie, Wrong};

const TIMEOUT: Duration = Duration::from_secs(10);
/// By this time all faults and events of a case are over.
const END: Duration = Duration::from_secs(6 * 3600);
/// Wait after the last event: longer than the longest pause.
const SETTLE: Duration = Duration::from_secs(45);

/// Counts of what happened, to see that cases reach the interesting states.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) reported: usize,
    pub(crate) lost: usize,
    pub(crate) back: usize,
    pub(crate) confirmed: usize,
    pub(crate) failed: usize,
    /// Last values that were checked.
    pub(crate) held_to: usize,
    /// Errors by their code.
    pub(crate) errors: BTreeMap<&'static str, usize>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.reported += other.reported;
        self.lost += other.lost;
        self.back += other.back;
        self.confirmed += other.confirmed;
        self.failed += other.failed;
        self.held_to += other.held_to;
        for (code, count) in &other.errors {
            *self.errors.entry(code).or_default() += count;
        }
    }
}

macro_rules! hold {
    ($condition:expr, $($text:tt)*) => {
        if !$condition {
            return Err(TestCaseError::fail(format!($($text)*)));
        }
    };
}

#[derive(Default)]
struct Model {
    driver: Option<Driver>,
    up: bool,
    /// Tokens of the last change and of the last reported state.
    asked: u64,
    told: u64,
    /// The brightness that it must end with, and since when. `None` after an error was reported.
    last: Option<(u8, Instant)>,
    /// Reported states.
    claims: Vec<Vec<u8>>,
}

struct World {
    radio: Arc<dyn Radio>,
    families: Arc<Families>,
    reports: Vec<SeenDevice>,
    bulbs: [Model; BULBS],
    tells: mpsc::Sender<(DeviceId, DriverEvent)>,
    happenings: mpsc::Receiver<(DeviceId, DriverEvent)>,
    tally: Tally,
    start: Instant,
}

/// Runs a case on its own paused clock, optionally on a faulty radio.
pub(crate) fn play(case: &Case, lie: Option<Lie>) -> Result<Tally, TestCaseError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let dir = TempDir::new().unwrap();
    let tally = runtime.block_on(async {
        timeout(END, act(case, lie, dir.path()))
            .await
            .unwrap_or_else(|_| Err(TestCaseError::fail("it waits for ever")))
    })?;
    // Aborted tasks end when the runtime runs again.
    runtime.block_on(async { sleep(Duration::from_millis(1)).await });
    let left = runtime.metrics().num_alive_tasks();
    hold!(left == 0, "{left} tasks are left");
    Ok(tally)
}

async fn act(case: &Case, lie: Option<Lie>, dir: &Path) -> Result<Tally, TestCaseError> {
    let rig = dir.join("rig.toml");
    std::fs::write(&rig, case.rig()).unwrap();
    let log = dir.join("log");
    let options = SimOptions { dir: Some(dir.join("world")), log: Some(log.clone()) };
    let radio =
        sim::open(Some(&rig), options).await.map_err(|error| TestCaseError::fail(error.to_string()))?;
    let radio: Arc<dyn Radio> = match lie {
        Some(lie) => Arc::new(Wrong { radio, lie }),
        None => radio,
    };
    let strained = Arc::new(Strained::new(radio, case.strain));
    let mut world = World::open(strained.clone()).await;
    strained.set(true);
    for step in &case.steps {
        world.step(step).await?;
    }
    strained.set(false);
    world.settle(case).await?;
    let World { radio, bulbs, tally, .. } = world;
    let claims = bulbs.map(|bulb| {
        drop(bulb.driver);
        bulb.claims
    });
    nothing_is_left(radio).await?;
    let log = std::fs::read_to_string(log).unwrap();
    for (bulb, claims) in claims.iter().enumerate() {
        truth(case, bulb, claims, &log)?;
    }
    Ok(tally)
}

impl World {
    async fn open(radio: Arc<dyn Radio>) -> Self {
        let mut reports = radio.seen_devices();
        radio.start_scan().await.unwrap();
        let mut found: Vec<SeenDevice> = Vec::new();
        while found.len() < BULBS {
            let report = reports.recv().await.unwrap();
            if found.iter().all(|other| other.id != report.id) {
                found.push(report);
            }
        }
        radio.stop_scan().await.unwrap();
        found.sort_by(|a, b| a.id.cmp(&b.id));
        let (tells, happenings) = mpsc::channel(64);
        Self {
            radio,
            families: Arc::new(Families::default().with_profile("base").unwrap()),
            reports: found,
            bulbs: Default::default(),
            tells,
            happenings,
            tally: Tally::default(),
            start: Instant::now(),
        }
    }

    async fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Hold(bulb, desk) => self.hold(bulb, desk),
            Step::Stop(bulb) => return self.stop(bulb).await,
            Step::Drop(bulb) => {
                self.bulbs[bulb].driver = None;
                self.bulbs[bulb].up = false;
                self.bulbs[bulb].last = None;
                // The events of this driver are dropped here, so that the next one is not blamed for them.
                while let Ok((id, happening)) = self.happenings.try_recv() {
                    self.happened(&id, happening)?;
                }
            }
            Step::Dim(bulb, percent) => {
                let change =
                    Change::from(Light { brightness: Some(Percent::clamped(percent)), ..Light::default() });
                self.change(bulb, change, Some(percent));
            }
            Step::Toggle(bulb) => self.change(bulb, Change::power(Power::Toggle), None),
            Step::Hurry(bulb) => {
                if let Some(driver) = &self.bulbs[bulb].driver {
                    driver.retry_now();
                }
            }
            Step::Command(bulb, percent) => self.command(bulb, percent, TIMEOUT * 3).await?,
            Step::GiveUp(bulb, percent, time) => {
                self.command(bulb, percent, Duration::from_millis(time.into())).await?;
            }
            Step::Wait(time) => self.pass(Duration::from_millis(time.into())).await?,
        }
        Ok(())
    }

    fn hold(&mut self, bulb: usize, desk: bool) {
        if self.bulbs[bulb].driver.is_some() {
            return;
        }
        let plan = DriverPlan {
            radio: self.radio.clone(),
            device: self.reports[bulb].clone(),
            families: self.families.clone(),
            gate: Arc::new(ConnectGate::default()),
            timeout: TIMEOUT,
            mode: if desk { DriverMode::Desk } else { DriverMode::Standalone },
        };
        self.bulbs[bulb].driver = Some(Driver::start(plan, self.tells.clone()));
    }

    async fn stop(&mut self, bulb: usize) -> Result<(), TestCaseError> {
        let Some(driver) = &self.bulbs[bulb].driver else { return Ok(()) };
        driver.stop();
        let end = Instant::now() + Duration::from_secs(5);
        while self.bulbs[bulb].driver.is_some() {
            match timeout_at(end, self.happenings.recv()).await {
                Ok(Some((id, happening))) => self.happened(&id, happening)?,
                _ => return Err(TestCaseError::fail("a driver that was told to stop does not")),
            }
        }
        Ok(())
    }

    fn change(&mut self, bulb: usize, change: Change, percent: Option<u8>) {
        let model = &mut self.bulbs[bulb];
        if let Some(driver) = &model.driver {
            model.asked += 1;
            driver.change(change, model.asked);
            // A change while the link is down is not sent later.
            model.last = percent.map(|percent| (percent, Instant::now())).or(model.last).filter(|_| model.up);
        }
    }

    /// Dims a bulb as a verb does. Cancels after `limit`.
    async fn command(&mut self, bulb: usize, percent: u8, limit: Duration) -> Result<(), TestCaseError> {
        let idle = self.bulbs[bulb].asked == self.bulbs[bulb].told;
        let (radio, families, report) =
            (self.radio.clone(), self.families.clone(), self.reports[bulb].clone());
        let command = async move {
            let deadline = Deadline::after(TIMEOUT);
            let wanted = Light { brightness: Some(Percent::clamped(percent)), ..Light::default() };
            let links = HeldLinks::default();
            let write = async |session: &mut Session| session.command(&wanted, deadline).await;
            links.with_session(radio.as_ref(), &report, &families, deadline, write).await
        };
        let mut command = Box::pin(timeout(limit, command));
        // With two writers at once either value may be the last.
        self.bulbs[bulb].last = None;
        let done: Option<Result<CommandOutcome>> = loop {
            tokio::select! {
                done = &mut command => break done.ok(),
                Some((id, happening)) = self.happenings.recv() => self.happened(&id, happening)?,
            }
        };
        drop(command);
        match done {
            Some(Ok(outcome)) => {
                self.claim(bulb, &outcome.state);
                if outcome.confirmed == Some(true) && idle {
                    self.bulbs[bulb].last = Some((percent, Instant::now()));
                }
            }
            Some(Err(error)) => {
                self.failed(&error);
                hold!(is_expected(&error), "a command ended in {error:?}");
            }
            None => hold!(limit < TIMEOUT, "a command goes on after its deadline"),
        }
        Ok(())
    }

    async fn pass(&mut self, time: Duration) -> Result<(), TestCaseError> {
        let end = Instant::now() + time;
        while let Ok(Some((id, happening))) = timeout_at(end, self.happenings.recv()).await {
            self.happened(&id, happening)?;
        }
        Ok(())
    }

    fn happened(&mut self, id: &DeviceId, happening: DriverEvent) -> Result<(), TestCaseError> {
        let bulb = self.reports.iter().position(|report| report.id == *id).unwrap();
        if self.bulbs[bulb].driver.is_none() {
            return Ok(());
        }
        match happening {
            DriverEvent::Link(phase) => {
                let model = &mut self.bulbs[bulb];
                self.tally.lost += usize::from(model.up && phase != LinkPhase::Up);
                self.tally.back += usize::from(phase == LinkPhase::Up);
                model.up = phase == LinkPhase::Up;
                if !model.up {
                    model.last = None;
                }
                if phase == LinkPhase::Down {
                    model.driver = None;
                }
            }
            DriverEvent::State(state, token) => {
                hold!(self.bulbs[bulb].up, "bulb {bulb} has no link, and {state:?} is told of it");
                self.bulbs[bulb].told = token;
                self.claim(bulb, &state);
            }
            DriverEvent::Confirmed(_) => self.tally.confirmed += 1,
            DriverEvent::Unconfirmed => self.bulbs[bulb].last = None,
            DriverEvent::Trouble(error) => {
                hold!(is_expected(&error), "a driver is in trouble with {error:?}");
                self.bulbs[bulb].last = None;
                self.failed(&error);
            }
            _ => {}
        }
        Ok(())
    }

    fn failed(&mut self, error: &Error) {
        self.tally.failed += 1;
        *self.tally.errors.entry(error.code()).or_default() += 1;
    }

    fn claim(&mut self, bulb: usize, state: &BulbState) {
        if state.provenance == Provenance::Reported && state.assumed.is_empty() {
            self.tally.reported += 1;
            self.bulbs[bulb].claims.push(frame(&state.light));
        }
    }

    /// Waits until all faults are over, then reads the state of each bulb.
    async fn settle(&mut self, case: &Case) -> Result<(), TestCaseError> {
        let over = case.events.iter().map(|event| match event.what {
            What::Off(time) | What::Away(_, time) => event.at + time,
            _ => event.at,
        });
        let over = self.start + Duration::from_millis(over.max().unwrap_or(0).into());
        self.pass(over.saturating_duration_since(Instant::now()) + SETTLE).await?;
        // Sends several values; only the last one has to arrive.
        for percent in 1..=8 {
            for bulb in 0..BULBS {
                self.step(&Step::Dim(bulb, percent * 10)).await?;
            }
            self.pass(Duration::from_millis(7)).await?;
        }
        self.pass(Duration::from_secs(15)).await?;
        for bulb in 0..BULBS {
            let last = self.bulbs[bulb].last.filter(|(_, since)| !set_since(case, bulb, *since - self.start));
            self.stop(bulb).await?;
            let mut truth = None;
            // Each failure uses up one counted fault.
            for _ in 0..60 {
                match self.read(bulb).await {
                    Ok(state) => {
                        truth = Some(state);
                        break;
                    }
                    Err(error) => hold!(is_expected(&error), "a read ended in {error:?}"),
                }
            }
            let Some(truth) = truth else {
                return Err(TestCaseError::fail(format!("bulb {bulb} is lost for ever")));
            };
            self.claim(bulb, &truth);
            if let Some((percent, _)) = last {
                self.tally.held_to += 1;
                let is = truth.light.brightness.map(Percent::get);
                hold!(is == Some(percent), "bulb {bulb} is at {is:?}, and {percent} was the last value");
            }
        }
        Ok(())
    }

    async fn read(&self, bulb: usize) -> Result<BulbState> {
        let deadline = Deadline::after(TIMEOUT);
        let report = &self.reports[bulb];
        let read = async |session: &mut Session| session.read_state(deadline).await;
        let links = HeldLinks::default();
        links.with_session(self.radio.as_ref(), report, &self.families, deadline, read).await
    }
}

/// Returns true if someone else may have changed the bulb since, with a second of tolerance.
fn set_since(case: &Case, bulb: usize, since: Duration) -> bool {
    case.events.iter().any(|event| {
        let at = Duration::from_millis(event.at.into()) + Duration::from_secs(1);
        matches!(event.what, What::Set(other, _) if other == bulb) && at >= since
    })
}

/// The errors that the faults of cases cause.
pub(crate) const EXPECTED: [&str; 11] = [
    "adapter.off",
    "adapter.lost",
    "connect.failed",
    "connect.timeout",
    "connect.limit",
    "discover.timeout",
    "link.lost",
    "bulb.refused",
    "bulb.held",
    "bulb.timeout",
    "frame.malformed",
];
/// Those that only some runs meet: a scan starts only for a bulb that the system has forgotten.
const RARE: [&str; 2] = ["scan.busy", "battery.malformed"];

fn is_expected(error: &Error) -> bool {
    EXPECTED.contains(&error.code()) || RARE.contains(&error.code())
}

/// Returns the command frame of the base family.
fn frame(light: &Light) -> Vec<u8> {
    let color = light.color.map_or([0; 3], |color| [color.red, color.green, color.blue]);
    let head = [u8::from(light.power == Some(true)), light.brightness.map_or(0, Percent::get)];
    [&head[..], &color].concat()
}

async fn nothing_is_left(radio: Arc<dyn Radio>) -> Result<(), TestCaseError> {
    radio.close().await;
    sleep(Duration::from_millis(100)).await;
    let known = radio.known_devices().await.map_err(|error| TestCaseError::fail(error.to_string()))?;
    let up: Vec<_> = known.iter().filter(|report| report.connected).map(SeenDevice::label).collect();
    hold!(up.is_empty(), "still connected: {up:?}");
    let mut reports = radio.seen_devices();
    let heard = timeout(Duration::from_secs(5), reports.recv()).await;
    hold!(heard.is_err(), "still scanning: {heard:?}");
    Ok(())
}

/// Checks what was reported about a bulb against the bulb's own log.
fn truth(case: &Case, bulb: usize, claims: &[Vec<u8>], log: &str) -> Result<(), TestCaseError> {
    let own = address(bulb);
    let entries = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let entries: Vec<_> = entries.filter(|entry| entry["bulb"] == own).collect();
    // The bulb notifies after every command that it executes.
    let notified = entries
        .iter()
        .filter(|entry| entry["event"] == "notify")
        .map(|entry| hex::decode(entry["hex"].as_str().unwrap()).unwrap());
    let mut had: HashSet<Vec<u8>> = notified.collect();
    // Unless another command or the end of the link comes first, or notifications are lost or replaced.
    // Execution is only uncertain if writes are corrupted.
    let faulty = |on: &str| case.faults.iter().any(|fault| fault.bulb == bulb && fault.on == on);
    let (sure, lies) = (!faulty("write"), faulty("notify"));
    // The command and its notification may each be late.
    let own_faults = case.faults.iter().filter(|fault| fault.bulb == bulb);
    let latest = 25 + own_faults.map(|fault| u64::from(fault.delay)).sum::<u64>();
    let at = |entry: &serde_json::Value| entry["ms"].as_u64().unwrap();
    let writes = entries.iter().enumerate().filter(|(_, entry)| entry["event"] == "write");
    had.extend(writes.filter_map(|(index, write)| {
        let mut soon = entries[index + 1..].iter().take_while(|other| at(other) <= at(write) + latest);
        let untold =
            sure || lies || soon.any(|other| other["event"] == "write" || other["event"] == "disconnect");
        untold.then(|| hex::decode(write["hex"].as_str().unwrap()).unwrap())
    }));
    for power in [0, 1] {
        let levels = case.events.iter().filter_map(|event| match event.what {
            What::Set(other, percent) if other == bulb => Some(percent),
            _ => None,
        });
        had.extend(levels.chain([START]).map(|percent| vec![power, percent, 0xff, 0xff, 0xff]));
    }
    for claim in claims {
        let entries = entries.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        hold!(had.contains(claim), "bulb {bulb} was never {}, by its log:\n{entries}", hex::encode(claim));
    }
    let count = |event: &str| entries.iter().filter(|entry| entry["event"] == event).count();
    let (up, down) = (count("connect"), count("disconnect"));
    hold!(up == down, "bulb {bulb}: {up} links came up, {down} ended");
    Ok(())
}
