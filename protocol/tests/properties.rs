//! Properties of the base codec, for every frame and for any bytes.
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "shared/invariants.rs"]
mod invariants;

use std::fs;
use std::path::Path;

use bulb_protocol::{LightState, Percent, Rgb, base};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};

fn states() -> impl Strategy<Value = LightState> {
    (any::<bool>(), 0..=100_u8, any::<[u8; 3]>()).prop_map(|(power, percent, [red, green, blue])| {
        LightState { power, brightness: Percent::new(percent).unwrap(), color: Rgb::new(red, green, blue) }
    })
}

fn nearly_frames() -> impl Strategy<Value = Vec<u8>> {
    (0..=3_u8, 95..=105_u8, vec(any::<u8>(), 2..=5))
        .prop_map(|(power, brightness, rest)| [vec![power, brightness], rest].concat())
}

proptest! {
    #[test]
    fn decoding_undoes_encoding(state in states()) {
        let frame = base::encode(state);
        prop_assert_eq!(base::decode(&frame), Ok(state));
        prop_assert_eq!(base::decode_lenient(&frame), Ok(state));
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in vec(any::<u8>(), 0..64)) {
        invariants::decode(&bytes);
    }

    #[test]
    fn bytes_close_to_frames_are_decoded_or_refused(bytes in nearly_frames()) {
        invariants::decode(&bytes);
    }
}

/// Only the length and the first two bytes decide.
#[test]
fn exactly_the_valid_frames_are_accepted() {
    for power in 0..=u8::MAX {
        for brightness in 0..=u8::MAX {
            invariants::decode(&[power, brightness, 0x12, 0x34, 0x56]);
        }
    }
    for length in 0..=300 {
        invariants::decode(&vec![0x01; length]);
    }
}

#[test]
fn the_corpus_of_the_fuzzer_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/decode");
    let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty(), "no corpus found");
    for file in files {
        invariants::decode(&fs::read(file).unwrap());
    }
}
