//! Draws popups: help, palette, groups, effects, scenes.

use bulb_protocol::profile::Mode;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};
use unicode_width::UnicodeWidthStr;

use super::super::control::{Control, effects_shown, shown_bulb};
use super::super::device::Device;
use super::super::keys::{Binding, KeyContext, KeyMap};
use super::super::layout::inner;
use super::super::model::{Model, Popup};
use super::super::palette::entries;
use super::super::style::{Theme, bold, dim};
use super::super::text::{fit, plain, wrap};
use super::pane;

/// Widest text in a popup.
const WIDTH: u16 = 76;
/// Width of lists.
const LIST_WIDTH: u16 = 52;

/// Returns the area of the popup.
fn area(model: &Model) -> Rect {
    let own = match model.popup {
        Some(Popup::Help | Popup::Palette) => WIDTH + 2,
        Some(Popup::Groups) if model.groups.is_empty() => LIST_WIDTH + 2,
        Some(Popup::Groups) => WIDTH + 2,
        _ => LIST_WIDTH + 2,
    };
    centred(model.size, own, |width| rows(model, width))
}

/// Returns the area of a popup of this width: as large as what it holds, centred between header and hints. `rows` returns
/// its lines in a width.
fn centred((width, height): (u16, u16), own: u16, rows: impl Fn(u16) -> usize) -> Rect {
    // Leaves no narrow strips of the panes at the sides.
    let own = if width < own + 12 { width } else { own };
    let most = height.saturating_sub(4);
    let rows = u16::try_from(rows(own.saturating_sub(2))).unwrap_or(u16::MAX);
    let tall = rows.saturating_add(2).min(most);
    Rect { x: (width - own) / 2, y: (2 + (most - tall) / 3).min(height), width: own, height: tall }
}

/// Returns the number of lines of the popup in this width.
fn rows(model: &Model, width: u16) -> usize {
    let count = match model.popup {
        None => 0,
        Some(Popup::Help) => help(model).lines(width).len(),
        Some(Popup::Palette) => entries(model).len(),
        Some(Popup::Groups) if model.groups.is_empty() => 2,
        Some(Popup::Groups) => model.groups.len(),
        Some(Popup::Effects) => effects_shown(model).len(),
        Some(Popup::Scenes) => model.scenes.len(),
    };
    count.max(1)
}

/// Returns the rows inside the border.
pub(crate) fn height(model: &Model) -> u16 {
    inner(area(model)).height
}

pub(crate) fn last_row(model: &Model) -> usize {
    let inside = inner(area(model));
    match model.popup {
        Some(Popup::Help) => help(model).last_row(model.size),
        _ => rows(model, inside.width).saturating_sub(1),
    }
}

pub(super) fn draw(model: &Model, popup: Popup, frame: &mut Frame<'_>) {
    let area = area(model).intersection(frame.area());
    let title = match popup {
        Popup::Help => return help(model).draw(model.size, model.popup_row, frame),
        Popup::Palette => " Actions ",
        Popup::Groups => " Groups ",
        Popup::Effects => " Effects ",
        Popup::Scenes => " Scenes ",
    };
    frame.render_widget(Clear, area);
    let mut block = pane(model.theme, Line::styled(title, bold()), true);
    let inside = inner(area);
    let (count, shown) = (rows(model, inside.width), usize::from(inside.height));
    let place = match popup {
        _ if count > shown || popup == Popup::Effects => {
            format!(" {} of {count} ", (model.popup_row + 1).min(count))
        }
        _ => String::new(),
    };
    if !place.is_empty() {
        block = block.title_bottom(Line::styled(place, dim()).right_aligned());
    }
    frame.render_widget(block, area);
    frame.render_widget(Paragraph::new(lines(model, popup)), inside);
}

/// Returns the number of rows scrolled off the top.
fn scroll(model: &Model, popup: Popup) -> usize {
    match popup {
        Popup::Help => model.popup_row,
        _ => (model.popup_row + 1).saturating_sub(usize::from(height(model))),
    }
}

pub(crate) fn row_at(model: &Model, at: Position) -> Option<usize> {
    let popup = model.popup.filter(|popup| *popup != Popup::Help)?;
    let inside = inner(area(model));
    let row = scroll(model, popup) + usize::from(at.y.checked_sub(inside.y)?);
    (inside.contains(at) && row < rows(model, inside.width)).then_some(row)
}

/// Returns the visible lines. Long lists only create these.
fn lines(model: &Model, popup: Popup) -> Vec<Line<'static>> {
    let (first, count) = (scroll(model, popup), usize::from(height(model)));
    match popup {
        Popup::Help => Vec::new(),
        Popup::Palette => palette(model, first, count),
        Popup::Scenes => {
            let names = model.scenes.iter().enumerate().skip(first).take(count);
            names.map(|(row, name)| chosen(model, row, Line::raw(format!(" {}", plain(name))))).collect()
        }
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
            Span::styled(format!(" {sign} "), model.theme.success()),
            Span::raw(fit(&label, 24)),
            Span::styled(few, dim()),
        ]);
        Some(chosen(model, index, line))
    };
    (first..).take(count).map_while(row).collect()
}

/// Marks the line in the selected row.
fn chosen(model: &Model, row: usize, mut line: Line<'static>) -> Line<'static> {
    if row != model.popup_row {
        return line;
    }
    let width = usize::from(inner(area(model)).width).saturating_sub(line.width());
    line.spans.push(Span::raw(" ".repeat(width)));
    if let Some(first) = line.spans.first_mut() {
        // Every line begins with a space.
        first.content = first.content.strip_prefix(' ').unwrap_or(&first.content).to_owned().into();
    }
    line.spans.insert(0, Span::styled("▌", model.theme.accent()));
    line.style(model.theme.selection())
}

/// Lists the actions with their keys.
fn palette(model: &Model, first: usize, count: usize) -> Vec<Line<'static>> {
    const NAME: usize = 18;
    const KEYS: usize = 10;
    let entries = entries(model);
    if entries.is_empty() {
        return vec![Line::styled(format!(" No action matches {:?}.", model.palette_filter), dim())];
    }
    let room = usize::from(inner(area(model)).width).saturating_sub(NAME + KEYS + 4);
    let row = |(index, row): (usize, &&Binding)| {
        let keys: Vec<String> = row.keys.iter().take(2).map(|key| key.text()).collect();
        let line = Line::from(vec![
            Span::raw(format!(" {} ", fit(&row.action.name(), NAME))),
            Span::styled(format!("{} ", fit(&keys.join(" "), KEYS)), model.theme.accent()),
            Span::styled(fit(row.help, room), dim()),
        ]);
        chosen(model, index, line)
    };
    entries.iter().enumerate().skip(first).take(count).map(row).collect()
}

/// The help: the keys of these contexts, and the signs.
pub(crate) struct Help<'a> {
    pub(crate) theme: Theme,
    pub(crate) keys: &'a KeyMap,
    pub(crate) contexts: &'a [KeyContext],
    /// Signs, each with its meaning.
    pub(crate) signs: &'a [(&'static str, &'static str)],
}

impl Help<'_> {
    fn lines(&self, width: u16) -> Vec<Line<'static>> {
        let mut lines = Vec::new();
        for context in self.contexts {
            if !lines.is_empty() {
                lines.push(Line::default());
            }
            lines.push(Line::styled(format!(" {}", context.title()), bold()));
            for row in self.keys.rows().iter().filter(|row| row.context == *context) {
                let keys: Vec<String> = row.keys.iter().map(|key| key.text()).collect();
                lines.extend(entry(self.theme, &keys.join(" "), row.help, width));
            }
        }
        lines.push(Line::default());
        lines.push(Line::styled(" Signs", bold()));
        lines.extend(self.signs.iter().flat_map(|(sign, meaning)| entry(self.theme, sign, meaning, width)));
        lines
    }

    fn area(&self, size: (u16, u16)) -> Rect {
        centred(size, WIDTH + 2, |width| self.lines(width).len())
    }

    /// The rows of a page.
    pub(crate) fn page(&self, size: (u16, u16)) -> usize {
        usize::from(inner(self.area(size)).height).max(1)
    }

    /// The first row of the last page.
    pub(crate) fn last_row(&self, size: (u16, u16)) -> usize {
        let inside = inner(self.area(size));
        self.lines(inside.width).len().saturating_sub(usize::from(inside.height))
    }

    /// Draws the help from this row on.
    pub(crate) fn draw(&self, size: (u16, u16), row: usize, frame: &mut Frame<'_>) {
        let area = self.area(size).intersection(frame.area());
        frame.render_widget(Clear, area);
        let mut block = pane(self.theme, Line::styled(" Keys ", bold()), true);
        let inside = inner(area);
        let lines = self.lines(inside.width);
        let (count, shown) = (lines.len(), usize::from(inside.height));
        if count > shown {
            let last = (row + shown).min(count);
            let more = if last < count { "  ↓ more" } else { "" };
            let place = format!(" {}–{last} of {count}{more} ", row + 1);
            block = block.title_bottom(Line::styled(place, dim()).right_aligned());
        }
        frame.render_widget(block, area);
        let lines: Vec<_> = lines.into_iter().skip(row).take(shown).collect();
        frame.render_widget(Paragraph::new(lines), inside);
    }
}

fn help(model: &Model) -> Help<'_> {
    const PLACES: [KeyContext; 10] = [
        KeyContext::Panes,
        KeyContext::List,
        KeyContext::Detail,
        KeyContext::Frames,
        KeyContext::Gatt,
        KeyContext::Check,
        KeyContext::Log,
        KeyContext::Always,
        KeyContext::Prompt,
        KeyContext::Popup,
    ];
    const SIGNS: [(&str, &str); 14] = [
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
    Help { theme: model.theme, keys: &model.settings.keys, contexts: &PLACES, signs: &SIGNS }
}

/// Returns a key or sign with its meaning, wrapped.
fn entry(theme: Theme, key: &str, meaning: &str, width: u16) -> Vec<Line<'static>> {
    const KEYS: usize = 16;
    let width = usize::from(width).saturating_sub(KEYS + 5);
    let lines = wrap(meaning, width).into_iter().enumerate();
    let line = |(index, line): (usize, String)| {
        let key = if index == 0 { fit(key, key.width().max(KEYS)) } else { " ".repeat(KEYS) };
        Line::from(vec![Span::styled(format!("   {key} "), theme.accent()), Span::raw(line)])
    };
    lines.map(line).collect()
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
        let name = plain(&group.name);
        let line = Line::from(vec![
            Span::raw(format!(" @{} ", fit(&name, 20))),
            Span::styled(fit(&members, width), dim()),
        ]);
        chosen(model, index, line)
    };
    model.groups.iter().enumerate().skip(first).take(count).map(row).collect()
}
