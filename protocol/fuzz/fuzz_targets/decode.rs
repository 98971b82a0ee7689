//! Decodes any bytes with the base codec. `tests/shared/invariants.rs` has the properties.
#![no_main]

#[path = "../../tests/shared/invariants.rs"]
mod invariants;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| invariants::decode(bytes));
