//! Frames and their meaning.

use bulb_protocol::LightState;
use bulb_protocol::profile::Light;
use serde::Serialize;

use super::text::{Layout, on_off, swatch};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FrameKind {
    /// A command to the bulb.
    Command,
    /// A status from the bulb.
    #[serde(rename = "report")]
    Status,
    /// A request for a status.
    Query,
    /// A frame that opens or keeps the session and changes nothing.
    Session,
    /// A frame that has the same form in both directions.
    State,
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FrameRecord {
    pub hex: String,
    pub profile: String,
    pub kind: FrameKind,
    pub role: Option<String>,
    pub power: Option<bool>,
    /// Brightness in percent.
    pub brightness: Option<u8>,
    /// Colour at full brightness, `#rrggbb`.
    pub color: Option<String>,
    /// White channel in percent.
    pub white: Option<u8>,
    /// Colour temperature in kelvin.
    pub kelvin: Option<u16>,
    pub effect: Option<String>,
    /// Effect speed in percent.
    pub speed: Option<u8>,
    /// True for `frame encode`, which prints only the hex.
    #[serde(skip)]
    pub encoded: bool,
}

impl FrameRecord {
    /// Record of a frame of the base protocol.
    pub fn of(frame: &[u8], light: LightState, encoded: bool) -> Self {
        Self { encoded, ..Self::new(frame, crate::bulb::BASE, FrameKind::State, None, &Light::from(light)) }
    }

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
                FrameKind::Session => "a session frame".to_owned(),
                _ => "no light settings".to_owned(),
            });
        }
        fields
    }
}
