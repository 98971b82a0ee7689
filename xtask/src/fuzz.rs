//! `cargo xtask fuzz`: random bytes for the codec and for all that the program reads, led by what they make it do, and the
//! property tests with new seeds.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::setup::{cargo, command, run as run_command, target, tool};

/// The cargo-fuzz that is known to work with the stable toolchain this way.
const CARGO_FUZZ: &str = "0.13.2";

/// Options of `cargo xtask fuzz`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How long each target, in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Which target; all of them, and the property tests, if left out.
    #[arg(long)]
    target: Option<String>,
}

#[path = "../../fuzz/seeds.rs"]
mod seeds;

/// The targets of the codec: each is a program in `protocol/fuzz/fuzz_targets` and a folder of its corpus.
const CODEC: &[&str] = &["decode", "profiles", "profile-file", "lednetwf", "hue"];

/// A program that is fed.
struct Target {
    name: &'static str,
    /// The folder of its crate.
    home: &'static str,
    /// What it begins with.
    seeds: Vec<String>,
}

fn targets() -> Vec<Target> {
    let codec = CODEC.iter().map(|name| Target {
        name,
        home: "protocol/fuzz",
        seeds: vec![format!("protocol/fuzz/corpus/{name}")],
    });
    let program = seeds::SEEDS.iter().map(|(name, folders)| Target {
        name,
        home: "fuzz",
        seeds: folders.iter().map(|&folder| folder.to_owned()).collect(),
    });
    codec.chain(program).collect()
}

/// How many cases each property test has; 256 is what it has in the test command.
const CASES: &str = "20000";

/// Fuzzes each target from its named corpus. What it finds on the way stays below the target folder; an input that breaks
/// something is left in the folder `artifacts` of the target's crate, and is to join the corpus under a name that says what it is.
///
/// # Errors
/// There is no such target, the tool cannot be built, or an input breaks an invariant.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut targets = targets();
    if let Some(wanted) = &options.target {
        targets.retain(|target| target.name == wanted);
        ensure!(!targets.is_empty(), "there is no target {wanted}");
    }
    let fuzz = tool("cargo-fuzz", CARGO_FUZZ)?;
    let folder = target().join("fuzz");
    for Target { name, home, seeds } in targets {
        let found = folder.join("corpus").join(name);
        fs::create_dir_all(&found).context("a folder for the corpus")?;
        let mut run = command(&fuzz);
        run.args(["run", "--fuzz-dir", home, "--target-dir"]).arg(&folder);
        run.arg(name).arg(found).args(seeds);
        run.args(["--", &format!("-max_total_time={}", options.seconds)]);
        // The sanitizer's flags count as unstable; the stable compiler has them, and takes them when told so.
        run_command(run.env("RUSTC_BOOTSTRAP", "1"))?;
    }
    match options.target {
        Some(_) => Ok(()),
        None => run_command(cargo().args(["test", "--workspace", "--locked"]).env("PROPTEST_CASES", CASES)),
    }
}
