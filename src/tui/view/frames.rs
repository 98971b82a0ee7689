//! Draws the frame log.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::super::frames::{Entry, FrameRow};
use super::super::model::Model;
use super::super::style::dim;
use super::super::text::{cut, fit, fit_right};
use super::{lower, sentence};

/// Widest name of a bulb, and of a characteristic.
const NAME: usize = 22;
const CHARACTERISTIC: usize = 18;
/// Columns that the meaning keeps beside long values.
const MEANING: usize = 22;

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let log = &model.frames;
    let mut facts = Vec::new();
    if log.is_paused() {
        facts
            .push(Span::styled(format!(" paused, {} more ", log.new_since_pause()), model.theme.attention()));
    }
    if !log.filter().is_empty() {
        facts.push(Span::styled(format!(" filter {:?} ", cut(log.filter(), 20)), dim()));
    }
    if log.missed > 0 {
        facts.push(Span::styled(format!(" {} missed ", log.missed), model.theme.attention()));
    }
    if log.scrolled_back > 0 {
        facts.push(Span::styled(format!(" {} below ", log.scrolled_back), dim()));
    }
    let rows = lower(model, frame, area, Line::from(facts));
    let page = log.page(usize::from(rows.height));
    if page.is_empty() {
        let text = if log.filter().is_empty() {
            "Frames to and from bulbs appear here."
        } else {
            "No frame matches. Esc clears the filter."
        };
        return sentence(frame, rows, text);
    }
    let widths = Widths::of(model, &page, usize::from(rows.width));
    for (row, y) in page.into_iter().zip(0..rows.height) {
        frame.render_widget(line(model, row, widths), Rect { y: rows.y + y, height: 1, ..rows });
    }
}

#[derive(Clone, Copy)]
struct Widths {
    name: usize,
    characteristic: usize,
    all: usize,
}

impl Widths {
    /// As wide as what is on the page. The name is there always.
    fn of(model: &Model, page: &[&FrameRow], all: usize) -> Self {
        let names = page.iter().map(|row| row.name.width());
        let name = names.max().unwrap_or_default().clamp(4, NAME.min((all / 5).max(9)));
        let names = page.iter().filter_map(|row| row.frame());
        let names = names.map(|frame| short(model, frame).width());
        let characteristic = names.max().unwrap_or(4).clamp(4, if all < 76 { 8 } else { CHARACTERISTIC });
        Self { name, characteristic, all }
    }
}

fn short(model: &Model, frame: &crate::radio::trace::TracedFrame) -> String {
    let mut name = model.frames.short_name(frame.characteristic.characteristic);
    if frame.characteristic.nth > 0 {
        name.push_str(&format!("#{}", u16::from(frame.characteristic.nth) + 1));
    }
    name
}

/// Draws a frame like `  12.345 → Light-Desk fff1 0164ff8800  on  100 %  #ff8800`.
fn line(model: &Model, row: &FrameRow, widths: Widths) -> Line<'static> {
    let time = format!("{}.{:03}", row.at.as_secs(), row.at.subsec_millis());
    let time = Span::styled(fit_right(&time, 9), dim());
    let name = Span::raw(format!("{} ", fit(&row.name, widths.name)));
    let (frame, meaning) = match &row.entry {
        Entry::Frame { frame, meaning } => (frame, meaning),
        Entry::Link { up: true, .. } => {
            let text = Span::styled("link up", model.theme.success());
            return Line::from(vec![time, Span::styled(" ● ", model.theme.success()), name, text]);
        }
        Entry::Link { reason, .. } => {
            let text = format!("link down  {reason}");
            let text = Span::styled(text.trim_end().to_owned(), model.theme.attention());
            return Line::from(vec![time, Span::styled(" ○ ", model.theme.attention()), name, text]);
        }
    };
    let arrow = if row.is_outgoing() {
        Span::styled(" → ", model.theme.attention())
    } else {
        Span::styled(" ← ", model.theme.success())
    };
    let characteristic = format!("{} ", fit(&short(model, frame), widths.characteristic));
    let mut spans = vec![time, arrow, name, Span::styled(characteristic, dim())];
    let used: usize = spans.iter().map(Span::width).sum();
    let room = widths.all.saturating_sub(used);
    let text = match meaning {
        Ok(text) | Err(text) => text,
    };
    // All bytes, unless the meaning would go.
    let hex = frame.hex();
    let kept = (text.width() + 2).min(MEANING);
    let hex = fit(&hex, hex.len().max(10).min(room.saturating_sub(kept).max(10)));
    let room = room.saturating_sub(hex.width() + 2);
    spans.push(Span::raw(hex));
    let style = if meaning.is_ok() { dim() } else { model.theme.failure() };
    spans.push(Span::styled(format!("  {}", cut(text, room)), style));
    Line::from(spans)
}
