//! The bridge between bulbs and an MQTT broker, and so with Home Assistant. It sits beside the desk, above `fleet`.
//!
//! The rules are pure: topics, payloads, commands, availability, pauses. `mqtt` alone names the MQTT library, and has one connection
//! for each attempt, so that nothing of an old one can come late. `worker` is the task that owns the radio and the drivers.

pub mod availability;
pub mod back_off;
mod broker;
pub mod claims;
pub mod clock;
pub mod command;
pub mod discovery;
pub mod guard;
pub mod links;
mod memory;
mod mqtt;
mod once;
pub mod outbox;
pub mod payload;
mod systemd;
pub mod topics;
mod worker;

pub use broker::{Access, AccessOptions, BrokerAddress};
pub use command::LightCommand;
pub use once::messages;
pub use topics::{DISCOVERY_PREFIX, PREFIX, Topics, is_id, is_prefix, slug};
pub use worker::{Bridge, BridgeEvent, BridgeTask, LineParser, Settings, Setup};
