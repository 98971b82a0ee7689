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
use super::super::model::{FADE_AFTER, Model, Pane, Sort};
use super::super::style::{Depth, bold, cursor, dim, displayed_color};
use super::super::text::{fit, fit_right, wrap};
use super::pane;
use crate::bulb::Provenance;

/// Minimum and maximum width of a name.
const NAME: (u16, u16) = (10, 28);
/// Width before the name: cursor, mark, link, light, outcome. `SIGNAL` is the width of bars and dBm after it.
const BEFORE: u16 = 8;
const SIGNAL: u16 = 10;

/// A column that is shown if it fits. Its width includes the space before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OptionalColumn {
    Age,
    Battery,
    Address,
    History,
    Profile,
}

impl OptionalColumn {
    /// In order of importance.
    const ALL: [Self; 5] = [Self::Age, Self::Battery, Self::History, Self::Address, Self::Profile];

    const fn width(self) -> u16 {
        match self {
            Self::Age => 4,
            Self::Battery => 5,
            Self::Address => 18,
            Self::History => 1 + HISTORY_WIDTH,
            Self::Profile => 9,
        }
    }
}

const HISTORY_WIDTH: u16 = 8;

/// Returns the width of the name and the optional columns that fit.
fn columns(width: u16) -> (u16, Vec<OptionalColumn>) {
    let mut room = width.saturating_sub(BEFORE + NAME.0 + SIGNAL + 1);
    let mut extras = Vec::new();
    for extra in OptionalColumn::ALL {
        if extra.width() <= room {
            // A readable name is more important.
            let narrow = NAME.0 + room - extra.width() < 13 && extra != OptionalColumn::Age;
            if narrow {
                continue;
            }
            room -= extra.width();
            extras.push(extra);
        }
    }
    ((NAME.0 + room).min(NAME.1), extras)
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
    let mut block = pane(model, title, focused);
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
    let (name, extras) = columns(rows.width);
    let visible = model.order.iter().skip(model.offset).zip(0..rows.height);
    for (device, row) in visible.filter_map(|(id, row)| Some((model.devices.get(id)?, row))) {
        let place = Rect { y: rows.y + row, height: 1, ..rows };
        let mut line = line(model, device, name, &extras);
        if model.selected.as_ref() == Some(device.id()) {
            line = line.style(if focused { cursor() } else { bold() });
            let mark = if focused { "▌" } else { "▏" };
            line.spans.insert(0, Span::styled(mark, model.depth.accent()));
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

fn line<'a>(model: &Model, device: &'a Device, name: u16, extras: &[OptionalColumn]) -> Line<'a> {
    let depth = model.depth;
    let faded = device.silent_for >= FADE_AFTER;
    let marked = model.marked.contains(device.id());
    let mut spans = vec![
        Span::raw(" "),
        Span::styled(if marked { "◆" } else { " " }, depth.attention()),
        link_sign(depth, device),
        Span::raw(" "),
    ];
    spans.extend(light_swatch(depth, device));
    spans.push(outcome_sign(depth, device));
    spans.push(Span::raw(" "));
    let name_style = if device.name.is_empty() || faded { dim() } else { Style::new() };
    let label = if device.name.is_empty() { "(no name)" } else { &device.name };
    spans.push(Span::styled(fit(label, usize::from(name)), name_style));
    spans.push(Span::styled(format!(" {}", signal_bars(device)), depth.success()));
    let dbm = device.rssi.map_or_else(|| "—".to_owned(), |rssi| rssi.to_string());
    spans.push(Span::raw(fit_right(&dbm, 5)));
    for extra in extras {
        spans.push(cell(model, device, *extra));
    }
    let line = Line::from(spans);
    if faded { line.style(dim()) } else { line }
}

fn cell(model: &Model, device: &Device, extra: OptionalColumn) -> Span<'static> {
    let width = usize::from(extra.width());
    match extra {
        OptionalColumn::Age => Span::styled(fit_right(&model.age(device).unwrap_or_default(), width), dim()),
        OptionalColumn::Battery => {
            let level = device.battery.flatten().map(|battery| battery.percent);
            let text = level.map_or_else(String::new, |percent| format!("{percent}%"));
            let low = level.is_some_and(|percent| percent <= 15);
            Span::styled(fit_right(&text, width), if low { model.depth.failure() } else { dim() })
        }
        OptionalColumn::Address => Span::styled(format!(" {}", fit(&device.address(), width - 1)), dim()),
        OptionalColumn::History => {
            Span::styled(format!(" {}", history(device, usize::from(HISTORY_WIDTH))), dim())
        }
        OptionalColumn::Profile => {
            Span::styled(format!(" {}", fit(&device.family().unwrap_or_default(), width - 1)), dim())
        }
    }
}

fn link_sign(depth: Depth, device: &Device) -> Span<'static> {
    match device.link {
        LinkState::Up(_) => Span::styled("●", depth.success()),
        LinkState::Connecting(_) => Span::styled("◌", depth.accent()),
        LinkState::Queued => Span::styled("◔", dim()),
        LinkState::Waiting(_) => Span::styled("↻", depth.attention()),
        LinkState::None if device.seen.connected => Span::styled("◇", dim()),
        LinkState::None => Span::raw(" "),
    }
}

/// Draws the light in two columns. Without colours, shades show the brightness.
fn light_swatch(depth: Depth, device: &Device) -> [Span<'static>; 2] {
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
    match depth {
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
            // Under the cursor it must keep its colour.
            let style = depth.light_style(displayed_color(light)).remove_modifier(Modifier::REVERSED);
            if on { [Span::styled(lit, style), end] } else { [Span::styled("··", dim()), end] }
        }
    }
}

fn outcome_sign(depth: Depth, device: &Device) -> Span<'static> {
    match device.outcome {
        ChangeOutcome::None => Span::raw(" "),
        ChangeOutcome::Pending => Span::styled("…", depth.accent()),
        ChangeOutcome::Confirmed => Span::styled("✓", depth.success()),
        ChangeOutcome::Unconfirmed => Span::styled("~", depth.attention()),
        ChangeOutcome::Failed => Span::styled("✗", depth.failure()),
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

pub(super) fn color_swatch(depth: Depth, color: Rgb) -> Span<'static> {
    let style = depth.light_style(color);
    Span::styled("█", if depth == Depth::None { style.add_modifier(Modifier::DIM) } else { style })
}
