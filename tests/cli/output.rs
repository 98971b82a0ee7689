//! Output that nobody reads, cannot be written, or has nowhere to go.

use std::fs;
use std::io::Read;
use std::thread;
use std::time::{Duration, Instant};

use super::*;

const RIG: &str = "rig = 1\n[[bulb]]\nname = \"Light-1\"\naddress = \"C4:11:00:00:00:01\"\nbattery = 50\n";
/// Far longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(30);

fn until(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Waits for the end and returns the exit code.
fn end(child: &mut Child, what: &str) -> Option<i32> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if start.elapsed() > PATIENCE {
            child.kill().ok();
            panic!("{what} does not end");
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// A pipe that nobody reads, and that is full.
#[cfg(target_os = "linux")]
fn full_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    // Its capacity, see pipe(7).
    writer.write_all(&[b' '; 65_536]).unwrap();
    (reader, writer)
}

#[cfg(target_os = "linux")]
fn has_thread(child: &Child, name: &str) -> bool {
    let Ok(tasks) = fs::read_dir(format!("/proc/{}/task", child.id())) else { return false };
    tasks
        .flatten()
        .any(|task| fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim_end() == name))
}

/// A reader that has stopped reading, as `less` does, keeps no signal waiting, and the link is closed.
#[cfg(target_os = "linux")]
#[test]
fn a_full_pipe_keeps_no_signal_waiting() {
    for signal in ["INT", "TERM", "HUP", "QUIT"] {
        let machine = Machine::new();
        let (reader, writer) = full_pipe();
        let mut child = machine.on_rig(RIG, &["watch", "Light-1", "--json"]).stdout(writer).spawn().unwrap();
        until("it subscribes", || machine.air().contains("\"event\":\"subscribe\""));
        send(signal, &child);
        let sent = Instant::now();
        assert_eq!(end(&mut child, signal), Some(130), "{signal}");
        assert!(sent.elapsed() < Duration::from_secs(8), "{signal}: {:?}", sent.elapsed());
        machine.assert_no_link_is_left(signal);
        drop(reader);
    }
}

/// The same where the log is stuck as well.
#[cfg(target_os = "linux")]
#[test]
fn a_full_pipe_for_the_log_keeps_no_signal_waiting() {
    for arguments in [&["-vv", "scan", "--watch"][..], &["-vv", "watch", "Light-1"]] {
        let machine = Machine::new();
        let (reader, writer) = full_pipe();
        let mut child = machine
            .on_rig(RIG, arguments)
            .stdout(writer.try_clone().unwrap())
            .stderr(writer)
            .spawn()
            .unwrap();
        until("it listens", || has_thread(&child, "signals"));
        // Between the start of the thread and its handlers, a signal ends the program at once.
        thread::sleep(Duration::from_millis(100));
        send("TERM", &child);
        assert_eq!(end(&mut child, "it"), Some(130), "{arguments:?}");
        machine.assert_no_link_is_left("it");
        drop(reader);
    }
}

/// Nothing is reported any more: the end does not wait for the next record.
#[test]
fn a_reader_that_goes_ends_what_only_prints_at_once() {
    for arguments in [&["watch", "Light-1"][..], &["gatt", "notify", "Light-1", "fff2"], &["scan", "--watch"]]
    {
        let machine = Machine::new();
        let mut child = machine
            .on_rig(RIG, arguments)
            .arg("--json")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let sign = if arguments[0] == "scan" { "" } else { "\"event\":\"subscribe\"" };
        until("it works", || machine.air().contains(sign));
        drop(child.stdout.take());
        assert_eq!(end(&mut child, "it"), Some(0), "{arguments:?}");
        let mut errors = String::new();
        child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert_eq!(errors, "", "{arguments:?}");
        machine.assert_no_link_is_left("it");
    }
}

/// A verb that does more than print does it even if nobody reads: `bulbctl on Light-1 | true`.
#[test]
fn without_a_reader_a_bulb_is_switched_all_the_same() {
    let machine = Machine::new();
    let mut child = machine.on_rig(RIG, &["off", "Light-1"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(end(&mut child, "off"), Some(0));
    let status = machine.rig(RIG, &["status", "Light-1", "--json"]);
    assert_eq!(of_type(&status, "state")[0]["power"], false, "{status:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn signals_that_are_ignored_at_the_start_stay_ignored() {
    let machine = Machine::new();
    for signal in ["INT", "HUP", "QUIT", "TERM"] {
        let script = format!("trap '' {signal}; exec \"$0\" \"$@\"");
        let program = machine.on_rig(RIG, &["scan", "--duration", "1s", "--json"]);
        let mut child = Command::new("sh")
            .args(["-c", &script])
            .arg(program.get_program())
            .args(program.get_args())
            .envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        until("it listens", || has_thread(&child, "signals"));
        send(signal, &child);
        assert_eq!(end(&mut child, signal), Some(0), "{signal}");
    }
}

/// Neither the log nor an error panics where stderr is dead.
#[cfg(target_os = "linux")]
#[test]
fn stderr_that_cannot_be_written_changes_no_exit_code() {
    let machine = Machine::new();
    for (arguments, exit) in [(&["-vvv", "status", "Light-1"][..], 0), (&["-v", "status", "Light-2"], 3)] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = machine.on_rig(RIG, arguments).arg("--timeout=2s").stderr(full).output().unwrap();
        assert_eq!(code(&output), exit, "{arguments:?}: {output:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn help_that_cannot_be_written_is_a_failure() {
    let machine = Machine::new();
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["help", "set"],
        &["set", "--help"],
        &["completions", "zsh"],
        &["man"],
    ] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = machine.bulbctl(arguments).stdout(full).output().unwrap();
        assert_eq!(code(&output), 1, "{arguments:?}");
        assert!(stderr(&output).contains("cannot write the output"), "{arguments:?}: {}", stderr(&output));
    }
}

/// The air log may be any file, of any size.
#[cfg(target_os = "linux")]
#[test]
fn the_air_log_is_not_read_whole() {
    let machine = Machine::new();
    let large = machine.path().join("large");
    fs::File::create(&large).unwrap().set_len(1 << 40).unwrap();
    for log in [large.to_str().unwrap(), "/dev/full", "/dev/zero"] {
        let output =
            machine.on_rig(RIG, &["status", "Light-1"]).env("BULBCTL_SIM_LOG", log).output().unwrap();
        succeeded(&output);
    }
}

/// Whatever is read whole has a limit, and the error says which.
#[cfg(target_os = "linux")]
#[test]
fn what_is_read_whole_has_a_limit() {
    let machine = Machine::new();
    let rows: String = (0..1_000_000).map(|n| format!("e{n} = {n}\n")).collect();
    let profile = machine.write("rows.toml", &format!("{}{rows}", include_str!("files/hand.toml")));
    let names: Vec<String> = (0..1_000_000).map(|n| format!("\"b{n}\"")).collect();
    let config = machine.write("groups.toml", &format!("[groups]\nall-of-them = [{}]\n", names.join(",")));
    let zero = "/dev/zero";
    for arguments in [
        &["--profile", &profile, "frame", "decode", "00"][..],
        &["--config", &config, "--adapter", "sim", "on", "@all-of-them"],
        &["--config", zero, "--adapter", "sim", "on", "x"],
        &["--adapter", "sim:/dev/zero", "on", "x"],
        &["--adapter", "sim", "gatt", "run", "x", zero],
        &["bench", "--compare", zero, zero],
    ] {
        let output = machine.run(&[arguments, &["--json"]].concat());
        let error = records(&output).pop().unwrap_or_else(|| panic!("{arguments:?}: {output:?}"));
        assert_eq!(error["exit"], 2, "{arguments:?}: {error}");
        assert!(error["message"].as_str().unwrap().contains("longer than"), "{arguments:?}: {error}");
    }
}

/// Profiles within the limit of a file whose rows, texts or lengths would take time and memory that grow faster than the file.
#[cfg(target_os = "linux")]
#[test]
fn a_profile_has_so_many_rows_and_no_more() {
    let machine = Machine::new();
    let hand = include_str!("files/hand.toml");
    let many = |count: usize, row: &dyn Fn(usize) -> String| (0..count).map(row).collect::<String>();
    let long = "x".repeat(500_000);
    let bytes = "FF ".repeat(1000);
    let rows = "there are more than 10000 values";
    for (what, text, message) in [
        ("effects", format!("{hand}[can.effect.names]\n{}", many(60_000, &|n| format!("e{n}={n}\n"))), rows),
        ("models", format!("models=[{}]\n{hand}", many(100_000, &|n| format!("'A{n}',"))), rows),
        (
            "matches",
            format!("{hand}{}", many(20_000, &|_| "[[match]]\nname='a'\nscore=1\n".to_owned())),
            rows,
        ),
        ("frames", format!("{hand}on = [{}]\n", many(100_000, &|_| "'55',".to_owned())), rows),
        ("statuses", format!("{hand}{}", many(20_000, &|_| "[[report]]\nframe='55'\n".to_owned())), rows),
        (
            "variants",
            format!("{hand}{}", many(301, &|n| format!("[variant.v{n}]\n"))),
            "there are more than 300 variants",
        ),
        (
            "a reason",
            format!("{hand}[[unsupported]]\nmodels=['A']\nreason='{long}'\n"),
            "longer than 4096 bytes",
        ),
        ("named bytes", format!("{hand}[bytes]\nb='{bytes}'\n"), "has 1000 bytes, and a frame at most 512"),
        (
            "a frame of named bytes",
            format!("{hand}on='{}'\n[bytes]\nb='FF FF'\n", "{b}".repeat(300)),
            "the frame is longer than 512 bytes with {b}",
        ),
        ("a length", format!("frame_length=1000000000\n{hand}"), "a frame has at most 512 bytes"),
    ] {
        let text = if what == "effects" {
            text.replacen("[can.effect.names]\nlighthouse = 1\n", "", 1)
        } else {
            text
        };
        let file = machine.write("rows.toml", &text);
        // Memory that a program may take, KiB.
        let limited = ["-c", "ulimit -v 400000; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_bulbctl")];
        let arguments = ["--profile", &file, "frame", "decode", "00", "--json"];
        let start = Instant::now();
        let output = Command::new("sh").args(limited).args(arguments).env_clear().output().unwrap();
        let error = failed(&output, 2, "profile.invalid");
        assert!(error["message"].as_str().unwrap().contains(message), "{what}: {error}");
        assert!(start.elapsed() < PATIENCE / 3, "{what}: {:?}", start.elapsed());
    }
}

#[test]
fn a_group_names_so_many_things_and_no_more() {
    let machine = Machine::new();
    let names: Vec<String> = (0..2000).map(|n| format!("\"b{n}\"")).collect();
    machine.config(&format!("[groups]\nmany = [{}]\n", names.join(",")));
    let error = failed(&machine.sim(&["on", "@many", "--json"]), 2, "usage");
    assert!(error["message"].as_str().unwrap().contains("more than 1000 things"), "{error}");
}

#[test]
fn a_line_that_is_too_long_gets_a_short_error() {
    let machine = Machine::new();
    let long = "01".repeat(1_500_000);
    let input = format!("\u{feff}0164ff0000\n{long}\n{}\n0164ff0000\r\n", "01".repeat(513));
    let output = fed(machine.bulbctl(&["frame", "decode", "-", "--json"]), input.as_bytes());
    assert!(output.stdout.len() < 8192, "{}", output.stdout.len());
    let records = records(&output);
    let types: Vec<_> = records.iter().map(|record| record["type"].as_str().unwrap()).collect();
    assert_eq!(types[..4], ["frame", "error", "error", "frame"], "{types:?}");
    assert!(records[1]["message"].as_str().unwrap().contains("line 2 is longer than 4096 bytes"));
    assert!(records[2]["message"].as_str().unwrap().contains("longer than 512 bytes"));
}

#[test]
fn a_byte_order_mark_is_no_mistake() {
    let machine = Machine::new();
    let rig = machine.write("marked.toml", &format!("\u{feff}{RIG}"));
    machine.config("\u{feff}[aliases]\ndesk = \"Light-1\"\n");
    let script = machine.write("script", "\u{feff}read fff2\n");
    let adapter = format!("sim:{rig}");
    for arguments in [&["status", "desk"][..], &["gatt", "run", "desk", &script]] {
        succeeded(&machine.run(&[&["--adapter", &adapter], arguments].concat()));
    }
}
