//! Connecting: a few attempts within one deadline. An attempt that is given up leaves nothing behind.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep};

use super::ADAPTER;
use super::link::SimLink;
use super::simulation::Simulation;
use super::world::{ConnectOutcome, DelayedResponse, DisconnectedBy, LinkId, Response, World};
use crate::error::{Error, Result};
use crate::radio::retry;
use crate::radio::{AdapterState, Address, Deadline, DeviceId, LinkInfo, LinkState, OnDrop};

const FULL: &str = "the adapter holds as many links as it can";

enum AttemptError {
    /// Another attempt may succeed. The reason is for messages.
    Retry(&'static str),
    /// The adapter holds as many links as it can. One may become free.
    Full,
    Fatal(Error),
}

struct Connect<'a> {
    simulation: &'a Arc<Simulation>,
    address: Address,
    label: String,
    rssi: Option<i16>,
    deadline: Deadline,
    last_reason: Option<&'static str>,
}

pub(super) async fn connect(
    simulation: &Arc<Simulation>,
    device: &DeviceId,
    deadline: Deadline,
    attempts: u32,
) -> Result<Arc<SimLink>> {
    let unknown =
        || Error::ConnectFailed { device: device.to_string(), reason: retry::UNKNOWN.to_owned(), rssi: None };
    let address: Address = device.as_str().parse().map_err(|_| unknown())?;
    let (label, rssi) = simulation
        .with_world(|world, _| world.device(address).map(|device| (device.label(), device.known.rssi)))
        .ok_or_else(unknown)?;
    let mut connect = Connect { simulation, address, label, rssi, deadline, last_reason: None };
    let mut reason = "";
    for number in 1..=attempts {
        if number > 1 {
            connect.back_off(device, number, reason).await?;
            connect.last_reason = Some(reason);
        }
        match connect.attempt(device).await {
            Ok(link) => return Ok(link),
            Err(AttemptError::Fatal(error)) => return Err(error),
            Err(AttemptError::Retry(retry)) => reason = retry,
            Err(AttemptError::Full) => reason = FULL,
        }
    }
    Err(connect.failed(reason))
}

impl Connect<'_> {
    fn failed(&self, reason: &str) -> Error {
        if reason == FULL {
            return Error::ConnectLimit { device: self.label.clone(), limit: None };
        }
        Error::ConnectFailed { device: self.label.clone(), reason: reason.to_owned(), rssi: self.rssi }
    }

    fn timeout(&self, waited: Duration) -> AttemptError {
        AttemptError::Fatal(Error::ConnectTimeout {
            device: self.label.clone(),
            waited,
            rssi: self.rssi,
            last: self.last_reason.map(str::to_owned),
        })
    }

    async fn back_off(&self, device: &DeviceId, number: u32, reason: &str) -> Result<()> {
        let pause = retry::pause(device, number);
        if self.deadline.remaining() <= pause {
            return Err(self.failed(reason));
        }
        self.simulation.attempts.tell(device, &self.label, number, reason);
        sleep(pause).await;
        Ok(())
    }

    async fn attempt(&self, device: &DeviceId) -> Result<Arc<SimLink>, AttemptError> {
        if let Some(ours) = self.simulation.handle(self.address) {
            return ours.ok_or(AttemptError::Retry("its link is just beginning or ending"));
        }
        let outcome = self.simulation.with_world(|world, now| world.begin_connect(self.address, now));
        let _guard;
        let (id, was_up, resolved) = match outcome {
            ConnectOutcome::AdapterOff => {
                return Err(AttemptError::Fatal(Error::AdapterOff { adapter: ADAPTER.to_owned() }));
            }
            ConnectOutcome::Unknown => return Err(AttemptError::Fatal(self.failed(retry::UNKNOWN))),
            ConnectOutcome::Full => return Err(AttemptError::Full),
            ConnectOutcome::InProgress => return Err(AttemptError::Retry("another attempt is under way")),
            ConnectOutcome::Connected { link, resolved } => (link, true, resolved),
            outcome @ (ConnectOutcome::NotAdvertising { .. }
            | ConnectOutcome::Silent
            | ConnectOutcome::Connects { .. }) => {
                let end_connect = || self.simulation.with_world(|world, _| world.end_connect(self.address));
                _guard = OnDrop { armed: true, call: end_connect };
                (self.wait_until_up(outcome).await?, false, false)
            }
        };
        let disconnect = |world: &mut World, now| world.disconnect(id, DisconnectedBy::Central, now);
        let mut unfinished = OnDrop { armed: !was_up, call: || self.simulation.with_world(disconnect) };
        let state = self.simulation.attach(id, !was_up);
        let up = Instant::now();
        if !resolved {
            self.resolve(id, state.clone()).await?;
        }
        unfinished.armed = false;
        let (table, mtu) = self
            .simulation
            .with_world(|world, _| {
                world.services_resolved(id);
                let bulb = world.device(self.address).and_then(|device| device.bulb());
                bulb.map(|bulb| (bulb.table.clone(), bulb.mtu))
            })
            .unzip();
        let link = Arc::new(SimLink {
            simulation: self.simulation.clone(),
            id,
            info: LinkInfo {
                device: device.clone(),
                label: self.label.clone(),
                was_up,
                table: table.unwrap_or_default().numbered(),
                discovery: (!was_up).then(|| up.elapsed()),
            },
            mtu,
            state,
            request_lock: Mutex::new(()),
        });
        self.simulation.set_handle(&link);
        Ok(link)
    }

    async fn wait_until_up(&self, mut outcome: ConnectOutcome) -> Result<LinkId, AttemptError> {
        let mut adapter = self.simulation.adapter();
        let link_up = async {
            let drops = loop {
                match outcome {
                    ConnectOutcome::Connects { delay, drops } => {
                        sleep(delay).await;
                        break drops;
                    }
                    ConnectOutcome::NotAdvertising { interval } => sleep(interval).await,
                    _ => std::future::pending().await,
                }
                outcome = self.simulation.with_world(|world, _| world.try_connect(self.address));
            };
            let link = self.simulation.with_world(|world, now| {
                let link = world.link_up(self.address, now)?;
                if drops {
                    world.disconnect(link, DisconnectedBy::Bulb, now);
                }
                Some(link).filter(|_| !drops)
            });
            link.ok_or(AttemptError::Retry("the bulb dropped the connection"))
        };
        tokio::select! {
            biased;
            _ = adapter.wait_for(|state| *state != AdapterState::On) => {
                Err(AttemptError::Fatal(Error::AdapterLost { adapter: ADAPTER.to_owned() }))
            }
            link = self.deadline.run(link_up, |waited| self.timeout(waited)) => link,
        }
    }

    async fn resolve(&self, id: LinkId, mut state: watch::Receiver<LinkState>) -> Result<(), AttemptError> {
        let resolving = async {
            let DelayedResponse { delay, response } =
                self.simulation.with_world(|world, now| world.discover(id, now));
            sleep(delay).await;
            match response {
                Response::Done => Ok(()),
                _ => std::future::pending().await,
            }
        };
        let timeout = |waited| {
            AttemptError::Fatal(Error::DiscoverTimeout {
                device: self.label.clone(),
                waited,
                rssi: self.rssi,
            })
        };
        tokio::select! {
            biased;
            _ = state.wait_for(|state| *state == LinkState::Down) => {
                Err(AttemptError::Retry("the bulb dropped the connection before its services were resolved"))
            }
            done = self.deadline.run(resolving, timeout) => done,
        }
    }
}
