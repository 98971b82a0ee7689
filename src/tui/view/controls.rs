//! The controls in the bulb pane, one per row.

use std::cmp::Ordering;

use bulb_protocol::Rgb;
use bulb_protocol::profile::{Light, Mode, Profile};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::super::control::{Control, accepts_now, range, shown_bulb, value};
use super::super::device::Device;
use super::super::hsv;
use super::super::layout::{Columns, SWATCH_WIDTH, columns};
use super::super::style::{Depth, base_color, bold, cursor, dim, displayed_color, kelvin_color};
use super::super::text::{cut, fit, fit_right};
use super::super::update::PRESETS;
use super::detail::DetailWriter;
use super::list::color_swatch;

impl DetailWriter<'_> {
    pub(super) fn control(&self, control: Control) -> Line<'static> {
        let here = self.focused && self.model.control == control;
        let device = shown_bulb(self.model, control).unwrap_or(self.device);
        let usable = device.is_connected() && accepts_now(device, control);
        let scaled = device.profile.as_deref().is_some_and(Profile::scales_brightness);
        let name = match control {
            Control::Brightness if scaled => "Brightness≈",
            control => control.name(),
        };
        let widths = columns(self.width);
        let style = if here {
            self.theme().accent().patch(bold())
        } else if usable {
            Style::new()
        } else {
            dim()
        };
        let mark = if here { "▸ " } else { "  " };
        let mut spans = vec![
            Span::styled(mark, self.theme().accent()),
            Span::styled(fit(name, usize::from(widths.name)), style),
        ];
        spans.extend(match control {
            Control::Power => self.power(device, here),
            Control::Color => self.color(device, here),
            Control::Effect => self.effect(device, here, widths),
            Control::Presets if self.theme().depth == Depth::None => {
                let name = PRESETS.get(self.model.preset).map_or("", |(name, _)| name);
                let place = self.model.preset + 1;
                vec![Span::raw(format!("{name} ")), Span::styled(format!("{place}/{}", PRESETS.len()), dim())]
            }
            Control::Presets => {
                let colors: Vec<Rgb> = PRESETS.iter().map(|(_, color)| *color).collect();
                self.palette(device, &colors, self.model.preset, here, widths)
            }
            Control::Recent => {
                let colors: Vec<Rgb> = self.model.recent.iter().copied().collect();
                self.palette(device, &colors, self.model.recent_index, here, widths)
            }
            slider => self.slider(device, slider, here, widths),
        });
        Line::from(spans)
    }

    fn power(&self, device: &Device, here: bool) -> Vec<Span<'static>> {
        let chosen = |text: &'static str, is: bool| {
            let style = match (is, here) {
                (true, true) => self.theme().accent().patch(cursor()),
                (true, false) => cursor(),
                (false, _) => dim(),
            };
            Span::styled(text, style)
        };
        match device.light().and_then(|light| light.power) {
            Some(on) => vec![chosen(" off ", !on), Span::raw(" "), chosen(" on ", on)],
            None => vec![Span::styled(" off ", dim()), Span::raw(" "), Span::styled(" on ", dim())],
        }
    }

    fn color(&self, device: &Device, here: bool) -> Vec<Span<'static>> {
        let color = device.light().and_then(|light| light.color);
        let text = color.map_or_else(|| "—".to_owned(), |color| color.to_string());
        let mut spans = vec![Span::raw(fit(&text, 9))];
        if device.is_connected() {
            spans.push(Span::styled(if here { "Enter to type" } else { "c to type" }, dim()));
        }
        spans
    }

    fn palette(
        &self,
        device: &Device,
        colors: &[Rgb],
        chosen: usize,
        here: bool,
        widths: Columns,
    ) -> Vec<Span<'static>> {
        let room = usize::from((widths.track + widths.value) / SWATCH_WIDTH);
        let mut spans = Vec::new();
        for (index, &color) in colors.iter().enumerate().take(room) {
            let mut color_swatch = color_swatch(self.theme(), color);
            if !device.is_connected() {
                color_swatch = Span::styled("▒", self.theme().light_style(color).add_modifier(Modifier::DIM));
            }
            spans.push(color_swatch);
            spans.push(if here && index == chosen {
                Span::styled("◂", self.theme().accent())
            } else {
                Span::raw(" ")
            });
        }
        if spans.is_empty() {
            spans.push(Span::styled("none yet", dim()));
        }
        spans
    }

    /// Draws the effect that was last set or reported.
    fn effect(&self, device: &Device, here: bool, widths: Columns) -> Vec<Span<'static>> {
        let light = device.light();
        let name = light.and_then(|light| light.effect.clone()).unwrap_or_else(|| "—".to_owned());
        let runs = light.is_some_and(|light| light.mode == Some(Mode::Effect));
        let style = match (runs, here) {
            (true, true) => bold(),
            (true, false) => Style::new(),
            (false, _) => dim(),
        };
        let room = usize::from(widths.track + widths.value);
        let how = if here { "Enter to list" } else { "v to list" };
        let name = cut(&name, room.saturating_sub(how.width() + 2)).into_owned();
        let mut spans = vec![Span::styled(name, style)];
        if device.is_connected() {
            spans.push(Span::styled(format!("  {how}"), dim()));
        }
        spans
    }

    /// Draws a track with a knob. Without a known value it has no knob.
    fn slider(&self, device: &Device, control: Control, here: bool, widths: Columns) -> Vec<Span<'static>> {
        let cells = widths.track;
        let (Some(value), Some(light)) = (value(device, control), device.light()) else {
            return vec![
                Span::styled("╌".repeat(usize::from(cells)), dim()),
                Span::styled(fit_right("—", usize::from(widths.value)), dim()),
            ];
        };
        let (least, most) = range(device, control);
        let span = u32::from(most.saturating_sub(least)).max(1);
        let last = u32::from(cells.saturating_sub(1)).max(1);
        let knob = (u32::from(value.clamp(least, most) - least) * last + span / 2) / span;
        let mut spans: Vec<Span<'static>> = (0..u32::from(cells))
            .map(|cell| {
                let at = u16::try_from(u32::from(least) + cell * span / last).unwrap_or(most);
                let place = cell.cmp(&knob);
                self.track_cell(device, control, place, at, light, here)
            })
            .collect();
        let style = if here { bold() } else { Style::new() };
        let text = format!("{value}{}", control.unit());
        spans.push(Span::styled(fit_right(&text, usize::from(widths.value)), style));
        spans
    }

    fn track_cell(
        &self,
        device: &Device,
        control: Control,
        place: Ordering,
        at: u16,
        light: &Light,
        here: bool,
    ) -> Span<'static> {
        let theme = self.theme();
        if place == Ordering::Equal {
            let style = if here { theme.accent().patch(bold()) } else { bold() };
            return Span::styled("●", style);
        }
        if theme.depth <= Depth::Sixteen || control == Control::Speed {
            return if place == Ordering::Less { Span::raw("━") } else { Span::styled("─", dim()) };
        }
        Span::styled("━", theme.light_style(track_color(device, control, at, light)))
    }
}

/// Returns the colour of the light if the slider were there.
fn track_color(device: &Device, control: Control, at: u16, light: &Light) -> Rgb {
    let byte = u8::try_from(at).unwrap_or(u8::MAX);
    let own = light.color.unwrap_or(Rgb::WHITE);
    let tint = device.hue_saturation.for_color(own);
    let lit = |color: Rgb| {
        let brightness = Some(bulb_protocol::Percent::clamped(byte.max(8)));
        displayed_color(&Light { power: Some(true), brightness, color: Some(color), ..Light::default() })
    };
    match control {
        Control::Red => Rgb { red: byte, ..own },
        Control::Green => Rgb { green: byte, ..own },
        Control::Blue => Rgb { blue: byte, ..own },
        Control::Hue => hsv::rgb(at, 100, 255),
        Control::Saturation => hsv::rgb(tint.hue, byte, 255),
        Control::Kelvin => kelvin_color(at),
        Control::White => lit(Rgb::WHITE),
        _ => lit(base_color(light)),
    }
}
