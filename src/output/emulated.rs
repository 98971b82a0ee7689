//! What happens at emulated bulbs.

use serde::Serialize;

use super::frame::{FrameKind, FrameRecord};
use super::records::{Bulb, LightRecord};
use super::text::{Layout, light_fields, name};
use crate::emulate::Meaning;
use crate::error::att_name;
use crate::radio::sim::emulated::{BulbEventKind, WrittenValue};
use crate::radio::{CharacteristicId, WriteKind};
use crate::sanitise::sanitise;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EmulatedEvent {
    /// The bulb is on the air.
    Advertising,
    /// The bulb is no longer on the air.
    OffAir,
    Connected,
    Paired,
    Disconnected,
    Subscribed,
    Unsubscribed,
    Write,
    /// The state of the bulb changed.
    State,
}

/// Kinds of written frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum WriteMeaning {
    Command,
    /// A question for the state.
    Query,
    /// A frame that opens or keeps the session and changes nothing.
    Session,
    /// No frame of the family begins like this.
    Unknown,
    /// A known frame with something wrong.
    Malformed,
    /// The characteristic takes no commands.
    Value,
}

/// An event at a bulb that this computer emulates.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EmulatedRecord {
    pub event: EmulatedEvent,
    #[serde(flatten)]
    pub bulb: Bulb,
    pub profile: String,
    pub adapter: String,
    /// Identifier of the central that connected.
    pub central: Option<String>,
    /// Name of the central that connected.
    pub central_name: Option<String>,
    /// ATT MTU of the link in bytes, if it is known when the link comes up.
    pub mtu: Option<u16>,
    /// Who ended the link: `bulb` or `central`.
    pub by: Option<&'static str>,
    /// 128-bit UUID.
    pub service: Option<String>,
    /// 128-bit UUID.
    pub characteristic: Option<String>,
    /// Kind of a write: `request` or `command`; null if the radio cannot tell.
    pub kind: Option<&'static str>,
    pub hex: Option<String>,
    pub meaning: Option<WriteMeaning>,
    /// The decoded frame of a write.
    pub frame: Option<FrameRecord>,
    /// Why a frame is unknown or malformed, or why the bulb is off the air.
    pub reason: Option<String>,
    /// ATT error with which the bulb answered.
    pub att: Option<u8>,
    pub state: Option<LightRecord>,
    #[serde(skip)]
    short: String,
}

impl EmulatedRecord {
    /// The record of an event; `None` for what only the log shows.
    pub fn of(bulb: Bulb, profile: &str, adapter: &str, event: &BulbEventKind) -> Option<Self> {
        let kind = match event {
            BulbEventKind::Advertising(_) => EmulatedEvent::Advertising,
            BulbEventKind::OffAir(_) => EmulatedEvent::OffAir,
            BulbEventKind::Connected(..) => EmulatedEvent::Connected,
            BulbEventKind::Paired => EmulatedEvent::Paired,
            BulbEventKind::Disconnected(_) => EmulatedEvent::Disconnected,
            BulbEventKind::Subscribed(_) => EmulatedEvent::Subscribed,
            BulbEventKind::Unsubscribed(_) => EmulatedEvent::Unsubscribed,
            BulbEventKind::Written(_) => EmulatedEvent::Write,
            BulbEventKind::State(_) => EmulatedEvent::State,
            BulbEventKind::Mtu(_) | BulbEventKind::Read(..) | BulbEventKind::Notified(..) => return None,
        };
        let mut record = Self::empty(kind, bulb, profile, adapter);
        match event {
            BulbEventKind::Connected(central, mtu) => {
                record.central = Some(central.id.to_string());
                record.central_name.clone_from(&central.name);
                record.mtu = *mtu;
            }
            BulbEventKind::Disconnected(by_bulb) => {
                record.by = Some(if *by_bulb { "bulb" } else { "central" });
            }
            BulbEventKind::Subscribed(id) | BulbEventKind::Unsubscribed(id) => record.at(*id),
            BulbEventKind::Written(written) => record.written(written),
            BulbEventKind::State(light) => record.state = Some(LightRecord::of(light)),
            BulbEventKind::OffAir(error) => record.reason = error.as_ref().map(ToString::to_string),
            _ => {}
        }
        Some(record)
    }

    fn empty(event: EmulatedEvent, bulb: Bulb, profile: &str, adapter: &str) -> Self {
        Self {
            event,
            bulb,
            profile: profile.to_owned(),
            adapter: adapter.to_owned(),
            central: None,
            central_name: None,
            mtu: None,
            by: None,
            service: None,
            characteristic: None,
            kind: None,
            hex: None,
            meaning: None,
            frame: None,
            reason: None,
            att: None,
            state: None,
            short: String::new(),
        }
    }

    fn at(&mut self, id: CharacteristicId) {
        self.service = Some(id.service.to_string());
        self.characteristic = Some(id.characteristic.to_string());
        self.short = id.to_string();
    }

    fn written(&mut self, written: &WrittenValue) {
        self.at(written.characteristic);
        self.kind = written.kind.map(WriteKind::name);
        self.hex = Some(hex::encode(&written.value));
        self.att = written.att;
        let role = written.frame.as_ref().map(|(role, _)| role.as_str());
        let none = bulb_protocol::profile::Light::default();
        let profile = self.profile.clone();
        let frame = |kind, light| Some(FrameRecord::new(&written.value, &profile, kind, role, light));
        self.meaning = Some(match Meaning::of(written) {
            Meaning::Command(light) => {
                self.frame = frame(FrameKind::Command, &light);
                WriteMeaning::Command
            }
            Meaning::Query => {
                self.frame = frame(FrameKind::Query, &none);
                WriteMeaning::Query
            }
            Meaning::Session => {
                self.frame = frame(FrameKind::Session, &none);
                WriteMeaning::Session
            }
            Meaning::Unknown(reason) => {
                self.reason = Some(reason);
                WriteMeaning::Unknown
            }
            Meaning::Malformed(reason) => {
                self.reason = Some(reason);
                WriteMeaning::Malformed
            }
            Meaning::Value => WriteMeaning::Value,
        });
    }

    /// The bulb, what happened, and the details.
    pub(super) fn fields(&self, layout: Layout) -> Vec<String> {
        let mut fields = vec![name(&self.bulb, layout)];
        fields.extend(self.words(layout, true));
        fields
    }

    /// What happened and the details, without the bulb and without bytes.
    pub fn text(&self) -> String {
        const PLAIN: Layout =
            Layout { terminal: true, color: false, truecolor: false, name_width: 0, line_number: None };
        self.words(PLAIN, false).join("  ")
    }

    fn words(&self, layout: Layout, hex: bool) -> Vec<String> {
        let mut fields = Vec::new();
        let text = |text: &str| sanitise(text).into_owned();
        match self.event {
            EmulatedEvent::Advertising => {
                fields.push(format!("advertising on {}", text(&self.adapter)));
                fields.extend(self.bulb.address.clone());
                fields.push(self.profile.clone());
            }
            EmulatedEvent::OffAir => fields.push("off the air".to_owned()),
            EmulatedEvent::Connected => {
                let central = self.central_name.as_ref().or(self.central.as_ref());
                let by = central.map_or_else(String::new, |central| format!(" by {}", text(central)));
                fields.push(format!("connected{by}"));
                fields.extend(self.mtu.map(|mtu| format!("MTU {mtu}")));
            }
            EmulatedEvent::Paired => fields.push("paired".to_owned()),
            EmulatedEvent::Disconnected => {
                let by = self.by.filter(|by| *by == "bulb").map_or("", |_| " by the bulb");
                fields.push(format!("disconnected{by}"));
            }
            EmulatedEvent::Subscribed => fields.push(format!("subscribed to {}", self.short)),
            EmulatedEvent::Unsubscribed => fields.push(format!("unsubscribed from {}", self.short)),
            EmulatedEvent::Write => fields.extend(self.write_fields(layout, hex)),
            EmulatedEvent::State => {
                let light = self.state.iter();
                fields.extend(light.flat_map(|light| light_fields(&light.values, light.mode, layout)));
            }
        }
        if self.event != EmulatedEvent::Write {
            fields.extend(self.reason.as_deref().map(text));
        }
        fields
    }

    fn write_fields(&self, layout: Layout, hex: bool) -> Vec<String> {
        let kind = if self.kind == Some("command") { "write command" } else { "write" };
        let mut fields = vec![format!("{kind} {}", self.short)];
        if hex {
            let bytes = self.hex.clone().filter(|hex| !hex.is_empty());
            fields.push(bytes.unwrap_or_else(|| "(empty)".to_owned()));
        }
        let reason = || self.reason.as_deref().map(sanitise).unwrap_or_default();
        match (self.meaning, &self.frame) {
            (Some(WriteMeaning::Unknown), _) => fields.push(format!("unknown: {}", reason())),
            (Some(WriteMeaning::Malformed), _) => fields.push(format!("malformed: {}", reason())),
            (_, Some(frame)) => fields.push(frame.fields(layout).join(" ")),
            _ => {}
        }
        fields.extend(self.att.map(|att| format!("refused: {} (0x{att:02x})", att_name(att))));
        fields
    }
}
