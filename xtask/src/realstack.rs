//! `cargo xtask realstack`: runs the scenarios of tests/scenarios on a real Bluetooth stack, without Bluetooth hardware.
//!
//! A virtual machine runs bluetoothd, the kernel's Bluetooth, and a virtual controller with the bulbs of a rig around it
//! (xtask/guest/air.py). It sees this machine's files, so programs built here run there.

mod machine;
mod packages;
mod programs;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::{firmware, setup};
use machine::{Ending, Job, Machine};

/// The least number of scenarios of a run of all. Raise it with them. BlueZ has 98, btleplug 90.
const FLOOR: u32 = 90;
/// The same with `--full`. BlueZ has 282, btleplug 269.
const FULL_FLOOR: u32 = 269;

/// Options of `cargo xtask realstack`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Run only the scenarios whose names contain this; several times, those that contain one of them
    #[arg(long, value_name = "NAME")]
    filter: Vec<String>,
    /// The radio that runs them: BlueZ's own interface or btleplug
    #[arg(long, value_enum, default_value_t)]
    radio: RadioKind,
    /// Also run the scenarios that repeat on a slow processor what the sim radio shows
    #[arg(long)]
    full: bool,
    /// Keep the logs even if everything passes
    #[arg(long)]
    keep: bool,
    /// Open a shell in the machine instead; exit it to switch the machine off
    #[arg(long, conflicts_with_all = ["filter", "bench"])]
    shell: bool,
    /// Compare bulbctl with other tools instead, or its bridge with a script, and print a table
    #[arg(long, value_enum, value_name = "WHAT", num_args = 0..=1, default_missing_value = "tools", conflicts_with = "filter")]
    bench: Option<Comparison>,
    /// Look for leaks instead: send two thousand commands to bulbs that fail now and then, and connect five hundred times to
    /// one that is emulated
    #[arg(long, conflicts_with_all = ["bench", "shell"])]
    soak: bool,
    /// Make the captures in fixtures/captures instead
    #[arg(long, conflicts_with_all = ["filter", "bench", "shell", "soak"])]
    captures: bool,
    /// Use KVM, about ten times as fast as the emulated processor
    #[arg(long)]
    kvm: bool,
    /// End everything after this many minutes [default: 40; with --full 120]
    #[arg(long, value_name = "MINUTES")]
    deadline: Option<u64>,
}

/// A way to the Bluetooth of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum RadioKind {
    #[default]
    Bluez,
    Btleplug,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Comparison {
    Tools,
    Bridge,
}

/// The folder of everything that a second run need not fetch or make again.
fn cache() -> PathBuf {
    setup::target().join("realstack")
}

/// The scripts and Python programs that run in the machine.
fn guest() -> PathBuf {
    setup::root().join("xtask").join("guest")
}

/// Starts the machine, runs the job in it, and reports the result.
pub(crate) fn run(options: &Options) -> Result<()> {
    let start = Instant::now();
    let minutes = options.deadline.unwrap_or(if options.full { 120 } else { 40 });
    let deadline = start + Duration::from_secs(minutes * 60);
    fs::create_dir_all(cache()).context("the cache folder")?;
    // Two runs would mix their logs and slow each other down.
    let lock = File::create(cache().join("lock")).context("the lock")?;
    lock.try_lock().context("another run of the virtual machine is under way")?;
    phase("system packages", packages::debian)?;
    let python = phase("python packages", packages::python)?;
    let kernel = phase("kernel", packages::kernel)?;
    let virtual_bulbs = phase("virtual bulbs", programs::virtual_bulbs)?;
    let job = phase("build", || job(options))?;
    let out = cache().join("out");
    let machine = Machine {
        kernel: &kernel,
        python: &python,
        virtual_bulbs: &virtual_bulbs,
        out: &out,
        kvm: options.kvm,
        deadline,
    };
    let ending = phase("machine", || machine.run(&job))?;
    println!("realstack: {:.1} s in all", start.elapsed().as_secs_f64());
    if options.shell { Ok(()) } else { conclude(options, &ending, machine.out) }
}

fn job(options: &Options) -> Result<Job> {
    if options.shell {
        return Ok(Job::Shell);
    }
    if options.bench.is_some() || options.captures {
        let (script, bulbctl) = match options.bench {
            Some(Comparison::Tools) => ("bench.py", setup::release()?),
            Some(Comparison::Bridge) => ("bench_bridge.py", setup::release()?),
            None => ("capture.py", programs::debug()?),
        };
        return Ok(Job::Script(format!(
            ". /run/out/settings\nexport PYTHONPATH=$PYTHON_PACKAGES\nexec /usr/bin/python3 {} {}",
            quoted(&guest().join(script)),
            quoted(&bulbctl),
        )));
    }
    let suite = programs::scenarios()?;
    let firmware = quoted(&firmware::program()?);
    let filters = match options.filter.as_slice() {
        // They are ignored unless asked for.
        [] if options.soak => vec!["soak::".to_owned()],
        [] => vec![String::new()],
        names => names.iter().map(|name| quoted(Path::new(name))).collect(),
    };
    let ignored = if options.soak { "--include-ignored " } else { "" };
    let runs = filters.iter().map(|filter| {
        let suite = quoted(&suite);
        format!("{suite} --test-threads=1 --color=never {ignored}{filter} || status=$?\n")
    });
    let runs: String = runs.collect();
    let stage = match options.radio {
        RadioKind::Bluez => "real",
        RadioKind::Btleplug => "btleplug",
    };
    // A named scenario runs whatever it repeats.
    let full = if options.full || !options.filter.is_empty() { "export BULBCTL_FULL=1\n" } else { "" };
    let environment = format!("export BULBCTL_STAGE={stage} BULBCTL_FIRMWARE={firmware}\n{full}");
    Ok(Job::Script(format!("{environment}status=0\n{runs}exit $status")))
}

fn conclude(options: &Options, ending: &Ending, out: &Path) -> Result<()> {
    let failed = ending.status != Some(0);
    if failed {
        machine::print_logs(out);
    }
    if failed || options.keep {
        println!("realstack: logs are in {}", out.display());
    }
    if options.captures && !failed {
        keep_captures(out)?;
    }
    if options.bench.is_none() && !options.captures {
        let (passed, lost) = ending.counts.unwrap_or((0, 1));
        println!("{passed} passed, {lost} failed");
        if passed + lost == 0 {
            bail!("no scenario has this in its name");
        }
        let all = options.filter.is_empty() && !options.soak;
        let floor = if options.full { FULL_FLOOR } else { FLOOR };
        ensure!(
            !all || passed + lost >= floor,
            "only {} scenarios ran, and there were at least {floor}",
            passed + lost
        );
    }
    match ending.status {
        Some(0) => Ok(()),
        Some(status) => bail!("the real-stack run ended with {status}"),
        None => bail!("the machine ended before its job did"),
    }
}

fn keep_captures(out: &Path) -> Result<()> {
    let folder = setup::root().join("fixtures").join("captures");
    for name in ["whole", "late"] {
        for ending in ["btsnoop", "air.jsonl"] {
            let file = format!("{name}.{ending}");
            fs::copy(out.join(&file), folder.join(&file)).with_context(|| file.clone())?;
        }
    }
    Ok(())
}

fn quoted(word: &Path) -> String {
    match word.as_os_str() {
        empty if empty.is_empty() => String::new(),
        word => format!("'{}'", word.to_string_lossy().replace('\'', r"'\''")),
    }
}

/// Runs a phase and prints how long it took.
fn phase<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    let result = work().with_context(|| format!("real stack: {name}"))?;
    println!("realstack: {name} took {:.1} s", start.elapsed().as_secs_f64());
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_the_shell() {
        assert_eq!(quoted(Path::new("")), "");
        assert_eq!(quoted(Path::new("/a b/c")), "'/a b/c'");
        assert_eq!(quoted(Path::new("it's")), r"'it'\''s'");
    }
}
