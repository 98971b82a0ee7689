//! All that is printed: human text and JSON lines. Commands give values, reports print them.

mod live;
mod record;
mod reporter;
mod sanitise;
mod text;

pub use live::Live;
pub use record::{
    AdapterRecord, BatteryRecord, Body, Bulb, DeviceRecord, ErrorRecord, FrameRecord, LinkKind, LinkRecord,
    ScanRecord, StateRecord, millis,
};
pub use reporter::{ColorChoice, Reporter, Settings};
pub use sanitise::{json_safe, sanitise};
