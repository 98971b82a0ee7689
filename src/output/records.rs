//! What commands report. As JSON, each is one line with `type` and `at`; docs/JSON.md describes them and
//! docs/schema/output-1.json is generated from these types.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};
use tokio::time::Instant;

use super::bench::{BenchRecord, ComparisonRecord};
use super::captured::CapturedRecord;
use super::check::{CheckListing, CheckRecord, CheckSummary};
use super::detect::DetectRecord;
use super::doctor::DoctorRecord;
use super::frame::FrameRecord;
use super::gatt::ValueRecord;
use super::info::InfoRecord;
use super::profile::ProfileRecord;
use bulb_protocol::Percent;
use bulb_protocol::profile::{Light, Profile, Readback};

use crate::bulb::{Battery, BatterySource, BulbState, CommandOutcome, Families, Provenance};
use crate::error::Error;
use crate::radio::{AdapterState, SeenDevice};
use crate::sanitise::sanitise;

/// One record. Fields that a bulb did not give are null.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Record {
    /// A device that was seen.
    Device(DeviceRecord),
    /// A device that has not been heard for a while (`scan --watch`).
    Lost(Bulb),
    /// The adapter's state changed.
    Adapter(AdapterRecord),
    /// A scan ran to its end.
    Scan(ScanRecord),
    /// A bulb's state.
    State(StateRecord),
    /// A bulb's battery level.
    Battery(BatteryRecord),
    /// A bulb's link.
    Link(LinkRecord),
    /// A frame and its meaning.
    Frame(FrameRecord),
    /// What passed in a capture.
    Captured(Box<CapturedRecord>),
    /// All that can be told of a device.
    Info(Box<InfoRecord>),
    /// What passed at a characteristic.
    Value(ValueRecord),
    /// What was measured at a bulb.
    Bench(Box<BenchRecord>),
    /// How two measurements differ.
    Comparison(ComparisonRecord),
    /// The state of the machine's Bluetooth.
    Doctor(DoctorRecord),
    /// A bulb family.
    Profile(ProfileRecord),
    /// Which family a bulb is of, and why.
    Detect(DetectRecord),
    /// A check of the conformance suite that is over.
    Check(Box<CheckRecord>),
    /// The end of the conformance suite.
    CheckSummary(CheckSummary),
    /// A check that there is.
    CheckListing(CheckListing),
    /// Something failed.
    Error(ErrorRecord),
}

/// Which bulb a record speaks of.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Bulb {
    /// The platform's identifier.
    pub id: String,
    /// The address; null where the platform does not tell.
    pub address: Option<String>,
    /// The advertised name.
    pub name: Option<String>,
}

impl Bulb {
    /// The bulb of a report.
    #[must_use]
    pub fn of(device: &SeenDevice) -> Self {
        Self {
            id: device.id.to_string(),
            address: device.address.map(|address| address.to_string()),
            name: device.name.clone(),
        }
    }

    /// What to call it.
    #[must_use]
    pub fn label(&self) -> &str {
        self.name.as_deref().filter(|name| !sanitise(name).is_empty()).unwrap_or(&self.id)
    }
}

/// A device that was seen.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DeviceRecord {
    /// Which.
    #[serde(flatten)]
    pub bulb: Bulb,
    /// The name that the user gave it in the system, where it differs.
    pub alias: Option<String>,
    /// Signal strength, dBm.
    pub rssi: Option<i16>,
    /// Advertised services, as 128-bit UUIDs.
    pub services: Vec<String>,
    /// Manufacturer data in hex, by company identifier in hex.
    pub manufacturer: BTreeMap<String, String>,
    /// The profile that the advertisement speaks for.
    pub profile: Option<String>,
    /// The state that the advertisement tells; null for families that do not.
    pub state: Option<LightRecord>,
    /// Whether the system holds a link to it.
    pub connected: bool,
    /// When it was first heard in this scan (RFC 3339); null if it is only remembered.
    pub first_seen: Option<String>,
    /// When it was last heard in this scan (RFC 3339); null if it is only remembered.
    pub last_seen: Option<String>,
}

impl DeviceRecord {
    /// The record of a report.
    #[must_use]
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

/// The adapter's state.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AdapterRecord {
    /// The adapter's name.
    pub adapter: String,
    /// `on`, `off` or `absent`.
    pub state: &'static str,
}

impl AdapterRecord {
    /// The record of a state.
    #[must_use]
    pub fn of(adapter: String, state: AdapterState) -> Self {
        let state = match state {
            AdapterState::On => "on",
            AdapterState::Off => "off",
            AdapterState::Absent => "absent",
        };
        Self { adapter, state }
    }
}

/// The end of a scan.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ScanRecord {
    /// How many devices matched.
    pub found: usize,
    /// How many devices were seen.
    pub seen: usize,
    /// How long was scanned, milliseconds.
    pub duration_ms: u64,
}

/// What is known of a light.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LightRecord {
    /// Whether it is switched on.
    pub power: Option<bool>,
    /// Brightness, percent.
    pub brightness: Option<u8>,
    /// Colour at full brightness, `#rrggbb`.
    pub color: Option<String>,
    /// Level of the white channel, percent.
    pub white: Option<u8>,
    /// Temperature of white, kelvin.
    pub kelvin: Option<u16>,
    /// The effect, by its name or number.
    pub effect: Option<String>,
    /// Speed of effects, percent.
    pub speed: Option<u8>,
    /// What the lamp shines with: `color`, `white` or `effect`.
    pub mode: Option<&'static str>,
}

impl LightRecord {
    /// The record of a light.
    #[must_use]
    pub fn of(light: &Light) -> Self {
        Self {
            power: light.power,
            brightness: light.brightness.map(Percent::get),
            color: light.color.map(|color| color.to_string()),
            white: light.white.map(Percent::get),
            kelvin: light.kelvin,
            effect: light.effect.clone(),
            speed: light.speed.map(Percent::get),
            mode: light.mode.map(bulb_protocol::profile::Mode::name),
        }
    }
}

/// A bulb's state.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StateRecord {
    /// The target, as it was given.
    pub target: String,
    /// Which bulb.
    #[serde(flatten)]
    pub bulb: Bulb,
    /// The profile it is driven by, with its variant.
    pub profile: String,
    /// How the state is known.
    pub provenance: Provenance,
    /// What is known.
    #[serde(flatten)]
    pub light: LightRecord,
    /// Which parts of a reported state were only written, as the bulb does not report them.
    pub assumed: Vec<&'static str>,
    /// Whether brightness is scaled colour, as the family has none of its own.
    pub scaled: bool,
    /// After a command: whether the bulb reports what was asked for. Null where nothing was commanded, and where the family
    /// never reports it.
    pub confirmed: Option<bool>,
    /// Whether this is the end of a command.
    #[serde(skip)]
    pub commanded: bool,
    /// Whether the family never tells its state.
    #[serde(skip)]
    pub write_only: bool,
}

impl StateRecord {
    /// The record of a state that was read or notified.
    #[must_use]
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

    /// The record of a command's outcome.
    #[must_use]
    pub fn after(target: &str, device: &SeenDevice, profile: &Profile, outcome: CommandOutcome) -> Self {
        Self {
            confirmed: outcome.confirmed,
            commanded: true,
            ..Self::of(target, device, profile, outcome.state)
        }
    }
}

/// A bulb's battery level.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BatteryRecord {
    /// The target, as it was given.
    pub target: String,
    /// Which bulb.
    #[serde(flatten)]
    pub bulb: Bulb,
    /// Percent.
    pub percent: u8,
    /// Where it is from.
    pub source: BatterySource,
}

impl BatteryRecord {
    /// The record of a level.
    #[must_use]
    pub fn of(target: &str, device: &SeenDevice, battery: Battery) -> Self {
        Self {
            target: target.to_owned(),
            bulb: Bulb::of(device),
            percent: battery.percent,
            source: battery.source,
        }
    }
}

/// What became of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    /// It is up.
    Connected,
    /// It was asked to end.
    Disconnected,
    /// It ended by itself.
    Lost,
    /// It was lost, and is being made again.
    Reconnecting,
}

/// A bulb's link.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LinkRecord {
    /// The target, as it was given.
    pub target: String,
    /// Which bulb.
    #[serde(flatten)]
    pub bulb: Bulb,
    /// What became of it.
    pub state: LinkKind,
    /// Which attempt it is since the link was lost, from 1; null unless it is being made again.
    pub attempt: Option<u32>,
    /// How long it was lost, ms; null unless it was made again.
    pub gap_ms: Option<u64>,
    /// Why it was lost, or how the last attempt failed.
    pub cause: Option<String>,
}

impl LinkRecord {
    /// The record of a link.
    #[must_use]
    pub fn of(target: &str, device: &SeenDevice, state: LinkKind) -> Self {
        let (attempt, gap_ms, cause) = (None, None, None);
        Self { target: target.to_owned(), bulb: Bulb::of(device), state, attempt, gap_ms, cause }
    }
}

/// Something failed: the whole command, or one bulb of several.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ErrorRecord {
    /// The stable dotted code.
    pub code: &'static str,
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The exit code of this failure.
    pub exit: u8,
    /// Which bulb of several; null if the whole command failed.
    pub target: Option<String>,
}

impl ErrorRecord {
    /// The record of an error.
    #[must_use]
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

/// The wall-clock time of a moment of this run, as RFC 3339 text.
fn wall(moment: Instant) -> String {
    let ago = moment.elapsed();
    stamp(SystemTime::now().checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH))
}

/// RFC 3339 with milliseconds, UTC.
pub(crate) fn stamp(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

/// Milliseconds, as JSON has them.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A record with its time.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Line<'a> {
    #[serde(flatten)]
    body: &'a Record,
    /// When it was reported (RFC 3339, UTC).
    #[serde(serialize_with = "now")]
    #[cfg_attr(test, schemars(with = "String"))]
    at: (),
}

impl<'a> Line<'a> {
    pub(crate) const fn of(body: &'a Record) -> Self {
        Self { body, at: () }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn now<S: Serializer>(_: &(), serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&stamp(SystemTime::now()))
}
