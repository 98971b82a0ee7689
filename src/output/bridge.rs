//! Records of `bridge`.

use serde::Serialize;
use serde_json::Value;

use super::text::Layout;
use crate::sanitise::sanitise;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum BridgePhase {
    /// Connected to the broker, and subscribed to commands.
    Connected,
    /// The connection to the broker was lost. It is made again.
    Disconnected,
    /// The configuration was read again.
    Reloaded,
}

impl BridgePhase {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::Reloaded => "reloaded",
        }
    }
}

/// What a bridge does.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BridgeRecord {
    /// Name of this bridge in topics.
    pub name: String,
    /// Host and port of the broker.
    pub broker: String,
    pub state: BridgePhase,
    /// Number of bulbs that it knows.
    pub bulbs: usize,
    /// Reason why the connection was lost.
    pub cause: Option<String>,
}

impl BridgeRecord {
    pub(super) fn fields(&self) -> Vec<String> {
        let mut fields = vec![format!("bridge {}", self.name), self.state.name().to_owned()];
        match self.state {
            BridgePhase::Connected => fields.push(format!("to {}", sanitise(&self.broker))),
            BridgePhase::Disconnected => fields.push(format!("from {}", sanitise(&self.broker))),
            BridgePhase::Reloaded => {}
        }
        fields.push(if self.bulbs == 1 { "1 bulb".to_owned() } else { format!("{} bulbs", self.bulbs) });
        fields.extend(self.cause.as_ref().map(|cause| format!("({})", sanitise(cause))));
        fields
    }
}

/// A message that `bridge --once` would publish.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MessageRecord {
    pub topic: String,
    /// Payload: an object if it is JSON, else a text.
    pub payload: Value,
    pub retain: bool,
}

impl MessageRecord {
    pub(super) fn fields(&self, layout: Layout) -> Vec<String> {
        let payload = match &self.payload {
            Value::String(text) => sanitise(text).into_owned(),
            json if layout.terminal => format!("{json:#}"),
            json => json.to_string(),
        };
        vec![self.topic.clone(), payload]
    }
}
