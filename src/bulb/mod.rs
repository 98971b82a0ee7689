//! One bulb: recognise it, connect, read its state, command it, have the command confirmed.

mod battery;
mod change;
mod profile;
mod reach;
mod session;
mod state;

pub use battery::{Battery, Source, read_battery};
pub use change::{Change, Power};
pub use profile::{BASE, Profile, looks_like_a_bulb, profile_of};
pub use reach::{hold, reach};
pub use session::{Outcome, Session};
pub use state::{BulbState, Provenance};
