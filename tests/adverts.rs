//! Recognition by advertisement: the lists in fixtures/adverts, and every profile by its own examples and models.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bulb_protocol::gatt::{Uuid, parse_uuid};
use bulb_protocol::profile::{Advert, AdvertData, Family, FamilyMatch, Profile, Support, builtin};
use bulbctl::bulb::{Families, recognise_offline, refuse_unsupported};
use bulbctl::error::Error;
use bulbctl::radio::gatt::{Characteristic, Service};
use bulbctl::radio::{DeviceId, GattTable, SeenDevice};

fn device(data: &AdvertData) -> SeenDevice {
    SeenDevice {
        id: DeviceId::new("dev"),
        address: None,
        name: data.name.clone(),
        alias: None,
        rssi: None,
        tx_power: None,
        services: data.services.clone(),
        manufacturer: data.manufacturer.iter().cloned().collect(),
        service_data: data.service_data.iter().cloned().collect(),
        connected: false,
        seen: None,
    }
}

fn table(profile: &Profile) -> GattTable {
    let mut table = GattTable::default();
    for (service, characteristic, properties) in profile.table() {
        let found = Characteristic::new(characteristic, properties);
        match table.services.iter_mut().find(|known| known.uuid == service) {
            Some(known) => known.characteristics.push(found),
            None => table.services.push(Service::new(service, vec![found])),
        }
    }
    table
}

/// The GATT table of every family.
fn tables(families: &Families) -> BTreeMap<String, GattTable> {
    assert_eq!(families.all().count(), builtin::names().count(), "a built-in profile has a mistake");
    let table = |family: &Family| (family.name().to_owned(), table(&family.profile(None).unwrap()));
    families.all().map(table).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    hex.as_bytes().chunks(2).map(byte).collect()
}

fn uuid(text: &str) -> Uuid {
    parse_uuid(text).unwrap_or_else(|| panic!("{text} is not a UUID"))
}

/// Reads a line of a list: what is advertised, and the verdict.
fn line(text: &str) -> (AdvertData, &str) {
    let mut columns = text.split("  ").map(str::trim).filter(|column| !column.is_empty());
    let mut next =
        || columns.next().unwrap_or_else(|| panic!("{text}: three columns, two spaces between them"));
    let (name, data, verdict) = (next(), next(), next());
    let mut advert = AdvertData::default();
    if name != "-" {
        advert.name = Some(name.replace("\\s", " ").replace("\\0", "\0"));
    }
    for item in data.split(',').filter(|item| *item != "-") {
        if let Some(service) = item.strip_prefix('+') {
            advert.services.push(uuid(service));
        } else if let Some((service, data)) = item.split_once(':') {
            advert.service_data.push((uuid(service), bytes(data)));
        } else {
            let (company, data) = item.split_once('=').unwrap_or_else(|| panic!("{item} in {text}"));
            advert.manufacturer.push((u16::from_str_radix(company, 16).unwrap(), bytes(data)));
        }
    }
    (advert, verdict)
}

/// The profile that drives a device with this table; none if its advertisement and table do not say which.
fn driven(device: &SeenDevice, table: &GattTable, families: &Families) -> Option<String> {
    let profile = recognise_offline(table, device, families)?;
    profile.unsupported.is_none().then(|| profile.full_name())
}

/// Returns the result for a device, as in the third column.
fn verdict(device: &SeenDevice, tables: &BTreeMap<String, GattTable>, families: &Families) -> String {
    match refuse_unsupported(device, families) {
        Err(Error::NotABulb { .. }) => {
            let all = families.score_advertisement(device);
            let one = all.iter().find(|one| matches!(one.support, Support::NotABulb(_))).unwrap();
            format!("{} not-a-bulb", one.family)
        }
        Err(Error::ProfileUnsupported { profile, reason, .. }) => {
            assert!(!reason.is_empty());
            format!("{} unsupported", profile.split(':').next().unwrap())
        }
        Err(error) => panic!("{error}"),
        Ok(()) => {
            let mut all: Vec<_> =
                tables.values().filter_map(|table| driven(device, table, families)).collect();
            all.dedup();
            match all.as_slice() {
                [] => "unknown".to_owned(),
                all => all.join(" or "),
            }
        }
    }
}

#[test]
fn every_line_of_the_lists() {
    let families = Families::default();
    let tables = tables(&families);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/adverts");
    let (mut count, mut wrong) = (0, Vec::new());
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for text in text.lines().filter(|text| !text.is_empty() && !text.starts_with('#')) {
            let (advert, wanted) = line(text);
            let device = device(&advert);
            let found = verdict(&device, &tables, &families);
            let says_so = advert.name.as_deref().is_some_and(|name| {
                let name = name.to_lowercase();
                name.contains("light") || name.contains("bulb")
            });
            let listed = match wanted.split_once(' ') {
                Some((_, "not-a-bulb")) => false,
                _ => says_so || wanted != "unknown",
            };
            if found != wanted || families.looks_like_a_bulb(&device) != listed {
                wrong.push(format!("{text}\n    is {found}, listed: {}", !listed));
            }
            count += 1;
        }
    }
    assert!(count > 100, "{count} lines");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Collects the advertisements of a family: the examples of its profile and variants, and every model that it lists.
fn advertisements(family: &Family) -> Vec<(AdvertData, Option<String>, Support)> {
    let variants = family.variants().map(|(name, ..)| Some(name.to_owned()));
    let mut all = Vec::new();
    for variant in std::iter::once(None).chain(variants) {
        let profile = family.profile(variant.as_deref()).unwrap();
        let support = profile.unsupported.clone().map_or(Support::Driven, Support::Unsupported);
        all.push((profile.advertise(&profile.full_state(true)), variant, support));
    }
    for known in family.models() {
        let adverts = family.model_adverts(&known.model);
        assert!(!adverts.is_empty(), "{}: no [[match]] can read {}", family.name(), known.model);
        all.extend(adverts.into_iter().map(|advert| (advert, known.variant.clone(), known.support.clone())));
    }
    all
}

/// An advertisement of one family is never taken for another, whatever the table; and on its own table it is driven by the
/// variant that lists it. This covers new profiles and new models without a line here.
#[test]
fn no_family_takes_the_devices_of_another() {
    let families = Families::default();
    let tables = tables(&families);
    // Variants that only a user can name: nothing tells them from the family.
    let named_only = ["elk:handle-0d", "zengge:qhm-wake", "zengge:no-white", "neewer:cct-5"];
    // A name of bulbs of both: the table decides.
    let shared = |a: &str, b: &str| [a, b].iter().all(|name| ["zengge", "led-lamp"].contains(name));
    let mut wrong = Vec::new();
    for family in families.all() {
        for (advert, variant, support) in advertisements(family) {
            let name = variant
                .as_ref()
                .map_or_else(|| family.name().to_owned(), |variant| format!("{}:{variant}", family.name()));
            if named_only.contains(&name.as_str()) || advert == AdvertData::default() {
                continue;
            }
            let device = device(&advert);
            // What is refused by its advertisement is not connected to.
            let refused = refuse_unsupported(&device, &families).is_err();
            if refused && support == Support::Driven {
                wrong.push(format!("{advert:?} of {name} ({support:?}): is refused"));
            }
            // Only a family that the advertisement speaks for can take it: see a_table_alone_is_no_evidence.
            let scores = families.score_advertisement(&device);
            let rivals = scores.iter().filter(|one| one.score > 0 && one.family != family.name()).count();
            let worth = |other: &str| !refused && (rivals > 0 || other == family.name());
            for (other, table) in tables.iter().filter(|(other, _)| worth(other)) {
                let driven = driven(&device, table, &families);
                let foreign = driven.as_ref().is_some_and(|driven| {
                    let driven = driven.split(':').next().unwrap();
                    driven != family.name() && !shared(driven, family.name())
                });
                let wanted = (support == Support::Driven).then_some(&name);
                if foreign || (other == family.name() && driven.as_ref() != wanted) {
                    wrong.push(format!(
                        "{advert:?} of {name} ({support:?}) on the table of {other}: {driven:?}"
                    ));
                }
            }
            let listed = !matches!(support, Support::NotABulb(_) | Support::Unlisted(_));
            if families.looks_like_a_bulb(&device) != listed {
                wrong.push(format!("{advert:?} of {name}: listed is not {listed}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Families are only loaded if their outline says that they come into question. No evidence is lost by that.
#[test]
fn outlines_leave_out_no_family_with_evidence() {
    let families = Families::default();
    let evidence = |mut all: Vec<FamilyMatch>| {
        all.retain(|one| one.score > 0 || matches!(one.support, Support::Unlisted(Some(_))));
        all
    };
    let mut left_out = 0;
    for family in families.all() {
        for (data, ..) in advertisements(family) {
            let found = families.score_advertisement(&device(&data));
            left_out += families.all().count() - found.len();
            let manufacturer: Vec<_> =
                data.manufacturer.iter().map(|(id, bytes)| (*id, &bytes[..])).collect();
            let service_data: Vec<_> =
                data.service_data.iter().map(|(id, bytes)| (*id, &bytes[..])).collect();
            let advert = Advert {
                name: data.name.as_deref(),
                services: &data.services,
                manufacturer: &manufacturer,
                service_data: &service_data,
            };
            let all = families.all().map(|family| family.recognise(&advert)).collect();
            assert_eq!(evidence(found), evidence(all), "{data:?}");
        }
    }
    assert!(left_out > 0);
}

/// Many devices have the same tables: without an advertisement nothing is written, whatever the table.
#[test]
fn a_table_alone_is_no_evidence() {
    let families = Families::default();
    for (name, table) in tables(&families) {
        let nameless = device(&AdvertData::default());
        assert_eq!(driven(&nameless, &table, &families), None, "{name}");
        let stranger = device(&AdvertData { name: Some("YX-7F21".to_owned()), ..AdvertData::default() });
        assert_eq!(driven(&stranger, &table, &families), None, "{name}");
    }
}
