//! What the radio side says, and what the clock does.

use std::time::Duration;

use super::super::device::Device;
use super::super::event::{Effect, RadioEvent, ScanPhase};
use super::super::model::{FADE, GONE, Message, Model, Weight};
use crate::bulb::{DriverEvent, LinkPhase};
use crate::error::ErrorKind;
use crate::output::sanitise;
use crate::radio::trace::TracedFrame;
use crate::radio::{DeviceId, SeenDevice};

pub(super) fn take(model: &mut Model, word: RadioEvent, effects: &mut Vec<Effect>) {
    match word {
        RadioEvent::Open(adapter, state) => {
            model.adapter = Some(adapter);
            model.adapter_is(state);
            effects.push(Effect::Scan(model.scan_wanted));
        }
        // A rig that cannot be read stays so.
        RadioEvent::Closed(error) if error.kind() == ErrorKind::Usage => effects.push(Effect::Fail(error)),
        RadioEvent::Closed(error) => {
            model.banner = Some(error);
            model.changed();
        }
        RadioEvent::Adapter(state) => model.adapter_is(state),
        RadioEvent::Scan(phase) => {
            model.scan = phase;
            model.changed();
        }
        RadioEvent::Reports(reports) => reports_came(model, reports),
        RadioEvent::Frames(frames, missed) => frames_came(model, &frames, missed),
        RadioEvent::Bulb(id, happening) => bulb(model, &id, &happening),
        RadioEvent::Trouble(error) => model.fail(&error, None),
        RadioEvent::Log(text) => {
            let text = sanitise(&text).into_owned();
            model.say(Message { at: model.now, weight: Weight::Failure, code: None, text, hint: None });
        }
        RadioEvent::Saved(count, path) => {
            let path = path.display().to_string();
            let frames = if count == 1 { "frame is" } else { "frames are" };
            model.note(format!("{count} {frames} in {}", sanitise(&path)));
        }
    }
}

/// The list changes at once for what is new; signal strengths wait for the clock, so that it can be read.
fn reports_came(model: &mut Model, reports: Vec<SeenDevice>) {
    model.heard |= reports.iter().any(|report| report.heard.is_some());
    for report in reports {
        let at = report.heard.map(|heard| model.clock()(heard.last));
        let id = report.id.clone();
        let news = match model.devices.get_mut(&id) {
            Some(device) => {
                let faded = device.silent >= FADE;
                device.hear(report, at, &model.families) | faded
            }
            None => {
                let mut device = Device::new(report.clone(), &model.families);
                device.hear(report, at, &model.families);
                model.devices.insert(id, device);
                true
            }
        };
        if news {
            model.reorder();
        }
    }
}

fn frames_came(model: &mut Model, frames: &[TracedFrame], missed: u64) {
    model.frames.missed += missed;
    for frame in frames {
        let at = model.clock()(frame.at);
        let name = model.devices.get(&frame.device).map_or_else(|| frame.device.as_str(), Device::label);
        let name = name.to_owned();
        model.frames.push(frame, at, &name);
    }
    if model.areas().frames.is_some() {
        model.changed();
    }
}

fn bulb(model: &mut Model, id: &DeviceId, happening: &DriverEvent) {
    let (now, clock) = (model.now, model.clock());
    let Some(device) = model.devices.get_mut(id) else { return };
    device.take(happening, now, clock);
    let name = device.label().to_owned();
    match happening {
        // What the banner says need not be said again for each bulb.
        DriverEvent::Trouble(error) if model.banner.is_some() && error.code().starts_with("adapter.") => {}
        DriverEvent::Trouble(error) => model.fail(error, Some(&name)),
        DriverEvent::Link(LinkPhase::Up | LinkPhase::Down) => model.reorder(),
        _ => model.changed(),
    }
}

/// Half a second has passed, or more.
pub(super) fn tick(model: &mut Model) {
    let before = model.face();
    let passed = model.since_tick();
    if std::mem::take(&mut model.heard) {
        model.turn = model.turn.wrapping_add(1);
    }
    let mut order = false;
    if model.scan == ScanPhase::On {
        for device in model.devices.values_mut() {
            let (step, silent) = (device.step, device.silent);
            device.sample();
            // One that holds a link does not advertise.
            let silenced = device.wanted() || device.report.connected;
            device.silent = if silenced { Duration::ZERO } else { silent + passed };
            order |= step != device.step || (silent < GONE) != (device.silent < GONE);
        }
    }
    model.let_notes_go();
    if order {
        model.reorder();
    }
    if model.face() != before {
        model.changed();
    }
}
