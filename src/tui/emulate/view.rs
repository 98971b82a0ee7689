//! Draws the screen of `emulate`.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::super::keys::KeyContext;
use super::super::layout::{bottom, inner, too_small, top};
use super::super::style::{bold, dim};
use super::super::text::{cut, fit, fit_right, plain, wrap};
use super::super::view::{
    Help, Hints, battery, input_error, light_text, message_line, pane, sentence, small, swatch, typed,
};
use super::log::{Kind, Row};
use super::update::contexts;
use super::{EmulateScreen, Prompt, ShownBulb};

/// Rows of a bulb, and columns of its light.
const BULB: u16 = 3;
const SWATCH: usize = 8;
/// Columns beside the light that have no room for the bar of a battery.
const NARROW: usize = 50;
/// Widest name in the events.
const NAME: usize = 22;

/// The parts of the screen.
pub(super) struct Areas {
    header: Rect,
    bulbs: Rect,
    events: Rect,
    message: Rect,
    pub(super) hints: Rect,
    /// The first bulb that is shown.
    first: usize,
}

impl Areas {
    pub(super) fn of(screen: &EmulateScreen) -> Self {
        let (width, height) = screen.size;
        let mut rest = Rect::new(0, 0, width, height);
        let header = top(&mut rest, 1);
        let hints = bottom(&mut rest, 1);
        let message = bottom(&mut rest, 1);
        // Bulbs have at most half of the height.
        let fit = usize::from((rest.height / 2).saturating_sub(2) / BULB).max(1);
        let count = screen.bulbs.len().clamp(1, fit);
        let bulbs = top(&mut rest, u16::try_from(count).unwrap_or(1) * BULB + 2);
        let most = screen.bulbs.len().saturating_sub(count);
        let first = (screen.selected + 1).saturating_sub(count).min(most);
        Self { header, bulbs, events: rest, message, hints, first }
    }

    /// The lines of the events, and their columns.
    pub(super) fn events(&self) -> (usize, u16) {
        let inside = inner(self.events);
        (usize::from(inside.height), inside.width)
    }

    /// Returns the bulb at this position.
    pub(super) fn bulb_at(&self, screen: &EmulateScreen, at: Position) -> Option<usize> {
        let inside = inner(self.bulbs);
        let row = usize::from(at.y.checked_sub(inside.y)? / BULB);
        (inside.contains(at) && self.first + row < screen.bulbs.len()).then_some(self.first + row)
    }
}

pub(super) fn draw(screen: &EmulateScreen, frame: &mut Frame<'_>) {
    if too_small(screen.size) {
        return small(screen.size, frame);
    }
    let areas = Areas::of(screen);
    header(screen, frame, areas.header);
    bulbs(screen, frame, &areas);
    events(screen, frame, areas.events);
    let width = usize::from(areas.message.width);
    if let Some((what, input)) = &screen.prompt {
        let label = match what {
            Prompt::Color => " colour: ",
            Prompt::Kelvin => " kelvin: ",
            Prompt::Line => " line: ",
        };
        typed(screen.theme, frame, areas.message, label, input);
    } else if let Some(message) = screen.messages.current() {
        frame.render_widget(message_line(screen.theme, message, width), areas.message);
    }
    match &screen.prompt_error {
        Some(error) => input_error(screen.theme, frame, areas.hints, error),
        None => hints(screen, |hints| hints.draw(screen.theme, frame, areas.hints)),
    }
    if let Some(row) = screen.help {
        help(screen).draw(screen.size, row, frame);
    }
}

/// Calls a function with the hints of this screen.
pub(super) fn hints<T>(screen: &EmulateScreen, call: impl FnOnce(&Hints<'_>) -> T) -> T {
    let linked = screen.bulbs.get(screen.selected).is_some_and(|bulb| bulb.link.is_some());
    let word = |hint: &'static str| match hint {
        "drop" if !linked => "",
        "choose" | "filter" if screen.help.is_some() => "",
        "frames" if screen.log.frames => "events",
        _ => hint,
    };
    call(&Hints { keys: &screen.keys, contexts: contexts(screen), word: &word })
}

pub(super) fn help(screen: &EmulateScreen) -> Help<'_> {
    const CONTEXTS: [KeyContext; 2] = [KeyContext::Emulate, KeyContext::Always];
    const SIGNS: [(&str, &str); 6] = [
        ("●", "a central is connected"),
        ("○", "the link has ended, or the bulb is off the air"),
        ("→", "written to the bulb"),
        ("←", "read from the bulb, or notified by it"),
        ("✗", "not understood or refused by the bulb"),
        ("████ ░░░░ ▓▒░▓", "on; off; effect with changing colours"),
    ];
    Help { theme: screen.theme, keys: &screen.keys, contexts: &CONTEXTS, signs: &SIGNS }
}

fn header(screen: &EmulateScreen, frame: &mut Frame<'_>, area: Rect) {
    let adapter = plain(&screen.emulation.adapter());
    let left = Line::from(vec![
        Span::styled(" bulbctl emulate ", bold()),
        Span::styled(cut(&adapter, 20).into_owned(), dim()),
    ]);
    frame.render_widget(left, area);
    let linked = screen.bulbs.iter().filter(|bulb| bulb.link.is_some()).count();
    let count = screen.bulbs.len();
    let noun = if count == 1 { "bulb" } else { "bulbs" };
    let right =
        vec![Span::raw(format!("{linked} connected  ")), Span::styled(format!("{count} {noun} "), dim())];
    frame.render_widget(Line::from(right).right_aligned(), area);
}

fn bulbs(screen: &EmulateScreen, frame: &mut Frame<'_>, areas: &Areas) {
    let inside = inner(areas.bulbs);
    let shown = usize::from(inside.height / BULB);
    let mut block = pane(screen.theme, Line::styled(" Bulbs ", bold()), screen.bulbs.len() > 1);
    if screen.bulbs.len() > shown {
        let place = format!(" {} of {} ", screen.selected + 1, screen.bulbs.len());
        block = block.title_bottom(Line::styled(place, dim()).right_aligned());
    }
    frame.render_widget(block, areas.bulbs);
    let visible = screen.bulbs.iter().enumerate().skip(areas.first).take(shown);
    for ((number, bulb), y) in visible.zip((inside.y..).step_by(usize::from(BULB))) {
        for (line, y) in card(screen, number, bulb, usize::from(inside.width)).into_iter().zip(y..) {
            frame.render_widget(line, Rect { y, height: 1, ..inside });
        }
    }
}

/// Draws a bulb: its light, and beside it its name, its state and its link.
fn card(screen: &EmulateScreen, number: usize, bulb: &ShownBulb, width: usize) -> [Line<'static>; 3] {
    let theme = screen.theme;
    let bulbs = screen.emulation.bulbs();
    let mark = if screen.bulbs.len() > 1 && number == screen.selected { "▌" } else { " " };
    let before = |light| vec![Span::styled(mark, theme.accent()), Span::raw(" "), light, Span::raw("  ")];
    let lit = || swatch(theme, bulbs.light(number), SWATCH);
    let room = width.saturating_sub(SWATCH + 5);
    let family = bulbs.profile(number).map(|profile| profile.full_name()).unwrap_or_default();
    let address = screen.emulation.address(number).map_or_else(String::new, |address| address.to_string());
    let known = format!("{family}  {address}");
    let name = cut(&screen.name(number), room.saturating_sub(known.width() + 2)).into_owned();
    let mut first = before(lit());
    first.push(Span::styled(name, bold()));
    first.push(Span::styled(format!("  {known}"), dim()));

    let mut second = before(lit());
    let light = bulbs.light(number).map(|light| light_text(light).join("  ")).unwrap_or_default();
    let level = bulbs.battery(number).map(|percent| battery(theme, percent));
    // The number without the bar where there is little room.
    let level = level.into_iter().flat_map(|level| level.into_iter().skip(if room < NARROW { 2 } else { 0 }));
    let level: Vec<_> = level.collect();
    let label = match level.len() {
        0 => "",
        1 => "  battery",
        _ => "  battery ",
    };
    let taken = label.width() + level.iter().map(Span::width).sum::<usize>();
    second.push(Span::raw(cut(&plain(&light), room.saturating_sub(taken)).into_owned()));
    second.push(Span::styled(label, dim()));
    second.extend(level);

    let mut third = before(Span::raw(" ".repeat(SWATCH)));
    third.extend(link(screen, bulb, room));
    [first, second, third].map(Line::from)
}

fn link(screen: &EmulateScreen, bulb: &ShownBulb, room: usize) -> [Span<'static>; 2] {
    let theme = screen.theme;
    match (&bulb.link, &bulb.off_air) {
        (Some(link), _) => {
            let mut text = cut(&link.central, room / 2).into_owned();
            if let Some(mtu) = link.mtu {
                text.push_str(&format!("  MTU {mtu}"));
            }
            if !link.subscribed.is_empty() {
                let names: Vec<String> = link.subscribed.iter().map(ToString::to_string).collect();
                text.push_str(&format!("  subscribed to {}", names.join(", ")));
            }
            [Span::styled("● ", theme.success()), Span::raw(cut(&text, room.saturating_sub(2)).into_owned())]
        }
        (None, Some(reason)) => {
            let text = format!("off the air{reason}");
            let text = cut(&text, room.saturating_sub(2)).into_owned();
            [Span::styled("○ ", theme.attention()), Span::styled(text, theme.attention())]
        }
        (None, None) => [Span::raw(""), Span::styled("advertising, no link", dim())],
    }
}

fn events(screen: &EmulateScreen, frame: &mut Frame<'_>, area: Rect) {
    let log = &screen.log;
    let title = if log.frames { " Frames " } else { " Events " };
    let mut block = pane(screen.theme, Line::styled(title, bold()), screen.bulbs.len() == 1);
    if log.scrolled_back > 0 {
        let more = format!(" {} below ", log.scrolled_back);
        block = block.title(Line::styled(more, dim()).right_aligned());
    }
    frame.render_widget(block, area);
    let inside = inner(area);
    let columns = EventColumns::of(screen, inside.width);
    let height = usize::from(inside.height);
    let page = log.page(height, |row| columns.lines(row).len());
    if page.is_empty() {
        return sentence(frame, inside, "What happens at the bulbs appears here.");
    }
    let mut lines: Vec<Line> = page.into_iter().flat_map(|row| event(screen, row, &columns)).collect();
    // The oldest row may not fit.
    lines.drain(..lines.len().saturating_sub(height));
    for (line, y) in lines.into_iter().zip(inside.y..) {
        frame.render_widget(line, Rect { y, height: 1, ..inside });
    }
}

/// The columns of the events.
pub(super) struct EventColumns {
    /// Columns of the name. 0 if there is one bulb, whose name is above.
    name: usize,
    width: usize,
    frames: bool,
}

/// Columns of the time, of the sign, and of the light of a state.
const TIME: usize = 9;
const SIGN: usize = 3;
const STATE: usize = 4;

impl EventColumns {
    pub(super) fn of(screen: &EmulateScreen, width: u16) -> Self {
        let names = || screen.log.shown().map(|row| row.name.width()).max().unwrap_or_default();
        let width = usize::from(width);
        let name = if screen.bulbs.len() > 1 { names().min(NAME).min(width / 4) } else { 0 };
        Self { name, width, frames: screen.log.frames }
    }

    /// Columns before the text of a row.
    fn indent(&self, row: &Row) -> usize {
        let name = if self.name > 0 { self.name + 2 } else { 0 };
        let light = if matches!(row.kind, Kind::State(_)) { STATE } else { 0 };
        TIME + SIGN + name + light
    }

    /// Returns the text of a row, in at least one line.
    pub(super) fn lines(&self, row: &Row) -> Vec<String> {
        let room = self.width.saturating_sub(self.indent(row) + 1);
        let mut lines = wrap(row.text(self.frames).unwrap_or_default(), room);
        if lines.is_empty() {
            lines.push(String::new());
        }
        lines
    }
}

/// Draws an event like `  12.345 → ELK-BLEDOM  write command fff3  30 %`, on more lines if it needs them.
fn event(screen: &EmulateScreen, row: &Row, columns: &EventColumns) -> Vec<Line<'static>> {
    let theme = screen.theme;
    let time = format!("{}.{:03}", row.at.as_secs(), row.at.subsec_millis());
    let (sign, style) = match &row.kind {
        Kind::Connected => (Span::styled(" ● ", theme.success()), theme.success()),
        Kind::Ended => (Span::styled(" ○ ", theme.attention()), theme.attention()),
        Kind::Frame { to_bulb: true } => (Span::styled(" → ", theme.attention()), Style::new()),
        Kind::Frame { to_bulb: false } => (Span::styled(" ← ", theme.success()), Style::new()),
        Kind::Refused => (Span::styled(" ✗ ", theme.failure()), theme.failure()),
        Kind::State(_) => (Span::raw("   "), Style::new()),
        Kind::Other => (Span::raw("   "), dim()),
    };
    let mut spans = vec![Span::styled(fit_right(&time, TIME), dim()), sign];
    if columns.name > 0 {
        spans.push(Span::raw(format!("{}  ", fit(&row.name, columns.name))));
    }
    if let Kind::State(light) = &row.kind {
        spans.push(swatch(theme, Some(light), STATE - 1));
        spans.push(Span::raw(" "));
    }
    let lines = columns.lines(row).into_iter().enumerate().map(|(number, text)| {
        let mut line = match number {
            0 => std::mem::take(&mut spans),
            _ => vec![Span::raw(" ".repeat(columns.indent(row)))],
        };
        line.push(Span::styled(text, style));
        Line::from(line)
    });
    lines.collect()
}
