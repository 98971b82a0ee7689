//! A bulb of each family: it receives exactly the bytes of its profile and of the vectors in protocol/vectors, and reports
//! the commanded state.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use bulb_protocol::gatt::{WriteKind, uuid_text};
use bulb_protocol::profile::{Advert, DecodedCommand, Feature, Light, Profile, Trigger, builtin};
use serde_json::Value;

use crate::play::Play;
use crate::stage::Kind;
use crate::{BOTH, STACK, Scenario, scenario};

const NO_ADDRESS: &[(Kind, &str)] =
    &[(Kind::MacOs, "its frames carry its address, which macOS does not tell")];

/// A scenario that commands the bulb of a profile with one list of arguments after the other.
macro_rules! family {
    ($name:literal, $profile:literal, $arguments:literal) => {
        scenario($name, "families", BOTH, |play| commands(play, $profile, $arguments))
    };
}

/// The same, with the rig of variants.
macro_rules! variant {
    ($name:literal, $profile:literal, $arguments:literal) => {
        scenario($name, "variants", BOTH, |play| commands(play, $profile, $arguments))
    };
}

/// The same, with the rig of strips: a rig of all would be longer than a screen.
macro_rules! strip {
    ($name:literal, $profile:literal, $arguments:literal) => {
        scenario($name, "strips", BOTH, |play| commands(play, $profile, $arguments))
    };
}

pub const SCENARIOS: &[Scenario] = &[
    scenario("all of them are seen as they advertise", "families", STACK, seen),
    scenario("all strips are seen as they advertise", "strips", BOTH, seen),
    scenario("all variants are seen as they advertise", "variants", BOTH, seen),
    family!("ELK-BLEDOM", "elk", "--on; --color #ff0000; --brightness 100; --white 50; --effect red"),
    family!("MELK", "elk:melk", "--on; --effect 135"),
    family!("LED Lamp", "led-lamp", "--on; --color #00ff00; --brightness 50; --effect red"),
    family!(
        "Zengge",
        "zengge",
        "--on; --white 100; --color #ff8800; --brightness 50; --effect fade-7 --speed 50"
    ),
    family!(
        "Govee of segments",
        "govee:segments",
        "--on; --color #ff0000; --brightness 51; --kelvin 3600; --effect 258"
    ),
    family!("Govee of one colour", "govee:h6127", "--on; --color #ff8000; --brightness 100; --effect 4"),
    family!(
        "Govee of one colour and kelvin",
        "govee:color",
        "--on; --color #ff6600; --brightness 40; --kelvin 2700"
    ),
    family!(
        "Govee of white by colour",
        "govee:h6105",
        "--on; --color #ff6600; --brightness 100; --kelvin 2700"
    ),
    family!("Govee of panels", "govee:panels", "--on; --color #ff6600; --kelvin 4000; --effect breathe"),
    family!("Hue", "hue", "--on; --color #ff8800; --brightness 100; --kelvin 3333; --effect candle"),
    family!(
        "SwitchBot",
        "switchbot",
        "--on; --color #ff8800; --brightness 32; --kelvin 3600; --effect breathe"
    ),
    family!(
        "LEDnetWF",
        "lednetwf",
        "--on; --color #ff0000; --brightness 40; --kelvin 3726 --brightness 54; --effect 1"
    ),
    family!("LEDnetWF, simple", "lednetwf:simple", "--on; --color #ff0000; --effect fade-7 --speed 50"),
    family!("SP110E", "sp110e", "--on; --color #ff0000; --brightness 50; --white 100; --effect 120"),
    family!(
        "Playbulb",
        "playbulb",
        "--on; --white 100; --color #ff0000; --brightness 50; --effect candle --speed 100"
    ),
    family!("Yeelight", "yeelight", "--on; --kelvin 6397; --color #ff8800 --brightness 80; --brightness 49"),
    family!("Avea", "avea", "--color #ff0000; --brightness 100"),
    family!("Neewer", "neewer", "--on; --color #bb80ff --brightness 50; --kelvin 3200 --brightness 70"),
    family!(
        "Neewer Infinity",
        "neewer:cb60-rgb",
        "--on; --color #ff33ff --brightness 100; --kelvin 2700 --brightness 50"
    )
    .except(NO_ADDRESS),
    family!(
        "Neewer of white only",
        "neewer:white-only",
        "--on; --kelvin 4400 --brightness 60; --kelvin 3200"
    ),
    family!(
        "Neewer home",
        "neewer:home",
        "--on; --kelvin 3200 --brightness 50; --color #0000ff --brightness 100"
    ),
    family!("BanlanX", "banlanx", "--on; --color #ff8800; --brightness 50; --effect 5"),
    family!("DMRRBA", "hilighting:dmrrba", "--on; --color #ff8800; --brightness 50; --effect candle"),
    family!("BanlanX of two channels", "banlanx:channels-2", "--on; --color #ff0000; --brightness 50"),
    family!(
        "BanlanX without a header",
        "banlanx:plain",
        "--on; --color #ff0000; --brightness 50; --effect 18"
    ),
    family!("SP107E", "sp107e", "--on; --color #ff0000; --brightness 50; --effect 8"),
    strip!(
        "SwitchBot Strip Light",
        "switchbot:strip",
        "--on; --color #ff0000; --effect sunset; --effect rose"
    ),
    strip!("BJ_LED", "bj-led", "--on; --color #ff0000 --brightness 50; --effect jump-rgb --speed 100"),
    strip!(
        "Hello Fairy",
        "hello-fairy",
        "--on; --color #ff0000 --brightness 40; --effect xmas --brightness 100"
    ),
    strip!(
        "LED Lamp of two digits",
        "led-lamp:ledble-01",
        "--on; --color #00ff00; --brightness 50; --effect jump-rgb; --speed 50"
    ),
    strip!("LEDDMX", "led-lamp:leddmx", "--on; --color #ff0000; --brightness 50; --effect 210; --speed 50"),
    strip!("LEDDMX-02", "led-lamp:leddmx-02", "--on; --color #ff0000; --brightness 50; --speed 50"),
    strip!("XROCKER", "led-lamp:xrocker", "--on; --color #ff0000; --brightness 50; --effect jump-rgb"),
    strip!(
        "iStrip+ with its key",
        "istrip",
        "--color #ff0000 --brightness 100; --effect strobe-red --brightness 100"
    ),
    strip!("iDealLED with its key", "ideal-led", "--on; --color #ff0000"),
    strip!(
        "BanlanX of the SP630E series",
        "banlanx:pwm-rgb",
        "--on; --color #ff0000; --brightness 50; --effect 2; --speed 100"
    ),
    strip!("BanlanX of cold and warm white", "banlanx:pwm-cct", "--on; --kelvin 5680; --brightness 50"),
    strip!(
        "BanlanX of colour and cold and warm white",
        "banlanx:pwm-rgbcct",
        "--on; --color #ff0000; --kelvin 2700; --brightness 50"
    ),
    strip!("BanlanX of colour and white", "banlanx:pwm-rgbw", "--on; --color #ff8800; --white 25"),
    strip!("BanlanX of white only", "banlanx:level", "--brightness 50"),
    strip!("BanlanX SP617E", "banlanx:rgb-white", "--on; --white 50; --brightness 50"),
    strip!("LEDCAR", "led-lamp:ledcar", "--on; --color #ff0000"),
    variant!("variant banlanx channels-4", "banlanx:channels-4", "--on; --brightness 50; --color #ff0000"),
    variant!("variant banlanx plain-white", "banlanx:plain-white", "--on; --white 50"),
    variant!("variant banlanx sp542e", "banlanx:sp542e", "--on; --kelvin 2700"),
    variant!("variant banlanx spi-rgb", "banlanx:spi-rgb", "--effect 146"),
    variant!("variant banlanx spi-cct", "banlanx:spi-cct", "--effect 2"),
    variant!("variant elk bledob", "elk:bledob", "--brightness 50; --on; --color #010203; --effect jump-rgb"),
    variant!("variant elk bulb", "elk:bulb", "--on; --effect jump-rgb"),
    variant!("variant elk btc", "elk:btc", "--on; --color #010203; --brightness 50"),
    variant!("variant elk bulb-2", "elk:bulb-2", "--on; --color #ff0000; --brightness 50"),
    variant!("variant elk btcw", "elk:btcw", "--kelvin 2700; --brightness 50"),
    variant!("variant elk app", "elk:app", "--on; --color #ff0000; --white 50"),
    variant!("variant hilighting", "hilighting", "--on; --color #ff0000; --color #00ff00; --brightness 20"),
    variant!("variant ideal-led idl", "ideal-led:idl", "--on"),
    variant!("variant led-lamp jackyled", "led-lamp:jackyled", "--on; --color #010203"),
    variant!("variant led-lamp ledble-03", "led-lamp:ledble-03", "--on; --effect 23"),
    variant!(
        "variant lednetwf rgbw-both",
        "lednetwf:rgbw-both",
        "--color #ff0000; --white 100; --effect fade-7 --speed 0"
    ),
    variant!("variant lednetwf rgbcct", "lednetwf:rgbcct", "--color #ff0000; --kelvin 2700"),
    variant!("variant lednetwf rgbcct-25", "lednetwf:rgbcct-25", "--color #ff0000"),
    variant!("variant lednetwf cct", "lednetwf:cct", "--kelvin 2700"),
    variant!(
        "variant lednetwf cct-percent",
        "lednetwf:cct-percent",
        "--kelvin 2700 --brightness 100; --kelvin 6500 --brightness 100"
    ),
    variant!("variant lednetwf dimmer", "lednetwf:dimmer", "--brightness 50"),
    variant!("variant lednetwf symphony-a2", "lednetwf:symphony-a2", "--brightness 50; --white 50"),
    variant!("variant sp105e", "sp105e", "--color #123456; --effect 5"),
    variant!("variant switchbot ceiling", "switchbot:ceiling", "--on; --kelvin 3000 --brightness 60"),
    variant!("variant zengge dream", "zengge:dream", "--effect 5 --speed 50"),
];

fn byte(hex: &str) -> u8 {
    u8::from_str_radix(hex, 16).unwrap()
}

/// The address, profile and initial state of each bulb of the rig.
fn rig(play: &Play) -> Vec<(String, Profile, Light)> {
    let rig: toml::Table = fs::read_to_string(play.rig()).unwrap().parse().unwrap();
    let bulbs = rig["bulb"].as_array().unwrap().iter();
    bulbs
        .map(|bulb| {
            let (family, variant) = builtin::split_name(bulb["profile"].as_str().unwrap());
            let mut profile = builtin::load(family, variant.as_deref()).unwrap();
            let address: Vec<u8> = bulb["address"].as_str().unwrap().split(':').map(byte).collect();
            profile.set_address(address.try_into().unwrap());
            if let Some(key) = key_of(bulb) {
                profile.set_key(key.parse().unwrap());
            }
            let light = profile.starting_state(&light_in(&json_of(bulb)));
            (bulb["address"].as_str().unwrap().to_owned(), profile, light)
        })
        .collect()
}

/// The key of a bulb whose family is encrypted, in hex.
fn key_of(bulb: &toml::Value) -> Option<&str> {
    bulb.get("key").and_then(toml::Value::as_str)
}

/// Gives bulbctl the keys of the rig's bulbs, as a user does.
fn write_keys(play: &Play) {
    let text = fs::read_to_string(play.rig()).unwrap();
    let rig: toml::Table = text.parse().unwrap();
    let bulbs = rig["bulb"].as_array().unwrap().iter();
    let line = |bulb: &toml::Value| {
        let (family, _) = builtin::split_name(bulb["profile"].as_str()?);
        Some(format!("{family} = {:?}\n", key_of(bulb)?))
    };
    let lines: BTreeSet<String> = bulbs.filter_map(line).collect();
    let folder = play.folder().join("config/bulbctl");
    fs::create_dir_all(&folder).unwrap();
    let config = lines.iter().fold("[keys]\n".to_owned(), |all, line| all + line);
    fs::write(folder.join("config.toml"), config).unwrap();
}

/// Names, services and manufacturer data are those of the profile's example, with the state in them.
fn seen(play: &Play) {
    let done = play.bulbctl(&["scan", "--any", "--duration", play.time("2s", "10s")]).ok();
    for (address, profile, light) in rig(play) {
        let what = profile.full_name();
        let told = profile.advertise(&light);
        let devices = done.all("device");
        let device = devices.iter().find(|device| device["address"] == address.as_str());
        let device = device.unwrap_or_else(|| panic!("{what} is not seen: {done:#?}"));
        // BlueZ cuts spaces off.
        let name = device["name"].as_str().map(str::trim_end);
        assert_eq!(name, told.name.as_deref().map(str::trim_end), "{what}");
        let manufacturer: BTreeMap<String, String> = told
            .manufacturer
            .iter()
            .map(|(company, data)| {
                (format!("{company:04x}"), data.iter().map(|b| format!("{b:02x}")).collect())
            })
            .collect();
        assert_eq!(device["manufacturer"], serde_json::to_value(manufacturer).unwrap(), "{what}");
        let services = device["services"].as_array().unwrap();
        for service in &told.services {
            let full = service.to_string();
            assert!(services.iter().any(|own| *own == full.as_str()), "{what}: {services:?}");
        }
    }
}

/// Runs `set` with one list of arguments after the other, then `status`.
fn commands(play: &Play, name: &str, all: &str) {
    // The bulb's state by the frames that it has received.
    let (address, profile, mut bulb) =
        rig(play).into_iter().find(|(_, profile, _)| profile.full_name() == name).unwrap();
    let address = address.as_str();
    write_keys(play);
    let readback = profile.readback();
    let tells = readback.read || readback.query || readback.command || readback.change;
    let mut seen = 0;
    let mut vectors = 0;
    for arguments in all.split("; ") {
        let change = light_of(arguments);
        let known = if tells { told(&profile, &bulb) } else { Light::default() };
        let sent = profile.encode(&change, &known, 0).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        let line = ["set", address].into_iter().chain(arguments.split(' ')).collect::<Vec<_>>();
        let done = play.bulbctl(&line).ok();
        let state = done.one("state");
        assert_eq!(state["profile"], name, "{state}");
        let reports = tells && !change.features().and(profile.reported()).is_empty();
        if reports || !tells {
            assert_eq!(state["provenance"], if tells { "reported" } else { "assumed" }, "{state}");
        }
        let shown = light_in(state);
        let differ = profile.mismatches(change.features(), &sent.assumed, &shown);
        assert!(differ.is_empty(), "{name} {arguments}: {differ} of {state}");
        let missing =
            change.features().less(shown.features()).iter().find(|item| !tells || is_told(&profile, *item));
        assert!(missing.is_none(), "{name} {arguments}: no {missing:?} in {state}");
        let wanted: Vec<String> = sent.writes.iter().map(|write| wanted(&profile, write)).collect();
        // A write without an answer may arrive after the program has ended.
        let saw = play.until(|| commanded(&profile, play, address), |saw| saw.len() >= seen + wanted.len());
        let mut new = saw.get(seen..).unwrap().to_vec();
        if new.len() > wanted.len() && play.time("sim", "real") == "real" {
            // If a bulb reports too late on the emulated processor, it gets the command again.
            new.dedup();
        }
        assert_eq!(new, wanted, "{name} {arguments}");
        // Vectors are for bulbs with an unknown state.
        if profile.encode(&change, &Light::default(), 0).is_ok_and(|alone| alone.writes == sent.writes) {
            vectors += against_vectors(&profile, address, &change, &new);
        }
        seen = saw.len();
        for write in &sent.writes {
            if let Ok(DecodedCommand::Change(heard)) = profile.decode_command(&write.role, &write.bytes) {
                bulb.merge(&heard);
            }
        }
    }
    assert!(vectors > 0, "{name}: none of its vectors is of any of {all:?}");
    if tells {
        let done = play.bulbctl(&["status", address]).ok();
        let state = done.one("state");
        assert_eq!(state["provenance"], "reported", "{state}");
        let shown = light_in(state);
        let differ = profile.mismatches(told(&profile, &bulb).features(), &bulb, &shown);
        assert!(differ.is_empty(), "{name}: {differ} of {state}");
        assert_eq!(commanded(&profile, play, address).len(), seen, "{name}: status commands nothing");
    }
}

fn is_told(profile: &Profile, item: Feature) -> bool {
    item == Feature::Power && profile.reported().contains(item)
}

/// The state that a bulb reports when it is queried and read.
fn told(profile: &Profile, bulb: &Light) -> Light {
    let questions = (0..profile.queries(0).len()).map(Trigger::Query);
    let reads = profile.roles.iter().map(|role| Trigger::Read(&role.name));
    let answers = questions.chain(reads).flat_map(|occasion| profile.status_frames(occasion, bulb, 0));
    answers.fold(Light::default(), |all, answer| {
        all.merged(&profile.decode(&answer.role, &answer.bytes).unwrap())
    })
}

/// A write in the form of the air log.
fn wanted(profile: &Profile, write: &bulb_protocol::profile::Write) -> String {
    let role = profile.role(&write.role).unwrap();
    let at = role.at.iter().find(|at| at.service.is_some()).unwrap();
    let table = profile.table();
    let (.., properties) = table.iter().find(|(_, uuid, _)| *uuid == at.characteristic).unwrap();
    let request = match properties.allows(write.kind) {
        true => write.kind == WriteKind::Request,
        false => properties.allows(WriteKind::Request),
    };
    let kind = if request { "request" } else { "command" };
    format!("write {} {kind} {}", uuid_text(at.characteristic), hex(profile, &write.bytes))
}

/// The bytes of a frame, without its number in families that count their frames.
fn hex(profile: &Profile, bytes: &[u8]) -> String {
    let counts = profile.name == "lednetwf";
    let hex = |(at, byte): (usize, &u8)| {
        if counts && at == 1 { "..".to_owned() } else { format!("{byte:02x}") }
    };
    bytes.iter().enumerate().map(hex).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| *byte != b' ').collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// The writes with commands that a bulb has received, without queries, first writes and keep-alives.
fn commanded(profile: &Profile, play: &Play, address: &str) -> Vec<String> {
    let mut all = Vec::new();
    for entry in play.writes(address) {
        let uuid = entry.characteristic.unwrap();
        let frame = bytes(&entry.hex.unwrap());
        let roles =
            profile.roles.iter().filter(|role| role.at.iter().any(|at| uuid_text(at.characteristic) == uuid));
        let heard = roles.map(|role| profile.decode_command(&role.name, &frame)).find(Result::is_ok);
        let heard = heard.unwrap_or_else(|| panic!("{address} does not know {frame:02x?} to {uuid}"));
        let rules = &profile.link_rules;
        let keep_alive = rules.keep_alive.iter().map(|keep| &keep.write);
        let keeps = rules.first.iter().chain(keep_alive).any(|write| write.bytes == frame);
        // A link rule that is not of the link puts the bulb into the mode of the next frame.
        if matches!(heard, Ok(DecodedCommand::Change(_) | DecodedCommand::LinkRule)) && !keeps {
            all.push(format!("write {uuid} {} {}", entry.kind.unwrap(), hex(profile, &frame)));
        }
    }
    all
}

/// Compares the writes with the vectors for exactly this command. Returns the number of those vectors.
fn against_vectors(profile: &Profile, address: &str, change: &Light, saw: &[String]) -> usize {
    let file = format!("protocol/vectors/{}.toml", profile.name);
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let vectors: toml::Table = text.parse().unwrap();
    let family = builtin::family(&profile.name).unwrap();
    let variant_of = |name| family.recognise(&Advert { name: Some(name), ..Advert::default() }).variant;
    let mut count = 0;
    for vector in vectors["command"].as_array().unwrap() {
        let text = |key: &str| vector.get(key).and_then(toml::Value::as_str);
        let variant = text("name").map_or_else(|| text("variant").map(str::to_owned), variant_of);
        let same = variant == profile.variant
            && text("address").is_none_or(|own| own == address)
            && vector.get("company").is_none()
            && vector.get("known").is_none()
            && text("heard_only").is_none()
            && vector.get("means").is_some_and(|means| light_in(&json_of(means)) == *change);
        if same {
            let frames: Vec<_> = text("hex")
                .unwrap()
                .split(" / ")
                .map(|frame| hex(profile, &encrypted(bytes(frame), vectors.get("key"))))
                .collect();
            assert_eq!(saw.len(), frames.len(), "{frames:?}, not {saw:?}");
            let places = places(&vectors, variant.as_deref(), text("role").unwrap_or("control"));
            for (saw, frame) in saw.iter().zip(frames) {
                assert!(saw.ends_with(&format!(" {frame}")), "{saw} is not {frame}");
                // The virtual bulb has its table from the same profile as the program.
                let at = saw.split(' ').nth(1).unwrap();
                assert!(places.iter().any(|place| place == at), "{saw} is not to {places:?}");
            }
            count += 1;
        }
    }
    count
}

/// The characteristics of a role by the vectors: those of the variant, or else those of the family.
fn places(vectors: &toml::Table, variant: Option<&str>, role: &str) -> Vec<String> {
    let all = vectors["gatt"].as_array().unwrap();
    let of = |variant: Option<&str>| -> Vec<String> {
        let text =
            |gatt: &toml::Value, key: &str| gatt.get(key).and_then(|text| text.as_str().map(str::to_owned));
        let own = all.iter().filter(|gatt| {
            text(gatt, "role").as_deref() == Some(role) && text(gatt, "variant").as_deref() == variant
        });
        let paths = own.flat_map(|gatt| gatt["at"].as_array().unwrap().iter().map(|at| at.as_str().unwrap()));
        paths.map(|path| path.rsplit('/').next().unwrap().to_owned()).collect()
    };
    let own = variant.map(|variant| of(Some(variant))).filter(|own| !own.is_empty());
    own.unwrap_or_else(|| of(None))
}

/// The frame of a vector as it is sent. The key in the file of vectors is that of the rig.
fn encrypted(frame: Vec<u8>, key: Option<&toml::Value>) -> Vec<u8> {
    let Some(key) = key.and_then(toml::Value::as_str) else { return frame };
    let key: [u8; 16] = bytes(key).try_into().unwrap();
    let block: [u8; 16] = frame.try_into().unwrap();
    let mut block = block.into();
    aes::Aes128::new(&key.into()).encrypt_block(&mut block);
    block.to_vec()
}

fn json_of(value: &toml::Value) -> Value {
    serde_json::to_value(value).unwrap()
}

/// Parses the features of a state as in records and vectors.
fn light_in(state: &Value) -> Light {
    let mut state = state.as_object().unwrap().clone();
    state.retain(|key, _| Feature::ALL.iter().any(|feature| feature.name() == key));
    serde_json::from_value(Value::Object(state)).unwrap()
}

fn light_of(arguments: &str) -> Light {
    let mut state = serde_json::Map::new();
    let mut words = arguments.split(' ');
    while let Some(key) = words.next() {
        let (key, value) = match key.trim_start_matches("--") {
            "on" => ("power", Value::Bool(true)),
            key @ ("color" | "effect") => (key, words.next().unwrap().into()),
            key => (key, words.next().unwrap().parse::<u64>().unwrap().into()),
        };
        state.insert(key.to_owned(), value);
    }
    light_in(&Value::Object(state))
}
