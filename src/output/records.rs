//! The records of verbs. As JSON, each is one line with `type` and `at`. docs/JSON.md describes them;
//! docs/schema/output-1.json is generated from these types.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};
use tokio::time::Instant;

use super::bench::BenchRecord;
use super::bridge::{BridgeRecord, MessageRecord};
use super::captured::CapturedRecord;
use super::check::{CheckListing, CheckRecord, CheckSummary};
use super::comparison::ComparisonRecord;
use super::detect::DetectRecord;
use super::doctor::DoctorRecord;
use super::emulated::EmulatedRecord;
use super::frame::FrameRecord;
use super::gatt::ValueRecord;
use super::info::InfoRecord;
use super::profile::ProfileRecord;
use super::profile_file::{ProfileCheckRecord, ProfileDraftRecord};
use super::snapshot::SnapshotRecord;
use bulb_protocol::Percent;
use bulb_protocol::profile::{Light, Profile, Readback};

use crate::bulb::{Battery, BatterySource, BulbState, CommandOutcome, Families, Provenance};
use crate::error::Error;
use crate::radio::{AdapterState, SeenDevice};
use crate::sanitise::sanitise;

/// One record. Fields that a bulb did not provide are null.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Record {
    Device(DeviceRecord),
    /// A device that has been silent for a while (`scan --watch`).
    Lost(Bulb),
    /// A change of the adapter's state.
    Adapter(AdapterRecord),
    Scan(ScanRecord),
    State(StateRecord),
    Battery(BatteryRecord),
    Link(LinkRecord),
    Frame(FrameRecord),
    Captured(Box<CapturedRecord>),
    Emulated(Box<EmulatedRecord>),
    /// Everything bulbctl can find out about a device.
    Info(Box<InfoRecord>),
    Value(ValueRecord),
    Bench(Box<BenchRecord>),
    Comparison(ComparisonRecord),
    /// Diagnosis of the machine's Bluetooth.
    Doctor(DoctorRecord),
    /// A bulb family.
    Profile(ProfileRecord),
    /// Detected family of a bulb, with the evidence.
    Detect(DetectRecord),
    /// Mistakes of a profile file.
    ProfileCheck(ProfileCheckRecord),
    /// Draft of a profile file.
    ProfileDraft(ProfileDraftRecord),
    /// Saved state of a bulb.
    Snapshot(SnapshotRecord),
    Check(Box<CheckRecord>),
    CheckSummary(CheckSummary),
    CheckListing(CheckListing),
    Bridge(BridgeRecord),
    Message(MessageRecord),
    /// The end of a line of `run`.
    Done(DoneRecord),
    Error(ErrorRecord),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Bulb {
    pub id: String,
    /// Address; null if the platform does not report it.
    pub address: Option<String>,
    pub name: Option<String>,
}

impl Bulb {
    pub fn of(device: &SeenDevice) -> Self {
        Self {
            id: device.id.to_string(),
            address: device.address.map(|address| address.to_string()),
            name: device.name.clone(),
        }
    }

    /// The name, or the identifier if it has none.
    pub fn label(&self) -> &str {
        self.name.as_deref().filter(|name| !sanitise(name).is_empty()).unwrap_or(&self.id)
    }
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DeviceRecord {
    #[serde(flatten)]
    pub bulb: Bulb,
    /// Name that you gave it in the system, if it differs.
    pub alias: Option<String>,
    /// RSSI in dBm.
    pub rssi: Option<i16>,
    /// 128-bit UUIDs of the advertised services.
    pub services: Vec<String>,
    /// Manufacturer data in hex, by company identifier in hex.
    pub manufacturer: BTreeMap<String, String>,
    /// Profile that the advertisement matches; null if none or not certain.
    pub profile: Option<String>,
    /// State in the advertisement; null if it contains none.
    pub state: Option<LightRecord>,
    /// True if the system holds a link to it.
    pub connected: bool,
    /// Time of its first advertisement in this scan (RFC 3339); null if the system only remembers it.
    pub first_seen: Option<String>,
    /// Time of its last advertisement in this scan (RFC 3339); null if the system only remembers it.
    pub last_seen: Option<String>,
}

impl DeviceRecord {
    pub fn of(device: &SeenDevice, families: &Families) -> Self {
        Self {
            bulb: Bulb::of(device),
            alias: device.alias.clone(),
            rssi: device.rssi,
            services: device.services.iter().map(ToString::to_string).collect(),
            manufacturer: device
                .manufacturer
                .iter()
                .map(|(id, data)| (format!("{id:04x}"), hex::encode(data)))
                .collect(),
            profile: families.advertised(device),
            state: families.advertised_light(device).as_ref().map(LightRecord::of),
            connected: device.connected,
            first_seen: device.seen.map(|seen| wall(seen.first)),
            last_seen: device.seen.map(|seen| wall(seen.last)),
        }
    }
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AdapterRecord {
    pub adapter: String,
    /// State: `on`, `off` or `absent`.
    pub state: &'static str,
}

impl AdapterRecord {
    pub fn of(adapter: String, state: AdapterState) -> Self {
        let state = match state {
            AdapterState::On => "on",
            AdapterState::Off => "off",
            AdapterState::Absent => "absent",
        };
        Self { adapter, state }
    }
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ScanRecord {
    /// Number of matching devices.
    pub found: usize,
    pub seen: usize,
    pub duration_ms: u64,
}

// What states and frames have in common. No doc comment: it would become the description of both in the schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LightValues {
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
}

/// Settings of a light; null if unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LightRecord {
    #[serde(flatten)]
    pub values: LightValues,
    /// Source of the light: `color`, `white` or `effect`.
    pub mode: Option<&'static str>,
}

impl LightRecord {
    pub fn of(light: &Light) -> Self {
        let values = LightValues {
            power: light.power,
            brightness: light.brightness.map(Percent::get),
            color: light.color.map(|color| color.to_string()),
            white: light.white.map(Percent::get),
            kelvin: light.kelvin,
            effect: light.effect.clone(),
            speed: light.speed.map(Percent::get),
        };
        Self { values, mode: light.mode.map(bulb_protocol::profile::Mode::name) }
    }
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StateRecord {
    pub target: String,
    #[serde(flatten)]
    pub bulb: Bulb,
    pub profile: String,
    pub provenance: Provenance,
    #[serde(flatten)]
    pub light: LightRecord,
    /// Parts of a reported state that were written and that the bulb does not report.
    pub assumed: Vec<&'static str>,
    /// True if brightness is scaled colour, because the family has no brightness.
    pub scaled: bool,
    /// True if the bulb reported the commanded state. Null if nothing was commanded or the family never reports it.
    pub confirmed: Option<bool>,
    #[serde(skip)]
    pub commanded: bool,
    /// True if the family never reports its state.
    #[serde(skip)]
    pub write_only: bool,
}

impl StateRecord {
    pub fn of(target: &str, device: &SeenDevice, profile: &Profile, state: BulbState) -> Self {
        let assumed = match state.provenance {
            Provenance::Reported => state.assumed.iter().map(bulb_protocol::profile::Feature::name).collect(),
            _ => Vec::new(),
        };
        Self {
            target: target.to_owned(),
            bulb: Bulb::of(device),
            profile: profile.full_name(),
            provenance: state.provenance,
            light: LightRecord::of(&state.light),
            assumed,
            scaled: profile.scales_brightness(),
            confirmed: None,
            commanded: false,
            write_only: profile.readback() == Readback::default(),
        }
    }

    pub fn after(target: &str, device: &SeenDevice, profile: &Profile, outcome: CommandOutcome) -> Self {
        Self {
            confirmed: outcome.confirmed,
            commanded: true,
            ..Self::of(target, device, profile, outcome.state)
        }
    }
}

impl StateRecord {
    /// The error of `--confirm`, unless the bulb reports what was commanded.
    pub fn unconfirmed(&self) -> Option<Error> {
        let why = match (self.confirmed, self.provenance) {
            (Some(true), _) => return None,
            (Some(false), Provenance::Reported) => "it reports another state",
            (Some(false), _) => "it did not answer",
            (None, _) if self.write_only => "this family never reports its state",
            (None, _) => "this family does not report what was set",
        };
        Some(Error::NotConfirmed { device: self.bulb.label().to_owned(), why: why.to_owned() })
    }
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BatteryRecord {
    pub target: String,
    #[serde(flatten)]
    pub bulb: Bulb,
    /// Level in percent.
    pub percent: u8,
    pub source: BatterySource,
}

impl BatteryRecord {
    pub fn of(target: &str, device: &SeenDevice, battery: Battery) -> Self {
        Self {
            target: target.to_owned(),
            bulb: Bulb::of(device),
            percent: battery.percent,
            source: battery.source,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    /// Connected.
    Connected,
    /// Disconnected on request.
    Disconnected,
    /// Dropped.
    Lost,
    /// Reconnecting after it dropped.
    Reconnecting,
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LinkRecord {
    pub target: String,
    #[serde(flatten)]
    pub bulb: Bulb,
    pub state: LinkKind,
    /// Number of the reconnect attempt, from 1; null unless reconnecting.
    pub attempt: Option<u32>,
    /// Time without a link in milliseconds; null unless reconnected.
    pub gap_ms: Option<u64>,
    /// Reason for the drop, or for the failure of the last attempt.
    pub cause: Option<String>,
}

impl LinkRecord {
    pub fn of(target: &str, device: &SeenDevice, state: LinkKind) -> Self {
        let (attempt, gap_ms, cause) = (None, None, None);
        Self { target: target.to_owned(), bulb: Bulb::of(device), state, attempt, gap_ms, cause }
    }
}

/// An error of the whole command, or of one bulb of several.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ErrorRecord {
    /// Stable dotted code.
    pub code: &'static str,
    pub message: String,
    pub hint: Option<String>,
    pub exit: u8,
    /// Bulb that failed; null if the whole command failed.
    pub target: Option<String>,
}

impl ErrorRecord {
    pub fn of(error: &Error, target: Option<&str>) -> Self {
        Self {
            code: error.code(),
            message: error.to_string(),
            hint: error.hint(),
            exit: error.exit_code(),
            target: target.map(str::to_owned),
        }
    }
}

#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DoneRecord {
    /// Exit code of the line; 0 if it succeeded.
    pub exit: u8,
}

/// RFC 3339 time of a moment of this run.
fn wall(moment: Instant) -> String {
    let ago = moment.elapsed();
    stamp(SystemTime::now().checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH))
}

/// RFC 3339 time with milliseconds, UTC.
pub(crate) fn stamp(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

/// Whole milliseconds for JSON.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Line<'a> {
    #[serde(flatten)]
    body: &'a Record,
    /// Line of `run` that the record is from; only in `run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    /// Time of the record (RFC 3339, UTC).
    #[serde(serialize_with = "now")]
    #[cfg_attr(test, schemars(with = "String"))]
    at: (),
}

impl<'a> Line<'a> {
    pub(crate) fn of(body: &'a Record, line: Option<u64>) -> Self {
        // A value has a line anyway: that of its script.
        let line = line.filter(|_| !matches!(body, Record::Value(_)));
        Self { body, line, at: () }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn now<S: Serializer>(_: &(), serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&stamp(SystemTime::now()))
}
