//! The TUI: screens from scripted events, properties of the update, sessions on the sim radio, and the real
//! program in a pseudo-terminal.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod actions;
mod behaviour;
mod emulate;
mod families;
mod input;
#[cfg(target_os = "linux")]
mod keys;
#[cfg(target_os = "linux")]
mod links_and_ends;
#[cfg(target_os = "linux")]
mod mouse;
mod news;
mod panes;
mod pointer;
mod properties;
#[cfg(target_os = "linux")]
#[path = "../pty/mod.rs"]
mod pty;
mod screens;
mod session;
#[cfg(target_os = "linux")]
mod terminal;
mod test_desk;
