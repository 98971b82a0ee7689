//! Draws popups: help, messages, groups, effects.

use bulb_protocol::profile::Mode;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};
use unicode_width::UnicodeWidthStr;

use super::super::control::{Control, effects_shown, shown_bulb};
use super::super::device::Device;
use super::super::keys::{KeyContext, TABLE};
use super::super::layout::inner;
use super::super::model::{Model, Popup, Severity};
use super::super::style::{bold, cursor, dim};
use super::super::text::{fit, wrap};
use super::pane;

/// Preferred width, with its border.
const WIDTH: u16 = 78;

/// Returns the area of a popup: centred, between header and hints.
fn area(model: &Model) -> Rect {
    let (width, height) = model.size;
    // Leaves no narrow strips of the panes at the sides.
    let own = if width < WIDTH + 12 { width } else { WIDTH };
    let tall = height.saturating_sub(4);
    Rect { x: (width - own) / 2, y: 2.min(height), width: own, height: tall }
}

/// Returns the rows inside the border.
pub(crate) fn height(model: &Model) -> u16 {
    inner(area(model)).height
}

pub(crate) fn last_row(model: &Model) -> usize {
    match model.popup {
        None => 0,
        Some(Popup::Groups) => model.groups.len().saturating_sub(1),
        Some(Popup::Effects) => effects_shown(model).len().saturating_sub(1),
        Some(Popup::Help) => help(model).len().saturating_sub(usize::from(height(model))),
        Some(Popup::Messages) => messages(model).len().saturating_sub(usize::from(height(model))),
    }
}

pub(super) fn draw(model: &Model, popup: Popup, frame: &mut Frame<'_>) {
    let area = area(model).intersection(frame.area());
    let title = match popup {
        Popup::Help => " Keys ",
        Popup::Messages => " Messages ",
        Popup::Groups => " Groups ",
        Popup::Effects => " Effects ",
    };
    frame.render_widget(Clear, area);
    let mut block = pane(model, Line::styled(title, bold()), true);
    if popup == Popup::Effects {
        let count = effects_shown(model).len();
        let place = (model.popup_row + 1).min(count);
        block = block.title_bottom(Line::styled(format!(" {place} of {count} "), dim()).right_aligned());
    }
    frame.render_widget(block, area);
    frame.render_widget(Paragraph::new(lines(model, popup)), inner(area));
}

/// Returns the number of rows scrolled off the top.
fn scroll(model: &Model, popup: Popup) -> usize {
    match popup {
        Popup::Groups | Popup::Effects => (model.popup_row + 1).saturating_sub(usize::from(height(model))),
        Popup::Help | Popup::Messages => model.popup_row,
    }
}

pub(crate) fn row_at(model: &Model, at: Position) -> Option<usize> {
    let popup = model.popup.filter(|popup| matches!(popup, Popup::Groups | Popup::Effects))?;
    let rows = inner(area(model));
    let row = scroll(model, popup) + usize::from(at.y.checked_sub(rows.y)?);
    let count = if popup == Popup::Groups { model.groups.len() } else { effects_shown(model).len() };
    (rows.contains(at) && row < count).then_some(row)
}

/// Returns the visible lines. Long lists only create these.
fn lines(model: &Model, popup: Popup) -> Vec<Line<'static>> {
    let (first, count) = (scroll(model, popup), usize::from(height(model)));
    match popup {
        Popup::Help => help(model).into_iter().skip(first).take(count).collect(),
        Popup::Messages => messages(model).into_iter().skip(first).take(count).collect(),
        Popup::Groups => groups(model, first, count),
        Popup::Effects => effects(model, first, count),
    }
}

/// Lists the effects of the target bulbs and marks the active one.
fn effects(model: &Model, first: usize, count: usize) -> Vec<Line<'static>> {
    let shown = effects_shown(model);
    if shown.is_empty() {
        return vec![Line::styled(format!(" No effect matches {:?}.", model.effect_filter), dim())];
    }
    let light = shown_bulb(model, Control::Effect).and_then(|device| device.light());
    let runs =
        light.filter(|light| light.mode == Some(Mode::Effect)).and_then(|light| light.effect.as_deref());
    let bulbs = model.target_ids().count();
    let row = |index: usize| {
        let (name, have) = shown.get(index)?;
        let sign = if runs == Some(name.as_str()) { "●" } else { " " };
        let few = if have < bulbs { format!("  {have} of {bulbs} bulbs") } else { String::new() };
        let label = if name.bytes().all(|c| c.is_ascii_digit()) { format!("number {name}") } else { name };
        let line = Line::from(vec![
            Span::styled(format!(" {sign} "), model.depth.success()),
            Span::raw(fit(&label, 24)),
            Span::styled(few, dim()),
        ]);
        Some(if index == model.popup_row { line.style(cursor()) } else { line })
    };
    (first..).take(count).map_while(row).collect()
}

fn help(model: &Model) -> Vec<Line<'static>> {
    const PLACES: [KeyContext; 7] = [
        KeyContext::Panes,
        KeyContext::List,
        KeyContext::Detail,
        KeyContext::Frames,
        KeyContext::Always,
        KeyContext::Prompt,
        KeyContext::Popup,
    ];
    let mut lines = Vec::new();
    for place in PLACES {
        if !lines.is_empty() {
            lines.push(Line::default());
        }
        lines.push(Line::styled(format!(" {}", place.title()), bold()));
        for row in TABLE.iter().filter(|row| row.context == place) {
            let keys: Vec<String> = row.keys.iter().map(|key| key.text()).collect();
            lines.extend(entry(model, &keys.join(" "), row.help));
        }
    }
    lines.push(Line::default());
    lines.push(Line::styled(" Signs", bold()));
    let signs = [
        ("●", "connected"),
        ("◌", "connecting"),
        ("◔", "waits for a link: as many as --max-links allows are in use"),
        ("↻", "link lost, reconnecting"),
        ("◇", "connected to another program on this machine"),
        ("██ ·· ??", "on; off; connected, but the state is unknown"),
        ("▐▌", "advertised state, not connected"),
        ("▓▒", "effect with changing colours"),
        ("≈", "dims by scaling its colour"),
        ("…", "change in progress"),
        ("✓", "change confirmed by the bulb"),
        ("~", "change written, not confirmed"),
        ("✗", "change failed"),
        ("◆", "marked: receives changes"),
    ];
    lines.extend(signs.iter().flat_map(|(sign, meaning)| entry(model, sign, meaning)));
    lines
}

/// Returns a key or sign with its meaning, wrapped.
fn entry(model: &Model, key: &str, meaning: &str) -> Vec<Line<'static>> {
    const KEYS: usize = 16;
    let width = usize::from(inner(area(model)).width).saturating_sub(KEYS + 5);
    let lines = wrap(meaning, width).into_iter().enumerate();
    let line = |(index, line): (usize, String)| {
        let key = if index == 0 { fit(key, key.width().max(KEYS)) } else { " ".repeat(KEYS) };
        Line::from(vec![Span::styled(format!("   {key} "), model.depth.accent()), Span::raw(line)])
    };
    lines.map(line).collect()
}

fn messages(model: &Model) -> Vec<Line<'static>> {
    if model.messages.is_empty() {
        return vec![Line::styled(" No messages yet.", dim())];
    }
    let width = usize::from(inner(area(model)).width).saturating_sub(11);
    let mut lines = Vec::new();
    for message in &model.messages {
        let time = format!("{:>6}.{}  ", message.at.as_secs(), message.at.subsec_millis() / 100);
        let style = if message.severity == Severity::Error { model.depth.failure() } else { dim() };
        let code = message.code.map_or_else(String::new, |code| format!("{code}: "));
        let hint = message.hint.iter().flat_map(|hint| wrap(hint, width)).map(|line| (line, dim()));
        let text = wrap(&format!("{code}{}", message.text), width).into_iter().map(|line| (line, style));
        for (index, (line, style)) in text.chain(hint).enumerate() {
            let before = if index == 0 { time.clone() } else { " ".repeat(10) };
            lines.push(Line::from(vec![Span::styled(before, dim()), Span::styled(line, style)]));
        }
    }
    lines
}

fn groups(model: &Model, first: usize, count: usize) -> Vec<Line<'static>> {
    if model.groups.is_empty() {
        let text = " No groups. Define them in the [groups] table of the configuration file.";
        let width = usize::from(inner(area(model)).width);
        return wrap(text, width).into_iter().map(|line| Line::styled(line, dim())).collect();
    }
    let width = usize::from(inner(area(model)).width).saturating_sub(24);
    let row = |(index, group): (usize, &super::super::model::Group)| {
        let wanted = group.target.selectors();
        let mut members = String::new();
        let is_member = |device: &&Device| wanted.iter().any(|wanted| wanted.matches(&device.seen));
        for device in model.devices.values().filter(is_member) {
            let separator = if members.is_empty() { "" } else { ", " };
            members.extend([separator, device.label()]);
            // More would be cut off.
            if members.width() > width {
                break;
            }
        }
        if members.is_empty() {
            members.push_str("none in range");
        }
        let name = super::super::text::plain(&group.name);
        let line = Line::from(vec![
            Span::raw(format!(" @{} ", fit(&name, 20))),
            Span::styled(fit(&members, width), dim()),
        ]);
        if index == model.popup_row { line.style(cursor()) } else { line }
    };
    model.groups.iter().enumerate().skip(first).take(count).map(row).collect()
}
