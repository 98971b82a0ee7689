//! Measures how long it takes to load the built-in profiles, in nanoseconds: `cargo xtask bench profiles`.
// It prints the times.
#![allow(clippy::print_stdout)]
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use bulb_protocol::profile::{Family, builtin};

/// The number of repetitions. It prints their median and the first, which is what a program sees.
const TIMES: usize = 301;

fn main() -> ExitCode {
    let Some(work) = std::env::args().nth(1) else { return ExitCode::FAILURE };
    let mut times = Vec::new();
    for _ in 0..TIMES {
        let start = Instant::now();
        let done = match work.as_str() {
            "one" => builtin::load("zengge", None).is_ok(),
            "read" => black_box(builtin::families()).is_ok(),
            "compile" => builtin::families().is_ok_and(|families| families.iter().all(compiled)),
            "variants" => builtin::families()
                .is_ok_and(|families| families.iter().all(|f| f.validate_variants().is_ok())),
            _ => false,
        };
        times.push(start.elapsed().as_nanos());
        if !done {
            return ExitCode::FAILURE;
        }
    }
    let first = times.first().copied().unwrap_or_default();
    times.sort_unstable();
    let median = times.get(TIMES / 2).copied().unwrap_or_default();
    println!("{median} {first}");
    ExitCode::SUCCESS
}

fn compiled(family: &Family) -> bool {
    black_box(family.profile(None)).is_ok()
}
