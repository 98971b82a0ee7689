//! Measures the program: its size, its start, and a fleet of virtual bulbs.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{self, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bulb_protocol::profile::builtin;

use crate::setup::{cargo, command, output, release, run};

/// Starts for one number.
const STARTS: usize = 300;
/// Commands to a fleet for one number.
const FLEET_RUNS: usize = 7;
const FLEET: usize = 100;
/// Bytes of the release binary. See CONTRIBUTING.md.
const LARGEST: u64 = 12_500_000;

/// Measures the time from the start of a process to its first byte on stdout, without a shell. `echo` is the baseline.
pub(super) fn start() -> Result<String> {
    let bulbctl = release()?;
    let mut table = String::from("| first byte of | median | 95th percentile |\n|---|---:|---:|\n");
    let help = || with(&bulbctl, &["--help"]);
    let echo = || with(Path::new("echo"), &["hello"]);
    for (what, program) in
        [("`bulbctl --help`", &help as &dyn Fn() -> Command), ("`echo hello`, to compare", &echo)]
    {
        let times = sorted(STARTS, || first_byte(&mut program()))?;
        writeln!(table, "| {what} | {} | {} |", shown(at(&times, 50)), shown(at(&times, 95)))?;
    }
    write!(table, "\n{STARTS} starts each.\n\n| whole command | instructions |\n|---|---:|\n")?;
    for words in [
        &["--help"][..],
        &["frame", "encode", "--on"],
        &["--adapter", "sim", "status", "Light-Desk"],
        &["--adapter", "sim:families", "status", "Govee_H617A_1A2B"],
    ] {
        let count = super::instructions(&with(&bulbctl, words))?;
        writeln!(table, "| `bulbctl {}` | {:.1} million |", words.join(" "), count as f64 / 1e6)?;
    }
    table += &status_of_each_family(&bulbctl)?;
    Ok(table)
}

/// Counts the instructions of a `status` of one virtual bulb of each family, and of a Govee model with pieces.
fn status_of_each_family(bulbctl: &Path) -> Result<String> {
    let folder = env::temp_dir().join(format!("bulbctl-bench-{}", process::id()));
    fs::create_dir_all(&folder).context("a folder for the rigs")?;
    let count = |profile: &str| -> Result<(u64, String)> {
        let rig = folder.join(format!("{}.toml", profile.replace(':', "-")));
        let address = address(0);
        let bulb = format!("profile = \"{profile}\"\naddress = \"{address}\"\npairing = true\n");
        fs::write(&rig, format!("rig = 1\n[[bulb]]\n{bulb}")).context("the rig")?;
        let adapter = format!("sim:{}", rig.display());
        let status = with(bulbctl, &["--adapter", &adapter, "status", &address]);
        Ok((super::instructions(&status).with_context(|| profile.to_owned())?, profile.to_owned()))
    };
    // Families whose frames are encrypted need a key, and are refused without.
    let driven = |name: &&str| builtin::load(name, None).is_ok_and(|profile| profile.unsupported.is_none());
    let names = builtin::names().filter(driven).chain(["govee:H617A"]);
    let counts = names.map(count).collect::<Result<Vec<_>>>();
    fs::remove_dir_all(&folder).context("removing the rigs")?;
    let mut counts = counts?;
    counts.sort();
    let shown =
        |(count, profile): &(u64, String)| format!("{:.1} million (`{profile}`)", *count as f64 / 1e6);
    let (least, most) = (counts.first().context("no family")?, counts.last().context("no family")?);
    Ok(format!(
        "\n| `status` of a virtual bulb that is alone, {} families | instructions |\n|---|---:|\n| least | {} |\n| most | {} |\n",
        counts.len() - 1,
        shown(least),
        shown(most)
    ))
}

/// Measures the release binary, which is stripped.
pub(super) fn size() -> Result<String> {
    let bytes = bytes(&release()?)?;
    Ok(format!(
        "| release binary, stripped | size |\n|---|---:|\n| `bulbctl` | {bytes} bytes ({:.2} MB) |\n",
        bytes as f64 / 1e6
    ))
}

/// The size of the release binary, if it is within the limit.
pub(crate) fn bytes(bulbctl: &Path) -> Result<u64> {
    let bytes = fs::metadata(bulbctl).context("the release binary")?.len();
    ensure!(bytes <= LARGEST, "the release binary has {bytes} bytes, of at most {LARGEST}");
    Ok(bytes)
}

/// Measures one command to all bulbs of a rig, from start to exit.
pub(super) fn fleet() -> Result<String> {
    let bulbctl = release()?;
    let folder = env::temp_dir().join(format!("bulbctl-bench-{}", process::id()));
    fs::create_dir_all(&folder).context("a folder for the rigs")?;
    let result = fleet_in(&folder, &bulbctl);
    fs::remove_dir_all(&folder).context("removing the rigs")?;
    result
}

fn fleet_in(folder: &Path, bulbctl: &Path) -> Result<String> {
    let mut table = String::from(
        "| `bulbctl set TARGET --brightness 50` | target | median | slowest |\n|---|---|---:|---:|\n",
    );
    for bulbs in [1, FLEET] {
        let addresses: Vec<_> = (0..bulbs).map(address).collect();
        let file = folder.join(format!("{bulbs}.toml"));
        fs::write(&file, rig(&addresses)?).context("the rig")?;
        let adapter = format!("sim:{}", file.display());
        for (how, target) in [("`all`", "all"), ("by address", &addresses.join(","))] {
            let times = sorted(FLEET_RUNS, || {
                // A new world for each run: no bulb is connected or known.
                let world = folder.join("world");
                let mut set = with(bulbctl, &["--adapter", &adapter, "set", target, "--brightness", "50"]);
                let start = Instant::now();
                run(set.env("BULBCTL_SIM_DIR", &world).stdout(Stdio::null()))?;
                let time = start.elapsed();
                fs::remove_dir_all(&world).context("removing the world")?;
                Ok(time)
            })?;
            let plural = if bulbs == 1 { "" } else { "s" };
            let (median, slowest) = (shown(at(&times, 50)), shown(at(&times, 100)));
            writeln!(table, "| {bulbs} virtual bulb{plural} | {how} | {median} | {slowest} |")?;
        }
    }
    let note =
        "each with its scan. For `all` that takes its full time; for addresses it ends with the\nlast bulb";
    Ok(table + &format!("\n{FLEET_RUNS} runs, {note}.\n"))
}

fn address(index: usize) -> String {
    format!("C4:11:00:00:{:02X}:{:02X}", index / 256, index % 256)
}

/// A rig of bulbs that differ in name and address only.
fn rig(addresses: &[String]) -> Result<String> {
    let mut rig = String::from("rig = 1\nabout = \"a fleet to measure with\"\n");
    for (index, address) in addresses.iter().enumerate() {
        write!(
            rig,
            "\n[[bulb]]\nname = \"Light-{index:03}\"\naddress = \"{address}\"\nadvertises = [\"fff0\"]\n"
        )?;
    }
    Ok(rig)
}

/// Measures the TUI, with a program that has a pseudo-terminal.
pub(super) fn tui() -> Result<String> {
    let bulbctl = release()?;
    let words = ["run", "--quiet", "--locked", "--package", "bulbctl", "--example", "tui_bench", "--"];
    let (table, _) = output(cargo().args(words).arg(bulbctl))?;
    Ok(table + &hour()?)
}

/// Measures the desk's memory over an hour of reports on a paused clock, with a test that counts allocations. The test is
/// not optimised, because a second build of all dependencies takes longer than that saves.
fn hour() -> Result<String> {
    let mut test = cargo();
    test.args(["test", "--quiet", "--locked", "--package", "bulbctl", "--test", "memory"]);
    let (text, _) = output(test.args(["--", "--ignored", "--nocapture", "an_hour_of_reports"]))?;
    let row = text.lines().find(|line| line.starts_with('|')).context("the test printed no figures")?;
    Ok(format!(
        "\n| an hour of reports, no radio: allocated | after a minute | after the hour | at most | not optimised, it took |\n\
         |---|---:|---:|---:|---:|\n\
         | 300 devices at 10 a second each, of which 200 take another address every 3 minutes {row}\n"
    ))
}

fn with(program: &Path, words: &[&str]) -> Command {
    let mut command = command(program);
    command.args(words);
    command
}

fn first_byte(command: &mut Command) -> Result<Duration> {
    let start = Instant::now();
    let mut child = command.stdout(Stdio::piped()).spawn().context("starting the program")?;
    let mut stdout = child.stdout.take().context("its output")?;
    let read = stdout.read(&mut [0]).context("reading its output")?;
    let time = start.elapsed();
    // Read the rest, so that the program does not meet a closed pipe.
    stdout.read_to_end(&mut Vec::new()).context("reading its output")?;
    ensure!(
        child.wait().context("waiting for it")?.success() && read == 1,
        "the program wrote nothing, or failed"
    );
    Ok(time)
}

/// Measures `times` times and sorts the results. One more run before that warms the caches.
fn sorted(times: usize, mut measure: impl FnMut() -> Result<Duration>) -> Result<Vec<Duration>> {
    measure()?;
    let mut all = (0..times).map(|_| measure()).collect::<Result<Vec<_>>>()?;
    all.sort();
    Ok(all)
}

/// The given percentile by nearest rank.
fn at(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

fn shown(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    if ms < 10.0 { format!("{ms:.2} ms") } else { format!("{ms:.0} ms") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let times: Vec<_> = (1..=10).map(Duration::from_secs).collect();
        assert_eq!(at(&times, 50), Duration::from_secs(5));
        assert_eq!(at(&times, 95), Duration::from_secs(10));
        assert_eq!(at(&times, 100), Duration::from_secs(10));
        assert_eq!(at(&[], 50), Duration::ZERO);
    }
}
