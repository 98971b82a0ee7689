//! Find, control, watch and test Bluetooth LE light bulbs.

pub mod error;
pub mod radio;

pub use error::{Error, Result};
