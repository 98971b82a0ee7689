//! The bridge between bulbs and an MQTT broker, and so with Home Assistant. It sits beside the desk, above `fleet`.
//!
//! The rules are pure: topics, payloads, commands, availability, pauses. `mqtt` alone names the MQTT library, and has one connection
//! for each attempt, so that nothing of an old one can come late. `worker` is the task that owns the radio and the drivers.

mod availability;
mod back_off;
pub mod claims;
pub mod clock;
mod command;
pub mod discovery;
pub mod guard;
pub mod links;
mod outbox;
mod payload;
mod topics;

pub use command::LightCommand;
pub use topics::{is_id, is_prefix};
