//! One bulb: recognise it, connect, read its state, command it, have the command confirmed.

mod battery;
mod change;
mod connect_gate;
mod driver;
mod fade;
pub mod families;
mod info;
mod paced_writer;
mod raw_gatt;
mod reach;
mod recognise;
mod restore;
mod roles;
mod session;
mod state;
mod status;
mod survey;

pub use battery::{Battery, Source, read_battery};
pub use change::{Change, Power};
pub use connect_gate::{ConnectGate, ConnectTurn};
pub use driver::{DrivenProfile, Driver, DriverEvent, DriverMode, DriverPlan, LinkPhase};
pub use families::{BASE, Families};
pub use info::{DeviceInfo, read_device_info};
pub use raw_gatt::{CharacteristicRef, GattOperation, GattOutcome, RawGatt, WriteChoice};
pub use reach::{connect, find_again, hold, reach};
pub use recognise::{Candidate, Recognition, judge, recognise, weigh};
pub(crate) use restore::RestorePlan;
pub use restore::Restorer;
pub use roles::Roles;
pub use session::{Outcome, Session};
pub use state::{BulbState, Provenance};
pub use survey::{Advertising, DeviceInformation, device_information, listen};
