//! The codec of Bluetooth LE light bulbs.
//!
//! This crate has no I/O, no clock and no `unsafe`, and it only allocates with the feature `profiles`. Firmware can link
//! it, so the bulb and the computer share one codec.
//!
//! - [`LightState`] is the state of a light: power, brightness and colour. Its types cannot hold values out of range.
//! - [`base`] encodes it as the five bytes of the base protocol, and decodes them.
//!
//! The feature `profiles` needs an allocator, and adds these modules:
//!
//! - `profile` encodes and decodes the frames of bulb families that TOML files describe.
//! - `gatt` has UUIDs, characteristic properties and kinds of write.
//! - `text` has the rules for durations, name patterns and padding.
//! - `file` parses TOML files and names the line of a mistake.
//!
//! No call in this crate panics, whatever bytes it gets.
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
