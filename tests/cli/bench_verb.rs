//! `bench`: what it prints, saves and compares.

use std::time::{Duration, Instant};

use serde_json::json;

use super::*;

const ADDRESS: &str = "C4:11:00:00:0C:01";

fn rig(keys: &str) -> String {
    format!(
        "rig = 1\n[[bulb]]\nname = \"Light-Board\"\naddress = \"{ADDRESS}\"\nbrightness = 40\n\
         connect_latency = \"5ms\"\n{keys}\n"
    )
}

#[test]
fn firmware_before_and_after_is_compared() {
    let machine = Machine::new();
    let [before, after, broken] =
        ["before.json", "after.json", "broken.json"].map(|name| machine.path().join(name));
    let [old, new, wrong] = [&before, &after, &broken].map(|path| path.to_str().unwrap());
    let only = ["bench", "Light-Board", "--only", "latency", "--rounds", "15", "--json"];
    let output = machine.rig(&rig("status_latency = \"10ms\""), &[&only[..], &["--save", old]].concat());
    let bench = &of_type(&output, "bench")[0];
    assert_eq!((code(&output), &bench["notification"]["count"]), (0, &Value::from(15)));
    // What is saved is the line.
    let saved: Value = serde_json::from_str(&std::fs::read_to_string(&before).unwrap()).unwrap();
    assert_eq!((&saved["notification"], &saved["id"]), (&bench["notification"], &Value::from(ADDRESS)));
    assert_eq!((&saved["connect"], &saved["restored"]), (&Value::Null, &Value::Bool(true)));

    // A slower firmware.
    let slow = rig("status_latency = \"150ms\"");
    let output = machine.rig(&slow, &[&only[..], &["--save", new, "--compare", old]].concat());
    let comparison = &of_type(&output, "comparison")[0];
    let of = |comparison: &Value, name: &str| {
        let all = comparison["differences"].as_array().unwrap().clone();
        all.into_iter().find(|one| one["figure"] == name).unwrap_or_else(|| panic!("{name}: {comparison}"))
    };
    let slower = of(comparison, "notification");
    assert_eq!(slower["beyond_noise"], true, "{slower}");
    assert!(slower["change_percent"].as_f64().unwrap() > 50.0, "{slower}");

    // Two files need no radio, and give the same; the same file twice differs in nothing.
    let output = machine.run(&["bench", "--compare", old, new, "--json"]);
    assert_eq!(of(&of_type(&output, "comparison")[0], "notification"), slower);
    let output = machine.run(&["bench", "--compare", old, old, "--json"]);
    let same = of(&of_type(&output, "comparison")[0], "notification");
    assert_eq!((&same["beyond_noise"], &same["change_percent"]), (&Value::Bool(false), &Value::from(0.0)));
    let text = stdout(&machine.run(&["bench", "--compare", old, new]));
    assert!(text.contains("notification") && text.contains("differs") && text.contains("%"), "{text}");

    // BenchResult over other connection parameters, where they are known.
    let over = |path: &Path, interval: [f64; 2]| {
        let mut saved: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert_eq!(saved["parameters"], Value::Null);
        saved["parameters"] = json!({"interval_ms": interval, "latency": 0, "supervision_timeout_ms": 420.0, "of_device": false});
        std::fs::write(path, format!("{saved}\n")).unwrap();
    };
    over(&before, [30.0, 50.0]);
    over(&after, [7.5, 7.5]);
    let text = stdout(&machine.run(&["bench", "--compare", old, new]));
    for line in
        ["interval 30 to 50 ms, latency 0, supervision timeout 420 ms", "-> interval 7.5 ms, latency 0"]
    {
        assert!(text.contains(line), "{text}");
    }
    assert!(!stdout(&machine.run(&["bench", "--compare", new, new])).contains("interval"));

    std::fs::write(&broken, "{\"type\":\"state\"}\n").unwrap();
    for (arguments, part) in [
        (&["--compare", old, wrong][..], "not a measurement"),
        (&["--compare", old, "nowhere.json"], "nowhere.json"),
        (&["--compare", old], "needs a TARGET"),
        (&["--rounds", "0", "x"], "--rounds"),
        (&["--save", new, "--compare", old, old], "TARGET"),
        (&[], "TARGET"),
    ] {
        let output = machine.run(&[&["bench"], arguments].concat());
        assert!(stderr(&output).contains(part) && code(&output) == 2, "{arguments:?}: {output:?}");
    }
}

#[test]
fn what_is_not_measured_is_told_with_the_reason() {
    let machine = Machine::new();
    let rig =
        "rig = 1\n[[bulb]]\nprofile = \"elk\"\nname = \"ELK-BLEDOM\"\naddress = \"C4:11:00:00:0C:02\"\n";
    let bench = ["bench", "ELK-BLEDOM", "--only", "latency,rate", "--json"];
    let output = machine.rig(rig, &bench);
    let record = &of_type(&output, "bench")[0];
    let parts: Vec<_> =
        record["skipped"].as_array().unwrap().iter().map(|one| one["part"].as_str().unwrap()).collect();
    assert_eq!((parts, code(&output)), (vec!["latency", "rate"], 0));
    assert_eq!((&record["rates"], &record["restored"]), (&Value::Array(Vec::new()), &Value::Null));
    let log = machine.air();
    assert!(!log.contains("\"event\":\"write\""), "{log}");
    let output = machine.sim(&["bench", "Light-*"]);
    assert!(stderr(&output).contains("one bulb") && code(&output) == 2, "{output:?}");
}

#[cfg(unix)]
#[test]
fn an_interrupt_puts_the_state_back() {
    let machine = Machine::new();
    let mut child = machine
        .on_rig(&rig(""), &["bench", "Light-Board", "--only", "rate"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    let writes = || {
        let text = machine.air();
        let lines = text.lines().filter(|line| line.contains("\"event\":\"write\""));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    // In the middle of a burst, with the other brightness as the newest.
    while writes().len() < 4 || !writes().last().is_some_and(|line| line.contains("\"002a")) {
        assert!(start.elapsed() < Duration::from_secs(20), "{:#?}", writes());
        std::thread::yield_now();
    }
    send("INT", &child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(writes().last().unwrap().contains("\"0028"), "{:#?}", writes());
    let output = machine.rig(&rig(""), &["status", "Light-Board", "--json"]);
    assert_eq!(of_type(&output, "state")[0]["brightness"], 40, "{output:?}");
}

#[test]
fn a_rate_is_not_said_to_lose_nothing_where_something_was_lost() {
    let machine = Machine::new();
    let fault = "[[bulb.fault]]\non = \"notify\"\ndo = \"lose\"\ncount = 1\nafter = 2\n";
    let output = machine.rig(&rig(fault), &["bench", "Light-Board", "--only", "rate"]);
    succeeded(&output);
    let text = stdout(&output);
    let first = text.lines().find(|line| line.contains("write request")).unwrap();
    assert!(first.contains("no loss twice in a row up to") && !first.contains("nothing lost"), "{text}");
    assert!(text.contains("1 of 10 not reported; nothing when repeated"), "{text}");
}
