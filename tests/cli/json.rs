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

/// Not as a name, a value or data, not in a log, an error, a report or a recording.
#[test]
fn what_a_stranger_sends_reaches_no_terminal_raw() {
    let rig = include_str!("files/hostile.toml");
    let machine = Machine::new();
    let (report, recording) = (machine.path().join("report.xml"), machine.path().join("recording.jsonl"));
    let (report, recording) = (report.to_str().unwrap(), recording.to_str().unwrap());
    let target = "C4:11:00:00:09:02";
    let verbs: &[&[&str]] = &[
        &["scan", "--any", "--duration", "400ms"],
        &["on", target],
        &["status", target],
        &["info", target, "--listen", "300ms"],
        &["watch", target, "--duration", "300ms"],
        &["gatt", "read", target, "fff2", "--text"],
        &["profiles", "detect", target],
        &["check", target, "--only", "command-*", "--report", report],
        &["on", "Light*", "--record", recording],
        &["on", "\u{1b}[2J\u{202e}", "--timeout", "300ms"],
        &["redact", recording],
    ];
    let acts = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || ('\u{202a}'..='\u{202e}').contains(&c)
            || ('\u{2066}'..='\u{2069}').contains(&c)
    };
    for verb in verbs {
        for form in ["-vv", "--json"] {
            let output = machine.rig(rig, &[verb, &[form][..]].concat());
            let text = stdout(&output) + &stderr(&output);
            assert!(!text.contains(acts), "{verb:?} {form}: {text:?}");
            assert!(!text.contains("panicked"), "{verb:?} {form}: {text}");
        }
    }
    for file in [report, recording] {
        let text = std::fs::read_to_string(file).unwrap();
        assert!(!text.contains(acts), "{file}: {text:?}");
    }
}
