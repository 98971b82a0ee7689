//! The frames on the screen as a recording.

use std::collections::BTreeMap;

use super::frames::FrameRow;
use super::model::Model;
use crate::radio::record::{TracedDevice, from_frames};

/// Returns the lines of a recording of the frames that pass the filter.
pub(crate) fn recording(model: &Model) -> Vec<String> {
    let frames: Vec<_> = model.frames.shown().filter_map(FrameRow::frame).collect();
    let mut devices = BTreeMap::new();
    for device in frames.iter().filter_map(|frame| model.devices.get(&frame.device)) {
        devices.entry(device.id().clone()).or_insert_with(|| TracedDevice {
            device: device.seen.clone(),
            table: device.table.clone(),
            subscribed: device.followed.clone(),
        });
    }
    let devices: Vec<TracedDevice> = devices.into_values().collect();
    from_frames(model.adapter.as_deref().unwrap_or_default(), &devices, &frames)
}
