//! Recognition of every virtual bulb by its advertisement and its table, and of bulbs that were confused.
#![cfg(feature = "profiles")]
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use bulb_protocol::gatt::{Properties, Uuid, uuid16};
use bulb_protocol::profile::{
    Advert, AdvertData, Family, FamilyMatch, Identification, MIN_SCORE, builtin, identify,
};

type Table = Vec<(Uuid, Uuid, Properties)>;

fn with_advert<T>(data: &AdvertData, look: impl FnOnce(&Advert<'_>) -> T) -> T {
    let manufacturer: Vec<_> = data.manufacturer.iter().map(|(id, bytes)| (*id, bytes.as_slice())).collect();
    let service_data: Vec<_> = data.service_data.iter().map(|(id, bytes)| (*id, bytes.as_slice())).collect();
    look(&Advert {
        name: data.name.as_deref(),
        services: &data.services,
        manufacturer: &manufacturer,
        service_data: &service_data,
    })
}

fn weigh(families: &[Family], data: &AdvertData) -> Vec<FamilyMatch> {
    with_advert(data, |advert| families.iter().map(|family| family.recognise(advert)).collect())
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

/// A family is certain with a score of 50, and 10 more than the next.
#[test]
fn a_family_needs_a_score_and_a_lead() {
    let certain = |scores: &[u32]| {
        let all: Vec<_> = weigh(&builtin::families().unwrap(), &AdvertData::default())
            .into_iter()
            .zip(scores)
            .map(|(one, score)| FamilyMatch { score: *score, ..one })
            .collect();
        match identify(&all) {
            Identification::Certain(one) => format!("{} is certain", one.score),
            Identification::Uncertain(some) => format!("{} of {}", some.len(), all.len()),
            Identification::Unknown => "unknown".to_owned(),
        }
    };
    for (scores, result) in [
        (&[][..], "unknown"),
        (&[0, 0], "unknown"),
        (&[0, 49], "1 of 2"),
        (&[0, 50], "50 is certain"),
        (&[41, 50], "2 of 2"),
        (&[40, 50], "50 is certain"),
        (&[60, 0, 70, 1], "70 is certain"),
        (&[61, 0, 70, 1], "3 of 4"),
    ] {
        assert_eq!(certain(scores), result, "{scores:?}");
    }
}

/// A family with these rules.
fn with_rules(rules: &str) -> Family {
    let text = format!(
        "profile = 1\nname = \"edge\"\ntitle = \"Edge\"\n{rules}[role.control]\nat = [\"fff0/fff1\"]\n\
         [can]\npower = {{}}\n[commands]\npower = \"01 {{power}}\"\n[variant.a]\n[variant.b]\n"
    );
    Family::parse(&text).unwrap()
}

#[test]
fn the_rule_that_fixes_most_counts_and_then_the_one_with_the_higher_score() {
    let short = "[[match]]\nname = \"Edge*\"\nscore = 60\n";
    let long = "[[match]]\nname = \"Edge-X*\"\nscore = 20\n";
    let other = "[[match]]\nname = \"*Edge*\"\nscore = 60\n";
    let better = "[[match]]\nname = \"*Edge*\"\nscore = 61\n";
    for (rules, name, score, like) in [
        ([short, long], "Edge-X1", 20, "Edge-X*"),
        ([long, short], "Edge-X1", 20, "Edge-X*"),
        ([short, long], "Edge-Y1", 60, "Edge*"),
        ([short, better], "Edge", 61, "*Edge*"),
        ([better, short], "Edge", 61, "*Edge*"),
        // The first, if nothing else decides.
        ([short, other], "Edge", 60, "Edge*"),
        ([other, short], "Edge", 60, "*Edge*"),
    ] {
        let found = with_rules(&rules.concat()).recognise(&Advert { name: Some(name), ..Advert::default() });
        let texts: Vec<_> = found.evidence.iter().map(|one| one.text.as_str()).collect();
        assert_eq!(
            (found.score, texts),
            (score, vec![format!("name {name:?} is like {like}").as_str()]),
            "{rules:?}"
        );
    }
    // Each kind of evidence counts.
    let both = with_rules(&format!("{short}[[match]]\ncompany = 7\nscore = 9\n"));
    let advert = Advert { name: Some("Edge"), manufacturer: &[(7, &[])], ..Advert::default() };
    assert_eq!(both.recognise(&advert).score, 69);
}

#[test]
fn data_say_more_about_the_variant_than_a_name() {
    let name = |pattern: &str, variant: &str| {
        format!("[[match]]\nname = \"{pattern}\"\nscore = 60\nvariant = \"{variant}\"\n")
    };
    let data = "[[match]]\ncompany = 7\ndata = \"EC\"\nscore = 1\nvariant = \"b\"\n";
    let variant = |rules: &str| {
        let advert = Advert { name: Some("Edge-X1"), manufacturer: &[(7, &[0xEC])], ..Advert::default() };
        with_rules(rules).recognise(&advert).variant
    };
    assert_eq!(variant(&[&name("Edge-X*", "a"), data].concat()).as_deref(), Some("b"));
    assert_eq!(variant(&[data, &name("Edge-X*", "a")].concat()).as_deref(), Some("b"));
    assert_eq!(variant(&[name("Edge-X*", "a"), name("Edge*", "b")].concat()).as_deref(), Some("a"));
    assert_eq!(variant(&[name("Edge*", "b"), name("Edge-X*", "a")].concat()).as_deref(), Some("a"));
    // The first, if they fix as much.
    assert_eq!(variant(&[name("Edge*", "a"), name("*Edge*", "b")].concat()).as_deref(), Some("a"));
}

#[test]
fn a_service_alone_identifies_a_family_if_its_score_is_enough() {
    let service = [uuid16(0xFFF0)];
    for (rule, identified) in [
        ("service = \"fff0\"\nscore = 49", false),
        ("service = \"fff0\"\nscore = 50", true),
        ("name = \"Edge*\"\nscore = 1", true),
        ("company = 7\nscore = 1", true),
        ("name = \"Other*\"\nscore = 100", false),
    ] {
        let advert =
            Advert { name: Some("Edge"), services: &service, manufacturer: &[(7, &[])], ..Advert::default() };
        let found = with_rules(&format!("[[match]]\n{rule}\n")).recognise(&advert);
        assert_eq!(found.identified, identified, "{rule}");
    }
}

/// An outline may keep a family that has no evidence, but never leaves one out that has some.
#[test]
fn an_outline_keeps_every_family_with_evidence() {
    let families = builtin::families().unwrap();
    let outlines = builtin::outlines().unwrap();
    assert_eq!(
        outlines.iter().map(|outline| outline.name()).collect::<Vec<_>>(),
        builtin::names().collect::<Vec<_>>()
    );
    let kept = |data: &AdvertData| -> Vec<&str> {
        with_advert(data, |advert| {
            let kept = outlines.iter().filter(|outline| outline.may_advertise(advert));
            kept.map(|outline| outline.name()).collect()
        })
    };
    for family in &families {
        let profile = family.profile(None).unwrap();
        let data = profile.advertise(&profile.full_state(true));
        for one in weigh(&families, &data).iter().filter(|one| one.score > 0) {
            assert!(kept(&data).contains(&one.family.as_str()), "{} of {data:?}", one.family);
        }
    }
    // Each kind of evidence, and nothing.
    assert_eq!(kept(&named("ELK-BLEDOM\0")), ["elk"]);
    let services = vec![uuid16(0xFE0F)];
    assert_eq!(kept(&AdvertData { services, ..AdvertData::default() }), ["hue"]);
    assert_eq!(kept(&named("Kettle")), [""; 0]);
    assert_eq!(kept(&AdvertData::default()), [""; 0]);
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

/// White bulbs of Hue lack colour and temperature.
#[test]
fn a_table_may_lack_what_is_optional_and_nothing_else() {
    let hue = builtin::load("hue", None).unwrap();
    let whole = hue.table();
    for role in &hue.roles {
        let lacking: Table =
            whole.iter().filter(|(_, one, _)| *one != role.at[0].characteristic).copied().collect();
        let found = hue.match_table(&lacking);
        let wanted = hue.roles.iter().filter(|other| other.name != role.name).map(|other| &other.name);
        assert!(found.roles.iter().map(|found| &found.role).eq(wanted), "{}: {found:?}", role.name);
        assert_eq!(found.problems.is_empty(), role.optional, "{}: {found:?}", role.name);
    }
    assert!(hue.roles.iter().any(|role| role.optional));
}
