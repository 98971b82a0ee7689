//! The TUI: a desk for controlling bulbs. The only place that names ratatui and crossterm.
//!
//! A pure core ([`Model`], [`update()`], [`view()`]) handles [`Event`]s and returns [`Effect`]s.
//! [`keys::TABLE`] defines all keys.
//! Around the core are one task that owns the radio, and the loop that owns the terminal.

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
