//! Changes by someone else.

use serde_json::json;

use crate::play::Play;
use crate::run::Running;
use crate::{BOTH, STACK, Scenario, scenario};

pub const SCENARIOS: &[Scenario] = &[
    scenario("watch reports every change", "watching", STACK, changes),
    scenario("watch reports a lost link and reconnects", "watching-drop", STACK, lost),
    scenario("watch skips a malformed status", "watching-malformed", BOTH, malformed),
];

fn changes(play: &Play) {
    let watch = play.watch(&["Light-Shared", "--count", "3"]);
    play.stage.start_events();
    let done = watch.end().ok();
    let states: Vec<_> = done
        .all("state")
        .into_iter()
        .map(|state| (state["power"].clone(), state["brightness"].clone(), state["color"].clone()))
        .collect();
    assert_eq!(
        states,
        [
            (json!(true), json!(60), json!("#00ff00")),
            (json!(true), json!(10), json!("#00ff00")),
            (json!(false), json!(10), json!("#0000ff")),
        ]
    );
    for state in done.all("state") {
        assert_eq!(state["provenance"], "reported");
        assert_eq!(state["confirmed"], json!(null));
    }
    play.expect_log(
        "C4:5C:00:00:04:01",
        &[
            "connect",
            "subscribe fff2",
            "read fff2",
            "notify fff2 010a00ff00",
            "notify fff2 000a0000ff",
            "disconnect central",
        ],
    );
}

fn lost(play: &Play) {
    let mut watch = play.watch(&["Light-Leaving", "--count", "3"]);
    play.stage.start_events();
    let link = watch.wait_for("the loss", |line| line["type"] == "link");
    assert_eq!(link["state"], "lost");
    let unknown = watch.wait_for("an unknown state", |line| line["type"] == "state");
    assert_eq!(unknown["provenance"], "unknown");
    assert_eq!(unknown["power"], json!(null), "a lost link is not off");
    let again = watch.wait_for("the attempt", |line| line["type"] == "link");
    assert_eq!((&again["state"], &again["attempt"]), (&json!("reconnecting"), &json!(1)));
    expect_reconnect(&mut watch);
    let done = watch.end().ok();
    let provenances: Vec<_> = done.all("state").iter().map(|state| state["provenance"].clone()).collect();
    assert_eq!(provenances, ["reported", "unknown", "reported"]);
    play.expect_log_where("C4:5C:00:00:05:01", "two links, both read and subscribed to", |saw| {
        let once = ["connect", "subscribe fff2", "read fff2"];
        let [first, second] =
            ["disconnect bulb", "disconnect central"].map(|end| [&once[..], &[end]].concat());
        saw == [first, second].concat()
    });
}

/// Expects a reconnect that says how long the gap was, and a state that was read again.
pub fn expect_reconnect(watch: &mut Running) {
    let link =
        watch.wait_for("the link again", |line| line["type"] == "link" && line["state"] == "connected");
    assert!(link["gap_ms"].as_u64().is_some_and(|gap| gap >= 700), "{link}");
    let state = watch.wait_for("the state again", |line| line["type"] == "state");
    assert_eq!(state["provenance"], "reported");
}

fn malformed(play: &Play) {
    let mut watch = play.watch(&["Light-Stutter", "--count", "2"]);
    play.stage.start_events();
    let error = watch.wait_for("the complaint", |line| line["type"] == "error");
    assert_eq!(error["code"], "frame.malformed");
    let state = watch.wait_for("the next state", |line| line["type"] == "state");
    assert_eq!(state["brightness"], 20);
    watch.end().ok();
}
