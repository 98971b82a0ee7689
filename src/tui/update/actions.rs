//! Actions on bulbs.

use bulb_protocol::Rgb;
use bulb_protocol::profile::Light;

use super::super::control::{
    self, Control, change_to, default_value, range, round_to_step, shown_bulb, value,
};
use super::super::device::{ChangeOutcome, Device, LinkState};
use super::super::event::Effect;
use super::super::keys::Action;
use super::super::model::{MAX_RECENT_COLORS, Model, Pane, Popup, Prompt, Sort};
use super::{prompt, select, to_detail};
use crate::bulb::{BulbState, Change, Power};
use crate::error::Error;
use crate::radio::DeviceId;

/// Preset colours: whites from warm to cold, then the colour circle.
pub(crate) const PRESETS: [(&str, Rgb); 12] = [
    ("candle", Rgb::new(0xff, 0x93, 0x29)),
    ("warm white", Rgb::new(0xff, 0xb4, 0x6b)),
    ("neutral white", Rgb::new(0xff, 0xe4, 0xce)),
    ("cold white", Rgb::new(0xd9, 0xe8, 0xff)),
    ("red", Rgb::new(0xff, 0x00, 0x00)),
    ("orange", Rgb::new(0xff, 0x66, 0x00)),
    ("yellow", Rgb::new(0xff, 0xcc, 0x00)),
    ("green", Rgb::new(0x00, 0xff, 0x00)),
    ("cyan", Rgb::new(0x00, 0xff, 0xff)),
    ("blue", Rgb::new(0x00, 0x00, 0xff)),
    ("violet", Rgb::new(0x88, 0x00, 0xff)),
    ("magenta", Rgb::new(0xff, 0x00, 0x88)),
];

/// Sends a change to all target bulbs. A bulb whose profile rejects the change gets nothing and is shown as
/// failed.
pub(super) fn send(model: &mut Model, change: Change, effects: &mut Vec<Effect>) {
    let targets: Vec<DeviceId> = model.target_ids().cloned().collect();
    let (mut down, mut name) = (0, String::new());
    let mut refused = Vec::new();
    for id in &targets {
        model.tokens += 1;
        let token = model.tokens;
        let Some(device) = model.devices.get_mut(id) else { continue };
        name = device.label().to_owned();
        if !device.is_connected() {
            down += 1;
            continue;
        }
        if let Some(error) = refusal(device, &change) {
            device.outcome = ChangeOutcome::Failed;
            refused.push((name.clone(), error));
            continue;
        }
        assume(device, &change);
        device.token = token;
        device.outcome = ChangeOutcome::Pending;
        effects.push(Effect::Change(id.clone(), change.clone(), token));
    }
    for (who, error) in &refused {
        // With several bulbs, the error needs the name: it only has the family.
        model.show_error(error, Some(who));
    }
    match targets.len() {
        0 => model.show_info("no bulb selected"),
        1 if down == 1 => model.show_info(format!("{name} is not connected: Enter connects it")),
        of if down > 0 => model.show_info(format!("{down} of {of} marked bulbs are not connected")),
        _ => {}
    }
}

/// Returns why the bulb's profile cannot encode this change.
fn refusal(device: &Device, change: &Change) -> Option<Error> {
    let profile = device.profile.as_deref()?;
    // The current power does not matter here, only that power can be set.
    let refusal = profile.validate(&change.wanted(Some(true))).err()?;
    Some(Error::NotEncodable { profile: profile.full_name(), refusal })
}

/// Shows the state that the change will lead to.
fn assume(device: &mut Device, change: &Change) {
    let light = change.apply(&device.light().cloned().unwrap_or_default());
    if change.is_empty() || light.features().is_empty() {
        return;
    }
    device.hue_saturation =
        light.color.map_or(device.hue_saturation, |color| device.hue_saturation.for_color(color));
    device.state = BulbState::assumed(light);
}

pub(super) fn nudge(model: &mut Model, control: Control, by: i32, effects: &mut Vec<Effect>) {
    let next = shown_bulb(model, control).filter(|device| device.is_connected()).map(|device| {
        let (least, most) = range(device, control);
        // A bulb that never reports its state can be controlled as well.
        let value = i32::from(value(device, control).unwrap_or_else(|| default_value(device, control)));
        let next = value + by * i32::from(control.step());
        let next = match control {
            // Hues form a circle.
            Control::Hue => next.rem_euclid(360),
            _ => next.clamp(least.into(), most.into()),
        };
        round_to_step(control, u16::try_from(next).unwrap_or_default(), (least, most))
    });
    match next {
        Some(next) => set(model, control, next, effects),
        // An empty change only shows why nothing can be sent.
        None => send(model, Change::default(), effects),
    }
}

pub(super) fn set(model: &mut Model, control: Control, value: u16, effects: &mut Vec<Effect>) {
    let shown_bulb =
        shown_bulb(model, control).filter(|device| device.is_connected()).map(|device| device.id().clone());
    let Some(id) = shown_bulb else { return send(model, Change::default(), effects) };
    let change = model.devices.get_mut(&id).and_then(|device| change_to(device, control, value));
    if let Some(change) = change {
        let unchanged = model.devices.get(&id).and_then(Device::light).is_some_and(|l| change.apply(l) == *l);
        // A held key at the end of a slider sends nothing. With several bulbs, the others may differ.
        if !unchanged || model.marked.len() > 1 {
            send(model, change, effects);
        }
    }
}

pub(super) fn effect(model: &mut Model, name: String, effects: &mut Vec<Effect>) {
    send(model, Change::from(Light { effect: Some(name), ..Light::default() }), effects);
}

/// Selects the next or previous effect, or the first if none is active.
fn step_effect(model: &mut Model, by: i32, effects: &mut Vec<Effect>) {
    let all = control::effects(model);
    let shown = shown_bulb(model, Control::Effect).and_then(|device| device.light()?.effect.clone());
    let place = shown.and_then(|shown| all.position(&shown));
    let next = match place {
        Some(place) => place.saturating_add_signed(isize::try_from(by).unwrap_or_default()),
        None => 0,
    };
    if let Some((name, _)) = all.get(next.min(all.len().saturating_sub(1))) {
        effect(model, name, effects);
    }
}

pub(super) fn open_effects(model: &mut Model) {
    let all = control::effects(model);
    let shown_bulb = shown_bulb(model, Control::Effect);
    let (up, name) = shown_bulb
        .map_or((false, String::new()), |device| (device.is_connected(), device.label().to_owned()));
    let shown = shown_bulb.and_then(|device| device.light()?.effect.clone());
    if all.is_empty() {
        let text = match shown_bulb.and_then(Device::family) {
            Some(family) => format!("{name} has no known effects ({family})"),
            None => "connect first to see the effects".to_owned(),
        };
        return model.show_info(text);
    }
    if !up {
        return send(model, Change::default(), &mut Vec::new());
    }
    let row = shown.and_then(|shown| all.position(&shown)).unwrap_or_default();
    model.effect_filter.clear();
    super::open(model, Popup::Effects);
    model.popup_row = row;
}

pub(super) fn take_effect(model: &mut Model, effects: &mut Vec<Effect>) {
    let chosen = control::effects_shown(model).get(model.popup_row);
    if let Some((name, _)) = chosen {
        effect(model, name, effects);
    }
}

/// Sets a colour and adds it to the recent ones.
pub(super) fn color(model: &mut Model, color: Rgb, effects: &mut Vec<Effect>) {
    model.recent.retain(|recent| *recent != color);
    model.recent.push_front(color);
    model.recent.truncate(MAX_RECENT_COLORS);
    model.recent_index = 0;
    send(model, Change::from(Light { color: Some(color), ..Light::default() }), effects);
}

/// Switches all target bulbs off if any is on, else on.
pub(super) fn toggle(model: &mut Model, effects: &mut Vec<Effect>) {
    let lights = model.targets().filter_map(Device::light);
    let power = match lights.filter_map(|light| light.power).max() {
        Some(true) => Power::Off,
        Some(false) => Power::On,
        // If the state is unknown, let the driver ask the bulb. A bulb that never reports is switched on
        // first.
        None if model.targets().all(Device::reports_state) => Power::Toggle,
        None => Power::On,
    };
    send(model, Change::power(power), effects);
}

pub(super) fn connect(model: &mut Model, effects: &mut Vec<Effect>) {
    let targets: Vec<DeviceId> = model.target_ids().cloned().collect();
    if targets.is_empty() {
        return model.show_info("no bulb selected");
    }
    let mut asked = false;
    for id in &targets {
        let Some(device) = model.devices.get_mut(id) else { continue };
        match device.link {
            LinkState::None => {
                device.link = LinkState::Connecting(1);
                effects.push(Effect::Connect(Box::new(device.seen.clone())));
                asked = true;
            }
            LinkState::Waiting(_) => {
                effects.push(Effect::RetryNow(id.clone()));
                asked = true;
            }
            LinkState::Queued | LinkState::Connecting(_) | LinkState::Up(_) => {}
        }
    }
    if !asked && targets.len() == 1 {
        to_detail(model);
    }
}

pub(super) fn disconnect(model: &mut Model, effects: &mut Vec<Effect>) {
    let held = model.targets().filter(|device| device.wants_link());
    effects.extend(held.map(|device| Effect::Disconnect(device.id().clone())));
}

pub(super) fn retry_now(model: &mut Model, effects: &mut Vec<Effect>) {
    let waiting = model.targets().filter(|device| matches!(device.link, LinkState::Waiting(_)));
    effects.extend(waiting.map(|device| Effect::RetryNow(device.id().clone())));
}

pub(super) fn mark(model: &mut Model) {
    let Some(id) = model.selected.clone() else { return };
    if !model.marked.remove(&id) {
        model.marked.insert(id);
    }
    if let (Pane::List, Some(index)) = (model.pane, model.selected_index()) {
        select(model, index + 1);
    }
}

pub(super) fn mark_all(model: &mut Model) {
    if model.marked.is_empty() {
        model.marked = model.order.iter().cloned().collect();
    } else {
        model.marked.clear();
        model.reorder();
    }
}

pub(super) fn mark_group(model: &mut Model) {
    let Some(group) = model.groups.get(model.popup_row) else { return };
    let wanted = group.target.selectors();
    let members = model.devices.values().filter(|device| wanted.iter().any(|w| w.matches(&device.seen)));
    model.marked = members.map(|device| device.id().clone()).collect();
    let (name, count) = (group.name.clone(), model.marked.len());
    model.show_info(match count {
        0 => format!("no bulb of @{name} is in range"),
        1 => format!("1 bulb of @{name} is marked"),
        _ => format!("{count} bulbs of @{name} are marked"),
    });
    model.reorder();
}

pub(super) fn next_order(model: &mut Model) {
    model.sort = match model.sort {
        Sort::Signal => Sort::Name,
        Sort::Name => Sort::Address,
        Sort::Address => Sort::Signal,
    };
    model.show_info(match model.sort {
        Sort::Signal => "sorted by signal strength",
        Sort::Name => "sorted by name",
        Sort::Address => "sorted by address",
    });
    model.reorder();
}

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
