//! Errors of the platform, and what they mean for an operation.
//!
//! BlueZ reports a D-Bus error name and a message. Both are needed: several names share a message,
//! and most errors are named `org.bluez.Error.Failed`. The texts are from BlueZ 5.53 to 5.87.

use std::time::Duration;

use crate::error::{Error, Operation};
use crate::radio::retry;

mod systems;

#[cfg(all(target_os = "linux", debug_assertions))]
pub(super) use systems::apple_text;

const FREEDESKTOP: &str = "org.freedesktop.DBus.Error.";
const BLUEZ: &str = "org.bluez.Error.";
/// The prefix of the names that this module gives to errors of btleplug.
const BTLEPLUG: &str = "btleplug.";
/// The name of the error that this program makes of an answer whose type is not that of the interface.
pub(super) const WRONG_TYPE: &str = "bulbctl.WrongType";

pub(super) const LOST_EARLY: &str = "the link dropped before it was usable";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PlatformError {
    /// The D-Bus error name, or `btleplug.…`; empty if there is none.
    pub(super) name: String,
    pub(super) message: String,
}

/// The meaning of an error for the operation that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ErrorClass {
    Done,
    Again,
    NoBus,
    ServiceDown,
    Denied,
    NoAnswer,
    NoAdapter,
    Off,
    Blocked,
    Gone,
    NoLink,
    Limit,
    Unresolved,
    /// Connecting cannot succeed, for this reason.
    Hopeless(&'static str),
    Pairing,
    Att(u8),
    /// The device answered with an ATT error, and the system does not say which.
    Refused,
    Unsupported,
    Held,
    NotSent,
    WrongType,
    Unknown,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    pub(super) adapter: &'a str,
    pub(super) device: &'a str,
    pub(super) rssi: Option<i16>,
    pub(super) waited: Duration,
}

impl PlatformError {
    pub(super) fn new(name: impl Into<String>, message: impl Into<String>) -> Self {
        Self { name: name.into(), message: message.into() }
    }

    /// An error without a name, made by this program.
    pub(super) fn unnamed(message: impl Into<String>) -> Self {
        Self::new("", message)
    }

    pub(super) fn classify(&self, operation: &Operation) -> ErrorClass {
        if let Some(kind) = self.name.strip_prefix(FREEDESKTOP) {
            of_the_bus(kind, &self.message, operation)
        } else if let Some(kind) = self.name.strip_prefix(BLUEZ) {
            of_bluez(kind, &self.message, operation)
        } else if let Some(kind) = self.name.strip_prefix(BTLEPLUG) {
            of_btleplug(kind, operation)
        } else if self.name == WRONG_TYPE {
            ErrorClass::WrongType
        } else {
            of_the_client(&self.message, operation)
        }
    }

    pub(super) fn to_error(&self, operation: &Operation, context: Context<'_>) -> Error {
        let detail = self.text();
        let device = context.device.to_owned();
        let adapter = context.adapter.to_owned();
        match self.classify(operation) {
            ErrorClass::NoBus => Error::NoBus { detail },
            ErrorClass::ServiceDown => Error::ServiceDown,
            ErrorClass::Denied => Error::Denied { detail },
            ErrorClass::WrongType => Error::ServiceMalformed { detail: self.message.clone() },
            ErrorClass::NoAdapter => Error::AdapterNone,
            ErrorClass::Off => Error::AdapterOff { adapter },
            ErrorClass::Blocked => Error::AdapterBlocked { adapter, hard: false },
            ErrorClass::Limit => Error::ConnectLimit { device, limit: None },
            ErrorClass::Unresolved => {
                Error::DiscoverTimeout { device, waited: context.waited, rssi: context.rssi }
            }
            ErrorClass::Att(att) => Error::Refused { device, operation: operation.clone(), att },
            ErrorClass::Refused => Error::RefusedWithoutCode { device, operation: operation.clone() },
            ErrorClass::Held => Error::Held { device, detail },
            ErrorClass::Pairing | ErrorClass::Unknown | ErrorClass::Unsupported
                if *operation == Operation::Pair =>
            {
                pairing_error(self, device)
            }
            ErrorClass::Pairing if *operation != Operation::Connect => {
                Error::NeedsPairing { device, operation: operation.clone() }
            }
            ErrorClass::Unsupported if *operation != Operation::Connect => {
                Error::Unsupported { device, operation: operation.clone() }
            }
            ErrorClass::NotSent => Error::NotSent { device, operation: operation.clone(), detail },
            class => match operation {
                Operation::StartScan | Operation::StopScan => scan_error(&class, adapter, detail),
                Operation::Connect => connect_error(self, &class, context),
                Operation::QueryService | Operation::Disconnect => ask_error(&class, device, detail),
                operation => gatt_error(&class, operation.clone(), context, detail),
            },
        }
    }

    /// The reason why a connect failed, in words where BlueZ has a code.
    pub(super) fn reason(&self) -> String {
        let words = match self.message.trim_start_matches("le-").trim_start_matches("br-") {
            "connection-abort-by-local" | "Software caused connection abort" => LOST_EARLY,
            "connection-abort-by-remote" | "connection-refused" => "it refused the connection",
            "connection-canceled" => "the attempt was cancelled",
            "connection-timeout" => "it does not answer",
            _ if self.is_in_progress() => "another attempt to connect to it is in progress",
            "connection-gatt-browsing" | "connection-sdp-search" => "its services could not be discovered",
            "connection-link-layer-protocol-error" => "it violated the protocol",
            _ => return self.text(),
        };
        if self.message == words { words.to_owned() } else { format!("{words} ({})", self.message) }
    }

    /// Returns true if another attempt to connect is in progress.
    pub(super) fn is_in_progress(&self) -> bool {
        let kind = self.message.trim_start_matches("le-").trim_start_matches("br-");
        matches!(kind, "connection-busy" | "In Progress" | "Operation already in progress")
    }

    /// Returns true if the link ended as soon as it was up.
    pub(super) fn is_abort(&self) -> bool {
        let kind = self.message.trim_start_matches("le-").trim_start_matches("br-");
        matches!(
            kind,
            LOST_EARLY
                | "connection-abort-by-local"
                | "connection-abort-by-remote"
                | "Software caused connection abort"
                | "connection-refused"
        )
    }

    /// Returns true if the adapter may have no free connection. Many controllers do not say so
    /// clearer than by an abort.
    pub(super) fn may_be_full(&self) -> bool {
        self.classify(&Operation::Connect) == ErrorClass::Limit
            || matches!(
                self.message.as_str(),
                "le-connection-abort-by-local"
                    | "br-connection-abort-by-local"
                    | "Software caused connection abort"
            )
    }

    /// Returns true if the dbus crate says that it could not send a request. It does so if another one is queued before
    /// its writing task has run, and sends it all the same (dbus 0.9.12 `send_with_reply`).
    pub(super) fn is_unsent(&self) -> bool {
        self.message == "Failed to send message"
    }

    pub(super) fn text(&self) -> String {
        match (self.message.trim(), self.name.as_str()) {
            ("", "") => "no reason given".to_owned(),
            ("", name) => name.to_owned(),
            (message, "") => message.to_owned(),
            (message, name) => format!("{message} ({name})"),
        }
    }
}

fn scan_error(class: &ErrorClass, adapter: String, detail: String) -> Error {
    match class {
        ErrorClass::Gone => Error::AdapterLost { adapter },
        ErrorClass::NoAnswer => Error::ServiceSilent { detail },
        ErrorClass::Again => Error::ScanBusy { detail },
        _ => Error::Internal(format!("scanning failed: {detail}")),
    }
}

fn ask_error(class: &ErrorClass, device: String, detail: String) -> Error {
    match class {
        ErrorClass::Gone | ErrorClass::NoLink if !device.is_empty() => {
            Error::LinkLost { device, operation: Operation::QueryService }
        }
        // A service that has just started has no objects yet.
        ErrorClass::NoAnswer | ErrorClass::Gone => Error::ServiceSilent { detail },
        _ => Error::Internal(format!("the Bluetooth service refused: {detail}")),
    }
}

fn connect_error(error: &PlatformError, class: &ErrorClass, context: Context<'_>) -> Error {
    let detail = error.text();
    let Context { rssi, waited, .. } = context;
    let device = context.device.to_owned();
    let reason = match class {
        ErrorClass::NoAnswer => return Error::ConnectTimeout { device, waited, rssi, last: None },
        ErrorClass::Gone => retry::UNKNOWN.to_owned(),
        ErrorClass::Pairing => {
            format!("its pairing keys do not match: remove it with bluetoothctl and pair again ({detail})")
        }
        ErrorClass::Hopeless(why) => format!("{why} ({detail})"),
        _ => error.reason(),
    };
    Error::ConnectFailed { device, reason, rssi }
}

/// Describes a failed pairing in words where BlueZ has a name only.
fn pairing_error(error: &PlatformError, device: String) -> Error {
    let words = match error.name.strip_prefix(BLUEZ) {
        Some("AuthenticationTimeout") => "it did not answer",
        Some("AuthenticationCanceled") => "the pairing was cancelled",
        _ => "it refused to pair",
    };
    Error::PairingFailed { device, detail: format!("{words} ({})", error.text()), how: None }
}

fn gatt_error(class: &ErrorClass, operation: Operation, context: Context<'_>, detail: String) -> Error {
    let device = context.device.to_owned();
    match class {
        ErrorClass::NoLink | ErrorClass::Gone => Error::LinkLost { device, operation },
        ErrorClass::NoAnswer => Error::Silent { device, operation, waited: context.waited },
        ErrorClass::Again => Error::Held { device, detail },
        _ => Error::Internal(format!("{} failed: {detail}", operation.gerund())),
    }
}

fn of_the_bus(kind: &str, message: &str, operation: &Operation) -> ErrorClass {
    match kind {
        "ServiceUnknown" | "NameHasNoOwner" => ErrorClass::ServiceDown,
        "AccessDenied" | "AuthFailed" | "InteractiveAuthorizationRequired" => ErrorClass::Denied,
        "FileNotFound" | "NoServer" | "NoNetwork" | "BadAddress" | "Disconnected" | "IOError"
        | "NotSupported" => ErrorClass::NoBus,
        // dbus-daemon reports this if the service ends before it answers; libdbus reports it on a
        // time-out.
        "NoReply" if message.contains("disconnected from message bus") => ErrorClass::ServiceDown,
        "NoReply" | "Timeout" | "TimedOut" => ErrorClass::NoAnswer,
        "UnknownObject" | "UnknownMethod" | "UnknownInterface" => match operation {
            Operation::Disconnect | Operation::Unsubscribe(_) => ErrorClass::Done,
            _ => ErrorClass::Gone,
        },
        _ if kind.starts_with("Spawn.") => ErrorClass::ServiceDown,
        _ => ErrorClass::Unknown,
    }
}

fn of_bluez(kind: &str, message: &str, operation: &Operation) -> ErrorClass {
    use Operation::{Connect, Disconnect, Pair, Read, StartScan, StopScan, Subscribe, Unsubscribe, Write};
    match (kind, message, operation) {
        // Switching the adapter off ends the scan.
        ("NotReady", _, StopScan | Disconnect | Unsubscribe(_)) => ErrorClass::Done,
        ("NotReady", ..) => ErrorClass::Off,
        // Before 5.65, BlueZ reported `Busy` without a message if rfkill prevented powering on.
        ("Blocked", ..) | ("Busy", _, StartScan) => ErrorClass::Blocked,
        // A program has one notify session per characteristic. It outlived a lost link.
        ("InProgress" | "AlreadyExists", _, Subscribe(_)) => ErrorClass::Done,
        ("InProgress" | "Busy", _, StartScan | StopScan | Connect) => ErrorClass::Again,
        // Another program has a request of its own under way.
        ("InProgress" | "Busy", _, Read(_) | Write(_) | Unsubscribe(_)) => ErrorClass::Again,
        ("AlreadyConnected", _, Connect) | ("AlreadyExists", _, Pair) => ErrorClass::Done,
        // BlueZ runs one pairing at a time, for all programs.
        ("InProgress", _, Pair) => ErrorClass::Held,
        ("ConnectionAttemptFailed", _, Pair) => ErrorClass::NoLink,
        ("NotConnected", _, Disconnect | Unsubscribe(_)) => ErrorClass::Done,
        ("NotConnected", _, Connect) => ErrorClass::Again,
        ("NotConnected", ..) => ErrorClass::NoLink,
        ("NotPermitted", "Read not permitted", _) => ErrorClass::Att(0x02),
        ("NotPermitted", "Write not permitted", _) => ErrorClass::Att(0x03),
        ("NotPermitted", "Not paired", _) => ErrorClass::Pairing,
        ("NotPermitted", _, Read(_) | Write(_) | Subscribe(_) | Unsubscribe(_))
            if message.contains("acquired") =>
        {
            ErrorClass::Held
        }
        ("NotAuthorized", _, Read(_) | Write(_) | Subscribe(_) | Unsubscribe(_)) => ErrorClass::Att(0x08),
        ("NotAuthorized", ..) => ErrorClass::Denied,
        ("NotSupported", _, Read(_) | Write(_) | Subscribe(_) | Unsubscribe(_) | Connect) => {
            ErrorClass::Unsupported
        }
        ("InvalidArguments", "Invalid offset", _) => ErrorClass::Att(0x07),
        ("InvalidArguments", "Invalid Length", _) => ErrorClass::Att(0x0d),
        (
            "AuthenticationFailed"
            | "AuthenticationCanceled"
            | "AuthenticationRejected"
            | "AuthenticationTimeout",
            ..,
        ) => ErrorClass::Pairing,
        ("NotAvailable" | "BREDR.ProfileUnavailable", _, Connect) => CLASSIC,
        ("DoesNotExist", ..) => ErrorClass::Gone,
        ("Failed", ..) => failed(message, operation),
        _ => ErrorClass::Unknown,
    }
}

const CLASSIC: ErrorClass = ErrorClass::Hopeless(
    "the system treats it as a classic Bluetooth device: remove it with bluetoothctl and scan again",
);

fn failed(message: &str, operation: &Operation) -> ErrorClass {
    use Operation::{Connect, Disconnect, Pair, Read, StartScan, StopScan, Subscribe, Unsubscribe, Write};
    if let Some(code) = message.strip_prefix("Operation failed with ATT error: 0x") {
        return att(code);
    }
    match (message, operation) {
        ("No discovery started", _) => ErrorClass::Done,
        ("No notify session started", _) => ErrorClass::Done,
        ("Not connected" | "Not Connected" | "No ATT transport", Disconnect | Unsubscribe(_)) => {
            ErrorClass::Done
        }
        (
            "Not connected" | "Not Connected" | "No ATT transport",
            Read(_) | Write(_) | Pair | Subscribe(_),
        ) => ErrorClass::NoLink,
        ("Failed to initiate write" | "Failed to send read request", _) => ErrorClass::NotSent,
        (_, Subscribe(_)) if message.starts_with("Failed ") => ErrorClass::NotSent,
        (_, Connect) => cannot_connect(message),
        // An errno of the kernel, as text. It passes.
        (_, StartScan | StopScan) => ErrorClass::Again,
        _ => ErrorClass::Unknown,
    }
}

fn cannot_connect(message: &str) -> ErrorClass {
    match message {
        "br-connection-profile-unavailable" => CLASSIC,
        "br-connection-key-missing" | "le-connection-key-missing" => ErrorClass::Pairing,
        "br-connection-adapter-not-powered" | "le-connection-adapter-not-powered" => ErrorClass::Off,
        "le-connection-already-connected" | "br-connection-already-connected" => ErrorClass::Done,
        "le-connection-concurrent-connection-limit" | "br-connection-concurrent-connection-limit" => {
            ErrorClass::Limit
        }
        "le-connection-not-supported" | "le-connection-invalid-arguments" => {
            ErrorClass::Hopeless("the adapter cannot do this")
        }
        "le-connection-bad-socket" | "le-connection-create-socket" | "le-connection-memory-allocation" => {
            ErrorClass::Hopeless("the system is out of resources")
        }
        // The other codes come from the radio: the link broke before it was usable, or another
        // attempt is still running. Most succeed when tried again at once.
        _ => ErrorClass::Again,
    }
}

fn att(code: &str) -> ErrorClass {
    let digits: &str = code.split(|c: char| !c.is_ascii_hexdigit()).next().unwrap_or_default();
    u8::from_str_radix(digits, 16).map_or(ErrorClass::Unknown, ErrorClass::Att)
}

fn of_btleplug(kind: &str, operation: &Operation) -> ErrorClass {
    match (kind, operation) {
        ("NotConnected", Operation::Disconnect | Operation::Unsubscribe(_)) => ErrorClass::Done,
        ("NotConnected", Operation::Connect) => ErrorClass::Again,
        ("NotConnected", _) => ErrorClass::NoLink,
        ("PermissionDenied", _) => ErrorClass::Denied,
        ("DeviceNotFound", _) => ErrorClass::Gone,
        ("NotSupported", _) => ErrorClass::Unsupported,
        ("TimedOut", _) => ErrorClass::NoAnswer,
        ("NoAdapterAvailable", _) => ErrorClass::NoAdapter,
        _ => ErrorClass::Unknown,
    }
}

/// Classifies errors that the client library makes up; they have no name.
fn of_the_client(message: &str, operation: &Operation) -> ErrorClass {
    match message {
        LOST_EARLY => ErrorClass::Again,
        "Service discovery timed out" => ErrorClass::Unresolved,
        "No Bluetooth adapters found." => ErrorClass::NoAdapter,
        _ => systems::classify(message, operation),
    }
}

impl From<btleplug::Error> for PlatformError {
    fn from(error: btleplug::Error) -> Self {
        let kind = match &error {
            btleplug::Error::PermissionDenied => "PermissionDenied",
            btleplug::Error::DeviceNotFound => "DeviceNotFound",
            btleplug::Error::NotConnected => "NotConnected",
            btleplug::Error::NotSupported(_) => "NotSupported",
            btleplug::Error::TimedOut(_) => "TimedOut",
            btleplug::Error::NoAdapterAvailable => "NoAdapterAvailable",
            btleplug::Error::RuntimeError(text) => return Self::unnamed(text.clone()),
            btleplug::Error::Other(inner) => {
                return of_bluez_async(&**inner).unwrap_or_else(|| Self::unnamed(inner.to_string()));
            }
            _ => "",
        };
        let name = if kind.is_empty() { String::new() } else { format!("{BTLEPLUG}{kind}") };
        Self::new(name, error.to_string())
    }
}

/// On Linux, btleplug wraps errors of bluez-async, whose text lacks the D-Bus error name.
#[cfg(target_os = "linux")]
fn of_bluez_async(error: &(dyn std::error::Error + Send + Sync + 'static)) -> Option<PlatformError> {
    match error.downcast_ref::<bluez_async::BluetoothError>()? {
        bluez_async::BluetoothError::DbusError(error) => Some(error.into()),
        other => Some(PlatformError::unnamed(other.to_string())),
    }
}

#[cfg(not(target_os = "linux"))]
fn of_bluez_async(_: &(dyn std::error::Error + Send + Sync + 'static)) -> Option<PlatformError> {
    None
}

#[cfg(target_os = "linux")]
impl From<&dbus::Error> for PlatformError {
    fn from(error: &dbus::Error) -> Self {
        Self::new(error.name().unwrap_or_default(), error.message().unwrap_or_default())
    }
}

#[cfg(target_os = "linux")]
impl From<dbus::Error> for PlatformError {
    fn from(error: dbus::Error) -> Self {
        Self::from(&error)
    }
}

#[cfg(test)]
mod tests;
