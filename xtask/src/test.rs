//! `cargo xtask test`: every test there is, in the order that finds faults soonest.

use std::time::Instant;

use anyhow::Result;

use crate::firmware;
use crate::setup::{self, cargo, command, run as run_command, xtask};

/// The fuzz targets, which are no part of the workspace.
const FUZZ: [&str; 2] = ["protocol/fuzz/Cargo.toml", "fuzz/Cargo.toml"];

/// The cargo-deny that deny.toml is written for.
const CARGO_DENY: &str = "0.20.2";

/// Options of `cargo xtask test`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Leaves out the run against a real Bluetooth stack in a virtual machine, by far the longest step.
    #[arg(long)]
    no_realstack: bool,
}

/// One step: its name, and what it does.
type Step = (&'static str, fn() -> Result<()>);

const STEPS: &[Step] = &[
    ("format", format),
    ("deny", deny),
    ("clippy", clippy),
    ("tests", tests),
    ("docs", docs),
    ("firmware", firmware::prove),
];

/// Runs one step after the other, up to the first that fails.
///
/// # Errors
/// A step failed.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut times = Vec::new();
    let mut failure = None;
    let real_stack: &[Step] = if options.no_realstack { &[] } else { &[("real stack", real_stack)] };
    for &(name, step) in STEPS.iter().chain(real_stack) {
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

/// With one seed for the property tests, so that what passed here passes anywhere; `cargo xtask fuzz` is what explores.
fn tests() -> Result<()> {
    run_command(cargo().args(["test", "--workspace", "--locked"]).env("PROPTEST_RNG_SEED", "1"))
}

fn docs() -> Result<()> {
    let words = ["doc", "--workspace", "--no-deps", "--locked", "--document-private-items"];
    // The documentation is for who works on the program, private items and all, so links to them lead somewhere.
    let flags = "--deny warnings --allow rustdoc::private_intra_doc_links";
    run_command(cargo().args(words).env("RUSTDOCFLAGS", flags))
}

/// Licences, banned and duplicate crates, and where crates come from. Not the advisories: their database is a
/// repository of its own, and machines that test are often cut off from it.
fn deny() -> Result<()> {
    let deny = setup::tool("cargo-deny", CARGO_DENY)?;
    run_command(
        command(deny)
            .args(["--workspace", "--locked", "check", "--hide-inclusion-graph"])
            .args(["licenses", "bans", "sources"]),
    )
}

/// In a process of its own, so that its deadline holds whatever hangs in it.
fn real_stack() -> Result<()> {
    run_command(xtask().arg("realstack"))
}
