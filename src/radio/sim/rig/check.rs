//! Makes the values of a [`Rig`] of a file's tables. What is wrong is said with its line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use bulb_protocol::file::{self, Located};
use bulb_protocol::profile::{Profile, VirtualBulb};
use uuid::Uuid;

use super::file::{
    BulbTable, BystanderTable, Do, EventDo, EventTable, FaultTable, File, Information, Manufacturer, NameIn,
    ServiceData, ServiceTable, Switch,
};
use super::lamp::{self, Profiles, Said};
use super::text::{Addr, Span, Uid};
use super::{
    Act, Advert, BATTERY_LEVEL, Battery, Bulb, Deed, Device, Event, Fault, Point, Rig, Tables, Valued, What,
};
use crate::error::{Error, Result};
use crate::radio::gatt::{Characteristic, uuid16};
use crate::radio::{Address, Properties};

/// The format of rig files that is read here.
const FORMAT: i64 = 1;

/// What is wrong with a part of the file, and where that begins.
pub(super) struct Wrong(pub(super) usize, pub(super) String);

/// Reads the text of a rig file; `path` is for the error message, and its folder for the profile files that it names.
///
/// # Errors
/// [`Error::RigInvalid`] with the line and what was expected.
pub(in crate::radio::sim) fn parse(text: &str, path: &str) -> Result<Rig> {
    let invalid = |detail: String| Error::RigInvalid { path: path.to_owned(), detail };
    let file: File = file::parse(text).map_err(|error| invalid(error.to_string()))?;
    let folder = Path::new(path).parent().unwrap_or(Path::new(""));
    file.check(Profiles::new(folder))
        .map_err(|Wrong(at, what)| invalid(format!("line {}: {what}", file::line(text, at))))
}

impl File {
    fn check(self, mut profiles: Profiles<'_>) -> Result<Rig, Wrong> {
        if self.rig.value != FORMAT {
            let what = format!("this is format {}, and {FORMAT} is read here", self.rig.value);
            return Err(Wrong(self.rig.at, what));
        }
        let mut addresses = BTreeSet::new();
        let mut unique = |address: &Located<Addr>| {
            let value = address.value.0;
            if addresses.insert(value) {
                return Ok(value);
            }
            Err(Wrong(address.at, format!("{value} is the address of another device above")))
        };
        let mut devices = Vec::new();
        for table in self.bulb {
            let address = unique(&table.address)?;
            devices.push(table.check(address, &mut profiles)?);
        }
        for table in self.bystander {
            let address = unique(&table.address)?;
            devices.push(table.check(address)?);
        }
        let board = |address: Address| {
            let device = devices.iter().find(|device: &&Device| device.address == address)?;
            device.bulb.as_ref().map(|bulb| &bulb.board)
        };
        let events =
            self.event.into_iter().map(|event| check_event(event, board)).collect::<Result<_, _>>()?;
        let profiles = profiles.texts();
        Ok(Rig { about: self.about, adapter: self.adapter.state, devices, events, profiles })
    }
}

/// A duration that must not be zero.
fn positive(span: Option<Located<Span>>) -> Result<Option<Duration>, Wrong> {
    match span {
        Some(span) if span.value.0.is_zero() => {
            Err(Wrong(span.at, "this duration must not be zero".to_owned()))
        }
        span => Ok(span.map(|span| span.value.0)),
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

/// The defaults of an advertisement.
const RSSI: i16 = -60;
const INTERVAL: Duration = Duration::from_millis(100);

impl BystanderTable {
    fn check(self, address: Address) -> Result<Device, Wrong> {
        let advert = Advert {
            name: self.name,
            name_in_response: matches!(self.name_in, NameIn::ScanResponse),
            rssi: self.rssi.map_or(RSSI, |rssi| rssi.0),
            interval: positive(self.interval)?.unwrap_or(INTERVAL),
            services: uuids(self.advertises.unwrap_or_default()),
            manufacturer: manufacturer(self.manufacturer),
            service_data: service_data(self.service_data),
        };
        Ok(Device { address, advert, bulb: None })
    }
}

/// The MTU that most bulbs agree to: what fits into one packet of LE's data length extension, with room for what is around it.
const MTU: u16 = 185;
/// A lamp that wants to hear something every so often hangs up after so many times of that.
const PATIENCE: u32 = 5;

impl BulbTable {
    fn check(mut self, address: Address, profiles: &mut Profiles<'_>) -> Result<Device, Wrong> {
        if let (Some(drain), None) = (&self.battery_drain, &self.battery) {
            let what = "battery_drain is of use only with battery".to_owned();
            return Err(Wrong(drain.at, what));
        }
        let profile = profiles.get(self.profile.as_ref())?;
        let light = Said::of_bulb(&mut self).start(&profile)?;
        let example = profile.advertise(&light);
        let services = || example.services.clone();
        let advert = Advert {
            name: self.name.or(example.name.clone()),
            name_in_response: matches!(self.name_in, NameIn::ScanResponse),
            rssi: self.rssi.map_or(RSSI, |rssi| rssi.0),
            interval: positive(self.interval)?.unwrap_or(INTERVAL),
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
        let Tables { table, values } = tables(self.service, &profile, battery.is_some(), device);
        let spots = table
            .services
            .iter()
            .flat_map(|service| service.characteristics.iter().map(|own| (service.uuid, own.uuid)));
        let spots: Vec<_> = spots.collect();
        let keep_alive = profile.session.keep_alive.as_ref();
        let bulb = Bulb {
            battery,
            status_latency: self.status_latency.map_or(Duration::from_millis(20), |span| span.0),
            connect_latency: self.connect_latency.map_or(Duration::from_millis(60), |span| span.0),
            idle_drop: positive(self.idle_drop)?.or(keep_alive.map(|keep| keep.every * PATIENCE)),
            mtu: self.mtu.map_or(MTU, |mtu| mtu.0),
            needs_bonding: self.needs_bonding.unwrap_or(profile.session.needs_bonding),
            pairing: self.pairing,
            start: light.clone(),
            board: VirtualBulb::new(profile, &spots, light),
            table,
            values,
            defects: self.defects,
            faults: self.fault.into_iter().map(check_fault).collect::<Result<_, _>>()?,
        };
        Ok(Device { address, advert, bulb: Some(bulb) })
    }
}

fn valued(uuid: Uuid, properties: Properties, value: Vec<u8>) -> Valued {
    Valued { characteristic: Characteristic::new(uuid, properties), value }
}

/// The whole GATT table of a bulb.
fn tables(
    services: Option<Vec<ServiceTable>>,
    profile: &Profile,
    battery: bool,
    device: Option<Information>,
) -> Tables {
    let mut tables = Tables::default();
    match services {
        None => lamp::table(profile).into_iter().for_each(|(service, list)| tables.add(service, list)),
        Some(services) => {
            for ServiceTable { uuid, characteristic } in services {
                let characteristics = characteristic.into_iter().map(|table| {
                    let value = table.value.map(|value| value.0).unwrap_or_default();
                    valued(table.uuid.0, table.properties, value)
                });
                tables.add(uuid.0, characteristics.collect());
            }
        }
    }
    if battery {
        let level = valued(BATTERY_LEVEL.characteristic, Properties::READ.or(Properties::NOTIFY), vec![]);
        tables.add(BATTERY_LEVEL.service, vec![level]);
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
            text.map(|text| valued(uuid16(short), Properties::READ, text.into_bytes()))
        });
        tables.add(uuid16(0x180A), characteristics.collect());
    }
    tables
}

/// Takes a key that goes with this fault, or refuses it beside another one.
fn only<T>(wanted: bool, key: &str, found: Option<Located<T>>, at: usize) -> Result<Option<T>, Wrong> {
    match (wanted, found) {
        (true, None) => Err(Wrong(at, format!("this fault needs the key `{key}`"))),
        (false, Some(found)) => Err(Wrong(found.at, format!("the key `{key}` is of no use with this fault"))),
        (_, found) => Ok(found.map(|at| at.value)),
    }
}

fn check_fault(table: Located<FaultTable>) -> Result<Fault, Wrong> {
    let at = table.at;
    let FaultTable { on, r#do, characteristic, count, after, att, bytes, r#for } = table.value;
    let what = r#do.value;
    let att = only(what == Do::Error, "att", att, at)?;
    let bytes = only(what == Do::Reply, "bytes", bytes, at)?;
    let delay = only(what == Do::Delay, "for", r#for, at)?;
    if !fits(on, what) {
        return Err(Wrong(r#do.at, misfit(what)));
    }
    if let (Some(characteristic), Point::Connect | Point::Discover) = (&characteristic, on) {
        let what = "the key `characteristic` is of no use while the link comes up".to_owned();
        return Err(Wrong(characteristic.at, what));
    }
    let act = match (what, att, bytes, delay) {
        (Do::Error, Some(att), ..) => Act::Error(att.0),
        (Do::Reply, _, Some(bytes), _) => Act::Reply(bytes.0),
        (Do::Delay, _, _, Some(delay)) => Act::Delay(delay.0),
        (Do::Silent, ..) => Act::Silent,
        (Do::Lose, ..) => Act::Lose,
        _ => Act::Drop,
    };
    Ok(Fault { point: on, act, characteristic: characteristic.map(|uid| uid.value.0), count, after })
}

fn fits(point: Point, what: Do) -> bool {
    match what {
        Do::Drop | Do::Delay => true,
        Do::Silent => point != Point::Notify,
        Do::Error => matches!(point, Point::Read | Point::Write | Point::Subscribe),
        Do::Reply => matches!(point, Point::Read | Point::Notify),
        Do::Lose => matches!(point, Point::Write | Point::Notify),
    }
}

fn misfit(what: Do) -> String {
    match what {
        Do::Error => "`error` is possible on read, write and subscribe only",
        Do::Reply => "`reply` is possible on read and notify only",
        Do::Lose => "`lose` is possible on write and notify only",
        _ => "`silent` is not possible on notify: `lose` is",
    }
    .to_owned()
}

fn check_event<'a>(
    table: Located<EventTable>,
    board: impl Fn(Address) -> Option<&'a VirtualBulb>,
) -> Result<Event, Wrong> {
    let start = table.at;
    let wrong = |what: &str| Err(Wrong(start, what.to_owned()));
    let mut table = table.value;
    let said = Said::of_event(&mut table);
    let EventTable { at, adapter, bulb, r#do, name, .. } = table;
    if !said.is_empty() && r#do != Some(EventDo::Set) {
        return wrong("power, brightness, color and their like are of use only with do = \"set\"");
    }
    if name.is_some() && r#do != Some(EventDo::Rename) {
        return wrong("name is of use only with do = \"rename\"");
    }
    let what = match (adapter, bulb, r#do) {
        (Some(switch), None, None) => What::Adapter(switch == Switch::On),
        (None, Some(bulb), Some(deed)) => {
            let address = bulb.value.0;
            let Some(board) = board(address) else {
                return Err(Wrong(bulb.at, format!("no bulb of this rig has the address {address}")));
            };
            What::Bulb(
                address,
                match (deed, name) {
                    (EventDo::Set, _) if said.is_empty() => {
                        return wrong("do = \"set\" needs one of power, brightness, color and their like");
                    }
                    (EventDo::Set, _) => Deed::Set(said.change(board.profile())?),
                    (EventDo::Drop, _) => Deed::Drop,
                    (EventDo::Vanish, _) => Deed::Vanish,
                    (EventDo::Appear, _) => Deed::Appear,
                    (EventDo::Rename, Some(name)) => Deed::Rename(name),
                    (EventDo::Rename, None) => return wrong("do = \"rename\" needs a name"),
                },
            )
        }
        _ => return wrong("an event has either adapter, or bulb and do"),
    };
    Ok(Event { at: at.0, what })
}
