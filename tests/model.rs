//! Random bulbs, faults, events and commands, checked against a model: tens of thousands of steps on the
//! paused clock and the sim radio, through the same drivers and sessions as the verbs and the TUI. Bulbs drop
//! links, refuse, lose, stay silent, and send pieces and numbers that cannot be. The adapter has few
//! connections, other programs use the characteristics, and scans neither start nor stop.
//!
//! - A reported state is one that the bulb had.
//! - Nothing is reported about a bulb whose link is down.
//! - The last value arrives, unless an error was reported.
//! - No link, scan or task is left, and nothing waits forever.
//!
//! A failing case is shrunk and printed as a rig for `--adapter sim:RIG.toml` with its steps.
//! `BULBCTL_MODEL_CASES` sets the number of cases.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "model/case.rs"]
mod case;
#[path = "model/run.rs"]
mod run;
#[path = "model/strain.rs"]
mod strain;
#[path = "model/wrong.rs"]
mod wrong;

use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use case::cases;

/// Default number of cases, each of about 150 steps.
const CASES: u32 = 150;

/// The same numbers every time, for each seed of the environment.
fn rng() -> TestRng {
    match std::env::var("PROPTEST_RNG_SEED").ok().and_then(|seed| seed.parse::<u8>().ok()) {
        Some(seed) => TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]),
        None => TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    }
}

#[test]
fn nothing_is_lost() {
    let cases_wanted =
        std::env::var("BULBCTL_MODEL_CASES").map_or(CASES, |text| text.parse().expect("a number of cases"));
    let config = Config {
        cases: cases_wanted,
        failure_persistence: None,
        max_shrink_time: 60_000,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, rng());
    let steps = std::cell::Cell::new(0_usize);
    let tally = std::cell::RefCell::new(run::Tally::default());
    let result = runner.run(&cases(), |case| {
        steps.set(steps.get() + case.steps.len());
        tally.borrow_mut().add(&run::play(&case, None)?);
        Ok(())
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, case)) => panic!("{reason}\n{case}"),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
    println!("{} steps: {:?}", steps.get(), tally.borrow());
    if cases_wanted >= CASES {
        // Guards against a model that never reaches the interesting states.
        let tally = tally.into_inner();
        assert!(steps.get() >= 20_000, "{} steps", steps.get());
        assert!(tally.reported > 2_000 && tally.lost > 400 && tally.back > 500, "{tally:?}");
        assert!(tally.confirmed > 1_000 && tally.failed > 100 && tally.held_to > 150, "{tally:?}");
        for code in run::EXPECTED {
            assert!(tally.errors.contains_key(code), "{code} never happened: {tally:?}");
        }
    }
}

/// Every deliberate error of a radio is detected and printed as a rig.
#[test]
fn a_radio_that_is_wrong_is_caught() {
    for lie in wrong::LIES {
        // The size of the failing case does not matter here.
        let config =
            Config { cases: 40, failure_persistence: None, max_shrink_iters: 5, ..Config::default() };
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let result =
            TestRunner::new_with_rng(config, rng).run(&cases(), |case| run::play(&case, Some(lie)).map(drop));
        let Err(TestError::Fail(reason, case)) = result else { panic!("{lie:?} is not caught: {result:?}") };
        println!("{lie:?}: {reason}");
        let expected = match lie {
            wrong::Lie::LosesWrites => ["was never", "was the last value"],
            wrong::Lie::InventsStates => ["was never", "was the last value"],
            wrong::Lie::LeaksLinks => ["still connected", "links came up"],
            wrong::Lie::ScansOn => ["still scanning", "still scanning"],
        };
        assert!(expected.iter().any(|words| reason.message().contains(words)), "{lie:?}: {reason}");
        assert!(case.rig().starts_with("rig = 1"));
    }
}
