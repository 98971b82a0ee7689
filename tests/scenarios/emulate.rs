//! `emulate` on the second adapter, and other programs that drive it from the first. Real stack only: tests/cli has both on the
//! sim radio, and tests/bluez what BlueZ refuses.

pub mod conformance;
mod connects;
mod witnesses;

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use dbus::arg::{Variant, prop_cast};
use dbus::blocking::Connection;
use serde_json::{Value, json};

use crate::play::Play;
use crate::run::{Finished, Running};
use crate::stage::Breakage::{self, BusKilled, ServiceKilled};
use crate::stage::{Kind, objects};
use crate::{REAL, Scenario, scenario};

pub use connects::connects;

pub const SCENARIOS: &[Scenario] = &[
    scenario("it is driven, and everything is undone", "plain", REAL, driven),
    scenario("bluetoothd is killed and comes back", "plain", REAL, |play| broken(play, ServiceKilled)),
    scenario("the bus is killed and comes back", "plain", REAL, |play| broken(play, BusKilled)),
    scenario("the adapter is switched off and on", "plain", REAL, switched),
    scenario("the computer sleeps", "plain", REAL, suspended),
    scenario("two centrals, one after the other", "plain", REAL, two_centrals)
        .except(&[(Kind::Plug, "the second adapter of the centrals is used through BlueZ")]),
    scenario("a central that has lost its bond", "plain", REAL, stale_bond),
    scenario("bonds end with it", "plain", REAL, bonds_end),
    scenario("bleak drives it", "plain", REAL, witnesses::bleak).except(NOT_OURS),
    scenario("btleplug drives it", "plain", REAL, witnesses::btleplug).except(NOT_OURS),
    scenario("Bumble's central drives it", "plain", REAL, witnesses::bumble).except(NOT_OURS),
];

const NOT_OURS: &[(Kind, &str)] = &[(Kind::Plug, "the central is no radio of ours")];

const EMULATOR: &str = "/org/bluez/hci1";
const NAME: &str = "Light-Played";
const TIME: Duration = Duration::from_secs(20);
/// Suspends the kernel's virtual controller as a suspend of the system does (`force_suspend` in
/// drivers/bluetooth/hci_vhci.c).
const SUSPEND: &str = "/sys/kernel/debug/bluetooth/hci1/force_suspend";

/// The program while it emulates.
pub struct Emulated {
    program: Running,
}

impl Emulated {
    /// Starts it with a short advertising interval, 100 ms: that of the kernel would only take longer.
    pub fn start(play: &Play, arguments: &[&str]) -> Self {
        for (name, units) in [("adv_min_interval", "160"), ("adv_max_interval", "160")] {
            fs::write(format!("/sys/kernel/debug/bluetooth/hci1/{name}"), units).unwrap();
        }
        let mut program =
            play.start(&[&["--adapter", "hci1", "emulate"], arguments].concat()).with_patience(2);
        program.wait_for("the advertising", |line| line["event"] == "advertising");
        Self { program }
    }

    pub fn base(play: &Play) -> Self {
        Self::start(play, &["base", "--name", NAME])
    }

    pub fn wait_for(&mut self, event: &str) -> Value {
        self.program.wait_for(event, |line| line["event"] == event)
    }

    /// Stops it, and asserts that nothing of it is left at BlueZ.
    pub fn end(self) {
        self.program.interrupt();
        let adapter = adapter();
        assert_eq!(adapter.alias, adapter.name, "the alias is not restored");
        assert_eq!(adapter.advertisements, 0, "an advertisement is left");
    }
}

struct Adapter {
    name: String,
    alias: String,
    advertisements: u8,
    bonds: usize,
}

fn adapter() -> Adapter {
    let objects = objects();
    let interfaces = objects.iter().find(|(path, _)| ***path == *EMULATOR).unwrap().1;
    let text = |name| prop_cast::<String>(&interfaces["org.bluez.Adapter1"], name).unwrap().clone();
    let manager = &interfaces["org.bluez.LEAdvertisingManager1"];
    let devices = objects.iter().filter(|(path, _)| path.starts_with(&format!("{EMULATOR}/")));
    let bonds = devices.filter(|(_, all)| {
        all.get("org.bluez.Device1").and_then(|device| prop_cast::<bool>(device, "Paired")) == Some(&true)
    });
    Adapter {
        name: text("Name"),
        alias: text("Alias"),
        advertisements: *prop_cast(manager, "ActiveInstances").unwrap(),
        bonds: bonds.count(),
    }
}

fn drive(play: &Play, brightness: u8) {
    let percent = brightness.to_string();
    let set = play.bulbctl(&["set", NAME, "--brightness", &percent]).ok();
    set.state(&json!({"brightness": brightness, "confirmed": true}));
}

fn driven(play: &Play) {
    let mut bulb = Emulated::base(play);
    assert_eq!(adapter().alias, NAME);
    let found = play.bulbctl(&["scan", "--first", "--name", NAME]).ok();
    assert_eq!(found.one("device")["name"], NAME);
    drive(play, 30);
    let connected = bulb.wait_for("connected");
    assert_eq!(connected["central"], "02:B0:1B:00:00:01");
    let write = bulb.wait_for("write");
    // BlueZ does not say which it was, as FFF1 takes both kinds.
    assert_eq!((&write["meaning"], &write["kind"]), (&"command".into(), &Value::Null));
    assert_eq!(bulb.wait_for("state")["state"]["brightness"], 30);
    bulb.wait_for("disconnected");
    play.bulbctl(&["on", NAME]).ok().state(&json!({"power": true, "brightness": 30, "confirmed": true}));
    bulb.end();
}

fn broken(play: &Play, breakage: Breakage) {
    let mut bulb = Emulated::base(play);
    play.break_system(breakage);
    bulb.wait_for("off_air");
    play.repair_system();
    bulb.wait_for("advertising");
    drive(play, 31);
    bulb.end();
}

fn switched(play: &Play) {
    let mut bulb = Emulated::base(play);
    set_powered(false);
    assert!(bulb.wait_for("off_air")["reason"].as_str().unwrap().contains("off"));
    set_powered(true);
    bulb.wait_for("advertising");
    drive(play, 32);
    bulb.end();
}

fn set_powered(on: bool) {
    let bus = Connection::new_system().unwrap();
    let adapter = bus.with_proxy("org.bluez", EMULATOR, TIME);
    let arguments = ("org.bluez.Adapter1", "Powered", Variant(on));
    let _: () = adapter.method_call("org.freedesktop.DBus.Properties", "Set", arguments).unwrap();
}

/// The kernel ends the link and the advertising, and takes the advertising up again.
fn suspended(play: &Play) {
    let mut bulb = Emulated::base(play);
    let watch = play.watch(&[NAME]);
    bulb.wait_for("connected");
    fs::write(SUSPEND, "1").unwrap();
    bulb.wait_for("disconnected");
    sleep(Duration::from_secs(3));
    fs::write(SUSPEND, "0").unwrap();
    bulb.wait_for("connected");
    watch.interrupt();
    bulb.wait_for("disconnected");
    drive(play, 33);
    bulb.end();
}

fn two_centrals(play: &Play) {
    let mut bulb = Emulated::base(play);
    for (adapter, address) in [("hci0", "02:B0:1B:00:00:01"), ("hci2", "02:B0:1B:00:00:03")] {
        let set = play.bulbctl(&["--adapter", adapter, "set", NAME, "--brightness", "34"]).ok();
        set.state(&json!({"confirmed": true}));
        assert_eq!(bulb.wait_for("connected")["central"], address);
        bulb.wait_for("disconnected");
    }
    bulb.end();
}

/// BlueZ lets a central that it has a bond with not pair again (`JustWorksRepairing` in its main.conf) until it has forgotten
/// that central.
fn stale_bond(play: &Play) {
    let mut bulb = Emulated::start(play, &["hue", "--name", "Hue-Played"]);
    let on = || play.bulbctl(&["on", "Hue-Played"]);
    let works = |on: Finished| on.ok().state(&json!({"power": true, "confirmed": true}));
    works(on());
    bulb.wait_for("paired");
    bulb.wait_for("disconnected");
    // A bonded central: its subscription outlives the link.
    works(on());
    bulb.wait_for("disconnected");
    forget("hci0", "02_B0_1B_00_00_02");
    assert_ne!(on().exit, 0, "paired a second time");
    forget("hci1", "02_B0_1B_00_00_01");
    works(on());
    // BlueZ needs as long to end a link as bulbctl has to end. The attempts that were refused have ended, too.
    bulb.wait_for("write");
    bulb.wait_for("disconnected");
    bulb.end();
    assert_eq!(adapter().bonds, 0);
}

/// The bulb has forgotten its centrals when it is emulated again, so that these have to forget it too.
fn bonds_end(play: &Play) {
    let begin = || Emulated::start(play, &["hue", "--name", "Hue-Played"]);
    let on = || play.bulbctl(&["on", "Hue-Played"]);
    let mut bulb = begin();
    on().ok();
    bulb.wait_for("paired");
    assert_eq!(adapter().bonds, 1);
    bulb.wait_for("disconnected");
    bulb.end();
    assert_eq!(adapter().bonds, 0);
    let mut bulb = begin();
    let refused = on();
    assert_ne!(refused.exit, 0, "{refused:#?}");
    forget("hci0", "02_B0_1B_00_00_02");
    on().ok();
    bulb.wait_for("paired");
    bulb.program.signal("KILL");
    drop(bulb);
    assert_eq!(adapter().bonds, 1);
    play.bulbctl(&["doctor"]);
    let adapter = adapter();
    assert_eq!((adapter.bonds, &adapter.alias), (0, &adapter.name));
}

fn forget(adapter: &str, device: &str) {
    let bus = Connection::new_system().unwrap();
    let path = format!("/org/bluez/{adapter}");
    let device = dbus::Path::from(format!("{path}/dev_{device}"));
    let _: () = bus
        .with_proxy("org.bluez", path, TIME)
        .method_call("org.bluez.Adapter1", "RemoveDevice", (device,))
        .unwrap();
}
