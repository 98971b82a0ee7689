//! Another program that uses Bluetooth at the same time, on the real stack.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use dbus::arg::{OwnedFd, PropMap, prop_cast};
use dbus::blocking::Connection;

use crate::stage::objects;

const TIME: Duration = Duration::from_secs(60);

/// A program that talks to BlueZ as bulbctl does.
pub struct Other {
    bus: Connection,
}

impl Other {
    pub fn new() -> Self {
        Self { bus: Connection::new_system().unwrap() }
    }

    pub fn connect(&self, address: &str) {
        let device = self.bus.with_proxy("org.bluez", device(address), TIME);
        let _: () = device.method_call("org.bluez.Device1", "Connect", ()).unwrap();
    }

    /// Acquires the notifications of a characteristic exclusively, until the result is dropped.
    pub fn acquires(&self, address: &str, uuid: &str) -> OwnedFd {
        let device = device(address);
        let path = objects().into_iter().find_map(|(path, interfaces)| {
            let properties = interfaces.get("org.bluez.GattCharacteristic1")?;
            let is_it = prop_cast::<String>(properties, "UUID").is_some_and(|found| found == uuid);
            (is_it && path.starts_with(&device)).then_some(path)
        });
        let characteristic = self.bus.with_proxy("org.bluez", path.unwrap(), TIME);
        let (pipe, _mtu): (OwnedFd, u16) = characteristic
            .method_call("org.bluez.GattCharacteristic1", "AcquireNotify", (PropMap::new(),))
            .unwrap();
        pipe
    }
}

fn device(address: &str) -> String {
    format!("/org/bluez/hci0/dev_{}", address.replace(':', "_"))
}

/// Asks every now and then, because nothing tells of it.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + TIME;
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        sleep(Duration::from_millis(100));
    }
}

/// Waits until BlueZ scans. It pauses the scan while a program connects.
pub fn until_discovering(who: &str) {
    until(&format!("{who} does not scan"), is_discovering);
}

/// Waits until BlueZ says that this device is not connected.
pub fn until_disconnected(address: &str) {
    until("BlueZ holds the link", || !is_connected(address));
}

fn is_discovering() -> bool {
    objects().values().any(|interfaces| {
        interfaces
            .get("org.bluez.Adapter1")
            .is_some_and(|adapter| prop_cast::<bool>(adapter, "Discovering") == Some(&true))
    })
}

pub fn is_connected(address: &str) -> bool {
    let path = device(address);
    objects().into_iter().any(|(at, interfaces)| {
        *at == *path
            && interfaces
                .get("org.bluez.Device1")
                .is_some_and(|device| prop_cast::<bool>(device, "Connected") == Some(&true))
    })
}

/// `bluetoothctl scan on`, until it is dropped.
pub struct Scanner(Child);

impl Scanner {
    pub fn start() -> Self {
        let mut child = Command::new("bluetoothctl")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // It ignores commands until it has found the adapter.
        until("bluetoothctl does not scan", || {
            child.stdin.as_mut().unwrap().write_all(b"scan on\n").unwrap();
            is_discovering()
        });
        Self(child)
    }

    /// Ends it, and waits until the bus has told BlueZ, which then ends its scan.
    pub fn end(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
        let bus = Connection::new_system().unwrap();
        until("bluetoothctl is on the bus still", || names_of(&bus, self.0.id()).is_empty());
        // BlueZ has handled what came before this question.
        objects();
    }
}

impl Drop for Scanner {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// The connections of a process to the bus.
fn names_of(bus: &Connection, pid: u32) -> Vec<String> {
    let daemon = bus.with_proxy("org.freedesktop.DBus", "/org/freedesktop/DBus", TIME);
    let (mut names,): (Vec<String>,) = daemon.method_call("org.freedesktop.DBus", "ListNames", ()).unwrap();
    names.retain(|name| {
        let ask = || daemon.method_call("org.freedesktop.DBus", "GetConnectionUnixProcessID", (name,));
        // Fails for a connection that has gone in the meantime, which is not ours.
        name.starts_with(':') && ask().is_ok_and(|(of,): (u32,)| of == pid)
    });
    names
}

/// The number of a process's match rules on the bus.
pub fn match_rules(pid: u32) -> u32 {
    let bus = Connection::new_system().unwrap();
    let daemon = bus.with_proxy("org.freedesktop.DBus", "/org/freedesktop/DBus", TIME);
    let rules = names_of(&bus, pid).into_iter().map(|name| {
        let (stats,): (PropMap,) =
            daemon.method_call("org.freedesktop.DBus.Debug.Stats", "GetConnectionStats", (name,)).unwrap();
        prop_cast::<u32>(&stats, "MatchRules").copied().unwrap()
    });
    rules.sum()
}
