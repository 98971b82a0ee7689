//! The numbers of values in frames: how large they may be, how they are rounded, and which of them count.
#![cfg(feature = "profiles")]
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "shared/edge.rs"]
mod edge;

use bulb_protocol::Rgb;
use bulb_protocol::profile::{DecodeErrorKind, DecodedCommand, Family, Feature, Light, Mode};

use edge::{colored, frames, percent, profile};

#[test]
fn a_field_has_to_hold_its_largest_number() {
    for (can, command, fits) in [
        ("power = { on = 255 }", "power = \"{power}\"", true),
        ("power = { on = 256 }", "power = \"{power}\"", false),
        ("power = { on = 1, off = 256 }", "power = \"{power}\"", false),
        ("color = { raw = [0, 255] }", "color = \"{red} {green} {blue}\"", true),
        ("color = { raw = [0, 256] }", "color = \"{red} {green} {blue}\"", false),
        ("color = {}", "color = \"{hue:be} {saturation}\"", true),
        ("color = {}", "color = \"{hue} {saturation}\"", false),
        ("color = { saturation = 255 }", "color = \"{hue:be} {saturation}\"", true),
        ("color = { saturation = 256 }", "color = \"{hue:be} {saturation}\"", false),
        ("color = {}", "color = \"{x:be} {y:be}\"", true),
        ("color = {}", "color = \"{x:be} {y}\"", false),
        ("kelvin = { range = [2000, 2100], tint = { 2000 = \"ff8d0b\" } }", "kelvin = \"{tint}\"", true),
        ("kelvin = { range = [2000, 2100], tint = { 2000 = \"ff8d0b\" } }", "kelvin = \"{tint:be}\"", false),
        ("effect = { numbered = [0, 65535] }", "effect = \"{effect:le}\"", true),
        ("effect = { numbered = [0, 65536] }", "effect = \"{effect:le}\"", false),
        // Four bytes of bits, and no more.
        ("power = {}", "power = \"{power:1|_:15|_:16}\"", true),
        ("power = {}", "power = \"{power:1|_:15|_:16|_:8}\"", false),
        ("white = { raw = [0, 127] }", "white = \"{_:1|white:7}\"", true),
        ("white = { raw = [0, 128] }", "white = \"{_:1|white:7}\"", false),
    ] {
        let text = format!(
            "profile = 1\nname = \"edge\"\ntitle = \"Edge\"\n[role.control]\nat = [\"fff0/fff1\"]\n\
             [can]\n{can}\n[commands]\n{command}\n"
        );
        assert_eq!(Family::parse(&text).unwrap().profile(None).is_ok(), fits, "{can} {command}");
    }
}

/// A share is of full brightness, white or speed, rounded down: 50 % of 33 is 16.5.
#[test]
fn a_share_is_rounded_down() {
    let profile = profile(
        "[can]\npower = {}\nbrightness = {}\nwhite = {}\nspeed = {}\n[commands]\npower = \"01 {power}\"\n\
         brightness = \"02 {brightness} {brightness/33}\"\nwhite = \"03 {white} {white/33}\"\n\
         speed = \"04 {speed} {speed/33}\"\n",
    );
    for (feature, first) in [(Feature::Brightness, 2), (Feature::White, 3), (Feature::Speed, 4)] {
        for (value, share) in [(0, 0), (50, 16), (99, 32), (100, 33)] {
            let light = Light::default().with_number(feature, u16::from(value));
            assert_eq!(frames(&profile, &light, &Light::default()), [[first, value, share]], "{feature}");
        }
    }
}

#[test]
fn each_part_of_a_frame_is_written_and_checked_as_it_says() {
    for (part, written, read, refused) in [
        ("7E", 0x7E, &[0x7E][..], &[0x7F][..]),
        ("7E?", 0x7E, &[0x7E, 0], &[]),
        ("??", 0, &[0, 0xFF], &[]),
        // Only the bits of the mask are checked.
        ("75/7F", 0x75, &[0x75, 0xF5], &[0x74, 0x35]),
        ("{_:8}", 0, &[0, 0xFF], &[]),
        ("{0x2A:8}", 0x2A, &[0x2A], &[0x2B]),
        ("{42:8}", 0x2A, &[0x2A], &[0x2B]),
        ("{1:1|_:3|0xA:4}", 0x8A, &[0x8A, 0xFA], &[0x0A, 0x8B]),
    ] {
        let profile = profile(&format!("[can]\npower = {{}}\n[commands]\npower = \"01 {{power}} {part}\"\n"));
        let on = Light { power: Some(true), ..Light::default() };
        assert_eq!(frames(&profile, &on, &Light::default()), [[1, 1, written]], "{part}");
        let fits = |byte: &u8| profile.decode_command("control", &[1, 1, *byte]).is_ok();
        assert!(read.iter().all(fits) && !refused.iter().any(fits), "{part}");
    }
}

#[test]
fn a_default_is_sent_where_the_value_is_not_known() {
    let with = |default: &str| {
        let text = format!(
            "profile = 1\nname = \"edge\"\ntitle = \"Edge\"\n[role.control]\nat = [\"fff0/fff1\"]\n\
             [can]\npower = {{ on = 0x23, off = 0x24 }}\nbrightness = {{ raw = [0, 200] }}\nspeed = {{}}\n\
             color = {{ raw = [0, 51] }}\neffect = {{ names = {{ rainbow = 9 }}, numbered = [20, 30] }}\n\
             [commands]\npower = \"01 {{power}}\"\nbrightness = \"02 {{brightness}}\"\n\
             effect = \"03 {{effect}}\"\ncolor = \"04 {{red}} {{green}} {{blue}}\"\n\
             speed = \"05 {{speed}} {default}\"\n"
        );
        let profile = Family::parse(&text).unwrap().profile(None).ok()?;
        let speed = Light { speed: percent(7), ..Light::default() };
        Some(frames(&profile, &speed, &Light::default())[0][2..].to_vec())
    };
    for (default, bytes) in [
        ("{power=on}", Some(&[0x23][..])),
        ("{power=off}", Some(&[0x24])),
        ("{power=maybe}", None),
        ("{brightness=50}", Some(&[100])),
        ("{brightness=101}", None),
        // A channel has a fifth of its value.
        ("{red=255} {green=5} {blue=0}", Some(&[51, 1, 0])),
        ("{red=256} {green=5} {blue=0}", None),
        ("{effect=rainbow}", Some(&[9])),
        ("{effect=21}", Some(&[21])),
        ("{effect=9}", None),
    ] {
        assert_eq!(with(default).as_deref(), bytes, "{default}");
    }
}

const TINTED: &str = "[can]\npower = {}\n\
    kelvin = { range = [2000, 6000], tint = { 2000 = \"000000\", 3000 = \"64c81e\", 7000 = \"ffffff\" } }\n\
    [commands]\npower = \"01 {power}\"\n";

#[test]
fn a_preview_colour_is_between_those_of_the_table() {
    let text = format!("{TINTED}kelvin = \"02 {{kelvin:be}} {{tint-red}} {{tint-green}} {{tint-blue}}\"\n");
    let tint = |range: &str, kelvin: u16| {
        let profile = profile(&text.replace("[2000, 6000]", range));
        let light = Light { kelvin: Some(kelvin), ..Light::default() };
        frames(&profile, &light, &Light::default())[0][3..].to_vec()
    };
    for (kelvin, [red, green, blue]) in [
        (2000, [0, 0, 0]),
        (2500, [50, 100, 15]),
        (2990, [99, 198, 30]),
        (3000, [100, 200, 30]),
        // 100 + 155 / 2 is 177.5; 200 + 55 / 2 is 227.5; 30 + 225 / 2 is 142.5.
        (5000, [178, 228, 143]),
        // Below the first and above the last there is nothing to count from.
        (1500, [0, 0, 0]),
        (9000, [255, 255, 255]),
    ] {
        assert_eq!(tint("[1000, 9000]", kelvin), [red, green, blue], "{kelvin}");
    }
}

/// Versions of a table differ by up to 8 in sum: twice as much is near, and one more is not.
#[test]
fn a_temperature_is_read_from_the_nearest_preview_colour() {
    let profile = profile(&format!("{TINTED}kelvin = \"02 {{tint}}\"\n"));
    for (tint, kelvin) in [
        ([100, 200, 30], Some(3000)),
        ([106, 195, 35], Some(3000)),
        ([106, 195, 36], None),
        ([116, 200, 30], Some(3000)),
        ([100, 217, 30], None),
        ([100, 200, 14], Some(3000)),
        ([5, 5, 6], Some(2000)),
        // The bulb does not go up to 7000 K.
        ([255, 255, 255], None),
        ([180, 60, 200], None),
    ] {
        let command = profile.decode_command("control", &[2, tint[0], tint[1], tint[2]]);
        let light = |kelvin| Light { kelvin: Some(kelvin), mode: Some(Mode::White), ..Light::default() };
        match kelvin {
            Some(kelvin) => assert_eq!(command, Ok(DecodedCommand::Change(light(kelvin))), "{tint:?}"),
            None => assert_eq!(command.unwrap_err().kind(), DecodeErrorKind::Value, "{tint:?}"),
        }
    }
}

#[test]
fn the_channels_count_before_the_hue_unless_they_are_black() {
    let profile = profile(
        "[can]\npower = {}\ncolor = {}\n[commands]\npower = \"01 {power}\"\n\
         color = \"02 {red} {green} {blue} {hue:be} {saturation}\"\n",
    );
    for (frame, color) in [
        // Hue 240 is blue.
        ([2, 0, 0, 0, 0, 240, 100], colored(0, 0, 255)),
        ([2, 9, 0, 0, 0, 240, 100], colored(9, 0, 0)),
        ([2, 0, 9, 0, 0, 240, 100], colored(0, 9, 0)),
        ([2, 0, 0, 9, 0, 120, 100], colored(0, 0, 9)),
    ] {
        let command = profile.decode_command("control", &frame);
        let light = Light { mode: Some(Mode::Color), ..color };
        assert_eq!(command, Ok(DecodedCommand::Change(light)), "{frame:?}");
    }
}

#[test]
fn a_colour_in_a_file_has_six_hex_digits() {
    let color = |text: &str| serde_json::from_value::<Rgb>(text.into()).ok();
    assert_eq!(color("#0a64FF"), Some(Rgb::new(10, 100, 255)));
    for text in ["0a64ff", "#0a64f", "#0a64ff0", "#+a64ff", "#0a64fg", "", "#"] {
        assert_eq!(color(text), None, "{text}");
    }
}

/// A value of Bluetooth has at most 512 bytes, so a frame with named bytes has no more.
#[test]
fn named_bytes_make_a_frame_of_up_to_512_bytes() {
    let family = |count: usize, frame: &str| {
        let text = format!(
            "profile = 1\nname = \"edge\"\ntitle = \"Edge\"\nbytes.zeros = \"{}\"\nbytes.unused = \"01\"\n\
             [role.control]\nat = [\"fff0/fff1\"]\n[can]\npower = {{}}\n[commands]\npower = \"{frame}\"\n",
            "00 ".repeat(count)
        );
        Family::parse(&text).and_then(|family| family.validate_variants())
    };
    for (count, frame, error) in [
        (510, "{power} {zeros}", None),
        (512, "{power} {zeros}", None),
        (513, "{power}", Some("line 4: bytes.zeros has 513 bytes, and a frame at most 512")),
        (256, "{power} {zeros}{zeros}", None),
        (257, "{power} {zeros}{zeros}", Some("line 11: the frame is longer than 512 bytes with {zeros}")),
        (600, "{power}", Some("line 4: bytes.zeros has 600 bytes, and a frame at most 512")),
    ] {
        let found = family(count, frame).err().map(|error| error.to_string());
        assert_eq!(found.as_deref(), error, "{count} {frame}");
    }
}
