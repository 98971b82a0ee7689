//! The air log: a JSON line for each event at a bulb. fixtures/rigs/README.md specifies it.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::world::{DisconnectedBy, LogEvent, millis};
use crate::radio::Address;

/// More than the longest line, bytes: a value of 512 bytes takes 1,024 digits.
const LONGEST_LINE: u64 = 4096;

#[derive(Debug)]
pub(super) struct Log {
    file: File,
    /// The age of the log when it was opened.
    age: Duration,
    place: Option<String>,
}

#[derive(Serialize)]
struct Line<'a> {
    ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<&'a str>,
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
    pub(super) fn open(path: &Path, place: Option<&str>) -> Option<Self> {
        let open = || -> io::Result<Self> {
            let file = File::options().create(true).append(true).open(path)?;
            Ok(Self { age: age(path)?, file, place: place.map(str::to_owned) })
        };
        open()
            .inspect_err(|error| tracing::warn!("no air log: cannot write {}: {error}", path.display()))
            .ok()
    }

    /// Writes a line with a single call, so that commands running at the same time do not mix their lines.
    pub(super) fn write(&mut self, since_opening: Duration, bulb: Address, event: &LogEvent) {
        let ms = millis(self.age + since_opening);
        let (event, by, characteristic, kind, value) = match event {
            LogEvent::Connect => ("connect", None, None, None, None),
            LogEvent::Pair => ("pair", None, None, None, None),
            LogEvent::Disconnect(DisconnectedBy::Central) => {
                ("disconnect", Some("central"), None, None, None)
            }
            LogEvent::Disconnect(DisconnectedBy::Bulb) => ("disconnect", Some("bulb"), None, None, None),
            LogEvent::Read(id) => ("read", None, Some(id), None, None),
            LogEvent::Write(id, kind, value) => ("write", None, Some(id), Some(kind.name()), Some(value)),
            LogEvent::Subscribe(id) => ("subscribe", None, Some(id), None, None),
            LogEvent::Unsubscribe(id) => ("unsubscribe", None, Some(id), None, None),
            LogEvent::Notify(id, value) => ("notify", None, Some(id), None, Some(value)),
        };
        let (characteristic, hex) = (characteristic.map(ToString::to_string), value.map(hex::encode));
        let place = self.place.as_deref();
        let line = Line { ms, place, bulb: bulb.to_string(), event, by, characteristic, kind, hex };
        let written = serde_json::to_vec(&line).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            self.file.write_all(&line)
        });
        if let Err(error) = written {
            tracing::debug!("the air log cannot be written: {error}");
        }
    }
}

/// The age of a log: the time of its last line plus the time since it was written.
fn age(path: &Path) -> io::Result<Duration> {
    #[derive(Deserialize)]
    struct Last {
        ms: u64,
    }
    let about = fs::metadata(path)?;
    if !about.is_file() {
        return Ok(Duration::ZERO);
    }
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(about.len().saturating_sub(LONGEST_LINE)))?;
    let mut end = Vec::new();
    file.take(LONGEST_LINE).read_to_end(&mut end)?;
    let mut lines = end.rsplit(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let Some(last) = lines.next().and_then(|line| serde_json::from_slice::<Last>(line).ok()) else {
        return Ok(Duration::ZERO);
    };
    let since = SystemTime::now().duration_since(about.modified()?).unwrap_or_default();
    Ok(Duration::from_millis(last.ms) + since)
}
