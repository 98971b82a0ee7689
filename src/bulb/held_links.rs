//! Links to the bulbs of a command, and of the commands of one `run` after each other.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::connect::{connect, ended};
use super::families::Families;
use super::session::Session;
use crate::error::{Error, Result};
use crate::radio::{Deadline, DeviceId, Link, LinkState, Radio, SeenDevice};

/// Gives a link to each operation. It closes after the operation, unless links are [held](Self::hold) for the next one.
#[derive(Debug, Default)]
pub struct HeldLinks {
    /// The largest number of links; not set if each closes after its operation.
    limit: OnceLock<usize>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Links that no operation uses, the least recently used first.
    idle: Vec<HeldBulb>,
    /// The number of links in use.
    busy: usize,
}

#[derive(Debug)]
struct HeldBulb {
    link: Arc<dyn Link>,
    session: Option<Session>,
    /// The link was up before this operation, so it may be about to end.
    was_there: bool,
}

/// Counts a link in use until it is dropped.
struct Use<'a>(&'a HeldLinks);

impl Drop for Use<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.busy = state.busy.saturating_sub(1);
    }
}

impl HeldLinks {
    /// From now on, holds up to `limit` links. One more closes the link that was not used for the longest time.
    pub fn hold(&self, limit: usize) {
        // A second call changes nothing: the first limit is as good.
        let _ = self.limit.set(limit.max(1));
    }

    /// Returns true if links stay up for the next operation.
    pub fn holds(&self) -> bool {
        self.limit.get().is_some()
    }

    /// Returns true if a link to this device is held and up.
    pub fn has(&self, device: &DeviceId) -> bool {
        self.state().idle.iter().any(|bulb| bulb.link.device() == device && bulb.is_up())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs an operation over a link. A link that was up before the operation may be one that is about to end: if it
    /// drops, the operation runs once more on a new link. So the operation must be repeatable.
    pub async fn with_link<T>(
        &self,
        radio: &dyn Radio,
        device: &SeenDevice,
        deadline: Deadline,
        mut operation: impl AsyncFnMut(Arc<dyn Link>) -> Result<T>,
    ) -> Result<T> {
        self.with_bulb(radio, device, deadline, async |bulb| operation(Arc::clone(&bulb.link)).await).await
    }

    /// As [`with_link`](Self::with_link), with a session: a new one, or the one that was held.
    pub async fn with_session<T>(
        &self,
        radio: &dyn Radio,
        device: &SeenDevice,
        families: &Families,
        deadline: Deadline,
        mut operation: impl AsyncFnMut(&mut Session) -> Result<T>,
    ) -> Result<T> {
        let holds = self.holds();
        self.with_bulb(radio, device, deadline, async |bulb| {
            let session = match &mut bulb.session {
                Some(session) => {
                    session.catch_up();
                    session
                }
                none => none.insert(Session::open(Arc::clone(&bulb.link), device, families, deadline).await?),
            };
            let result = operation(&mut *session).await;
            if holds && session.is_prepared() {
                session.keep_alive();
            }
            result
        })
        .await
    }

    async fn with_bulb<T>(
        &self,
        radio: &dyn Radio,
        device: &SeenDevice,
        deadline: Deadline,
        mut operation: impl AsyncFnMut(&mut HeldBulb) -> Result<T>,
    ) -> Result<T> {
        let _use = self.begin();
        let mut bulb = match self.take(&device.id) {
            Some(bulb) => bulb,
            None => self.connect(radio, device, deadline).await?,
        };
        let mut result = operation(&mut bulb).await;
        if bulb.was_there && matches!(result, Err(Error::LinkLost { .. })) {
            tracing::info!("{}: the existing link dropped, connecting again", device.label());
            // BlueZ refuses requests on a link that is about to end, but still reports it as connected.
            ended(bulb.link.as_ref()).await;
            drop(bulb);
            bulb = self.connect(radio, device, deadline).await?;
            result = operation(&mut bulb).await;
        }
        self.keep(bulb);
        result
    }

    fn begin(&self) -> Use<'_> {
        self.state().busy += 1;
        Use(self)
    }

    /// Takes the link to this device, if one is held and up.
    fn take(&self, device: &DeviceId) -> Option<HeldBulb> {
        let mut state = self.state();
        let index = state.idle.iter().position(|bulb| bulb.link.device() == device)?;
        let bulb = state.idle.remove(index);
        drop(state);
        if bulb.is_up() {
            return Some(HeldBulb { was_there: true, ..bulb });
        }
        tracing::info!("the held link to {device} dropped, connecting again");
        None
    }

    async fn connect(&self, radio: &dyn Radio, device: &SeenDevice, deadline: Deadline) -> Result<HeldBulb> {
        self.make_room();
        let link = connect(radio, device, deadline).await?;
        Ok(HeldBulb { was_there: link.was_up(), link, session: None })
    }

    /// Closes idle links until one more fits.
    fn make_room(&self) {
        let Some(limit) = self.limit.get() else { return };
        let mut state = self.state();
        state.idle.retain(HeldBulb::is_up);
        let surplus = (state.idle.len() + state.busy).saturating_sub(*limit).min(state.idle.len());
        let closed: Vec<_> = state.idle.drain(..surplus).collect();
        drop(state);
        for bulb in &closed {
            tracing::info!("closing the link to {}: there are {limit} at most", bulb.link.device());
        }
    }

    /// Holds a link for the next operation.
    fn keep(&self, bulb: HeldBulb) {
        if self.holds() && bulb.is_up() {
            self.state().idle.push(bulb);
        }
    }
}

impl HeldBulb {
    fn is_up(&self) -> bool {
        *self.link.state().borrow() == LinkState::Up
    }
}
