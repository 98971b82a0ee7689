//! Bulbs that misbehave.

use serde_json::json;

use crate::play::Play;
use crate::watching::expect_reconnect;
use crate::{BOTH, NO_ATT, NO_ATT_OF_FIRMWARE, REAL, REAL_FULL, STACK, Scenario, scenario};

pub const SCENARIOS: &[Scenario] = &[
    scenario("drops every link at once", "faults", STACK, shy),
    scenario("drops the first link at once, and is tried again", "faults", REAL, hesitant),
    scenario("never answers a connection request", "faults", STACK, hidden),
    scenario("drops the link during discovery", "faults", STACK, secretive),
    scenario("never answers to discovery", "faults", STACK, dumb),
    scenario("is slow in everything", "faults", BOTH, slow),
    scenario("drops the link at a write", "faults", STACK, cut),
    scenario("drops the link at a read", "faults", BOTH, unread),
    scenario("drops the link at a subscription", "faults", STACK, unsigned),
    scenario("drops the link where it should notify", "faults", STACK, untold),
    scenario("drops the link at each stage, for a supervision timeout", "faults", REAL, |play| {
        dropped_for(play, 0x08)
    }),
    scenario("drops the link at each stage, for each other HCI reason", "faults", REAL_FULL, |play| {
        // Low resources, power off, MIC failure, failed to be established.
        [0x14, 0x15, 0x3D, 0x3E].into_iter().for_each(|reason| dropped_for(play, reason));
    }),
    scenario("is out of range while it is watched", "range", STACK, far),
    scenario("is out of range before it answers a write", "range", STACK, further),
    scenario("refuses a write", "faults", STACK, stubborn).except(NO_ATT),
    scenario("refuses a read", "faults", STACK, reserved).except(NO_ATT_OF_FIRMWARE),
    scenario("refuses a subscription", "faults", STACK, private),
    scenario("never answers a subscription", "faults", STACK, wordless),
    scenario("gives a status of four bytes", "faults", BOTH, odd),
    scenario("loses commands", "faults", BOTH, broken),
    scenario("tells nothing at all", "faults", BOTH, mute),
    scenario("confirms only when it is read", "faults", BOTH, quiet),
    scenario("never answers a read", "faults", BOTH, deaf),
    scenario("never answers a write", "faults", STACK, numb),
];

fn address(number: u8) -> String {
    format!("C4:5C:00:00:09:{number:02X}")
}

fn shy(play: &Play) {
    play.bulbctl(&["on", "Light-Shy", "--timeout", play.time("2s", "20s")]).failed(6, "connect.failed");
    play.expect_log_where(&address(1), "links that the bulb ended", |saw| {
        saw.chunks(2).all(|pair| pair == ["connect", "disconnect bulb"]) && !saw.is_empty()
    });
}

fn hesitant(play: &Play) {
    play.bulbctl(&["on", "Light-Hesitant"]).ok().state(&json!({"power": true, "confirmed": true}));
    play.expect_log_where(&address(2), "a second link", |saw| {
        saw.starts_with(&["connect".into(), "disconnect bulb".into(), "connect".into()])
    });
}

fn hidden(play: &Play) {
    let done = play.bulbctl(&["on", "Light-Hidden", "--timeout", play.time("1s", "12s")]);
    assert_eq!(done.exit, 6, "{done:#?}");
    // BlueZ may remove a device that it could not connect to before our timeout: `connect.failed`.
    let code = done.one("error")["code"].as_str().unwrap_or_default();
    assert!(code.starts_with(play.time("connect.timeout", "connect.")), "{done:#?}");
    play.expect_log(&address(3), &[]);
}

fn secretive(play: &Play) {
    play.bulbctl(&["on", "Light-Secretive", "--timeout", play.time("2s", "20s")]).failed(6, "connect.failed");
}

fn dumb(play: &Play) {
    play.bulbctl(&["on", "Light-Dumb", "--timeout", play.time("1s", "15s")]).failed(6, "discover.timeout");
    play.expect_log(&address(5), &["connect", "disconnect central"]);
}

fn slow(play: &Play) {
    play.bulbctl(&["on", "Light-Slow"]).ok().state(&json!({"power": true, "confirmed": true}));
}

fn cut(play: &Play) {
    play.bulbctl(&["on", "Light-Cut"]).failed(11, "link.lost");
    play.expect_log(
        &address(7),
        &["connect", "subscribe fff2", "read fff2", "write fff1 request 0132ffffff", "disconnect bulb"],
    );
}

fn unread(play: &Play) {
    play.bulbctl(&["status", "Light-Unread"]).failed(11, "link.lost");
    play.expect_log(&address(8), &["connect", "read fff2", "disconnect bulb"]);
}

fn unsigned(play: &Play) {
    play.bulbctl(&["on", "Light-Unsigned"]).failed(11, "link.lost");
    play.expect_log_where(&address(18), "no write", |saw| {
        !saw.iter().any(|entry| entry.starts_with("write"))
            && saw.last().is_some_and(|last| last == "disconnect bulb")
    });
}

fn untold(play: &Play) {
    play.bulbctl(&["on", "Light-Untold"]).failed(11, "link.lost");
    play.expect_log_where(&address(19), "one write", |saw| {
        saw.ends_with(&["write fff1 request 0132ffffff".to_owned(), "disconnect bulb".to_owned()])
    });
}

/// All HCI reasons but 0x13, which the other scenarios have.
/// Drops the link at each stage for an HCI reason.
fn dropped_for(play: &Play, reason: u8) {
    play.stage.set_disconnect_reason(reason);
    for (verb, bulb, exit, code) in [
        ("on", "Light-Shy", 6, "connect.failed"),
        ("on", "Light-Secretive", 6, "connect.failed"),
        ("status", "Light-Unread", 11, "link.lost"),
        ("on", "Light-Cut", 11, "link.lost"),
        ("on", "Light-Unsigned", 11, "link.lost"),
        ("on", "Light-Untold", 11, "link.lost"),
    ] {
        let done = play.bulbctl(&[verb, bulb, "--timeout", "20s"]);
        let found = done.one("error")["code"].clone();
        assert_eq!((done.exit, found.as_str()), (exit, Some(code)), "{bulb}, {reason:#04x}: {done:#?}");
    }
    // Afterwards, a working bulb still works.
    play.bulbctl(&["on", "Light-Slow"]).ok().state(&json!({"power": true, "confirmed": true}));
}

fn far(play: &Play) {
    let mut watch = play.watch(&["Light-Range"]);
    play.stage.start_events();
    watch.wait_for("the loss", |line| line["type"] == "link" && line["state"] == "lost");
    expect_reconnect(&mut watch);
    watch.interrupt();
}

fn further(play: &Play) {
    let writing = play.start(&["on", "Light-Far", "--timeout", play.time("5s", "60s")]);
    play.expect_log_where("C4:5C:00:00:14:02", "a write", |saw| {
        saw.iter().any(|entry| entry.starts_with("write"))
    });
    play.stage.start_events();
    writing.end().failed(11, "link.lost");
}

fn stubborn(play: &Play) {
    let error = play.bulbctl(&["on", "Light-Stubborn"]).failed(8, "bulb.refused");
    assert!(error["message"].as_str().unwrap().contains("0x0e"), "{error}");
    play.expect_log(
        &address(9),
        &["connect", "subscribe fff2", "read fff2", "write fff1 request 0132ffffff", "disconnect central"],
    );
}

fn reserved(play: &Play) {
    let error = play.bulbctl(&["status", "Light-Reserved"]).failed(8, "bulb.refused");
    assert!(error["message"].as_str().unwrap().contains("0x82"), "{error}");
}

fn private(play: &Play) {
    play.bulbctl(&["on", "Light-Private"]).failed(8, "bulb.refused");
}

fn wordless(play: &Play) {
    play.bulbctl(&["on", "Light-Wordless", "--timeout", play.time("1s", "15s")]).failed(8, "bulb.timeout");
    play.expect_log_where(&address(20), "no write", |saw| {
        !saw.iter().any(|entry| entry.starts_with("write"))
            && saw.last().is_some_and(|last| last == "disconnect central")
    });
}

fn odd(play: &Play) {
    let error = play.bulbctl(&["status", "Light-Odd"]).failed(9, "frame.malformed");
    let message = error["message"].as_str().unwrap().replace(' ', "").to_lowercase();
    assert!(message.contains("0164ff00"), "the bytes are to be shown: {error}");
}

fn broken(play: &Play) {
    play.bulbctl(&["on", "Light-Broken"]).ok().state(&json!({"power": false, "confirmed": false}));
    play.expect_log(
        &address(13),
        &[
            "connect",
            "subscribe fff2",
            "read fff2",
            "write fff1 request 0132ffffff",
            "read fff2",
            "disconnect central",
        ],
    );
}

fn mute(play: &Play) {
    let arguments = ["set", "Light-Mute", "--on", "--brightness", "5", "--color", "ff0000"];
    play.bulbctl(&arguments)
        .ok()
        .state(&json!({"power": true, "brightness": 5, "provenance": "assumed", "confirmed": false}));
}

fn quiet(play: &Play) {
    play.bulbctl(&["on", "Light-Quiet"])
        .ok()
        .state(&json!({"power": true, "provenance": "reported", "confirmed": true}));
}

fn deaf(play: &Play) {
    play.bulbctl(&["status", "Light-Deaf", "--timeout", play.time("1s", "15s")]).failed(8, "bulb.timeout");
    play.expect_log(&address(16), &["connect", "read fff2", "disconnect central"]);
}

fn numb(play: &Play) {
    play.bulbctl(&["on", "Light-Numb", "--timeout", play.time("1s", "15s")]).failed(8, "bulb.timeout");
}
