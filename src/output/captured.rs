//! What passed in a capture.

use serde::Serialize;

use super::frame::FrameRecord;
use super::records::{Bulb, stamp};
use super::text::Layout;
use crate::capture::{AttributeRef, Event, EventKind};
use crate::error::att_name;
use crate::radio::SeenDevice;
use crate::radio::gatt::{uuid_text, uuid16};
use crate::sanitise::sanitise;

/// The Client Characteristic Configuration, by which a client subscribes.
const SUBSCRIPTION: u16 = 0x2902;

/// Something that passed between a computer and a device.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CapturedRecord {
    /// Since the capture's first record, microseconds; below zero where the clock of the computer was set back.
    pub t: i64,
    /// When, on the clock of the computer that captured (RFC 3339, UTC).
    pub time: String,
    /// Which device. `id` is its address, or `link N` where the capture began after the link.
    #[serde(flatten)]
    pub bulb: Bulb,
    /// `out` if the computer that captured sent it, else `in`.
    pub direction: &'static str,
    /// Whether the attribute is one of the computer's own table.
    pub local: bool,
    /// `connected`, `disconnected`, `mtu`, `read`, `write`, `subscribe`, `unsubscribe`, `notification` or `indication`.
    pub operation: &'static str,
    /// The service, as a 128-bit UUID; null where the capture lacks its discovery.
    pub service: Option<String>,
    /// The characteristic, as a 128-bit UUID; null where the capture lacks its discovery.
    pub characteristic: Option<String>,
    /// The descriptor, as a 128-bit UUID, where it is one.
    pub descriptor: Option<String>,
    /// The attribute's handle.
    pub handle: Option<u16>,
    /// The bytes, in hex.
    pub hex: Option<String>,
    /// Of a long read the place of the first byte in the value; 0 for the beginning.
    pub offset: Option<u16>,
    /// How it was written: `request` or `command`.
    pub kind: Option<&'static str>,
    /// The code with which it was refused (ATT), or the link was ended (HCI).
    pub reason: Option<u8>,
    /// The agreed MTU, bytes.
    pub mtu: Option<u16>,
    /// The meaning of the bytes.
    pub frame: Option<FrameRecord>,
    /// What is wrong with the bytes, where they are on a characteristic of the profile and no frame of it.
    pub malformed: Option<String>,
    /// The characteristic as people are shown it.
    #[serde(skip)]
    short: String,
}

impl CapturedRecord {
    /// The record of an event, at its place if that is known.
    #[must_use]
    pub fn of(event: &Event, device: &SeenDevice, place: Option<&AttributeRef>) -> Self {
        let descriptor = place.and_then(|place| place.descriptor);
        let subscription = descriptor == Some(uuid16(SUBSCRIPTION));
        let mut record = Self {
            t: event.since,
            time: stamp(event.time),
            bulb: Bulb::of(device),
            direction: if event.sent { "out" } else { "in" },
            local: event.local,
            operation: "",
            service: place
                .map(|place| place.id.service)
                .filter(|uuid| !uuid.is_nil())
                .map(|uuid| uuid.to_string()),
            characteristic: place.map(|place| place.id.characteristic.to_string()),
            descriptor: descriptor.map(|uuid| uuid.to_string()),
            handle: event.handle,
            hex: None,
            offset: None,
            kind: None,
            reason: None,
            mtu: None,
            frame: None,
            malformed: None,
            short: short(event.handle, place),
        };
        record.operation = match &event.kind {
            EventKind::Connected => "connected",
            EventKind::Disconnected(_) => "disconnected",
            EventKind::Mtu(_) => "mtu",
            EventKind::Read(..) | EventKind::ReadRefused(_) => "read",
            EventKind::Write(_, value) if subscription && value.first() == Some(&0) => "unsubscribe",
            EventKind::Write(..) if subscription => "subscribe",
            EventKind::Write(..) | EventKind::WriteRefused(_) => "write",
            EventKind::Notification(_) => "notification",
            EventKind::Indication(_) => "indication",
        };
        match &event.kind {
            EventKind::Connected => {}
            EventKind::Disconnected(reason)
            | EventKind::ReadRefused(reason)
            | EventKind::WriteRefused(reason) => {
                record.reason = Some(*reason);
            }
            EventKind::Mtu(mtu) => record.mtu = Some(*mtu),
            EventKind::Read(offset, value) => {
                record.offset = Some(*offset);
                record.hex = Some(hex::encode(value));
            }
            EventKind::Write(kind, value) => {
                record.kind = Some(kind.name());
                record.hex = Some(hex::encode(value));
            }
            EventKind::Notification(value) | EventKind::Indication(value) => {
                record.hex = Some(hex::encode(value))
            }
        }
        record
    }

    /// What people read: time, device, direction, operation, characteristic, bytes, meaning.
    pub(super) fn fields(&self, layout: Layout) -> Vec<String> {
        let seconds = format!("{}{:.6}", if self.t < 0 { "-" } else { "" }, self.seconds());
        let arrow = if self.direction == "out" { "->" } else { "<-" };
        let mut fields = vec![seconds, sanitise(&self.bulb.id).into_owned(), arrow.to_owned()];
        let operation = match self.kind {
            Some("command") if self.operation == "write" => "write command",
            _ => self.operation,
        };
        fields.push(if self.local {
            format!("{operation} (of the computer's own)")
        } else {
            operation.to_owned()
        });
        if self.handle.is_some() {
            fields.push(self.short.clone());
        }
        let subscription = matches!(self.operation, "subscribe" | "unsubscribe");
        if let Some(hex) = self.hex.as_ref().filter(|_| !subscription) {
            fields.push(if hex.is_empty() { "(empty)".to_owned() } else { hex.clone() });
        }
        fields.extend(
            self.offset.filter(|offset| *offset > 0).map(|offset| format!("(from byte {offset} on)")),
        );
        fields.extend(self.mtu.map(|mtu| mtu.to_string()));
        fields.extend(self.reason.map(|code| match self.operation {
            "disconnected" => format!("(reason 0x{code:02x})"),
            _ => format!("refused: {} (0x{code:02x})", att_name(code)),
        }));
        fields.extend(self.frame.as_ref().map(|frame| frame.fields(layout).join(" ")));
        fields.extend(self.malformed.as_ref().map(|fault| format!("malformed: {fault}")));
        fields
    }

    fn seconds(&self) -> f64 {
        std::time::Duration::from_micros(self.t.unsigned_abs()).as_secs_f64()
    }
}

/// `fff1`, `fff1/2901`, or `handle 12` where the capture does not say what it is.
fn short(handle: Option<u16>, place: Option<&AttributeRef>) -> String {
    match place {
        Some(AttributeRef { id, descriptor: None }) => id.to_string(),
        Some(AttributeRef { id, descriptor: Some(uuid) }) if *uuid == uuid16(SUBSCRIPTION) => id.to_string(),
        Some(AttributeRef { id, descriptor: Some(uuid) }) => format!("{id}/{}", uuid_text(*uuid)),
        None => format!("handle {}", handle.unwrap_or_default()),
    }
}
