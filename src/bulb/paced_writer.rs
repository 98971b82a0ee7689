//! Writes to one bulb, no faster than it takes them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bulb_protocol::profile::{Profile, Write};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use super::channel::Transcript;
use super::roles::Roles;
use crate::error::{Error, Operation, Result};
use crate::radio::{CharacteristicId, Deadline, Link, WriteKind};

const KEEP_ALIVE_TIME: Duration = Duration::from_secs(2);

/// The MTU of the link, if a write command of this length does not fit into it. Stacks drop or cut what is longer than the
/// MTU less 3 bytes (Bluetooth Core 5.4, Vol 3, Part F, 3.4.5.3).
pub(super) fn command_too_long(link: &dyn Link, kind: WriteKind, length: usize) -> Option<u16> {
    let mtu = link.mtu().filter(|_| kind == WriteKind::Command)?;
    (length > usize::from(mtu.saturating_sub(3))).then_some(mtu)
}

/// Writes frames with at least the profile's gap between them. Clones share the pace.
#[derive(Clone, Debug)]
pub(crate) struct PacedWriter {
    link: Arc<dyn Link>,
    roles: Arc<Roles>,
    device: Arc<str>,
    /// The name of the profile in messages.
    profile: Arc<str>,
    gap: Duration,
    kind: Option<WriteKind>,
    transcript: Option<Transcript>,
    /// The earliest start of the next write.
    next: Arc<Mutex<Option<Instant>>>,
}

impl PacedWriter {
    pub(super) fn new(link: Arc<dyn Link>, roles: Arc<Roles>, device: &str, profile: &Profile) -> Self {
        let (device, next) = (device.into(), Arc::default());
        let (gap, profile) = (profile.link_rules.gap, profile.full_name().into());
        Self { link, roles, device, profile, gap, kind: None, transcript: None, next }
    }

    pub(super) fn with_transcript(self, transcript: Transcript) -> Self {
        Self { transcript: Some(transcript), ..self }
    }

    /// A writer without pace, for measuring. It uses this kind of write where the characteristic allows it.
    pub(crate) fn unpaced(&self, kind: Option<WriteKind>) -> Self {
        Self { gap: Duration::ZERO, kind, next: Arc::default(), ..self.clone() }
    }

    /// The characteristic and the kind of a write. Fails if this model lacks the characteristic.
    pub(crate) fn destination(&self, write: &Write) -> Result<(CharacteristicId, WriteKind)> {
        let id = self.roles.get(&write.role).ok_or_else(|| Error::RoleMissing {
            device: self.device.to_string(),
            role: write.role.to_string(),
        })?;
        let kind = self.kind.filter(|kind| self.roles.can_write(&write.role, *kind));
        Ok((id, kind.unwrap_or_else(|| self.roles.write_kind(&write.role, write.kind))))
    }

    /// Writes a frame, then waits for its delay. Cancel-safe: dropping this only loses bytes not yet written.
    pub(crate) async fn write(&self, write: &Write, deadline: Deadline) -> Result<()> {
        self.write_without_delay(write, deadline).await?;
        if !write.delay.is_zero() {
            sleep(write.delay).await;
        }
        Ok(())
    }

    /// As [`write`](Self::write), but returns as soon as the bulb has answered.
    pub(crate) async fn write_without_delay(&self, write: &Write, deadline: Deadline) -> Result<()> {
        let (id, kind) = self.destination(write)?;
        if let Some(mtu) = command_too_long(self.link.as_ref(), kind, write.bytes.len()) {
            let need = u16::try_from(write.bytes.len() + 3).unwrap_or(u16::MAX);
            let (device, profile) = (self.device.to_string(), self.profile.to_string());
            return Err(Error::MtuTooSmall { device, profile, mtu, need });
        }
        let writing = async {
            if !self.gap.is_zero() {
                sleep_until(self.take_turn()).await;
            }
            if let Some(transcript) = &self.transcript {
                transcript.add(format!("write {id} {} {}", kind.name(), hex::encode(&write.bytes)));
            }
            self.link.write(id, &write.bytes, kind, deadline).await
        };
        let late = |waited| Error::Silent {
            device: self.device.to_string(),
            operation: Operation::write(id),
            waited,
        };
        deadline.run(writing, late).await?;
        self.rest();
        Ok(())
    }

    /// Reserves the next moment at which a write may start.
    fn take_turn(&self) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = next.unwrap_or_else(Instant::now).max(Instant::now());
        *next = Some(turn + self.gap);
        turn
    }

    /// Lets no write start within the gap from now.
    fn rest(&self) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let until = Instant::now() + self.gap;
        *next = Some(next.map_or(until, |next| next.max(until)));
    }

    /// Repeats a write until the handle is dropped.
    pub(super) fn keep_alive(&self, write: Write, every: Duration) -> AbortOnDropHandle<()> {
        let writer = self.clone();
        AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                sleep(every).await;
                if let Err(error) = writer.write(&write, Deadline::after(KEEP_ALIVE_TIME)).await {
                    tracing::debug!("{}: keep-alive: {error}", writer.device);
                    if matches!(error, Error::LinkLost { .. }) {
                        return;
                    }
                }
            }
        }))
    }
}
