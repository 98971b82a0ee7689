//! The state of a session's bulb: read, queried, or notified.

use std::time::Duration;

use bulb_protocol::profile::{Feature, Features, Light};
use tokio::time::{Instant, sleep_until, timeout};

use super::channel::{ACK_TIME, Notification};
use super::families::light_of;
use super::session::Session;
use super::state::BulbState;
use crate::error::{Error, Operation, Result};
use crate::radio::{Deadline, SeenDevice};

/// Families that send no status by themselves are queried at this interval.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

impl Session {
    /// Reads or queries the present state. Parts that the family never reports stay as they are known.
    pub async fn read_state(&mut self, deadline: Deadline) -> Result<BulbState> {
        if self.reports_state() {
            self.query_state(deadline).await?;
        }
        Ok(self.state())
    }

    /// Records the notifications that came since the last operation. A family that does not notify changes is read again
    /// before a command that depends on its state, unless that was done a moment ago.
    pub(super) fn catch_up(&mut self) {
        for notification in self.channel.drain() {
            if let Err(error) = self.record_notification(&notification) {
                tracing::info!("{error}");
            }
        }
        if !self.profile().readback().change && self.next_poll <= Instant::now() {
            self.state_was_read = false;
        }
    }

    /// Waits until the bulb reports these values.
    ///
    /// # Errors
    /// [`Error::NotExpected`] if it does not within this time.
    pub async fn expect(
        &mut self,
        wanted: &Light,
        within: Duration,
        deadline: Deadline,
    ) -> Result<BulbState> {
        if !self.reports_state() {
            return Err(self.never_reports(Operation::Compare));
        }
        self.query_state(deadline).await?;
        let end = Deadline::after(within);
        while !self.differing(wanted).is_empty() && !end.remaining().is_zero() {
            self.prepare(deadline).await?;
            if let Ok(state) = timeout(end.remaining(), self.next_state()).await {
                state?;
            }
        }
        if !self.profile().readback().change && !self.differing(wanted).is_empty() {
            // Such bulbs are only asked now and then.
            self.query_state(deadline).await?;
        }
        let differing = self.differing(wanted);
        if differing.is_empty() {
            return Ok(self.state());
        }
        let text = |light: &Light, feature| light.text(feature).unwrap_or_else(|| "unknown".to_owned());
        let differences = differing.iter().map(|feature| {
            let present =
                if self.known.mode.is_some() && feature.mode().is_some() && feature.mode() != self.known.mode
                {
                    "not shown".to_owned()
                } else {
                    text(&self.known, feature)
                };
            format!("{feature} is {present}, not {}", text(wanted, feature))
        });
        let differences = differences.collect::<Vec<_>>().join("; ");
        Err(Error::NotExpected { device: self.channel.device().to_owned(), differences })
    }

    /// The values that the bulb does not report as wanted.
    fn differing(&self, wanted: &Light) -> Features {
        let features = wanted.features();
        let shown = |feature: &Feature| {
            feature.mode().is_none() || self.known.mode.is_none_or(|mode| feature.mode() == Some(mode))
        };
        let shown: Features = features.iter().filter(shown).collect();
        // A brightness that is not wanted is the reported one.
        let light = Light { brightness: wanted.brightness.or(self.known.brightness), ..wanted.clone() };
        let mismatches = self.profile().mismatches(features, &light, &self.known);
        mismatches.or(features.less(self.reported)).or(features.less(shown))
    }

    /// Returns `state`, or the advertised state if nothing is known.
    pub fn or_advertised(&self, state: BulbState, device: &SeenDevice) -> BulbState {
        match state.light() {
            Some(_) => state,
            None => light_of(self.profile(), device).map_or(state, BulbState::advertised),
        }
    }

    /// Reads or queries the state, records it, and returns what the bulb reported.
    pub(super) async fn query_state(&mut self, deadline: Deadline) -> Result<Light> {
        self.next_poll = Instant::now() + POLL_INTERVAL;
        let readback = self.profile().readback();
        let mut light = Light::default();
        let result = if readback.read {
            self.channel.read_status(&mut light, || deadline).await
        } else if readback.query {
            self.prepare(deadline).await?;
            self.channel.query_status(&mut light, deadline).await
        } else {
            // The family reports only changes.
            return Ok(light);
        };
        self.record(&light);
        result?;
        self.state_was_read = true;
        Ok(light)
    }

    /// Collects status notifications into `light` until `enough` returns true or the deadline passes.
    pub(super) async fn collect_status(
        &mut self,
        light: &mut Light,
        deadline: Deadline,
        enough: impl Fn(&Light) -> bool,
    ) -> Result<()> {
        while !enough(light) {
            let Some(notification) = self.channel.next_status_before(deadline).await? else { break };
            match self.channel.decode(&notification) {
                Ok(part) => {
                    self.record(&part);
                    light.merge(&part);
                    if !enough(light) {
                        tracing::info!("{}: reports {part} so far", self.channel.device());
                    }
                }
                Err(error) => tracing::warn!("{}", self.channel.malformed(error)),
            }
        }
        Ok(())
    }

    /// Waits for the next state: a notification, or the answer to a query every two seconds for families that send none. Never
    /// times out. Cancel-safe.
    ///
    /// # Errors
    /// [`Error::MalformedStatus`], after which you can go on; [`Error::LinkLost`], after which you cannot.
    pub async fn next_state(&mut self) -> Result<BulbState> {
        let readback = self.profile().readback();
        let polls = !readback.change && (readback.read || readback.query);
        loop {
            let due = self.next_poll.max(Instant::now());
            tokio::select! {
                notification = self.channel.next_status() => {
                    if self.record_notification(&notification?)? {
                        return Ok(self.state());
                    }
                }
                () = sleep_until(due), if polls => match self.query_state(Deadline::after(ACK_TIME)).await {
                    Ok(_) => return Ok(self.state()),
                    Err(error @ (Error::LinkLost { .. } | Error::MalformedStatus { .. })) => return Err(error),
                    Err(error) => tracing::info!("{}: {error}", self.channel.device()),
                },
            }
        }
    }

    /// Records a status. Returns false if it contains no part of the state.
    fn record_notification(&mut self, notification: &Notification) -> Result<bool> {
        let light = self.channel.decode(notification).map_err(|error| self.channel.malformed(error))?;
        self.record(&light);
        Ok(!light.features().is_empty())
    }

    fn record(&mut self, reported: &Light) {
        self.known.merge(reported);
        self.last_reported.merge(reported);
        self.reported = self.reported.or(reported.features());
    }
}
