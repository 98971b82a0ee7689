//! The main loop, which owns the terminal.

use std::io;
use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use async_trait::async_trait;
use crossterm::event::{Event as Input, EventStream};
use futures::{FutureExt, StreamExt};
use ratatui::Frame;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::desk::{Desk, Setup};
use super::event::{Effect, Event};
use super::model::{Group, Options};
use super::screen::{self, Screen};
use super::settings::Settings;
use super::style::Depth;
use super::view::view;
use crate::error::{Error, Result};

/// Shortest time between two redraws: 30 per second.
const PICTURE_INTERVAL: Duration = Duration::from_millis(33);

/// What the loop shows on the terminal: the desk, or the screen of `emulate`.
#[async_trait(?Send)]
pub(super) trait App {
    /// Returns true if the screen must be redrawn, and resets the flag.
    fn take_changed(&mut self) -> bool;

    fn draw(&self, frame: &mut Frame<'_>);

    /// Waits for the next event that does not come from the terminal. Cancel-safe.
    async fn next(&mut self) -> Result<Event>;

    /// Such an event, if one waits.
    fn try_next(&mut self) -> Option<Event>;

    /// Handles an event. Returns what the loop has to do.
    async fn handle(&mut self, event: Event) -> Result<Option<Effect>>;
}

#[async_trait(?Send)]
impl App for Desk {
    fn take_changed(&mut self) -> bool {
        self.model.take_changed()
    }

    fn draw(&self, frame: &mut Frame<'_>) {
        view(&self.model, frame);
    }

    async fn next(&mut self) -> Result<Event> {
        Self::next(self).await
    }

    fn try_next(&mut self) -> Option<Event> {
        Self::try_next(self)
    }

    async fn handle(&mut self, event: Event) -> Result<Option<Effect>> {
        Ok(Self::handle(self, event))
    }
}

/// Runs the desk on this terminal until the user quits.
///
/// # Errors
/// [`Error::NoTerminal`] without a terminal; [`Error::Interrupted`] on Ctrl-C or if the terminal is closed;
/// [`Error::Internal`] after a panic. The terminal has been restored in all cases.
pub async fn run(setup: Setup, depth: Depth, groups: Vec<Group>, settings: Settings) -> Result<()> {
    let screen = Screen::open()?;
    let options = Options {
        size: screen.size()?,
        depth,
        groups,
        start: Instant::now(),
        families: setup.families.clone(),
        settings,
    };
    let mut desk = Desk::open(setup, options);
    let result = until_quit(&mut desk, screen).await;
    desk.close().await;
    result
}

/// Runs an app until the user quits, and restores the terminal.
pub(super) async fn until_quit(app: &mut dyn App, mut screen: Screen) -> Result<()> {
    let result = AssertUnwindSafe(interact(app, &mut screen)).catch_unwind().await;
    let result = result.unwrap_or_else(|_| Err(Error::Internal(screen::last_panic())));
    drop(screen);
    result
}

/// Interval of the check for a closed terminal. SIGHUP alone is not enough: only processes that the terminal
/// controls get it.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Limit for events between two redraws.
const MAX_EVENTS_PER_PICTURE: usize = 64;

enum LoopEvent {
    /// Check whether the terminal is still open.
    Check,
    Input(Option<io::Result<Input>>),
    Event(Event),
    Picture,
    Signal(JobSignal),
}

async fn interact(app: &mut dyn App, screen: &mut Screen) -> Result<()> {
    let mut inputs = Inputs::start();
    let mut signals = Signals::new()?;
    let (width, height) = screen.size()?;
    app.handle(Event::Resize(width, height)).await?;
    let mut drawn: Option<Instant> = None;
    let mut due = false;
    let mut check = Instant::now() + CHECK_INTERVAL;
    #[cfg(debug_assertions)]
    let _panics = panic_on_purpose();
    loop {
        due |= app.take_changed();
        let may = drawn.map_or_else(Instant::now, |drawn| drawn + PICTURE_INTERVAL);
        if due && may <= Instant::now() {
            screen.draw(app)?;
            drawn = Some(Instant::now());
            due = false;
        }
        let next = tokio::select! {
            input = inputs.next() => LoopEvent::Input(input),
            () = sleep_until(check) => LoopEvent::Check,
            event = app.next() => LoopEvent::Event(event?),
            line = screen::next_line() => LoopEvent::Event(Event::Radio(line)),
            signal = signals.next() => LoopEvent::Signal(signal),
            () = sleep_until(may), if due => LoopEvent::Picture,
        };
        match next {
            LoopEvent::Picture => {}
            LoopEvent::Check => {
                if screen::is_gone() {
                    return Err(Error::Interrupted);
                }
                check = Instant::now() + CHECK_INTERVAL;
            }
            LoopEvent::Signal(JobSignal::Quit) => return Err(Error::Interrupted),
            LoopEvent::Signal(JobSignal::Continue) => {
                // Something else may have written to the terminal.
                screen.invalidate()?;
                due = true;
            }
            LoopEvent::Signal(JobSignal::Stop) => {
                suspend(app, screen, &mut signals, SuspendScope::Process).await?;
                due = true;
            }
            LoopEvent::Input(input) => {
                let mut input = Some(input);
                // Handles all waiting input before the next redraw.
                for _ in 0..MAX_EVENTS_PER_PICTURE {
                    let Some(now) = input else { break };
                    if let Some(event) = terminal_event(now)?
                        && handle(app, screen, &mut signals, event).await?.is_break()
                    {
                        return Ok(());
                    }
                    input = inputs.pending().map(Some);
                }
            }
            LoopEvent::Event(event) => {
                let mut event = Some(event);
                for _ in 0..MAX_EVENTS_PER_PICTURE {
                    let Some(now) = event else { break };
                    if handle(app, screen, &mut signals, now).await?.is_break() {
                        return Ok(());
                    }
                    event = app.try_next();
                }
            }
        }
    }
}

/// Input of the terminal, read by a task. crossterm reads a closed terminal in an endless loop, which must not
/// keep the main loop from signals.
struct Inputs {
    inputs: mpsc::Receiver<io::Result<Input>>,
    _task: AbortOnDropHandle<()>,
}

impl Inputs {
    fn start() -> Self {
        let (sender, inputs) = mpsc::channel(MAX_EVENTS_PER_PICTURE);
        // From here on, crossterm notices changes of the size.
        let mut stream = EventStream::new();
        let task = tokio::spawn(async move {
            while !screen::is_gone()
                && let Some(input) = stream.next().await
                && sender.send(input).await.is_ok()
            {}
        });
        Self { inputs, _task: AbortOnDropHandle::new(task) }
    }

    /// Waits for input. Returns `None` if the terminal is closed.
    async fn next(&mut self) -> Option<io::Result<Input>> {
        self.inputs.recv().await
    }

    fn pending(&mut self) -> Option<io::Result<Input>> {
        self.inputs.try_recv().ok()
    }
}

/// Panics for tests: `BULBCTL_TUI_PANIC=desk|task`, in debug builds only.
#[cfg(debug_assertions)]
#[allow(clippy::panic, reason = "on purpose")]
fn panic_on_purpose() -> Option<AbortOnDropHandle<()>> {
    match std::env::var("BULBCTL_TUI_PANIC").ok()?.as_str() {
        "desk" => panic!("on purpose"),
        "task" => Some(AbortOnDropHandle::new(tokio::spawn(async { panic!("on purpose") }))),
        _ => None,
    }
}

/// Panics for tests when text is pasted: `BULBCTL_TUI_PANIC=paste`, in debug builds only.
#[cfg(debug_assertions)]
#[allow(clippy::panic, reason = "on purpose")]
fn panic_on_paste(event: &Event) {
    if matches!(event, Event::Paste(_)) && std::env::var("BULBCTL_TUI_PANIC").is_ok_and(|at| at == "paste") {
        panic!("on purpose");
    }
}

async fn handle(
    app: &mut dyn App,
    screen: &mut Screen,
    signals: &mut Signals,
    event: Event,
) -> Result<ControlFlow<()>> {
    #[cfg(debug_assertions)]
    panic_on_paste(&event);
    match app.handle(event).await? {
        Some(Effect::Quit) => return Ok(ControlFlow::Break(())),
        Some(Effect::Interrupt) => return Err(Error::Interrupted),
        Some(Effect::Fail(error)) => return Err(error),
        Some(Effect::Redraw) => screen.invalidate()?,
        Some(Effect::Suspend) => suspend(app, screen, signals, SuspendScope::ProcessGroup).await?,
        _ => {}
    }
    Ok(ControlFlow::Continue(()))
}

/// Converts an event of the terminal; `None` for those that are ignored.
fn terminal_event(input: Option<io::Result<Input>>) -> Result<Option<Event>> {
    // The terminal was closed.
    let Some(Ok(input)) = input else { return Err(Error::Interrupted) };
    Ok(Some(match input {
        Input::Key(key) => Event::Key(key),
        Input::Mouse(mouse) => Event::Mouse(mouse),
        Input::Paste(text) => Event::Paste(text),
        Input::Resize(width, height) => Event::Resize(width, height),
        Input::FocusGained | Input::FocusLost => return Ok(None),
    }))
}

/// Restores the terminal and stops the process until the shell continues it.
async fn suspend(
    app: &mut dyn App,
    screen: &mut Screen,
    signals: &mut Signals,
    stopped: SuspendScope,
) -> Result<()> {
    screen::restore();
    if stop(stopped)? {
        // The stop signal may arrive a little later. Entering raw mode before would leave the shell without
        // its terminal.
        let _ = timeout(STOP_TIME, signals.resumed()).await;
    }
    screen.enter()?;
    let (width, height) = screen.size()?;
    app.handle(Event::Resize(width, height)).await?;
    Ok(())
}

/// Time limit for a stop signal to this process. The clock runs on while it is stopped.
const STOP_TIME: Duration = Duration::from_secs(1);

#[derive(Clone, Copy)]
enum SuspendScope {
    /// The process group, as for Ctrl-Z in any program.
    ProcessGroup,
    /// This process alone, if another process sent the signal to it.
    Process,
}

/// Stops the process. Returns false, and does nothing, if no shell could continue it.
#[cfg(unix)]
fn stop(stopped: SuspendScope) -> Result<bool> {
    use rustix::process::{Signal, getpgrp, getpid, getsid, kill_current_process_group, kill_process};
    let failed = |error: rustix::io::Errno| Error::Internal(error.to_string());
    // The first process group of a session has no shell above it.
    if getsid(None).map_err(failed)? == getpgrp() {
        return Ok(false);
    }
    // SIGTSTP would be caught here again.
    match stopped {
        SuspendScope::ProcessGroup => kill_current_process_group(Signal::STOP),
        SuspendScope::Process => kill_process(getpid(), Signal::STOP),
    }
    .map_err(failed)?;
    Ok(true)
}

#[cfg(not(unix))]
fn stop(_stopped: SuspendScope) -> Result<bool> {
    Ok(false)
}

/// A job control signal, or SIGQUIT.
enum JobSignal {
    Quit,
    Stop,
    Continue,
}

#[cfg(unix)]
struct Signals {
    quit: tokio::signal::unix::Signal,
    stop: tokio::signal::unix::Signal,
    resumed: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> Result<Self> {
        use rustix::process::Signal;
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |which: Signal| {
            signal(SignalKind::from_raw(which.as_raw())).map_err(|error| Error::Internal(error.to_string()))
        };
        Ok(Self { quit: listen(Signal::QUIT)?, stop: listen(Signal::TSTP)?, resumed: listen(Signal::CONT)? })
    }

    async fn next(&mut self) -> JobSignal {
        tokio::select! {
            Some(()) = self.quit.recv() => JobSignal::Quit,
            Some(()) = self.stop.recv() => JobSignal::Stop,
            Some(()) = self.resumed.recv() => JobSignal::Continue,
            else => std::future::pending().await,
        }
    }

    async fn resumed(&mut self) {
        if self.resumed.recv().await.is_none() {
            std::future::pending().await
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> JobSignal {
        std::future::pending().await
    }

    async fn resumed(&mut self) {}
}
