//! The mouse: select, drag sliders, scroll.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use super::super::control::{Control, leader, on_step, range};
use super::super::event::Effect;
use super::super::layout::{CHIP, DetailRow, TRACK_START, columns, detail_rows, inner, too_small};
use super::super::model::{Model, Pane, Popup};
use super::super::view::{popup, tab_at};
use super::{act, clamp_popup, pane_at, select, take_row};

pub(super) fn take(model: &mut Model, event: MouseEvent, effects: &mut Vec<Effect>) {
    if too_small(model.size) || model.typing.is_some() {
        return;
    }
    model.chosen |= event.kind != MouseEventKind::Moved;
    let at = Position::new(event.column, event.row);
    match event.kind {
        MouseEventKind::ScrollUp => scroll(model, at, -1, effects),
        MouseEventKind::ScrollDown => scroll(model, at, 1, effects),
        MouseEventKind::Down(MouseButton::Left) => press(model, at, effects),
        MouseEventKind::Drag(MouseButton::Left) => {
            if let Some(control) = model.held {
                drag(model, control, at.x, effects);
            }
        }
        MouseEventKind::Up(MouseButton::Left) => model.held = None,
        _ => {}
    }
}

fn press(model: &mut Model, at: Position, effects: &mut Vec<Effect>) {
    model.changed();
    if model.popup.is_some() {
        match popup::row_at(model, at) {
            Some(row) => {
                model.popup_row = row;
                take_row(model, effects);
            }
            None => model.popup = None,
        }
        return;
    }
    let areas = model.areas();
    if let Some(pane) = areas.tabs.filter(|tabs| tabs.contains(at)).and_then(|tabs| tab_at(tabs, at.x)) {
        if pane != Pane::Detail || model.selected.is_some() {
            model.pane = pane;
        }
        return;
    }
    match pane_at(&areas, at.x, at.y) {
        Some(Pane::List) => {
            model.pane = Pane::List;
            let area = areas.list.map(inner).unwrap_or_default();
            if area.contains(at) {
                select(model, model.offset + usize::from(at.y - area.y));
            }
        }
        Some(Pane::Detail) if model.selected.is_some() => {
            model.pane = Pane::Detail;
            let area = areas.detail.map(inner).unwrap_or_default();
            if let Some(control) = control_at(model, area, at) {
                take_hold(model, control, area, at, effects);
            }
        }
        Some(Pane::Frames) => model.pane = Pane::Frames,
        _ => {}
    }
}

/// The control whose row is under the mouse.
fn control_at(model: &Model, area: Rect, at: Position) -> Option<Control> {
    if !area.contains(at) {
        return None;
    }
    let rows = detail_rows(model, model.current()?, area);
    match rows.get(usize::from(at.y - area.y))? {
        DetailRow::Control(control) => Some(*control),
        _ => None,
    }
}

fn take_hold(model: &mut Model, control: Control, area: Rect, at: Position, effects: &mut Vec<Effect>) {
    model.control = control;
    let along = at.x.checked_sub(area.x + TRACK_START);
    match (control, along) {
        (_, None) => {}
        (Control::Power | Control::Color | Control::Effect, Some(_)) => act::activate(model, effects),
        (Control::Presets, Some(along)) => {
            let index = usize::from(along / CHIP);
            if index < act::PRESETS.len() {
                model.preset = index;
                act::activate(model, effects);
            }
        }
        (Control::Recent, Some(along)) => {
            let index = usize::from(along / CHIP);
            if index < model.recent.len() {
                model.recent_index = index;
                act::activate(model, effects);
            }
        }
        (slider, Some(along)) => {
            if along < columns(area.width).track {
                model.held = Some(slider);
                drag(model, slider, at.x, effects);
            }
        }
    }
}

/// Brings the slider to where the mouse is, also if that has left its row.
fn drag(model: &mut Model, control: Control, x: u16, effects: &mut Vec<Effect>) {
    let Some(area) = model.areas().detail.map(inner) else { return };
    let Some((least, most)) = leader(model, control).map(|device| range(device, control)) else { return };
    let last = u32::from(columns(area.width).track.saturating_sub(1).max(1));
    let along = u32::from(x.saturating_sub(area.x + TRACK_START)).min(last);
    let value = (along * u32::from(most - least) + last / 2) / last;
    let value = least.saturating_add(u16::try_from(value).unwrap_or(most));
    act::set(model, control, on_step(control, value, (least, most)), effects);
    model.changed();
}

fn scroll(model: &mut Model, at: Position, rows: isize, effects: &mut Vec<Effect>) {
    model.changed();
    if let Some(popup) = model.popup {
        let by = if matches!(popup, Popup::Groups | Popup::Effects) { rows } else { rows * 3 };
        model.popup_row = model.popup_row.saturating_add_signed(by);
        clamp_popup(model);
        return;
    }
    let areas = model.areas();
    match pane_at(&areas, at.x, at.y) {
        Some(Pane::List) => {
            let index = model.index().unwrap_or_default().saturating_add_signed(rows);
            select(model, index.min(model.order.len().saturating_sub(1)));
        }
        Some(Pane::Detail) => {
            let area = areas.detail.map(inner).unwrap_or_default();
            if let Some(control) = control_at(model, area, at) {
                // Up is more, as a finger has it.
                let by = if rows < 0 { 5 } else { -5 };
                if control.is_slider() && leader(model, control).is_some_and(|device| device.up()) {
                    act::nudge(model, control, by, effects);
                }
            }
        }
        Some(Pane::Frames) => model.frames.scroll(-rows * 3, usize::from(areas.frame_rows())),
        None => {}
    }
}
