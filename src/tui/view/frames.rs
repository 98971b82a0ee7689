//! Draws the frame log.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::super::frames::FrameRow;
use super::super::layout::inner;
use super::super::model::{Model, Pane};
use super::super::style::{bold, dim};
use super::super::text::{cut, fit, fit_right, wrap};
use super::pane;

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let log = &model.frames;
    let focused = model.pane == Pane::Frames;
    let mut title = vec![Span::styled(" Frames ", bold())];
    if log.is_paused() {
        title.push(Span::styled(format!("paused, {} more ", log.new_since_pause()), model.depth.attention()));
    }
    if !log.filter().is_empty() {
        title.push(Span::styled(format!("filter {:?} ", cut(log.filter(), 20)), dim()));
    }
    if log.missed > 0 {
        title.push(Span::styled(format!("{} missed ", log.missed), model.depth.attention()));
    }
    let mut block = pane(model, Line::from(title), focused);
    if log.scrolled_back > 0 {
        block =
            block.title_bottom(Line::styled(format!(" {} below ", log.scrolled_back), dim()).right_aligned());
    }
    frame.render_widget(block, area);
    let rows = inner(area);
    let page = log.page(usize::from(rows.height));
    if page.is_empty() {
        let text = if log.filter().is_empty() {
            "Frames to and from bulbs appear here."
        } else {
            "No frame matches. Esc clears the filter."
        };
        let lines: Vec<Line<'_>> = wrap(text, usize::from(rows.width.saturating_sub(2)))
            .into_iter()
            .map(|line| Line::styled(format!(" {line}"), dim()))
            .collect();
        return frame.render_widget(Paragraph::new(lines), rows);
    }
    for (row, y) in page.into_iter().zip(0..rows.height) {
        frame.render_widget(line(model, row, rows.width), Rect { y: rows.y + y, height: 1, ..rows });
    }
}

/// Draws a frame like `  12.345 → Light-Desk fff1 0164ff8800  on  100 %  #ff8800`.
fn line(model: &Model, row: &FrameRow, width: u16) -> Line<'static> {
    let width = usize::from(width);
    let time = format!("{}.{:03}", row.at.as_secs(), row.at.subsec_millis());
    let arrow = if row.outgoing {
        Span::styled(" → ", model.depth.attention())
    } else {
        Span::styled(" ← ", model.depth.success())
    };
    let mut spans = vec![Span::styled(fit_right(&time, 9), dim()), arrow];
    let name = if width >= 76 { 14 } else { 0 };
    if name > 0 {
        spans.push(Span::raw(format!("{} ", fit(&row.name, name))));
    }
    spans.push(Span::styled(format!("{} ", cut(&row.characteristic, 8)), dim()));
    spans.push(Span::raw(fit(&row.hex, row.hex.len().clamp(10, 24))));
    let used: usize = spans.iter().map(Span::width).sum();
    let room = width.saturating_sub(used + 2);
    spans.push(match &row.meaning {
        Ok(meaning) => Span::styled(format!("  {}", cut(meaning, room)), dim()),
        Err(fault) => Span::styled(format!("  {}", cut(fault, room)), model.depth.failure()),
    });
    Line::from(spans)
}
