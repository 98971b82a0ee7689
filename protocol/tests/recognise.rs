//! Recognition of every virtual bulb by its advertisement and its table, and of bulbs that were confused.
#![cfg(feature = "profiles")]
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;

use bulb_protocol::gatt::{Properties, Uuid, uuid16};
use bulb_protocol::profile::{
    Advert, AdvertData, Family, FamilyMatch, Identification, MIN_SCORE, builtin, identify,
};

type Table = Vec<(Uuid, Uuid, Properties)>;

fn weigh(families: &[Family], data: &AdvertData) -> Vec<FamilyMatch> {
    let manufacturer: Vec<_> = data.manufacturer.iter().map(|(id, bytes)| (*id, bytes.as_slice())).collect();
    let service_data: Vec<_> = data.service_data.iter().map(|(id, bytes)| (*id, bytes.as_slice())).collect();
    let advert = Advert {
        name: data.name.as_deref(),
        services: &data.services,
        manufacturer: &manufacturer,
        service_data: &service_data,
    };
    families.iter().map(|family| family.recognise(&advert)).collect()
}

/// Adds the score of the table. A family that does not match it has no score.
fn with_table(families: &[Family], data: &AdvertData, table: &Table) -> Vec<FamilyMatch> {
    let mut all = weigh(families, data);
    for (one, family) in all.iter_mut().zip(families) {
        let profile = family.profile(one.variant.as_deref()).unwrap();
        let fits = profile.match_table(table).problems.is_empty();
        one.score = if fits { one.score + u32::from(profile.gatt_score) } else { 0 };
    }
    all
}

fn named(name: &str) -> AdvertData {
    AdvertData { name: Some(name.to_owned()), ..AdvertData::default() }
}

fn table_of(name: &str) -> Table {
    builtin::load(name, None).unwrap().table()
}

fn sure(all: &[FamilyMatch]) -> Option<(&str, Option<&str>)> {
    match identify(all) {
        Identification::Certain(one) => Some((&one.family, one.variant.as_deref())),
        _ => None,
    }
}

#[test]
fn every_virtual_bulb_is_recognised() {
    let families = builtin::families().unwrap();
    // Variants that only a user can choose: nothing distinguishes them from the family.
    let by_choice = ["elk:handle-0d", "zengge:qhm-wake", "zengge:no-white", "neewer:cct-5"];
    for family in &families {
        let variants: Vec<String> = family.variants().map(|(name, ..)| name.to_owned()).collect();
        for variant in [None].into_iter().chain(variants.iter().map(|name| Some(name.as_str()))) {
            let profile = family.profile(variant).unwrap();
            let name = profile.full_name();
            if name == "base" || by_choice.contains(&name.as_str()) {
                continue;
            }
            let data = profile.advertise(&profile.full_state(true));
            let found = with_table(&families, &data, &profile.table());
            assert_eq!(sure(&found), Some((family.name(), variant)), "{name}: {data:?} {found:#?}");
        }
    }
}

/// An advertisement and its scan response have 31 bytes each. An element takes two bytes more than its content.
#[test]
fn every_virtual_bulb_fits_into_an_advertisement() {
    let uuid_bytes =
        |uuid: &Uuid| if uuid.to_string().ends_with("-0000-1000-8000-00805f9b34fb") { 2 } else { 16 };
    for family in &builtin::families().unwrap() {
        let variants = family.variants().map(|(name, ..)| Some(name.to_owned()));
        for variant in [None].into_iter().chain(variants) {
            let profile = family.profile(variant.as_deref()).unwrap();
            let data = profile.advertise(&profile.full_state(true));
            let services = data.services.iter().map(|uuid| 2 + uuid_bytes(uuid));
            let manufacturer = data.manufacturer.iter().map(|(_, bytes)| 4 + bytes.len());
            let service_data =
                data.service_data.iter().map(|(uuid, bytes)| 2 + uuid_bytes(uuid) + bytes.len());
            let advertisement: usize = services.chain(manufacturer).sum();
            let response = data.name.map_or(0, |name| 2 + name.len()) + service_data.sum::<usize>();
            let name = profile.full_name();
            assert!(advertisement <= 31 && response <= 31, "{name}: {advertisement} and {response} bytes");
        }
    }
}

/// The name, service and table of a base bulb are weak evidence: only the read confirms it.
#[test]
fn a_base_bulb_needs_its_probe() {
    let families = builtin::families().unwrap();
    let mut data = named("Light-Desk");
    data.services.push(uuid16(0xFFF0));
    let found = with_table(&families, &data, &table_of("base"));
    assert_eq!(sure(&found), None);
    let base = found.iter().find(|one| one.family == "base").unwrap();
    let Some(bulb_protocol::profile::Probe::Role { score, .. }) = builtin::load("base", None).unwrap().probe
    else {
        panic!("base is probed")
    };
    assert!(base.score < MIN_SCORE && base.score + u32::from(score) >= MIN_SCORE);
    // Without a name, too.
    let found = with_table(&families, &AdvertData::default(), &table_of("base"));
    let base = found.iter().find(|one| one.family == "base").unwrap();
    assert!(base.score + u32::from(score) >= MIN_SCORE, "{base:?}");
}

#[test]
fn mix_ups() {
    let families = builtin::families().unwrap();
    let find = |name: &str, table: &Table| {
        let found = with_table(&families, &named(name), table);
        sure(&found).map(|(family, variant)| format!("{family}:{}", variant.unwrap_or("-")))
    };
    let elk = table_of("elk");
    // Names with Light or Bulb in them that speak something else, on the base protocol's own service.
    assert_eq!(find("ELK-BULB", &elk).as_deref(), Some("elk:bulb"));
    assert_eq!(find("ELK-BULB2 ", &elk).as_deref(), Some("elk:bulb-2"));
    assert_eq!(find("LED LIGHT STRIP", &elk).as_deref(), Some("elk:app"));
    assert_eq!(find("MIPOW SMART BULB", &table_of("playbulb")).as_deref(), Some("playbulb:-"));
    // One name, two families: the table decides.
    assert_eq!(find("LEDBLE-78630A", &table_of("led-lamp")).as_deref(), Some("led-lamp:-"));
    assert_eq!(find("LEDBLE-78630A", &table_of("zengge")).as_deref(), Some("zengge:-"));
    assert_eq!(sure(&weigh(&families, &named("LEDBLE-78630A"))), None);
    // One service, several families: the name decides, and without one nothing does.
    let uart = table_of("sp110e");
    assert_eq!(find("SP110E", &uart).as_deref(), Some("sp110e:-"));
    assert_eq!(find("SP611E", &uart).as_deref(), Some("banlanx:-"));
    assert_eq!(find("HMSoft", &uart), None);
    // The longest name wins, within a family and between two.
    assert_eq!(find("MELK-OA10  ", &elk).as_deref(), Some("elk:melk-o"));
    assert_eq!(find("MELK-OA21", &elk).as_deref(), Some("elk:melk-oa21"));
    let lednet = table_of("lednetwf");
    assert_eq!(find("LEDnetWF02001D112233\0\0\0\0\0\0", &lednet).as_deref(), Some("lednetwf:-"));
    assert_eq!(find("LEDnetWF020033112233", &lednet).as_deref(), Some("lednetwf:simple"));
    assert_eq!(find("LEDnet-112233", &table_of("zengge")).as_deref(), Some("zengge:-"));
    assert_eq!(find("ihoment_H6127_1A2B", &table_of("govee")).as_deref(), Some("govee:h6127"));
    // A model of which only power is known, and one that nobody has described.
    assert_eq!(find("Govee_H7012_1A2B", &table_of("govee")).as_deref(), Some("govee:-"));
    assert_eq!(find("Govee_H9999_1A2B", &table_of("govee")), None);
    // A name is no proof against a table that does not fit.
    assert_eq!(find("ELK-BLEDOM", &table_of("base")), None);
}

/// Four other families on FFF0: none matches the base profile.
#[test]
fn what_else_uses_the_base_service() {
    let base = builtin::load("base", None).unwrap();
    let on = |characteristics: &[(u16, Properties)]| -> Table {
        let place = |(id, properties): &(u16, Properties)| (uuid16(0xFFF0), uuid16(*id), *properties);
        characteristics.iter().map(place).collect()
    };
    let (read, write, notify) = (Properties::READ, Properties::WRITE, Properties::NOTIFY);
    let fits = |table: Table| base.match_table(&table).problems.is_empty();
    assert!(fits(on(&[(0xFFF1, write), (0xFFF2, read.or(notify))])));
    let mut tables: BTreeMap<&str, Table> = BTreeMap::new();
    tables.insert("ELK-BLEDOM", table_of("elk"));
    tables.insert("roles swapped", on(&[(0xFFF1, notify), (0xFFF2, write)]));
    tables.insert("the demo, whose status does not notify", on(&[(0xFFF1, read.or(write)), (0xFFF2, read)]));
    let mut zengge = on(&[(0xFFF1, write), (0xFFF2, read.or(write).or(notify))]);
    zengge.push((uuid16(0xFFE5), uuid16(0xFFE9), write));
    tables.insert("ZJ-MBL", zengge);
    for (name, table) in tables {
        assert!(!fits(table), "{name}");
    }
    let missing = base.match_table(&on(&[(0xFFF1, write)])).problems;
    assert_eq!(missing, ["it has no status characteristic fff0/fff2"]);
    let wrong = base.match_table(&on(&[(0xFFF1, write), (0xFFF2, read)])).problems;
    assert_eq!(wrong, ["status characteristic fff2 has read, and read, notify|indicate are needed"]);
}
