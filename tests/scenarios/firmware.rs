//! The firmware of protocol/firmware as a program in the virtual machine, on a controller of its own. It plays what no
//! adapter of BlueZ can play: a static random address, handles that it chooses, a refused subscription. Real stack only.

use std::fs::{self, File};
use std::process::{Child, Command};

use serde_json::{Value, json};

use crate::play::Play;
use crate::stage::Kind;
use crate::watching::expect_reconnect;
use crate::{REAL, REAL_FULL, Scenario, scenario};

pub const SCENARIOS: &[Scenario] = &[
    scenario("it is driven", "plain", REAL, driven)
        .except(&[(Kind::Plug, "btleplug tells neither handles nor the type of an address")]),
    scenario("the conformance suite passes", "plain", REAL_FULL, checked),
    scenario("it refuses subscriptions", "plain", REAL, refusing),
    scenario("it is switched off and on during watch", "plain", REAL, switched),
];

const NAME: &str = "Light-Firmware";
/// The socket at which the air has a controller for each program.
const SOCKET: &str = "/run/boards.sock";
/// The file to which the program prints what its lamp shows.
const LAMP: &str = "lamp";

/// The program, which is switched off when this is dropped.
struct Board(Child);

impl Board {
    /// Each scenario has another address, because BlueZ caches GATT tables by address.
    fn start(play: &Play, address: &str, arguments: &[&str]) -> Self {
        let program = std::env::var_os("BULBCTL_FIRMWARE").unwrap();
        let mut command = Command::new(program);
        command.args([SOCKET, "--name", NAME, "--address", address]).args(arguments);
        command.stdout(File::create(play.folder().join(LAMP)).unwrap());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Waits until the lamp shines like this.
fn shines(play: &Play, wanted: &str) {
    let read = || fs::read_to_string(play.folder().join(LAMP)).unwrap().lines().map(str::to_owned).collect();
    let shone: Vec<String> = play.until(read, |lines| lines.last().is_some_and(|line| line == wanted));
    assert_eq!(shone.last().map(String::as_str), Some(wanted), "{shone:?}");
}

fn driven(play: &Play) {
    let address = "C4:5C:00:00:F1:01";
    let _board = Board::start(play, address, &[]);
    let info = play.bulbctl(&["info", NAME]).ok();
    let info = info.one("info");
    for (key, wanted) in [
        ("address", json!(address)),
        ("address_type", json!("random")),
        ("profile", json!("base")),
        ("battery", json!(87)),
    ] {
        assert_eq!(info[key], wanted, "{key} of {info}");
    }
    // As src/table.rs of the firmware has them.
    assert_eq!(
        handles(info),
        [(0x0007, vec![0x0009, 0x000b]), (0x000d, vec![0x000f]), (0x0011, vec![0x13, 0x15, 0x17])]
    );

    let mut watch = play.watch(&[NAME]);
    let set = ["set", NAME, "--on", "--brightness", "30", "--color", "red"];
    let wanted = json!({"power": true, "brightness": 30, "color": "#ff0000"});
    play.bulbctl(&set).ok().state(&wanted);
    let state = watch.wait_for("the new state", |line| line["type"] == "state");
    for (key, value) in wanted.as_object().unwrap() {
        assert_eq!(&state[key], value, "{key} of {state}");
    }
    shines(play, "on  30 %  #ff0000");
    watch.interrupt();
    // It keeps its state, and serves the next central.
    play.bulbctl(&["status", NAME]).ok().state(&wanted);
}

/// The handle of each service of the bulb, and those of the values in it. BlueZ keeps 1800 and 1801 for itself.
fn handles(info: &Value) -> Vec<(u64, Vec<u64>)> {
    let list = |value: &Value| value.as_array().unwrap().clone();
    let services = list(&info["services"]).into_iter();
    let all = services.map(|service| {
        let values = list(&service["characteristics"]).into_iter();
        (
            service["handle"].as_u64().unwrap(),
            values.map(|one| one["value_handle"].as_u64().unwrap()).collect(),
        )
    });
    all.filter(|(handle, _)| *handle >= 0x0007).collect()
}

fn checked(play: &Play) {
    let _board = Board::start(play, "C4:5C:00:00:F1:02", &[]);
    let check = play.start(&["check", NAME]).with_patience(8).end().ok();
    assert_eq!(check.one("check_summary")["failed"], 0, "{check:#?}");
}

fn refusing(play: &Play) {
    let _board = Board::start(play, "C4:5C:00:00:F1:03", &["--refuse-subscriptions"]);
    play.bulbctl(&["on", NAME]).failed(8, "bulb.refused");
    // It can be read all the same, and was not switched on.
    play.bulbctl(&["status", NAME]).ok().state(&json!({"power": false, "brightness": 100}));
}

/// A board that loses its power says nothing. When it has power again, it has its first state.
fn switched(play: &Play) {
    let address = "C4:5C:00:00:F1:04";
    let board = Board::start(play, address, &[]);
    let mut watch = play.watch(&[NAME]);
    drop(board);
    watch.wait_for("the loss", |line| line["type"] == "link" && line["state"] == "lost");
    let _board = Board::start(play, address, &[]);
    expect_reconnect(&mut watch);
    watch.interrupt();
}
