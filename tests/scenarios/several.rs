//! Several bulbs at once.

use serde_json::json;

use crate::play::Play;
use crate::{BOTH, STACK, Scenario, scenario};

pub const SCENARIOS: &[Scenario] = &[
    scenario("five bulbs at once", "several", STACK, five),
    scenario("a list of names, one of which is nobody's", "several", BOTH, list),
    scenario("one of three fails", "several-one-fails", STACK, one_fails),
];

fn five(play: &Play) {
    let arguments = ["set", "all", "--on", "--brightness", "40", "--color", "00ff00"];
    let done = play.bulbctl(&arguments).ok();
    let mut names: Vec<_> = done.all("state").iter().map(|state| state["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["Light-Anna", "Light-Bela", "Light-Cleo", "Light-Dora", "Light-Enno"]);
    for state in done.all("state") {
        assert_eq!(state["confirmed"], true, "{state}");
    }
    for number in 1..=5 {
        play.expect_log(
            &format!("C4:5C:00:00:0A:{number:02X}"),
            &[
                "connect",
                "subscribe fff2",
                "write fff1 request 012800ff00",
                "notify fff2 012800ff00",
                "disconnect central",
            ],
        );
    }
}

fn list(play: &Play) {
    let done =
        play.bulbctl(&["on", "Light-Anna,Light-Bela,Light-Nobody", "--timeout", play.time("2s", "25s")]);
    assert_eq!(done.exit, 10, "{done:#?}");
    assert_eq!(done.all("state").len(), 2, "{done:#?}");
    let error = done.all("error")[0];
    assert_eq!(error["code"], "target.not_found");
    assert_eq!(error["target"], "Light-Nobody");
}

fn one_fails(play: &Play) {
    let done = play.bulbctl(&["on", "Light-*"]);
    assert_eq!(done.exit, 10, "{done:#?}");
    let mut names: Vec<_> = done.all("state").iter().map(|state| state["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["Light-North", "Light-South"]);
    let refused = done.all("error").into_iter().find(|error| error["target"] == "Light-East").unwrap();
    assert_eq!(refused["code"], "bulb.refused");
    assert_eq!(refused["exit"], json!(8));
    for address in ["C4:5C:00:00:0B:01", "C4:5C:00:00:0B:03"] {
        play.expect_log_where(address, "a write", |saw| {
            saw.contains(&"write fff1 request 0132ffffff".to_owned())
                && saw.last().is_some_and(|last| last == "disconnect central")
        });
    }
}
