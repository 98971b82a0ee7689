//! Measures the codec: instructions and allocations of its calls, and the time to read the profiles.

use anyhow::{Context, Result};

use crate::setup::{cargo, command, output, run, target};

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

/// The repetitions in `protocol/examples/load.rs`.
const LOADS: u64 = 301;

#[derive(Clone, Copy, Debug)]
enum Count {
    Instructions,
    Allocations,
}

/// Counts instructions and allocations with valgrind, whose counts do not depend on the machine's load.
pub(super) fn instructions() -> Result<String> {
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
    let mut table = String::from("| the built-in profiles | median | instructions |\n|---|---:|---:|\n");
    for (work, what) in [
        ("one", "one file, read and compiled: a command with `--profile`"),
        ("recognise", "all outlines and the families in question, read: recognising a bulb"),
        ("read", "all files, read: `profiles list`"),
        ("toml", "all files, read from TOML, as a file of your own is"),
        ("compile", "all files, read, and each family compiled"),
        ("variants", "all files, read, and every family and variant compiled: no command does that"),
    ] {
        let (text, _) = output(command(target().join("release/examples/load")).arg(work))?;
        let median = text.split_whitespace().next().context("no time")?;
        let nanoseconds: u32 = median.parse().context("the time")?;
        let all = super::instructions(command(target().join("release/examples/load")).arg(work))?;
        table += &format!("| {what} | {:.2} ms | {} |\n", f64::from(nanoseconds) / 1e6, all / LOADS);
    }
    Ok(table + &format!("\n{LOADS} times each.\n"))
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
    let mut call = command(target().join("release/examples/instructions"));
    call.args(words).arg(times.to_string());
    match what {
        Count::Instructions => super::instructions(&call),
        Count::Allocations => super::allocations(&call),
    }
}
