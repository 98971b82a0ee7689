//! Keys in the bulb pane.

use super::super::control::{self, Control, range, shown_bulb};
use super::super::device::Device;
use super::super::event::Effect;
use super::super::keys::Action;
use super::super::model::{Model, Prompt};
use super::actions::{PRESETS, color, connect, effect, nudge, open_effects, send, set, step_effect, toggle};
use super::prompt;
use crate::bulb::{Change, Power};

pub(super) fn in_detail(model: &mut Model, action: Action, effects: &mut Vec<Effect>) {
    let Some(device) = model.selected_device() else { return };
    let up = model.targets().any(Device::is_connected) || device.is_connected();
    let place = model.controls.iter().position(|control| *control == model.control).unwrap_or_default();
    let last = model.controls.len().saturating_sub(1);
    let controls = model.controls.clone();
    let go = |index: usize| controls.get(index).copied().unwrap_or_default();
    match action {
        Action::Up => model.control = go(place.saturating_sub(1)),
        Action::Down => model.control = go((place + 1).min(last)),
        Action::Activate if !up => connect(model, effects),
        Action::Activate => activate(model, effects),
        Action::Decrease => adjust(model, -1, effects),
        Action::Increase => adjust(model, 1, effects),
        Action::DecreaseMuch => adjust(model, -10, effects),
        Action::IncreaseMuch => adjust(model, 10, effects),
        Action::Minimum => to_end(model, false, effects),
        Action::Maximum => to_end(model, true, effects),
        _ => {}
    }
}

pub(super) fn activate(model: &mut Model, effects: &mut Vec<Effect>) {
    match model.control {
        Control::Power => toggle(model, effects),
        Control::Presets => {
            if let Some(&(_, preset)) = PRESETS.get(model.preset) {
                color(model, preset, effects);
            }
        }
        Control::Recent => {
            if let Some(&recent) = model.recent.get(model.recent_index) {
                color(model, recent, effects);
            }
        }
        Control::Color => prompt::start_color(model),
        Control::Effect => open_effects(model),
        slider => prompt::start(model, Prompt::Value(slider)),
    }
}

fn adjust(model: &mut Model, by: i32, effects: &mut Vec<Effect>) {
    let step = |index: usize, len: usize| {
        let next = i32::try_from(index).unwrap_or_default().saturating_add(by.signum());
        usize::try_from(next).unwrap_or_default().min(len.saturating_sub(1))
    };
    match model.control {
        Control::Power => {
            let power = if by > 0 { Power::On } else { Power::Off };
            send(model, Change::power(power), effects);
        }
        Control::Presets => model.preset = step(model.preset, PRESETS.len()),
        Control::Recent => model.recent_index = step(model.recent_index, model.recent.len()),
        Control::Color => {}
        Control::Effect => step_effect(model, by, effects),
        control => nudge(model, control, by, effects),
    }
}

fn to_end(model: &mut Model, to_most: bool, effects: &mut Vec<Effect>) {
    let control = model.control;
    match control {
        Control::Presets => model.preset = if to_most { PRESETS.len() - 1 } else { 0 },
        Control::Recent => {
            model.recent_index = if to_most { model.recent.len().saturating_sub(1) } else { 0 };
        }
        Control::Effect => {
            let all = control::effects(model);
            let end = if to_most { all.len().saturating_sub(1) } else { 0 };
            if let Some((name, _)) = all.get(end) {
                effect(model, name, effects);
            }
        }
        Control::Power | Control::Color => {}
        slider => {
            let ends = shown_bulb(model, slider).map_or((0, 0), |device| range(device, slider));
            set(model, slider, if to_most { ends.1 } else { ends.0 }, effects);
        }
    }
}
