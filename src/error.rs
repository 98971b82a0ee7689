//! Every way in which an operation can end badly: one kind each, with a stable code, an exit code, one sentence
//! of what happened and, where there is something to do, one of what to do.

use std::time::Duration;

use bulb_protocol::base::DecodeError;
use bulb_protocol::profile::{self, Refusal};

mod told;

pub use told::att_name;

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// How an operation ended badly.
///
/// The `Display` text is the sentence that people read; [`code`](Error::code) and [`exit`](Error::exit) are what
/// scripts rely on; [`hint`](Error::hint) says what to do.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // -- the caller's words ------------------------------------------------------------------------------------
    /// A value on the command line is not one that we take.
    #[error("{0}")]
    Usage(String),
    /// A file that was named cannot be read.
    #[error("cannot read {path}: {detail}")]
    FileUnreadable {
        /// The file, as it was named.
        path: String,
        /// What the system said.
        detail: String,
    },
    /// A file that was named cannot be written.
    #[error("cannot write {path}: {detail}")]
    FileUnwritable {
        /// The file, as it was named.
        path: String,
        /// What the system said.
        detail: String,
    },
    /// The TUI was asked for where there is no terminal.
    #[error("the TUI needs a terminal, and standard input or output is none")]
    NoTerminal,
    /// The configuration file does not say what we understand.
    #[error("{path}: {detail}")]
    ConfigInvalid {
        /// The file.
        path: String,
        /// Where and why, with the line.
        detail: String,
    },
    /// A rig file does not say what we understand.
    #[error("rig {path}: {detail}")]
    RigInvalid {
        /// The file.
        path: String,
        /// Where and why, with the line.
        detail: String,
    },

    /// A recording does not say what we understand.
    #[error("recording {path}: {detail}")]
    RecordingInvalid {
        /// The file.
        path: String,
        /// Where and why, with the line.
        detail: String,
    },
    /// The program asks for something that was not asked for when the recording was made.
    #[error("recording {path} has no answer to `{asked}` after line {line}")]
    NotRecorded {
        /// The file.
        path: String,
        /// What is asked for.
        asked: String,
        /// The line of the request that was played before.
        line: usize,
    },

    /// A capture is no btsnoop log, or is damaged.
    #[error("capture {path}: {detail}")]
    CaptureInvalid {
        /// The file.
        path: String,
        /// Where and why, with the record and the byte.
        detail: String,
    },
    /// A capture has nothing of what was asked for.
    #[error("capture {path} has nothing of {wanted} (it has: {have})")]
    NotCaptured {
        /// The file.
        path: String,
        /// The device, or any at all.
        wanted: String,
        /// The devices that it has.
        have: String,
    },

    // -- no bulb, or too many ----------------------------------------------------------------------------------
    /// Nothing matched the target.
    #[error("no bulb matches {target:?} ({})", looked(*seen, *waited))]
    TargetNotFound {
        /// The target, as it was given.
        target: String,
        /// How many devices were seen meanwhile.
        seen: usize,
        /// How long was scanned.
        waited: Duration,
    },
    /// An exact name matched several bulbs.
    #[error("{target:?} is the name of {} bulbs: {}", candidates.len(), candidates.join(", "))]
    TargetAmbiguous {
        /// The target, as it was given.
        target: String,
        /// Identifier of each bulb of that name.
        candidates: Vec<String>,
    },
    /// A group that the configuration does not have.
    #[error("there is no group {name:?} in the configuration (it has: {have})")]
    GroupUnknown {
        /// The group, without `@`.
        name: String,
        /// The groups that there are.
        have: String,
    },
    /// A scan that was to find something found nothing.
    #[error("no bulb found ({})", looked(*seen, *waited))]
    NothingFound {
        /// How many devices were seen.
        seen: usize,
        /// How long was scanned.
        waited: Duration,
    },

    // -- Bluetooth is unusable ---------------------------------------------------------------------------------
    /// The machine has no Bluetooth adapter.
    #[error("this machine has no Bluetooth adapter")]
    AdapterNone,
    /// The adapter that was named does not exist.
    #[error("there is no adapter {name:?} (there is: {have})")]
    AdapterUnknown {
        /// The adapter, as it was named.
        name: String,
        /// The adapters that there are.
        have: String,
    },
    /// The adapter is switched off.
    #[error("Bluetooth is off: adapter {adapter} is not powered")]
    AdapterOff {
        /// The adapter.
        adapter: String,
    },
    /// The adapter is blocked by rfkill.
    #[error("Bluetooth is blocked: adapter {adapter} is switched off by {}", if *hard { "a hardware switch" } else { "rfkill" })]
    AdapterBlocked {
        /// The adapter.
        adapter: String,
        /// Whether a hardware switch does it, which no software can undo.
        hard: bool,
    },
    /// The adapter went away or was switched off during the operation.
    #[error("adapter {adapter} was switched off or removed")]
    AdapterLost {
        /// The adapter.
        adapter: String,
    },
    /// The system's Bluetooth service is not running.
    #[error("the Bluetooth service (bluetoothd) is not running")]
    ServiceDown,
    /// There is no way to reach the Bluetooth service.
    #[error("there is no system message bus (D-Bus) to reach Bluetooth through: {detail}")]
    NoBus {
        /// What the system said.
        detail: String,
    },
    /// The Bluetooth service did not answer.
    #[error("the Bluetooth service does not answer: {detail}")]
    ServiceSilent {
        /// What was waited for.
        detail: String,
    },
    /// Discovery cannot be started because another program is starting or stopping it.
    #[error("the adapter refuses to scan: {detail}")]
    ScanBusy {
        /// What the system said.
        detail: String,
    },
    /// The user may not use Bluetooth.
    #[error("this user may not use Bluetooth: {detail}")]
    Denied {
        /// What the system said.
        detail: String,
    },

    // -- no link -----------------------------------------------------------------------------------------------
    /// The bulb did not accept the connection, or dropped it before it was usable.
    #[error("cannot connect to {device}: {reason}{}", signal(*rssi))]
    ConnectFailed {
        /// The bulb.
        device: String,
        /// Why, in the field's words.
        reason: String,
        /// Signal strength when it was last heard, dBm.
        rssi: Option<i16>,
    },
    /// The bulb did not answer in time.
    #[error("{device} did not connect within {waited:.1?}{}{}", signal(*rssi), before(last.as_ref()))]
    ConnectTimeout {
        /// The bulb.
        device: String,
        /// How long was waited.
        waited: Duration,
        /// Signal strength when it was last heard, dBm.
        rssi: Option<i16>,
        /// How the attempt before had failed, if there was one.
        last: Option<String>,
    },
    /// The adapter holds as many links as it can, or as it may.
    #[error("cannot connect to {device}: {}", no_slot(*limit))]
    ConnectLimit {
        /// The bulb.
        device: String,
        /// How many links there may be at once, where that was said.
        limit: Option<usize>,
    },
    /// The link is up and its services were not resolved in time.
    #[error("{device} is connected, but its services were not resolved within {waited:.1?}{}", signal(*rssi))]
    DiscoverTimeout {
        /// The bulb.
        device: String,
        /// How long was waited.
        waited: Duration,
        /// Signal strength when it was last heard, dBm.
        rssi: Option<i16>,
    },

    // -- not a bulb that we can drive --------------------------------------------------------------------------
    /// The profile's service is missing.
    #[error("{device} has no light service {service} (it has: {have})")]
    NoService {
        /// The bulb.
        device: String,
        /// The service that the profile needs.
        service: String,
        /// The services that there are.
        have: String,
    },
    /// A characteristic of the profile is missing.
    #[error("{device} has no {role} characteristic {characteristic} (service {service} has: {have})")]
    NoCharacteristic {
        /// The bulb.
        device: String,
        /// What the profile uses it for.
        role: Box<str>,
        /// The characteristic that the profile needs.
        characteristic: String,
        /// The service where it was looked for.
        service: String,
        /// What the service has, with properties.
        have: String,
    },
    /// A characteristic lacks the properties that the profile needs.
    #[error("{device}: the {role} characteristic {characteristic} cannot {need} (its properties: {have})")]
    WrongProperties {
        /// The bulb.
        device: String,
        /// What the profile uses it for.
        role: Box<str>,
        /// The characteristic.
        characteristic: String,
        /// What it has to be able to do.
        need: &'static str,
        /// The properties that there are.
        have: String,
    },
    /// The evidence does not say which family the bulb is of.
    #[error("{device} is of no family that we are sure of ({nearest}); it has {found}")]
    Unrecognised {
        /// The bulb.
        device: String,
        /// Its services and characteristics.
        found: String,
        /// The nearest families with their scores, or that there is none.
        nearest: String,
    },
    /// The model is known by sight only.
    #[error("{device} is a {profile}, which cannot be driven: {reason}")]
    ProfileUnsupported {
        /// The bulb.
        device: String,
        /// The family and its variant.
        profile: String,
        /// Why it cannot be driven.
        reason: String,
    },
    /// The link cannot carry the frames of the family.
    #[error(
        "the link to {device} carries {mtu} bytes at once, and frames of {profile} need an MTU of {need}"
    )]
    MtuTooSmall {
        /// The bulb.
        device: String,
        /// The family.
        profile: String,
        /// The MTU of the link.
        mtu: u16,
        /// The MTU that is needed.
        need: u16,
    },
    /// No profile of this name.
    #[error("there is no profile {name:?} (there is: {have})")]
    ProfileUnknown {
        /// The profile, as it was named.
        name: String,
        /// The profiles that there are.
        have: String,
    },
    /// A profile file does not say what we understand.
    #[error("profile {path}: {detail}")]
    ProfileInvalid {
        /// The file.
        path: String,
        /// Where and why, with the line.
        detail: String,
    },
    /// What is asked for cannot be said in the frames of a family.
    #[error("{profile}: {refusal}")]
    NotEncodable {
        /// The family.
        profile: String,
        /// What cannot be, and what can.
        refusal: Refusal,
    },
    /// The device has no characteristic that was asked for by its UUID.
    #[error("{device} has no characteristic {characteristic} (it has: {have})")]
    CharacteristicUnknown {
        /// The device.
        device: String,
        /// The characteristic that was asked for.
        characteristic: String,
        /// The characteristics that there are.
        have: String,
    },
    /// A UUID that was asked for is that of several characteristics.
    #[error("{device} has several characteristics {characteristic}: {candidates}")]
    CharacteristicAmbiguous {
        /// The device.
        device: String,
        /// The characteristic that was asked for.
        characteristic: String,
        /// What to say for each of them.
        candidates: String,
    },
    /// A characteristic that was asked for by its UUID does not do what was asked for.
    #[error("{device}: characteristic {characteristic} cannot {need} (its properties: {have})")]
    PropertyMissing {
        /// The device.
        device: String,
        /// The characteristic.
        characteristic: String,
        /// What was asked for: `be read`, say.
        need: &'static str,
        /// The properties that there are.
        have: String,
    },

    // -- the bulb refused --------------------------------------------------------------------------------------
    /// The bulb answered with an ATT error.
    #[error("{device} refused to {operation}: ATT error 0x{att:02x} ({})", att_name(*att))]
    Refused {
        /// The bulb.
        device: String,
        /// What was asked: `write fff1`, say.
        operation: String,
        /// The ATT error code (Bluetooth Core, Vol 3, Part F, 3.4.1.1).
        att: u8,
    },
    /// The bulb wants to be paired first.
    #[error("{device} wants to be paired before it lets anybody {operation}")]
    NeedsPairing {
        /// The bulb.
        device: String,
        /// What was asked.
        operation: String,
    },
    /// The bulb has to be paired, and did not agree to it.
    #[error("{device} has to be paired with this computer, and that failed: {detail}")]
    PairingFailed {
        /// The bulb.
        device: String,
        /// What happened.
        detail: String,
        /// How people make it ready to be paired, if its family tells.
        how: Option<String>,
    },
    /// What is asked for depends on a state that the bulb does not tell.
    #[error("{device} cannot {operation}: a {profile} never tells its state")]
    NeverTells {
        /// The bulb.
        device: String,
        /// The family.
        profile: String,
        /// What was asked: `toggle`, say.
        operation: &'static str,
    },
    /// The characteristic does not do this.
    #[error("{device} does not support to {operation}")]
    Unsupported {
        /// The bulb.
        device: String,
        /// What was asked.
        operation: String,
    },
    /// Another program holds the characteristic.
    #[error("another program holds {device}: {detail}")]
    Held {
        /// The bulb.
        device: String,
        /// What the system said.
        detail: String,
    },
    /// The link is up, and the bulb never answered.
    #[error("{device} did not answer to {operation} within {waited:.1?}")]
    Silent {
        /// The bulb.
        device: String,
        /// What was asked.
        operation: String,
        /// How long was waited.
        waited: Duration,
    },
    /// The bulb has no battery service.
    #[error("{device} has no battery service (0x180F)")]
    NoBattery {
        /// The bulb.
        device: String,
    },

    // -- what the bulb sent is wrong ---------------------------------------------------------------------------
    /// A status frame that is none.
    #[error("{device} sent a malformed status: {fault}")]
    MalformedStatus {
        /// The bulb.
        device: String,
        /// The byte at fault, and the frame.
        fault: Box<profile::DecodeError>,
    },
    /// A frame given to decode that is none.
    #[error("{0}")]
    MalformedFrame(DecodeError),
    /// A frame given to decode that is none of the family's.
    #[error("{0}")]
    ForeignFrame(profile::DecodeError),
    /// A battery level that is none.
    #[error("{device} sent a malformed battery level: {hex} (one byte of 0 to 100 is right)")]
    MalformedBattery {
        /// The bulb.
        device: String,
        /// The bytes, in hex.
        hex: String,
    },

    // -- several, lost, interrupted ----------------------------------------------------------------------------
    /// Some of several bulbs, or frames, failed; each has had its own line.
    #[error("{failed} of {of} failed")]
    Partial {
        /// How many failed.
        failed: usize,
        /// How many there were.
        of: usize,
        /// 10, or the exit code of each one where all failed alike.
        exit: u8,
    },
    /// The link went away during the operation.
    #[error("the link to {device} was lost during {operation}")]
    LinkLost {
        /// The bulb.
        device: String,
        /// What was being done.
        operation: String,
    },
    /// Whoever read our output has gone: nothing more to do, and nothing wrong.
    #[error("the reader of the output has gone")]
    OutputClosed,
    /// The output cannot be written.
    #[error("cannot write the output: {0}")]
    Output(String),
    /// The conformance suite found something.
    #[error("{} of {bulbs} bulb{} did not pass", if *failed == 1 { "1 check".to_owned() } else { format!("{failed} checks") }, if *bulbs == 1 { "" } else { "s" })]
    CheckFailed {
        /// How many checks failed, or could not be run because something else does not work.
        failed: usize,
        /// How many bulbs were looked at.
        bulbs: usize,
    },
    /// The user interrupted us.
    #[error("interrupted")]
    Interrupted,
    /// Something that should not have happened.
    #[error("unexpected failure: {0}")]
    Internal(String),
}

impl Error {
    /// How several ended of which these exit codes are the failures: nothing if there are none. Where all failed alike
    /// their exit code is kept, as it says more than "some of several".
    #[must_use]
    pub fn partial(exits: &[u8], of: usize) -> Option<Self> {
        let (first, rest) = exits.split_first()?;
        let alike = exits.len() == of && rest.iter().all(|exit| exit == first);
        Some(Self::Partial { failed: exits.len(), of, exit: if alike { *first } else { 10 } })
    }
}

/// Where a bulb was looked for in vain.
fn looked(seen: usize, waited: Duration) -> String {
    let devices = if seen == 1 { "1 device" } else { &format!("{seen} devices") };
    match waited {
        Duration::ZERO => format!("the system knows {devices}"),
        _ => format!("{devices} seen in {waited:.1?}"),
    }
}

fn before(last: Option<&String>) -> String {
    last.map_or_else(String::new, |last| format!("; the attempt before failed: {last}"))
}

fn no_slot(limit: Option<usize>) -> String {
    limit.map_or_else(
        || "the adapter has no free connection".to_owned(),
        |limit| format!("no more than {limit} links are to be held at once (--max-links)"),
    )
}

fn signal(rssi: Option<i16>) -> String {
    rssi.map_or_else(String::new, |rssi| {
        format!(" (last heard at {rssi} dBm{})", if rssi < -85 { ", weak" } else { "" })
    })
}
