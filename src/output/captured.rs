//! Events of a capture.

use serde::Serialize;

use super::frame::FrameRecord;
use super::records::{Bulb, stamp};
use super::text::Layout;
use crate::capture::{AttributeRef, Event, EventKind};
use crate::error::att_name;
use crate::radio::SeenDevice;
use crate::radio::gatt::{uuid_text, uuid16};
use crate::sanitise::sanitise;

/// Client Characteristic Configuration descriptor.
const SUBSCRIPTION: u16 = 0x2902;

/// An event between a computer and a device in a capture.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CapturedRecord {
    /// Microseconds since the first record of the capture; negative if the computer's clock was set back.
    pub t: i64,
    /// Time on the clock of the capturing computer (RFC 3339, UTC).
    pub time: String,
    /// Device. `id` is its address, or `link N` if the capture began after the link.
    #[serde(flatten)]
    pub bulb: Bulb,
    /// `out` if the capturing computer sent it, else `in`.
    pub direction: &'static str,
    /// True if the attribute belongs to the computer's own GATT table.
    pub local: bool,
    /// Operation: `connected`, `disconnected`, `mtu`, `read`, `write`, `subscribe`, `unsubscribe`, `notification` or `indication`.
    pub operation: &'static str,
    /// 128-bit UUID of the service; null if the capture lacks its discovery.
    pub service: Option<String>,
    /// 128-bit UUID of the characteristic; null if the capture lacks its discovery.
    pub characteristic: Option<String>,
    /// 128-bit UUID of the descriptor; null for a characteristic.
    pub descriptor: Option<String>,
    pub handle: Option<u16>,
    pub hex: Option<String>,
    /// Offset of the first byte in a long read; 0 for the beginning.
    pub offset: Option<u16>,
    /// Kind of a write: `request` or `command`.
    pub kind: Option<&'static str>,
    /// ATT error code of a refused request, or HCI reason of a disconnect.
    pub reason: Option<u8>,
    /// Negotiated MTU in bytes.
    pub mtu: Option<u16>,
    pub frame: Option<FrameRecord>,
    /// Reason, if the characteristic has a role in the profile, and no frame of the profile begins like these bytes.
    pub unknown: Option<String>,
    /// Decode error, if the characteristic has a role in the profile and the bytes are not a valid frame.
    pub malformed: Option<String>,
    #[serde(skip)]
    short: String,
}

impl CapturedRecord {
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
            unknown: None,
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

    /// Time, device, direction, operation, characteristic, bytes and decoded frame.
    pub(super) fn fields(&self, layout: Layout) -> Vec<String> {
        let seconds = format!("{}{:.6}", if self.t < 0 { "-" } else { "" }, self.seconds());
        let arrow = if self.direction == "out" { "->" } else { "<-" };
        let mut fields = vec![seconds, sanitise(&self.bulb.id).into_owned(), arrow.to_owned()];
        let operation = match self.kind {
            Some("command") if self.operation == "write" => "write command",
            _ => self.operation,
        };
        fields.push(if self.local {
            format!("{operation} (computer's own table)")
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
        fields.extend(self.offset.filter(|offset| *offset > 0).map(|offset| format!("(from byte {offset})")));
        fields.extend(self.mtu.map(|mtu| mtu.to_string()));
        fields.extend(self.reason.map(|code| match self.operation {
            "disconnected" => format!("(reason 0x{code:02x})"),
            _ => format!("refused: {} (0x{code:02x})", att_name(code)),
        }));
        fields.extend(self.frame.as_ref().map(|frame| frame.fields(layout).join(" ")));
        fields.extend(self.unknown.as_ref().map(|reason| format!("unknown: {reason}")));
        fields.extend(self.malformed.as_ref().map(|fault| format!("malformed: {fault}")));
        fields
    }

    fn seconds(&self) -> f64 {
        std::time::Duration::from_micros(self.t.unsigned_abs()).as_secs_f64()
    }
}

/// `fff1`, `fff1/2901`, or `handle 12` if the capture lacks the discovery.
fn short(handle: Option<u16>, place: Option<&AttributeRef>) -> String {
    match place {
        Some(AttributeRef { id, descriptor: None }) => id.to_string(),
        Some(AttributeRef { id, descriptor: Some(uuid) }) if *uuid == uuid16(SUBSCRIPTION) => id.to_string(),
        Some(AttributeRef { id, descriptor: Some(uuid) }) => format!("{id}/{}", uuid_text(*uuid)),
        None => format!("handle {}", handle.unwrap_or_default()),
    }
}
