//! Updates from the radio and the clock.

use std::time::Duration;

use super::super::device::Device;
use super::super::event::{Effect, RadioEvent, ScanPhase};
use super::super::model::{FADE_AFTER, FORGET_AFTER, Message, Model, Severity};
use crate::bulb::{DriverEvent, LinkPhase};
use crate::error::ErrorKind;
use crate::output::sanitise;
use crate::radio::trace::TracedFrame;
use crate::radio::{DeviceId, SeenDevice};

pub(super) fn take(model: &mut Model, event: RadioEvent, effects: &mut Vec<Effect>) {
    match event {
        RadioEvent::Opened(adapter, state, links) => {
            model.link_limit = links;
            model.adapter = Some(adapter);
            model.set_adapter_state(state);
            effects.push(Effect::Scan(model.scan_wanted));
        }
        // Trying again does not repair a rig file.
        RadioEvent::OpenFailed(error) if error.kind() == ErrorKind::Usage => {
            effects.push(Effect::Fail(error))
        }
        RadioEvent::OpenFailed(error) => {
            model.banner = Some(error);
            model.changed();
        }
        RadioEvent::Adapter(state) => model.set_adapter_state(state),
        RadioEvent::Scan(phase) => {
            model.scan = phase;
            model.changed();
        }
        RadioEvent::DevicesSeen(reports) => devices_seen(model, reports),
        RadioEvent::Frames(frames, missed) => frames_seen(model, &frames, missed),
        RadioEvent::Driver(id, event) => bulb(model, &id, &event),
        RadioEvent::Failed(error) => model.show_error(&error, None),
        RadioEvent::Log(text) => {
            let text = sanitise(&text).into_owned();
            model.push_message(Message {
                at: model.now,
                severity: Severity::Error,
                code: None,
                text,
                hint: None,
            });
        }
        RadioEvent::FramesSaved(count, path) => {
            let path = path.display().to_string();
            let frames = if count == 1 { "frame" } else { "frames" };
            model.show_info(format!("saved {count} {frames} to {}", sanitise(&path)));
        }
    }
}

/// Adds new facts at once. Signal strengths change only with the tick, so that the list stays readable.
fn devices_seen(model: &mut Model, reports: Vec<SeenDevice>) {
    model.heard_since_tick |= reports.iter().any(|report| report.seen.is_some());
    for report in reports {
        let at = report.seen.map(|seen| model.to_model_time()(seen.last));
        let id = report.id.clone();
        let news = match model.devices.get_mut(&id) {
            Some(device) => {
                let faded = device.silent_for >= FADE_AFTER;
                device.update_seen(report, at, &model.families) | faded
            }
            None => {
                let mut device = Device::new(report.clone(), &model.families);
                device.update_seen(report, at, &model.families);
                model.devices.insert(id, device);
                true
            }
        };
        if news {
            model.reorder();
        }
    }
}

fn frames_seen(model: &mut Model, frames: &[TracedFrame], missed: u64) {
    model.frames.missed += missed;
    for frame in frames {
        let at = model.to_model_time()(frame.at);
        let name = model.devices.get(&frame.device).map_or_else(|| frame.device.as_str(), Device::label);
        let name = name.to_owned();
        model.frames.push(frame, at, &name);
    }
    if model.areas().frames.is_some() {
        model.changed();
    }
}

fn bulb(model: &mut Model, id: &DeviceId, event: &DriverEvent) {
    let (now, clock) = (model.now, model.to_model_time());
    let Some(device) = model.devices.get_mut(id) else { return };
    device.apply_event(event, now, clock);
    let name = device.label().to_owned();
    match event {
        // The banner already shows it.
        DriverEvent::Trouble(error) if model.banner.is_some() && error.code().starts_with("adapter.") => {}
        DriverEvent::Trouble(error) => model.show_error(error, Some(&name)),
        DriverEvent::Link(LinkPhase::Up | LinkPhase::Down) => model.reorder(),
        _ => model.changed(),
    }
}

/// Updates what depends on time, every half second.
pub(super) fn tick(model: &mut Model) {
    let before = model.visible_state();
    let passed = model.time_since_tick();
    if std::mem::take(&mut model.heard_since_tick) {
        model.spinner = model.spinner.wrapping_add(1);
    }
    let mut order = false;
    if model.scan == ScanPhase::On {
        for device in model.devices.values_mut() {
            let (step, silent) = (device.signal_step, device.silent_for);
            device.sample();
            // A connected bulb does not advertise.
            let silenced = device.wants_link() || device.seen.connected;
            device.silent_for = if silenced { Duration::ZERO } else { silent + passed };
            order |=
                step != device.signal_step || (silent < FORGET_AFTER) != (device.silent_for < FORGET_AFTER);
        }
    }
    model.expire_info();
    if order {
        model.reorder();
    }
    if model.visible_state() != before {
        model.changed();
    }
}
