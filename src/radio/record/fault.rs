//! Failures of radios and links within a recording, so that a replay ends with the same ones.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// All that a failure may be read from. Read so, and not each kind by itself, it takes a quarter of the code.
#[derive(Deserialize)]
struct Parts {
    kind: Kind,
    adapter: Option<String>,
    att: Option<u8>,
    characteristic: Option<String>,
    detail: Option<String>,
    device: Option<String>,
    hard: Option<bool>,
    have: Option<String>,
    last: Option<String>,
    limit: Option<usize>,
    message: Option<String>,
    operation: Option<String>,
    reason: Option<String>,
    rssi: Option<i16>,
    waited: Option<Duration>,
}

/// What a kind of failure takes of its parts.
trait Take<T> {
    fn take(self, name: &str) -> Result<T, String>;
}

impl<T> Take<T> for Option<T> {
    fn take(self, name: &str) -> Result<T, String> {
        self.ok_or_else(|| format!("missing field `{name}`"))
    }
}

impl<T> Take<Self> for Option<T> {
    fn take(self, _: &str) -> Result<Self, String> {
        Ok(self)
    }
}

macro_rules! faults {
    ($($name:ident { $($field:ident: $type:ty),* }),* $(,)?) => {
        /// A failure that a radio or a link can end with.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind", rename_all = "snake_case", try_from = "Parts")]
        pub(super) enum Fault {
            $(
                #[allow(missing_docs)]
                $name { $($field: $type),* },
            )*
            /// Another, which comes back as an unexpected one.
            Other { message: String },
        }

        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Kind {
            $($name,)*
            Other,
        }

        impl TryFrom<Parts> for Fault {
            type Error = String;

            fn try_from(parts: Parts) -> Result<Self, String> {
                Ok(match parts.kind {
                    $(Kind::$name => Self::$name { $($field: parts.$field.take(stringify!($field))?),* },)*
                    Kind::Other => Self::Other { message: parts.message.take("message")? },
                })
            }
        }

        impl From<&Error> for Fault {
            fn from(error: &Error) -> Self {
                match error {
                    $(Error::$name { $($field),* } => Self::$name { $($field: $field.clone()),* },)*
                    other => Self::Other { message: other.to_string() },
                }
            }
        }

        impl From<Fault> for Error {
            fn from(fault: Fault) -> Self {
                match fault {
                    $(Fault::$name { $($field),* } => Self::$name { $($field),* },)*
                    Fault::Other { message } => Self::Internal(message),
                }
            }
        }
    };
}

faults! {
    AdapterOff { adapter: String },
    AdapterBlocked { adapter: String, hard: bool },
    AdapterLost { adapter: String },
    ServiceDown {},
    ServiceSilent { detail: String },
    ScanBusy { detail: String },
    Denied { detail: String },
    ConnectFailed { device: String, reason: String, rssi: Option<i16> },
    ConnectTimeout { device: String, waited: Duration, rssi: Option<i16>, last: Option<String> },
    ConnectLimit { device: String, limit: Option<usize> },
    DiscoverTimeout { device: String, waited: Duration, rssi: Option<i16> },
    CharacteristicUnknown { device: String, characteristic: String, have: String },
    Refused { device: String, operation: String, att: u8 },
    NeedsPairing { device: String, operation: String },
    Unsupported { device: String, operation: String },
    Held { device: String, detail: String },
    Silent { device: String, operation: String, waited: Duration },
    LinkLost { device: String, operation: String },
}
