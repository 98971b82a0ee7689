//! What systemd is told, and what it asks for.

use std::os::unix::net::UnixDatagram;

use super::*;
use rustix::process::Signal;

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
