//! Nothing is written to devices that only look like bulbs of a family.

use serde_json::Value;

use crate::play::Play;
use crate::stage::Kind;
use crate::{BOTH, Scenario, scenario};

const LATE_NAME: &[(Kind, &str)] = &[(Kind::MacOs, "a device is listed before its name comes")];

pub const SCENARIOS: &[Scenario] = &[
    scenario("controllers of the same brand with other frames", "strangers", BOTH, |play| {
        refuses(play, "SP657E", "01", "profile.unsupported", "no source says");
        refuses(play, "SP658E", "02", "profile.unsupported", "no source says");
        refuses(play, "SP108E_2003", "03", "profile.unsupported", "Wi-Fi");
    }),
    scenario("video lights of the same brand with other frames", "strangers", BOTH, |play| {
        refuses(play, "NW-20240063&FFFFFFFF", "04", "profile.unsupported", "wants its address in each frame");
        refuses(play, "NEEWER-CB100C", "05", "profile.unsupported", "sources disagree about the frames");
    }),
    scenario("a thermometer and plugs", "strangers", BOTH, |play| {
        refuses(play, "Govee_H5074_2006", "06", "profile.not_a_bulb", "is a thermometer, not a bulb");
        refuses(play, "ihoment_H5080_2007", "07", "profile.not_a_bulb", "is a plug, not a bulb");
        refuses(play, "LEDnetWF020097002009", "09", "profile.not_a_bulb", "is a switch or a socket");
    }),
    scenario("a dimmer is not coloured", "strangers", BOTH, |play| {
        let dimmer = ["set", "LEDnetWF010041002008", "--color", "red"];
        play.bulbctl(&dimmer).failed(8, "bulb.unsupported");
        assert!(play.writes("C4:5C:00:00:20:08").is_empty());
    }),
    scenario("a table without a name, and a model that nobody knows", "strangers", BOTH, unknown),
    scenario("what is no bulb is not listed", "strangers", BOTH, listed).except(LATE_NAME),
];

/// The advertisement says it all, so there is no link.
fn refuses(play: &Play, name: &str, address: &str, code: &str, message: &str) {
    let error = play.bulbctl(&["on", name]).failed(7, code);
    assert!(error["message"].as_str().unwrap().contains(message), "{error}");
    play.expect_log(&format!("C4:5C:00:00:20:{address}"), &[]);
}

fn unknown(play: &Play) {
    for (name, address, message) in [
        ("YX-7F21", "C4:5C:00:00:20:0A", "zengge, score 50, but only its GATT table says so"),
        ("Govee_H9999_200B", "C4:5C:00:00:20:0B", "its profile does not list model H9999"),
    ] {
        let error = play.bulbctl(&["on", name]).failed(7, "profile.unknown");
        assert!(error["message"].as_str().unwrap().contains(message), "{error}");
        play.expect_log(address, &["connect", "disconnect central"]);
    }
    let detected = play.bulbctl(&["profiles", "detect", "YX-7F21"]).ok();
    let record = detected.one("detect");
    assert_eq!((&record["profile"], &record["candidates"][0]["profile"]), (&Value::Null, &"zengge".into()));
    let against = record["candidates"][0]["against"][0].as_str().unwrap();
    assert!(against.contains("only its GATT table"), "{record}");
    play.expect_log("C4:5C:00:00:20:0A", &["connect", "disconnect central", "connect", "disconnect central"]);
    // The user may know better.
    play.bulbctl(&["on", "YX-7F21", "--profile", "zengge"]).ok();
    assert!(!play.writes("C4:5C:00:00:20:0A").is_empty());
}

fn listed(play: &Play) {
    let done = play.bulbctl(&["scan", "--duration", play.time("2s", "10s")]).ok();
    let mut names: Vec<_> =
        done.all("device").iter().map(|device| device["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names.dedup();
    let bulbs =
        ["LEDnetWF010041002008", "NEEWER-CB100C", "NW-20240063&FFFFFFFF", "SP108E_2003", "SP657E", "SP658E"];
    assert_eq!(names, bulbs);
    // The dimmer is driven; there is an error for each of the others, and one for all.
    let all = play.bulbctl(&["off", "all"]);
    assert_eq!((all.exit, all.all("error").len()), (10, bulbs.len()), "{all:#?}");
    let mut refused: Vec<_> = all.all("error").iter().filter_map(|error| error["target"].as_str()).collect();
    refused.sort_unstable();
    assert_eq!(refused, bulbs[1..]);
    let silent = |address: u8| play.writes(&format!("C4:5C:00:00:20:{address:02X}")).is_empty();
    assert!((1..=0x0B).filter(|address| *address != 8).all(silent));
}
