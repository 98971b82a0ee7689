//! What the system does to us: its service and its bus die and come back, other programs use the same Bluetooth, and we are
//! stopped for a while. On the real stack, as only that one has them.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::other::{Other, Scanner, is_connected, until_discovering};
use crate::play::Play;
use crate::run::Running;
use crate::stage::Breakage::{self, BusKilled, ServiceKilled, Suspended};
use crate::watching::back;
use crate::{REAL, Scenario};

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "bluetoothd is killed during watch, and comes back",
        rig: "stack",
        on: REAL,
        play: service_in_watch,
    },
    Scenario {
        name: "bluetoothd is killed during scan --watch, and comes back",
        rig: "stack",
        on: REAL,
        play: service_in_scan,
    },
    Scenario {
        name: "bluetoothd is killed during a command",
        rig: "stack",
        on: REAL,
        play: service_in_command,
    },
    Scenario {
        name: "bluetoothd is killed while the TUI idles",
        rig: "stack",
        on: REAL,
        play: service_in_desk,
    },
    Scenario {
        name: "the bus is killed during watch, and comes back",
        rig: "stack",
        on: REAL,
        play: bus_in_watch,
    },
    Scenario {
        name: "the bus is killed during scan --watch, and comes back",
        rig: "stack",
        on: REAL,
        play: bus_in_scan,
    },
    Scenario { name: "the bus is killed during a command", rig: "stack", on: REAL, play: bus_in_command },
    Scenario { name: "the bus is killed while the TUI idles", rig: "stack", on: REAL, play: bus_in_desk },
    Scenario {
        name: "the system is suspended during watch, and resumes",
        rig: "stack",
        on: REAL,
        play: suspended_in_watch,
    },
    Scenario {
        name: "the system is suspended during scan --watch, and resumes",
        rig: "stack",
        on: REAL,
        play: suspended_in_scan,
    },
    Scenario { name: "another program scans", rig: "stack", on: REAL, play: competing },
    Scenario { name: "another program holds the bulb", rig: "stack", on: REAL, play: shared },
    Scenario {
        name: "stopped while the link drops, and continued",
        rig: "watching-drop",
        on: REAL,
        play: stopped,
    },
];

const STEADY: &str = "C4:5C:00:00:12:01";
const NUMB: &str = "C4:5C:00:00:12:02";
const HANG: &str = "C4:5C:00:00:12:03";
const STATUS: &str = "0000fff2-0000-1000-8000-00805f9b34fb";

fn service_in_watch(play: &Play) {
    in_watch(play, ServiceKilled);
}

fn bus_in_watch(play: &Play) {
    in_watch(play, BusKilled);
}

fn in_watch(play: &Play, breakage: Breakage) {
    let mut watch = play.start(&["watch", "Light-Steady"]).patient(2);
    watch.wait_for("the first state", |line| line["type"] == "state");
    play.breaks(breakage);
    watch.wait_for("the loss", |line| line["type"] == "link" && line["state"] == "lost");
    let unknown = watch.wait_for("an unknown state", |line| line["type"] == "state");
    assert_eq!(unknown["provenance"], "unknown");
    play.mends();
    back(&mut watch);
    ends(watch);
}

fn ends(running: Running) {
    running.signal("INT");
    running.end().failed(130, "interrupted");
}

fn service_in_scan(play: &Play) {
    in_scan(play, ServiceKilled);
}

fn bus_in_scan(play: &Play) {
    in_scan(play, BusKilled);
}

/// It says that the adapter is gone and that it is back, and hears what is new after that.
fn in_scan(play: &Play, breakage: Breakage) {
    let mut scan = play.start(&["scan", "--watch"]).patient(2);
    scan.wait_for("the bulb", |line| line["type"] == "device" && line["name"] == "Light-Steady");
    play.breaks(breakage);
    scan.wait_for("the end", |line| line["type"] == "adapter" && line["state"] == "absent");
    play.mends();
    scan.wait_for("the return", |line| line["type"] == "adapter" && line["state"] == "on");
    play.go();
    scan.wait_for("the new name", |line| line["type"] == "device" && line["name"] == "Light-Renamed");
    ends(scan);
}

fn service_in_command(play: &Play) {
    in_command(play, ServiceKilled, "service.down");
}

fn bus_in_command(play: &Play) {
    in_command(play, BusKilled, "service.no_bus");
}

/// In the midst of a scan, of a connect and of a write; and the next command finds everything in order.
fn in_command(play: &Play, breakage: Breakage, code: &str) {
    let mut scan = play.start(&["scan", "--duration", "60s"]);
    scan.wait_for("the bulb", |line| line["type"] == "device");
    play.breaks(breakage);
    scan.end().failed(4, "adapter.lost");
    play.mends();

    let connecting = play.start(&["on", "Light-Hang", "--timeout", "60s"]);
    play.wait_connecting(HANG);
    play.breaks(breakage);
    connecting.end().failed(4, code);
    play.mends();

    let writing = play.start(&["on", "Light-Numb", "--timeout", "60s"]);
    play.sees_so(NUMB, "a write", |saw| saw.iter().any(|entry| entry.starts_with("write")));
    play.breaks(breakage);
    writing.end().failed(11, "link.lost");
    play.mends();

    play.bulbctl(&["on", "Light-Steady"]).ok().state(&json!({"power": true, "confirmed": true}));
}

fn service_in_desk(play: &Play) {
    in_desk(play, ServiceKilled);
}

fn bus_in_desk(play: &Play) {
    in_desk(play, BusKilled);
}

fn in_desk(play: &Play, breakage: Breakage) {
    let desk = play.tui((100, 30));
    desk.until_shown(&["Light-Steady"]);
    desk.keys("/steady\r\r");
    desk.until_shown(&["● connected", "reported"]);
    play.breaks(breakage);
    desk.until("the loss is shown", |screen| !screen.contents().contains("● connected"));
    desk.until_shown(&["state unknown"]);
    play.mends();
    desk.until_shown(&["● connected", "reported", "lost 1×"]);
    desk.keys("q");
    assert_eq!(desk.end(), (Some(0), String::new()));
}

/// Its scan does not keep us from ours, and neither ends with the other's.
fn competing(play: &Play) {
    let other = Scanner::start();
    let done = play.bulbctl(&["scan", "--duration", "6s"]).ok();
    assert!(done.all("device").iter().any(|device| device["name"] == "Light-Steady"), "{done:#?}");
    play.bulbctl(&["on", "Light-Steady"]).ok().state(&json!({"power": true, "confirmed": true}));
    until_discovering("the other program, after ours has ended,");

    let mut scan = play.start(&["scan", "--watch"]);
    scan.wait_for("the bulb", |line| line["type"] == "device" && line["name"] == "Light-Steady");
    drop(other);
    // BlueZ notices that it has gone, and ends its part.
    sleep(Duration::from_secs(2));
    until_discovering("ours, after the other has ended,");
    play.go();
    scan.wait_for("the new name", |line| line["type"] == "device" && line["name"] == "Light-Renamed");
    ends(scan);
}

/// Its link is shared, and left up; what it keeps for itself is said.
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
    play.keeps(STEADY);
}

/// The kernel ends all links, and no program runs until it has resumed.
fn suspended_in_watch(play: &Play) {
    let mut watch = play.start(&["watch", "Light-Steady"]).patient(2);
    watch.wait_for("the first state", |line| line["type"] == "state");
    watch.signal("STOP");
    play.breaks(Suspended);
    play.sees_so(STEADY, "the end of the link", |saw| {
        saw.last().is_some_and(|last| last.starts_with("disconnect"))
    });
    sleep(Duration::from_secs(5));
    play.mends();
    watch.signal("CONT");
    watch.wait_for("the loss", |line| line["type"] == "link" && line["state"] == "lost");
    back(&mut watch);
    ends(watch);
}

/// What is new after the resume is heard.
fn suspended_in_scan(play: &Play) {
    let mut scan = play.start(&["scan", "--watch"]).patient(2);
    scan.wait_for("the bulb", |line| line["type"] == "device" && line["name"] == "Light-Steady");
    scan.signal("STOP");
    play.breaks(Suspended);
    sleep(Duration::from_secs(5));
    play.mends();
    scan.signal("CONT");
    play.go();
    scan.wait_for("the new name", |line| line["type"] == "device" && line["name"] == "Light-Renamed");
    ends(scan);
}

/// The link is lost while we do not run, and nothing else happens.
fn stopped(play: &Play) {
    let mut watch = play.start(&["watch", "Light-Leaving", "--count", "3"]);
    watch.wait_for("the first state", |line| line["type"] == "state");
    watch.signal("STOP");
    play.go();
    play.sees_so("C4:5C:00:00:05:01", "the end of the link", |saw| {
        saw.last().is_some_and(|last| last == "disconnect bulb")
    });
    // Long enough that everything is told while nobody listens.
    sleep(Duration::from_secs(5));
    watch.signal("CONT");
    let continued = Instant::now();
    watch.wait_for("the loss", |line| line["type"] == "link" && line["state"] == "lost");
    let noticed = continued.elapsed();
    // A second on a processor of its own; this one is emulated.
    assert!(noticed < Duration::from_secs(3), "the loss is noticed after {noticed:?}");
    back(&mut watch);
    watch.end().ok();
}
