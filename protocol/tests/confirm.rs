//! Comparing what a bulb reports with what a command asked for.
#![cfg(feature = "profiles")]
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "shared/edge.rs"]
mod edge;

use bulb_protocol::profile::{Feature, Features, Light, Mode, Profile};

use edge::{colored, dim, percent, profile};

/// A bulb with a brightness of its own, and colours of three channels.
fn plain() -> Profile {
    profile(
        "[can]\npower = {}\nbrightness = {}\ncolor = {}\nwhite = {}\nkelvin = { range = [2000, 6000] }\n\
         effect = { names = { rainbow = 9, fade = 30 }, numbered = [1, 20] }\n\
         [commands]\npower = \"01 {power}\"\nbrightness = \"02 {brightness}\"\n\
         color = \"03 {red} {green} {blue}\"\nwhite = \"04 {white}\"\n\
         kelvin = \"05 {kelvin:be}\"\neffect = \"06 {effect}\"\n\
         [[report]]\non = [\"read\"]\nframe = \"A0 {brightness} {red} {green} {blue}\"\n\
         [[report]]\non = [\"read\"]\nframe = \"A1 {brightness} {white}\"\n",
    )
}

/// A bulb that is dimmed by its colour and its white.
fn scaled() -> Profile {
    profile(
        "[can]\npower = {}\nbrightness = { scaled = true }\ncolor = {}\nwhite = {}\n\
         [commands]\npower = \"01 {power}\"\ncolor = \"03 {red} {green} {blue}\"\nwhite = \"04 {white}\"\n\
         [[report]]\non = [\"read\"]\nframe = \"A0 {red} {green} {blue}\"\nmeans = { mode = \"color\" }\n\
         [[report]]\non = [\"read\"]\nframe = \"A1 {white}\"\nmeans = { mode = \"white\" }\n",
    )
}

/// A bulb whose frames have hue and saturation, and the brightness apart.
fn chromatic() -> Profile {
    profile(
        "[can]\npower = {}\nbrightness = {}\ncolor = {}\n\
         [commands]\npower = \"01 {power}\"\nbrightness = \"02 {brightness}\"\n\
         color = \"03 {hue:be} {saturation}\"\n\
         [[report]]\non = [\"read\"]\nframe = \"A0 {brightness} {hue:be} {saturation}\"\n",
    )
}

fn red(brightness: u8) -> Light {
    Light { mode: Some(Mode::Color), ..colored(255, 0, 0).merged(&dim(brightness)) }
}

fn white(white: u8, brightness: u8) -> Light {
    Light { white: percent(white), mode: Some(Mode::White), ..dim(brightness) }
}

#[test]
fn brightness_is_compared_as_the_bulb_can_show_it() {
    let [plain, scaled, chromatic] = [plain(), scaled(), chromatic()];
    for (name, profile, assumed, reported, same) in [
        // 52 % is two steps from 50 %.
        ("plain", &plain, red(50), red(51), true),
        ("plain", &plain, red(50), red(52), false),
        ("plain", &plain, white(100, 50), white(50, 100), false),
        // Where the strength of a colour carries it, 128 and 133 of 255 are near.
        ("scaled", &scaled, red(50), red(52), true),
        ("scaled", &scaled, red(50), red(53), false),
        ("chromatic", &chromatic, red(50), red(52), true),
        ("chromatic", &chromatic, red(50), red(53), false),
        // Black has no colour: red at 2 % is 5 of 255.
        ("scaled", &scaled, red(2), Light { mode: Some(Mode::Color), ..dim(0) }, true),
        ("scaled", &scaled, red(3), Light { mode: Some(Mode::Color), ..dim(0) }, false),
        // Half of full white, and half white at full brightness.
        ("scaled", &scaled, white(100, 50), white(50, 100), true),
        ("scaled", &scaled, white(100, 50), white(52, 100), false),
        // Only a brightness is reported: there is no colour to compare.
        ("chromatic", &chromatic, red(50), dim(50), true),
        ("chromatic", &chromatic, red(50), dim(52), false),
        ("scaled", &scaled, red(50), white(100, 50), true),
    ] {
        let brightness = Features::NONE.with(Feature::Brightness);
        let differ = profile.mismatches(brightness, &assumed, &reported);
        assert_eq!(differ.is_empty(), same, "{name} {assumed:?} {reported:?}");
    }
}

#[test]
fn an_effect_is_the_same_by_its_name_and_by_its_number() {
    let profile = plain();
    let effect = |name: &str| Light { effect: Some(name.to_owned()), ..Light::default() };
    for (assumed, reported, same) in [
        ("rainbow", "rainbow", true),
        ("rainbow", "9", true),
        ("9", "rainbow", true),
        ("rainbow", "8", false),
        ("rainbow", "fade", false),
        // Numbers that the profile does not know.
        ("200", "200", true),
        ("200", "201", false),
        ("rainbow", "200", false),
    ] {
        let all = Features::NONE.with(Feature::Effect);
        let differ = profile.mismatches(all, &effect(assumed), &effect(reported));
        assert_eq!(differ.is_empty(), same, "{assumed} {reported}");
    }
}

/// A level one step beside the wanted one is near enough, unless it is the level from before the command.
#[test]
fn a_level_that_stayed_is_noticed_even_if_it_is_near() {
    let [plain, scaled] = [plain(), scaled()];
    let in_color =
        |[red, green, blue]: [u8; 3], brightness| colored(red, green, blue).merged(&dim(brightness));
    for (name, profile, feature, [before, assumed, reported], stayed) in [
        ("plain", &plain, Feature::Brightness, [dim(50), dim(51), dim(50)], true),
        ("plain", &plain, Feature::Brightness, [dim(50), dim(51), dim(51)], false),
        ("plain", &plain, Feature::Brightness, [dim(50), dim(52), dim(51)], false),
        ("plain", &plain, Feature::Brightness, [dim(50), dim(50), dim(50)], false),
        // The colour says nothing about the brightness, and the brightness nothing about white.
        (
            "plain",
            &plain,
            Feature::Brightness,
            [in_color([255, 0, 0], 50), in_color([0, 0, 255], 51), in_color([0, 0, 255], 50)],
            true,
        ),
        ("plain", &plain, Feature::White, [white(40, 50), white(41, 50), white(40, 100)], true),
        // Where white is dimmed by it, the product counts.
        ("scaled", &scaled, Feature::White, [white(50, 100), white(51, 100), white(100, 50)], true),
        ("scaled", &scaled, Feature::White, [white(50, 100), white(51, 100), white(100, 51)], false),
        ("scaled", &scaled, Feature::Brightness, [white(100, 50), white(100, 51), white(100, 50)], true),
        ("scaled", &scaled, Feature::Brightness, [red(50), red(51), red(50)], true),
        (
            "scaled",
            &scaled,
            Feature::Color,
            [in_color([255, 0, 0], 100), in_color([255, 4, 0], 100), in_color([255, 0, 0], 100)],
            true,
        ),
        // What is compared exactly is found without this.
        ("plain", &plain, Feature::Color, [colored(1, 2, 3), colored(1, 2, 4), colored(1, 2, 3)], false),
    ] {
        let asked = Features::NONE.with(feature);
        let found = profile.unchanged(asked, &before, &assumed, &reported);
        assert_eq!(!found.is_empty(), stayed, "{name} {before:?} {assumed:?} {reported:?}");
    }
}

#[test]
fn a_status_belongs_to_the_query_that_it_answers() {
    let profile = profile(
        "[role.other]\nat = [\"fff0/fff3\"]\n[can]\npower = {}\nbrightness = {}\n\
         [commands]\npower = \"01 {power}\"\nbrightness = \"02 {brightness}\"\n\
         [[report]]\non = [\"change\"]\nframe = \"A0 {power}\"\n\
         [[report]]\nask = \"0A\"\nframe = \"A1 {power}\"\n\
         [[report]]\nask = \"0B\"\nframe = \"A2 {brightness}\"\n\
         [[report]]\nfrom = \"other\"\nask = \"0C\"\nframe = \"A1 {power}\"\n",
    );
    for (role, bytes, query) in [
        ("status", [0xA0, 1], None),
        ("status", [0xA1, 1], Some(0)),
        ("status", [0xA2, 50], Some(1)),
        ("other", [0xA1, 1], Some(2)),
        ("other", [0xA2, 50], None),
        ("status", [0xA2, 101], None),
    ] {
        assert_eq!(profile.answered_query(role, &bytes), query, "{role} {bytes:02x?}");
    }
}
