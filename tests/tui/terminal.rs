//! The real program in a pseudo-terminal, on the sim radio.

use std::io::{Read, Write};
use std::num::NonZero;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pty_process::Size;
use pty_process::blocking::{Command as PtyCommand, Pts, Pty, open};
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{Termios, tcgetattr};
use tempfile::TempDir;
use vt100::{MouseProtocolMode, Parser, Screen};

/// How long anything may take: far longer than it does, as machines that test are busy.
const PATIENCE: Duration = Duration::from_secs(30);
const BULBCTL: &str = env!("CARGO_BIN_EXE_bulbctl");

fn cells(count: u16) -> NonZero<u16> {
    NonZero::new(count).unwrap()
}

/// A terminal with a program in it.
struct Terminal {
    pty: Arc<Pty>,
    /// Held open, so that what the program did to the terminal can be looked at when it has ended.
    pts: Option<Pts>,
    reader: Option<JoinHandle<()>>,
    child: Child,
    shown: Arc<(Mutex<Parser>, Condvar)>,
    before: Termios,
    _dir: TempDir,
}

impl Terminal {
    fn run(program: &str, arguments: &[&str], env: &[(&str, &str)]) -> Self {
        let dir = TempDir::new().unwrap();
        let (pty, pts) = open().unwrap();
        pty.resize(Size::new(24, 80)).unwrap();
        let before = tcgetattr(&pty).unwrap();
        let child = PtyCommand::new(program)
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", dir.path())
            .env("TERM", "xterm-256color")
            .env("PS1", "ready> ")
            .env("BULBCTL_SIM_DIR", dir.path().join("sim"))
            .env("BULBCTL_ADAPTER", "sim")
            .envs(env.iter().copied())
            .spawn_borrowed(&pts)
            .unwrap();
        let pty = Arc::new(pty);
        let shown = Arc::new((Mutex::new(Parser::new(cells(24), cells(80), 0)), Condvar::new()));
        let (source, parsed) = (pty.clone(), shown.clone());
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = (&*source).read(&mut bytes) {
                parsed.0.lock().unwrap().process(&bytes[..count]);
                parsed.1.notify_all();
            }
        });
        Self { pty, pts: Some(pts), reader: Some(reader), child, shown, before, _dir: dir }
    }

    fn tui(env: &[(&str, &str)]) -> Self {
        Self::run(BULBCTL, &["tui"], env)
    }

    /// Waits until the screen is as wanted.
    fn until(&self, what: &str, wanted: impl Fn(&Screen) -> bool) {
        let end = Instant::now() + PATIENCE;
        let mut parser = self.shown.0.lock().unwrap();
        while !wanted(parser.screen()) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{what} never came:\n{}", parser.screen().contents());
            parser = self.shown.1.wait_timeout(parser, left).unwrap().0;
        }
    }

    fn until_shown(&self, text: &str) {
        self.until(text, |screen| screen.contents().contains(text));
    }

    fn keys(&self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).unwrap();
    }

    fn resize(&self, columns: u16, rows: u16) {
        self.shown.0.lock().unwrap().screen_mut().set_size(cells(rows), cells(columns));
        self.pty.resize(Size::new(rows, columns)).unwrap();
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end; gives the exit code and what is on the screen. The terminal must be as it was.
    fn end(mut self) -> (Option<i32>, String) {
        let end = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "it does not end:\n{}", self.contents());
            std::thread::yield_now();
        };
        let after = tcgetattr(&*self.pty).unwrap();
        // With the last handle of its side closed, the rest is read to its end.
        self.pts.take();
        self.reader.take().map(JoinHandle::join).unwrap().unwrap();
        self.until("the terminal as it was", given_back);
        assert_eq!(format!("{after:?}"), format!("{:?}", self.before));
        (status.code(), self.contents())
    }

    fn contents(&self) -> String {
        self.shown.0.lock().unwrap().screen().contents()
    }
}

/// Whether nothing is left of the TUI.
fn given_back(screen: &Screen) -> bool {
    !screen.alternate_screen()
        && !screen.hide_cursor()
        && !screen.bracketed_paste()
        && screen.mouse_protocol_mode() == MouseProtocolMode::None
}

#[test]
fn from_scan_to_quit_with_resizes() {
    let terminal = Terminal::tui(&[]);
    terminal.until_shown("Light-Desk");
    terminal.until("the modes", |screen| screen.alternate_screen() && screen.hide_cursor());
    terminal.keys("/desk\r\r");
    terminal.until_shown("reported");
    terminal.keys("2j\u{1b}[D");
    terminal.until_shown("79 %");
    terminal.until_shown("reported");
    terminal.resize(150, 40);
    terminal.until_shown("014fffb46b");
    terminal.resize(30, 10);
    terminal.until_shown("terminal too small");
    terminal.resize(50, 15);
    terminal.until_shown("Brightness");
    terminal.resize(80, 24);
    // The mouse: on the beginning of the brightness slider.
    // Rows come from top to bottom: with the last one, all are there.
    terminal.until("the bulb's last row", |screen| {
        let text = screen.contents();
        text.contains("by signal") && text.contains("Device")
    });
    let row = terminal.contents().lines().position(|line| line.contains("Brightness")).unwrap() + 1;
    terminal.keys(&format!("\u{1b}[<0;55;{row}M\u{1b}[<0;55;{row}m"));
    terminal.until_shown("on  0 %");
    terminal.keys("q");
    assert_eq!(terminal.end(), (Some(0), String::new()));
}

#[test]
fn keys_are_taken_when_nothing_else_happens() {
    let dir = TempDir::new().unwrap();
    let rig = dir.path().join("empty.toml");
    std::fs::write(&rig, "rig = 1\n").unwrap();
    let terminal = Terminal::tui(&[("BULBCTL_ADAPTER", &format!("sim:{}", rig.display()))]);
    terminal.until_shown("Nothing heard");
    terminal.keys("s");
    terminal.until_shown("scan is off");
    for _ in 0..3 {
        terminal.keys("?");
        terminal.until_shown("Everywhere");
        terminal.keys("\u{1b}");
        terminal.until_shown("Nothing heard");
    }
    terminal.keys("q");
    assert_eq!(terminal.end(), (Some(0), String::new()));
}

#[test]
fn every_signal_gives_the_terminal_back() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let terminal = Terminal::tui(&[]);
        terminal.until_shown("Light-Desk");
        terminal.keys("\r");
        terminal.until_shown("● connected");
        terminal.signal(signal);
        assert_eq!(terminal.end(), (Some(130), String::new()), "{signal:?}");
    }
    let terminal = Terminal::tui(&[]);
    terminal.until_shown("Light-Desk");
    terminal.keys("\u{3}");
    assert_eq!(terminal.end(), (Some(130), String::new()));
}

#[test]
fn a_shell_can_suspend_and_resume_it() {
    let shell = Terminal::run("sh", &["-i"], &[("BULBCTL", BULBCTL)]);
    shell.until_shown("ready> ");
    shell.keys("$BULBCTL tui\r");
    shell.until_shown("Light-Desk");
    shell.keys("\u{1a}");
    shell.until("the shell", |screen| given_back(screen) && screen.contents().contains("Stopped"));
    shell.keys("echo in-${PS1}between\r");
    shell.until_shown("in-ready> between");
    shell.keys("fg\r");
    shell.until("the desk", |screen| screen.alternate_screen() && screen.contents().contains("Light-Desk"));
    shell.keys("q");
    shell.until("the shell", given_back);
    shell.keys("exit\r");
    assert_eq!(shell.end().0, Some(0));
}

#[test]
fn where_no_shell_waits_it_goes_on() {
    let terminal = Terminal::tui(&[]);
    terminal.until_shown("Light-Desk");
    terminal.keys("\u{1a}?");
    terminal.until_shown("Everywhere");
    terminal.keys("qq");
    assert_eq!(terminal.end(), (Some(0), String::new()));
}

#[test]
fn a_panic_gives_the_terminal_back_before_anything_is_said() {
    // In the loop that owns the terminal.
    let terminal = Terminal::tui(&[("BULBCTL_TUI_PANIC", "desk")]);
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(1), "{screen}");
    assert!(screen.contains("unexpected failure") && screen.contains("on purpose"), "{screen}");
    // In a task: the desk goes on, and shows it as a message of its own.
    let terminal = Terminal::tui(&[("BULBCTL_TUI_PANIC", "task")]);
    terminal.until("the message", |screen| {
        let row = screen.rows(0, 80).nth(22).unwrap_or_default();
        screen.alternate_screen() && row.contains("on purpose")
    });
    terminal.until_shown("Light-Desk");
    terminal.keys("q");
    assert_eq!(terminal.end(), (Some(0), String::new()));
}

#[test]
fn without_a_terminal_it_says_what_to_use() {
    let dir = TempDir::new().unwrap();
    let output = Command::new(BULBCTL)
        .args(["--adapter", "sim", "tui"])
        .env("HOME", dir.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("tui.no_terminal") && stderr.contains("scan --json"), "{stderr}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_rig_that_cannot_be_read_ends_it() {
    let terminal = Terminal::tui(&[("BULBCTL_ADAPTER", "sim:/nowhere.toml")]);
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(2));
    assert!(screen.contains("/nowhere.toml"), "{screen}");
}
