//! A radio in the peripheral role: it advertises bulbs, and serves their GATT tables to a central.
//!
//! `bulbctl emulate` plays bulbs on it. The radio knows no families: every request of a central comes as an event, and
//! the emulation answers it. All implementations guarantee:
//!
//! - **Answers come first.** A reply that was given before a notification was asked for reaches the central before it.
//! - **One request at a time.** The next request of a link comes when the one before is answered (Bluetooth Core 5.4,
//!   Vol 3, Part F, 3.3.2). Write commands and the end of the link do not wait.
//! - **One link for each bulb.** A bulb does not advertise while it has a link, and advertises again when the link is
//!   down. A second central has no events.
//! - **Slow readers do no harm.** Events wait in a queue of [`EVENT_QUEUE`]. While it is full, the radio keeps the centrals
//!   waiting.
//! - **Everything is undone.** [`Peripheral::close`], and as far as possible dropping the radio, takes the bulbs off the air
//!   and restores what the radio changed in the system.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{AdapterInfo, Address, CharacteristicId, Deadline, DeviceId, GattTable, WriteKind};
use crate::error::{Error, Result};

mod advertisement;

pub use advertisement::AdvertisementRoom;

/// The most events that wait.
pub const EVENT_QUEUE: usize = 64;
/// The longest attribute value, bytes (Bluetooth Core 5.4, Vol 3, Part F, 3.2.9).
pub const LONGEST_VALUE: usize = 512;

/// The most bytes of a value that one notification can carry: an opcode and a handle come before it (Bluetooth Core
/// 5.4, Vol 3, Part F, 3.4.7.1).
#[must_use]
pub fn longest_notification(mtu: u16) -> usize {
    usize::from(mtu.saturating_sub(3)).min(LONGEST_VALUE)
}

/// The content of an advertisement and its scan response, without the flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertisement {
    /// The complete local name.
    pub name: Option<String>,
    /// The name is in the scan response, even if the advertisement has room for it.
    pub name_in_response: bool,
    /// The services, 16-bit and 128-bit.
    pub services: Vec<Uuid>,
    /// Manufacturer data, by company identifier.
    pub manufacturer: BTreeMap<u16, Vec<u8>>,
    /// Service data, by service.
    pub service_data: BTreeMap<Uuid, Vec<u8>>,
    /// The advertising interval, never zero.
    pub interval: Duration,
}

/// A bulb to put on the air.
#[derive(Clone, Debug, PartialEq)]
pub struct ServedBulb {
    /// The name for messages. Unique among the bulbs of a radio.
    pub label: String,
    /// Its address. Ignored by a radio whose [limits](PeripheralLimits::chosen_addresses) say so.
    pub address: Address,
    /// The address is a random static one. Ignored as the address is.
    pub random_address: bool,
    /// What it advertises at first.
    pub advertisement: Advertisement,
    /// Its services, without generic access and generic attribute (1800, 1801), and without the descriptors 2902, which are
    /// the radio's. A handle is a wish.
    pub table: GattTable,
    /// The characteristics that are closed to a central without a bond.
    pub closed: BTreeSet<CharacteristicId>,
    /// It agrees to pair.
    pub pairing: bool,
    /// The largest ATT MTU that it accepts, 23 to 517. Ignored by a radio that cannot limit it.
    pub mtu: u16,
    /// The signal strength at which centrals hear it, dBm, for a radio without antennas.
    pub rssi: i16,
}

/// What a radio can do in this role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeripheralLimits {
    /// The number of bulbs at once.
    pub bulbs: usize,
    /// The room for advertisements; `None` if there is no limit.
    pub room: Option<AdvertisementRoom>,
    /// Each bulb has the address that it asks for. Otherwise all have the adapter's.
    pub chosen_addresses: bool,
    /// The services that the radio adds to every table. It refuses a bulb with a service of its own with one of these
    /// UUIDs.
    pub own_services: Vec<Uuid>,
}

/// Something that a bulb of a rig does, and that not every radio can play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// The bulb delays, ignores or drops an attempt to connect.
    ConnectFault,
    /// The bulb delays, ignores or drops the discovery of its services.
    DiscoverFault,
    /// The bulb delays, ignores or refuses a subscription.
    SubscribeFault,
    /// The bulb does not answer a read or a write request.
    Silence,
    /// The bulb answers a read with this ATT error.
    ReadError(u8),
    /// The bulb answers a write request with this ATT error.
    WriteError(u8),
}

/// Continues "cannot play".
impl fmt::Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnectFault => f.write_str("a fault on connect"),
            Self::DiscoverFault => f.write_str("a fault on discover"),
            Self::SubscribeFault => f.write_str("a fault on subscribe"),
            Self::Silence => f.write_str("a request that is never answered"),
            Self::ReadError(att) => write!(f, "the ATT error 0x{att:02x} on read"),
            Self::WriteError(att) => write!(f, "the ATT error 0x{att:02x} on write"),
        }
    }
}

/// A central: the device at the other end of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Central {
    /// Its identifier in the system.
    pub id: DeviceId,
    /// Its name, not sanitised, if the system knows it.
    pub name: Option<String>,
}

/// Something that happened at a bulb.
#[derive(Debug)]
pub struct PeripheralEvent {
    /// The bulb: its index among those of [`Peripheral::start`].
    pub bulb: usize,
    /// The link, by a number that is unique in the life of the radio.
    pub link: u64,
    /// The event itself.
    pub kind: PeripheralEventKind,
}

/// The kinds of events.
#[derive(Debug)]
pub enum PeripheralEventKind {
    /// A central connects. On a radio that plays faults on connect, the link is usable after [`Reply::Done`]; on any other,
    /// the reply has no effect.
    Connected {
        /// The other end.
        central: Central,
        /// The ATT MTU, if it is known already.
        mtu: Option<u16>,
        /// Accepts the link.
        reply: Responder,
    },
    /// The ATT MTU was negotiated, or became known.
    Mtu(u16),
    /// The central bonded with the bulb.
    Paired,
    /// The central discovers the services. Only on a radio that plays faults on discover.
    Discover {
        /// Lets the discovery go on.
        reply: Responder,
    },
    /// The central wants the notifications of a characteristic. On a radio that does not play faults on subscribe, it has
    /// subscribed already, and the reply has no effect.
    Subscribe {
        /// The characteristic.
        characteristic: CharacteristicId,
        /// Accepts or refuses the subscription.
        reply: Responder,
    },
    /// The central wants no more notifications of a characteristic.
    Unsubscribed(CharacteristicId),
    /// The central reads a value.
    Read {
        /// The characteristic.
        characteristic: CharacteristicId,
        /// The first byte that it wants. The reply has the value from there.
        offset: u16,
        /// Takes the value.
        reply: Responder,
    },
    /// The central writes a value.
    Write {
        /// The characteristic.
        characteristic: CharacteristicId,
        /// Where the bytes go in the value.
        offset: u16,
        /// The bytes.
        value: Vec<u8>,
        /// A request has an answer, a command has none. `None` if the radio cannot tell and has answered already.
        kind: Option<WriteKind>,
        /// Answers a request. It has no effect for any other write.
        reply: Responder,
    },
    /// The link is down.
    Disconnected,
    /// The bulb went off the air: the adapter is off, the service is gone, or the computer sleeps. The radio tries to
    /// advertise again by itself. `link` has no meaning.
    OffAir(Error),
    /// The bulb is on the air again. `link` has no meaning.
    OnAir,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It is done.
    Done,
    /// The value that was read.
    Value(Vec<u8>),
    /// An ATT error (Bluetooth Core 5.4, Vol 3, Part F, 3.4.1.1).
    AttError(u8),
}

/// Answers a request. Dropping it leaves the request without an answer.
pub struct Responder(Box<dyn FnOnce(Reply) + Send>);

impl Responder {
    /// Makes a responder of a function, which must not block.
    pub fn new(answer: impl FnOnce(Reply) + Send + 'static) -> Self {
        Self(Box::new(answer))
    }

    /// A responder for what needs no answer.
    #[must_use]
    pub fn none() -> Self {
        Self::new(drop)
    }

    /// Sends the answer.
    pub fn send(self, reply: Reply) {
        (self.0)(reply);
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Responder")
    }
}

/// A radio that can be bulbs.
#[warn(missing_docs)]
#[async_trait]
pub trait Peripheral: fmt::Debug + Send + Sync {
    /// The adapter.
    fn adapter(&self) -> AdapterInfo;

    /// What the radio can do.
    fn limits(&self) -> PeripheralLimits;

    /// The reason why the radio cannot play a behaviour; `None` if it can.
    fn refusal(&self, behaviour: Behaviour) -> Option<&'static str> {
        let _ = behaviour;
        None
    }

    /// Serves the tables of these bulbs and advertises them. Call [`check`] first. Called once.
    ///
    /// # Errors
    /// The adapter is off, gone or cannot advertise, or permission is denied. Nothing is left behind then.
    async fn start(
        &self,
        bulbs: Vec<ServedBulb>,
        deadline: Deadline,
    ) -> Result<mpsc::Receiver<PeripheralEvent>>;

    /// Changes what a bulb advertises; with `None`, the bulb stops advertising. It takes effect when the bulb has no link.
    ///
    /// # Errors
    /// The radio refuses the data, or is gone.
    async fn advertise(&self, bulb: usize, advertisement: Option<Advertisement>) -> Result<()>;

    /// Sends a notification, or an indication where the characteristic has only that, to the central of this link. Does
    /// nothing if the link is down or has no subscription. The value is at most [`longest_notification`].
    ///
    /// # Errors
    /// The radio is gone.
    async fn notify(
        &self,
        bulb: usize,
        link: u64,
        characteristic: CharacteristicId,
        value: Vec<u8>,
    ) -> Result<()>;

    /// Ends a link. [`Disconnected`](PeripheralEventKind::Disconnected) follows. Does nothing if it is down already.
    ///
    /// # Errors
    /// The radio is gone.
    async fn drop_link(&self, bulb: usize, link: u64) -> Result<()>;

    /// Takes the bulbs off the air, ends their links, and restores what was changed in the system. Call it on every way
    /// out.
    async fn close(&self);
}

/// Checks that a radio can play these bulbs, before anything is touched. `behaviours` lists what each bulb does, with the
/// label of the bulb.
///
/// # Errors
/// The first thing that the radio cannot play.
pub fn check(radio: &dyn Peripheral, bulbs: &[ServedBulb], behaviours: &[(String, Behaviour)]) -> Result<()> {
    let adapter = radio.adapter().name;
    let limits = radio.limits();
    if bulbs.len() > limits.bulbs {
        let what = format!("{} bulbs at once", bulbs.len());
        let reason = format!("it can be {}", limits.bulbs);
        return Err(Error::NotPlayable { adapter, what, reason });
    }
    if let Some(room) = limits.room {
        for bulb in bulbs {
            room.check(&bulb.advertisement).map_err(|detail| Error::AdvertisementTooLong {
                device: bulb.label.clone(),
                adapter: adapter.clone(),
                detail,
            })?;
        }
    }
    for (label, behaviour) in behaviours {
        if let Some(reason) = radio.refusal(*behaviour) {
            let what = format!("{behaviour} of {label}");
            return Err(Error::NotPlayable { adapter, what, reason: reason.to_owned() });
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
