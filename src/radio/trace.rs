//! A decorator that shows every frame, decoded, in both directions, for any radio (`-vv`).

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bulb_protocol::base;
use tokio::sync::{broadcast, watch};
use tokio_util::task::AbortOnDropHandle;

use super::{
    AdapterInfo, AdapterState, CharacteristicId, Deadline, DeviceId, GattTable, Link, LinkState,
    NOTIFICATION_QUEUE, Notifications, Radio, Report, WriteKind,
};
use crate::error::Result;

/// A radio whose frames are shown.
#[derive(Debug)]
pub struct Traced(Arc<dyn Radio>);

impl Traced {
    /// Shows the frames of this radio.
    pub fn new(radio: Arc<dyn Radio>) -> Self {
        Self(radio)
    }
}

#[async_trait]
impl Radio for Traced {
    fn adapter(&self) -> AdapterInfo {
        self.0.adapter()
    }

    fn link_limit(&self) -> usize {
        self.0.link_limit()
    }

    fn adapter_state(&self) -> watch::Receiver<AdapterState> {
        self.0.adapter_state()
    }

    fn reports(&self) -> broadcast::Receiver<Report> {
        self.0.reports()
    }

    async fn start_scan(&self) -> Result<()> {
        shown("scan starts", self.0.start_scan().await)
    }

    async fn stop_scan(&self) -> Result<()> {
        shown("scan stops", self.0.stop_scan().await)
    }

    async fn known(&self) -> Result<Vec<Report>> {
        let known = self.0.known().await?;
        tracing::debug!("the system knows {} devices", known.len());
        Ok(known)
    }

    async fn connect(&self, device: &DeviceId, deadline: Deadline) -> Result<Arc<dyn Link>> {
        tracing::debug!("{device}: connecting");
        let link = self
            .0
            .connect(device, deadline)
            .await
            .inspect_err(|error| tracing::debug!("{device}: {error}"))?;
        let how = if link.was_up() { "was connected" } else { "connected" };
        tracing::debug!(
            "{device}: {how} after {:.1?}, {} services",
            deadline.waited(),
            link.table().services.len()
        );
        Ok(Arc::new(TracedLink { link, forwarders: Mutex::default() }))
    }

    async fn close(&self) {
        self.0.close().await;
        tracing::debug!("closed");
    }
}

/// A link whose frames are shown.
#[derive(Debug)]
struct TracedLink {
    link: Arc<dyn Link>,
    /// What shows notifications on their way; ends with the link.
    forwarders: Mutex<Vec<AbortOnDropHandle<()>>>,
}

#[async_trait]
impl Link for TracedLink {
    fn device(&self) -> &DeviceId {
        self.link.device()
    }

    fn was_up(&self) -> bool {
        self.link.was_up()
    }

    fn state(&self) -> watch::Receiver<LinkState> {
        self.link.state()
    }

    fn table(&self) -> &GattTable {
        self.link.table()
    }

    async fn read(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<Vec<u8>> {
        let result = self.link.read(characteristic, deadline).await;
        match &result {
            Ok(value) => tracing::debug!(
                "{}: read {characteristic} <- {}",
                self.device(),
                frame(characteristic, value)
            ),
            Err(error) => tracing::debug!("{}: read {characteristic}: {error}", self.device()),
        }
        result
    }

    async fn write(
        &self,
        characteristic: CharacteristicId,
        value: &[u8],
        kind: WriteKind,
        deadline: Deadline,
    ) -> Result<()> {
        let kind_name = match kind {
            WriteKind::Request => "request",
            WriteKind::Command => "command",
        };
        tracing::debug!(
            "{}: write {kind_name} {characteristic} -> {}",
            self.device(),
            frame(characteristic, value)
        );
        let result = self.link.write(characteristic, value, kind, deadline).await;
        shown(&format!("{}: write {characteristic} done", self.device()), result)
    }

    async fn subscribe(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<Notifications> {
        let what = format!("{}: subscribed to {characteristic}", self.device());
        let mut inner = shown(&what, self.link.subscribe(characteristic, deadline).await)?;
        let (sender, receiver) = broadcast::channel(NOTIFICATION_QUEUE);
        let device = self.device().clone();
        let forward = AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                match inner.recv().await {
                    Ok(value) => {
                        tracing::debug!(
                            "{device}: notification {characteristic} <- {}",
                            frame(characteristic, &value)
                        );
                        if sender.send(value).is_err() {
                            return;
                        }
                    }
                    Err(broadcast::error::RecvError::Lagged(missed)) => {
                        tracing::debug!("{device}: {missed} notifications missed");
                    }
                    Err(broadcast::error::RecvError::Closed) => return,
                }
            }
        }));
        self.forwarders.lock().unwrap_or_else(PoisonError::into_inner).push(forward);
        Ok(receiver)
    }

    async fn unsubscribe(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<()> {
        let what = format!("{}: unsubscribed from {characteristic}", self.device());
        shown(&what, self.link.unsubscribe(characteristic, deadline).await)
    }

    async fn system_battery(&self) -> Result<Option<u8>> {
        self.link.system_battery().await
    }

    fn keep(&self) {
        tracing::debug!("{}: the link is kept", self.device());
        self.link.keep();
    }

    async fn disconnect(&self) -> Result<()> {
        shown(&format!("{}: disconnect sent", self.device()), self.link.disconnect().await)
    }
}

fn shown<T>(what: &str, result: Result<T>) -> Result<T> {
    match &result {
        Ok(_) => tracing::debug!("{what}"),
        Err(error) => tracing::debug!("{what}: {error}"),
    }
    result
}

/// A frame as hex and, on a characteristic whose frames we know, its meaning.
fn frame(characteristic: CharacteristicId, value: &[u8]) -> String {
    let hex = if value.is_empty() { "(empty)".to_owned() } else { hex::encode(value) };
    let known = [base::CONTROL, base::STATUS].map(|short| CharacteristicId::short(base::SERVICE, short));
    if !known.contains(&characteristic) {
        return hex;
    }
    match base::decode(value) {
        Ok(state) => format!("{hex}  {state}"),
        Err(error) => format!("{hex}  {error}"),
    }
}
