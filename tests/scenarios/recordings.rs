//! Recordings, replayed without the radio.

use std::fs;

use serde_json::json;

use crate::play::Play;
use crate::run::Finished;
use crate::{BOTH, Scenario, scenario};

pub const SCENARIOS: &[Scenario] = &[
    scenario("a command that is recorded", "commands", BOTH, command),
    scenario("a failure that is recorded", "faults", BOTH, failure),
    scenario("a watch that is recorded", "watching", BOTH, watch),
];

/// Replays a recording. The output must be the same, except for times of the wall clock.
fn again(play: &Play, recorded: &Finished, file: &str, arguments: &[&str]) {
    assert!(!recorded.text.is_empty());
    let replay = format!("replay:{file}");
    let replayed = play.bulbctl(&[&["--adapter", &replay], arguments].concat());
    assert_eq!(replayed.text, recorded.text, "{}", replayed.stderr);
    assert_eq!(replayed.exit, recorded.exit);
}

fn file(play: &Play) -> String {
    play.folder().join("recording.jsonl").to_str().unwrap().to_owned()
}

fn command(play: &Play) {
    let file = file(play);
    let arguments = ["set", "Light-Work", "--brightness", "30", "--color", "orange"];
    let recorded = play.bulbctl(&[&["--record", &file][..], &arguments].concat()).ok();
    recorded.state(&json!({"brightness": 30, "confirmed": true}));
    again(play, &recorded, &file, &arguments);
    assert_eq!(play.writes("C4:5C:00:00:03:01").len(), 1, "the replay has reached the bulb");
}

fn failure(play: &Play) {
    let file = file(play);
    let recorded = play.bulbctl(&["--record", &file, "on", "Light-Cut"]);
    again(play, &recorded, &file, &["on", "Light-Cut"]);
    recorded.failed(11, "link.lost");
}

fn watch(play: &Play) {
    let file = file(play);
    let arguments = ["watch", "Light-Shared", "--count", "3"];
    let mut running = play.start(&[&["--record", &file][..], &arguments].concat());
    running.wait_for("the first state", |line| line["type"] == "state");
    play.stage.start_events();
    let recorded = running.end().ok();
    assert_eq!(recorded.all("state").len(), 3);
    again(play, &recorded, &file, &arguments);
    // The source of a fixture: see fixtures/recordings/README.md.
    play.stage.keep(&fs::read(&file).unwrap(), "watch.jsonl");
    play.stage.keep(recorded.text.as_bytes(), "watch.out");
}
