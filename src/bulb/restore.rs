//! Restores the state that a bulb was found in, even after an interrupt.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bulb_protocol::profile::{Feature, Light, Profile};
use tokio::time::{sleep, timeout};

use super::channel::ACK_TIME;
use super::connect::connect;
use super::session::Session;
use crate::error::Result;
use crate::radio::{Deadline, Link, LinkState, Radio, SeenDevice};

/// How long it may take.
const TIME: Duration = Duration::from_secs(8);
/// What was sent before has to be through, later reports of it must not be taken for what was restored, and some bulbs are
/// still busy.
const SETTLE: Duration = Duration::from_millis(250);

/// Restores a bulb.
#[derive(Clone, Debug)]
pub struct Restorer {
    radio: Arc<dyn Radio>,
    report: SeenDevice,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    way: Option<RestorePlan>,
    link: Option<Arc<dyn Link>>,
    /// Whether anything was written since.
    touched: bool,
}

/// The state to restore.
#[derive(Clone, Debug)]
pub(crate) struct RestorePlan {
    /// How the bulb is driven.
    pub(crate) profile: Arc<Profile>,
    /// All that is known of it.
    pub(crate) known: Light,
    /// What of that is written.
    pub(crate) back: Light,
    /// Whether the bulb was found so, rather than told to be so.
    pub(crate) found: bool,
}

impl RestorePlan {
    /// Back to this state, as far as it can be set, and of what it can shine with, to what it shines with.
    pub(crate) fn to(found: Light, profile: Arc<Profile>) -> Self {
        let shines =
            |item: Feature| item.mode().is_none() || found.mode.is_none() || item.mode() == found.mode;
        let back = found.only(profile.settable().iter().filter(|item| shines(*item)).collect());
        Self { profile, known: found, back, found: true }
    }
}

impl Restorer {
    /// Nothing to put back yet.
    pub fn new(radio: Arc<dyn Radio>, report: SeenDevice) -> Self {
        Self { radio, report, state: Arc::default() }
    }

    fn with<T>(&self, what: impl FnOnce(&mut State) -> T) -> T {
        what(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The way back, from before anything was written: the first one counts.
    pub(crate) fn note(&self, way: RestorePlan) {
        self.with(|state| {
            state.way.get_or_insert(way);
        });
    }

    /// The link to go back over, while it is up.
    pub(crate) fn link(&self, link: Option<Arc<dyn Link>>) {
        self.with(|state| state.link = link);
    }

    /// Something is about to be written. Says whether it is the first.
    pub(crate) fn touch(&self) -> bool {
        self.with(|state| !std::mem::replace(&mut state.touched, true))
    }

    /// It was refused.
    pub(crate) fn untouched(&self) {
        self.with(|state| state.touched = false);
    }

    /// Writes the state that the bulb was found in, over the link that is there or another; once. Says whether it was written,
    /// and the bulb does not tell otherwise; nothing where that state was never known or nothing was changed.
    pub async fn run(&self) -> Option<bool> {
        let (way, link) = self.with(|state| {
            let way = if state.touched { state.way.clone() } else { None };
            state.touched = false;
            (way, state.link.take())
        });
        let way = way?;
        let found = way.found;
        let back = timeout(TIME, self.restore(way, link)).await.unwrap_or(Ok(false));
        let back = back.unwrap_or_else(|error| {
            tracing::warn!("{}: putting it back: {error}", self.report.label());
            false
        });
        found.then_some(back)
    }

    async fn restore(&self, way: RestorePlan, link: Option<Arc<dyn Link>>) -> Result<bool> {
        let deadline = Deadline::after(TIME);
        let RestorePlan { profile, known, back, .. } = way;
        let up = link.filter(|link| *link.state().borrow() == LinkState::Up);
        let (link, fresh) = match up {
            Some(link) => (link, false),
            None => (connect(self.radio.as_ref(), &self.report, deadline).await?, true),
        };
        let mut session =
            Session::with_profile(link, Arc::clone(&profile), self.report.label(), deadline).await?;
        if fresh && let Err(error) = session.prepare(deadline.within(TIME / 2)).await {
            // Many obey all the same.
            tracing::info!("{}: {error}", self.report.label());
        }
        session.known = known;
        sleep(SETTLE.max(profile.link_rules.gap)).await;
        session.write(&back, deadline).await?;
        let assumed = session.known.clone();
        let patience = Deadline::after(ACK_TIME);
        loop {
            // A read comes after the write on every link, and some bulbs take a moment all the same.
            sleep(SETTLE).await;
            let differs = match session.query_state(deadline.within(ACK_TIME)).await {
                Ok(told) => profile.mismatches(back.features(), &assumed, &told),
                Err(error) => {
                    tracing::info!("{}: whether it is back: {error}", self.report.label());
                    return Ok(true);
                }
            };
            if differs.is_empty() || patience.remaining().is_zero() {
                return Ok(differs.is_empty());
            }
        }
    }
}
