//! Owns the terminal: enters raw mode and restores the terminal on every way out.
//!
//! While the desk runs, nothing else may write to the terminal. Panics and log lines go to a bounded queue
//! that the desk shows.

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

use super::event::RadioEvent;
use super::run::App;
use crate::error::{Error, Result};

const MAX_LOG_LINES: usize = 100;

/// True while the desk owns the terminal.
static ACTIVE: AtomicBool = AtomicBool::new(false);
static LOG_LINES: Mutex<VecDeque<RadioEvent>> = Mutex::new(VecDeque::new());
static LINE_ADDED: Notify = Notify::const_new();

/// Queues a line of the log or a panic for the desk. Drops the oldest if the queue is full.
fn queue_line(line: RadioEvent) {
    let mut waiting = LOG_LINES.lock().unwrap_or_else(PoisonError::into_inner);
    waiting.push_back(line);
    if waiting.len() > MAX_LOG_LINES {
        waiting.pop_front();
    }
    drop(waiting);
    LINE_ADDED.notify_one();
}

pub(super) async fn next_line() -> RadioEvent {
    loop {
        if let Some(line) = take_line() {
            return line;
        }
        LINE_ADDED.notified().await;
    }
}

fn take_line() -> Option<RadioEvent> {
    LOG_LINES.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

/// Log output of a process with a TUI: the desk while it owns the terminal, else stderr. Each write is one
/// line.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if ACTIVE.load(Ordering::SeqCst) && io::stderr().is_terminal() {
            let text = String::from_utf8_lossy(bytes);
            text.lines()
                .filter(|line| !line.trim().is_empty())
                .for_each(|line| queue_line(RadioEvent::Log(line.trim().to_owned())));
        } else {
            // Never return an error: tracing would report it on stderr and panic if stderr is the closed
            // terminal.
            let _ = io::stderr().write_all(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = io::stderr().flush();
        Ok(())
    }
}

/// Standard output while the desk owns the terminal. Afterwards it discards output: ratatui's `Terminal`
/// shows the cursor when it is dropped, and panics if neither stdout nor stderr is writable.
struct TerminalOutput(Stdout);

impl Write for TerminalOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if ACTIVE.load(Ordering::SeqCst) { self.0.write(bytes) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        if ACTIVE.load(Ordering::SeqCst) { self.0.flush() } else { Ok(()) }
    }
}

/// Checks that this process has a terminal for a TUI.
///
/// # Errors
/// [`Error::NoTerminal`].
pub fn check_terminal() -> Result<()> {
    if stdin().is_terminal() && stdout().is_terminal() { Ok(()) } else { Err(Error::NoTerminal) }
}

/// The terminal in raw mode. Dropping it restores the terminal.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<TerminalOutput>>,
    hook: Option<PanicHook>,
    pictures: u64,
}

type PanicHook = Box<dyn Fn(&panic::PanicHookInfo<'_>) + Send + Sync>;

impl Screen {
    /// Enters raw mode and the alternate screen.
    ///
    /// # Errors
    /// [`Error::NoTerminal`] without a terminal; [`Error::Output`] if the terminal fails.
    pub(super) fn open() -> Result<Self> {
        check_terminal()?;
        let hook = panic::take_hook();
        panic::set_hook(Box::new(|info| queue_line(RadioEvent::Panic(info.to_string()))));
        let mut screen = Self {
            terminal: Terminal::new(CrosstermBackend::new(TerminalOutput(stdout()))).map_err(failed)?,
            hook: Some(hook),
            pictures: 0,
        };
        screen.enter()?;
        Ok(screen)
    }

    /// Enters raw mode and the alternate screen, also after a suspend.
    pub(super) fn enter(&mut self) -> Result<()> {
        ACTIVE.store(true, Ordering::SeqCst);
        enable_raw_mode().map_err(failed)?;
        let modes = (EnterAlternateScreen, EnableMouseCapture, EnableBracketedPaste, cursor::Hide);
        execute!(stdout(), modes.0, modes.1, modes.2, modes.3).map_err(failed)?;
        self.invalidate()
    }

    /// Returns columns and rows.
    pub(super) fn size(&self) -> Result<(u16, u16)> {
        self.terminal.size().map(|size| (size.width, size.height)).map_err(failed)
    }

    pub(super) fn draw(&mut self, app: &dyn App) -> Result<()> {
        self.pictures += 1;
        self.terminal.draw(|frame| app.draw(frame)).map(|_| ()).map_err(failed)
    }

    /// Makes the next draw repaint everything.
    pub(super) fn invalidate(&mut self) -> Result<()> {
        let (width, height) = self.size()?;
        // `clear` asks the terminal for the cursor position and fails if the terminal does not answer.
        self.terminal.resize(Rect::new(0, 0, width, height)).map_err(failed)
    }
}

/// Restores the terminal if the desk owns it. Ignores errors: the other steps must run.
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
        // A panicking thread must not change the hook.
        if !std::thread::panicking()
            && let Some(hook) = self.hook.take()
        {
            panic::set_hook(hook);
        }
        while let Some(RadioEvent::Log(line) | RadioEvent::Panic(line)) = take_line() {
            tracing::warn!("{line}");
        }
        tracing::info!("drew {} pictures", self.pictures);
    }
}

pub(super) fn last_panic() -> String {
    let mut waiting = LOG_LINES.lock().unwrap_or_else(PoisonError::into_inner);
    match waiting.pop_back() {
        Some(RadioEvent::Panic(text) | RadioEvent::Log(text)) => text,
        _ => "a task failed".to_owned(),
    }
}

/// Returns true if the terminal was closed or its connection was lost.
pub(super) fn is_gone() -> bool {
    !stdin().is_terminal()
}

fn failed(error: io::Error) -> Error {
    if is_gone() { Error::Interrupted } else { Error::Output(format!("the terminal: {error}")) }
}
