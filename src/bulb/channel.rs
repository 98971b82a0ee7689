//! The channel to one bulb: its link, its characteristics by role, subscriptions, and frames both ways.
//!
//! [`Session`](super::Session), the conformance suite and the benchmark decide when to write and what counts as an answer. How
//! frames are sent, received and decoded is the same for all of them, and is here.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bulb_protocol::profile::{
    DecodeError, DecodedCommand, EncodeError, EncodedChange, Light, Profile, StatusParts,
};
use futures::FutureExt;
use futures::future::select_all;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{Instant, timeout};

use super::paced_writer::PacedWriter;
use super::roles::Roles;
use crate::error::{Error, Operation, Result};
use crate::radio::gatt::uuid_text;
use crate::radio::{CharacteristicId, Deadline, Direction, FrameDecoder, Link, Notifications};

/// Time limit for the bulb to confirm a command. Bulbs answer within tens of milliseconds; on a busy link with a long
/// connection interval it can take several hundred.
pub(crate) const ACK_TIME: Duration = Duration::from_secs(1);
/// Number of frames that a [`Transcript`] keeps.
const TRANSCRIPT_FRAMES: usize = 24;

/// The channel to one bulb over one link.
#[derive(Debug)]
pub(crate) struct BulbChannel {
    link: Arc<dyn Link>,
    profile: Arc<Profile>,
    roles: Arc<Roles>,
    device: String,
    writer: PacedWriter,
    subscriptions: Vec<Subscription>,
    /// The number of the next frame, for families that number them.
    sequence: u8,
    transcript: Option<Transcript>,
    parts: StatusParts,
}

#[derive(Debug)]
struct Subscription {
    id: CharacteristicId,
    stream: Notifications,
}

/// A notification from the bulb.
#[derive(Clone, Debug)]
pub(crate) struct Notification {
    pub(crate) id: CharacteristicId,
    pub(crate) bytes: Vec<u8>,
    pub(crate) at: Instant,
    /// Number of notifications before this one that were dropped because we read too slowly.
    pub(crate) missed: u32,
}

impl BulbChannel {
    /// Finds the characteristics of the profile. Writes nothing.
    pub(crate) fn new(link: Arc<dyn Link>, profile: Arc<Profile>, device: String) -> Result<Self> {
        let roles = Arc::new(Roles::find(&profile, link.table(), &device)?);
        for (service, count) in link.table().duplicate_services() {
            if roles.uses(service) {
                let uuid = uuid_text(service);
                tracing::info!("{device} has {count} services {uuid}: the first is used, `info` shows all");
            }
        }
        let writer = PacedWriter::new(Arc::clone(&link), Arc::clone(&roles), &device, &profile);
        let (subscriptions, sequence, transcript) = (Vec::new(), 0, None);
        let parts = StatusParts::default();
        Ok(Self { link, profile, roles, device, writer, subscriptions, sequence, transcript, parts })
    }

    /// Keeps a copy of every frame in `transcript`.
    pub(crate) fn with_transcript(mut self, transcript: Transcript) -> Self {
        self.writer = self.writer.with_transcript(transcript.clone());
        self.transcript = Some(transcript);
        self
    }

    pub(crate) const fn link(&self) -> &Arc<dyn Link> {
        &self.link
    }

    pub(crate) const fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    pub(crate) const fn roles(&self) -> &Arc<Roles> {
        &self.roles
    }

    /// The name of the bulb in messages.
    pub(crate) fn device(&self) -> &str {
        &self.device
    }

    pub(crate) const fn writer(&self) -> &PacedWriter {
        &self.writer
    }

    /// Subscribes to every characteristic that carries a status, unless that is done already.
    pub(crate) async fn subscribe(&mut self, deadline: Deadline) -> Result<()> {
        for role in self.profile.notifying_roles() {
            let Some(id) = self.roles.get(&role.name) else { continue };
            if !self.roles.notifies(&role.name)
                || self.subscriptions.iter().any(|subscription| subscription.id == id)
            {
                continue;
            }
            let stream = self.link.subscribe(id, deadline).await?;
            self.subscriptions.push(Subscription { id, stream });
        }
        Ok(())
    }

    /// The characteristics that it is subscribed to.
    pub(crate) fn followed(&self) -> Vec<CharacteristicId> {
        self.subscriptions.iter().map(|subscription| subscription.id).collect()
    }

    pub(crate) const fn is_subscribed(&self) -> bool {
        !self.subscriptions.is_empty()
    }

    /// Encodes a change and advances the frame number.
    pub(crate) fn encode(&mut self, wanted: &Light, known: &Light) -> Result<EncodedChange> {
        let sent = self
            .profile
            .encode(wanted, known, self.sequence)
            .map_err(|refusal| self.not_encodable(refusal))?;
        self.advance_sequence(sent.writes.len());
        Ok(sent)
    }

    pub(crate) fn not_encodable(&self, refusal: EncodeError) -> Error {
        Error::NotEncodable { profile: self.profile.full_name(), refusal }
    }

    fn advance_sequence(&mut self, frames: usize) {
        // Modulo 256, as the frames carry it.
        self.sequence = self.sequence.wrapping_add(frames.to_le_bytes()[0]);
    }

    /// Reads the characteristic of a role.
    pub(crate) async fn read(&self, role: &str, deadline: Deadline) -> Result<Vec<u8>> {
        let id = self
            .roles
            .get(role)
            .ok_or_else(|| Error::RoleMissing { device: self.device.clone(), role: role.to_owned() })?;
        let value = self.link.read(id, deadline).await?;
        if let Some(transcript) = &self.transcript {
            transcript.add(format!("read {id} {}", hex::encode(&value)));
        }
        Ok(value)
    }

    /// Reads every characteristic that holds a part of the state, and merges the parts into `state`. After an error, `state`
    /// contains the parts read before. `deadline` is called for each read.
    pub(crate) async fn read_status(&self, state: &mut Light, deadline: impl Fn() -> Deadline) -> Result<()> {
        for role in self.profile.readable_roles() {
            if self.roles.get(&role.name).is_none() {
                continue;
            }
            let value = self.read(&role.name, deadline()).await?;
            let part = self.profile.decode(&role.name, &value).map_err(|error| self.malformed(error))?;
            state.merge(&part);
        }
        Ok(())
    }

    /// Writes the family's status queries and merges the answers into `state`. Fails without any usable answer; some models
    /// leave some queries unanswered.
    pub(crate) async fn query_status(&mut self, state: &mut Light, deadline: Deadline) -> Result<()> {
        self.forget_old_notifications();
        let queries = self.profile.queries(self.sequence);
        self.advance_sequence(queries.len());
        for query in &queries {
            self.writer.write(query, deadline).await?;
        }
        let mut unanswered: Vec<usize> = (0..queries.len()).collect();
        let (mut malformed, mut unknown) = (None, None);
        let deadline = deadline.within(ACK_TIME);
        while !unanswered.is_empty() {
            let Some(notification) = self.next_before(deadline).await? else { break };
            match self.decode(&notification) {
                Ok(part) => {
                    let answered = |role: &str| self.profile.answered_query(role, &notification.bytes);
                    let answered = self.roles.of(notification.id).find_map(answered);
                    unanswered.retain(|query| Some(*query) != answered);
                    state.merge(&part);
                }
                Err(_) if queries.iter().any(|query| query.bytes == notification.bytes) => {}
                Err(error) if error.is_unknown() => unknown = unknown.or(Some(error)),
                Err(error) => malformed = malformed.or(Some(error)),
            }
        }
        // An unknown frame may be about something else, but a bulb that sends one is not silent.
        match malformed.or(unknown) {
            _ if !state.features().is_empty() => Ok(()),
            Some(error) => Err(self.malformed(error)),
            None => Err(Error::Silent {
                device: self.device.clone(),
                operation: Operation::RequestStatus,
                waited: ACK_TIME,
            }),
        }
    }

    /// Drops the notifications received so far: one from before a command must not confirm it.
    pub(crate) fn forget_old_notifications(&mut self) {
        for subscription in &mut self.subscriptions {
            subscription.stream = subscription.stream.resubscribe();
        }
        self.parts = StatusParts::default();
    }

    pub(crate) fn drain(&mut self) -> Vec<Notification> {
        let mut all = Vec::new();
        for Subscription { id, stream } in &mut self.subscriptions {
            loop {
                match stream.try_recv() {
                    Ok(bytes) => all.push((*id, Some(bytes))),
                    Err(TryRecvError::Lagged(_)) => all.push((*id, None)),
                    Err(_) => break,
                }
            }
        }
        let mut whole = Vec::new();
        for (id, frame) in all {
            match frame {
                Some(bytes) => whole.extend(self.receive(id, bytes, 0)),
                None => self.parts = StatusParts::default(),
            }
        }
        whole
    }

    /// Waits for the next notification; forever without a subscription. A status that comes in several is returned once, whole.
    /// Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Notification> {
        if self.subscriptions.is_empty() {
            return std::future::pending().await;
        }
        let mut missed = 0;
        loop {
            let streams = self.subscriptions.iter_mut().map(|Subscription { id, stream }| {
                let id = *id;
                stream.recv().map(move |frame| (id, frame)).boxed()
            });
            let ((id, frame), ..) = select_all(streams).await;
            match frame {
                Ok(bytes) => {
                    if let Some(notification) = self.receive(id, bytes, missed) {
                        return Ok(notification);
                    }
                }
                Err(RecvError::Lagged(dropped)) => {
                    tracing::warn!("{}: {dropped} notifications missed", self.device);
                    missed = missed.saturating_add(u32::try_from(dropped).unwrap_or(u32::MAX));
                    // The parts of two statuses make none.
                    self.parts = StatusParts::default();
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

    /// Records a notification. Returns `None` for a part of a status, and the whole status with its last part.
    fn receive(&mut self, id: CharacteristicId, bytes: Vec<u8>, missed: u32) -> Option<Notification> {
        if let Some(transcript) = &self.transcript {
            transcript.add(format!("notify {id} {}", hex::encode(&bytes)));
        }
        let bytes = self.profile.join(&mut self.parts, &bytes)?;
        Some(Notification { id, bytes, at: Instant::now(), missed })
    }

    /// Waits for the next notification; `None` if there was none by the deadline. Cancel-safe.
    pub(crate) async fn next_before(&mut self, deadline: Deadline) -> Result<Option<Notification>> {
        timeout(deadline.remaining(), self.next()).await.ok().transpose()
    }

    /// As [`next`](Self::next), for notifications that may be a status: the echo of a command, say, is skipped.
    pub(crate) async fn next_status(&mut self) -> Result<Notification> {
        loop {
            let notification = self.next().await?;
            match self.decode(&notification) {
                Err(error) if error.is_unknown() => {
                    tracing::debug!("{}: not a status: {error}", self.device)
                }
                _ => return Ok(notification),
            }
        }
    }

    /// As [`next_before`](Self::next_before), for notifications that may be a status.
    pub(crate) async fn next_status_before(&mut self, deadline: Deadline) -> Result<Option<Notification>> {
        timeout(deadline.remaining(), self.next_status()).await.ok().transpose()
    }

    /// Decodes a notification as a status. If no role of its characteristic fits, returns the error of the closest one.
    pub(crate) fn decode(&self, notification: &Notification) -> Result<Light, DecodeError> {
        let decoded =
            self.roles.decode(notification.id, |role| self.profile.decode(role, &notification.bytes));
        // Every characteristic that we subscribed to has a role.
        decoded.unwrap_or_else(|| Ok(Light::default()))
    }

    pub(crate) fn malformed(&self, error: DecodeError) -> Error {
        Error::MalformedStatus { device: self.device.clone(), error: Box::new(error) }
    }
}

/// Decodes the frames of a profile for display.
pub(super) fn frame_decoder(profile: Arc<Profile>, roles: Arc<Roles>) -> FrameDecoder {
    Arc::new(move |id, direction, bytes| {
        let decoded = roles.decode(id, |role| match direction {
            Direction::FromBulb => profile.decode(role, bytes).map(|light| light.to_string()),
            Direction::ToBulb => profile.decode_command(role, bytes).map(|command| match command {
                DecodedCommand::Change(light) => light.to_string(),
                DecodedCommand::Relative(step) => format!("{} by a step", step.feature),
                DecodedCommand::Query(_) => "a query".to_owned(),
                DecodedCommand::LinkRule => "keeps or opens the session".to_owned(),
            }),
        });
        decoded.map(|decoded| match decoded {
            Err(error) if error.is_unknown() => Ok("unknown frame".to_owned()),
            decoded => decoded.map_err(|error| error.to_string()),
        })
    })
}

/// The last frames in both directions, oldest first, as text: `write fff1 request 0164ff0000`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transcript(Arc<Mutex<VecDeque<String>>>);

impl Transcript {
    pub(crate) fn add(&self, frame: String) {
        let mut frames = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if frames.len() >= TRANSCRIPT_FRAMES {
            frames.pop_front();
        }
        frames.push_back(frame);
    }

    pub(crate) fn take(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }
}
