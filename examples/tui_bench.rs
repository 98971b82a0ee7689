//! Measures the cost of the TUI and prints it as Markdown. `cargo xtask bench tui` calls it with the path of
//! the release binary.
//!
//! The real program runs in a pseudo-terminal on the sim radio. Processor times come from the kernel.

// A developer tool: it prints directly.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use pty_process::Size;
use pty_process::blocking::{Command, Pty, open};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const TIME: Duration = Duration::from_secs(15);
const KEYS: usize = 200;
/// Clock ticks per second (USER_HZ), 100 on current Linux.
const TICKS: f64 = 100.0;

/// A bulb of the profile with the most effects.
const MOST_EFFECTS: &str =
    "rig = 1\n[[bulb]]\nprofile = \"govee:segments\"\naddress = \"C4:11:00:00:01:05\"\npower = true\n";

fn main() -> Result<()> {
    let program = PathBuf::from(std::env::args().nth(1).ok_or("the path of bulbctl is needed")?);
    println!("| `bulbctl tui`, 100×40 | processor | pictures a second | bytes a second | memory |");
    println!("|---|---:|---:|---:|---:|");
    // The first seconds, in which the list fills, are not counted.
    println!("{}", load(&program, "300 devices at 10 reports a second each", &rig(300), &[])?);
    println!(
        "{}",
        load(
            &program,
            "4 bulbs and 3 others around, scanning",
            include_str!("../fixtures/rigs/desk.toml"),
            &[]
        )?
    );
    println!("{}", load(&program, "the scan off, nothing happens", "rig = 1\n", &["s", "", ""])?);
    println!("{}", load(&program, "the end of a list of 65,536 effects", MOST_EFFECTS, &["\r", "v", "G"])?);
    let (median, worst) = latency(&program)?;
    println!(
        "\nFrom a key to the write at the bulb: median {:.1} ms, 99th percentile {:.1} ms ({KEYS} keys).",
        median.as_secs_f64() * 1e3,
        worst.as_secs_f64() * 1e3
    );
    Ok(())
}

/// The program in a terminal that counts its output.
struct Running {
    child: Child,
    pty: Arc<Pty>,
    bytes: Arc<AtomicU64>,
    dir: tempfile::TempDir,
}

impl Running {
    fn start(program: &Path, rig: &str) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("rig.toml");
        fs::write(&file, rig)?;
        let (pty, pts) = open()?;
        pty.resize(Size::new(40, 100))?;
        let child = Command::new(program)
            .args(["-v", "tui"])
            .env("BULBCTL_ADAPTER", format!("sim:{}", file.display()))
            .env("BULBCTL_SIM_DIR", dir.path().join("world"))
            .env("BULBCTL_SIM_LOG", dir.path().join("log"))
            .env("TERM", "xterm-256color")
            .env("COLORTERM", "truecolor")
            .stderr(fs::File::create(dir.path().join("stderr"))?)
            .spawn(pts)?;
        let (pty, bytes) = (Arc::new(pty), Arc::new(AtomicU64::new(0)));
        let (reader, count) = (pty.clone(), bytes.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 65536];
            while let Ok(read @ 1..) = (&*reader).read(&mut buffer) {
                count.fetch_add(read as u64, Ordering::Relaxed);
            }
        });
        Ok(Self { child, pty, bytes, dir })
    }

    fn keys(&self, keys: &str) -> Result<()> {
        Ok((&*self.pty).write_all(keys.as_bytes())?)
    }

    fn processor(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name can contain anything. After it, fields 12 and 13 are user and system time.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok());
        Ok((ticks(11).ok_or("stat")? + ticks(12).ok_or("stat")?) / TICKS)
    }

    /// Returns the resident memory in KiB.
    fn memory(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("status")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// Closes a popup if there is one, quits, and returns the number of redraws.
    fn quit(mut self) -> Result<u64> {
        self.keys("qq")?;
        self.child.wait()?;
        let log = fs::read_to_string(self.dir.path().join("stderr"))?;
        let count = log.split("drew ").nth(1).and_then(|rest| rest.split(' ').next()).ok_or("no count")?;
        Ok(count.parse()?)
    }
}

fn load(program: &Path, what: &str, rig: &str, keys: &[&str]) -> Result<String> {
    // The program counts redraws over its whole run. A short run gives those of the start.
    let pictures = |time: Duration| -> Result<(u64, f64, u64, [u64; 2])> {
        let running = Running::start(program, rig)?;
        sleep(Duration::from_secs(3));
        for keys in keys {
            running.keys(keys)?;
            sleep(Duration::from_secs(4));
        }
        let (processor, bytes) = (running.processor()?, running.bytes.load(Ordering::Relaxed));
        let before = running.memory()?;
        sleep(time);
        let used = running.processor()? - processor;
        let written = running.bytes.load(Ordering::Relaxed) - bytes;
        let memory = [before, running.memory()?];
        Ok((running.quit()?, used, written, memory))
    };
    let (beginning, ..) = pictures(Duration::ZERO)?;
    let (all, used, written, [before, after]) = pictures(TIME)?;
    let seconds = TIME.as_secs_f64();
    let mut row = String::new();
    write!(
        row,
        "| {what} | {:.1} % | {:.1} | {:.0} | {:.1} MB, then {:.1} MB |",
        used / seconds * 100.0,
        all.saturating_sub(beginning) as f64 / seconds,
        written as f64 / seconds,
        before as f64 / 1024.0,
        after as f64 / 1024.0
    )?;
    Ok(row)
}

/// Measures from a key press to the write in the bulb's log.
fn latency(program: &Path) -> Result<(Duration, Duration)> {
    let running = Running::start(program, &rig(1))?;
    sleep(Duration::from_secs(2));
    running.keys("\r")?;
    sleep(Duration::from_secs(2));
    let log = running.dir.path().join("log");
    let mut times = Vec::new();
    for number in 0..KEYS {
        let writes =
            || -> Result<usize> { Ok(fs::read_to_string(&log)?.matches("\"event\":\"write\"").count()) };
        let before = writes()?;
        let start = Instant::now();
        running.keys(if number % 2 == 0 { "-" } else { "+" })?;
        while writes()? == before {
            if start.elapsed() > Duration::from_secs(5) {
                return Err("a key came to nothing".into());
            }
        }
        times.push(start.elapsed());
        sleep(Duration::from_millis(60));
    }
    running.quit()?;
    times.sort();
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
    Ok((at(50), at(99)))
}

/// Creates a rig of bulbs that advertise ten times a second.
fn rig(bulbs: usize) -> String {
    let bulb = |index: usize| {
        format!(
            "[[bulb]]\nname = \"Light-{index:03}\"\naddress = \"C4:11:00:00:{:02X}:{:02X}\"\nrssi = -{}\npower = true\n",
            index / 256,
            index % 256,
            40 + index % 50
        )
    };
    std::iter::once("rig = 1\n".to_owned()).chain((0..bulbs).map(bulb)).collect()
}
