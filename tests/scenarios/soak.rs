//! Two thousand commands in one process, to bulbs that fail now and then. Takes minutes, so it runs on request only:
//! `cargo xtask realstack --soak`; on the sim radio `cargo test --test scenarios -- --ignored soak::`.

use std::collections::BTreeMap;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::other::match_rules;
use crate::play::{LogEntry, Play};
use crate::pty::Terminal;
use crate::stage::Kind;
use crate::{BOTH, REAL, Scenario, emulate, scenario};

pub const SCENARIOS: &[Scenario] = &[
    scenario("two thousand commands to five bulbs", "soak", BOTH, soak),
    scenario("five hundred connects to an emulated bulb", "plain", REAL, emulate::connects),
];

const BULBS: usize = 5;
const COMMANDS: usize = 2_000;
const LIMIT: Duration = Duration::from_secs(15 * 60);
/// Time limit until the bulbs with a link have received a change.
const ROUND: Duration = Duration::from_secs(3);
/// The number of commands between two measurements.
const EVERY: usize = 200;

struct Air<'a> {
    play: &'a Play<'a>,
    /// Number of bytes of the log that have been read.
    read: usize,
    bulbs: BTreeMap<String, Seen>,
}

#[derive(Default)]
struct Seen {
    /// There is a subscription, so it takes commands.
    ready: bool,
    writes: usize,
    links: usize,
    lost: usize,
    written: String,
    notified: String,
}

impl Air<'_> {
    fn look(&mut self) {
        let log = self.play.log();
        let whole = log.rfind('\n').map_or(0, |end| end + 1);
        for entry in LogEntry::parse(&log[self.read..whole]) {
            let seen = self.bulbs.entry(entry.bulb.clone()).or_default();
            let hex = entry.hex.unwrap_or_default();
            match (entry.event.as_str(), entry.by.as_deref()) {
                ("connect", _) => seen.links += 1,
                ("subscribe", _) => seen.ready = true,
                ("disconnect", by) => {
                    seen.ready = false;
                    seen.lost += usize::from(by == Some("bulb"));
                }
                ("write", _) => (seen.writes, seen.written) = (seen.writes + 1, hex),
                ("notify", _) if entry.characteristic.as_deref() == Some("fff2") => seen.notified = hex,
                _ => {}
            }
        }
        self.read = whole;
    }

    /// Waits until `is_so` returns true. Returns false if the time is over first.
    fn until(&mut self, time: Duration, is_so: impl Fn(&Self) -> bool) -> bool {
        let end = Instant::now() + time;
        loop {
            self.look();
            if is_so(self) {
                return true;
            }
            if Instant::now() > end {
                return false;
            }
            sleep(Duration::from_millis(50));
        }
    }

    fn ready(&self) -> usize {
        self.bulbs.values().filter(|seen| seen.ready).count()
    }

    fn sum(&self, of: fn(&Seen) -> usize) -> usize {
        self.bulbs.values().map(of).sum()
    }
}

#[derive(Debug)]
struct Sample {
    descriptors: usize,
    /// KiB.
    memory: usize,
    rules: Option<u32>,
}

impl Sample {
    fn of(pid: u32, kind: Kind) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        Self {
            descriptors: fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count(),
            memory: resident.trim().trim_end_matches(" kB").parse().unwrap(),
            rules: kind.is_real().then(|| match_rules(pid)),
        }
    }
}

fn soak(play: &Play) {
    let start = Instant::now();
    let desk = play.tui((100, 30));
    let mut air = Air { play, read: 0, bulbs: BTreeMap::new() };
    // By name, so that the list stays as it is.
    desk.keys("o");
    desk.until("all bulbs", |screen| (1..=BULBS).all(|n| screen.contents().contains(&format!("Soak-{n}"))));
    desk.keys("g\rj\rj\rj\rj\rM");
    assert!(air.until(Duration::from_secs(120), |air| air.ready() == BULBS), "not all links came up");

    println!("| commands | links lost | descriptors | memory, KiB | match rules |\n|---|---|---|---|---|");
    let mut samples = Vec::new();
    let mut round = 0;
    while air.sum(|seen| seen.writes) < COMMANDS && start.elapsed() < LIMIT {
        round += 1;
        let color = color(round);
        paint(&desk, &color);
        air.until(ROUND, |air| {
            air.ready() > 0 && air.bulbs.values().all(|seen| !seen.ready || seen.written.ends_with(&color))
        });
        if air.sum(|seen| seen.writes) >= samples.len() * EVERY {
            samples.push(measured(&desk, play, &air));
        }
    }
    last(&desk, &mut air, &color(round + 1));
    samples.push(measured(&desk, play, &air));
    let took = start.elapsed().as_secs();
    println!(
        "{} commands of {} given, {} links, {} of them lost, in {took} s",
        air.sum(|seen| seen.writes),
        round * BULBS,
        air.sum(|seen| seen.links),
        air.sum(|seen| seen.lost)
    );
    assert!(air.sum(|seen| seen.writes) >= COMMANDS, "out of time");
    assert!(air.sum(|seen| seen.lost) >= 20, "too little has failed");
    flat(&samples);
    desk.keys("q");
    assert_eq!(desk.end().0, Some(0));
}

/// Clears the frame log first: it keeps 5,000 frames and would grow until the end.
fn measured(desk: &Terminal, play: &Play, air: &Air) -> Sample {
    desk.keys("3x1");
    let sample = Sample::of(desk.pid(), play.stage.kind());
    let rules = sample.rules.map_or_else(|| "–".to_owned(), |rules| rules.to_string());
    let (writes, lost) = (air.sum(|seen| seen.writes), air.sum(|seen| seen.lost));
    println!("| {writes} | {lost} | {} | {} | {rules} |", sample.descriptors, sample.memory);
    sample
}

/// Asserts that resources do not grow after the first quarter, when all buffers have been in use. Allows 2 % for the
/// allocator; a leak of 500 bytes a command would be more.
fn flat(samples: &[Sample]) {
    let (early, end) = (&samples[samples.len() / 4], &samples[samples.len() - 1]);
    assert!(end.descriptors <= early.descriptors, "{samples:#?}");
    assert_eq!(end.rules, early.rules, "{samples:#?}");
    assert!(end.memory <= early.memory + early.memory / 50, "{samples:#?}");
}

/// Repeats the last command until every bulb has reported it: the program does not repeat commands that a lost link
/// swallowed.
fn last(desk: &Terminal, air: &mut Air, color: &str) {
    let end = Instant::now() + Duration::from_secs(180);
    let is_so =
        |air: &Air| air.ready() == BULBS && air.bulbs.values().all(|seen| seen.notified.ends_with(color));
    loop {
        air.until(Duration::from_secs(40), |air| air.ready() == BULBS);
        paint(desk, color);
        if air.until(ROUND, is_so) {
            break;
        }
        assert!(Instant::now() < end, "the last command does not arrive:\n{}", desk.contents());
    }
    // The selected bulb is shown in full.
    desk.until_shown(&[&format!("#{color}"), "reported"]);
}

fn paint(desk: &Terminal, color: &str) {
    desk.keys(&format!("c\u{15}#{color}\r"));
}

fn color(round: usize) -> String {
    format!("{:06x}", (round * 0x9E_3779 + 0x10_2030) % 0x100_0000)
}
