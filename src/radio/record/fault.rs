//! Failures of radios and links within a recording, so that a replay ends with the same ones.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Error;

macro_rules! faults {
    ($($name:ident { $($field:ident: $type:ty),* }),* $(,)?) => {
        /// A failure that a radio or a link can end with.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind", rename_all = "snake_case")]
        pub(super) enum Fault {
            $(
                #[allow(missing_docs)]
                $name { $($field: $type),* },
            )*
            /// Another, which comes back as an unexpected one.
            Other { message: String },
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
