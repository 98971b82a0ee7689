//! Frames and their meaning.

use bulb_protocol::LightState;
use bulb_protocol::profile::Light;
use serde::Serialize;

use super::records::{LightRecord, LightValues};
use super::text::{Layout, light_fields};

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
    #[serde(flatten)]
    pub values: LightValues,
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
            values: LightRecord::of(light).values,
            encoded: false,
        }
    }

    pub(super) fn fields(&self, layout: Layout) -> Vec<String> {
        if self.encoded {
            return vec![self.hex.clone()];
        }
        let mut fields = light_fields(&self.values, None, layout);
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
