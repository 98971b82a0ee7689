//! Records as text, usually one line each. Fields are separated by two spaces on a terminal and by a tab in a pipe.

use anstyle::{Ansi256Color, AnsiColor, Color, Effects, RgbColor, Style};

use bulb_protocol::Rgb;
use console::{Alignment, pad_str};

use super::records::{
    Bulb, DeviceRecord, ErrorRecord, LightValues, LinkKind, LinkRecord, Record, StateRecord,
};
use crate::bulb::{BatterySource, Provenance};
use crate::color;
use crate::palette::{kelvin_color, nearest};
use crate::sanitise::sanitise;

pub(crate) const DIM: Style = Style::new().effects(Effects::DIMMED);
pub(crate) const BOLD: Style = Style::new().bold();
const RED: Style = AnsiColor::Red.on_default().bold();
const CYAN: Style = AnsiColor::Cyan.on_default();

#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// Aligned instead of tab-separated.
    pub(crate) terminal: bool,
    /// With styles and swatches.
    pub(crate) color: bool,
    /// The terminal has 24-bit colours.
    pub(crate) truecolor: bool,
    /// Width to which names are padded on a terminal.
    pub(crate) name_width: usize,
    /// The line of `run` that the record is from.
    pub(crate) line_number: Option<u64>,
}

impl Layout {
    /// The style, or none if the output has no colours.
    pub(crate) fn style(self, style: Style) -> Style {
        if self.color { style } else { Style::new() }
    }
}

/// Text of a record; `None` for records that only programs need.
pub(crate) fn line(body: &Record, layout: Layout) -> Option<String> {
    let fields = match body {
        Record::Device(device) => return Some(device_line(device, layout)),
        Record::Lost(bulb) => vec![name(bulb, layout), "lost".to_owned()],
        Record::Adapter(adapter) => {
            vec![format!("adapter {}", sanitise(&adapter.adapter)), adapter.state.to_owned()]
        }
        // Snapshots are always printed as JSON.
        Record::Scan(_) | Record::Done(_) | Record::Snapshot(_) => return None,
        Record::State(state) => state_fields(state, layout),
        Record::Battery(battery) => {
            let mut fields = vec![name(&battery.bulb, layout), format!("{} %", battery.percent)];
            if battery.source == BatterySource::Bluez {
                fields.push("(remembered by BlueZ)".to_owned());
            }
            fields
        }
        Record::Link(link) => link_fields(link, layout),
        Record::Bridge(bridge) => bridge.fields(),
        Record::Message(message) => message.fields(layout),
        Record::Frame(frame) => frame.fields(layout),
        Record::Captured(captured) => captured.fields(layout),
        Record::Emulated(emulated) => emulated.fields(layout),
        Record::Info(info) => return Some(info.text(layout)),
        Record::Bench(bench) => return Some(bench.text(layout)),
        Record::Comparison(comparison) => return Some(comparison.text(layout)),
        Record::Doctor(doctor) => return Some(doctor.text(layout)),
        Record::Value(value) => value.fields(layout),
        Record::Profile(profile) => return Some(profile.text(layout)),
        Record::ProfileCheck(check) => return Some(check.text()),
        Record::ProfileDraft(draft) => return Some(draft.text.trim_end().to_owned()),
        Record::Detect(detect) => return Some(detect.text(layout)),
        Record::Check(check) => return Some(check.text(layout)),
        Record::CheckSummary(summary) => return Some(summary.text(layout)),
        Record::CheckListing(listing) => return Some(listing.text(layout)),
        Record::Error(error) => return Some(error_lines(error, layout)),
    };
    Some(fields.join(if layout.terminal { "  " } else { "\t" }))
}

/// The bulb's name, padded so that the next fields line up.
pub(super) fn name(bulb: &Bulb, layout: Layout) -> String {
    let name = sanitise(bulb.label());
    if layout.terminal { pad_str(&name, layout.name_width, Alignment::Left, None) } else { name }.into_owned()
}

fn on_off(on: bool) -> String {
    if on { "on" } else { "off" }.to_owned()
}

fn state_fields(state: &StateRecord, layout: Layout) -> Vec<String> {
    let mut fields = vec![name(&state.bulb, layout)];
    match state.provenance {
        Provenance::Unknown if state.write_only => {
            fields.push("state unknown".to_owned());
            fields.push("(the bulb never reports it)".to_owned());
        }
        Provenance::Unknown => fields.push("state unknown".to_owned()),
        _ => fields.extend(light_fields(&state.light.values, state.light.mode, layout)),
    }
    if !state.assumed.is_empty() {
        fields.push(format!("({} assumed: not reported)", state.assumed.join(", ")));
    }
    match (state.provenance, state.confirmed) {
        (_, Some(false)) => fields.push("(written, not confirmed)".to_owned()),
        (Provenance::Assumed, _) if state.commanded && state.write_only => {
            fields.push("(assumed: it never reports)".to_owned())
        }
        (Provenance::Assumed, _) => fields.push("(assumed)".to_owned()),
        (Provenance::Advertised, _) => fields.push("(advertised)".to_owned()),
        _ => {}
    }
    fields
}

/// Known settings of a light. Of colour, white and effect only the one that is active, if that is known.
pub(super) fn light_fields(light: &LightValues, mode: Option<&str>, layout: Layout) -> Vec<String> {
    let shines = |name: &str| mode.is_none_or(|own| own == name);
    let mut fields: Vec<String> = light.power.map(on_off).into_iter().collect();
    fields.extend(light.brightness.map(|percent| format!("{percent} %")));
    if shines("color") {
        let color = |text: &String| swatch(color::parse(text).ok(), text.clone(), layout);
        fields.extend(light.color.as_ref().map(color));
    }
    if shines("white") {
        fields.extend(light.white.map(|percent| format!("white {percent} %")));
        let white = |kelvin| swatch(Some(kelvin_color(kelvin)), format!("{kelvin} K"), layout);
        fields.extend(light.kelvin.map(white));
    }
    if shines("effect") {
        fields.extend(light.effect.as_ref().map(|effect| format!("effect {}", sanitise(effect))));
        fields.extend(light.speed.map(|percent| format!("speed {percent} %")));
        if mode == Some("effect") && light.effect.is_none() {
            fields.push("an effect".to_owned());
        }
    }
    fields
}

fn link_fields(link: &LinkRecord, layout: Layout) -> Vec<String> {
    let state = match (link.state, link.attempt, link.gap_ms) {
        (LinkKind::Connected, _, Some(gap)) => {
            format!("reconnected after {:.1?}", std::time::Duration::from_millis(gap))
        }
        (LinkKind::Connected, ..) => "connected".to_owned(),
        (LinkKind::Disconnected, ..) => "disconnected".to_owned(),
        (LinkKind::Lost, ..) => "link lost".to_owned(),
        (LinkKind::Reconnecting, attempt, _) => {
            format!(
                "reconnecting{}",
                attempt.map_or_else(String::new, |number| format!(", attempt {number}"))
            )
        }
    };
    let cause = link.cause.as_deref().map(|cause| sanitise(cause).into_owned());
    [name(&link.bulb, layout), state].into_iter().chain(cause).collect()
}

/// The text of a colour, with a dot of that colour before it if the output has colours.
fn swatch(rgb: Option<Rgb>, text: String, layout: Layout) -> String {
    let Some(rgb) = rgb.filter(|_| layout.color) else { return text };
    let color = match layout.truecolor {
        true => Color::Rgb(RgbColor(rgb.red, rgb.green, rgb.blue)),
        false => Color::Ansi256(Ansi256Color(nearest(rgb, 16..256))),
    };
    let style = Style::new().fg_color(Some(color));
    format!("{style}●{style:#} {text}")
}

/// `C4:11:00:00:00:01  -48 dBm  base  Light-Desk`, in columns on a terminal, where an advertised state follows.
pub(crate) fn device_line(device: &DeviceRecord, layout: Layout) -> String {
    let (bold, dim, cyan) = (layout.style(BOLD), layout.style(DIM), layout.style(CYAN));
    let id = device.bulb.address.as_deref().unwrap_or(&device.bulb.id);
    let profile = device.profile.as_deref().unwrap_or("-");
    let name = device.bulb.name.as_deref().or(device.alias.as_deref()).map(sanitise);
    let named = name.map(|name| format!("{bold}{name}{bold:#}"));
    if !layout.terminal {
        let rssi = device.rssi.map_or_else(|| "-".to_owned(), |rssi| rssi.to_string());
        let held = if device.connected { format!("	{cyan}connected{cyan:#}") } else { String::new() };
        return format!("{dim}{id}{dim:#}	{rssi}	{profile}	{}{held}", named.as_deref().unwrap_or("-"));
    }
    let rssi = device.rssi.map_or_else(|| "       —".to_owned(), |rssi| format!("{rssi:>4} dBm"));
    let name = named.unwrap_or_else(|| format!("{dim}(no name){dim:#}"));
    let held = if device.connected { format!("  {cyan}connected{cyan:#}") } else { String::new() };
    let mut line = format!("{dim}{id}{dim:#}  {rssi} {}  {profile:<5} {name}{held}", bars(device.rssi));
    if let Some(state) = &device.state {
        for field in light_fields(&state.values, state.mode, layout) {
            line.push_str("  ");
            line.push_str(&field);
        }
    }
    line
}

/// RSSI in four steps: -55, -67, -78 and -88 dBm, from next to the bulb to almost out of range.
fn bars(rssi: Option<i16>) -> &'static str {
    match rssi {
        None => "    ",
        Some(-55..) => "▂▄▆█",
        Some(-67..) => "▂▄▆ ",
        Some(-78..) => "▂▄  ",
        Some(-88..) => "▂   ",
        Some(_) => "    ",
    }
}

fn error_lines(error: &ErrorRecord, layout: Layout) -> String {
    let line = layout.line_number.map_or_else(String::new, |number| format!("line {number}: "));
    let message = sanitise(&error.message);
    let mut text = match &error.target {
        // The message may already name the bulb.
        Some(target) if !error.message.contains(target.as_str()) => {
            format!("{RED}error{RED:#}: {line}{}: {message} {DIM}[{}]{DIM:#}", sanitise(target), error.code)
        }
        _ => format!("{RED}error{RED:#}: {line}{message} {DIM}[{}]{DIM:#}", error.code),
    };
    if let Some(hint) = &error.hint {
        text.push_str(&format!("\n{CYAN} hint{CYAN:#}: {}", sanitise(hint)));
    }
    text
}
