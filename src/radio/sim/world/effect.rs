//! The results of calls to the world: responses, connect outcomes, and effects for the caller to carry out.

use std::time::Duration;

use crate::radio::{Address, CharacteristicId, WriteKind};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LinkId {
    pub(crate) address: Address,
    pub(crate) number: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Report this device: something about it is new.
    SeenDevice(Address),
    Notify(LinkId, CharacteristicId, Vec<u8>),
    LinkDown(LinkId),
    AdapterPowered(bool),
    Log(Address, LogEvent),
    Save,
}

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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DisconnectedBy {
    Central,
    Bulb,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Response {
    Done,
    Value(Vec<u8>),
    AttError(u8),
    /// No response. If the link is down too, [`Effect::LinkDown`] says so.
    Silent,
}

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

/// The outcome of an attempt to connect. A link comes up after `delay`; with `drops`, the bulb ends it at once. A bulb
/// that does not advertise may do so again after its advertising interval.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ConnectOutcome {
    AdapterOff,
    /// The adapter holds as many links as it can.
    Full,
    Unknown,
    InProgress,
    Connected {
        link: LinkId,
        resolved: bool,
    },
    Connects {
        delay: Duration,
        drops: bool,
    },
    NotAdvertising {
        interval: Duration,
    },
    Silent,
}
