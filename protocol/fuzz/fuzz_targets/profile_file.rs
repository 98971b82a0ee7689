//! Parses any text as a profile file. The error names a line of the text, or the profile decodes the text without a panic.
#![no_main]

use bulb_protocol::profile::{Family, Light, Trigger};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let profile = Family::parse(text).and_then(|family| {
        family.validate_variants()?;
        Ok(family.profile(None))
    });
    match profile {
        Err(error) => assert!(error.line >= 1 && error.line <= text.matches('\n').count() + 1, "{error}"),
        Ok(profile) => play(&profile.unwrap(), text.as_bytes()),
    }
});

fn play(profile: &bulb_protocol::profile::Profile, bytes: &[u8]) {
    let state = profile.full_state(true);
    for role in &profile.roles {
        let _ = profile.decode(&role.name, bytes);
        let _ = profile.decode_command(&role.name, bytes);
        let _ = profile.status_frames(Trigger::Read(&role.name), &state, 0);
    }
    let _ = profile.encode(&state, &Light::default(), 0);
    for question in 0..profile.queries(0).len() {
        let _ = profile.status_frames(Trigger::Query(question), &state, 0);
    }
    let _ = profile.advertise(&state);
}
