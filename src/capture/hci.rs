//! HCI packets: connects and disconnects, advertisements, and the reassembled L2CAP frames of each link.

use std::collections::HashMap;

use super::att::{Att, Context};
use super::snoop::{LinkType, Record};
use super::{Capture, DEVICE_NAME, Device, Event, EventKind, advert};
use crate::radio::{Address, plausible_dbm};

const ATT: u16 = 4;
/// The fixed channels that only links of Bluetooth LE have: ATT, signalling and the security manager (Vol 3, Part A, 2.1).
const LE_CHANNELS: std::ops::RangeInclusive<u16> = 4..=6;
/// The signalling channel of classic Bluetooth.
const CLASSIC_SIGNALLING: u16 = 1;

/// An adapter and the handle of a link.
type LinkKey = (u16, u16);

/// Reads fields one after the other, least significant byte first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_le_bytes(*first))
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (first, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(first)
    }

    fn address(&mut self) -> Option<Address> {
        let mut bytes = *self.0.first_chunk::<6>()?;
        self.take(6)?;
        bytes.reverse();
        Some(Address::new(bytes))
    }
}

enum Packet<'a> {
    Event(&'a [u8]),
    Acl(&'a [u8]),
}

#[derive(Debug)]
struct Link {
    /// `None` for a link that was up before the capture began, until it shows that it is one of Bluetooth LE.
    device: Option<usize>,
    /// The incomplete L2CAP frames: received, and sent.
    partial: [Vec<u8>; 2],
    att: Att,
}

impl Link {
    fn new(device: Option<usize>) -> Self {
        Self { device, partial: Default::default(), att: Att::default() }
    }
}

#[derive(Debug, Default)]
pub(super) struct Reader {
    capture: Capture,
    known: HashMap<Address, usize>,
    links: HashMap<LinkKey, Link>,
    first_record: Option<i64>,
}

impl Reader {
    /// Reads the next record. Skips unknown packets.
    pub(super) fn take(&mut self, record: &Record<'_>, kind: LinkType) {
        let first = *self.first_record.get_or_insert(record.micros);
        let Some((adapter, sent, packet)) = packet(record, kind) else { return };
        if record.cut {
            self.capture.cut += 1;
        }
        let context = Context { since: record.micros.saturating_sub(first), time: record.time(), sent };
        // A packet that ends early gives no event.
        let _ = match packet {
            Packet::Event(data) => self.event(adapter, data, context),
            Packet::Acl(data) => self.acl(adapter, data, record.cut, context),
        };
    }

    /// Ends the capture. A device that did not advertise its name gets the one that was read from it.
    pub(super) fn end(mut self) -> Capture {
        for device in 0..self.capture.devices.len() {
            self.name(device);
        }
        self.capture
    }

    fn name(&mut self, device: usize) {
        let Some(found) = self.capture.devices.get_mut(device) else { return };
        if found.seen.name.is_some() {
            return;
        }
        found.seen.name = found.tables[0]
            .value_handle(DEVICE_NAME.characteristic)
            .and_then(|handle| found.tables[0].device_name.get(&handle))
            .cloned();
    }

    fn event(&mut self, adapter: u16, data: &[u8], context: Context) -> Option<()> {
        let mut bytes = Bytes(data);
        let code = bytes.u8()?;
        bytes.u8()?;
        match code {
            // Connection complete, of classic Bluetooth.
            0x03 => {
                let (status, handle) = (bytes.u8()?, bytes.u16()?);
                self.capture.classic |= status == 0;
                self.links.remove(&(adapter, handle & 0xfff));
            }
            0x05 => {
                let (status, handle, reason) = (bytes.u8()?, bytes.u16()?, bytes.u8()?);
                let link = (status == 0).then(|| self.links.remove(&(adapter, handle & 0xfff)))??;
                self.event_of(link.device?, context, EventKind::Disconnected(reason));
            }
            0x3e => match bytes.u8()? {
                // Connection complete, and its enhanced versions, which start with the same fields.
                0x01 | 0x0a | 0x29 => self.connected(adapter, bytes, context)?,
                0x02 => self.advertised(bytes)?,
                0x0d => self.advertised_extended(bytes)?,
                _ => {}
            },
            _ => {}
        }
        Some(())
    }

    fn connected(&mut self, adapter: u16, mut bytes: Bytes<'_>, context: Context) -> Option<()> {
        let (status, handle, _role, _kind) = (bytes.u8()?, bytes.u16()?, bytes.u8()?, bytes.u8()?);
        let address = bytes.address()?;
        if status == 0 {
            let device = self.device(address);
            self.links.insert((adapter, handle & 0xfff), Link::new(Some(device)));
            self.event_of(device, context, EventKind::Connected);
        }
        Some(())
    }

    fn advertised(&mut self, mut bytes: Bytes<'_>) -> Option<()> {
        for _ in 0..bytes.u8()? {
            let (_event, _kind, address) = (bytes.u8()?, bytes.u8()?, bytes.address()?);
            let length = bytes.u8()?;
            let data = bytes.take(length.into())?;
            let rssi = bytes.u8();
            self.add_advertisement(address, data, rssi);
        }
        Some(())
    }

    fn advertised_extended(&mut self, mut bytes: Bytes<'_>) -> Option<()> {
        for _ in 0..bytes.u8()? {
            let (_event, _kind, address) = (bytes.u16()?, bytes.u8()?, bytes.address()?);
            // Skips two PHYs, the set number and the power; after the RSSI, the period and the target address.
            bytes.take(4)?;
            let rssi = bytes.u8();
            bytes.take(9)?;
            let length = bytes.u8()?;
            let data = bytes.take(length.into())?;
            self.add_advertisement(address, data, rssi);
        }
        Some(())
    }

    fn add_advertisement(&mut self, address: Address, data: &[u8], rssi: Option<u8>) {
        let device = self.device(address);
        if let Some(device) = self.capture.devices.get_mut(device) {
            // 127 means that it was not measured.
            device.seen.rssi = rssi.and_then(|rssi| plausible_dbm(i16::from(rssi.cast_signed())));
            advert::read(data, &mut device.seen);
        }
    }

    fn device(&mut self, address: Address) -> usize {
        *self.known.entry(address).or_insert_with(|| {
            self.capture.devices.push(Device::new(Some(address), &address.to_string()));
            self.capture.devices.len() - 1
        })
    }

    fn event_of(&mut self, device: usize, context: Context, kind: EventKind) {
        let Context { since, time, .. } = context;
        let event = Event { since, time, device, sent: false, local: false, handle: None, kind };
        self.capture.events.push(event);
    }

    /// Reads a fragment of an L2CAP frame. Skips frames without a start and truncated ones.
    fn acl(&mut self, adapter: u16, data: &[u8], cut: bool, context: Context) -> Option<()> {
        let mut bytes = Bytes(data);
        let (header, length) = (bytes.u16()?, bytes.u16()?);
        let key = (adapter, header & 0xfff);
        let (is_start, fragment) = ((header >> 12) & 0b11 != 0b01, bytes.0);
        let whole = !cut && fragment.len() == usize::from(length);
        let link = self.links.entry(key).or_insert_with(|| Link::new(None));
        let partial = link.partial.get_mut(usize::from(context.sent))?;
        if is_start {
            partial.clear();
        }
        if !whole || (!is_start && partial.is_empty()) {
            partial.clear();
            return None;
        }
        partial.extend_from_slice(fragment);
        let mut bytes = Bytes(partial);
        let (length, channel) = (usize::from(bytes.u16()?), bytes.u16()?);
        match bytes.0.len() {
            have if have < length => return Some(()),
            have if have == length && LE_CHANNELS.contains(&channel) => {
                let device = *link.device.get_or_insert_with(|| {
                    self.capture.devices.push(Device::new(None, &format!("link {}", key.1)));
                    self.capture.devices.len() - 1
                });
                let tables = &mut self.capture.devices.get_mut(device)?.tables;
                if channel == ATT {
                    link.att.take(bytes.0, context, device, tables, &mut self.capture.events);
                }
            }
            _ => self.capture.classic |= channel == CLASSIC_SIGNALLING && link.device.is_none(),
        }
        partial.clear();
        Some(())
    }
}

/// Returns the adapter, true if the computer sent the packet, and the packet; `None` for packets that we do not read.
fn packet<'a>(record: &Record<'a>, kind: LinkType) -> Option<(u16, bool, Packet<'a>)> {
    match kind {
        LinkType::Uart => {
            let (number, data) = record.data.split_first()?;
            let sent = record.flags & 1 == 0;
            match number {
                0x02 => Some((0, sent, Packet::Acl(data))),
                0x04 => Some((0, sent, Packet::Event(data))),
                _ => None,
            }
        }
        LinkType::Monitor => {
            let adapter = u16::try_from(record.flags >> 16).unwrap_or_default();
            match record.flags & 0xffff {
                3 => Some((adapter, false, Packet::Event(record.data))),
                4 => Some((adapter, true, Packet::Acl(record.data))),
                5 => Some((adapter, false, Packet::Acl(record.data))),
                _ => None,
            }
        }
    }
}
