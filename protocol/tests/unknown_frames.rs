//! Frames that are unknown, malformed, glued together, in parts, echoes, or steps.
#![cfg(feature = "profiles")]
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use bulb_protocol::profile::{
    DecodeErrorKind, DecodedCommand, EncodeError, Family, Feature, Light, Mode, Profile, StatusParts,
    Trigger, VirtualBulb, WriteOutcome, builtin,
};
use bulb_protocol::{Percent, Rgb};

fn bytes(hex: &str) -> Vec<u8> {
    hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

fn load(name: &str) -> Profile {
    let (name, variant) = name.split_once(':').map_or((name, None), |(name, variant)| (name, Some(variant)));
    builtin::load(name, variant).unwrap()
}

#[test]
fn unknown_and_malformed_are_two_things() {
    let status = |family: &str, hex: &str| load(family).decode("status", &bytes(hex)).unwrap_err();
    let command = |family: &str, hex: &str| load(family).decode_command("control", &bytes(hex)).unwrap_err();
    // A timer, an answer of another command, an echo.
    assert!(status("zengge", "24 2A 2B 42").is_unknown());
    assert!(status("zengge", "10 14 10 02 1C 05 07 18 07 00 01").is_unknown());
    assert!(status("govee", "AA 12 01 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 B8").is_unknown());
    assert!(command("elk", "7E 07 83 0F 20 0C 06 00 EF").is_unknown());
    assert!(command("elk", "7E 07 83").is_unknown());
    assert!(command("zengge", "CC 20 33").is_unknown() && status("zengge", "CC 20 33").is_unknown());
    // A value, a length, a checksum.
    for (error, kind) in [
        (status("zengge", "66 15 25 41 20 00 FF 00 00 00 06 99"), DecodeErrorKind::Value),
        (status("zengge", "66 15 23 41 20 00 FF 00 00 00 06"), DecodeErrorKind::Length),
        (command("elk", "7E 07 05 03 FF 00 00 10"), DecodeErrorKind::Length),
        (
            status("govee", "AA 01 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 AB"),
            DecodeErrorKind::Checksum,
        ),
    ] {
        assert_eq!((error.kind(), error.is_unknown()), (kind, false), "{error}");
    }
}

#[test]
fn an_unknown_effect_is_no_reason_to_lose_a_status() {
    for (family, role, hex) in [
        ("hue", "combined", "01 01 01 02 01 50 06 01 07"),
        ("zengge", "status", "66 15 23 62 20 10 00 00 00 00 06 99"),
        ("sp110e", "status", "01 FE 32 FF 03 03 00 32 FF 00 00 00"),
        ("banlanx", "status", "53 43 01 01 0A 01 00 FD 02 FF 05 3C FF 00 00 10 00 00"),
    ] {
        let light =
            load(family).decode(role, &bytes(hex)).unwrap_or_else(|error| panic!("{family}: {error}"));
        assert_eq!(light.power, Some(true), "{family}");
    }
    let hue = load("hue").decode("combined", &bytes("01 01 01 02 01 50 06 01 07")).unwrap();
    assert_eq!((hue.effect.as_deref(), hue.brightness), (Some("7"), Percent::new(32).ok()));
    // A bulb does not take it.
    assert!(load("hue").decode_command("combined", &bytes("06 01 07 08 01 80")).is_err());
}

#[test]
fn the_error_of_the_closest_frame_is_shown() {
    let status = |family: &str, hex: &str| load(family).decode("status", &bytes(hex)).unwrap_err();
    let unknown = status("zengge", "24 2A 2B 42");
    let (length, value) =
        (status("zengge", "66 15 23"), status("zengge", "66 15 25 41 20 00 FF 00 00 00 06 99"));
    // Of two roles: a value is closer than a length, and this than an unknown frame.
    for (one, other) in [(&value, &length), (&value, &unknown), (&length, &unknown)] {
        assert_eq!(&one.clone().closer(Some(other.clone())), one);
        assert_eq!(&other.clone().closer(Some(one.clone())), one);
    }
    assert_eq!(value.clone().closer(None), value);
    // Of two frames that are as close: the first of the file.
    let board = BOARD.replace("2A 02 {brightness} 0A", "2A 01 20 {brightness} 00 21 0A");
    let board = Family::parse(&board).unwrap().profile(None).unwrap();
    let error = board.decode("status", &bytes("2A 01 20 41 00 21 0A")).unwrap_err();
    assert_eq!(error.reason(), "byte 3 (power) is 65, not 0 or 1");
}

#[test]
fn a_frame_with_the_address_of_another_bulb_is_not_its_own() {
    let mut profile = load("neewer:cb60-rgb");
    let on = bytes("78 8D 08 C4 11 00 00 00 01 81 01 65");
    // Without the address of the bulb, any is right.
    assert!(profile.decode_command("control", &on).is_ok());
    profile.set_address([0xC4, 0x11, 0, 0, 0, 1]);
    assert!(profile.decode_command("control", &on).is_ok());
    profile.set_address([0xC4, 0x11, 0, 0, 0, 2]);
    assert!(profile.decode_command("control", &on).unwrap_err().is_unknown());
}

#[test]
fn a_burst_has_its_state_in_the_first_packet() {
    let board = BOARD.replace(
        "on = [\"change\"]\nframe = \"2A 01 20 {power} 00 21 0A\"",
        "ask = \"0A\"\ncodec = \"govee-burst\"",
    );
    let board = board.replace(", raw = [0, 64]", "").replace("raw = [0, 64]", "");
    let board = Family::parse(&board).unwrap().profile(None).unwrap();
    // The last byte is the exclusive or of the others.
    let burst = |hex: &str| {
        let mut frame = bytes(hex);
        frame.resize(19, 0);
        frame.push(frame.iter().fold(0, |all, byte| all ^ byte));
        frame
    };
    let state = |power, level| Light { power, brightness: Percent::new(level).ok(), ..Light::default() };
    let (on, off) = (state(Some(true), 50), Light { power: Some(false), ..Light::default() });
    let sent = board.status_frames(Trigger::Query(0), &on, 0).remove(0).bytes;
    assert_eq!(sent, bytes("AC 00 01 00 06 03 00 01 01 01 04 01 32 00 00 00 00 00 00 9E"));
    for (hex, light) in [
        ("AC 00 01 00 06 03 00 01 01 01 04 01 32", on.clone()),
        // What is behind the data of a single packet does not count, nor does a part with another tag.
        ("AC 00 01 00 03 03 00 01 01 00 04 01 32", off.clone()),
        ("AC 00 01 00 0A 03 00 01 01 01 07 02 04 01 04 01 32", on),
        // Of several packets, the first one is full, and its last part may go on in the next.
        ("AC 00 02 00 03 03 00 01 01 00 07 02 01 01 09 05 01 01 01", off.clone()),
        ("AC 00 02 01 03 03 00 01 01 00 07 02 01 01 09 05 01 01 01", off),
    ] {
        assert_eq!(board.decode("status", &burst(hex)), Ok(light), "{hex}");
    }
    for (hex, reason) in [
        ("AC 00 01 00 06 03 00 01 01 01 04 01 65", "byte 12 (brightness) is 101, not 0 to 100"),
        ("AC 00 02 00 06 03 00 01 01 07 04 01 32", "byte 9 (power) is 7, not 0 or 1"),
        ("AC 00 01 00 07 03 00 01 01 01 04 02 32 32", "a part of this status has the wrong length"),
        ("AC 01 01 00 06 03 00 01 01 01 04 01 32", "byte 1 matches no frame of board"),
        ("AB 00 01 00 06 03 00 01 01 01 04 01 32", "byte 0 matches no frame of board"),
    ] {
        assert_eq!(board.decode("status", &burst(hex)).unwrap_err().reason(), reason, "{hex}");
    }
    let mut wrong = sent.clone();
    wrong[19] = 0;
    assert_eq!(board.decode("status", &wrong).unwrap_err().reason(), "byte 19 (xor) is wrong, expected 9e");
    assert_eq!(board.decode("status", &sent[..19]).unwrap_err().kind(), DecodeErrorKind::Length);
}

/// A board with frames of its own, as its app's capture shows them.
const BOARD: &str = r#"
profile = 1
name = "board"
title = "A board"
[role.control]
at = ["fff0/fff1"]
[role.status]
at = ["fff0/fff2"]
properties = ["notify"]
[can]
power = {}
brightness = { raw = [0, 64] }
[commands]
power = "3A 01 20 {power} 01 23 0A"
brightness = "3A 02 {brightness} 0A"
[[report]]
on = ["change"]
frame = "2A 01 20 {power} 00 21 0A"
[[report]]
on = ["change"]
frame = "2A 02 {brightness} 0A"
"#;

#[test]
fn glued_frames_are_split() {
    let board = Family::parse(BOARD).unwrap().profile(None).unwrap();
    let status = |hex: &str| board.decode("status", &bytes(hex));
    let on = |brightness| Light { power: Some(true), brightness, ..Light::default() };
    assert_eq!(status("2A 01 20 01 00 21 0A 2A 02 40 0A"), Ok(on(Percent::new(100).ok())));
    // With a stray byte, and with a frame that is not known.
    assert_eq!(status("2A 2A 01 20 01 00 21 0A"), Ok(on(None)));
    assert_eq!(status("2A 07 01 0A 2A 01 20 01 00 21 0A 2A 09 0A"), Ok(on(None)));
    let command = board.decode_command("control", &bytes("3A 01 20 01 01 23 0A 3A 02 40 0A"));
    assert_eq!(command, Ok(DecodedCommand::Change(on(Percent::new(100).ok()))));
    // Within a frame that is not known, nothing is malformed.
    let level = Light { brightness: Percent::new(100).ok(), ..Light::default() };
    assert_eq!(status("2A 02 40 0A 2A 09 2A 02 41 0A"), Ok(level));
    // A part that is malformed makes the whole malformed, and rubbish hides no frame.
    let error = status("2A 01 20 01 00 21 0A 2A 02 41 0A").unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains("65")), (DecodeErrorKind::Value, true), "{error}");
    assert!(status("2A 07 01 0A 2A 07 02 0A").unwrap_err().is_unknown());
    assert!(status("55 2A 01 20 01 00 21 0A").unwrap_err().is_unknown());
    // As many as fit into a value of 512 bytes, and no more.
    let level = Light { brightness: Percent::new(50).ok(), ..Light::default() };
    assert_eq!(status(&"2A 02 20 0A ".repeat(128)), Ok(level));
    assert_eq!(status(&"2A 02 20 0A ".repeat(129)).unwrap_err().kind(), DecodeErrorKind::Length);
}

#[test]
fn only_frames_whose_end_can_be_found_are_split() {
    let level = |hex: &str, board: &str| {
        let board = Family::parse(board).unwrap().profile(None).unwrap();
        board.decode("status", &bytes(hex)).map(|light| (light.power, light.brightness.map(Percent::get)))
    };
    let power = "frame = \"2A 01 20 {power} 00 21 0A\"";
    for (frame, hex, is_split) in [
        ("2A 01 20 {power} 0A", "2A 01 20 01 0A 2A 02 40 0A", true),
        ("2A 01 20 {power} {sum}", "2A 01 20 01 4C 2A 02 40 0A", true),
        // The last byte is a value, or any byte; the length is not known; the first byte is not fixed.
        ("2A 01 20 30 {power}", "2A 01 20 30 01 2A 02 40 0A", false),
        ("2A 01 20 {power} 0A?", "2A 01 20 01 0A 2A 02 40 0A", false),
        ("2A 01 20 {power} ... 0B", "2A 01 20 01 0B 2A 02 40 0A", false),
        ("2A? 01 20 {power} 0A", "2A 01 20 01 0A 2A 02 40 0A", false),
    ] {
        let board = BOARD.replace(power, &format!("frame = \"{frame}\""));
        // Without an end, it is skipped up to a frame that has one.
        let wanted = (Some(true).filter(|_| is_split), Some(100));
        assert_eq!(level(hex, &board), Ok(wanted), "{frame}");
    }
    // A transport with a header has one frame behind each header.
    let wrapped = BOARD.replace("title", "codec = \"lednetwf\"\ntitle");
    assert_eq!(level("00 00 80 00 00 04 05 0B 2A 02 40 0A", &wrapped), Ok((None, Some(100))));
    assert!(level("00 00 80 00 00 08 09 0B 2A 02 40 0A 2A 02 40 0A", &wrapped).is_err());
}

#[test]
fn an_echo_confirms() {
    let profile = load("elk:bleddm");
    assert!(profile.readback().command);
    assert_eq!(profile.notifying_roles().map(|role| role.name.as_str()).collect::<Vec<_>>(), ["status"]);
    let red = Light { color: Some(Rgb::new(255, 0, 0)), mode: Some(Mode::Color), ..Light::default() };
    let sent = profile.encode(&red, &Light::default(), 0).unwrap().writes.remove(0);
    assert_eq!(profile.decode("status", &sent.bytes), Ok(red));
    let table: Vec<_> = profile.table().into_iter().map(|(service, at, _)| (service, at)).collect();
    let control = profile.role("control").unwrap().at[0];
    let state = profile.starting_state(&Light::default());
    let mut bulb = VirtualBulb::new(profile, &table, state);
    assert_eq!(bulb.write(control, &sent.bytes), WriteOutcome::Applied);
    let echoed = bulb.status_frames(Trigger::Command);
    assert_eq!(echoed.iter().map(|frame| &frame.bytes).collect::<Vec<_>>(), [&sent.bytes]);
}

#[test]
fn a_status_in_two_notifications_is_joined() {
    let profile = load("sp107e");
    let (one, two) = (
        bytes("00 01 00 02 18 02 32 B5 00 00 00 6A 24 00 01"),
        bytes("00 02 8F 12 FC FF 00 00 00 00 00 FF 00 FF FF"),
    );
    // A part alone says nothing, and is not malformed.
    assert_eq!(profile.decode("status", &one), Ok(Light::default()));
    assert_eq!(profile.decode("status", &two), Ok(Light::default()));
    let mut parts = StatusParts::default();
    assert_eq!(profile.join(&mut parts, &two), None);
    assert_eq!(profile.join(&mut parts, &one), None);
    let whole = profile.join(&mut parts, &two).unwrap();
    // Only the role of the status has parts; this whole status begins as one.
    assert!(profile.decode("control", &whole).is_err());
    let light = profile.decode("status", &whole).unwrap();
    assert_eq!((light.power, light.color), (Some(false), Some(Rgb::new(0x8F, 0x12, 0xFC))));
    assert_eq!(profile.join(&mut parts, &two), None);
    // A virtual bulb sends two.
    let table: Vec<_> = profile.table().into_iter().map(|(service, at, _)| (service, at)).collect();
    let mut bulb = VirtualBulb::new(profile.clone(), &table, light.clone());
    let frames = bulb.status_frames(Trigger::Query(0));
    let joined: Vec<_> = frames.iter().filter_map(|frame| profile.join(&mut parts, &frame.bytes)).collect();
    assert_eq!((frames.len(), joined.len()), (2, 1));
    assert_eq!(profile.decode("status", &joined[0]), Ok(light));
}

#[test]
fn a_toggle_and_steps_need_the_present_state() {
    let profile = load("sp105e");
    let on = Light { power: Some(true), ..Light::default() };
    let writes = |change: &Light, known: &Light| {
        let encoded = profile.encode(change, known, 0)?;
        Ok::<_, EncodeError>(encoded.writes.into_iter().map(|write| write.bytes).collect::<Vec<_>>())
    };
    let red = Light { color: Some(Rgb::new(255, 0, 0)), ..Light::default() };
    assert!(profile.is_relative(&on) && !profile.is_relative(&red));
    assert!(matches!(
        writes(&on, &Light::default()),
        Err(EncodeError::NeedsState { feature: Feature::Power, .. })
    ));
    assert_eq!(writes(&on, &on), Ok(vec![]));
    let off = Light { power: Some(false), ..Light::default() };
    assert_eq!(writes(&on, &off), Ok(vec![bytes("38 00 00 00 AA")]));
    let level = |percent| Light { brightness: Percent::new(percent).ok(), ..Light::default() };
    assert_eq!(writes(&level(100), &level(50)), Ok(vec![bytes("38 00 00 00 2A"); 3]));
    assert_eq!(writes(&level(0), &level(17)), Ok(vec![bytes("38 00 00 00 28")]));
}
