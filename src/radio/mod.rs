//! The port to Bluetooth: what a radio and a link can do, as traits and plain values.
//!
//! A *radio* is one adapter that scans and connects; a *link* is one connection. [`btle`] is the real one,
//! [`sim`] plays virtual bulbs, and decorators ([`trace`], [`record`]) wrap any of them. What holds for all:
//!
//! - **Nothing is lost by being slow.** Reports and notifications travel in bounded queues; a reader that lags
//!   loses the oldest reports (the next ones carry the same facts) and is told so. States are [`watch`] channels, of which
//!   the newest value is never lost.
//! - **Every future may be dropped**, which cancels what it waits for. A connect that is dropped is also
//!   cancelled on the other side.
//! - **A link that is dropped is closed**: dropping the last handle asks the radio to disconnect, unless the link was
//!   [kept](Link::keep) or was up before we came. [`Radio::close`] waits until all that has been asked for was sent.
//! - **One event source for the life of the radio**: receivers may come and go.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bulb_protocol::text::trim_padding;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;
use uuid::Uuid;

use crate::error::Result;

/// Has methods do what those of the same name do on a field: for decorators, which change few of many. Not for async ones:
/// `async_trait` looks at a trait's methods before this is one.
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
pub mod record;
mod retry;
pub mod sim;
pub mod trace;

pub use address::{Address, DeviceId};
pub use choice::{AdapterChoice, open};
pub use diagnosis::{AdapterFacts, Diagnosis, HeldLink, Version, diagnose};
pub use gatt::{CharacteristicId, GattTable, Properties, WriteKind};
pub use parameters::ConnectionParameters;
pub use retry::{ATTEMPTS, ConnectRetry, spread};

/// A point in time by which something has to be done.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    start: Instant,
    end: Instant,
}

impl Deadline {
    /// From now on, for so long.
    #[must_use]
    pub fn after(duration: Duration) -> Self {
        let start = Instant::now();
        Self { start, end: start + duration }
    }

    /// The sooner of this one and so long from now; for a part of an operation.
    #[must_use]
    pub fn within(self, duration: Duration) -> Self {
        let part = Self::after(duration);
        Self { start: part.start, end: part.end.min(self.end) }
    }

    /// How long has been waited since it was set.
    #[must_use]
    pub fn waited(self) -> Duration {
        self.start.elapsed()
    }

    /// One that comes so much later; for an operation that takes its time on purpose.
    #[must_use]
    pub fn later(self, duration: Duration) -> Self {
        Self { end: self.end + duration, ..self }
    }

    /// How much is left; zero once it has passed.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// Waits for the future until the deadline.
    ///
    /// # Errors
    /// What `late` makes of the time waited, when the deadline comes first. The future is dropped then.
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

/// An adapter, as the user can name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AdapterInfo {
    /// The system's name: `hci0`, `sim`.
    pub name: String,
    /// The adapter's own address, where the platform tells.
    pub address: Option<Address>,
}

impl fmt::Display for AdapterInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.address.map_or(Ok(()), |address| write!(f, " ({address})"))
    }
}

/// What can be done with an adapter at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AdapterState {
    /// Powered: scans and connects.
    On,
    /// There, and not powered.
    Off,
    /// Gone: unplugged, or the Bluetooth service with it.
    Absent,
}

/// What is known of a device from what it advertised and what the system remembers.
#[derive(Clone, Debug, PartialEq)]
pub struct SeenDevice {
    /// How the platform names it; the key.
    pub id: DeviceId,
    /// Its address, where the platform tells.
    pub address: Option<Address>,
    /// The advertised name, as it came (it may hold anything; see `sanitise`). Never an address in the
    /// guise of a name, never the user's own alias.
    pub name: Option<String>,
    /// The name that the user gave it in the system, where it differs from the advertised one.
    pub alias: Option<String>,
    /// Signal strength, dBm; absent where none was measured in this scan.
    pub rssi: Option<i16>,
    /// Advertised transmit power, dBm.
    pub tx_power: Option<i16>,
    /// Advertised services.
    pub services: Vec<Uuid>,
    /// Manufacturer data by company identifier.
    pub manufacturer: BTreeMap<u16, Vec<u8>>,
    /// Service data by service.
    pub service_data: BTreeMap<Uuid, Vec<u8>>,
    /// Whether the system holds a link to it.
    pub connected: bool,
    /// When it was first and last heard by this radio; absent for a device that the system only remembers.
    pub seen: Option<SeenTimes>,
}

/// What the system knows of a device beyond its [`SeenDevice`]. Nothing where the platform does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceDetails {
    /// `public` or `random`.
    pub address_type: Option<String>,
    /// Advertised appearance (Bluetooth Assigned Numbers, 2.6).
    pub appearance: Option<u16>,
    /// Advertised flags (Core Specification Supplement, Part A, 1.3).
    pub flags: Option<Vec<u8>>,
    /// Whether it is bonded with this machine.
    pub bonded: Option<bool>,
    /// What its links are asked to be timed like.
    pub parameters: Option<ConnectionParameters>,
}

/// When a device was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenTimes {
    /// The first time.
    pub first: Instant,
    /// The last time.
    pub last: Instant,
}

/// How a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Up.
    Up,
    /// Down, by ourselves or by the other side.
    Down,
}

/// The notifications of one characteristic, oldest first. Bounded: a reader that lags loses the oldest, and is told.
/// Ends when the link goes down.
pub type Notifications = broadcast::Receiver<Vec<u8>>;

/// Says what a frame on a characteristic means, or what is wrong with it: one to the bulb, if the second argument says so, or one
/// from it. Nothing where nobody knows.
pub type FrameDecoder =
    Arc<dyn Fn(CharacteristicId, bool, &[u8]) -> Option<Result<String, String>> + Send + Sync>;

/// How many notifications wait for a slow reader.
pub const NOTIFICATION_QUEUE: usize = 64;
/// How many reports wait for a slow reader.
pub const SEEN_DEVICE_QUEUE: usize = 1024;

/// An adapter that scans and connects.
#[warn(missing_docs)]
#[async_trait]
pub trait Radio: fmt::Debug + Send + Sync {
    /// Which adapter it is.
    fn adapter(&self) -> AdapterInfo;

    /// How many links at once are sensible. Controllers have few slots: 5 is what most are seen to manage
    /// (noble#214, noble#357).
    fn link_limit(&self) -> usize {
        5
    }

    /// The adapter's state, as it changes.
    fn adapter_state(&self) -> watch::Receiver<AdapterState>;

    /// What is heard from now on, each report with all that is known of the device by then. Comes only while a scan runs,
    /// and for devices whose link changes.
    fn seen_devices(&self) -> broadcast::Receiver<SeenDevice>;

    /// Attempts to connect that are made after the first has failed, as they are about to be made.
    fn connect_retries(&self) -> broadcast::Receiver<ConnectRetry> {
        retry::ConnectRetries::default().subscribe()
    }

    /// Starts to scan. A scan that runs already goes on.
    ///
    /// # Errors
    /// The adapter is off or gone, the user may not, or the system is busy.
    async fn start_scan(&self) -> Result<()>;

    /// Ends the scan; without one, nothing.
    ///
    /// # Errors
    /// The service is gone. An adapter that was switched off has stopped by itself, which is no error.
    async fn stop_scan(&self) -> Result<()>;

    /// The devices that the system knows without a scan: those with a link, paired, or heard lately.
    ///
    /// # Errors
    /// The service is gone, or the user may not.
    async fn known_devices(&self) -> Result<Vec<SeenDevice>>;

    /// What else the system knows of a device.
    ///
    /// # Errors
    /// The service is gone, or the user may not.
    async fn details(&self, device: &DeviceId) -> Result<DeviceDetails> {
        let _ = device;
        Ok(DeviceDetails::default())
    }

    /// Connects, resolves the services, and gives the link. A link that the system holds already is used as it is.
    ///
    /// # Errors
    /// [`ConnectTimeout`](crate::Error::ConnectTimeout), [`ConnectFailed`](crate::Error::ConnectFailed) and their
    /// kind. The attempt is cancelled on the other side too, also when the future is dropped.
    async fn connect(&self, device: &DeviceId, deadline: Deadline) -> Result<Arc<dyn Link>>;

    /// Stops scanning, closes every link that is not to be kept, and waits until all of that was sent,
    /// but not for answers. Call it on every way out.
    async fn close(&self);
}

/// One connection.
#[warn(missing_docs)]
#[async_trait]
pub trait Link: fmt::Debug + Send + Sync {
    /// The device at the other end.
    fn device(&self) -> &DeviceId;

    /// Whether the system held this link before we came.
    fn was_up(&self) -> bool;

    /// The link's state, as it changes.
    fn state(&self) -> watch::Receiver<LinkState>;

    /// The services and characteristics, resolved once for this link.
    fn table(&self) -> &GattTable;

    /// Reads a value.
    ///
    /// # Errors
    /// The bulb refused, did not answer by the deadline, or the link was lost.
    async fn read(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<Vec<u8>>;

    /// Writes a value.
    ///
    /// # Errors
    /// As for [`read`](Link::read). A write command that the bulb drops is no error.
    async fn write(
        &self,
        characteristic: CharacteristicId,
        value: &[u8],
        kind: WriteKind,
        deadline: Deadline,
    ) -> Result<()>;

    /// Opens the stream, then subscribes. Values that were read do not show up in it.
    ///
    /// # Errors
    /// As for [`read`](Link::read).
    async fn subscribe(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<Notifications>;

    /// Ends a subscription; without one, nothing. A link that is gone is no error.
    ///
    /// # Errors
    /// The bulb refused or did not answer by the deadline.
    async fn unsubscribe(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<()>;

    /// The battery level that the system keeps for itself (BlueZ's `Battery1`), percent.
    ///
    /// # Errors
    /// The service is gone.
    async fn system_battery(&self) -> Result<Option<u8>>;

    /// The ATT MTU of this link, bytes, where the platform tells.
    fn mtu(&self) -> Option<u16> {
        None
    }

    /// How long it took to find the services once this link was up, where the platform tells these apart. The system may
    /// know them from before. Nothing for a link that was up before we came.
    fn discovery(&self) -> Option<Duration> {
        None
    }

    /// Bonds with the bulb, if that is not done already; most bulbs need none. Where the platform bonds by itself when a
    /// bulb asks for it, there is nothing to do.
    ///
    /// # Errors
    /// [`PairingFailed`](crate::Error::PairingFailed): the bulb did not agree, or did not answer.
    /// [`Held`](crate::Error::Held): another pairing is under way.
    async fn bond(&self, deadline: Deadline) -> Result<()> {
        let _ = deadline;
        Ok(())
    }

    /// Is told what frames on this link mean, for whoever shows them. Most links show none.
    fn set_frame_decoder(&self, reader: FrameDecoder) {
        let _ = reader;
    }

    /// Leaves the link up when this handle goes.
    fn keep(&self);

    /// Asks to disconnect, also if the link is to be kept or was up before. Returns when that was sent, not when it was
    /// answered: BlueZ takes two seconds for that.
    ///
    /// # Errors
    /// The service is gone. A link that is down already is no error.
    async fn disconnect(&self) -> Result<()>;
}

impl SeenDevice {
    /// What to call the device when speaking of it: its name, the user's alias, or its identifier. Not sanitised.
    #[must_use]
    pub fn label(&self) -> String {
        self.names().next().map_or_else(|| self.id.to_string(), str::to_owned)
    }

    /// The advertised name without padding, if anything is left of it.
    #[must_use]
    pub fn trimmed_name(&self) -> Option<&str> {
        self.name.as_deref().map(trim_padding).filter(|name| !name.is_empty())
    }

    /// The names that the device answers to: its own, then the user's alias. Without padding, never empty.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let alias = self.alias.as_deref().map(trim_padding).filter(|alias| !alias.is_empty());
        self.trimmed_name().into_iter().chain(alias)
    }
}
