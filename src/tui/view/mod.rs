//! Draws the desk from the model.

mod check;
mod controls;
mod detail;
mod frames;
mod gatt;
mod graphs;
mod line;
mod list;
mod log;
pub(crate) mod popup;

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Paragraph};
use unicode_width::UnicodeWidthStr;

use super::device::LinkState;
use super::event::ScanPhase;
use super::layout::{Areas, MIN_SIZE, inner, too_small};
use super::model::{Model, Pane};
use super::style::{Theme, bold, dim};
use super::text::{cut, wrap};
use crate::error::Error;

pub(crate) use check::row_at as check_row_at;
pub(crate) use detail::{battery, light_text, notice, swatch};
pub(crate) use gatt::offset as gatt_offset;
pub(crate) use line::{Hints, hint_at, input_error, message_line, typed};
pub(crate) use list::list_width;
pub(crate) use popup::Help;

/// The panes with their keys and names.
const TABS: [(Pane, char, &str); 7] = [
    (Pane::List, '1', "Bulbs"),
    (Pane::Detail, '2', "Bulb"),
    (Pane::Frames, '3', "Frames"),
    (Pane::Graphs, '4', "Graphs"),
    (Pane::Gatt, '5', "GATT"),
    (Pane::Check, '6', "Check"),
    (Pane::Log, '7', "Log"),
];

pub fn view(model: &Model, frame: &mut Frame<'_>) {
    if too_small(model.size) {
        return small(model.size, frame);
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
    if let Some(area) = areas.lower {
        match model.lower {
            Pane::Graphs => graphs::draw(model, frame, area),
            Pane::Gatt => gatt::draw(model, frame, area),
            Pane::Check => check::draw(model, frame, area),
            Pane::Log => log::draw(model, frame, area),
            _ => frames::draw(model, frame, area),
        }
    }
    if let Some(area) = areas.graphs {
        graphs::draw_beside(model, frame, area);
    }
    line::message(model, frame, areas.message);
    line::hints(model, frame, areas.hints);
    if let Some(popup) = model.popup {
        popup::draw(model, popup, frame);
    }
}

/// Draws a terminal in which there is no room.
pub(super) fn small((width, height): (u16, u16), frame: &mut Frame<'_>) {
    let text = format!(
        "terminal too small: {width}×{height}, needs at least {}×{} (q quits)",
        MIN_SIZE.0, MIN_SIZE.1
    );
    let area = frame.area();
    let lines: Vec<Line<'_>> = wrap(&text, usize::from(area.width)).into_iter().map(Line::from).collect();
    frame.render_widget(Paragraph::new(lines), area);
}

pub(crate) fn pane<'a>(theme: Theme, title: Line<'a>, focused: bool) -> Block<'a> {
    let style = if focused { theme.accent() } else { dim() };
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
    let mut room = usize::from(area.width).saturating_sub(left.width() + 2);
    frame.render_widget(left, area);
    // The most important part is the last to go.
    let mut right = Vec::new();
    for span in facts(model) {
        if span.width() <= room {
            room -= span.width();
            right.push(span);
        }
    }
    frame.render_widget(Line::from(right).right_aligned(), area);
}

/// Returns what the header counts, the most important first.
fn facts(model: &Model) -> Vec<Span<'static>> {
    let held = model.devices.values().filter(|device| device.is_connected()).count();
    let mut facts = Vec::new();
    if !model.marked.is_empty() {
        facts.push(Span::styled(format!("{} marked  ", model.marked.len()), model.theme.attention()));
    }
    facts.push(Span::raw(format!("{held} connected  ")));
    let queued = model.devices.values().filter(|device| device.link == LinkState::Queued).count();
    if queued > 0 {
        let verb = if queued == 1 { "waits" } else { "wait" };
        facts.push(Span::styled(format!("{queued} {verb} for a link  "), model.theme.attention()));
    }
    let total = model.devices.len();
    let devices = if total == 1 { "device" } else { "devices" };
    facts.push(Span::styled(format!("{} of {total} {devices} ", model.order.len()), dim()));
    facts
}

fn scanning(model: &Model) -> Vec<Span<'static>> {
    const TURNS: [&str; 8] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠇"];
    let turn = TURNS.get(usize::from(model.spinner) % TURNS.len()).copied().unwrap_or_default();
    match model.scan {
        ScanPhase::On => vec![Span::styled(turn, model.theme.accent()), Span::raw(" scanning")],
        ScanPhase::Paused => {
            vec![Span::styled("·", dim()), Span::styled(" scan paused for a connect", dim())]
        }
        ScanPhase::Failed => vec![Span::styled("! no scan", model.theme.attention())],
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
    let edge = || Span::styled(" ▌ ", model.theme.attention());
    let (what, hint) = banner_lines(error, area.width);
    let what = [edge(), Span::styled(what, bold()), Span::styled(format!("  {}", error.code()), dim())];
    let hint = hint.into_iter().map(|line| Line::from(vec![edge(), Span::raw(line)]));
    let lines: Vec<Line<'_>> = std::iter::once(Line::from(what.to_vec())).chain(hint).collect();
    frame.render_widget(Paragraph::new(lines), area);
}

/// Returns the names of panes with the columns that each takes, from `start` on.
fn strip(model: &Model, panes: &[Pane], start: u16, width: u16) -> Vec<(Pane, std::ops::Range<u16>, String)> {
    let name = |pane: Pane, long: bool| {
        let (_, key, name) = TABS.into_iter().find(|(one, ..)| *one == pane).unwrap_or_default();
        let unread = if pane == Pane::Log && model.messages.unread > 0 { "!" } else { "" };
        if long { format!(" {key} {name}{unread} ") } else { format!(" {key}{unread} ") }
    };
    let here = |pane: Pane| pane == model.pane || (panes.len() < TABS.len() && pane == model.lower);
    let all: usize = panes.iter().map(|pane| name(*pane, true).width()).sum();
    let mut at = start;
    let tab = |pane: &Pane| {
        let text = name(*pane, all <= usize::from(width) || here(*pane));
        let end = at.saturating_add(u16::try_from(text.width()).unwrap_or_default());
        let range = at..end;
        at = end;
        (*pane, range, text)
    };
    panes.iter().map(tab).collect()
}

fn strip_line(model: &Model, panes: &[Pane], width: u16) -> Line<'static> {
    let whole = panes.len() == TABS.len();
    let spans = strip(model, panes, 0, width).into_iter().map(|(pane, _, text)| {
        let here = if whole { pane == model.pane } else { pane == model.lower };
        let style = if here {
            model.theme.accent().patch(bold()).add_modifier(Modifier::UNDERLINED)
        } else if pane == Pane::Log && model.messages.unread > 0 {
            model.theme.attention()
        } else {
            dim()
        };
        Span::styled(text, style)
    });
    Line::from(spans.collect::<Vec<_>>())
}

fn tabs(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let panes = TABS.map(|(pane, ..)| pane);
    frame.render_widget(strip_line(model, &panes, area.width), area);
}

/// Draws the border of the lower pane: with the names of all of them, or with its own. Returns the area inside.
fn lower(model: &Model, frame: &mut Frame<'_>, area: Rect, more: Line<'static>) -> Rect {
    let focused = model.pane == model.lower;
    let title = if model.areas().strip {
        strip_line(model, &Pane::LOWER, area.width.saturating_sub(4))
    } else {
        let name = TABS.into_iter().find(|(pane, ..)| *pane == model.lower).map_or("", |(_, _, name)| name);
        Line::styled(format!(" {name} "), bold())
    };
    let room = usize::from(area.width).saturating_sub(title.width() + 4);
    let mut block = pane(model.theme, title, focused);
    if more.width() > 0 && more.width() <= room {
        block = block.title(more.right_aligned());
    }
    frame.render_widget(block, area);
    inner(area)
}

/// Returns the pane whose name is at this position.
pub(crate) fn tab_at(model: &Model, areas: &Areas, at: Position) -> Option<Pane> {
    let found = |panes: &[Pane], start: u16, width: u16| {
        let tabs = strip(model, panes, start, width).into_iter();
        tabs.filter(|(_, range, _)| range.contains(&at.x)).map(|(pane, ..)| pane).next()
    };
    if let Some(area) = areas.tabs.filter(|area| area.contains(at)) {
        return found(&TABS.map(|(pane, ..)| pane), area.x, area.width);
    }
    let area = areas.lower.filter(|area| areas.strip && area.y == at.y && area.contains(at))?;
    found(&Pane::LOWER, area.x + 1, area.width.saturating_sub(4))
}

/// Draws a sentence in an empty pane.
pub(super) fn sentence(frame: &mut Frame<'_>, area: Rect, text: &str) {
    let lines: Vec<Line<'_>> = wrap(text, usize::from(area.width.saturating_sub(2)))
        .into_iter()
        .map(|line| Line::styled(format!(" {line}"), dim()))
        .collect();
    frame.render_widget(Paragraph::new(lines), area);
}
