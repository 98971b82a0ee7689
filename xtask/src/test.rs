//! `cargo xtask test`: all tests, in the order that finds mistakes soonest.

use std::env;
use std::fs;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::setup::{self, cargo, command, run as run_command, target, xtask};
use crate::{crates, firmware};

const FUZZ: [&str; 2] = ["protocol/fuzz/Cargo.toml", "fuzz/Cargo.toml"];

/// The version of cargo-deny that deny.toml is for.
const CARGO_DENY: &str = "0.20.2";

/// Options of `cargo xtask test`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Skip the run on a real Bluetooth stack in a virtual machine, by far the longest step
    #[arg(long)]
    no_realstack: bool,
    /// Skip the packages for release
    #[arg(long)]
    no_dist: bool,
}

type Step = (&'static str, fn() -> Result<()>);

const STEPS: &[Step] = &[
    ("format", format),
    ("deny", deny),
    ("rust version", crates::rust_versions),
    ("clippy", clippy),
    ("tests", tests),
    ("properties", properties),
    ("witnesses", witnesses),
    ("fuzz targets", fuzz_targets),
    ("docs", docs),
    ("firmware", firmware::prove),
    ("crates", crates::package),
];

/// Runs the steps, up to the first that fails.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut times = Vec::new();
    let mut failure = None;
    let dist: &[Step] = if options.no_dist { &[] } else { &[("dist", dist)] };
    let real_stack: &[Step] = if options.no_realstack { &[] } else { &[("real stack", real_stack)] };
    for &(name, step) in STEPS.iter().chain(dist).chain(real_stack) {
        println!("== {name}");
        let start = Instant::now();
        let result = step();
        times.push((name, start.elapsed()));
        if let Err(error) = result {
            failure = Some((name, error));
            break;
        }
    }
    if failure.is_none() {
        println!("== left out");
        left_out(options).iter().for_each(|line| println!("{line}"));
    }
    println!("== times");
    for (name, time) in &times {
        println!("{name:<12} {:>7.1} s", time.as_secs_f64());
    }
    match failure {
        None => {
            println!("steps: {} passed, 0 failed", times.len());
            Ok(())
        }
        Some((name, error)) => {
            let passed = times.len() - 1;
            Err(error.context(format!("{passed} steps passed, then {name} failed")))
        }
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
            "the codec for bare metal: this toolchain has no such target (rustup target add …)".to_owned(),
        );
    }
    if !setup::shells() {
        lines.push("completion in bash, zsh and fish: not all of them are installed".to_owned());
    }
    if !setup::mosquitto() {
        lines.push("the bridge on a broker: mosquitto and its clients are not installed".to_owned());
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
        run_command(cargo().args(["fmt", "--check", "--manifest-path", manifest]))?;
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
        command(deny)
            .args(["--workspace", "--locked", "check", "--hide-inclusion-graph"])
            .args(["licenses", "bans", "sources"]),
    )
}

/// Makes and tries the packages. Without optimisation, which would take most of ten minutes; releases have it.
fn dist() -> Result<()> {
    run_command(xtask().args(["dist", "--test", "--dev"]))
}

/// Runs in its own process, so that its deadline holds whatever hangs.
fn real_stack() -> Result<()> {
    run_command(xtask().arg("realstack"))
}
