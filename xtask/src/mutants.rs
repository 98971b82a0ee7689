//! `cargo xtask mutants`: changes the code and the profiles, and looks whether a test notices. See docs/TESTING.md.

use std::fs;

use anyhow::{Result, ensure};

use crate::setup::{cargo, command, root, run as run_command, target, tool};

const CARGO_MUTANTS: &str = "27.1.0";

/// Options of `cargo xtask mutants`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Try every Nth change of the Rust code only, so many that about this number remains [default: all]
    #[arg(long, value_name = "N")]
    sample: Option<usize>,
    /// Folder or file, for example src/bulb or protocol/profiles [default: each of those in docs/TESTING.md]
    #[arg(long = "in", value_name = "PATH")]
    path: Option<String>,
}

/// What is changed, and the tests that should notice: the narrow ones, which take seconds.
struct Part {
    path: &'static str,
    package: &'static str,
    tests: &'static [&'static str],
}

const PROFILES: &str = "protocol/profiles";

const PARTS: &[Part] = &[
    Part { path: "protocol/src", package: "bulb-protocol", tests: &["--all-features", "--lib", "--tests"] },
    Part { path: "src/bulb", package: "bulbctl", tests: &["--lib", "--test", "driver", "--test", "check"] },
    Part { path: "src/fleet", package: "bulbctl", tests: &["--lib", "--test", "cli"] },
    Part {
        path: "src/radio",
        package: "bulbctl",
        tests: &["--lib", "--test", "radio_sim", "--test", "driver"],
    },
    Part { path: "src/check", package: "bulbctl", tests: &["--lib", "--test", "check"] },
    Part { path: "src/tui/update", package: "bulbctl", tests: &["--lib", "--test", "tui"] },
];

pub(crate) fn run(options: &Options) -> Result<()> {
    let wanted = options.path.as_deref();
    if wanted.is_none_or(|path| path.starts_with(PROFILES)) {
        profiles()?;
    }
    let parts: Vec<&Part> =
        PARTS.iter().filter(|part| wanted.is_none_or(|path| path.starts_with(part.path))).collect();
    ensure!(
        !parts.is_empty() || wanted.is_some_and(|path| path.starts_with(PROFILES)),
        "--in wants one of {PROFILES}, {}",
        PARTS.iter().map(|part| part.path).collect::<Vec<_>>().join(", ")
    );
    parts.into_iter().try_for_each(|part| rust(part, wanted.unwrap_or(part.path), options.sample))
}

/// A slip in every fact of every profile, against the vectors.
fn profiles() -> Result<()> {
    let mut test = cargo();
    test.args(["test", "--quiet", "--locked", "--package", "bulb-protocol", "--all-features"]);
    test.args(["--test", "witnesses", "--", "--ignored", "--nocapture"]);
    run_command(test.env("SLIPS", "1"))
}

fn rust(part: &Part, path: &str, sample: Option<usize>) -> Result<()> {
    let mutants = tool("cargo-mutants", CARGO_MUTANTS, &[])?;
    let files = if root().join(path).is_dir() { format!("{path}/**/*.rs") } else { path.to_owned() };
    let base = || {
        let mut command = command(&mutants);
        command.args(["mutants", "--package", part.package, "--file", &files]);
        // What prints, or formats for people, is held by other tests.
        command.args([
            "--exclude-re",
            "impl (Debug|Display)",
            "--exclude",
            "**/tests/**",
            "--exclude",
            "**/tests.rs",
        ]);
        command
    };
    let mut run = base();
    if let Some(sample) = sample {
        let (listing, _) = crate::setup::output(base().arg("--list"))?;
        let every = listing.lines().count().div_ceil(sample.max(1)).max(1);
        run.arg(format!("--shard=0/{every}"));
        // Neighbours are alike, so take them from everywhere.
        run.args(["--sharding", "round-robin"]);
    }
    let folder = target().join("mutants").join(path.replace('/', "-"));
    fs::create_dir_all(&folder)?;
    run.arg("--output").arg(&folder);
    // In place there is no second build of everything; a change that spins ends after this time.
    run.args([
        "--in-place",
        "--minimum-test-timeout",
        "60",
        "--no-shuffle",
        "--baseline",
        "skip",
        "--timeout",
        "300",
    ]);
    run.arg("--").args(part.tests);
    // It fails if a change goes unnoticed, which is what it is there to tell.
    let status = run.env("PROPTEST_CASES", "64").status()?;
    println!("{path}: {status}; the lists are in {}", folder.join("mutants.out").display());
    Ok(())
}
