//! The edges of the profile engine, each on a family made for it: the last number that counts, and the first that does not.
#![cfg(feature = "profiles")]
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "shared/edge.rs"]
mod edge;

use bulb_protocol::gatt::uuid16;
use bulb_protocol::profile::{
    Advert, DecodeErrorKind, DecodedCommand, Family, Feature, Features, Grade, Light, Mode, Profile, Role,
    VirtualBulb, WriteOutcome, builtin,
};
use bulb_protocol::{LightState, Percent, Rgb};

use edge::{colored, dim, frames, percent, profile};

#[test]
fn an_advertisement_is_only_read_for_its_companies() {
    let text = "[can]\npower = {}\n[commands]\npower = \"01 {power}\"\n\
                [[advert]]\ncompany = [0x1010, 0x1020]\nframe = \"EC {power}\"\n";
    let profile = profile(text);
    let decoded = |company: u16| {
        let manufacturer = [(company, &[0xEC, 1][..])];
        profile.decode_advert(&Advert { manufacturer: &manufacturer, ..Advert::default() })
    };
    for company in [0x1010, 0x1015, 0x1020] {
        assert_eq!(decoded(company).unwrap().power, Some(true), "{company:04x}");
    }
    for company in [0, 0x100F, 0x1021, 0xFFFF] {
        assert_eq!(decoded(company), None, "{company:04x}");
    }
    // Other data of the company, and then the right data.
    let manufacturer = [(0x1010, &[0xED, 1][..]), (0x1011, &[0xEC, 0][..])];
    let advert = Advert { manufacturer: &manufacturer, ..Advert::default() };
    assert_eq!(profile.decode_advert(&advert).unwrap().power, Some(false));
}

#[test]
fn an_advertisement_is_only_read_for_its_service() {
    let text = "[can]\npower = {}\n[commands]\npower = \"01 {power}\"\n\
                [[advert]]\nservice_data = \"fd3d\"\nframe = \"EC {power}\"\n";
    let profile = profile(text);
    let decoded = |service: u16| {
        let service_data = [(uuid16(service), &[0xEC, 1][..])];
        profile.decode_advert(&Advert { service_data: &service_data, ..Advert::default() })
    };
    assert_eq!(decoded(0xFD3D).unwrap().power, Some(true));
    assert_eq!(decoded(0xFD3E), None);
}

#[test]
fn a_frame_may_carry_on_or_off_by_default() {
    let profile = profile(
        "[can]\npower = { on = 0x23, off = 0x24 }\ncolor = {}\n\
         [commands]\ncolor = \"02 {power=on} {red} {green} {blue}\"\npower = \"01 {power}\"\n",
    );
    assert_eq!(frames(&profile, &colored(1, 2, 3), &Light::default()), [[2, 0x23, 1, 2, 3]]);
}

#[test]
fn only_the_roles_of_values_are_read() {
    let profile = profile(
        "[role.state]\nat = [\"fff0/fff3\"]\n[can]\npower = {}\n[commands]\npower = \"01 {power}\"\n\
         [[report]]\nask = \"02\"\nframe = \"02 {power}\"\n\
         [[report]]\nfrom = \"state\"\non = [\"read\"]\nframe = \"03 {power}\"\n",
    );
    let names = |roles: Vec<&Role>| roles.into_iter().map(|role| role.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(profile.readable_roles().collect()), ["state"]);
    assert_eq!(names(profile.notifying_roles().collect()), ["status"]);
}

#[test]
fn a_state_of_the_base_protocol_is_a_light() {
    let state = LightState { power: true, brightness: Percent::MAX, color: Rgb::new(1, 2, 3) };
    let light = Light { power: Some(true), mode: Some(Mode::Color), ..colored(1, 2, 3) };
    assert_eq!(Light::from(state), Light { brightness: percent(100), ..light });
}

#[test]
fn a_family_has_the_texts_of_its_file() {
    let elk = builtin::family("elk").unwrap();
    let file = include_str!("../profiles/elk.toml");
    assert!(file.contains(&format!("\ntitle = {:?}\n", elk.title())), "{}", elk.title());
    assert!(file.contains(&format!("\nabout = {:?}\n", elk.about().unwrap())), "{:?}", elk.about());
    let sources: Vec<_> = elk.sources().iter().map(|source| format!("{source:?}")).collect();
    assert!(sources.len() > 1 && sources.iter().all(|source| file.contains(source)), "{sources:?}");
}

#[test]
fn a_level_may_be_one_step_off_and_not_two() {
    let text = "[can]\npower = {}\nbrightness = {}\nwhite = {}\nspeed = {}\n[commands]\n\
                power = \"01 {power}\"\nbrightness = \"02 {brightness}\"\nwhite = \"03 {white}\"\nspeed = \"04 {speed}\"\n";
    let plain = profile(text);
    let scaled = profile(
        &text
            .replace("brightness = {}", "brightness = { scaled = true }\ncolor = {}")
            .replace("brightness = \"02 {brightness}\"", "color = \"02 {red} {green} {blue}\""),
    );
    let with = |feature: Feature, value: u8| Light::default().with_number(feature, value.into());
    for feature in [Feature::Brightness, Feature::White, Feature::Speed] {
        let one = Features::NONE.with(feature);
        for (reported, near) in [(50, true), (49, true), (51, true), (48, false), (52, false), (0, false)] {
            let differs = |profile: &Profile| {
                (
                    !profile.mismatches(one, &with(feature, 50), &with(feature, reported)).is_empty(),
                    !profile.inexact(one, &with(feature, 50), &with(feature, reported)).is_empty(),
                )
            };
            assert_eq!(differs(&plain), (!near, reported != 50), "{feature} {reported}");
        }
    }
    // White that is dimmed by the brightness: the product counts.
    let white = Features::NONE.with(Feature::White);
    let at =
        |white: u8, brightness: u8| Light { brightness: percent(brightness), ..with(Feature::White, white) };
    for (level, near) in [(25, true), (24, true), (26, true), (23, false), (27, false)] {
        let differs = !scaled.mismatches(white, &at(50, 50), &at(level, 100)).is_empty();
        assert_eq!(differs, !near, "{level}");
    }
    // A missing brightness is full brightness.
    assert!(scaled.mismatches(white, &with(Feature::White, 25), &at(50, 50)).is_empty());
}

#[test]
fn a_dimmed_color_may_be_six_off_in_each_channel() {
    let text = "[can]\npower = {}\nbrightness = { scaled = true }\ncolor = {}\n[commands]\n\
                power = \"01 {power}\"\ncolor = \"02 {red} {green} {blue}\"\n";
    let scaled = profile(text);
    let whole = profile(&text.replace("brightness = { scaled = true }\n", ""));
    let color = Features::NONE.with(Feature::Color);
    let base = [100_u8, 150, 200];
    for channel in 0..3 {
        for (off, near) in [(0, true), (6, true), (7, false)] {
            for up in [true, false] {
                let mut other = base;
                other[channel] = if up { base[channel] + off } else { base[channel] - off };
                let light = |[red, green, blue]: [u8; 3]| colored(red, green, blue);
                let differs =
                    |profile: &Profile| !profile.mismatches(color, &light(base), &light(other)).is_empty();
                assert_eq!(differs(&scaled), !near, "{other:?}");
                assert_eq!(differs(&whole), off != 0, "{other:?} of a bulb that dims by itself");
            }
        }
    }
}

#[test]
fn the_command_that_sets_most_and_repeats_least_is_chosen() {
    let text = "[can]\npower = {}\nbrightness = {}\ncolor = {}\n[commands]\npower = \"01 {power}\"\n\
                brightness = [\"02 {brightness}\", \"03 {brightness} {red} {green} {blue}\"]\n\
                color = \"04 {red} {green} {blue}\"\n\
                state = \"05 {power} {brightness} {red} {green} {blue}\"\n";
    let profile = profile(text);
    let known = Light { power: Some(true), ..colored(1, 2, 3).merged(&dim(9)) };
    let on = Light { power: Some(true), ..Light::default() };
    // One value: the frame with that value alone, whatever else is known.
    assert_eq!(frames(&profile, &dim(50), &known), [[2, 50]]);
    assert_eq!(frames(&profile, &on, &known), [[1, 1]]);
    assert_eq!(frames(&profile, &colored(7, 8, 9), &known), [[4, 7, 8, 9]]);
    // Two and three values: one frame for all of them, and no value that was not named.
    assert_eq!(frames(&profile, &dim(50).merged(&colored(7, 8, 9)), &known), [[3, 50, 7, 8, 9]]);
    assert_eq!(
        frames(&profile, &on.merged(&dim(50)).merged(&colored(7, 8, 9)), &known),
        [[5, 1, 50, 7, 8, 9]]
    );
}

#[test]
fn a_hue_goes_to_360_and_not_further() {
    let text = "[can]\npower = {}\ncolor = {}\n[commands]\npower = \"01 {power}\"\ncolor = \"02 {hue:be} {saturation}\"\n";
    let profile = profile(text);
    let decoded = |hue: u16, saturation: u8| {
        let [high, low] = hue.to_be_bytes();
        profile.decode_command("control", &[2, high, low, saturation])
    };
    for (hue, saturation, [red, green, blue]) in
        [(0, 100, [255, 0, 0]), (359, 0, [255, 255, 255]), (360, 100, [255, 0, 0]), (240, 100, [0, 0, 255])]
    {
        assert_eq!(
            decoded(hue, saturation).unwrap(),
            DecodedCommand::Change(Light { mode: Some(Mode::Color), ..colored(red, green, blue) }),
            "{hue}"
        );
    }
    for (hue, saturation) in [(361, 100), (0xFFFF, 0), (0, 101)] {
        assert_eq!(
            decoded(hue, saturation).unwrap_err().kind(),
            DecodeErrorKind::Value,
            "{hue} {saturation}"
        );
    }
}

#[test]
fn the_first_and_the_last_numbered_effect_are_effects() {
    let text = "[can]\npower = {}\neffect = { numbered = [3, 9], names = { rainbow = 20 } }\n[commands]\n\
                power = \"01 {power}\"\neffect = \"02 {effect}\"\n";
    let profile = profile(text);
    let effect = |name: &str| Light { effect: Some(name.to_owned()), ..Light::default() };
    for (name, number) in [("3", 3), ("9", 9), ("rainbow", 20)] {
        profile.validate(&effect(name)).unwrap();
        assert_eq!(frames(&profile, &effect(name), &Light::default()), [[2, number]]);
        let DecodedCommand::Change(light) = profile.decode_command("control", &[2, number]).unwrap() else {
            panic!("{name}")
        };
        assert_eq!(light.effect.as_deref(), Some(name));
    }
    for (name, number) in [("2", 2), ("10", 10), ("20", 0), ("rain", 21)] {
        assert!(profile.validate(&effect(name)).is_err(), "{name}");
        assert!(profile.decode_command("control", &[2, number]).is_err(), "{name}");
    }
    // An effect that needs more bits than its field has is a mistake of the file.
    for (last, fits) in [(255, true), (256, false)] {
        let text = format!(
            "profile = 1\nname = \"edge\"\ntitle = \"Edge\"\n[role.control]\nat = [\"fff0/fff1\"]\n\
             [can]\npower = {{}}\neffect = {{ numbered = [0, {last}] }}\n\
             [commands]\npower = \"01 {{power}}\"\neffect = \"02 {{effect}}\"\n"
        );
        assert_eq!(Family::parse(&text).unwrap().profile(None).is_ok(), fits, "{last}");
    }
}

#[test]
fn only_the_lowest_grade_is_experimental() {
    assert_eq!(
        [Grade::A, Grade::B, Grade::C].map(|grade| (grade.letter(), grade.experimental())),
        [('A', false), ('B', false), ('C', true)]
    );
    let text = "[can]\npower = {}\nbrightness = { grade = \"B\" }\ncolor = { grade = \"C\" }\n[commands]\n\
                power = \"01 {power}\"\nbrightness = \"02 {brightness}\"\ncolor = \"03 {red} {green} {blue}\"\n";
    let profile = profile(text);
    let grades = [Feature::Power, Feature::Brightness, Feature::Color, Feature::Kelvin];
    assert_eq!(
        grades.map(|feature| profile.grade_of(feature)),
        [Some(Grade::A), Some(Grade::B), Some(Grade::C), None]
    );
}

#[test]
fn the_ends_of_a_range_are_values_and_their_neighbours_are_not() {
    let text = "[can]\npower = { on = 1, off = 2 }\nbrightness = { range = [5, 100], raw = [20, 254] }\n\
                kelvin = { range = [2000, 6535], mired = true }\n[commands]\npower = \"01 {power}\"\n\
                brightness = \"02 {brightness=5}\"\nkelvin = \"03 {kelvin:le}\"\n";
    let profile = profile(text);
    for (value, raw) in [(5, 20), (100, 254)] {
        assert_eq!(frames(&profile, &dim(value), &Light::default()), [[2, raw]]);
    }
    assert!(profile.validate(&dim(4)).is_err());
    for (raw, value) in [(20, Some(5)), (254, Some(100)), (19, None), (255, None)] {
        let decoded = profile.decode_command("control", &[2, raw]).ok();
        let DecodedCommand::Change(light) = decoded.unwrap_or(DecodedCommand::LinkRule) else {
            assert_eq!(value, None, "{raw}");
            continue;
        };
        assert_eq!(light.brightness, value.and_then(percent), "{raw}");
    }
    for (power, bytes) in [(true, [1, 1]), (false, [1, 2])] {
        let light = Light { power: Some(power), ..Light::default() };
        assert_eq!(frames(&profile, &light, &Light::default()), [bytes]);
    }
    // Mireds: a million by the kelvin, rounded. 6535 K is 153.02, and 154 is 6494 K.
    let kelvin = |kelvin: u16| Light { kelvin: Some(kelvin), ..Light::default() };
    for (value, mired) in
        [(2000_u16, 500_u16), (6535, 153), (6494, 154), (4000, 250), (2001, 500), (2003, 499)]
    {
        let [low, high] = mired.to_le_bytes();
        assert_eq!(frames(&profile, &kelvin(value), &Light::default()), [[3, low, high]], "{value}");
    }
    // Defaults at the ends of the range are valid, beyond them a mistake.
    for (default, valid) in [("5", true), ("100", true), ("4", false), ("101", false)] {
        let text = format!(
            "profile = 1\nname = \"edge\"\ntitle = \"Edge\"\n[role.control]\nat = [\"fff0/fff1\"]\n\
             [can]\npower = {{}}\nbrightness = {{ range = [5, 100] }}\n\
             [commands]\npower = \"01 {{power}}\"\nbrightness = \"02 {{brightness={default}}}\"\n"
        );
        assert_eq!(Family::parse(&text).unwrap().profile(None).is_ok(), valid, "{default}");
    }
}

/// Hue's value of tags: an all-ones value is of the other mode, a zero effect is none, and everything else counts.
#[test]
fn each_part_of_a_hue_value_counts() {
    let hue = builtin::load("hue", None).unwrap();
    let decode = |bytes: &[u8]| hue.decode("combined", bytes);
    for (bytes, wanted) in [
        (&[1, 1, 1][..], Light { power: Some(true), ..Light::default() }),
        (&[2, 1, 254], dim(100)),
        (&[2, 1, 1], dim(1)),
        (&[2, 1, 0], dim(1)),
        (&[3, 2, 0xFF, 0xFF], Light::default()),
        (&[3, 2, 0xF4, 0x01], Light { kelvin: Some(2000), mode: Some(Mode::White), ..Light::default() }),
        (&[4, 4, 0xFF, 0xFF, 0xFF, 0xFF], Light::default()),
        (&[6, 1, 0], Light::default()),
        (&[6, 1, 1], Light { effect: Some("candle".into()), mode: Some(Mode::Effect), ..Light::default() }),
        (&[8, 1, 254], Light { speed: percent(100), ..Light::default() }),
        (&[8, 1, 0], Light::default()),
        // A tag that nobody knows is skipped, whatever its length.
        (&[9, 3, 1, 2, 3, 1, 1, 0], Light { power: Some(false), ..Light::default() }),
    ] {
        assert_eq!(decode(bytes), Ok(wanted), "{bytes:02x?}");
    }
    for bytes in [
        &[][..],
        &[1],
        &[1, 1],
        &[1, 2, 1, 1],
        &[1, 1, 2],
        &[2, 1, 255],
        &[3, 2, 0x98, 0],
        &[3, 2, 0xF5, 1],
        &[3, 1, 0xFF],
        &[4, 2, 1, 1],
        &[6, 2, 1, 1],
        &[8, 1, 255],
        &[1, 1, 1, 2],
    ] {
        assert!(decode(bytes).is_err(), "{bytes:02x?}");
    }
}

#[test]
fn a_virtual_bulb_starts_at_half_or_at_the_nearest_that_it_has() {
    for (range, wanted) in [("[0, 100]", 50), ("[60, 100]", 60), ("[1, 40]", 40)] {
        let profile = profile(&format!(
            "[can]\npower = {{}}\nbrightness = {{ range = {range} }}\n[commands]\npower = \"01 {{power}}\"\n\
             brightness = \"02 {{brightness}}\"\n"
        ));
        let light = profile.starting_state(&Light::default());
        assert_eq!((light.power, light.brightness), (Some(false), percent(wanted)), "{range}");
    }
    // Where colour is dimmed, brightness is in the colour: full.
    let zengge = builtin::load("zengge", None).unwrap();
    assert_eq!(zengge.starting_state(&Light::default()).brightness, percent(100));
    // What is given stays.
    assert_eq!(zengge.starting_state(&dim(7)).brightness, percent(7));
}

#[test]
fn a_virtual_bulb_takes_nothing_before_its_first_writes() {
    let melk = builtin::load("elk", Some("melk")).unwrap();
    let table: Vec<_> = melk.table().into_iter().map(|(service, one, _)| (service, one)).collect();
    let control = melk.roles.iter().find(|role| role.name == "control").unwrap().at[0];
    let on = frames(&melk, &Light { power: Some(true), ..Light::default() }, &Light::default()).remove(0);
    let mut bulb = VirtualBulb::new(melk.clone(), &table, melk.starting_state(&Light::default()));
    bulb.connected(false);
    let firsts: Vec<Vec<u8>> = melk.link_rules.first.iter().map(|write| write.bytes.clone()).collect();
    assert!(!firsts.is_empty());
    assert_eq!(bulb.write(control, &on), WriteOutcome::Ignored);
    for (index, first) in firsts.iter().enumerate() {
        if index + 1 < firsts.len() {
            bulb.write(control, first);
            assert_eq!(bulb.write(control, &on), WriteOutcome::Ignored, "after {index}");
        } else {
            bulb.write(control, first);
        }
    }
    assert_eq!(bulb.write(control, &on), WriteOutcome::Applied);
    assert_eq!(bulb.light().power, Some(true));
    // A link that goes on where another was.
    bulb.connected(true);
    assert_eq!(bulb.write(control, &on), WriteOutcome::Applied);
    // A new link begins with them.
    bulb.connected(false);
    assert_eq!(bulb.write(control, &on), WriteOutcome::Ignored);
}
