//! Random arguments are accepted or rejected with a message.

use std::ffi::OsString;
use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::args::{duration, percent};
use super::parse::Cli;
use crate::config::LONGEST;

/// Times, and text that resembles a time.
fn time() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-9]{1,22}(ns|us|ms|s|m|h|d|w|months|years|y|M| |)[0-9]{0,20}(s|m|days|)",
        (any::<u64>(), "(ns|ms|s|m|h|years)").prop_map(|(number, unit)| format!("{number}{unit}")),
    ]
}

fn word() -> impl Strategy<Value = String> {
    let known = "on set scan watch gatt write frame encode record replay check --json --timeout -vv --adapter sim --color --color-output never --fade --brightness -- - = Light-* help \u{1b}[2J --config 0";
    prop_oneof![3 => proptest::sample::select(known.split(' ').collect::<Vec<_>>()).prop_map(str::to_owned), 1 => any::<String>(), 1 => time()]
}

proptest! {
    #[test]
    fn a_time_is_between_nothing_and_a_year_or_refused(text in time()) {
        match duration(&text) {
            Ok(time) => {
                prop_assert!(time > Duration::ZERO && time <= LONGEST);
                // No clock overflows.
                let _ = Instant::now() + time + time;
            }
            Err(why) => prop_assert!(why.contains("time"), "{}", why),
        }
        if let Ok(percent) = percent(&text) {
            prop_assert!(percent.get() <= 100);
        }
    }

    #[test]
    fn a_command_line_is_taken_or_refused(words in proptest::collection::vec(word(), 0..8)) {
        let arguments: Vec<OsString> = std::iter::once("bulbctl".to_owned()).chain(words).map(OsString::from).collect();
        if let Err(error) = Cli::parse(&arguments) {
            prop_assert!(!error.render().to_string().is_empty());
        }
    }
}
