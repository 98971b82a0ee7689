//! The frames that each verb sends to the bulb.

use serde_json::json;

use crate::play::Play;
use crate::{BOTH, Scenario};

pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "on keeps brightness and colour", rig: "commands", on: BOTH, play: on },
    Scenario { name: "off keeps brightness and colour", rig: "commands", on: BOTH, play: off },
    Scenario { name: "toggle switches over, and back", rig: "commands", on: BOTH, play: toggle },
    Scenario { name: "set --brightness keeps the rest", rig: "commands", on: BOTH, play: brightness },
    Scenario { name: "set --color keeps the rest", rig: "commands", on: BOTH, play: color },
    Scenario { name: "set of everything need not read", rig: "commands", on: BOTH, play: everything },
    Scenario { name: "status reads and writes nothing", rig: "commands", on: BOTH, play: status },
    Scenario { name: "a command without an answer", rig: "commands", on: BOTH, play: without_answer },
    Scenario { name: "a status that is indicated", rig: "commands", on: BOTH, play: indicated },
    Scenario { name: "battery", rig: "commands", on: BOTH, play: battery },
    Scenario { name: "no battery", rig: "commands", on: BOTH, play: no_battery },
    Scenario { name: "one command right after another", rig: "commands", on: BOTH, play: in_a_row },
];

const WORK: &str = "C4:5C:00:00:03:01";
const BURNING: &str = "C4:5C:00:00:03:02";
const QUICK: &str = "C4:5C:00:00:03:03";
const CAREFUL: &str = "C4:5C:00:00:03:04";

/// Runs a command that reads the present state first, and checks the events at the bulb.
fn changes(play: &Play, arguments: &[&str], address: &str, frame: &str) {
    let done = play.bulbctl(arguments).ok();
    done.state(
        &json!({"address": address, "target": arguments[1], "profile": "base", "provenance": "reported",
                       "confirmed": true}),
    );
    let write = format!("write fff1 request {frame}");
    let notify = format!("notify fff2 {frame}");
    play.expect_log(
        address,
        &["connect", "subscribe fff2", "read fff2", &write, &notify, "disconnect central"],
    );
}

fn on(play: &Play) {
    changes(play, &["on", "Light-Work"], WORK, "01233060ff");
}

fn off(play: &Play) {
    changes(play, &["off", "Light-Burning"], BURNING, "0050ff8800");
}

fn toggle(play: &Play) {
    play.bulbctl(&["toggle", "Light-Burning"]).ok().state(&json!({"power": false, "brightness": 80}));
    play.bulbctl(&["toggle", "Light-Burning"]).ok().state(&json!({"power": true, "brightness": 80}));
    play.expect_log_where(BURNING, "0050ff8800, then 0150ff8800", |saw| {
        let writes: Vec<_> = saw.iter().filter(|entry| entry.starts_with("write")).collect();
        writes == ["write fff1 request 0050ff8800", "write fff1 request 0150ff8800"]
    });
}

fn brightness(play: &Play) {
    changes(play, &["set", "Light-Burning", "--brightness", "5"], BURNING, "0105ff8800");
}

fn color(play: &Play) {
    changes(play, &["set", "Light-Work", "--color", "orange"], WORK, "0023ffa500");
}

fn everything(play: &Play) {
    let arguments = ["set", "Light-Work", "--on", "--brightness", "100", "--color", "255,0,1"];
    play.bulbctl(&arguments).ok().state(
        &json!({"power": true, "brightness": 100, "color": "#ff0001", "provenance": "reported", "confirmed": true}),
    );
    play.expect_log(
        WORK,
        &[
            "connect",
            "subscribe fff2",
            "write fff1 request 0164ff0001",
            "notify fff2 0164ff0001",
            "disconnect central",
        ],
    );
}

fn status(play: &Play) {
    play.bulbctl(&["status", "Light-Work"]).ok().state(&json!({
        "address": WORK, "name": "Light-Work", "provenance": "reported", "power": false, "brightness": 35,
        "color": "#3060ff", "confirmed": null,
    }));
    play.expect_log(WORK, &["connect", "read fff2", "disconnect central"]);
}

fn without_answer(play: &Play) {
    play.bulbctl(&["on", "Light-Quick"]).ok().state(&json!({"power": true, "confirmed": true}));
    play.expect_log(
        QUICK,
        &[
            "connect",
            "subscribe fff2",
            "read fff2",
            "write fff1 command 0132ffffff",
            "notify fff2 0132ffffff",
            "disconnect central",
        ],
    );
}

fn indicated(play: &Play) {
    changes(play, &["on", "Light-Careful"], CAREFUL, "0132ffffff");
}

fn battery(play: &Play) {
    let done = play.bulbctl(&["battery", "Light-Work"]).ok();
    let battery = done.one("battery");
    assert_eq!(battery["percent"], 87);
    assert!(battery["source"] == "gatt" || battery["source"] == "bluez", "{battery}");
}

fn no_battery(play: &Play) {
    play.bulbctl(&["battery", "Light-Burning"]).failed(8, "bulb.no_battery");
}

/// bluetoothd ends a link two seconds after the request, so the next command finds it about to end.
fn in_a_row(play: &Play) {
    play.bulbctl(&["on", "Light-Work"]).ok().state(&json!({"power": true, "confirmed": true}));
    play.bulbctl(&["set", "Light-Work", "--brightness", "1"])
        .ok()
        .state(&json!({"power": true, "brightness": 1}));
    play.bulbctl(&["off", "Light-Work"]).ok().state(&json!({"power": false, "brightness": 1}));
    play.bulbctl(&["status", "Light-Work"])
        .ok()
        .state(&json!({"power": false, "brightness": 1, "color": "#3060ff"}));
    play.expect_log_where(WORK, "three commands and a closed link", |saw| {
        let writes: Vec<_> = saw.iter().filter(|entry| entry.starts_with("write")).collect();
        writes
            == [
                "write fff1 request 01233060ff",
                "write fff1 request 01013060ff",
                "write fff1 request 00013060ff",
            ]
            && saw.last().is_some_and(|last| last == "disconnect central")
    });
}
