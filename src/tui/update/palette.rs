//! The palette: every action by its name.

use super::super::event::Effect;
use super::super::keys::{Action, KeyContext};
use super::super::model::{Model, Pane, Popup, Prompt};
use super::super::palette::entries;
use super::{act, prompt};

pub(super) fn open(model: &mut Model) {
    model.palette_filter.clear();
    super::open(model, Popup::Palette);
    prompt::start(model, Prompt::Palette);
}

/// Performs the selected action, in its pane.
pub(super) fn choose(model: &mut Model, effects: &mut Vec<Effect>) {
    let chosen = entries(model).get(model.popup_row).map(|row| (row.context, row.action));
    model.popup = None;
    model.popup_row = 0;
    model.prompt = None;
    let Some((context, action)) = chosen else { return };
    let pane = match context {
        KeyContext::List => Some(Pane::List),
        KeyContext::Detail => Some(Pane::Detail),
        KeyContext::Frames => Some(Pane::Frames),
        KeyContext::Gatt => Some(Pane::Gatt),
        KeyContext::Check => Some(Pane::Check),
        _ => None,
    };
    // What the action does is seen there.
    if let Some(pane) = pane.filter(|_| action != Action::Connect) {
        model.focus(pane);
    }
    act(model, action, effects);
}
