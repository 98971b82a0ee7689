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

/// Waits until BlueZ scans. It pauses the scan while a program connects.
pub fn until_discovering(who: &str) {
    let end = Instant::now() + TIME / 2;
    while !is_discovering() {
        assert!(Instant::now() < end, "{who} does not scan");
        sleep(Duration::from_millis(200));
    }
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
        let end = Instant::now() + TIME;
        while !is_discovering() {
            assert!(Instant::now() < end, "bluetoothctl does not scan");
            child.stdin.as_mut().unwrap().write_all(b"scan on\n").unwrap();
            sleep(Duration::from_secs(1));
        }
        Self(child)
    }
}

impl Drop for Scanner {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// The number of a process's match rules on the bus.
pub fn match_rules(pid: u32) -> u32 {
    let bus = Connection::new_system().unwrap();
    let daemon = bus.with_proxy("org.freedesktop.DBus", "/org/freedesktop/DBus", TIME);
    let (names,): (Vec<String>,) = daemon.method_call("org.freedesktop.DBus", "ListNames", ()).unwrap();
    let own = names.into_iter().filter(|name| name.starts_with(':')).filter(|name| {
        let asked = daemon.method_call("org.freedesktop.DBus", "GetConnectionUnixProcessID", (name,));
        // Fails for a connection that has gone in the meantime, which is not ours.
        asked.is_ok_and(|(of,): (u32,)| of == pid)
    });
    let rules = own.map(|name| {
        let (stats,): (PropMap,) =
            daemon.method_call("org.freedesktop.DBus.Debug.Stats", "GetConnectionStats", (name,)).unwrap();
        prop_cast::<u32>(&stats, "MatchRules").copied().unwrap()
    });
    rules.sum()
}
