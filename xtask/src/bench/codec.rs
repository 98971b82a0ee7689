//! Instructions of the codec's calls.

use anyhow::{Context, Result};

use crate::setup::{cargo, command, debian, output, run, target};

/// The calls that `protocol/examples/instructions.rs` knows, and what each is.
const CALLS: &[(&str, &str)] = &[
    ("encode", "`base::encode`"),
    ("decode", "`base::decode` of a frame"),
    ("refuse", "`base::decode` of bytes that are none, with the error"),
    ("lenient", "`base::decode_lenient`"),
];

/// So often is a call repeated. Two runs differ in this alone, and the machine is simulated: what their counts differ by
/// is exactly what the repetitions cost.
const TIMES: u64 = 1000;

/// Counts them under valgrind, whose counts are the same whatever else the machine does.
///
/// # Errors
/// Valgrind is missing and cannot be installed, or the program does not build.
pub(super) fn instructions() -> Result<String> {
    debian("valgrind", "valgrind")?;
    let example = [
        "build",
        "--quiet",
        "--locked",
        "--release",
        "--package",
        "bulb-protocol",
        "--example",
        "instructions",
    ];
    run(cargo().args(example))?;
    let of_loop = repetitions("nothing")?;
    let mut table = String::from("| call | instructions |\n|---|---:|\n");
    for (name, what) in CALLS {
        let of_calls = repetitions(name)?.saturating_sub(of_loop);
        table += &format!("| {what} | {} |\n", of_calls.div_ceil(TIMES));
    }
    Ok(table
        + "\nNone of them allocates: without its features the crate has neither std nor alloc, which `cargo xtask test` proves.\n")
}

/// What the repetitions of a call cost, the program's own start and end left out.
fn repetitions(name: &str) -> Result<u64> {
    Ok(count(name, 2 * TIMES)?.saturating_sub(count(name, TIMES)?))
}

fn count(name: &str, times: u64) -> Result<u64> {
    let mut valgrind = command("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    valgrind.arg(target().join("release/examples/instructions")).args([name, &times.to_string()]);
    let (_, report) = output(&mut valgrind)?;
    let collected = report.lines().find_map(|line| line.split_once("Collected :"));
    let (_, number) = collected.context("valgrind did not say how much it collected")?;
    number.trim().parse().context("valgrind's count")
}
