//! The contracts of the command line, through the binary, on the sim radio or with no radio at all.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bench;
mod bench_verb;
mod captures;
mod check;
mod ends;
mod errors;
mod families;
mod frame;
mod json;
mod links;
mod recordings;
mod several;
mod usage;

use std::path::Path;
use std::process::{Command, Output, Stdio};
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
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.bulbctl(arguments).output().unwrap()
    }

    /// Runs it on the built-in virtual bulbs.
    fn sim(&self, arguments: &[&str]) -> Output {
        self.bulbctl(arguments).env("BULBCTL_ADAPTER", "sim").output().unwrap()
    }

    fn rig(&self, rig: &str, arguments: &[&str]) -> Output {
        let file = self.path().join("rig.toml");
        std::fs::write(&file, rig).unwrap();
        self.bulbctl(arguments).env("BULBCTL_ADAPTER", format!("sim:{}", file.display())).output().unwrap()
    }

    fn config(&self, text: &str) {
        let folder = self.path().join("config/bulbctl");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config.toml"), text).unwrap();
    }

    /// Puts a profile into the user's folder.
    fn profile(&self, name: &str, text: &str) -> std::path::PathBuf {
        let folder = self.path().join("config/bulbctl/profiles");
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join(format!("{name}.toml"));
        std::fs::write(&file, text).unwrap();
        file
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
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
