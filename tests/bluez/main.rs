//! The program on a BlueZ that says strange things on cue: a service of our own, on a bus of our own, so that nothing
//! has to be installed. What a bulb does wrong belongs to the sim radio; what BlueZ, the bus and other programs do
//! wrong belongs here.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg(target_os = "linux")]

mod bluez;
mod bus;
mod busy;
mod emulate;
mod round_trips;
mod trust;
mod values;

use std::process::Output;

use bluez::*;
use serde_json::Value as Json;

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("ended by a signal: {output:?}"))
}

fn records(text: &[u8]) -> Vec<Json> {
    let text = std::str::from_utf8(text).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The records of one type.
fn of_type(output: &Output, kind: &str) -> Vec<Json> {
    records(&output.stdout).into_iter().filter(|record| record["type"] == kind).collect()
}

fn text(output: &Output) -> String {
    let streams = [&output.stdout, &output.stderr];
    streams.map(|stream| String::from_utf8_lossy(stream).into_owned()).concat()
}

#[test]
fn a_well_behaved_bluez_is_used_as_ever() {
    let machine = Machine::new(2);
    let scan = machine.run(&["scan", "--json", "--duration", "1s"]);
    assert_eq!((code(&scan), of_type(&scan, "device").len()), (0, 2), "{}", text(&scan));
    let on = machine.run(&["on", "Light-2", "--json"]);
    assert_eq!(code(&on), 0, "{}", text(&on));
    assert_eq!(of_type(&on, "state")[0]["power"], true, "{}", text(&on));
    assert_eq!(machine.bluez.count("WriteValue"), 1);
}

#[test]
fn bulbs_that_were_seen_complete_targets_without_bluetooth() {
    let machine = Machine::new(2);
    machine.bluez.advertise_as(
        "/org/bluez/hci0/dev_C4_11_00_00_00_77",
        &[("Name", Value::text("Headphones")), ("RSSI", Value::I16(-60))],
    );
    let complete = || {
        let mut command = machine.bulbctl(&["--", "bulbctl", "on", ""]);
        text(&command.env("BULBCTL_COMPLETE", "fish").output().unwrap())
    };
    assert_eq!(complete(), "all\tevery bulb in reach\n");
    let on = machine.run(&["on", "Light-2"]);
    assert_eq!(code(&on), 0, "{}", text(&on));
    assert!(complete().contains("Light-2\t") && !complete().contains("Light-1\t"), "{}", complete());
    let scan = machine.run(&["scan", "--any", "--duration", "1s"]);
    assert!(text(&scan).contains("Headphones"), "{}", text(&scan));
    let calls = machine.bluez.count("GetManagedObjects");
    let offered = complete();
    assert!(offered.contains("Light-1\t") && !offered.contains("Headphones"), "{offered}");
    assert_eq!(machine.bluez.count("GetManagedObjects"), calls);
}
