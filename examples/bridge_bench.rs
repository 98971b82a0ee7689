//! Plays the policy of links of `bulbctl bridge` for `cargo xtask bench bridge`, and prints its table.
//!
//! The arguments are the number of links, and of those that stay free.

// A program for developers, whose output is its purpose.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../tests/links/simulation.rs"]
mod simulation;

use bulbctl::bridge::links::{Links, Reports};
use simulation::{Bulb, Outcome, Random, Simulation, Times};

/// - To connect: the fastest and the slowest of `bulbctl on Light-Plain` on a real stack (docs/BENCHMARKS.md), which finds,
///   connects, recognises, reads, writes and has it confirmed.
/// - To write: one or two connection intervals of 30 to 50 ms, what Linux asks for (`hci_core.c`:
///   `le_conn_min_interval` and `le_conn_max_interval`).
/// - To release: BlueZ waits two seconds before it ends a link (`DISCONNECT_TIMER` in its `src/device.c`).
const TIMES: Times = Times { connect: (740, 930), write: (30, 100), release: 2_000 };
const DAY: u64 = 24 * 3_600_000;

#[derive(Clone, Copy)]
enum Use {
    /// Any bulb, one command a minute on average.
    Any,
    /// The same, and four of five commands are for a fifth of the bulbs.
    Favourites,
    /// All bulbs at once, every ten minutes.
    All,
}

fn main() {
    let mut words = std::env::args().skip(1).map(|word| word.parse::<usize>().unwrap());
    let slots = words.next().unwrap_or(5);
    let spare = words.next().unwrap_or(1);
    println!(
        "| bulbs | commands | median | 99th percentile | slowest | failed | state is at most this old |"
    );
    println!("|---:|---|---:|---:|---:|---:|---:|");
    for count in [5, 20, 100] {
        for (usage, name) in [
            (Use::Any, "to any bulb, one a minute"),
            (Use::Favourites, "the same, four of five to a fifth of the bulbs"),
            (Use::All, "to all at once"),
        ] {
            let outcome = play(count, usage, slots, spare);
            let gap = outcome.longest_gap.iter().max().copied().unwrap_or_default();
            println!(
                "| {count} | {name} | {} | {} | {} | {} of {} | {} |",
                time(outcome.percentile(50)),
                time(outcome.percentile(99)),
                time(outcome.percentile(100)),
                outcome.expired.len(),
                outcome.expired.len() + outcome.latencies.len(),
                time(gap),
            );
        }
    }
}

/// A day with bulbs of all kinds: most report by themselves, a fifth when asked, a tenth never.
fn play(count: usize, usage: Use, slots: usize, spare: usize) -> Outcome {
    let bulb = |number: usize| Bulb {
        reports: match number % 10 {
            0 => Reports::Never,
            1 | 2 => Reports::WhenAsked,
            _ => Reports::ByItself,
        },
        keep_alive: number % 5 == 4,
        away: None,
    };
    let bulbs = (0..count).map(bulb).collect();
    let mut random = Random(count as u64);
    let mut simulation = Simulation::new(Links::with_spare(slots, spare), slots, TIMES, bulbs, 1);
    let mut at = 60_000;
    while at < DAY {
        let mut pick = |count: usize| usize::try_from(random.below(count as u64)).unwrap();
        match usage {
            Use::Any => simulation.command(at, pick(count)),
            Use::Favourites if pick(5) > 0 => simulation.command(at, pick(count / 5)),
            Use::Favourites => simulation.command(at, pick(count)),
            Use::All => (0..count).for_each(|bulb| simulation.command_to_several(at, bulb)),
        }
        at += match usage {
            Use::All => 600_000,
            _ => random.below(120_000),
        };
    }
    simulation.run(DAY)
}

fn time(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{:.1} s", ms as f64 / 1e3),
        _ => format!("{:.1} min", ms as f64 / 6e4),
    }
}
