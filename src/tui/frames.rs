//! The frame log.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use uuid::Uuid;

use crate::radio::gatt::{short_of, uuid_text};
use crate::radio::trace::TracedFrame;
use crate::radio::{DeviceId, Direction};

/// Limit for stored rows: a few minutes of moving a slider.
const MAX_ROWS: usize = 5_000;
/// Limit for the long UUIDs that short names are made from.
const MAX_UUIDS: usize = 500;

#[derive(Clone, Debug)]
pub(crate) enum Entry {
    Frame {
        frame: Box<TracedFrame>,
        meaning: Result<String, String>,
    },
    /// The link came up, or ended for this reason.
    Link {
        up: bool,
        reason: String,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct FrameRow {
    /// Position since the start of the program.
    number: u64,
    /// Time since the start.
    pub(crate) at: Duration,
    pub(crate) device: DeviceId,
    /// Name of the bulb at that time.
    pub(crate) name: String,
    pub(crate) entry: Entry,
    /// Text that filters search, in lower case. Stored because a filter checks every row on every redraw.
    searched: String,
}

impl FrameRow {
    fn matches(&self, filter: &str) -> bool {
        filter.is_empty() || self.searched.contains(filter)
    }

    pub(crate) fn frame(&self) -> Option<&TracedFrame> {
        match &self.entry {
            Entry::Frame { frame, .. } => Some(frame),
            Entry::Link { .. } => None,
        }
    }

    pub(crate) fn is_outgoing(&self) -> bool {
        self.frame().is_some_and(|frame| frame.operation.direction() == Direction::ToBulb)
    }

    /// The line for a file.
    pub(crate) fn line(&self) -> String {
        match &self.entry {
            Entry::Frame { frame, .. } => {
                format!("{}  {frame}", humantime::format_rfc3339_millis(frame.time))
            }
            Entry::Link { up, reason } => {
                let what = if *up { "link up" } else { "link down" };
                let text = format!("{:>24}  {}: {what} {reason}", "", self.device);
                text.trim_end().to_owned()
            }
        }
    }
}

/// Recent frames and links, with filter and scroll position.
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
    names: ShortNames,
}

impl FrameLog {
    pub(crate) fn push(&mut self, frame: &TracedFrame, at: Duration, name: &str) {
        self.names.add(frame.characteristic.characteristic);
        let meaning = frame.meaning().unwrap_or_else(|| Ok(String::new()));
        let searched = format!("{name}\n{frame}");
        let entry = Entry::Frame { frame: Box::new(frame.clone()), meaning };
        self.push_row(frame.device.clone(), at, name, entry, &searched);
    }

    pub(crate) fn push_link(&mut self, device: &DeviceId, at: Duration, name: &str, up: bool, reason: &str) {
        let searched = format!("{name}\n{device}\nlink {} {reason}", if up { "up" } else { "down" });
        let entry = Entry::Link { up, reason: reason.to_owned() };
        self.push_row(device.clone(), at, name, entry, &searched);
    }

    fn push_row(&mut self, device: DeviceId, at: Duration, name: &str, entry: Entry, searched: &str) {
        let searched = searched.to_lowercase();
        let row = FrameRow { number: self.next, at, device, name: name.to_owned(), entry, searched };
        self.next += 1;
        // Keeps the view on the same rows while scrolled back.
        if self.scrolled_back > 0 && row.matches(&self.filter) {
            self.scrolled_back += 1;
        }
        // Links and frames take different ways here.
        let later = self.rows.iter().rev().take_while(|row| row.at > at).count();
        self.rows.insert(self.rows.len() - later, row);
        if self.rows.len() > MAX_ROWS {
            self.rows.pop_front();
        }
    }

    /// Returns the rows that pass the filter, oldest first.
    pub(crate) fn shown(&self) -> impl DoubleEndedIterator<Item = &FrameRow> {
        let end = self.paused_at.unwrap_or(u64::MAX);
        self.rows.iter().filter(move |row| row.number < end && row.matches(&self.filter))
    }

    /// Returns the rows on the screen, oldest first.
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

    /// Returns a name for a characteristic that no other one in the log has.
    pub(crate) fn short_name(&self, uuid: Uuid) -> String {
        self.names.short(uuid)
    }
}

/// Shortens long UUIDs to digits that tell them apart.
#[derive(Debug, Default)]
pub(crate) struct ShortNames(BTreeSet<Uuid>);

impl ShortNames {
    pub(crate) fn add(&mut self, uuid: Uuid) {
        if self.0.len() < MAX_UUIDS && short_of(uuid).is_none() {
            self.0.insert(uuid);
        }
    }

    pub(crate) fn short(&self, uuid: Uuid) -> String {
        if short_of(uuid).is_some() {
            return uuid_text(uuid);
        }
        type Shorten = fn(&str) -> String;
        // Families differ in the first groups of digits, in the second, or in the last digits.
        const FORMS: [Shorten; 5] = [
            |text| text.chars().take(8).collect(),
            |text| text.chars().take(13).collect(),
            |text| text.chars().take(4).chain(['…']).chain(text.chars().skip(32)).collect(),
            |text| text.chars().take(18).collect(),
            |text| text.chars().take(23).collect(),
        ];
        let text = uuid.hyphenated().to_string();
        let unique = |form: &&Shorten| {
            let own = form(&text);
            self.0.iter().filter(|other| form(&other.hyphenated().to_string()) == own).count() <= 1
        };
        FORMS.iter().find(unique).map_or_else(|| text.clone(), |form| form(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_tell_long_uuids_apart() {
        let uuid = |text: &str| text.parse::<Uuid>().unwrap();
        let alone = uuid("69400002-b5a3-f393-e0a9-e50e24dcca99");
        let (one, other) =
            (uuid("932c32bd-0002-47a2-835a-a8d455b859dd"), uuid("932c32bd-0003-47a2-835a-a8d455b859dd"));
        // Some differ only in their last digits.
        let (first, last) =
            (uuid("00010203-0405-0607-0809-0a0b0c0d2b10"), uuid("00010203-0405-0607-0809-0a0b0c0d2b11"));
        let mut names = ShortNames::default();
        [first, last].into_iter().for_each(|uuid| names.add(uuid));
        [alone, one, other].into_iter().for_each(|uuid| names.add(uuid));
        assert_eq!(
            [alone, one, other].map(|uuid| names.short(uuid)),
            ["69400002", "932c32bd-0002", "932c32bd-0003"]
        );
        assert_eq!([first, last].map(|uuid| names.short(uuid)), ["0001…2b10", "0001…2b11"]);
        assert_eq!(names.short(crate::radio::gatt::uuid16(0xFFF1)), "fff1");
    }
}
