//! Trust: signals of strangers, and a new owner of `org.bluez`.

use std::process::Stdio;
use std::thread;
use std::time::Duration;

use super::*;

const STRANGER: &str = ":1.66";

/// Signals that any user of the computer can send to anybody.
fn lies(bluez: &Bluez) {
    let invented = device(&bulb(66), &[("Name", Value::text("Light-66")), ("RSSI", Value::I16(-20))]);
    bluez.announce_as(STRANGER, &bulb(66), invented);
    bluez.change_as(STRANGER, &bulb(1), "org.bluez.Device1", "Name", &Value::text("Light-of-theirs"));
    bluez.change_as(STRANGER, &bulb(1), "org.bluez.Device1", "Connected", &Value::Bool(false));
    bluez.change_as(STRANGER, ADAPTER, "org.bluez.Adapter1", "Powered", &Value::Bool(false));
    let status = format!("{}/service0001/char0004", bulb(1));
    let value = Value::Bytes(vec![1, 7, 1, 2, 3]);
    bluez.change_as(STRANGER, &status, "org.bluez.GattCharacteristic1", "Value", &value);
    for sender in [STRANGER, ":1.2"] {
        let body = ("org.bluez", ":1.2", "");
        bluez.clients.signal(
            sender,
            "/org/freedesktop/DBus",
            "org.freedesktop.DBus",
            "NameOwnerChanged",
            body,
        );
    }
}

#[test]
fn signals_of_a_stranger_change_nothing() {
    let machine = Machine::new(1);
    let arguments = ["scan", "--json", "--duration", "1s", "--any"];
    let scan = machine.bulbctl(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    machine.bluez.wait_for("StartDiscovery", 1);
    lies(&machine.bluez);
    let scan = scan.wait_with_output().unwrap();
    assert_eq!(code(&scan), 0, "{}", text(&scan));
    let names: Vec<_> = of_type(&scan, "device").iter().map(|device| device["name"].clone()).collect();
    assert_eq!(names, ["Light-1"], "{}", text(&scan));

    let arguments = ["watch", "Light-1", "--json", "--duration", "2s"];
    let watch = machine.bulbctl(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    machine.bluez.wait_for("StartNotify", 1);
    thread::sleep(Duration::from_millis(300));
    lies(&machine.bluez);
    let watch = watch.wait_with_output().unwrap();
    assert_eq!(code(&watch), 0, "{}", text(&watch));
    let kinds: Vec<_> = records(&watch.stdout).iter().map(|record| record["type"].clone()).collect();
    assert_eq!(kinds, ["state"], "one state, no lost link: {}", text(&watch));
}

/// btleplug does not tell who sent a signal, so what it says is asked of BlueZ.
#[test]
fn a_scan_through_btleplug_asks_bluez_whether_signals_are_true() {
    let machine = Machine::new(1);
    let arguments = ["--adapter", "btleplug", "scan", "--json", "--duration", "2s", "--any"];
    let scan = machine.bulbctl(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    machine.bluez.wait_for("StartDiscovery", 1);
    thread::sleep(Duration::from_millis(500));
    lies(&machine.bluez);
    let scan = scan.wait_with_output().unwrap();
    assert_eq!(code(&scan), 0, "{}", text(&scan));
    let names: Vec<_> = of_type(&scan, "device").iter().map(|device| device["name"].clone()).collect();
    assert_eq!(names, ["Light-1"], "{}", text(&scan));
}

/// Starts `scan --watch`, hears a device, plays what happens, and gives what the scan says of the adapter, and of devices
/// after it said so last.
fn watched(machine: &Machine, happens: impl FnOnce()) -> (Vec<String>, usize) {
    let arguments = ["scan", "--json", "--duration", "4s", "--watch"];
    let scan = machine.bulbctl(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    machine.bluez.wait_for("StartDiscovery", 1);
    thread::sleep(Duration::from_millis(500));
    happens();
    let scan = scan.wait_with_output().unwrap();
    assert_eq!(code(&scan), 0, "{}", text(&scan));
    let records = records(&scan.stdout);
    let states = records.iter().filter(|record| record["type"] == "adapter");
    let states: Vec<_> = states.map(|record| record["state"].as_str().unwrap().to_owned()).collect();
    let after = records.iter().rev().take_while(|record| record["type"] != "adapter");
    (states, after.filter(|record| record["type"] == "device").count())
}

#[test]
fn a_scan_goes_on_with_a_bluez_that_was_started_anew() {
    let machine = Machine::new(1);
    let bluez = &machine.bluez;
    let (states, devices) = watched(&machine, || {
        bluez.ends();
        thread::sleep(Duration::from_millis(500));
        bluez.starts(":1.3");
        // The new one hears of another bulb.
        bluez.advertise_as(&bulb(2), &[("Name", Value::text("Light-2")), ("RSSI", Value::I16(-60))]);
    });
    assert_eq!((states, devices), (vec!["absent".to_owned(), "on".to_owned()], 1));
}

#[test]
fn another_bluez_without_a_gap_is_noticed() {
    let machine = Machine::new(1);
    let bluez = &machine.bluez;
    let (states, devices) = watched(&machine, || {
        bluez.forgets();
        bluez.starts(":1.3");
        bluez.advertise_as(&bulb(2), &[("Name", Value::text("Light-2")), ("RSSI", Value::I16(-60))]);
    });
    assert_eq!(states.last().map(String::as_str), Some("on"));
    assert!(devices >= 1 && bluez.count("StartDiscovery") >= 2, "{devices} devices");
}

#[test]
fn a_scan_goes_on_after_the_bus_has_gone_and_come_back() {
    let machine = Machine::new(1);
    let bluez = &machine.bluez;
    let (states, devices) = watched(&machine, || {
        bluez.forgets();
        bluez.clients.cut();
        thread::sleep(Duration::from_millis(500));
        // A BlueZ that is not ready, though it says that it is on, and is off once more.
        bluez.script(
            "StartDiscovery",
            [Reply::Error("org.bluez.Error.NotReady", "Resource Not Ready"), Reply::Usual],
        );
        bluez.starts(":1.3");
        bluez.clients.open();
        bluez.wait_for("StartDiscovery", 2);
        bluez.change(ADAPTER, "org.bluez.Adapter1", "Powered", Value::Bool(false));
        bluez.change(ADAPTER, "org.bluez.Adapter1", "Powered", Value::Bool(true));
        bluez.advertise_as(&bulb(2), &[("Name", Value::text("Light-2")), ("RSSI", Value::I16(-60))]);
    });
    assert_eq!(states.last().map(String::as_str), Some("on"), "{states:?}");
    assert!(devices >= 1, "{devices} devices, {states:?}");
}
