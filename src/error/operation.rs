//! The operation during which an error happened.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something that is asked of a bulb or of the system's Bluetooth service.
///
/// Characteristics are named as people read them: `fff1`, `fff2#2`.
///
/// `Display` gives the short form that recordings contain: `read fff2`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum Operation {
    QueryService,
    StartScan,
    StopScan,
    Connect,
    Disconnect,
    Read(String),
    Write(String),
    Subscribe(String),
    Unsubscribe(String),
    Pair,
    RequestStatus,
    WaitForStatus,
    WaitForNotification(String),
    Toggle,
    /// A change of a value by a step.
    Adjust,
    Fade,
    Watch,
    /// Comparing the state with an expected one.
    Compare,
    /// Holding the link, with no request under way.
    Idle,
    /// An operation in a recording of another version.
    Other(String),
}

impl Operation {
    pub fn read(characteristic: impl fmt::Display) -> Self {
        Self::Read(characteristic.to_string())
    }

    pub fn write(characteristic: impl fmt::Display) -> Self {
        Self::Write(characteristic.to_string())
    }

    pub fn subscribe(characteristic: impl fmt::Display) -> Self {
        Self::Subscribe(characteristic.to_string())
    }

    pub fn unsubscribe(characteristic: impl fmt::Display) -> Self {
        Self::Unsubscribe(characteristic.to_string())
    }

    /// The operation after "while" or "does not support": `reading fff2`.
    pub fn gerund(&self) -> String {
        match self {
            Self::QueryService => "querying the Bluetooth service".to_owned(),
            Self::StartScan => "starting a scan".to_owned(),
            Self::StopScan => "stopping the scan".to_owned(),
            Self::Connect => "connecting".to_owned(),
            Self::Disconnect => "disconnecting".to_owned(),
            Self::Read(characteristic) => format!("reading {characteristic}"),
            Self::Write(characteristic) => format!("writing to {characteristic}"),
            Self::Subscribe(characteristic) => format!("subscribing to {characteristic}"),
            Self::Unsubscribe(characteristic) => format!("unsubscribing from {characteristic}"),
            Self::Pair => "pairing".to_owned(),
            Self::RequestStatus => "asking for its status".to_owned(),
            Self::WaitForStatus => "waiting for a status".to_owned(),
            Self::WaitForNotification(characteristic) => {
                format!("waiting for a notification from {characteristic}")
            }
            Self::Toggle => "toggling".to_owned(),
            Self::Adjust => "adjusting".to_owned(),
            Self::Fade => "fading".to_owned(),
            Self::Watch => "watching".to_owned(),
            Self::Compare => "comparing the state".to_owned(),
            Self::Idle => "holding the link".to_owned(),
            Self::Other(text) => text.clone(),
        }
    }

    /// The request after "refused" or "did not answer": `a read of fff2`.
    pub fn request(&self) -> String {
        match self {
            Self::Disconnect => "the request to disconnect".to_owned(),
            Self::Read(characteristic) => format!("a read of {characteristic}"),
            Self::Write(characteristic) => format!("a write to {characteristic}"),
            Self::Subscribe(characteristic) => format!("a subscription to {characteristic}"),
            Self::Unsubscribe(characteristic) => format!("the end of the subscription to {characteristic}"),
            Self::Pair => "the request to pair".to_owned(),
            Self::RequestStatus => "the request for its status".to_owned(),
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::QueryService => "query the Bluetooth service",
            Self::StartScan => "start a scan",
            Self::StopScan => "stop the scan",
            Self::Connect => "connect",
            Self::Disconnect => "disconnect",
            Self::Read(characteristic) => return write!(f, "read {characteristic}"),
            Self::Write(characteristic) => return write!(f, "write {characteristic}"),
            Self::Subscribe(characteristic) => return write!(f, "subscribe to {characteristic}"),
            Self::Unsubscribe(characteristic) => {
                return write!(f, "end the subscription to {characteristic}");
            }
            Self::Pair => "pair",
            Self::RequestStatus => "ask for its status",
            Self::WaitForStatus => "wait for a status",
            Self::WaitForNotification(characteristic) => {
                return write!(f, "wait for a notification from {characteristic}");
            }
            Self::Toggle => "toggle",
            Self::Adjust => "adjust",
            Self::Fade => "fade",
            Self::Watch => "watch",
            Self::Compare => "read the state of",
            Self::Idle => "hold the link",
            Self::Other(text) => text,
        };
        f.write_str(words)
    }
}

impl From<String> for Operation {
    /// Parses what a radio or a link records. Any other text is [`Other`](Self::Other).
    fn from(text: String) -> Self {
        let plain = [
            Self::QueryService,
            Self::StartScan,
            Self::StopScan,
            Self::Connect,
            Self::Disconnect,
            Self::Pair,
            Self::RequestStatus,
            Self::WaitForStatus,
            Self::Idle,
        ];
        if let Some(operation) = plain.into_iter().find(|operation| operation.to_string() == text) {
            return operation;
        }
        let (words, characteristic) = text.rsplit_once(' ').unwrap_or_default();
        let operation = match words {
            "read" => Self::Read,
            "write" => Self::Write,
            "subscribe to" => Self::Subscribe,
            "end the subscription to" => Self::Unsubscribe,
            "wait for a notification from" => Self::WaitForNotification,
            _ => return Self::Other(text),
        };
        operation(characteristic.to_owned())
    }
}

impl From<Operation> for String {
    fn from(operation: Operation) -> Self {
        operation.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_text_gives_the_same_operation() {
        for operation in [
            Operation::read("fff2"),
            Operation::write("fff1#2"),
            Operation::subscribe("fff2"),
            Operation::unsubscribe("fff2"),
            Operation::WaitForNotification("fff2".to_owned()),
            Operation::Pair,
            Operation::Disconnect,
            Operation::Idle,
        ] {
            assert_eq!(Operation::from(operation.to_string()), operation);
        }
        let of_the_first_version = "write fff1: Failed to initiate write".to_owned();
        assert_eq!(Operation::from(of_the_first_version.clone()), Operation::Other(of_the_first_version));
    }
}
