//! `emulate` on the sim air: one process is the bulb, others find it and drive it.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::ChildStdin;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use bulb_protocol::profile::{Feature, Features, Profile, builtin};

use super::*;

/// The longest time for something to happen on a busy machine.
const SOON: Duration = Duration::from_secs(30);
/// The air of the tests: nothing but what is emulated.
const EMPTY: &str = "rig = 1\n";

/// A running `bulbctl emulate`.
struct Emulator {
    child: Child,
    input: ChildStdin,
    records: Receiver<Value>,
}

impl Emulator {
    fn start(machine: &Machine, arguments: &[&str]) -> Self {
        let mut command = machine.on_rig(EMPTY, &[&["--json", "emulate"], arguments].concat());
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (lines, records) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in output.lines() {
                let record: Value = serde_json::from_str(&line.unwrap()).unwrap();
                if lines.send(record).is_err() {
                    return;
                }
            }
        });
        let input = child.stdin.take().unwrap();
        Self { child, input, records }
    }

    fn line(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// The next record for which this holds; those before it are skipped.
    #[track_caller]
    fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        let mut seen = Vec::new();
        while let Ok(record) = self.records.recv_timeout(SOON.saturating_sub(start.elapsed())) {
            if wanted(&record) {
                return record;
            }
            seen.push(record);
        }
        let seen: Vec<String> = seen.iter().map(ToString::to_string).collect();
        panic!("no {what} among\n{}", seen.join("\n"));
    }

    #[track_caller]
    fn event(&self, event: &str) -> Value {
        self.until(event, |record| record["event"] == event)
    }

    /// The command with this setting that arrived, or the state that a step led to.
    #[track_caller]
    fn command(&self, key: &str, value: impl Into<Value>) -> Value {
        let value = value.into();
        let is_it = |record: &Value| record["frame"][key] == value || record["state"][key] == value;
        self.until(&format!("{key} {value}"), is_it)
    }

    /// Ends with `quit`, and returns the exit code and the records that were not looked at.
    fn quit(mut self) -> (i32, Vec<Value>) {
        self.line("quit");
        let code = self.child.wait().unwrap().code().unwrap();
        (code, self.records.iter().collect())
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A second process on the same air.
fn other(machine: &Machine, arguments: &[&str]) -> Output {
    let output = machine.on_rig(EMPTY, &[&["--json"], arguments].concat()).output().unwrap();
    let _ = records(&output);
    output
}

fn state(machine: &Machine, arguments: &[&str]) -> Value {
    let output = other(machine, arguments);
    assert_eq!(code(&output), 0, "{arguments:?}: {output:?}");
    of_type(&output, "state").pop().unwrap()
}

fn sockets(machine: &Machine) -> usize {
    let sim = std::fs::read_dir(machine.path().join("sim")).unwrap();
    let airs = sim.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let files = airs.flat_map(|air| std::fs::read_dir(air).unwrap());
    files.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|end| end == "sock")).count()
}

#[test]
fn a_second_process_finds_the_bulb_and_drives_it() {
    let machine = Machine::new();
    let emulator = Emulator::start(&machine, &["base", "--name", "Light-Here"]);
    let advertising = emulator.event("advertising");
    assert_eq!((&advertising["adapter"], &advertising["profile"]), (&"sim".into(), &"base".into()));
    let scan = other(&machine, &["scan", "--first"]);
    let device = of_type(&scan, "device").pop().unwrap();
    assert_eq!((&device["name"], &device["address"]), (&"Light-Here".into(), &advertising["address"]));
    assert_eq!(device["rssi"], -60);

    let on = state(&machine, &["set", "Light-Here", "--on", "--brightness", "30", "--color", "red"]);
    assert_eq!((&on["confirmed"], &on["provenance"]), (&true.into(), &"reported".into()), "{on}");
    let connected = emulator.event("connected");
    assert!(connected["central"].as_str().unwrap().starts_with("process "), "{connected}");
    assert_eq!(connected["mtu"], 185);
    assert!(emulator.event("subscribed")["characteristic"].as_str().unwrap().starts_with("0000fff2-"));
    let write = emulator.event("write");
    assert_eq!((&write["hex"], &write["kind"]), (&"011eff0000".into(), &"request".into()), "{write}");
    assert_eq!((&write["meaning"], &write["frame"]["color"]), (&"command".into(), &"#ff0000".into()));
    assert_eq!(emulator.event("state")["state"]["brightness"], 30);
    assert_eq!(emulator.event("disconnected")["by"], "central");

    for (hex, meaning, att) in [("01", "malformed", 0x0d), ("02640000ff", "malformed", 0x80)] {
        let output = other(&machine, &["gatt", "write", "Light-Here", "fff1", hex]);
        failed(&output, 8, "bulb.refused");
        let write = emulator.event("write");
        assert_eq!((&write["meaning"], &write["att"]), (&meaning.into(), &att.into()), "{write}");
    }
    let (code, _) = emulator.quit();
    assert_eq!((code, sockets(&machine)), (0, 0));
    failed(&other(&machine, &["on", "Light-Here", "--timeout", "1s"]), 3, "target.not_found");
}

/// As BlueZ does, the system shares a link among programs, and keeps it on request.
#[test]
fn a_link_is_shared_and_kept() {
    let machine = Machine::new();
    let emulator = Emulator::start(&machine, &["base", "--name", "Light-Here"]);
    emulator.event("advertising");
    assert_eq!(code(&other(&machine, &["connect", "Light-Here"])), 0);
    emulator.event("connected");
    let known = other(&machine, &["scan", "--known", "--duration", "100ms"]);
    assert_eq!(of_type(&known, "device")[0]["connected"], true, "{known:?}");
    assert_eq!(state(&machine, &["on", "Light-Here"])["confirmed"], true);
    assert_eq!(state(&machine, &["status", "Light-Here"])["power"], true);
    assert_eq!(code(&other(&machine, &["disconnect", "Light-Here"])), 0);
    let until = emulator.until("end", |record| {
        assert_ne!(record["event"], "connected", "the link is made once");
        record["event"] == "disconnected"
    });
    assert_eq!(until["by"], "central");
}

#[test]
fn lines_change_the_state_drop_the_link_and_play_faults() {
    let machine = Machine::new();
    let mut emulator = Emulator::start(&machine, &["base", "--name", "Light-Here"]);
    emulator.event("advertising");
    let mut watch =
        machine.on_rig(EMPTY, &["--json", "watch", "Light-Here"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut watched = |what: &str, wanted: &dyn Fn(&Value) -> bool| {
        for line in &mut lines {
            let record: Value = serde_json::from_str(&line.unwrap()).unwrap();
            if wanted(&record) {
                return record;
            }
        }
        panic!("the watch ended without {what}");
    };
    watched("a state", &|record| record["type"] == "state");
    emulator.line("set --on --brightness 42 --color '#0000ff'");
    assert_eq!(emulator.event("state")["state"]["brightness"], 42);
    let done = emulator.until("done", |record| record["type"] == "done");
    assert_eq!((&done["line"], &done["exit"]), (&1.into(), &0.into()));
    watched("a notification", &|record| record["brightness"] == 42 && record["color"] == "#0000ff");
    emulator.line("set --brightness +8");
    watched("a step", &|record| record["brightness"] == 50);
    emulator.line("drop");
    assert_eq!(emulator.event("disconnected")["by"], "bulb");
    watched("the loss", &|record| record["state"] == "lost");
    watched("the reconnect", &|record| record["state"] == "connected");
    send("TERM", &watch);
    watch.wait().unwrap();

    emulator.line("fault on=write do=error att=0x91 count=1");
    emulator.until("fault", |record| record["line"] == 4);
    let refused = failed(&other(&machine, &["on", "Light-Here"]), 8, "bulb.refused");
    assert!(refused["message"].as_str().unwrap().contains("0x91"), "{refused}");
    assert_eq!(emulator.until("refusal", |record| record["event"] == "write")["att"], 0x91);
    succeeded(&other(&machine, &["off", "Light-Here"]));

    emulator.line("fault on=connect do=silent");
    emulator.until("fault", |record| record["line"] == 5);
    failed(&other(&machine, &["on", "Light-Here", "--timeout", "1s"]), 6, "connect.timeout");
    emulator.line("fault clear");
    emulator.line("rename Bulb-There");
    emulator.until("rename", |record| record["line"] == 7);
    succeeded(&other(&machine, &["on", "Bulb-There"]));
    emulator.line("vanish");
    emulator.event("off_air");
    failed(&other(&machine, &["on", "Bulb-There", "--timeout", "1s"]), 6, "connect.timeout");
    emulator.line("appear");
    emulator.event("advertising");
    succeeded(&other(&machine, &["off", "Bulb-There"]));

    for (line, message) in [
        ("drop", "has no link to drop"),
        ("shine", "unrecognized subcommand"),
        ("set --kelvin 2700", "kelvin"),
        ("on --bulb 2", "there is no bulb \"2\""),
        ("fault on=write do=error", "needs the key `att`"),
    ] {
        emulator.line(line);
        let error = emulator.until(line, |record| record["type"] == "error");
        assert!(error["message"].as_str().unwrap().contains(message), "{line}: {error}");
    }
    let (code, left) = emulator.quit();
    assert_eq!(code, 10, "{left:?}");
    assert_eq!(left.last().unwrap()["message"], "5 of 15 failed");
}

/// A bulb that advertises its state advertises the new one; a rig's own data stay.
#[test]
fn a_bulb_of_a_rig_has_its_name_data_services_and_defects() {
    let machine = Machine::new();
    let board = machine.write(
        "board.toml",
        "rig = 1\n[[bulb]]\nname = \"Light-Board\"\naddress = \"C4:11:00:00:09:01\"\nbattery = 61\nrssi = -47\n\
         manufacturer = { company = 0x0a12, data = \"0102\" }\n\
         device = { manufacturer = \"Bulb Works\", model = \"BW-9\" }\ndefects = [\"swaps-red-and-blue\"]\n\
         [[bulb.service]]\nuuid = \"fff0\"\n\
         [[bulb.service.characteristic]]\nuuid = \"fff1\"\nproperties = [\"write\"]\n\
         [[bulb.service.characteristic]]\nuuid = \"fff2\"\nproperties = [\"read\", \"notify\"]\n\
         [[bulb.service.characteristic]]\nuuid = \"fff7\"\nproperties = [\"read\", \"write\"]\nvalue = \"cafe\"\n\
         [[bulb.fault]]\non = \"write\"\ndo = \"lose\"\ncharacteristic = \"fff1\"\ncount = 1\n\
         [[bulb]]\nname = \"ELK-BLEDOM\"\naddress = \"C4:11:00:00:09:02\"\nprofile = \"elk\"\n\
         [[bystander]]\nname = \"TV\"\naddress = \"C4:11:00:00:09:F1\"\n",
    );
    let emulator = Emulator::start(&machine, &["--rig", &board, "--name", "Light-Board"]);
    emulator.event("advertising");
    let info = other(&machine, &["info", "Light-Board", "--listen", "200ms"]);
    let info = of_type(&info, "info").pop().unwrap();
    assert_eq!(info["advertisement"]["manufacturer"][0]["hex"], "0102", "{info}");
    assert_eq!((&info["advertisement"]["rssi"], &info["battery"]), (&Value::from(-47), &Value::from(61)));
    assert!(info["device"].to_string().contains("BW-9"), "{info}");
    let read = |expected: &str| {
        let value = other(&machine, &["gatt", "read", "Light-Board", "fff7"]);
        assert_eq!(of_type(&value, "value")[0]["hex"], expected, "{value:?}");
    };
    read("cafe");
    succeeded(&other(&machine, &["gatt", "write", "Light-Board", "fff7", "01"]));
    assert_eq!(emulator.until("a value", |record| record["event"] == "write")["meaning"], "value");
    read("01");
    // The fault loses the first command; the defect shows in the second.
    assert_eq!(state(&machine, &["on", "Light-Board"])["confirmed"], false);
    let swapped = state(&machine, &["set", "Light-Board", "--on", "--color", "red"]);
    assert_eq!((&swapped["color"], &swapped["confirmed"]), (&"#0000ff".into(), &false.into()), "{swapped}");
    failed(&other(&machine, &["on", "ELK-BLEDOM", "--timeout", "1s"]), 3, "target.not_found");
    drop(emulator);

    let both = Emulator::start(&machine, &["--rig", &board]);
    both.event("advertising");
    both.event("advertising");
    succeeded(&other(&machine, &["on", "ELK-BLEDOM"]));
    assert_eq!(both.event("connected")["name"], "ELK-BLEDOM");
}

#[test]
fn whatever_ends_it_nothing_is_left() {
    let machine = Machine::new();
    for signal in ["INT", "TERM", "HUP"] {
        let mut emulator = Emulator::start(&machine, &["base", "--name", "Light-Here"]);
        emulator.event("advertising");
        assert_eq!(sockets(&machine), 1, "{signal}");
        send(signal, &emulator.child);
        assert_eq!(emulator.child.wait().unwrap().code(), Some(130), "{signal}");
        assert_eq!(sockets(&machine), 0, "{signal}");
    }
    let timed =
        machine.on_rig(EMPTY, &["--json", "emulate", "base", "--duration", "100ms"]).output().unwrap();
    assert_eq!((code(&timed), records(&timed).len(), sockets(&machine)), (0, 1, 0), "{timed:?}");
}

/// The link breaks with the process, and the socket that it leaves disturbs nobody.
#[test]
fn a_bulb_that_is_killed_is_gone() {
    let machine = Machine::new();
    let mut emulator = Emulator::start(&machine, &["base", "--name", "Light-Here"]);
    emulator.event("advertising");
    let mut watch =
        machine.on_rig(EMPTY, &["--json", "watch", "Light-Here"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("\"state\""));
    emulator.child.kill().unwrap();
    emulator.child.wait().unwrap();
    assert!(lines.any(|line| line.unwrap().contains("\"lost\"")));
    assert_eq!(sockets(&machine), 1, "SIGKILL leaves it");
    let scan = other(&machine, &["scan", "--duration", "300ms"]);
    failed(&scan, 3, "scan.nothing");
    failed(&other(&machine, &["on", "Light-Here", "--timeout", "1s"]), 3, "target.not_found");
    // The watch finds the next one.
    let again = Emulator::start(&machine, &["base", "--name", "Light-Here"]);
    again.event("connected");
    assert!(lines.any(|line| line.unwrap().contains("\"connected\"")));
    send("TERM", &watch);
    watch.wait().unwrap();
}

/// The socket of the only bulb on the air.
fn socket(machine: &Machine) -> PathBuf {
    let sim = std::fs::read_dir(machine.path().join("sim")).unwrap();
    let air = sim.map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
    let mut files = std::fs::read_dir(air).unwrap().map(|file| file.unwrap().path());
    files.find(|file| file.extension().is_some_and(|end| end == "sock")).unwrap()
}

/// Whatever a process writes into the socket of a bulb, and if it reads nothing, others drive the bulb.
#[test]
fn a_process_that_talks_rubbish_harms_nobody() {
    let machine = Machine::new();
    let emulator = Emulator::start(&machine, &["base", "--name", "Light-Here"]);
    emulator.event("advertising");
    let socket = socket(&machine);
    let connect = || UnixStream::connect(&socket).unwrap();
    let mut held = Vec::new();
    // A read without a link.
    let read = r#"{"number":1,"do":"read","characteristic":"0000fff0-0000-1000-8000-00805f9b34fb/0000fff2-0000-1000-8000-00805f9b34fb"}"#;
    for line in ["", "{", "{\"number\":1}", "{\"number\":-1,\"do\":\"look\"}", "\0\u{1b}[2J", read] {
        let mut stream = connect();
        writeln!(stream, "{line}").unwrap();
        held.push(stream);
    }
    // A line without an end, and a reader that does not read.
    let mut endless = connect();
    let _ = endless.write_all(&vec![b'x'; 2 << 20]);
    let mut deaf = connect();
    deaf.set_nonblocking(true).unwrap();
    while deaf.write_all(b"{\"number\":1,\"do\":\"look\"}\n").is_ok() {}
    // More connections than a bulb takes.
    held.extend((0..100).map(|_| connect()));
    drop(held);
    drop((endless, deaf));
    assert_eq!(state(&machine, &["on", "Light-Here", "--wait=10s"])["confirmed"], true);
    emulator.event("connected");
    assert_eq!(emulator.event("disconnected")["by"], "central");
}

/// A process that takes the place of a bulb and talks rubbish, or nothing at all, is no bulb.
#[test]
fn a_socket_that_talks_rubbish_is_no_bulb() {
    let machine = Machine::new();
    let emulator = Emulator::start(&machine, &["base", "--name", "Light-Here"]);
    emulator.event("advertising");
    let air = socket(&machine).parent().unwrap().to_owned();
    let silent = UnixListener::bind(air.join("c41100000f01.sock")).unwrap();
    let rubbish = UnixListener::bind(air.join("c41100000f02.sock")).unwrap();
    let talk = thread::spawn(move || {
        while let Ok((mut stream, _)) = rubbish.accept() {
            let mut first = [0];
            // Whoever looks for stale sockets asks nothing.
            if stream.read(&mut first).is_ok_and(|read| read == 0) {
                return;
            }
            let _ = stream.write_all(b"{\"advertisement\":{\"name\":7}}\n\xff\xfe\n");
        }
    });
    std::fs::write(air.join("c41100000f03.sock"), "a file").unwrap();
    std::fs::write(air.join("nonsense.sock"), "").unwrap();
    let scan = other(&machine, &["scan", "--any", "--duration", "500ms"]);
    let names: Vec<_> = of_type(&scan, "device").iter().map(|device| device["name"].clone()).collect();
    assert_eq!(names, ["Light-Here"], "{scan:?}");
    assert_eq!(state(&machine, &["on", "Light-Here"])["confirmed"], true);
    failed(&other(&machine, &["on", "C4:11:00:00:0F:03", "--timeout", "2s"]), 3, "target.not_found");
    drop(silent);
    // Ends the thread.
    drop(UnixStream::connect(air.join("c41100000f02.sock")).unwrap());
    talk.join().unwrap();
}

/// Every connect, subscription and disconnect of five hundred is a record, and no socket stays open.
#[test]
fn many_connects_leave_nothing_behind() {
    let machine = Machine::new();
    let emulator = Emulator::start(&machine, &["base", "--name", "Light-Here"]);
    emulator.event("advertising");
    let open = || std::fs::read_dir(format!("/proc/{}/fd", emulator.child.id())).map(Iterator::count).ok();
    let lines = "on Light-Here\ndisconnect Light-Here\n".repeat(500);
    let before = open();
    let run = fed(machine.on_rig(EMPTY, &["--json", "run", "-"]), lines.as_bytes());
    assert_eq!(code(&run), 0, "{:?}", stdout(&run).lines().last());
    let mut counts = [0; 3];
    while counts[2] < 500 {
        let record = emulator.until("record", |_| true);
        for (count, event) in counts.iter_mut().zip(["connected", "subscribed", "disconnected"]) {
            *count += usize::from(record["event"] == event);
        }
    }
    assert_eq!(counts, [500; 3]);
    // The last connection may still be ending.
    let start = Instant::now();
    while open() > before && start.elapsed() < SOON {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(open(), before);
}

#[test]
fn what_cannot_be_emulated_is_refused_before_anything_is_touched() {
    let machine = Machine::new();
    let run =
        |arguments: &[&str]| machine.on_rig(EMPTY, &[&["--json"], arguments].concat()).output().unwrap();
    failed(&run(&["emulate", "lamp"]), 2, "usage.profile");
    failed(&run(&["emulate"]), 2, "usage");
    failed(&run(&["emulate", "elk", "base", "--name", "Light"]), 2, "usage");
    failed(&run(&["emulate", "--rig", "none.toml"]), 2, "usage.file");
    let rig =
        machine.write("other.toml", "rig = 1\n[[bulb]]\nname = \"L\"\naddress = \"C4:11:00:00:00:01\"\n");
    failed(&run(&["emulate", "elk", "--rig", &rig]), 2, "rig.invalid");
    failed(&run(&["--adapter", "replay:x.jsonl", "emulate", "elk"]), 4, "adapter.no_peripheral");
    let taken = machine.sim(&["--json", "emulate", "elk", "--address", "C4:11:00:00:00:01"]);
    let error = failed(&taken, 2, "emulate.not_playable");
    assert!(error["message"].as_str().unwrap().contains("Light-Desk of its rig has this address"), "{error}");

    let emulator = Emulator::start(&machine, &["base", "--name", "Light-Here"]);
    emulator.event("advertising");
    let error = failed(&run(&["emulate", "base", "--name", "Light-Here"]), 2, "emulate.not_playable");
    assert!(error["message"].as_str().unwrap().contains("another bulbctl emulates"), "{error}");
    succeeded(&other(&machine, &["on", "Light-Here"]));
}

/// Every family that can be driven, and the first of its variants.
fn profiles() -> Vec<Profile> {
    let families = builtin::families().unwrap();
    let all = families.iter().flat_map(|family| {
        let variants: Vec<_> = family.variants().map(|(name, ..)| Some(name.to_owned())).collect();
        let profiles = [None].into_iter().chain(variants);
        let profiles = profiles.map(|variant| family.profile(variant.as_deref()).unwrap());
        profiles.filter(|one| one.unsupported.is_none() && !one.needs_key()).take(2).collect::<Vec<_>>()
    });
    all.collect()
}

/// Calls a function with each of these, eight at a time.
fn in_parallel<T: Sync>(all: &[T], call: impl Fn(&T) + Sync) {
    let next = Mutex::new(all.iter());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let one = next.lock().unwrap().next();
                    match one {
                        Some(one) => call(one),
                        None => return,
                    }
                }
            });
        }
    });
}

/// Each bulb is recognised by what it advertises and serves, and understands what a second process writes.
#[test]
fn every_family_is_driven_by_a_second_process() {
    in_parallel(&profiles(), |profile| {
        let (machine, name) = (Machine::new(), profile.full_name());
        let emulator = Emulator::start(&machine, &[&name]);
        let address = emulator.event("advertising")["address"].as_str().unwrap().to_owned();
        let can = |feature| profile.settable().contains(feature);
        let set = |arguments: &[&str]| {
            let state = state(&machine, &[&["set", &address, "--profile", &name], arguments].concat());
            assert_ne!(state["confirmed"], false, "{name} {arguments:?}: {state}");
        };
        if can(Feature::Power) {
            set(&["--on"]);
            emulator.command("power", true);
        }
        let bright = can(Feature::Brightness) && !profile.scales_brightness();
        // Together: the frames of some families have both.
        match (can(Feature::Color), bright) {
            (true, true) => set(&["--color", "#00ff00", "--brightness", "100"]),
            (true, false) => set(&["--color", "#00ff00"]),
            (false, true) => set(&["--brightness", "100"]),
            (false, false) => {}
        }
        if can(Feature::Color) {
            emulator.command("color", "#00ff00");
        } else if bright {
            emulator.command("brightness", 100);
        }
        if let (true, Some(effect)) = (can(Feature::Effect), profile.effects().next()) {
            let with: &[&str] = if bright { &["--brightness", "100"] } else { &[] };
            set(&[&["--effect", effect], with].concat());
            emulator.command("effect", effect);
        }
        let (code, left) = emulator.quit();
        assert_eq!(code, 0, "{name}");
        let odd = |record: &&Value| matches!(record["meaning"].as_str(), Some("unknown" | "malformed"));
        assert_eq!(left.iter().find(odd), None, "{name}");
        assert!(profile.settable() != Features::NONE, "{name}");
    });
}

/// The checks that take no rests: those of a whole run on each family take minutes.
const CHECKS: &str = "advertises,name-and-services,connects-in-time,roles-and-properties,no-duplicates,state-readable,\
                      subscribes,answers-in-time,notified-is-read,answer-before-notification,command-*,brightness-50,\
                      color-red,malformed-short,second-connect";

#[test]
fn the_conformance_suite_passes_on_every_family() {
    let families: Vec<&str> = builtin::names().collect();
    in_parallel(&families, |family| {
        if builtin::load(family, None).unwrap().unsupported.is_some() {
            return;
        }
        let machine = Machine::new();
        let emulator = Emulator::start(&machine, &[family]);
        let address = emulator.event("advertising")["address"].as_str().unwrap().to_owned();
        let check = other(&machine, &["check", &address, "--only", CHECKS]);
        assert_eq!(code(&check), 0, "{family}: {:?}", of_type(&check, "check"));
        let summary = of_type(&check, "check_summary").pop().unwrap();
        assert!(summary["passed"].as_u64().unwrap() >= 7, "{family}: {summary}");
        assert_eq!(summary["blocked"], 0, "{family}: {summary}");
    });
}
