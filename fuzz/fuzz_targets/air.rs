//! Says random lines to an emulated bulb and to a central on the air of the sim radio. `holds.rs` has the assertions.
#![no_main]

#[path = "../holds.rs"]
#[allow(dead_code)]
mod holds;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| holds::air(bytes));
