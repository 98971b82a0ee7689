//! One bulb: recognise it, connect, read its state, command it, confirm the command.

mod advertising;
mod battery;
mod change;
mod channel;
mod connect;
mod connect_gate;
mod driver;
mod fade;
pub mod families;
mod held_links;
mod info;
mod paced_writer;
mod pending_command;
mod raw_gatt;
mod recognise;
mod restore;
mod roles;
mod session;
mod state;
mod status;

pub use advertising::{
    Advertising, DeviceInformation, ListenTime, listen_to_advertisements, read_device_information,
};
pub use battery::{Battery, BatterySource, read_battery};
pub use change::{Change, Power};
pub(crate) use channel::{ACK_TIME, BulbChannel, Notification, Transcript};
pub(crate) use connect::ended;
pub use connect::{connect, connect_and_keep, rediscover};
pub use connect_gate::{ConnectGate, ConnectTurn, LinkSlot};
pub use driver::{DrivenProfile, Driver, DriverEvent, DriverMode, DriverPlan, LinkPhase};
pub use families::{BASE, Families};
pub use held_links::HeldLinks;
pub use info::{DeviceInfo, read_device_info};
pub(crate) use paced_writer::PacedWriter;
pub use pending_command::DriverCommand;
pub use raw_gatt::{CharacteristicRef, GattOperation, GattOutcome, RawGatt, WriteChoice};
pub use recognise::{
    Candidate, Recognition, collect_evidence, recognise, recognise_offline, refuse_unsupported,
};
pub(crate) use restore::RestorePlan;
pub use restore::Restorer;
pub use roles::Roles;
pub use session::{CommandOutcome, Session};
pub use state::{BulbState, Provenance};
