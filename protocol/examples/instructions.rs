//! Repeats one call of the codec, for a tool that counts instructions or allocations: `cargo xtask bench codec`.
use std::env;
use std::hint::black_box;
use std::process::ExitCode;

use bulb_protocol::profile::{Feature, Light, Profile, Trigger, builtin};
use bulb_protocol::{LightState, Percent, Rgb, base};

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let done = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [call, times] => times.parse().ok().and_then(|times| base(call, times)),
        [call, profile, times] => times.parse().ok().and_then(|times| of_profile(call, profile, times)),
        _ => None,
    };
    if done.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Calls of the base codec.
fn base(call: &str, times: u32) -> Option<()> {
    let state = LightState { power: true, brightness: Percent::MAX, color: Rgb::new(255, 136, 0) };
    let frame = base::encode(state);
    let none = [2, 100, 255, 136, 0];
    match call {
        "nothing" => repeat(times, || black_box(state)),
        "encode" => repeat(times, || base::encode(black_box(state))),
        "decode" => repeat(times, || base::decode(black_box(&frame))),
        "refuse" => repeat(times, || base::decode(black_box(&none))),
        "lenient" => repeat(times, || base::decode_lenient(black_box(&frame))),
        _ => return None,
    }
    Some(())
}

/// Calls of a profile, with a typical command and a status.
fn of_profile(call: &str, name: &str, times: u32) -> Option<()> {
    let (family, variant) = builtin::split_name(name);
    let profile = builtin::load(family, variant.as_deref()).ok()?;
    let bulb = profile.full_state(true);
    let change = typical(&profile);
    let write = profile.encode(&change, &bulb, 0).ok()?.writes.into_iter().next()?;
    match call {
        "nothing" => repeat(times, || black_box(&bulb).power),
        "encode" => repeat(times, || profile.encode(black_box(&change), black_box(&bulb), 0)),
        "decode-command" => repeat(times, || profile.decode_command(&write.role, black_box(&write.bytes))),
        "decode" => {
            let queries = (0..profile.queries(0).len()).map(Trigger::Query);
            let reads = profile.roles.iter().map(|role| Trigger::Read(&role.name));
            let mut triggers = queries.chain(reads);
            let status =
                triggers.find_map(|trigger| profile.status_frames(trigger, &bulb, 0).into_iter().next())?;
            repeat(times, || profile.decode(&status.role, black_box(&status.bytes)));
        }
        _ => return None,
    }
    Some(())
}

/// A colour; a brightness if the bulb has no colour; power if it has neither.
fn typical(profile: &Profile) -> Light {
    let can = profile.settable();
    if can.contains(Feature::Color) {
        return Light { color: Some(Rgb::new(255, 136, 0)), ..Light::default() };
    }
    if can.contains(Feature::Brightness) {
        return Light { brightness: Percent::new(50).ok(), ..Light::default() };
    }
    Light { power: Some(true), ..Light::default() }
}

fn repeat<T>(times: u32, call: impl Fn() -> T) {
    for _ in 0..times {
        black_box(call());
    }
}
