//! Runs whole commands against virtual bulbs on two radios: the built-in sim radio, and a real Bluetooth stack in a virtual
//! machine (`cargo xtask realstack`). A scenario has the commands, the expected output, and the expected events at the
//! bulbs, once for both radios. [`stage`] lists the differences between the radios.

// Helpers of tests fail as tests do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    unreachable_pub
)]

mod adapter;
mod bench;
mod bonding;
mod check;
mod commands;
mod desk;
mod families;
mod faults;
mod finding;
mod links;
mod other;
mod play;
#[path = "../pty/mod.rs"]
mod pty;
mod recordings;
mod run;
mod several;
mod signals;
mod soak;
mod stack;
mod stage;
mod strangers;
mod unfit;
mod watching;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

use play::Play;
use stage::{Kind, Stage};

#[derive(Clone, Copy)]
pub struct Scenario {
    pub name: &'static str,
    /// Its rig in fixtures/rigs/scenarios. No two rigs share an address, because BlueZ caches GATT tables by address.
    pub rig: &'static str,
    pub on: &'static [Kind],
    pub play: fn(&Play),
}

pub const fn scenario(
    name: &'static str,
    rig: &'static str,
    on: &'static [Kind],
    play: fn(&Play),
) -> Scenario {
    Scenario { name, rig, on, play }
}

pub const BOTH: &[Kind] = &[Kind::Sim, Kind::Real];
pub const REAL: &[Kind] = &[Kind::Real];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let kind = Kind::from_env();
    if kind == Kind::Real {
        // There is one adapter.
        arguments.test_threads = Some(1);
    }
    let topics = [
        ("finding", finding::SCENARIOS),
        ("commands", commands::SCENARIOS),
        ("families", families::SCENARIOS),
        ("watching", watching::SCENARIOS),
        ("links", links::SCENARIOS),
        ("strangers", strangers::SCENARIOS),
        ("unfit", unfit::SCENARIOS),
        ("faults", faults::SCENARIOS),
        ("several", several::SCENARIOS),
        ("signals", signals::SCENARIOS),
        ("adapter", adapter::SCENARIOS),
        ("stack", stack::SCENARIOS),
        ("bench", bench::SCENARIOS),
        ("check", check::scenarios()),
        ("desk", desk::SCENARIOS),
        ("bonding", bonding::SCENARIOS),
        ("recordings", recordings::SCENARIOS),
        ("soak", soak::SCENARIOS),
    ];
    let stage = Arc::new(kind.open());
    let trials = topics.into_iter().flat_map(|(topic, scenarios)| {
        let stage = Arc::clone(&stage);
        scenarios.iter().map(move |scenario| {
            let stage = Arc::clone(&stage);
            Trial::test(format!("{topic}::{}", scenario.name), move || {
                perform(stage.as_ref().as_ref(), scenario);
                Ok(())
            })
            // The soak test takes minutes.
            .with_ignored_flag(!scenario.on.contains(&kind) || topic == "soak")
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// Runs a scenario. If bluetoothd died, runs it again, because that is not our bug: kernel 6.1 sometimes frees an L2CAP
/// channel twice when a link drops.
fn perform(stage: &dyn Stage, scenario: &Scenario) {
    let once = || {
        let play = Play::begin(stage, scenario.rig);
        (scenario.play)(&play);
        play.end();
    };
    for _ in 0..2 {
        match catch_unwind(AssertUnwindSafe(once)) {
            Ok(()) => return,
            Err(_) if stage.has_died() => {
                println!("bluetoothd has died, {:?} is played again", scenario.name)
            }
            Err(failure) => resume_unwind(failure),
        }
    }
    once();
}
