//! The vectors of `vectors` in both directions, except those of the base codec.
#![cfg(feature = "profiles")]
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use bulb_protocol::profile::{
    Advert, DecodedCommand, Features, Key, Light, Profile, StatusFrame, Trigger, builtin,
};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    profile: String,
    check: Option<String>,
    /// The key of a family whose frames are encrypted: ours, for tests. The vectors have the frames before that.
    key: Option<String>,
    #[serde(default)]
    command: Vec<Vector>,
    #[serde(default)]
    query: Vec<Vector>,
    #[serde(default)]
    report: Vec<Vector>,
    #[serde(default)]
    advert: Vec<Vector>,
    #[serde(default)]
    refused: Vec<Vector>,
    #[serde(default)]
    malformed: Vec<Vector>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Vector {
    hex: Option<String>,
    payload: Option<String>,
    data: Option<String>,
    company: Option<u16>,
    variant: Option<String>,
    name: Option<String>,
    address: Option<String>,
    role: Option<String>,
    sequence: u8,
    known: Light,
    means: Light,
    heard: Option<Light>,
    heard_only: Option<String>,
    near: Option<String>,
    error: Option<String>,
    bad_check: bool,
    source: String,
    grade: Option<String>,
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(" ")
}

/// The profiles of a file, by variant.
struct Family {
    family: bulb_protocol::profile::Family,
    profiles: BTreeMap<Option<String>, Profile>,
    key: Option<Key>,
}

impl Family {
    fn profile(&mut self, vector: &Vector) -> Profile {
        if vector.name.is_some() {
            return self.of_advertised(vector);
        }
        let load = || {
            let mut profile = self.family.profile(vector.variant.as_deref()).unwrap();
            if let Some(key) = self.key {
                assert!(profile.needs_key() && profile.unsupported.is_some());
                profile.set_key(key);
            }
            profile
        };
        self.profiles.entry(vector.variant.clone()).or_insert_with(load).clone()
    }

    /// The profile that drives a device with the name, the manufacturer data and the address of the vector.
    fn of_advertised(&self, vector: &Vector) -> Profile {
        let data = vector.data.as_deref().map(bytes);
        let manufacturer = vector.company.zip(data.as_deref());
        let manufacturer = manufacturer.as_slice();
        let advert = Advert { name: vector.name.as_deref(), manufacturer, ..Advert::default() };
        let found = self.family.recognise(&advert);
        assert!(found.identified, "{:?} is not recognised", vector.name);
        let mut profile = self.family.profile_of(&found).unwrap();
        if let Some(address) = &vector.address {
            profile.set_address(bytes(&address.replace(':', " ")).try_into().unwrap());
        }
        profile
    }
}

#[test]
fn every_vector_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let mut files = Vec::new();
    let mut failures = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_none_or(|extension| extension != "toml") || name == "base" {
            continue;
        }
        let vectors: Vectors = toml::from_str(&fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(vectors.profile, name);
        run(&vectors, &mut failures);
        files.push(name);
    }
    let without: Vec<_> =
        builtin::names().filter(|name| *name != "base" && !files.contains(&(*name).into())).collect();
    assert!(without.is_empty(), "no vectors for {without:?}");
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
}

fn run(vectors: &Vectors, failures: &mut Vec<String>) {
    let family = builtin::family(&vectors.profile).unwrap();
    let key = vectors.key.as_ref().map(|key| key.parse().unwrap());
    let mut family = Family { family, profiles: BTreeMap::new(), key };
    type Check = fn(&Profile, &Vector) -> Result<(), String>;
    let kinds: [(&str, &[Vector], Check); 6] = [
        ("command", &vectors.command, command),
        ("query", &vectors.query, query),
        ("report", &vectors.report, report),
        ("advert", &vectors.advert, advert),
        ("refused", &vectors.refused, refused),
        ("malformed", &vectors.malformed, malformed),
    ];
    for (kind, vectors_of_kind, check) in kinds {
        for vector in vectors_of_kind {
            let profile = family.profile(vector);
            let vector = &encrypted(vector, vectors.key.as_deref());
            let says = vector.hex.as_ref().or(vector.payload.as_ref()).or(vector.data.as_ref()).unwrap();
            let mut result = check(&profile, vector);
            if kind != "advert" {
                for frame in says.split(" / ") {
                    result = result.and_then(|()| checksum(vectors.check.as_deref(), &bytes(frame), vector));
                }
            }
            assert!(!vector.source.is_empty(), "{says} has no source");
            let graded = matches!(vector.grade.as_deref(), Some("A" | "B" | "C"));
            assert!(graded || matches!(kind, "refused" | "malformed"), "{says} has no grade");
            if let Err(error) = result {
                failures.push(format!("{} {kind} {says}: {error}", profile.full_name()));
            }
        }
    }
}

/// The vector with its frames encrypted, without the engine.
fn encrypted(vector: &Vector, key: Option<&str>) -> Vector {
    let (Some(key), Some(plain)) = (key, &vector.hex) else { return vector.clone() };
    let digits: Vec<u8> = key.bytes().filter(|digit| *digit != b' ').collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let key: [u8; 16] = digits.chunks(2).map(pair).collect::<Vec<u8>>().try_into().unwrap();
    let frame = |plain: &str| {
        let block: [u8; 16] = bytes(plain).try_into().expect("a block has 16 bytes");
        let mut block = block.into();
        aes::Aes128::new(&key.into()).encrypt_block(&mut block);
        hex(&block)
    };
    let hex = plain.split(" / ").map(frame).collect::<Vec<_>>().join(" / ");
    Vector { hex: Some(hex), ..vector.clone() }
}

/// The checksum of the family, computed without the engine.
fn checksum(kind: Option<&str>, frame: &[u8], vector: &Vector) -> Result<(), String> {
    let xor = |bytes: &[u8]| bytes.iter().fold(0, |all, byte| all ^ byte);
    let sum = |bytes: &[u8]| bytes.iter().fold(0_u32, |all, byte| all + u32::from(*byte)).to_le_bytes()[0];
    let (last, rest) = frame.split_last().unwrap();
    let right = match kind {
        Some("xor") => frame.len() == 20 && xor(rest) == *last,
        Some("sum") => sum(rest) == *last,
        Some("lednetwf") if vector.hex.is_some() && vector.error.is_none() => {
            let payload = &frame[8..];
            let length = usize::from(frame[4]) << 8 | usize::from(frame[5]);
            let (last, rest) = payload.split_last().unwrap();
            length == payload.len()
                && usize::from(frame[6]) == payload.len() + 1
                && (payload[0] == 0x38 || sum(rest) == *last)
        }
        Some("lednetwf") if vector.payload.is_some() => sum(rest) == *last,
        _ => true,
    };
    let wanted = !vector.bad_check && (vector.error.is_none() || kind == Some("xor"));
    if right || !wanted { Ok(()) } else { Err("its checksum is wrong".into()) }
}

/// The values of a light that a vector names.
fn named(light: &Light, like: &Light) -> Light {
    Light {
        power: light.power.filter(|_| like.power.is_some()),
        brightness: light.brightness.filter(|_| like.brightness.is_some()),
        color: light.color.filter(|_| like.color.is_some()),
        white: light.white.filter(|_| like.white.is_some()),
        kelvin: light.kelvin.filter(|_| like.kelvin.is_some()),
        effect: light.effect.clone().filter(|_| like.effect.is_some()),
        speed: light.speed.filter(|_| like.speed.is_some()),
        mode: None,
    }
}

fn command(profile: &Profile, vector: &Vector) -> Result<(), String> {
    let role = vector.role.as_deref().unwrap_or("control");
    let frames: Vec<_> = vector.hex.as_ref().unwrap().split(" / ").map(bytes).collect();
    let means = vector.heard.as_ref().unwrap_or(&vector.means);
    let mut heard = Light::default();
    for frame in &frames {
        match profile.decode_command(role, frame) {
            Ok(DecodedCommand::Change(light)) => heard.merge(&light),
            // Steps, and what puts the bulb into the mode of the next frame.
            Ok(DecodedCommand::Relative(step)) => heard.merge(&means.only(Features::NONE.with(step.feature))),
            Ok(DecodedCommand::LinkRule) => {}
            other => return Err(format!("decoded as {other:?}")),
        }
    }
    if named(&heard, means) != *means {
        return Err(format!("decoded as {heard:?}"));
    }
    if vector.heard_only.is_some() {
        return Ok(());
    }
    let mut known = Light::default();
    known.merge(&vector.known);
    let sent = profile.encode(&vector.means, &known, vector.sequence).map_err(|e| e.to_string())?;
    let same = sent.writes.iter().map(|write| (write.role.as_str(), &write.bytes));
    match same.eq(frames.iter().map(|frame| (role, frame))) {
        true => Ok(()),
        false => Err(format!(
            "encoded as {}",
            sent.writes
                .iter()
                .map(|write| format!("{}: {}", write.role, hex(&write.bytes)))
                .collect::<Vec<_>>()
                .join(", ")
        )),
    }
}

fn query(profile: &Profile, vector: &Vector) -> Result<(), String> {
    let frame = bytes(vector.hex.as_ref().unwrap());
    let queries = profile.queries(vector.sequence);
    let place = queries.iter().position(|query| query.bytes == frame).ok_or("not among the queries")?;
    match profile.decode_command(&queries[place].role, &frame) {
        Ok(DecodedCommand::Query(question)) if question == place => Ok(()),
        other => Err(format!("decoded as {other:?}")),
    }
}

fn all_status_frames(profile: &Profile, state: &Light) -> Vec<StatusFrame> {
    let asked = (0..profile.queries(0).len()).map(Trigger::Query);
    let read = profile.roles.iter().map(|role| Trigger::Read(&role.name));
    let occasions = asked.chain(read).chain([Trigger::Command, Trigger::Change]);
    occasions.flat_map(|occasion| profile.status_frames(occasion, state, 0)).collect()
}

fn report(profile: &Profile, vector: &Vector) -> Result<(), String> {
    let role = vector.role.as_deref().unwrap_or("status");
    let means = &vector.means;
    let frame = match (&vector.hex, &vector.payload) {
        (Some(hex), _) => bytes(hex),
        (None, payload) => json(&bytes(payload.as_ref().unwrap())),
    };
    match profile.decode(role, &frame) {
        Ok(light) if light == *means => {}
        other => return Err(format!("decoded as {other:?}")),
    }
    let given = all_status_frames(profile, means);
    let same = given.iter().any(|answer| answer.role == role && answer.bytes == frame);
    match (&vector.near, same) {
        (None, true) | (Some(_), false) => Ok(()),
        (Some(near), true) => Err(format!("a virtual bulb sends exactly this, despite: {near}")),
        (None, false) => Err(format!(
            "a virtual bulb sends {}",
            given.iter().map(|answer| hex(&answer.bytes)).collect::<Vec<_>>().join(" or ")
        )),
    }
}

/// A LEDnetWF reply of sequence 0, built without the engine.
fn json(payload: &[u8]) -> Vec<u8> {
    let text = format!(r#"{{"code":0,"payload":"{}"}}"#, hex(payload).replace(' ', ""));
    let length = u8::try_from(text.len()).unwrap();
    [&[0, 0, 0x80, 0, 0, length, length + 1, 0x0A], text.as_bytes()].concat()
}

fn advert(profile: &Profile, vector: &Vector) -> Result<(), String> {
    let data = bytes(vector.data.as_ref().unwrap());
    let manufacturer = [(vector.company.unwrap(), data.as_slice())];
    let advert = Advert { manufacturer: &manufacturer, ..Advert::default() };
    let means = &vector.means;
    match profile.decode_advert(&advert) {
        Some(light) if light == *means => {}
        other => return Err(format!("decoded as {other:?}")),
    }
    let sent = profile.advertise(means);
    let parts: Vec<_> = sent.manufacturer.iter().map(|(company, data)| (*company, data.as_slice())).collect();
    match profile.decode_advert(&Advert { manufacturer: &parts, ..Advert::default() }) {
        Some(light) if light == *means => Ok(()),
        other => Err(format!("advertised as {sent:?}, which is {other:?}")),
    }
}

fn refused(profile: &Profile, vector: &Vector) -> Result<(), String> {
    let role = vector.role.as_deref().unwrap_or("control");
    error(profile.decode_command(role, &bytes(vector.hex.as_ref().unwrap())), vector)
}

fn malformed(profile: &Profile, vector: &Vector) -> Result<(), String> {
    let role = vector.role.as_deref().unwrap_or("status");
    match (&vector.hex, &vector.payload) {
        (Some(hex), _) => error(profile.decode(role, &bytes(hex)), vector),
        (None, payload) => {
            let result = profile.decode(role, &json(&bytes(payload.as_ref().unwrap())));
            match result {
                Err(error) if Some(error.reason()) == vector.error.as_deref() => Ok(()),
                other => Err(format!("{other:?}")),
            }
        }
    }
}

fn error<T: std::fmt::Debug, E: ToString>(result: Result<T, E>, vector: &Vector) -> Result<(), String> {
    match result {
        Ok(value) => Err(format!("taken as {value:?}")),
        Err(error) if Some(error.to_string()) == vector.error => Ok(()),
        Err(error) => Err(format!("the error is {:?}", error.to_string())),
    }
}
