//! A command under test: `bulbctl --json …`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::stage::Disguise;

#[derive(Debug)]
pub struct Finished {
    pub exit: i32,
    pub lines: Vec<Value>,
    /// The output without times of the wall clock.
    pub text: String,
    pub stderr: String,
}

impl Finished {
    pub fn ok(self) -> Self {
        assert_eq!(self.exit, 0, "{self:#?}");
        self
    }

    /// Asserts that the command failed with this code, and returns the error.
    pub fn failed(self, exit: i32, code: &str) -> Value {
        let error = self.all("error").into_iter().find(|error| error["code"] == code).cloned();
        let error = error.unwrap_or_else(|| panic!("no error {code}: {self:#?}"));
        assert_eq!(self.exit, exit, "{self:#?}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
        error
    }

    pub fn all(&self, kind: &str) -> Vec<&Value> {
        self.lines.iter().filter(|line| line["type"] == kind).collect()
    }

    pub fn one(&self, kind: &str) -> &Value {
        match self.all(kind)[..] {
            [line] => line,
            ref lines => panic!("{} lines of type {kind}: {self:#?}", lines.len()),
        }
    }

    /// Asserts that exactly one state was printed, with these values.
    pub fn state(&self, wanted: &Value) {
        let state = self.one("state");
        for (key, value) in wanted.as_object().unwrap() {
            assert_eq!(&state[key], value, "{key} of {state}");
        }
    }
}

pub struct Running {
    child: Child,
    output: Receiver<Value>,
    /// The lines of stderr.
    log: Receiver<String>,
    lines: Vec<Value>,
    text: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
    patience: Duration,
}

impl Running {
    pub fn start(mut command: Command, patience: Duration, disguises: Vec<Disguise>) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, output) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let text = thread::spawn(move || {
            let mut text = String::new();
            for line in stdout.lines() {
                let line = line.unwrap();
                let line = disguises.iter().fold(line, |line, one| line.replace(&one.id, &one.address));
                let mut value = parsed(&line);
                unmask(&mut value, &disguises);
                text += &line.replacen(value["at"].as_str().unwrap_or_default(), "", 1);
                text.push('\n');
                // Fails if the scenario has failed and reads no more.
                let _ = sender.send(value);
            }
            text
        });
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let (sender, log) = mpsc::channel();
        let stderr = thread::spawn(move || {
            let mut text = String::new();
            let mut line = Vec::new();
            while errors.read_until(b'\n', &mut line).unwrap() > 0 {
                let line = String::from_utf8_lossy(&std::mem::take(&mut line)).into_owned();
                text += &line;
                let _ = sender.send(line);
            }
            text
        });
        Self { child, output, log, lines: Vec::new(), text: Some(text), stderr: Some(stderr), patience }
    }

    /// Multiplies the time to wait for lines and for the end.
    pub fn with_patience(mut self, times: u32) -> Self {
        self.patience *= times;
        self
    }

    /// Waits for a line that `matches`. `what` describes it in the failure message.
    pub fn wait_for(&mut self, what: &str, matches: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + self.patience;
        loop {
            match self.output.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.lines.push(line.clone());
                    if matches(&line) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    panic!("{what} did not come within {:?}, but {:#?}", self.patience, self.lines)
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let stderr = self.stderr.take().map(JoinHandle::join);
                    panic!("the command ended without {what}: {:#?} {stderr:?}", self.lines)
                }
            }
        }
    }

    /// Waits for a line on stderr that contains this.
    pub fn wait_for_log(&self, text: &str) {
        let end = Instant::now() + self.patience;
        while !self
            .log
            .recv_timeout(end.saturating_duration_since(Instant::now()))
            .unwrap_or_else(|error| panic!("{text:?} is not in the log: {error}"))
            .contains(text)
        {}
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, named without SIG.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    pub fn interrupt(self) {
        self.signal("INT");
        self.end().failed(130, "interrupted");
    }

    pub fn end(mut self) -> Finished {
        let end = Instant::now() + self.patience;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() >= end {
                self.lines.extend(self.output.try_iter());
                panic!("still running after {:?}: {:#?}", self.patience, self.lines);
            }
            thread::sleep(Duration::from_millis(10));
        };
        let mut lines = std::mem::take(&mut self.lines);
        // The pipe is closed now. The reader thread sends what is left in it.
        lines.extend(self.output.iter());
        let text = self.text.take().unwrap().join().unwrap();
        let stderr = self.stderr.take().unwrap().join().unwrap();
        assert!(!stderr.contains("panicked"), "a panic on stderr: {stderr}");
        let done = Finished { exit: status.code().unwrap_or(-1), lines, text, stderr };
        assert!(done.exit >= 0, "ended by a signal: {done:#?}");
        done
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Fills in the addresses that a system does not tell.
fn unmask(value: &mut Value, disguises: &[Disguise]) {
    for one in disguises {
        let is_it = value["id"] == one.address.as_str()
            || (value["id"].is_null() && one.name.is_some() && value["name"].as_str() == one.name.as_deref());
        if is_it && value.get("address").is_some_and(Value::is_null) {
            value["address"] = one.address.as_str().into();
        }
    }
}

/// Parses a line of stdout, which must be a JSON object with a type and a time.
fn parsed(line: &str) -> Value {
    let value: Value = serde_json::from_str(line).unwrap_or(Value::Null);
    if value["type"].is_string() && value["at"].as_str().is_some_and(|at| at.ends_with('Z')) {
        value
    } else {
        // The test that reads it fails. A panic in the reader thread would be lost.
        serde_json::json!({"type": "not a record", "line": line})
    }
}
