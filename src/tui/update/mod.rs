//! Applies events to the model. No clock and no I/O: events carry the time, effects are returned.

mod actions;
mod check;
mod detail;
mod fade;
mod gatt;
mod mouse;
mod palette;
mod prompt;
mod radio;
mod scenes;

use std::time::Duration;

use crossterm::event::{KeyEvent, KeyEventKind};
use ratatui::layout::Position;

use super::control::Control;
use super::event::{Effect, Event};
use super::keys::{Action, KeyContext};
use super::layout::{Areas, too_small};
use super::model::{Model, Pane, Popup, Prompt};
use super::view::popup;

pub(crate) use actions::PRESETS;
pub(crate) use fade::parse as parse_fade;
pub(crate) use prompt::{fill, pasted, request};

/// Applies an event. `now` is the time since the start. Returns what is to be done.
pub fn update(model: &mut Model, event: Event, now: Duration) -> Vec<Effect> {
    model.now = model.now.max(now);
    let mut effects = Vec::new();
    match event {
        Event::Key(key) => press(model, key, &mut effects),
        Event::Mouse(event) => mouse::take(model, event, &mut effects),
        Event::Paste(text) => prompt::paste(model, &text),
        Event::Resize(width, height) => {
            model.size = (width, height);
            model.dragged = None;
            model.changed();
        }
        Event::Radio(event) => radio::take(model, event, &mut effects),
        Event::Tick => radio::tick(model),
    }
    model.refresh();
    effects
}

pub(crate) fn key_contexts(model: &Model) -> &'static [KeyContext] {
    if model.prompt.is_some() {
        return &[KeyContext::Always, KeyContext::Prompt];
    }
    if model.popup.is_some() {
        return &[KeyContext::Always, KeyContext::Popup];
    }
    match model.pane {
        Pane::List => &[KeyContext::Always, KeyContext::List, KeyContext::Panes],
        Pane::Detail => &[KeyContext::Always, KeyContext::Detail, KeyContext::Panes],
        Pane::Frames => &[KeyContext::Always, KeyContext::Frames, KeyContext::Panes],
        Pane::Graphs => &[KeyContext::Always, KeyContext::Graphs, KeyContext::Panes],
        Pane::Gatt => &[KeyContext::Always, KeyContext::Gatt, KeyContext::Panes],
        Pane::Check => &[KeyContext::Always, KeyContext::Check, KeyContext::Panes],
        Pane::Log => &[KeyContext::Always, KeyContext::Log, KeyContext::Panes],
    }
}

fn press(model: &mut Model, key: KeyEvent, effects: &mut Vec<Effect>) {
    // Windows also sends key releases.
    if key.kind == KeyEventKind::Release {
        return;
    }
    model.user_selected = true;
    let action = model.settings.keys.find(key, key_contexts(model));
    // Ignore keys whose effect cannot be seen.
    let blind = too_small(model.size)
        && !matches!(action, Some(Action::Quit | Action::Interrupt | Action::Suspend | Action::Redraw));
    if blind {
        return;
    }
    // Whoever presses a key has read it. Esc closes one thing at a time.
    if action != Some(Action::Dismiss) && model.messages.close_brief() {
        model.changed();
    }
    match action {
        Some(action) if model.prompt.is_some() => prompt::press(model, action, effects),
        None if model.prompt.is_some() => prompt::edit(model, key),
        Some(action) if model.popup.is_some() => in_popup(model, action, effects),
        Some(action) => act(model, action, effects),
        None => {}
    }
}

/// Handles keys that work everywhere. Returns false if it was another key.
pub(super) fn global_action(action: Action, effects: &mut Vec<Effect>) -> bool {
    effects.push(match action {
        Action::Interrupt => Effect::Interrupt,
        Action::Suspend => Effect::Suspend,
        Action::Redraw => Effect::Redraw,
        _ => return false,
    });
    true
}

pub(super) fn act(model: &mut Model, action: Action, effects: &mut Vec<Effect>) {
    if global_action(action, effects) {
        return;
    }
    model.changed();
    match action {
        Action::Quit => effects.push(Effect::Quit),
        Action::Help => open(model, Popup::Help),
        Action::Palette => palette::open(model),
        Action::Groups => open(model, Popup::Groups),
        Action::Dismiss => dismiss(model),
        Action::NextPane => step_pane(model, 1),
        Action::PreviousPane => step_pane(model, 2),
        Action::ToList => model.focus(Pane::List),
        Action::ToDetail => to_detail(model),
        Action::ToFrames => model.focus(Pane::Frames),
        Action::ToGraphs => model.focus(Pane::Graphs),
        Action::ToGatt => model.focus(Pane::Gatt),
        Action::ToCheck => model.focus(Pane::Check),
        Action::ToLog => model.focus(Pane::Log),
        Action::NextLower => step_lower(model, 1),
        Action::PreviousLower => step_lower(model, Pane::LOWER.len() - 1),
        Action::Zoom => model.zoomed = !model.zoomed,
        Action::Scan => {
            model.scan_wanted = !model.scan_wanted;
            effects.push(Effect::Scan(model.scan_wanted));
        }
        Action::ToggleShowAll => {
            model.show_all = !model.show_all;
            model.reorder();
        }
        Action::Sort => actions::next_order(model),
        Action::Filter if model.pane == Pane::Frames => prompt::start(model, Prompt::FrameFilter),
        Action::Filter => prompt::start(model, Prompt::Filter),
        Action::Save => prompt::start(model, Prompt::File),
        Action::SaveRecording => prompt::start(model, Prompt::Recording),
        Action::Fade => fade::start(model),
        Action::SaveScene => scenes::start_save(model),
        Action::RecallScene => effects.push(Effect::ListScenes),
        Action::GattRead => gatt::read(model, effects),
        Action::GattWrite => gatt::start_write(model),
        Action::GattNotify => gatt::notify(model, effects),
        Action::RunCheck => check::toggle(model, effects),
        Action::TypeColor => prompt::start_color(model),
        Action::TypeKelvin => prompt::start_kelvin(model),
        Action::Effects => actions::open_effects(model),
        Action::Toggle => actions::toggle(model, effects),
        Action::Brighter => actions::nudge(model, Control::Brightness, 5, effects),
        Action::Dimmer => actions::nudge(model, Control::Brightness, -5, effects),
        Action::Mark => actions::mark(model),
        Action::MarkAll => actions::mark_all(model),
        Action::Connect => actions::connect(model, effects),
        Action::Disconnect => actions::disconnect(model, effects),
        Action::RetryNow => actions::retry_now(model, effects),
        Action::Pause => model.frames.toggle_paused(),
        Action::Clear => model.frames.clear(),
        _ => match model.pane {
            Pane::List => in_list(model, action),
            Pane::Detail => detail::in_detail(model, action, effects),
            lower => in_lower(model, lower, action),
        },
    }
}

fn step_pane(model: &mut Model, steps: usize) {
    let panes = [Pane::List, Pane::Detail, model.lower];
    let here = panes.iter().position(|pane| *pane == model.pane).unwrap_or_default();
    let next = (1..panes.len()).map(|count| panes.iter().cycle().nth(here + steps * count));
    // Skips the bulb pane if no bulb is selected.
    let usable = |pane: &&Pane| **pane != Pane::Detail || model.selected.is_some();
    if let Some(next) = next.flatten().copied().find(|pane| usable(&pane)) {
        model.focus(next);
    }
}

fn step_lower(model: &mut Model, steps: usize) {
    let here = Pane::LOWER.iter().position(|pane| *pane == model.lower).unwrap_or_default();
    if let Some(next) = Pane::LOWER.iter().cycle().nth(here + steps) {
        model.focus(*next);
    }
}

pub(super) fn to_detail(model: &mut Model) {
    model.focus(Pane::Detail);
}

fn open(model: &mut Model, popup: Popup) {
    model.popup = Some(popup);
    model.popup_row = 0;
    clamp_popup(model);
}

/// Closes one thing at a time: the message, the filter, the zoom, the marks.
fn dismiss(model: &mut Model) {
    if model.message().is_some() {
        model.close_messages(|_| true);
    } else if model.pane == Pane::Frames && !model.frames.filter().is_empty() {
        model.frames.set_filter("");
    } else if !model.filter.is_empty() {
        model.filter.clear();
        model.reorder();
    } else if model.zoomed {
        model.zoomed = false;
    } else if !model.marked.is_empty() {
        model.marked.clear();
        model.reorder();
    } else {
        model.focus(Pane::List);
    }
}

fn in_popup(model: &mut Model, action: Action, effects: &mut Vec<Effect>) {
    if global_action(action, effects) {
        return;
    }
    model.changed();
    let page = usize::from(popup::height(model)).max(1);
    let row = model.popup_row;
    model.popup_row = match action {
        Action::Up => row.saturating_sub(1),
        Action::Down => row.saturating_add(1),
        Action::PageUp => row.saturating_sub(page),
        Action::PageDown => row.saturating_add(page),
        Action::First => 0,
        Action::Last => usize::MAX,
        Action::Filter if model.popup == Some(Popup::Effects) => {
            prompt::start(model, Prompt::EffectFilter);
            row
        }
        Action::Filter => row,
        Action::Accept => return choose_row(model, effects),
        _ => {
            model.popup = None;
            0
        }
    };
    clamp_popup(model);
}

/// Applies the selected row and closes the popup.
pub(super) fn choose_row(model: &mut Model, effects: &mut Vec<Effect>) {
    match model.popup {
        Some(Popup::Groups) => actions::mark_group(model),
        Some(Popup::Effects) => actions::take_effect(model, effects),
        Some(Popup::Scenes) => scenes::read(model, effects),
        Some(Popup::Palette) => return palette::choose(model, effects),
        Some(Popup::Help) | None => {}
    }
    model.popup = None;
    model.popup_row = 0;
}

pub(super) fn clamp_popup(model: &mut Model) {
    model.popup_row = model.popup_row.min(popup::last_row(model));
}

fn in_list(model: &mut Model, action: Action) {
    let page = usize::from(model.areas().list_rows()).max(1);
    let last = model.order.len().saturating_sub(1);
    let index = model.selected_index().unwrap_or_default();
    let next = match action {
        Action::Up => index.saturating_sub(1),
        Action::Down => index + 1,
        Action::PageUp => index.saturating_sub(page),
        Action::PageDown => index.saturating_add(page),
        Action::First => 0,
        Action::Last => last,
        _ => index,
    };
    select(model, next.min(last));
}

pub(super) fn select(model: &mut Model, index: usize) {
    let Some(id) = model.order.get(index).cloned() else { return };
    if model.selected.as_ref() != Some(&id) {
        model.selected = Some(id);
        // A silent device is listed only while it is selected.
        model.reorder();
    }
}

fn in_lower(model: &mut Model, pane: Pane, action: Action) {
    let height = usize::from(model.areas().lower_rows());
    let page = isize::try_from(height.max(1)).unwrap_or(1);
    let rows = match action {
        Action::Up => 1,
        Action::Down => -1,
        Action::PageUp => page,
        Action::PageDown => -page,
        Action::First => isize::MAX,
        Action::Last => isize::MIN,
        _ => 0,
    };
    scroll_lower(model, pane, rows, height);
}

/// Scrolls a lower pane; positive is up.
pub(super) fn scroll_lower(model: &mut Model, pane: Pane, rows: isize, height: usize) {
    let down = rows.checked_neg().unwrap_or(isize::MAX);
    match pane {
        Pane::Frames => model.frames.scroll(rows, height),
        Pane::Log => model.messages.scroll(rows, height),
        // `refresh` keeps these two within their tables.
        Pane::Gatt => model.gatt_row = model.gatt_row.saturating_add_signed(down),
        Pane::Check => model.check_row = model.check_row.saturating_add_signed(down),
        Pane::List | Pane::Detail | Pane::Graphs => {}
    }
}

pub(super) fn pane_at(model: &Model, areas: &Areas, at: Position) -> Option<Pane> {
    let panes = [(areas.list, Pane::List), (areas.detail, Pane::Detail), (areas.lower, model.lower)];
    panes.into_iter().find(|(area, _)| area.is_some_and(|area| area.contains(at))).map(|(_, pane)| pane)
}
