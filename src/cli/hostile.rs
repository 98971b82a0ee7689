//! Random arguments are accepted or rejected with a message.

use std::ffi::OsString;
use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::args::{duration, percent};
use super::emulate::parse_line;
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

/// Words of the lines of `emulate`.
fn line_word() -> impl Strategy<Value = String> {
    let known = "on off toggle set drop vanish appear rename fault clear wait quit --bulb --on --brightness 30 on=write on=read do=lose do=error do=delay do=reply att=0x0e att= count=-1 count=99999999999 after=0x for=1s bytes=00 = \" ' \\ # \u{1b}[2J";
    prop_oneof![4 => proptest::sample::select(known.split(' ').collect::<Vec<_>>()).prop_map(str::to_owned), 1 => any::<String>(), 1 => time(), 1 => "[a-z]{1,6}=[0-9a-fx\"\\\\\n]{0,12}"]
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
    fn a_line_of_emulate_is_taken_or_refused(words in proptest::collection::vec(line_word(), 0..8)) {
        if let Err(error) = parse_line(&words.join(" ")) {
            prop_assert!(!error.is_empty());
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
