//! Decodes any bytes with the codec of Zengge's transport. `play.rs` has the properties.
#![no_main]

#[path = "../../tests/shared/play.rs"]
#[allow(dead_code)]
mod play;

use std::sync::LazyLock;

use bulb_protocol::profile::{Profile, builtin};

static PROFILE: LazyLock<Profile> = LazyLock::new(|| builtin::load("lednetwf", None).unwrap());

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| play::bytes(&PROFILE, bytes));
