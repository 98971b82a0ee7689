//! Draws messages and the log.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::super::messages::{Message, Severity};
use super::super::model::Model;
use super::super::style::dim;
use super::super::text::wrap;
use super::{lower, sentence};

/// Width of the time and the sign.
const BEFORE: usize = 12;

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let log = &model.messages;
    let more = match log.scrolled_back {
        0 => String::new(),
        count => format!(" {count} below "),
    };
    let inside = lower(model, frame, area, Line::styled(more, dim()));
    if log.all().len() == 0 {
        return sentence(frame, inside, "No messages yet.");
    }
    let height = usize::from(inside.height);
    let mut lines = Vec::new();
    // From the bottom up, as messages take several lines.
    for message in log.all().rev().skip(log.scrolled_back) {
        let own = entry(model, message, usize::from(inside.width));
        lines.extend(own.into_iter().rev());
        if lines.len() >= height {
            break;
        }
    }
    lines.truncate(height);
    lines.reverse();
    frame.render_widget(Paragraph::new(lines), inside);
}

fn entry(model: &Model, message: &Message, width: usize) -> Vec<Line<'static>> {
    let time = format!("{:>7}.{}", message.at.as_secs(), message.at.subsec_millis() / 100);
    let (sign, style) = match message.severity {
        Severity::Info => (" ", dim()),
        Severity::Warning => ("!", model.theme.attention()),
        Severity::Error => ("✗", model.theme.failure()),
    };
    let room = width.saturating_sub(BEFORE);
    let code = message.code.map_or_else(String::new, |code| format!("{code}: "));
    let hint = message.hint.iter().flat_map(|hint| wrap(hint, room)).map(|line| (line, dim()));
    let text = wrap(&format!("{code}{}", message.text), room).into_iter().map(|line| (line, style));
    let lines = text.chain(hint).enumerate().map(|(index, (line, style))| {
        let before = if index == 0 {
            vec![Span::styled(format!("{time} "), dim()), Span::styled(sign, style), Span::raw(" ")]
        } else {
            vec![Span::raw(" ".repeat(BEFORE))]
        };
        Line::from(before.into_iter().chain([Span::styled(line, style)]).collect::<Vec<_>>())
    });
    lines.collect()
}
