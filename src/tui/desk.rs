//! The desk and its radio side, without a terminal: what the program, the tests and the picture in the README run.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::event::{Effect, Event, RadioEvent};
use super::model::{Model, Options};
use super::operator::{Opener, Operator};
use super::update::update;
use crate::bulb::Families;
use crate::error::{Error, Result};

/// How many words and effects wait for the other side.
const QUEUE: usize = 64;
/// How long the radio side may take to end.
const CLOSE_TIME: Duration = Duration::from_millis(500);

/// What the desk needs of the rest of the program.
#[derive(Clone)]
pub struct Setup {
    /// Opens the radio.
    pub open: Opener,
    /// The families that bulbs may be of.
    pub families: Arc<Families>,
    /// How long an operation may take.
    pub timeout: Duration,
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { open: _, families, timeout } = self;
        f.debug_struct("Setup").field("families", families).field("timeout", timeout).finish_non_exhaustive()
    }
}

/// A desk with its radio side.
#[derive(Debug)]
pub struct Desk {
    /// What is on it.
    pub model: Model,
    start: Instant,
    words: mpsc::Receiver<RadioEvent>,
    effects: mpsc::Sender<Effect>,
    /// What the radio side has not taken yet. Fed by a person's keys alone.
    backlog: VecDeque<Effect>,
    operator: AbortOnDropHandle<()>,
}

impl Desk {
    /// Opens the desk and starts its radio side.
    #[must_use]
    pub fn open(setup: Setup, options: Options) -> Self {
        let (words_in, words) = mpsc::channel(QUEUE);
        let (effects, effects_out) = mpsc::channel(QUEUE);
        let Setup { open, families, timeout } = setup;
        let operator = Operator { open, families, timeout, effects: effects_out, words: words_in };
        Self {
            start: options.start,
            model: Model::new(options),
            words,
            effects,
            backlog: VecDeque::new(),
            operator: AbortOnDropHandle::new(tokio::spawn(operator.run())),
        }
    }

    /// Takes an event in; gives what is the terminal's to do.
    pub fn take(&mut self, event: Event) -> Option<Effect> {
        let mut own = None;
        for effect in update(&mut self.model, event, self.start.elapsed()) {
            match effect {
                Effect::Redraw | Effect::Suspend | Effect::Quit | Effect::Interrupt | Effect::Fail(_) => {
                    own = Some(effect)
                }
                _ => self.backlog.push_back(effect),
            }
        }
        // At once: a picture may be drawn before the next wait.
        while let Some(effect) = self.backlog.pop_front() {
            if let Err(TrySendError::Full(effect)) = self.effects.try_send(effect) {
                self.backlog.push_front(effect);
                break;
            }
        }
        own
    }

    /// Waits for the next word of the radio side, or tick of the clock. May be dropped and called again.
    ///
    /// # Errors
    /// [`Error::Internal`] if the radio side has ended, which it does only by a panic.
    pub async fn next(&mut self) -> Result<Event> {
        loop {
            let tick = self.model.next_tick().map(|tick| self.start + tick);
            tokio::select! {
                permit = self.effects.reserve(), if !self.backlog.is_empty() => {
                    let (Ok(permit), Some(effect)) = (permit, self.backlog.pop_front()) else { return Err(ended()) };
                    permit.send(effect);
                }
                word = self.words.recv() => return word.map(Event::Radio).ok_or_else(ended),
                () = at(tick) => return Ok(Event::Tick),
            }
        }
    }

    /// What the radio side has said already, so that a picture shows all of it.
    pub fn ready(&mut self) -> Option<Event> {
        self.words.try_recv().ok().map(Event::Radio)
    }

    /// Lets so much time pass, without a terminal.
    ///
    /// # Errors
    /// As for [`next`](Desk::next).
    pub async fn pass(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        while let Ok(event) = tokio::time::timeout_at(end, self.next()).await {
            let _ = self.take(event?);
        }
        Ok(())
    }

    /// Ends the radio side, which gives up all links.
    pub async fn close(self) {
        let Self { words, effects, operator, .. } = self;
        drop((words, effects));
        let _ = timeout(CLOSE_TIME, operator).await;
    }
}

fn ended() -> Error {
    Error::Internal("the radio side has ended".to_owned())
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
