//! Families made for tests of the edges of the profile engine.
#![allow(dead_code, reason = "each program with tests uses a part of it")]

use bulb_protocol::profile::{Family, Light, Profile};
use bulb_protocol::{Percent, Rgb};

/// A profile with this text after its first lines.
pub(crate) fn profile(more: &str) -> Profile {
    let text = format!(
        "profile = 1\nname = \"edge\"\ntitle = \"Edge\"\n\
         [[match]]\nname = \"Edge*\"\nscore = 60\n\
         [role.control]\nat = [\"fff0/fff1\"]\n[role.status]\nat = [\"fff0/fff2\"]\n{more}"
    );
    Family::parse(&text).unwrap().profile(None).unwrap()
}

pub(crate) fn percent(value: u8) -> Option<Percent> {
    Some(Percent::new(value).unwrap())
}

pub(crate) fn dim(value: u8) -> Light {
    Light { brightness: percent(value), ..Light::default() }
}

pub(crate) fn colored(red: u8, green: u8, blue: u8) -> Light {
    Light { color: Some(Rgb::new(red, green, blue)), ..Light::default() }
}

pub(crate) fn frames(profile: &Profile, change: &Light, known: &Light) -> Vec<Vec<u8>> {
    profile.encode(change, known, 0).unwrap().writes.into_iter().map(|write| write.bytes).collect()
}
