//! The calls of BlueZ that each kind of command makes, as docs/RADIOS.md has them. `BLESS=1` updates the table.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::*;

const PAGE: &str = "docs/RADIOS.md";
const BEGIN: &str = "<!-- begin round trips -->\n";
const END: &str = "<!-- end round trips -->";
/// Calls that are a request of their own to the bulb.
const REQUESTS: [&str; 3] = ["ReadValue", "StartNotify", "WriteValue"];

/// The order in which they are needed. Some are sent together.
const ORDER: [&str; 11] = [
    "GetManagedObjects",
    "SetDiscoveryFilter",
    "StartDiscovery",
    "StopDiscovery",
    "Connect",
    "Get",
    "StartNotify",
    "ReadValue",
    "WriteValue",
    "Disconnect",
    "Ping",
];

#[test]
fn a_command_makes_no_call_that_it_does_not_need() {
    let mut table = String::from("| command | D-Bus calls | requests to the bulb |\n|---|---|---|\n");
    for words in [&["on", "Light-1"][..], &["status", "Light-1"], &["connect", "Light-1"]] {
        let machine = Machine::new(1);
        row(&mut table, &machine, words, "a bulb that BlueZ does not know");
        if words[0] != "connect" {
            let machine = Machine::new(1);
            machine.bluez.know(1);
            row(&mut table, &machine, words, "a bulb that BlueZ knows");
        }
    }
    let machine = Machine::new(1);
    assert_eq!(code(&machine.run(&["connect", "Light-1"])), 0);
    machine.bluez.take_calls();
    for words in [&["on", "Light-1"][..], &["set", "Light-1", "--brightness", "50"], &["status", "Light-1"]] {
        row(&mut table, &machine, words, "over a held link");
    }
    row(&mut table, &machine, &["disconnect", "Light-1"], "of a held link");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let known = fs::read_to_string(&path).unwrap();
    let (before, rest) = known.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let text = format!("{before}{BEGIN}{table}{END}{after}");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &text).unwrap();
    } else {
        assert!(known == text, "{PAGE} is out of date: run with BLESS=1. The calls are now\n{table}");
    }
}

/// Runs a command, and adds its calls to the table.
fn row(table: &mut String, machine: &Machine, words: &[&str], how: &str) {
    let done = machine.run(words);
    assert_eq!(code(&done), 0, "{words:?} {how}: {}", text(&done));
    let calls = machine.bluez.take_calls();
    let called = |name: &str| calls.iter().filter(|call| call.split(' ').next() == Some(name)).count();
    let names: Vec<(&str, usize)> =
        ORDER.iter().map(|name| (*name, called(name))).filter(|(_, count)| *count > 0).collect();
    assert_eq!(names.iter().map(|(_, count)| count).sum::<usize>(), calls.len(), "{calls:?}");
    let shown = |(name, count): &(&str, usize)| match count {
        1 => format!("`{name}`"),
        count => format!("`{name}` {count}×"),
    };
    let requests: Vec<String> = names.iter().filter(|(name, _)| REQUESTS.contains(name)).map(shown).collect();
    let all: Vec<String> = names.iter().map(shown).collect();
    let requests = if requests.is_empty() { "none".to_owned() } else { requests.join(", ") };
    writeln!(table, "| `{}`, {how} | {}: {} | {requests} |", words.join(" "), calls.len(), all.join(", "))
        .unwrap();
}
