//! Runs the commands of a scenario, and checks the events at the bulbs.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tempfile::TempDir;

use crate::pty::Terminal;
use crate::run::{Finished, Running};
use crate::stage::{Breakage, Disguise, Kind, Stage};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogEntry {
    #[allow(dead_code, reason = "says that it has to be there")]
    pub ms: u64,
    pub bulb: String,
    pub event: String,
    pub characteristic: Option<String>,
    pub kind: Option<String>,
    pub hex: Option<String>,
    pub by: Option<String>,
}

impl LogEntry {
    pub fn parse(log: &str) -> Vec<Self> {
        log.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
            .collect()
    }

    /// The short form in scenarios: `write fff1 request 0164ff0000`, `disconnect central`.
    fn short(&self) -> String {
        let more = [&self.characteristic, &self.kind, &self.hex, &self.by];
        let words = more.into_iter().flatten().map(String::as_str);
        std::iter::once(self.event.as_str()).chain(words).collect::<Vec<_>>().join(" ")
    }

    /// True if it is the same on both radios.
    fn counts(&self) -> bool {
        let lights = matches!(self.characteristic.as_deref(), None | Some("fff1" | "fff2"));
        lights && self.event != "unsubscribe"
    }
}

fn file_of(rig: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rigs/scenarios").join(format!("{rig}.toml"))
}

pub struct Play<'a> {
    pub stage: &'a dyn Stage,
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

    pub fn rig(&self) -> PathBuf {
        self.rig.borrow().clone()
    }

    /// Flashes the boards as another rig says. The system keeps what it knows about them.
    pub fn flash_boards(&self, rig: &str) {
        let rig = file_of(rig);
        self.stage.reload(&rig);
        *self.rig.borrow_mut() = rig;
    }

    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// Ends the scenario, and asserts that no link, scan or connect is left.
    pub fn end(self) {
        if let Err(left) = self.stage.end(self.dir.path(), &self.kept.borrow()) {
            panic!("{left}\nair log:\n{}", self.stage.log(self.dir.path()));
        }
    }

    /// Expects the link to this bulb to be up at the end.
    pub fn expect_kept_link(&self, address: &str) {
        self.kept.borrow_mut().push(address.to_owned());
    }

    pub fn break_system(&self, breakage: Breakage) {
        self.broken.set(Some(breakage));
        self.stage.break_system(breakage);
    }

    pub fn repair_system(&self) {
        self.stage.repair();
        self.broken.set(None);
    }

    /// Chooses a value by radio. The real stack runs on an emulated processor and needs longer times.
    pub fn time<'t>(&self, sim: &'t str, real: &'t str) -> &'t str {
        match self.stage.kind() {
            Kind::Sim | Kind::MacOs | Kind::Windows => sim,
            Kind::Real | Kind::Plug => real,
        }
    }

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
        command.env("XDG_STATE_HOME", self.dir.path().join("state"));
        self.stage.prepare(&mut command, &self.rig(), self.dir.path(), self.broken.get());
        command
    }

    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut command = self.command();
        let disguises = self.stage.disguises(&self.rig());
        let arguments = arguments.iter().map(|argument| {
            let hide = |text: String, one: &Disguise| text.replace(&one.address, &one.id);
            disguises.iter().fold((*argument).to_owned(), hide)
        });
        command.arg("--json").args(arguments);
        Running::start(command, self.stage.patience(), disguises)
    }

    /// Starts `on` with a bulb that never answers, and waits until it tries to connect.
    pub fn start_hanging(&self, name: &str, address: &str, timeout: &str) -> Running {
        let command = self.start(&["-vv", "on", name, "--timeout", timeout]);
        command.wait_for_log(": connecting");
        self.stage.wait_connecting(address);
        command
    }

    /// Starts `watch` and waits for the first state.
    pub fn watch(&self, arguments: &[&str]) -> Running {
        let mut watch = self.start(&[&["watch"], arguments].concat());
        watch.wait_for("the first state", |line| line["type"] == "state");
        watch
    }

    /// Starts the TUI in a terminal of this size, in columns and rows.
    pub(crate) fn tui(&self, size: (u16, u16)) -> Terminal {
        self.tui_with(&[], size)
    }

    pub(crate) fn tui_with(&self, arguments: &[&str], size: (u16, u16)) -> Terminal {
        let mut command = self.command();
        command.args(arguments).arg("tui");
        Terminal::start(command, size, self.stage.patience())
    }

    pub fn bulbctl(&self, arguments: &[&str]) -> Finished {
        self.start(arguments).end()
    }

    pub fn log(&self) -> String {
        self.stage.log(self.dir.path())
    }

    pub fn log_of(&self, address: &str) -> Vec<String> {
        let log = self.log();
        LogEntry::parse(&log)
            .iter()
            .filter(|entry| entry.bulb == address && entry.counts())
            .map(LogEntry::short)
            .collect()
    }

    /// The writes to a bulb so far, to any characteristic.
    pub fn writes(&self, address: &str) -> Vec<LogEntry> {
        let entries = LogEntry::parse(&self.log()).into_iter();
        entries.filter(|entry| entry.bulb == address && entry.event == "write").collect()
    }

    /// Waits until the events at a bulb are exactly these.
    pub fn expect_log(&self, address: &str, wanted: &[&str]) {
        self.expect_log_where(address, &format!("{wanted:#?}"), |saw| saw == wanted);
    }

    /// Waits until the events at a bulb satisfy `is_right`. `wanted` describes them in the failure message.
    pub fn expect_log_where(&self, address: &str, wanted: &str, is_right: impl Fn(&[String]) -> bool) {
        let saw = self.until(|| self.log_of(address), &is_right);
        assert!(is_right(&saw), "events at {address}: {saw:#?}, expected {wanted}");
    }

    /// Reads the log until `is_right` holds or time is over, and returns the last reading.
    pub fn until<T>(&self, read: impl Fn() -> Vec<T>, is_right: impl Fn(&[T]) -> bool) -> Vec<T> {
        let end = Instant::now() + self.stage.patience() / 4;
        loop {
            let saw = read();
            if is_right(&saw) || Instant::now() > end {
                return saw;
            }
            sleep(Duration::from_millis(50));
        }
    }
}
