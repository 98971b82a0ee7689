//! The fault matrix: runs every operation on every rig of fixtures/rigs/faults, on the sim radio, through the program.
//! docs/FAULTS.md has the expected result of each; `BLESS=1` writes the results there, for review. No operation may leave a link
//! behind, or print a state that the bulb did not have.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "faults/desk.rs"]
mod desk;
mod named;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

/// The operations: their heading in the table, and their arguments.
const OPERATIONS: [(&str, &[&str]); 9] = [
    ("`scan`", &["scan", "--duration", "2500ms"]),
    ("`connect`", &["connect", "Light-1"]),
    ("`info`", &["info", "Light-1", "--listen", "300ms"]),
    ("`status`", &["status", "Light-1"]),
    ("`on`", &["on", "Light-1"]),
    ("`toggle`", &["toggle", "Light-1"]),
    ("`battery`", &["battery", "Light-1"]),
    ("`watch`", &["watch", "Light-1", "--duration", "5s"]),
    // Runs `connect` first.
    ("`disconnect`", &["disconnect", "Light-1"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rigs() -> Vec<PathBuf> {
    let mut rigs: Vec<_> = fs::read_dir(root().join("fixtures/rigs/faults"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    rigs.sort();
    rigs
}

fn cell(rig: &Path, arguments: &[&str]) -> String {
    let dir = TempDir::new().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bulbctl"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("BULBCTL_") {
                command.env_remove(name);
            }
        }
        command
            .env("BULBCTL_ADAPTER", format!("sim:{}", rig.display()))
            .env("BULBCTL_SIM_DIR", dir.path().join("world"))
            .env("BULBCTL_SIM_LOG", dir.path().join("log"))
            .env("XDG_CONFIG_HOME", dir.path().join("config"))
            .args(["--json", "--timeout", "2s"])
            .args(arguments);
        command.output().unwrap()
    };
    if arguments[0] == "disconnect" {
        run(&["connect", "Light-1"]);
    }
    let output = run(arguments);
    let end = end_of(&output);
    if arguments[0] == "connect" {
        // `connect` leaves its link up on purpose.
        run(&["disconnect", "Light-1"]);
    }
    let log = fs::read_to_string(dir.path().join("log")).unwrap_or_default();
    let count = |event: &str| log.matches(&format!("\"event\":\"{event}\"")).count();
    assert_eq!(
        count("connect"),
        count("disconnect"),
        "{}: {arguments:?} leaves a link: {log}",
        rig.display()
    );
    assert_states_are_true(&output, &log);
    end
}

/// A reported state must be the initial one, or one that was written to the bulb or notified by it.
fn assert_states_are_true(output: &Output, log: &str) {
    for state in records(output).iter().filter(|record| record["type"] == "state") {
        match state["provenance"].as_str().unwrap() {
            "reported" => {
                let on = state["power"].as_bool().unwrap();
                let written = format!("\"hex\":\"{:02x}32ffffff\"", u8::from(on));
                assert!(!on || log.contains(&written), "{state} of {log}");
            }
            "unknown" => assert!(state["power"].is_null() && state["brightness"].is_null(), "{state}"),
            _ => assert_eq!(state["confirmed"], false, "{state}"),
        }
    }
}

fn records(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect()
}

fn end_of(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("panicked"), "{stderr}");
    let records = records(output);
    let mut results: Vec<String> = Vec::new();
    for record in &records {
        let word = match record["type"].as_str().unwrap() {
            "state" => match (record["provenance"].as_str().unwrap(), record["confirmed"].as_bool()) {
                ("reported", Some(false)) => "reports another state".to_owned(),
                ("assumed", Some(false)) => "assumed, not confirmed".to_owned(),
                (provenance, _) => provenance.to_owned(),
            },
            "link" if record["state"] == "reconnecting" => continue,
            "link" => record["state"].as_str().unwrap().to_owned(),
            "error" => {
                let code = record["code"].as_str().unwrap();
                match record["target"].is_null() {
                    true => format!("**{}** `{code}`", record["exit"]),
                    false => format!("`{code}`"),
                }
            }
            "battery" => "read".to_owned(),
            // The GATT table and the family.
            "info" => {
                let services = record["services"].as_array().unwrap().len();
                let family = record["profile"].as_str().unwrap_or("no family");
                format!("{services} service{}, {family}", if services == 1 { "" } else { "s" })
            }
            "scan" => format!("{} found", record["found"]),
            _ => continue,
        };
        if results.last() != Some(&word) {
            results.push(word);
        }
    }
    let code = output.status.code().unwrap();
    if code == 0 && results.is_empty() {
        results.push("no output".to_owned());
    }
    assert!(
        code == 0 || results.last().is_some_and(|last| last.contains(&format!("**{code}**"))),
        "{records:?}"
    );
    results.join(", ")
}

fn matrix() -> String {
    let rigs = rigs();
    let cells: Vec<_> =
        rigs.iter().flat_map(|rig| OPERATIONS.map(|(_, arguments)| (rig, arguments))).collect();
    let results = Mutex::new(vec![String::new(); cells.len()]);
    let next = std::sync::atomic::AtomicUsize::new(0);
    thread::scope(|scope| {
        // They wait most of the time.
        for _ in 0..12 {
            scope.spawn(|| {
                while let Some((index, (rig, arguments))) = {
                    let index = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    cells.get(index).map(|cell| (index, *cell))
                } {
                    let end = cell(rig, arguments);
                    results.lock().unwrap()[index] = end;
                }
            });
        }
    });
    let results = results.into_inner().unwrap();
    let heads: Vec<&str> = OPERATIONS.iter().map(|(name, _)| *name).collect();
    let mut table = format!(
        "| rig | what is wrong | {} | `tui` |\n|{}\n",
        heads.join(" | "),
        "---|".repeat(heads.len() + 3)
    );
    for (rig, ends) in rigs.iter().zip(results.chunks(OPERATIONS.len())) {
        let text = fs::read_to_string(rig).unwrap();
        let about = text.lines().find_map(|line| line.strip_prefix("about = ")).unwrap().trim_matches('"');
        let name = rig.file_stem().unwrap().to_string_lossy();
        writeln!(table, "| `{name}` | {about} | {} | {} |", ends.join(" | "), desk::cell(rig)).unwrap();
    }
    table
}

const BEGIN: &str = "<!-- generated by tests/faults.rs -->\n";
const END: &str = "<!-- end -->\n";

#[test]
fn operations_end_as_documented() {
    let path = root().join("docs/FAULTS.md");
    let text = fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_once(BEGIN).unwrap();
    let (documented, tail) = rest.split_once(END).unwrap();
    let found = matrix();
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, [head, BEGIN, &found, END, tail].concat()).unwrap();
        return;
    }
    for (documented, found) in documented.lines().zip(found.lines()) {
        assert_eq!(documented, found, "docs/FAULTS.md; BLESS=1 updates it");
    }
    assert_eq!(documented.lines().count(), found.lines().count(), "docs/FAULTS.md; BLESS=1 updates it");
}

/// Number of rows in each part of the table of reported failures, A1 to A11.
const FAILURES: [usize; 11] = [8, 9, 13, 10, 3, 6, 4, 7, 6, 6, 5];

/// Every failure has one row, in order, with what bulbctl does and the test that shows it, or with "not done".
#[test]
fn every_reported_failure_has_a_row() {
    let text = fs::read_to_string(root().join("docs/FAULTS.md")).unwrap();
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| line.starts_with("| A"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let wanted: Vec<String> = (1..)
        .zip(FAILURES)
        .flat_map(|(part, rows)| (1..=rows).map(move |row| format!("A{part}.{row}")))
        .collect();
    assert_eq!(rows.iter().map(|row| row[0]).collect::<Vec<_>>(), wanted);
    for row in rows {
        let [id, failure, done, shown] = row[..] else { panic!("{row:?}") };
        assert!(!failure.is_empty() && !done.is_empty(), "{row:?}");
        assert!(shown.contains(".rs: ") != done.starts_with("not done"), "{id}: {shown}");
    }
}

#[test]
fn named_tests_exist() {
    let text = fs::read_to_string(root().join("docs/FAULTS.md")).unwrap();
    let mut count = 0;
    for piece in text.split('`').skip(1).step_by(2).filter(|piece| piece.contains(".rs: ")) {
        named::assert_test(piece);
        count += 1;
    }
    assert!(count > 100, "{count} tests are named");
}

/// Each rig has its scenario on the real stack.
#[test]
fn every_rig_has_a_row_for_the_real_stack() {
    let text = fs::read_to_string(root().join("docs/FAULTS.md")).unwrap();
    let (_, rest) = text.split_once("\n## On a real Bluetooth stack\n").unwrap();
    let (table, _) = rest.split_once("\n## ").unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" | "));
    let named: BTreeSet<&str> = rows
        .filter(|(_, shown)| shown.contains("tests/scenarios/"))
        .flat_map(|(rigs, _)| rigs.split([',', ' ']).map(|rig| rig.trim_matches('`')))
        .collect();
    let rigs = rigs();
    let without: Vec<_> = rigs
        .iter()
        .map(|rig| rig.file_stem().unwrap().to_str().unwrap())
        .filter(|rig| !named.contains(rig))
        .collect();
    assert!(without.is_empty(), "no scenario is named for {without:?}");
}

#[test]
fn libdbus_is_built_with_the_program() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let (_, package) = lock.split_once("name = \"libdbus-sys\"\n").unwrap();
    let package = package.split("\n\n").next().unwrap();
    // A vendored library is built with cc; others are found with pkg-config alone.
    assert!(package.contains("\"cc\""), "{package}");
}
