//! The real program in a pseudo-terminal, on the sim radio.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use vt100::Screen;

use super::pty::{Terminal, given_back};

/// Timeout of every wait. Much longer than needed, as test machines are busy.
const PATIENCE: Duration = Duration::from_secs(30);
const BULBCTL: &str = env!("CARGO_BIN_EXE_bulbctl");

/// Starts a program in a terminal of 80×24, with its own home and virtual radio.
fn run(dir: &TempDir, program: &str, arguments: &[&str], env: &[(&str, &str)]) -> Terminal {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", dir.path())
        .env("PS1", "ready> ")
        .env("BULBCTL_SIM_DIR", dir.path().join("sim"))
        .env("BULBCTL_ADAPTER", "sim")
        .envs(env.iter().copied());
    Terminal::start(command, (80, 24), PATIENCE)
}

fn tui(dir: &TempDir, env: &[(&str, &str)]) -> Terminal {
    run(dir, BULBCTL, &["tui"], env)
}

fn quit(terminal: Terminal, keys: &str) {
    terminal.keys(keys);
    assert_eq!(terminal.end(), (Some(0), String::new()));
}

/// Looks from the shell while the TUI is suspended.
fn in_between(shell: &Terminal) {
    shell.until("the shell", |screen| given_back(screen) && screen.contents().contains("Stopped"));
    shell.keys("echo in-${PS1}between\r");
    shell.until_shown(&["in-ready> between"]);
}

/// Quits the TUI and the shell that it was started from.
fn leave(shell: Terminal) {
    shell.keys("q");
    // The desk would still read keys that come before the shell's prompt.
    shell.until("the shell", |screen| given_back(screen) && screen.contents().trim_end().ends_with("ready>"));
    shell.keys("exit\r");
    assert_eq!(shell.end().0, Some(0));
}

#[test]
fn from_scan_to_quit_with_resizes() {
    let dir = TempDir::new().unwrap();
    let terminal = tui(&dir, &[]);
    terminal.until_shown(&["Light-Desk"]);
    terminal.until("the modes", |screen| screen.alternate_screen() && screen.hide_cursor());
    terminal.keys("/desk\r\r");
    terminal.until_shown(&["reported"]);
    terminal.keys("2j\u{1b}[D");
    terminal.until_shown(&["79 %"]);
    terminal.until_shown(&["reported"]);
    terminal.resize(150, 40);
    terminal.until_shown(&["014fffb46b"]);
    terminal.resize(30, 10);
    terminal.until_shown(&["terminal too small"]);
    terminal.resize(50, 15);
    terminal.until_shown(&["Brightness"]);
    terminal.resize(80, 24);
    // Click the start of the brightness slider.
    // The terminal draws from top to bottom, so the last row comes last.
    terminal.until("the bulb's last row", |screen| {
        let text = screen.contents();
        text.contains("by signal") && text.contains("Device")
    });
    let row = terminal.contents().lines().position(|line| line.contains("Brightness")).unwrap() + 1;
    terminal.click(55, row);
    terminal.until_shown(&["on  0 %"]);
    quit(terminal, "q");
}

#[test]
fn bulbs_of_other_families_have_controls_of_their_own() {
    let dir = TempDir::new().unwrap();
    let terminal = tui(&dir, &[("BULBCTL_ADAPTER", "sim:families")]);
    terminal.until_shown(&["Triones", "scanning"]);
    // A bulb that never reports its state.
    terminal.keys("/elk-bledom\r\r");
    terminal.until_shown(&["● connected", "never reports", "Kelvin"]);
    terminal.keys("t2700\r");
    terminal.until_shown(&["2700K", "assumed: never reports"]);
    terminal.keys("v");
    terminal.until_shown(&[" Effects ", "fade-rgb"]);
    terminal.keys("/blink\u{1b}[B\r");
    terminal.until("an effect", |screen| {
        screen.contents().contains("▓▒░") && screen.contents().contains("assumed: never reports")
    });
    // A bulb that answers queries.
    terminal.keys("\u{1b}");
    terminal.until_shown(&["Hue color lamp"]);
    terminal.keys("/hue color\r\r");
    terminal.until_shown(&["● connected", "2703K", "reported"]);
    let row = terminal.contents().lines().position(|line| line.contains("Kelvin")).unwrap() + 1;
    terminal.click(72, row);
    terminal.until_shown(&["6535K", "reported", "✓"]);
    quit(terminal, "q");
}

#[test]
fn keys_are_taken_when_nothing_else_happens() {
    let dir = TempDir::new().unwrap();
    let rig = dir.path().join("empty.toml");
    std::fs::write(&rig, "rig = 1\n").unwrap();
    let terminal = tui(&dir, &[("BULBCTL_ADAPTER", &format!("sim:{}", rig.display()))]);
    terminal.until_shown(&["No devices found"]);
    terminal.keys("s");
    terminal.until_shown(&["scan is off"]);
    for _ in 0..3 {
        terminal.keys("?");
        terminal.until_shown(&["Everywhere"]);
        terminal.keys("\u{1b}");
        terminal.until_shown(&["No devices found"]);
    }
    quit(terminal, "q");
}

/// Starts a program and connects a bulb. Returns the log of the virtual radio too.
fn connected(dir: &TempDir, program: &str, arguments: &[&str], env: &[(&str, &str)]) -> (Terminal, PathBuf) {
    let log = dir.path().join("log");
    let _ = std::fs::remove_file(&log);
    let env = [env, &[("BULBCTL_SIM_LOG", log.to_str().unwrap()), ("BULBCTL", BULBCTL)]].concat();
    let terminal = run(dir, program, arguments, &env);
    terminal.until_shown(&["Light-Desk"]);
    terminal.keys("\r");
    terminal.until_shown(&["● connected"]);
    (terminal, log)
}

fn assert_closed(log: &Path) {
    let end = Instant::now() + PATIENCE;
    loop {
        let text = std::fs::read_to_string(log).unwrap();
        let count = |event: &str| text.matches(&format!("\"event\":\"{event}\"")).count();
        let (made, closed) = (count("connect"), count("disconnect"));
        if made > 0 && made == closed {
            return;
        }
        assert!(Instant::now() < end, "{made} links were made, {closed} were closed: {text}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn every_signal_gives_the_terminal_back() {
    let dir = TempDir::new().unwrap();
    for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT] {
        let (terminal, log) = connected(&dir, BULBCTL, &["tui"], &[]);
        terminal.signal(signal);
        assert_eq!(terminal.end(), (Some(130), String::new()), "{signal:?}");
        assert_closed(&log);
    }
    let terminal = tui(&dir, &[]);
    terminal.until_shown(&["Light-Desk"]);
    terminal.keys("\u{3}");
    assert_eq!(terminal.end(), (Some(130), String::new()));
}

#[test]
fn a_terminal_that_is_closed_ends_it_and_its_links() {
    let dir = TempDir::new().unwrap();
    for arguments in [&["tui"][..], &["-v", "tui"]] {
        let (terminal, log) = connected(&dir, BULBCTL, arguments, &[]);
        assert_eq!(terminal.hang_up(), Some(130), "{arguments:?}");
        assert_closed(&log);
    }
    // A process that the terminal does not control gets no SIGHUP.
    let script = "trap '' HUP; setsid -w \"$BULBCTL\" tui; echo $? >~/code";
    let (terminal, log) = connected(&dir, "sh", &["-c", script], &[]);
    terminal.hang_up();
    assert_closed(&log);
    assert_eq!(std::fs::read_to_string(dir.path().join("code")).unwrap(), "130\n");
}

#[test]
fn stderr_that_cannot_be_written_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let script = "exec \"$BULBCTL\" -v tui 2>/dev/full";
    let (terminal, log) = connected(&dir, "sh", &["-c", script], &[]);
    quit(terminal, "q");
    assert_closed(&log);
    let (terminal, log) = connected(&dir, "sh", &["-c", script], &[("BULBCTL_TUI_PANIC", "paste")]);
    terminal.keys("\u{1b}[200~x\u{1b}[201~");
    assert_eq!(terminal.end(), (Some(1), String::new()));
    assert_closed(&log);
}

#[test]
fn a_list_of_all_numbered_effects_opens_at_once() {
    let dir = TempDir::new().unwrap();
    let terminal = tui(&dir, &[("BULBCTL_ADAPTER", "sim:families")]);
    terminal.until_shown(&["Govee", "scanning"]);
    terminal.keys("/01:05\r\r");
    terminal.until_shown(&["● connected", "reported"]);
    terminal.keys("v");
    terminal.until_shown(&[" Effects "]);
    terminal.keys("G");
    terminal.until_shown(&["number 65535"]);
    quit(terminal, "qq");
}

#[test]
fn a_shell_can_suspend_and_resume_it() {
    let dir = TempDir::new().unwrap();
    let shell = run(&dir, "sh", &["-i"], &[("BULBCTL", BULBCTL)]);
    shell.until_shown(&["ready> "]);
    shell.keys("$BULBCTL tui\r");
    shell.until_shown(&["Light-Desk"]);
    shell.keys("\u{1a}");
    in_between(&shell);
    shell.keys("fg\r");
    shell.until("the desk", |screen| screen.alternate_screen() && screen.contents().contains("Light-Desk"));
    leave(shell);
}

#[test]
fn a_stop_from_outside_gives_the_terminal_back_as_well() {
    let dir = TempDir::new().unwrap();
    let shell = run(&dir, "sh", &["-i"], &[("BULBCTL", BULBCTL)]);
    shell.until_shown(&["ready> "]);
    shell.keys("sh -c 'echo $$ >~/pid; exec $BULBCTL tui'\r");
    shell.until_shown(&["Light-Desk"]);
    let pid = std::fs::read_to_string(dir.path().join("pid")).unwrap();
    let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    for _ in 0..2 {
        kill_process(pid, Signal::TSTP).unwrap();
        in_between(&shell);
        shell.keys("clear; fg\r");
        let desk = |screen: &Screen| screen.alternate_screen() && screen.contents().contains("Light-Desk");
        shell.until("the desk", desk);
    }
    leave(shell);
}

#[test]
fn the_screen_of_emulate_gives_the_terminal_back() {
    let dir = TempDir::new().unwrap();
    let emulate = ["emulate", "elk", "--tui"];
    let terminal = run(&dir, BULBCTL, &emulate, &[("NO_COLOR", "1")]);
    terminal.until_shown(&["ELK-BLEDOM", "advertising"]);
    terminal.resize(30, 10);
    terminal.until_shown(&["terminal too small"]);
    terminal.resize(80, 24);
    terminal.until("a screen without colours", |screen| {
        let plain = |place: (u16, u16)| {
            screen.cell(place.0, place.1).is_none_or(|cell| cell.fgcolor() == vt100::Color::Default)
        };
        screen.contents().contains("········  off  50 %")
            && (0..24).flat_map(|row| (0..80).map(move |column| (row, column))).all(plain)
    });
    terminal.keys("\u{3}");
    assert_eq!(terminal.end(), (Some(130), String::new()));
    for signal in [Signal::TERM, Signal::HUP] {
        let terminal = run(&dir, BULBCTL, &emulate, &[]);
        terminal.until_shown(&["ELK-BLEDOM"]);
        terminal.signal(signal);
        assert_eq!(terminal.end(), (Some(130), String::new()), "{signal:?}");
    }
    let terminal = run(&dir, BULBCTL, &emulate, &[]);
    terminal.until_shown(&["ELK-BLEDOM"]);
    assert_eq!(terminal.hang_up(), Some(130));
    let terminal = run(&dir, BULBCTL, &["emulate", "elk", "--tui", "--duration", "1s"], &[]);
    assert_eq!(terminal.end(), (Some(0), String::new()));

    let shell = run(&dir, "sh", &["-i"], &[("BULBCTL", BULBCTL)]);
    shell.until_shown(&["ready> "]);
    shell.keys("$BULBCTL emulate elk --tui\r");
    shell.until_shown(&["ELK-BLEDOM", "quit"]);
    shell.keys("\u{1a}");
    in_between(&shell);
    shell.keys("fg\r");
    shell.until("the bulb", |screen| screen.alternate_screen() && screen.contents().contains("ELK-BLEDOM"));
    leave(shell);
}

#[test]
fn where_no_shell_waits_it_goes_on() {
    let dir = TempDir::new().unwrap();
    let terminal = tui(&dir, &[]);
    terminal.until_shown(&["Light-Desk"]);
    terminal.keys("\u{1a}?");
    terminal.until_shown(&["Everywhere"]);
    terminal.keys("q");
    terminal.until("the window closed", |screen| !screen.contents().contains("Everywhere"));
    terminal.signal(Signal::TSTP);
    terminal.keys("?");
    terminal.until_shown(&["Everywhere"]);
    quit(terminal, "qq");
}

#[test]
fn a_panic_gives_the_terminal_back_before_anything_is_said() {
    let dir = TempDir::new().unwrap();
    // In the main loop.
    let terminal = tui(&dir, &[("BULBCTL_TUI_PANIC", "desk")]);
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(1), "{screen}");
    assert!(screen.contains("unexpected failure") && screen.contains("on purpose"), "{screen}");
    // In a task: the desk continues and shows a message.
    let terminal = tui(&dir, &[("BULBCTL_TUI_PANIC", "task")]);
    terminal.until("the message", |screen| {
        let row = screen.rows(0, 80).nth(22).unwrap_or_default();
        screen.alternate_screen() && row.contains("on purpose")
    });
    terminal.until_shown(&["Light-Desk"]);
    quit(terminal, "q");
}

/// Runs the program without a terminal, which it refuses. Returns what it says.
fn refused(arguments: &[&str]) -> String {
    let dir = TempDir::new().unwrap();
    let mut command = Command::new(BULBCTL);
    let output = command.args(arguments).env("HOME", dir.path()).stdin(Stdio::null()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("tui.no_terminal"), "{stderr}");
    assert!(output.stdout.is_empty());
    stderr
}

#[test]
fn without_a_terminal_it_says_what_to_use() {
    let stderr = refused(&["--adapter", "sim", "tui"]);
    assert!(stderr.contains("scan --json"), "{stderr}");
    // Before anything is on the air.
    let stderr = refused(&["-v", "--adapter", "sim", "emulate", "elk", "--tui"]);
    assert!(!stderr.contains("using adapter"), "{stderr}");
}

#[test]
fn a_rig_that_cannot_be_read_ends_it() {
    let dir = TempDir::new().unwrap();
    let terminal = tui(&dir, &[("BULBCTL_ADAPTER", "sim:/nowhere.toml")]);
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(2));
    assert!(screen.contains("/nowhere.toml"), "{screen}");
}

/// The column of a text in a line, counted from 1.
fn column(line: &str, text: &str) -> usize {
    line.split(text).next().unwrap().chars().count() + 1
}

#[test]
fn the_lower_panes_the_palette_and_a_zoom() {
    let dir = TempDir::new().unwrap();
    let terminal = tui(&dir, &[]);
    terminal.resize(120, 40);
    terminal.until_shown(&["Light-Desk", "3 Frames", "7 Log"]);
    // Space connects, and switches off what is on.
    terminal.keys("/desk\r ");
    terminal.until_shown(&["● connected", "off  80 %", "reported", "link up"]);
    terminal.keys(" ");
    terminal.until_shown(&["on  80 %", "✓"]);
    terminal.keys("4");
    terminal.until_shown(&["Write to notification", "p99"]);
    // A read, a write by hand, and notifications.
    terminal.keys("5jj\r");
    terminal.until_shown(&["Battery Service", "control", "0150ffb46b"]);
    terminal.keys("kw");
    terminal.until_shown(&["value (hex"]);
    terminal.keys("0132ffb46b\r");
    terminal.until_shown(&["on  50 %", "wrote 5 bytes to fff1"]);
    terminal.keys("jjjn");
    terminal.until("the subscription", |screen| {
        screen.contents().lines().any(|line| line.contains("2a19") && line.contains("● 2a19"))
    });
    terminal.keys(":zoom");
    terminal.until_shown(&[" Actions ", "zoom the pane"]);
    terminal.keys("\r");
    terminal.until("the table alone", |screen| {
        let text = screen.contents();
        text.contains("Battery Service") && !text.contains("Brightness")
    });
    // The names of the panes can be clicked, and the hints too.
    let row = terminal.contents().lines().position(|line| line.contains("6 Check")).unwrap() + 1;
    let line = terminal.contents().lines().nth(row - 1).unwrap().to_owned();
    terminal.click(column(&line, "7 Log"), row);
    // The whole line of hints: while it is drawn, its end is that of the line before.
    let log = " ↑ up  ↓ down  Space on/off  c colour  m mark  Tab pane  : actions  ? help  q quit";
    terminal.until("the hints of the log", |screen| {
        screen.contents().lines().last().is_some_and(|line| line.trim_end() == log)
    });
    let hints = terminal.contents().lines().last().unwrap().to_owned();
    terminal.click(column(&hints, "? help"), 40);
    terminal.until_shown(&["Everywhere", "↓ more"]);
    quit(terminal, "qq");
}

#[test]
fn checks_fades_scenes_and_recordings() {
    let dir = TempDir::new().unwrap();
    std::fs::create_dir_all(dir.path().join(".config/bulbctl")).unwrap();
    let terminal = tui(&dir, &[]);
    terminal.resize(120, 40);
    terminal.until_shown(&["Light-Desk", "scanning"]);
    terminal.keys("/desk\r\r");
    terminal.until_shown(&["● connected", "on  80 %", "#ffb46b", "reported"]);
    terminal.keys("Sevening\r");
    terminal.until_shown(&["saved the scene to", "evening.jsonl"]);
    terminal.keys("Fblue 20%");
    terminal.until_shown(&["fade to: blue 20%"]);
    terminal.keys(" 1s\r");
    terminal.until_shown(&["on  20 %", "#0000ff", "reported", "✓"]);
    terminal.keys("R");
    terminal.until_shown(&[" Scenes ", "evening"]);
    terminal.keys("\r");
    terminal.until_shown(&["on  80 %", "#ffb46b", "reported", "recalled evening on 1 bulb"]);
    terminal.keys("3W");
    terminal.until_shown(&["save recording to:"]);
    let path = dir.path().join("frames.jsonl");
    terminal.keys(&format!("\u{15}{}\r", path.display()));
    terminal.until_shown(&["saved the recording"]);
    terminal.keys("6\r");
    terminal.until_shown(&["0 failed", " of 35, "]);
    terminal.keys("\r");
    terminal.until_shown(&["stopped", "● connected", "on  80 %", "#ffb46b"]);
    quit(terminal, "q");
    // `restore` reads the scene, and the recording plays.
    let run = |arguments: &[&str], adapter: &str| {
        let output = Command::new(BULBCTL)
            .args(arguments)
            .env("HOME", dir.path())
            .env("BULBCTL_SIM_DIR", dir.path().join("sim"))
            .env("BULBCTL_ADAPTER", adapter)
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let scene = dir.path().join(".config/bulbctl/scenes/evening.jsonl");
    assert!(run(&["restore", scene.to_str().unwrap()], "sim").contains("#ffb46b"));
    let replay = format!("replay:{}", path.display());
    assert!(run(&["status", "Light-Desk"], &replay).contains("#ffb46b"));
}

#[test]
fn settings_with_a_mistake_end_it_with_the_line() {
    let dir = TempDir::new().unwrap();
    let config = dir.path().join("config.toml");
    std::fs::write(&config, "[tui]\ntheme = \"dark\"\n[tui.keys]\nquit = [\"z\"]\n").unwrap();
    let terminal = tui(&dir, &[("BULBCTL_CONFIG", config.to_str().unwrap())]);
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(2));
    let flat = screen.replace('\n', "");
    assert!(flat.contains("line 4") && flat.contains("z is the key of"), "{screen}");
}
