//! Bulbs that answer with frames from captures and other programs. The virtual bulbs have our engine, so what it makes
//! would not show that we read what bulbs send.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::play::Play;
use crate::{BOTH, Scenario, scenario};

/// A scenario that asks the bulb of a family, which is the only one with this profile.
macro_rules! answer {
    ($name:literal, $profile:literal, $verb:literal, $($state:tt)+) => {
        scenario($name, "answers", BOTH, |play| answer(play, $profile, $verb, &json!({ $($state)+ })))
    };
}

pub const SCENARIOS: &[Scenario] = &[
    answer!("answer of the base protocol", "base", "status", "power": true, "brightness": 100, "color": "#ff0000"),
    answer!("answer of Zengge", "zengge", "status", "power": true, "brightness": 62, "color": "#9200ff"),
    answer!("answer of a Dream~ strip", "zengge:dream", "status", "power": true, "effect": "5", "speed": 50),
    answer!(
        "answer of Hue", "hue", "status",
        "power": true, "brightness": 32, "kelvin": 3333, "effect": "sunrise", "speed": 37
    ),
    answer!("answer of Avea", "avea", "status", "power": true, "brightness": 100),
    answer!(
        "answer of BanlanX", "banlanx", "status",
        "power": true, "brightness": 100, "color": "#0000ff", "speed": 100
    ),
    answer!("answer of BanlanX with two channels", "banlanx:channels-2", "status", "power": false, "effect": "1"),
    answer!("answer of ELK-BLEDDM", "elk:bleddm", "on", "power": true, "confirmed": true),
    answer!(
        "answer of Govee with pieces", "govee:segments", "status",
        "power": true, "brightness": 51, "color": "#ff880d"
    ),
    answer!(
        "answer of Govee with one colour", "govee:h6127", "status",
        "power": true, "brightness": 100, "color": "#ff0000"
    ),
    answer!("answer of Govee in a burst", "govee:color-burst", "status", "power": false, "brightness": 100),
    answer!("answer of LEDnetWF", "lednetwf", "status", "power": true, "brightness": 100, "color": "#ff0000"),
    answer!("answer of Neewer", "neewer", "status", "power": false),
    answer!("answer of Playbulb", "playbulb", "status", "power": true, "white": 100, "brightness": 50),
    answer!(
        "answer of SP110E", "sp110e", "status",
        "power": false, "brightness": 86, "color": "#00ffff", "white": 40, "speed": 91
    ),
    answer!(
        "answer of SP107E", "sp107e", "status",
        "power": false, "brightness": 14, "color": "#8f12fc", "white": 0, "speed": 57
    ),
    answer!("answer of SwitchBot", "switchbot", "status", "power": true, "brightness": 32, "color": "#0000ff"),
    answer!("answer of Yeelight", "yeelight", "status", "power": true, "brightness": 100, "kelvin": 1935),
];

fn answer(play: &Play, profile: &str, verb: &str, state: &Value) {
    let rig: Value = toml::from_str(&fs::read_to_string(play.rig()).unwrap()).unwrap();
    let bulbs = rig["bulb"].as_array().unwrap();
    let of_profile = |bulb: &&Value| bulb["profile"].as_str().unwrap_or("base") == profile;
    let bulb = bulbs.iter().find(of_profile).unwrap();
    let frames = bulb["fault"].as_array().unwrap().iter().map(|fault| fault["bytes"].as_str().unwrap());
    for frame in frames {
        assert!(is_witnessed(profile, frame), "no vector of {profile} with a source has {frame}");
    }
    let address = bulb["address"].as_str().unwrap();
    play.bulbctl(&[verb, address]).ok().state(state);
}

/// Returns true if a frame is in the vectors, and not from our own hand.
fn is_witnessed(profile: &str, frame: &str) -> bool {
    let (family, _) = profile.split_once(':').unwrap_or((profile, ""));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("protocol/vectors/{family}.toml"));
    let vectors: Value = toml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let lists = ["report", "valid"].into_iter().filter_map(|list| vectors[list].as_array());
    lists.flatten().any(|vector| {
        let (Some(hex), Some(source)) = (vector["hex"].as_str(), vector["source"].as_str()) else {
            return false;
        };
        // What another program reads from a frame is a witness, too.
        let ours = ["edge", "computed"].iter().any(|word| source.starts_with(word))
            && !source.contains("reads this");
        !ours && hex.split(" / ").any(|own| own.replace(' ', "") == frame)
    })
}
