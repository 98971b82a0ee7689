//! Runs a program in a pseudo-terminal: reads the screen, sends keys, and checks that the terminal is
//! restored.

use std::io::{Read, Write};
use std::num::NonZero;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pty_process::Size;
use pty_process::blocking::{Pts, Pty, open};
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{Termios, tcgetattr};
use vt100::{MouseProtocolMode, Parser, Screen};

fn cells(count: u16) -> NonZero<u16> {
    NonZero::new(count).unwrap()
}

pub(crate) struct Terminal {
    pty: Arc<Pty>,
    /// Kept open, so that the terminal's settings can be read after the program has ended.
    pts: Option<Pts>,
    reader: Option<JoinHandle<()>>,
    child: Child,
    shown: Arc<(Mutex<Parser>, Condvar)>,
    before: Termios,
    patience: Duration,
    closing: Arc<AtomicBool>,
}

impl Terminal {
    /// Starts a program in a terminal of this many columns and rows. `patience` is the timeout of every wait.
    pub(crate) fn start(command: Command, (columns, rows): (u16, u16), patience: Duration) -> Self {
        let (pty, pts) = open().unwrap();
        pty.resize(Size::new(rows, columns)).unwrap();
        let before = tcgetattr(&pty).unwrap();
        let command = pty_process::blocking::Command::from(command);
        let child = command.env("TERM", "xterm-256color").spawn_borrowed(&pts).unwrap();
        let pty = Arc::new(pty);
        let shown = Arc::new((Mutex::new(Parser::new(cells(rows), cells(columns), 0)), Condvar::new()));
        let closing = Arc::new(AtomicBool::new(false));
        let (source, parsed, stop) = (pty.clone(), shown.clone(), closing.clone());
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = (&*source).read(&mut bytes) {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                parsed.0.lock().unwrap().process(&bytes[..count]);
                parsed.1.notify_all();
            }
        });
        Self { pty, pts: Some(pts), reader: Some(reader), child, shown, before, patience, closing }
    }

    pub(crate) fn until(&self, what: &str, wanted: impl Fn(&Screen) -> bool) {
        let end = Instant::now() + self.patience;
        let mut parser = self.shown.0.lock().unwrap();
        while !wanted(parser.screen()) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let screen = parser.screen().contents();
                // Panicking with the lock held would make the reader panic too.
                drop(parser);
                panic!("{what} never came:\n{screen}");
            }
            parser = self.shown.1.wait_timeout(parser, left).unwrap().0;
        }
    }

    pub(crate) fn until_shown(&self, texts: &[&str]) {
        self.until(&format!("{texts:?}"), |screen| {
            let contents = screen.contents();
            texts.iter().all(|text| contents.contains(text))
        });
    }

    pub(crate) fn keys(&self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).unwrap();
    }

    /// Clicks the left mouse button. Columns and rows count from 1.
    pub(crate) fn click(&self, column: usize, row: usize) {
        self.keys(&format!("\u{1b}[<0;{column};{row}M\u{1b}[<0;{column};{row}m"));
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        self.shown.0.lock().unwrap().screen_mut().set_size(cells(rows), cells(columns));
        self.pty.resize(Size::new(rows, columns)).unwrap();
    }

    #[allow(dead_code, reason = "not every test that uses this file looks at the process")]
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end and asserts that the terminal was restored. Returns the exit code and the screen.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let status = self.wait();
        let after = tcgetattr(&*self.pty).unwrap();
        // Without other handles on its side, the reader gets the end of the output.
        self.pts.take();
        self.reader.take().map(JoinHandle::join).unwrap().unwrap();
        self.until("the terminal as it was", given_back);
        assert_eq!(format!("{after:?}"), format!("{:?}", self.before));
        (status.code(), self.contents())
    }

    /// Closes the terminal while the program runs, like closing its window. Returns the exit code.
    #[allow(dead_code, reason = "not every test that uses this file closes the terminal")]
    pub(crate) fn hang_up(mut self) -> Option<i32> {
        self.closing.store(true, Ordering::SeqCst);
        // The reader holds the terminal open until it reads something. Resizing makes the program draw.
        self.pty.resize(Size::new(23, 79)).unwrap();
        self.reader.take().map(JoinHandle::join).unwrap().unwrap();
        // Replacing the last handle closes the terminal.
        let (other, _) = open().unwrap();
        self.pty = Arc::new(other);
        self.wait().code()
    }

    fn wait(&mut self) -> ExitStatus {
        let end = Instant::now() + self.patience;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "it does not end:\n{}", self.contents());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Writes into the terminal what is not from the program.
    #[allow(dead_code, reason = "not every test that uses this file does so")]
    pub(crate) fn scribble(&self, text: &str) {
        self.shown.0.lock().unwrap().process(text.as_bytes());
    }

    pub(crate) fn contents(&self) -> String {
        self.shown.0.lock().unwrap().screen().contents()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Returns true if the screen is as before the TUI.
pub(crate) fn given_back(screen: &Screen) -> bool {
    !screen.alternate_screen()
        && !screen.hide_cursor()
        && !screen.bracketed_paste()
        && screen.mouse_protocol_mode() == MouseProtocolMode::None
}
