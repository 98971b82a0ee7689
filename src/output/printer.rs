//! Prints data to stdout and the rest to stderr, or everything to stdout as JSON lines.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use anstream::AutoStream;
use console::measure_text_width;

use super::colored;
use super::records::{ErrorRecord, Line, Record};
use super::stream::{self, STDERR, STDOUT};
use super::text::{Layout, line};
use crate::error::{Error, Result};
use crate::sanitise::{json_safe, sanitise};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorChoice {
    /// As the environment says, by default on a terminal.
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// Print JSON lines instead of text.
    pub json: bool,
    pub color: ColorChoice,
    pub quiet: bool,
}

#[derive(Debug)]
pub struct Printer {
    settings: Settings,
    layout: Layout,
    name_width: AtomicUsize,
    /// The line of `run` whose records are printed; zero outside of it.
    line_number: AtomicU64,
}

impl Printer {
    /// Also sets the process-wide choice of colours.
    pub fn new(settings: Settings) -> Self {
        match settings.color {
            ColorChoice::Auto => {}
            ColorChoice::Always => anstream::ColorChoice::Always.write_global(),
            ColorChoice::Never => anstream::ColorChoice::Never.write_global(),
        }
        let truecolor =
            std::env::var("COLORTERM").is_ok_and(|value| value == "truecolor" || value == "24bit");
        let stdout = io::stdout();
        let (terminal, color) = (stdout.is_terminal(), colored::is_colored(&stdout));
        let layout = Layout { terminal, color, truecolor, name_width: 0, line_number: None };
        Self { settings, layout, name_width: AtomicUsize::new(0), line_number: AtomicU64::new(0) }
    }

    pub const fn json(&self) -> bool {
        self.settings.json
    }

    pub fn live(&self) -> bool {
        let dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
        !self.settings.json && self.layout.terminal && !dumb
    }

    pub fn progress(&self) -> bool {
        let dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
        !self.settings.json && !self.settings.quiet && io::stderr().is_terminal() && !dumb
    }

    pub(crate) fn layout(&self) -> Layout {
        let name_width = self.name_width.load(Ordering::Relaxed);
        Layout { name_width, line_number: self.line_number(), ..self.layout }
    }

    /// Sets the line of `run` that the next records name.
    pub fn set_line(&self, number: Option<u64>) {
        self.line_number.store(number.unwrap_or(0), Ordering::Relaxed);
    }

    pub fn line_number(&self) -> Option<u64> {
        Some(self.line_number.load(Ordering::Relaxed)).filter(|number| *number > 0)
    }

    /// Aligns lines that start with these names, on a terminal.
    pub fn align<'a>(&self, names: impl Iterator<Item = &'a str>) {
        let width = names.map(|name| measure_text_width(&sanitise(name))).max().unwrap_or(0);
        self.name_width.store(width, Ordering::Relaxed);
    }

    pub fn record(&self, body: &Record) -> Result<()> {
        if self.settings.json {
            return self.json_record(body);
        }
        match (body, line(body, self.layout())) {
            (_, None) => Ok(()),
            (Record::Error(_), Some(text)) => {
                to_stderr(text);
                Ok(())
            }
            (_, Some(text)) => self.line(&text),
        }
    }

    /// Prints a record as a JSON line, also if the others are text.
    pub fn json_record(&self, body: &Record) -> Result<()> {
        self.line(&to_json(body, self.line_number())?)
    }

    /// Prints an error of the whole command, or of one bulb of several.
    pub fn error(&self, error: &Error, target: Option<&str>) -> Result<()> {
        self.record(&Record::Error(ErrorRecord::of(error, target)))
    }

    /// Prints a line to stdout and flushes, because a reader may wait for it.
    pub fn line(&self, text: &str) -> Result<()> {
        let (text, choice) = (text.to_owned(), colored::choice(&io::stdout()));
        self.write(move || {
            let stdout = io::stdout().lock();
            let mut out = AutoStream::new(stdout, choice);
            writeln!(out, "{text}").and_then(|()| out.flush())
        })
    }

    pub fn raw(&self, bytes: &[u8]) -> Result<()> {
        let bytes = bytes.to_owned();
        self.write(move || {
            let mut out = io::stdout().lock();
            out.write_all(&bytes).and_then(|()| out.flush())
        })
    }

    /// Runs anything that writes to stdout.
    pub(crate) fn write(&self, write: impl FnOnce() -> io::Result<()> + Send + 'static) -> Result<()> {
        STDOUT.write(write).map_err(|error| stream::error(&error))
    }

    pub fn note(&self, text: &str) {
        if !self.settings.json && !self.settings.quiet {
            to_stderr(text.to_owned());
        }
    }
}

fn to_stderr(text: String) {
    // If stderr cannot be written, nobody can be told.
    let _ = STDERR.write(move || {
        let stderr = io::stderr();
        let choice = colored::choice(&stderr);
        writeln!(AutoStream::new(stderr.lock(), choice), "{text}")
    });
}

/// Renders a record as JSON, without a line end.
pub fn json_line(body: &Record) -> Result<String> {
    to_json(body, None)
}

fn to_json(body: &Record, line: Option<u64>) -> Result<String> {
    let json =
        serde_json::to_string(&Line::of(body, line)).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(json_safe(json))
}
