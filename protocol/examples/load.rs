//! Measures how long it takes to load the built-in profiles, in nanoseconds: `cargo xtask bench profiles`.
// It prints the times.
#![allow(clippy::print_stdout)]
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use bulb_protocol::gatt::uuid16;
use bulb_protocol::profile::{Advert, Family, LoadError, builtin};

/// The number of repetitions. It prints their median and the first, which is what a program sees.
const TIMES: usize = 301;

fn main() -> ExitCode {
    let Some(work) = std::env::args().nth(1) else { return ExitCode::FAILURE };
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
    let texts = builtin::names().map(|name| fs::read_to_string(files.join(name).with_extension("toml")));
    let Ok(texts) = texts.collect::<Result<Vec<_>, _>>() else { return ExitCode::FAILURE };
    let mut times = Vec::new();
    for _ in 0..TIMES {
        let start = Instant::now();
        let done = match work.as_str() {
            "one" => builtin::load("zengge", None).is_ok(),
            "recognise" => recognise().is_ok_and(|found| found > 0),
            "read" => black_box(builtin::families()).is_ok(),
            "toml" => texts.iter().all(|text| black_box(Family::parse(text)).is_ok()),
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

/// Recognises a bulb by its advertisement: reads all outlines, and the families in question.
fn recognise() -> Result<usize, LoadError> {
    let services = [uuid16(0xFFF0)];
    let advert =
        Advert { name: Some("Light-Desk"), services: &services, manufacturer: &[], service_data: &[] };
    let mut found = 0;
    for outline in builtin::outlines()? {
        if outline.may_advertise(&advert) {
            black_box(builtin::family(outline.name())?.recognise(&advert));
            found += 1;
        }
    }
    Ok(found)
}

fn compiled(family: &Family) -> bool {
    black_box(family.profile(None)).is_ok()
}
