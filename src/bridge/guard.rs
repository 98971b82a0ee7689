//! A decorator that lets a radio write only to bulbs that this bridge owns.
//!
//! Drivers write by themselves: keep-alive frames, questions, the steps of a fade. So the lease is checked here, right before
//! each request is handed to the radio, and not where commands arrive. A process that was stopped for minutes finds out
//! here that its lease is over.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Mutex as AsyncMutex, broadcast, watch};

use super::clock;
use crate::error::{Error, Result};
use crate::pass_on;
use crate::radio::{
    AdapterInfo, AdapterState, CharacteristicId, ConnectRetry, Deadline, DeviceDetails, DeviceId,
    FrameDecoder, Link, LinkInfo, LinkState, Notifications, Radio, SeenDevice, Wanted, WriteKind, lock,
};

/// The end of each lease, on the clock of the claims.
pub struct Leases {
    now: Box<dyn Fn() -> Duration + Send + Sync>,
    ends: Mutex<BTreeMap<DeviceId, Duration>>,
}

impl fmt::Debug for Leases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leases").field("ends", &self.ends).finish_non_exhaustive()
    }
}

impl Default for Leases {
    fn default() -> Self {
        Self::with_clock(clock::now)
    }
}

impl Leases {
    pub fn with_clock(now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self { now: Box::new(now), ends: Mutex::default() }
    }

    /// Sets the end of the lease of a bulb; `None` if there is none.
    pub fn set(&self, device: &DeviceId, end: Option<Duration>) {
        let mut ends = lock(&self.ends);
        match end {
            Some(end) => ends.insert(device.clone(), end),
            None => ends.remove(device),
        };
    }

    /// The time that is left of a lease.
    fn left(&self, device: &DeviceId) -> Option<Duration> {
        let end = lock(&self.ends).get(device).copied()?;
        end.checked_sub((self.now)()).filter(|left| !left.is_zero())
    }

    fn check(&self, device: &DeviceId, label: &str, deadline: Deadline) -> Result<Deadline> {
        let left = self.left(device).ok_or_else(|| Error::BulbNotOwned { device: label.to_owned() })?;
        Ok(deadline.within(left))
    }
}

#[derive(Debug)]
pub struct Guarded {
    radio: Arc<dyn Radio>,
    leases: Arc<Leases>,
}

impl Guarded {
    pub fn new(radio: Arc<dyn Radio>, leases: Arc<Leases>) -> Self {
        Self { radio, leases }
    }
}

#[async_trait]
impl Radio for Guarded {
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
        self.radio.start_scan().await
    }

    async fn stop_scan(&self) -> Result<()> {
        self.radio.stop_scan().await
    }

    async fn known_devices(&self) -> Result<Vec<SeenDevice>> {
        self.radio.known_devices().await
    }

    async fn details(&self, device: &DeviceId) -> Result<DeviceDetails> {
        self.radio.details(device).await
    }

    async fn connect(&self, device: &DeviceId, deadline: Deadline) -> Result<Arc<dyn Link>> {
        self.leases.check(device, &device.to_string(), deadline)?;
        let link = self.radio.connect(device, deadline).await?;
        Ok(Arc::new(GuardedLink { link, leases: Arc::clone(&self.leases), turn: AsyncMutex::default() }))
    }

    async fn close(&self) {
        self.radio.close().await;
    }
}

#[derive(Debug)]
struct GuardedLink {
    link: Arc<dyn Link>,
    leases: Arc<Leases>,
    /// Held during a request. Without it, a write could wait in the radio until after the end of the lease. ATT allows
    /// one request at a time anyway.
    turn: AsyncMutex<()>,
}

#[async_trait]
impl Link for GuardedLink {
    pass_on! {
        link: info -> &LinkInfo,
        state -> watch::Receiver<LinkState>,
        mtu -> Option<u16>
    }

    async fn read(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<Vec<u8>> {
        let _turn = self.turn.lock().await;
        self.link.read(characteristic, deadline).await
    }

    async fn write(
        &self,
        characteristic: CharacteristicId,
        value: &[u8],
        kind: WriteKind,
        deadline: Deadline,
    ) -> Result<()> {
        let _turn = self.turn.lock().await;
        let deadline = self.leases.check(self.device(), &self.info().label, deadline)?;
        self.link.write(characteristic, value, kind, deadline).await
    }

    async fn subscribe(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<Notifications> {
        let _turn = self.turn.lock().await;
        self.link.subscribe(characteristic, deadline).await
    }

    async fn unsubscribe(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<()> {
        let _turn = self.turn.lock().await;
        self.link.unsubscribe(characteristic, deadline).await
    }

    async fn system_battery(&self) -> Result<Option<u8>> {
        self.link.system_battery().await
    }

    async fn bond(&self, deadline: Deadline) -> Result<()> {
        let deadline = self.leases.check(self.device(), &self.info().label, deadline)?;
        self.link.bond(deadline).await
    }

    fn set_frame_decoder(&self, decoder: FrameDecoder) {
        self.link.set_frame_decoder(decoder);
    }

    fn keep(&self) {
        self.link.keep();
    }

    async fn disconnect(&self) -> Result<()> {
        self.link.disconnect().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::radio::{begin_scan, sim};

    const RIG: &str = "rig = 1\nabout = \"one bulb\"\n[[bulb]]\nname = \"Light-1\"\naddress = \"C4:11:00:00:00:01\"\n\
                       [[bulb.fault]]\non = \"read\"\ndo = \"delay\"\nfor = \"20s\"\n";

    #[tokio::test(start_paused = true)]
    async fn nothing_is_written_without_a_lease() {
        let dir = tempfile::tempdir().unwrap();
        let options = sim::SimOptions { dir: Some(dir.path().into()), ..sim::SimOptions::default() };
        let radio = sim::open_text(RIG, "rig", options).unwrap();
        let clock = Arc::new(AtomicU64::new(100));
        let seconds = Arc::clone(&clock);
        let leases =
            Arc::new(Leases::with_clock(move || Duration::from_secs(seconds.load(Ordering::Relaxed))));
        let radio = Guarded::new(radio, Arc::clone(&leases));
        let mut seen = radio.seen_devices();
        let deadline = Deadline::after(Duration::from_secs(60));
        begin_scan(&radio, deadline).await.unwrap();
        let bulb = seen.recv().await.unwrap().id;
        radio.stop_scan().await.unwrap();

        let refused = Error::BulbNotOwned { device: bulb.to_string() };
        assert_eq!(radio.connect(&bulb, deadline).await.unwrap_err(), refused);
        leases.set(&bulb, Some(Duration::from_secs(110)));
        let link = radio.connect(&bulb, deadline).await.unwrap();
        let control = CharacteristicId::short(bulb_protocol::base::SERVICE, bulb_protocol::base::CONTROL);
        let status = CharacteristicId::short(bulb_protocol::base::SERVICE, bulb_protocol::base::STATUS);
        let frame = [1, 50, 1, 2, 3];
        link.write(control, &frame, WriteKind::Request, deadline).await.unwrap();

        // A write that waits for a slow read is refused if the lease ends meanwhile.
        let read = link.read(status, deadline);
        let write = async {
            tokio::task::yield_now().await;
            clock.store(110, Ordering::Relaxed);
            link.write(control, &frame, WriteKind::Request, deadline).await
        };
        let (_, written) = tokio::join!(read, write);
        assert_eq!(written.unwrap_err().code(), "bridge.not_owner");
        leases.set(&bulb, Some(Duration::from_secs(120)));
        link.write(control, &frame, WriteKind::Request, deadline).await.unwrap();
        leases.set(&bulb, None);
        assert!(link.write(control, &frame, WriteKind::Request, deadline).await.is_err());
    }
}
