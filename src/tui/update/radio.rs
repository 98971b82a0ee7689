//! Updates from the radio and the clock.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::super::device::Device;
use super::super::event::{Effect, RadioEvent, SavedKind, ScanPhase};
use super::super::messages::{Holds, Message, Severity};
use super::super::model::{FADE_AFTER, FORGET_AFTER, Model, Pane};
use super::{check, gatt, scenes};
use crate::bulb::{DriverEvent, LinkPhase};
use crate::error::{Error, ErrorKind};
use crate::output::sanitise;
use crate::radio::trace::TracedFrame;
use crate::radio::{DeviceId, SeenDevice};

/// A fade ends with a command, which takes a moment.
const FADE_END: Duration = Duration::from_secs(1);
/// Limit for bulbs with a log of their signal. Bulbs that are no longer under control keep theirs up to twice as many.
const MAX_LOGGED: usize = 32;

pub(super) fn take(model: &mut Model, event: RadioEvent, effects: &mut Vec<Effect>) {
    match event {
        RadioEvent::Opened(adapter, state, links) => {
            model.link_limit = links;
            model.adapter = Some(adapter);
            model.set_adapter_state(state);
            model.close_messages(|holds| *holds == Holds::UntilScanning);
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
            if phase == ScanPhase::On {
                model.close_messages(|holds| *holds == Holds::UntilScanning);
            }
            model.changed();
        }
        RadioEvent::DevicesSeen(reports) => devices_seen(model, reports),
        RadioEvent::Frames(frames, missed) => frames_seen(model, &frames, missed),
        RadioEvent::Driver(id, event) => bulb(model, &id, &event),
        RadioEvent::Failed(error) => {
            let own = error.kind() == ErrorKind::Usage;
            let holds = if own { Holds::UntilClosed } else { Holds::UntilScanning };
            model.show_error(&error, None, holds);
        }
        RadioEvent::Log(text) => model.push_message(Message::of_log(model.now, &text)),
        RadioEvent::Panic(text) => {
            let text = format!("unexpected failure: {}", sanitise(&text));
            model.push_message(Message::new(model.now, Severity::Error, text, Holds::UntilClosed));
        }
        RadioEvent::Saved(kind, count, path) => {
            let what = match (kind, count) {
                (SavedKind::Frames, 1) => "1 line",
                (SavedKind::Frames, _) => "the frames",
                (SavedKind::Recording, _) => "the recording",
                (SavedKind::Scene, _) => "the scene",
            };
            let path = path.display().to_string();
            model.show_info(match kind {
                SavedKind::Frames if count != 1 => format!("saved {count} lines to {}", sanitise(&path)),
                _ => format!("saved {what} to {}", sanitise(&path)),
            });
        }
        RadioEvent::Gatt(id, outcome) => gatt::take(model, &id, outcome),
        RadioEvent::Check(id, event) => check::take(model, &id, event, effects),
        RadioEvent::Scenes(names) => scenes::show(model, names),
        RadioEvent::SceneRead(name, states) => scenes::recall(model, &name, &states, effects),
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
        if let Some(device) = model.devices.get_mut(&frame.device) {
            device.frame(frame, at);
        }
    }
    if [Pane::Frames, Pane::Graphs, Pane::Gatt].into_iter().any(|pane| model.shows(pane)) {
        model.changed();
    }
}

fn bulb(model: &mut Model, id: &DeviceId, event: &DriverEvent) {
    let (now, clock) = (model.now, model.to_model_time());
    let Some(device) = model.devices.get_mut(id) else { return };
    let was_up = device.is_connected();
    device.apply_event(event, now, &clock);
    let name = device.label().to_owned();
    match event {
        // The banner already shows it.
        DriverEvent::Trouble(error) if model.banner.is_some() && error.code().starts_with("adapter.") => {}
        DriverEvent::Trouble(error) => {
            let about_link = !was_up || matches!(error, Error::LinkLost { .. });
            let holds =
                if about_link { Holds::UntilConnected(id.clone()) } else { Holds::UntilChanged(id.clone()) };
            if about_link {
                device.last_trouble = Some(error.code());
            }
            model.show_error(error, Some(&name), holds);
        }
        DriverEvent::Connected(at) => {
            model.frames.push_link(id, clock(*at), &name, true, "");
            model.changed();
        }
        DriverEvent::Link(LinkPhase::Up) => {
            let again = |holds: &Holds| matches!(holds, Holds::UntilConnected(own) if own == id);
            model.close_messages(again);
            model.reorder();
        }
        DriverEvent::Link(_) => {
            let reason = device.last_trouble.take().unwrap_or_default();
            if std::mem::take(&mut device.linked) {
                model.frames.push_link(id, now, &name, false, reason);
            }
            model.reorder();
        }
        DriverEvent::Confirmed(_) | DriverEvent::Written => {
            let again = |holds: &Holds| matches!(holds, Holds::UntilChanged(own) if own == id);
            model.close_messages(again);
            model.changed();
        }
        _ => model.changed(),
    }
}

/// Keeps the signal over time of the bulbs under control, and of some others that graphs may show later. A crowd must
/// not fill the memory.
fn log_signals(model: &mut Model) {
    if model.scan != ScanPhase::On {
        return;
    }
    let now = model.now;
    let targets: BTreeSet<DeviceId> = model.target_ids().take(MAX_LOGGED).cloned().collect();
    let mut others = model.devices.values().filter(|device| !device.signal_log.is_empty()).count();
    for (id, device) in &mut model.devices {
        let logged = !device.signal_log.is_empty();
        if targets.contains(id) || (logged && others <= 2 * MAX_LOGGED) {
            device.log_signal(now);
        } else if logged {
            device.signal_log = VecDeque::new();
            others -= 1;
        } else if device.bulb && others < MAX_LOGGED {
            device.log_signal(now);
            others += 1;
        }
    }
}

/// Updates what depends on time, every half second.
pub(super) fn tick(model: &mut Model) {
    let (before, now) = (model.visible_state(), model.now);
    let passed = model.time_since_tick();
    if std::mem::take(&mut model.heard_since_tick) {
        model.spinner = model.spinner.wrapping_add(1);
    }
    let mut order = false;
    if model.scan == ScanPhase::On {
        for device in model.devices.values_mut() {
            let (rank, silent) = (device.rank, device.silent_for);
            device.sample();
            // A connected bulb does not advertise.
            let silenced = device.wants_link() || device.seen.connected;
            device.silent_for = if silenced { Duration::ZERO } else { silent + passed };
            order |= rank != device.rank || (silent < FORGET_AFTER) != (device.silent_for < FORGET_AFTER);
        }
    }
    log_signals(model);
    model.messages.expire(now);
    for device in model.devices.values_mut() {
        if device.fade.as_ref().is_some_and(|fade| now >= fade.start + fade.over + FADE_END) {
            device.fade = None;
        }
    }
    if order {
        model.reorder();
    }
    if model.visible_state() != before {
        model.changed();
    }
}
