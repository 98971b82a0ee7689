//! Draws the GATT table of the selected bulb, with values.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::super::device::Device;
use super::super::frames::ShortNames;
use super::super::gatt::{GattRow, rows};
use super::super::model::{Model, Pane};
use super::super::style::{bold, dim};
use super::super::text::{cut, fit, plain};
use super::{lower, sentence};
use crate::numbers;
use crate::radio::CharacteristicId;
use crate::radio::gatt::{Characteristic, uuid_text};

/// Width of handle, UUID and properties.
const HANDLE: usize = 6;
const PROPERTIES: usize = 6;

/// Returns the number of rows scrolled off the top.
pub(crate) fn offset(model: &Model, height: u16) -> usize {
    (model.gatt_row + 1).saturating_sub(usize::from(height))
}

pub(super) fn draw(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let all = rows(model);
    let name = model.selected_device().map(Device::label).unwrap_or_default();
    let title = match all.len() {
        0 => format!(" {} ", cut(name, 24)),
        count => format!(" {}  {} of {count} ", cut(name, 24), model.gatt_row + 1),
    };
    let inside = lower(model, frame, area, Line::styled(title, dim()));
    let Some(device) = model.selected_device().filter(|_| !all.is_empty()) else {
        return sentence(
            frame,
            inside,
            "Connect a bulb to see its services and characteristics, and to read and write them.",
        );
    };
    let uuid = if inside.width >= 110 { 36 } else { 13 };
    let mut names = ShortNames::default();
    for (id, ..) in device.table.iter().flat_map(|table| table.all()) {
        names.add(id.characteristic);
    }
    let first = offset(model, inside.height);
    for ((index, row), y) in all.into_iter().enumerate().skip(first).zip(0..inside.height) {
        let place = Rect { y: inside.y + y, height: 1, ..inside };
        let mut line = match row {
            GattRow::Service(service) => {
                let handle = handle(service.handle);
                let known = numbers::service(service.uuid).unwrap_or("service");
                let text = format!("{} {} ", fit(&handle, HANDLE), uuid_text(service.uuid));
                Line::from(vec![Span::styled(text, bold()), Span::styled(known, bold())])
            }
            GattRow::Characteristic(id, characteristic) => {
                let text = uuid_text(characteristic.uuid);
                let text = if text.len() > uuid { names.short(characteristic.uuid) } else { text };
                let text = fit(&text, uuid);
                characteristic_line(model, device, id, characteristic, &text, usize::from(inside.width))
            }
        };
        if index == model.gatt_row && model.pane == Pane::Gatt {
            let selection = model.theme.selection();
            frame.render_widget(Line::styled(" ".repeat(usize::from(inside.width)), selection), place);
            line = line.style(selection);
            line.spans.insert(0, Span::styled("▌", model.theme.accent()));
        } else {
            line.spans.insert(0, Span::raw(" "));
        }
        frame.render_widget(line, place);
    }
}

fn handle(handle: Option<u16>) -> String {
    handle.map_or_else(|| "—".to_owned(), |handle| format!("0x{handle:04x}"))
}

fn characteristic_line(
    model: &Model,
    device: &Device,
    id: CharacteristicId,
    characteristic: &Characteristic,
    uuid: &str,
    width: usize,
) -> Line<'static> {
    let followed = device.followed.contains(&id) || device.subscribed.contains(&id);
    let bell = Span::styled(if followed { "●" } else { " " }, model.theme.success());
    let name = known(device, characteristic);
    let mut spans = vec![
        Span::styled(format!("{} ", fit(&handle(characteristic.value_handle()), HANDLE)), dim()),
        bell,
        Span::raw(format!(" {uuid} ")),
        Span::styled(format!("{} ", fit(&letters(characteristic), PROPERTIES)), dim()),
    ];
    let used: usize = 1 + spans.iter().map(Span::width).sum::<usize>();
    let room = width.saturating_sub(used);
    let names = (room / 3).clamp(8, 28);
    spans.push(Span::styled(format!("{} ", fit(&name, names)), dim()));
    let room = room.saturating_sub(names + 1);
    if let Some((_, value)) = device.values.get(&id) {
        let hex = if value.is_empty() { "(empty)".to_owned() } else { hex::encode(value) };
        let text = std::str::from_utf8(value)
            .ok()
            .filter(|text| !text.is_empty() && text.chars().all(|c| !c.is_control()) && text.len() > 1);
        let text = text.map_or_else(String::new, |text| format!("  {:?}", plain(text)));
        let hex = cut(&hex, room).into_owned();
        let room = room.saturating_sub(hex.width());
        spans.push(Span::raw(hex));
        spans.push(Span::styled(cut(&text, room).into_owned(), dim()));
    }
    Line::from(spans)
}

/// Returns what the characteristic is known as: its role in the family, or its assigned name.
fn known(device: &Device, characteristic: &Characteristic) -> String {
    let profile = device.profile.as_deref().filter(|_| device.driven);
    let role = profile.and_then(|profile| {
        profile.roles.iter().find(|role| role.at.iter().any(|at| at.characteristic == characteristic.uuid))
    });
    match (role, numbers::characteristic(characteristic.uuid)) {
        (Some(role), _) => role.name.to_string(),
        (None, Some(name)) => name.to_owned(),
        (None, None) => String::new(),
    }
}

/// Returns the properties as letters: read, write, write without response, notify, indicate.
fn letters(characteristic: &Characteristic) -> String {
    use crate::radio::WriteKind;
    let properties = characteristic.properties;
    let mut letters = String::new();
    for (letter, has) in [
        ('r', properties.readable()),
        ('w', properties.allows(WriteKind::Request)),
        ('c', properties.allows(WriteKind::Command)),
        ('n', properties.notifies()),
    ] {
        letters.push(if has { letter } else { '·' });
    }
    letters
}
