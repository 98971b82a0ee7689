//! Targets that mean several bulbs: aliases, groups, globs, lists, `all`; and what is said when one fails.

use super::*;

fn names(output: &Output) -> Vec<String> {
    let mut names: Vec<String> =
        of_type(output, "state").iter().map(|state| state["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn every_kind_of_target() {
    let machine = Machine::new();
    machine.config("aliases.desk = 'c4-11-00-00-00-01'\ngroups.office = ['desk', 'Light-Shelf']\n");
    let every = ["Bulb-Garden", "Bulb-Hallway", "Light-Desk", "Light-Shelf"];
    for (target, expected) in [
        ("desk", &every[2..3]),
        ("@office", &every[2..]),
        ("light-*", &every[2..]),
        ("Bulb-Hallway,C4110000000 1", &[]),
        ("Bulb-Hallway,C41100000001", &every[1..3]),
        ("all", &every[..]),
        ("desk,@office,all", &every[..]),
    ] {
        let output = machine.sim(&["--json", "status", target]);
        if expected.is_empty() {
            assert_eq!(code(&output), 10, "{target}");
        } else {
            assert_eq!(
                (code(&output), names(&output)),
                (0, expected.iter().map(|&name| name.to_owned()).collect()),
                "{target}"
            );
        }
    }
}

#[test]
fn one_that_fails_does_not_stop_the_others() {
    let machine = Machine::new();
    let output = machine.sim(&["--json", "on", "Light-Desk,Light-Nowhere"]);
    assert_eq!(code(&output), 10);
    assert_eq!(names(&output), ["Light-Desk"]);
    let errors = of_type(&output, "error");
    assert_eq!(
        (errors[0]["target"].as_str(), errors[0]["code"].as_str()),
        (Some("Light-Nowhere"), Some("target.not_found"))
    );
    assert_eq!((errors[1]["target"].as_str(), errors[1]["code"].as_str()), (None, Some("partial")));
    // When all fail alike, the exit code says how.
    assert_eq!(code(&machine.sim(&["on", "Nowhere,Nothing"])), 3);
}

/// The search leaves half of the time for the bulbs that it finds.
#[test]
fn the_search_does_not_use_up_the_time() {
    let machine = Machine::new();
    for (target, expected) in [("Light-Desk,Light-Nowhere", 10), ("Light-D*", 0), ("Nobody-*,Light-D*", 10)] {
        for timeout in ["1s", "2s"] {
            let output = machine.sim(&["--json", "--timeout", timeout, "status", target]);
            assert_eq!(code(&output), expected, "{target} {timeout}: {output:?}");
            assert_eq!(names(&output), ["Light-Desk"], "{target} {timeout}");
        }
    }
}

#[test]
fn a_name_of_two_bulbs_is_refused_and_both_are_listed() {
    let machine = Machine::new();
    let bulb = |last: u8| format!("[[bulb]]\nname = \"RGBLightOne\"\naddress = \"C4:11:00:00:08:0{last}\"\n");
    let rig = format!("rig = 1\n{}{}", bulb(1), bulb(2));
    let output = machine.rig(&rig, &["on", "RGBLightOne"]);
    assert_eq!(code(&output), 3);
    for id in ["C4:11:00:00:08:01", "C4:11:00:00:08:02"] {
        assert!(stderr(&output).contains(id), "{}", stderr(&output));
    }
    assert_eq!(code(&machine.rig(&rig, &["on", "RGBLight*"])), 0);
}

#[test]
fn piped_output_is_plain_and_one_record_a_line() {
    let machine = Machine::new();
    let output = machine.sim(&["set", "Light-Desk", "--color", "teal", "--brightness", "5", "--off"]);
    assert_eq!(stdout(&output), "Light-Desk\toff\t5 %\t#008080\n");
    assert_eq!(stderr(&output), "");
    let scan = stdout(&machine.sim(&["scan", "--duration", "1s"]));
    assert_eq!(scan.lines().count(), 4, "{scan}");
    assert!(scan.lines().all(|line| line.split('\t').count() == 4), "{scan}");
}

#[test]
fn frames_are_shown_in_both_directions() {
    let machine = Machine::new();
    let output = machine.sim(&["-vv", "set", "Light-Desk", "--on", "--brightness", "100", "--color", "red"]);
    let log = stderr(&output);
    for words in ["-> 0164ff0000  on  100 %  #ff0000", "notification fff2 <- 0164ff0000  on  100 %  #ff0000"]
    {
        assert!(log.contains(words), "{log}");
    }
}

/// Bulbs of which some refuse the first links.
const CROWD: &str = include_str!("files/crowd.toml");

#[test]
fn one_that_could_not_be_connected_to_is_tried_once_more_at_the_end() {
    let machine = Machine::new();
    let output = machine.rig(CROWD, &["--json", "-v", "on", "Light-*"]);
    assert_eq!(code(&output), 0, "{output:?}");
    assert_eq!(of_type(&output, "state").last().unwrap()["name"], "Light-2", "it comes last");
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(log.contains("attempt 2 of 4") && log.contains("once more, alone"), "{log}");
}

#[test]
fn links_are_bounded() {
    let machine = Machine::new();
    let output = machine.sim(&["--json", "watch", "Light-*", "--count", "1", "--max-links", "1"]);
    assert_eq!(code(&output), 10, "one of two was not watched");
    let errors = of_type(&output, "error");
    assert_eq!(errors[0]["code"], "connect.limit");
    assert!(errors[0]["message"].as_str().unwrap().contains("--max-links allows 1"), "{errors:?}");
    // Commands take turns instead.
    assert_eq!(code(&machine.sim(&["status", "Light-*", "--max-links", "1"])), 0);
    assert_eq!(code(&machine.sim(&["status", "Light-*", "--max-links", "0"])), 2);
}

#[test]
fn one_of_several_namesakes_that_fails_is_named_by_its_identifier() {
    let machine = Machine::new();
    let bulb = |last: u8| format!("[[bulb]]\nname = \"Light-1\"\naddress = \"C4:11:00:00:08:0{last}\"\n");
    let fault = "[[bulb.fault]]\non = \"read\"\ndo = \"error\"\natt = 0x0e\n";
    let rig = format!("rig = 1\n{}{}{fault}", bulb(1), bulb(2));
    let output = machine.rig(&rig, &["--json", "status", "Light-*"]);
    assert_eq!(code(&output), 10, "{output:?}");
    let id = of_type(&output, "error")[0]["target"].clone();
    assert_eq!(id, "C4:11:00:00:08:02");
    // Which can be used.
    assert_eq!(code(&machine.rig(&rig, &["status", id.as_str().unwrap()])), 8);
}

/// Another command holds the world file for a while, and changes another bulb meanwhile.
#[test]
fn commands_at_the_same_time_lose_no_change_of_one_another() {
    let rig = "rig = 1\n[[bulb]]\nname = \"Light-1\"\naddress = \"C4:11:00:00:00:01\"\n\
               [[bulb]]\nname = \"Light-2\"\naddress = \"C4:11:00:00:00:02\"\n";
    let machine = Machine::new();
    succeeded(&machine.rig(rig, &["off", "Light-1,Light-2"]));
    let files: Vec<_> = std::fs::read_dir(machine.path().join("sim"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    let [world] = files.as_slice() else { panic!("{files:?}") };
    let lock = std::fs::File::open(world.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    let mut saved: Value = serde_json::from_str(&std::fs::read_to_string(world).unwrap()).unwrap();
    let mut child = machine.on_rig(rig, &["on", "Light-1"]).stdout(Stdio::null()).spawn().unwrap();
    let start = std::time::Instant::now();
    while !machine.air().contains("\"hex\":\"01") {
        assert!(start.elapsed() < std::time::Duration::from_secs(30), "{}", machine.air());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    // Twice as long as it once waited for the lock.
    std::thread::sleep(std::time::Duration::from_millis(400));
    saved["devices"]["C4:11:00:00:00:02"]["light"]["power"] = true.into();
    std::fs::write(world, saved.to_string()).unwrap();
    lock.unlock().unwrap();
    assert!(child.wait().unwrap().success());
    let states = of_type(&machine.rig(rig, &["status", "Light-1,Light-2", "--json"]), "state");
    assert!(states.len() == 2 && states.iter().all(|state| state["power"] == true), "{states:?}");
}
