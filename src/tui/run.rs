//! The loop that owns the terminal.

use std::future::poll_fn;
use std::io;
use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::task::Poll;
use std::time::Duration;

use crossterm::event::{Event as Input, EventStream};
use futures::{FutureExt, StreamExt as _};
use tokio::time::{Instant, sleep_until, timeout};
#[cfg(debug_assertions)]
use tokio_util::task::AbortOnDropHandle;

use super::desk::{Desk, Setup};
use super::event::{Effect, Event, RadioEvent};
use super::model::{Group, Options};
use super::screen::{self, Screen};
use super::style::Depth;
use crate::error::{Error, Result};

/// The least time between two pictures: 30 a second.
const PICTURE_INTERVAL: Duration = Duration::from_millis(33);

/// Runs the desk on this process's terminal until the user quits.
///
/// # Errors
/// [`Error::NoTerminal`]; [`Error::Interrupted`] on Ctrl-C, or when the terminal has gone; [`Error::Internal`] after a panic.
/// The terminal has been given back by then.
pub async fn run(setup: Setup, depth: Depth, groups: Vec<Group>) -> Result<()> {
    let mut screen = Screen::open()?;
    let options = Options {
        size: screen.size()?,
        depth,
        groups,
        start: Instant::now(),
        families: setup.families.clone(),
    };
    let mut desk = Desk::open(setup, options);
    let result = AssertUnwindSafe(interact(&mut desk, &mut screen)).catch_unwind().await;
    let result = result.unwrap_or_else(|_| Err(Error::Internal(screen::last_panic())));
    drop(screen);
    desk.close().await;
    result
}

/// A closed terminal sends SIGHUP only to the processes that it controls, so the desk also looks for itself.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// How many events are taken in before the next picture.
const MAX_EVENTS_PER_PICTURE: usize = 64;

/// What happens next.
enum LoopEvent {
    /// It is time to look whether the terminal is still there.
    Check,
    Input(Option<io::Result<Input>>),
    Event(Event),
    /// It is time for a picture.
    Picture,
    Signal(JobSignal),
}

async fn interact(desk: &mut Desk, screen: &mut Screen) -> Result<()> {
    let mut inputs = EventStream::new();
    let mut signals = Signals::new()?;
    let mut drawn: Option<Instant> = None;
    let mut due = false;
    let mut check = Instant::now() + CHECK_INTERVAL;
    #[cfg(debug_assertions)]
    let _panics = panic_on_purpose();
    loop {
        due |= desk.model.take_changed();
        let may = drawn.map_or_else(Instant::now, |drawn| drawn + PICTURE_INTERVAL);
        if due && may <= Instant::now() {
            screen.draw(&desk.model)?;
            drawn = Some(Instant::now());
            due = false;
        }
        let next = tokio::select! {
            input = next_input(&mut inputs) => LoopEvent::Input(input),
            () = sleep_until(check) => LoopEvent::Check,
            event = desk.next() => LoopEvent::Event(event?),
            line = screen::next_line() => LoopEvent::Event(Event::Radio(RadioEvent::Log(line))),
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
                // It shows something else now.
                screen.invalidate()?;
                due = true;
            }
            LoopEvent::Signal(JobSignal::Stop) => {
                suspend(desk, screen, &mut signals, SuspendScope::Process).await?;
                due = true;
            }
            LoopEvent::Input(input) => {
                let mut input = Some(input);
                // What was typed meanwhile comes before the next picture.
                for _ in 0..MAX_EVENTS_PER_PICTURE {
                    let Some(now) = input else { break };
                    if let Some(event) = terminal_event(now)?
                        && handle(desk, screen, &mut signals, event).await?.is_break()
                    {
                        return Ok(());
                    }
                    input = pending_input(&mut inputs).await;
                }
            }
            LoopEvent::Event(event) => {
                let mut event = Some(event);
                for _ in 0..MAX_EVENTS_PER_PICTURE {
                    let Some(now) = event else { break };
                    if handle(desk, screen, &mut signals, now).await?.is_break() {
                        return Ok(());
                    }
                    event = desk.try_next();
                }
            }
        }
    }
}

/// Waits for input. None if the terminal is gone: crossterm reads a closed terminal in an endless loop.
async fn next_input(inputs: &mut EventStream) -> Option<io::Result<Input>> {
    poll_fn(|context| if screen::is_gone() { Poll::Ready(None) } else { inputs.poll_next_unpin(context) })
        .await
}

/// What was typed already. With this task's own waker: the stream wakes only the first that it was polled with.
async fn pending_input(inputs: &mut EventStream) -> Option<Option<io::Result<Input>>> {
    poll_fn(|context| {
        if screen::is_gone() {
            return Poll::Ready(Some(None));
        }
        Poll::Ready(match inputs.poll_next_unpin(context) {
            Poll::Ready(input) => Some(input),
            Poll::Pending => None,
        })
    })
    .await
}

/// For the tests of what a panic leaves new_since_pause: `BULBCTL_TUI_PANIC=desk|task`, in debug builds only.
#[cfg(debug_assertions)]
#[allow(clippy::panic, reason = "on purpose")]
fn panic_on_purpose() -> Option<AbortOnDropHandle<()>> {
    match std::env::var("BULBCTL_TUI_PANIC").ok()?.as_str() {
        "desk" => panic!("on purpose"),
        "task" => Some(AbortOnDropHandle::new(tokio::spawn(async { panic!("on purpose") }))),
        _ => None,
    }
}

/// As above, later: `BULBCTL_TUI_PANIC=paste` panics when text is pasted.
#[cfg(debug_assertions)]
#[allow(clippy::panic, reason = "on purpose")]
fn panic_on_paste(event: &Event) {
    if matches!(event, Event::Paste(_)) && std::env::var("BULBCTL_TUI_PANIC").is_ok_and(|at| at == "paste") {
        panic!("on purpose");
    }
}

/// Takes an event in, and does what is the terminal's to do.
async fn handle(
    desk: &mut Desk,
    screen: &mut Screen,
    signals: &mut Signals,
    event: Event,
) -> Result<ControlFlow<()>> {
    #[cfg(debug_assertions)]
    panic_on_paste(&event);
    match desk.handle(event) {
        Some(Effect::Quit) => return Ok(ControlFlow::Break(())),
        Some(Effect::Interrupt) => return Err(Error::Interrupted),
        Some(Effect::Fail(error)) => return Err(error),
        Some(Effect::Redraw) => screen.invalidate()?,
        Some(Effect::Suspend) => suspend(desk, screen, signals, SuspendScope::ProcessGroup).await?,
        _ => {}
    }
    Ok(ControlFlow::Continue(()))
}

/// What came from the terminal; nothing for what we do not care about.
fn terminal_event(input: Option<io::Result<Input>>) -> Result<Option<Event>> {
    // The terminal has gone.
    let Some(Ok(input)) = input else { return Err(Error::Interrupted) };
    Ok(Some(match input {
        Input::Key(key) => Event::Key(key),
        Input::Mouse(mouse) => Event::Mouse(mouse),
        Input::Paste(text) => Event::Paste(text),
        Input::Resize(width, height) => Event::Resize(width, height),
        Input::FocusGained | Input::FocusLost => return Ok(None),
    }))
}

/// Leaves the terminal to the shell until it wakes us.
async fn suspend(
    desk: &mut Desk,
    screen: &mut Screen,
    signals: &mut Signals,
    stopped: SuspendScope,
) -> Result<()> {
    screen::restore();
    if stop(stopped)? {
        // The signal that stops us may come a moment after it was sent; to take the terminal then would be to keep it.
        let _ = timeout(STOP_TIME, signals.resumed()).await;
    }
    screen.enter()?;
    let (width, height) = screen.size()?;
    let _ = desk.handle(Event::Resize(width, height));
    Ok(())
}

/// How long a signal to ourselves may take to stop us. The clock goes on while we are stopped.
const STOP_TIME: Duration = Duration::from_secs(1);

/// Who is to stop.
#[derive(Clone, Copy)]
enum SuspendScope {
    /// All that the shell has started with us, as for Ctrl-Z in any program.
    ProcessGroup,
    /// We alone: who sent us the signal has sent it to whom he liked.
    Process,
}

/// Stops us. Where no shell waits, nothing would ever wake us: then it is passed over as the system does, and this says so.
#[cfg(unix)]
fn stop(stopped: SuspendScope) -> Result<bool> {
    use rustix::process::{Signal, getpgrp, getpid, getsid, kill_current_process_group, kill_process};
    let failed = |error: rustix::io::Errno| Error::Internal(error.to_string());
    // The group that a session begins with has no shell above it; any other was made by one.
    if getsid(None).map_err(failed)? == getpgrp() {
        return Ok(false);
    }
    // Not SIGTSTP, which would come back to us.
    match stopped {
        SuspendScope::ProcessGroup => kill_current_process_group(Signal::STOP),
        SuspendScope::Process => kill_process(getpid(), Signal::STOP),
    }
    .map_err(failed)?;
    Ok(true)
}

/// There is no such thing here.
#[cfg(not(unix))]
fn stop(_stopped: SuspendScope) -> Result<bool> {
    Ok(false)
}

/// A signal that is the terminal's to care for.
enum JobSignal {
    /// Somebody wants us to end: SIGQUIT.
    Quit,
    /// Somebody wants us to stop.
    Stop,
    /// We were stopped, and go on.
    Continue,
}

/// The signals that stop a process and let it go on.
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
