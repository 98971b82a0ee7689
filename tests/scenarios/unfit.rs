//! Nothing is written to devices that cannot be driven. One of them could be driven before, and can be again.

use serde_json::json;

use crate::play::Play;
use crate::{BOTH, Scenario};

pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "no status characteristic", rig: "unfit", on: BOTH, play: no_status },
    Scenario {
        name: "a control characteristic that cannot be written",
        rig: "unfit",
        on: BOTH,
        play: read_only,
    },
    Scenario { name: "another service", rig: "unfit", on: BOTH, play: strange },
    Scenario { name: "an empty light service", rig: "unfit", on: BOTH, play: empty },
    Scenario { name: "a service whose number only looks alike", rig: "unfit", on: BOTH, play: lookalike },
    Scenario {
        name: "another table after a firmware change",
        rig: "flashed-before",
        on: BOTH,
        play: flashed,
    },
];

fn refuses(play: &Play, name: &str, address: &str, code: &str) {
    play.bulbctl(&["on", name]).failed(7, code);
    play.expect_log(address, &["connect", "disconnect central"]);
}

fn no_status(play: &Play) {
    refuses(play, "Light-NoStatus", "C4:5C:00:00:08:01", "profile.no_characteristic");
}

fn read_only(play: &Play) {
    refuses(play, "Light-ReadOnly", "C4:5C:00:00:08:02", "profile.wrong_properties");
}

fn strange(play: &Play) {
    refuses(play, "Light-Strange", "C4:5C:00:00:08:03", "profile.no_service");
}

fn empty(play: &Play) {
    play.bulbctl(&["on", "Light-Empty"]).failed(7, "profile.no_characteristic");
    // BlueZ may not have resolved all services, so an empty table is checked again on a new link.
    let once = ["connect", "disconnect central"];
    let right = |saw: &[String]| saw == once || saw == [once, once].concat();
    play.expect_log_where("C4:5C:00:00:08:04", "links, and nothing else", right);
}

fn lookalike(play: &Play) {
    refuses(play, "Light-Lookalike", "C4:5C:00:00:08:05", "profile.no_service");
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
