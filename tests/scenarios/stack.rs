//! Failures of the system: the service and the bus die and come back, other programs use Bluetooth at the same time, and
//! bulbctl is stopped for a while. Real stack only.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::other::{Other, Scanner, is_connected, until_disconnected, until_discovering};
use crate::play::Play;
use crate::stage::Breakage::{self, BusKilled, ServiceKilled, Suspended};
use crate::watching::expect_reconnect;
use crate::{REAL, Scenario, scenario};

pub const SCENARIOS: &[Scenario] = &[
    scenario("bluetoothd is killed during watch, and comes back", "stack", REAL, |play| {
        in_watch(play, ServiceKilled)
    }),
    scenario("bluetoothd is killed during scan --watch, and comes back", "stack", REAL, |play| {
        in_scan(play, ServiceKilled)
    }),
    scenario("bluetoothd is killed during a command", "stack", REAL, |play| {
        in_command(play, ServiceKilled, "service.down")
    }),
    scenario("bluetoothd is killed while the TUI idles", "stack", REAL, |play| in_desk(play, ServiceKilled)),
    scenario("the bus is killed during watch, and comes back", "stack", REAL, |play| {
        in_watch(play, BusKilled)
    }),
    scenario("the bus is killed during scan --watch, and comes back", "stack", REAL, |play| {
        in_scan(play, BusKilled)
    }),
    scenario("the bus is killed during a command", "stack", REAL, |play| {
        in_command(play, BusKilled, "service.no_bus")
    }),
    scenario("the bus is killed while the TUI idles", "stack", REAL, |play| in_desk(play, BusKilled)),
    scenario("the system is suspended during watch, and resumes", "stack", REAL, suspended_in_watch),
    scenario("the system is suspended during scan --watch, and resumes", "stack", REAL, suspended_in_scan),
    scenario("another program scans", "stack", REAL, competing),
    scenario("another program holds the bulb", "stack", REAL, shared),
    scenario("stopped while the link drops, and continued", "watching-drop", REAL, stopped),
];

const STEADY: &str = "C4:5C:00:00:12:01";
const NUMB: &str = "C4:5C:00:00:12:02";
const HANG: &str = "C4:5C:00:00:12:03";
const STATUS: &str = "0000fff2-0000-1000-8000-00805f9b34fb";

fn in_watch(play: &Play, breakage: Breakage) {
    let mut watch = play.start(&["watch", "Light-Steady"]).with_patience(2);
    watch.wait_for("the first state", |line| line["type"] == "state");
    play.break_system(breakage);
    watch.wait_for("the loss", |line| line["type"] == "link" && line["state"] == "lost");
    let unknown = watch.wait_for("an unknown state", |line| line["type"] == "state");
    assert_eq!(unknown["provenance"], "unknown");
    play.repair_system();
    expect_reconnect(&mut watch);
    watch.interrupt();
}

/// The scan reports that the adapter is gone and back, and then goes on.
fn in_scan(play: &Play, breakage: Breakage) {
    let mut scan = play.start(&["scan", "--watch"]).with_patience(2);
    scan.wait_for("the bulb", |line| line["type"] == "device" && line["name"] == "Light-Steady");
    play.break_system(breakage);
    scan.wait_for("the end", |line| line["type"] == "adapter" && line["state"] == "absent");
    play.repair_system();
    scan.wait_for("the return", |line| line["type"] == "adapter" && line["state"] == "on");
    play.stage.start_events();
    scan.wait_for("the new name", |line| line["type"] == "device" && line["name"] == "Light-Renamed");
    scan.interrupt();
}

/// During a scan, a connect and a write. The next command works.
fn in_command(play: &Play, breakage: Breakage, code: &str) {
    let mut scan = play.start(&["scan", "--duration", "60s"]);
    scan.wait_for("the bulb", |line| line["type"] == "device");
    play.break_system(breakage);
    scan.end().failed(4, "adapter.lost");
    play.repair_system();

    let connecting = play.start_hanging("Light-Hang", HANG, "60s");
    play.break_system(breakage);
    connecting.end().failed(4, code);
    play.repair_system();

    let writing = play.start(&["on", "Light-Numb", "--timeout", "60s"]);
    play.expect_log_where(NUMB, "a write", |saw| saw.iter().any(|entry| entry.starts_with("write")));
    play.break_system(breakage);
    writing.end().failed(11, "link.lost");
    play.repair_system();

    // Two seconds after bluetoothd has died, the kernel ends its links. Linux 6.1 cannot end a link that is made in that
    // moment (docs/RADIOS.md).
    play.expect_log_where(NUMB, "the end of the link", |saw| {
        saw.last().is_some_and(|last| last.starts_with("disconnect"))
    });
    play.bulbctl(&["on", "Light-Steady"]).ok().state(&json!({"power": true, "confirmed": true}));
}

fn in_desk(play: &Play, breakage: Breakage) {
    let desk = play.tui((100, 30));
    desk.until_shown(&["Light-Steady"]);
    desk.keys("/steady\r\r");
    desk.until_shown(&["● connected", "reported"]);
    play.break_system(breakage);
    desk.until("the loss is shown", |screen| !screen.contents().contains("● connected"));
    desk.until_shown(&["state unknown"]);
    play.repair_system();
    desk.until_shown(&["● connected", "reported", "lost 1×"]);
    desk.keys("q");
    assert_eq!(desk.end(), (Some(0), String::new()));
}

/// Two scans at the same time do not disturb each other.
fn competing(play: &Play) {
    let other = Scanner::start();
    let done = play.bulbctl(&["scan", "--duration", "6s"]).ok();
    assert!(done.all("device").iter().any(|device| device["name"] == "Light-Steady"), "{done:#?}");
    play.bulbctl(&["on", "Light-Steady"]).ok().state(&json!({"power": true, "confirmed": true}));
    until_discovering("the other program, after ours has ended,");

    let mut scan = play.start(&["scan", "--watch"]);
    scan.wait_for("the bulb", |line| line["type"] == "device" && line["name"] == "Light-Steady");
    other.end();
    until_discovering("ours, after the other has ended,");
    play.stage.start_events();
    scan.wait_for("the new name", |line| line["type"] == "device" && line["name"] == "Light-Renamed");
    scan.interrupt();
}

/// The link is shared and stays up. A characteristic that the other program has acquired gives an error.
fn shared(play: &Play) {
    play.bulbctl(&["scan", "--first", "--name", "Light-Steady"]).ok();
    let other = Other::new();
    other.connect(STEADY);
    play.bulbctl(&["on", "Light-Steady"]).ok().state(&json!({"power": true, "confirmed": true}));
    assert!(is_connected(STEADY), "the other's link was ended");
    let pipe = other.acquires(STEADY, STATUS);
    play.bulbctl(&["off", "Light-Steady"]).failed(8, "bulb.held");
    drop(pipe);
    assert!(is_connected(STEADY), "the other's link was ended");
    play.expect_kept_link(STEADY);
}

/// The kernel ends all links, and no program runs until the resume.
fn suspended_in_watch(play: &Play) {
    let mut watch = play.start(&["watch", "Light-Steady"]).with_patience(2);
    watch.wait_for("the first state", |line| line["type"] == "state");
    watch.signal("STOP");
    play.break_system(Suspended);
    play.expect_log_where(STEADY, "the end of the link", |saw| {
        saw.last().is_some_and(|last| last.starts_with("disconnect"))
    });
    play.repair_system();
    watch.signal("CONT");
    watch.wait_for("the loss", |line| line["type"] == "link" && line["state"] == "lost");
    expect_reconnect(&mut watch);
    watch.interrupt();
}

/// The scan goes on after the resume.
fn suspended_in_scan(play: &Play) {
    let mut scan = play.start(&["scan", "--watch"]).with_patience(2);
    scan.wait_for("the bulb", |line| line["type"] == "device" && line["name"] == "Light-Steady");
    scan.signal("STOP");
    // The kernel is suspended when the call returns.
    play.break_system(Suspended);
    play.repair_system();
    scan.signal("CONT");
    play.stage.start_events();
    scan.wait_for("the new name", |line| line["type"] == "device" && line["name"] == "Light-Renamed");
    scan.interrupt();
}

/// The link drops while bulbctl is stopped.
fn stopped(play: &Play) {
    let mut watch = play.watch(&["Light-Leaving", "--count", "3"]);
    watch.signal("STOP");
    play.stage.start_events();
    play.expect_log_where("C4:5C:00:00:05:01", "the end of the link", |saw| {
        saw.last().is_some_and(|last| last == "disconnect bulb")
    });
    // The signal that says so is at bulbctl's socket before the answer to a question of ours.
    until_disconnected("C4:5C:00:00:05:01");
    watch.signal("CONT");
    let continued = Instant::now();
    watch.wait_for("the loss", |line| line["type"] == "link" && line["state"] == "lost");
    let noticed = continued.elapsed();
    // One second on a real processor; this one is emulated.
    assert!(noticed < Duration::from_secs(3), "the loss is noticed after {noticed:?}");
    expect_reconnect(&mut watch);
    watch.end().ok();
}
