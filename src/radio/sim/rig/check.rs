//! Makes the values of a [`Rig`] of a file's tables. What is wrong is said with its line.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bulb_protocol::{LightState, Percent, Rgb, base};
use toml::Spanned;
use uuid::Uuid;

use super::file::{
    BulbTable, BystanderTable, Do, EventDo, EventTable, FaultTable, File, Information, Manufacturer, NameIn,
    Property, ServiceTable, Switch,
};
use super::text::{Addr, Color, Level, Span, Uid};
use super::{
    Act, Advert, BATTERY_LEVEL, Battery, Bulb, Deed, Device, Event, Fault, LIGHT, Point, Rig, Tables, Valued,
    What,
};
use crate::error::{Error, Result};
use crate::radio::gatt::{Characteristic, uuid16};
use crate::radio::{Address, Properties};

/// The format of rig files that is read here.
const FORMAT: i64 = 1;

/// What is wrong with a part of the file, and where that begins.
struct Wrong(usize, String);

/// Reads the text of a rig file; `path` is for the error message.
///
/// # Errors
/// [`Error::RigInvalid`] with the line and what was expected.
pub(in crate::radio::sim) fn parse(text: &str, path: &str) -> Result<Rig> {
    let invalid = |at: Option<usize>, what: &str| {
        let line = at.map(|at| text.get(..at).unwrap_or(text).matches('\n').count() + 1);
        let place = line.map_or_else(String::new, |line| format!("line {line}: "));
        Error::RigInvalid { path: path.to_owned(), detail: format!("{place}{what}") }
    };
    let file: File = toml::from_str(text)
        .map_err(|error| invalid(error.span().map(|span| span.start), error.message()))?;
    file.check().map_err(|Wrong(at, what)| invalid(Some(at), &what))
}

impl File {
    fn check(self) -> Result<Rig, Wrong> {
        if *self.rig.get_ref() != FORMAT {
            let what = format!("this is format {}, and {FORMAT} is read here", self.rig.get_ref());
            return Err(Wrong(self.rig.span().start, what));
        }
        let mut addresses = BTreeSet::new();
        let mut unique = |address: &Spanned<Addr>| {
            let value = address.get_ref().0;
            if addresses.insert(value) {
                return Ok(value);
            }
            Err(Wrong(address.span().start, format!("{value} is the address of another device above")))
        };
        let mut devices = Vec::new();
        let mut bulbs = BTreeSet::new();
        for table in self.bulb {
            let address = unique(&table.address)?;
            bulbs.insert(address);
            devices.push(table.check(address)?);
        }
        for table in self.bystander {
            let address = unique(&table.address)?;
            devices.push(table.check(address)?);
        }
        let events =
            self.event.into_iter().map(|event| check_event(event, &bulbs)).collect::<Result<_, _>>()?;
        Ok(Rig { about: self.about, adapter: self.adapter.state, devices, events })
    }
}

/// A duration that must not be zero.
fn positive(span: Option<Spanned<Span>>) -> Result<Option<Duration>, Wrong> {
    match span {
        Some(span) if span.get_ref().0.is_zero() => {
            Err(Wrong(span.span().start, "this duration must not be zero".to_owned()))
        }
        span => Ok(span.map(|span| span.into_inner().0)),
    }
}

fn uuids(uids: Vec<Uid>) -> Vec<Uuid> {
    uids.into_iter().map(|uid| uid.0).collect()
}

fn manufacturer(data: Option<Manufacturer>) -> BTreeMap<u16, Vec<u8>> {
    data.map(|data| (data.company.0, data.data.0)).into_iter().collect()
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
            services: uuids(self.advertises),
            manufacturer: manufacturer(self.manufacturer),
        };
        Ok(Device { address, advert, bulb: None })
    }
}

impl BulbTable {
    fn check(self, address: Address) -> Result<Device, Wrong> {
        if let (Some(drain), None) = (&self.battery_drain, &self.battery) {
            let what = "battery_drain is of use only with battery".to_owned();
            return Err(Wrong(drain.span().start, what));
        }
        let advert = Advert {
            name: self.name,
            name_in_response: matches!(self.name_in, NameIn::ScanResponse),
            rssi: self.rssi.map_or(RSSI, |rssi| rssi.0),
            interval: positive(self.interval)?.unwrap_or(INTERVAL),
            services: uuids(self.advertises),
            manufacturer: manufacturer(self.manufacturer),
        };
        let drain = positive(self.battery_drain)?;
        let battery = self.battery.map(|level| Battery { level: level.0, drain });
        let Tables { table, values } = tables(self.service, battery.is_some(), self.device);
        let bulb = Bulb {
            light: LightState {
                power: self.power.unwrap_or(LIGHT.power),
                brightness: self.brightness.map_or(LIGHT.brightness, |level| level.0),
                color: self.color.map_or(LIGHT.color, |color| color.0),
            },
            battery,
            status_latency: self.status_latency.map_or(Duration::from_millis(20), |span| span.0),
            connect_latency: self.connect_latency.map_or(Duration::from_millis(60), |span| span.0),
            table,
            values,
            faults: self.fault.into_iter().map(check_fault).collect::<Result<_, _>>()?,
        };
        Ok(Device { address, advert, bulb: Some(bulb) })
    }
}

fn properties(list: &[Property]) -> Properties {
    let mut properties = Properties::default();
    for property in list {
        match property {
            Property::Read => properties.read = true,
            Property::Write => properties.write = true,
            Property::WriteWithoutResponse => properties.write_without_response = true,
            Property::Notify => properties.notify = true,
            Property::Indicate => properties.indicate = true,
        }
    }
    properties
}

fn valued(uuid: Uuid, list: &[Property], value: Vec<u8>) -> Valued {
    Valued { characteristic: Characteristic::new(uuid, properties(list)), value }
}

/// The whole GATT table of a bulb.
fn tables(services: Option<Vec<ServiceTable>>, battery: bool, device: Option<Information>) -> Tables {
    let mut tables = Tables::default();
    match services {
        None => tables.add(
            uuid16(base::SERVICE),
            vec![
                valued(uuid16(base::CONTROL), &[Property::Write, Property::WriteWithoutResponse], vec![]),
                valued(uuid16(base::STATUS), &[Property::Read, Property::Notify], vec![]),
            ],
        ),
        Some(services) => {
            for ServiceTable { uuid, characteristic } in services {
                let characteristics = characteristic.into_iter().map(|table| {
                    let value = table.value.map(|value| value.0).unwrap_or_default();
                    valued(table.uuid.0, &table.properties, value)
                });
                tables.add(uuid.0, characteristics.collect());
            }
        }
    }
    if battery {
        let level = valued(BATTERY_LEVEL.characteristic, &[Property::Read, Property::Notify], vec![]);
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
            text.map(|text| valued(uuid16(short), &[Property::Read], text.into_bytes()))
        });
        tables.add(uuid16(0x180A), characteristics.collect());
    }
    tables
}

/// Takes a key that goes with this fault, or refuses it beside another one.
fn only<T>(wanted: bool, key: &str, found: Option<Spanned<T>>, at: usize) -> Result<Option<T>, Wrong> {
    match (wanted, found) {
        (true, None) => Err(Wrong(at, format!("this fault needs the key `{key}`"))),
        (false, Some(found)) => {
            Err(Wrong(found.span().start, format!("the key `{key}` is of no use with this fault")))
        }
        (_, found) => Ok(found.map(Spanned::into_inner)),
    }
}

fn check_fault(table: Spanned<FaultTable>) -> Result<Fault, Wrong> {
    let at = table.span().start;
    let FaultTable { on, r#do, characteristic, count, att, bytes, r#for } = table.into_inner();
    let what = *r#do.get_ref();
    let att = only(what == Do::Error, "att", att, at)?;
    let bytes = only(what == Do::Reply, "bytes", bytes, at)?;
    let delay = only(what == Do::Delay, "for", r#for, at)?;
    if !fits(on, what) {
        return Err(Wrong(r#do.span().start, misfit(what)));
    }
    if let (Some(characteristic), Point::Connect | Point::Discover) = (&characteristic, on) {
        let what = "the key `characteristic` is of no use while the link comes up".to_owned();
        return Err(Wrong(characteristic.span().start, what));
    }
    let act = match (what, att, bytes, delay) {
        (Do::Error, Some(att), ..) => Act::Error(att.0),
        (Do::Reply, _, Some(bytes), _) => Act::Reply(bytes.0),
        (Do::Delay, _, _, Some(delay)) => Act::Delay(delay.0),
        (Do::Silent, ..) => Act::Silent,
        (Do::Lose, ..) => Act::Lose,
        _ => Act::Drop,
    };
    Ok(Fault { point: on, act, characteristic: characteristic.map(|uid| uid.into_inner().0), count })
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

fn check_event(table: Spanned<EventTable>, bulbs: &BTreeSet<Address>) -> Result<Event, Wrong> {
    let start = table.span().start;
    let wrong = |what: &str| Err(Wrong(start, what.to_owned()));
    let EventTable { at, adapter, bulb, r#do, power, brightness, color, name } = table.into_inner();
    let sets = power.is_some() || brightness.is_some() || color.is_some();
    if sets && r#do != Some(EventDo::Set) {
        return wrong("power, brightness and color are of use only with do = \"set\"");
    }
    if name.is_some() && r#do != Some(EventDo::Rename) {
        return wrong("name is of use only with do = \"rename\"");
    }
    let what = match (adapter, bulb, r#do) {
        (Some(switch), None, None) => What::Adapter(switch == Switch::On),
        (None, Some(bulb), Some(deed)) => {
            let address = bulb.get_ref().0;
            if !bulbs.contains(&address) {
                return Err(Wrong(
                    bulb.span().start,
                    format!("no bulb of this rig has the address {address}"),
                ));
            }
            What::Bulb(
                address,
                match (deed, name) {
                    (EventDo::Set, _) if !sets => {
                        return wrong("do = \"set\" needs one of power, brightness and color");
                    }
                    (EventDo::Set, _) => Deed::Set {
                        power,
                        brightness: brightness.map(|level: Level| -> Percent { level.0 }),
                        color: color.map(|color: Color| -> Rgb { color.0 }),
                    },
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
