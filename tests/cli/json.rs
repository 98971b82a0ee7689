//! `--json`: every verb's records against the schema, nothing else on stdout.

use super::*;

#[test]
fn every_verb_speaks_by_the_schema() {
    let machine = Machine::new();
    for (arguments, kind) in [
        (&["scan", "--duration", "700ms"][..], "device"),
        (&["scan", "--first"], "scan"),
        (&["on", "Light-Desk"], "state"),
        (&["toggle", "Light-Desk"], "state"),
        (&["set", "Light-Desk", "--color", "teal"], "state"),
        (&["status", "Light-Desk"], "state"),
        (&["watch", "Light-Desk", "--count", "1"], "state"),
        (&["battery", "Light-Desk"], "battery"),
        (&["connect", "Light-Desk"], "link"),
        (&["disconnect", "Light-Desk"], "link"),
        (&["frame", "encode"], "frame"),
        (&["info", "Light-Desk", "--listen", "300ms"], "info"),
        (&["gatt", "read", "Light-Desk", "fff2"], "value"),
        (&["doctor"], "doctor"),
        (&["off", "nobody", "--timeout", "300ms"], "error"),
    ] {
        let output = machine.sim(&[arguments, &["--json"]].concat());
        assert!(!of_type(&output, kind).is_empty(), "{arguments:?}: {output:?}");
        assert_eq!(stderr(&output), "", "{arguments:?}");
    }
}

#[test]
fn a_state_says_everything_that_the_bulb_did() {
    let machine = Machine::new();
    let output = machine.sim(&["--json", "set", "Light-Shelf", "--on", "--brightness", "66"]);
    let state = records(&output).pop().unwrap();
    let expected = serde_json::json!({
        "type": "state", "target": "Light-Shelf", "id": state["id"], "address": "C4:11:00:00:00:02", "name": "Light-Shelf",
        "profile": "base", "provenance": "reported", "power": true, "brightness": 66, "color": "#3060ff", "confirmed": true,
        "white": null, "kelvin": null, "effect": null, "speed": null, "mode": "color", "assumed": [], "scaled": false,
        "at": state["at"],
    });
    assert_eq!(state, expected);
}

/// Names hold whatever a stranger put there. JSON keeps them as they are, by escapes; text shows escapes.
#[test]
fn hostile_names_reach_no_terminal_raw() {
    let machine = Machine::new();
    let rig = r#"
        rig = 1
        [[bulb]]
        name = "\u001b[2JLight\u202e\n\"x\",1\t\u009b"
        address = "C4:11:00:00:09:01"
    "#;
    let output = machine.rig(rig, &["scan", "--first", "--json"]);
    let device = of_type(&output, "device").pop().unwrap();
    assert_eq!(device["name"], "\u{1b}[2JLight\u{202e}\n\"x\",1\t\u{9b}");
    for output in
        [output, machine.rig(rig, &["scan", "--first"]), machine.rig(rig, &["status", "C4:11:00:00:09:01"])]
    {
        let text = stdout(&output) + &stderr(&output);
        assert_eq!(code(&output), 0, "{text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{9b}']), "{text:?}");
        assert!(
            text.lines().all(|line| line.contains("Light") || line.contains("\"type\":\"scan\"")),
            "{text:?}"
        );
    }
}
