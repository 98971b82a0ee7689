//! A decorator that shows every frame of a radio, decoded: in the log (`-vv`) and as values.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use async_trait::async_trait;
use bulb_protocol::base;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::{
    AdapterInfo, AdapterState, CharacteristicId, ConnectRetry, Deadline, DeviceDetails, DeviceId, Direction,
    FrameDecoder, Link, LinkInfo, LinkState, NOTIFICATION_QUEUE, Notifications, Radio, SeenDevice, Wanted,
    WriteKind, forward, lock,
};
use crate::error::Result;

/// Capacity of the queue of frames. A slow reader loses the oldest and is notified.
const FRAME_QUEUE: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttOperation {
    Write(WriteKind),
    Read,
    /// A notification or an indication.
    Notification,
}

impl AttOperation {
    pub const fn direction(self) -> Direction {
        match self {
            Self::Write(_) => Direction::ToBulb,
            Self::Read | Self::Notification => Direction::FromBulb,
        }
    }
}

impl fmt::Display for AttOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Write(WriteKind::Request) => "write request",
            Self::Write(WriteKind::Command) => "write command",
            Self::Read => "read",
            Self::Notification => "notification",
        })
    }
}

/// A frame that passed the radio. `Display` gives the line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedFrame {
    pub at: Instant,
    pub time: SystemTime,
    pub device: DeviceId,
    pub operation: AttOperation,
    pub characteristic: CharacteristicId,
    pub bytes: Vec<u8>,
    pub decoded: Option<Result<String, String>>,
}

impl TracedFrame {
    fn now(
        device: &DeviceId,
        operation: AttOperation,
        characteristic: CharacteristicId,
        bytes: impl Into<Vec<u8>>,
    ) -> Self {
        let (device, bytes, time) = (device.clone(), bytes.into(), SystemTime::now());
        Self { at: Instant::now(), time, device, operation, characteristic, bytes, decoded: None }
    }

    pub fn hex(&self) -> String {
        if self.bytes.is_empty() { "(empty)".to_owned() } else { hex::encode(&self.bytes) }
    }

    /// Decodes the frame: its meaning, or what is wrong with it. Without a decoder, frames of the
    /// base protocol are decoded. `None` for unknown characteristics.
    pub fn meaning(&self) -> Option<Result<String, String>> {
        if self.decoded.is_some() {
            return self.decoded.clone();
        }
        let known = [base::CONTROL, base::STATUS].map(|short| CharacteristicId::short(base::SERVICE, short));
        known.contains(&self.characteristic).then(|| match base::decode(&self.bytes) {
            Ok(state) => Ok(state.to_string()),
            Err(error) => Err(error.to_string()),
        })
    }
}

impl fmt::Display for TracedFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { device, operation, characteristic, .. } = self;
        let arrow = match operation.direction() {
            Direction::ToBulb => "->",
            Direction::FromBulb => "<-",
        };
        write!(f, "{device}: {operation} {characteristic} {arrow} {}", self.hex())?;
        match self.meaning() {
            Some(Ok(meaning) | Err(meaning)) => write!(f, "  {meaning}"),
            None => Ok(()),
        }
    }
}

type SharedDecoder = Arc<Mutex<Option<FrameDecoder>>>;

#[derive(Clone, Debug)]
struct Sink(broadcast::Sender<TracedFrame>);

impl Sink {
    fn take(&self, mut frame: TracedFrame, decoder: &SharedDecoder) {
        let decoder = lock(decoder).clone();
        frame.decoded = decoder
            .and_then(|decode| decode(frame.characteristic, frame.operation.direction(), &frame.bytes));
        tracing::debug!("{frame}");
        // Having no receiver is no error.
        let _ = self.0.send(frame);
    }
}

#[derive(Debug)]
pub struct Traced {
    radio: Arc<dyn Radio>,
    sink: Sink,
}

impl Traced {
    pub fn new(radio: Arc<dyn Radio>) -> Self {
        Self { radio, sink: Sink(broadcast::channel(FRAME_QUEUE).0) }
    }

    pub fn frames(&self) -> broadcast::Receiver<TracedFrame> {
        self.sink.0.subscribe()
    }
}

#[async_trait]
impl Radio for Traced {
    pass_on! {
        radio: adapter -> AdapterInfo,
        connect_retries -> broadcast::Receiver<ConnectRetry>,
        link_limit -> usize,
        keeps_links -> bool,
        adapter_state -> watch::Receiver<AdapterState>,
        seen_devices -> broadcast::Receiver<SeenDevice>
    }

    fn prefer(&self, wanted: Wanted) {
        self.radio.prefer(wanted);
    }

    async fn check_adapter(&self) -> Result<()> {
        self.radio.check_adapter().await
    }

    async fn start_scan(&self) -> Result<()> {
        shown("scan starts", self.radio.start_scan().await)
    }

    async fn stop_scan(&self) -> Result<()> {
        shown("scan stops", self.radio.stop_scan().await)
    }

    async fn known_devices(&self) -> Result<Vec<SeenDevice>> {
        let known = self.radio.known_devices().await?;
        tracing::debug!("the system knows {} devices", known.len());
        Ok(known)
    }

    async fn details(&self, device: &DeviceId) -> Result<DeviceDetails> {
        self.radio.details(device).await
    }

    async fn connect(&self, device: &DeviceId, deadline: Deadline) -> Result<Arc<dyn Link>> {
        tracing::debug!("{device}: connecting");
        let link = self
            .radio
            .connect(device, deadline)
            .await
            .inspect_err(|error| tracing::debug!("{device}: {error}"))?;
        let how = if link.was_up() { "was connected" } else { "connected" };
        tracing::debug!(
            "{device}: {how} after {:.1?}, {} services",
            deadline.waited(),
            link.table().services.len()
        );
        Ok(Arc::new(TracedLink {
            link,
            sink: self.sink.clone(),
            decoder: Arc::default(),
            forwarders: Mutex::default(),
        }))
    }

    async fn close(&self) {
        self.radio.close().await;
        tracing::debug!("closed");
    }
}

struct TracedLink {
    link: Arc<dyn Link>,
    sink: Sink,
    decoder: SharedDecoder,
    forwarders: Mutex<Vec<AbortOnDropHandle<()>>>,
}

impl fmt::Debug for TracedLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracedLink").field("link", &self.link).finish_non_exhaustive()
    }
}

#[async_trait]
impl Link for TracedLink {
    pass_on! {
        link: info -> &LinkInfo,
        state -> watch::Receiver<LinkState>,
        mtu -> Option<u16>
    }

    async fn read(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<Vec<u8>> {
        let result = self.link.read(characteristic, deadline).await;
        match &result {
            Ok(value) => {
                let frame =
                    TracedFrame::now(self.device(), AttOperation::Read, characteristic, value.as_slice());
                self.sink.take(frame, &self.decoder);
            }
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
        let frame = TracedFrame::now(self.device(), AttOperation::Write(kind), characteristic, value);
        self.sink.take(frame, &self.decoder);
        let result = self.link.write(characteristic, value, kind, deadline).await;
        shown(&format!("{}: write {characteristic} done", self.device()), result)
    }

    async fn subscribe(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<Notifications> {
        let what = format!("{}: subscribed to {characteristic}", self.device());
        let inner = shown(&what, self.link.subscribe(characteristic, deadline).await)?;
        let (sender, receiver) = broadcast::channel(NOTIFICATION_QUEUE);
        let (device, sink, decoder) = (self.device().clone(), self.sink.clone(), self.decoder.clone());
        let forward = forward(inner, sender, true, move |value| match value {
            Ok(value) => {
                let operation = AttOperation::Notification;
                let frame = TracedFrame::now(&device, operation, characteristic, value.as_slice());
                sink.take(frame, &decoder);
            }
            Err(missed) => tracing::debug!("{device}: {missed} notifications missed"),
        });
        lock(&self.forwarders).push(forward);
        Ok(receiver)
    }

    async fn unsubscribe(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<()> {
        let what = format!("{}: unsubscribed from {characteristic}", self.device());
        shown(&what, self.link.unsubscribe(characteristic, deadline).await)
    }

    async fn system_battery(&self) -> Result<Option<u8>> {
        self.link.system_battery().await
    }

    async fn bond(&self, deadline: Deadline) -> Result<()> {
        shown(&format!("{}: bonded", self.device()), self.link.bond(deadline).await)
    }

    fn set_frame_decoder(&self, decoder: FrameDecoder) {
        *lock(&self.decoder) = Some(decoder);
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::radio::sim::{SimOptions, open_text};

    #[tokio::test(start_paused = true)]
    async fn a_bulb_that_refuses_to_pair_is_not_bonded() {
        for pairing in [true, false] {
            let address = "C4:11:00:00:00:01";
            let rig = format!(
                "rig = 1\n[[bulb]]\nname = \"Light\"\naddress = \"{address}\"\npairing = {pairing}\n"
            );
            let folder = tempfile::tempdir().unwrap();
            let options = SimOptions { dir: Some(folder.path().to_owned()), log: None };
            let radio = Traced::new(open_text(&rig, "rig.toml", options).unwrap());
            radio.start_scan().await.unwrap();
            radio.seen_devices().recv().await.unwrap();
            let soon = || Deadline::after(Duration::from_secs(5));
            let link = radio.connect(&DeviceId::new(address), soon()).await.unwrap();
            let bonded = link.bond(soon()).await.map_err(|error| error.code());
            assert_eq!(bonded, if pairing { Ok(()) } else { Err("bulb.needs_pairing") });
        }
    }
}
