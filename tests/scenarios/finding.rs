//! Scans, and targets.

use serde_json::Value;

use crate::play::Play;
use crate::run::Finished;
use crate::stage::Kind;
use crate::{BOTH, NO_RSSI, STACK, Scenario, scenario};

pub const SCENARIOS: &[Scenario] = &[
    scenario("scan finds the bulbs and not the bystanders", "finding", STACK, bulbs).except(NO_RSSI),
    scenario("scan --any finds everything", "finding", BOTH, everything),
    scenario("scan --first ends at the first", "finding", BOTH, first),
    scenario("a name from the scan response is matched", "finding", STACK, late_name),
    scenario("an address in any spelling is a target", "finding", BOTH, spellings)
        .except(&[(Kind::MacOs, "macOS tells no addresses")]),
    scenario("no bulb of that name", "finding", STACK, nobody),
    scenario("two bulbs of that name", "twins", BOTH, twins),
];

const CEILING: &str = "C4:5C:00:00:01:01";
const LATE: &str = "C4:5C:00:00:01:02";
const NAMELESS: &str = "C4:5C:00:00:01:03";

fn addresses(done: &Finished) -> Vec<&str> {
    let mut all: Vec<_> =
        done.all("device").into_iter().map(|device| device["address"].as_str().unwrap()).collect();
    all.sort_unstable();
    all
}

fn device<'a>(done: &'a Finished, address: &str) -> &'a Value {
    done.all("device").into_iter().find(|device| device["address"] == address).unwrap()
}

fn bulbs(play: &Play) {
    let done = play.bulbctl(&["scan", "--duration", play.time("2s", "10s")]).ok();
    assert_eq!(addresses(&done), [CEILING, LATE, NAMELESS]);
    assert_eq!(device(&done, CEILING)["name"], "Light-Ceiling");
    assert_eq!(device(&done, CEILING)["connected"], false);
    let rssi = device(&done, CEILING)["rssi"].as_i64().unwrap();
    assert!((-58..=-42).contains(&rssi), "{rssi}");
    let late = device(&done, LATE);
    assert_eq!(late["name"], "Bulb-Late");
    assert_eq!(late["services"], serde_json::json!(["0000180a-0000-1000-8000-00805f9b34fb"]));
    assert_eq!(late["manufacturer"], serde_json::json!({"ffff": "0102"}));
    assert_eq!(device(&done, NAMELESS)["name"], Value::Null, "an address in the guise of a name");
    assert_eq!(device(&done, NAMELESS)["profile"], "base");
    let end = done.one("scan");
    assert_eq!(end["found"], 3);
    assert_eq!(end["seen"], 6);
}

fn everything(play: &Play) {
    let done = play.bulbctl(&["scan", "--any", "--duration", play.time("2s", "10s")]).ok();
    let strangers = ["5A:5C:00:00:01:F3", CEILING, LATE, NAMELESS, "C4:5C:00:00:01:F1", "C4:5C:00:00:01:F2"];
    assert_eq!(addresses(&done), strangers);
}

fn first(play: &Play) {
    let done = play.bulbctl(&["scan", "--first", "--duration", "50s"]).ok();
    assert_eq!(done.all("device").len(), 1);
}

fn late_name(play: &Play) {
    let done = play.bulbctl(&["scan", "--name", "Bulb-*", "--first", "--duration", "50s"]).ok();
    assert_eq!(addresses(&done), [LATE]);
    play.bulbctl(&["on", "Bulb-Late"]).ok().state(&serde_json::json!({"address": LATE, "power": true}));
}

fn spellings(play: &Play) {
    for spelling in ["C4:5C:00:00:01:01", "c4-5c-00-00-01-01", "c45c00000101"] {
        let done = play.bulbctl(&["status", spelling]).ok();
        done.state(&serde_json::json!({"address": CEILING, "target": spelling}));
    }
}

fn nobody(play: &Play) {
    let done = play.bulbctl(&["on", "Light-None", "--timeout", play.time("1s", "6s")]);
    let error = done.failed(3, "target.not_found");
    assert_eq!(error["exit"], 3);
}

fn twins(play: &Play) {
    let done = play.bulbctl(&["on", "Light-Twin"]);
    let error = done.failed(3, "target.ambiguous");
    for address in ["C4:5C:00:00:02:01", "C4:5C:00:00:02:02"] {
        assert!(error["message"].as_str().unwrap().contains(address), "{error}");
        play.expect_log(address, &[]);
    }
}
