//! The check pane: runs the conformance suite.

use super::super::check_run::{CheckEnd, CheckRun};
use super::super::event::{CheckEvent, Effect};
use super::super::model::Model;
use crate::bulb::DrivenProfile;
use crate::radio::DeviceId;

/// Starts the checks on the selected bulb, or stops those that run.
pub(super) fn toggle(model: &mut Model, effects: &mut Vec<Effect>) {
    if model.check.as_ref().is_some_and(CheckRun::is_running) {
        return effects.push(Effect::StopCheck);
    }
    let Some(device) = model.selected_device() else { return model.show_info("no bulb selected") };
    if !device.bulb && !device.driven {
        let text = format!("{} is no bulb that bulbctl knows", device.label());
        return model.show_info(text);
    }
    let driven = device.profile.clone().filter(|_| device.driven);
    let own = driven.as_ref().map_or(0, |profile| profile.checks.len());
    let run =
        CheckRun::new(device.id().clone(), device.label().to_owned(), model.now, own, device.wants_link());
    effects.push(Effect::Check(Box::new(device.seen.clone()), driven.map(DrivenProfile)));
    model.check = Some(run);
    model.check_row = 0;
}

/// Returns true if the desk must leave this bulb alone.
pub(super) fn is_checked(model: &Model, id: &DeviceId) -> bool {
    model.check.as_ref().is_some_and(|check| check.is_running() && check.device == *id)
}

pub(super) fn take(model: &mut Model, id: &DeviceId, event: CheckEvent, effects: &mut Vec<Effect>) {
    let Some(check) = model.check.as_mut().filter(|check| check.device == *id) else { return };
    let end = match event {
        CheckEvent::Finished(done) => {
            // Follows the newest result unless the user looks at another one.
            if model.check_row + 1 >= check.done.len() {
                model.check_row = check.done.len();
            }
            check.done.push(*done);
            return model.changed();
        }
        CheckEvent::End(Ok(summary)) => CheckEnd::Finished(summary),
        CheckEvent::End(Err(error)) => CheckEnd::Failed(format!("{}: {error}", error.code())),
        CheckEvent::Stopped => CheckEnd::Stopped,
    };
    check.end = Some(end);
    if check.reconnect
        && let Some(device) = model.devices.get(id)
    {
        effects.push(Effect::Connect(Box::new(device.seen.clone())));
    }
    model.changed();
}
