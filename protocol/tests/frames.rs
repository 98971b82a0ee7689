//! The vectors of `vectors/base.toml` in both directions. `families.rs` runs those of the other profiles.
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;

use bulb_protocol::base::{self, DecodeError};
use bulb_protocol::{LightState, Percent, Rgb};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    profile: String,
    /// For the profile: tests/families.rs.
    #[serde(rename = "gatt")]
    _gatt: toml::Value,
    valid: Vec<Valid>,
    malformed: Vec<Malformed>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Valid {
    hex: String,
    power: bool,
    brightness: u8,
    color: String,
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Malformed {
    hex: String,
    error: String,
    lenient: Option<String>,
    source: String,
}

#[test]
fn every_vector_holds() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/base.toml");
    let vectors: Vectors = toml::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(vectors.profile, "base");
    base_vectors(&vectors);
}

fn base_vectors(vectors: &Vectors) {
    assert!(!vectors.valid.is_empty() && !vectors.malformed.is_empty());
    for vector in &vectors.valid {
        let (frame, source) = (bytes(&vector.hex), sourced(&vector.source));
        let state = LightState {
            power: vector.power,
            brightness: Percent::new(vector.brightness).unwrap(),
            color: color(&vector.color),
        };
        assert_eq!(base::encode(state).as_slice(), frame, "{source}");
        assert_eq!(read(base::decode, &frame), Ok(state), "{source}");
        assert_eq!(read(base::decode_lenient, &frame), Ok(state), "{source}");
    }
    for vector in &vectors.malformed {
        let (frame, source) = (bytes(&vector.hex), sourced(&vector.source));
        let error = read(base::decode, &frame).expect_err(source);
        assert_eq!(error.to_string(), vector.error, "{source}");
        assert_eq!(error.frame_len(), frame.len(), "{source}");
        let lenient = match read(base::decode_lenient, &frame) {
            Ok(state) => Some(state.to_string()),
            Err(refused) => {
                assert_eq!(refused.to_string(), vector.error, "{source}");
                None
            }
        };
        assert_eq!(lenient, vector.lenient, "{source}");
    }
}

/// Decodes the frame within a larger buffer, twice with different bytes around it. These must not change the result or the
/// error.
fn read(
    decode: fn(&[u8]) -> Result<LightState, DecodeError>,
    frame: &[u8],
) -> Result<LightState, DecodeError> {
    let among = |leftover: u8| {
        let mut buffer = [leftover; 64];
        let place = buffer.get_mut(8..8 + frame.len()).expect("vectors are short");
        place.copy_from_slice(frame);
        decode(place)
    };
    let result = among(0xA5);
    assert_eq!(result, among(0x00));
    result
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

fn color(text: &str) -> Rgb {
    let number = u32::from_str_radix(text.strip_prefix('#').unwrap(), 16).unwrap();
    let [0, red, green, blue] = number.to_be_bytes() else { panic!("{text} is no colour") };
    Rgb::new(red, green, blue)
}

fn sourced(source: &str) -> &str {
    let known = source == "reference" || source.starts_with("edge: ") || source.starts_with("field: ");
    assert!(known, "{source:?} is not a source");
    source
}
