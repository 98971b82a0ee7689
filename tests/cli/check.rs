//! `check` with the checks that a profile file brings with it.

use crate::{Machine, code, records, stderr, stdout};

const BOARD: &str = r#"
profile = 1
name = "board"
title = "A board on a desk"
[[match]]
name = "DESK-*"
score = 60
[role.control]
at = ["1234/1235"]
properties = ["write"]
[role.status]
at = ["1234/1236"]
properties = ["read", "notify"]
[can]
power = {}
brightness = {}
[commands]
power = "55 01 {power} {sum}"
brightness = "55 03 {brightness} {sum}"
[[report]]
on = ["read", "change"]
ask = "AA"
frame = "AA {power} {brightness} {sum}"

[[check]]
name = "question"
about = "it answers the question for its state"
write = [{ frame = "AA" }]
reply = "AA ?? ?? {sum}"

[[check]]
name = "version"
about = "it tells its version within 200 ms"
write = [{ frame = "55 0F" }]
reply = "56 ?? {sum}"
within = "200ms"
look = "the handler of 0F"

[[check]]
name = "second-answer"
about = "its answer is in the new format"
write = [{ frame = "AA" }]
reply = "AB ?? ?? {sum}"

[[check]]
name = "status-is-on"
about = "its status says that it is on"
read = "AA 01 ?? {sum}"

[[check]]
name = "status-is-new"
about = "its status is in the new format"
read = "AB ?? ?? {sum}"

[[check]]
name = "unknown-opcode"
about = "a frame with an opcode that is not there changes nothing, and the link stays up"
write = [{ frame = "55 77 00" }]
unchanged = true

[[check]]
name = "strobe"
about = "a frame that makes it flash is answered"
write = [{ frame = "AA" }]
reply = "AA ..."
flashing = true
"#;

const RIG: &str =
    "rig = 1\n[[bulb]]\nprofile = \"./board.toml\"\nname = \"DESK-1\"\naddress = \"C4:11:00:00:02:02\"\n";

#[test]
fn a_profile_brings_checks_of_its_own() {
    let machine = Machine::new();
    std::fs::write(machine.path().join("board.toml"), BOARD).unwrap();
    let file = machine.profile("board", BOARD);
    let output = machine.rig(RIG, &["--json", "check", "DESK-1", "--only", "board.*"]);
    assert_eq!(code(&output), 12, "{output:?}");
    let said: Vec<(String, String)> = records(&output)
        .iter()
        .filter(|record| record["type"] == "check")
        .map(|record| (record["check"].as_str().unwrap().into(), record["result"].as_str().unwrap().into()))
        .collect();
    let said: Vec<(&str, &str)> = said.iter().map(|(name, result)| (&**name, &**result)).collect();
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
    let failed: Vec<_> = records(&output).into_iter().filter(|record| record["result"] == "failed").collect();
    for (failed, words) in failed.iter().zip(["refused a write to ", "it was notified: ", "it was read: "]) {
        let seen = failed["seen"].as_str().unwrap();
        assert!(seen.contains(words) && failed["expected"].is_string(), "{failed}");
    }
    assert_eq!(failed[0]["look"], "the handler of 0F");
    // With those that are built in, one after the other.
    let output = machine.rig(RIG, &["check", "DESK-1", "--only", "command-on,board.question", "--flashing"]);
    assert_eq!(code(&output), 0, "{output:?}");
    let text = stdout(&output);
    assert!(text.contains("passed\tcommand-on") && text.contains("passed\tboard.question"), "{text}");
    // One that is in no file of this bulb's is not run in silence.
    let output = machine.rig(RIG, &["--json", "check", "DESK-1", "--only", "board.nothing"]);
    assert_eq!(
        (code(&output), records(&output).last().unwrap()["code"].as_str()),
        (2, Some("usage")),
        "{output:?}"
    );
    let list = machine.run(&["check", "--list", "--only", "board.*", "--profile", file.to_str().unwrap()]);
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
