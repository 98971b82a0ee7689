//! The real stack: bluetoothd over D-Bus, and the bulbs over the virtual air's socket.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::thread::sleep;
use std::time::{Duration, Instant};

use dbus::arg::{PropMap, RefArg, Variant, prop_cast};
use dbus::blocking::Connection;
use serde_json::{Value, json};

use super::{Breakage, Kind, Stage};

const ADAPTER_PATH: &str = "/org/bluez/hci0";
/// The number of adapters of the machine (`ADAPTERS` in xtask/guest/air.py).
const ADAPTERS: usize = 3;
const LOG: &str = "/run/air.log";
const SOCKET: &str = "/run/air.sock";
/// What the kernel tells of its adapters, a folder each. `force_suspend` suspends its virtual controller as a suspend of the
/// system does (drivers/bluetooth/hci_vhci.c).
const KERNEL: &str = "/sys/kernel/debug/bluetooth";
const SUSPEND: &str = "/sys/kernel/debug/bluetooth/hci0/force_suspend";
/// What allows nobody to talk to BlueZ.
const DENY: &str = "/etc/dbus-1/system.d/denied.conf";
const DENIED: &str =
    "<busconfig><policy context=\"mandatory\"><deny send_destination=\"org.bluez\"/></policy></busconfig>";
const RFKILL: &str = "/sys/class/rfkill";
const BUS_TIME: Duration = Duration::from_secs(20);
/// Time limit for the end of links. bluetoothd ends a link two seconds after the request.
const SETTLE_TIME: Duration = Duration::from_secs(12);

/// Objects by path, each with the properties of its interfaces.
pub type Objects = HashMap<dbus::Path<'static>, HashMap<String, PropMap>>;

pub struct Real {
    kind: Kind,
    air: Mutex<Air>,
    /// The scenario has stopped bluetoothd.
    stopped: Mutex<bool>,
    /// The scenario has taken the adapter away, or blocked it.
    unplugged: Mutex<bool>,
}

struct Air {
    stream: BufReader<UnixStream>,
}

impl Air {
    fn ask(&mut self, request: &Value) -> Value {
        writeln!(self.stream.get_mut(), "{request}").unwrap();
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(answer["ok"], true, "{request}: {answer}");
        answer
    }
}

impl Real {
    pub fn open(kind: Kind) -> Self {
        let stream =
            UnixStream::connect(SOCKET).expect("this runs in the virtual machine of the real-stack run");
        stream.set_read_timeout(Some(BUS_TIME)).unwrap();
        Self {
            kind,
            air: Mutex::new(Air { stream: BufReader::new(stream) }),
            stopped: Mutex::new(false),
            unplugged: Mutex::new(false),
        }
    }

    fn ask(&self, request: &Value) -> Value {
        // A scenario that failed during a request must not fail the others.
        self.air.lock().unwrap_or_else(std::sync::PoisonError::into_inner).ask(request)
    }

    /// Lists the remains of a scenario: links of bluetoothd and of the bulbs, a scan, an attempt to connect.
    fn left_over(&self, may_be_linked: &[String]) -> Vec<String> {
        let mut left = Vec::new();
        let objects = objects();
        if objects.is_empty() {
            left.push("nothing, because bluetoothd has died".to_owned());
        }
        for interfaces in objects.into_values() {
            if let Some(device) = interfaces.get("org.bluez.Device1")
                && prop_cast::<bool>(device, "Connected") == Some(&true)
            {
                left.push(prop_cast::<String>(device, "Address").cloned().unwrap_or_default());
            }
            if let Some(adapter) = interfaces.get("org.bluez.Adapter1")
                && prop_cast::<bool>(adapter, "Discovering") == Some(&true)
            {
                left.push("the scan".to_owned());
            }
        }
        for bulb in self.bulbs() {
            let address = bulb["address"].as_str().unwrap().to_owned();
            if bulb["connected"] == true && !left.contains(&address) {
                left.push(address);
            } else if bulb["asked"] == true {
                left.push(format!("an attempt to connect to {address}"));
            }
        }
        left.retain(|what| !may_be_linked.contains(what));
        left
    }

    fn bulbs(&self) -> Vec<Value> {
        self.ask(&json!({"do": "state"}))["bulbs"].as_array().unwrap().clone()
    }

    fn restart_service(&self) {
        wake_up();
        if Connection::new_system().is_err() {
            guest("bus.sh", "start");
        }
        if fs::remove_file(DENY).is_ok() {
            reload_bus();
        }
        if std::mem::take(&mut *self.unplugged.lock().unwrap_or_else(std::sync::PoisonError::into_inner)) {
            self.ask(&json!({"do": "plug"}));
            block("0");
            wait_until("the adapter", is_powered);
        }
        let mut stopped = self.stopped.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if objects().is_empty() {
            guest("bluetooth.sh", "start");
            wait_until("the adapters", || {
                let objects = objects();
                let adapters = objects.values().filter_map(|interfaces| interfaces.get("org.bluez.Adapter1"));
                let on = adapters.filter(|adapter| prop_cast::<bool>(adapter, "Powered") == Some(&true));
                on.count() == ADAPTERS
            });
            *stopped = false;
        }
    }
}

impl Stage for Real {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn load(&self, rig: &Path, _dir: &Path) {
        self.restart_service();
        forget_devices();
        reset_adapters();
        self.reload(rig);
    }

    fn reload(&self, rig: &Path) {
        self.ask(&json!({"do": "load", "rig": rig}));
    }

    fn prepare(&self, command: &mut Command, _rig: &Path, _dir: &Path, broken: Option<Breakage>) {
        let adapter = self.kind.adapter();
        command.env("BULBCTL_ADAPTER", adapter).env("BULBCTL_TIMEOUT", "40s");
        match broken {
            Some(Breakage::NoBus) => {
                command.env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent");
            }
            // An adapter that is named is one that is missing.
            Some(Breakage::NoAdapter) => {
                command.env("BULBCTL_ADAPTER", adapter.trim_end_matches("hci0").trim_end_matches(':'));
            }
            _ => {}
        }
    }

    fn break_system(&self, breakage: Breakage) {
        let (script, action) = match breakage {
            Breakage::NoService => ("bluetooth.sh", "stop"),
            Breakage::ServiceKilled => ("bluetooth.sh", "kill"),
            Breakage::BusKilled => ("bus.sh", "kill"),
            Breakage::Suspended => return fs::write(SUSPEND, "1").unwrap(),
            Breakage::Blocked => {
                *self.unplugged.lock().unwrap() = true;
                block("1");
                return wait_until("the end of the adapter", || !is_powered());
            }
            Breakage::Denied => {
                fs::write(DENY, DENIED).unwrap();
                return reload_bus();
            }
            Breakage::NoAdapter => {
                *self.unplugged.lock().unwrap() = true;
                self.ask(&json!({"do": "unplug"}));
                return wait_until("the end of the adapter", || !has_adapter());
            }
            // `prepare` gives commands a wrong address of the bus.
            Breakage::NoBus => return,
        };
        *self.stopped.lock().unwrap() = true;
        guest(script, action);
    }

    fn repair(&self) {
        self.restart_service();
    }

    fn set_disconnect_reason(&self, code: u8) {
        self.ask(&json!({"do": "reason", "code": code}));
    }

    fn start_events(&self) {
        self.ask(&json!({"do": "go"}));
    }

    fn log(&self, _dir: &Path) -> String {
        fs::read_to_string(LOG).unwrap()
    }

    fn wait_connecting(&self, address: &str) {
        wait_until("an attempt to connect", || {
            self.bulbs().iter().any(|bulb| bulb["address"] == address && bulb["asked"] == true)
        });
    }

    fn end(&self, _dir: &Path, may_be_linked: &[String]) -> Result<(), String> {
        let end = Instant::now() + SETTLE_TIME;
        let left = loop {
            let left = if *self.stopped.lock().unwrap() { Vec::new() } else { self.left_over(may_be_linked) };
            if left.is_empty() || Instant::now() > end {
                break left;
            }
            sleep(Duration::from_millis(100));
        };
        self.restart_service();
        forget_devices();
        self.ask(&json!({"do": "stop"}));
        if left.is_empty() { Ok(()) } else { Err(format!("still up: {left:?}")) }
    }

    fn keep(&self, bytes: &[u8], name: &str) {
        fs::write(Path::new("/run/out").join(name), bytes).unwrap();
    }

    fn has_died(&self) -> bool {
        !*self.stopped.lock().unwrap() && objects().is_empty()
    }

    fn kernel_bugs(&self) -> usize {
        let log = Command::new("dmesg").output().unwrap().stdout;
        String::from_utf8_lossy(&log).matches("kernel BUG at lib/list_debug.c").count()
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(60)
    }
}

/// All objects of bluetoothd. Empty if it does not run or there is no bus.
pub fn objects() -> Objects {
    let Ok(bus) = Connection::new_system() else { return Objects::new() };
    let manager = bus.with_proxy("org.bluez", "/", BUS_TIME);
    let (objects,): (Objects,) = manager
        .method_call("org.freedesktop.DBus.ObjectManager", "GetManagedObjects", ())
        .unwrap_or_default();
    objects
}

/// True if the first adapter is on.
fn is_powered() -> bool {
    objects().get(&dbus::Path::from(ADAPTER_PATH)).is_some_and(|interfaces| {
        let adapter = interfaces.get("org.bluez.Adapter1");
        adapter.is_some_and(|adapter| prop_cast::<bool>(adapter, "Powered") == Some(&true))
    })
}

fn has_adapter() -> bool {
    objects().values().any(|interfaces| interfaces.contains_key("org.bluez.Adapter1"))
}

/// Lets rfkill block every adapter, or none.
fn block(value: &str) {
    for switch in fs::read_dir(RFKILL).unwrap() {
        fs::write(switch.unwrap().path().join("soft"), value).unwrap();
    }
}

/// Makes the bus read its rules again.
fn reload_bus() {
    let bus = Connection::new_system().unwrap();
    let daemon = bus.with_proxy("org.freedesktop.DBus", "/org/freedesktop/DBus", BUS_TIME);
    let _: () = daemon.method_call("org.freedesktop.DBus", "ReloadConfig", ()).unwrap();
}

/// Removes all devices from bluetoothd, including their links.
fn forget_devices() {
    let bus = Connection::new_system().unwrap();
    for (path, interfaces) in objects() {
        // /org/bluez/hci0/dev_…
        let adapter = path.rsplit_once('/').map_or("/", |(adapter, _)| adapter).to_owned();
        let adapter = bus.with_proxy("org.bluez", adapter, BUS_TIME);
        if interfaces.contains_key("org.bluez.Device1") {
            // Fails if the device has gone in the meantime or the adapter is off. Nothing to remove then.
            let _: Result<(), _> = adapter.method_call("org.bluez.Adapter1", "RemoveDevice", (path,));
        }
    }
}

/// Switches the adapters on and gives them their own names. A scenario that failed may have left them otherwise, for BlueZ to
/// keep.
fn reset_adapters() {
    let bus = Connection::new_system().unwrap();
    for (path, interfaces) in objects() {
        let Some(adapter) = interfaces.get("org.bluez.Adapter1") else { continue };
        let proxy = bus.with_proxy("org.bluez", &path, BUS_TIME);
        let set = |name: &str, value: Variant<Box<dyn RefArg>>| {
            let arguments = ("org.bluez.Adapter1", name, value);
            let _: () = proxy.method_call("org.freedesktop.DBus.Properties", "Set", arguments).unwrap();
        };
        if prop_cast::<bool>(adapter, "Powered") == Some(&false) {
            set("Powered", Variant(Box::new(true)));
        }
        if prop_cast::<String>(adapter, "Alias") != prop_cast::<String>(adapter, "Name") {
            // BlueZ has the name for an empty alias.
            set("Alias", Variant(Box::new(String::new())));
        }
    }
}

/// Ends the suspend of each adapter.
fn wake_up() {
    for adapter in fs::read_dir(KERNEL).into_iter().flatten() {
        let suspend = adapter.unwrap().path().join("force_suspend");
        if fs::read_to_string(&suspend).is_ok_and(|now| now.starts_with('Y')) {
            fs::write(suspend, "0").unwrap();
        }
    }
}

fn guest(script: &str, action: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("xtask/guest").join(script);
    assert!(Command::new(file).arg(action).status().unwrap().success(), "{script} {action}");
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < end, "{what} did not come");
        sleep(Duration::from_millis(100));
    }
}
