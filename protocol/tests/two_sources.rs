//! The frames that two sources or more agree about: none may be missing in the vectors, and each is decoded for its device.
#![cfg(feature = "profiles")]
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use bulb_protocol::profile::{Advert, DecodeErrorKind, DecodedCommand, Family, Profile, builtin};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Frames {
    frame: Vec<Frame>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Frame {
    family: String,
    /// The name of a device that takes or sends it.
    name: String,
    /// Its generation, as in the advertisements of Govee.
    generation: Option<String>,
    address: Option<String>,
    what: String,
    /// Several frames have " / " between them.
    hex: String,
    /// We do not have what it does, and say so. Without this, it must be decoded.
    unknown: Option<String>,
    /// It is manufacturer data, not a frame.
    #[serde(default)]
    advertised: bool,
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

/// Every frame in the vectors of a family.
fn frames_of(family: &str) -> BTreeSet<Vec<u8>> {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let files = [vectors.join(format!("{family}.toml")), vectors.join(format!("models/{family}.toml"))];
    let mut frames = BTreeSet::new();
    for text in files.iter().filter_map(|file| fs::read_to_string(file).ok()) {
        collect(&text.parse::<toml::Table>().unwrap().into(), &mut frames);
    }
    frames
}

fn collect(value: &toml::Value, frames: &mut BTreeSet<Vec<u8>>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                match (key.as_str(), value.as_str()) {
                    ("hex" | "payload" | "data", Some(hex)) if !hex.contains(['{', '…']) => {
                        frames.extend(hex.split(" / ").map(bytes));
                    }
                    _ => collect(value, frames),
                }
            }
        }
        toml::Value::Array(list) => list.iter().for_each(|value| collect(value, frames)),
        _ => {}
    }
}

fn profile_of(family: &Family, frame: &Frame) -> Profile {
    let generation = frame.generation.as_deref().map(data_of);
    let manufacturer: Vec<(u16, &[u8])> = generation.iter().map(|data| (0x8802, data.as_slice())).collect();
    let name = Some(frame.name.as_str());
    let advert = Advert { name, manufacturer: &manufacturer, ..Advert::default() };
    let mut profile = family.profile_of(&family.recognise(&advert)).unwrap();
    if let Some(address) = &frame.address {
        profile.set_address(bytes(&address.replace(':', " ")).try_into().unwrap());
    }
    if profile.needs_key() {
        let key: String = KEY.iter().map(|byte| format!("{byte:02x}")).collect();
        profile.set_key(key.parse().unwrap());
    }
    profile
}

/// Govee's data with this generation.
fn data_of(generation: &str) -> Vec<u8> {
    [&[0xEC, 0][..], &bytes(generation), &[1]].concat()
}

/// The key of families whose frames are encrypted: ours, for tests. The list has the frames before that.
const KEY: [u8; 16] = *b"0123456789abcdef";

fn encrypted(frame: &[u8]) -> Vec<u8> {
    let block: [u8; 16] = frame.try_into().unwrap();
    let mut block = block.into();
    aes::Aes128::new(&KEY.into()).encrypt_block(&mut block);
    block.to_vec()
}

/// The words for what a frame is, or an error.
fn decoded(profile: &Profile, frame: &[u8]) -> Result<String, String> {
    for role in &profile.roles {
        match profile.decode_command(&role.name, frame) {
            Ok(DecodedCommand::Change(light)) => return Ok(format!("{light:?}")),
            Ok(other) => return Ok(format!("{other:?}")),
            Err(_) => {}
        }
    }
    for role in &profile.roles {
        if let Ok(light) = profile.decode(&role.name, frame) {
            return Ok(format!("{light:?}"));
        }
    }
    Err(format!("{:02X?} is not decoded as {}", frame, profile.full_name()))
}

/// The state in manufacturer data of LEDnetWF.
fn advertised(profile: &Profile, data: &[u8]) -> Result<String, String> {
    let manufacturer = [(0x5A02, data)];
    let light = profile.decode_advert(&Advert { manufacturer: &manufacturer, ..Advert::default() });
    light.map(|light| format!("{light:?}")).ok_or_else(|| format!("{data:02X?} is not read"))
}

#[test]
fn every_frame_of_two_sources_is_there_and_decoded() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/two_sources.toml");
    let frames: Frames = toml::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    assert!(frames.frame.len() > 100, "there are {}", frames.frame.len());
    let mut failures = Vec::new();
    for frame in &frames.frame {
        let Frame { family, name, what, hex, .. } = frame;
        let known = frames_of(family);
        let family = builtin::family(family).unwrap();
        let encrypts = family.profile(None).unwrap().needs_key();
        let profile = profile_of(&family, frame);
        for bytes in hex.split(" / ").map(bytes) {
            if !known.contains(&bytes) && frame.unknown.is_none() {
                failures.push(format!("{name} {what} {hex}: it is in no vector"));
            }
            let decoded = match () {
                () if frame.advertised => advertised(&profile, &bytes),
                () if encrypts => decoded(&profile, &encrypted(&bytes)),
                () => decoded(&profile, &bytes),
            };
            match (decoded, &frame.unknown) {
                (Ok(_), None) => {}
                (Err(error), None) => failures.push(format!("{name} {what}: {error}")),
                (Ok(is), Some(why)) => failures.push(format!("{name} {what} is {is}, despite: {why}")),
                (Err(_), Some(_)) => {
                    let kind = profile.decode_command("control", &bytes).unwrap_err().kind();
                    assert_eq!(kind, DecodeErrorKind::UnknownFrame, "{name} {what}");
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
}
