//! The results of calls to the world: responses, connect outcomes, and effects for the caller to carry out.

use std::time::Duration;

use crate::radio::{Address, CharacteristicId, WriteKind};

/// Identifies one link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LinkId {
    pub(crate) address: Address,
    /// Unique among all links of a world.
    pub(crate) number: u64,
}

/// Something for the caller to carry out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Report this device: something about it is new.
    SeenDevice(Address),
    /// Deliver a notification.
    Notify(LinkId, CharacteristicId, Vec<u8>),
    LinkDown(LinkId),
    /// The adapter was switched on or off.
    AdapterPowered(bool),
    /// Write a line to the air log.
    Log(Address, LogEvent),
    /// Save the world: something changed.
    Save,
}

/// An event of the air log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogEvent {
    Connect,
    Pair,
    Disconnect(DisconnectedBy),
    Read(CharacteristicId),
    Write(CharacteristicId, WriteKind, Vec<u8>),
    Subscribe(CharacteristicId),
    Unsubscribe(CharacteristicId),
    Notify(CharacteristicId, Vec<u8>),
}

/// The side that ended a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DisconnectedBy {
    Central,
    Bulb,
}

/// A bulb's response to a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Response {
    Done,
    /// The value that was read.
    Value(Vec<u8>),
    AttError(u8),
    /// No response. If the link is down too, [`Effect::LinkDown`] says so.
    Silent,
}

/// A response, and when it arrives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DelayedResponse {
    pub(crate) delay: Duration,
    pub(crate) response: Response,
}

impl DelayedResponse {
    pub(super) const fn now(response: Response) -> Self {
        Self { delay: Duration::ZERO, response }
    }
}

/// The outcome of an attempt to connect.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ConnectOutcome {
    AdapterOff,
    /// The system does not know the device.
    Unknown,
    /// Another attempt is under way.
    InProgress,
    /// The link is up already. `resolved` says whether its services are known.
    Connected {
        link: LinkId,
        resolved: bool,
    },
    /// The link comes up after `delay`. With `drops`, the bulb ends it at once.
    Connects {
        delay: Duration,
        drops: bool,
    },
    /// The bulb does not advertise. Try again after its advertising interval.
    NotAdvertising {
        interval: Duration,
    },
    /// The link never comes up.
    Silent,
}
