//! Takes whatever the fuzzer makes up for a command line, an argument a line. What has to hold is in `holds.rs`.
#![no_main]

#[path = "../holds.rs"]
#[allow(dead_code)]
mod holds;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| holds::arguments(bytes));
