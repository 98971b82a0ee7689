//! The air log: a JSON line for each event at a bulb. fixtures/rigs/README.md specifies it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::world::{DisconnectedBy, LogEvent, millis};
use crate::radio::Address;

#[derive(Debug)]
pub(super) struct Log {
    file: File,
    /// The age of the log when it was opened.
    age: Duration,
}

#[derive(Serialize)]
struct Line {
    ms: u64,
    bulb: String,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    characteristic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
}

impl Log {
    /// Opens or continues a log. If it cannot be written, warns once and returns `None`.
    pub(super) fn open(path: &Path) -> Option<Self> {
        let open = || -> io::Result<Self> {
            let file = File::options().create(true).append(true).open(path)?;
            Ok(Self { age: age(path)?, file })
        };
        open()
            .inspect_err(|error| tracing::warn!("no air log: cannot write {}: {error}", path.display()))
            .ok()
    }

    /// Writes a line with a single call, so that commands running at the same time do not mix their lines.
    pub(super) fn write(&mut self, since_opening: Duration, bulb: Address, event: &LogEvent) {
        let ms = millis(self.age + since_opening);
        let line = Line { ms, bulb: bulb.to_string(), ..line(event) };
        let written = serde_json::to_vec(&line).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            self.file.write_all(&line)
        });
        if let Err(error) = written {
            tracing::debug!("the air log cannot be written: {error}");
        }
    }
}

fn line(event: &LogEvent) -> Line {
    let blank =
        Line { ms: 0, bulb: String::new(), event: "", by: None, characteristic: None, kind: None, hex: None };
    match event {
        LogEvent::Connect => Line { event: "connect", ..blank },
        LogEvent::Pair => Line { event: "pair", ..blank },
        LogEvent::Disconnect(by) => {
            let by = match by {
                DisconnectedBy::Central => "central",
                DisconnectedBy::Bulb => "bulb",
            };
            Line { event: "disconnect", by: Some(by), ..blank }
        }
        LogEvent::Read(id) => Line { event: "read", characteristic: Some(id.to_string()), ..blank },
        LogEvent::Write(id, kind, value) => Line {
            event: "write",
            characteristic: Some(id.to_string()),
            kind: Some(kind.name()),
            hex: Some(hex::encode(value)),
            ..blank
        },
        LogEvent::Subscribe(id) => Line { event: "subscribe", characteristic: Some(id.to_string()), ..blank },
        LogEvent::Unsubscribe(id) => {
            Line { event: "unsubscribe", characteristic: Some(id.to_string()), ..blank }
        }
        LogEvent::Notify(id, value) => Line {
            event: "notify",
            characteristic: Some(id.to_string()),
            hex: Some(hex::encode(value)),
            ..blank
        },
    }
}

/// The age of a log: the time of its last line plus the time since it was written.
fn age(path: &Path) -> io::Result<Duration> {
    #[derive(Deserialize)]
    struct Last {
        ms: u64,
    }
    let text = fs::read_to_string(path)?;
    let Some(last) = text.lines().last().and_then(|line| serde_json::from_str::<Last>(line).ok()) else {
        return Ok(Duration::ZERO);
    };
    let since = SystemTime::now().duration_since(fs::metadata(path)?.modified()?).unwrap_or_default();
    Ok(Duration::from_millis(last.ms) + since)
}
