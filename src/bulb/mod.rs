//! One bulb: recognise it, connect, read its state, command it, have the command confirmed.

mod battery;
mod change;
mod driver;
mod fade;
pub mod families;
mod gate;
mod info;
mod pace;
mod raw;
mod reach;
mod recognise;
mod roles;
mod session;
mod state;
mod survey;
mod tell;
mod undo;

pub use battery::{Battery, Source, read_battery};
pub use change::{Change, Power};
pub use driver::{Around, Driven, Driver, Happening, LinkPhase, Plan};
pub use families::{BASE, Families};
pub use gate::{Gate, Turn};
pub use info::{DeviceInfo, read_device_info};
pub use raw::{Deed, Passed, Place, Raw, WriteChoice};
pub use reach::{connect, find_again, hold, reach};
pub use recognise::{Candidate, Recognition, judge, recognise, weigh};
pub use roles::Roles;
pub use session::{Outcome, Session};
pub use state::{BulbState, Provenance};
pub use survey::{Advertising, Said, device_information, listen};
pub use undo::Undo;
pub(crate) use undo::Way;
