//! The messages to systemd, the variables that it sets, and the unit of the package.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::broker::{Message, quiet};
use super::*;
use rustix::process::Signal;

const BRIDGE: &str = "bulbctl/bridge/attic/state";

/// The socket of a service manager.
struct Manager {
    socket: UnixDatagram,
    path: String,
}

impl Manager {
    fn new(machine: &Machine) -> Self {
        let path = machine.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self { socket, path: path.display().to_string() }
    }

    /// Waits for a line.
    fn wait(&self, wanted: &str) -> String {
        let mut buffer = [0; 1024];
        loop {
            let length = self.socket.recv(&mut buffer).unwrap_or_else(|error| panic!("no {wanted}: {error}"));
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if text.lines().any(|line| line.starts_with(wanted)) {
                return text;
            }
        }
    }
}

#[test]
fn systemd_is_notified_and_the_watchdog_is_fed() {
    let Some(broker) = Mosquitto::start() else { return };
    let machine = Machine::new(&desk());
    let manager = Manager::new(&machine);
    let url = broker.url();
    let mut command = machine.bulbctl(&["bridge", "--json", "--name", "attic", "--alone", "--broker", &url]);
    command.env("NOTIFY_SOCKET", &manager.path).env("WATCHDOG_USEC", "1000000");
    let mut bridge = machine.spawn(command);
    manager.wait("READY=1");
    manager.wait("STATUS=connected");
    for _ in 0..4 {
        manager.wait("WATCHDOG=1");
    }
    bridge.signal(Signal::HUP);
    let text = manager.wait("RELOADING=1");
    assert!(text.contains("MONOTONIC_USEC="), "{text}");
    manager.wait("READY=1");
    bridge.signal(Signal::TERM);
    manager.wait("STOPPING=1");
    assert_eq!(bridge.wait().code(), Some(130));
}

#[test]
fn hangup_reads_the_configuration_again() {
    let Some(broker) = Mosquitto::start() else { return };
    let witness = broker.witness();
    let machine = Machine::new(&bulbs(2));
    machine.config("[bridge]\nbulbs = [\"Light-Desk\"]\n");
    let mut bridge = machine.bridge(&broker, &[]);
    let name = || Some(witness.last(&config(DESK))?.json()["device"]["name"].clone());
    until("the name", || name().filter(|name| name == "Light-Desk"));
    assert_eq!(witness.last(&config("c41100000002")), None, "not one of the bulbs");
    machine.config(
        "[aliases]\nReading = \"C4:11:00:00:00:01\"\n[bridge]\nbulbs = [\"all\"]\n[bridge.areas]\nReading = \"Study\"\n",
    );
    bridge.signal(Signal::HUP);
    bridge.wait_for("reloaded", 1);
    until("the alias", || name().filter(|name| name == "Reading"));
    assert_eq!(witness.last(&config(DESK)).unwrap().json()["device"]["suggested_area"], "Study");
    witness.wait("the other bulb", |message| message.topic == config("c41100000002"));
    // A mistake changes nothing.
    machine.config("[bridge]\nbulb = []\n");
    bridge.signal(Signal::HUP);
    let error = bridge.wait_error("config.invalid");
    assert!(error["message"].as_str().unwrap().contains("bulb"), "{error}");
    assert!(bridge.is_running());
    assert_eq!(broker.request(&set(DESK), "ON"), json!({"result": "confirmed"}));
}

#[test]
fn p11_bulbs_that_are_no_longer_meant_leave_nothing_behind() {
    let Some(broker) = Mosquitto::start() else { return };
    let witness = broker.witness();
    let machine = Machine::new(&bulbs(2));
    machine.config("[groups]\nboth = [\"Light-*\"]\n");
    let mut bridge = machine.bridge(&broker, &[]);
    for id in [DESK, "c41100000002"] {
        witness.wait("the discovery", |message| message.topic == config(id));
    }
    let group = "homeassistant/device/bulbctl_attic_group_both/config";
    witness.wait("the group", |message| message.topic == group);
    machine.config("[bridge]\nbulbs = [\"Light-Desk\"]\n");
    bridge.signal(Signal::HUP);
    let second = "c41100000002";
    let mut gone = vec![config(second), state(second), availability(second), group.to_owned()];
    gone.extend(["signal", "last_seen"].map(|leaf| format!("bulbctl/{second}/{leaf}")));
    gone.push("bulbctl/group/both/state".to_owned());
    for topic in &gone {
        witness.wait_last(topic, "");
    }
    // The same while the bridge was not running.
    bridge.end();
    machine.config("[bridge]\nbulbs = [\"Light-2\"]\n");
    let _bridge = machine.bridge(&broker, &[]);
    for topic in [config(DESK), state(DESK), availability(DESK)] {
        witness.wait_last(&topic, "");
    }
    // What the broker keeps is what the bridge says.
    let later = broker.witness();
    later.wait("the other bulb", |message| message.topic == config(second) && !message.text.is_empty());
    assert!(later.of(&config(DESK)).is_empty());
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn unit() -> String {
    std::fs::read_to_string(file("xtask/debian/bulbctl-bridge.service")).unwrap()
}

#[test]
fn systemd_finds_no_mistake_in_the_unit() {
    let machine = Machine::new(&desk());
    // It says that it does not know a key, and succeeds.
    let complaints = |unit: &str| {
        let path = machine.write("bulbctl-bridge.service", unit);
        let verify = Command::new("systemd-analyze").args(["verify", "--man=no", &path]).output();
        verify.ok().map(|verify| String::from_utf8(verify.stderr).unwrap())
    };
    let unit = unit().replace("/usr/bin/bulbctl", env!("CARGO_BIN_EXE_bulbctl"));
    let Some(none) = complaints(&unit) else {
        assert!(std::env::var_os("BULBCTL_SYSTEMD").is_none(), "there is no systemd");
        eprintln!("skipped: there is no systemd");
        return;
    };
    assert_eq!(none, "");
    let wrong = complaints(&unit.replace("WatchdogSec", "WatchdogSeconds")).unwrap();
    assert!(wrong.contains("WatchdogSeconds"), "{wrong}");
}

/// A second systemd, see systemd.sh. It ends with this.
struct Systemd {
    unshare: Child,
    /// Its process, as seen from here.
    pid: String,
}

impl Systemd {
    /// `None` if this system does not permit it.
    fn boot(machine: &Machine, drop_in: &str, config: &str) -> Option<Self> {
        std::fs::create_dir(machine.path("system")).unwrap();
        let folder = machine.path("system").display().to_string();
        let (drop_in, config) = (machine.write("drop-in", drop_in), machine.write("config.toml", config));
        let unit = machine.write("unit", &unit());
        let mut boot = Command::new("sh");
        boot.arg(file("tests/bridge/systemd.sh"));
        boot.args([&*folder, &unit, &drop_in, env!("CARGO_BIN_EXE_bulbctl"), &config])
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        let mut unshare = boot.spawn().unwrap();
        let own = unshare.id();
        let mut system = None;
        until("systemd runs", || {
            if let Some(status) = unshare.try_wait().unwrap() {
                assert_eq!(status.code(), Some(77), "systemd did not boot");
                return Some(());
            }
            let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).ok()?;
            let pid = children.split_whitespace().next()?.to_owned();
            let is_systemd =
                std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "systemd\n");
            let runs = is_systemd && systemctl(&pid, &["is-system-running"]).0.starts_with("running");
            runs.then(|| system = Some(pid))
        });
        let Some(pid) = system else {
            eprintln!("skipped: no second systemd can run here");
            return None;
        };
        Some(Self { unshare, pid })
    }

    fn systemctl(&self, words: &[&str]) -> (String, bool) {
        systemctl(&self.pid, words)
    }

    fn show(&self, property: &str) -> String {
        self.systemctl(&["show", "--property", property, "--value", "bulbctl-bridge"]).0.trim().to_owned()
    }

    fn wait_show(&self, property: &str, wanted: &str) {
        until(&format!("{property} is {wanted}, not {}", self.show(property)), || {
            (self.show(property) == wanted).then_some(())
        });
    }

    fn signal(&self, signal: &str) {
        assert!(self.systemctl(&["kill", "--kill-who=main", "--signal", signal, "bulbctl-bridge"]).1);
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        // Everything in there ends with its first process.
        let _ = Command::new("kill").args(["-KILL", &self.pid]).status();
        let _ = self.unshare.wait();
        let group = format!("/sys/fs/cgroup/systemd/bulbctl-{}", self.unshare.id());
        let _ = Command::new("find").args([&*group, "-depth", "-type", "d", "-delete"]).status();
    }
}

fn systemctl(pid: &str, words: &[&str]) -> (String, bool) {
    let mut enter = Command::new("nsenter");
    enter.args(["--target", pid, "--mount", "--pid", "--cgroup", "--root", "--wd", "systemctl"]).args(words);
    let output = enter.stdin(Stdio::null()).stderr(Stdio::null()).output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.success())
}

#[test]
fn the_unit_runs_under_systemd() {
    let Some(broker) = Mosquitto::start() else { return };
    let (witness, machine) = (broker.witness(), Machine::new(&desk()));
    let config = format!(
        "adapter = \"sim\"\n[bridge]\nname = \"attic\"\nalone = true\nbroker = \"{}\"\n",
        broker.url()
    );
    // The times of the unit are too long to wait for.
    let drop_in = "[Service]\nRestartSec=500ms\nWatchdogSec=2\n";
    let Some(systemd) = Systemd::boot(&machine, drop_in, &config) else { return };
    let is = |word: &'static str| move |message: &Message| message.topic == BRIDGE && message.text == word;
    assert!(systemd.systemctl(&["start", "bulbctl-bridge"]).1, "{}", systemd.show("Result"));
    witness.wait("the birth", is("online"));
    assert_ne!(systemd.show("UID"), "0");
    assert!(systemd.systemctl(&["reload", "bulbctl-bridge"]).1);
    assert!(systemd.show("StatusText").starts_with("reloaded"));

    // It is started again after it was killed, and after it did nothing.
    for (signal, count) in [("KILL", "1"), ("STOP", "2")] {
        let from = witness.count();
        systemd.signal(signal);
        systemd.wait_show("NRestarts", count);
        witness.wait_after(from, "the next birth", is("online"));
    }
    // It is fed, so nothing else restarts it.
    quiet(Duration::from_secs(3));
    assert_eq!((&*systemd.show("NRestarts"), &*systemd.show("ActiveState")), ("2", "active"));

    assert!(systemd.systemctl(&["stop", "bulbctl-bridge"]).1);
    assert_eq!(
        (systemd.show("ActiveState"), systemd.show("Result")),
        ("inactive".to_owned(), "success".to_owned())
    );
    witness.wait_last(BRIDGE, "offline");

    // Somebody has to correct this first.
    let root = Path::new("/proc").join(&systemd.pid).join("root");
    std::fs::write(root.join("etc/bulbctl/config.toml"), "wrong = 1\n").unwrap();
    assert!(!systemd.systemctl(&["start", "bulbctl-bridge"]).1);
    quiet(Duration::from_secs(1));
    assert_eq!(
        (systemd.show("ActiveState"), systemd.show("ExecMainStatus")),
        ("failed".to_owned(), "2".to_owned())
    );
}
