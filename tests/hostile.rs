//! Random input from every source: text from users (configuration, colours, targets) and data from strangers
//! (advertisements, names, values, frames). Nothing panics or hangs, and all output is well-formed.
//! `fuzz/holds.rs` has the assertions; fixtures and `fuzz/corpus` have the seeds; `cargo xtask fuzz` runs
//! more cases.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use bulbctl::check::{FinishedCheck, Outcome};
use bulbctl::config::Config;
use bulbctl::output::{CheckRecord, ErrorRecord, Record, junit};
use bulbctl::radio::record::{Recorder, Recording, open as replay, redact};
use bulbctl::radio::sim::{SimOptions, open};
use bulbctl::radio::{Address, DeviceId, Radio, SeenDevice};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use quick_xml::events::Event as XmlEvent;

#[path = "../fuzz/holds.rs"]
mod holds;
#[path = "../fuzz/seeds.rs"]
mod seeds;

#[derive(Clone, Debug)]
enum Edit {
    Put(Index, String),
    Cut(Index, u8),
    Repeat(Index, u8),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let words = ["9999999999", "\u{0}", "\n", "'''", "1e9", "灯"];
    let words: Vec<_> = "\" [ ] { = , @ - 0 % ( #".split(' ').chain(words).collect();
    let put = prop_oneof![select(words).prop_map(str::to_owned), any::<char>().prop_map(String::from)];
    let edit = prop_oneof![
        (any::<Index>(), put).prop_map(|(at, text)| Edit::Put(at, text)),
        (any::<Index>(), 1..9_u8).prop_map(|(at, count)| Edit::Cut(at, count)),
        (any::<Index>(), 1..40_u8).prop_map(|(at, count)| Edit::Repeat(at, count)),
    ];
    vec(edit, 0..6)
}

fn edited(text: &str, edits: &[Edit]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for edit in edits {
        match edit {
            Edit::Put(at, text) => {
                let at = at.index(chars.len() + 1);
                chars.splice(at..at, text.chars());
            }
            Edit::Cut(at, count) => {
                let at = at.index(chars.len() + 1);
                chars.drain(at..(at + usize::from(*count)).min(chars.len()));
            }
            Edit::Repeat(at, count) => {
                let at = at.index(chars.len() + 1);
                let piece: Vec<char> = chars[at..].iter().take(usize::from(*count)).copied().collect();
                chars.splice(at..at, piece);
            }
        }
    }
    chars.into_iter().collect()
}

/// Groups with random members, also other groups.
fn groups() -> impl Strategy<Value = Config> {
    let members =
        ["@a", "@b", "@c", "@d", "x,@a,y", "desk", "Light-*", "all", "", " , ", "C4:11:00:00:00:01"];
    let member = select(members.to_vec());
    vec(vec(member.prop_map(str::to_owned), 0..6), 4).prop_map(|members| Config {
        aliases: BTreeMap::from([("desk".to_owned(), "Light-Desk".to_owned())]),
        groups: ["a", "b", "c", "d"].map(str::to_owned).into_iter().zip(members).collect(),
        ..Config::default()
    })
}

const BAD_NAMES: [&str; 12] = [
    "Light\u{a9}",
    "\u{1b}[2JBulb",
    "Light\n\"x\",1",
    "\u{202e}bluB",
    "]]>",
    "</testsuite>",
    "%s%n",
    "../../etc/x",
    "Perdix 3\0",
    "👩\u{200d}❤\u{fe0f}\u{200d}👨",
    "a\"b'<&>",
    "\u{1b}[2J\u{0}\u{ffff}",
];

/// Any name, including known bad ones.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => any::<String>(),
        1 => select(BAD_NAMES.to_vec()).prop_map(str::to_owned),
        1 => "(Light|Bulb|LEDnetWF|ELK-)[\\PC\\pC]{0,240}",
    ]
}

fn report() -> impl Strategy<Value = SeenDevice> {
    let bytes = || vec(any::<u8>(), 0..40);
    // Includes companies and services that families use, so that their decoders run.
    let company =
        prop_oneof![any::<u16>(), select(vec![0x004c, 0x0969, 0x5a00, 0x5a01, 0x8843, 0x8802, 0xffff])];
    let service = prop_oneof![any::<u16>(), select(vec![0xfd3d, 0xfff0, 0xfe0f, 0xfe95, 0xec88, 0xffe5])];
    let service = || service.clone().prop_map(bulbctl::radio::gatt::uuid16);
    (
        proptest::option::of(name()),
        proptest::option::of(name()),
        any::<[u8; 6]>(),
        any::<Option<i16>>(),
        vec(service(), 0..4),
        btree_map(company, bytes(), 0..4),
        btree_map(service(), bytes(), 0..4),
    )
        .prop_map(|(name, alias, address, rssi, services, manufacturer, service_data)| SeenDevice {
            id: DeviceId::new(alias.clone().unwrap_or_default()),
            address: Some(Address::new(address)),
            name,
            alias,
            rssi,
            tx_power: rssi,
            services,
            manufacturer,
            service_data,
            ..SeenDevice::default()
        })
}

fn junit_holds(report: &SeenDevice, frames: Vec<String>) {
    let name = report.name.clone().unwrap_or_default();
    let done = |outcome| FinishedCheck {
        name: "command-on".to_owned(),
        about: "on is reported".to_owned(),
        look: "the handler".to_owned(),
        outcome,
        took: Duration::from_millis(1),
        frames: frames.clone(),
        note: Some(name.clone()),
    };
    let failed = Outcome::Failed { expected: name.clone(), seen: name.clone() };
    let records = [failed, Outcome::Blocked(name.clone()), Outcome::Skipped(name.clone()), Outcome::Passed]
        .map(|outcome| CheckRecord::of(&name, report, "base", done(outcome)));
    records.iter().for_each(|record| drop(holds::json(&Record::Check(Box::new(record.clone())))));
    let text = String::from_utf8(junit(&records).unwrap()).unwrap();
    // Characters that XML 1.0 allows (2.2).
    let xml = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    assert!(text.chars().all(xml), "{text:?}");
    let mut reader = quick_xml::Reader::from_str(&text);
    let (mut cases, mut depth) = (0, 0);
    loop {
        match reader.read_event().unwrap() {
            XmlEvent::Start(tag) => {
                tag.attributes().for_each(|one| drop(one.unwrap()));
                cases += usize::from(tag.name().as_ref() == "testcase");
                depth += 1;
            }
            XmlEvent::Empty(tag) => cases += usize::from(tag.name().as_ref() == "testcase"),
            XmlEvent::End(_) => depth -= 1,
            XmlEvent::Eof => break,
            _ => {}
        }
    }
    assert_eq!((cases, depth), (4, 0), "{text}");
}

#[test]
fn bad_names_leave_a_junit_file_well_formed() {
    for name in BAD_NAMES {
        let report = SeenDevice { name: Some(name.to_owned()), ..SeenDevice::default() };
        junit_holds(&report, vec![name.to_owned()]);
    }
}

proptest! {
    #[test]
    fn a_configuration_is_taken_or_refused(seed in any::<Index>(), edits in edits(), any in any::<String>()) {
        let (_, seeds) = SEEDS.iter().find(|(target, _)| *target == "config").unwrap();
        let text = String::from_utf8_lossy(&seeds[seed.index(seeds.len())]);
        holds::config(edited(&text, &edits).as_bytes());
        holds::config(any.as_bytes());
        let any = toml::Value::String(any);
        holds::config(format!("[groups]\n{any} = [{any}]\n[aliases]\n{any} = {any}\n").as_bytes());
    }

    #[test]
    fn a_colour_is_read_or_refused_with_the_forms(seed in select(vec![
        "#ff8800", "f80", "0xff8800", "255,136,0", "rgb(255, 136, 0)", "hsl(120, 100%, 50%)", "rgba(1 2 3 / 50%)", "hwb(194 0% 0%)",
        "oklch(40% 0.268735435 34.568626)", "lab(50% 40 59.5)", "color-mix(in srgb, red, blue)", "orange",
    ]), edits in edits(), any in any::<String>()) {
        holds::color(edited(seed, &edits).as_bytes());
        holds::color(any.as_bytes());
    }

    #[test]
    fn a_target_names_each_thing_once(config in groups(), text in "([@,* a-dx]|desk|C4:11|all|\\PC){0,12}") {
        holds::target(&text, &config);
    }

    #[test]
    fn an_advertisement_is_made_of_what_it_is(report in report(), frame in any::<String>()) {
        holds::report(&report);
        junit_holds(&report, vec![frame]);
    }
}

#[derive(Clone, Debug)]
struct Hostile {
    name: String,
    company: Vec<u8>,
    service: Vec<u8>,
    status: Vec<u8>,
    notification: Vec<u8>,
    /// Other services and characteristics, with their values.
    table: Vec<(u16, u16, Vec<u8>)>,
}

fn hostile() -> impl Strategy<Value = Hostile> {
    let bytes = |most| vec(any::<u8>(), 0..most);
    let place = || {
        prop_oneof![
            any::<u16>(),
            select(vec![0xfff0, 0xfff1, 0xfff2, 0x180a, 0x180f, 0x2a19, 0x2a29, 0xffe5, 0xffd9])
        ]
    };
    let table = vec((place(), place(), bytes(60)), 0..6);
    (name(), bytes(24), bytes(24), bytes(40), bytes(40), table).prop_map(
        |(name, company, service, status, notification, table)| Hostile {
            name,
            company,
            service,
            status,
            notification,
            table,
        },
    )
}

impl Hostile {
    fn rig(&self) -> String {
        let name = toml::Value::String(self.name.clone());
        let (company, service) = (hex::encode(&self.company), hex::encode(&self.service));
        let mut rig = format!(
            "rig = 1\n[[bulb]]\nname = {name}\naddress = \"C4:11:00:00:00:01\"\nadvertises = [\"fff0\"]\n\
             manufacturer = {{ company = 0x5a00, data = \"{company}\" }}\nservice_data = {{ service = \"fd3d\", data = \"{service}\" }}\n\
             [[bulb.service]]\nuuid = \"fff0\"\n\
             [[bulb.service.characteristic]]\nuuid = \"fff1\"\nproperties = [\"write\"]\n\
             [[bulb.service.characteristic]]\nuuid = \"fff2\"\nproperties = [\"read\", \"notify\"]\n"
        );
        for (service, characteristic, value) in &self.table {
            rig += &format!(
                "[[bulb.service]]\nuuid = \"{service:04x}\"\n[[bulb.service.characteristic]]\nuuid = \"{characteristic:04x}\"\n\
                 properties = [\"read\", \"notify\"]\nvalue = \"{}\"\n",
                hex::encode(value)
            );
        }
        for (on, bytes) in [("read", &self.status), ("notify", &self.notification)] {
            rig += &format!(
                "[[bulb.fault]]\non = \"{on}\"\ndo = \"reply\"\ncharacteristic = \"fff2\"\nbytes = \"{}\"\n",
                hex::encode(bytes)
            );
        }
        rig
    }
}

/// Errors that quote the bulb must be well-formed too.
async fn talk(radio: &dyn Radio) -> SeenDevice {
    let (report, told) = holds::talk(radio).await.unwrap();
    if let Err(error) = told {
        let told = holds::json(&Record::Error(ErrorRecord::of(&error, report.name.as_deref())));
        assert_ne!(told["exit"], 1, "{told}");
    }
    report
}

async fn hostile_bulb_is_recorded(hostile: &Hostile) {
    let dir = tempfile::tempdir().unwrap();
    let (rig, file) = (dir.path().join("rig.toml"), dir.path().join("recording.jsonl"));
    fs::write(&rig, hostile.rig()).unwrap();
    let options = SimOptions { dir: Some(dir.path().join("world")), log: None };
    let recorder = Recorder::create(&file).unwrap();
    let radio = recorder.wrap(open(Some(&rig), options).await.unwrap());
    let report = talk(radio.as_ref()).await;
    recorder.finish().await.unwrap();
    assert_eq!(report.name.as_ref(), Some(&hostile.name));
    assert!(!report.label().is_empty());
    // The recording has one valid line for each event.
    let text = fs::read_to_string(&file).unwrap();
    for line in text.lines() {
        let _: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(!line.contains(char::is_control), "{line:?}");
    }
    assert!(!redact(&Recording::load(&file).unwrap()).unwrap().is_empty());
    let again = talk(replay(&file).unwrap().as_ref()).await;
    assert_eq!(
        (again.name, again.manufacturer, again.service_data),
        (report.name, report.manufacturer, report.service_data)
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

    #[test]
    fn a_bulb_may_say_and_send_anything(hostile in hostile()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(hostile_bulb_is_recorded(&hostile));
    }
}

type Seeds = Vec<(&'static str, Vec<Vec<u8>>)>;

/// Sorted, so that a proptest seed means the same on every machine.
static SEEDS: LazyLock<Seeds> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = |folder: &&str| fs::read_dir(root.join(folder)).unwrap().map(|file| file.unwrap().path());
    let seeds = |(target, folders): &(&'static str, &[&str])| {
        let mut paths: Vec<PathBuf> = folders.iter().flat_map(files).filter(|path| path.is_file()).collect();
        assert!(!paths.is_empty(), "{target} has no corpus");
        paths.sort();
        (*target, paths.iter().map(|path| fs::read(path).unwrap()).collect())
    };
    seeds::SEEDS.iter().map(seeds).collect()
});

#[test]
fn the_corpora_of_the_fuzzer_hold() {
    for (target, seeds) in SEEDS.iter() {
        seeds.iter().for_each(|seed| holds::of(target)(seed));
    }
}

fn near(seed: &[u8], changes: &[(Index, u8, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for (at, gone, new) in changes {
        let at = at.index(bytes.len() + 1);
        let end = (at + usize::from(*gone)).min(bytes.len());
        bytes.splice(at..end, new.iter().copied());
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases * 4, ..ProptestConfig::default() })]

    #[test]
    fn what_is_near_to_the_corpora_holds(
        (target, seed) in any::<(Index, Index)>(),
        changes in vec((any::<Index>(), 0..9_u8, vec(prop_oneof![any::<u8>(), b'\n'..=b'~'], 0..9)), 0..5),
    ) {
        let (target, seeds) = &SEEDS[target.index(SEEDS.len())];
        holds::of(target)(&near(&seeds[seed.index(seeds.len())], &changes));
    }
}
