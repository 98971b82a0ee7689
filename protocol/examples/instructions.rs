//! Repeats one call of the codec, for a tool that counts instructions: `cargo xtask bench codec`.
use std::env;
use std::hint::black_box;
use std::process::ExitCode;

use bulb_protocol::{LightState, Percent, Rgb, base};

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let [call, times] = words.as_slice() else { return ExitCode::FAILURE };
    let Ok(times) = times.parse() else { return ExitCode::FAILURE };
    let state = LightState { power: true, brightness: Percent::MAX, color: Rgb::new(255, 136, 0) };
    let frame = base::encode(state);
    let none = [2, 100, 255, 136, 0];
    match call.as_str() {
        "nothing" => repeat(times, || black_box(state)),
        "encode" => repeat(times, || base::encode(black_box(state))),
        "decode" => repeat(times, || base::decode(black_box(&frame))),
        "refuse" => repeat(times, || base::decode(black_box(&none))),
        "lenient" => repeat(times, || base::decode_lenient(black_box(&frame))),
        _ => return ExitCode::FAILURE,
    }
    ExitCode::SUCCESS
}

fn repeat<T>(times: u32, call: impl Fn() -> T) {
    for _ in 0..times {
        black_box(call());
    }
}
