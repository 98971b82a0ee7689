//! Raw access to characteristics.

use serde::Serialize;

use super::frame::FrameRecord;
use super::records::Bulb;
use super::text::Layout;
use crate::bulb::{GattOperation, GattOutcome};
use crate::radio::SeenDevice;
use crate::radio::gatt::uuid_text;
use crate::sanitise::sanitise;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ValueForm {
    #[default]
    Hex,
    Text,
    Frame,
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ValueRecord {
    pub target: String,
    #[serde(flatten)]
    pub bulb: Bulb,
    /// Operation: `read`, `write`, `notification`, `subscribe` or `unsubscribe`.
    pub operation: &'static str,
    /// 128-bit UUID of the service.
    pub service: String,
    /// 128-bit UUID of the characteristic.
    pub characteristic: String,
    /// Handle of the value; null if the platform does not report it.
    pub handle: Option<u16>,
    /// Bytes in hex; null for `subscribe` and `unsubscribe`.
    pub hex: Option<String>,
    /// Bytes as text; null if they are not printable.
    pub text: Option<String>,
    /// Kind of a write: `request` or `command`.
    pub kind: Option<&'static str>,
    /// Decoded frame, with --decode.
    pub frame: Option<FrameRecord>,
    pub line: Option<u64>,
    #[serde(skip)]
    pub form: ValueForm,
    /// True if the text has the bulb's name.
    #[serde(skip)]
    pub named: bool,
    #[serde(skip)]
    pub bytes: Vec<u8>,
    #[serde(skip)]
    short: String,
}

impl ValueRecord {
    pub fn of(target: &str, device: &SeenDevice, passed: &GattOutcome) -> Self {
        let (operation, bytes, kind) = match &passed.operation {
            GattOperation::Read(bytes) => ("read", Some(bytes), None),
            GattOperation::Write(bytes, kind) => ("write", Some(bytes), Some(kind.name())),
            GattOperation::Notification(bytes) => ("notification", Some(bytes), None),
            GattOperation::Subscribe => ("subscribe", None, None),
            GattOperation::Unsubscribe => ("unsubscribe", None, None),
        };
        Self {
            target: target.to_owned(),
            bulb: Bulb::of(device),
            operation,
            service: passed.id.service.to_string(),
            characteristic: passed.id.characteristic.to_string(),
            handle: passed.handle,
            hex: bytes.map(hex::encode),
            text: bytes.and_then(|bytes| printable(bytes)),
            kind,
            frame: None,
            line: None,
            form: ValueForm::Hex,
            named: false,
            bytes: bytes.cloned().unwrap_or_default(),
            short: format!("{}/{}", uuid_text(passed.id.service), passed.id),
        }
    }

    /// Only the value for a single operation; line, operation and characteristic too for a script.
    pub(super) fn fields(&self, layout: Layout) -> Vec<String> {
        let mut fields = Vec::new();
        if self.named {
            fields.push(sanitise(self.bulb.label()).into_owned());
        }
        if let Some(line) = self.line {
            fields.extend([line.to_string(), self.operation.to_owned(), self.short.clone()]);
        }
        match (self.form, &self.frame) {
            (_, _) if self.operation == "write" && self.line.is_none() => {
                let kind = self.kind.unwrap_or_default();
                let s = if self.bytes.len() == 1 { "" } else { "s" };
                fields.push(format!("{} byte{s} written ({kind})", self.bytes.len()));
                return fields;
            }
            (ValueForm::Frame, Some(frame)) => fields.extend(frame.fields(layout)),
            (ValueForm::Text, _) => {
                let text = String::from_utf8_lossy(&self.bytes);
                fields.push(sanitise(text.trim_end_matches('\0')).into_owned());
            }
            _ => fields.extend(self.hex.clone()),
        }
        fields.extend(self.kind.map(|kind| format!("({kind})")));
        fields
    }
}

/// Printable text of these bytes, without the zeros that firmware often appends.
pub(super) fn printable(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?.trim_end_matches('\0');
    let shown = !text.is_empty() && !text.chars().any(char::is_control);
    shown.then(|| text.to_owned())
}
