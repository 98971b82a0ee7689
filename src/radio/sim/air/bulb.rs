//! A bulb on the air: what it advertises, its link, and the connections of the processes that share the link.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Answer, Heard, Message};
use crate::radio::CharacteristicId;
use crate::radio::peripheral::{Advertisement, ServedBulb};
use crate::radio::sim::world::KNOWN_FOR;

/// The process at the other end of a socket.
pub(super) type Connection = u64;

#[derive(Debug)]
pub(super) struct AirBulb {
    pub(super) served: ServedBulb,
    /// What it advertises, or last advertised.
    pub(super) advertisement: Advertisement,
    pub(super) on_air: bool,
    pub(super) link: Option<SharedLink>,
    pub(super) bonded: bool,
    /// The time of its last advertisement that anybody heard.
    pub(super) heard: Option<Instant>,
}

/// The link of a bulb to the system: all processes share it, as on BlueZ.
#[derive(Debug)]
pub(super) struct SharedLink {
    pub(super) number: u64,
    /// The bulb has accepted it.
    pub(super) up: bool,
    pub(super) resolved: bool,
    /// The link ends with this connection; `None` if it is kept.
    pub(super) owner: Option<Connection>,
    pub(super) attached: BTreeMap<Connection, Attached>,
}

#[derive(Debug)]
pub(super) struct Attached {
    pub(super) out: mpsc::Sender<Message>,
    pub(super) subscribed: BTreeSet<CharacteristicId>,
}

/// What is left of a link when a connection has ended.
pub(super) enum Detached {
    /// It never had the link.
    Nothing,
    /// The link stays, without these subscriptions.
    Stays(u64, Vec<CharacteristicId>),
    /// The link is down.
    Down(u64),
}

impl AirBulb {
    pub(super) fn new(served: ServedBulb) -> Self {
        let advertisement = served.advertisement.clone();
        Self { served, advertisement, on_air: true, link: None, bonded: false, heard: None }
    }

    /// The advertisement as it is heard now.
    pub(super) fn heard(&self, with_name: bool) -> Heard {
        let sent = &self.advertisement;
        Heard {
            name: sent.name.clone().filter(|_| with_name),
            rssi: Some(self.served.rssi),
            services: sent.services.clone(),
            manufacturer: sent.manufacturer.clone(),
            service_data: sent.service_data.clone(),
            connected: self.link.is_some(),
        }
    }

    pub(super) fn is_known(&self) -> bool {
        self.link.is_some() || self.heard.is_some_and(|heard| heard.elapsed() <= KNOWN_FOR)
    }

    pub(super) fn link_answer(&self, was_up: bool) -> Answer {
        let resolved = self.link.as_ref().is_some_and(|link| link.resolved);
        let table = self.served.table.clone().numbered().services;
        Answer::Link { table, mtu: self.served.mtu, was_up, resolved }
    }

    /// The link, if this connection has it.
    pub(super) fn link_of(&mut self, connection: Connection) -> Option<&mut SharedLink> {
        self.link.as_mut().filter(|link| link.up && link.attached.contains_key(&connection))
    }

    /// Takes the link down, and tells all that have it, except for one.
    pub(super) fn end_link(&mut self, except: Option<Connection>) -> Option<u64> {
        let link = self.link.take()?;
        for (connection, attached) in link.attached {
            if Some(connection) != except {
                // Whoever does not read notices the end of the socket.
                let _ = attached.out.try_send(Message::Down);
            }
        }
        Some(link.number)
    }

    pub(super) fn detach(&mut self, connection: Connection) -> Detached {
        let Some(link) = &mut self.link else { return Detached::Nothing };
        let Some(gone) = link.attached.remove(&connection) else { return Detached::Nothing };
        if link.owner == Some(connection) {
            return self.end_link(None).map_or(Detached::Nothing, Detached::Down);
        }
        let others = || link.attached.values().flat_map(|attached| &attached.subscribed);
        let unused = gone.subscribed.into_iter().filter(|id| !others().any(|other| other == id));
        Detached::Stays(link.number, unused.collect())
    }
}
