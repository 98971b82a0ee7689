//! Recordings made of frames that were traced, instead of all calls.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::time::Instant;

use super::format::{self, Answer, Call, Connected, Event, Hex, Line, RecordedDevice, micros};
use crate::radio::trace::{AttOperation, TracedFrame};
use crate::radio::{AdapterState, CharacteristicId, DeviceId, GattTable, SeenDevice, WriteKind};
use crate::sanitise::json_safe;

/// A device with frames.
#[derive(Clone, Debug)]
pub struct TracedDevice {
    pub device: SeenDevice,
    pub table: Option<Arc<GattTable>>,
    /// Characteristics with a subscription.
    pub subscribed: Vec<CharacteristicId>,
}

struct Lines {
    began: Instant,
    next: u32,
    lines: Vec<Line>,
}

impl Lines {
    fn event(&mut self, at: Instant, event: Event) {
        self.lines.push(Line { t: micros(at.saturating_duration_since(self.began)), event });
    }

    /// Adds a call and its answer. Returns the number of the call.
    fn call(&mut self, at: Instant, call: Call, answer: Answer) -> u32 {
        let n = self.next;
        self.next += 1;
        self.event(at, Event::Call { n, call });
        self.event(at, Event::Done { n, answer });
        n
    }
}

/// Returns the lines of a recording that replays these frames: a scan that finds the devices, one link to each, and the frames in
/// their order. Frames of other devices are left out.
pub fn from_frames(adapter: &str, devices: &[TracedDevice], frames: &[&TracedFrame]) -> Vec<String> {
    let began = frames.iter().map(|frame| frame.at).min().unwrap_or_else(Instant::now);
    let mut lines = Lines { began, next: 0, lines: Vec::new() };
    let recording = Event::Recording {
        version: format::VERSION,
        program: concat!("bulbctl ", env!("CARGO_PKG_VERSION")).to_owned(),
        adapter: adapter.to_owned(),
        address: None,
        links: devices.len().max(1),
        state: AdapterState::On,
    };
    lines.event(began, recording);
    lines.call(began, Call::Known, Answer { devices: Some(Vec::new()), ..Answer::default() });
    lines.call(began, Call::StartScan, Answer::default());
    for one in devices {
        lines.event(began, Event::SeenDevice(RecordedDevice::of(&one.device, began)));
    }
    lines.call(began, Call::StopScan, Answer::default());
    let mut links: BTreeMap<&DeviceId, u32> = BTreeMap::new();
    for TracedDevice { device, table, subscribed } in devices {
        let services = table.as_ref().map(|table| table.services.clone()).unwrap_or_default();
        let connected = Connected { was_up: false, mtu: None, services };
        let answer = Answer { connected: Some(connected), ..Answer::default() };
        let link = lines.call(began, Call::Connect { device: device.id.to_string() }, answer);
        links.insert(&device.id, link);
        let notified = frames
            .iter()
            .filter(|frame| frame.device == device.id && frame.operation == AttOperation::Notification);
        let all: BTreeSet<CharacteristicId> =
            notified.map(|frame| frame.characteristic).chain(subscribed.iter().copied()).collect();
        for characteristic in all {
            lines.call(began, Call::Subscribe { link, characteristic }, Answer::default());
        }
    }
    for frame in frames {
        let Some(&link) = links.get(&frame.device) else { continue };
        let (at, characteristic, hex) = (frame.at, frame.characteristic, Hex(frame.bytes.clone()));
        match frame.operation {
            AttOperation::Read => {
                let answer = Answer { hex: Some(hex), ..Answer::default() };
                lines.call(at, Call::Read { link, characteristic }, answer);
            }
            AttOperation::Write(kind) => {
                let response = kind == WriteKind::Request;
                lines.call(at, Call::Write { link, characteristic, hex, response }, Answer::default());
            }
            AttOperation::Notification => lines.event(at, Event::Notification { link, characteristic, hex }),
        }
    }
    let text = lines.lines.iter().filter_map(|line| serde_json::to_string(line).ok().map(json_safe));
    text.collect()
}
