//! What passed at a characteristic.

use serde::Serialize;

use super::frame::FrameRecord;
use super::records::Bulb;
use super::text::Layout;
use crate::bulb::{GattOperation, GattOutcome};
use crate::radio::SeenDevice;
use crate::radio::gatt::uuid_text;
use crate::sanitise::sanitise;

/// How values are shown to people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ValueForm {
    /// As hex.
    #[default]
    Hex,
    /// As text.
    Text,
    /// As what the frame means, where it is one.
    Frame,
}

/// What passed at a characteristic.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ValueRecord {
    /// The target, as it was given.
    pub target: String,
    /// Which bulb.
    #[serde(flatten)]
    pub bulb: Bulb,
    /// `read`, `write`, `notification`, `subscribe` or `unsubscribe`.
    pub operation: &'static str,
    /// The service, as a 128-bit UUID.
    pub service: String,
    /// The characteristic, as a 128-bit UUID.
    pub characteristic: String,
    /// The handle of its value; null where the platform does not tell.
    pub handle: Option<u16>,
    /// The bytes, in hex; null where there are none to tell.
    pub hex: Option<String>,
    /// The bytes as text, where they are all printable.
    pub text: Option<String>,
    /// How it was written: `request` or `command`.
    pub kind: Option<&'static str>,
    /// The meaning of the bytes, with --decode.
    pub frame: Option<FrameRecord>,
    /// The line of the script.
    pub line: Option<usize>,
    /// How it is shown to people.
    #[serde(skip)]
    pub form: ValueForm,
    /// Whether the bulb is named for people.
    #[serde(skip)]
    pub named: bool,
    /// Its bytes as they are.
    #[serde(skip)]
    pub bytes: Vec<u8>,
    #[serde(skip)]
    short: String,
}

impl ValueRecord {
    /// The record of what passed.
    #[must_use]
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

    /// What people read: of a script the whole story, of a single operation the value alone.
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

/// The text that these bytes are, if they are one that can be shown. Firmware likes to end texts with zeros.
pub(super) fn printable(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?.trim_end_matches('\0');
    let shown = !text.is_empty() && !text.chars().any(char::is_control);
    shown.then(|| text.to_owned())
}
