//! Reads whatever the fuzzer makes up as a target, with a configuration from the second line on. What has to hold is in `holds.rs`.
#![no_main]

#[path = "../holds.rs"]
#[allow(dead_code)]
mod holds;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| holds::target_and_config(bytes));
