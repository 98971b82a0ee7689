//! Draws the desk from the model.

mod controls;
mod detail;
mod frames;
mod list;
pub(crate) mod popup;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Paragraph};
use unicode_width::UnicodeWidthStr;

use super::control::Control;
use super::device::LinkState;
use super::event::ScanPhase;
use super::keys::{Binding, KeyContext, TABLE};
use super::layout::{MIN_SIZE, too_small};
use super::model::{Model, Pane, Popup, Prompt, Severity};
use super::style::{bold, dim};
use super::text::{cut, wrap};
use super::update::key_contexts;
use crate::error::Error;

pub(crate) use detail::notice;

/// Names of the panes, for screens where they do not all fit.
const TABS: [(Pane, &str); 3] =
    [(Pane::List, " 1 Bulbs "), (Pane::Detail, " 2 Bulb "), (Pane::Frames, " 3 Frames ")];

pub fn view(model: &Model, frame: &mut Frame<'_>) {
    if too_small(model.size) {
        return small(model, frame);
    }
    let areas = model.areas();
    header(model, frame, areas.header);
    if let Some(area) = areas.banner {
        banner(model, frame, area);
    }
    if let Some(area) = areas.tabs {
        tabs(model, frame, area);
    }
    if let Some(area) = areas.list {
        list::draw(model, frame, area);
    }
    if let Some(area) = areas.detail {
        detail::draw(model, frame, area);
    }
    if let Some(area) = areas.frames {
        frames::draw(model, frame, area);
    }
    message(model, frame, areas.message);
    hints(model, frame, areas.hints);
    if let Some(popup) = model.popup {
        popup::draw(model, popup, frame);
    }
}

fn small(model: &Model, frame: &mut Frame<'_>) {
    let (width, height) = model.size;
    let text = format!(
        "terminal too small: {width}×{height}, needs at least {}×{} (q quits)",
        MIN_SIZE.0, MIN_SIZE.1
    );
    let area = frame.area();
    let lines: Vec<Line<'_>> = wrap(&text, usize::from(area.width)).into_iter().map(Line::from).collect();
    frame.render_widget(Paragraph::new(lines), area);
}

pub(crate) fn pane<'a>(model: &Model, title: Line<'a>, focused: bool) -> Block<'a> {
    let style = if focused { model.depth.accent() } else { dim() };
    let kind = if focused { BorderType::Thick } else { BorderType::Rounded };
    Block::bordered().border_type(kind).border_style(style).title(title)
}

fn header(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let adapter = model.adapter.as_deref().unwrap_or("no adapter");
    let mut left =
        vec![Span::styled(" bulbctl ", bold()), Span::styled(cut(adapter, 20).into_owned(), dim())];
    left.push(Span::raw("  "));
    left.extend(scanning(model));
    let left = Line::from(left);
    let held = model.devices.values().filter(|device| device.is_connected()).count();
    let mut right = vec![];
    if !model.marked.is_empty() {
        right.push(Span::styled(format!("{} marked  ", model.marked.len()), model.depth.attention()));
    }
    right.push(Span::raw(format!("{held} connected  ")));
    let queued = model.devices.values().filter(|device| device.link == LinkState::Queued).count();
    if queued > 0 {
        let verb = if queued == 1 { "waits" } else { "wait" };
        right.push(Span::styled(format!("{queued} {verb} for a link  "), model.depth.attention()));
    }
    let total = model.devices.len();
    right.push(Span::styled(format!("{} of {total} ", model.order.len()), dim()));
    right.push(Span::styled(if total == 1 { "device " } else { "devices " }, dim()));
    let right = Line::from(right);
    let room = usize::from(area.width).saturating_sub(left.width() + 2);
    frame.render_widget(left, area);
    if right.width() <= room {
        frame.render_widget(right.right_aligned(), area);
    }
}

fn scanning(model: &Model) -> Vec<Span<'static>> {
    const TURNS: [&str; 8] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠇"];
    let turn = TURNS.get(usize::from(model.spinner) % TURNS.len()).copied().unwrap_or_default();
    match model.scan {
        ScanPhase::On => vec![Span::styled(turn, model.depth.accent()), Span::raw(" scanning")],
        ScanPhase::Paused => {
            vec![Span::styled("·", dim()), Span::styled(" scan paused for a connect", dim())]
        }
        ScanPhase::Failed => vec![Span::styled("! no scan", model.depth.attention())],
        ScanPhase::Off if model.scan_wanted => vec![Span::styled("· no scan yet", dim())],
        ScanPhase::Off => vec![Span::styled("· scan is off (s starts it)", dim())],
    }
}

/// Returns the banner: the error, and the lines of its hint.
pub(crate) fn banner_lines(error: &Error, width: u16) -> (String, Vec<String>) {
    let hint = error.hint().map_or_else(String::new, |hint| format!("{hint}. "));
    let mut hint =
        wrap(&format!("{hint}The desk continues when this is fixed."), usize::from(width.saturating_sub(4)));
    hint.truncate(3);
    (cut(&error.to_string(), usize::from(width.saturating_sub(24))).into_owned(), hint)
}

fn banner(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let Some(error) = &model.banner else { return };
    let edge = || Span::styled(" ▌ ", model.depth.attention());
    let (what, hint) = banner_lines(error, area.width);
    let what = [edge(), Span::styled(what, bold()), Span::styled(format!("  {}", error.code()), dim())];
    let hint = hint.into_iter().map(|line| Line::from(vec![edge(), Span::raw(line)]));
    let lines: Vec<Line<'_>> = std::iter::once(Line::from(what.to_vec())).chain(hint).collect();
    frame.render_widget(Paragraph::new(lines), area);
}

fn tabs(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let spans = TABS.map(|(pane, name)| {
        let here = pane == model.pane;
        Span::styled(name, if here { model.depth.accent().patch(bold()).reversed() } else { dim() })
    });
    let mut line = vec![Span::raw(" ")];
    for span in spans {
        line.extend([span, Span::raw(" ")]);
    }
    frame.render_widget(Line::from(line), area);
}

pub(crate) fn tab_at(area: Rect, column: u16) -> Option<Pane> {
    let mut start = usize::from(area.x) + 1;
    TABS.into_iter().find_map(|(pane, name)| {
        let range = start..start + name.width();
        start = range.end + 1;
        range.contains(&usize::from(column)).then_some(pane)
    })
}

fn message(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let width = usize::from(area.width);
    if let Some((what, input)) = &model.prompt {
        let label = match what {
            Prompt::Filter => " filter: ",
            Prompt::FrameFilter => " filter frames: ",
            Prompt::EffectFilter => " filter effects: ",
            Prompt::Kelvin => " kelvin: ",
            Prompt::Color => " colour: ",
            Prompt::Value(_) => " value: ",
            Prompt::File => " save frames to: ",
        };
        return typed(model, frame, area, label, input);
    }
    if let Some(message) = model.message() {
        let mut spans = vec![Span::raw(" ")];
        let (style, sign) = match message.severity {
            Severity::Error => (model.depth.failure(), "✗ "),
            Severity::Info => (Style::new(), ""),
        };
        spans.push(Span::styled(sign, style));
        // The code is short and is what users look up.
        if let Some(code) = message.code {
            spans.push(Span::styled(format!("{code}  "), style));
        }
        let used: usize = spans.iter().map(Span::width).sum();
        let text = cut(&message.text, width.saturating_sub(used + 1)).into_owned();
        let used = used + text.width();
        spans.push(Span::raw(text));
        if let Some(hint) = &message.hint {
            let room = width.saturating_sub(used + 5);
            if room > 12 {
                spans.push(Span::styled(format!(" · {}", cut(hint, room)), dim()));
            }
        }
        frame.render_widget(Line::from(spans), area);
    } else if !model.filter.is_empty() {
        let text = format!(" filter: {}  (Esc clears it)", cut(&model.filter, width.saturating_sub(30)));
        frame.render_widget(Line::styled(text, dim()), area);
    }
}

fn typed(model: &Model, frame: &mut Frame<'_>, area: Rect, label: &str, input: &tui_input::Input) {
    let start = u16::try_from(label.width()).unwrap_or_default().min(area.width);
    let field = Rect { x: area.x + start, width: area.width - start, ..area };
    let last = field.width.saturating_sub(1);
    let scroll = input.visual_scroll(usize::from(last));
    frame.render_widget(Line::styled(label.to_owned(), model.depth.accent()), area);
    let scrolled = u16::try_from(scroll).unwrap_or_default();
    frame.render_widget(Paragraph::new(input.value()).scroll((0, scrolled)), field);
    let cursor = u16::try_from(input.visual_cursor().saturating_sub(scroll)).unwrap_or_default();
    frame.set_cursor_position((field.x + cursor.min(last), area.y));
}

/// Draws the most useful keys that fit. Help and quit are always shown.
fn hints(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    if let Some(fault) = &model.prompt_error {
        let text = cut(fault, usize::from(area.width).saturating_sub(2)).into_owned();
        return frame.render_widget(Line::styled(format!(" {text}"), model.depth.failure()), area);
    }
    let contexts = key_contexts(model);
    let rows =
        TABLE.iter().filter(|row| !hint_here(model, row.hint).is_empty() && contexts.contains(&row.context));
    let (last, first): (Vec<&Binding>, Vec<&Binding>) =
        rows.partition(|row| row.context == KeyContext::Panes && matches!(row.hint, "help" | "quit"));
    let pair = |row: &Binding| {
        let key = row.keys.first().map(|key| key.text()).unwrap_or_default();
        let width = key.width() + row.hint.width() + 3;
        let hint = hint_here(model, row.hint);
        (width, [Span::styled(key, model.depth.accent()), Span::styled(format!(" {hint}  "), dim())])
    };
    let kept: usize = last.iter().map(|row| pair(row).0).sum();
    let mut room = usize::from(area.width).saturating_sub(kept + 1);
    let mut spans = vec![Span::raw(" ")];
    for row in first {
        let (width, pair) = pair(row);
        if width > room {
            break;
        }
        room -= width;
        spans.extend(pair);
    }
    for row in last {
        spans.extend(pair(row).1);
    }
    frame.render_widget(Line::from(spans), area);
}

/// Returns the hint for what the key does at the moment; empty if it does nothing.
fn hint_here(model: &Model, hint: &'static str) -> &'static str {
    let up = model.selected_device().is_some_and(super::device::Device::is_connected);
    let has_control = |control| model.controls.contains(&control);
    match hint {
        "connect" if up => "go to",
        "do" if !up => "connect",
        "do" => match model.control {
            Control::Power => "switch",
            Control::Presets | Control::Recent => "apply",
            Control::Effect => "list",
            _ => "type",
        },
        // No hint for what no bulb here can do.
        "on/off" if !has_control(Control::Power) => "",
        "colour" if !has_control(Control::Color) => "",
        "kelvin" if !has_control(Control::Kelvin) => "",
        "effects" if !has_control(Control::Effect) => "",
        "filter" if model.popup.is_some_and(|popup| popup != Popup::Effects) => "",
        "less" | "more" if !up => "",
        "pause" if model.frames.is_paused() => "continue",
        _ => hint,
    }
}
