//! Properties of every profile, for any bytes and any change.
#![cfg(feature = "profiles")]
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "shared/play.rs"]
mod play;

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use bulb_protocol::profile::{Feature, Light, Profile};
use bulb_protocol::{Percent, Rgb};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, proptest};
use proptest::sample::select;
use proptest::strategy::Union;

static PROFILES: LazyLock<Vec<Profile>> = LazyLock::new(play::profiles);

/// A profile whose debug text is its name.
#[derive(Clone, Copy)]
struct Named(&'static Profile);

impl std::fmt::Debug for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.full_name())
    }
}

fn profiles() -> impl Strategy<Value = Named> {
    select(PROFILES.iter().map(Named).collect::<Vec<_>>())
}

/// Changes within the declared ranges: power, brightness, and one of colour, white and effect.
fn changes(profile: &'static Profile) -> impl Strategy<Value = Light> {
    let settable = profile.settable();
    let percent = move |item: Feature| {
        let (least, most) = profile.range(item).unwrap_or((0, 100));
        let values = (least..=most).prop_map(|value| Percent::new(u8::try_from(value).unwrap()).unwrap());
        if settable.contains(item) { option::of(values).boxed() } else { Just(None).boxed() }
    };
    let power = if settable.contains(Feature::Power) {
        option::of(any::<bool>()).boxed()
    } else {
        Just(None).boxed()
    };
    let mut shines = vec![Just(Light::default()).boxed()];
    if settable.contains(Feature::Color) {
        let color = any::<[u8; 3]>().prop_map(|[red, green, blue]| Light {
            color: Some(Rgb::new(red, green, blue)),
            ..Light::default()
        });
        shines.push(color.boxed());
    }
    if settable.contains(Feature::White) {
        shines.push(percent(Feature::White).prop_map(|white| Light { white, ..Light::default() }).boxed());
    }
    if settable.contains(Feature::Kelvin) {
        let (least, most) = profile.range(Feature::Kelvin).unwrap();
        let kelvin = least..=most;
        let kelvin =
            kelvin.prop_map(|k| Light { kelvin: Some(u16::try_from(k).unwrap()), ..Light::default() });
        shines.push(kelvin.boxed());
    }
    if settable.contains(Feature::Effect) {
        let mut names: Vec<String> = profile.effects().map(str::to_owned).collect();
        if let Some((first, last)) = profile.numbered_effects() {
            names.extend([first, first + 1, last].map(|number| number.to_string()));
        }
        let effect = (select(names), percent(Feature::Speed)).prop_map(|(name, speed)| Light {
            effect: Some(name),
            speed,
            ..Light::default()
        });
        shines.push(effect.boxed());
    }
    (power, percent(Feature::Brightness), Union::new(shines)).prop_map(|(power, brightness, light)| Light {
        power,
        brightness,
        ..light
    })
}

/// Frames of the profile with a few bytes changed.
fn nearly_frames(profile: &'static Profile) -> impl Strategy<Value = Vec<u8>> {
    let mut frames: Vec<Vec<u8>> = profile.queries(0).into_iter().map(|query| query.bytes).collect();
    let state = profile.full_state(true);
    for item in Feature::ALL {
        let mut change = Light::default();
        match item {
            Feature::Power => change.power = Some(true),
            Feature::Color => change.color = state.color,
            Feature::White => change.white = state.white,
            Feature::Kelvin => change.kelvin = state.kelvin,
            Feature::Effect => change.effect.clone_from(&state.effect),
            Feature::Brightness => change.brightness = state.brightness,
            Feature::Speed => change.speed = state.speed,
        }
        let known = state.clone().merged(&change);
        frames.extend(
            profile.encode(&change, &known, 0).into_iter().flat_map(|sent| sent.writes).map(|w| w.bytes),
        );
        let questions = (0..profile.queries(0).len()).map(bulb_protocol::profile::Trigger::Query);
        frames.extend(
            questions
                .flat_map(|question| profile.status_frames(question, &known, 0))
                .map(|answer| answer.bytes),
        );
    }
    frames.push(vec![0; 4]);
    (select(frames), vec((any::<u8>(), any::<u8>()), 0..4)).prop_map(|(mut frame, edits)| {
        for (place, value) in edits {
            let place = usize::from(place) % frame.len();
            frame[place] = value;
        }
        frame
    })
}

/// Each case takes one of many profiles, so it needs more cases.
fn config() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases.saturating_mul(8).min(20_000), failure_persistence: None, ..usual }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_bytes_are_decoded_or_refused(profile in profiles(), bytes in vec(any::<u8>(), 0..40)) {
        play::bytes(profile.0, &bytes);
    }

    #[test]
    fn changed_frames_are_decoded_or_refused(
        (profile, bytes) in profiles().prop_flat_map(|profile| (Just(profile), nearly_frames(profile.0)))
    ) {
        play::bytes(profile.0, &bytes);
    }

    #[test]
    fn changes_are_decoded_and_reported(
        (profile, change) in profiles().prop_flat_map(|profile| (Just(profile), changes(profile.0)))
    ) {
        play::change(profile.0, &change);
    }
}

#[test]
fn the_corpora_of_the_fuzzer_hold() {
    let folder = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
    let files = |name: &str| -> Vec<Vec<u8>> {
        let entries = fs::read_dir(folder(name)).unwrap();
        entries.map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
    };
    for bytes in files("profiles") {
        let (choice, bytes) = bytes.split_first().unwrap();
        play::bytes(&PROFILES[usize::from(*choice) % PROFILES.len()], bytes);
    }
    for name in ["lednetwf", "hue"] {
        let profile = PROFILES.iter().find(|profile| profile.full_name() == name).unwrap();
        files(name).iter().for_each(|bytes| play::bytes(profile, bytes));
    }
}
