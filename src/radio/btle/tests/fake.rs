//! A scripted system.

use std::collections::VecDeque;
use std::sync::Weak;

use tokio::sync::Notify;
use tokio::time::sleep;

use super::super::adapter_choice::PowerBlock;
use super::super::registry::DeviceUpdate;
use super::super::shared::lock;
use super::super::system::{Gatt, Listener};
use super::super::*;
use crate::radio::gatt::{Characteristic, Service, uuid16};
use crate::radio::{CharacteristicId, GattTable, OnDrop, Properties, WriteKind};

pub(super) const CONTROL: CharacteristicId = CharacteristicId::short(0xFFF0, 0xFFF1);
pub(super) const STATUS: CharacteristicId = CharacteristicId::short(0xFFF0, 0xFFF2);

#[derive(Debug, Clone, Copy)]
pub(super) enum Fate {
    Up,
    Never,
    Refused(&'static str, &'static str),
    /// Up, and refused all the same.
    UpAndRefused(&'static str),
    /// Up, and down again after this time, without an answer.
    Drops(Duration),
    /// Up, and its services are never resolved.
    Unresolved,
    /// The link from before goes down, and a new one is up after this time.
    Anew(Duration),
}

#[derive(Debug, Default)]
pub(super) struct Fake {
    pub(super) shared: Mutex2<Option<Arc<SharedState>>>,
    pub(super) fates: Mutex2<VecDeque<Fate>>,
    /// Answer to the start of a scan.
    pub(super) scans: Mutex2<VecDeque<PlatformError>>,
    /// Answer to pairing; `None` for no answer at all.
    pub(super) pairings: Mutex2<VecDeque<Result<(), PlatformError>>>,
    pub(super) bonded: Option<bool>,
    pub(super) calls: Mutex2<Vec<String>>,
    pub(super) gatt: Arc<FakeGatt>,
    pub(super) hangs: bool,
    /// True if the service is gone.
    pub(super) down: Mutex2<bool>,
}

pub(super) type Mutex2<T> = std::sync::Mutex<T>;

#[derive(Debug, Default)]
pub(super) struct FakeGatt {
    /// Number of times that there is no table yet.
    pub(super) late: Mutex2<u32>,
    /// Errors of the next attempts to get the table.
    pub(super) tables: Mutex2<VecDeque<PlatformError>>,
    /// Answer to a write; `None` for no answer at all.
    pub(super) writes: Mutex2<VecDeque<Result<(), PlatformError>>>,
    pub(super) writing: Mutex2<(u32, u32)>,
    pub(super) listener: Mutex2<Option<Weak<dyn Listener>>>,
    pub(super) value: Mutex2<Vec<u8>>,
    pub(super) subscribed: Notify,
}

pub(super) fn id() -> DeviceId {
    DeviceId::new("C4:11:00:00:00:01")
}

pub(super) fn failed(message: &str) -> PlatformError {
    PlatformError::new("org.bluez.Error.Failed", message)
}

impl Fake {
    pub(super) fn log(&self, call: &str) {
        lock(&self.calls).push(call.to_owned());
    }

    pub(super) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.calls))
    }

    pub(super) fn merge(&self, update: DeviceUpdate) {
        let shared = lock(&self.shared).clone().unwrap();
        shared.merge(&id(), update);
    }

    /// The link ends in so many seconds: two after it was asked to, as in BlueZ.
    pub(super) async fn ends_in(&self, seconds: u64) {
        sleep(Duration::from_secs(seconds)).await;
        self.link(false, false);
    }

    pub(super) fn link(&self, up: bool, resolved: bool) {
        self.merge(DeviceUpdate { connected: Some(up), resolved: Some(resolved), ..DeviceUpdate::default() });
    }
}

#[async_trait]
impl System for Fake {
    async fn start_scan(&self) -> Result<(), PlatformError> {
        self.log("start_scan");
        lock(&self.scans).pop_front().map_or(Ok(()), Err)
    }

    async fn stop_scan(&self) -> Result<(), PlatformError> {
        self.log("stop_scan");
        if self.hangs {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    async fn refresh(&self) -> Result<(), PlatformError> {
        Ok(())
    }

    async fn connect(&self, _: &DeviceId) -> Result<(), PlatformError> {
        self.log("connect");
        let fate = lock(&self.fates).pop_front().unwrap_or(Fate::Up);
        match fate {
            Fate::Up => self.link(true, true),
            Fate::Never => std::future::pending().await,
            Fate::Refused(name, message) => return Err(PlatformError::new(name, message)),
            Fate::UpAndRefused(message) => {
                self.link(true, false);
                return Err(failed(message));
            }
            Fate::Drops(after) => {
                self.link(true, false);
                sleep(after).await;
                self.link(false, false);
                std::future::pending::<()>().await;
            }
            Fate::Unresolved => self.link(true, false),
            Fate::Anew(after) => {
                self.link(false, false);
                sleep(after).await;
                self.link(true, true);
            }
        }
        Ok(())
    }

    async fn disconnect(&self, _: &DeviceId) -> Result<(), PlatformError> {
        if self.hangs {
            std::future::pending::<()>().await;
        }
        self.log("disconnect");
        Ok(())
    }

    async fn gatt(&self, _: &DeviceId) -> Result<Arc<dyn Gatt>, PlatformError> {
        Ok(self.gatt.clone())
    }

    async fn pair(&self, _: &DeviceId) -> Result<(), PlatformError> {
        self.log("pair");
        let mut cancel = OnDrop { armed: true, call: || self.log("cancel pairing") };
        let answer = lock(&self.pairings).pop_front();
        let answer = match answer {
            Some(answer) => answer,
            None => std::future::pending().await,
        };
        cancel.armed = false;
        answer
    }

    async fn details(&self, _: &DeviceId) -> Result<DeviceDetails, PlatformError> {
        Ok(DeviceDetails { bonded: self.bonded, ..DeviceDetails::default() })
    }

    async fn battery(&self, _: &DeviceId) -> Result<Option<u8>, PlatformError> {
        Ok(Some(87))
    }

    fn is_running(&self) -> bool {
        !*lock(&self.down)
    }

    async fn block(&self) -> Option<PowerBlock> {
        None
    }
}

#[async_trait]
impl Gatt for FakeGatt {
    async fn discover(&self) -> Result<GattTable, PlatformError> {
        if let Some(error) = lock(&self.tables).pop_front() {
            return Err(error);
        }
        let mut late = lock(&self.late);
        if *late > 0 {
            *late -= 1;
            return Ok(GattTable::default());
        }
        let characteristic = |uuid| Characteristic::new(uuid, Properties::default());
        let characteristics = vec![characteristic(uuid16(0xFFF1)), characteristic(uuid16(0xFFF2))];
        Ok(GattTable { services: vec![Service::new(uuid16(0xFFF0), characteristics)] })
    }

    fn mtu(&self) -> Option<u16> {
        Some(185)
    }

    async fn listen(&self, to: Weak<dyn Listener>) -> Result<(), PlatformError> {
        *lock(&self.listener) = Some(to);
        Ok(())
    }

    fn echoes_reads(&self) -> bool {
        true
    }

    async fn settle(&self) {}

    async fn read(&self, characteristic: CharacteristicId) -> Result<Vec<u8>, PlatformError> {
        let value = lock(&self.value).clone();
        self.notify(characteristic, &value);
        Ok(value)
    }

    async fn write(&self, _: CharacteristicId, _: &[u8], _: WriteKind) -> Result<(), PlatformError> {
        {
            let (now, most) = &mut *lock(&self.writing);
            *now += 1;
            *most = (*most).max(*now);
        }
        sleep(Duration::from_millis(10)).await;
        lock(&self.writing).0 -= 1;
        let answer = lock(&self.writes).pop_front();
        match answer {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }

    async fn subscribe(&self, characteristic: CharacteristicId) -> Result<(), PlatformError> {
        // The first value comes before the answer.
        self.notify(characteristic, &[1]);
        self.subscribed.notify_one();
        Ok(())
    }

    async fn unsubscribe(&self, _: CharacteristicId) -> Result<(), PlatformError> {
        Err(PlatformError::new(
            "org.freedesktop.DBus.Error.UnknownObject",
            "Method \"StopNotify\" doesn't exist",
        ))
    }
}

impl FakeGatt {
    pub(super) fn notify(&self, characteristic: CharacteristicId, value: &[u8]) {
        let listener = lock(&self.listener).as_ref().and_then(Weak::upgrade);
        if let Some(listener) = listener {
            listener.value(characteristic, value.to_vec());
        }
    }
}

pub(super) fn radio_with(fake: Fake) -> (Arc<BtleRadio>, Arc<Fake>) {
    let shared = Arc::new(SharedState::new(AdapterState::On));
    let fake = Arc::new(fake);
    *lock(&fake.shared) = Some(shared.clone());
    fake.merge(DeviceUpdate { name: Some("Light-1".to_owned()), rssi: Some(-50), ..DeviceUpdate::default() });
    let info = AdapterInfo { name: "hci0".to_owned(), address: None };
    (Arc::new(BtleRadio::new(Opened { info, shared, system: fake.clone() })), fake)
}

pub(super) fn radio(fates: impl IntoIterator<Item = Fate>) -> (Arc<BtleRadio>, Arc<Fake>) {
    let fates = Mutex2::new(fates.into_iter().collect());
    radio_with(Fake { fates, ..Fake::default() })
}

pub(super) fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(10))
}

pub(super) fn count(calls: &[String], call: &str) -> usize {
    calls.iter().filter(|made| *made == call).count()
}
