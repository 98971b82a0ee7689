//! The list of bulbs.

use bulb_protocol::Rgb;
use bulb_protocol::profile::Mode;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::super::device::{Answer, Device, Link};
use super::super::event::ScanPhase;
use super::super::layout::inner;
use super::super::model::{FADE, Model, Pane, Sort};
use super::super::paint::{Depth, bold, cursor, dim, glow};
use super::super::text::{fit, fit_right, wrap};
use super::pane;
use crate::bulb::Provenance;

/// The least and the most that a name is given.
const NAME: (u16, u16) = (10, 28);
/// What stands before the name: cursor, mark, link, swatch, answer, with spaces; and after it: bars and dBm.
const BEFORE: u16 = 8;
const SIGNAL: u16 = 10;

/// A column that is there if there is room; its width with the space before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extra {
    Age,
    Battery,
    Address,
    History,
    Profile,
}

impl Extra {
    /// In the order in which they are given room.
    const ALL: [Self; 5] = [Self::Age, Self::Battery, Self::History, Self::Address, Self::Profile];

    const fn width(self) -> u16 {
        match self {
            Self::Age => 4,
            Self::Battery => 5,
            Self::Address => 18,
            Self::History => 1 + SHORT,
            Self::Profile => 9,
        }
    }
}

/// How much of the signal's history a row has.
const SHORT: u16 = 8;

/// The columns of a row that is so wide: the name's width, and which others there are.
fn columns(width: u16) -> (u16, Vec<Extra>) {
    let mut room = width.saturating_sub(BEFORE + NAME.0 + SIGNAL + 1);
    let mut extras = Vec::new();
    for extra in Extra::ALL {
        if extra.width() <= room {
            // A name that can be read comes before what is known elsewhere too.
            let narrow = NAME.0 + room - extra.width() < 13 && extra != Extra::Age;
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
    let what = if model.any { " Devices " } else { " Bulbs " };
    let title = Line::from(vec![Span::styled(what, bold()), Span::styled(format!("{order} "), dim())]);
    let mut block = pane(model, title, focused);
    let rows = inner(area);
    let more = model.order.len().saturating_sub(model.offset + usize::from(rows.height));
    if more > 0 || model.offset > 0 {
        let place = model.index().map_or(0, |index| index + 1);
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
        format!("Nothing has {:?} in its name or address. Esc shows all.", model.filter)
    } else if model.banner.is_some() {
        "Bluetooth cannot be used at present.".to_owned()
    } else if hidden > 0 && !model.any {
        let other = if hidden == 1 { "device is" } else { "devices are" };
        format!("No bulbs so far; {hidden} other {other} in reach. Press a to see them.")
    } else if model.scan == ScanPhase::On {
        "Nothing heard so far. Is the bulb powered, near, and free? One that a phone holds does not advertise."
            .to_owned()
    } else {
        "Nothing heard so far. Press s to scan.".to_owned()
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

fn line<'a>(model: &Model, device: &'a Device, name: u16, extras: &[Extra]) -> Line<'a> {
    let depth = model.depth;
    let faded = device.silent >= FADE;
    let marked = model.marked.contains(device.id());
    let mut spans = vec![
        Span::raw(" "),
        Span::styled(if marked { "◆" } else { " " }, depth.odd()),
        link_sign(depth, device),
        Span::raw(" "),
    ];
    spans.extend(swatch(depth, device));
    spans.push(answer_sign(depth, device));
    spans.push(Span::raw(" "));
    let name_style = if device.name.is_empty() || faded { dim() } else { Style::new() };
    let label = if device.name.is_empty() { "(no name)" } else { &device.name };
    spans.push(Span::styled(fit(label, usize::from(name)), name_style));
    spans.push(Span::styled(format!(" {}", bars(device)), depth.good()));
    let dbm = device.rssi.map_or_else(|| "—".to_owned(), |rssi| rssi.to_string());
    spans.push(Span::raw(fit_right(&dbm, 5)));
    for extra in extras {
        spans.push(cell(model, device, *extra));
    }
    let line = Line::from(spans);
    if faded { line.style(dim()) } else { line }
}

fn cell(model: &Model, device: &Device, extra: Extra) -> Span<'static> {
    let width = usize::from(extra.width());
    match extra {
        Extra::Age => Span::styled(fit_right(&model.age(device).unwrap_or_default(), width), dim()),
        Extra::Battery => {
            let level = device.battery.flatten().map(|battery| battery.percent);
            let text = level.map_or_else(String::new, |percent| format!("{percent}%"));
            let low = level.is_some_and(|percent| percent <= 15);
            Span::styled(fit_right(&text, width), if low { model.depth.bad() } else { dim() })
        }
        Extra::Address => Span::styled(format!(" {}", fit(&device.address(), width - 1)), dim()),
        Extra::History => Span::styled(format!(" {}", history(device, usize::from(SHORT))), dim()),
        Extra::Profile => {
            Span::styled(format!(" {}", fit(&device.family().unwrap_or_default(), width - 1)), dim())
        }
    }
}

/// How the link is: up, being made, waiting, held by another program of this machine, none.
fn link_sign(depth: Depth, device: &Device) -> Span<'static> {
    match device.link {
        Link::Up(_) => Span::styled("●", depth.good()),
        Link::Connecting(_) => Span::styled("◌", depth.accent()),
        Link::Waiting(_) => Span::styled("↻", depth.odd()),
        Link::None if device.report.connected => Span::styled("◇", dim()),
        Link::None => Span::raw(" "),
    }
}

/// The lamp's light in two columns. Without colours, shades stand for brightness.
fn swatch(depth: Depth, device: &Device) -> [Span<'static>; 2] {
    let end = Span::raw("");
    let Some(light) = device.light() else {
        return [if device.up() { Span::styled("??", dim()) } else { Span::raw("  ") }, end];
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
            // Not reversed under the cursor: there it is the lamp's colour too.
            let style = depth.ink(glow(light)).remove_modifier(Modifier::REVERSED);
            if on { [Span::styled(lit, style), end] } else { [Span::styled("··", dim()), end] }
        }
    }
}

/// What became of the last change.
fn answer_sign(depth: Depth, device: &Device) -> Span<'static> {
    match device.answer {
        Answer::None => Span::raw(" "),
        Answer::Pending => Span::styled("…", depth.accent()),
        Answer::Confirmed => Span::styled("✓", depth.good()),
        Answer::Unconfirmed => Span::styled("~", depth.odd()),
        Answer::Failed => Span::styled("✗", depth.bad()),
    }
}

/// Signal strength in four columns.
pub(super) fn bars(device: &Device) -> &'static str {
    match device.step {
        0 => "    ",
        1 => "▂   ",
        2 => "▂▄  ",
        3 => "▂▄▆ ",
        _ => "▂▄▆█",
    }
}

/// How the signal was of late: -100 dBm is the lowest bar, -40 the highest.
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

/// A chip of a colour in so many columns; without colours its name has to do.
pub(super) fn chip(depth: Depth, color: Rgb) -> Span<'static> {
    let style = depth.ink(color);
    Span::styled("█", if depth == Depth::None { style.add_modifier(Modifier::DIM) } else { style })
}
