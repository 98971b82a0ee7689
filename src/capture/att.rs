//! ATT: pairs requests with their responses, and collects notifications and the results of discovery.

use std::time::SystemTime;

use uuid::Uuid;

use super::advert::uuid;
use super::hci::Bytes;
use super::table::Table;
use super::{DEVICE_NAME, Event, EventKind};
use crate::radio::WriteKind;
use crate::radio::gatt::uuid16;

const MIN_MTU: u16 = 23;
/// The longest value (Vol 3, Part F, 3.2.9).
const MAX_VALUE: usize = 512;
/// Requests, commands and confirmations, which come from the client. The rest comes from the server.
const CLIENT_PDUS: [u8; 15] =
    [0x02, 0x04, 0x06, 0x08, 0x0a, 0x0c, 0x0e, 0x10, 0x12, 0x16, 0x18, 0x1e, 0x20, 0x52, 0xd2];
const PRIMARY: Uuid = uuid16(0x2800);
const SECONDARY: Uuid = uuid16(0x2801);
const CHARACTERISTIC: Uuid = uuid16(0x2803);

#[derive(Clone, Copy, Debug)]
pub(super) struct Context {
    pub(super) since: i64,
    pub(super) time: SystemTime,
    pub(super) sent: bool,
}

#[derive(Clone, Copy, Debug)]
enum Request {
    Mtu(u16),
    Information,
    Service(Uuid),
    Type(Uuid),
    Group(Uuid),
    Read(u16, u16),
    Write(u16),
    Other,
}

#[derive(Debug, Default)]
struct Client {
    request: Option<Request>,
    /// A long value that is being written.
    prepared: Option<(u16, Vec<u8>)>,
}

/// The ATT channel of a link. Both sides can be clients.
#[derive(Debug, Default)]
pub(super) struct Att {
    /// The device, and the computer that captured.
    clients: [Client; 2],
}

struct Step<'a> {
    context: Context,
    device: usize,
    /// The table is that of the computer.
    local: bool,
    events: &'a mut Vec<Event>,
}

impl Step<'_> {
    fn event(&mut self, handle: Option<u16>, kind: EventKind) {
        let Context { since, time, sent } = self.context;
        let (device, local) = (self.device, self.local);
        self.events.push(Event { since, time, device, sent, local, handle, kind });
    }
}

impl Att {
    /// Reads the next PDU. Skips malformed ones.
    pub(super) fn take(
        &mut self,
        pdu: &[u8],
        context: Context,
        device: usize,
        tables: &mut [Table; 2],
        events: &mut Vec<Event>,
    ) {
        let mut bytes = Bytes(pdu);
        let Some(code) = bytes.u8() else { return };
        let from_client = CLIENT_PDUS.contains(&code);
        let local = context.sent != from_client;
        let [device_table, computer_table] = tables;
        let table = if local { computer_table } else { device_table };
        let [device_client, computer_client] = &mut self.clients;
        // The device is the client of the computer's table.
        let client = if local { device_client } else { computer_client };
        let mut step = Step { context, device, local, events };
        let _ = if from_client {
            client.request(code, bytes, &mut step)
        } else {
            client.response(code, bytes, table, &mut step)
        };
    }
}

impl Client {
    fn request(&mut self, code: u8, mut bytes: Bytes<'_>, step: &mut Step<'_>) -> Option<()> {
        // The response to a malformed request must not be paired with the request before it.
        if !matches!(code, 0x1e | 0x52 | 0xd2) {
            self.request = Some(Request::Other);
        }
        match code {
            0x02 => self.request = Some(Request::Mtu(bytes.u16()?)),
            0x04 => self.request = Some(Request::Information),
            0x06 => {
                bytes.take(4)?;
                let kind = bytes.u16()?;
                let found = uuid(bytes.0).filter(|_| uuid16(kind) == PRIMARY)?;
                self.request = Some(Request::Service(found));
            }
            0x08 | 0x10 => {
                bytes.take(4)?;
                let kind = uuid(bytes.0)?;
                self.request = Some(if code == 0x08 { Request::Type(kind) } else { Request::Group(kind) });
            }
            0x0a => self.request = Some(Request::Read(bytes.u16()?, 0)),
            0x0c => self.request = Some(Request::Read(bytes.u16()?, bytes.u16()?)),
            0x12 => {
                let handle = bytes.u16()?;
                self.request = Some(Request::Write(handle));
                step.event(Some(handle), EventKind::Write(WriteKind::Request, bytes.0.to_vec()));
            }
            0x52 => {
                let handle = bytes.u16()?;
                step.event(Some(handle), EventKind::Write(WriteKind::Command, bytes.0.to_vec()));
            }
            0xd2 => {
                let handle = bytes.u16()?;
                // The signature is not part of the value.
                let value = bytes.take(bytes.0.len().checked_sub(12)?)?;
                step.event(Some(handle), EventKind::Write(WriteKind::Command, value.to_vec()));
            }
            0x16 => {
                let (handle, offset) = (bytes.u16()?, usize::from(bytes.u16()?));
                self.request = Some(Request::Write(handle));
                let prepared = self.prepared.take().filter(|(known, _)| *known == handle && offset > 0);
                let (_, mut value) = prepared.unwrap_or((handle, Vec::new()));
                if value.len() == offset && offset + bytes.0.len() <= MAX_VALUE {
                    value.extend_from_slice(bytes.0);
                    self.prepared = Some((handle, value));
                }
            }
            0x18 => {
                let prepared = self.prepared.take();
                let (handle, value) = prepared.filter(|_| bytes.u8() == Some(1))?;
                self.request = Some(Request::Write(handle));
                step.event(Some(handle), EventKind::Write(WriteKind::Request, value));
            }
            _ => {}
        }
        Some(())
    }

    fn response(
        &mut self,
        code: u8,
        mut bytes: Bytes<'_>,
        table: &mut Table,
        step: &mut Step<'_>,
    ) -> Option<()> {
        // Notifications and indications answer nothing.
        let asked = if matches!(code, 0x1b | 0x1d | 0x23) { Request::Other } else { self.request.take()? };
        match (code, asked) {
            (0x1b, _) => step.event(Some(bytes.u16()?), EventKind::Notification(bytes.0.to_vec())),
            (0x1d, _) => step.event(Some(bytes.u16()?), EventKind::Indication(bytes.0.to_vec())),
            (0x23, _) => {
                while let (Some(handle), Some(length)) = (bytes.u16(), bytes.u16()) {
                    let value = bytes.take(length.into())?;
                    step.event(Some(handle), EventKind::Notification(value.to_vec()));
                }
            }
            (0x01, request) => {
                bytes.take(3)?;
                let error = bytes.u8()?;
                match request {
                    Request::Read(handle, _) => step.event(Some(handle), EventKind::ReadRefused(error)),
                    Request::Write(handle) => step.event(Some(handle), EventKind::WriteRefused(error)),
                    // Every discovery ends with an error.
                    _ => {}
                }
            }
            (0x03, Request::Mtu(requested)) => {
                let agreed = requested.min(bytes.u16()?).max(MIN_MTU);
                step.event(None, EventKind::Mtu(agreed));
            }
            (0x05, Request::Information) => {
                let length = if bytes.u8()? == 1 { 2 } else { 16 };
                while let (Some(handle), Some(kind)) = (bytes.u16(), bytes.take(length)) {
                    table.descriptor(handle, uuid(kind)?);
                }
            }
            (0x07, Request::Service(uuid)) => {
                while let (Some(first), Some(last)) = (bytes.u16(), bytes.u16()) {
                    table.service(first, last, uuid, false);
                }
            }
            (0x09, Request::Type(kind)) => read_by_type(kind, bytes, table, step)?,
            (0x11, Request::Group(kind)) if kind == PRIMARY || kind == SECONDARY => {
                let length = usize::from(bytes.u8()?).checked_sub(4)?;
                while let (Some(first), Some(last), Some(found)) =
                    (bytes.u16(), bytes.u16(), bytes.take(length))
                {
                    table.service(first, last, uuid(found)?, kind == SECONDARY);
                }
            }
            (0x0b | 0x0d, Request::Read(handle, offset)) => read(handle, offset, bytes.0, table, step),
            _ => {}
        }
        Some(())
    }
}

fn read_by_type(kind: Uuid, mut bytes: Bytes<'_>, table: &mut Table, step: &mut Step<'_>) -> Option<()> {
    let length = usize::from(bytes.u8()?).checked_sub(2)?;
    while let (Some(handle), Some(value)) = (bytes.u16(), bytes.take(length)) {
        if kind != CHARACTERISTIC {
            // Other declarations are not values of characteristics.
            if ![PRIMARY, SECONDARY, uuid16(0x2802)].contains(&kind) {
                read(handle, 0, value, table, step);
            }
            continue;
        }
        let mut value = Bytes(value);
        let (properties, _value_handle) = (value.u8()?, value.u16()?);
        table.characteristic(handle, properties, uuid(value.0)?);
    }
    Some(())
}

fn read(handle: u16, offset: u16, value: &[u8], table: &mut Table, step: &mut Step<'_>) {
    // The name may be read before its characteristic is known.
    let may_be_name = table.value_handle(DEVICE_NAME.characteristic).is_none_or(|known| known == handle);
    if offset == 0
        && may_be_name
        && let Ok(text) = std::str::from_utf8(value)
        && !text.is_empty()
    {
        table.device_name.insert(handle, text.to_owned());
    }
    step.event(Some(handle), EventKind::Read(offset, value.to_vec()));
}
