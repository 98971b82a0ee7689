//! Deliberately faulty radios. The model must detect them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bulbctl::radio::{
    AdapterInfo, AdapterState, CharacteristicId, Deadline, DeviceId, Link, LinkInfo, LinkState,
    NOTIFICATION_QUEUE, Notifications, Radio, SeenDevice, WriteKind,
};
use bulbctl::{Result, pass_on};
use tokio::sync::{broadcast, watch};
use tokio_util::task::AbortOnDropHandle;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// One of seven writes is lost but reported as successful.
    LosesWrites,
    /// Reads return a state that no bulb ever had.
    InventsStates,
    /// Links stay up after their last handle is dropped.
    LeaksLinks,
    ScansOn,
}

pub(crate) const LIES: [Lie; 4] = [Lie::LosesWrites, Lie::InventsStates, Lie::LeaksLinks, Lie::ScansOn];

#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) radio: Arc<dyn Radio>,
    pub(crate) lie: Lie,
}

#[async_trait]
impl Radio for Wrong {
    pass_on! {
        radio: adapter -> AdapterInfo,
        adapter_state -> watch::Receiver<AdapterState>,
        seen_devices -> broadcast::Receiver<SeenDevice>
    }

    async fn start_scan(&self) -> Result<()> {
        self.radio.start_scan().await
    }

    async fn stop_scan(&self) -> Result<()> {
        if self.lie == Lie::ScansOn { Ok(()) } else { self.radio.stop_scan().await }
    }

    async fn known_devices(&self) -> Result<Vec<SeenDevice>> {
        self.radio.known_devices().await
    }

    async fn connect(&self, device: &DeviceId, deadline: Deadline) -> Result<Arc<dyn Link>> {
        let link = self.radio.connect(device, deadline).await?;
        if self.lie == Lie::LeaksLinks {
            link.keep();
        }
        Ok(Arc::new(WrongLink { link, lie: self.lie, writes: AtomicUsize::new(0), says: Mutex::default() }))
    }

    async fn close(&self) {
        if self.lie != Lie::ScansOn {
            self.radio.close().await;
        }
    }
}

/// Notifications of a bulb, into which false ones can be inserted.
type Says = (broadcast::WeakSender<Vec<u8>>, AbortOnDropHandle<()>);

#[derive(Debug)]
struct WrongLink {
    link: Arc<dyn Link>,
    lie: Lie,
    writes: AtomicUsize,
    says: Mutex<Option<Says>>,
}

#[async_trait]
impl Link for WrongLink {
    pass_on! {
        link: info -> &LinkInfo,
        state -> watch::Receiver<LinkState>
    }

    async fn read(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<Vec<u8>> {
        let value = self.link.read(characteristic, deadline).await?;
        Ok(if self.lie == Lie::InventsStates { vec![1, 77, 1, 2, 3] } else { value })
    }

    async fn write(
        &self,
        characteristic: CharacteristicId,
        value: &[u8],
        kind: WriteKind,
        deadline: Deadline,
    ) -> Result<()> {
        let seventh = self.writes.fetch_add(1, Ordering::Relaxed) % 7 == 6;
        if self.lie == Lie::LosesWrites && seventh {
            let says = self.says.lock().unwrap().as_ref().and_then(|(says, _)| says.upgrade());
            says.map(|says| says.send(value.to_vec()).ok());
            return Ok(());
        }
        self.link.write(characteristic, value, kind, deadline).await
    }

    async fn subscribe(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<Notifications> {
        let mut own = self.link.subscribe(characteristic, deadline).await?;
        let (says, notifications) = broadcast::channel(NOTIFICATION_QUEUE);
        let sender = says.clone();
        let forward = tokio::spawn(async move {
            while let Ok(value) = own.recv().await {
                sender.send(value).ok();
            }
        });
        // The stream ends with the link, and the task with it.
        *self.says.lock().unwrap() = Some((says.downgrade(), AbortOnDropHandle::new(forward)));
        Ok(notifications)
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
