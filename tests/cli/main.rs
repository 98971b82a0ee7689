//! The contracts of the command line, through the binary, on the sim radio or with no radio at all.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bench;
mod bench_verb;
mod captures;
mod check;
mod commands;
#[cfg(unix)]
mod emulate;
mod ends;
mod environment;
mod errors;
mod families;
mod finding;
mod frame;
mod json;
mod links;
mod output;
mod profile_files;
mod recordings;
mod run;
mod several;
#[cfg(unix)]
mod shells;
mod snapshot;
mod usage;

#[cfg(unix)]
#[path = "../pty/mod.rs"]
#[allow(dead_code, reason = "the tests here use a part of it")]
mod pty;

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;

/// A machine of its own: nobody's configuration, a world of virtual bulbs that is gone with the test.
struct Machine {
    dir: TempDir,
}

impl Machine {
    fn new() -> Self {
        Self { dir: TempDir::new().unwrap() }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The program, without any of the caller's settings.
    fn bulbctl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bulbctl"));
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("BULBCTL_"))
        {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .env("HOME", self.path())
            .env("XDG_CONFIG_HOME", self.path().join("config"))
            .env("XDG_STATE_HOME", self.path().join("state"))
            .env("BULBCTL_SIM_DIR", self.path().join("sim"))
            .env("TERM", "xterm")
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR_FORCE")
            .env_remove("FORCE_COLOR")
            .env_remove("COLORTERM")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.bulbctl(arguments).output().unwrap()
    }

    fn sim(&self, arguments: &[&str]) -> Output {
        self.bulbctl(arguments).env("BULBCTL_ADAPTER", "sim").output().unwrap()
    }

    fn rig(&self, rig: &str, arguments: &[&str]) -> Output {
        self.on_rig(rig, arguments).output().unwrap()
    }

    /// The program on the bulbs of a rig. What they see is in the air log.
    fn on_rig(&self, rig: &str, arguments: &[&str]) -> Command {
        let file = self.write("rig.toml", rig);
        let mut command = self.bulbctl(arguments);
        command
            .env("BULBCTL_ADAPTER", format!("sim:{file}"))
            .env("BULBCTL_SIM_LOG", self.path().join("air.log"));
        command
    }

    fn air(&self) -> String {
        std::fs::read_to_string(self.path().join("air.log")).unwrap_or_default()
    }

    fn assert_no_link_is_left(&self, what: &str) {
        let air = self.air();
        let count = |event: &str| air.matches(&format!("\"event\":\"{event}\"")).count();
        assert_eq!(count("connect"), count("disconnect"), "{what} leaves a link: {air}");
    }

    /// Writes a file in the folder of the machine and returns its path.
    fn write(&self, name: &str, text: &str) -> String {
        let file = self.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    }

    fn config(&self, text: &str) {
        self.write("config/bulbctl/config.toml", text);
    }

    fn profile(&self, name: &str, text: &str) -> String {
        self.write(&format!("config/bulbctl/profiles/{name}.toml"), text)
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Runs a command with something on stdin.
fn fed(mut command: Command, input: &[u8]) -> Output {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

/// The last record, which must be this error with this exit code.
#[track_caller]
fn failed(output: &Output, exit: i32, error: &str) -> Value {
    let record = records(output).pop().unwrap_or_else(|| panic!("{output:?}"));
    assert_eq!((code(output), record["code"].as_str()), (exit, Some(error)), "{output:?}");
    record
}

#[track_caller]
fn succeeded(output: &Output) {
    assert_eq!(code(output), 0, "{output:?}");
}

fn send(signal: &str, child: &Child) {
    let kill = format!("kill -{signal} {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("ended by a signal: {output:?}"))
}

/// Every line of stdout as JSON, each held against the schema in the docs.
fn records(output: &Output) -> Vec<Value> {
    static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
        let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/schema/output-1.json"))
            .unwrap();
        jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
    });
    let text = stdout(output);
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for record in &records {
        SCHEMA.validate(record).unwrap_or_else(|error| panic!("{record}: {error}"));
        assert!(record["at"].as_str().unwrap().ends_with('Z'), "{record}");
    }
    records
}

fn of_type(output: &Output, kind: &str) -> Vec<Value> {
    let mut records = records(output);
    records.retain(|record| record["type"] == kind);
    records
}
