//! A profile's account of its bulbs: the values to set, their ranges, and how they are reported.
#![cfg(feature = "profiles")]
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "shared/edge.rs"]
mod edge;

use bulb_protocol::gatt::{Uuid, uuid16};
use bulb_protocol::profile::{Ability, Feature, Features, Grade, Profile, Readback, builtin};

use edge::profile;

fn set(features: &[Feature]) -> Features {
    features.iter().copied().collect()
}

const LAMP: &str = "[can]\npower = {}\ncolor = {}\nwhite = {}\nbrightness = { scaled = true }\n\
    [commands]\npower = \"01 {power}\"\ncolor = \"02 {red} {green} {blue}\"\nwhite = \"03 {white}\"\n";

#[test]
fn a_profile_knows_what_is_reported_and_when() {
    use Feature::{Brightness, Color, Power, White};
    let none = Readback::default();
    let (read, command) = (Readback { read: true, ..none }, Readback { command: true, ..none });
    let (change, query) = (Readback { change: true, ..none }, Readback { query: true, ..none });
    for (report, features, readback) in [
        ("", &[][..], none),
        ("on = [\"read\"]\nframe = \"A0 {power}\"", &[Power], read),
        ("on = [\"command\"]\nframe = \"A0 {power}\"", &[Power], command),
        ("on = [\"change\"]\nframe = \"A0 {power}\"", &[Power], change),
        ("ask = \"0A\"\nframe = \"A0 {power}\"", &[Power], query),
        // A bulb only may send it: nobody can wait for it.
        ("on = [\"maybe\"]\nframe = \"A0 {power}\"", &[], none),
        // What a frame means without a field, and the brightness that is in a colour or in white.
        ("on = [\"read\"]\nmeans = { power = true }\nframe = \"A1\"", &[Power], read),
        ("on = [\"read\"]\nframe = \"A2 {red} {green} {blue}\"", &[Color, Brightness], read),
        ("on = [\"read\"]\nframe = \"A3 {white}\"", &[White, Brightness], read),
    ] {
        let rule = if report.is_empty() { "" } else { "[[report]]\n" };
        let profile = profile(&format!("{LAMP}{rule}{report}\n"));
        assert_eq!((profile.reported(), profile.readback()), (set(features), readback), "{report}");
    }
    // Of a bulb that has a brightness, a colour says nothing about it.
    let plain = LAMP.replace("brightness = { scaled = true }\n", "");
    let profile =
        profile(&format!("{plain}[[report]]\non = [\"read\"]\nframe = \"A2 {{red}} {{green}} {{blue}}\"\n"));
    assert_eq!(profile.reported(), set(&[Color]));
    // An echo reports all that can be set.
    let echo = builtin::load("elk", Some("bleddm")).unwrap();
    assert_eq!(echo.reported(), echo.settable());
}

#[test]
fn a_profile_lists_its_abilities() {
    let text = format!("{LAMP}[[advert]]\ncompany = 1\nframe = \"EC {{power}}\"\n")
        .replace("white = {}", "white = { range = [1, 50], grade = \"C\" }");
    let lamp = profile(&text);
    assert_eq!(lamp.advertised(), set(&[Feature::Power]));
    assert_eq!(lamp.readback(), Readback { advert: true, ..Readback::default() });
    let ability = |feature, scaled, range, grade| Ability {
        feature,
        set: true,
        reported: false,
        advertised: feature == Feature::Power,
        scaled,
        range,
        grade,
    };
    let all = [
        ability(Feature::Power, false, None, Grade::A),
        ability(Feature::Brightness, true, Some((0, 100)), Grade::A),
        ability(Feature::Color, false, None, Grade::A),
        ability(Feature::White, false, Some((1, 50)), Grade::C),
    ];
    assert_eq!(lamp.abilities(), all);
    let plain = profile(
        &text
            .replace("scaled = true", "")
            .replace("[commands]\n", "[commands]\nbrightness = \"04 {brightness}\"\n"),
    );
    assert!(plain.abilities().iter().all(|ability| !ability.scaled));
}

#[test]
fn the_effects_of_a_bulb_are_listed_by_name_and_then_by_number() {
    let names = |effect: &str| {
        profile(&format!(
            "[can]\npower = {{}}\neffect = {{ {effect} }}\n\
             [commands]\npower = \"01 {{power}}\"\neffect = \"02 {{effect}}\"\n"
        ))
        .effect_names()
    };
    assert_eq!(names("names = { rainbow = 9, fade-red = 3 }"), "fade-red, rainbow");
    assert_eq!(names("names = { rainbow = 200 }, numbered = [1, 120]"), "rainbow, 1 to 120");
    assert_eq!(names("numbered = [1, 120]"), "1 to 120");
}

#[test]
fn only_frames_with_the_address_need_it() {
    for (family, variant, carries) in
        [("neewer", Some("cb60-rgb"), true), ("neewer", None, false), ("elk", None, false)]
    {
        let profile: Profile = builtin::load(family, variant).unwrap();
        assert_eq!(profile.carries_address(), carries, "{}", profile.full_name());
    }
}

/// The values of Govee's characteristic for the encryption: the second byte is its version.
#[test]
fn a_read_refuses_what_it_says_and_nothing_else() {
    let govee = builtin::load("govee", None).unwrap();
    let refused = |value: &[u8]| govee.refusals.iter().filter(|refusal| refusal.applies(value)).count();
    for (value, count) in [(&[0, 1][..], 1), (&[7, 2], 1), (&[0, 0], 0), (&[1], 0), (&[], 0)] {
        assert_eq!(refused(value), count, "{value:?}");
    }
}

#[test]
fn an_outline_leaves_out_the_devices_that_have_nothing_of_the_family() {
    let outlines = builtin::outlines().unwrap();
    let may_have = |service: Uuid, characteristic: Uuid| -> Vec<&str> {
        let has = |wanted: Option<Uuid>, one| {
            wanted.is_none_or(|wanted| wanted == service) && one == characteristic
        };
        outlines.iter().filter(|outline| outline.may_have(has)).map(|outline| outline.name()).collect()
    };
    assert_eq!(may_have(uuid16(0x180A), uuid16(0x2A29)), [""; 0]);
    assert!(may_have(uuid16(0xFFF0), uuid16(0xFFF3)).contains(&"elk"));
    assert!(!may_have(uuid16(0xFFF0), uuid16(0xFFF3)).contains(&"hue"));
}

#[test]
fn a_name_on_the_command_line_has_a_family_and_perhaps_a_variant() {
    for (text, family, variant) in
        [("elk", "elk", None), ("elk:melk", "elk", Some("melk")), ("a:b:c", "a", Some("b:c"))]
    {
        assert_eq!(builtin::split_name(text), (family, variant.map(str::to_owned)), "{text}");
    }
}
