//! `cargo xtask test`: all tests, in the order that finds mistakes soonest.

use std::env;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::setup::{self, cargo, command, run as run_command, target, xtask};
use crate::{crates, dist, firmware};

const FUZZ: [&str; 2] = ["protocol/fuzz/Cargo.toml", "fuzz/Cargo.toml"];

/// The version of cargo-deny that deny.toml is for.
const CARGO_DENY: &str = "0.20.2";

/// Options of `cargo xtask test`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Skip the run on a real Bluetooth stack in a virtual machine, by far the longest step
    #[arg(long, conflicts_with = "step")]
    no_realstack: bool,
    /// Skip the packages for release
    #[arg(long, conflicts_with = "step")]
    no_dist: bool,
    /// Run only this step; several times, only these
    #[arg(long, value_name = "NAME", value_parser = named)]
    step: Vec<&'static Step>,
}

#[derive(Debug)]
struct Step {
    name: &'static str,
    run: fn() -> Result<()>,
}

const fn step(name: &'static str, run: fn() -> Result<()>) -> Step {
    Step { name, run }
}

static STEPS: &[Step] = &[
    step("format", format),
    step("deny", deny),
    step("rust version", crates::rust_versions),
    step("clippy", clippy),
    step("tests", tests),
    step("properties", properties),
    step("witnesses", witnesses),
    step("docs", docs),
];

/// These only compile, so they run beside the virtual machine.
static BESIDE: &[Step] = &[
    step("fuzz targets", fuzz_targets),
    step("firmware", firmware::prove),
    step("crates", crates::package),
    DIST,
];

const DIST: Step = step("dist", dist::try_packages);

static REAL_STACK: &[Step] =
    &[step("real stack", real_stack), step("the same through btleplug", real_stack_btleplug)];

fn named(name: &str) -> Result<&'static Step, String> {
    let all = || STEPS.iter().chain(BESIDE).chain(REAL_STACK);
    all().find(|step| step.name == name).ok_or_else(|| {
        let names: Vec<_> = all().map(|step| step.name).collect();
        format!("the steps are: {}", names.join(", "))
    })
}

/// Runs the steps, up to the first that fails.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut times = Vec::new();
    let result = if options.step.is_empty() {
        all(options, &mut times)
    } else {
        each(options.step.iter().copied(), &mut times)
    };
    if result.is_ok() && options.step.is_empty() {
        println!("== left out");
        left_out(options).iter().for_each(|line| println!("{line}"));
    }
    println!("== times");
    for (name, time) in &times {
        println!("{name:<26} {:>7.1} s", time.as_secs_f64());
    }
    match result {
        Ok(()) => println!("steps: {} passed, 0 failed", times.len()),
        Err(_) => println!("steps: {} passed, 1 failed", times.len().saturating_sub(1)),
    }
    result
}

type Times = Vec<(&'static str, Duration)>;

fn all(options: &Options, times: &mut Times) -> Result<()> {
    each(STEPS, times)?;
    let beside = || BESIDE.iter().filter(|step| !(options.no_dist && step.name == DIST.name));
    if options.no_realstack {
        return each(beside(), times);
    }
    let child = Beside::start(beside())?;
    each(REAL_STACK, times)?;
    let start = Instant::now();
    let result = child.end();
    times.push(("the rest, beside it", start.elapsed()));
    result
}

fn each<'a>(steps: impl IntoIterator<Item = &'a Step>, times: &mut Times) -> Result<()> {
    for step in steps {
        println!("== {}", step.name);
        let start = Instant::now();
        let result = (step.run)();
        times.push((step.name, start.elapsed()));
        result.with_context(|| format!("the step {} failed", step.name))?;
    }
    Ok(())
}

/// Steps in a process of the lowest priority, which has a target folder of its own: the programs that the virtual machine
/// runs must not change.
struct Beside {
    process: Child,
    log: PathBuf,
}

impl Beside {
    fn start<'a>(steps: impl Iterator<Item = &'a Step>) -> Result<Self> {
        let folder = target().join("beside");
        fs::create_dir_all(&folder).context("the folder of the steps beside")?;
        // A build may replace the running file.
        let program = folder.join("xtask");
        fs::copy(env::current_exe().context("this program")?, &program).context("a copy of this program")?;
        let log = folder.join("log");
        let output = File::create(&log).context("the log of the steps beside")?;
        let mut process = command("nice");
        process.args(["-n", "19"]).arg(program).arg("test").env("CARGO_TARGET_DIR", &folder);
        process.args(steps.flat_map(|step| ["--step", step.name]));
        process.stdout(output.try_clone().context("the log")?).stderr(output);
        Ok(Self { process: process.spawn().context("the steps beside")?, log })
    }

    /// Waits for it, and prints what it printed.
    fn end(mut self) -> Result<()> {
        let status = self.process.wait().context("the steps beside")?;
        println!("{}", fs::read_to_string(&self.log).unwrap_or_default());
        ensure!(status.success(), "a step beside the virtual machine failed");
        Ok(())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // It has ended unless a step failed meanwhile.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What this run does not show, and why.
fn left_out(options: &Options) -> Vec<String> {
    let mut lines = vec![
        "advisories about crates: their database is a repository of its own".to_owned(),
        "mutants and fuzzing: they take hours; see docs/TESTING.md".to_owned(),
        "macOS and Windows: their workflows build and run the unit tests".to_owned(),
    ];
    if firmware::bare_targets().is_ok_and(|targets| targets.is_empty()) {
        lines.push(
            "codec and firmware for bare metal: this toolchain has no such target (rustup target add …)"
                .to_owned(),
        );
    }
    if !setup::shells() {
        lines.push("completion in bash, zsh and fish: not all of them are installed".to_owned());
    }
    if !setup::mosquitto() {
        lines.push("the bridge on a broker: mosquitto and its clients are not installed".to_owned());
    }
    if !setup::systemd() {
        lines.push("the unit of the bridge: systemd is not installed".to_owned());
    }
    if options.no_dist {
        lines.push("the packages: --no-dist".to_owned());
    }
    if options.no_realstack {
        lines.push("the real Bluetooth stack: --no-realstack".to_owned());
    } else {
        lines.push("the soak test on the real stack: cargo xtask realstack --soak".to_owned());
    }
    lines
}

fn format() -> Result<()> {
    run_command(cargo().args(["fmt", "--all", "--check"]))?;
    for manifest in [firmware::MANIFEST].into_iter().chain(FUZZ) {
        run_command(cargo().args(["fmt", "--all", "--check", "--manifest-path", manifest]))?;
    }
    Ok(())
}

fn clippy() -> Result<()> {
    let words = ["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"];
    run_command(cargo().args(words))
}

/// The seeds of the property tests are fixed, so that the result is the same everywhere. Each has a part of the usual 256
/// cases: several find what one never would. `cargo xtask fuzz` uses new seeds.
const SEEDS: [&str; 4] = ["1", "2", "3", "4"];
const CASES_OF_A_SEED: &str = "64";

fn tests() -> Result<()> {
    let mut tests = cargo();
    tests.args(["test", "--workspace", "--locked"]);
    tests.env("PROPTEST_RNG_SEED", SEEDS[0]).env("PROPTEST_CASES", CASES_OF_A_SEED);
    // Without a shell, the tests of its completion are skipped.
    if setup::shells() {
        tests.env("BULBCTL_SHELLS", "1");
    }
    // Without a broker, the tests of the bridge are skipped.
    if setup::mosquitto() {
        tests.env("BULBCTL_MOSQUITTO", "1");
    }
    // Without systemd, the test of its unit is skipped.
    if setup::systemd() {
        tests.env("BULBCTL_SYSTEMD", "1");
    }
    watched(&mut tests)
}

/// Runs the property tests with the other seeds.
fn properties() -> Result<()> {
    let [_, others @ ..] = SEEDS;
    for seed in others {
        for words in [
            &["--test", "properties", "--test", "profile_properties", "--test", "hostile"][..],
            &["--test", "tui", "properties::"],
            &["--test", "model", "nothing_is_lost"],
        ] {
            let mut tests = cargo();
            tests.args(["test", "--quiet", "--workspace", "--locked"]).args(words);
            tests.env("PROPTEST_RNG_SEED", seed).env("PROPTEST_CASES", CASES_OF_A_SEED);
            watched(tests.env("BULBCTL_MODEL_CASES", "20"))?;
        }
    }
    Ok(())
}

/// Runs tests with a time limit for each, see `watch.rs`.
fn watched(tests: &mut Command) -> Result<()> {
    let host = setup::host()?.to_uppercase().replace('-', "_");
    // A build may replace the running file.
    let watch = target().join("watch");
    fs::copy(env::current_exe().context("this program")?, &watch).context("a copy of this program")?;
    let runner = format!("{} watch", watch.display());
    run_command(tests.env(format!("CARGO_TARGET_{host}_RUNNER"), runner))
}

/// A slip in every fact of every profile: too slow for `cargo test`.
fn witnesses() -> Result<()> {
    let mut test = cargo();
    test.args(["test", "--locked", "--package", "bulb-protocol", "--all-features", "--test", "witnesses"]);
    watched(test.args(["--", "--ignored"]))
}

/// Compiles what `cargo xtask fuzz` runs.
fn fuzz_targets() -> Result<()> {
    FUZZ.into_iter().try_for_each(|manifest| {
        let mut check = cargo();
        check.args(["check", "--quiet", "--locked", "--bins", "--manifest-path", manifest]);
        run_command(check.arg("--target-dir").arg(target().join("fuzz-check")))
    })
}

fn docs() -> Result<()> {
    let words = ["doc", "--workspace", "--no-deps", "--locked", "--document-private-items"];
    // Private items are documented too, so links to them work.
    let flags = "--deny warnings --allow rustdoc::private_intra_doc_links";
    run_command(cargo().args(words).env("RUSTDOCFLAGS", flags))
}

/// Checks licences, banned and duplicate crates, and sources. Skips the advisories: their database is a separate
/// repository, which machines that run tests often cannot reach.
fn deny() -> Result<()> {
    let deny = setup::tool("cargo-deny", CARGO_DENY, &[])?;
    run_command(
        command(&deny)
            .args(["--workspace", "--locked", "check", "--hide-inclusion-graph"])
            .args(["licenses", "bans", "sources"]),
    )?;
    // The firmware has other dependencies, under some of the same licences. Its crates depend on each other by path only.
    run_command(
        command(&deny)
            .args(["--manifest-path", firmware::MANIFEST, "--config", "deny.toml", "--all-features"])
            .args(["--workspace", "--locked", "check", "--hide-inclusion-graph"])
            .args(["--allow", "license-not-encountered", "licenses", "sources"]),
    )
}

/// Runs in its own process, so that its deadline holds whatever hangs.
fn real_stack() -> Result<()> {
    run_command(xtask().arg("realstack"))
}

fn real_stack_btleplug() -> Result<()> {
    run_command(xtask().args(["realstack", "--radio", "btleplug"]))
}
