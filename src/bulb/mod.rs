//! One bulb: recognise it, connect, read its state, command it, have the command confirmed.

mod battery;
mod change;
mod driver;
mod gate;
mod info;
mod profile;
mod raw;
mod reach;
mod session;
mod state;
mod survey;

pub use battery::{Battery, Source, read_battery};
pub use change::{Change, Power};
pub use driver::{Driver, Happening, LinkPhase, Plan};
pub use gate::{Gate, Turn};
pub use info::{DeviceInfo, read_device_info};
pub use profile::{BASE, Profile, looks_like_a_bulb, profile_of};
pub use raw::{Deed, Passed, Place, Raw, WriteChoice};
pub use reach::{hold, reach};
pub use session::{Outcome, Session};
pub use state::{BulbState, Provenance};
pub use survey::{Advertising, Said, device_information, listen};
