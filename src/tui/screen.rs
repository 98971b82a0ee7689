//! The terminal: taken, and given back once on every way out.
//!
//! While it is ours nothing else may write on it: panics and the log go to a bounded list, of which the desk shows what comes.

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Stdout, Write, stdin, stdout};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{cursor, execute};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use tokio::sync::Notify;

use super::model::Model;
use super::view::view;
use crate::error::{Error, Result};

/// How many lines wait to be shown.
const MAX_LOG_LINES: usize = 100;

/// Whether the terminal is ours.
static ACTIVE: AtomicBool = AtomicBool::new(false);
static LOG_LINES: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());
static LINE_ADDED: Notify = Notify::const_new();

/// Keeps a line for the desk to show; the oldest goes if nobody does.
fn queue_line(line: String) {
    let mut waiting = LOG_LINES.lock().unwrap_or_else(PoisonError::into_inner);
    waiting.push_back(line);
    if waiting.len() > MAX_LOG_LINES {
        waiting.pop_front();
    }
    drop(waiting);
    LINE_ADDED.notify_one();
}

/// The next line that would have been written on the screen.
pub(super) async fn next_line() -> String {
    loop {
        if let Some(line) = take_line() {
            return line;
        }
        LINE_ADDED.notified().await;
    }
}

fn take_line() -> Option<String> {
    LOG_LINES.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

/// Where the log of a process with a TUI goes: to the desk while the terminal is ours, and to stderr otherwise. One line at a time.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if ACTIVE.load(Ordering::SeqCst) && io::stderr().is_terminal() {
            let text = String::from_utf8_lossy(bytes);
            text.lines()
                .filter(|line| !line.trim().is_empty())
                .for_each(|line| queue_line(line.trim().to_owned()));
        } else {
            // An error here would be reported on stderr, and that would panic: stderr may be the terminal that was closed.
            let _ = io::stderr().write_all(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = io::stderr().flush();
        Ok(())
    }
}

/// Standard output while the terminal is ours. Afterwards it drops what is written: ratatui's `Terminal` shows the cursor when it
/// is dropped, and panics if neither stdout nor stderr can be written.
struct TerminalOutput(Stdout);

impl Write for TerminalOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if ACTIVE.load(Ordering::SeqCst) { self.0.write(bytes) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        if ACTIVE.load(Ordering::SeqCst) { self.0.flush() } else { Ok(()) }
    }
}

/// The terminal while it is ours. Dropping it gives the terminal back.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<TerminalOutput>>,
    hook: Option<PanicHook>,
    pictures: u64,
}

type PanicHook = Box<dyn Fn(&panic::PanicHookInfo<'_>) + Send + Sync>;

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// [`Error::NoTerminal`] if there is none; [`Error::Output`] if it does not do what is needed.
    pub(super) fn open() -> Result<Self> {
        if !(stdin().is_terminal() && stdout().is_terminal()) {
            return Err(Error::NoTerminal);
        }
        let hook = panic::take_hook();
        panic::set_hook(Box::new(|info| queue_line(info.to_string())));
        let mut screen = Self {
            terminal: Terminal::new(CrosstermBackend::new(TerminalOutput(stdout()))).map_err(failed)?,
            hook: Some(hook),
            pictures: 0,
        };
        screen.enter()?;
        Ok(screen)
    }

    /// Takes the terminal (again), and draws everything the next time.
    pub(super) fn enter(&mut self) -> Result<()> {
        ACTIVE.store(true, Ordering::SeqCst);
        enable_raw_mode().map_err(failed)?;
        let modes = (EnterAlternateScreen, EnableMouseCapture, EnableBracketedPaste, cursor::Hide);
        execute!(stdout(), modes.0, modes.1, modes.2, modes.3).map_err(failed)?;
        self.invalidate()
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> Result<(u16, u16)> {
        self.terminal.size().map(|size| (size.width, size.height)).map_err(failed)
    }

    /// Draws what has changed.
    pub(super) fn draw(&mut self, model: &Model) -> Result<()> {
        self.pictures += 1;
        self.terminal.draw(|frame| view(model, frame)).map(|_| ()).map_err(failed)
    }

    /// Draws everything anew the next time, whatever the terminal shows now.
    pub(super) fn invalidate(&mut self) -> Result<()> {
        let (width, height) = self.size()?;
        // Not `clear`, which asks the terminal where its cursor is, and fails if that does not answer.
        self.terminal.resize(Rect::new(0, 0, width, height)).map_err(failed)
    }
}

/// Gives the terminal back, if it is ours. What fails here cannot be helped, and the rest is done all the same.
pub(super) fn restore() {
    if ACTIVE.swap(false, Ordering::SeqCst) {
        let modes = (DisableBracketedPaste, DisableMouseCapture, LeaveAlternateScreen, cursor::Show);
        let _ = execute!(stdout(), modes.0, modes.1, modes.2, modes.3);
        let _ = disable_raw_mode();
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
        // A thread that panics may not change the hook.
        if !std::thread::panicking()
            && let Some(hook) = self.hook.take()
        {
            panic::set_hook(hook);
        }
        while let Some(line) = take_line() {
            tracing::warn!("{line}");
        }
        tracing::info!("drew {} pictures", self.pictures);
    }
}

/// What the last panic said, for the error that a panic becomes.
pub(super) fn last_panic() -> String {
    let mut waiting = LOG_LINES.lock().unwrap_or_else(PoisonError::into_inner);
    waiting.pop_back().unwrap_or_else(|| "a task failed".to_owned())
}

/// Whether the terminal was closed, or its connection was lost.
pub(super) fn is_gone() -> bool {
    !stdin().is_terminal()
}

fn failed(error: io::Error) -> Error {
    if is_gone() { Error::Interrupted } else { Error::Output(format!("the terminal: {error}")) }
}
