//! Scenes: the states of the marked bulbs, saved and recalled.

use bulb_protocol::profile::Light;

use super::super::device::ChangeOutcome;
use super::super::event::Effect;
use super::super::model::{Model, Popup, Prompt};
use super::{check, prompt};
use crate::bulb::{DriverCommand, Provenance};
use crate::fleet::Target;
use crate::output::SnapshotRecord;
use crate::radio::DeviceId;

pub(super) fn start_save(model: &mut Model) {
    if records(model).is_empty() {
        return model.show_info("no bulb here has reported its state: connect it, or mark others");
    }
    prompt::start(model, Prompt::Scene);
}

/// Saves what the target bulbs reported.
pub(super) fn save(model: &mut Model, name: &str, effects: &mut Vec<Effect>) {
    effects.push(Effect::SaveScene(name.to_owned(), records(model)));
}

/// The records that `snapshot` would print for the target bulbs.
fn records(model: &Model) -> Vec<SnapshotRecord> {
    let records = model.targets().filter_map(|device| {
        let profile = device.profile.as_deref().filter(|_| device.is_connected())?;
        let record = SnapshotRecord::of(device.id().as_str(), &device.seen, profile, &device.state);
        (record.provenance != Provenance::Unknown).then_some(record)
    });
    records.collect()
}

pub(super) fn show(model: &mut Model, names: Vec<String>) {
    if names.is_empty() {
        return model.show_info("no scenes yet: S saves the states of the marked bulbs");
    }
    model.scenes = names;
    super::open(model, Popup::Scenes);
    model.changed();
}

pub(super) fn read(model: &mut Model, effects: &mut Vec<Effect>) {
    if let Some(name) = model.scenes.get(model.popup_row) {
        effects.push(Effect::ReadScene(name.clone()));
    }
}

/// Restores the states of a scene. Bulbs that are not connected are connected first.
pub(super) fn recall(model: &mut Model, name: &str, states: &[(Target, Light)], effects: &mut Vec<Effect>) {
    let mut reached = 0;
    for (target, light) in states {
        if light.features().is_empty() {
            continue;
        }
        let wanted = target.selectors();
        let meant = |id: &&DeviceId| {
            model.devices.get(*id).is_some_and(|device| {
                (device.bulb || device.driven) && wanted.iter().any(|one| one.matches(&device.seen))
            })
        };
        let ids: Vec<DeviceId> = model.devices.keys().filter(meant).cloned().collect();
        for id in ids {
            reached += usize::from(restore(model, &id, light, effects));
        }
    }
    let bulbs = if reached == 1 { "bulb" } else { "bulbs" };
    model.show_info(match states.len() {
        of if of > reached => {
            format!("recalled {name} on {reached} of {of} bulbs; the others are not in range")
        }
        _ => format!("recalled {name} on {reached} {bulbs}"),
    });
}

fn restore(model: &mut Model, id: &DeviceId, light: &Light, effects: &mut Vec<Effect>) -> bool {
    if check::is_checked(model, id) {
        return false;
    }
    model.tokens += 1;
    let token = model.tokens;
    let Some(device) = model.devices.get_mut(id) else { return false };
    if !device.wants_link() {
        effects.push(Effect::Connect(Box::new(device.seen.clone())));
    }
    device.token = token;
    device.outcome = ChangeOutcome::Pending;
    effects.push(Effect::Command(id.clone(), DriverCommand::Restore(light.clone()), token));
    true
}
