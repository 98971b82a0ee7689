//! Decodes whatever the fuzzer makes up. What has to hold is in `invariants.rs`.
#![no_main]

#[path = "../invariants.rs"]
mod invariants;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| invariants::decode(bytes));
