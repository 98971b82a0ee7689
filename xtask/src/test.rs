//! `cargo xtask test`: all tests, in the order that finds mistakes soonest.

use std::time::Instant;

use anyhow::Result;

use crate::setup::{self, cargo, command, run as run_command, xtask};
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

/// Uses a fixed seed for the property tests, so that the result is the same everywhere. `cargo xtask fuzz` uses new seeds.
fn tests() -> Result<()> {
    let mut tests = cargo();
    tests.args(["test", "--workspace", "--locked"]).env("PROPTEST_RNG_SEED", "1");
    // Without a shell, the tests of its completion are skipped.
    if ["bash", "zsh", "fish"].into_iter().all(|shell| setup::debian(shell, shell).is_ok()) {
        tests.env("BULBCTL_SHELLS", "1");
    }
    run_command(&mut tests)
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
