//! Bluetooth that is off, or not there.

use crate::play::Play;
use crate::stage::Breakage;
use crate::watching::expect_reconnect;
use crate::{NOT_LINUX, REAL, STACK, Scenario, scenario};

pub const SCENARIOS: &[Scenario] = &[
    scenario("off", "adapter-off", STACK, off),
    scenario("off and on again during scan --watch", "adapter-toggles", STACK, toggles),
    scenario("off during a scan", "adapter-toggles", STACK, off_in_scan),
    scenario("off and on again during watch", "adapter-toggles", STACK, off_in_watch),
    scenario("no such adapter", "plain", REAL, unknown),
    scenario("no Bluetooth service", "plain", STACK, no_service).except(NOT_LINUX),
    scenario("the Bluetooth service goes during watch, and comes back", "plain", REAL, service_goes),
    scenario("no D-Bus", "plain", STACK, no_bus).except(NOT_LINUX),
    scenario("no adapter", "plain", STACK, absent),
    scenario("blocked by rfkill", "plain", STACK, blocked).except(NOT_LINUX),
    scenario("not allowed", "plain", STACK, denied).except(NOT_LINUX),
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
    play.stage.start_events();
    scan.wait_for("off", |line| line["type"] == "adapter" && line["state"] == "off");
    scan.wait_for("on", |line| line["type"] == "adapter" && line["state"] == "on");
    scan.interrupt();
}

fn off_in_scan(play: &Play) {
    let mut scan = play.start(&["scan", "--duration", "50s"]);
    scan.wait_for("the bulb", |line| line["type"] == "device");
    play.stage.start_events();
    assert_eq!(scan.end().exit, 4);
}

fn off_in_watch(play: &Play) {
    let mut watch = play.watch(&["Light-Blink"]);
    play.stage.start_events();
    let link = watch.wait_for("the loss", |line| line["type"] == "link");
    assert_eq!(link["state"], "lost");
    expect_reconnect(&mut watch);
    watch.interrupt();
}

fn unknown(play: &Play) {
    let wrong = play.stage.kind().adapter().replace("hci0", "hci9");
    play.bulbctl(&["--adapter", &wrong, "scan"]).failed(4, "adapter.unknown");
}

fn no_service(play: &Play) {
    play.break_system(Breakage::NoService);
    play.bulbctl(&["scan"]).failed(4, "service.down");
    play.bulbctl(&["on", "Light-Plain"]).failed(4, "service.down");
}

fn service_goes(play: &Play) {
    let mut watch = play.watch(&["Light-Plain"]);
    play.break_system(Breakage::NoService);
    watch.wait_for("the loss", |line| line["type"] == "link" && line["state"] == "lost");
    play.bulbctl(&["status", "Light-Plain"]).failed(4, "service.down");
    play.repair_system();
    expect_reconnect(&mut watch);
    watch.interrupt();
}

fn no_bus(play: &Play) {
    play.break_system(Breakage::NoBus);
    play.bulbctl(&["scan"]).failed(4, "service.no_bus");
}

fn absent(play: &Play) {
    play.break_system(Breakage::NoAdapter);
    play.bulbctl(&["scan"]).failed(4, "adapter.none");
    play.bulbctl(&["on", "Light-Plain"]).failed(4, "adapter.none");
    play.repair_system();
    play.bulbctl(&["on", "Light-Plain"]).ok();
}

fn blocked(play: &Play) {
    play.break_system(Breakage::Blocked);
    play.bulbctl(&["scan"]).failed(4, "adapter.blocked");
    play.bulbctl(&["on", "Light-Plain"]).failed(4, "adapter.blocked");
    play.repair_system();
    play.bulbctl(&["on", "Light-Plain"]).ok();
}

fn denied(play: &Play) {
    play.break_system(Breakage::Denied);
    play.bulbctl(&["scan"]).failed(5, "service.denied");
    play.bulbctl(&["on", "Light-Plain"]).failed(5, "service.denied");
    play.repair_system();
    play.bulbctl(&["on", "Light-Plain"]).ok();
}
