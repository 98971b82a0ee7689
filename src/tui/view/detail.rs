//! Draws the bulb pane: colour preview, controls, facts.

use bulb_protocol::profile::{Light, MIN_LEAD, Mode};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr;

use super::super::device::{ChangeOutcome, Device, HISTORY, LinkState};
use super::super::layout::{DetailRow, detail_rows, inner};
use super::super::model::{Model, Pane};
use super::super::style::{Depth, Theme, bold, dim, displayed_color};
use super::super::text::{cut, fit, plain, wrap};
use super::list::{history, signal_bars};
use super::pane;
use crate::bulb::{BatterySource, Provenance};

const PREVIEW_WIDTH: usize = 12;

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let focused = model.pane == Pane::Detail;
    let rows = inner(area);
    let Some(device) = model.selected_device() else {
        frame.render_widget(pane(model.theme, Line::styled(" No bulb selected ", bold()), focused), area);
        let lines: Vec<Line<'_>> = wrap(
            "Select a bulb in the list and press Enter to connect.",
            usize::from(rows.width.saturating_sub(2)),
        )
        .into_iter()
        .map(|line| Line::styled(format!(" {line}"), dim()))
        .collect();
        let place = Rect { y: rows.y + 1, height: rows.height.saturating_sub(1), ..rows };
        return frame.render_widget(Paragraph::new(lines), place);
    };
    let room = usize::from(area.width).saturating_sub(6);
    let (text, style) = if model.marked.is_empty() {
        let family = device.family().map_or_else(String::new, |family| format!("{family} "));
        let long = family.replace(' ', " (advertised) ");
        let fits = device.label().width() + long.width() <= room;
        (if fits && !device.driven { long } else { family }, dim())
    } else {
        (format!(" controls {} marked ", model.marked.len()), model.theme.attention())
    };
    let name = cut(device.label(), room.saturating_sub(text.width())).into_owned();
    let title = vec![Span::styled(format!(" {name} "), bold()), Span::styled(text, style)];
    frame.render_widget(pane(model.theme, Line::from(title), focused), area);
    for (row, y) in detail_rows(model, device, rows).into_iter().zip(0..rows.height) {
        let place = Rect { y: rows.y + y, height: 1, ..rows };
        frame.render_widget(DetailWriter { model, device, width: rows.width, focused }.row(row), place);
    }
}

pub(super) struct DetailWriter<'a> {
    pub(super) model: &'a Model,
    pub(super) device: &'a Device,
    pub(super) width: u16,
    pub(super) focused: bool,
}

impl DetailWriter<'_> {
    pub(super) fn theme(&self) -> Theme {
        self.model.theme
    }

    fn row(&self, row: DetailRow) -> Line<'static> {
        match row {
            DetailRow::Blank => Line::default(),
            DetailRow::Header => self.header(),
            DetailRow::Preview(row) => self.preview(row),
            DetailRow::Control(control) => self.control(control),
            DetailRow::Notice(number) => {
                let line = notice(self.device, self.width).into_iter().nth(usize::from(number));
                Line::styled(format!("  {}", line.unwrap_or_default()), self.theme().attention())
            }
            DetailRow::Profile => self.labelled("Profile", self.profile()),
            DetailRow::Evidence => self.labelled("Why", vec![Span::styled(self.evidence(), dim())]),
            DetailRow::Battery => self.labelled("Battery", self.battery()),
            DetailRow::Signal => self.labelled("Signal", self.signal()),
            DetailRow::Link => self.labelled("Link", self.link_facts()),
            DetailRow::DeviceInfo => self.labelled("Device", self.device_info()),
            DetailRow::Serial => self.labelled("Serial", self.serial()),
        }
    }

    fn header(&self) -> Line<'static> {
        let theme = self.theme();
        let left = self.device.link;
        let (text, style) = match left {
            LinkState::Up(_) => ("● connected".to_owned(), theme.success()),
            LinkState::Queued => {
                (format!("◔ waits: {} in use", links(self.model.link_limit)), theme.attention())
            }
            LinkState::Connecting(1) => ("◌ connecting".to_owned(), theme.accent()),
            LinkState::Connecting(attempt) => (format!("◌ attempt {attempt}"), theme.accent()),
            LinkState::Waiting(until) => {
                let seconds = until.saturating_sub(self.model.now).as_secs_f64().ceil();
                (format!("↻ retry in {seconds} s"), theme.attention())
            }
            LinkState::None if self.device.seen.connected => ("◇ connected elsewhere".to_owned(), dim()),
            LinkState::None => ("not connected".to_owned(), dim()),
        };
        let address = self.device.address();
        let room = usize::from(self.width).saturating_sub(text.width() + 2);
        Line::from(vec![Span::styled(format!(" {}", fit(&address, room)), dim()), Span::styled(text, style)])
    }

    fn preview(&self, row: u16) -> Line<'static> {
        let light = self.device.light();
        let single = has_single_row_preview(self);
        let width = if single { PREVIEW_WIDTH / 2 } else { PREVIEW_WIDTH };
        let mut spans = vec![Span::raw("  ")];
        match self.model.typed_light() {
            // Half of it shows what is typed.
            Some(typed) => {
                let typed = typed.on_top_of(light);
                spans.push(self.preview_bar(light, width / 2));
                spans.push(self.preview_bar(Some(&typed), width - width / 2));
            }
            None => spans.push(self.preview_bar(light, width)),
        }
        spans.push(Span::raw("  "));
        match (row, light) {
            (0, Some(light)) if single => {
                spans.push(Span::styled(light_text(light).join("  "), bold()));
                let (text, style) = self.provenance();
                let used: usize = spans.iter().map(Span::width).sum();
                let room = usize::from(self.width).saturating_sub(used + 2);
                spans.push(Span::styled(format!("  {}", cut(&text, room)), style));
            }
            (0, Some(light)) => {
                spans.push(Span::styled(power_text(light).join("  "), bold()));
            }
            (1, Some(light)) => spans.push(Span::raw(color_text(light).join("  "))),
            (2, _) if self.device.fade.is_some() => spans.extend(self.fading()),
            (2, Some(_)) => {
                let (text, style) = self.provenance();
                let room = usize::from(self.width).saturating_sub(PREVIEW_WIDTH + 4);
                spans.push(Span::styled(cut(&text, room).into_owned(), style));
            }
            (0, None) => spans.push(Span::styled("state unknown", dim())),
            (1, None) if self.device.is_connected() && !self.device.reports_state() => {
                spans.push(Span::styled("never reports", dim()));
            }
            (1, None) if !self.device.wants_link() => spans.push(Span::styled("Enter connects", dim())),
            _ => {}
        }
        Line::from(spans)
    }

    /// Returns the progress of the fade that runs.
    fn fading(&self) -> Vec<Span<'static>> {
        const CELLS: usize = 8;
        let Some(fade) = &self.device.fade else { return Vec::new() };
        let passed = self.model.now.saturating_sub(fade.start).min(fade.over);
        let share = passed.as_secs_f64() / fade.over.as_secs_f64().max(0.001);
        let full = (0..CELLS).filter(|cell| (*cell as f64) < share * CELLS as f64).count();
        let left = (fade.over - passed).as_secs_f64().ceil();
        vec![
            Span::styled(format!("fading {left} s "), self.theme().accent()),
            Span::styled("▰".repeat(full), self.theme().accent()),
            Span::styled("▱".repeat(CELLS - full), dim()),
        ]
    }

    fn provenance(&self) -> (String, Style) {
        let theme = self.theme();
        let state = &self.device.state;
        let (text, style) = match (state.provenance, self.device.outcome) {
            (Provenance::Reported, ChangeOutcome::Failed) => ("reported; the change failed", theme.failure()),
            (Provenance::Reported, ChangeOutcome::Unconfirmed) => ("reported otherwise", theme.attention()),
            // The family reports some values but not all.
            (Provenance::Reported, _) if !state.assumed.is_empty() => {
                return (format!("reported; assumed: {}", state.assumed), theme.attention());
            }
            (Provenance::Reported, _) => ("reported", theme.success()),
            (Provenance::Assumed, ChangeOutcome::Failed) => ("assumed; the change failed", theme.failure()),
            (Provenance::Assumed, ChangeOutcome::Unconfirmed) => {
                ("assumed: not confirmed", theme.attention())
            }
            (Provenance::Assumed, _) if !self.device.reports_state() => {
                ("assumed: never reports", theme.attention())
            }
            (Provenance::Assumed, ChangeOutcome::None) => ("assumed", theme.attention()),
            (Provenance::Assumed, _) => ("assumed …", theme.accent()),
            (Provenance::Advertised, _) => ("advertised", dim()),
            (Provenance::Unknown, _) => ("unknown", dim()),
        };
        (text.to_owned(), style)
    }

    fn preview_bar(&self, light: Option<&Light>, width: usize) -> Span<'static> {
        swatch(self.theme(), light, width)
    }

    fn profile(&self) -> Vec<Span<'static>> {
        let Some(profile) = self.device.profile.as_deref() else {
            return vec![Span::styled("not known", dim())];
        };
        let name = profile.full_name();
        let room = self.room().saturating_sub(name.width() + 2);
        let title = format!("  {}", cut(&plain(&profile.title), room));
        vec![Span::raw(cut(&name, self.room()).into_owned()), Span::styled(title, dim())]
    }

    /// Returns why the device was assigned to this family.
    fn evidence(&self) -> String {
        let device = self.device;
        let family = device.profile.as_deref().map(|profile| profile.name.as_str());
        let own = device.candidates.iter().find(|one| Some(one.family.as_str()) == family);
        let evidence = own.map(|one| one.evidence.iter().map(|evidence| evidence.text.as_str()));
        let text = match (family, evidence) {
            (Some(_), _) if device.profile_configured => "set for this bulb by you".to_owned(),
            (Some(_), Some(evidence)) => evidence.collect::<Vec<_>>().join("; "),
            (Some(_), None) => "GATT table and values read".to_owned(),
            (None, _) => undecided(device),
        };
        cut(&plain(&text), self.room()).into_owned()
    }

    fn labelled(&self, name: &'static str, spans: Vec<Span<'static>>) -> Line<'static> {
        let mut line = vec![Span::styled(format!("  {}", fit(name, 12)), dim())];
        line.extend(spans);
        Line::from(line)
    }

    fn room(&self) -> usize {
        usize::from(self.width).saturating_sub(15)
    }

    fn battery(&self) -> Vec<Span<'static>> {
        match self.device.battery {
            None => vec![Span::styled("—", dim())],
            Some(None) => vec![Span::styled("none", dim())],
            Some(Some(battery)) => {
                let source = if battery.source == BatterySource::Bluez { "  from BlueZ" } else { "" };
                let level = self::battery(self.theme(), battery.percent);
                level.into_iter().chain([Span::styled(source, dim())]).collect()
            }
        }
    }

    fn signal(&self) -> Vec<Span<'static>> {
        let Some(rssi) = self.device.rssi else { return vec![Span::styled("—", dim())] };
        let weak = if rssi < -85 { " weak" } else { "" };
        vec![
            Span::styled(signal_bars(self.device), self.theme().success()),
            Span::raw(format!(" {rssi} dBm{weak}")),
            Span::styled(format!("  {}", history(self.device, HISTORY).trim_start()), dim()),
        ]
    }

    fn link_facts(&self) -> Vec<Span<'static>> {
        let mut facts = Vec::new();
        if self.device.is_connected() {
            facts.push(match self.device.latency {
                Some(latency) => format!("answers in {} ms", latency.as_millis()),
                None => "connected".to_owned(),
            });
        }
        if self.device.link_losses > 0 {
            facts.push(format!("lost {}×", self.device.link_losses));
        }
        if facts.is_empty() {
            facts.push("—".to_owned());
        }
        vec![Span::styled(cut(&facts.join(", "), self.room()).into_owned(), Style::new())]
    }

    fn device_info(&self) -> Vec<Span<'static>> {
        let Some(info) = &self.device.info else { return vec![Span::styled("—", dim())] };
        let version = |name: &str, text: &Option<String>| text.as_ref().map(|text| format!("{name} {text}"));
        let parts = [
            info.manufacturer.clone(),
            info.model.clone(),
            version("fw", &info.firmware),
            version("hw", &info.hardware),
        ];
        let text = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let text = if text.is_empty() { "no information".to_owned() } else { plain(&text) };
        vec![Span::raw(cut(&text, self.room()).into_owned())]
    }

    fn serial(&self) -> Vec<Span<'static>> {
        let serial = self.device.info.as_ref().and_then(|info| info.serial.as_deref());
        let serial = serial.map_or_else(|| "—".to_owned(), plain);
        vec![Span::raw(cut(&serial, self.room()).into_owned())]
    }
}

/// Returns the reason why a bulb has no controls, in lines; empty if there is none.
pub(crate) fn notice(device: &Device, width: u16) -> Vec<String> {
    let text = match (&device.refusal, device.profile.as_deref()) {
        (Some((code, text)), _) => format!("{code}: {text}"),
        (None, Some(profile)) => match &profile.unsupported {
            Some(reason) => format!("{} is not supported: {}", profile.full_name(), plain(reason)),
            None => return Vec::new(),
        },
        (None, None) if !device.wants_link() && device.bulb => {
            "Connect to find out what it can do.".to_owned()
        }
        (None, None) => return Vec::new(),
    };
    wrap(&text, usize::from(width.saturating_sub(4)))
}

/// Returns the closest families where none is certain.
fn undecided(device: &Device) -> String {
    let first = device.candidates.first().map_or(0, |one| one.score);
    let near = device.candidates.iter().filter(|one| one.score + MIN_LEAD > first);
    let names: Vec<String> =
        near.take(4).map(|one| format!("{} {}", crate::bulb::families::full_name(one), one.score)).collect();
    if names.is_empty() { "no family matches".to_owned() } else { format!("undecided: {}", names.join(", ")) }
}

fn has_single_row_preview(writer: &DetailWriter<'_>) -> bool {
    let area = writer.model.areas().detail.map(inner).unwrap_or_default();
    let rows = detail_rows(writer.model, writer.device, area);
    !rows.contains(&DetailRow::Preview(1))
}

/// Draws a battery level.
pub(crate) fn battery(theme: Theme, percent: u8) -> [Span<'static>; 3] {
    let full = usize::from(percent).div_ceil(10);
    [
        Span::styled("▰".repeat(full), if percent <= 15 { theme.failure() } else { theme.success() }),
        Span::styled("▱".repeat(10_usize.saturating_sub(full)), dim()),
        Span::raw(format!(" {percent} %")),
    ]
}

/// Draws a row of the light. Without colours, shades show the brightness.
pub(crate) fn swatch(theme: Theme, light: Option<&Light>, width: usize) -> Span<'static> {
    let Some(light) = light else { return Span::styled("╱".repeat(width), dim()) };
    let on = light.power != Some(false);
    let style =
        if theme.depth == Depth::None { Style::new() } else { theme.light_style(displayed_color(light)) };
    // The colours of an effect are unknown.
    if on && light.mode == Some(Mode::Effect) {
        return Span::styled("▓▒░".repeat(width / 3), style);
    }
    if theme.depth == Depth::None {
        let bright = light.brightness.is_none_or(|percent| percent.get() > 50);
        let shade = match (on, bright) {
            (false, _) => "·",
            (true, true) => "█",
            (true, false) => "▒",
        };
        Span::raw(shade.repeat(width))
    } else {
        Span::styled(if on { "█" } else { "░" }.repeat(width), style)
    }
}

fn power_text(light: &Light) -> Vec<String> {
    let power = light.power.map(|on| if on { "on" } else { "off" }.to_owned());
    power.into_iter().chain(light.brightness.map(|percent| percent.to_string())).collect()
}

/// Returns the colour, white or effect that is active, as text.
fn color_text(light: &Light) -> Vec<String> {
    let shines = |mode: Mode| light.mode.is_none_or(|own| own == mode);
    let mut words = Vec::new();
    words.extend(light.color.filter(|_| shines(Mode::Color)).map(|color| color.to_string()));
    words.extend(light.white.filter(|_| shines(Mode::White)).map(|white| format!("white {white}")));
    words.extend(light.kelvin.filter(|_| shines(Mode::White)).map(|kelvin| format!("{kelvin} K")));
    words.extend(light.effect.clone().filter(|_| shines(Mode::Effect)));
    words
}

pub(crate) fn light_text(light: &Light) -> Vec<String> {
    power_text(light).into_iter().chain(color_text(light)).collect()
}

fn links(limit: usize) -> String {
    if limit == 1 { "the only link".to_owned() } else { format!("all {limit} links") }
}
