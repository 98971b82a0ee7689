//! Whole commands against virtual bulbs, on two radios: the sim radio that is built in, and a real Bluetooth stack in a
//! virtual machine (`cargo xtask realstack`). A scenario says what is run, what is to come out, and what the bulbs are to
//! see, once for both; where they cannot be the same, [`stage`] says why.

// Helpers of tests fail as tests do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    missing_docs
)]

mod adapter;
mod commands;
mod faults;
mod finding;
mod links;
mod play;
mod run;
mod several;
mod signals;
mod stage;
mod unfit;
mod watching;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

use play::Play;
use stage::Kind;

/// One scenario.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// What it shows.
    pub name: &'static str,
    /// Its rig, in fixtures/rigs/scenarios. Addresses are used by one rig only: BlueZ remembers the GATT tables of
    /// addresses.
    pub rig: &'static str,
    /// The radios that can play it.
    pub on: &'static [Kind],
    /// What happens in it.
    pub play: fn(&Play),
}

/// Both radios.
pub const BOTH: &[Kind] = &[Kind::Sim, Kind::Real];
/// Only the real one.
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
        ("watching", watching::SCENARIOS),
        ("links", links::SCENARIOS),
        ("unfit", unfit::SCENARIOS),
        ("faults", faults::SCENARIOS),
        ("several", several::SCENARIOS),
        ("signals", signals::SCENARIOS),
        ("adapter", adapter::SCENARIOS),
    ];
    let stage = Arc::new(kind.open());
    let trials = topics.into_iter().flat_map(|(topic, scenarios)| {
        let stage = Arc::clone(&stage);
        scenarios.iter().map(move |scenario| {
            let stage = Arc::clone(&stage);
            Trial::test(format!("{topic}::{}", scenario.name), move || {
                let play = Play::begin(stage.as_ref().as_ref(), scenario.rig);
                (scenario.play)(&play);
                play.end();
                Ok(())
            })
            .with_ignored_flag(!scenario.on.contains(&kind))
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
