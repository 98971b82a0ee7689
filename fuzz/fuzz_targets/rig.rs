//! Reads whatever the fuzzer makes up as a rig, and talks to its bulbs. What has to hold is in `holds.rs`.
#![no_main]

#[path = "../holds.rs"]
#[allow(dead_code)]
mod holds;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| holds::rig(bytes));
