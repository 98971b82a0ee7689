//! The frame log.

use std::collections::VecDeque;
use std::time::Duration;

use crate::radio::trace::TracedFrame;

/// How many frames are kept: some minutes of a slider in motion.
const MAX_FRAMES: usize = 5_000;

/// A frame as it is shown.
#[derive(Clone, Debug)]
pub(crate) struct FrameRow {
    /// Which one since the beginning.
    pub(crate) number: u64,
    /// When, since the beginning.
    pub(crate) at: Duration,
    pub(crate) outgoing: bool,
    /// What the bulb was called then.
    pub(crate) name: String,
    pub(crate) characteristic: String,
    pub(crate) hex: String,
    /// What it says, or what is wrong with it.
    pub(crate) meaning: Result<String, String>,
    /// Its line in a file.
    pub(crate) line: String,
    /// The text that filters look at, in lower case. Made once, as a filter is applied to all rows with each picture.
    searched: String,
}

impl FrameRow {
    fn matches(&self, filter: &str) -> bool {
        filter.is_empty() || self.searched.contains(filter)
    }
}

/// The frames that passed.
#[derive(Debug, Default)]
pub(crate) struct FrameLog {
    rows: VecDeque<FrameRow>,
    next: u64,
    /// How many passed unseen because we were too slow.
    pub(crate) missed: u64,
    /// In lower case.
    filter: String,
    /// While it stands still: the number after the last frame shown.
    paused_at: Option<u64>,
    /// How many rows it is scrolled up from the newest.
    pub(crate) scrolled_back: usize,
}

impl FrameLog {
    /// Takes a frame in; `name` is what its bulb is called.
    pub(crate) fn push(&mut self, frame: &TracedFrame, at: Duration, name: &str) {
        let time = humantime::format_rfc3339_millis(frame.time);
        let (characteristic, hex) = (frame.characteristic.to_string(), frame.hex());
        let line = format!("{time}  {frame}");
        let row = FrameRow {
            number: self.next,
            at,
            outgoing: frame.operation.is_out(),
            name: name.to_owned(),
            searched: [name, &characteristic, &hex, &line].join("\n").to_lowercase(),
            characteristic,
            hex,
            meaning: frame.meaning().unwrap_or_else(|| Ok(String::new())),
            line,
        };
        self.next += 1;
        // What is looked at stays where it is.
        if self.scrolled_back > 0 && row.matches(&self.filter) {
            self.scrolled_back += 1;
        }
        self.rows.push_back(row);
        if self.rows.len() > MAX_FRAMES {
            self.rows.pop_front();
        }
    }

    /// The frames that are shown, oldest first.
    pub(crate) fn shown(&self) -> impl DoubleEndedIterator<Item = &FrameRow> {
        let end = self.paused_at.unwrap_or(u64::MAX);
        self.rows.iter().filter(move |row| row.number < end && row.matches(&self.filter))
    }

    /// The last frames shown, oldest first, at most so many: what stands on the screen.
    pub(crate) fn page(&self, height: usize) -> Vec<&FrameRow> {
        let mut page: Vec<&FrameRow> = self.shown().rev().skip(self.scrolled_back).take(height).collect();
        page.reverse();
        page
    }

    pub(crate) fn count(&self) -> usize {
        self.shown().count()
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused_at.is_some()
    }

    /// How many came since it stands still.
    pub(crate) fn new_since_pause(&self) -> u64 {
        self.paused_at.map_or(0, |held| self.next - held)
    }

    pub(crate) fn toggle_paused(&mut self) {
        self.paused_at = if self.paused_at.is_some() { None } else { Some(self.next) };
        if self.paused_at.is_none() {
            self.scrolled_back = 0;
        }
    }

    pub(crate) fn filter(&self) -> &str {
        &self.filter
    }

    pub(crate) fn set_filter(&mut self, filter: &str) {
        self.filter = filter.trim().to_lowercase();
        self.scrolled_back = 0;
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.missed = 0;
        self.scrolled_back = 0;
    }

    /// Scrolls; up is into the past.
    pub(crate) fn scroll(&mut self, rows: isize, height: usize) {
        let most = self.count().saturating_sub(height);
        self.scrolled_back = self.scrolled_back.saturating_add_signed(rows).min(most);
    }
}
