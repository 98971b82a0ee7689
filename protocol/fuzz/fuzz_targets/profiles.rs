//! Gives whatever the fuzzer makes up to one of the profiles, which the first byte chooses. What has to hold is in `play.rs`.
#![no_main]

#[path = "../play.rs"]
#[allow(dead_code)]
mod play;

use std::sync::LazyLock;

use bulb_protocol::profile::Profile;

static PROFILES: LazyLock<Vec<Profile>> = LazyLock::new(play::profiles);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let [choice, bytes @ ..] = bytes {
        let place = usize::from(*choice) % PROFILES.len();
        play::bytes(&PROFILES[place], bytes);
    }
});
