//! The TUI: a control desk for bulbs. The only place that names ratatui and crossterm.
//!
//! A pure core ([`Model`], [`update()`], [`view()`]), of which [`keys::TABLE`] is the one place that says what keys do; and around
//! it one task that owns the radio side, and the loop that owns the terminal. The desk says what it wants done as
//! [`Effect`]s; what happens comes back as [`Event`]s.

mod control;
mod desk;
mod device;
mod effects;
mod event;
mod frames;
mod hsv;
pub mod keys;
mod layout;
mod model;
mod radio_worker;
mod run;
mod scanner;
mod screen;
mod style;
mod text;
mod update;
mod view;

pub use desk::{Desk, Setup};
pub use event::{Effect, Event, RadioEvent, ScanPhase};
pub use model::{Group, Model, Options};
pub use radio_worker::Opener;
pub use run::run;
pub use screen::LogWriter;
pub use style::Depth;
pub use update::update;
pub use view::view;
