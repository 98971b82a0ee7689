//! The TUI: a desk for controlling bulbs. The only place that names ratatui and crossterm.
//!
//! A pure core ([`Model`], [`update()`], [`view()`]) handles [`Event`]s and returns [`Effect`]s.
//! [`keys::TABLE`] defines all keys.
//! Around the core are one task that owns the radio, and the loop that owns the terminal.

mod check_run;
mod control;
mod desk;
mod device;
mod effects;
pub mod emulate;
mod event;
mod export;
mod frames;
mod gatt;
mod hsv;
pub mod keys;
mod layout;
mod messages;
mod model;
mod order;
mod palette;
mod radio_worker;
mod run;
mod screen;
mod settings;
mod style;
mod tasks;
mod text;
mod update;
mod view;

pub use desk::{Desk, Setup};
pub use event::{CheckEvent, Effect, Event, GattRequest, RadioEvent, SavedKind, ScanPhase};
pub use model::{Group, Model, Options};
pub use radio_worker::Opener;
pub use run::run;
pub use screen::{LogWriter, check_terminal};
pub use settings::{Column, Settings, Sort};
pub use style::{Colors, Depth};
pub use tasks::RestoreAtExit;
pub use update::update;
pub use view::view;
