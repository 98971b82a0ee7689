//! From a device to a link: a few attempts within one deadline, each taken back when it is given up.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep};

use super::ADAPTER;
use super::air::Air;
use super::link::SimLink;
use super::world::{Answer, Attempt, By, LinkId, Turn};
use crate::error::{Error, Result};
use crate::radio::retry::{self, ATTEMPTS};
use crate::radio::{AdapterState, Address, Deadline, DeviceId, LinkState};

/// How one attempt failed.
enum Failure {
    /// Another may succeed.
    Again(&'static str),
    /// No other will.
    Final(Error),
}

/// One connect.
struct Connect<'a> {
    air: &'a Arc<Air>,
    address: Address,
    label: String,
    rssi: Option<i16>,
    deadline: Deadline,
    /// How the attempt before failed.
    last: Option<&'static str>,
}

/// Connects, and resolves the services.
pub(super) async fn connect(air: &Arc<Air>, device: &DeviceId, deadline: Deadline) -> Result<Arc<SimLink>> {
    let unknown =
        || Error::ConnectFailed { device: device.to_string(), reason: retry::UNKNOWN.to_owned(), rssi: None };
    let address: Address = device.as_str().parse().map_err(|_| unknown())?;
    let (label, rssi) = air
        .act(|world, _| world.peer(address).map(|peer| (peer.label(), peer.known.rssi)))
        .ok_or_else(unknown)?;
    let mut connect = Connect { air, address, label, rssi, deadline, last: None };
    let mut reason = "";
    for number in 1..=ATTEMPTS {
        if number > 1 {
            connect.back_off(device, number, reason).await?;
            connect.last = Some(reason);
        }
        match connect.once(device).await {
            Ok(link) => return Ok(link),
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::Again(again)) => reason = again,
        }
    }
    Err(connect.failed(reason))
}

impl Connect<'_> {
    fn failed(&self, reason: &str) -> Error {
        Error::ConnectFailed { device: self.label.clone(), reason: reason.to_owned(), rssi: self.rssi }
    }

    fn late(&self, waited: Duration) -> Failure {
        Failure::Final(Error::ConnectTimeout {
            device: self.label.clone(),
            waited,
            rssi: self.rssi,
            last: self.last.map(str::to_owned),
        })
    }

    async fn back_off(&self, device: &DeviceId, number: u32, reason: &str) -> Result<()> {
        let pause = retry::pause(device, number);
        if self.deadline.remaining() <= pause {
            return Err(self.failed(reason));
        }
        self.air.attempts.tell(device, &self.label, number, reason);
        sleep(pause).await;
        Ok(())
    }

    async fn once(&self, device: &DeviceId) -> Result<Arc<SimLink>, Failure> {
        if let Some(ours) = self.air.handle(self.address) {
            return ours.ok_or(Failure::Again("its link is just beginning or ending"));
        }
        let attempt = self.air.act(|world, now| world.connect(self.address, now));
        let _begun;
        let (id, was_up, resolved) = match attempt {
            Attempt::AdapterOff => {
                return Err(Failure::Final(Error::AdapterOff { adapter: ADAPTER.to_owned() }));
            }
            Attempt::Unknown => return Err(Failure::Final(self.failed(retry::UNKNOWN))),
            Attempt::Busy => return Err(Failure::Again("another attempt is under way")),
            Attempt::Up { link, resolved } => (link, true, resolved),
            attempt @ (Attempt::Away { .. } | Attempt::Silent | Attempt::Coming { .. }) => {
                _begun = Begun { air: self.air, address: self.address };
                (self.rise(attempt).await?, false, false)
            }
        };
        let mut half = Half { air: self.air, id, armed: !was_up };
        let state = self.air.attach(id, !was_up);
        let up = Instant::now();
        if !resolved {
            self.resolve(id, state.clone()).await?;
        }
        half.armed = false;
        let (table, mtu) = self
            .air
            .act(|world, _| {
                world.resolved(id);
                let bulb = world.peer(self.address).and_then(|peer| peer.bulb());
                bulb.map(|bulb| (bulb.table.clone(), bulb.mtu))
            })
            .unzip();
        let link = Arc::new(SimLink {
            air: self.air.clone(),
            id,
            device: device.clone(),
            label: self.label.clone(),
            was_up,
            table: table.unwrap_or_default().numbered(),
            mtu,
            discovery: (!was_up).then(|| up.elapsed()),
            state,
            turn: Mutex::new(()),
        });
        self.air.enter(&link);
        Ok(link)
    }

    /// Waits until the link is up; for ever where that never comes.
    async fn rise(&self, mut attempt: Attempt) -> Result<LinkId, Failure> {
        let mut adapter = self.air.adapter();
        let rising = async {
            let drops = loop {
                match attempt {
                    Attempt::Coming { after, drops } => {
                        sleep(after).await;
                        break drops;
                    }
                    Attempt::Away { interval } => sleep(interval).await,
                    _ => std::future::pending().await,
                }
                attempt = self.air.act(|world, _| world.attempt(self.address));
            };
            let link = self.air.act(|world, now| {
                let link = world.connected(self.address, now)?;
                if drops {
                    world.end(link, By::Bulb, now);
                }
                Some(link).filter(|_| !drops)
            });
            link.ok_or(Failure::Again("the bulb dropped the connection"))
        };
        tokio::select! {
            biased;
            _ = adapter.wait_for(|state| *state != AdapterState::On) => {
                Err(Failure::Final(Error::AdapterLost { adapter: ADAPTER.to_owned() }))
            }
            link = self.deadline.run(rising, |waited| self.late(waited)) => link,
        }
    }

    /// Waits until the services are resolved, or the link is lost.
    async fn resolve(&self, id: LinkId, mut state: watch::Receiver<LinkState>) -> Result<(), Failure> {
        let resolving = async {
            let Turn { after, answer } = self.air.act(|world, now| world.discover(id, now));
            sleep(after).await;
            match answer {
                Answer::Done => Ok(()),
                _ => std::future::pending().await,
            }
        };
        let late = |waited| {
            Failure::Final(Error::DiscoverTimeout { device: self.label.clone(), waited, rssi: self.rssi })
        };
        tokio::select! {
            biased;
            _ = state.wait_for(|state| *state == LinkState::Down) => {
                Err(Failure::Again("the bulb dropped the connection before its services were resolved"))
            }
            done = self.deadline.run(resolving, late) => done,
        }
    }
}

/// A connect that has begun; over when this goes.
struct Begun<'a> {
    air: &'a Arc<Air>,
    address: Address,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.air.act(|world, _| world.connect_over(self.address));
    }
}

/// A link that is of no use yet; ended when this goes, unless it has become of use.
struct Half<'a> {
    air: &'a Arc<Air>,
    id: LinkId,
    armed: bool,
}

impl Drop for Half<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.air.act(|world, now| world.end(self.id, By::Central, now));
        }
    }
}
