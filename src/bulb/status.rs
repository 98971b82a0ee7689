//! What a bulb tells of its state: when it is read, when it is asked, and by itself.

use std::sync::Arc;
use std::time::Duration;

use bulb_protocol::profile::{DecodeError, DecodeErrorKind, DecodedCommand, Light, Profile};
use futures::FutureExt;
use futures::future::select_all;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until};

use super::families::light_of;
use super::roles::Roles;
use super::session::{ACK_TIME, Session};
use super::state::BulbState;
use crate::error::{Error, Operation, Result};
use crate::radio::{CharacteristicId, Deadline, FrameDecoder, Notifications, SeenDevice};

/// How often a family is asked that tells nothing by itself.
const POLL: Duration = Duration::from_secs(2);

/// What frames of this family mean, for whoever shows them.
pub(super) fn reader(profile: Arc<Profile>, roles: Arc<Roles>) -> FrameDecoder {
    Arc::new(move |id, out, bytes| {
        let mut nearest: Option<DecodeError> = None;
        for role in roles.of(id) {
            let meaning = match out {
                false => profile.decode(role, bytes).map(|light| light.to_string()),
                true => profile.decode_command(role, bytes).map(|heard| match heard {
                    DecodedCommand::Change(light) => light.to_string(),
                    DecodedCommand::Query(_) => "a question".to_owned(),
                    DecodedCommand::LinkRule => "keeps or opens the session".to_owned(),
                }),
            };
            match meaning {
                Ok(text) => return Some(Ok(text)),
                Err(fault) => nearest = Some(fault.closer(nearest)),
            }
        }
        match nearest {
            // The echo of a command, say: not wrong, only nothing that we know.
            Some(fault) if fault.kind() == DecodeErrorKind::UnknownFrame => {
                Some(Ok("not a report".to_owned()))
            }
            Some(fault) => Some(Err(fault.to_string())),
            None => None,
        }
    })
}

/// A characteristic that notifies.
#[derive(Debug)]
pub(super) struct Subscription {
    id: CharacteristicId,
    stream: Notifications,
}

impl Session {
    /// Subscribes to whatever reports; once.
    ///
    /// # Errors
    /// What [`Link::subscribe`](crate::radio::Link::subscribe) gives.
    pub(super) async fn subscribe(&mut self, deadline: Deadline) -> Result<()> {
        let profile = Arc::clone(&self.profile);
        for role in profile.notifying_roles() {
            let Some(id) = self.roles.get(&role.name) else { continue };
            if !self.roles.notifies(&role.name) || self.ears.iter().any(|ear| ear.id == id) {
                continue;
            }
            let stream = self.link.subscribe(id, deadline).await?;
            self.ears.push(Subscription { id, stream });
        }
        Ok(())
    }

    /// A notification from before a command must not confirm it.
    pub(super) fn forget_old_notifications(&mut self) {
        for ear in &mut self.ears {
            ear.stream = ear.stream.resubscribe();
        }
    }

    /// Reads the present state from the bulb, or asks it. What a family never tells stays as it is known.
    ///
    /// # Errors
    /// [`Error::MalformedStatus`], [`Error::Silent`], and what reading and writing give.
    pub async fn read_state(&mut self, deadline: Deadline) -> Result<BulbState> {
        if self.reports_state() {
            self.fetch(deadline).await?;
        }
        Ok(self.state())
    }

    /// This state, or where nothing is known, what the bulb advertised.
    #[must_use]
    pub fn or_advertised(&self, state: BulbState, report: &SeenDevice) -> BulbState {
        match state.light() {
            Some(_) => state,
            None => light_of(&self.profile, report).map_or(state, BulbState::advertised),
        }
    }

    /// What the bulb says when it is read or asked; taken in already.
    pub(super) async fn fetch(&mut self, deadline: Deadline) -> Result<Light> {
        self.poll = Instant::now() + POLL;
        let way = self.profile.readback();
        let light = if way.read {
            self.read_all(deadline).await?
        } else if way.query {
            self.ask(deadline).await?
        } else {
            // It tells only when something changes.
            return Ok(Light::default());
        };
        self.informed = true;
        Ok(light)
    }

    async fn read_all(&mut self, deadline: Deadline) -> Result<Light> {
        let profile = Arc::clone(&self.profile);
        let mut heard = Light::default();
        for role in profile.readable_roles() {
            let Some(id) = self.roles.get(&role.name) else { continue };
            let value = self.link.read(id, deadline).await?;
            let light = profile.decode(&role.name, &value).map_err(|fault| self.malformed(fault))?;
            self.take(&light);
            heard.merge(&light);
        }
        Ok(heard)
    }

    /// Asks all that can be asked, and waits for the answers. Some models leave some unanswered.
    async fn ask(&mut self, deadline: Deadline) -> Result<Light> {
        self.prepare(deadline).await?;
        self.forget_old_notifications();
        let profile = Arc::clone(&self.profile);
        let questions = profile.queries(self.sequence);
        let count = questions.len();
        for question in &questions {
            self.sequence = self.sequence.wrapping_add(1);
            self.pen.write(question, deadline).await?;
        }
        let mut open: Vec<usize> = (0..count).collect();
        let mut heard = Light::default();
        let within = deadline.within(ACK_TIME);
        let mut wrong = None;
        while !open.is_empty() {
            let silent = self.silent();
            let (id, frame) = match within.run(self.next_frame(), |_| silent).await {
                Ok(frame) => frame,
                Err(Error::Silent { .. }) => break,
                Err(error) => return Err(error),
            };
            match self.understand(id, &frame) {
                Ok(light) => {
                    let answered = self.roles.of(id).find_map(|role| profile.answered_query(role, &frame));
                    open.retain(|question| Some(*question) != answered);
                    self.take(&light);
                    heard.merge(&light);
                }
                Err(fault) => wrong = Some(fault),
            }
        }
        match (heard.features().is_empty(), wrong) {
            (false, _) => Ok(heard),
            (true, Some(fault)) => Err(self.malformed(fault)),
            (true, None) => Err(self.silent()),
        }
    }

    fn silent(&self) -> Error {
        Error::Silent { device: self.device.clone(), operation: Operation::RequestStatus, waited: ACK_TIME }
    }

    /// Takes in what the bulb says by itself until that is enough, or the time is over.
    pub(super) async fn listen(
        &mut self,
        heard: &mut Light,
        deadline: Deadline,
        enough: impl Fn(&Light) -> bool,
    ) -> Result<()> {
        while !enough(heard) {
            let silent = self.silent();
            match deadline.run(self.next_frame(), |_| silent).await {
                Ok((id, frame)) => match self.understand(id, &frame) {
                    Ok(light) => {
                        self.take(&light);
                        heard.merge(&light);
                        if !enough(heard) {
                            tracing::info!("{}: reports {light} so far", self.device);
                        }
                    }
                    Err(fault) => tracing::warn!("{}", self.malformed(fault)),
                },
                Err(Error::Silent { .. }) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Waits until the bulb tells its state, by itself or because it is asked now and then. Without end: put a deadline over
    /// it, or drop it.
    ///
    /// # Errors
    /// [`Error::MalformedStatus`], after which one can go on; [`Error::LinkLost`], after which not.
    pub async fn next_state(&mut self) -> Result<BulbState> {
        let way = self.profile.readback();
        let polls = !way.change && (way.read || way.query);
        loop {
            let due = self.poll.max(Instant::now());
            tokio::select! {
                frame = self.next_frame() => {
                    let (id, frame) = frame?;
                    match self.understand(id, &frame) {
                        Ok(light) if light.features().is_empty() => {}
                        Ok(light) => {
                            self.take(&light);
                            return Ok(self.state());
                        }
                        Err(fault) => return Err(self.malformed(fault)),
                    }
                }
                () = sleep_until(due), if polls => match self.fetch(Deadline::after(ACK_TIME)).await {
                    Ok(_) => return Ok(self.state()),
                    Err(error @ (Error::LinkLost { .. } | Error::MalformedStatus { .. })) => return Err(error),
                    Err(error) => tracing::info!("{}: {error}", self.device),
                },
            }
        }
    }

    /// The next notification that may be a report; for ever where nothing is subscribed to.
    async fn next_frame(&mut self) -> Result<(CharacteristicId, Vec<u8>)> {
        loop {
            if self.ears.is_empty() {
                return std::future::pending().await;
            }
            let next = self.ears.iter_mut().map(|ear| {
                let id = ear.id;
                ear.stream.recv().map(move |frame| (id, frame)).boxed()
            });
            let ((id, frame), ..) = select_all(next).await;
            match frame {
                Ok(frame) => match self.understand(id, &frame) {
                    Err(fault) if fault.kind() == DecodeErrorKind::UnknownFrame => {
                        tracing::debug!("{}: not a report: {fault}", self.device);
                    }
                    _ => return Ok((id, frame)),
                },
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!("{}: {missed} notifications missed", self.device);
                }
                Err(RecvError::Closed) => {
                    return Err(Error::LinkLost {
                        device: self.device.clone(),
                        operation: Operation::WaitForStatus,
                    });
                }
            }
        }
    }

    /// What a notification says, in the words of whichever role it is of.
    fn understand(&self, id: CharacteristicId, frame: &[u8]) -> Result<Light, DecodeError> {
        let mut nearest: Option<DecodeError> = None;
        for role in self.roles.of(id) {
            match self.profile.decode(role, frame) {
                Ok(light) => return Ok(light),
                Err(fault) => nearest = Some(fault.closer(nearest)),
            }
        }
        // That it is subscribed to means that it has a role.
        nearest.map_or_else(|| Ok(Light::default()), Err)
    }

    fn malformed(&self, fault: DecodeError) -> Error {
        Error::MalformedStatus { device: self.device.clone(), error: Box::new(fault) }
    }

    fn take(&mut self, light: &Light) {
        self.known.merge(light);
        self.told = self.told.or(light.features());
    }
}
