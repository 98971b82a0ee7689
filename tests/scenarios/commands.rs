//! The frames that each verb sends to the bulb.

use serde_json::json;

use crate::play::Play;
use crate::{BOTH, STACK, Scenario, scenario};

pub const SCENARIOS: &[Scenario] = &[
    scenario("on keeps brightness and colour", "commands", STACK, |play| {
        changes(play, &["on", "Light-Work"], WORK, "01233060ff")
    }),
    scenario("off keeps brightness and colour", "commands", BOTH, |play| {
        changes(play, &["off", "Light-Burning"], BURNING, "0050ff8800")
    }),
    scenario("toggle switches over, and back", "commands", BOTH, toggle),
    scenario("set --brightness keeps the rest", "commands", BOTH, |play| {
        changes(play, &["set", "Light-Burning", "--brightness", "5"], BURNING, "0105ff8800")
    }),
    scenario("set --color keeps the rest", "commands", BOTH, |play| {
        changes(play, &["set", "Light-Work", "--color", "orange"], WORK, "0023ffa500")
    }),
    scenario("set of everything need not read", "commands", BOTH, everything),
    scenario("status reads and writes nothing", "commands", BOTH, status),
    scenario("a command without an answer", "commands", STACK, without_answer),
    scenario("a status that is indicated", "commands", STACK, |play| {
        changes(play, &["on", "Light-Careful"], CAREFUL, "0132ffffff")
    }),
    scenario("battery", "commands", STACK, battery),
    scenario("no battery", "commands", BOTH, no_battery),
    scenario("one command right after another", "commands", STACK, in_a_row),
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

fn toggle(play: &Play) {
    play.bulbctl(&["toggle", "Light-Burning"]).ok().state(&json!({"power": false, "brightness": 80}));
    play.bulbctl(&["toggle", "Light-Burning"]).ok().state(&json!({"power": true, "brightness": 80}));
    play.expect_log_where(BURNING, "0050ff8800, then 0150ff8800", |saw| {
        let writes: Vec<_> = saw.iter().filter(|entry| entry.starts_with("write")).collect();
        writes == ["write fff1 request 0050ff8800", "write fff1 request 0150ff8800"]
    });
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
