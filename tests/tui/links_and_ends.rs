//! Links, refusals and the end of a check in the real program.

use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use super::keys::Keys;
use super::mouse::{click, quit};

#[test]
fn bulbs_wait_their_turn_under_max_links() {
    let keys = Keys::with((100, 24), env!("CARGO_BIN_EXE_bulbctl"), &["--max-links", "1", "tui"]);
    keys.waits_for("all bulbs", |screen| screen.contains("26 of 26"));
    // The group of two bulbs.
    keys.terminal.keys("@j\r");
    keys.waits_for("the group", |screen| screen.contains("2 bulbs of @office are marked"));
    keys.terminal.keys("\r");
    keys.waits_for("one link", |screen| screen.contains("1 connected  1 waits for a link"));
    keys.waits_for("the sign", |screen| {
        screen.lines().any(|line| line.contains("◔ ") && line.contains("Light-0"))
    });
    // Which one was first does not matter: it gives its link to the other.
    let up = if keys.terminal.contents().lines().any(|line| line.contains("● ") && line.contains("Light-01"))
    {
        ("Light-01", "Light-02")
    } else {
        ("Light-02", "Light-01")
    };
    let (first, second) = up;
    keys.terminal.keys("M");
    keys.waits_for("no marks", |screen| !screen.contains("◆"));
    click(&keys, first);
    keys.terminal.keys("d");
    let row = |screen: &str, sign: char, name: &str| {
        screen.lines().any(|line| line.split_once(sign).is_some_and(|(_, rest)| rest.contains(name)))
    };
    keys.waits_for("the other", |screen| row(screen, '●', second) && !row(screen, '●', first));
    keys.waits_for("nobody waits", |screen| screen.contains("1 connected") && !screen.contains("waits"));
    quit(keys);
}

#[test]
fn a_setting_that_a_bulb_lacks_is_said_for_a_fade_too() {
    let mut keys = Keys::start((80, 24));
    keys.connect("light-01");
    keys.terminal.keys("F");
    keys.waits_for("the input line", |screen| screen.contains("fade to:"));
    keys.terminal.keys("2700K 2s\r");
    keys.waits_for("the reason", |screen| {
        screen.contains("✗ bulb.unsupported  Light-01: ") && !screen.contains("fading")
    });
    quit(keys);
}

/// Returns what `status` says of a virtual bulb in this folder.
fn status(dir: &Path, name: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bulbctl"));
    command
        .args(["status", name])
        .env("HOME", dir)
        .env("BULBCTL_SIM_DIR", dir.join("sim"))
        .env("BULBCTL_ADAPTER", format!("sim:{}", dir.join("rig.toml").display()));
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}

#[test]
fn a_bulb_is_restored_if_the_desk_ends_during_a_check() {
    for (signal, code) in [(None, 0), (Some(Signal::TERM), 130)] {
        let mut keys = Keys::start((80, 24));
        keys.connect("light-02");
        keys.terminal.keys("6\r");
        // The state is another one by now.
        keys.waits_for("a colour", |screen| screen.contains("color-green"));
        match signal {
            Some(signal) => keys.terminal.signal(signal),
            None => keys.terminal.keys("q"),
        }
        let dir = keys.ends(code);
        let status = status(dir.path(), "Light-02");
        assert!(status.contains("on\t80 %\t#ffb46b"), "{signal:?}: {status}");
    }
}
