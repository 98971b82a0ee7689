//! Advertising data (Core Specification Supplement, Part A, 1).

use uuid::Uuid;

use super::hci::Bytes;
use crate::radio::SeenDevice;
use crate::radio::gatt::uuid16;

/// Adds the elements of advertising data to `device`. Skips an element that is cut off.
pub(super) fn read(data: &[u8], device: &mut SeenDevice) {
    let mut bytes = Bytes(data);
    while let Some(element) =
        bytes.u8().filter(|length| *length > 0).and_then(|length| bytes.take(length.into()))
    {
        let Some((kind, data)) = element.split_first() else { return };
        match kind {
            0x02 | 0x03 => services(data, 2, device),
            0x04 | 0x05 => services(data, 4, device),
            0x06 | 0x07 => services(data, 16, device),
            // A shortened name does not replace a complete one.
            0x08 if device.name.is_some() => {}
            0x08 | 0x09 => device.name = Some(String::from_utf8_lossy(data).into_owned()),
            0x0a => device.tx_power = data.first().map(|power| i16::from(power.cast_signed())),
            0x16 => service_data(data, 2, device),
            0x20 => service_data(data, 4, device),
            0x21 => service_data(data, 16, device),
            0xff => {
                if let Some((company, data)) = data.split_first_chunk() {
                    device.manufacturer.insert(u16::from_le_bytes(*company), data.to_vec());
                }
            }
            _ => {}
        }
    }
}

fn services(data: &[u8], length: usize, device: &mut SeenDevice) {
    for uuid in data.chunks_exact(length).filter_map(uuid) {
        if !device.services.contains(&uuid) && device.services.len() < MAX_SERVICES {
            device.services.push(uuid);
        }
    }
}

/// The limit for one device. An advertisement has room for a tenth of it.
const MAX_SERVICES: usize = 128;

fn service_data(data: &[u8], length: usize, device: &mut SeenDevice) {
    if let Some((number, data)) = data.split_at_checked(length)
        && let Some(uuid) = uuid(number)
    {
        device.service_data.insert(uuid, data.to_vec());
    }
}

/// A UUID of 2, 4 or 16 bytes, least significant first.
pub(super) fn uuid(bytes: &[u8]) -> Option<Uuid> {
    match *bytes {
        [a, b] => Some(uuid16(u16::from_le_bytes([a, b]))),
        [a, b, c, d] => {
            let number = u128::from(u32::from_le_bytes([a, b, c, d]));
            Some(Uuid::from_u128(uuid16(0).as_u128() | number << 96))
        }
        _ => Some(Uuid::from_u128(u128::from_le_bytes(bytes.try_into().ok()?))),
    }
}
