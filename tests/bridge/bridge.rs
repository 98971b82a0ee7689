//! The program, on a machine of its own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::LazyLock;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::*;

/// Nobody's configuration, and virtual bulbs that are gone with the test.
pub(crate) struct Machine {
    folder: TempDir,
}

impl Machine {
    pub(crate) fn new(rig: &str) -> Self {
        let machine = Self { folder: TempDir::new().unwrap() };
        machine.write("rig.toml", rig);
        machine
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let file = self.path(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    }

    pub(crate) fn config(&self, text: &str) {
        self.write("config/bulbctl/config.toml", text);
    }

    pub(crate) fn bulbctl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bulbctl"));
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("BULBCTL_"))
        {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .env("HOME", self.folder.path())
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("BULBCTL_SIM_DIR", self.path("sim"))
            .env("BULBCTL_SIM_LOG", self.path("air.log"))
            .env("BULBCTL_ADAPTER", format!("sim:{}", self.path("rig.toml").display()))
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.bulbctl(arguments).output().unwrap()
    }

    /// A bridge called attic, alone on its broker.
    pub(crate) fn bridge(&self, broker: &Mosquitto, more: &[&str]) -> Bridge {
        self.bridge_at(&broker.url(), more)
    }

    pub(crate) fn bridge_at(&self, url: &str, more: &[&str]) -> Bridge {
        let common = ["bridge", "--json", "-vv", "--name", "attic", "--alone", "--broker", url];
        self.spawn(self.bulbctl(&[&common, more].concat()))
    }

    pub(crate) fn spawn(&self, mut command: Command) -> Bridge {
        let (out, errors) = (self.path("out.log"), self.path("errors.log"));
        let create = |file: &Path| File::options().create(true).append(true).open(file).unwrap();
        let child = command.stdout(create(&out)).stderr(create(&errors)).spawn().unwrap();
        Bridge { child, out, errors }
    }

    /// The writes that bulbs received: one line each.
    pub(crate) fn writes(&self) -> Vec<Value> {
        let air = std::fs::read_to_string(self.path("air.log")).unwrap_or_default();
        let events = air.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.filter(|event| event["event"] == "write").collect()
    }
}

/// A running bridge. It is killed when this is dropped.
pub(crate) struct Bridge {
    child: Child,
    out: PathBuf,
    errors: PathBuf,
}

impl Bridge {
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it as a service manager does.
    pub(crate) fn end(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        until("the bridge ends", || self.child.try_wait().unwrap())
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn output(&self) -> String {
        std::fs::read_to_string(&self.out).unwrap()
    }

    pub(crate) fn stderr(&self) -> String {
        std::fs::read_to_string(&self.errors).unwrap()
    }

    /// The records of a type.
    pub(crate) fn records(&self, kind: &str) -> Vec<Value> {
        let records = self.output();
        let records = records.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        records.filter(|record| record["type"] == kind).collect()
    }

    /// Waits until it printed this many records of its own state.
    pub(crate) fn wait_for(&self, state: &str, count: usize) {
        until(&format!("{count} times {state}"), || {
            let records = self.records("bridge");
            (records.iter().filter(|record| record["state"] == state).count() >= count).then_some(())
        });
    }

    /// Waits until it printed an error with this code.
    pub(crate) fn wait_error(&self, code: &str) -> Value {
        until(code, || self.records("error").into_iter().find(|record| record["code"] == code))
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}\n{}", self.output(), self.stderr());
            return;
        }
        // It may have been killed in the middle of a line, and its machine may be gone.
        let output = std::fs::read_to_string(&self.out).unwrap_or_default();
        output.split_inclusive('\n').filter(|line| line.ends_with('\n')).for_each(fits_the_schema);
    }
}

/// Checks a line of output against the schema in the docs.
pub(crate) fn fits_the_schema(line: &str) {
    static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
        let schema = include_str!("../../docs/schema/output-1.json");
        jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap()
    });
    let record: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    let mistakes: Vec<_> = SCHEMA.iter_errors(&record).map(|mistake| mistake.to_string()).collect();
    assert!(mistakes.is_empty(), "{line}: {mistakes:?}");
}
