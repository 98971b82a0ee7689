//! Traits and values for Bluetooth: what a radio and a link can do.
//!
//! A *radio* is an adapter that scans and connects; a *link* is one connection. [`btle`] implements
//! them for real adapters and [`sim`] for virtual bulbs. The decorators in [`trace`] and [`record`]
//! wrap any radio. All implementations guarantee:
//!
//! - **Slow readers do no harm.** Seen devices and notifications travel in bounded queues. A reader
//!   that lags loses the oldest entries and is notified. States are [`watch`] channels, which never
//!   lose the newest value.
//! - **Every future may be dropped**, which cancels the operation. Dropping a connect also cancels
//!   it in the system.
//! - **Dropping a link closes it.** Dropping the last handle disconnects, unless the link was
//!   [kept](Link::keep) or was up before this program used it. [`Radio::close`] waits until all
//!   requests were sent.
//! - **Receivers may come and go** during the life of a radio.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bulb_protocol::text::trim_padding;
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::error::{Error, Result};

/// Delegates methods to a field, for decorators. Works for non-async methods only, because
/// `async_trait` does not expand macros.
#[macro_export]
macro_rules! pass_on {
    ($field:tt: $($method:ident -> $type:ty),+) => {
        $(fn $method(&self) -> $type {
            self.$field.$method()
        })+
    };
}

mod address;
pub mod btle;
mod choice;
mod diagnosis;
pub mod gatt;
mod parameters;
pub mod peripheral;
pub mod record;
mod retry;
pub mod sim;
pub mod trace;

pub use address::{Address, DeviceId};
pub use choice::{AdapterChoice, open, open_peripheral};
pub use diagnosis::{AdapterFacts, Diagnosis, HeldLink, RestoredAdapter, Version, diagnose};
pub use gatt::{CharacteristicId, GattTable, Properties, WriteKind};
pub use parameters::ConnectionParameters;
pub use retry::{ATTEMPTS, ConnectRetry, spread};

/// Locks a mutex whose data stays consistent if a thread panics while it holds the lock.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls a function when it is dropped, unless it is disarmed.
struct OnDrop<F: FnMut()> {
    armed: bool,
    call: F,
}

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if self.armed {
            (self.call)();
        }
    }
}

/// Forwards values until they end. Calls `see` with each before it is passed on, and with the number of those that were
/// missed. With `while_used`, ends when all receivers are dropped.
fn forward<T: Clone + Send + 'static>(
    mut from: broadcast::Receiver<T>,
    to: broadcast::Sender<T>,
    while_used: bool,
    see: impl Fn(Result<&T, u64>) + Send + 'static,
) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            match from.recv().await {
                Ok(value) => {
                    see(Ok(&value));
                    if to.send(value).is_err() && while_used {
                        return;
                    }
                }
                Err(broadcast::error::RecvError::Lagged(missed)) => see(Err(missed)),
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }))
}

/// A time limit that remembers when it was set.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    start: Instant,
    end: Instant,
}

impl Deadline {
    pub fn after(duration: Duration) -> Self {
        let start = Instant::now();
        Self { start, end: start + duration }
    }

    /// The earlier of this deadline and one that is `duration` from now; for a part of an
    /// operation.
    pub fn within(self, duration: Duration) -> Self {
        let part = Self::after(duration);
        Self { start: part.start, end: part.end.min(self.end) }
    }

    /// As long a time as this deadline had, from now.
    pub fn restarted(self) -> Self {
        Self::after(self.end.saturating_duration_since(self.start))
    }

    pub fn waited(self) -> Duration {
        self.start.elapsed()
    }

    /// A deadline that is `duration` later.
    pub fn later(self, duration: Duration) -> Self {
        Self { end: self.end + duration, ..self }
    }

    /// The remaining time; zero once it has passed.
    pub fn remaining(self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// Runs the future until the deadline.
    ///
    /// # Errors
    /// The error that `late` makes of the time waited, if the deadline comes first. The future is
    /// then dropped.
    pub async fn run<T, E>(
        self,
        future: impl Future<Output = Result<T, E>>,
        late: impl FnOnce(Duration) -> E,
    ) -> Result<T, E> {
        match tokio::time::timeout_at(self.end, future).await {
            Ok(result) => result,
            Err(_) => Err(late(self.waited())),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AdapterInfo {
    /// The name in the system: `hci0`, `sim`.
    pub name: String,
    pub address: Option<Address>,
}

impl fmt::Display for AdapterInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.address.map_or(Ok(()), |address| write!(f, " ({address})"))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdapterState {
    On,
    Off,
    /// Unplugged, or the Bluetooth service is gone.
    Absent,
}

/// A device, as far as its advertisements and the system describe it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeenDevice {
    pub id: DeviceId,
    pub address: Option<Address>,
    /// The advertised name, not sanitised. Never an address in other spelling, and never the alias.
    pub name: Option<String>,
    /// The alias that the user gave it in the system, if it differs from the name.
    pub alias: Option<String>,
    /// Signal strength, dBm; `None` if not measured in this scan.
    pub rssi: Option<i16>,
    /// Advertised transmit power, dBm.
    pub tx_power: Option<i16>,
    pub services: Vec<Uuid>,
    /// Manufacturer data, by company identifier.
    pub manufacturer: BTreeMap<u16, Vec<u8>>,
    pub service_data: BTreeMap<Uuid, Vec<u8>>,
    pub connected: bool,
    /// Times at which this radio received its advertisements; `None` if the system only remembers it.
    pub seen: Option<SeenTimes>,
}

/// Details of a device beyond its [`SeenDevice`]. `None` if the platform does not report them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceDetails {
    /// `public` or `random`.
    pub address_type: Option<String>,
    /// Advertised appearance (Bluetooth Assigned Numbers, 2.6).
    pub appearance: Option<u16>,
    /// Advertised flags (Core Specification Supplement, Part A, 1.3).
    #[serde(default, with = "optional_hex")]
    pub flags: Option<Vec<u8>>,
    pub bonded: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<ConnectionParameters>,
}

mod optional_hex {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &Option<Vec<u8>>, to: S) -> Result<S::Ok, S::Error> {
        bytes.as_ref().map(hex::encode).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<u8>>, D::Error> {
        Option::<String>::deserialize(from)?.map(hex::decode).transpose().map_err(D::Error::custom)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenTimes {
    pub first: Instant,
    pub last: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    Up,
    Down,
}

/// The notifications of one characteristic, oldest first, at most [`NOTIFICATION_QUEUE`]. A reader
/// that lags loses the oldest and gets an error with their number. Ends when the link drops.
pub type Notifications = broadcast::Receiver<Vec<u8>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    ToBulb,
    FromBulb,
}

/// Decodes a frame for display: its meaning, or what is wrong with it. `None` for frames that it
/// does not know.
pub type FrameDecoder =
    Arc<dyn Fn(CharacteristicId, Direction, &[u8]) -> Option<Result<String, String>> + Send + Sync>;

/// Returns true for the devices that a program looks for. It must not call the radio.
pub type Wanted = Arc<dyn Fn(&SeenDevice) -> bool + Send + Sync>;

pub const NOTIFICATION_QUEUE: usize = 64;
pub const SEEN_DEVICE_QUEUE: usize = 1024;

/// An adapter that scans and connects.
#[warn(missing_docs)]
#[async_trait]
pub trait Radio: fmt::Debug + Send + Sync {
    /// The adapter.
    fn adapter(&self) -> AdapterInfo;

    /// The number of simultaneous links to plan for. Most controllers manage 5 (noble#214,
    /// noble#357).
    fn link_limit(&self) -> usize {
        5
    }

    /// Returns true if the system keeps a link that the program leaves up.
    fn keeps_links(&self) -> bool {
        true
    }

    /// Watches the state of the adapter.
    fn adapter_state(&self) -> watch::Receiver<AdapterState>;

    /// Checks that the adapter can be used.
    ///
    /// # Errors
    /// It is off, blocked, or gone.
    async fn check_adapter(&self) -> Result<()> {
        let state = *self.adapter_state().borrow();
        let adapter = self.adapter().name;
        match state {
            AdapterState::On => Ok(()),
            AdapterState::Off => Err(Error::AdapterOff { adapter }),
            AdapterState::Absent => Err(Error::AdapterLost { adapter }),
        }
    }

    /// Receives every device from now on, each time with all that is known of it. Devices come only
    /// during a scan, or when their link changes.
    fn seen_devices(&self) -> broadcast::Receiver<SeenDevice>;

    /// Sets which devices the program looks for. A radio that cannot remember all devices forgets these
    /// last. It does not change what is received.
    fn prefer(&self, wanted: Wanted) {
        drop(wanted);
    }

    /// Receives each retry of a connect shortly before it starts.
    fn connect_retries(&self) -> broadcast::Receiver<ConnectRetry> {
        retry::ConnectRetries::default().subscribe()
    }

    /// Starts a scan. Does nothing if one is running.
    ///
    /// # Errors
    /// The adapter is off or gone, permission is denied, or the system is busy.
    async fn start_scan(&self) -> Result<()>;

    /// Stops the scan. Does nothing if none is running.
    ///
    /// # Errors
    /// The service is gone. An adapter that was switched off is no error: that ended the scan.
    async fn stop_scan(&self) -> Result<()>;

    /// The devices that the system knows without a scan: connected, paired, or seen recently.
    ///
    /// # Errors
    /// The service is gone, or permission is denied.
    async fn known_devices(&self) -> Result<Vec<SeenDevice>>;

    /// Details of a device.
    ///
    /// # Errors
    /// The service is gone, or permission is denied.
    async fn details(&self, device: &DeviceId) -> Result<DeviceDetails> {
        let _ = device;
        Ok(DeviceDetails::default())
    }

    /// Connects and discovers the services. Uses a link that the system has already.
    ///
    /// # Errors
    /// An error of kind [`Connect`](crate::error::ErrorKind::Connect), or the adapter is unusable.
    /// On an error, and when the future is dropped, the attempt is cancelled in the system.
    async fn connect(&self, device: &DeviceId, deadline: Deadline) -> Result<Arc<dyn Link>>;

    /// Stops the scan and closes every link that is not kept. Waits until the requests were sent,
    /// but not for answers. Call it on every way out.
    async fn close(&self);
}

/// Facts that stay the same while a link is up.
#[derive(Clone, Debug)]
pub struct LinkInfo {
    pub device: DeviceId,
    /// The name of the device in messages.
    pub label: String,
    /// The system had this link before this program used it.
    pub was_up: bool,
    pub table: GattTable,
    /// Duration of the service discovery after the link was up, if the platform reports
    /// it. `None` for a link that was up before. A system that remembers the services needs no
    /// time.
    pub discovery: Option<Duration>,
}

impl LinkInfo {
    /// The properties of a characteristic; the error if the table does not have it.
    fn properties(&self, characteristic: CharacteristicId) -> Result<Properties> {
        self.table.properties(characteristic).ok_or_else(|| Error::CharacteristicUnknown {
            device: self.label.clone(),
            characteristic: characteristic.to_string(),
            have: self.table.outline(),
        })
    }
}

/// One connection.
#[warn(missing_docs)]
#[async_trait]
pub trait Link: fmt::Debug + Send + Sync {
    /// Returns the facts that stay the same while the link is up.
    fn info(&self) -> &LinkInfo;

    /// The device at the other end.
    fn device(&self) -> &DeviceId {
        &self.info().device
    }

    /// Returns true if the system had this link before this program used it.
    fn was_up(&self) -> bool {
        self.info().was_up
    }

    /// The GATT table, discovered once for this link.
    fn table(&self) -> &GattTable {
        &self.info().table
    }

    /// Watches the state of the link.
    fn state(&self) -> watch::Receiver<LinkState>;

    /// Reads a characteristic.
    ///
    /// # Errors
    /// The bulb refused, did not answer by the deadline, or the link dropped.
    async fn read(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<Vec<u8>>;

    /// Writes to a characteristic.
    ///
    /// # Errors
    /// As for [`read`](Link::read). A write command has no answer, so a bulb that ignores it is no
    /// error.
    async fn write(
        &self,
        characteristic: CharacteristicId,
        value: &[u8],
        kind: WriteKind,
        deadline: Deadline,
    ) -> Result<()>;

    /// Subscribes to notifications. Values that are read do not appear among them.
    ///
    /// # Errors
    /// As for [`read`](Link::read).
    async fn subscribe(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<Notifications>;

    /// Ends a subscription. Does nothing if there is none, or if the link is down.
    ///
    /// # Errors
    /// The bulb refused or did not answer by the deadline.
    async fn unsubscribe(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<()>;

    /// The battery level that the system keeps (BlueZ's `Battery1`), percent.
    ///
    /// # Errors
    /// The service is gone.
    async fn system_battery(&self) -> Result<Option<u8>>;

    /// The ATT MTU of this link, bytes, if the platform reports it.
    fn mtu(&self) -> Option<u16> {
        None
    }

    /// Bonds with the bulb unless it is bonded. Most bulbs need no bond. Does nothing on platforms
    /// that bond when a bulb asks for it.
    ///
    /// # Errors
    /// [`PairingFailed`](crate::Error::PairingFailed): the bulb refused or did not answer.
    /// [`Held`](crate::Error::Held): another pairing is in progress.
    async fn bond(&self, deadline: Deadline) -> Result<()> {
        let _ = deadline;
        Ok(())
    }

    /// Sets the decoder of the frames on this link, for decorators that show them. Others ignore
    /// it.
    fn set_frame_decoder(&self, decoder: FrameDecoder) {
        let _ = decoder;
    }

    /// Keeps the link up when this handle is dropped.
    fn keep(&self);

    /// Disconnects, even if the link is kept or was up before. Returns when the request was sent:
    /// BlueZ takes two seconds to answer.
    ///
    /// # Errors
    /// The service is gone. A link that is already down is no error.
    async fn disconnect(&self) -> Result<()>;
}

/// Returns the strength of a signal, dBm, if it can be one: radios report -127 to 20, and 127 for "not
/// measured" (Bluetooth Core, Vol 4, Part E, 7.7.65.2).
#[must_use]
pub fn plausible_dbm(dbm: i16) -> Option<i16> {
    (-127..=20).contains(&dbm).then_some(dbm)
}

/// Time limit for stopping a scan.
const STOP_TIME: Duration = Duration::from_secs(1);

/// Starts a scan within a deadline.
///
/// # Errors
/// Those of [`Radio::start_scan`], and [`Error::ScanBusy`] at the deadline.
pub async fn begin_scan(radio: &dyn Radio, deadline: Deadline) -> Result<()> {
    let busy = |waited| Error::ScanBusy { detail: format!("it could not be started within {waited:.1?}") };
    deadline.run(radio.start_scan(), busy).await
}

/// Stops the scan. A failure is only logged: what the scan found is found, and the scan ends with the
/// program at the latest.
pub async fn end_scan(radio: &dyn Radio) {
    let late = |waited| Error::ServiceSilent { detail: format!("no answer within {waited:.1?}") };
    if let Err(error) = Deadline::after(STOP_TIME).run(radio.stop_scan(), late).await {
        tracing::warn!("the scan could not be stopped: {error}");
    }
}

impl SeenDevice {
    /// The label of the device: its name, the alias, or its identifier. Not sanitised.
    pub fn label(&self) -> String {
        self.names().next().map_or_else(|| self.id.to_string(), str::to_owned)
    }

    /// The advertised name without padding, if anything is left of it.
    pub fn trimmed_name(&self) -> Option<&str> {
        self.name.as_deref().map(trim_padding).filter(|name| !name.is_empty())
    }

    /// The names that the device answers to: its own, then the user's alias. Without padding, never empty.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let alias = self.alias.as_deref().map(trim_padding).filter(|alias| !alias.is_empty());
        self.trimmed_name().into_iter().chain(alias)
    }
}
