//! What a world is asked and answers, and what it has carried out.

use std::time::Duration;

use crate::radio::{Address, CharacteristicId, WriteKind};

/// Which link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LinkId {
    /// The bulb.
    pub(crate) address: Address,
    /// Its number; no two links have the same one.
    pub(crate) number: u64,
}

/// What is to be carried out outside of the world.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// There is news of a device.
    SeenDevice(Address),
    /// A notification was sent.
    Notify(LinkId, CharacteristicId, Vec<u8>),
    /// A link is gone.
    Down(LinkId),
    /// The adapter is powered now, or is not.
    Adapter(bool),
    /// Something for the air log.
    Log(Address, Happening),
    /// Something changed that is to be kept.
    Keep,
}

/// What the air log has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Happening {
    Connect,
    Pair,
    Disconnect(By),
    Read(CharacteristicId),
    Write(CharacteristicId, WriteKind, Vec<u8>),
    Subscribe(CharacteristicId),
    Unsubscribe(CharacteristicId),
    Notify(CharacteristicId, Vec<u8>),
}

/// Who ended a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Central,
    Bulb,
}

/// What a bulb answers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Yes.
    Done,
    /// A value that was read.
    Value(Vec<u8>),
    /// An ATT error.
    Error(u8),
    /// Nothing. The link may be gone by then, which is told by itself.
    Silent,
}

/// What a bulb answers, and when.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// How much later.
    pub(crate) after: Duration,
    /// What.
    pub(crate) answer: Answer,
}

impl Turn {
    pub(super) const fn now(answer: Answer) -> Self {
        Self { after: Duration::ZERO, answer }
    }
}

/// What becomes of an attempt to connect.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// The adapter is off.
    AdapterOff,
    /// The system does not know the device.
    Unknown,
    /// Another attempt is under way.
    Busy,
    /// There is a link, and its services are known or not.
    Up { link: LinkId, resolved: bool },
    /// The link comes up so much later, and lasts or does not.
    Coming { after: Duration, drops: bool },
    /// The bulb does not advertise, so that nothing comes of it before it does, which may be so much later.
    Away { interval: Duration },
    /// It never comes up.
    Silent,
}
