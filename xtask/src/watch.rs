//! `cargo xtask watch PROGRAM …`: runs a program of tests, and ends it if a test takes too long. `cargo xtask test` makes it the
//! runner of every such program.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write, stdout};
use std::path::Path;
use std::process::{ChildStdout, Command, ExitCode, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// The longest that a test may take after libtest's remark that it "has been running for over 60 seconds".
const LIMIT: Duration = Duration::from_secs(540);
/// The longest that a program may print nothing, for those without libtest.
const SILENCE: Duration = Duration::from_secs(900);

/// Programs whose tests mostly wait, and the number of them to run at once.
const WAITING: [&str; 2] = ["bridge", "cli"];
const AT_ONCE: &str = "4";

/// Options of `cargo xtask watch`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    program: Vec<OsString>,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let (program, arguments) = options.program.split_first().context("no program")?;
    // Not in the root of the workspace: cargo has chosen the folder.
    let mut command = Command::new(program);
    command.args(arguments);
    if WAITING.contains(&name_of(Path::new(program))) && env::var_os("RUST_TEST_THREADS").is_none() {
        command.env("RUST_TEST_THREADS", AT_ONCE);
    }
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let (lines, read) = mpsc::sync_channel(64);
    let reader = child.stdout.take().map(|out| thread::spawn(move || pass_on(out, &lines)));
    let late = watch(&read, LIMIT, SILENCE);
    if let Some(late) = late {
        // Its own children end with the pipes that they hold.
        child.kill().context("ending the tests")?;
        child.wait().context("ending the tests")?;
        eprintln!("\n{}: ended, because {late}", program.display());
        return Ok(ExitCode::FAILURE);
    }
    if let Some(reader) = reader {
        let _ = reader.join();
    }
    let status = child.wait().context("waiting for the tests")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::from(101) })
}

/// The name of a test program, without the hash that cargo appends.
fn name_of(program: &Path) -> &str {
    let file = program.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    file.rsplit_once('-').map_or(file, |(name, _)| name)
}

/// Prints what the tests print, and hands on each line.
fn pass_on(out: ChildStdout, lines: &mpsc::SyncSender<String>) {
    let mut out = BufReader::new(out);
    let mut bytes = Vec::new();
    while out.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
        let _ = stdout().write_all(&bytes).and_then(|()| stdout().flush());
        let _ = lines.send(String::from_utf8_lossy(&bytes).trim_end().to_owned());
        bytes.clear();
    }
}

/// Follows the lines of a program. Returns what took too long.
fn watch(lines: &mpsc::Receiver<String>, limit: Duration, silence: Duration) -> Option<String> {
    let mut slow = BTreeMap::<String, Instant>::new();
    let mut last = Instant::now();
    loop {
        let first = slow.iter().min_by_key(|(_, since)| **since);
        let due = first.map_or(last + silence, |(_, since)| (*since + limit).min(last + silence));
        match lines.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                last = Instant::now();
                if let Some(name) = line.strip_prefix("test ").and_then(slow_test) {
                    slow.insert(name.to_owned(), last);
                }
                slow.retain(|name, _| !ends(&line, name));
            }
            Err(RecvTimeoutError::Timeout) => {
                let first = slow.iter().find(|(_, since)| since.elapsed() >= limit);
                return Some(first.map_or_else(
                    || format!("it printed nothing for {} s", silence.as_secs()),
                    |(name, since)| format!("the test {name} runs for {} s", since.elapsed().as_secs() + 60),
                ));
            }
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
}

/// The test that libtest says is slow.
fn slow_test(line: &str) -> Option<&str> {
    line.split_once(" has been running for over").map(|(name, _)| name)
}

fn ends(line: &str, name: &str) -> bool {
    line.strip_prefix("test ")
        .and_then(|line| line.strip_prefix(name))
        .is_some_and(|rest| rest.trim_start().starts_with("..."))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(60);

    fn of(printed: &[&str], limit: Duration, silence: Duration, ends: bool) -> Option<String> {
        let (lines, read) = mpsc::sync_channel(64);
        for line in printed {
            lines.send((*line).to_owned()).unwrap();
        }
        let lines = (!ends).then_some(lines);
        let late = watch(&read, limit, silence);
        drop(lines);
        late
    }

    #[test]
    fn a_test_that_takes_too_long_is_named() {
        let slow = "test a::slow has been running for over 60 seconds";
        let late = of(&["running 2 tests", "test a::quick ... ok", slow], SHORT, LONG, false);
        assert!(late.as_ref().is_some_and(|late| late.contains("a::slow runs for")), "{late:?}");
        // It ends after all.
        let done = ["test a::slow ... ok", "test result: ok"];
        assert_eq!(of(&[&[slow], &done[..]].concat(), SHORT, LONG, true), None);
        let late = of(&["running 1 test"], LONG, SHORT, false);
        assert!(late.as_ref().is_some_and(|late| late.contains("printed nothing")), "{late:?}");
    }
}
