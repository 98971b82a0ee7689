//! Frames and what they mean.

use bulb_protocol::LightState;
use bulb_protocol::profile::Light;
use serde::Serialize;

use super::text::{Layout, on_off, swatch};

/// What kind of frame it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FrameKind {
    /// It is written, and changes the bulb's state.
    Command,
    /// The bulb sends it.
    #[serde(rename = "report")]
    Status,
    /// It asks for a report.
    Query,
    /// It is written by the session's policy, and changes nothing.
    Session,
    /// It is the same in both directions.
    State,
}

/// A frame and its meaning.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FrameRecord {
    /// The bytes, in hex.
    pub hex: String,
    /// The profile that it was built or read by, with its variant.
    pub profile: String,
    /// What kind it is.
    pub kind: FrameKind,
    /// The role of its characteristic.
    pub role: Option<String>,
    /// Whether the lamp is switched on.
    pub power: Option<bool>,
    /// Brightness, percent.
    pub brightness: Option<u8>,
    /// Colour at full brightness, `#rrggbb`.
    pub color: Option<String>,
    /// Level of the white channel, percent.
    pub white: Option<u8>,
    /// Temperature of white, kelvin.
    pub kelvin: Option<u16>,
    /// The effect, by its name or number.
    pub effect: Option<String>,
    /// Speed of effects, percent.
    pub speed: Option<u8>,
    /// Whether this is the answer to encode, whose text is the hex alone.
    #[serde(skip)]
    pub encoded: bool,
}

impl FrameRecord {
    /// The record of a frame of the base protocol.
    #[must_use]
    pub fn of(frame: &[u8], light: LightState, encoded: bool) -> Self {
        Self { encoded, ..Self::new(frame, crate::bulb::BASE, FrameKind::State, None, &Light::from(light)) }
    }

    /// The record of a frame of a profile.
    #[must_use]
    pub fn new(frame: &[u8], profile: &str, kind: FrameKind, role: Option<&str>, light: &Light) -> Self {
        Self {
            hex: hex::encode(frame),
            profile: profile.to_owned(),
            kind,
            role: role.map(str::to_owned),
            power: light.power,
            brightness: light.brightness.map(bulb_protocol::Percent::get),
            color: light.color.map(|color| color.to_string()),
            white: light.white.map(bulb_protocol::Percent::get),
            kelvin: light.kelvin,
            effect: light.effect.clone(),
            speed: light.speed.map(bulb_protocol::Percent::get),
            encoded: false,
        }
    }

    /// What people read: the hex of what was encoded, the values of what was decoded, or what else the frame is.
    pub(super) fn fields(&self, layout: Layout) -> Vec<String> {
        if self.encoded {
            return vec![self.hex.clone()];
        }
        let mut fields = Vec::new();
        fields.extend(self.power.map(on_off));
        fields.extend(self.brightness.map(|percent| format!("{percent} %")));
        fields.extend(self.color.as_ref().map(|color| swatch(color, layout)));
        fields.extend(self.white.map(|percent| format!("white {percent} %")));
        fields.extend(self.kelvin.map(|kelvin| format!("{kelvin} K")));
        fields.extend(self.effect.as_ref().map(|effect| format!("effect {effect}")));
        fields.extend(self.speed.map(|percent| format!("speed {percent} %")));
        if fields.is_empty() {
            fields.push(match self.kind {
                FrameKind::Query => "a query".to_owned(),
                FrameKind::Session => "keeps or opens the session".to_owned(),
                _ => "says nothing of the light".to_owned(),
            });
        }
        fields
    }
}
