//! A held bulb on the sim radio, on a paused clock.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;
use std::time::Duration;

use bulb_protocol::profile::Light;
use bulb_protocol::{LightState, Percent, Rgb};
use bulbctl::bulb::{
    BulbState, Change, ConnectGate, DrivenProfile, Driver, DriverEvent, DriverMode, DriverPlan, Families,
    LinkPhase, Power, Provenance,
};
use bulbctl::radio::sim::{self, SimOptions};
use bulbctl::radio::{Deadline, DeviceId};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

#[path = "driver/session.rs"]
mod session;

const BULB: &str = include_str!("driver.toml");
const START: LightState =
    LightState { power: true, brightness: Percent::clamped(80), color: Rgb::new(0xff, 0x88, 0) };

/// More events than any test needs until the one that it waits for.
const MOST_EVENTS: usize = 500;

struct Held {
    driver: Driver,
    happenings: mpsc::Receiver<(DeviceId, DriverEvent)>,
    dir: TempDir,
}

impl Held {
    async fn hold(faults: &str) -> Self {
        let base = Families::default().with_profile("base").unwrap();
        Self::hold_one(&format!("{BULB}{faults}"), base).await
    }

    /// Holds a bulb of a family, which is to be recognised.
    async fn recognise(profile: &str) -> Self {
        let rig = format!("rig = 1\n[[bulb]]\nprofile = \"{profile}\"\naddress = \"C4:11:00:00:00:01\"\n");
        Self::hold_one(&rig, Families::default()).await
    }

    async fn hold_one(text: &str, families: Families) -> Self {
        Self::hold_with(text, families, DriverMode::Desk).await
    }

    async fn hold_with(text: &str, families: Families, mode: DriverMode) -> Self {
        Self::hold_at(ConnectGate::default(), text, families, mode).await
    }

    async fn hold_at(gate: ConnectGate, text: &str, families: Families, mode: DriverMode) -> Self {
        let dir = TempDir::new().unwrap();
        let rig = dir.path().join("rig.toml");
        std::fs::write(&rig, text).unwrap();
        let options = SimOptions { dir: Some(dir.path().join("world")), log: Some(dir.path().join("log")) };
        let radio = sim::open(Some(&rig), options).await.unwrap();
        let mut seen = radio.seen_devices();
        radio.start_scan().await.unwrap();
        let late = |_| bulbctl::Error::Interrupted;
        let device = Deadline::after(Duration::from_secs(5))
            .run(async { Ok(seen.recv().await.unwrap()) }, late)
            .await
            .unwrap();
        radio.stop_scan().await.unwrap();
        let (sender, happenings) = mpsc::channel(64);
        let plan = DriverPlan {
            radio,
            device,
            families: Arc::new(families),
            gate: Arc::new(gate),
            timeout: Duration::from_secs(10),
            mode,
        };
        Self { driver: Driver::start(plan, sender), happenings, dir }
    }

    async fn next(&mut self) -> DriverEvent {
        timeout(Duration::from_secs(120), self.happenings.recv()).await.expect("nothing happens").unwrap().1
    }

    /// Ends with a message if the event does not come: a driver that reconnects for ever has no quiet moment that a
    /// time limit would notice.
    async fn until(&mut self, wanted: impl Fn(&DriverEvent) -> bool) -> DriverEvent {
        let mut others = Vec::new();
        while others.len() < MOST_EVENTS {
            let happening = self.next().await;
            if wanted(&happening) {
                return happening;
            }
            others.push(happening);
        }
        panic!("not among {MOST_EVENTS} events, the last of which are {:?}", &others[MOST_EVENTS - 8..]);
    }

    async fn until_reported(&mut self, state: LightState, token: u64) {
        let wanted = DriverEvent::State(BulbState::reported(state), token);
        self.until(|happening| *happening == wanted).await;
    }

    fn writes(&self) -> Vec<String> {
        writes(&self.dir.path().join("log"))
    }
}

/// The frames that were written, from an air log.
fn writes(log: &std::path::Path) -> Vec<String> {
    let log = std::fs::read_to_string(log).unwrap();
    let records = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let writes = records.filter(|record| record["event"] == "write");
    writes.map(|record| record["hex"].as_str().unwrap().to_owned()).collect()
}

fn brightness(percent: u8) -> Change {
    Change::from(Light { brightness: Some(Percent::clamped(percent)), ..Light::default() })
}

fn at(percent: u8) -> LightState {
    LightState { brightness: Percent::clamped(percent), ..START }
}

fn code(happening: &DriverEvent) -> &'static str {
    match happening {
        DriverEvent::Trouble(error) => error.code(),
        _ => "",
    }
}

fn lost(happening: &DriverEvent) -> bool {
    matches!(happening, DriverEvent::Link(LinkPhase::Waiting(_)))
}

#[tokio::test(start_paused = true)]
async fn tells_all_that_is_known_of_a_bulb() {
    let mut bulb = Held::hold("").await;
    assert_eq!(bulb.next().await, DriverEvent::Link(LinkPhase::Connecting(1)));
    assert!(matches!(bulb.next().await, DriverEvent::Connected(_)));
    let base = DrivenProfile(Arc::new(bulb_protocol::profile::builtin::load("base", None).unwrap()));
    assert_eq!(bulb.next().await, DriverEvent::Recognised(base));
    assert_eq!(bulb.next().await, DriverEvent::Link(LinkPhase::Up));
    assert_eq!(bulb.next().await, DriverEvent::State(BulbState::reported(START), 0));
    let battery = bulb.until(|happening| matches!(happening, DriverEvent::Battery(_))).await;
    assert!(matches!(battery, DriverEvent::Battery(Some(battery)) if battery.percent == 87));
    let info = bulb.until(|happening| matches!(happening, DriverEvent::Info(_))).await;
    assert!(
        matches!(info, DriverEvent::Info(info) if info.model.as_deref() == Some("BW-1") && info.serial.is_none())
    );
}

#[tokio::test(start_paused = true)]
async fn a_change_is_assumed_at_once_and_then_reported() {
    let mut bulb = Held::hold("").await;
    bulb.until_reported(START, 0).await;
    bulb.driver.change(brightness(30), 1);
    bulb.until(|happening| *happening == DriverEvent::State(BulbState::assumed(at(30)), 1)).await;
    bulb.until(
        |happening| matches!(happening, DriverEvent::Confirmed(Some(time)) if *time < Duration::from_millis(100)),
    )
    .await;
    bulb.until_reported(at(30), 1).await;
}

#[tokio::test(start_paused = true)]
async fn the_newest_change_wins_and_the_last_one_arrives() {
    let mut bulb = Held::hold("").await;
    bulb.until_reported(START, 0).await;
    // A finger on a slider: a value a millisecond, for 200 ms. The bulb takes 20 ms for each.
    for token in 1..=200 {
        bulb.driver.change(brightness((token / 2) as u8), token);
        tokio::time::sleep(Duration::from_millis(1)).await;
        while bulb.happenings.try_recv().is_ok() {}
    }
    bulb.driver.change(Change::power(Power::Toggle), 201);
    bulb.until_reported(LightState { power: false, ..at(100) }, 201).await;
    let writes = bulb.writes();
    assert_eq!(writes.last().map(String::as_str), Some("0064ff8800"));
    assert!((5..15).contains(&writes.len()), "{} writes", writes.len());
}

#[tokio::test(start_paused = true)]
async fn a_lost_link_makes_the_state_unknown_and_is_made_again() {
    let mut bulb = Held::hold("[[bulb.fault]]\non = \"write\"\ndo = \"drop\"\ncount = 1\n").await;
    bulb.until_reported(START, 0).await;
    bulb.driver.change(brightness(30), 1);
    bulb.until(|happening| code(happening) == "link.lost").await;
    let start = Instant::now();
    assert!(lost(&bulb.next().await));
    assert_eq!(bulb.next().await, DriverEvent::Link(LinkPhase::Connecting(2)));
    assert!((750..=1000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    // The change was not repeated: the bulb says what is so.
    bulb.until(|happening| matches!(happening, DriverEvent::State(state, 1) if state.provenance == Provenance::Reported)).await;
    bulb.driver.change(brightness(40), 2);
    bulb.until_reported(at(40), 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_change_that_waits_is_dropped_with_the_link() {
    // The first write is not answered, and five seconds after it the link ends.
    let silent = "[[bulb.fault]]\non = \"write\"\ndo = \"silent\"\ncount = 1\n";
    let drop = "[[event]]\nat = \"20s\"\nbulb = \"C4:11:00:00:00:01\"\ndo = \"drop\"\n";
    let mut bulb = Held::hold(&format!("{silent}{drop}")).await;
    bulb.until_reported(START, 0).await;
    tokio::time::sleep(Duration::from_secs(15)).await;
    bulb.driver.change(brightness(30), 1);
    bulb.until(|happening| *happening == DriverEvent::State(BulbState::assumed(at(30)), 1)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    bulb.driver.change(brightness(50), 2);
    bulb.until(|happening| code(happening) == "link.lost").await;
    // The bulb tells what is so, with the token of the change that is no more.
    let state = bulb.until(|happening| matches!(happening, DriverEvent::State(..))).await;
    assert_eq!(state, DriverEvent::State(BulbState::reported(START), 2));
    let end = Instant::now() + Duration::from_secs(60);
    while let Ok(Some((_, happening))) = tokio::time::timeout_at(end, bulb.happenings.recv()).await {
        assert!(!matches!(happening, DriverEvent::State(..)), "{happening:?}");
    }
    assert_eq!(bulb.writes(), ["011eff8800"], "only the first, which was lost");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_waits_for_a_link_for_longer_than_its_time_limit_is_dropped() {
    for (wait, is_made) in [(9, true), (11, false)] {
        let gate = ConnectGate::with_limit(1);
        let taken = gate.try_slot();
        let base = Families::default().with_profile("base").unwrap();
        let mut bulb = Held::hold_at(gate, BULB, base, DriverMode::Desk).await;
        bulb.until(|happening| *happening == DriverEvent::Link(LinkPhase::Queued)).await;
        bulb.driver.change(brightness(30), 1);
        tokio::time::sleep(Duration::from_secs(wait)).await;
        drop(taken);
        bulb.until(|happening| matches!(happening, DriverEvent::Battery(_))).await;
        assert_eq!(!bulb.writes().is_empty(), is_made, "after {wait} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_withdrawn_is_not_made() {
    let mut bulb = Held::hold("").await;
    bulb.until_reported(START, 0).await;
    bulb.driver.change(brightness(30), 1);
    assert!(bulb.driver.withdraw());
    assert!(!bulb.driver.withdraw());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(bulb.writes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_family_that_reports_only_when_asked_is_asked_every_two_seconds() {
    let mut bulb = Held::recognise("zengge").await;
    bulb.until(|happening| *happening == DriverEvent::Link(LinkPhase::Up)).await;
    let before = bulb.writes().len();
    let end = Instant::now() + Duration::from_secs(61);
    while let Ok(Some(_)) = tokio::time::timeout_at(end, bulb.happenings.recv()).await {}
    assert_eq!(bulb.writes()[before..], ["ef0177"; 30]);
}

#[tokio::test(start_paused = true)]
async fn a_long_link_starts_the_pauses_again_and_a_short_one_does_not() {
    for (idle, pauses) in [("15s", [1.0, 1.0]), ("5s", [8.0, 16.0])] {
        // Three attempts fail, then each link ends after this time without a write.
        let text = format!(
            "{BULB}idle_drop = \"{idle}\"\n[[bulb.fault]]\non = \"discover\"\ndo = \"drop\"\ncount = 3\n"
        );
        let mut bulb = Held::hold_one(&text, Families::default().with_profile("base").unwrap()).await;
        for _ in 0..3 {
            bulb.until(lost).await;
        }
        for most in pauses {
            bulb.until(|happening| *happening == DriverEvent::Link(LinkPhase::Up)).await;
            let DriverEvent::Link(LinkPhase::Waiting(until)) = bulb.until(lost).await else { unreachable!() };
            let pause = (until - Instant::now()).as_secs_f64();
            assert!((most * 0.75..=most).contains(&pause), "{pause} s after a link of {idle}, not {most}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_change_is_put_back() {
    let mut bulb = Held::hold("[[bulb.fault]]\non = \"write\"\ndo = \"error\"\natt = 0x0e\n").await;
    bulb.until_reported(START, 0).await;
    bulb.driver.change(brightness(30), 1);
    bulb.until(|happening| *happening == DriverEvent::State(BulbState::assumed(at(30)), 1)).await;
    bulb.until(|happening| code(happening) == "bulb.refused").await;
    bulb.until_reported(START, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_bulb_that_does_not_answer_is_only_assumed() {
    let fault = "[[bulb.fault]]\non = \"notify\"\ndo = \"lose\"\n[[bulb.fault]]\non = \"read\"\ndo = \"error\"\natt = 0x0e\n";
    let mut bulb = Held::hold(fault).await;
    // Its state cannot be read either, so nothing is known to begin with.
    bulb.until(|happening| code(happening) == "bulb.refused").await;
    bulb.driver.change(Change::whole(at(30)), 1);
    bulb.until(|happening| *happening == DriverEvent::Unconfirmed).await;
    assert_eq!(bulb.next().await, DriverEvent::State(BulbState::assumed(at(30)), 1));
    bulb.driver.change(brightness(31), 2);
    bulb.until(|happening| *happening == DriverEvent::State(BulbState::assumed(at(31)), 2)).await;
}

#[tokio::test(start_paused = true)]
async fn the_pauses_grow_until_somebody_is_in_a_hurry() {
    let mut bulb = Held::hold("[[bulb.fault]]\non = \"discover\"\ndo = \"drop\"\n").await;
    let mut pauses = Vec::new();
    for _ in 0..7 {
        let waiting = bulb.until(lost).await;
        let DriverEvent::Link(LinkPhase::Waiting(until)) = waiting else { unreachable!() };
        pauses.push((until - Instant::now()).as_secs_f64());
    }
    let most = [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0];
    assert!(pauses.iter().zip(most).all(|(pause, most)| (most * 0.75..=most).contains(pause)), "{pauses:?}");
    let start = Instant::now();
    bulb.driver.retry_now();
    assert_eq!(bulb.next().await, DriverEvent::Link(LinkPhase::Connecting(8)));
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn ends_when_it_is_told_to_or_has_no_hope() {
    let mut bulb = Held::hold("").await;
    bulb.until_reported(START, 0).await;
    bulb.driver.stop();
    bulb.until(|happening| *happening == DriverEvent::Link(LinkPhase::Down)).await;
    let log = std::fs::read_to_string(bulb.dir.path().join("log")).unwrap();
    assert!(log.lines().last().unwrap().contains("disconnect"), "{log}");

    let table = "[[bulb.service]]\nuuid = \"fff0\"\n[[bulb.service.characteristic]]\nuuid = \"fff3\"\nproperties = [\"write\"]\n";
    let mut stranger = Held::hold(table).await;
    stranger.until(|happening| code(happening) == "profile.no_characteristic").await;
    assert_eq!(stranger.next().await, DriverEvent::Link(LinkPhase::Down));
}

#[tokio::test(start_paused = true)]
async fn a_lamp_that_never_reports_is_driven_all_the_same() {
    let mut held = Held::recognise("elk").await;
    held.until(|happening| matches!(happening, DriverEvent::Recognised(driven) if driven.0.name == "elk"))
        .await;
    held.until(|happening| *happening == DriverEvent::State(BulbState::unknown(), 0)).await;
    let start = Instant::now();
    held.driver.change(brightness(30), 1);
    // What is about to be written is shown at once.
    let told = |happening: &DriverEvent| {
        matches!(happening, DriverEvent::State(_, 1 | 2) | DriverEvent::Written | DriverEvent::Trouble(_))
    };
    let at_once = held.until(told).await;
    assert!(matches!(&at_once, DriverEvent::State(state, 1) if state.provenance == Provenance::Assumed));
    assert_eq!(held.until(told).await, DriverEvent::Written);
    // There is nothing to wait for.
    assert!(start.elapsed() < Duration::from_millis(500));
    let DriverEvent::State(state, 1) = held.next().await else { panic!("no state") };
    assert_eq!((state.provenance, state.light.brightness), (Provenance::Assumed, Some(Percent::clamped(30))));
    // What was written in this session can be switched over, what was not cannot.
    held.driver.change(Change::power(Power::Toggle), 2);
    assert_eq!(code(&held.until(told).await), "bulb.write_only");
    held.driver.change(Change::power(Power::On), 3);
    held.until(|happening| *happening == DriverEvent::Written).await;
    held.driver.change(Change::power(Power::Toggle), 4);
    held.until(
        |happening| matches!(happening, DriverEvent::State(state, 4) if state.light.power == Some(false)),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_link_that_wants_it_is_kept_alive() {
    // The virtual bulb ends a link on which nothing was written for ten seconds.
    let mut held = Held::recognise("govee:h6127").await;
    held.until(|happening| *happening == DriverEvent::Link(LinkPhase::Up)).await;
    let end = Instant::now() + Duration::from_secs(60);
    while let Ok(Some((_, happening))) = tokio::time::timeout_at(end, held.happenings.recv()).await {
        assert!(!matches!(happening, DriverEvent::Link(_)), "{happening:?}");
    }
    let kept = held.writes().iter().filter(|hex| hex.starts_with("aa01")).count();
    assert!(kept >= 25, "{kept} writes");
    held.driver.change(brightness(40), 1);
    held.until(|happening| matches!(happening, DriverEvent::Confirmed(_))).await;
}

#[tokio::test(start_paused = true)]
async fn writes_keep_the_distance_that_the_lamp_wants() {
    let mut held = Held::recognise("avea").await;
    held.until(|happening| matches!(happening, DriverEvent::State(..))).await;
    for (token, percent) in (1..=20).zip((5_u8..).step_by(4)) {
        held.driver.change(brightness(percent), token);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    held.until(|happening| matches!(happening, DriverEvent::State(state, 20) if state.provenance == Provenance::Reported)).await;
    let log = std::fs::read_to_string(held.dir.path().join("log")).unwrap();
    let records = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let times: Vec<u64> = records
        .filter(|record| record["event"] == "write")
        .map(|record| record["ms"].as_u64().unwrap())
        .collect();
    let gap = bulb_protocol::profile::builtin::load("avea", None).unwrap().link_rules.gap;
    let least = u64::try_from(gap.as_millis()).unwrap();
    assert!(least > 0 && times.len() > 3, "{least} ms, {times:?}");
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= least), "{least} ms, {times:?}");
}

/// The second byte of LEDnetWF's frames counts them, changes and questions alike.
#[tokio::test(start_paused = true)]
async fn each_frame_of_a_link_has_its_own_number() {
    let mut held = Held::recognise("lednetwf").await;
    held.until(|happening| matches!(happening, DriverEvent::State(state, 0) if state.provenance == Provenance::Reported)).await;
    for (token, percent) in [(1, 30), (2, 31), (3, 32)] {
        held.driver.change(brightness(percent), token);
        held.until(|happening| matches!(happening, DriverEvent::State(state, now) if *now == token && state.provenance == Provenance::Reported)).await;
    }
    let numbers: Vec<u8> =
        held.writes().iter().map(|hex| u8::from_str_radix(&hex[2..4], 16).unwrap()).collect();
    assert!(numbers.len() > 3, "{numbers:?}");
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "{numbers:?}");
}

#[tokio::test(start_paused = true)]
async fn alone_it_finds_a_bulb_again_that_the_system_has_forgotten() {
    // Away for a minute: nobody remembers it by then, and nobody scans but the driver.
    let gone = "[[event]]\nat = \"20s\"\nbulb = \"C4:11:00:00:00:01\"\ndo = \"vanish\"\n[[event]]\nat = \"80s\"\nbulb = \"C4:11:00:00:00:01\"\ndo = \"appear\"\n";
    let base = Families::default().with_profile("base").unwrap();
    let mut bulb = Held::hold_with(&format!("{BULB}{gone}"), base, DriverMode::Standalone).await;
    bulb.until_reported(START, 0).await;
    bulb.until(lost).await;
    let start = Instant::now();
    bulb.until_reported(START, 0).await;
    // It came back after 60 s, and the pauses are no longer than 30 s.
    assert!((60..95).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    // Nothing was read but the state.
    while let Ok((_, happening)) = bulb.happenings.try_recv() {
        assert!(!matches!(happening, DriverEvent::Battery(_) | DriverEvent::Info(_)), "{happening:?}");
    }
}
