//! The codec of Bluetooth LE light bulbs: bytes in, values out.
//!
//! No I/O, no clock, no allocation, no `unsafe`: firmware can link this crate, so that the same code reads a
//! command on the bulb and writes it on the computer.
//!
//! - [`LightState`] is what a lamp is asked for and what it reports: power, brightness, colour. Its parts are
//!   typed so that a value out of range cannot be represented ([`Percent`]).
//! - [`base`] turns it into the five bytes of the base protocol and back.
//!
//! No call in this crate panics, whatever bytes it is given.
#![no_std]

pub mod base;
mod value;

pub use value::{LightState, OutOfRange, Percent, Rgb};

/// The examples of README.md, so that they are tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
