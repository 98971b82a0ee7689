//! The air between processes: `bulbctl emulate --adapter sim` puts bulbs on it, and every other bulbctl on the same rig hears
//! them beside those of the rig.
//!
//! Each bulb is a Unix socket in a folder next to the world file, named by its address. A central connects to it and sends
//! a request a line, in JSON; the bulb sends answers, advertisements and notifications in the same way. A bulb whose
//! process has died refuses connections, so its socket is as good as none.
//!
//! - `server` is the bulbs' side: a [`Peripheral`](crate::radio::peripheral::Peripheral). `bulb` is the state of one.
//! - `client` is the centrals' side: it scans. `connect` and `link` are those of one bulb.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::radio::gatt::Service;
use crate::radio::{Address, CharacteristicId, WriteKind};

mod bulb;
mod client;
mod connect;
mod link;
mod server;

pub(super) use client::Air;
pub(super) use server::AirPeripheral;

/// The longest line, bytes: a large table.
const LONGEST_LINE: usize = 256 * 1024;
/// Time limit for connecting to a socket and for writing a line. The other process takes microseconds, unless it is
/// stopped.
const SOCKET_TIME: Duration = Duration::from_secs(1);

/// What a central asks of a bulb.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Request {
    /// What does it advertise?
    Look,
    /// Send every advertisement from now on.
    Listen,
    /// Make a link, or share the one that the system has. `central` names this process.
    Connect {
        central: String,
    },
    /// Discover the services.
    Discover,
    Read {
        characteristic: CharacteristicId,
    },
    Write {
        characteristic: CharacteristicId,
        value: Vec<u8>,
        kind: WriteKind,
    },
    Subscribe {
        characteristic: CharacteristicId,
    },
    Unsubscribe {
        characteristic: CharacteristicId,
    },
    Bond,
    /// Keep the link when this connection ends.
    Keep,
    /// End the link.
    Disconnect,
}

/// A request, with a number that its answer repeats.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct NumberedRequest {
    number: u32,
    #[serde(flatten)]
    request: Request,
}

/// A line from a bulb.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Message {
    Answer(u32, Answer),
    Advertisement(Heard),
    Notification(CharacteristicId, Vec<u8>),
    /// The link is down.
    Down,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Done,
    Value(Vec<u8>),
    AttError(u8),
    /// For [`Request::Look`].
    Device {
        heard: Heard,
        /// The system knows it: it has a link, or was heard lately.
        known: bool,
    },
    /// For [`Request::Connect`].
    Link {
        table: Vec<Service>,
        mtu: u16,
        was_up: bool,
        /// The services were discovered on this link before.
        resolved: bool,
    },
    /// For [`Request::Connect`]: it does not advertise, and may do so after its interval.
    NotAdvertising {
        interval_ms: u64,
    },
    /// For [`Request::Connect`]: another process is just connecting.
    Busy,
    /// There is no link.
    NoLink,
}

/// An advertisement, as a central hears it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Heard {
    /// `None` also if the scan response is still to come.
    name: Option<String>,
    rssi: Option<i16>,
    services: Vec<Uuid>,
    manufacturer: BTreeMap<u16, Vec<u8>>,
    service_data: BTreeMap<Uuid, Vec<u8>>,
    connected: bool,
}

/// The socket of a bulb.
fn socket(folder: &Path, address: Address) -> PathBuf {
    folder.join(format!("{}.sock", hex::encode(address.bytes())))
}

/// A line of JSON, with its end.
fn line(content: &impl Serialize) -> std::io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(content)?;
    line.push(b'\n');
    Ok(line)
}
