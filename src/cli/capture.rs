//! `frame decode --capture`: decodes a btsnoop log with the profiles of its devices.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use bulb_protocol::profile::{DecodeError, DecodedCommand, Light, Profile, StatusParts};

use super::context::families;
use super::global::Global;
use crate::bulb::families::is_named;
use crate::bulb::{Families, Roles, recognise_offline};
use crate::capture::{self, AttributeRef, Capture, Device, EventKind};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::output::{CapturedRecord, FrameKind, FrameRecord, Printer, Record};
use crate::radio::Direction;

/// Longest capture in bytes; it is held in memory as a whole.
const LONGEST: u64 = 256 << 20;

/// Prints all events, or those of one device. If the capture is damaged, prints the events before the damage and then fails.
pub(super) fn run(file: &Path, device: Option<&str>, global: &Global, printer: &Printer) -> Result<()> {
    let config = Config::load(global.config.as_deref())?;
    let families = families(global, &config)?;
    let path = file.display().to_string();
    let invalid = |fault: capture::CaptureError| Error::CaptureInvalid {
        path: path.clone(),
        detail: fault.to_string(),
        hint: fault.hint.map(|hint| hint.replace("FILE", &path)),
    };
    let capture = capture::read(&load(file)?).map_err(invalid)?;
    if capture.cut > 0 {
        tracing::warn!("{path}: skipped {} truncated packets", capture.cut);
    }
    let mut readers: BTreeMap<(usize, bool), FrameReader> = BTreeMap::new();
    let mut any = false;
    for event in &capture.events {
        let Some(found) = capture.devices.get(event.device) else { continue };
        if device.is_some_and(|wanted| !is_named(&found.seen, wanted)) {
            continue;
        }
        any = true;
        let own = (event.device, event.local);
        let reader = match readers.entry(own) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(FrameReader::of(found, event.local, &families)?)
            }
        };
        let place = event.handle.and_then(|handle| reader.places.get(&handle).cloned());
        let place = place.as_ref();
        let mut record = CapturedRecord::of(event, &found.seen, place);
        match reader.decode(place, &event.kind) {
            Some(Ok(frame)) => record.frame = Some(frame),
            Some(Err(fault)) if fault.is_unknown() => record.unknown = Some(fault.to_string()),
            Some(Err(fault)) => record.malformed = Some(fault.to_string()),
            None => {}
        }
        printer.record(&Record::Captured(Box::new(record)))?;
    }
    match capture.fault.clone() {
        Some(fault) => Err(invalid(fault)),
        None if !any => Err(not_captured(path, device, &capture)),
        None => Ok(()),
    }
}

fn load(file: &Path) -> Result<Vec<u8>> {
    let path = file.display().to_string();
    let unreadable =
        |error: std::io::Error| Error::FileUnreadable { path: path.clone(), detail: error.to_string() };
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(LONGEST + 1).read_to_end(&mut bytes)
    } else {
        File::open(file).map_err(unreadable)?.take(LONGEST + 1).read_to_end(&mut bytes)
    };
    let length = read.map_err(unreadable)?;
    if u64::try_from(length).is_ok_and(|length| length > LONGEST) {
        return Err(Error::CaptureInvalid {
            path,
            detail: format!("the file is longer than {LONGEST} bytes"),
            hint: None,
        });
    }
    Ok(bytes)
}

fn not_captured(path: String, device: Option<&str>, capture: &Capture) -> Error {
    let linked: BTreeSet<usize> = capture.events.iter().map(|event| event.device).collect();
    let names = linked.iter().filter_map(|at| capture.devices.get(*at)).map(|device| {
        let id = device.seen.id.to_string();
        device.seen.name.as_ref().map_or_else(|| id.clone(), |name| format!("{name} ({id})"))
    });
    let have: Vec<String> = names.collect();
    let have = match (have.as_slice(), capture.classic) {
        ([], false) => "no Bluetooth LE connection".to_owned(),
        ([], true) => "no Bluetooth LE connection, only classic Bluetooth".to_owned(),
        (some, _) => some.join(", "),
    };
    let classic = capture.classic && linked.is_empty();
    let wanted = device.map_or_else(|| "any device".to_owned(), |device| format!("{device:?}"));
    Error::NotCaptured { path, wanted, have, classic }
}

struct FrameReader {
    places: BTreeMap<u16, AttributeRef>,
    profile: Option<Arc<Profile>>,
    roles: Roles,
    parts: StatusParts,
}

impl FrameReader {
    fn of(device: &Device, local: bool, families: &Families) -> Result<Self> {
        let table = device.table(local);
        let named = families.configured_profile(&device.seen)?;
        // The advertisement of a device says nothing about the computer's own table.
        let profile = match (named, local) {
            (Some(named), _) => Some(named),
            (None, false) => recognise_offline(&table, &device.seen, families),
            (None, true) => None,
        };
        let roles =
            profile.as_ref().and_then(|profile| Roles::find(profile, &table, "").ok()).unwrap_or_default();
        Ok(Self { places: device.attributes(local), profile, roles, parts: StatusParts::default() })
    }

    /// Decodes a value; `None` if it is not a frame of the profile.
    fn decode(
        &mut self,
        place: Option<&AttributeRef>,
        kind: &EventKind,
    ) -> Option<Result<FrameRecord, DecodeError>> {
        let profile = self.profile.as_ref()?;
        let (direction, bytes) = match kind {
            EventKind::Write(_, bytes) => (Direction::ToBulb, bytes),
            EventKind::Read(0, bytes) | EventKind::Notification(bytes) | EventKind::Indication(bytes) => {
                (Direction::FromBulb, bytes)
            }
            _ => return None,
        };
        let Some(place) = place else { return decode_unique(profile, direction, bytes) };
        if place.descriptor.is_some() {
            return None;
        }
        // A part alone decodes as an empty frame.
        let joined = match direction {
            Direction::ToBulb => None,
            Direction::FromBulb => profile.join(&mut self.parts, bytes),
        };
        let bytes = joined.as_ref().unwrap_or(bytes);
        self.roles.decode(place.id, |role| frame(profile, role, direction, bytes))
    }
}

/// Decodes a value without a GATT table, if it is valid for exactly one role.
fn decode_unique(
    profile: &Profile,
    direction: Direction,
    bytes: &[u8],
) -> Option<Result<FrameRecord, DecodeError>> {
    let mut found = profile.roles.iter().filter_map(|role| frame(profile, &role.name, direction, bytes).ok());
    match (found.next(), found.next()) {
        (Some(one), None) => Some(Ok(one)),
        _ => None,
    }
}

fn frame(
    profile: &Profile,
    role: &str,
    direction: Direction,
    bytes: &[u8],
) -> Result<FrameRecord, DecodeError> {
    let (kind, light) = match direction {
        Direction::FromBulb => (FrameKind::Status, profile.decode(role, bytes)?),
        Direction::ToBulb => match profile.decode_command(role, bytes)? {
            DecodedCommand::Change(light) => (FrameKind::Command, light),
            DecodedCommand::Relative(_) => (FrameKind::Command, Light::default()),
            DecodedCommand::Query(_) => (FrameKind::Query, Light::default()),
            DecodedCommand::LinkRule => (FrameKind::Session, Light::default()),
        },
    };
    Ok(FrameRecord::new(bytes, &profile.full_name(), kind, Some(role), &light))
}
