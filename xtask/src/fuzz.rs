//! `cargo xtask fuzz`: random bytes for the codec, led by what they make it do, and the property tests with new seeds.

use std::fs;

use anyhow::{Context, Result};

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

/// The targets: each is a program in `protocol/fuzz/fuzz_targets` and a folder of its corpus.
const TARGETS: &[&str] = &["decode", "profiles", "profile-file", "lednetwf", "hue"];

/// How many cases each property test has; 256 is what it has in the test command.
const CASES: &str = "20000";

/// Fuzzes each target from its named corpus. What it finds on the way stays below the target folder; an input that breaks
/// something is left in `protocol/fuzz/artifacts`, and is to join the corpus under a name that says what it is.
///
/// # Errors
/// The tool cannot be built, or an input breaks an invariant.
pub(crate) fn run(options: &Options) -> Result<()> {
    let fuzz = tool("cargo-fuzz", CARGO_FUZZ)?;
    let folder = target().join("fuzz");
    let wanted = |name: &&&str| options.target.as_ref().is_none_or(|target| target == **name);
    for name in TARGETS.iter().filter(wanted) {
        let found = folder.join("corpus").join(name);
        fs::create_dir_all(&found).context("a folder for the corpus")?;
        let mut run = command(&fuzz);
        run.args(["run", "--fuzz-dir", "protocol/fuzz", "--target-dir"]).arg(&folder);
        run.arg(name).arg(found).arg(format!("protocol/fuzz/corpus/{name}"));
        run.args(["--", &format!("-max_total_time={}", options.seconds)]);
        // The sanitizer's flags count as unstable; the stable compiler has them, and takes them when told so.
        run_command(run.env("RUSTC_BOOTSTRAP", "1"))?;
    }
    match options.target {
        Some(_) => Ok(()),
        None => run_command(cargo().args(["test", "--workspace", "--locked"]).env("PROPTEST_CASES", CASES)),
    }
}
