//! Connecting to a bulb of another process: a few attempts within one deadline, as to a bulb of the rig.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout};

use super::link::{AirLink, Exchange};
use super::{Answer, Request, SOCKET_TIME};
use crate::error::{Error, Result};
use crate::radio::retry::{self, ConnectRetries};
use crate::radio::{Deadline, GattTable, LinkInfo, SeenDevice};

const DROPPED: &str = "the bulb dropped the connection";
const BUSY: &str = "another attempt is under way";
const GONE: &str = "nobody emulates it any more";

enum AttemptError {
    Retry(&'static str),
    Fatal(Error),
}

struct Connect<'a> {
    path: PathBuf,
    device: &'a SeenDevice,
    label: String,
    deadline: Deadline,
    last_reason: Option<&'static str>,
}

pub(super) async fn connect(
    path: PathBuf,
    device: &SeenDevice,
    deadline: Deadline,
    attempts: u32,
    retries: &ConnectRetries,
) -> Result<Arc<AirLink>> {
    let mut connect = Connect { path, device, label: device.label(), deadline, last_reason: None };
    for number in 1..=attempts {
        if number > 1 {
            let pause = retry::pause(&device.id, number);
            if deadline.remaining() <= pause {
                break;
            }
            retries.tell(&device.id, &connect.label, number, connect.last_reason.unwrap_or_default());
            sleep(pause).await;
        }
        match connect.attempt().await {
            Ok(link) => return Ok(link),
            Err(AttemptError::Fatal(error)) => return Err(error),
            Err(AttemptError::Retry(reason)) => connect.last_reason = Some(reason),
        }
    }
    Err(connect.failed(connect.last_reason.unwrap_or_default()))
}

impl Connect<'_> {
    fn failed(&self, reason: &str) -> Error {
        let (device, rssi) = (self.label.clone(), self.device.rssi);
        Error::ConnectFailed { device, reason: reason.to_owned(), rssi }
    }

    async fn attempt(&self) -> Result<Arc<AirLink>, AttemptError> {
        let socket = timeout(SOCKET_TIME, UnixStream::connect(&self.path)).await;
        // A process that is stopped accepts nothing.
        let stream = match socket {
            Ok(Ok(stream)) => stream,
            Ok(Err(_)) => return Err(AttemptError::Fatal(self.failed(GONE))),
            Err(_) => return Err(AttemptError::Retry("the process that emulates it does not answer")),
        };
        let exchange = Exchange::start(stream);
        let late = |waited: Duration| {
            AttemptError::Fatal(Error::ConnectTimeout {
                device: self.label.clone(),
                waited,
                rssi: self.device.rssi,
                last: self.last_reason.map(str::to_owned),
            })
        };
        let (table, mtu, was_up, resolved) = self.deadline.run(self.link_up(&exchange), late).await?;
        let up = Instant::now();
        if !resolved {
            self.resolve(&exchange).await?;
        }
        let info = LinkInfo {
            device: self.device.id.clone(),
            label: self.label.clone(),
            was_up,
            table,
            discovery: (!was_up).then(|| up.elapsed()),
        };
        Ok(Arc::new(AirLink::new(exchange, info, mtu)))
    }

    async fn link_up(&self, exchange: &Exchange) -> Result<(GattTable, u16, bool, bool), AttemptError> {
        loop {
            let central = format!("process {}", std::process::id());
            match exchange.ask(Request::Connect { central }).await {
                Some(Answer::Link { table, mtu, was_up, resolved }) => {
                    return Ok((GattTable { services: table }, mtu, was_up, resolved));
                }
                Some(Answer::NotAdvertising { interval_ms }) => {
                    sleep(Duration::from_millis(interval_ms.max(1))).await;
                }
                Some(Answer::Busy) => return Err(AttemptError::Retry(BUSY)),
                Some(_) | None => return Err(AttemptError::Retry(DROPPED)),
            }
        }
    }

    async fn resolve(&self, exchange: &Exchange) -> Result<(), AttemptError> {
        let timeout = |waited| {
            AttemptError::Fatal(Error::DiscoverTimeout {
                device: self.label.clone(),
                waited,
                rssi: self.device.rssi,
            })
        };
        let resolving = async {
            match exchange.ask(Request::Discover).await {
                Some(Answer::Done) => Ok(()),
                _ => Err(AttemptError::Retry(
                    "the bulb dropped the connection before its services were resolved",
                )),
            }
        };
        self.deadline.run(resolving, timeout).await
    }
}
