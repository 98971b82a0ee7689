//! The state that the board reports: when it is read, when it is queried, and in notifications.

use std::time::Duration;

use bulb_protocol::profile::Light;

use super::{Board, REQUEST_TIME};
use crate::bulb::Notification;
use crate::check::{LINK_DROPPED, NotPassed, OrNotPassed, failed};
use crate::error::{Error, Result};
use crate::radio::{CharacteristicId, Deadline};

impl Board {
    /// Reads or queries the state. If that fails, falls back to `notified` and earlier notifications. `None` if the family
    /// reports nothing in these ways.
    pub(in crate::check) async fn current_state(
        &mut self,
        notified: Option<Light>,
    ) -> Result<Option<Light>, NotPassed> {
        let readback = self.profile.readback();
        let read = if readback.read {
            self.read_state().await
        } else if readback.query {
            self.query_state().await
        } else {
            return Ok(notified);
        };
        match (read, notified.or_else(|| self.notified.clone())) {
            (Ok(light), _) => Ok(Some(light)),
            (Err(error @ Error::LinkLost { .. }), _) => Err(failed("the link stays up", error.to_string())),
            (Err(_), Some(light)) => Ok(Some(light)),
            (Err(error), None) => Err(error).or_blocked("the state is not readable, see state-readable"),
        }
    }

    /// Reads every characteristic that holds a part of the state.
    pub(in crate::check) async fn read_state(&mut self) -> Result<Light> {
        let mut light = Light::default();
        self.channel()?.read_status(&mut light, || Deadline::after(REQUEST_TIME)).await?;
        Ok(light)
    }

    async fn query_state(&mut self) -> Result<Light> {
        self.drain();
        let mut light = Light::default();
        self.channel()?.query_status(&mut light, Deadline::after(REQUEST_TIME)).await?;
        self.notified.get_or_insert_default().merge(&light);
        Ok(light)
    }

    pub(in crate::check) fn characteristic_of(&mut self, role: &str) -> Option<CharacteristicId> {
        self.channel().ok()?.roles().get(role)
    }

    pub(in crate::check) async fn read(&mut self, role: &str) -> Result<Vec<u8>> {
        self.channel()?.read(role, Deadline::after(REQUEST_TIME)).await
    }

    pub(in crate::check) fn is_subscribed(&mut self) -> bool {
        self.channel().is_ok_and(|channel| channel.is_subscribed())
    }

    /// Collects status notifications until `enough` returns true or the time is over. `None` if none could be decoded.
    pub(in crate::check) async fn collect_status(
        &mut self,
        time: Duration,
        enough: impl Fn(&Light) -> bool,
    ) -> Result<Option<Light>, NotPassed> {
        let deadline = Deadline::after(time);
        let mut collected: Option<Light> = None;
        while !collected.as_ref().is_some_and(&enough) {
            let Some(notification) = self.next(deadline.remaining()).await? else { break };
            if let Some(light) = self.decode(&notification) {
                collected.get_or_insert_default().merge(&light);
            }
        }
        Ok(collected)
    }

    /// Waits for the next notification; `None` if there was none in this time.
    pub(in crate::check) async fn next(&mut self, time: Duration) -> Result<Option<Notification>, NotPassed> {
        if !self.is_subscribed() {
            return Ok(None);
        }
        let next = match self.channel() {
            Ok(channel) => channel.next_before(Deadline::after(time)).await,
            Err(_) => return Ok(None),
        };
        let next = next.map_err(|_| failed("the link stays up", LINK_DROPPED))?;
        next.iter().for_each(|notification| self.record(notification));
        Ok(next)
    }

    /// Decodes a notification; `None` if it is not a status of the family.
    pub(in crate::check) fn decode(&mut self, notification: &Notification) -> Option<Light> {
        self.channel().ok()?.decode(notification).ok().filter(|light| !light.features().is_empty())
    }

    /// The newest status received so far. Drops all others.
    pub(in crate::check) fn latest_status(&mut self) -> Option<Light> {
        let received = self.drain();
        received.iter().rev().find_map(|notification| self.decode(notification))
    }

    /// Takes the notifications received so far.
    pub(in crate::check) fn drain(&mut self) -> Vec<Notification> {
        let received = self.channel().map(|channel| channel.drain()).unwrap_or_default();
        received.iter().for_each(|notification| self.record(notification));
        received
    }

    pub(super) fn record(&mut self, notification: &Notification) {
        if let Some(light) = self.decode(notification) {
            self.notified.get_or_insert_default().merge(&light);
        }
    }
}
