//! `emulate` on BlueZ: the objects that it serves, what it refuses, and what it takes back.

mod bonds;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use dbus::arg::{PropMap, RefArg, Variant, prop_cast};
use dbus::message::MessageType;

use super::*;

const BULB: &str = "/org/bulbctl/emulate/bulb";
const ADVERTISEMENT: &str = "/org/bulbctl/emulate/advertisement";
const CONTROL: &str = "/org/bulbctl/emulate/bulb/service0000/char0000";
const STATUS: &str = "/org/bulbctl/emulate/bulb/service0000/char0001";
const CHARACTERISTIC: &str = "org.bluez.GattCharacteristic1";
const CENTRAL: &str = "/org/bluez/hci0/dev_4C_00_00_00_00_01";
const TIME: Duration = Duration::from_secs(20);

/// The program while it emulates.
struct Emulation {
    child: Child,
    lines: Receiver<Json>,
    errors: Option<thread::JoinHandle<String>>,
}

impl Emulation {
    fn start(machine: &Machine, arguments: &[&str]) -> Self {
        let mut command = machine.bulbctl(&["--adapter", "hci0", "--json", "emulate"]);
        let command = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // The test may be over.
                let _ = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        let mut stderr = child.stderr.take().unwrap();
        let errors = thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        Self { child, lines, errors: Some(errors) }
    }

    /// A base bulb on the air.
    fn base(machine: &Machine) -> Self {
        let mut emulation = Self::start(machine, &["base", "--name", "Light-1"]);
        emulation.wait_for("advertising");
        emulation
    }

    /// Waits for an event.
    fn wait_for(&mut self, event: &str) -> Json {
        let end = Instant::now() + TIME;
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) if line["event"] == event => return line,
                Ok(line) => seen.push(line),
                Err(error) => {
                    self.child.kill().unwrap();
                    let errors = self.errors.take().unwrap().join().unwrap();
                    panic!("{event}: {error}: {seen:?} {errors}");
                }
            }
        }
    }

    /// Returns true if no event of this kind has come so far.
    fn has_no(&self, event: &str) -> bool {
        self.lines.try_iter().all(|line| line["event"] != event)
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for the end. Returns the exit status, if there is one, and the messages.
    fn end(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        (code, self.errors.take().unwrap().join().unwrap())
    }

    fn interrupt(self) -> (Option<i32>, String) {
        self.signal(rustix::process::Signal::INT);
        self.end()
    }
}

impl Drop for Emulation {
    fn drop(&mut self) {
        // It has ended, unless the test failed.
        let _ = self.child.kill();
    }
}

fn options(offset: u16) -> PropMap {
    let mut all: Vec<(&str, Box<dyn RefArg>)> =
        vec![("device", Box::new(dbus::Path::from(CENTRAL))), ("mtu", Box::new(185_u16))];
    if offset > 0 {
        all.push(("offset", Box::new(offset)));
    }
    all.into_iter().map(|(name, value)| (name.to_owned(), Variant(value))).collect()
}

/// BlueZ reads a value for the central.
fn read(bluez: &Bluez, path: &str, offset: u16) -> Result<Vec<u8>, String> {
    let mut answer = bluez.ask(path, CHARACTERISTIC, "ReadValue", (options(offset),));
    answer.as_result().map(|answer| answer.get1().unwrap()).map_err(|error| error.name().unwrap().to_owned())
}

/// BlueZ writes a value for the central.
fn write(bluez: &Bluez, path: &str, value: &[u8]) -> Result<(), String> {
    let mut answer = bluez.ask(path, CHARACTERISTIC, "WriteValue", (value.to_vec(), options(0)));
    answer.as_result().map(drop).map_err(|error| error.name().unwrap().to_owned())
}

fn connect(bluez: &Bluez) {
    bluez.put(
        CENTRAL,
        "org.bluez.Device1",
        &[("Name", Value::text("Phone")), ("Paired", Value::Bool(false))],
    );
    bluez.change(CENTRAL, "org.bluez.Device1", "Connected", Value::Bool(true));
}

fn disconnect(bluez: &Bluez) {
    bluez.change(CENTRAL, "org.bluez.Device1", "Connected", Value::Bool(false));
}

fn alias(bluez: &Bluez) -> String {
    match bluez.property(ADAPTER, "org.bluez.Adapter1", "Alias") {
        Some(Value::Text(alias)) => alias,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_central_uses_the_bulb_and_its_answers_come_before_notifications() {
    let machine = Machine::new(0);
    let bluez = &machine.bluez;
    let mut bulb = Emulation::base(&machine);
    assert_eq!(alias(bluez), "Light-1");
    connect(bluez);
    let connected = bulb.wait_for("connected");
    assert_eq!(
        (&connected["central"], &connected["central_name"]),
        (&"4C:00:00:00:00:01".into(), &"Phone".into())
    );
    // A bulb with a link does not advertise.
    bluez.wait_for("UnregisterAdvertisement", 1);

    let whole = read(bluez, STATUS, 0).unwrap();
    assert_eq!(whole.len(), 5);
    assert_eq!(read(bluez, STATUS, 3).unwrap(), whole[3..]);
    bluez.ask(STATUS, CHARACTERISTIC, "StartNotify", ());
    bulb.wait_for("subscribed");
    write(bluez, CONTROL, &[1, 30, 0, 0, 255]).unwrap();
    let state = bulb.wait_for("state");
    assert_eq!(state["state"]["brightness"], 30, "{state}");
    let notified = bluez.wait_for_sent("a notification", |message| {
        message.member().as_deref() == Some("PropertiesChanged") && message.path().as_deref() == Some(STATUS)
    });
    let (_, changed): (&str, PropMap) = notified.read2().unwrap();
    assert_eq!(prop_cast::<Vec<u8>>(&changed, "Value").unwrap()[..], [1, 30, 0, 0, 255]);
    assert_eq!(read(bluez, STATUS, 0).unwrap(), [1, 30, 0, 0, 255]);
    let sent = bluez.sent();
    let notification = sent.iter().position(|one| one == "signal PropertiesChanged").unwrap();
    // Two reads, the subscription and the write: the last answer before the notification is that of the write.
    let answers = sent[..notification].iter().filter(|one| one.starts_with("answer")).count();
    let before = sent.iter().filter(|one| one.starts_with("answer")).count() - 1;
    assert_eq!(answers, before, "only the last read was answered after it: {sent:?}");

    bluez.ask(STATUS, CHARACTERISTIC, "StopNotify", ());
    bulb.wait_for("unsubscribed");
    disconnect(bluez);
    bulb.wait_for("disconnected");
    bluez.wait_for("RegisterAdvertisement", 2);
    let (code, errors) = bulb.interrupt();
    assert!(code == Some(0) || code == Some(130), "{code:?} {errors}");
    assert_eq!(alias(bluez), "machine");
    assert_eq!((bluez.count("UnregisterApplication"), bluez.count("UnregisterAdvertisement")), (1, 2));
}

#[test]
fn the_objects_say_what_bluez_wants_to_know() {
    let machine = Machine::new(0);
    let bluez = &machine.bluez;
    let bulb = Emulation::base(&machine);
    let properties = "org.freedesktop.DBus.Properties";
    let asked = bluez.ask(ADVERTISEMENT, properties, "GetAll", ("org.bluez.LEAdvertisement1",));
    let all: PropMap = asked.read1().unwrap();
    assert_eq!(prop_cast::<String>(&all, "LocalName").unwrap(), "Light-1");
    assert_eq!(prop_cast::<String>(&all, "Type").unwrap(), "peripheral");
    assert_eq!(prop_cast::<bool>(&all, "Discoverable"), Some(&true));
    let objects = bluez.ask(BULB, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", ());
    assert_eq!(objects.msg_type(), MessageType::MethodReturn);
    // BlueZ says which handle it has given.
    let handle = Variant(Box::new(22_u16) as Box<dyn RefArg>);
    let set = bluez.ask(CONTROL, properties, "Set", (CHARACTERISTIC, "Handle", handle));
    assert_eq!(set.msg_type(), MessageType::MethodReturn);
    bulb.interrupt();
}

#[test]
fn only_bluez_may_ask() {
    let machine = Machine::new(0);
    let bluez = &machine.bluez;
    let mut bulb = Emulation::base(&machine);
    connect(bluez);
    bulb.wait_for("connected");
    let body = (vec![1_u8, 30, 0, 0, 255], options(0));
    let serial = bluez.ask_as(":1.66", CONTROL, CHARACTERISTIC, "WriteValue", body);
    let mut refusal = bluez.wait_for_sent("a refusal", |message| message.get_reply_serial() == Some(serial));
    let error = refusal.as_result().unwrap_err();
    assert_eq!(error.name(), Some("org.freedesktop.DBus.Error.AccessDenied"));
    assert!(read(bluez, STATUS, 0).is_ok());
    assert!(bulb.has_no("write"));
    bulb.interrupt();
}

#[test]
fn a_second_central_and_headphones_are_not_served() {
    let machine = Machine::new(0);
    let bluez = &machine.bluez;
    let mut bulb = Emulation::base(&machine);
    let headphones = "/org/bluez/hci0/dev_4C_00_00_00_00_02";
    bluez.put(headphones, "org.bluez.Device1", &[("Class", Value::U32(0x0024_0404))]);
    bluez.change(headphones, "org.bluez.Device1", "Connected", Value::Bool(true));
    bluez.wait_for("GetAll", 1);
    assert_eq!(bluez.count("UnregisterAdvertisement"), 0);
    connect(bluez);
    let connected = bulb.wait_for("connected");
    assert_eq!(connected["central"], "4C:00:00:00:00:01");
    let mut other = options(0);
    other.insert("device".to_owned(), Variant(Box::new(dbus::Path::from(headphones))));
    let mut refusal = bluez.ask(STATUS, CHARACTERISTIC, "ReadValue", (other,));
    assert_eq!(refusal.as_result().unwrap_err().name(), Some("org.bluez.Error.NotAuthorized"));
    bulb.interrupt();
}

#[test]
fn nothing_is_touched_if_the_bulb_cannot_be_played() {
    let dir = tempfile::tempdir().unwrap();
    let rig = |name: &str, text: &str| {
        let path = dir.path().join(name);
        let head = "rig = 1\n[[bulb]]\nname = \"Light-1\"\naddress = \"C4:11:00:00:00:01\"\n";
        std::fs::write(&path, format!("{head}{text}")).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let none = Value::Byte(0);
    let off = Value::Bool(false);
    let attribute = "[[bulb.service]]\nuuid = \"1801\"\n[[bulb.service.characteristic]]\nuuid = \"2a05\"\n\
                     properties = [\"indicate\"]\n";
    let manager = "org.bluez.LEAdvertisingManager1";
    let plain = rig("plain.toml", "");
    let generic = rig("generic.toml", attribute);
    let device = rig("device.toml", "device = { model = \"X\" }\n");
    let bytes = "00".repeat(28);
    let data = rig("data.toml", &format!("manufacturer = {{ company = 1, data = \"{bytes}\" }}\n"));
    let long_name = "L".repeat(30);
    type Change<'a> = Option<(&'a str, &'a str, &'a Value)>;
    let cases: [(&str, Change<'_>, Vec<&str>, &str); 6] = [
        (
            "adapter.no_peripheral",
            Some((manager, "SupportedInstances", &none)),
            vec!["--rig", &plain],
            "SupportedInstances",
        ),
        ("adapter.off", Some(("org.bluez.Adapter1", "Powered", &off)), vec!["--rig", &plain], "off"),
        ("", None, vec!["base", "--name", &long_name], "the name needs 32"),
        ("", None, vec!["--rig", &generic], "1801"),
        ("", None, vec!["--rig", &device], "DeviceID = false"),
        ("", None, vec!["--rig", &data], "the manufacturer data of 0001"),
    ];
    for (error, change, arguments, part) in cases {
        let machine = Machine::new(0);
        if let Some((interface, name, value)) = change {
            machine.bluez.change(ADAPTER, interface, name, value.clone());
        }
        let mut all = vec!["--adapter", "hci0", "--json", "emulate", "--duration", "5s"];
        all.extend(&arguments);
        let output = machine.run(&all);
        let errors = of_type(&output, "error");
        assert_eq!(errors.len(), 1, "{arguments:?}: {}", text(&output));
        let message = format!("{} {}", errors[0]["message"], errors[0]["hint"]);
        assert!(message.contains(part), "{arguments:?}: {}", text(&output));
        assert!(error.is_empty() || errors[0]["code"] == error, "{}", text(&output));
        for method in ["RegisterApplication", "RegisterAdvertisement", "Set"] {
            assert_eq!(machine.bluez.count(method), 0, "{arguments:?}: {method}");
        }
    }
}

#[test]
fn what_bluez_refuses_is_said_and_taken_back() {
    for (method, reply, part) in [
        (
            "RegisterAdvertisement",
            Reply::Error("org.bluez.Error.NotPermitted", "Maximum advertisements reached"),
            "Maximum advertisements reached",
        ),
        (
            "RegisterAdvertisement",
            Reply::Error("org.bluez.Error.Failed", "Failed to parse advertisement."),
            "Failed to parse",
        ),
        (
            "RegisterApplication",
            Reply::Error("org.bluez.Error.Failed", "Failed to create entry in database"),
            "Failed to create entry",
        ),
        (
            "RegisterApplication",
            Reply::Error("org.freedesktop.DBus.Error.AccessDenied", "Rejected send message"),
            "Rejected",
        ),
        ("RegisterAdvertisement", Reply::Silence, "no answer"),
    ] {
        let machine = Machine::new(0);
        machine.bluez.script(method, [reply.clone()]);
        let output = machine.run(&[
            "--adapter",
            "hci0",
            "--json",
            "--timeout",
            "3s",
            "emulate",
            "--duration",
            "5s",
            "base",
            "--name",
            "Light-1",
        ]);
        let errors = of_type(&output, "error");
        assert!(errors[0]["message"].as_str().unwrap().contains(part), "{reply:?}: {}", text(&output));
        assert!([4, 5].contains(&code(&output)), "{}", text(&output));
        assert_eq!(alias(&machine.bluez), "machine", "{reply:?}");
        let registered =
            machine.bluez.count("RegisterApplication") - usize::from(method == "RegisterApplication");
        assert_eq!(machine.bluez.count("UnregisterApplication"), registered, "{reply:?}");
    }
}

#[test]
fn two_programs_do_not_share_an_adapter() {
    let machine = Machine::new(0);
    let bulb = Emulation::base(&machine);
    let second = machine.run(&[
        "--adapter",
        "hci0",
        "--json",
        "emulate",
        "--duration",
        "5s",
        "base",
        "--name",
        "Light-2",
    ]);
    assert_eq!(code(&second), 4, "{}", text(&second));
    assert!(text(&second).contains("another bulbctl"), "{}", text(&second));
    assert_eq!(alias(&machine.bluez), "Light-1");
    bulb.interrupt();
}

#[test]
fn the_bulb_is_on_the_air_again_after_everything_that_ends_it() {
    let machine = Machine::new(0);
    let bluez = &machine.bluez;
    let mut bulb = Emulation::base(&machine);

    // Another BlueZ, with a gap and without.
    bluez.ends();
    assert!(bulb.wait_for("off_air")["reason"].as_str().unwrap().contains("bluetoothd"));
    bluez.starts(":1.3");
    bulb.wait_for("advertising");
    bluez.wait_for("RegisterAdvertisement", 2);
    bluez.forgets();
    bluez.starts(":1.4");
    bluez.wait_for("RegisterAdvertisement", 3);
    assert_eq!(bluez.count("RegisterApplication"), 3);

    // The adapter off and on.
    let powered = |on| bluez.change(ADAPTER, "org.bluez.Adapter1", "Powered", Value::Bool(on));
    powered(false);
    bulb.wait_for("off_air");
    bluez.wait_for("UnregisterAdvertisement", 1);
    powered(true);
    bulb.wait_for("advertising");
    bluez.wait_for("RegisterAdvertisement", 4);

    // A sleep.
    let manager = "org.freedesktop.login1.Manager";
    bluez.clients.signal(":1.9", "/org/freedesktop/login1", manager, "PrepareForSleep", (true,));
    bluez.clients.signal(":1.9", "/org/freedesktop/login1", manager, "PrepareForSleep", (false,));
    bluez.wait_for("RegisterAdvertisement", 5);

    // BlueZ drops the advertisement.
    bluez.ask(ADVERTISEMENT, "org.bluez.LEAdvertisement1", "Release", ());
    bluez.wait_for("RegisterAdvertisement", 6);

    // The bus.
    bluez.clients.cut();
    bulb.wait_for("off_air");
    bluez.clients.open();
    bulb.wait_for("advertising");
    bluez.wait_for("RegisterAdvertisement", 7);
    connect(bluez);
    bulb.wait_for("connected");
    assert_eq!(read(bluez, STATUS, 0).unwrap().len(), 5);
    bulb.interrupt();
    assert_eq!(alias(bluez), "machine");
}

#[test]
fn a_registration_that_fails_is_tried_again() {
    let machine = Machine::new(0);
    let bluez = &machine.bluez;
    let mut bulb = Emulation::base(&machine);
    let busy = Reply::Error("org.bluez.Error.Failed", "Failed to register advertisement");
    bluez.script("RegisterAdvertisement", [busy.clone(), busy, Reply::Usual]);
    bluez.ask(ADVERTISEMENT, "org.bluez.LEAdvertisement1", "Release", ());
    assert!(bulb.wait_for("off_air")["reason"].as_str().unwrap().contains("Failed to register"));
    bulb.wait_for("advertising");
    bluez.wait_for("RegisterAdvertisement", 4);
    bulb.interrupt();
}

/// Kills a program that emulates.
fn killed(machine: &Machine) {
    let bulb = Emulation::base(machine);
    bulb.signal(rustix::process::Signal::KILL);
    assert_eq!(bulb.end().0, None);
    assert_eq!(alias(&machine.bluez), "Light-1");
}

#[test]
fn the_name_of_the_adapter_is_restored_after_a_kill() {
    let machine = Machine::new(0);
    killed(&machine);
    let doctor = machine.run(&["doctor"]);
    assert!(text(&doctor).contains("adapter.name_restored"), "{}", text(&doctor));
    assert_eq!(alias(&machine.bluez), "machine");
    let again = machine.run(&["doctor"]);
    assert!(!text(&again).contains("adapter.name_restored"), "{}", text(&again));

    killed(&machine);
    let (_, errors) = Emulation::base(&machine).interrupt();
    assert!(errors.contains("restored the name of adapter hci0"), "{errors}");
    assert_eq!(alias(&machine.bluez), "machine");
}

#[test]
fn a_name_that_someone_else_has_given_stays() {
    let machine = Machine::new(0);
    machine.bluez.change(ADAPTER, "org.bluez.Adapter1", "Alias", Value::text("Desk"));
    killed(&machine);
    machine.bluez.change(ADAPTER, "org.bluez.Adapter1", "Alias", Value::text("Kitchen"));
    let doctor = machine.run(&["doctor"]);
    assert!(!text(&doctor).contains("adapter.name_restored"), "{}", text(&doctor));
    assert_eq!(alias(&machine.bluez), "Kitchen");

    machine.bluez.change(ADAPTER, "org.bluez.Adapter1", "Alias", Value::text("Desk"));
    Emulation::base(&machine).interrupt();
    assert_eq!(alias(&machine.bluez), "Desk", "an alias of the user's own");
}
