//! The selected bulb: its lamp, its controls, what is known of it.

use bulb_protocol::Rgb;
use bulb_protocol::profile::{Light, Mode};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr;

use super::super::device::{Answer, Device, HISTORY, Link};
use super::super::hsv;
use super::super::layout::{CHIP, Columns, DetailRow, columns, detail_rows, inner};
use super::super::model::{Control, Model, Pane};
use super::super::paint::{Depth, bold, cursor, dim, glow, hue};
use super::super::text::{cut, fit, fit_right, plain, wrap};
use super::super::update::{PRESETS, slider};
use super::list::{bars, chip, history};
use super::pane;
use crate::bulb::{Provenance, Source};

/// Columns of the lamp.
const LAMP: usize = 12;

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let focused = model.pane == Pane::Detail;
    let rows = inner(area);
    let Some(device) = model.current() else {
        frame.render_widget(pane(model, Line::styled(" No bulb is selected ", bold()), focused), area);
        let lines: Vec<Line<'_>> = wrap(
            "Choose one from the list, and press Enter to connect.",
            usize::from(rows.width.saturating_sub(2)),
        )
        .into_iter()
        .map(|line| Line::styled(format!(" {line}"), dim()))
        .collect();
        let place = Rect { y: rows.y + 1, height: rows.height.saturating_sub(1), ..rows };
        return frame.render_widget(Paragraph::new(lines), place);
    };
    let room = usize::from(area.width).saturating_sub(6);
    let mut title = vec![Span::styled(format!(" {} ", cut(device.label(), room)), bold())];
    if !model.marked.is_empty() {
        let text = format!(" drives {} marked ", model.marked.len());
        title = vec![
            Span::styled(format!(" {} ", cut(device.label(), room.saturating_sub(text.width()))), bold()),
            Span::styled(text, model.depth.odd()),
        ];
    }
    frame.render_widget(pane(model, Line::from(title), focused), area);
    for (row, y) in detail_rows(model, device, rows.height).into_iter().zip(0..rows.height) {
        let place = Rect { y: rows.y + y, height: 1, ..rows };
        frame.render_widget(Pen { model, device, width: rows.width, focused }.row(row), place);
    }
}

/// What rows are drawn with.
struct Pen<'a> {
    model: &'a Model,
    device: &'a Device,
    width: u16,
    focused: bool,
}

impl Pen<'_> {
    fn depth(&self) -> Depth {
        self.model.depth
    }

    fn row(&self, row: DetailRow) -> Line<'static> {
        match row {
            DetailRow::Blank => Line::default(),
            DetailRow::Who => self.who(),
            DetailRow::Preview(row) => self.preview(row),
            DetailRow::Control(control) => self.control(control),
            DetailRow::Battery => self.fact("Battery", self.battery()),
            DetailRow::Signal => self.fact("Signal", self.signal()),
            DetailRow::Answer => self.fact("Link", self.link_facts()),
            DetailRow::Made => self.fact("Device", self.made()),
            DetailRow::Serial => self.fact("Serial", self.serial()),
        }
    }

    fn who(&self) -> Line<'static> {
        let depth = self.depth();
        let left = self.device.link;
        let (text, style) = match left {
            Link::Up(_) => ("● connected".to_owned(), depth.good()),
            Link::Connecting(1) => ("◌ connecting".to_owned(), depth.accent()),
            Link::Connecting(attempt) => (format!("◌ attempt {attempt}"), depth.accent()),
            Link::Waiting(until) => {
                let seconds = until.saturating_sub(self.model.now).as_secs_f64().ceil();
                (format!("↻ again in {seconds} s"), depth.odd())
            }
            Link::None if self.device.report.connected => ("◇ held elsewhere".to_owned(), dim()),
            Link::None => ("not connected".to_owned(), dim()),
        };
        let address = self.device.address();
        let room = usize::from(self.width).saturating_sub(text.width() + 2);
        Line::from(vec![Span::styled(format!(" {}", fit(&address, room)), dim()), Span::styled(text, style)])
    }

    /// The lamp, and beside it what it does.
    fn preview(&self, row: u16) -> Line<'static> {
        let light = self.device.light();
        let mut spans = vec![Span::raw("  "), self.lamp(light), Span::raw("  ")];
        let single = detail_is_low(self);
        match (row, light) {
            (0, Some(light)) if single => {
                spans.push(Span::styled(words(light).join("  "), bold()));
                spans.push(Span::styled(format!("  {}", self.provenance().0), self.provenance().1));
            }
            (0, Some(light)) => {
                spans.push(Span::styled(switch_words(light).join("  "), bold()));
            }
            (1, Some(light)) => spans.push(Span::raw(shine_words(light).join("  "))),
            (2, Some(_)) => {
                let (text, style) = self.provenance();
                spans.push(Span::styled(text, style));
            }
            (0, None) => spans.push(Span::styled("state unknown", dim())),
            (1, None) if !self.device.wanted() => spans.push(Span::styled("Enter connects", dim())),
            _ => {}
        }
        Line::from(spans)
    }

    /// How the state is known.
    fn provenance(&self) -> (&'static str, Style) {
        let depth = self.depth();
        match (self.device.state.provenance, self.device.answer) {
            (Provenance::Reported, Answer::Failed) => ("reported; the change failed", depth.bad()),
            (Provenance::Reported, Answer::Unconfirmed) => ("reported otherwise", depth.odd()),
            (Provenance::Reported, _) => ("reported", depth.good()),
            (Provenance::Assumed, Answer::Unconfirmed) => ("assumed: not confirmed", depth.odd()),
            (Provenance::Assumed, Answer::None) => ("assumed: it never reports", depth.odd()),
            (Provenance::Assumed, _) => ("assumed …", depth.accent()),
            (Provenance::Advertised, _) => ("advertised", dim()),
            (Provenance::Unknown, _) => ("unknown", dim()),
        }
    }

    fn lamp(&self, light: Option<&Light>) -> Span<'static> {
        let depth = self.depth();
        let Some(light) = light else { return Span::styled("╱".repeat(LAMP), dim()) };
        let on = light.power != Some(false);
        if depth == Depth::None {
            let bright = light.brightness.is_none_or(|percent| percent.get() > 50);
            let shade = match (on, bright) {
                (false, _) => "·",
                (true, true) => "█",
                (true, false) => "▒",
            };
            Span::raw(shade.repeat(LAMP))
        } else {
            Span::styled(if on { "█" } else { "░" }.repeat(LAMP), depth.ink(glow(light)))
        }
    }

    fn control(&self, control: Control) -> Line<'static> {
        let here = self.focused && self.model.control == control;
        let usable = self.device.up();
        let name = match control {
            Control::Power => "Power",
            Control::Brightness => "Brightness",
            Control::Red => "Red",
            Control::Green => "Green",
            Control::Blue => "Blue",
            Control::Hue => "Hue",
            Control::Saturation => "Saturation",
            Control::Color => "Colour",
            Control::Presets => "Presets",
            Control::Recent => "Recent",
        };
        let widths = columns(self.width);
        let style = if here {
            self.depth().accent().patch(bold())
        } else if usable {
            Style::new()
        } else {
            dim()
        };
        let mark = if here { "▸ " } else { "  " };
        let mut spans = vec![
            Span::styled(mark, self.depth().accent()),
            Span::styled(fit(name, usize::from(widths.name)), style),
        ];
        spans.extend(match control {
            Control::Power => self.power(here),
            Control::Color => self.color(here),
            Control::Presets if self.depth() == Depth::None => {
                let name = PRESETS.get(self.model.preset).map_or("", |(name, _)| name);
                let place = self.model.preset + 1;
                vec![Span::raw(format!("{name} ")), Span::styled(format!("{place}/{}", PRESETS.len()), dim())]
            }
            Control::Presets => {
                let colors: Vec<Rgb> = PRESETS.iter().map(|(_, color)| *color).collect();
                self.palette(&colors, self.model.preset, here, widths)
            }
            Control::Recent => {
                let colors: Vec<Rgb> = self.model.recent.iter().copied().collect();
                self.palette(&colors, self.model.recent_index, here, widths)
            }
            slider => self.slider(slider, here, widths),
        });
        Line::from(spans)
    }

    fn power(&self, here: bool) -> Vec<Span<'static>> {
        let chosen = |text: &'static str, is: bool| {
            let style = match (is, here) {
                (true, true) => self.depth().accent().patch(cursor()),
                (true, false) => cursor(),
                (false, _) => dim(),
            };
            Span::styled(text, style)
        };
        match self.device.light().and_then(|light| light.power) {
            Some(on) => vec![chosen(" off ", !on), Span::raw(" "), chosen(" on ", on)],
            None => vec![Span::styled(" off ", dim()), Span::raw(" "), Span::styled(" on ", dim())],
        }
    }

    fn color(&self, here: bool) -> Vec<Span<'static>> {
        let color = self.device.light().and_then(|light| light.color);
        let text = color.map_or_else(|| "—".to_owned(), |color| color.to_string());
        let mut spans = vec![Span::raw(fit(&text, 9))];
        if self.device.up() {
            spans.push(Span::styled(if here { "Enter types one" } else { "c types one" }, dim()));
        }
        spans
    }

    fn palette(&self, colors: &[Rgb], chosen: usize, here: bool, widths: Columns) -> Vec<Span<'static>> {
        let room = usize::from((widths.track + widths.value) / CHIP);
        let mut spans = Vec::new();
        for (index, &color) in colors.iter().enumerate().take(room) {
            let mut chip = chip(self.depth(), color);
            if !self.device.up() {
                chip = Span::styled("▒", self.depth().ink(color).add_modifier(Modifier::DIM));
            }
            spans.push(chip);
            spans.push(if here && index == chosen {
                Span::styled("◂", self.depth().accent())
            } else {
                Span::raw(" ")
            });
        }
        if spans.is_empty() {
            spans.push(Span::styled("none so far", dim()));
        }
        spans
    }

    /// A track in the colours that it leads through, with a knob.
    fn slider(&self, control: Control, here: bool, widths: Columns) -> Vec<Span<'static>> {
        let cells = widths.track;
        let (Some((value, most)), Some(light)) = (slider(self.device, control), self.device.light()) else {
            return vec![
                Span::styled("╌".repeat(usize::from(cells)), dim()),
                Span::styled(fit_right("—", usize::from(widths.value)), dim()),
            ];
        };
        let last = u32::from(cells.saturating_sub(1)).max(1);
        let knob = (u32::from(value) * last + u32::from(most) / 2) / u32::from(most.max(1));
        let mut spans: Vec<Span<'static>> = (0..u32::from(cells))
            .map(|cell| {
                let at = u16::try_from(cell * u32::from(most) / last).unwrap_or(most);
                self.track_cell(control, cell, knob, at, light, here)
            })
            .collect();
        let unit = match control {
            Control::Brightness | Control::Saturation => " %",
            Control::Hue => "°",
            _ => "",
        };
        let style = if here { bold() } else { Style::new() };
        spans.push(Span::styled(fit_right(&format!("{value}{unit}"), usize::from(widths.value)), style));
        spans
    }

    fn track_cell(
        &self,
        control: Control,
        cell: u32,
        knob: u32,
        at: u16,
        light: &Light,
        here: bool,
    ) -> Span<'static> {
        let depth = self.depth();
        if cell == knob {
            let style = if here { depth.accent().patch(bold()) } else { bold() };
            return Span::styled("●", style);
        }
        if depth <= Depth::Sixteen {
            return if cell < knob { Span::raw("━") } else { Span::styled("─", dim()) };
        }
        let byte = u8::try_from(at).unwrap_or(u8::MAX);
        let own = light.color.unwrap_or(Rgb::WHITE);
        let tint = self.device.tint.of(own);
        let color = match control {
            Control::Red => Rgb { red: byte, ..own },
            Control::Green => Rgb { green: byte, ..own },
            Control::Blue => Rgb { blue: byte, ..own },
            Control::Hue => hsv::rgb(at, 100, 255),
            Control::Saturation => hsv::rgb(tint.hue, byte, 255),
            _ => {
                let brightness = bulb_protocol::Percent::clamped(byte.max(8));
                glow(&Light {
                    power: Some(true),
                    brightness: Some(brightness),
                    color: Some(hue(light)),
                    ..Light::default()
                })
            }
        };
        Span::styled("━", depth.ink(color))
    }

    fn fact(&self, name: &'static str, spans: Vec<Span<'static>>) -> Line<'static> {
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
                let full = usize::from(battery.percent).div_ceil(10);
                let style = if battery.percent <= 15 { self.depth().bad() } else { self.depth().good() };
                let source = if battery.source == Source::Bluez { "  as BlueZ has it" } else { "" };
                vec![
                    Span::styled("▰".repeat(full), style),
                    Span::styled("▱".repeat(10_usize.saturating_sub(full)), dim()),
                    Span::raw(format!(" {} %", battery.percent)),
                    Span::styled(source, dim()),
                ]
            }
        }
    }

    fn signal(&self) -> Vec<Span<'static>> {
        let Some(rssi) = self.device.rssi else { return vec![Span::styled("—", dim())] };
        let weak = if rssi < -85 { " weak" } else { "" };
        vec![
            Span::styled(bars(self.device), self.depth().good()),
            Span::raw(format!(" {rssi} dBm{weak}")),
            Span::styled(format!("  {}", history(self.device, HISTORY).trim_start()), dim()),
        ]
    }

    fn link_facts(&self) -> Vec<Span<'static>> {
        let mut facts = Vec::new();
        if self.device.up() {
            facts.push(match self.device.latency {
                Some(latency) => format!("answers in {} ms", latency.as_millis()),
                None => "up".to_owned(),
            });
        }
        if self.device.losses > 0 {
            facts.push(format!("lost {}×", self.device.losses));
        }
        if facts.is_empty() {
            facts.push("—".to_owned());
        }
        vec![Span::styled(cut(&facts.join(", "), self.room()).into_owned(), Style::new())]
    }

    fn made(&self) -> Vec<Span<'static>> {
        let Some(info) = &self.device.info else { return vec![Span::styled("—", dim())] };
        let version = |name: &str, text: &Option<String>| text.as_ref().map(|text| format!("{name} {text}"));
        let parts = [
            info.manufacturer.clone(),
            info.model.clone(),
            version("fw", &info.firmware),
            version("hw", &info.hardware),
        ];
        let text = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let text = if text.is_empty() { "says nothing of itself".to_owned() } else { plain(&text) };
        vec![Span::raw(cut(&text, self.room()).into_owned())]
    }

    fn serial(&self) -> Vec<Span<'static>> {
        let serial = self.device.info.as_ref().and_then(|info| info.serial.as_deref());
        let profile =
            self.device.profile.as_ref().map_or_else(String::new, |profile| format!("  profile {profile}"));
        let serial = serial.map_or_else(|| "—".to_owned(), plain);
        vec![
            Span::raw(cut(&serial, self.room().saturating_sub(profile.width())).into_owned()),
            Span::styled(profile, dim()),
        ]
    }
}

/// Whether the lamp has one row only.
fn detail_is_low(pen: &Pen<'_>) -> bool {
    let height = pen.model.areas().detail.map(inner).map_or(0, |area| area.height);
    let rows = detail_rows(pen.model, pen.device, height);
    !rows.contains(&DetailRow::Preview(1))
}

/// Whether it is on, and how bright.
fn switch_words(light: &Light) -> Vec<String> {
    let power = light.power.map(|on| if on { "on" } else { "off" }.to_owned());
    power.into_iter().chain(light.brightness.map(|percent| percent.to_string())).collect()
}

/// What it shines with: the colour, white or the effect, whichever shows.
fn shine_words(light: &Light) -> Vec<String> {
    let shines = |mode: Mode| light.mode.is_none_or(|own| own == mode);
    let mut words = Vec::new();
    words.extend(light.color.filter(|_| shines(Mode::Color)).map(|color| color.to_string()));
    words.extend(light.white.filter(|_| shines(Mode::White)).map(|white| format!("white {white}")));
    words.extend(light.kelvin.filter(|_| shines(Mode::White)).map(|kelvin| format!("{kelvin} K")));
    words.extend(light.effect.clone().filter(|_| shines(Mode::Effect)));
    words
}

fn words(light: &Light) -> Vec<String> {
    switch_words(light).into_iter().chain(shine_words(light)).collect()
}
