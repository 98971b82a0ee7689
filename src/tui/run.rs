//! The loop that owns the terminal.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use crossterm::event::{Event as Input, EventStream};
use futures::{FutureExt, StreamExt};
use tokio::time::{Instant, sleep_until};

use super::desk::{Desk, Setup};
use super::event::{Effect, Event, Word};
use super::model::{Group, Options};
use super::paint::Depth;
use super::screen::{self, Screen};
use crate::error::{Error, Result};

/// The least time between two pictures: 30 a second.
const PICTURE: Duration = Duration::from_millis(33);

/// Runs the desk on this process's terminal until the user quits.
///
/// # Errors
/// [`Error::NoTerminal`]; [`Error::Interrupted`] on Ctrl-C, or when the terminal has gone; [`Error::Internal`] after a panic.
/// The terminal has been given back by then.
pub async fn run(setup: Setup, depth: Depth, groups: Vec<Group>) -> Result<()> {
    let screen = Screen::take()?;
    let options = Options { size: screen.size()?, depth, groups, start: Instant::now() };
    let mut desk = Desk::open(setup, options);
    let result = AssertUnwindSafe(interact(&mut desk, screen)).catch_unwind().await;
    desk.close().await;
    result.unwrap_or_else(|_| Err(Error::Internal(screen::last_panic())))
}

/// What the terminal is asked to do next.
enum Next {
    Event(Event),
    /// It is time for a picture.
    Picture,
    /// It shows something else now: we were stopped, and go on.
    Forget,
}

async fn interact(desk: &mut Desk, mut screen: Screen) -> Result<()> {
    let mut inputs = EventStream::new();
    let mut resumed = Resumed::new()?;
    let mut drawn: Option<Instant> = None;
    let mut due = false;
    loop {
        due |= desk.model.take_changed();
        let may = drawn.map_or_else(Instant::now, |drawn| drawn + PICTURE);
        if due && may <= Instant::now() {
            screen.draw(&desk.model)?;
            drawn = Some(Instant::now());
            due = false;
        }
        let next = tokio::select! {
            input = inputs.next() => match input {
                Some(Ok(input)) => match event(input) {
                    Some(event) => Next::Event(event),
                    None => continue,
                },
                // The terminal has gone.
                Some(Err(_)) | None => return Err(Error::Interrupted),
            },
            event = desk.next() => Next::Event(event?),
            line = screen::next_line() => Next::Event(Event::Radio(Word::Log(line))),
            () = resumed.next() => Next::Forget,
            () = sleep_until(may), if due => Next::Picture,
        };
        match next {
            Next::Picture => {}
            Next::Forget => screen.forget()?,
            Next::Event(event) => match desk.take(event) {
                Some(Effect::Quit) => return Ok(()),
                Some(Effect::Interrupt) => return Err(Error::Interrupted),
                Some(Effect::Fail(error)) => return Err(error),
                Some(Effect::Redraw) => screen.forget()?,
                Some(Effect::Suspend) => {
                    screen.suspend()?;
                    let (width, height) = screen.size()?;
                    let _ = desk.take(Event::Resize(width, height));
                }
                _ => continue,
            },
        }
        due = true;
    }
}

fn event(input: Input) -> Option<Event> {
    Some(match input {
        Input::Key(key) => Event::Key(key),
        Input::Mouse(mouse) => Event::Mouse(mouse),
        Input::Paste(text) => Event::Paste(text),
        Input::Resize(width, height) => Event::Resize(width, height),
        Input::FocusGained | Input::FocusLost => return None,
    })
}

/// Tells when the process goes on after it was stopped.
#[cfg(unix)]
struct Resumed(tokio::signal::unix::Signal);

#[cfg(unix)]
impl Resumed {
    fn new() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let kind = SignalKind::from_raw(rustix::process::Signal::CONT.as_raw());
        signal(kind).map(Self).map_err(|error| Error::Internal(error.to_string()))
    }

    async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending().await
        }
    }
}

#[cfg(not(unix))]
struct Resumed;

#[cfg(not(unix))]
impl Resumed {
    fn new() -> Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        std::future::pending().await
    }
}
