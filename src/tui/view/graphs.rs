//! Draws signal and latency over time.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Chart, Dataset, GraphType};
use unicode_width::UnicodeWidthStr;

use super::super::device::Device;
use super::super::layout::inner;
use super::super::model::Model;
use super::super::style::{bold, dim};
use super::super::text::cut;
use super::{lower, pane, sentence};
use crate::measure::Series;

/// The time that graphs show.
const WINDOW: Duration = Duration::from_secs(120);
/// Limit for bulbs in a graph.
const MAX_CURVES: usize = 6;
/// Limits of the signal strength, dBm.
const SIGNAL: (f64, f64) = (-100.0, -30.0);

struct Curve<'a> {
    name: &'a str,
    style: Style,
    points: Vec<(f64, f64)>,
}

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let bulbs = model.targets().count();
    let more = if bulbs > MAX_CURVES { format!(" {MAX_CURVES} of {bulbs} bulbs ") } else { String::new() };
    let inside = lower(model, frame, area, Line::styled(more, dim()));
    let half = Rect { width: inside.width / 2, ..inside };
    let other = Rect { x: half.right(), width: inside.width - half.width, ..inside };
    signal(model, frame, half);
    latency(model, frame, other);
}

/// Draws both graphs below each other, in a pane of their own.
pub(super) fn draw_beside(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    frame.render_widget(pane(model.theme, Line::styled(" Graphs ", bold()), false), area);
    let inside = inner(area);
    let half = Rect { height: inside.height / 2, ..inside };
    let other = Rect { y: half.bottom(), height: inside.height - half.height, ..inside };
    signal(model, frame, half);
    latency(model, frame, other);
}

fn shown(model: &Model) -> impl Iterator<Item = (Style, &Device)> {
    model.targets().take(MAX_CURVES).enumerate().map(|(index, device)| (model.theme.series(index), device))
}

fn seconds(at: Duration, end: Duration) -> f64 {
    at.as_secs_f64() - end.as_secs_f64()
}

fn signal(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let title = vec![Span::styled(" Signal", bold()), Span::styled("  dBm", dim())];
    // The time ends with the newest sample, so that nothing moves without one.
    let end = shown(model).filter_map(|(_, device)| Some(device.signal_log.back()?.0)).max();
    let Some(end) = end else {
        return empty(model, frame, area, title, "No signal strength yet: it comes with advertisements.");
    };
    let series = shown(model).map(|(style, device)| Curve {
        name: device.label(),
        style,
        points: device.signal_log.iter().map(|(at, rssi)| (seconds(*at, end), f64::from(*rssi))).collect(),
    });
    let mut facts = Vec::new();
    let quiet = shown(model).filter(|(_, device)| device.is_connected()).count();
    if quiet > 0 {
        facts.push(Span::styled("  connected bulbs do not advertise", dim()));
    }
    chart(frame, area, title.into_iter().chain(facts).collect(), &series.collect::<Vec<_>>(), SIGNAL, "");
}

fn latency(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let name = if area.width < 50 { " Latency" } else { " Write to notification" };
    let mut title = vec![Span::styled(name, bold())];
    let end = shown(model).filter_map(|(_, device)| Some(device.answers.back()?.0)).max();
    let Some(end) = end else {
        return empty(model, frame, area, title, "No answers yet: change a bulb that notifies.");
    };
    let times = shown(model).flat_map(|(_, device)| device.answers.iter().map(|(_, taken)| *taken));
    let times = Series { times: times.collect(), failed: 0 };
    if let Some(measured) = times.summary() {
        let (median, p99) = (millis(measured.p50), millis(measured.p99));
        title.push(Span::raw(format!("  p50 {median:.0} ms  p99 {p99:.0} ms")));
    }
    title.push(Span::styled(format!("  {} answers", times.times.len()), dim()));
    let series = shown(model).map(|(style, device)| Curve {
        name: device.label(),
        style,
        points: device.answers.iter().map(|(at, taken)| (seconds(*at, end), millis(*taken))).collect(),
    });
    let series: Vec<_> = series.collect();
    let highest = series.iter().flat_map(|one| &one.points).filter(|(x, _)| *x >= -WINDOW.as_secs_f64());
    let highest = highest.map(|(_, y)| *y).fold(10.0, f64::max);
    let top = [10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0];
    let top = top.into_iter().find(|top| *top >= highest * 1.2).unwrap_or(2000.0);
    chart(frame, area, title, &series, (0.0, top), " ms");
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn empty(model: &Model, frame: &mut Frame<'_>, area: Rect, title: Vec<Span<'static>>, text: &str) {
    frame.render_widget(Line::from(title), Rect { height: area.height.min(1), ..area });
    let below = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let text = if model.selected.is_none() { "Select a bulb." } else { text };
    sentence(frame, below, text);
}

fn chart(
    frame: &mut Frame<'_>,
    area: Rect,
    title: Vec<Span<'static>>,
    series: &[Curve<'_>],
    (low, high): (f64, f64),
    unit: &str,
) {
    // The terminal may have become smaller.
    let area = area.intersection(frame.area());
    if area.height < 4 || area.width < 16 {
        return;
    }
    // What does not fit is left out as a whole.
    let mut room = usize::from(area.width);
    let title = title.into_iter().take_while(|span| {
        let fits = span.width() <= room;
        room = room.saturating_sub(span.width());
        fits
    });
    frame.render_widget(Line::from(title.collect::<Vec<_>>()), Rect { height: 1, ..area });
    let mut below = Rect { y: area.y + 1, height: area.height - 1, ..area };
    if area.height >= 7 {
        let row = Rect { height: 1, ..below };
        frame.render_widget(legend(series, usize::from(area.width)), row);
        below = Rect { y: below.y + 1, height: below.height - 1, ..below };
    }
    let datasets = series.iter().map(|one| {
        let line = Dataset::default().marker(Marker::Braille).graph_type(GraphType::Line);
        line.style(one.style).data(&one.points)
    });
    let window = WINDOW.as_secs_f64();
    let x = Axis::default()
        .bounds([-window, 0.0])
        .style(dim())
        .labels([format!("-{window:.0} s"), "now".to_owned()]);
    let middle = f64::midpoint(low, high);
    let labels = [low, middle, high].map(|value| format!("{value:.0}{unit}"));
    let y = Axis::default().bounds([low, high]).style(dim()).labels(labels);
    let chart = Chart::new(datasets.collect()).x_axis(x).y_axis(y).legend_position(None);
    frame.render_widget(chart, below);
}

/// Returns the names with the colours of their lines.
fn legend(series: &[Curve<'_>], width: usize) -> Line<'static> {
    let mut spans = vec![Span::raw(" ")];
    let mut room = width.saturating_sub(1);
    let each = (room / series.len().max(1)).saturating_sub(4).clamp(6, 22);
    for one in series {
        let name = cut(one.name, each).into_owned();
        if name.width() + 4 > room {
            break;
        }
        room -= name.width() + 4;
        spans.push(Span::styled("━ ", one.style));
        spans.push(Span::raw(format!("{name}  ")));
    }
    Line::from(spans)
}
