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

/// The time limit of a restore.
const TIME: Duration = Duration::from_secs(8);
/// The pause before and after the write. Earlier writes must be carried out and their statuses received first, and some bulbs
/// are busy for a moment.
const SETTLE: Duration = Duration::from_millis(250);

#[derive(Clone, Debug)]
pub struct Restorer {
    radio: Arc<dyn Radio>,
    device: SeenDevice,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    plan: Option<RestorePlan>,
    link: Option<Arc<dyn Link>>,
    written: bool,
}

/// The state to restore.
#[derive(Clone, Debug)]
pub(crate) struct RestorePlan {
    pub(crate) profile: Arc<Profile>,
    /// The known state, which encoding needs.
    pub(crate) known: Light,
    /// The values to write.
    pub(crate) wanted: Light,
    /// The bulb had these values before; false if the user chose them.
    pub(crate) found: bool,
}

impl RestorePlan {
    /// Restores the settable values of this state, but only those of the mode that the bulb is in.
    pub(crate) fn to(found: Light, profile: Arc<Profile>) -> Self {
        let in_mode =
            |item: &Feature| item.mode().is_none() || found.mode.is_none() || item.mode() == found.mode;
        let wanted = found.only(profile.settable().iter().filter(in_mode).collect());
        Self { profile, known: found, wanted, found: true }
    }
}

impl Restorer {
    pub fn new(radio: Arc<dyn Radio>, device: SeenDevice) -> Self {
        Self { radio, device, state: Arc::default() }
    }

    fn with<T>(&self, use_state: impl FnOnce(&mut State) -> T) -> T {
        use_state(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps the first plan, which is from before anything was written.
    pub(crate) fn note(&self, plan: RestorePlan) {
        self.with(|state| {
            state.plan.get_or_insert(plan);
        });
    }

    /// Sets the link to restore over, if it is still up then.
    pub(crate) fn link(&self, link: Option<Arc<dyn Link>>) {
        self.with(|state| state.link = link);
    }

    /// Notes that something is about to be written. Returns true the first time.
    pub(crate) fn before_write(&self) -> bool {
        self.with(|state| !std::mem::replace(&mut state.written, true))
    }

    /// Notes that the first write was refused.
    pub(crate) fn refused(&self) {
        self.with(|state| state.written = false);
    }

    /// Writes the state that the bulb was found in, once, over the present link or a new one. Returns false if that failed or
    /// the bulb reports another state, and `None` if that state was not known or nothing was written.
    pub async fn run(&self) -> Option<bool> {
        let (plan, link) = self.with(|state| {
            let plan = if state.written { state.plan.clone() } else { None };
            state.written = false;
            (plan, state.link.take())
        });
        let plan = plan?;
        let found = plan.found;
        let restored = timeout(TIME, self.restore(plan, link)).await.unwrap_or(Ok(false));
        let restored = restored.unwrap_or_else(|error| {
            tracing::warn!("{}: cannot restore the state: {error}", self.device.label());
            false
        });
        found.then_some(restored)
    }

    async fn restore(&self, plan: RestorePlan, link: Option<Arc<dyn Link>>) -> Result<bool> {
        let deadline = Deadline::after(TIME);
        let RestorePlan { profile, known, wanted, .. } = plan;
        let up = link.filter(|link| *link.state().borrow() == LinkState::Up);
        let (link, is_new) = match up {
            Some(link) => (link, false),
            None => (connect(self.radio.as_ref(), &self.device, deadline).await?, true),
        };
        let mut session =
            Session::with_profile(link, Arc::clone(&profile), self.device.label(), deadline).await?;
        // A link that is up may be one over which nothing was written yet.
        let unprepared = is_new || !profile.link_rules.first.is_empty();
        if unprepared && let Err(error) = session.prepare(deadline.within(TIME / 2)).await {
            // Many bulbs carry out commands all the same.
            tracing::info!("{}: {error}", self.device.label());
        }
        session.known = known;
        sleep(SETTLE.max(profile.link_rules.gap)).await;
        if profile.is_relative(&wanted) {
            // A toggle or a step is right only from the state that the bulb has now.
            session.read_state(deadline).await?;
        }
        let before = session.known.clone();
        session.write(&wanted, deadline).await?;
        let assumed = session.known.clone();
        let confirm = Deadline::after(ACK_TIME);
        loop {
            // Some bulbs report the old state for a moment.
            sleep(SETTLE).await;
            let differs = match session.query_state(deadline.within(ACK_TIME)).await {
                Ok(reported) => profile
                    .mismatches(wanted.features(), &assumed, &reported)
                    .or(profile.unchanged(wanted.features(), &before, &assumed, &reported)),
                Err(error) => {
                    tracing::info!("{}: cannot confirm the restored state: {error}", self.device.label());
                    return Ok(true);
                }
            };
            if differs.is_empty() || confirm.remaining().is_zero() {
                return Ok(differs.is_empty());
            }
        }
    }
}
