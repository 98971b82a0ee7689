//! The GATT pane: reads, writes and subscribes.

use super::super::event::{Effect, GattRequest};
use super::super::gatt;
use super::super::model::{Model, Prompt};
use super::prompt;
use crate::bulb::{CharacteristicRef, GattOperation, GattOutcome};
use crate::bytes;
use crate::error::Result;
use crate::radio::{CharacteristicId, DeviceId};

pub(super) fn read(model: &mut Model, effects: &mut Vec<Effect>) {
    request(model, GattRequest::Read, effects);
}

pub(super) fn start_write(model: &mut Model) {
    if chosen(model).is_some() {
        prompt::start(model, Prompt::Gatt);
    }
}

/// Writes what was typed.
///
/// # Errors
/// The text is not a value.
pub(super) fn write(model: &mut Model, text: &str, effects: &mut Vec<Effect>) -> Result<(), String> {
    let value = match text.strip_prefix('"') {
        Some(text) => bytes::limited(text.strip_suffix('"').unwrap_or(text).as_bytes().to_vec())?,
        None => bytes::hex(text)?,
    };
    request(model, GattRequest::Write(value), effects);
    Ok(())
}

/// Starts or stops the notifications of the selected characteristic.
pub(super) fn notify(model: &mut Model, effects: &mut Vec<Effect>) {
    let Some((id, _)) = chosen(model) else { return };
    let Some(device) = model.selected_device() else { return };
    // The end of this subscription would be that of the desk too.
    if device.followed.contains(&id) {
        return model.show_info(format!("the desk follows {id} already: its values are here"));
    }
    let subscribed = device.subscribed.contains(&id);
    let wanted = if subscribed { GattRequest::Unsubscribe } else { GattRequest::Subscribe };
    request(model, wanted, effects);
}

/// Returns the selected characteristic of a connected bulb; otherwise says why there is none.
fn chosen(model: &mut Model) -> Option<(CharacteristicId, Option<u16>)> {
    if !model.selected_device().is_some_and(|device| device.is_connected()) {
        model.show_info("connect the bulb first: Enter in the list");
        return None;
    }
    let found = gatt::selected(model).map(|(id, characteristic)| (id, characteristic.handle));
    if found.is_none() {
        model.show_info("there is no characteristic in this row");
    }
    found
}

fn request(model: &mut Model, request: GattRequest, effects: &mut Vec<Effect>) {
    let Some((id, handle)) = chosen(model) else { return };
    let Some(device) = model.selected.clone() else { return };
    // A handle is unique, also where UUIDs are not.
    let characteristic = match handle {
        Some(handle) => CharacteristicRef::Handle(handle),
        None => CharacteristicRef::exact(id),
    };
    effects.push(Effect::Gatt(device, characteristic, request));
}

fn bytes_of(value: &[u8]) -> String {
    format!("{} {}", value.len(), if value.len() == 1 { "byte" } else { "bytes" })
}

pub(super) fn take(model: &mut Model, id: &DeviceId, outcome: Result<GattOutcome>) {
    let Some(device) = model.devices.get_mut(id) else { return };
    let name = device.label().to_owned();
    match outcome {
        Ok(GattOutcome { id: characteristic, operation, .. }) => match operation {
            GattOperation::Write(value, kind) => {
                let (bytes, kind) = (bytes_of(&value), kind.name());
                model.show_info(format!("wrote {bytes} to {characteristic} by a {kind}"));
            }
            GattOperation::Subscribe => {
                device.subscribed.insert(characteristic);
            }
            GattOperation::Unsubscribe => {
                device.subscribed.remove(&characteristic);
            }
            // The frame has the value, which may be the same as before.
            GattOperation::Read(value) => {
                model.show_info(format!("read {} from {characteristic}", bytes_of(&value)))
            }
            GattOperation::Notification(_) => {}
        },
        Err(error) => {
            model.show_error(&error, Some(&name), super::super::messages::Holds::UntilChanged(id.clone()));
        }
    }
    model.changed();
}
