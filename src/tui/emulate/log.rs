//! What happened at the bulbs, newest last.

use std::collections::VecDeque;
use std::time::Duration;

use bulb_protocol::profile::Light;

use super::super::text::plain;
use crate::emulate::{BulbEvent, BulbEventKind, Emulation, frame_text};
use crate::output::{Bulb, EmulatedEvent, EmulatedRecord, WriteMeaning};

/// Limit for stored rows.
const MAX_ROWS: usize = 2_000;

/// The kinds of rows that look different.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Connected,
    /// The link or the advertisement has ended.
    Ended,
    /// A write, read or notification.
    Frame {
        to_bulb: bool,
    },
    /// A write that the bulb did not understand, or refused.
    Refused,
    State(Box<Light>),
    Other,
}

#[derive(Debug)]
pub(super) struct Row {
    /// Time since the start.
    pub(super) at: Duration,
    /// Name of the bulb at that time.
    pub(super) name: String,
    pub(super) kind: Kind,
    /// `None` for what only the frames show.
    text: Option<String>,
    frame: Option<String>,
}

impl Row {
    pub(super) fn of(emulation: &Emulation, event: &BulbEvent, at: Duration) -> Self {
        let name = emulation.name(event.bulb);
        let address = emulation.address(event.bulb).map(|address| address.to_string());
        let bulb = Bulb { id: name.to_owned(), address, name: Some(name.to_owned()) };
        let profile = emulation.bulbs().profile(event.bulb).map(|profile| profile.full_name());
        let profile = profile.unwrap_or_default();
        let record = EmulatedRecord::of(bulb, &profile, &emulation.adapter(), &event.kind);
        let kind = match (&event.kind, record.as_ref().map(|record| (record.event, record.meaning))) {
            (BulbEventKind::State(light), _) => Kind::State(Box::new(light.clone())),
            (BulbEventKind::Written(written), _) if written.att.is_some() => Kind::Refused,
            (_, Some((_, Some(WriteMeaning::Unknown | WriteMeaning::Malformed)))) => Kind::Refused,
            (BulbEventKind::Written(_), _) => Kind::Frame { to_bulb: true },
            (BulbEventKind::Read(..) | BulbEventKind::Notified(..), _) => Kind::Frame { to_bulb: false },
            (_, Some((EmulatedEvent::Connected, _))) => Kind::Connected,
            (_, Some((EmulatedEvent::Disconnected | EmulatedEvent::OffAir, _))) => Kind::Ended,
            _ => Kind::Other,
        };
        let text = match &event.kind {
            BulbEventKind::Mtu(mtu) => Some(format!("MTU {mtu}")),
            _ => record.map(|record| plain(&record.text())),
        };
        Self { at, name: plain(name), kind, text, frame: frame_text(&event.kind).map(|text| plain(&text)) }
    }

    /// A line of the program's own log.
    pub(super) fn of_log(text: &str, at: Duration) -> Self {
        Self { at, name: String::new(), kind: Kind::Other, text: Some(plain(text)), frame: None }
    }

    /// Returns its text, as frames or as what they mean; `None` if it is not shown so.
    pub(super) fn text(&self, frames: bool) -> Option<&str> {
        self.frame.as_deref().filter(|_| frames).or(self.text.as_deref())
    }
}

/// The first rows that are shown on so many lines, by what `is_shown` says to the lines that are left and those of a row.
fn first_rows<'a>(
    rows: impl Iterator<Item = &'a Row>,
    height: usize,
    is_shown: impl Fn(usize, usize) -> bool,
    lines: impl Fn(&Row) -> usize,
) -> impl Iterator<Item = &'a Row> {
    let mut left = height;
    rows.take_while(move |row| {
        let needs = lines(row);
        let shown = is_shown(left, needs);
        left = left.saturating_sub(needs);
        shown
    })
}

#[derive(Debug, Default)]
pub(super) struct EventLog {
    rows: VecDeque<Row>,
    /// Shows frames instead of what they mean.
    pub(super) frames: bool,
    /// Rows between the newest one and the bottom of the view.
    pub(super) scrolled_back: usize,
}

impl EventLog {
    pub(super) fn push(&mut self, row: Row) {
        // Keeps the view on the same rows while scrolled back.
        if self.scrolled_back > 0 && row.text(self.frames).is_some() {
            self.scrolled_back += 1;
        }
        self.rows.push_back(row);
        if self.rows.len() > MAX_ROWS {
            self.rows.pop_front();
        }
    }

    /// The rows that are shown, on this page or another.
    pub(super) fn shown(&self) -> impl DoubleEndedIterator<Item = &Row> {
        self.rows.iter().filter(|row| row.text(self.frames).is_some())
    }

    /// Returns the rows on the screen, oldest first. The oldest may have more lines than there is room for.
    pub(super) fn page(&self, height: usize, lines: impl Fn(&Row) -> usize) -> Vec<&Row> {
        let newest_first = self.shown().rev().skip(self.scrolled_back);
        let mut page: Vec<&Row> = first_rows(newest_first, height, |left, _| left > 0, lines).collect();
        page.reverse();
        page
    }

    /// Scrolls by rows; positive is towards older ones.
    pub(super) fn scroll(&mut self, rows: isize, height: usize, lines: impl Fn(&Row) -> usize) {
        let oldest = first_rows(self.shown(), height, |left, lines| left >= lines, lines).count();
        let most = self.shown().count().saturating_sub(oldest.max(1));
        self.scrolled_back = self.scrolled_back.saturating_add_signed(rows).min(most);
    }

    pub(super) fn show_frames(&mut self) {
        self.frames = !self.frames;
        self.scrolled_back = 0;
    }

    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.scrolled_back = 0;
    }
}
