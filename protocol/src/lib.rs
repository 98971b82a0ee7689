//! The codec of Bluetooth LE light bulbs: bytes in, values out.
//!
//! No I/O, no clock, no `unsafe`, and no allocation unless profiles are asked for: firmware can link this crate, so that the same code reads a
//! command on the bulb and writes it on the computer.
//!
//! - [`LightState`] is what a lamp is asked for and what it reports: power, brightness, colour. Its parts are
//!   typed so that a value out of range cannot be represented ([`Percent`]).
//! - [`base`] turns it into the five bytes of the base protocol and back.
//! - `profile`, with the feature `profiles` and an allocator, plays bulb families that are described by files.
//! - `gatt`, with the same, has the values of GATT that profiles and radios share.
//! - `text`, with the same, has the rules for durations, name patterns and padding.
//! - `file`, with the same, reads such files, and others that people write.
//!
//! No call in this crate panics, whatever bytes it is given.
#![no_std]
#![warn(missing_docs)]

#[cfg(feature = "profiles")]
extern crate alloc;

pub mod base;
#[cfg(feature = "profiles")]
pub mod file;
#[cfg(feature = "profiles")]
pub mod gatt;
#[cfg(feature = "profiles")]
pub mod profile;
#[cfg(feature = "profiles")]
pub mod text;
mod value;

pub use value::{LightState, OutOfRange, Percent, Rgb};

/// The examples of README.md, so that they are tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
