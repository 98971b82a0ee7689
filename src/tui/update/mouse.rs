//! Mouse events: select, drag sliders, scroll.

use std::time::Duration;

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use super::super::control::{Control, range, round_to_step, shown_bulb};
use super::super::event::Effect;
use super::super::layout::{DetailRow, SWATCH_WIDTH, TRACK_START, columns, detail_rows, inner, too_small};
use super::super::model::{Model, Pane, Popup};
use super::super::view::{check_row_at, gatt_offset, hint_at, popup, tab_at};
use super::{act, actions, choose_row, clamp_popup, detail, pane_at, scroll_lower, select};

/// The longest time between the clicks of a double click.
const DOUBLE_CLICK: Duration = Duration::from_millis(400);

pub(super) fn take(model: &mut Model, event: MouseEvent, effects: &mut Vec<Effect>) {
    // The palette has an input line and a list.
    let typing = model.prompt.is_some() && model.popup.is_none();
    if too_small(model.size) || typing {
        return;
    }
    model.user_selected |= event.kind != MouseEventKind::Moved;
    let at = Position::new(event.column, event.row);
    match event.kind {
        MouseEventKind::ScrollUp => scroll(model, at, -1, effects),
        MouseEventKind::ScrollDown => scroll(model, at, 1, effects),
        MouseEventKind::Down(MouseButton::Left) => press(model, at, effects),
        MouseEventKind::Drag(MouseButton::Left) => {
            if let Some(control) = model.dragged {
                drag(model, control, at.x, effects);
            }
        }
        MouseEventKind::Up(MouseButton::Left) => model.dragged = None,
        _ => {}
    }
}

fn press(model: &mut Model, at: Position, effects: &mut Vec<Effect>) {
    model.changed();
    if model.popup.is_some() {
        match popup::row_at(model, at) {
            Some(row) => {
                model.popup_row = row;
                model.prompt = None;
                choose_row(model, effects);
            }
            None => {
                model.popup = None;
                model.prompt = None;
            }
        }
        return;
    }
    let areas = model.areas();
    let double = is_double(model, at);
    if let Some(action) = hint_at(model, areas.hints, at) {
        return act(model, action, effects);
    }
    if let Some(pane) = tab_at(model, &areas, at) {
        return model.focus(pane);
    }
    match pane_at(model, &areas, at) {
        Some(Pane::List) => {
            model.focus(Pane::List);
            let area = areas.list.map(inner).unwrap_or_default();
            let row = model.offset + usize::from(at.y.saturating_sub(area.y));
            if area.contains(at) && row < model.order.len() {
                select(model, row);
                if double {
                    actions::connect(model, effects);
                }
            }
        }
        Some(Pane::Detail) if model.selected.is_some() => {
            model.focus(Pane::Detail);
            let area = areas.detail.map(inner).unwrap_or_default();
            if let Some(control) = control_at(model, area, at) {
                press_control(model, control, area, at, effects);
            }
        }
        Some(Pane::Gatt) => {
            model.focus(Pane::Gatt);
            let area = areas.lower.map(inner).unwrap_or_default();
            if area.contains(at) {
                model.gatt_row = gatt_offset(model, area.height) + usize::from(at.y - area.y);
            }
        }
        Some(Pane::Check) => {
            model.focus(Pane::Check);
            let area = areas.lower.map(inner).unwrap_or_default();
            // `refresh` keeps it within the list.
            if let Some(row) = check_row_at(model, area, at) {
                model.check_row = row;
            }
        }
        Some(pane) if pane.is_lower() => model.focus(pane),
        _ => {}
    }
}

/// Returns true for the second click in one place within a short time.
fn is_double(model: &mut Model, at: Position) -> bool {
    let now = (model.now, at.x, at.y);
    let double = model
        .last_click
        .is_some_and(|(then, x, y)| (x, y) == (at.x, at.y) && model.now.saturating_sub(then) <= DOUBLE_CLICK);
    model.last_click = (!double).then_some(now);
    double
}

fn control_at(model: &Model, area: Rect, at: Position) -> Option<Control> {
    if !area.contains(at) {
        return None;
    }
    let rows = detail_rows(model, model.selected_device()?, area);
    match rows.get(usize::from(at.y - area.y))? {
        DetailRow::Control(control) => Some(*control),
        _ => None,
    }
}

fn press_control(model: &mut Model, control: Control, area: Rect, at: Position, effects: &mut Vec<Effect>) {
    model.control = control;
    let along = at.x.checked_sub(area.x + TRACK_START);
    match (control, along) {
        (_, None) => {}
        (Control::Power | Control::Color | Control::Effect, Some(_)) => detail::activate(model, effects),
        (Control::Presets, Some(along)) => {
            let index = usize::from(along / SWATCH_WIDTH);
            if index < actions::PRESETS.len() {
                model.preset = index;
                detail::activate(model, effects);
            }
        }
        (Control::Recent, Some(along)) => {
            let index = usize::from(along / SWATCH_WIDTH);
            if index < model.recent.len() {
                model.recent_index = index;
                detail::activate(model, effects);
            }
        }
        (slider, Some(along)) => {
            if along < columns(area.width).track {
                model.dragged = Some(slider);
                drag(model, slider, at.x, effects);
            }
        }
    }
}

/// Moves the slider to the mouse, also if the mouse has left the slider's row.
fn drag(model: &mut Model, control: Control, x: u16, effects: &mut Vec<Effect>) {
    let Some(area) = model.areas().detail.map(inner) else { return };
    let Some((least, most)) = shown_bulb(model, control).map(|device| range(device, control)) else { return };
    let last = u32::from(columns(area.width).track.saturating_sub(1).max(1));
    let along = u32::from(x.saturating_sub(area.x + TRACK_START)).min(last);
    let value = (along * u32::from(most - least) + last / 2) / last;
    let value = least.saturating_add(u16::try_from(value).unwrap_or(most));
    actions::set(model, control, round_to_step(control, value, (least, most)), effects);
    model.changed();
}

fn scroll(model: &mut Model, at: Position, rows: isize, effects: &mut Vec<Effect>) {
    model.changed();
    if let Some(popup) = model.popup {
        let by = if popup != Popup::Help { rows } else { rows * 3 };
        model.popup_row = model.popup_row.saturating_add_signed(by);
        clamp_popup(model);
        return;
    }
    let areas = model.areas();
    match pane_at(model, &areas, at) {
        Some(Pane::List) => {
            let index = model.selected_index().unwrap_or_default().saturating_add_signed(rows);
            select(model, index.min(model.order.len().saturating_sub(1)));
        }
        Some(Pane::Detail) => {
            let area = areas.detail.map(inner).unwrap_or_default();
            if let Some(control) = control_at(model, area, at) {
                // Scrolling up increases the value.
                let by = if rows < 0 { 5 } else { -5 };
                if control.is_slider()
                    && shown_bulb(model, control).is_some_and(|device| device.is_connected())
                {
                    actions::nudge(model, control, by, effects);
                }
            }
        }
        Some(lower) => scroll_lower(model, lower, -rows * 3, usize::from(areas.lower_rows())),
        None => {}
    }
}
