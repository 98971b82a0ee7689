//! Disconnects in the background, for handles that are dropped and connects that are given up.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::platform_error::ErrorClass;
use super::system::System;
use crate::error::Operation;
use crate::radio::DeviceId;

/// Time limit for sending one disconnect. It is one round trip over the local bus.
pub(super) const SEND_TIME: Duration = Duration::from_secs(1);

enum Job {
    Disconnect(DeviceId),
    Flush(oneshot::Sender<()>),
}

/// A handle to the queue. Its length is bounded by the number of links; nothing received over the
/// air fills it.
#[derive(Clone, Debug)]
pub(super) struct DisconnectQueue {
    jobs: mpsc::UnboundedSender<Job>,
}

impl DisconnectQueue {
    /// Starts the task, which runs until the returned handle is dropped.
    pub(super) fn start(system: Arc<dyn System>) -> (Self, AbortOnDropHandle<()>) {
        let (jobs, queue) = mpsc::unbounded_channel();
        (Self { jobs }, AbortOnDropHandle::new(tokio::spawn(work(system, queue))))
    }

    pub(super) fn disconnect(&self, device: &DeviceId) {
        // If the task has ended, the radio is closed.
        let _ = self.jobs.send(Job::Disconnect(device.clone()));
    }

    /// Waits until all requests so far were sent.
    pub(super) async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        if self.jobs.send(Job::Flush(done)).is_ok() {
            let _ = flushed.await;
        }
    }
}

async fn work(system: Arc<dyn System>, mut jobs: mpsc::UnboundedReceiver<Job>) {
    let mut running: FuturesUnordered<BoxFuture<'static, ()>> = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some(()) = running.next() => {}
            job = jobs.recv() => match job {
                Some(Job::Disconnect(device)) => running.push(Box::pin(disconnect(system.clone(), device))),
                Some(Job::Flush(done)) => {
                    while running.next().await.is_some() {}
                    let _ = done.send(());
                }
                None => break,
            },
        }
    }
}

async fn disconnect(system: Arc<dyn System>, device: DeviceId) {
    match timeout(SEND_TIME, system.disconnect(&device)).await {
        Ok(Ok(())) => tracing::debug!("{device}: disconnect sent"),
        Ok(Err(error)) if error.classify(&Operation::Disconnect) == ErrorClass::Done => {}
        Ok(Err(error)) => tracing::debug!("{device}: disconnect failed: {}", error.text()),
        Err(_) => tracing::debug!("{device}: disconnect could not be sent within {SEND_TIME:?}"),
    }
}
