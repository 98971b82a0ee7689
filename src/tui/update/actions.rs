//! Actions on bulbs.

use bulb_protocol::Rgb;
use bulb_protocol::profile::Light;

use super::super::control::{
    self, Control, change_to, default_value, range, round_to_step, shown_bulb, value,
};
use super::super::device::{ChangeOutcome, Device, Fade, LinkState};
use super::super::event::Effect;
use super::super::messages::Holds;
use super::super::model::{MAX_RECENT_COLORS, Model, Pane, Popup};
use super::super::settings::Sort;
use super::{check, select, to_detail};
use crate::bulb::{BulbState, Change, DriverCommand, Power};
use crate::error::{Error, Operation};
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

pub(super) fn send(model: &mut Model, change: Change, effects: &mut Vec<Effect>) {
    command(model, &DriverCommand::Change(change), effects);
}

/// Commands all target bulbs. A bulb whose profile rejects the command gets nothing and is shown as failed.
pub(super) fn command(model: &mut Model, command: &DriverCommand, effects: &mut Vec<Effect>) {
    let now = model.now;
    let targets: Vec<DeviceId> = model.target_ids().cloned().collect();
    let (mut down, mut name) = (0, String::new());
    let mut refused = Vec::new();
    let again = |holds: &Holds| matches!(holds, Holds::UntilChanged(id) if targets.contains(id));
    model.close_messages(again);
    for id in &targets {
        model.tokens += 1;
        let token = model.tokens;
        let Some(device) = model.devices.get_mut(id) else { continue };
        name = device.label().to_owned();
        if !device.is_connected() {
            down += 1;
            continue;
        }
        if let Some(error) = refusal(device, command) {
            device.outcome = ChangeOutcome::Failed;
            refused.push((name.clone(), error));
            continue;
        }
        device.token = token;
        device.outcome = ChangeOutcome::Pending;
        device.fade = None;
        match command {
            DriverCommand::Change(change) => assume(device, change),
            DriverCommand::Fade(to, over) => {
                device.fade = Some(Fade { start: now, over: *over, to: to.clone() });
            }
            DriverCommand::Restore(_) => {}
        }
        effects.push(Effect::Command(id.clone(), command.clone(), token));
    }
    for (who, error) in &refused {
        // With several bulbs, the error needs the name: it only has the family.
        model.show_error(error, Some(who), Holds::Briefly);
    }
    match targets.len() {
        0 => model.show_info("no bulb selected"),
        1 if down == 1 => model.show_info(format!("{name} is not connected: Enter connects it")),
        of if down > 0 => model.show_info(format!("{down} of {of} marked bulbs are not connected")),
        _ => {}
    }
}

/// Returns why bulbs of this family cannot carry out the command.
fn refusal(device: &Device, command: &DriverCommand) -> Option<Error> {
    let profile = device.profile.as_deref()?;
    let wanted = match command {
        // The current power does not matter here, only that power can be set.
        DriverCommand::Change(change) => change.wanted(Some(true)),
        DriverCommand::Fade(..) if !device.reports_state() => {
            let (device, profile) = (device.label().to_owned(), profile.full_name());
            return Some(Error::WriteOnly { device, profile, operation: Operation::Fade });
        }
        DriverCommand::Fade(to, _) => to.clone(),
        DriverCommand::Restore(_) => return None,
    };
    let refusal = profile.validate(&wanted).err()?;
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
pub(super) fn step_effect(model: &mut Model, by: i32, effects: &mut Vec<Effect>) {
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

/// Switches all target bulbs off if any is on, else on. Connects those that are not connected, as `on` does.
pub(super) fn toggle(model: &mut Model, effects: &mut Vec<Effect>) {
    if model.targets().any(|device| !device.is_connected()) {
        return toggle_and_connect(model, effects);
    }
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

fn toggle_and_connect(model: &mut Model, effects: &mut Vec<Effect>) {
    let ids: Vec<DeviceId> = model.target_ids().cloned().collect();
    // As for connected bulbs: if one is known to be on, all go off.
    let lights = model.targets().filter_map(Device::light);
    let any_on = lights.filter_map(|light| light.power).max();
    for id in &ids {
        model.tokens += 1;
        let (token, is_checked) = (model.tokens, check::is_checked(model, id));
        let Some(device) = model.devices.get_mut(id) else { continue };
        if is_checked || !(device.bulb || device.driven || device.profile.is_some()) {
            let text = format!("{} is not a bulb that can be switched", device.label());
            model.show_info(text);
            continue;
        }
        let power = match any_on {
            Some(true) => Power::Off,
            Some(false) => Power::On,
            None if device.reports_state() => Power::Toggle,
            None => Power::On,
        };
        match device.link {
            LinkState::None => {
                device.link = LinkState::Connecting(1);
                effects.push(Effect::Connect(Box::new(device.seen.clone())));
            }
            LinkState::Waiting(_) => effects.push(Effect::RetryNow(id.clone())),
            LinkState::Queued | LinkState::Connecting(_) | LinkState::Up(_) => {}
        }
        device.token = token;
        device.outcome = ChangeOutcome::Pending;
        effects.push(Effect::Command(id.clone(), DriverCommand::Change(Change::power(power)), token));
    }
    if ids.is_empty() {
        model.show_info("no bulb selected");
    }
}

pub(super) fn connect(model: &mut Model, effects: &mut Vec<Effect>) {
    let targets: Vec<DeviceId> = model.target_ids().cloned().collect();
    if targets.is_empty() {
        return model.show_info("no bulb selected");
    }
    let mut asked = false;
    for id in &targets {
        if check::is_checked(model, id) {
            model.show_info("the checks run on this bulb: it is connected again when they end");
            return;
        }
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
    let ids: Vec<DeviceId> = model.target_ids().cloned().collect();
    // Whoever gives up a bulb knows that it is gone.
    model.close_messages(|holds| matches!(holds, Holds::UntilConnected(id) if ids.contains(id)));
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
