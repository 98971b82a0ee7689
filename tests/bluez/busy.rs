//! Another program uses the adapter or the bulb.

use std::time::Instant;

use super::*;

#[test]
fn a_characteristic_that_another_program_uses_is_asked_again() {
    let machine = Machine::new(1);
    for method in ["WriteValue", "ReadValue"] {
        machine.bluez.script(method, [BUSY, BUSY, Reply::Usual]);
    }
    let on = machine.run(&["on", "Light-1", "--json"]);
    assert_eq!(code(&on), 0, "{}", text(&on));
    assert_eq!(machine.bluez.count("WriteValue"), 3);

    machine.bluez.script("ReadValue", [BUSY]);
    let status = machine.run(&["status", "Light-1", "--json", "--timeout", "4s"]);
    assert_eq!(
        (code(&status), &of_type(&status, "error")[0]["code"]),
        (8, &"bulb.held".into()),
        "{}",
        text(&status)
    );
}

/// Runs it and gives how long that took, in seconds.
fn timed(machine: &Machine, arguments: &[&str]) -> (Output, f64) {
    let start = Instant::now();
    let output = machine.run(arguments);
    (output, start.elapsed().as_secs_f64())
}

#[test]
fn a_scan_that_cannot_start_ends_in_time() {
    let machine = Machine::new(1);
    for answer in [BUSY, Reply::Silence] {
        machine.bluez.script("StartDiscovery", [answer]);
        for arguments in [
            &["scan", "--json", "--timeout", "1s"][..],
            &["scan", "--json", "--duration", "1s"],
            &["scan", "--json", "--watch", "--timeout", "1s"],
            &["on", "Light-1", "--json", "--timeout", "1s"],
            &["status", "all", "--json", "--timeout", "1s"],
        ] {
            let (output, seconds) = timed(&machine, arguments);
            assert_eq!(
                (code(&output), &of_type(&output, "error")[0]["code"]),
                (4, &"scan.busy".into()),
                "{}",
                text(&output)
            );
            assert!(seconds < 3.0, "{arguments:?}: {seconds} s");
        }
    }
}

#[test]
fn a_scan_that_cannot_be_stopped_has_found_what_it_found() {
    let machine = Machine::new(1);
    for answer in [
        BUSY,
        Reply::Silence,
        Reply::Error("org.bluez.Error.Failed", "Input/output error"),
        Reply::Error("org.bluez.Error.NotAuthorized", "no"),
    ] {
        machine.bluez.script("StopDiscovery", [answer]);
        let (scan, seconds) = timed(&machine, &["scan", "--json", "--duration", "1s"]);
        assert_eq!(code(&scan), 0, "{}", text(&scan));
        assert_eq!(of_type(&scan, "scan")[0]["found"], 1, "{}", text(&scan));
        assert!(text(&scan).contains("the scan could not be stopped"), "{}", text(&scan));
        assert!(seconds < 4.5, "{seconds} s");
        // What needs a scan to find its bulb goes on to use it.
        machine.bluez.forgets_devices();
        let on = machine.run(&["on", "Light-1", "--json"]);
        assert_eq!(code(&on), 0, "{}", text(&on));
    }
}

#[test]
fn seven_bulbs_on_an_adapter_with_two_connections() {
    for refusal in ["le-connection-abort-by-local", "le-connection-concurrent-connection-limit"] {
        let machine = Machine::new(7);
        machine.bluez.limit(2, refusal);
        let on = machine.run(&["on", "Light-*", "--json"]);
        assert_eq!((code(&on), of_type(&on, "state").len()), (0, 7), "{}", text(&on));
    }
}
