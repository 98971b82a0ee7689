//! `cargo xtask fuzz`: coverage-guided fuzzing of the codec and of everything the program reads, and the property tests
//! with new seeds.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::setup::{cargo, command, run as run_command, target, tool};

/// A version of cargo-fuzz that works with the stable toolchain.
const CARGO_FUZZ: &str = "0.13.2";

/// Options of `cargo xtask fuzz`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Seconds for each target
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Target to run [default: all, and the property tests]
    #[arg(long)]
    target: Option<String>,
}

#[path = "../../fuzz/seeds.rs"]
mod seeds;

/// The targets of the codec. Each is a program in `protocol/fuzz/fuzz_targets` and a folder in its corpus.
const CODEC: &[&str] = &["decode", "profiles", "profile-file", "lednetwf", "hue"];

struct Target {
    name: &'static str,
    /// The folder of its crate.
    home: &'static str,
    /// The folders of its initial corpus.
    seeds: Vec<String>,
}

fn targets() -> Vec<Target> {
    let codec = CODEC.iter().map(|name| Target {
        name,
        home: "protocol/fuzz",
        seeds: vec![format!("protocol/tests/corpus/{name}")],
    });
    let program = seeds::SEEDS.iter().map(|(name, folders)| Target {
        name,
        home: "fuzz",
        seeds: folders.iter().map(|&folder| folder.to_owned()).collect(),
    });
    codec.chain(program).collect()
}

/// The number of cases of each property test. `cargo xtask test` runs 256.
const CASES: &str = "20000";

/// Fuzzes each target from its corpus. New inputs go below the target folder. An input that breaks something goes into
/// the folder `artifacts` of the target's crate; add it to the corpus with a name that says what it is.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut targets = targets();
    if let Some(wanted) = &options.target {
        targets.retain(|target| target.name == wanted);
        ensure!(!targets.is_empty(), "unknown target {wanted}");
    }
    let fuzz = tool("cargo-fuzz", CARGO_FUZZ, &[])?;
    let folder = target().join("fuzz");
    for Target { name, home, seeds } in targets {
        let found = folder.join("corpus").join(name);
        fs::create_dir_all(&found).context("a folder for the corpus")?;
        let mut run = command(&fuzz);
        run.args(["run", "--fuzz-dir", home, "--target-dir"]).arg(&folder);
        run.arg(name).arg(found).args(seeds);
        run.args(["--", &format!("-max_total_time={}", options.seconds)]);
        // The sanitizer's flags are unstable. This variable makes the stable compiler accept them.
        run_command(run.env("RUSTC_BOOTSTRAP", "1"))?;
    }
    match options.target {
        Some(_) => Ok(()),
        None => run_command(cargo().args(["test", "--workspace", "--locked"]).env("PROPTEST_CASES", CASES)),
    }
}
