//! What the bulb says: read, asked, notified.

use std::sync::Arc;
use std::time::Duration;

use bulb_protocol::profile::Light;
use futures::FutureExt;
use futures::future::select_all;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{Instant, timeout};

use super::super::{NotPassed, failed};
use super::{ACK_TIME, Board, Notified, REQUEST_TIME, Up};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::radio::{CharacteristicId, Deadline};

impl Board {
    /// What the bulb says when it is read or asked. Where that cannot be understood, what it notified has to do.
    pub(in super::super) async fn current_state(
        &mut self,
        notified: Option<Light>,
    ) -> Result<Option<Light>, NotPassed> {
        let way = self.profile.readback();
        let told = if way.read {
            self.read_all().await
        } else if way.query {
            self.ask().await
        } else if way.command || way.change {
            return Ok(notified);
        } else {
            return Ok(None);
        };
        match (told, notified) {
            (Ok(light), _) => Ok(Some(light)),
            (Err(error @ Error::LinkLost { .. }), _) => Err(failed("the link stays up", error.to_string())),
            (Err(_), Some(light)) => Ok(Some(light)),
            (Err(_), None) if self.told.is_some() => Ok(self.told.clone()),
            (Err(error), None) if error.kind() == ErrorKind::BluetoothUnusable => {
                Err(NotPassed::RadioUnusable(error))
            }
            (Err(error), None) => {
                Err(NotPassed::Blocked(format!("its state cannot be known, see state-readable: {error}")))
            }
        }
    }

    /// Reads all that its family reports by being read.
    pub(in super::super) async fn read_all(&mut self) -> Result<Light> {
        let mut told = Light::default();
        let profile = Arc::clone(&self.profile);
        let Some(Up { roles: Ok(roles), .. }) = &self.up else {
            return Err(Error::Internal("reading without a link".to_owned()));
        };
        let roles = roles.clone();
        for role in profile.readable_roles() {
            if roles.get(&role.name).is_none() {
                continue;
            }
            let value = self.read(&role.name).await?;
            let light = profile
                .decode(&role.name, &value)
                .map_err(|error| Error::MalformedStatus { device: self.device(), error: Box::new(error) })?;
            told.merge(&light);
        }
        Ok(told)
    }

    /// Where a role is.
    pub(in super::super) fn place(&self, role: &str) -> Option<CharacteristicId> {
        self.up.as_ref()?.roles.as_ref().ok()?.get(role)
    }

    /// Reads one role.
    pub(in super::super) async fn read(&mut self, role: &str) -> Result<Vec<u8>> {
        let lacks = || Error::RoleMissing { device: self.device(), role: role.to_owned() };
        let (id, up) = self.place(role).zip(self.up.as_ref()).ok_or_else(lacks)?;
        let link = Arc::clone(&up.link);
        let value = link.read(id, Deadline::after(REQUEST_TIME)).await?;
        self.note_frame(format!("read {id} {}", hex::encode(&value)));
        Ok(value)
    }

    /// Asks all that its family can be asked, and takes the answers.
    async fn ask(&mut self) -> Result<Light> {
        self.drain();
        let profile = Arc::clone(&self.profile);
        for question in profile.queries(self.sequence) {
            self.sequence = self.sequence.wrapping_add(1);
            self.write(&question, Deadline::after(REQUEST_TIME)).await?;
        }
        let reported = profile.reported();
        let whole = |light: &Light| light.features() == reported;
        let device = self.device();
        let lost = |_| Error::LinkLost { device, operation: Operation::RequestStatus };
        match self.listen(ACK_TIME, whole).await.map_err(lost)? {
            Some(light) => Ok(light),
            None => Err(Error::Silent {
                device: self.device(),
                operation: Operation::RequestStatus,
                waited: ACK_TIME,
            }),
        }
    }

    /// Takes what is notified until it is enough or the time is over; nothing where none of it could be understood.
    pub(in super::super) async fn listen(
        &mut self,
        time: Duration,
        enough: impl Fn(&Light) -> bool,
    ) -> Result<Option<Light>, NotPassed> {
        let end = Instant::now() + time;
        let mut told: Option<Light> = None;
        while !told.as_ref().is_some_and(&enough) {
            match self.next(end.saturating_duration_since(Instant::now())).await? {
                None => break,
                Some(notified) => {
                    if let Some(light) = self.understand(&notified) {
                        told.get_or_insert_default().merge(&light);
                    }
                }
            }
        }
        Ok(told)
    }

    /// The next notification within this time.
    pub(in super::super) async fn next(&mut self, time: Duration) -> Result<Option<Notified>, NotPassed> {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let ears = self.up.iter_mut().flat_map(|up| &mut up.ears);
            let streams: Vec<_> = ears
                .map(|(id, stream)| {
                    let id = *id;
                    stream.recv().map(move |bytes| (id, bytes)).boxed()
                })
                .collect();
            if streams.is_empty() {
                return Ok(None);
            }
            let frame = timeout(left, select_all(streams)).await;
            let frame = frame.map(|(frame, ..)| frame);
            match frame {
                Err(_) => return Ok(None),
                Ok((id, Ok(bytes))) => {
                    let notified = Notified { id, bytes, at: Instant::now() };
                    self.take(&notified);
                    return Ok(Some(notified));
                }
                Ok((_, Err(RecvError::Lagged(_)))) => {}
                Ok((_, Err(RecvError::Closed))) => {
                    return Err(failed("the link stays up", "the link was lost"));
                }
            }
        }
    }

    /// What a notification says, in the words of whichever role it is of.
    pub(in super::super) fn understand(&self, notified: &Notified) -> Option<Light> {
        let Some(Up { roles: Ok(roles), .. }) = &self.up else { return None };
        let light = roles.of(notified.id).find_map(|role| self.profile.decode(role, &notified.bytes).ok())?;
        (!light.features().is_empty()).then_some(light)
    }

    /// The newest report that was notified so far; the others are passed over.
    pub(in super::super) fn latest_status(&mut self) -> Option<Light> {
        let frames = self.drain();
        frames.iter().rev().find_map(|frame| self.understand(frame))
    }

    /// Takes what was notified so far.
    pub(in super::super) fn drain(&mut self) -> Vec<Notified> {
        let mut frames = Vec::new();
        for (id, stream) in self.up.iter_mut().flat_map(|up| &mut up.ears) {
            loop {
                match stream.try_recv() {
                    Ok(bytes) => frames.push(Notified { id: *id, bytes, at: Instant::now() }),
                    Err(TryRecvError::Lagged(_)) => {}
                    Err(_) => break,
                }
            }
        }
        frames.iter().for_each(|frame| self.take(frame));
        frames
    }

    fn take(&mut self, notified: &Notified) {
        self.note_frame(format!("notify {} {}", notified.id, hex::encode(&notified.bytes)));
        if let Some(light) = self.understand(notified) {
            self.told.get_or_insert_default().merge(&light);
        }
    }
}
