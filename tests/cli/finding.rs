//! Finding bulbs: several targets, names in any case, waiting, and the time that a search may take.

use std::time::{Duration, Instant};

use super::*;

fn names(output: &Output) -> Vec<String> {
    let states = of_type(output, "state");
    let mut names: Vec<String> =
        states.iter().map(|state| state["name"].as_str().unwrap_or_default().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn several_targets_are_several_arguments() {
    let machine = Machine::new();
    machine.config("aliases.hall = 'Bulb-Hallway'\n");
    let both = ["Bulb-Hallway", "Light-Desk"];
    for arguments in [
        &["on", "Light-Desk", "hall"][..],
        &["off", "Light-Desk", "hall"],
        &["toggle", "hall", "Light-D*", "Light-Desk"],
        &["status", "Light-Desk,hall", "Light-Desk"],
        &["set", "hall", "Light-Desk", "--color", "red", "--brightness", "40"],
        &["set", "--brightness", "40", "hall", "Light-Desk"],
        &["watch", "hall", "Light-Desk", "--duration", "2s"],
    ] {
        let output = machine.sim(&[&["--json"], arguments].concat());
        assert_eq!((code(&output), names(&output)), (0, both.map(str::to_owned).to_vec()), "{arguments:?}");
    }
    let output = machine.sim(&["--json", "status", "Light-Desk", "hall"]);
    assert_eq!(of_type(&output, "state")[0]["target"], "Light-Desk,hall");
    for (verb, kind) in [
        (&["battery"][..], "battery"),
        (&["info", "--listen", "200ms"], "info"),
        (&["profiles", "detect"], "detect"),
        (&["check", "--only", "roles-and-properties"], "check_summary"),
        (&["connect"], "link"),
        (&["disconnect"], "link"),
    ] {
        let output = machine.sim(&[&["--json"], verb, &["Light-Desk", "Light-Shelf"]].concat());
        assert_eq!((code(&output), of_type(&output, kind).len()), (0, 2), "{verb:?}: {output:?}");
    }
    // One that is missing takes none of the others down.
    let output = machine.sim(&["--json", "--timeout", "2s", "on", "Light-Desk", "Nobody", "hall"]);
    assert_eq!((code(&output), names(&output).len()), (10, 2), "{output:?}");
    // Verbs with more arguments take lists.
    let output = machine.sim(&["gatt", "read", "Light-Desk", "Light-Shelf", "fff2"]);
    assert_eq!(code(&output), 2);
    succeeded(&machine.sim(&["gatt", "read", "Light-Desk,Light-Shelf", "fff2"]));
}

const TWINS: &str = "rig = 1\n[[bulb]]\nname = \"Light-One\"\naddress = \"C4:11:00:00:0E:01\"\n\
                     [[bulb]]\nname = \"LIGHT-ONE\"\naddress = \"C4:11:00:00:0E:02\"\n\
                     [[bulb]]\nname = \"Light-Two\"\naddress = \"C4:11:00:00:0E:03\"\n";

#[test]
fn case_matters_only_between_bulbs_of_the_same_name() {
    let machine = Machine::new();
    for (target, expected) in
        [("LIGHT-ONE", "LIGHT-ONE"), ("Light-One", "Light-One"), ("light-two", "Light-Two")]
    {
        // Known by now, or not.
        for _ in 0..2 {
            let output = machine.rig(TWINS, &["--json", "status", target]);
            assert_eq!(
                (code(&output), names(&output)),
                (0, vec![expected.to_owned()]),
                "{target}: {output:?}"
            );
        }
    }
    let output = machine.rig(TWINS, &["--json", "on", "light-one"]);
    let message = failed(&output, 3, "target.ambiguous")["message"].to_string();
    for part in ["Light-One (C4:11:00:00:0E:01)", "LIGHT-ONE (C4:11:00:00:0E:02)"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(machine.air().matches("connect").count() % 2, 0, "{}", machine.air());
}

#[test]
fn an_error_names_what_is_spelled_alike() {
    let machine = Machine::new();
    machine.config("aliases.window = 'Light-Shelf'\n");
    let hint = |target: &str| {
        let output = machine.sim(&["--json", "--timeout", "1s", "status", target]);
        failed(&output, 3, "target.not_found")["hint"].as_str().unwrap().to_owned()
    };
    assert!(hint("Ligth-Desk").starts_with("the closest names are Light-Desk,"), "{}", hint("Ligth-Desk"));
    assert!(hint("windw").starts_with("the closest names are window;"), "{}", hint("windw"));
    assert!(hint("C4:11:00:00:00:77").contains("C4:11:00:00:00:0"));
    assert!(hint("zzz").starts_with("check that it is powered"));
}

#[test]
fn names_in_hints_are_escaped() {
    let machine = Machine::new();
    let rig = "rig = 1\n[[bulb]]\nname = \"Light-\\u001b[31m1\"\naddress = \"C4:11:00:00:0E:04\"\n";
    let output = machine.rig(rig, &["--timeout", "1s", "status", "Light-1"]);
    assert!(stderr(&output).contains("closest names are Light-"), "{output:?}");
    assert!(!stderr(&output).contains('\u{1b}'), "{output:?}");
}

/// A bulb that appears after a while.
const LATE: &str = "rig = 1\n[[bulb]]\nname = \"Light-Here\"\naddress = \"C4:11:00:00:0E:05\"\n\
                    [[bulb]]\nname = \"Light-Late\"\naddress = \"C4:11:00:00:0E:06\"\n\
                    [[event]]\nat = \"0ms\"\nbulb = \"C4:11:00:00:0E:06\"\ndo = \"vanish\"\n\
                    [[event]]\nat = \"2500ms\"\nbulb = \"C4:11:00:00:0E:06\"\ndo = \"appear\"\n";

#[test]
fn wait_waits_until_the_bulb_is_there() {
    let machine = Machine::new();
    let run =
        |arguments: &[&str]| machine.rig(LATE, &[&["--json", "--timeout", "1500ms"], arguments].concat());
    failed(&run(&["status", "Light-Late"]), 3, "target.not_found");
    failed(&run(&["status", "Light-Late", "--wait", "700ms"]), 3, "target.not_found");
    for (arguments, expected) in [
        (&["status", "Light-Late", "--wait"][..], &["Light-Late"][..]),
        (&["status", "light-late", "--wait=20s"], &["Light-Late"]),
        (&["on", "Light-Late", "Light-Here", "--wait"], &["Light-Here", "Light-Late"]),
        (&["watch", "Light-L*", "--count", "1", "--wait", "20s"], &["Light-Late"]),
        // The system still knows it from before, but it is not there.
        (&["status", "C4:11:00:00:0E:06", "--wait"], &["Light-Late"]),
    ] {
        let start = Instant::now();
        let output = run(arguments);
        assert_eq!(
            (code(&output), names(&output)),
            (0, expected.iter().map(|&one| one.to_owned()).collect()),
            "{arguments:?}: {output:?}"
        );
        assert!(start.elapsed() >= Duration::from_millis(2500), "{arguments:?}");
    }
    let output = run(&["gatt", "read", "Light-Late", "fff2", "--wait"]);
    succeeded(&output);
    // A target is not taken for a time.
    let output = run(&["status", "--wait", "Light-Late"]);
    assert!(failed(&output, 2, "usage")["message"].as_str().unwrap().contains("after TARGET"), "{output:?}");
}

/// A bulb that takes a while to connect to, and one that is never there.
#[test]
fn the_time_for_a_search_leaves_time_for_what_it_finds() {
    let rig = "rig = 1\n[[bulb]]\nname = \"Light-Slow\"\naddress = \"C4:11:00:00:0E:07\"\n\
               connect_latency = \"500ms\"\nstatus_latency = \"100ms\"\n";
    let machine = Machine::new();
    machine.config("groups.room = ['Light-Slow']\ngroups.house = ['@room', 'Nobody']\n");
    for (target, expected) in [
        ("Light-Slow", 0),
        ("light-slow", 0),
        ("Light-S*", 0),
        ("all", 0),
        ("@room", 0),
        ("@house", 10),
        ("Nobody,Light-Slow", 10),
        ("Nobody*,all", 10),
    ] {
        let start = Instant::now();
        let output = machine.rig(rig, &["--json", "--timeout", "2s", "status", target]);
        assert_eq!((code(&output), names(&output).len()), (expected, 1), "{target}: {output:?}");
        assert!(start.elapsed() < Duration::from_millis(2500), "{target}: {:?}", start.elapsed());
    }
}

#[test]
fn a_scan_shows_the_bulbs_that_the_system_holds() {
    let machine = Machine::new();
    succeeded(&machine.sim(&["connect", "Light-Desk"]));
    let scan = stdout(&machine.sim(&["scan", "--duration", "1s"]));
    let desk: Vec<&str> = scan.lines().filter(|line| line.contains("Light-Desk")).collect();
    assert_eq!(desk, ["C4:11:00:00:00:01\t-\tbase\tLight-Desk\tconnected"]);
    let json = machine.sim(&["--json", "scan", "--name", "Light-*", "--duration", "1s"]);
    let connected: Vec<Value> = of_type(&json, "device").iter().map(|one| one["connected"].clone()).collect();
    assert_eq!((connected.len(), connected.iter().filter(|held| **held == true).count()), (2, 1), "{json:?}");
    succeeded(&machine.sim(&["disconnect", "light-desk"]));
    let scan = stdout(&machine.sim(&["scan", "--duration", "1s"]));
    assert!(scan.contains("Light-Desk") && !scan.contains("connected"), "{scan}");
}

#[test]
fn a_scan_that_finds_nothing_fails_with_its_record() {
    let machine = Machine::new();
    let output = machine.rig("rig = 1\n", &["--json", "scan", "--duration", "300ms"]);
    assert_eq!(of_type(&output, "scan")[0]["found"], 0);
    failed(&output, 3, "scan.nothing");
}

/// With a name that is like that of a base bulb, its table is enough. Without one, the state must be readable.
#[test]
fn a_soft_name_is_enough_and_a_read_decides_without_one() {
    let machine = Machine::new();
    let refuses = "[[bulb.fault]]\non = \"read\"\ndo = \"error\"\natt = 128\ncharacteristic = \"fff2\"\n";
    for (name, fault, family) in [
        ("Light-1", "", "base"),
        ("Light-1", refuses, "base"),
        ("Kitchen", "", "base"),
        ("Kitchen", refuses, ""),
    ] {
        let bulb = format!("name = \"{name}\"\naddress = \"C4:11:00:00:0F:01\"\nadvertises = [\"fff0\"]\n");
        let rig = format!("rig = 1\n[[bulb]]\n{bulb}{fault}");
        let output = machine.rig(&rig, &["--json", "info", "C4:11:00:00:0F:01", "--listen", "200ms"]);
        let found = of_type(&output, "info")[0]["profile"].as_str().unwrap_or_default().to_owned();
        assert_eq!(found, family, "{name} {fault}");
        // Nothing was written to find out.
        assert_eq!(
            std::fs::read_to_string(machine.path().join("air.log")).unwrap().matches("\"write\"").count(),
            0
        );
    }
}
