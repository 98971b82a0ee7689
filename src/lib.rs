//! Find, control, watch and test Bluetooth LE light bulbs.
//!
//! Each layer knows only the layers before it: `bulb_protocol` (bytes and values) ← [`radio`] (scan,
//! connect, read, write) ← [`bulb`] (one bulb) ← [`fleet`] (several) ← [`cli`]. [`output`] prints values and knows no
//! radio. ARCHITECTURE.md has the map.

pub mod bridge;
pub mod bulb;
mod bytes;
pub mod capture;
pub mod check;
pub mod cli;
pub mod color;
pub mod config;
pub mod emulate;
pub mod error;
mod files;
pub mod fleet;
mod lines;
pub mod measure;
pub mod numbers;
pub mod output;
mod palette;
mod profiles;
pub mod radio;
pub mod sanitise;
pub mod tui;

pub use error::{Error, Result};
