//! Bluetooth that is off, or not there.

use crate::play::Play;
use crate::stage::Breakage;
use crate::watching::expect_reconnect;
use crate::{BOTH, REAL, Scenario};

pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "off", rig: "adapter-off", on: BOTH, play: off },
    Scenario {
        name: "off and on again during scan --watch",
        rig: "adapter-toggles",
        on: BOTH,
        play: toggles,
    },
    Scenario { name: "off during a scan", rig: "adapter-toggles", on: BOTH, play: off_in_scan },
    Scenario { name: "off and on again during watch", rig: "adapter-toggles", on: BOTH, play: off_in_watch },
    Scenario { name: "no such adapter", rig: "plain", on: REAL, play: unknown },
    Scenario { name: "no Bluetooth service", rig: "plain", on: BOTH, play: no_service },
    Scenario {
        name: "the Bluetooth service goes during watch, and comes back",
        rig: "plain",
        on: REAL,
        play: service_goes,
    },
    Scenario { name: "no D-Bus", rig: "plain", on: BOTH, play: no_bus },
];

fn off(play: &Play) {
    play.bulbctl(&["scan", "--duration", "3s"]).failed(4, "adapter.off");
    play.bulbctl(&["on", "Light-Dark"]).failed(4, "adapter.off");
    // Looking is no reason to switch it on.
    play.bulbctl(&["status", "Light-Dark"]).failed(4, "adapter.off");
}

fn toggles(play: &Play) {
    let mut scan = play.start(&["scan", "--watch"]);
    scan.wait_for("the bulb", |line| line["type"] == "device");
    play.start_events();
    scan.wait_for("off", |line| line["type"] == "adapter" && line["state"] == "off");
    scan.wait_for("on", |line| line["type"] == "adapter" && line["state"] == "on");
    scan.signal("INT");
    scan.end().failed(130, "interrupted");
}

fn off_in_scan(play: &Play) {
    let mut scan = play.start(&["scan", "--duration", "50s"]);
    scan.wait_for("the bulb", |line| line["type"] == "device");
    play.start_events();
    assert_eq!(scan.end().exit, 4);
}

fn off_in_watch(play: &Play) {
    let mut watch = play.start(&["watch", "Light-Blink"]);
    watch.wait_for("the first state", |line| line["type"] == "state");
    play.start_events();
    let link = watch.wait_for("the loss", |line| line["type"] == "link");
    assert_eq!(link["state"], "lost");
    expect_reconnect(&mut watch);
    watch.signal("INT");
    watch.end().failed(130, "interrupted");
}

fn unknown(play: &Play) {
    play.bulbctl(&["--adapter", "hci9", "scan"]).failed(4, "adapter.unknown");
}

fn no_service(play: &Play) {
    play.break_system(Breakage::NoService);
    play.bulbctl(&["scan"]).failed(4, "service.down");
    play.bulbctl(&["on", "Light-Plain"]).failed(4, "service.down");
}

fn service_goes(play: &Play) {
    let mut watch = play.start(&["watch", "Light-Plain"]);
    watch.wait_for("the first state", |line| line["type"] == "state");
    play.break_system(Breakage::NoService);
    watch.wait_for("the loss", |line| line["type"] == "link" && line["state"] == "lost");
    play.bulbctl(&["status", "Light-Plain"]).failed(4, "service.down");
    play.repair_system();
    expect_reconnect(&mut watch);
    watch.signal("INT");
    watch.end().failed(130, "interrupted");
}

fn no_bus(play: &Play) {
    play.break_system(Breakage::NoBus);
    play.bulbctl(&["scan"]).failed(4, "service.no_bus");
}
