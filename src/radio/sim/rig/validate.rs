//! Validates a rig file and converts its tables to a [`Rig`]. Errors name the line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use bulb_protocol::file::{self, Located};
use bulb_protocol::profile::{Key, Profile, VirtualBulb};
use uuid::Uuid;

use super::file::{
    BulbEventKind, BulbTable, BystanderTable, EventTable, FaultKind, FaultTable, File, Information,
    Manufacturer, NameIn, OnOff, ServiceData, ServiceTable,
};
use super::profile::{LightKeys, ProfileLoader, default_table};
use super::text::{Addr, Span, Uid};
use super::{
    Advert, BATTERY_LEVEL, Battery, BulbEvent, BulbSpec, DeviceSpec, Event, EventKind, Fault, FaultAction,
    FaultTrigger, Rig, TableBuilder,
};
use crate::error::{Error, Result};
use crate::radio::gatt::{Characteristic, uuid16};
use crate::radio::{Address, Properties};

const FORMAT: i64 = 1;

/// A mistake in a rig file: its offset in the text, and a message.
pub(super) struct RigError(pub(super) usize, pub(super) String);

/// Parses the text of a rig file. `path` is its name in messages; its folder holds the profile files that the rig names.
pub(in crate::radio::sim) fn parse(text: &str, path: &str) -> Result<Rig> {
    parse_with(text, path, BTreeMap::new())
}

/// As [`parse`], with profiles that are loaded already, by the names that the rig uses.
pub(in crate::radio::sim) fn parse_with(
    text: &str,
    path: &str,
    known: BTreeMap<String, Profile>,
) -> Result<Rig> {
    let invalid = |detail: String| Error::RigInvalid { path: path.to_owned(), detail };
    let file: File = file::parse(text, file::MOST_VALUES).map_err(|error| invalid(error.to_string()))?;
    let folder = Path::new(path).parent().unwrap_or(Path::new(""));
    file.validate(ProfileLoader::new(folder, known))
        .map_err(|RigError(at, message)| invalid(format!("line {}: {message}", file::line(text, at))))
}

impl File {
    fn validate(self, mut profiles: ProfileLoader<'_>) -> Result<Rig, RigError> {
        if self.rig.value != FORMAT {
            let message =
                format!("unknown rig format {}: this version reads format {FORMAT}", self.rig.value);
            return Err(RigError(self.rig.at, message));
        }
        let mut addresses = BTreeSet::new();
        let mut unique = |address: &Located<Addr>| {
            let value = address.value.0;
            if addresses.insert(value) {
                return Ok(value);
            }
            Err(RigError(address.at, format!("{value} is already the address of a device above")))
        };
        let mut devices = Vec::new();
        for table in self.bulb {
            let address = unique(&table.address)?;
            devices.push(table.validate(address, &mut profiles)?);
        }
        for table in self.bystander {
            let address = unique(&table.address)?;
            devices.push(table.validate(address)?);
        }
        let find_bulb = |address: Address| {
            let device = devices.iter().find(|device: &&DeviceSpec| device.address == address)?;
            device.bulb.as_ref().map(|bulb| &bulb.virtual_bulb)
        };
        let events =
            self.event.into_iter().map(|event| validate_event(event, find_bulb)).collect::<Result<_, _>>()?;
        let profiles = profiles.texts();
        let links = match self.adapter.links {
            Some(Located { at, value: 0 }) => {
                return Err(RigError(at, "links must be at least 1".to_owned()));
            }
            Some(links) => links.value,
            None => super::LINKS,
        };
        Ok(Rig { about: self.about, adapter: self.adapter.state, links, devices, events, profiles })
    }
}

/// A duration that must not be zero.
fn positive(duration: Option<Located<Span>>) -> Result<Option<Duration>, RigError> {
    match duration {
        Some(duration) if duration.value.0.is_zero() => {
            Err(RigError(duration.at, "this duration must not be zero".to_owned()))
        }
        duration => Ok(duration.map(|duration| duration.value.0)),
    }
}

fn uuids(uids: Vec<Uid>) -> Vec<Uuid> {
    uids.into_iter().map(|uid| uid.0).collect()
}

fn manufacturer(data: Option<Manufacturer>) -> Option<BTreeMap<u16, Vec<u8>>> {
    data.map(|data| BTreeMap::from([(data.company.0, data.data.0)]))
}

fn service_data(data: Option<ServiceData>) -> Option<BTreeMap<Uuid, Vec<u8>>> {
    data.map(|data| BTreeMap::from([(data.service.0, data.data.0)]))
}

const DEFAULT_RSSI: i16 = -60;
const DEFAULT_INTERVAL: Duration = Duration::from_millis(100);

impl BystanderTable {
    fn validate(self, address: Address) -> Result<DeviceSpec, RigError> {
        let advert = Advert {
            name: self.name,
            name_in_response: matches!(self.name_in, NameIn::ScanResponse),
            rssi: self.rssi.map_or(DEFAULT_RSSI, |rssi| rssi.0),
            heard: BTreeMap::new(),
            in_range: true,
            interval: positive(self.interval)?.unwrap_or(DEFAULT_INTERVAL),
            services: uuids(self.advertises.unwrap_or_default()),
            manufacturer: manufacturer(self.manufacturer),
            service_data: service_data(self.service_data),
        };
        Ok(DeviceSpec { address, address_type: self.address_type, advert, bulb: None })
    }
}

/// A common MTU of bulbs. It fits into one packet with LE's data length extension.
const DEFAULT_MTU: u16 = 185;
/// A bulb that needs keep-alives ends the link after this many keep-alive periods without a write.
const MISSED_KEEP_ALIVES: u32 = 5;

impl BulbTable {
    fn validate(self, address: Address, profiles: &mut ProfileLoader<'_>) -> Result<DeviceSpec, RigError> {
        if let (Some(drain), None) = (&self.battery_drain, &self.battery) {
            let message = "battery_drain needs the key battery".to_owned();
            return Err(RigError(drain.at, message));
        }
        let mut profile = profiles.get(self.profile.as_ref())?;
        profile.set_address(address.bytes());
        if let Some(key) = &self.key {
            let parsed = key.value.parse::<Key>().map_err(|error| RigError(key.at, error.to_string()))?;
            profile.set_key(parsed);
        }
        let light = LightKeys::of_bulb(&self).start(&profile)?;
        let example = profile.advertise(&light);
        let services = || example.services.clone();
        let advert = Advert {
            name: self.name.or(example.name.clone()),
            name_in_response: matches!(self.name_in, NameIn::ScanResponse),
            rssi: self.rssi.map_or(DEFAULT_RSSI, |rssi| rssi.0),
            heard: self.heard.into_iter().map(|(place, rssi)| (place, rssi.0)).collect(),
            in_range: true,
            interval: positive(self.interval)?.unwrap_or(DEFAULT_INTERVAL),
            services: self.advertises.map_or_else(services, uuids),
            manufacturer: manufacturer(self.manufacturer),
            service_data: service_data(self.service_data),
        };
        let drain = positive(self.battery_drain)?;
        let battery = self.battery.map(|level| Battery { level: level.0, drain });
        let mut device = self.device;
        if let (None, Some(name)) = (&device, &profile.example.manufacturer_name) {
            device = Some(Information { manufacturer: Some(name.clone()), ..Information::default() });
        }
        let TableBuilder { table, values } = build_table(self.service, &profile, battery.is_some(), device);
        let characteristics: Vec<_> = table.all().map(|(id, ..)| (id.service, id.characteristic)).collect();
        let keep_alive = profile.link_rules.keep_alive.as_ref();
        let bulb = BulbSpec {
            battery,
            status_latency: self.status_latency.map_or(Duration::from_millis(20), |duration| duration.0),
            connect_latency: self.connect_latency.map_or(Duration::from_millis(60), |duration| duration.0),
            idle_drop: positive(self.idle_drop)?.or(keep_alive.map(|keep| keep.every * MISSED_KEEP_ALIVES)),
            mtu: self.mtu.map_or(DEFAULT_MTU, |mtu| mtu.0),
            needs_bonding: self.needs_bonding.unwrap_or(profile.link_rules.needs_bonding),
            pairing: self.pairing,
            start: light.clone(),
            virtual_bulb: VirtualBulb::new(profile, &characteristics, light),
            table,
            values,
            defects: self.defects,
            faults: self.fault.into_iter().map(validate_fault).collect::<Result<_, _>>()?,
        };
        Ok(DeviceSpec { address, address_type: self.address_type, advert, bulb: Some(bulb) })
    }
}

fn build_table(
    services: Option<Vec<ServiceTable>>,
    profile: &Profile,
    battery: bool,
    device: Option<Information>,
) -> TableBuilder {
    let mut builder = TableBuilder::default();
    match services {
        None => default_table(profile).into_iter().for_each(|(service, list)| builder.add(service, list)),
        Some(services) => {
            for ServiceTable { uuid, characteristic } in services {
                let characteristics = characteristic.into_iter().map(|table| {
                    let value = table.value.map(|value| value.0).unwrap_or_default();
                    (Characteristic::new(table.uuid.0, table.properties), value)
                });
                builder.add(uuid.0, characteristics.collect());
            }
        }
    }
    if battery {
        let properties = Properties::READ.or(Properties::NOTIFY);
        let level = Characteristic::new(BATTERY_LEVEL.characteristic, properties);
        builder.add(BATTERY_LEVEL.service, vec![(level, vec![])]);
    }
    if let Some(device) = device {
        // Device information and its characteristics (Bluetooth Assigned Numbers).
        let texts = [
            (0x2A29, device.manufacturer),
            (0x2A24, device.model),
            (0x2A26, device.firmware),
            (0x2A27, device.hardware),
            (0x2A25, device.serial),
        ];
        let characteristics = texts.into_iter().filter_map(|(short, text)| {
            text.map(|text| (Characteristic::new(uuid16(short), Properties::READ), text.into_bytes()))
        });
        builder.add(uuid16(0x180A), characteristics.collect());
    }
    builder
}

/// Takes a key that only one kind of fault has. `wanted` says whether this fault is of that kind.
fn fault_key<T>(
    wanted: bool,
    key: &str,
    found: Option<Located<T>>,
    at: usize,
) -> Result<Option<T>, RigError> {
    match (wanted, found) {
        (true, None) => Err(RigError(at, format!("this fault needs the key `{key}`"))),
        (false, Some(found)) => Err(RigError(found.at, format!("this fault does not use the key `{key}`"))),
        (_, found) => Ok(found.map(|at| at.value)),
    }
}

fn validate_fault(table: Located<FaultTable>) -> Result<Fault, RigError> {
    let at = table.at;
    let FaultTable { on, r#do, characteristic, count, after, att, bytes, r#for } = table.value;
    let kind = r#do.value;
    let att = fault_key(kind == FaultKind::Error, "att", att, at)?;
    let bytes = fault_key(kind == FaultKind::Reply, "bytes", bytes, at)?;
    let delay = fault_key(kind == FaultKind::Delay, "for", r#for, at)?;
    if !fits(on, kind) {
        return Err(RigError(r#do.at, misfit_message(kind)));
    }
    if let (Some(characteristic), FaultTrigger::Connect | FaultTrigger::Discover) = (&characteristic, on) {
        let message = "a fault on connect or discover does not use the key `characteristic`".to_owned();
        return Err(RigError(characteristic.at, message));
    }
    let action = match (kind, att, bytes, delay) {
        (FaultKind::Error, Some(att), ..) => FaultAction::Error(att.0),
        (FaultKind::Reply, _, Some(bytes), _) => FaultAction::Reply(bytes.0),
        (FaultKind::Delay, _, _, Some(delay)) => FaultAction::Delay(delay.0),
        (FaultKind::Silent, ..) => FaultAction::Silent,
        (FaultKind::Lose, ..) => FaultAction::Lose,
        _ => FaultAction::Drop,
    };
    Ok(Fault { trigger: on, action, characteristic: characteristic.map(|uid| uid.value.0), count, after })
}

/// Parses a fault as rigs have it: its keys and their values, one a line.
pub(in crate::radio::sim) fn parse_fault(text: &str) -> Result<Fault, String> {
    let table: FaultTable = file::parse(text, file::MOST_VALUES).map_err(|error| error.message)?;
    validate_fault(Located { at: 0, value: table }).map_err(|RigError(_, message)| message)
}

fn fits(trigger: FaultTrigger, kind: FaultKind) -> bool {
    match kind {
        FaultKind::Drop | FaultKind::Delay => true,
        FaultKind::Silent => trigger != FaultTrigger::Notify,
        FaultKind::Error => {
            matches!(trigger, FaultTrigger::Read | FaultTrigger::Write | FaultTrigger::Subscribe)
        }
        FaultKind::Reply => matches!(trigger, FaultTrigger::Read | FaultTrigger::Notify),
        FaultKind::Lose => matches!(trigger, FaultTrigger::Write | FaultTrigger::Notify),
    }
}

fn misfit_message(kind: FaultKind) -> String {
    match kind {
        FaultKind::Error => "`error` works only on read, write and subscribe",
        FaultKind::Reply => "`reply` works only on read and notify",
        FaultKind::Lose => "`lose` works only on write and notify",
        _ => "`silent` does not work on notify: use `lose`",
    }
    .to_owned()
}

fn validate_event<'a>(
    table: Located<EventTable>,
    find_bulb: impl Fn(Address) -> Option<&'a VirtualBulb>,
) -> Result<Event, RigError> {
    let start = table.at;
    let error = |what: &str| Err(RigError(start, what.to_owned()));
    let light = LightKeys::of_event(&table.value);
    let EventTable { at, adapter, bulb, r#do, name, .. } = table.value;
    if !light.is_empty() && r#do != Some(BulbEventKind::Set) {
        return error("power, brightness, color and other parts of the state need do = \"set\"");
    }
    if name.is_some() && r#do != Some(BulbEventKind::Rename) {
        return error("name needs do = \"rename\"");
    }
    let kind = match (adapter, bulb, r#do) {
        (Some(switch), None, None) => EventKind::AdapterPowered(switch == OnOff::On),
        (None, Some(bulb), Some(event)) => {
            let address = bulb.value.0;
            let Some(bulb) = find_bulb(address) else {
                return Err(RigError(bulb.at, format!("no bulb of this rig has the address {address}")));
            };
            EventKind::Bulb(
                address,
                match (event, name) {
                    (BulbEventKind::Set, _) if light.is_empty() => {
                        return error(
                            "do = \"set\" needs power, brightness, color or another part of the state",
                        );
                    }
                    (BulbEventKind::Set, _) => BulbEvent::Set(light.change(bulb.profile())?),
                    (BulbEventKind::Drop, _) => BulbEvent::Drop,
                    (BulbEventKind::Vanish, _) => BulbEvent::Vanish,
                    (BulbEventKind::Appear, _) => BulbEvent::Appear,
                    (BulbEventKind::Rename, Some(name)) => BulbEvent::Rename(name),
                    (BulbEventKind::Rename, None) => return error("do = \"rename\" needs a name"),
                },
            )
        }
        _ => return error("an event needs either adapter, or bulb and do"),
    };
    Ok(Event { at: at.0, kind })
}
