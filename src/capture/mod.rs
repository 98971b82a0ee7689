//! Reads btsnoop logs: the traffic between a computer and its Bluetooth controller, as `btmon -w` and Android record it. Turns
//! bytes into events at characteristics; opens no file.
//!
//! The layers: records of the file ([`snoop`]), HCI packets and L2CAP frames of each link ([`hci`]), ATT and discovered tables
//! ([`att`]). Numbers are from Bluetooth Core 5.4: Vol 4, Part E, 7.7 (events); Vol 3, Part A, 3.1 (L2CAP); Vol 3, Part F, 3.4
//! (ATT). Enhanced ATT, which has separate channels, is skipped.
//!
//! We read records ourselves: the only crate for it (`btsnoop` 0.2.1) reads a whole file or nothing, and does not say where a
//! file is damaged. A capture may be hostile: memory stays in proportion to the file, and malformed packets are skipped. Only
//! a damaged record header ends the reading, because the next record cannot be found without it.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::radio::{Address, CharacteristicId, DeviceId, GattTable, SeenDevice, WriteKind};

mod advert;
mod att;
mod hci;
mod other;
mod snoop;
mod table;
#[cfg(test)]
mod tests;

pub use snoop::CaptureError;
pub use table::AttributeRef;

use table::Table;

#[derive(Debug, Default)]
pub struct Capture {
    pub devices: Vec<Device>,
    pub events: Vec<Event>,
    /// The number of truncated packets. Android truncates those that it filters.
    pub cut: usize,
    /// It has links of classic Bluetooth (BR/EDR), which are skipped.
    pub classic: bool,
    /// The damage that ended the reading.
    pub fault: Option<CaptureError>,
}

#[derive(Debug)]
pub struct Device {
    /// Its advertisements. The identifier is its address, or `link 64` for a link that was up before the capture began.
    pub seen: SeenDevice,
    /// The discovered tables of the device and of the computer.
    tables: [Table; 2],
}

impl Device {
    fn new(address: Option<Address>, id: &str) -> Self {
        let seen = SeenDevice { id: DeviceId::new(id), address, ..SeenDevice::default() };
        Self { seen, tables: Default::default() }
    }

    fn discovered(&self, local: bool) -> &Table {
        let [device, computer] = &self.tables;
        if local { computer } else { device }
    }

    /// The discovered GATT table of the device or, if `local`, of the computer.
    pub fn table(&self, local: bool) -> GattTable {
        self.discovered(local).gatt()
    }

    /// The attributes of that table by handle.
    pub fn attributes(&self, local: bool) -> BTreeMap<u16, AttributeRef> {
        self.discovered(local).attributes()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Microseconds since the first record; negative if the clock of the computer was set back.
    pub since: i64,
    /// The time by the clock of the computer.
    pub time: SystemTime,
    /// An index into [`Capture::devices`].
    pub device: usize,
    /// The computer sent it.
    pub sent: bool,
    /// The attribute is in the table of the computer.
    pub local: bool,
    pub handle: Option<u16>,
    pub kind: EventKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    Connected,
    /// With the reason of the controller (Vol 1, Part F).
    Disconnected(u8),
    /// The new ATT MTU, bytes.
    Mtu(u16),
    /// A value, from this offset.
    Read(u16, Vec<u8>),
    Write(WriteKind, Vec<u8>),
    Notification(Vec<u8>),
    Indication(Vec<u8>),
    /// With the ATT error code.
    ReadRefused(u8),
    /// With the ATT error code.
    WriteRefused(u8),
}

/// Reads a capture. Keeps the events before a fault.
pub fn read(bytes: &[u8]) -> Result<Capture, CaptureError> {
    let (link_type, mut rest) = snoop::header(bytes)?;
    let mut reader = hci::Reader::default();
    let fault = loop {
        match rest.next() {
            Some(Ok(record)) => reader.take(&record, link_type),
            Some(Err(fault)) => break Some(fault),
            None => break None,
        }
    };
    Ok(Capture { fault, ..reader.end() })
}

/// The characteristic with the name of a device that does not advertise one.
const DEVICE_NAME: CharacteristicId = CharacteristicId::short(0x1800, 0x2A00);
