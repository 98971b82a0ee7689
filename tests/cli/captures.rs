//! `frame decode --capture`: captures of the real stack against what the air of the same run says (fixtures/captures).

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;

const BASE: &str = "C4:5C:00:00:20:01";
const ELK: &str = "C4:5C:00:00:20:02";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures").join(name)
}

fn decode(name: &str, more: &[&str]) -> Output {
    let file = fixture(name);
    Machine::new().run(&[&["--json", "frame", "decode", "--capture", file.to_str().unwrap()], more].concat())
}

fn records(output: &Output) -> Vec<Value> {
    let lines = stdout(output);
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The frames of the bulb in both directions: operation, characteristic, kind, bytes.
type Passed = (String, String, Value, Value);

fn air(name: &str, bulb: &str) -> Vec<Passed> {
    let text = std::fs::read_to_string(fixture(name)).unwrap();
    let entries = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let passed = entries.filter(|entry| entry["bulb"] == bulb && entry["characteristic"].is_string());
    passed
        .map(|entry| {
            let event = entry["event"].as_str().unwrap().replace("notify", "notification");
            let characteristic = entry["characteristic"].as_str().unwrap().to_owned();
            (event, characteristic, entry["kind"].clone(), entry["hex"].clone())
        })
        .collect()
}

/// The same as a capture has it. The air does not log what reading gave, nor reads of the generic services.
fn captured(records: &[Value], bulb: &str) -> Vec<Passed> {
    let mut all = Vec::new();
    for record in records.iter().filter(|record| record["address"] == bulb && record["reason"].is_null()) {
        let Some(characteristic) = record["characteristic"].as_str() else { continue };
        let short = characteristic[4..8].to_owned();
        let operation = record["operation"].as_str().unwrap().to_owned();
        if ["2a00", "2a01", "2a04", "2a05", "2b29", "2b2a", "2b3a"].contains(&short.as_str()) {
            continue;
        }
        let (kind, hex) = match operation.as_str() {
            "write" => (record["kind"].clone(), record["hex"].clone()),
            "notification" => (Value::Null, record["hex"].clone()),
            _ => (Value::Null, Value::Null),
        };
        all.push((operation, short, kind, hex));
    }
    all
}

fn counted(all: &[Passed]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for passed in all {
        *counts.entry(format!("{passed:?}")).or_default() += 1;
    }
    counts
}

fn of<'a>(all: &'a [Passed], operation: &str) -> Vec<&'a Passed> {
    all.iter().filter(|passed| passed.0 == operation).collect()
}

#[test]
fn a_capture_tells_what_the_air_says() {
    let output = decode("whole.btsnoop", &[]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let records = records(&output);
    for bulb in [BASE, ELK] {
        let (air, captured) = (air("whole.air.jsonl", bulb), captured(&records, bulb));
        assert!(!of(&air, "write").is_empty());
        // The order of one kind is the same; an answer and a notification may pass each other on their way.
        for operation in ["write", "notification", "read", "subscribe", "unsubscribe"] {
            assert_eq!(of(&captured, operation), of(&air, operation), "{bulb}");
        }
        assert_eq!(counted(&captured), counted(&air), "{bulb}");
    }
    assert!(records.iter().all(|record| record["address"] == BASE || record["address"] == ELK));
}

#[test]
fn frames_are_decoded_by_the_profile_that_the_capture_speaks_for() {
    let all = records(&decode("whole.btsnoop", &[]));
    let frame = |hex: &str, operation: &str| {
        let found = all.iter().find(|one| one["hex"] == hex && one["operation"] == operation).unwrap();
        (found["frame"]["profile"].clone(), found["frame"]["kind"].clone(), found["frame"]["color"].clone())
    };
    assert_eq!(frame("013cff8800", "write"), (json!("base"), json!("command"), json!("#ff8800")));
    assert_eq!(frame("013cff8800", "notification"), (json!("base"), json!("report"), json!("#ff8800")));
    assert_eq!(frame("013cff8800", "read"), (json!("base"), json!("report"), json!("#ff8800")));
    let blue = all.iter().find(|one| one["address"] == ELK && one["frame"]["color"] == "#0000ff").unwrap();
    assert_eq!((&blue["frame"]["profile"], &blue["kind"]), (&json!("elk"), &json!("command")));
    // The one that the bulb refused.
    let bad = all.iter().find(|one| one["hex"] == "0165ff0000").unwrap();
    assert!(bad["frame"].is_null() && bad["malformed"].as_str().unwrap().contains("101"), "{bad}");
    let refused = all.iter().find(|one| one["operation"] == "write" && one["reason"] == 0x80).unwrap();
    assert_eq!((&refused["characteristic"], &refused["direction"]), (&bad["characteristic"], &json!("in")));
}

#[test]
fn one_device_is_named_by_its_address_or_its_name() {
    for device in ["Light-Capture", BASE, "c45c00002001"] {
        let records = records(&decode("whole.btsnoop", &["--device", device]));
        assert!(records.len() > 20 && records.iter().all(|record| record["address"] == BASE), "{device}");
    }
    let output = decode("whole.btsnoop", &["--device", "Headphones"]);
    let error = &records(&output)[0];
    assert_eq!((code(&output), &error["code"]), (3, &json!("capture.nothing")));
    assert!(error["message"].as_str().unwrap().contains("Light-Capture (C4:5C:00:00:20:01)"), "{error}");
}

/// The capture began when the link was up: no address, no name, no table.
#[test]
fn without_discovery_the_profile_decodes_what_fits_one_role() {
    let plain = records(&decode("late.btsnoop", &[]));
    assert!(plain.iter().all(|record| record["frame"].is_null() && record["characteristic"].is_null()));
    assert!(plain.iter().all(|record| record["address"].is_null()));
    let named = records(&decode("late.btsnoop", &["--profile", "base"]));
    for operation in ["write", "notification"] {
        let of_air = air("late.air.jsonl", BASE).into_iter().filter(|passed| passed.0 == operation);
        let frames = named.iter().filter(|one| one["operation"] == operation && !one["frame"].is_null());
        let frames: Vec<Value> = frames.map(|one| one["frame"]["hex"].clone()).collect();
        assert_eq!(frames, of_air.map(|passed| passed.3).collect::<Vec<_>>(), "{operation}");
        assert!(!frames.is_empty());
    }
}

#[test]
fn people_read_a_line_a_frame_also_from_a_pipe() {
    let machine = Machine::new();
    let file = fixture("whole.btsnoop");
    let text =
        machine.run(&["frame", "decode", "--device", "Light-Capture", "--capture", file.to_str().unwrap()]);
    let write = "\tC4:5C:00:00:20:01\t->\twrite\tfff1\t013cff8800\ton 60 % #ff8800\n";
    assert!(stdout(&text).contains(write), "{}", stdout(&text));
    let mut piped = machine.bulbctl(&["frame", "decode", "--device", "Light-Capture", "--capture", "-"]);
    let piped = piped.stdin(std::fs::File::open(&file).unwrap()).output().unwrap();
    assert_eq!(stdout(&piped), stdout(&text));
}

#[test]
fn of_a_damaged_capture_what_is_before_the_damage_comes_first() {
    let machine = Machine::new();
    let bytes = std::fs::read(fixture("whole.btsnoop")).unwrap();
    let file = machine.path().join("cut.btsnoop");
    std::fs::write(&file, &bytes[..bytes.len() - 5]).unwrap();
    let output = machine.run(&["--json", "frame", "decode", "--capture", file.to_str().unwrap()]);
    let all = records(&output);
    let (error, before) = all.split_last().unwrap();
    assert_eq!((code(&output), &error["code"]), (2, &json!("capture.invalid")));
    assert!(error["message"].as_str().unwrap().contains(" at byte "), "{error}");
    assert!(before.len() > 40 && before.iter().all(|record| record["type"] == "captured"));
    std::fs::write(&file, "hello").unwrap();
    let output = machine.run(&["frame", "decode", "--capture", file.to_str().unwrap()]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("not a btsnoop log"), "{}", stderr(&output));
}

#[test]
fn what_is_no_capture_of_bluetooth_le_says_what_it_is_and_what_to_do() {
    let machine = Machine::new();
    // The header of a section and the description of an interface of link type 201.
    let section = "0a0d0d0a1c0000004d3c2b1a01000000ffffffffffffffff1c000000";
    let interface = "0100000014000000c90000000000040014000000";
    let file = machine.path().join("app.pcapng");
    std::fs::write(&file, hex::decode(format!("{section}{interface}")).unwrap()).unwrap();
    let run = |file: &Path| machine.run(&["--json", "frame", "decode", "--capture", file.to_str().unwrap()]);
    let error = failed(&run(&file), 2, "capture.invalid");
    assert!(error["message"].as_str().unwrap().contains("pcapng capture"), "{error}");
    assert!(
        error["hint"].as_str().unwrap().contains(&format!("editcap -F btsnoop {}", file.display())),
        "{error}"
    );
    // A link of classic Bluetooth that comes and goes (case C4).
    let mut log = b"btsnoop\0\0\0\0\x01\0\0\x03\xea".to_vec();
    for packet in ["04030b000200010000115cc40100", "04050400020016"] {
        let bytes = hex::decode(packet).unwrap();
        let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        log.extend([&length[..], &length, &[0, 0, 0, 3], &[0; 12], &bytes].concat());
    }
    let file = machine.path().join("classic.btsnoop");
    std::fs::write(&file, log).unwrap();
    let error = failed(&run(&file), 3, "capture.nothing");
    assert!(error["message"].as_str().unwrap().contains("only classic Bluetooth"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("Bluetooth LE only"), "{error}");
}
