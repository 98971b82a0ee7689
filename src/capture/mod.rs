//! Captures of other programs: btsnoop logs of what passed between a computer and its Bluetooth controller, as `btmon -w`
//! and Android write them. Bytes in, what passed at characteristics out; no file is opened here.
//!
//! The steps: records of the file ([`snoop`]), HCI packets and L2CAP frames of each link ([`hci`]), ATT and the tables that
//! it discovers ([`att`]). Numbers are those of Bluetooth Core 5.4: Vol 4, Part E, 7.7 (events); Vol 3, Part A, 3.1 (L2CAP);
//! Vol 3, Part F, 3.4 (ATT). Enhanced ATT, which has channels of its own, is passed over.
//!
//! The reader of records is our own: the one crate for it (`btsnoop` 0.2.1) gives all of a file or nothing, and does not say
//! where a file is wrong. A capture is hostile: all that is kept is in proportion to the file, and what does not hold is
//! passed over, but for the frame of records, without which nothing after it can be found.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::radio::{Address, CharacteristicId, DeviceId, GattTable, SeenDevice, WriteKind};

mod advert;
mod att;
mod hci;
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
    /// Packets of which the capture has a part only, as Android keeps them where it filters.
    pub cut: usize,
    /// Where the file is wrong, after which nothing more could be read.
    pub fault: Option<CaptureError>,
}

#[derive(Debug)]
pub struct Device {
    /// What it advertised. The identifier is its address, or `link 64` for a link that was up before the capture began.
    pub report: SeenDevice,
    /// What was discovered: of the device, and of the computer that captured.
    tables: [Table; 2],
}

impl Device {
    fn new(address: Option<Address>, id: &str) -> Self {
        let report = SeenDevice { id: DeviceId::new(id), address, ..SeenDevice::default() };
        Self { report, tables: Default::default() }
    }

    fn own(&self, local: bool) -> &Table {
        let [devices, computers] = &self.tables;
        if local { computers } else { devices }
    }

    /// The GATT table as far as it was discovered: of the device, or, if `local`, of the computer that captured.
    pub fn table(&self, local: bool) -> GattTable {
        self.own(local).gatt()
    }

    /// Where handles are, by this table.
    pub fn attributes(&self, local: bool) -> BTreeMap<u16, AttributeRef> {
        self.own(local).attributes()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, since the first record, microseconds; below zero where the computer's clock was set back.
    pub since: i64,
    /// The same on the clock of the computer that captured.
    pub time: SystemTime,
    /// The device, by its place in [`Capture::devices`].
    pub device: usize,
    /// Whether it was sent by the computer that captured.
    pub sent: bool,
    /// Whether the attribute is one of that computer's own table.
    pub local: bool,
    pub handle: Option<u16>,
    pub kind: EventKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    Connected,
    /// The link went down, with the controller's reason (Vol 1, Part F).
    Disconnected(u8),
    /// Both sides agreed on the ATT MTU, bytes.
    Mtu(u16),
    /// A value was read, from this byte of it on.
    Read(u16, Vec<u8>),
    Write(WriteKind, Vec<u8>),
    Notification(Vec<u8>),
    Indication(Vec<u8>),
    /// A read was refused, with the ATT error code.
    ReadRefused(u8),
    /// A write was refused, with the ATT error code.
    WriteRefused(u8),
}

/// Reads a capture. What is before a fault is kept.
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

/// The characteristic that a name is read from where nobody advertised one: Device Name.
const DEVICE_NAME: CharacteristicId = CharacteristicId::short(0x1800, 0x2A00);
