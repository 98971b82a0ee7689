//! What a scenario does: runs commands, and looks at what the bulbs saw.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tempfile::TempDir;

use crate::pty::Terminal;
use crate::run::{Done, Running};
use crate::stage::{Breakage, Kind, Stage};

/// A line of the air log.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    #[allow(dead_code, reason = "says that it has to be there")]
    pub ms: u64,
    pub bulb: String,
    pub event: String,
    pub characteristic: Option<String>,
    pub kind: Option<String>,
    pub hex: Option<String>,
    pub by: Option<String>,
}

impl Entry {
    /// The lines of a log.
    pub fn parse(log: &str) -> Vec<Self> {
        log.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
            .collect()
    }

    /// As scenarios write it: `write fff1 request 0164ff0000`, `disconnect central`.
    fn short(&self) -> String {
        let more = [&self.characteristic, &self.kind, &self.hex, &self.by];
        let words = more.into_iter().flatten().map(String::as_str);
        std::iter::once(self.event.as_str()).chain(words).collect::<Vec<_>>().join(" ")
    }

    /// Whether it can be compared between the radios.
    fn counts(&self) -> bool {
        let lights = matches!(self.characteristic.as_deref(), None | Some("fff1" | "fff2"));
        lights && self.event != "unsubscribe"
    }
}

fn file_of(rig: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rigs/scenarios").join(format!("{rig}.toml"))
}

/// One scenario being played.
pub struct Play<'a> {
    stage: &'a dyn Stage,
    rig: RefCell<PathBuf>,
    dir: TempDir,
    broken: Cell<Option<Breakage>>,
    kept: RefCell<Vec<String>>,
}

impl<'a> Play<'a> {
    pub fn begin(stage: &'a dyn Stage, rig: &str) -> Self {
        let rig = file_of(rig);
        let dir = TempDir::new().unwrap();
        stage.load(&rig, dir.path());
        Self { stage, rig: RefCell::new(rig), dir, broken: Cell::new(None), kept: RefCell::default() }
    }

    /// The rig's file.
    pub fn rig(&self) -> PathBuf {
        self.rig.borrow().clone()
    }

    /// The boards are flashed with what another rig says. What the system remembers of them is as it was.
    pub fn flashes(&self, rig: &str) {
        let rig = file_of(rig);
        self.stage.reload(&rig);
        *self.rig.borrow_mut() = rig;
    }

    /// A folder for this scenario alone, which is gone after it.
    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// Keeps something beside the logs of the run on the real stack.
    pub fn keep(&self, bytes: &[u8], name: &str) {
        self.stage.keep(bytes, name);
    }

    /// Asserts that nothing is left behind.
    pub fn end(self) {
        if let Err(left) = self.stage.end(self.dir.path(), &self.kept.borrow()) {
            panic!("{left}\nair log:\n{}", self.stage.log(self.dir.path()));
        }
    }

    /// Links to these bulbs are up at the end, as they are to be.
    pub fn keeps(&self, address: &str) {
        self.kept.borrow_mut().push(address.to_owned());
    }

    pub fn breaks(&self, breakage: Breakage) {
        self.broken.set(Some(breakage));
        self.stage.break_it(breakage);
    }

    /// What was broken works again.
    pub fn mends(&self) {
        self.stage.mend();
        self.broken.set(None);
    }

    /// One duration for the sim radio, another for the real stack on its emulated processor.
    pub fn time<'t>(&self, sim: &'t str, real: &'t str) -> &'t str {
        match self.stage.kind() {
            Kind::Sim => sim,
            Kind::Real => real,
        }
    }

    /// `bulbctl`, with this scenario's radio.
    fn command(&self) -> Command {
        let program =
            std::env::var_os("BULBCTL_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_bulbctl").into());
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("BULBCTL_") {
                command.env_remove(name);
            }
        }
        command.env("XDG_CONFIG_HOME", self.dir.path().join("config"));
        self.stage.prepare(&mut command, &self.rig(), self.dir.path(), self.broken.get());
        command
    }

    /// Starts `bulbctl --json` with these arguments.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut command = self.command();
        command.arg("--json").args(arguments);
        Running::start(command, self.stage.patience())
    }

    /// Starts the TUI in a terminal of so many columns and rows.
    pub(crate) fn tui(&self, size: (u16, u16)) -> Terminal {
        let mut command = self.command();
        command.arg("tui");
        Terminal::start(command, size, self.stage.patience())
    }

    /// Runs `bulbctl --json` with these arguments to its end.
    pub fn bulbctl(&self, arguments: &[&str]) -> Done {
        self.start(arguments).end()
    }

    /// The rig's events count from here, where they do not from the command's start.
    pub fn go(&self) {
        self.stage.go();
    }

    /// The HCI reason that the system is told where a bulb of this scenario ends its link.
    pub fn reason(&self, code: u8) {
        self.stage.reason(code);
    }

    pub fn wait_connecting(&self, address: &str) {
        self.stage.wait_connecting(address);
    }

    /// Which radio.
    pub fn kind(&self) -> Kind {
        self.stage.kind()
    }

    /// The air log so far.
    pub fn log(&self) -> String {
        self.stage.log(self.dir.path())
    }

    /// What a bulb has seen so far.
    pub fn saw(&self, address: &str) -> Vec<String> {
        let log = self.log();
        Entry::parse(&log)
            .iter()
            .filter(|entry| entry.bulb == address && entry.counts())
            .map(Entry::short)
            .collect()
    }

    /// The writes that a bulb has seen so far, to any characteristic.
    pub fn writes(&self, address: &str) -> Vec<Entry> {
        let entries = Entry::parse(&self.log()).into_iter();
        entries.filter(|entry| entry.bulb == address && entry.event == "write").collect()
    }

    /// Asserts that a bulb has seen just this; waits for it, as links close late.
    pub fn sees(&self, address: &str, wanted: &[&str]) {
        self.sees_so(address, &format!("{wanted:#?}"), |saw| saw == wanted);
    }

    /// Asserts what a bulb has seen; waits for it, as links close late.
    pub fn sees_so(&self, address: &str, wanted: &str, is_right: impl Fn(&[String]) -> bool) {
        let end = Instant::now() + self.stage.patience() / 4;
        loop {
            let saw = self.saw(address);
            if is_right(&saw) {
                return;
            }
            assert!(Instant::now() < end, "{address} saw {saw:#?}, not {wanted}");
            sleep(Duration::from_millis(50));
        }
    }
}
