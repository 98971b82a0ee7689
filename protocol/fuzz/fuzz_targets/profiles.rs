//! Decodes any bytes with one of the profiles, which the first byte chooses. `play.rs` has the properties.
#![no_main]

#[path = "../../tests/shared/play.rs"]
#[allow(dead_code)]
mod play;

use std::sync::LazyLock;

use bulb_protocol::profile::Profile;

static PROFILES: LazyLock<Vec<Profile>> = LazyLock::new(play::profiles);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let [choice, bytes @ ..] = bytes {
        let index = usize::from(*choice) % PROFILES.len();
        play::bytes(&PROFILES[index], bytes);
    }
});
