//! Draws the run of the conformance suite.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::super::check_run::{CheckEnd, CheckRun};
use super::super::device::Device;
use super::super::model::{Model, Pane};
use super::super::style::{Theme, bold, dim};
use super::super::text::{cut, fit, plain, wrap};
use super::{lower, sentence};
use crate::check::{FinishedCheck, Outcome};

/// From this width, the details are beside the list; from this height, they are below it.
const SIDE_BY_SIDE: u16 = 100;
const STACKED: u16 = 12;
/// Width of the name of a check.
const NAME: usize = 26;

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let Some(run) = &model.check else {
        let inside = lower(model, frame, area, Line::default());
        let name = model.selected_device().map_or("the selected bulb", Device::label);
        let text = format!(
            "Enter tests whether {name} conforms to its family. That takes about a minute, changes the light, \
             and restores it at the end."
        );
        return sentence(frame, inside, &text);
    };
    let inside = lower(model, frame, area, summary(model, run));
    if run.done.is_empty() {
        let text = match &run.end {
            Some(CheckEnd::Failed(error)) => plain(error),
            Some(_) => "The checks were stopped.".to_owned(),
            None => "The first check runs.".to_owned(),
        };
        return sentence(frame, inside, &text);
    }
    let (list, rest) = parts(inside);
    let first = first_row(model, list.height);
    for ((index, check), y) in run.done.iter().enumerate().skip(first).zip(0..list.height) {
        let place = Rect { y: list.y + y, height: 1, ..list };
        let here = index == model.check_row && model.pane == Pane::Check;
        let style = if here { model.theme.selection() } else { ratatui::style::Style::new() };
        frame.render_widget(Line::styled(" ".repeat(usize::from(list.width)), style), place);
        let line = line(model.theme, check, usize::from(list.width), here).style(style);
        frame.render_widget(line, place);
    }
    if let (Some(rest), Some(check)) = (rest, run.done.get(model.check_row)) {
        let lines = details(model.theme, check, usize::from(rest.width));
        frame.render_widget(Paragraph::new(lines), rest);
    }
}

/// Returns the places of the list and of the details of the selected check: beside it, below it, or nowhere.
fn parts(inside: Rect) -> (Rect, Option<Rect>) {
    if inside.width >= SIDE_BY_SIDE {
        let list = Rect { width: inside.width * 2 / 5, ..inside };
        let rest = Rect { x: list.right() + 1, width: inside.width - list.width - 1, ..inside };
        return (list, Some(rest));
    }
    if inside.height < STACKED {
        return (inside, None);
    }
    let list = Rect { height: inside.height / 2, ..inside };
    let (x, y) = (inside.x + 1, list.bottom() + 1);
    let rest = Rect { x, y, width: inside.width - 1, height: inside.height - list.height - 1 };
    (list, Some(rest))
}

fn first_row(model: &Model, height: u16) -> usize {
    (model.check_row + 1).saturating_sub(usize::from(height))
}

/// Returns the row of the list at this position inside the pane.
pub(crate) fn row_at(model: &Model, inside: Rect, at: Position) -> Option<usize> {
    let (list, _) = parts(inside);
    list.contains(at).then(|| first_row(model, list.height) + usize::from(at.y - list.y))
}

fn summary(model: &Model, run: &CheckRun) -> Line<'static> {
    let passed = run.count(|outcome| *outcome == Outcome::Passed);
    let failed = run.count(|outcome| matches!(outcome, Outcome::Failed { .. } | Outcome::Blocked(_)));
    let state = match &run.end {
        None => {
            let seconds = model.now.saturating_sub(run.started).as_secs();
            format!("{} of {}, {seconds} s ", run.done.len(), run.total)
        }
        Some(CheckEnd::Finished(summary)) => match summary.restored {
            Some(true) => "done, restored ".to_owned(),
            Some(false) => "done, not restored ".to_owned(),
            None => "done ".to_owned(),
        },
        Some(CheckEnd::Failed(error)) => format!("{} ", cut(&plain(error), 40)),
        Some(CheckEnd::Stopped) => "stopped ".to_owned(),
    };
    let style = if failed > 0 { model.theme.failure() } else { dim() };
    Line::from(vec![
        Span::raw(format!(" {}  ", cut(&run.name, 20))),
        Span::styled(format!("{passed} passed  "), model.theme.success()),
        Span::styled(format!("{failed} failed  "), style),
        Span::styled(state, dim()),
    ])
}

fn sign(theme: Theme, outcome: &Outcome) -> Span<'static> {
    match outcome {
        Outcome::Passed => Span::styled("✓ ", theme.success()),
        Outcome::Failed { .. } => Span::styled("✗ ", theme.failure()),
        Outcome::Blocked(_) => Span::styled("■ ", theme.attention()),
        Outcome::Skipped(_) => Span::styled("– ", dim()),
    }
}

fn line(theme: Theme, check: &FinishedCheck, width: usize, here: bool) -> Line<'static> {
    let mark = if here { Span::styled("▌", theme.accent()) } else { Span::raw(" ") };
    let mut spans = vec![mark, sign(theme, &check.outcome)];
    spans.push(Span::raw(format!("{} ", fit(&check.name, NAME))));
    let text = match &check.outcome {
        Outcome::Passed => check.note.clone().unwrap_or_else(|| format!("{} ms", check.took.as_millis())),
        Outcome::Failed { seen, .. } => seen.clone(),
        Outcome::Blocked(reason) | Outcome::Skipped(reason) => reason.clone(),
    };
    let used: usize = spans.iter().map(Span::width).sum();
    let style = if matches!(check.outcome, Outcome::Failed { .. }) { theme.failure() } else { dim() };
    spans.push(Span::styled(cut(&plain(&text), width.saturating_sub(used)).into_owned(), style));
    Line::from(spans)
}

/// Returns what was expected and seen, where to look, and the frames.
fn details(theme: Theme, check: &FinishedCheck, width: usize) -> Vec<Line<'static>> {
    const LABEL: usize = 10;
    let mut lines =
        vec![Line::from(vec![sign(theme, &check.outcome), Span::styled(check.name.clone(), bold())])];
    let mut add = |label: &str, text: &str| {
        for (index, text) in wrap(&plain(text), width.saturating_sub(LABEL)).into_iter().enumerate() {
            let label = if index == 0 { fit(label, LABEL) } else { " ".repeat(LABEL) };
            lines.push(Line::from(vec![Span::styled(label, dim()), Span::raw(text)]));
        }
    };
    add("about", &check.about);
    match &check.outcome {
        Outcome::Passed => {}
        Outcome::Failed { expected, seen } => {
            add("expected", expected);
            add("seen", seen);
            add("look at", &check.look);
        }
        Outcome::Blocked(reason) => add("blocked", reason),
        Outcome::Skipped(reason) => add("skipped", reason),
    }
    if let Some(note) = &check.note {
        add("note", note);
    }
    for frame in &check.frames {
        let text = cut(frame, width.saturating_sub(2)).into_owned();
        lines.push(Line::styled(format!("  {text}"), dim()));
    }
    lines
}
