//! Nothing is written to devices that cannot be driven. One of them could be driven before, and can be again.

use serde_json::json;

use crate::play::Play;
use crate::{BOTH, STACK, Scenario, scenario};

pub const SCENARIOS: &[Scenario] = &[
    scenario("no status characteristic", "unfit", BOTH, |play| {
        refuses(play, "Light-NoStatus", "C4:5C:00:00:08:01", "profile.no_characteristic")
    }),
    scenario("a control characteristic that cannot be written", "unfit", BOTH, |play| {
        refuses(play, "Light-ReadOnly", "C4:5C:00:00:08:02", "profile.wrong_properties")
    }),
    scenario("another service", "unfit", BOTH, |play| {
        refuses(play, "Light-Strange", "C4:5C:00:00:08:03", "profile.no_service")
    }),
    scenario("an empty light service", "unfit", BOTH, empty),
    scenario("a service whose number only looks alike", "unfit", BOTH, |play| {
        refuses(play, "Light-Lookalike", "C4:5C:00:00:08:05", "profile.no_service")
    }),
    scenario("a unit that says that its frames are encrypted", "encrypted", BOTH, encrypted),
    scenario("a unit that says that its frames are not encrypted", "encrypted", BOTH, plain),
    scenario("another table after a firmware change", "flashed-before", STACK, flashed),
];

fn refuses(play: &Play, name: &str, address: &str, code: &str) {
    play.bulbctl(&["on", name]).failed(7, code);
    play.expect_log(address, &["connect", "disconnect central"]);
}

/// The advertisement says the opposite: what the bulb says on the link counts.
fn encrypted(play: &Play) {
    play.bulbctl(&["on", "GVH600887FB"]).failed(7, "profile.unsupported");
    let writes = |saw: &[String]| !saw.iter().any(|line| line.starts_with("write"));
    play.expect_log_where("C4:5C:00:00:A1:01", "no write", writes);
}

fn plain(play: &Play) {
    play.bulbctl(&["on", "GVH600412AB"]).ok().state(&json!({ "power": true }));
}

fn empty(play: &Play) {
    play.bulbctl(&["on", "Light-Empty"]).failed(7, "profile.no_characteristic");
    // BlueZ may not have resolved all services, so an empty table is checked again on a new link.
    let once = ["connect", "disconnect central"];
    let right = |saw: &[String]| saw == once || saw == [once, once].concat();
    play.expect_log_where("C4:5C:00:00:08:04", "links, and nothing else", right);
}

/// A cached GATT table is not mistaken for the present one.
fn flashed(play: &Play) {
    let switch = |verb: &str, on: bool| {
        play.bulbctl(&[verb, "Light-Flashed"]).ok().state(&json!({"power": on, "confirmed": true}));
    };
    switch("on", true);
    play.flash_boards("flashed-after");
    switch("on", true);
    switch("off", false);
    play.flash_boards("flashed-away");
    play.bulbctl(&["on", "Light-Flashed"]).failed(7, "profile.no_service");
    play.flash_boards("flashed-before");
    switch("on", true);
}
