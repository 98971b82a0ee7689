//! A session with one bulb over one link.

use std::sync::Arc;
use std::time::Duration;

use bulb_protocol::{LightState, base};
use tokio::sync::broadcast::error::RecvError;

use super::change::Change;
use super::profile::Profile;
use super::state::BulbState;
use crate::error::{Error, Result};
use crate::radio::{Deadline, Link, Notifications, Radio, Report, WriteKind};

/// How long a bulb has to report what it was commanded. Bulbs answer within some tens of milliseconds; over a busy
/// link with a long connection interval it can take several hundred.
const ACK_TIME: Duration = Duration::from_secs(1);

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The state as far as it is known now.
    pub state: BulbState,
    /// Whether the bulb reported what was asked for.
    pub confirmed: bool,
}

/// A link to a bulb whose characteristics have been checked.
///
/// Dropping it closes the link, unless that was up before or is to be kept.
#[derive(Debug)]
pub struct Session {
    link: Arc<dyn Link>,
    profile: &'static Profile,
    device: String,
    write_kind: WriteKind,
    status: Option<Notifications>,
}

impl Session {
    /// Connects, and checks that this is a bulb of the profile before anything is written.
    ///
    /// # Errors
    /// What [`Radio::connect`] and [`Profile::check`] give.
    pub async fn open(
        radio: &dyn Radio,
        report: &Report,
        profile: &'static Profile,
        deadline: Deadline,
    ) -> Result<Self> {
        Self::on(radio.connect(&report.id, deadline).await?, report, profile)
    }

    /// Checks that there is a bulb of the profile at the other end of the link, before anything is written.
    ///
    /// # Errors
    /// What [`Profile::check`] gives.
    pub fn on(link: Arc<dyn Link>, report: &Report, profile: &'static Profile) -> Result<Self> {
        let device = report.label();
        let control = profile.check(link.table(), &device)?;
        // A request where there is a choice: it is answered, so that a refusal is seen.
        let write_kind = if control.write { WriteKind::Request } else { WriteKind::Command };
        Ok(Self { link, profile, device, write_kind, status: None })
    }

    /// The link that it runs over.
    #[must_use]
    pub const fn link(&self) -> &Arc<dyn Link> {
        &self.link
    }

    /// Reads the present state from the bulb.
    ///
    /// # Errors
    /// [`Error::MalformedStatus`], and what [`Link::read`] gives.
    pub async fn read_state(&self, deadline: Deadline) -> Result<LightState> {
        let frame = self.link.read(self.profile.status, deadline).await?;
        self.decode(&frame)
    }

    /// Subscribes to the status; once.
    ///
    /// # Errors
    /// What [`Link::subscribe`] gives.
    pub async fn subscribe(&mut self, deadline: Deadline) -> Result<()> {
        if self.status.is_none() {
            self.status = Some(self.link.subscribe(self.profile.status, deadline).await?);
        }
        Ok(())
    }

    /// Waits for the next status that the bulb sends. Without end: put a deadline over it, or drop it.
    ///
    /// # Errors
    /// [`Error::MalformedStatus`], after which one can go on; [`Error::LinkLost`], after which not.
    pub async fn next_state(&mut self) -> Result<LightState> {
        let frame = loop {
            let Some(status) = &mut self.status else {
                return Err(Error::Internal("waiting for a status without a subscription".to_owned()));
            };
            match status.recv().await {
                Ok(frame) => break frame,
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!("{}: {missed} notifications missed", self.device)
                }
                Err(RecvError::Closed) => {
                    return Err(Error::LinkLost {
                        device: self.device.clone(),
                        operation: "waiting for a status".to_owned(),
                    });
                }
            }
        };
        self.decode(&frame)
    }

    /// The whole state that a change leads to: of itself, or from the state that the bulb reports.
    ///
    /// # Errors
    /// What [`read_state`](Self::read_state) gives.
    pub async fn wanted(&self, change: &Change, deadline: Deadline) -> Result<LightState> {
        match change.complete() {
            Some(wanted) => Ok(wanted),
            None => Ok(change.apply(self.read_state(deadline).await?)),
        }
    }

    /// Commands a change: [`subscribe`](Self::subscribe), [`wanted`](Self::wanted), [`command`](Self::command).
    ///
    /// # Errors
    /// What these give.
    pub async fn apply(&mut self, change: &Change, deadline: Deadline) -> Result<Outcome> {
        self.subscribe(deadline).await?;
        let wanted = self.wanted(change, deadline).await?;
        self.command(wanted, deadline).await
    }

    /// Commands a state and has it confirmed: by the bulb's notification, or by reading back when none comes within
    /// the ack time. The same state may be commanded again, on another link too.
    ///
    /// # Errors
    /// What subscribing and writing give. A command that is not confirmed is no error.
    pub async fn command(&mut self, wanted: LightState, deadline: Deadline) -> Result<Outcome> {
        self.subscribe(deadline).await?;
        self.forget_old_notifications();
        self.link.write(self.profile.control, &base::encode(wanted), self.write_kind, deadline).await?;
        self.confirm(wanted, deadline).await
    }

    /// A notification from before the command must not confirm it.
    fn forget_old_notifications(&mut self) {
        if let Some(status) = &mut self.status {
            *status = status.resubscribe();
        }
    }

    async fn confirm(&mut self, wanted: LightState, deadline: Deadline) -> Result<Outcome> {
        let late = |_| Error::Silent { device: String::new(), operation: String::new(), waited: ACK_TIME };
        let ack = deadline.within(ACK_TIME);
        loop {
            match ack.run(self.next_state(), late).await {
                Ok(state) if state == wanted => {
                    return Ok(Outcome { state: BulbState::Reported(state), confirmed: true });
                }
                Ok(other) => tracing::info!("{}: reports {other} while {wanted} is awaited", self.device),
                Err(error @ Error::MalformedStatus { .. }) => tracing::warn!("{error}"),
                Err(Error::Silent { .. }) => break,
                Err(error) => return Err(error),
            }
        }
        tracing::info!("{}: no confirmation within {ACK_TIME:?}, reading back", self.device);
        match self.read_state(deadline.within(ACK_TIME)).await {
            Ok(state) => Ok(Outcome { state: BulbState::Reported(state), confirmed: state == wanted }),
            Err(error @ Error::LinkLost { .. }) => Err(error),
            Err(error) => {
                tracing::info!("{}: reading back failed: {error}", self.device);
                Ok(Outcome { state: BulbState::Assumed(wanted), confirmed: false })
            }
        }
    }

    fn decode(&self, frame: &[u8]) -> Result<LightState> {
        base::decode(frame).map_err(|fault| Error::MalformedStatus { device: self.device.clone(), fault })
    }
}
