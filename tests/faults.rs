//! The fault matrix: every rig of fixtures/rigs/faults, and every operation on its bulb, on the sim radio, through the program.
//! docs/FAULTS.md says how each is to end; `BLESS=1` writes what came out, to be looked at. In every cell, no link is left and
//! the state that is told is one that the bulb had.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "faults/desk.rs"]
mod desk;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

/// What is done: how it is called, and its arguments.
const OPERATIONS: [(&str, &[&str]); 9] = [
    ("scan", &["scan", "--duration", "2500ms"]),
    ("connect", &["connect", "Light-1"]),
    ("discover: `info`", &["info", "Light-1", "--listen", "300ms"]),
    ("read: `status`", &["status", "Light-1"]),
    ("write, notify: `on`", &["on", "Light-1"]),
    ("switch over: `toggle`", &["toggle", "Light-1"]),
    ("read: `battery`", &["battery", "Light-1"]),
    ("subscribe, idle: `watch`", &["watch", "Light-1", "--duration", "5s"]),
    // Of a link that `connect` has kept, where it could.
    ("disconnect", &["disconnect", "Light-1"]),
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

/// One cell: what came of the operation.
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
        // That one is to be left up.
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
    told_is_true(&output, &log);
    end
}

/// What is told as reported is what the bulb starts with, what it was told to be, or what it has notified.
fn told_is_true(output: &Output, log: &str) {
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
    let mut said: Vec<String> = Vec::new();
    for record in &records {
        let word = match record["type"].as_str().unwrap() {
            "state" => match (record["provenance"].as_str().unwrap(), record["confirmed"].as_bool()) {
                ("reported", Some(false)) => "reports otherwise".to_owned(),
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
            // The table, and the family that it is of, if it is of one.
            "info" => {
                let services = record["services"].as_array().unwrap().len();
                let family = record["profile"].as_str().unwrap_or("no family");
                format!("{services} service{}, {family}", if services == 1 { "" } else { "s" })
            }
            "scan" => format!("{} found", record["found"]),
            _ => continue,
        };
        if said.last() != Some(&word) {
            said.push(word);
        }
    }
    let code = output.status.code().unwrap();
    if code == 0 && said.is_empty() {
        said.push("nothing told".to_owned());
    }
    assert!(
        code == 0 || said.last().is_some_and(|last| last.contains(&format!("**{code}**"))),
        "{records:?}"
    );
    said.join(", ")
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
fn every_fault_has_the_end_that_is_documented() {
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
        assert_eq!(documented, found, "docs/FAULTS.md; BLESS=1 writes it anew");
    }
    assert_eq!(documented.lines().count(), found.lines().count(), "docs/FAULTS.md; BLESS=1 writes it anew");
}

/// How many kinds the list of field failures has in each of its parts, A1 to A11.
const KINDS: [usize; 11] = [8, 9, 13, 10, 3, 6, 4, 7, 6, 6, 5];

/// Every kind has one line, in order, with what is done, and who shows it; or it says that it is not done.
#[test]
fn every_kind_of_field_failure_has_a_line() {
    let text = fs::read_to_string(root().join("docs/FAULTS.md")).unwrap();
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| line.starts_with("| A"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let wanted: Vec<String> = (1..)
        .zip(KINDS)
        .flat_map(|(part, kinds)| (1..=kinds).map(move |kind| format!("A{part}.{kind}")))
        .collect();
    assert_eq!(rows.iter().map(|row| row[0]).collect::<Vec<_>>(), wanted);
    for row in rows {
        let [id, kind, done, shown] = row[..] else { panic!("{row:?}") };
        assert!(!kind.is_empty() && !done.is_empty(), "{row:?}");
        assert!(shown.contains(".rs: ") != done.starts_with("not done"), "{id}: {shown}");
    }
}

#[test]
fn the_tests_that_are_named_are_there() {
    let text = fs::read_to_string(root().join("docs/FAULTS.md")).unwrap();
    let mut named = 0;
    for piece in text.split('`').skip(1).step_by(2).filter(|piece| piece.contains(".rs: ")) {
        let (file, name) = piece.split_once(": ").unwrap();
        let source = fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(is_run(file, &source, name), "{file} runs no {name:?}");
        named += 1;
    }
    assert!(named > 100, "{named} tests are named");
}

/// Whether a file has a test, or a scenario, of this name.
fn is_run(file: &str, source: &str, name: &str) -> bool {
    if file.starts_with("tests/scenarios/") {
        return source.contains(&format!("name: \"{name}\","));
    }
    let Some((before, _)) = source.split_once(&format!("fn {name}(")) else { return false };
    // From the function before it to this one there are its attributes.
    let attributes = before.rsplit("\n\n").next().unwrap();
    attributes.contains("test") && !attributes.contains("ignore")
}

#[test]
fn libdbus_is_built_with_the_program() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let (_, package) = lock.split_once("name = \"libdbus-sys\"\n").unwrap();
    let package = package.split("\n\n").next().unwrap();
    // What is vendored is built with cc; what is not is looked for with pkg-config alone.
    assert!(package.contains("\"cc\""), "{package}");
}
