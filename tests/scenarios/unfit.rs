//! Devices that cannot be driven: nothing is written to them.

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
];

fn refuses(play: &Play, name: &str, address: &str, code: &str) {
    play.bulbctl(&["on", name]).failed(7, code);
    play.sees(address, &["connect", "disconnect central"]);
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
    // BlueZ may have resolved too little: what looks bare is looked at once more on a fresh link.
    let once = ["connect", "disconnect central"];
    let right = |saw: &[String]| saw == once || saw == [once, once].concat();
    play.sees_so("C4:5C:00:00:08:04", "links, and nothing else", right);
}

fn lookalike(play: &Play) {
    refuses(play, "Light-Lookalike", "C4:5C:00:00:08:05", "profile.no_service");
}
