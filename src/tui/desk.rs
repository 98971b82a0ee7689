//! The desk and its radio task, without a terminal. Used by the program, the tests and the picture in the
//! README.

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::event::{Effect, Event, RadioEvent};
use super::model::{Model, Options};
use super::radio_worker::{Opener, RadioWorker};
use super::tasks::RestoreAtExit;
use super::update::update;
use crate::bulb::Families;
use crate::config::Config;
use crate::error::{Error, Result};

const QUEUE: usize = 64;
/// Time limit for the end of the radio task.
const CLOSE_TIME: Duration = Duration::from_millis(500);

#[derive(Clone)]
pub struct Setup {
    pub open: Opener,
    pub families: Arc<Families>,
    pub timeout: Duration,
    /// Largest number of links at a time, if not what the radio plans for.
    pub max_links: Option<usize>,
    /// For the targets that scenes name.
    pub config: Arc<Config>,
    /// The folder of the scenes.
    pub scenes: Option<PathBuf>,
    pub at_exit: RestoreAtExit,
}

impl Setup {
    pub fn new(open: Opener, families: Arc<Families>, timeout: Duration) -> Self {
        let (config, at_exit) = (Arc::default(), RestoreAtExit::default());
        Self { open, families, timeout, max_links: None, config, scenes: None, at_exit }
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { families, timeout, max_links, scenes, .. } = self;
        let mut setup = f.debug_struct("Setup");
        setup
            .field("families", families)
            .field("timeout", timeout)
            .field("max_links", max_links)
            .field("scenes", scenes);
        setup.finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub struct Desk {
    pub model: Model,
    start: Instant,
    radio_events: mpsc::Receiver<RadioEvent>,
    effects: mpsc::Sender<Effect>,
    /// Effects that the radio task has not accepted yet. Only key presses and mouse events add to it.
    backlog: VecDeque<Effect>,
    worker: AbortOnDropHandle<()>,
}

impl Desk {
    pub fn open(setup: Setup, options: Options) -> Self {
        let (radio_events_in, radio_events) = mpsc::channel(QUEUE);
        let (effects, effects_out) = mpsc::channel(QUEUE);
        let worker = RadioWorker { setup, effects: effects_out, radio_events: radio_events_in };
        Self {
            start: options.start,
            model: Model::new(options),
            radio_events,
            effects,
            backlog: VecDeque::new(),
            worker: AbortOnDropHandle::new(tokio::spawn(worker.run())),
        }
    }

    pub fn handle(&mut self, event: Event) -> Option<Effect> {
        let mut terminal_effect = None;
        for effect in update(&mut self.model, event, self.start.elapsed()) {
            match effect {
                Effect::Redraw | Effect::Suspend | Effect::Quit | Effect::Interrupt | Effect::Fail(_) => {
                    terminal_effect = Some(effect)
                }
                _ => self.backlog.push_back(effect),
            }
        }
        // Sent at once, as the next wait may be a while off.
        while let Some(effect) = self.backlog.pop_front() {
            if let Err(TrySendError::Full(effect)) = self.effects.try_send(effect) {
                self.backlog.push_front(effect);
                break;
            }
        }
        terminal_effect
    }

    /// Waits for the next radio event or tick. Cancel-safe.
    pub async fn next(&mut self) -> Result<Event> {
        loop {
            let tick = self.model.next_tick().map(|tick| self.start + tick);
            tokio::select! {
                permit = self.effects.reserve(), if !self.backlog.is_empty() => {
                    let (Ok(permit), Some(effect)) = (permit, self.backlog.pop_front()) else { return Err(ended()) };
                    permit.send(effect);
                }
                event = self.radio_events.recv() => return event.map(Event::Radio).ok_or_else(ended),
                () = sleep_until_tick(tick) => return Ok(Event::Tick),
            }
        }
    }

    pub fn try_next(&mut self) -> Option<Event> {
        self.radio_events.try_recv().ok().map(Event::Radio)
    }

    /// Handles events for this long, without a terminal.
    pub async fn run_for(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        while let Ok(event) = tokio::time::timeout_at(end, self.next()).await {
            let _ = self.handle(event?);
        }
        Ok(())
    }

    /// Ends the radio task, which closes all links.
    pub async fn close(self) {
        let Self { radio_events, effects, worker, .. } = self;
        drop((radio_events, effects));
        let _ = timeout(CLOSE_TIME, worker).await;
    }
}

fn ended() -> Error {
    Error::Internal("the radio task has ended".to_owned())
}

async fn sleep_until_tick(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
