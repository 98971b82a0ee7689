//! Errors, one variant for each way in which an operation can fail.
//!
//! `Display` gives a sentence for people. Scripts rely on the [code](Error::code) and the
//! [exit code](Error::exit_code); code decides by the [kind](Error::kind) or the variant.

use std::time::Duration;

use bulb_protocol::base::DecodeError;
use bulb_protocol::profile::{self, EncodeError};
use serde::{Deserialize, Serialize};

mod hint;
mod kind;
mod operation;

pub use kind::ErrorKind;
pub use operation::Operation;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The reason why an operation failed.
///
/// Fields named `device` have the name that the user knows the device by, fields named `detail` have the text of
/// the system or of a parser, `have` lists what there is instead, and `rssi` is the last signal strength, dBm.
///
/// Recordings contain errors in their serialized form; see [`Error::to_recorded`].
#[derive(Clone, Debug, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Error {
    // -- arguments and files -----------------------------------------------------------------------------------
    #[serde(skip)]
    #[error("{0}")]
    Usage(String),
    #[error("cannot read {path}: {detail}")]
    FileUnreadable { path: String, detail: String },
    #[error("cannot write {path}: {detail}")]
    FileUnwritable { path: String, detail: String },
    #[error("the TUI needs a terminal, but standard input or output is not one")]
    NoTerminal,
    #[error("{path}: {detail}")]
    ConfigInvalid { path: String, detail: String },
    #[error("rig {path}: {detail}")]
    RigInvalid { path: String, detail: String },
    #[error("profile {path}: {detail}")]
    ProfileInvalid { path: String, detail: String },
    #[error("snapshot {path}: {detail}")]
    SnapshotInvalid { path: String, detail: String },
    #[error("recording {path}: {detail}")]
    RecordingInvalid { path: String, detail: String },
    /// The recording does not contain a request. `line` is that of the last request that was replayed.
    #[error("recording {path} has no answer to `{asked}` after line {line}")]
    NotRecorded { path: String, asked: String, line: usize },
    #[error("capture {path}: {detail}")]
    CaptureInvalid {
        path: String,
        detail: String,
        #[serde(default)]
        hint: Option<String>,
    },
    #[error("capture {path} contains nothing of {wanted} (it contains: {have})")]
    NotCaptured {
        path: String,
        wanted: String,
        have: String,
        /// It has links of classic Bluetooth.
        #[serde(default)]
        classic: bool,
    },

    // -- no bulb, or too many ----------------------------------------------------------------------------------
    /// `nearest` are the names of other devices and aliases that are spelled alike, the closest first.
    #[error("no bulb matches {target:?} ({})", looked(*seen, *waited))]
    TargetNotFound {
        target: String,
        seen: usize,
        waited: Duration,
        #[serde(default)]
        nearest: Vec<String>,
    },
    #[error("{} bulbs are called {target:?}: {}", candidates.len(), candidates.join(", "))]
    TargetAmbiguous { target: String, candidates: Vec<String> },
    /// `name` is without the `@`.
    #[error("the configuration has no group {name:?} (it has: {have})")]
    GroupUnknown { name: String, have: String },
    #[error("no bulb found ({})", looked(*seen, *waited))]
    NothingFound { seen: usize, waited: Duration },

    // -- Bluetooth is unusable ---------------------------------------------------------------------------------
    #[error("this machine has no Bluetooth adapter")]
    AdapterNone,
    #[error("this machine has no adapter {name:?} (it has: {have})")]
    AdapterUnknown { name: String, have: String },
    #[error("Bluetooth is off: adapter {adapter} is not powered")]
    AdapterOff { adapter: String },
    /// Software cannot undo a `hard` block.
    #[error("Bluetooth is blocked: adapter {adapter} is switched off by {}", if *hard { "a hardware switch" } else { "rfkill" })]
    AdapterBlocked { adapter: String, hard: bool },
    #[error("adapter {adapter} was switched off or removed")]
    AdapterLost { adapter: String },
    #[error("the Bluetooth service (bluetoothd) is not running")]
    ServiceDown,
    #[error("cannot reach the system message bus (D-Bus): {detail}")]
    NoBus { detail: String },
    #[error("the Bluetooth service does not answer: {detail}")]
    ServiceSilent { detail: String },
    #[error("the Bluetooth service gave an answer of the wrong type: {detail}")]
    ServiceMalformed { detail: String },
    #[error("the adapter cannot start a scan now: {detail}")]
    ScanBusy { detail: String },
    #[error("you have no permission to use Bluetooth: {detail}")]
    Denied { detail: String },

    // -- a radio that cannot be a bulb -------------------------------------------------------------------------
    #[error("adapter {adapter} cannot be a bulb: {detail}")]
    CannotAdvertise { adapter: String, detail: String },
    /// `what` continues "cannot play": `a fault on connect of Light-1`.
    #[error("adapter {adapter} cannot play {what}: {reason}")]
    NotPlayable { adapter: String, what: String, reason: String },
    #[error("the advertisement of {device} does not fit on adapter {adapter}: {detail}")]
    AdvertisementTooLong { device: String, adapter: String, detail: String },

    // -- no link -----------------------------------------------------------------------------------------------
    #[error("cannot connect to {device}: {reason}{}", last_seen(*rssi))]
    ConnectFailed { device: String, reason: String, rssi: Option<i16> },
    #[error("could not connect to {device} within {waited:.1?}{}{}", last_seen(*rssi), previous(last.as_ref()))]
    ConnectTimeout { device: String, waited: Duration, rssi: Option<i16>, last: Option<String> },
    /// The adapter holds as many links as it can, or as `--max-links` allows: the `limit`.
    #[error("cannot connect to {device}: {}", no_slot(*limit))]
    ConnectLimit { device: String, limit: Option<usize> },
    #[error("this bridge does not drive {device} at the moment")]
    BulbNotOwned { device: String },
    #[error("{device} cannot stay connected: this system ends the link when the program ends")]
    LinkNotKept { device: String },
    #[error("{device} is connected, but its services were not discovered within {waited:.1?}{}", last_seen(*rssi))]
    DiscoverTimeout { device: String, waited: Duration, rssi: Option<i16> },
    /// `mtu` and `need` are in bytes.
    #[error("the link to {device} has an MTU of {mtu}, but the frames of {profile} need {need}")]
    MtuTooSmall { device: String, profile: String, mtu: u16, need: u16 },

    // -- not a bulb that a profile can drive -------------------------------------------------------------------
    #[error("{device} has no light service {service} (it has: {have})")]
    NoService { device: String, service: String, have: String },
    #[error("{device} has no {role} characteristic {characteristic} (service {service} has: {have})")]
    NoCharacteristic { device: String, role: Box<str>, characteristic: String, service: String, have: String },
    /// `need` continues "cannot": `be read`.
    #[error("{device}: the {role} characteristic {characteristic} cannot {need} (its properties: {have})")]
    WrongProperties { device: String, role: Box<str>, characteristic: String, need: String, have: String },
    /// `found` lists its services and characteristics, `nearest` the closest families and their scores.
    #[error("could not identify {device} ({nearest}); it has {found}")]
    Unrecognised { device: String, found: String, nearest: String },
    /// `what` has its article: `a thermometer`.
    #[error("{device} is {what}, not a bulb")]
    NotABulb { device: String, what: String },
    #[error("{device} is a {profile}, which bulbctl cannot drive: {reason}")]
    ProfileUnsupported { device: String, profile: String, reason: String },
    #[error("there is no profile {name:?} (the profiles are: {have})")]
    ProfileUnknown { name: String, have: String },
    #[serde(skip)]
    #[error("{profile}: {refusal}")]
    NotEncodable { profile: String, refusal: EncodeError },
    #[error("{device} has no characteristic {characteristic} (it has: {have})")]
    CharacteristicUnknown { device: String, characteristic: String, have: String },
    /// `candidates` are the unambiguous names of each.
    #[error("{device} has several characteristics {characteristic}: {candidates}")]
    CharacteristicAmbiguous { device: String, characteristic: String, candidates: String },
    /// `need` continues "cannot": `be read`.
    #[error("{device}: characteristic {characteristic} cannot {need} (its properties: {have})")]
    PropertyMissing { device: String, characteristic: String, need: String, have: String },

    // -- the bulb refused --------------------------------------------------------------------------------------
    /// The bulb answered with an ATT error (Bluetooth Core 5.4, Vol 3, Part F, 3.4.1.1).
    #[error("{device} refused {}: ATT error 0x{att:02x} ({})", operation.request(), att_name(*att))]
    Refused { device: String, operation: Operation, att: u8 },
    /// The bulb answered with an ATT error, and the system does not say which.
    #[error("{device} refused {}; this system does not say why", operation.request())]
    RefusedWithoutCode { device: String, operation: Operation },
    #[error("{device} must be paired before it allows {}", operation.gerund())]
    NeedsPairing { device: String, operation: Operation },
    /// `how` makes it ready for pairing, if its profile says.
    #[error("{device} must be paired with this computer, but pairing failed: {detail}")]
    PairingFailed { device: String, detail: String, how: Option<String> },
    #[error("cannot {operation} {device}: {profile} bulbs do not report their state")]
    WriteOnly { device: String, profile: String, operation: Operation },
    #[error("{device} does not support {}", operation.gerund())]
    Unsupported { device: String, operation: Operation },
    #[error("the system did not send {device} {}: {detail}", operation.request())]
    NotSent { device: String, operation: Operation, detail: String },
    #[error("{device} has no {role} characteristic")]
    RoleMissing { device: String, role: String },
    #[error("another program is using {device}: {detail}")]
    Held { device: String, detail: String },
    #[error("{device} {} within {waited:.1?}", no_answer(operation))]
    Silent { device: String, operation: Operation, waited: Duration },
    /// The subscription works, but nothing came.
    #[error("{device} sent no notification from {characteristic} within {waited:.1?}")]
    NoNotification { device: String, characteristic: String, waited: Duration },
    /// A write command cannot be longer than the MTU less 3 bytes. Lengths are in bytes.
    #[error(
        "a write command to {characteristic} of {device} is at most {} bytes long (MTU {mtu} - 3), but this one has {length}",
        mtu.saturating_sub(3)
    )]
    WriteTooLong { device: String, characteristic: String, length: usize, mtu: u16 },
    /// With `--confirm`. `why` continues "the command was written, but": `it reports off`.
    #[error("{device} did not confirm: the command was written, but {why}")]
    NotConfirmed { device: String, why: String },
    /// A step needs the value that it starts from.
    #[error("{device} does not report its {feature} now, so that it cannot be changed by a step")]
    StateUnknown { device: String, feature: String },
    /// `service` tells whether it at least has the battery service.
    #[error("{device} has no battery {}", if *service { "level (0x2A19) in its battery service (0x180F)" } else { "service (0x180F)" })]
    NoBattery {
        device: String,
        #[serde(default)]
        service: bool,
    },

    // -- what the bulb sent is wrong ---------------------------------------------------------------------------
    #[serde(skip)]
    #[error("{device} sent a malformed status: {error}")]
    MalformedStatus { device: String, error: Box<profile::DecodeError> },
    #[serde(skip)]
    #[error("{0}")]
    MalformedFrame(DecodeError),
    /// A frame given to decode is none of the family's.
    #[serde(skip)]
    #[error("{0}")]
    ForeignFrame(profile::DecodeError),
    #[error("{device} sent a malformed battery level: {hex} (expected one byte, 0 to 100)")]
    MalformedBattery { device: String, hex: String },

    // -- the broker and its bridges ----------------------------------------------------------------------------
    /// `broker` is its host and port.
    #[error("cannot reach the broker {broker}: {detail}")]
    BrokerUnreachable { broker: String, detail: String },
    #[error("the connection to the broker {broker} was lost: {detail}")]
    BrokerLost { broker: String, detail: String },
    #[error("no TLS connection to the broker {broker}: {detail}")]
    BrokerTls { broker: String, detail: String },
    #[error("the broker {broker} refused the connection: {reason}")]
    BrokerRefused { broker: String, reason: String },
    /// The credentials are wrong, or the will is not allowed. Brokers do not say which.
    #[error("the broker {broker} refused the credentials, or the topic {will}")]
    BrokerCredentials { broker: String, will: String },
    /// `action` is a verb: `publish to`.
    #[error("the broker does not allow this bridge to {action} {topic}: {reason}")]
    BrokerDenied { action: String, topic: String, reason: String },
    #[error("another bridge called {name:?} is connected to this broker")]
    BridgeDuplicate { name: String },
    #[error("a bridge runs on this computer already: it holds {path}")]
    BridgeRunning { path: String },
    #[error("this is not a command: {detail}")]
    CommandInvalid { detail: String },
    #[error("a retained command on {topic} was ignored")]
    CommandRetained { topic: String },
    #[error("{device} could not be reached within {waited:.1?}, and the command was dropped")]
    CommandExpired { device: String, waited: Duration },

    // -- several, lost, interrupted ----------------------------------------------------------------------------
    /// Some of several bulbs or frames failed. Each failure has been printed. `kind` is theirs if all failed alike,
    /// else [`ErrorKind::Partial`].
    #[serde(skip)]
    #[error("{failed} of {of} failed")]
    Partial { failed: usize, of: usize, kind: ErrorKind },
    #[error("the link to {device} dropped{}", during(operation))]
    LinkLost { device: String, operation: Operation },
    /// The reader of the output has gone. Not a failure.
    #[error("the reader of the output has gone")]
    OutputClosed,
    #[serde(skip)]
    #[error("cannot write the output: {0}")]
    Output(String),
    /// `failed` also counts the checks that could not run because something else does not work.
    #[error("{} of {bulbs} bulb{} did not pass", if *failed == 1 { "1 check".to_owned() } else { format!("{failed} checks") }, if *bulbs == 1 { "" } else { "s" })]
    CheckFailed { failed: usize, bulbs: usize },
    /// `differences` is a list: `power is off, not on`.
    #[error("{device}: {differences}")]
    NotExpected { device: String, differences: String },
    #[error("interrupted")]
    Interrupted,
    #[serde(rename = "other", with = "message")]
    #[error("unexpected failure: {0}")]
    Internal(String),
}

impl Error {
    /// The error of several operations, given the kinds of those that failed; `None` if none did. Keeps the kind
    /// where all `of` operations failed alike.
    pub fn partial(kinds: &[ErrorKind], of: usize) -> Option<Self> {
        let (first, rest) = kinds.split_first()?;
        let alike = kinds.len() == of && rest.iter().all(|kind| kind == first);
        let kind = if alike { *first } else { ErrorKind::Partial };
        Some(Self::Partial { failed: kinds.len(), of, kind })
    }

    /// The error that a recording contains for this one: the same, or [`Internal`](Self::Internal) with its text for
    /// those that have no serialized form, which radios and links do not return.
    pub fn to_recorded(&self) -> Self {
        match serde_json::to_value(self) {
            Ok(_) => self.clone(),
            Err(_) => Self::Internal(self.to_string()),
        }
    }
}

/// The serialized form of [`Error::Internal`].
mod message {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Fields {
        message: String,
    }

    pub(super) fn serialize<S: Serializer>(message: &str, serializer: S) -> Result<S::Ok, S::Error> {
        Fields { message: message.to_owned() }.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        Ok(Fields::deserialize(deserializer)?.message)
    }
}

fn looked(seen: usize, waited: Duration) -> String {
    let devices = if seen == 1 { "1 device" } else { &format!("{seen} devices") };
    match waited {
        Duration::ZERO => format!("the system knows {devices}"),
        _ => format!("{devices} seen in {waited:.1?}"),
    }
}

fn previous(last: Option<&String>) -> String {
    last.map_or_else(String::new, |last| format!("; the attempt before failed: {last}"))
}

fn no_slot(limit: Option<usize>) -> String {
    limit.map_or_else(
        || "the adapter has no free connection".to_owned(),
        |limit| format!("--max-links allows {limit} at once"),
    )
}

fn last_seen(rssi: Option<i16>) -> String {
    rssi.map_or_else(String::new, |rssi| {
        format!(" (last seen at {rssi} dBm{})", if rssi < -85 { ", weak" } else { "" })
    })
}

fn during(operation: &Operation) -> String {
    match operation {
        Operation::Idle => String::new(),
        operation => format!(" while {}", operation.gerund()),
    }
}

fn no_answer(operation: &Operation) -> String {
    match operation {
        Operation::WaitForStatus => "sent no status".to_owned(),
        operation => format!("did not answer {}", operation.request()),
    }
}

/// The name of an ATT error code (Bluetooth Core 5.4, Vol 3, Part F, 3.4.1.1).
pub const fn att_name(code: u8) -> &'static str {
    match code {
        0x01 => "invalid handle",
        0x02 => "read not permitted",
        0x03 => "write not permitted",
        0x04 => "invalid PDU",
        0x05 => "insufficient authentication",
        0x06 => "request not supported",
        0x07 => "invalid offset",
        0x08 => "insufficient authorisation",
        0x09 => "prepare queue full",
        0x0a => "attribute not found",
        0x0b => "attribute not long",
        0x0c => "encryption key size too short",
        0x0d => "invalid attribute value length",
        0x0e => "unlikely error",
        0x0f => "insufficient encryption",
        0x10 => "unsupported group type",
        0x11 => "insufficient resources",
        0x12 => "database out of sync",
        0x13 => "value not allowed",
        0x80..=0x9f => "application error of the firmware",
        0xfc => "write request rejected",
        0xfd => "client characteristic configuration improper",
        0xfe => "procedure already in progress",
        0xff => "out of range",
        _ => "reserved",
    }
}
