//! The ways out: each signal in each phase of each verb that has it, a full disk, a home that cannot be written, a reader that goes.

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::*;

/// Time limit for each step: far more than it needs, since test machines are busy.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Scanning,
    Connecting,
    Discovering,
    Working,
    Idle,
}

use Phase::{Connecting, Discovering, Idle, Scanning, Working};

const ALL: &[Phase] = &[Scanning, Connecting, Discovering, Working];

/// Every verb that waits for a radio, and the phases that it has.
const VERBS: [(&[&str], &[Phase]); 18] = [
    (&["scan", "--watch"], &[Scanning]),
    (&["scan", "--duration", "50s"], &[Scanning]),
    (&["on", "Light-1"], ALL),
    (&["off", "Light-1"], ALL),
    (&["toggle", "Light-1"], ALL),
    (&["set", "Light-1", "--brightness", "7"], ALL),
    (&["set", "Light-1", "--brightness", "7", "--fade", "50s"], ALL),
    (&["status", "Light-1"], ALL),
    (&["watch", "Light-1"], &[Scanning, Connecting, Discovering, Working, Idle]),
    (&["battery", "Light-1"], ALL),
    (&["connect", "Light-1"], &[Scanning, Connecting, Discovering]),
    (&["info", "Light-1"], ALL),
    (&["gatt", "read", "Light-1", "fff2"], ALL),
    (&["gatt", "write", "Light-1", "fff1", "0164ffffff"], ALL),
    (&["gatt", "notify", "Light-1", "fff2"], &[Scanning, Connecting, Discovering, Working, Idle]),
    (&["bench", "Light-1"], ALL),
    (&["check", "Light-1", "--junit", "REPORT"], ALL),
    (&["profiles", "detect", "Light-1"], ALL),
];

impl Phase {
    fn rig(self) -> String {
        let silent = |points: &[&str]| -> String {
            points.iter().map(|on| format!("[[bulb.fault]]\non = \"{on}\"\ndo = \"silent\"\n")).collect()
        };
        let (name, faults) = match self {
            Scanning => ("Light-Other", String::new()),
            Connecting => ("Light-1", silent(&["connect"])),
            Discovering => ("Light-1", silent(&["discover"])),
            Working => ("Light-1", silent(&["read", "write", "subscribe"])),
            Idle => ("Light-1", String::new()),
        };
        format!(
            "rig = 1\n[[bulb]]\nname = \"{name}\"\naddress = \"C4:11:00:00:00:01\"\nbattery = 50\n{faults}"
        )
    }

    /// Returns the texts on stderr (with -vv) or in the air log that show the phase.
    fn sign(self) -> &'static [&'static str] {
        match self {
            Scanning => &["scan starts"],
            Connecting => &["connecting"],
            Discovering => &["\"event\":\"connect\""],
            Working => &["\"event\":\"read\"", "\"event\":\"write\"", "\"event\":\"subscribe\""],
            Idle => &["\"event\":\"subscribe\""],
        }
    }
}

struct Running<'a> {
    machine: &'a Machine,
    child: Child,
    said: Receiver<String>,
    errors: String,
}

impl<'a> Running<'a> {
    fn start(machine: &'a Machine, rig: &str, arguments: &[&str]) -> Self {
        let report = machine.path().join("report.xml");
        let arguments: Vec<&str> = arguments
            .iter()
            .map(|argument| if *argument == "REPORT" { report.to_str().unwrap() } else { argument })
            .collect();
        let mut child = machine
            .on_rig(rig, &[&["-vv", "--json", "--timeout", "50s"], &arguments[..]].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let (say, said) = channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = stderr.read(&mut bytes) {
                say.send(String::from_utf8_lossy(&bytes[..count]).into_owned()).ok();
            }
        });
        Self { machine, child, said, errors: String::new() }
    }

    fn wait_for(&mut self, signs: &[&str]) {
        let start = Instant::now();
        loop {
            self.errors.extend(self.said.try_iter());
            let air = self.machine.air();
            if signs.iter().any(|sign| self.errors.contains(sign) || air.contains(sign)) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{signs:?} never came: {}\n{air}", self.errors);
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the end: the exit code, and what was said on stdout and stderr.
    fn end(mut self) -> (Option<i32>, String, String) {
        let start = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            if start.elapsed() > PATIENCE {
                self.child.kill().ok();
                panic!("it does not end: {}", self.errors);
            }
            thread::sleep(Duration::from_millis(5));
        }
        let mut out = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        self.errors.extend(self.said.iter());
        (self.child.wait().unwrap().code(), out, self.errors)
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The files are whole, and no others are left.
fn files_are_whole(machine: &Machine, what: &str) {
    for file in files(machine.path()) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        assert!(!name.contains("tmp"), "{what} leaves {name}");
        if name.ends_with(".json") {
            let text = fs::read_to_string(&file).unwrap();
            serde_json::from_str::<Value>(&text).unwrap_or_else(|error| panic!("{what}: {name}: {error}"));
        }
        assert!(name != "report.xml", "{what}: there is a report of a suite that did not end");
    }
}

fn interrupted(arguments: &[&str], phase: Phase, signal: &str) {
    let what = format!("SIG{signal} in {phase:?} of {arguments:?}");
    let machine = Machine::new();
    let mut running = Running::start(&machine, &phase.rig(), arguments);
    running.wait_for(phase.sign());
    send(signal, &running.child);
    let sent = Instant::now();
    let (code, out, errors) = running.end();
    assert_eq!(code, Some(130), "{what}: {out}{errors}");
    // The clean-up has two seconds, and a busy machine some more.
    assert!(sent.elapsed() < Duration::from_secs(8), "{what}: {:?}", sent.elapsed());
    assert!(!errors.contains("panicked"), "{what}: {errors}");
    let lines: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{what}: {error}: {line}")))
        .collect();
    assert_eq!(lines.last().unwrap()["code"], "interrupted", "{what}: {out}");
    machine.assert_no_link_is_left(&what);
    files_are_whole(&machine, &what);
}

/// Runs each case, several at once, as they wait most of the time.
fn each<T: Sync>(cases: &[T], run: impl Fn(&T) + Sync) {
    let next = Mutex::new(cases.iter());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(case) = { next.lock().unwrap().next() } {
                    run(case);
                }
            });
        }
    });
}

#[test]
fn each_signal_in_each_phase_of_each_verb_ends_it_cleanly() {
    let cases: Vec<_> = VERBS
        .iter()
        .flat_map(|(arguments, phases)| phases.iter().map(move |phase| (*arguments, *phase)))
        .flat_map(|(arguments, phase)| {
            ["INT", "TERM", "HUP", "QUIT"].map(|signal| (arguments, phase, signal))
        })
        .collect();
    assert!(cases.len() > 250, "{} cases", cases.len());
    each(&cases, |(arguments, phase, signal)| interrupted(arguments, *phase, signal));
}

/// A link that `connect` keeps stays up, also after commands on it fail.
#[test]
fn a_kept_link_outlives_each_signal() {
    let cases = ["INT", "TERM", "HUP"].map(|signal| (signal, ["status", "toggle", "watch", "gatt notify"]));
    let cases: Vec<_> = cases.iter().flat_map(|(signal, verbs)| verbs.map(|verb| (*signal, verb))).collect();
    each(&cases, |(signal, verb)| {
        let machine = Machine::new();
        let phase = if matches!(*verb, "watch" | "gatt notify") { Idle } else { Working };
        let keeper = Running::start(&machine, &phase.rig(), &["connect", "Light-1"]);
        assert_eq!(keeper.end().0, Some(0));
        let mut arguments: Vec<&str> = verb.split(' ').chain(["Light-1"]).collect();
        arguments.extend(verb.starts_with("gatt").then_some("fff2"));
        let mut running = Running::start(&machine, &phase.rig(), &arguments);
        running.wait_for(phase.sign());
        send(signal, &running.child);
        assert_eq!(running.end().0, Some(130), "{signal} {verb}");
        let air = machine.air();
        assert_eq!(air.matches("\"event\":\"connect\"").count(), 1, "{air}");
        assert!(!air.contains("\"event\":\"disconnect\""), "{signal} {verb}: {air}");
    });
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let machine = Machine::new();
    let mut running = Running::start(&machine, &Working.rig(), &["bench", "Light-1"]);
    running.wait_for(Working.sign());
    send("INT", &running.child);
    send("INT", &running.child);
    assert_eq!(running.end().0, Some(130));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_and_leaves_no_link() {
    let verbs: &[&[&str]] = &[
        &["scan", "--duration", "500ms"],
        &["on", "Light-1"],
        &["status", "Light-1"],
        &["watch", "Light-1", "--count", "1"],
        &["battery", "Light-1"],
        &["info", "Light-1", "--listen", "300ms"],
        &["gatt", "read", "Light-1", "fff2"],
        &["check", "Light-1"],
        &["profiles", "list"],
        &["frame", "decode", "0164ff0000"],
        &["completions", "bash"],
        &["man"],
    ];
    each(verbs, |arguments| {
        let machine = Machine::new();
        let output = machine
            .on_rig(&Idle.rig(), arguments)
            .stdout(fs::OpenOptions::new().write(true).open("/dev/full").unwrap())
            .output()
            .unwrap();
        assert_eq!(code(&output), 1, "{arguments:?}: {output:?}");
        assert!(stderr(&output).contains("cannot write the output"), "{arguments:?}: {}", stderr(&output));
        machine.assert_no_link_is_left(&format!("{arguments:?}"));
    });
}

/// A file that cannot be written is an error, and an existing file is replaced as a whole.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_cannot_be_written_is_told_and_is_never_half() {
    let machine = Machine::new();
    let rig = Idle.rig();
    let only = ["check", "Light-1", "--only", "command-on", "--json", "--junit"];
    // Never at a device itself: what replaces files would replace that.
    let full = machine.path().join("full");
    std::os::unix::fs::symlink("/dev/full", &full).unwrap();
    for path in [full.to_str().unwrap(), "/nowhere/at/all.xml"] {
        let output = machine.rig(&rig, &[&only[..], &[path]].concat());
        failed(&output, 2, "usage.file_unwritable");
    }
    assert!(fs::symlink_metadata(&full).unwrap().is_symlink());
    // One that is there is replaced as a whole.
    let file = machine.write("report.xml", "of before");
    succeeded(&machine.rig(&rig, &[&only[..], &[&file]].concat()));
    let report = fs::read_to_string(&file).unwrap();
    assert!(report.ends_with("</testsuites>\n"), "{report}");
}

#[test]
fn each_stream_ends_with_its_reader() {
    let verbs: &[&[&str]] = &[
        &["scan", "--watch", "--any"],
        &["scan", "--duration", "20s"],
        &["watch", "Light-1"],
        &["gatt", "notify", "Light-1", "fff2"],
        &["check", "Light-1"],
        &["check", "--list"],
        &["profiles", "list"],
    ];
    let cases: Vec<_> = verbs.iter().flat_map(|verb| [(*verb, false), (*verb, true)]).collect();
    each(&cases, |(arguments, json)| {
        let machine = Machine::new();
        // Somebody else dims it, or gives it another name, all the time.
        let does = |n| match arguments[0] {
            "scan" => format!("do = \"rename\"\nname = \"Light-{n}\""),
            _ => format!("do = \"set\"\nbrightness = {}", n % 100),
        };
        let events: String = (1..300)
            .map(|n| {
                format!("[[event]]\nat = \"{}ms\"\nbulb = \"C4:11:00:00:00:01\"\n{}\n", n * 100, does(n))
            })
            .collect();
        let mut child = machine
            .on_rig(&format!("{}{events}", Idle.rig()), arguments)
            .args(json.then_some("--json"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // One line is read, as `head -1` does.
        let mut line = [0];
        let mut out = child.stdout.take().unwrap();
        while line[0] != b'\n' {
            assert_eq!(out.read(&mut line).unwrap(), 1, "{arguments:?} says nothing");
        }
        drop(out);
        let output = child.wait_with_output().unwrap();
        assert_eq!((code(&output), stderr(&output).as_str()), (0, ""), "{arguments:?} {json}");
        machine.assert_no_link_is_left(&format!("{arguments:?}"));
    });
}

#[test]
fn a_home_that_cannot_be_written_stops_nothing() {
    for home in ["/proc/nowhere", "/dev/null", ""] {
        let machine = Machine::new();
        for arguments in [&["on", "Light-1"][..], &["scan", "--first"], &["profiles", "list"], &["doctor"]] {
            let output = machine
                .on_rig(&Idle.rig(), arguments)
                .envs(["HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"].map(|name| (name, home)))
                .env_remove("BULBCTL_SIM_DIR")
                .output()
                .unwrap();
            assert_eq!(code(&output), 0, "{home:?} {arguments:?}: {output:?}");
        }
    }
}
