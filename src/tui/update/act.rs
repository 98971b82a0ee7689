//! What is done with bulbs.

use bulb_protocol::{Percent, Rgb};

use super::super::device::{Answer, Device, Link};
use super::super::event::Effect;
use super::super::keys::Action;
use super::super::model::{Control, Model, Pane, RECENT, Sort, Typing, controls};
use super::{select, to_detail, typing};
use crate::bulb::{BulbState, Change, Power};
use crate::radio::DeviceId;

/// The palette: white as lamps have it, warm to cold, then around the circle of colours.
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

/// The value of a slider and the most that it can be; nothing for controls that are none, and while the state is unknown.
pub(crate) fn slider(device: &Device, control: Control) -> Option<(u16, u16)> {
    let light = device.light()?;
    let color = || light.color;
    let value = match control {
        Control::Brightness => light.brightness?.get().into(),
        Control::Red => color()?.red.into(),
        Control::Green => color()?.green.into(),
        Control::Blue => color()?.blue.into(),
        Control::Hue => device.tint.of(color()?).hue,
        Control::Saturation => device.tint.of(color()?).saturation.into(),
        Control::Power | Control::Color | Control::Presets | Control::Recent => return None,
    };
    Some((value, most(control)))
}

/// The change that brings a slider to a value; remembers the tint that was meant.
fn to_value(device: &mut Device, control: Control, value: u16) -> Option<Change> {
    let color = device.light().and_then(|light| light.color).unwrap_or(Rgb::WHITE);
    let byte = u8::try_from(value).unwrap_or(u8::MAX);
    let tint = device.tint.of(color);
    let colored = |color| Some(Change { color: Some(color), ..Change::default() });
    match control {
        Control::Brightness => Some(Change { brightness: Some(Percent::clamped(byte)), ..Change::default() }),
        Control::Red => colored(Rgb { red: byte, ..color }),
        Control::Green => colored(Rgb { green: byte, ..color }),
        Control::Blue => colored(Rgb { blue: byte, ..color }),
        Control::Hue => {
            device.tint = tint;
            colored(device.tint.apply(value, tint.saturation, color))
        }
        Control::Saturation => {
            device.tint = tint;
            colored(device.tint.apply(tint.hue, byte, color))
        }
        Control::Power | Control::Color | Control::Presets | Control::Recent => None,
    }
}

/// Sends a change to the bulbs that changes go to; says what hinders it.
pub(super) fn send(model: &mut Model, change: Change, effects: &mut Vec<Effect>) {
    let targets = model.targets();
    let (mut sent, mut name) = (0, String::new());
    for id in &targets {
        model.tokens += 1;
        let token = model.tokens;
        let Some(device) = model.devices.get_mut(id) else { continue };
        name = device.label().to_owned();
        if !device.up() {
            continue;
        }
        if let Some(light) = device.light() {
            let light = change.apply(light);
            device.tint = light.color.map_or(device.tint, |color| device.tint.of(color));
            device.state = BulbState::assumed(light);
        }
        device.token = token;
        device.answer = Answer::Pending;
        effects.push(Effect::Change(id.clone(), change.clone(), token));
        sent += 1;
    }
    match targets.len() {
        0 => model.note("no bulb is selected"),
        1 if sent == 0 => model.note(format!("{name} is not connected: Enter connects it")),
        of if sent < of => model.note(format!("{} of {of} marked bulbs are not connected", of - sent)),
        _ => {}
    }
}

/// The bulb that sliders show: the selected one, or another that changes go to.
fn leader(model: &Model) -> Option<DeviceId> {
    let up = |id: &DeviceId| model.devices.get(id).is_some_and(Device::up);
    let targets = model.targets();
    let selected = model.selected.clone().filter(|id| targets.contains(id) && up(id));
    selected.or_else(|| targets.into_iter().find(up))
}

/// Moves a slider by so much.
pub(super) fn nudge(model: &mut Model, control: Control, by: i32, effects: &mut Vec<Effect>) {
    let value = leader(model).and_then(|id| {
        let device = model.devices.get(&id)?;
        // A bulb that never tells its state can be commanded all the same.
        slider(device, control).or_else(|| device.up().then(|| (start(control), most(control))))
    });
    match value {
        Some((value, most)) => {
            let next = (i32::from(value) + by).clamp(0, most.into());
            // Hues go round.
            let next = match control {
                Control::Hue => (i32::from(value) + by).rem_euclid(360),
                _ => next,
            };
            set(model, control, u16::try_from(next).unwrap_or_default(), effects);
        }
        // Says what hinders it.
        None => send(model, Change::default(), effects),
    }
}

/// Moves a slider to a value.
pub(super) fn set(model: &mut Model, control: Control, value: u16, effects: &mut Vec<Effect>) {
    let Some(id) = leader(model) else { return send(model, Change::default(), effects) };
    let change = model.devices.get_mut(&id).and_then(|device| to_value(device, control, value));
    if let Some(change) = change {
        let unchanged = model.devices.get(&id).and_then(Device::light).is_some_and(|l| change.apply(l) == *l);
        // At the end of a slider a held key asks for nothing new; several bulbs may still differ.
        if !unchanged || model.marked.len() > 1 {
            send(model, change, effects);
        }
    }
}

/// Gives the bulbs a colour, and keeps it among the recent ones.
pub(super) fn color(model: &mut Model, color: Rgb, effects: &mut Vec<Effect>) {
    model.recent.retain(|recent| *recent != color);
    model.recent.push_front(color);
    model.recent.truncate(RECENT);
    model.recent_index = 0;
    send(model, Change { color: Some(color), ..Change::default() }, effects);
}

/// Switches off if any of the bulbs is on, else on.
pub(super) fn toggle(model: &mut Model, effects: &mut Vec<Effect>) {
    let targets = model.targets();
    let lights = targets.iter().filter_map(|id| model.devices.get(id)?.light());
    let power = match lights.filter_map(|light| light.power).max() {
        Some(true) => Power::Off,
        Some(false) => Power::On,
        // What it was before is not known; the bulb is asked.
        None => Power::Toggle,
    };
    send(model, Change::power(power), effects);
}

pub(super) fn connect(model: &mut Model, effects: &mut Vec<Effect>) {
    let targets = model.targets();
    if targets.is_empty() {
        return model.note("no bulb is selected");
    }
    let mut asked = false;
    for id in &targets {
        let Some(device) = model.devices.get_mut(id) else { continue };
        match device.link {
            Link::None => {
                device.link = Link::Connecting(1);
                effects.push(Effect::Connect(Box::new(device.report.clone())));
                asked = true;
            }
            Link::Waiting(_) => {
                effects.push(Effect::Hurry(id.clone()));
                asked = true;
            }
            Link::Connecting(_) | Link::Up(_) => {}
        }
    }
    if !asked && targets.len() == 1 {
        to_detail(model);
    }
}

pub(super) fn disconnect(model: &mut Model, effects: &mut Vec<Effect>) {
    for id in model.targets() {
        if model.devices.get(&id).is_some_and(Device::wanted) {
            effects.push(Effect::Disconnect(id));
        }
    }
}

pub(super) fn hurry(model: &mut Model, effects: &mut Vec<Effect>) {
    for id in model.targets() {
        if model.devices.get(&id).is_some_and(|device| matches!(device.link, Link::Waiting(_))) {
            effects.push(Effect::Hurry(id));
        }
    }
}

pub(super) fn mark(model: &mut Model) {
    let Some(id) = model.selected.clone() else { return };
    if !model.marked.remove(&id) {
        model.marked.insert(id);
    }
    if let (Pane::List, Some(index)) = (model.pane, model.index()) {
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

/// Marks the bulbs of the group that is selected in the window.
pub(super) fn mark_group(model: &mut Model) {
    let Some(group) = model.groups.get(model.popup_row) else { return };
    let wanted = group.target.wanted();
    let members = model.devices.values().filter(|device| wanted.iter().any(|w| w.matches(&device.report)));
    model.marked = members.map(|device| device.id().clone()).collect();
    let (name, count) = (group.name.clone(), model.marked.len());
    model.note(match count {
        0 => format!("no bulb of @{name} has been heard"),
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
    model.note(match model.sort {
        Sort::Signal => "in the order of signal strength",
        Sort::Name => "in the order of names",
        Sort::Address => "in the order of addresses",
    });
    model.reorder();
}

/// What keys do in the selected bulb's pane.
pub(super) fn in_detail(model: &mut Model, action: Action, effects: &mut Vec<Effect>) {
    let Some(device) = model.current() else { return };
    let offered = controls(device);
    let up = device.up();
    let place = offered.iter().position(|control| *control == model.control).unwrap_or_default();
    let last = offered.len().saturating_sub(1);
    let go = |index: usize| offered.get(index).copied().unwrap_or_default();
    match action {
        Action::Up => model.control = go(place.saturating_sub(1)),
        Action::Down => model.control = go((place + 1).min(last)),
        Action::Activate if !up => connect(model, effects),
        Action::Activate => activate(model, effects),
        Action::Less => adjust(model, -1, effects),
        Action::More => adjust(model, 1, effects),
        Action::MuchLess => adjust(model, -10, effects),
        Action::MuchMore => adjust(model, 10, effects),
        Action::Least => extreme(model, false, effects),
        Action::Most => extreme(model, true, effects),
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
        Control::Color => typing::start_color(model),
        slider => typing::start(model, Typing::Value(slider)),
    }
}

/// From where a slider starts whose value is not known: white, at full brightness.
const fn start(control: Control) -> u16 {
    match control {
        Control::Hue | Control::Saturation => 0,
        other => most(other),
    }
}

/// The most that a slider can be.
pub(crate) const fn most(control: Control) -> u16 {
    match control {
        Control::Hue => 359,
        Control::Brightness | Control::Saturation => 100,
        _ => 255,
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
        control => nudge(model, control, by, effects),
    }
}

fn extreme(model: &mut Model, to_most: bool, effects: &mut Vec<Effect>) {
    let control = model.control;
    match control {
        Control::Presets => model.preset = if to_most { PRESETS.len() - 1 } else { 0 },
        Control::Recent => {
            model.recent_index = if to_most { model.recent.len().saturating_sub(1) } else { 0 };
        }
        Control::Power | Control::Color => {}
        control => set(model, control, if to_most { most(control) } else { 0 }, effects),
    }
}
