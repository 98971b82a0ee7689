//! `run`: verbs line by line over held links.

use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use super::*;

const ADDRESS: &str = "C4:11:00:00:00:01";
const RIG: &str = "rig = 1\n[[bulb]]\nname = \"Light-1\"\naddress = \"C4:11:00:00:00:01\"\nbattery = 50\n\
                   [[bulb]]\nname = \"Light-2\"\naddress = \"C4:11:00:00:00:02\"\n";

fn run(machine: &Machine, rig: &str, options: &[&str], lines: &str) -> Output {
    fed(machine.on_rig(rig, &[options, &["run", "-"]].concat()), lines.as_bytes())
}

/// The events at one bulb, without the characteristics' names and times.
fn events(machine: &Machine, address: &str) -> Vec<String> {
    let air = machine.air();
    let entries = air.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let entries = entries.filter(|entry| entry["bulb"] == address);
    let text = |entry: Value| {
        let hex = entry["hex"].as_str().map_or_else(String::new, |hex| format!(" {hex}"));
        format!("{}{hex}", entry["event"].as_str().unwrap())
    };
    entries.map(text).collect()
}

#[test]
fn a_command_to_a_held_bulb_is_one_write_and_its_confirmation() {
    let machine = Machine::new();
    let lines =
        "on Light-1\nset Light-1 --brightness 30\n\nset c41100000001 --color red # comment\noff Light-1\n";
    let output = run(&machine, RIG, &["--json"], lines);
    succeeded(&output);
    assert!(of_type(&output, "state").iter().all(|state| state["confirmed"] == true), "{output:?}");
    assert_eq!(
        events(&machine, ADDRESS),
        [
            "connect",
            "subscribe",
            "read",
            "write 0132ffffff",
            "notify 0132ffffff",
            "write 011effffff",
            "notify 011effffff",
            "write 011eff0000",
            "notify 011eff0000",
            "write 001eff0000",
            "notify 001eff0000",
            "disconnect"
        ]
    );
}

/// The records are those that the verbs have alone, and each names its line.
#[test]
fn every_record_names_its_line() {
    let machine = Machine::new();
    let lines = "\u{feff}status Light-1,Light-2\r\n# nothing\r\nbattery Light-1\ngatt read Light-1 fff2\nwait 1ms\n\
                 info Light-1 --listen 1ms\nconnect Light-2\ndisconnect Light-2\ngatt write Light-1 fff1 0164ff0000\n\
                 expect Light-1 --on --color red --brightness 100";
    let output = run(&machine, RIG, &["--json"], lines);
    succeeded(&output);
    let seen: Vec<String> = records(&output)
        .iter()
        .map(|record| format!("{} {}", record["line"], record["type"].as_str().unwrap()))
        .collect();
    let of = |line: u32, kinds: &[&str]| {
        kinds.iter().chain(&["done"]).map(|kind| format!("{line} {kind}")).collect::<Vec<_>>()
    };
    let expected = [
        of(1, &["state", "state"]),
        of(3, &["battery"]),
        of(4, &["value"]),
        of(5, &[]),
        of(6, &["info"]),
        of(7, &["link"]),
        of(8, &["link"]),
        of(9, &["value"]),
        of(10, &["state"]),
    ];
    assert_eq!(seen, expected.concat());
    let alone = machine.rig(RIG, &["--json", "status", "Light-1"]);
    let plain = |mut record: Value| {
        record.as_object_mut().unwrap().retain(|key, _| key != "line" && key != "at");
        record
    };
    let last = of_type(&output, "state").pop().unwrap();
    assert_eq!(plain(last), plain(of_type(&alone, "state").pop().unwrap()));
}

#[test]
fn the_first_line_that_fails_ends_the_run_with_its_exit_code() {
    let machine = Machine::new();
    for (line, exit, error) in [
        ("set Light-1 --brightness 101", 2, "usage"),
        ("tui", 2, "usage"),
        ("record x on Light-1", 2, "usage"),
        ("on Light-Nowhere --timeout 300ms", 3, "target.not_found"),
        ("set Light-1 --kelvin 3000", 8, "bulb.unsupported"),
        ("expect Light-1 --off --within 10ms", 12, "expect.failed"),
        ("gatt read Light-1 fff7", 7, "gatt.no_characteristic"),
    ] {
        let output = run(&machine, RIG, &["--json"], &format!("on Light-1\n{line}\noff Light-1\n"));
        let last = failed(&output, exit, "partial");
        assert_eq!((last["message"].as_str(), last.get("line")), (Some("1 of 2 failed"), None), "{line}");
        let errors = of_type(&output, "error");
        assert_eq!(
            (errors[0]["code"].as_str(), errors[0]["line"].as_u64()),
            (Some(error), Some(2)),
            "{line}"
        );
        let done: Vec<_> = of_type(&output, "done").iter().map(|done| done["exit"].clone()).collect();
        assert_eq!(done, [0, exit], "{line}");
        machine.assert_no_link_is_left(line);
    }
    let text = stderr(&run(&machine, RIG, &[], "on Light-1\ntui\n"));
    assert!(text.starts_with("error: line 2: this verb does not work in `run`"), "{text}");
}

#[test]
fn keep_going_runs_every_line() {
    let machine = Machine::new();
    let keep_going =
        |lines: &str| fed(machine.on_rig(RIG, &["--json", "run", "--keep-going", "-"]), lines.as_bytes());
    let long = "x".repeat(3 << 20);
    let output = keep_going(&format!("tui\non 'Light-1\n{long}\non Light-1\n"));
    failed(&output, 10, "partial");
    assert_eq!(of_type(&output, "state").len(), 1);
    let errors = of_type(&output, "error");
    let lines: Vec<_> = errors.iter().map(|error| error["line"].as_u64()).collect();
    assert_eq!(lines, [Some(1), Some(2), Some(3), None]);
    assert!(errors.iter().all(|error| error["message"].as_str().unwrap().len() < 500), "{errors:?}");
    // As with several bulbs: if all failed alike, the exit code says how.
    assert_eq!(code(&keep_going("tui\nman\n")), 2);
    assert_eq!(code(&keep_going("")), 0);
}

/// A program that waits for each answer before it writes the next line, and a signal while nothing happens.
#[test]
fn a_pipe_is_read_line_by_line_and_signals_end_it_at_once() {
    for signal in ["TERM", "INT"] {
        let machine = Machine::new();
        let mut child = machine
            .on_rig(RIG, &["--json", "run", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for line in ["on Light-1", "off Light-1"] {
            writeln!(input, "{line}").unwrap();
            let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
            assert_eq!((next()["type"].as_str(), next()["type"].as_str()), (Some("state"), Some("done")));
        }
        let start = Instant::now();
        send(signal, &child);
        assert_eq!(child.wait().unwrap().code(), Some(130), "{signal}");
        assert!(start.elapsed() < Duration::from_secs(5), "{signal}: {:?}", start.elapsed());
        drop(input);
        machine.assert_no_link_is_left(signal);
    }
}

#[test]
fn a_held_link_that_drops_is_made_again() {
    let machine = Machine::new();
    let rig = format!("{RIG}[[event]]\nat = \"1500ms\"\nbulb = \"{ADDRESS}\"\ndo = \"drop\"\n");
    succeeded(&run(&machine, &rig, &[], "on Light-1\nwait 3s\ntoggle Light-1\nexpect Light-1 --off\n"));
    let links = events(&machine, ADDRESS);
    let links: Vec<_> = links.iter().filter(|event| event.contains("connect")).collect();
    assert_eq!(links, ["connect", "disconnect", "connect", "disconnect"]);
}

/// A link that drops during a command, after an earlier line has used it.
#[test]
fn a_held_link_that_drops_during_a_command_is_made_again() {
    let machine = Machine::new();
    let fault = "[[bulb.fault]]\non = \"write\"\ndo = \"drop\"\nafter = 1\ncount = 1\n";
    let rig = format!("rig = 1\n[[bulb]]\nname = \"Light-1\"\naddress = \"{ADDRESS}\"\n{fault}");
    let output = run(&machine, &rig, &["--json"], "on Light-1\ntoggle Light-1\n");
    succeeded(&output);
    assert_eq!(of_type(&output, "state")[1]["power"], false);
}

/// Somebody else switches the bulb between two lines.
#[test]
fn a_held_bulb_is_followed() {
    let machine = Machine::new();
    let event = format!(
        "[[event]]\nat = \"1500ms\"\nbulb = \"{ADDRESS}\"\ndo = \"set\"\npower = false\nbrightness = 9\n"
    );
    let rig = format!("{RIG}{event}");
    let output = run(&machine, &rig, &["--json"], "on Light-1\nwait 3s\nset Light-1 --color red\n");
    let last = of_type(&output, "state").pop().unwrap();
    assert_eq!((last["power"].as_bool(), last["brightness"].as_u64()), (Some(false), Some(9)), "{last}");
    // It told so itself.
    assert_eq!(events(&machine, ADDRESS).iter().filter(|event| *event == "read").count(), 1);
}

#[test]
fn an_idle_link_is_kept_alive() {
    let machine = Machine::new();
    let profile = "profile = 1\nname = \"sleepy\"\ntitle = \"Ends an idle link\"\n\
                   [role.control]\nat = [\"fff0/fff1\"]\nproperties = [\"write\"]\n[session]\nkeep_alive = { frame = \"77\", every = \"100ms\" }\n\
                   [can]\npower = {}\n[commands]\npower = \"55 {power}\"\n";
    let file = machine.write("sleepy.toml", profile);
    let rig = format!(
        "rig = 1\n[[bulb]]\nname = \"Light-1\"\naddress = \"{ADDRESS}\"\nprofile = \"./sleepy.toml\"\nidle_drop = \"600ms\"\n"
    );
    succeeded(&run(&machine, &rig, &["--profile", &file], "on Light-1\nwait 2s\noff Light-1\n"));
    let events = events(&machine, ADDRESS);
    assert_eq!(events.iter().filter(|event| *event == "connect").count(), 1, "{events:?}");
    assert!(events.iter().filter(|event| *event == "write 77").count() > 5, "{events:?}");
}

/// The bulb that was not used for the longest time makes room.
#[test]
fn links_are_bounded() {
    let machine = Machine::new();
    let lines = "on Light-1\non Light-2\noff Light-1\noff Light-*\n";
    succeeded(&run(&machine, RIG, &["--max-links", "1"], lines));
    let air = machine.air();
    let mut up = 0;
    for line in air.lines() {
        up += i32::from(line.contains("\"connect\"")) - i32::from(line.contains("\"disconnect\""));
        assert!(up <= 1, "{air}");
    }
    assert_eq!(up, 0);
}

#[test]
fn a_target_is_looked_for_once() {
    let machine = Machine::new();
    let output = run(&machine, RIG, &["-vv"], "on Light-*\noff Light-*\nstatus Light-*\nbattery Light-1\n");
    succeeded(&output);
    let log = stderr(&output);
    assert_eq!(log.matches("scan starts").count(), 1, "{log}");
}

#[test]
fn files_are_read_too() {
    let machine = Machine::new();
    let file = machine.write("scene.txt", "on Light-1\n");
    succeeded(&machine.rig(RIG, &["run", &file]));
    failed(&machine.rig(RIG, &["--json", "run", "/nowhere/scene.txt"]), 2, "usage.file");
    let output = machine.rig("rig = 1\n[adapter]\nstate = \"off\"\n", &["--json", "run", &file]);
    failed(&output, 4, "partial");
    assert_eq!(of_type(&output, "error")[0]["code"], "adapter.off");
}
