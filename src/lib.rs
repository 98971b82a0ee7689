//! Find, control, watch and test Bluetooth LE light bulbs.
//!
//! The layers, each of which knows only those before it: `bulb_protocol` (bytes and values) ← [`radio`] (scan,
//! connect, read, write) ← [`bulb`] (one bulb) ← [`fleet`] (several) ← [`cli`]. [`report`] prints values and knows no
//! radio. ARCHITECTURE.md is the map.

pub mod bulb;
pub mod capture;
pub mod check;
pub mod cli;
pub mod color;
pub mod config;
pub mod error;
pub mod fleet;
pub mod measure;
pub mod numbers;
pub mod output;
pub mod radio;
pub mod sanitise;
pub mod tui;

pub use error::{Error, Result};
