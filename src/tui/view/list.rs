//! Draws the list of bulbs.

use bulb_protocol::Rgb;
use bulb_protocol::profile::Mode;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::super::device::{ChangeOutcome, Device, LinkState};
use super::super::event::ScanPhase;
use super::super::layout::inner;
use super::super::model::{FADE_AFTER, Model, Pane};
use super::super::settings::{Column, Sort};
use super::super::style::{Depth, Theme, bold, dim, displayed_color};
use super::super::text::{fit, fit_right, wrap};
use super::pane;
use crate::bulb::Provenance;

/// Minimum and maximum width of a name.
const NAME: (u16, u16) = (10, 28);
/// Width before the name: cursor, mark, link, light, outcome. `SIGNAL` is the width of bars and dBm after it.
const BEFORE: u16 = 8;
const SIGNAL: u16 = 10;

const HISTORY_WIDTH: u16 = 8;

/// Least and greatest width of a family.
const FAMILY: (u16, u16) = (10, 16);

/// Returns the least width of a column with the space before it.
const fn width_of(column: Column) -> u16 {
    match column {
        Column::Age => 4,
        Column::Battery => 5,
        Column::Address => 18,
        Column::History => 1 + HISTORY_WIDTH,
        Column::Family => 1 + FAMILY.0,
    }
}

/// Returns the width in which nothing of the column is cut off.
fn whole_width_of(model: &Model, column: Column) -> u16 {
    match column {
        Column::Family => 1 + model.widest_family.clamp(FAMILY.0, FAMILY.1),
        column => width_of(column),
    }
}

/// Returns the width of the list in which nothing is cut off, with its border.
pub(crate) fn list_width(model: &Model) -> u16 {
    let name = model.widest_name.clamp(NAME.0 + 3, NAME.1);
    let columns: u16 = model.settings.columns.iter().map(|column| whole_width_of(model, *column)).sum();
    2 + BEFORE + name + SIGNAL + columns + 1
}

/// Returns the width of the name, and the columns that fit with their widths.
fn columns(model: &Model, width: u16) -> (u16, Vec<(Column, u16)>) {
    let mut room = width.saturating_sub(BEFORE + NAME.0 + SIGNAL + 1);
    let mut shown = Vec::new();
    for &column in &model.settings.columns {
        let width = width_of(column);
        // A readable name is more important.
        let narrow = width <= room && NAME.0 + room - width < 13 && column != Column::Age;
        if width > room || narrow {
            continue;
        }
        room -= width;
        shown.push((column, width));
    }
    let name = (NAME.0 + room).min(model.widest_name.clamp(NAME.0, NAME.1));
    // What the names leave is for the families.
    let mut left = NAME.0 + room - name;
    for (column, width) in &mut shown {
        let more = (whole_width_of(model, *column) - *width).min(left);
        *width += more;
        left -= more;
    }
    (name, shown)
}

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let focused = model.pane == Pane::List;
    let order = match model.sort {
        Sort::Signal => "by signal",
        Sort::Name => "by name",
        Sort::Address => "by address",
    };
    let what = if model.show_all { " Devices " } else { " Bulbs " };
    let title = Line::from(vec![Span::styled(what, bold()), Span::styled(format!("{order} "), dim())]);
    let mut block = pane(model.theme, title, focused);
    let rows = inner(area);
    let more = model.order.len().saturating_sub(model.offset + usize::from(rows.height));
    if more > 0 || model.offset > 0 {
        let place = model.selected_index().map_or(0, |index| index + 1);
        block = block
            .title_bottom(Line::styled(format!(" {place} of {} ", model.order.len()), dim()).right_aligned());
    }
    frame.render_widget(block, area);
    if model.order.is_empty() {
        return empty(model, frame, rows);
    }
    let (name, extras) = columns(model, rows.width);
    let visible = model.order.iter().skip(model.offset).zip(0..rows.height);
    for (device, row) in visible.filter_map(|(id, row)| Some((model.devices.get(id)?, row))) {
        let place = Rect { y: rows.y + row, height: 1, ..rows };
        let mut line = line(model, device, name, &extras);
        if model.selected.as_ref() == Some(device.id()) {
            let selection = model.theme.selection();
            line = line.style(selection);
            // To the end of the row.
            frame.render_widget(Line::styled(" ".repeat(usize::from(rows.width)), selection), place);
            let mark = if focused { "▌" } else { "▏" };
            line.spans.insert(0, Span::styled(mark, model.theme.accent()));
            line.spans.remove(1);
        }
        frame.render_widget(line, place);
    }
}

fn empty(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let hidden = model.devices.len();
    let text = if !model.filter.is_empty() {
        format!("Nothing matches {:?}. Esc clears the filter.", model.filter)
    } else if model.banner.is_some() {
        "Bluetooth is not usable at the moment.".to_owned()
    } else if hidden > 0 && !model.show_all {
        let other = if hidden == 1 { "device" } else { "devices" };
        format!("No bulbs found yet, but {hidden} other {other}. Press a to show all.")
    } else if model.scan == ScanPhase::On {
        "No devices found yet. Check that the bulb has power, is near, and is not connected to a phone."
            .to_owned()
    } else {
        "No devices found yet. Press s to scan.".to_owned()
    };
    let width = usize::from(area.width.saturating_sub(2));
    let lines: Vec<Line<'_>> = wrap(&text, width).into_iter().map(|line| Line::styled(line, dim())).collect();
    let place = Rect {
        x: area.x + 1,
        y: area.y + 1,
        width: area.width.saturating_sub(2),
        height: area.height.saturating_sub(1),
    };
    frame.render_widget(Paragraph::new(lines), place);
}

fn line<'a>(model: &Model, device: &'a Device, name: u16, extras: &[(Column, u16)]) -> Line<'a> {
    let theme = model.theme;
    let faded = device.silent_for >= FADE_AFTER;
    let marked = model.marked.contains(device.id());
    let mut spans = vec![
        Span::raw(" "),
        Span::styled(if marked { "◆" } else { " " }, theme.attention()),
        link_sign(theme, device),
        Span::raw(" "),
    ];
    spans.extend(light_swatch(theme, device));
    spans.push(outcome_sign(theme, device));
    spans.push(Span::raw(" "));
    let name_style = if device.name.is_empty() || faded { dim() } else { Style::new() };
    let label = if device.name.is_empty() { "(no name)" } else { &device.name };
    spans.push(Span::styled(fit(label, usize::from(name)), name_style));
    spans.push(Span::styled(format!(" {}", signal_bars(device)), theme.success()));
    let dbm = device.rank.map_or_else(|| "—".to_owned(), |rssi| rssi.to_string());
    spans.push(Span::raw(fit_right(&dbm, 5)));
    for (extra, width) in extras {
        spans.push(cell(model, device, *extra, usize::from(*width)));
    }
    let line = Line::from(spans);
    if faded { line.style(dim()) } else { line }
}

fn cell(model: &Model, device: &Device, extra: Column, width: usize) -> Span<'static> {
    match extra {
        Column::Age => Span::styled(fit_right(&model.age(device).unwrap_or_default(), width), dim()),
        Column::Battery => {
            let level = device.battery.flatten().map(|battery| battery.percent);
            let text = level.map_or_else(String::new, |percent| format!("{percent}%"));
            let low = level.is_some_and(|percent| percent <= 15);
            Span::styled(fit_right(&text, width), if low { model.theme.failure() } else { dim() })
        }
        Column::Address => Span::styled(format!(" {}", fit(&device.address(), width - 1)), dim()),
        Column::History => Span::styled(format!(" {}", history(device, usize::from(HISTORY_WIDTH))), dim()),
        Column::Family => {
            Span::styled(format!(" {}", fit(&device.family().unwrap_or_default(), width - 1)), dim())
        }
    }
}

fn link_sign(theme: Theme, device: &Device) -> Span<'static> {
    match device.link {
        LinkState::Up(_) => Span::styled("●", theme.success()),
        LinkState::Connecting(_) => Span::styled("◌", theme.accent()),
        LinkState::Queued => Span::styled("◔", dim()),
        LinkState::Waiting(_) => Span::styled("↻", theme.attention()),
        LinkState::None if device.seen.connected => Span::styled("◇", dim()),
        LinkState::None => Span::raw(" "),
    }
}

/// Draws the light in two columns. Without colours, shades show the brightness.
fn light_swatch(theme: Theme, device: &Device) -> [Span<'static>; 2] {
    let end = Span::raw("");
    let Some(light) = device.light() else {
        return [if device.is_connected() { Span::styled("??", dim()) } else { Span::raw("  ") }, end];
    };
    let on = light.power != Some(false);
    let advertised = device.state.provenance == Provenance::Advertised;
    let lit = match (advertised, light.mode) {
        (true, _) => "▐▌",
        (false, Some(Mode::Effect)) => "▓▒",
        (false, _) => "██",
    };
    match theme.depth {
        Depth::None if on && lit != "██" => [Span::raw(lit), end],
        Depth::None => {
            let shade = match (on, light.brightness.map_or(100, bulb_protocol::Percent::get)) {
                (false, _) => "··",
                (true, 0..=33) => "░░",
                (true, 34..=66) => "▒▒",
                (true, _) => "██",
            };
            [Span::raw(shade), end]
        }
        _ => {
            let style = theme.light_style(displayed_color(light));
            if on { [Span::styled(lit, style), end] } else { [Span::styled("··", dim()), end] }
        }
    }
}

fn outcome_sign(theme: Theme, device: &Device) -> Span<'static> {
    match device.outcome {
        ChangeOutcome::None => Span::raw(" "),
        ChangeOutcome::Pending => Span::styled("…", theme.accent()),
        ChangeOutcome::Confirmed => Span::styled("✓", theme.success()),
        ChangeOutcome::Unconfirmed => Span::styled("~", theme.attention()),
        ChangeOutcome::Failed => Span::styled("✗", theme.failure()),
    }
}

pub(super) fn signal_bars(device: &Device) -> &'static str {
    match device.signal_step {
        0 => "    ",
        1 => "▂   ",
        2 => "▂▄  ",
        3 => "▂▄▆ ",
        _ => "▂▄▆█",
    }
}

/// Returns the signal history as bars, from -100 dBm to -40 dBm.
pub(super) fn history(device: &Device, width: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let bar = |rssi: &i16| {
        let level = (rssi.clamp(&-100, &-40) + 100) / 8;
        BARS.get(usize::try_from(level).unwrap_or_default()).copied().unwrap_or('█')
    };
    let missing = width.saturating_sub(device.history.len());
    let last = device.history.iter().skip(device.history.len().saturating_sub(width));
    std::iter::repeat_n(' ', missing).chain(last.map(bar)).collect()
}

pub(super) fn color_swatch(theme: Theme, color: Rgb) -> Span<'static> {
    let style = theme.light_style(color);
    Span::styled("█", if theme.depth == Depth::None { style.add_modifier(Modifier::DIM) } else { style })
}
