//! The bridge on a real mosquitto, as a program on the sim radio. mosquitto's own clients publish and read, so that our code is
//! never the only witness.
//!
//! The names of tests begin with the behaviours that docs/BRIDGE.md numbers. Machines without mosquitto skip them, unless
//! `BULBCTL_MOSQUITTO` says that it is installed.

// Helpers of tests fail as tests do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)]
#![cfg(unix)]

mod availability;
mod bridge;
mod broker;
mod claims;
mod commands;
mod connection;
mod discovery;
mod docs;
mod home_assistant;
mod proxy;
mod schema;
mod security;
mod state;
mod systemd;

use std::time::{Duration, Instant};

use bridge::Machine;
use broker::{Mosquitto, Witness};
use serde_json::{Value, json};

/// Waits for something, up to a limit that a busy machine does not reach.
fn until<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    within(Duration::from_secs(20), what, &mut ready)
}

fn within<T>(limit: Duration, what: &str, ready: &mut dyn FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(start.elapsed() < limit, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

const DESK: &str = "c41100000001";

/// A rig with one base bulb called Light-Desk.
fn desk() -> String {
    bulbs(1)
}

/// A rig with base bulbs.
fn bulbs(count: u8) -> String {
    let bulb = |n: u8| {
        let name = if n == 1 { "Light-Desk".to_owned() } else { format!("Light-{n}") };
        format!(
            "[[bulb]]\naddress = \"C4:11:00:00:00:{n:02X}\"\nname = \"{name}\"\ninterval = \"100ms\"\n\
             connect_latency = \"5ms\"\nstatus_latency = \"5ms\"\n"
        )
    };
    format!("rig = 1\n[adapter]\nlinks = 20\n{}", (1..=count).map(bulb).collect::<String>())
}

fn set(id: &str) -> String {
    format!("bulbctl/{id}/set")
}

fn state(id: &str) -> String {
    format!("bulbctl/{id}/state")
}

fn availability(id: &str) -> String {
    format!("bulbctl/{id}/availability")
}

fn config(id: &str) -> String {
    format!("homeassistant/device/bulbctl_{id}/config")
}

/// The usual three: a broker, a witness who sees everything, and a bridge to a rig. `None` without mosquitto.
macro_rules! stage {
    ($broker:ident, $witness:ident, $machine:ident, $bridge:ident, $rig:expr) => {
        let Some($broker) = crate::Mosquitto::start() else { return };
        let $witness = $broker.witness();
        let $machine = crate::Machine::new(&$rig);
        let $bridge = $machine.bridge(&$broker, &[]);
        $witness.wait_for_state(crate::DESK);
    };
}
pub(crate) use stage;
