//! The bridge with more bulbs than links, through mosquitto. The clock of this process runs faster than that of the broker.

use std::io::Write;
use std::process::{Child, ChildStdin, Command, Stdio};

use bulbctl::bridge::{
    Access, AccessOptions, Bridge, BridgeEvent, DISCOVERY_PREFIX, PREFIX, Settings, Setup, Topics,
};
use bulbctl::bulb::Families;
use bulbctl::config::Config;
use bulbctl::fleet::Target;
use bulbctl::radio::sim::{self, SimOptions};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::advance;

use super::*;
use broker::Mosquitto;

#[path = "../bridge/broker.rs"]
#[allow(dead_code, clippy::print_stderr, reason = "most of it is for tests/bridge")]
mod broker;

const BULBS: u8 = 20;
const LINKS: usize = 5;
/// Simulated time for each millisecond or so.
const STEP: Duration = Duration::from_millis(50);
/// Between two commands.
const COMMAND_EVERY: Duration = Duration::from_secs(10);
/// Every bulb is known, and was visited.
const WARM: Duration = Duration::from_secs(180);
/// What the memory may swing by, bytes.
const SWING: usize = 500_000;

fn until<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let start = std::time::Instant::now();
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn state(id: &str) -> String {
    format!("bulbctl/{id}/state")
}

fn rig() -> String {
    let bulb = |n| format!("[[bulb]]\naddress = \"C4:11:00:00:00:{n:02X}\"\nname = \"Light-{n}\"\n");
    format!("rig = 1\n[adapter]\nlinks = {LINKS}\n{}", (1..=BULBS).map(bulb).collect::<String>())
}

/// mosquitto's client, which publishes each line that it gets.
struct Publisher {
    child: Child,
    lines: ChildStdin,
}

impl Publisher {
    fn start(broker: &Mosquitto) -> Self {
        let port = broker.port.to_string();
        let mut publish = Command::new("mosquitto_pub");
        publish.args(["-h", "127.0.0.1", "-V", "5", "-p", &port, "-l", "-t", "bulbctl/bridge/attic/run"]);
        let mut child = publish.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = child.stdin.take().unwrap();
        Self { child, lines }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the process holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    live: usize,
    files: usize,
}

impl Held {
    fn since(before: usize) -> Self {
        Self { live: live() - before, files: std::fs::read_dir("/proc/self/fd").unwrap().count() }
    }
}

/// Lets simulated time pass, and real time for the sockets. The clock does not jump while a blocking task runs.
async fn pass(bridge: &mut Bridge, time: Duration, connects: &mut usize) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(1))).await.unwrap();
        advance(STEP).await;
        while let Some(event) = bridge.next().now_or_never() {
            match event.unwrap() {
                BridgeEvent::Record(record) => {
                    let record = serde_json::to_value(&*record).unwrap();
                    *connects += usize::from(record["state"] == "connected");
                }
                BridgeEvent::Ended(error) => panic!("{error}"),
            }
        }
    }
}

fn setup(broker: &Mosquitto, folder: &TempDir) -> Setup {
    let options = SimOptions { dir: Some(folder.path().join("world")), log: None };
    let (config, families) = (Config::default(), Arc::new(Families::default()));
    let access = AccessOptions { broker: Some(broker.url()), ..AccessOptions::default() };
    let settings = Settings {
        target: Target::parse("all", &config, &families).unwrap(),
        topics: Topics::new(PREFIX, DISCOVERY_PREFIX, "attic"),
        discovery: true,
        alone: true,
        access: Access::read(&access, &config.bridge).unwrap(),
        config: Arc::new(config),
        families,
    };
    let parse_line = |line: &str| {
        let (target, payload) = line.split_once(' ').unwrap();
        Ok((target.to_owned(), bulbctl::bridge::LightCommand::parse(payload.as_bytes())?))
    };
    Setup {
        settings,
        radio: sim::open_text(&rig(), "rig.toml", options).unwrap(),
        timeout: Duration::from_secs(10),
        links: LINKS,
        parse_line: Arc::new(parse_line),
        folder: Some(folder.path().to_owned()),
    }
}

/// Runs a bridge for this long, with a command every ten seconds and a broker that dies in these intervals.
async fn bridge_for(time: Duration, death_every: Duration) -> Option<(Held, Held, usize)> {
    let mut broker = Mosquitto::start()?;
    let folder = TempDir::new().unwrap();
    let mut witness = Some(broker.witness());
    let before = live();
    let (mut bridge, task) = Bridge::start(setup(&broker, &folder)).unwrap();
    let mut publisher = Publisher::start(&broker);
    let (mut connects, mut deaths, mut commands) = (0, 0, 0_u32);
    let (mut after_warming, mut published) = (None, 0);
    let start = Instant::now();
    while start.elapsed() < time {
        commands += 1;
        let bulb = commands % u32::from(BULBS) + 1;
        writeln!(publisher.lines, "C4:11:00:00:00:{bulb:02X} {{\"brightness\":{}}}", 1 + commands % 99)
            .unwrap();
        pass(&mut bridge, COMMAND_EVERY, &mut connects).await;
        if start.elapsed() >= death_every * (deaths + 1) {
            broker.kill();
            pass(&mut bridge, COMMAND_EVERY, &mut connects).await;
            broker.restart();
            deaths += 1;
            publisher = Publisher::start(&broker);
            pass(&mut bridge, Duration::from_secs(90), &mut connects).await;
            assert_eq!(connects, 1 + deaths as usize, "it is connected again");
        }
        if start.elapsed() >= WARM
            && let Some(witness) = witness.take()
        {
            published = witness.count();
            // It remembers all that it has seen.
            drop(witness);
            after_warming = Some(Held::since(before));
        }
    }
    let end = Held::since(before);
    println!("{commands} commands, {deaths} deaths of the broker, {published} messages in the first minutes");
    assert!(published > usize::from(BULBS) * 4, "it published nothing");
    task.end().await;
    Some((after_warming.unwrap(), end, connects))
}

fn assert_steady(begin: Held, end: Held) {
    assert!(end.files <= begin.files, "{begin:?} {end:?}");
    assert!(end.live < begin.live + SWING, "it grows: {begin:?} {end:?}");
}

#[tokio::test(start_paused = true)]
async fn a_bridge_holds_no_more_after_a_while() {
    let _alone = ALONE.lock().await;
    if let Some((begin, end, _)) = bridge_for(WARM * 2, WARM + COMMAND_EVERY).await {
        println!("{begin:?} {end:?}");
        assert_steady(begin, end);
    }
}

/// The hour in docs/BENCHMARKS.md.
#[tokio::test(start_paused = true)]
#[ignore = "takes minutes: cargo xtask bench bridge"]
async fn an_hour_of_the_bridge() {
    let _alone = ALONE.lock().await;
    let wall = std::time::Instant::now();
    let (begin, end, connects) =
        bridge_for(Duration::from_secs(60 * 60), Duration::from_secs(600)).await.unwrap();
    assert_steady(begin, end);
    println!(
        "| {:.0} kB | {:.0} kB | {} | {} | {} | {:.0} s |",
        begin.live as f64 / 1e3,
        end.live as f64 / 1e3,
        begin.files,
        end.files,
        connects - 1,
        wall.elapsed().as_secs_f64()
    );
}
