//! `bulbctl check` on boards with a defect, on both radios, without the checks that take long on the emulated processor.
//! tests/check.rs runs all checks on every board, and compares the list below with the rigs.

use std::collections::BTreeSet;

use serde_json::json;

use crate::play::Play;
use crate::{BOTH, Scenario, scenario};

macro_rules! boards {
    ($($name:literal,)*) => {
        pub const SCENARIOS: &[Scenario] = &[
            $(scenario($name, concat!("../defects/", $name), BOTH, holds),)*
            scenario("interrupted", "../defects/none", BOTH, interrupted),
        ];
    };
}

boards! {
    "none",
    "swapped-roles",
    "duplicate-service",
    "command-only",
    "subscription-refused",
    "notification-never",
    "status-short",
    "read-short",
    "battery-255",
    "red-blue-swapped",
    "brightness-255",
    "zero-is-off",
    "off-forgets-color",
    "takes-malformed",
    "hangs-up",
    "forgets-state",
    "writes-refused",
    "answers-slowly",
    "black-is-off",
    "duplicate-characteristic",
    "no-name",
    "no-notify",
    "no-read",
    "notification-late",
    "notification-short",
    "notification-stuck",
    "one-behind",
    "other-name",
    "other-service",
    "read-refused",
    "status-long",
    "stays-on",
    "writes-ignored",
}

fn interrupted(play: &Play) {
    let mut check =
        play.start(&["check", "Light-Board", "--only", "command-*,brightness-*,color-*,malformed-*"]);
    check.wait_for("a check in the middle", |line| line["check"] == "color-red");
    check.signal("INT");
    assert_eq!(check.end().exit, 130);
    // The state is restored all the same.
    play.bulbctl(&["status", "Light-Board"])
        .ok()
        .state(&json!({"power": false, "brightness": 40, "color": "#20c040"}));
}

#[derive(serde::Deserialize)]
struct Rig {
    expect: Expect,
    bulb: [Bulb; 1],
}

#[derive(serde::Deserialize)]
struct Bulb {
    address: String,
}

#[derive(serde::Deserialize)]
struct Expect {
    fails: BTreeSet<String>,
    #[serde(default)]
    blocked: BTreeSet<String>,
    /// The checks that run here.
    real_stack: String,
    restored: Option<bool>,
}

/// Runs the checks that the rig names, and compares the failures with its `[expect]`.
fn holds(play: &Play) {
    let Rig { expect, bulb: [Bulb { address }] } =
        toml::from_str(&std::fs::read_to_string(play.rig()).unwrap()).unwrap();
    let xml = play.folder().join("report.xml");
    let only = expect.real_stack.as_str();
    let arguments =
        ["--profile", "base", "check", &address, "--only", only, "--report", xml.to_str().unwrap()];
    let done = play.bulbctl(&arguments);
    let report = std::fs::read_to_string(&xml).unwrap();
    let run: BTreeSet<String> =
        done.all("check").iter().map(|check| check["check"].as_str().unwrap().to_owned()).collect();
    let ended = |result: &str| -> BTreeSet<String> {
        let checks = done.all("check").into_iter().filter(|check| check["result"] == result);
        checks.map(|check| check["check"].as_str().unwrap().to_owned()).collect()
    };
    let of = |names: &BTreeSet<String>| -> BTreeSet<String> { names.intersection(&run).cloned().collect() };
    assert!(expect.fails.is_empty() || !expect.fails.is_disjoint(&run), "no check looks at the defect");
    assert_eq!((ended("failed"), ended("blocked")), (of(&expect.fails), of(&expect.blocked)), "{done:#?}");
    let summary = done.one("check_summary");
    assert_eq!(summary["restored"] != false, expect.restored.unwrap_or(true), "{summary}");
    assert_eq!(report.matches("<failure ").count(), ended("failed").len(), "{report}");
    let wrong = !ended("failed").is_empty() || !ended("blocked").is_empty();
    assert_eq!(done.exit, if wrong { 12 } else { 0 });
}
