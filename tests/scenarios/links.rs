//! Links that stay up between commands.

use serde_json::json;

use crate::play::Play;
use crate::{ENDS_WITH_US, NO_MEMORY, STACK, Scenario, scenario};

pub const SCENARIOS: &[Scenario] = &[
    scenario("a kept link is used by the next commands", "links", STACK, kept).except(ENDS_WITH_US),
    scenario("disconnect without a link", "links", STACK, nothing_to_drop).except(NO_MEMORY),
];

const HELD: &str = "C4:5C:00:00:07:01";

fn kept(play: &Play) {
    let done = play.bulbctl(&["connect", "Light-Held"]).ok();
    assert_eq!(done.one("link")["state"], "connected");
    play.expect_log(HELD, &["connect"]);
    let done = play.bulbctl(&["scan", "--duration", play.time("1s", "5s")]).ok();
    let scanned = done.all("device");
    assert!(
        scanned.iter().any(|device| device["address"] == HELD && device["connected"] == true),
        "{done:#?}"
    );
    play.bulbctl(&["on", "Light-Held"]).ok().state(&json!({"power": true, "confirmed": true}));
    play.bulbctl(&["status", "Light-Held"]).ok().state(&json!({"power": true, "brightness": 35}));
    let on = [
        "connect",
        "subscribe fff2",
        "read fff2",
        "write fff1 request 01233060ff",
        "notify fff2 01233060ff",
        "read fff2",
    ];
    play.expect_log(HELD, &on);
    let done = play.bulbctl(&["disconnect", "Light-Held"]).ok();
    assert_eq!(done.one("link")["state"], "disconnected");
    let mut all = on.to_vec();
    all.push("disconnect central");
    play.expect_log(HELD, &all);
}

fn nothing_to_drop(play: &Play) {
    let done = play.bulbctl(&["disconnect", "all"]).ok();
    assert!(done.lines.is_empty(), "{done:#?}");
    play.bulbctl(&["status", "Light-Held"]).ok();
    play.bulbctl(&["disconnect", "Light-Held"]).ok();
}
