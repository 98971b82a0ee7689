//! `bench` at library height: on the sim radio with known latencies and a paused clock, what is reported is what is so.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bulb_protocol::Percent;
use bulbctl::bulb::{Families, Restorer, Session};
use bulbctl::measure::{BenchPlan, BenchResult, CLOCK_ERROR, LossEvidence, Part, Rate, Series, measure};
use bulbctl::radio::sim::{self, SimOptions};
use bulbctl::radio::{
    AdapterInfo, AdapterState, CharacteristicId, Deadline, DeviceId, Link, LinkInfo, LinkState,
    Notifications, Radio, SeenDevice, WriteKind,
};
use bulbctl::{Error, Result, pass_on};
use tempfile::TempDir;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

const ADDRESS: &str = "C4:11:00:00:00:01";

fn rig(profile: &str, keys: &str) -> String {
    format!("rig = 1\n[[bulb]]\nprofile = \"{profile}\"\naddress = \"{ADDRESS}\"\n{keys}\n")
}

fn base(keys: &str) -> String {
    rig("base", &format!("name = \"Light-1\"\npower = true\nbrightness = 80\ncolor = \"#ff8800\"\n{keys}"))
}

struct Bench {
    radio: Arc<dyn Radio>,
    report: SeenDevice,
    _dir: TempDir,
}

impl Bench {
    async fn new(text: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let rig = dir.path().join("rig.toml");
        std::fs::write(&rig, text).unwrap();
        let options = SimOptions { dir: Some(dir.path().join("world")), log: None };
        let radio: Arc<dyn Radio> = sim::open(Some(&rig), options).await.unwrap();
        let mut reports = radio.seen_devices();
        radio.start_scan().await.unwrap();
        let report = reports.recv().await.unwrap();
        radio.stop_scan().await.unwrap();
        Self { radio, report, _dir: dir }
    }

    /// The same, of which writes are lost that come sooner than this after the last.
    async fn losing(text: &str, gap: Duration) -> Self {
        let bench = Self::new(text).await;
        Self { radio: Arc::new(Losing { radio: bench.radio.clone(), gap }), ..bench }
    }

    async fn measure(&self, plan: BenchPlan) -> Result<BenchResult> {
        let restorer = Restorer::new(Arc::clone(&self.radio), self.report.clone());
        measure(&self.radio, &self.report, &Families::default(), &plan, &restorer, |_| ()).await
    }

    async fn brightness(&self) -> Option<Percent> {
        let deadline = Deadline::after(Duration::from_secs(10));
        let link = self.radio.connect(&self.report.id, deadline).await.unwrap();
        let mut session = Session::open(link, &self.report, &Families::default(), deadline).await.unwrap();
        session.read_state(deadline).await.unwrap().light.brightness
    }
}

fn plan(parts: &[Part]) -> BenchPlan {
    let timeout = Duration::from_secs(10);
    BenchPlan { rounds: 20, warm_up: 2, parts: parts.to_vec(), brightness: None, timeout }
}

/// Every round gave so much, within the stated error.
fn all_are(series: &Option<Series>, rounds: usize, ms: u64) {
    let series = series.as_ref().expect("was measured");
    let expected = Duration::from_millis(ms);
    assert_eq!((series.times.len(), series.failed), (rounds, 0));
    for time in &series.times {
        assert!(time.abs_diff(expected) <= CLOCK_ERROR, "{time:?} where {expected:?} is so");
    }
    let summary = series.summary().unwrap();
    assert!(summary.p50_low <= summary.p50 && summary.p50 <= summary.p50_high);
}

#[tokio::test(start_paused = true)]
async fn known_latencies_are_reported_within_the_stated_error() {
    for (connect, discover, status, answer) in [(60, 0, 20, 0), (500, 700, 3, 0), (7, 40, 250, 35)] {
        let delays = [("discover", discover), ("write", answer)].map(|(on, ms)| match ms {
            0 => String::new(),
            ms => format!("[[bulb.fault]]\non = \"{on}\"\ndo = \"delay\"\nfor = \"{ms}ms\"\n"),
        });
        let latencies = format!("connect_latency = \"{connect}ms\"\nstatus_latency = \"{status}ms\"\n");
        let bench = Bench::new(&base(&(latencies + &delays.concat()))).await;
        let measured = bench.measure(plan(&[Part::Connect, Part::Discovery, Part::Latency])).await.unwrap();
        all_are(&measured.connect, 20, connect + discover);
        all_are(&measured.discovery, 20, discover);
        all_are(&measured.notification, 20, status + answer);
        all_are(&measured.answer, 20, answer);
        assert_eq!((measured.mtu, measured.skipped.len()), (Some(185), 0));
        assert_eq!(measured.restored, Some(true));
        assert_eq!(bench.brightness().await, Some(Percent::clamped(80)));
    }
}

/// Loss is between these two, and the true rate too.
fn begins_at(rate: &Rate, truth: f64) {
    let (highest, from) = (rate.highest.unwrap(), rate.loss_from.unwrap());
    assert!(
        highest <= truth * 1.01 && truth * 0.99 <= from,
        "{truth} is not in {highest}..{from}: {rate:#?}"
    );
    assert!(from / highest < 1.1, "{highest}..{from} is wide: {rate:#?}");
    assert!(!rate.saturated && rate.evidence.is_some());
}

#[tokio::test(start_paused = true)]
async fn loss_begins_where_the_lamp_loses() {
    for gap in [20, 7, 45] {
        let interval = Duration::from_millis(gap);
        let bench = Bench::losing(&base(""), interval).await;
        let measured = bench.measure(plan(&[Part::Rate])).await.unwrap();
        assert_eq!(measured.rates.len(), 2);
        for rate in &measured.rates {
            begins_at(rate, 1.0 / interval.as_secs_f64());
            assert_eq!(rate.evidence, Some(LossEvidence::Notification));
        }
        assert_eq!((measured.restored, bench.brightness().await), (Some(true), Some(Percent::clamped(80))));
    }
}

#[tokio::test(start_paused = true)]
async fn loss_begins_where_the_rig_says() {
    let bench = Bench::new(&base("defects = [\"loses-quick-writes\"]\n")).await;
    for rate in bench.measure(plan(&[Part::Rate])).await.unwrap().rates {
        begins_at(&rate, 50.0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lamp_that_only_answers_questions_is_asked_for_the_last_write() {
    // Zengge is asked for its state, and notifies nothing by itself.
    let bench =
        Bench::losing(&rig("zengge", "power = true\nbrightness = 60\n"), Duration::from_millis(20)).await;
    let measured = bench.measure(plan(&[Part::Latency, Part::Rate])).await.unwrap();
    assert!(!measured.rates.is_empty());
    for rate in &measured.rates {
        assert_eq!(rate.evidence, Some(LossEvidence::Readback));
        begins_at(rate, 50.0);
    }
    assert_eq!((&measured.notification, measured.restored), (&None, Some(true)));
}

#[tokio::test(start_paused = true)]
async fn a_single_loss_is_not_where_loss_begins() {
    let fault = "[[bulb.fault]]\non = \"notify\"\ndo = \"lose\"\ncount = 1\n";
    let bench = Bench::new(&base(fault)).await;
    let measured = bench.measure(plan(&[Part::Rate])).await.unwrap();
    let rate = &measured.rates[0];
    assert_eq!((rate.steps[0].confirmed, rate.steps[0].sent), (Some(9), 10));
    assert_eq!((rate.steps[1].wanted, rate.steps[1].confirmed), (rate.steps[0].wanted, Some(10)));
    assert_eq!((rate.loss_from, rate.saturated), (None, false));
    assert!(rate.highest.unwrap() > 900.0, "{rate:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_link_that_takes_no_more_is_told_from_a_lamp_that_loses() {
    let fault = "[[bulb.fault]]\non = \"write\"\ndo = \"delay\"\nfor = \"25ms\"\n";
    let bench = Bench::new(&base(fault)).await;
    let measured = bench.measure(plan(&[Part::Rate])).await.unwrap();
    let rate = &measured.rates[0];
    assert_eq!((rate.kind, rate.loss_from, rate.saturated), (WriteKind::Request, None, true));
    assert!((rate.highest.unwrap() - 40.0).abs() < 4.0, "one in 25 ms: {rate:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_lamp_that_never_tells_is_left_alone_unless_a_brightness_is_named() {
    let bench = Bench::new(&rig("elk", "")).await;
    let measured = bench.measure(plan(&[Part::Connect, Part::Latency, Part::Rate])).await.unwrap();
    assert_eq!(measured.connect.as_ref().map(|series| series.times.len()), Some(20));
    let skipped: Vec<Part> = measured.skipped.iter().map(|one| one.part).collect();
    assert_eq!((skipped, measured.restored), (vec![Part::Latency, Part::Rate], None));
    assert!(measured.rates.is_empty() && measured.skipped[0].reason.contains("--brightness"));
    let named = BenchPlan { brightness: Some(Percent::clamped(40)), ..plan(&[Part::Latency, Part::Rate]) };
    let measured = bench.measure(named).await.unwrap();
    // What it takes can be told, not what becomes of it.
    let rate = &measured.rates[0];
    assert_eq!((rate.evidence, rate.loss_from, measured.restored), (None, None, None));
    assert!(rate.highest.is_some() && rate.steps.iter().all(|step| step.loses().is_none()));
}

#[tokio::test(start_paused = true)]
async fn a_link_that_others_hold_is_not_dropped() {
    let bench = Bench::new(&base("")).await;
    let deadline = Deadline::after(Duration::from_secs(5));
    let held = bench.radio.connect(&bench.report.id, deadline).await.unwrap();
    held.keep();
    // Another program's, as the radio sees it.
    let radio: Arc<dyn Radio> = Arc::new(Held(bench.radio.clone()));
    let bench = Bench { radio, ..bench };
    let measured = bench.measure(plan(&[Part::Connect, Part::Discovery, Part::Latency])).await.unwrap();
    let skipped: Vec<Part> = measured.skipped.iter().map(|one| one.part).collect();
    assert_eq!(skipped, [Part::Connect, Part::Discovery]);
    all_are(&measured.notification, 20, 20);
    assert_eq!(*held.state().borrow(), LinkState::Up);
}

#[tokio::test(start_paused = true)]
async fn rounds_that_fail_are_counted_and_a_bulb_that_is_dead_is_an_error() {
    let fault = "[[bulb.fault]]\non = \"notify\"\ndo = \"lose\"\ncount = 4\n";
    let bench = Bench::new(&base(fault)).await;
    let measured = bench.measure(plan(&[Part::Latency])).await.unwrap();
    // Two of the four were warm-up.
    let series = measured.notification.unwrap();
    assert_eq!((series.times.len(), series.failed), (18, 2));
    let bench = Bench::new(&base("[[bulb.fault]]\non = \"connect\"\ndo = \"silent\"\n")).await;
    let error = bench.measure(plan(&[Part::Connect])).await.unwrap_err();
    assert_eq!(error.code(), "connect.timeout");
}

/// Whoever drops the measurement runs the restorer, and the bulb is as it was.
#[tokio::test(start_paused = true)]
async fn an_interrupted_measurement_is_undone() {
    let bench = Bench::new(&base("")).await;
    for after in [150, 171, 400, 405, 2000, 3000] {
        let restorer = Restorer::new(Arc::clone(&bench.radio), bench.report.clone());
        let families = Families::default();
        let only = plan(&[Part::Latency, Part::Rate]);
        let running = measure(&bench.radio, &bench.report, &families, &only, &restorer, |_| ());
        let cut = tokio::time::timeout(Duration::from_millis(after), running).await;
        assert!(cut.is_err(), "{after} ms is not in the middle");
        assert_ne!(restorer.run().await, Some(false));
        assert_eq!(bench.brightness().await, Some(Percent::clamped(80)), "after {after} ms");
        assert_eq!(restorer.run().await, None);
    }
}

/// A radio whose bulbs lose each write that comes too soon after the one before.
#[derive(Debug)]
struct Losing {
    radio: Arc<dyn Radio>,
    gap: Duration,
}

/// A radio on which all links were up before.
#[derive(Debug)]
struct Held(Arc<dyn Radio>);

/// The way in which a link of these differs.
#[derive(Debug)]
struct Other {
    link: Arc<dyn Link>,
    gap: Duration,
    last: Mutex<Option<Instant>>,
    was_up: bool,
}

impl Other {
    fn of(link: Arc<dyn Link>, gap: Duration, was_up: bool) -> Arc<dyn Link> {
        Arc::new(Self { link, gap, last: Mutex::default(), was_up })
    }
}

macro_rules! radio {
    ($kind:ty, $inner:tt, $wrap:expr) => {
        #[async_trait]
        impl Radio for $kind {
            pass_on! {
                $inner: adapter -> AdapterInfo,
                adapter_state -> watch::Receiver<AdapterState>,
                seen_devices -> broadcast::Receiver<SeenDevice>
            }
            async fn start_scan(&self) -> Result<()> {
                self.$inner.start_scan().await
            }
            async fn stop_scan(&self) -> Result<()> {
                self.$inner.stop_scan().await
            }
            async fn known_devices(&self) -> Result<Vec<SeenDevice>> {
                self.$inner.known_devices().await
            }
            async fn connect(&self, device: &DeviceId, deadline: Deadline) -> Result<Arc<dyn Link>> {
                let wrap: fn(&Self, Arc<dyn Link>) -> Arc<dyn Link> = $wrap;
                Ok(wrap(self, self.$inner.connect(device, deadline).await?))
            }
            async fn close(&self) {
                self.$inner.close().await;
            }
        }
    };
}

radio!(Losing, radio, |own, link| Other::of(link, own.gap, false));
radio!(Held, 0, |_, link| Other::of(link, Duration::ZERO, true));

#[async_trait]
impl Link for Other {
    pass_on! {
        link: info -> &LinkInfo,
        state -> watch::Receiver<LinkState>,
        mtu -> Option<u16>
    }
    fn was_up(&self) -> bool {
        self.was_up
    }
    async fn read(&self, id: CharacteristicId, deadline: Deadline) -> Result<Vec<u8>> {
        self.link.read(id, deadline).await
    }
    async fn write(
        &self,
        id: CharacteristicId,
        value: &[u8],
        kind: WriteKind,
        deadline: Deadline,
    ) -> Result<()> {
        let now = Instant::now();
        let before = self.last.lock().unwrap().replace(now);
        if before.is_some_and(|before| now - before < self.gap) {
            // The link answers all the same.
            return Ok(());
        }
        self.link.write(id, value, kind, deadline).await
    }
    async fn subscribe(&self, id: CharacteristicId, deadline: Deadline) -> Result<Notifications> {
        self.link.subscribe(id, deadline).await
    }
    async fn unsubscribe(&self, id: CharacteristicId, deadline: Deadline) -> Result<()> {
        self.link.unsubscribe(id, deadline).await
    }
    async fn system_battery(&self) -> Result<Option<u8>> {
        Err(Error::ServiceDown)
    }
    fn keep(&self) {
        self.link.keep();
    }
    async fn disconnect(&self) -> Result<()> {
        self.link.disconnect().await
    }
}
