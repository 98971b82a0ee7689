//! A radio under strain: what the adapter, BlueZ and other programs do to it. The sim radio plays bulbs.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bulbctl::radio::{
    AdapterInfo, AdapterState, CharacteristicId, Deadline, DeviceId, Link, LinkInfo, LinkState,
    Notifications, Radio, SeenDevice, WriteKind,
};
use bulbctl::{Error, Result, pass_on};
use tokio::sync::{broadcast, watch};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Strain {
    /// The connections of the adapter.
    pub(crate) slots: usize,
    /// Another program uses the characteristic at one of this number of requests.
    pub(crate) held: usize,
    /// One of this number of starts and stops of a scan fails.
    pub(crate) scan: usize,
}

#[derive(Debug)]
pub(crate) struct Strained {
    radio: Arc<dyn Radio>,
    strain: Strain,
    state: Arc<StrainState>,
}

#[derive(Debug, Default)]
struct StrainState {
    active: AtomicBool,
    requests: AtomicUsize,
    scans: AtomicUsize,
    /// The devices of the links that are held, each as often as it is.
    linked: Mutex<Vec<DeviceId>>,
}

impl StrainState {
    /// Returns true at one of this number of calls.
    fn strikes(&self, count: &AtomicUsize, every: usize) -> bool {
        self.active.load(Ordering::Relaxed) && count.fetch_add(1, Ordering::Relaxed) % every == every - 1
    }
}

impl Strained {
    pub(crate) fn new(radio: Arc<dyn Radio>, strain: Strain) -> Self {
        Self { radio, strain, state: Arc::default() }
    }

    /// Begins or ends the strain.
    pub(crate) fn set(&self, active: bool) {
        self.state.active.store(active, Ordering::Relaxed);
    }

    fn scan_fails(&self) -> Result<()> {
        if self.state.strikes(&self.state.scans, self.strain.scan) {
            return Err(Error::ScanBusy { detail: "Operation already in progress".to_owned() });
        }
        Ok(())
    }

    fn is_full(&self, device: &DeviceId) -> bool {
        let mut others = self.state.linked.lock().unwrap().clone();
        others.retain(|other| other != device);
        others.sort();
        others.dedup();
        self.state.active.load(Ordering::Relaxed) && others.len() >= self.strain.slots
    }
}

#[async_trait]
impl Radio for Strained {
    pass_on! {
        radio: adapter -> AdapterInfo,
        adapter_state -> watch::Receiver<AdapterState>,
        seen_devices -> broadcast::Receiver<SeenDevice>
    }

    async fn start_scan(&self) -> Result<()> {
        self.scan_fails()?;
        self.radio.start_scan().await
    }

    async fn stop_scan(&self) -> Result<()> {
        self.scan_fails()?;
        self.radio.stop_scan().await
    }

    async fn known_devices(&self) -> Result<Vec<SeenDevice>> {
        self.radio.known_devices().await
    }

    async fn connect(&self, device: &DeviceId, deadline: Deadline) -> Result<Arc<dyn Link>> {
        if self.is_full(device) {
            return Err(Error::ConnectLimit { device: device.to_string(), limit: None });
        }
        let link = self.radio.connect(device, deadline).await?;
        self.state.linked.lock().unwrap().push(device.clone());
        Ok(Arc::new(StrainedLink { link, held: self.strain.held, state: self.state.clone() }))
    }

    async fn close(&self) {
        self.radio.close().await;
    }
}

#[derive(Debug)]
struct StrainedLink {
    link: Arc<dyn Link>,
    held: usize,
    state: Arc<StrainState>,
}

impl StrainedLink {
    fn request(&self) -> Result<()> {
        if self.state.strikes(&self.state.requests, self.held) {
            let device = self.link.device().to_string();
            return Err(Error::Held { device, detail: "In Progress".to_owned() });
        }
        Ok(())
    }
}

#[async_trait]
impl Link for StrainedLink {
    pass_on! {
        link: info -> &LinkInfo,
        state -> watch::Receiver<LinkState>
    }

    async fn read(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<Vec<u8>> {
        self.request()?;
        self.link.read(characteristic, deadline).await
    }

    async fn write(
        &self,
        characteristic: CharacteristicId,
        value: &[u8],
        kind: WriteKind,
        deadline: Deadline,
    ) -> Result<()> {
        self.request()?;
        self.link.write(characteristic, value, kind, deadline).await
    }

    async fn subscribe(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<Notifications> {
        self.request()?;
        self.link.subscribe(characteristic, deadline).await
    }

    async fn unsubscribe(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<()> {
        self.link.unsubscribe(characteristic, deadline).await
    }

    async fn system_battery(&self) -> Result<Option<u8>> {
        self.link.system_battery().await
    }

    fn keep(&self) {
        self.link.keep();
    }

    async fn disconnect(&self) -> Result<()> {
        self.link.disconnect().await
    }
}

impl Drop for StrainedLink {
    fn drop(&mut self) {
        let mut linked = self.state.linked.lock().unwrap();
        if let Some(at) = linked.iter().position(|device| device == self.link.device()) {
            linked.swap_remove(at);
        }
    }
}
