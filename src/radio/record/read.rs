//! Reads and validates recordings.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::format::{Call, Event, Line, VERSION};
use crate::error::{Error, Result};

/// The longest accepted file, bytes. Watching one bulb for a day takes about a tenth of it.
const LONGEST: u64 = 256 << 20;
/// The longest accepted line, bytes. The GATT table of a very large device takes about a tenth of
/// it.
const LONGEST_LINE: u64 = 1 << 20;

#[derive(Debug)]
pub struct Recording {
    pub(super) path: String,
    /// Each with its line number, from 1.
    pub(super) lines: Vec<(usize, Line)>,
}

impl Recording {
    pub fn load(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let unreadable =
            |error: std::io::Error| Error::FileUnreadable { path: name.clone(), detail: error.to_string() };
        let file = File::open(path).map_err(unreadable)?;
        Self::read(&name, BufReader::new(file))
    }

    /// Reads a recording, called `name` in errors. The last line may be incomplete, as a killed
    /// program leaves it.
    pub fn read(name: &str, text: impl BufRead) -> Result<Self> {
        let mut text = text.take(LONGEST + 1);
        let mut recording = Self { path: name.to_owned(), lines: Vec::new() };
        let mut checks = LineValidator::default();
        let mut read = 0;
        for number in 1.. {
            let mut bytes = Vec::new();
            let length =
                (&mut text).take(LONGEST_LINE + 1).read_until(b'\n', &mut bytes).map_err(|error| {
                    Error::FileUnreadable { path: name.to_owned(), detail: error.to_string() }
                })?;
            if length == 0 {
                break;
            }
            read += u64::try_from(length).unwrap_or(u64::MAX);
            let wrong = |detail: String| Error::RecordingInvalid {
                path: name.to_owned(),
                detail: format!("line {number}: {detail}"),
            };
            let whole = bytes.last() == Some(&b'\n');
            if read > LONGEST {
                return Err(wrong(format!("the file is longer than {LONGEST} bytes")));
            }
            if !whole && u64::try_from(bytes.len()).is_ok_and(|length| length > LONGEST_LINE) {
                return Err(wrong(format!("it is longer than {LONGEST_LINE} bytes")));
            }
            if number == 1 && bytes.starts_with(b"\xef\xbb\xbf") {
                bytes.drain(..3);
            }
            if bytes.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let line: Line = match serde_json::from_slice(&bytes) {
                Ok(line) => line,
                // The program was killed while it wrote this line.
                Err(error) if error.is_eof() && !whole && number > 1 => break,
                Err(error) => return Err(wrong(error.to_string())),
            };
            checks.take(&line).map_err(wrong)?;
            recording.lines.push((number, line));
        }
        if recording.lines.is_empty() {
            return Err(Error::RecordingInvalid { path: name.to_owned(), detail: "it is empty".to_owned() });
        }
        Ok(recording)
    }
}

/// Validates that each line fits the lines before it.
#[derive(Default)]
struct LineValidator {
    begun: bool,
    last: u64,
    calls: HashSet<u32>,
    open: HashSet<u32>,
    links: HashSet<u32>,
}

impl LineValidator {
    fn take(&mut self, line: &Line) -> Result<(), String> {
        if line.t < self.last {
            return Err(format!("its time is before that of the line before, {}", self.last));
        }
        self.last = line.t;
        let first = !std::mem::replace(&mut self.begun, true);
        match &line.event {
            Event::Recording { version, .. } if first && *version == VERSION => Ok(()),
            Event::Recording { version, .. } if first => {
                Err(format!("it is of version {version}; {VERSION} is what this program reads"))
            }
            Event::Recording { .. } => Err("a recording begins in the middle of another".to_owned()),
            _ if first => Err("a recording begins with a line of type recording".to_owned()),
            Event::Call { n, call } => self.call(*n, call),
            Event::Done { n, .. } | Event::Failed { n, .. } | Event::Dropped { n } => {
                if self.open.remove(n) {
                    Ok(())
                } else {
                    Err(format!("no call {n} waits for an answer"))
                }
            }
            Event::Notification { link, .. } | Event::Link { link, .. } => self.link(*link),
            Event::SeenDevice(_) | Event::Adapter { .. } | Event::Lost { .. } => Ok(()),
        }
    }

    fn call(&mut self, n: u32, call: &Call) -> Result<(), String> {
        if !self.calls.insert(n) {
            return Err(format!("there was a call {n} before"));
        }
        self.open.insert(n);
        match call.link() {
            Some(link) => self.link(link),
            None => {
                if matches!(call, Call::Connect { .. }) {
                    self.links.insert(n);
                }
                Ok(())
            }
        }
    }

    fn link(&self, link: u32) -> Result<(), String> {
        if self.links.contains(&link) { Ok(()) } else { Err(format!("no call {link} has connected")) }
    }
}
