//! `bulbctl check` on boards with a defect, on both radios, without the checks that take long on the emulated processor.
//! tests/check.rs runs all checks on every board.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::play::Play;
use crate::stage::Kind;
use crate::{BOTH, NO_ATT, NO_TWINS, STACK, Scenario, scenario};

/// The boards whose rigs name checks for the real stack.
pub fn scenarios() -> &'static [Scenario] {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rigs/defects");
    let mut rigs: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    rigs.retain(|rig| fs::read_to_string(rig).unwrap().contains("\nreal_stack = "));
    rigs.sort();
    let boards = rigs.iter().map(|rig| {
        let name: &str = rig.file_stem().unwrap().to_str().unwrap().to_owned().leak();
        let board = scenario(name, format!("../defects/{name}").leak(), BOTH, holds);
        match name {
            "duplicate-characteristic" | "duplicate-service" => board.except(NO_TWINS),
            "forgets-state" => board.except(&[(Kind::Windows, "the link lingers, so nothing is forgotten")]),
            "no-name" => board.except(&[(Kind::MacOs, "a device without a name is reported once")]),
            "writes-refused" => board.except(NO_ATT),
            _ => board,
        }
    });
    let others = [
        scenario("interrupted", "../defects/none", BOTH, interrupted),
        scenario("no duplicates are claimed where none can be seen", "../defects/none", STACK, unseen),
    ];
    boards.chain(others).collect::<Vec<_>>().leak()
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

fn unseen(play: &Play) {
    let done = play.bulbctl(&["check", "Light-Board", "--only", "no-duplicates"]);
    let seen = matches!(play.stage.kind(), Kind::Sim | Kind::Real);
    assert_eq!(done.one("check")["result"], if seen { "passed" } else { "skipped" }, "{done:#?}");
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
        toml::from_str(&fs::read_to_string(play.rig()).unwrap()).unwrap();
    let xml = play.folder().join("report.xml");
    let only = expect.real_stack.as_str();
    let arguments =
        ["--profile", "base", "check", &address, "--only", only, "--report", xml.to_str().unwrap()];
    let done = play.bulbctl(&arguments);
    let report = fs::read_to_string(&xml).unwrap();
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
