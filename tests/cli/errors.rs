//! Each way in which Bluetooth can be unusable has its own sentence, and says how to go on without it.

use super::*;

/// The states of an adapter that a rig can play, with what they must give.
pub(crate) const UNUSABLE: [(&str, &str, i32); 6] = [
    ("off", "adapter.off", 4),
    ("blocked", "adapter.blocked", 4),
    ("absent", "adapter.none", 4),
    ("no-service", "service.down", 4),
    ("no-bus", "service.no_bus", 4),
    ("denied", "service.denied", 5),
];

#[test]
fn every_unusable_adapter_has_its_own_sentence_and_hint() {
    let machine = Machine::new();
    let mut sentences = Vec::new();
    for (state, error, exit) in UNUSABLE {
        let rig = format!("rig = 1\n[adapter]\nstate = \"{state}\"\n");
        for verb in [
            &["scan"][..],
            &["on", "all"],
            &["battery", "x"],
            &["disconnect", "x"],
            &["watch", "x"],
            &["info", "x"],
            &["doctor"],
        ] {
            let output = machine.rig(&rig, &[verb, &["--json"]].concat());
            let record = failed(&output, exit, error);
            assert!(record["hint"].as_str().unwrap().contains("--adapter sim"), "{record}");
            sentences.push(record["message"].to_string());
        }
    }
    sentences.dedup();
    assert_eq!(sentences.len(), UNUSABLE.len(), "{sentences:?}");
}

#[test]
fn a_machine_without_a_bus_is_told_so() {
    let machine = Machine::new();
    let output = machine
        .bulbctl(&["scan", "--json"])
        .env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus")
        .output()
        .unwrap();
    if cfg!(target_os = "linux") {
        failed(&output, 4, "service.no_bus");
    }
}

/// Every code of `error/kind.rs` stands in docs/JSON.md in the row of its exit code, and the other way round.
#[test]
fn the_docs_list_every_code_with_its_exit_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = std::fs::read_to_string(root.join("src/error/kind.rs")).unwrap();
    let docs = std::fs::read_to_string(root.join("docs/JSON.md")).unwrap();
    let row =
        |exit: &str| docs.lines().find(|line| line.starts_with(&format!("| {exit} |"))).unwrap_or_default();
    let exits: Vec<(&str, &str)> = source
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Self::")?.strip_suffix(',')?.split_once(" => "))
        .filter(|(_, exit)| exit.parse::<u8>().is_ok())
        .collect();
    assert_eq!(exits.len(), 17, "{exits:?}");
    let mut codes = 0;
    for line in source.lines().filter(|line| line.contains("(\"")) {
        let (code, kind) = line.split_once("(\"").unwrap().1.split_once("\", ").unwrap();
        let kind = kind.trim_matches([',', ')']);
        let kind = kind.strip_prefix("Kind::").unwrap_or("Partial");
        let exit = exits.iter().find(|(name, _)| *name == kind).unwrap().1;
        if exit != "0" {
            assert!(row(exit).contains(&format!("`{code}`")), "{code} is not in the row of exit code {exit}");
            codes += 1;
        }
    }
    let listed: usize = docs
        .lines()
        .filter(|line| line.starts_with("| ") && line.as_bytes()[2].is_ascii_digit())
        .map(|line| line.matches('`').count() / 2)
        .sum();
    assert_eq!(listed, codes);
}
