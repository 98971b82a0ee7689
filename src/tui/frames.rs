//! The frame log.

use std::collections::VecDeque;
use std::time::Duration;

use crate::radio::Direction;
use crate::radio::trace::TracedFrame;

/// Limit for stored frames: a few minutes of moving a slider.
const MAX_FRAMES: usize = 5_000;

#[derive(Clone, Debug)]
pub(crate) struct FrameRow {
    /// Position since the start of the program.
    pub(crate) number: u64,
    /// Time since the start.
    pub(crate) at: Duration,
    pub(crate) outgoing: bool,
    /// Name of the bulb at that time.
    pub(crate) name: String,
    pub(crate) characteristic: String,
    pub(crate) hex: String,
    pub(crate) meaning: Result<String, String>,
    /// Line for the file.
    pub(crate) line: String,
    /// Text that filters search, in lower case. Stored because a filter checks every row on every redraw.
    searched: String,
}

impl FrameRow {
    fn matches(&self, filter: &str) -> bool {
        filter.is_empty() || self.searched.contains(filter)
    }
}

/// Recent frames, with filter and scroll position.
#[derive(Debug, Default)]
pub(crate) struct FrameLog {
    rows: VecDeque<FrameRow>,
    next: u64,
    /// Number of frames that were dropped because the desk was too slow.
    pub(crate) missed: u64,
    /// Lower case.
    filter: String,
    /// While paused: the number after the last frame shown.
    paused_at: Option<u64>,
    /// Rows between the newest frame and the bottom of the view.
    pub(crate) scrolled_back: usize,
}

impl FrameLog {
    pub(crate) fn push(&mut self, frame: &TracedFrame, at: Duration, name: &str) {
        let time = humantime::format_rfc3339_millis(frame.time);
        let (characteristic, hex) = (frame.characteristic.to_string(), frame.hex());
        let line = format!("{time}  {frame}");
        let row = FrameRow {
            number: self.next,
            at,
            outgoing: frame.operation.direction() == Direction::ToBulb,
            name: name.to_owned(),
            searched: [name, &characteristic, &hex, &line].join("\n").to_lowercase(),
            characteristic,
            hex,
            meaning: frame.meaning().unwrap_or_else(|| Ok(String::new())),
            line,
        };
        self.next += 1;
        // Keeps the view on the same rows while scrolled back.
        if self.scrolled_back > 0 && row.matches(&self.filter) {
            self.scrolled_back += 1;
        }
        self.rows.push_back(row);
        if self.rows.len() > MAX_FRAMES {
            self.rows.pop_front();
        }
    }

    /// Returns the frames that pass the filter, oldest first.
    pub(crate) fn shown(&self) -> impl DoubleEndedIterator<Item = &FrameRow> {
        let end = self.paused_at.unwrap_or(u64::MAX);
        self.rows.iter().filter(move |row| row.number < end && row.matches(&self.filter))
    }

    /// Returns the frames on the screen, oldest first.
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

    /// Scrolls by rows; positive is towards older frames.
    pub(crate) fn scroll(&mut self, rows: isize, height: usize) {
        let most = self.count().saturating_sub(height);
        self.scrolled_back = self.scrolled_back.saturating_add_signed(rows).min(most);
    }
}
