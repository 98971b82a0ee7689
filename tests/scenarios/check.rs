//! Boards with a defect, held against their family. On the sim radio only: the air plays the defects, but no run of these on
//! the real stack has been looked at yet.

use std::collections::BTreeSet;

use serde_json::json;

use crate::play::Play;
use crate::{SIM, Scenario};

macro_rules! boards {
    ($($name:literal $function:ident $only:literal;)*) => {
        pub const SCENARIOS: &[Scenario] = &[$(
            Scenario { name: $name, rig: concat!("../defects/", $name), on: SIM, play: $function },
        )*
            Scenario { name: "interrupted", rig: "../defects/none", on: SIM, play: interrupted },
        ];
        $(fn $function(play: &Play) {
            holds(play, $name, $only);
        })*
    };
}

// What takes long on the emulated processor is left out: tests/check.rs runs everything on every board.
boards! {
    "none" none "roles-*,no-*,state-*,subscribes,not*,answer*,battery-*,command-*,brightness-*,color-*,keeps-*,malformed-*,reconnect-*,second-*";
    "swapped-roles" swapped "roles-*,command-*,no-duplicates";
    "duplicate-service" twice "roles-*,no-duplicates,command-on";
    "subscription-refused" deaf "subscribes,state-*,command-*,notifies-*";
    "notification-never" mute "subscribes,notifies-*,command-on";
    "read-short" short "state-*,command-on,notifies-*";
    "red-blue-swapped" swaps "color-*,keeps-*,state-*";
    "brightness-255" scaled "brightness-*,state-*,command-*";
    "zero-is-off" zero "brightness-*,command-*";
    "off-forgets-color" forgets "keeps-*,command-*,color-red";
    "takes-malformed" takes "malformed-*,command-on";
    "hangs-up" hangs "malformed-*,command-on";
    "forgets-state" resets "reconnect-*,second-*,command-on";
    "writes-refused" refuses "command-*,brightness-50,state-*";
}

fn interrupted(play: &Play) {
    let mut check =
        play.start(&["check", "Light-Board", "--only", "command-*,brightness-*,color-*,malformed-*"]);
    check.wait_for("a check in the middle", |line| line["check"] == "color-red");
    check.signal("INT");
    assert_eq!(check.end().exit, 130);
    // As it was found, all the same.
    play.bulbctl(&["status", "Light-Board"])
        .ok()
        .state(&json!({"power": false, "brightness": 40, "color": "#20c040"}));
}

#[derive(serde::Deserialize)]
struct Rig {
    expect: Expect,
}

#[derive(serde::Deserialize)]
struct Expect {
    fails: BTreeSet<String>,
    #[serde(default)]
    blocked: BTreeSet<String>,
    restored: Option<bool>,
}

/// Runs these checks, of which those fail that the rig says, and leaves the bulb as it was where its defect allows that.
fn holds(play: &Play, board: &str, only: &str) {
    let file = format!("{}/fixtures/rigs/defects/{board}.toml", env!("CARGO_MANIFEST_DIR"));
    let Rig { expect } = toml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let xml = std::env::temp_dir().join(format!("bulbctl-check-{board}-{}.xml", std::process::id()));
    let arguments =
        ["--profile", "base", "check", "Light-Board", "--only", only, "--report", xml.to_str().unwrap()];
    let done = play.bulbctl(&arguments);
    let report = std::fs::read_to_string(&xml).unwrap();
    std::fs::remove_file(&xml).unwrap();
    let run: BTreeSet<String> =
        done.all("check").iter().map(|check| check["check"].as_str().unwrap().to_owned()).collect();
    let ended = |result: &str| -> BTreeSet<String> {
        let checks = done.all("check").into_iter().filter(|check| check["result"] == result);
        checks.map(|check| check["check"].as_str().unwrap().to_owned()).collect()
    };
    let of = |names: &BTreeSet<String>| -> BTreeSet<String> { names.intersection(&run).cloned().collect() };
    assert_eq!((ended("failed"), ended("blocked")), (of(&expect.fails), of(&expect.blocked)), "{done:#?}");
    let summary = done.one("check_summary");
    assert_eq!(summary["restored"] != false, expect.restored.unwrap_or(true), "{summary}");
    assert_eq!(report.matches("<failure ").count(), ended("failed").len(), "{report}");
    let wrong = !ended("failed").is_empty() || !ended("blocked").is_empty();
    assert_eq!(done.exit, if wrong { 12 } else { 0 });
}
