//! Writes to one bulb, no faster than it takes them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bulb_protocol::profile::Write;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use super::roles::Roles;
use crate::error::{Error, Operation, Result};
use crate::radio::{Deadline, Link};

/// How long a write that keeps a link alive may take.
const KEEP_TIME: Duration = Duration::from_secs(2);

/// Writes in turn, with the least time between two that the bulb wants.
#[derive(Clone, Debug)]
pub(super) struct PacedWriter {
    link: Arc<dyn Link>,
    roles: Arc<Roles>,
    device: Arc<str>,
    gap: Duration,
    /// When the next write may begin.
    next: Arc<Mutex<Option<Instant>>>,
}

impl PacedWriter {
    pub(super) fn new(link: Arc<dyn Link>, roles: Arc<Roles>, device: &str, gap: Duration) -> Self {
        Self { link, roles, device: device.into(), gap, next: Arc::default() }
    }

    /// Writes, and waits as long as is to be waited after it. Nothing is lost if this is dropped but what was not written.
    pub(super) async fn write(&self, write: &Write, deadline: Deadline) -> Result<()> {
        let Some(id) = self.roles.get(&write.role) else {
            // An optional characteristic, which this model lacks.
            return Err(Error::RoleMissing { device: self.device.to_string(), role: write.role.to_string() });
        };
        let kind = self.roles.write_kind(&write.role, write.kind);
        let waiting = async {
            sleep_until(self.turn()).await;
            self.link.write(id, &write.bytes, kind, deadline).await
        };
        let late = |waited| Error::Silent {
            device: self.device.to_string(),
            operation: Operation::write(id),
            waited,
        };
        deadline.run(waiting, late).await?;
        self.rest(self.gap);
        if !write.delay.is_zero() {
            sleep(write.delay).await;
        }
        Ok(())
    }

    /// Takes the next moment at which may be written.
    fn turn(&self) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = next.unwrap_or_else(Instant::now).max(Instant::now());
        *next = Some(turn + self.gap);
        turn
    }

    /// Lets no write begin for so long.
    fn rest(&self, time: Duration) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let until = Instant::now() + time;
        *next = Some(next.map_or(until, |next| next.max(until)));
    }

    /// Writes this again and again, for as long as the handle is held.
    pub(super) fn keep(&self, write: Write, every: Duration) -> AbortOnDropHandle<()> {
        let pen = self.clone();
        AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                sleep(every).await;
                if let Err(error) = pen.write(&write, Deadline::after(KEEP_TIME)).await {
                    tracing::debug!("{}: keeping the link alive: {error}", pen.device);
                    if matches!(error, Error::LinkLost { .. }) {
                        return;
                    }
                }
            }
        }))
    }
}
