//! docs/BRIDGE.md: its lines for a shell, run as they are, and the tests that its numbers name.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::bridge::Bridge;
use super::broker::Message;
use super::*;

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/BRIDGE.md")).unwrap()
}

/// The lines of the table for a shell, each with its purpose.
fn lines<'a>(page: &'a str) -> Vec<(&'a str, &'a str)> {
    let row = |row: &'a str| row.strip_prefix("| ")?.strip_suffix("` |")?.split_once(" | `");
    page.lines().filter_map(row).filter(|(_, line)| line.starts_with("mosquitto_")).collect()
}

/// Bulbs that together can do what the lines ask for.
const FAMILIES: [&str; 3] = ["name = \"Light-Desk\"", "profile = \"playbulb\"", "profile = \"yeelight\""];

/// Each line of the table: its purpose, its bulb, the command that comes before it, and the state after it.
const COMMANDS: &[(&str, usize, &str, &str)] = &[
    ("switch on", 0, "OFF", r#"{"state":"ON"}"#),
    ("switch off", 0, "ON", r#"{"state":"OFF"}"#),
    ("toggle", 0, "OFF", r#"{"state":"ON"}"#),
    ("dim to 30 %", 0, r#"{"brightness":90}"#, r#"{"brightness":30}"#),
    ("set a colour", 0, r#"{"color":"blue"}"#, r#"{"color":{"r":255,"g":165,"b":0}}"#),
    ("set a colour by its parts", 0, r#"{"color":"blue"}"#, r#"{"color":{"r":255,"g":128,"b":0}}"#),
    ("set warm white", 2, r#"{"color":"blue"}"#, r#"{"color_mode":"color_temp","color_temp":2700}"#),
    (
        "use the white channel at 40 %",
        1,
        r#"{"state":"ON","color":"blue"}"#,
        r#"{"color_mode":"white","brightness":40}"#,
    ),
    ("start an effect", 1, r#"{"state":"ON","color":"blue"}"#, r#"{"effect":"rainbow"}"#),
    ("end it", 1, r#"{"effect":"rainbow"}"#, r#"{"effect":"off"}"#),
    (
        "do several things in one frame",
        0,
        r#"{"state":"OFF","brightness":90,"color":"blue"}"#,
        r#"{"state":"ON","brightness":30,"color":{"r":255,"g":0,"b":0}}"#,
    ),
    ("fade over 5 seconds", 0, r#"{"state":"ON","brightness":10}"#, r#"{"brightness":100}"#),
    ("switch a group", 0, "OFF", r#"{"state":"ON"}"#),
    ("use names in place of addresses", 0, r#"{"brightness":90}"#, r#"{"brightness":30}"#),
];

/// A broker and a bridge with one bulb, and where mosquitto's clients find that broker without being told.
struct Home {
    _bridge: Bridge,
    machine: Machine,
    witness: Witness,
    broker: Mosquitto,
}

impl Home {
    fn start(family: &str) -> Option<Self> {
        let broker = Mosquitto::start()?;
        let witness = broker.witness();
        let rig = format!("rig = 1\n[[bulb]]\naddress = \"C4:11:00:00:00:01\"\n{family}\n");
        let machine = Machine::new(&rig);
        machine.config("[groups]\noffice = [\"all\"]\n");
        for client in ["pub", "sub", "rr"] {
            machine.write(&format!("config/mosquitto_{client}"), &format!("-p {}\n-V 5\n", broker.port));
        }
        let bridge = machine.bridge(&broker, &[]);
        witness.wait_for_state(DESK);
        Some(Self { _bridge: bridge, machine, witness, broker })
    }

    fn shell(&self, line: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec {line}")]).env("XDG_CONFIG_HOME", self.machine.path("config"));
        shell.stdin(Stdio::null());
        shell
    }

    fn commanded(&self, line: &str, before: &str, want: &str) {
        let answer = self.broker.request(&set(DESK), before);
        assert_ne!(answer["result"], "failed", "{before}: {answer}");
        let want: Value = serde_json::from_str(want).unwrap();
        let reaches = |message: &Message| {
            let state = if message.topic == state(DESK) { message.json() } else { return false };
            want.as_object().unwrap().iter().all(|(key, value)| state[key] == *value)
        };
        until(&format!("a state that {line} changes"), || {
            self.witness.last(&state(DESK)).filter(|last| !reaches(last))
        });
        let from = self.witness.count();
        assert!(self.shell(line).status().unwrap().success(), "{line}");
        self.witness.wait_after(from, line, reaches);
    }

    /// Runs a line that reads, and returns the first line that it prints with this in it.
    fn reads(&self, line: &str, wanted: &str, provoke: impl Fn()) {
        let mut child = self.shell(line).stdout(Stdio::piped()).spawn().unwrap();
        let out = std::io::BufReader::new(child.stdout.take().unwrap());
        let (sender, found) = std::sync::mpsc::channel();
        let text = wanted.to_owned();
        std::thread::spawn(move || {
            let mut lines = std::io::BufRead::lines(out).map_while(Result::ok);
            let _ = sender.send(lines.any(|line| line.contains(&text)));
        });
        let found = until(&format!("{wanted} from {line}"), || {
            provoke();
            found.recv_timeout(Duration::from_millis(100)).ok()
        });
        let _ = child.kill();
        child.wait().unwrap();
        assert!(found, "{line} printed no {wanted}");
    }
}

#[test]
fn the_lines_for_a_shell_do_what_they_say() {
    let Some(homes) = FAMILIES.into_iter().map(Home::start).collect::<Option<Vec<_>>>() else { return };
    let desk = &homes[0];
    let page = page();
    let lines = lines(&page);
    assert!(lines.len() >= 19, "{lines:?}");
    let mut tried = BTreeSet::new();
    for (what, line) in &lines {
        if let Some((_, home, before, want)) = COMMANDS.iter().find(|(name, ..)| name == what) {
            homes[*home].commanded(line, before, want);
            tried.insert(*what);
            continue;
        }
        let wrong = || desk.broker.publish(&set(DESK), "wrong", &[]);
        match *what {
            "make it blink" => {
                let from = desk.witness.count();
                assert!(desk.shell(line).status().unwrap().success(), "{line}");
                for power in ["OFF", "ON"] {
                    desk.witness.wait_after(from, power, |message| {
                        message.topic == state(DESK) && message.json()["state"] == power
                    });
                }
            }
            "watch one bulb" => desk.reads(line, "bulbctl/c41100000001/availability online", || {}),
            "watch everything" => desk.reads(line, "bulbctl/bridge/attic/state online", || {}),
            "see what goes wrong" => desk.reads(line, "command.invalid", wrong),
            "wait for the result" => desk.reads(line, r#"{"result":"confirmed"}"#, || {}),
            other => panic!("no test for {other:?}: {line}"),
        }
    }
    assert_eq!(tried.len(), COMMANDS.len(), "{tried:?}");
    let list = "mosquitto_sub -t bulbctl/bridge/+/bulbs";
    assert!(page.contains(&format!("`{list}`")));
    desk.reads(list, "\"name\":\"Light-Desk\"", || {});
}

/// The numbers of the behaviours that tests name: `p04` in the names of their functions.
fn named() -> BTreeSet<u32> {
    let mut named = BTreeSet::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src/bridge"), root.join("tests/bridge")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(path).unwrap();
                let names = text.lines().filter_map(|line| line.trim().strip_prefix("fn p"));
                for name in names.filter_map(|name| name.split_once('(')) {
                    let words = format!("p{}", name.0);
                    named.extend(
                        words.split('_').filter_map(|word| word.strip_prefix('p')?.parse::<u32>().ok()),
                    );
                }
            }
        }
    }
    named
}

#[test]
fn every_number_of_the_page_is_in_the_name_of_a_test() {
    let page = page();
    let (_, table) = page.split_once("\n## What you can rely on\n").unwrap();
    let mut numbers = BTreeSet::new();
    for line in table.lines() {
        let Some((cell, _)) = line.strip_prefix("| ").and_then(|rest| rest.split_once(" | ")) else {
            continue;
        };
        let (first, last) = cell.split_once('–').unwrap_or((cell, cell));
        if let (Ok(first), Ok(last)) = (first.parse::<u32>(), last.parse::<u32>()) {
            numbers.extend(first..=last);
        }
    }
    assert_eq!(numbers, (1..=29).collect());
    assert_eq!(named(), numbers);
}
