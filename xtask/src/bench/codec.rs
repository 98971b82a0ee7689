//! Measures the codec: instructions and allocations of its calls, and the time to read the profiles.

use anyhow::{Context, Result};

use crate::setup::{cargo, command, debian, output, run, target};

/// The calls in `protocol/examples/instructions.rs`, and their descriptions.
const CALLS: &[(&str, &str)] = &[
    ("encode", "`base::encode`"),
    ("decode", "`base::decode` of a frame"),
    ("refuse", "`base::decode` of bytes that are none, with the error"),
    ("lenient", "`base::decode_lenient`"),
];

/// A profile of each family: the one with the most capable commands.
const PROFILES: &[&str] = &[
    "base",
    "elk",
    "led-lamp",
    "zengge",
    "sp110e",
    "playbulb",
    "govee:segments",
    "switchbot",
    "lednetwf",
    "hue",
    "yeelight",
    "avea",
    "neewer",
    "banlanx",
];

/// The number of repetitions of a call. Valgrind's counts are exact, so the difference between two runs is exactly the
/// cost of the additional repetitions.
const TIMES: u64 = 1000;

#[derive(Clone, Copy, Debug)]
enum Count {
    Instructions,
    Allocations,
}

/// Counts instructions and allocations with valgrind, whose counts do not depend on the machine's load.
pub(super) fn instructions() -> Result<String> {
    debian("valgrind", "valgrind")?;
    build("instructions")?;
    let of_loop = repetitions(&["nothing"], Count::Instructions)?;
    let mut table = String::from("| call | instructions |\n|---|---:|\n");
    for (name, what) in CALLS {
        let of_calls = repetitions(&[name], Count::Instructions)?.saturating_sub(of_loop);
        table += &format!("| {what} | {} |\n", of_calls.div_ceil(TIMES));
    }
    table += "\nNone of them allocates. Without its features the crate uses neither std nor alloc, and\n`cargo xtask test` proves it.\n\n";
    table += "The families, from their profile files. The command is a colour; for families without colours it is\nbrightness or power. Instructions, with allocations in brackets:\n\n";
    table += "| profile | `encode` a command | `decode_command`, as the bulb | `decode` a status |\n|---|---:|---:|---:|\n";
    for profile in PROFILES {
        table += &format!(
            "| `{profile}` | {} | {} | {} |\n",
            cost("encode", profile)?,
            cost("decode-command", profile)?,
            cost("decode", profile).unwrap_or_else(|_| "sends none".to_owned()),
        );
    }
    Ok(table)
}

/// Measures the time to read the built-in profiles, in the release profile.
pub(super) fn profiles() -> Result<String> {
    build("load")?;
    let mut table = String::from("| the built-in profiles | median |\n|---|---:|\n");
    for (work, what) in [
        ("one", "one file, read and compiled: a command with `--profile`"),
        ("read", "all files, read: recognising a bulb"),
        ("compile", "all files, read, and each family compiled"),
        ("variants", "all files, read, and every family and variant compiled: no command does that"),
    ] {
        let (text, _) = output(command(target().join("release/examples/load")).arg(work))?;
        let median = text.split_whitespace().next().context("no time")?;
        let nanoseconds: u32 = median.parse().context("the time")?;
        table += &format!("| {what} | {:.2} ms |\n", f64::from(nanoseconds) / 1e6);
    }
    Ok(table + "\n301 times each.\n")
}

fn build(example: &str) -> Result<()> {
    let words = ["build", "--quiet", "--locked", "--release", "--package", "bulb-protocol"];
    run(cargo().args(words).args(["--features", "profiles", "--example", example]))
}

/// The cost of a call: instructions, and allocations.
fn cost(call: &str, profile: &str) -> Result<String> {
    let of_call = |what| -> Result<u64> {
        let of_loop = repetitions(&["nothing", profile], what)?;
        Ok(repetitions(&[call, profile], what)?.saturating_sub(of_loop).div_ceil(TIMES))
    };
    Ok(format!("{} ({})", of_call(Count::Instructions)?, of_call(Count::Allocations)?))
}

/// The cost of the repetitions of a call, without the program's start and end.
fn repetitions(words: &[&str], what: Count) -> Result<u64> {
    Ok(count(words, 2 * TIMES, what)?.saturating_sub(count(words, TIMES, what)?))
}

fn count(words: &[&str], times: u64, what: Count) -> Result<u64> {
    let mut valgrind = command("valgrind");
    match what {
        Count::Instructions => valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]),
        Count::Allocations => valgrind.args(["--tool=memcheck", "--leak-check=no"]),
    };
    valgrind.arg(target().join("release/examples/instructions")).args(words).arg(times.to_string());
    let (_, report) = output(&mut valgrind)?;
    let number = match what {
        Count::Instructions => report.lines().find_map(|line| line.split_once("Collected :")).map(|(_, n)| n),
        Count::Allocations => {
            let usage = report.lines().find_map(|line| line.split_once("total heap usage:"));
            usage.and_then(|(_, usage)| usage.split_once("allocs")).map(|(number, _)| number)
        }
    };
    let number = number.context("valgrind printed no count")?;
    number.trim().replace(',', "").parse().context("valgrind's count")
}
