//! `check` with the checks that a profile file brings with it.

use super::*;

const BOARD: &str = include_str!("files/board-checks.toml");

const RIG: &str =
    "rig = 1\n[[bulb]]\nprofile = \"./board.toml\"\nname = \"DESK-1\"\naddress = \"C4:11:00:00:02:02\"\n";

#[test]
fn a_profile_brings_checks_of_its_own() {
    let machine = Machine::new();
    machine.write("board.toml", BOARD);
    let file = machine.profile("board", BOARD);
    let output = machine.rig(RIG, &["--json", "check", "DESK-1", "--only", "board.*"]);
    assert_eq!(code(&output), 12, "{output:?}");
    let checks = of_type(&output, "check");
    let said: Vec<_> = checks
        .iter()
        .map(|check| (check["check"].as_str().unwrap(), check["result"].as_str().unwrap()))
        .collect();
    assert_eq!(
        said,
        [
            ("board.question", "passed"),
            ("board.version", "failed"),
            ("board.second-answer", "failed"),
            ("board.status-is-on", "passed"),
            ("board.status-is-new", "failed"),
            ("board.unknown-opcode", "passed"),
            ("board.strobe", "skipped"),
        ]
    );
    let failures: Vec<_> =
        records(&output).into_iter().filter(|record| record["result"] == "failed").collect();
    for (record, words) in failures.iter().zip(["refused a write to ", "it was notified: ", "it was read: "])
    {
        let seen = record["seen"].as_str().unwrap();
        assert!(seen.contains(words) && record["expected"].is_string(), "{record}");
    }
    assert_eq!(failures[0]["look"], "the handler of 0F");
    // With those that are built in, one after the other.
    let output = machine.rig(RIG, &["check", "DESK-1", "--only", "command-on,board.question", "--flashing"]);
    assert_eq!(code(&output), 0, "{output:?}");
    let text = stdout(&output);
    assert!(text.contains("passed\tcommand-on") && text.contains("passed\tboard.question"), "{text}");
    // One that is in no file of this bulb's is not run in silence.
    let output = machine.rig(RIG, &["--json", "check", "DESK-1", "--only", "board.nothing"]);
    failed(&output, 2, "usage");
    let list = machine.run(&["check", "--list", "--only", "board.*", "--profile", &file]);
    assert_eq!(stdout(&list).lines().count(), 7, "{}", stderr(&list));
}

#[test]
fn a_bulb_that_cannot_be_driven_does_not_keep_the_others_from_being_checked() {
    let machine = Machine::new();
    let rig = "rig = 1\n[[bulb]]\nprofile = \"govee:encrypted\"\naddress = \"C4:11:00:00:02:01\"\n\
               [[bulb]]\nname = \"Light-Desk\"\naddress = \"C4:11:00:00:02:02\"\n";
    let output = machine
        .rig(rig, &["--json", "check", "C4:11:00:00:02:01,C4:11:00:00:02:02", "--only", "state-readable"]);
    let said = records(&output);
    let of = |kind: &str| said.iter().filter(|one| one["type"] == kind).cloned().collect::<Vec<_>>();
    let errors = of("error");
    assert_eq!((code(&output), errors[0]["code"].as_str()), (10, Some("profile.unsupported")), "{said:#?}");
    assert!(errors[0]["target"].is_string(), "{errors:?}");
    let checked = of("check");
    assert_eq!((checked.len(), checked[0]["address"].as_str()), (1, Some("C4:11:00:00:02:02")), "{said:#?}");
}
