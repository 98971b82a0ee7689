//! `--record`, `--adapter replay:FILE`, `redact`.

use serde_json::Value;

use crate::{Machine, stderr, stdout};

fn recording(machine: &Machine) -> String {
    machine.path().join("recording.jsonl").to_str().unwrap().to_owned()
}

/// The records of a run, without the times of the wall clock.
fn records(text: &str) -> Vec<Value> {
    let record = |line: &str| {
        let mut record: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let fields = record.as_object_mut().unwrap();
        for wall in ["at", "first_seen", "last_seen"] {
            fields.remove(wall);
        }
        record
    };
    text.lines().map(record).collect()
}

/// The records of several bulbs, which are done in any order.
fn of_each(text: &str) -> Vec<Value> {
    let mut records = records(text);
    records.sort_by_key(|record| record["id"].as_str().map(str::to_owned));
    records
}

/// Runs a verb recorded, and again on the recording: the same output and the same exit code.
fn same_again(verb: &[&str]) {
    let machine = Machine::new();
    let file = &recording(&machine);
    let recorded = machine.sim(&[&["--json", "--record", file][..], verb].concat());
    let replay = format!("replay:{file}");
    let replayed = machine.run(&[&["--json", "--adapter", &replay][..], verb].concat());
    assert_eq!(of_each(&stdout(&replayed)), of_each(&stdout(&recorded)), "{}", stderr(&replayed));
    assert_eq!(replayed.status.code(), recorded.status.code());
    assert!(!recorded.stdout.is_empty());
}

#[test]
fn a_replay_prints_what_was_printed() {
    same_again(&["on", "Light-Desk"]);
    same_again(&["set", "Light-Desk,Light-Shelf", "--brightness", "20", "--color", "red"]);
    same_again(&["status", "Light-Desk"]);
    same_again(&["battery", "Light-Desk"]);
    // Failures too.
    same_again(&["on", "C4:11:00:00:00:F1", "--timeout", "2s"]);
}

#[test]
fn record_and_replay_are_verbs_too() {
    let machine = Machine::new();
    let file = &recording(&machine);
    let recorded =
        machine.run(&["--adapter", "sim", "record", file, "set", "Light-Desk", "--brightness", "7"]);
    assert_eq!(recorded.status.code(), Some(0), "{}", stderr(&recorded));
    let replayed = machine.run(&["replay", file, "set", "Light-Desk", "--brightness", "7"]);
    assert_eq!(stdout(&replayed), stdout(&recorded));
    let other = machine.run(&["--json", "replay", file, "set", "Light-Desk", "--brightness", "8"]);
    assert_eq!(other.status.code(), Some(2));
    let error = records(&stdout(&other)).remove(0);
    assert_eq!(error["code"], "recording.no_answer");
    assert!(error["message"].as_str().unwrap().contains("after line "), "{error}");
    for wrong in [
        &["replay", file, "record", file, "scan"][..],
        &["--adapter", "sim", "replay", file, "scan"],
        &["--adapter", "sim", "--record", file, "record", file, "scan"],
        &["replay", file],
    ] {
        assert_eq!(machine.run(wrong).status.code(), Some(2), "{wrong:?}");
    }
    // A setting in the environment is no contradiction, and options may stand anywhere.
    let replayed = machine.sim(&["replay", "-q", file, "set", "Light-Desk", "--brightness", "7", "--json"]);
    assert_eq!(records(&stdout(&replayed))[0]["brightness"], 7, "{}", stderr(&replayed));
}

#[test]
fn a_redacted_recording_plays_under_other_names() {
    let machine = Machine::new();
    let file = &recording(&machine);
    machine.sim(&["--record", file, "on", "Light-Desk"]);
    let redacted = stdout(&machine.run(&["redact", file]));
    assert!(!redacted.contains("Desk") && !redacted.contains("C4:11"), "{redacted}");
    let other = machine.write("redacted.jsonl", &redacted);
    let device = redacted.lines().find_map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        (line["call"] == "connect").then(|| line["device"].as_str().unwrap().to_owned())
    });
    let replayed = machine.run(&["replay", &other, "on", &device.unwrap()]);
    assert_eq!(replayed.status.code(), Some(0), "{}", stderr(&replayed));
}

#[test]
fn what_cannot_be_written_or_read_is_said() {
    let machine = Machine::new();
    let nowhere = machine.sim(&["--json", "--record", "/nowhere/at/all", "on", "Light-Desk"]);
    assert_eq!(nowhere.status.code(), Some(2));
    assert_eq!(records(&stdout(&nowhere))[0]["code"], "usage.file_unwritable");
    let none = machine.run(&["--json", "--adapter", "replay:/nowhere/at/all", "scan"]);
    assert_eq!(records(&stdout(&none))[0]["code"], "usage.file");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_and_does_not_end_the_verb() {
    let machine = Machine::new();
    let full = machine.sim(&["--json", "--record", "/dev/full", "on", "Light-Desk"]);
    let records = records(&stdout(&full));
    assert_eq!(records[0]["type"], "state");
    assert_eq!(records[0]["power"], true);
    assert_eq!(records[1]["code"], "usage.file_unwritable");
    assert_eq!(full.status.code(), Some(2));
    assert!(stderr(&full).contains("the recording ends here"), "{}", stderr(&full));
}

#[cfg(unix)]
#[test]
fn a_recording_is_its_owners() {
    use std::os::unix::fs::PermissionsExt;
    let machine = Machine::new();
    let file = machine.write("recording.jsonl", "of before, and open to everybody");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    machine.sim(&["--record", &file, "status", "Light-Desk"]);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!std::fs::read_to_string(&file).unwrap().contains("of before"));
}

/// A session of the real stack, played without it.
#[test]
fn what_was_recorded_on_the_real_stack_is_printed_as_it_was_there() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/recordings");
    let replay = format!("replay:{folder}/watch.jsonl");
    let replayed = Machine::new().run(&["--json", "--adapter", &replay, "watch", "Light-1", "--count", "3"]);
    assert_eq!(replayed.status.code(), Some(0), "{}", stderr(&replayed));
    let printed = stdout(&replayed).lines().fold(String::new(), |all, line| {
        let record: Value = serde_json::from_str(line).unwrap();
        all + &line.replacen(record["at"].as_str().unwrap(), "", 1) + "\n"
    });
    assert_eq!(printed, std::fs::read_to_string(format!("{folder}/watch.out")).unwrap());
}
