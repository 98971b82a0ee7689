//! `snapshot` and `restore`.

use super::*;

const RIG: &str = "rig = 1\n[[bulb]]\nname = \"Light-1\"\naddress = \"C4:11:00:00:00:01\"\npower = true\nbrightness = 80\ncolor = \"#ff8800\"\n\
                   [[bulb]]\nname = \"Light-2\"\naddress = \"C4:11:00:00:00:02\"\n\
                   [[bulb]]\nprofile = \"elk\"\nname = \"ELK-BLEDOM\"\naddress = \"C4:11:00:00:00:03\"\n";

fn values(record: &Value) -> Value {
    let keys = ["id", "power", "brightness", "color", "white", "kelvin", "effect", "speed", "mode"];
    keys.iter().map(|key| ((*key).to_owned(), record[key].clone())).collect::<serde_json::Map<_, _>>().into()
}

/// The values of each bulb, by its identifier.
fn states(output: &Output) -> Vec<Value> {
    let mut all: Vec<Value> = of_type(output, "snapshot").iter().map(values).collect();
    all.sort_by_key(|state| state["id"].to_string());
    all
}

#[test]
fn several_bulbs_get_their_states_back() {
    let machine = Machine::new();
    let saved = machine.rig(RIG, &["snapshot", "all"]);
    succeeded(&saved);
    // JSON, also without --json; and the command says what cannot be restored.
    assert_eq!(states(&saved).len(), 3);
    assert!(
        stderr(&saved).contains("ELK-BLEDOM: the state is not known, so it cannot be restored"),
        "{saved:?}"
    );
    let elk = of_type(&saved, "snapshot").into_iter().find(|record| record["name"] == "ELK-BLEDOM").unwrap();
    assert_eq!((elk["provenance"].as_str(), &elk["power"]), (Some("unknown"), &Value::Null));
    succeeded(&machine.rig(RIG, &["set", "all", "--on", "--color", "blue", "--brightness", "5"]));
    let written = machine.air().matches("\"event\":\"write\"").count();
    let file = machine.write("evening.jsonl", &stdout(&saved));
    let restored = machine.rig(RIG, &["--json", "restore", &file]);
    succeeded(&restored);
    let confirmed: Vec<_> = of_type(&restored, "state")
        .iter()
        .map(|state| (state["name"].as_str().unwrap().to_owned(), state["confirmed"].as_bool()))
        .collect();
    for expected in [("Light-1", Some(true)), ("Light-2", Some(true)), ("ELK-BLEDOM", None)] {
        assert!(confirmed.contains(&(expected.0.to_owned(), expected.1)), "{confirmed:?}");
    }
    // One write each; nothing to the bulb whose state is not known.
    assert_eq!(machine.air().matches("\"event\":\"write\"").count(), written + 2);
    assert_eq!(states(&machine.rig(RIG, &["snapshot", "all"])), states(&saved));
}

/// Every family that reports its state gets back what it reported.
#[test]
fn every_family_is_restored_as_far_as_it_can() {
    let machine = Machine::new();
    let families = |arguments: &[&str]| {
        machine.bulbctl(arguments).env("BULBCTL_ADAPTER", "sim:families").output().unwrap()
    };
    let saved = families(&["--json", "snapshot", "all"]);
    let known: Vec<Value> = states(&saved).into_iter().filter(|state| !state["power"].is_null()).collect();
    assert!(known.len() > 8, "{known:?}");
    for arguments in [&["toggle"][..], &["set", "--brightness", "12"], &["set", "--color", "lime"]] {
        let ids: Vec<&str> = known.iter().map(|state| state["id"].as_str().unwrap()).collect();
        let mut arguments = arguments.to_vec();
        arguments.splice(1..1, ids);
        families(&arguments);
    }
    let changed = states(&families(&["snapshot", "all"]));
    let file = machine.write("saved.jsonl", &stdout(&saved));
    let restored = families(&["--json", "restore", &file]);
    let after = states(&families(&["snapshot", "all"]));
    for state in &known {
        let find = |all: &[Value]| all.iter().find(|other| other["id"] == state["id"]).cloned();
        assert_ne!(find(&changed).as_ref(), Some(state), "nothing was changed");
        assert_eq!(find(&after).as_ref(), Some(state), "{restored:?}");
    }
}

#[test]
fn lines_can_be_written_by_hand() {
    let machine = Machine::new();
    machine.config("aliases.desk = 'C4:11:00:00:00:01'\n");
    let line = |rest: &str| format!("{{\"type\":\"snapshot\",\"version\":1,{rest}}}\n");
    let scene = [
        "# a scene\n".to_owned(),
        line("\"target\":\"desk\",\"power\":true,\"brightness\":7"),
        line("\"target\":\"light-2\",\"power\":true,\"color\":\"#00ff00\",\"kelvin\":2700"),
    ];
    let output = fed(machine.on_rig(RIG, &["restore", "-"]), scene.concat().as_bytes());
    succeeded(&output);
    let mut lines: Vec<String> = stdout(&output).lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["Light-1\ton\t7 %\t#ff8800", "Light-2\ton\t50 %\t#00ff00"]);
    assert_eq!(stderr(&output), "Light-2: base bulbs cannot set kelvin\n");
}

/// Nothing is written before all of the file is right.
#[test]
fn a_wrong_file_changes_nothing() {
    let machine = Machine::new();
    let right = "{\"type\":\"snapshot\",\"version\":1,\"target\":\"Light-1\",\"power\":true}\n";
    let file = machine.write("scene.jsonl", &format!("{right}{{\"type\":\"state\"}}\nx\n"));
    let error = failed(&machine.rig(RIG, &["--json", "restore", &file]), 2, "snapshot.invalid");
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("line 2: unknown variant `state`") && message.contains("; line 3: "),
        "{message}"
    );
    let long = machine.write("long.jsonl", &"#".repeat((1 << 20) + 1));
    failed(&machine.rig(RIG, &["--json", "restore", &long]), 2, "usage.file");
    failed(&machine.rig(RIG, &["--json", "restore", "/nowhere"]), 2, "usage.file");
    assert_eq!(machine.air(), "");
    // One that is not there does not stop the other.
    let missing = right.replace("Light-1", "Light-9");
    let file = machine.write("scene.jsonl", &format!("{right}{missing}"));
    let output = machine.rig(RIG, &["--json", "--timeout", "2s", "restore", &file]);
    failed(&output, 10, "partial");
    assert_eq!(of_type(&output, "state").len(), 1);
}
