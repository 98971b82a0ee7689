//! The two lines at the bottom: messages and input, and the hints.

use bulb_protocol::Rgb;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr;

use super::super::control::Control;
use super::super::keys::{Action, Binding, KeyContext, KeyMap};
use super::super::messages::{Message, Severity};
use super::super::model::{Model, Popup, Prompt};
use super::super::style::{Depth, Theme, dim, displayed_color};
use super::super::text::cut;
use super::super::update::key_contexts;

pub(super) fn message(model: &Model, frame: &mut Frame<'_>, area: Rect) {
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
            Prompt::Recording => " save recording to: ",
            Prompt::Gatt => " value (hex, or \"text\"): ",
            Prompt::Palette => " action: ",
            Prompt::Fade => " fade to: ",
            Prompt::Scene => " name of the scene: ",
        };
        typed(model.theme, frame, area, label, input);
        return preview(model, frame, area);
    }
    if let Some(message) = model.message() {
        frame.render_widget(message_line(model.theme, message, width), area);
    } else if !model.filter.is_empty() {
        let text = format!(" filter: {}  (Esc clears it)", cut(&model.filter, width.saturating_sub(30)));
        frame.render_widget(Line::styled(text, dim()), area);
    }
}

pub(crate) fn message_line(theme: Theme, message: &Message, width: usize) -> Line<'static> {
    let mut spans = vec![Span::raw(" ")];
    let (style, sign) = match message.severity {
        Severity::Error => (theme.failure(), "✗ "),
        Severity::Warning => (theme.attention(), "! "),
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
    Line::from(spans)
}

/// Draws the input line, and puts the cursor there.
pub(crate) fn typed(theme: Theme, frame: &mut Frame<'_>, area: Rect, label: &str, input: &tui_input::Input) {
    let start = u16::try_from(label.width()).unwrap_or_default().min(area.width);
    let field = Rect { x: area.x + start, width: area.width - start, ..area };
    let last = field.width.saturating_sub(1);
    let scroll = input.visual_scroll(usize::from(last));
    frame.render_widget(Line::styled(label.to_owned(), theme.accent()), area);
    let scrolled = u16::try_from(scroll).unwrap_or_default();
    frame.render_widget(Paragraph::new(input.value()).scroll((0, scrolled)), field);
    let cursor = u16::try_from(input.visual_cursor().saturating_sub(scroll)).unwrap_or_default();
    frame.set_cursor_position((field.x + cursor.min(last), area.y));
}

/// Draws the light that is typed at the right end of the input line.
fn preview(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let Some(typed) = model.typed_light() else { return };
    let from = model.targets().find_map(|device| device.light().cloned());
    let to = typed.on_top_of(from.as_ref());
    let mut spans = Vec::new();
    // A fade has a way, a colour only an end.
    if let (true, Some(from)) = (matches!(model.prompt, Some((Prompt::Fade, _))), &from) {
        const STEPS: u8 = 12;
        let (start, end) = (displayed_color(from), displayed_color(&to));
        let at = |step: u8| mix(start, end, step, STEPS);
        spans.extend((0..=STEPS).map(|step| Span::styled("█", model.theme.light_style(at(step)))));
    } else {
        spans.push(Span::styled("██████", model.theme.light_style(displayed_color(&to))));
    }
    let line = Line::from(spans);
    let width = u16::try_from(line.width()).unwrap_or_default();
    if model.theme.depth != Depth::None && area.width > width + 24 {
        frame.render_widget(line, Rect { x: area.right() - width - 1, width, ..area });
    }
}

fn mix(start: Rgb, end: Rgb, step: u8, steps: u8) -> Rgb {
    let part = |from: u8, to: u8| {
        let (from, to, step, steps) = (i32::from(from), i32::from(to), i32::from(step), i32::from(steps));
        u8::try_from(from + (to - from) * step / steps.max(1)).unwrap_or_default()
    };
    Rgb::new(part(start.red, end.red), part(start.green, end.green), part(start.blue, end.blue))
}

/// A hint: the columns that it takes, its action, its key and its word.
struct Hint {
    columns: std::ops::Range<u16>,
    action: Action,
    key: String,
    word: &'static str,
}

/// The hints: the keys of these contexts.
pub(crate) struct Hints<'a> {
    pub(crate) keys: &'a KeyMap,
    pub(crate) contexts: &'a [KeyContext],
    /// Returns the word of a hint for what its key does at the moment; empty if it does nothing.
    pub(crate) word: &'a dyn Fn(&'static str) -> &'static str,
}

impl Hints<'_> {
    /// Returns the most useful keys that fit. Help and quit are always there.
    fn placed(&self, width: u16) -> Vec<Hint> {
        let rows = self.keys.rows().iter();
        let rows = rows.filter(|row| self.contexts.contains(&row.context) && !row.keys.is_empty());
        let rows = rows.filter(|row| !(self.word)(row.hint).is_empty());
        let (last, first): (Vec<&Binding>, Vec<&Binding>) =
            rows.partition(|row| matches!(row.action, Action::Help | Action::Quit));
        let hint = |row: &Binding| {
            let key = row.keys.first().map(|key| key.text()).unwrap_or_default();
            let word = (self.word)(row.hint);
            let width = u16::try_from(key.width() + word.width() + 3).unwrap_or(u16::MAX);
            (width, key, word, row.action)
        };
        let kept: u16 = last.iter().map(|row| hint(row).0).sum();
        let mut room = width.saturating_sub(kept + 1);
        let mut start = 1;
        let mut hints = Vec::new();
        let mut full = false;
        for (row, optional) in
            first.into_iter().map(|row| (row, true)).chain(last.into_iter().map(|row| (row, false)))
        {
            let (width, key, word, action) = hint(row);
            full |= optional && width > room;
            if full && optional {
                continue;
            }
            room = room.saturating_sub(if optional { width } else { 0 });
            hints.push(Hint { columns: start..start + width - 2, action, key, word });
            start += width;
        }
        hints
    }

    /// Returns the action of the hint at this position.
    pub(crate) fn at(&self, area: Rect, at: Position) -> Option<Action> {
        let hints = self.placed(area.width).into_iter().filter(|_| area.contains(at));
        hints.filter(|hint| hint.columns.contains(&(at.x - area.x))).map(|hint| hint.action).next()
    }

    pub(crate) fn draw(&self, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
        let mut spans = vec![Span::raw(" ")];
        for hint in self.placed(area.width) {
            spans.push(Span::styled(hint.key, theme.accent()));
            spans.push(Span::styled(format!(" {}  ", hint.word), dim()));
        }
        frame.render_widget(Line::from(spans), area);
    }
}

/// Returns the action of the hint at this position.
pub(crate) fn hint_at(model: &Model, area: Rect, at: Position) -> Option<Action> {
    if model.prompt_error.is_some() {
        return None;
    }
    let (keys, contexts) = (&model.settings.keys, key_contexts(model));
    Hints { keys, contexts, word: &|hint| hint_here(model, hint) }.at(area, at)
}

/// Draws what is wrong with the input.
pub(crate) fn input_error(theme: Theme, frame: &mut Frame<'_>, area: Rect, error: &str) {
    let text = cut(error, usize::from(area.width).saturating_sub(2)).into_owned();
    frame.render_widget(Line::styled(format!(" {text}"), theme.failure()), area);
}

pub(super) fn hints(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    if let Some(error) = &model.prompt_error {
        return input_error(model.theme, frame, area, error);
    }
    let (keys, contexts) = (&model.settings.keys, key_contexts(model));
    Hints { keys, contexts, word: &|hint| hint_here(model, hint) }.draw(model.theme, frame, area);
}

/// Returns the hint for what the key does at the moment; empty if it does nothing.
fn hint_here(model: &Model, hint: &'static str) -> &'static str {
    let up = model.selected_device().is_some_and(super::super::device::Device::is_connected);
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
        "choose" if model.popup == Some(Popup::Help) => "",
        "run" if model.check.as_ref().is_some_and(super::super::check_run::CheckRun::is_running) => "stop",
        "less" | "more" if !up => "",
        "pause" if model.frames.is_paused() => "continue",
        _ => hint,
    }
}
