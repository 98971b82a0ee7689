//! The room in an advertisement, counted field by field. BlueZ only says "Failed to parse advertisement" if something does
//! not fit.

use uuid::Uuid;

use super::Advertisement;
use crate::radio::gatt::{short_of, uuid_text};

/// The bytes of an advertisement, and of a scan response (Bluetooth Core 5.4, Vol 6, Part B, 2.3.1).
const WHOLE: usize = 31;
/// The length, the type and the value of the flags (Core Specification Supplement, Part A, 1.3).
const FLAGS: usize = 3;
/// The length and the type of a field.
const HEADER: usize = 2;

/// How a radio lays out an advertisement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdvertisementRoom {
    /// The radio always adds flags.
    pub flags: bool,
    /// The name always goes to the scan response, and nothing else does.
    pub name_in_response: bool,
}

impl AdvertisementRoom {
    /// Checks that an advertisement fits.
    ///
    /// # Errors
    /// The bytes of each field, and the one that is too long, as a part of a sentence.
    pub fn check(self, advertisement: &Advertisement) -> Result<(), String> {
        let name = advertisement.name.as_deref().map(|name| ("the name".to_owned(), HEADER + name.len()));
        let (mut fields, mut response) = (fields(advertisement), Vec::new());
        if self.name_in_response || advertisement.name_in_response {
            response.extend(name);
        } else {
            fields.extend(name);
        }
        let room = if self.flags { WHOLE - FLAGS } else { WHOLE };
        let flags = if self.flags { " and 3 for flags" } else { "" };
        fits(&fields, room, &format!("the advertisement has 31 bytes{flags}"))?;
        fits(&response, WHOLE, "the scan response has 31 bytes")
    }
}

/// The fields of an advertisement except for flags and name, each with its length in bytes.
fn fields(advertisement: &Advertisement) -> Vec<(String, usize)> {
    let Advertisement { services, manufacturer, service_data, .. } = advertisement;
    let mut fields = Vec::new();
    // One list for each length (Core Specification Supplement, Part A, 1.1).
    for (length, title) in [(2, "the 16-bit services"), (16, "the 128-bit services")] {
        let count = services.iter().filter(|uuid| uuid_length(**uuid) == length).count();
        if count > 0 {
            fields.push((title.to_owned(), HEADER + count * length));
        }
    }
    for (company, data) in manufacturer {
        fields.push((format!("the manufacturer data of {company:04x}"), HEADER + 2 + data.len()));
    }
    for (service, data) in service_data {
        let length = HEADER + uuid_length(*service) + data.len();
        fields.push((format!("the service data of {}", uuid_text(*service)), length));
    }
    fields
}

fn uuid_length(uuid: Uuid) -> usize {
    if short_of(uuid).is_some() { 2 } else { 16 }
}

fn fits(fields: &[(String, usize)], room: usize, have: &str) -> Result<(), String> {
    let used: usize = fields.iter().map(|(_, length)| length).sum();
    let Some((longest, length)) = fields.iter().max_by_key(|(_, length)| length) else { return Ok(()) };
    if used <= room {
        return Ok(());
    }
    let list: Vec<String> = fields.iter().map(|(title, length)| format!("{title} {length}")).collect();
    let over = used - room;
    let what = match list.as_slice() {
        [_] => format!("{longest} needs {length}"),
        _ => format!("the fields need {used} ({}); the longest is {longest}", list.join(", ")),
    };
    Err(format!("{have}, but {what}, {over} too many"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::radio::gatt::uuid16;

    /// As BlueZ does if flags are wanted.
    const NAME_IN_RESPONSE: AdvertisementRoom = AdvertisementRoom { flags: true, name_in_response: true };

    fn advertisement(name: &str, services: &[Uuid], data: usize) -> Advertisement {
        let manufacturer = (data > 0).then(|| (0x5a02, vec![0; data]));
        Advertisement {
            name: Some(name.to_owned()),
            name_in_response: false,
            services: services.to_vec(),
            manufacturer: manufacturer.into_iter().collect(),
            service_data: BTreeMap::new(),
            interval: Duration::from_millis(100),
        }
    }

    #[test]
    fn what_fits_is_accepted_to_the_last_byte() {
        let long = Uuid::from_u128(1);
        let whole = AdvertisementRoom { flags: false, name_in_response: false };
        // 28 bytes: 4 for the service, 4 + 20 for the data.
        let full = advertisement("L", &[uuid16(0xfff0)], 20);
        assert_eq!(NAME_IN_RESPONSE.check(&full), Ok(()));
        // 31 bytes, 3 of them for the name.
        assert_eq!(whole.check(&full), Ok(()));
        assert!(whole.check(&advertisement("Li", &[uuid16(0xfff0)], 20)).is_err());
        assert_eq!(NAME_IN_RESPONSE.check(&advertisement(&"x".repeat(29), &[long], 6)), Ok(()));
        assert_eq!(NAME_IN_RESPONSE.check(&Advertisement { name: None, ..full }), Ok(()));
    }

    #[test]
    fn an_advertisement_that_does_not_fit_names_the_field() {
        let check = |advertisement: &Advertisement| NAME_IN_RESPONSE.check(advertisement).unwrap_err();
        assert_eq!(
            check(&advertisement("L", &[], 27)),
            "the advertisement has 31 bytes and 3 for flags, but the manufacturer data of 5a02 needs 31, 3 too many"
        );
        assert_eq!(
            check(&advertisement("L", &[uuid16(0xfff0), uuid16(0xffe0), Uuid::from_u128(1)], 1)),
            "the advertisement has 31 bytes and 3 for flags, but the fields need 29 (the 16-bit services 6, \
             the 128-bit services 18, the manufacturer data of 5a02 5); the longest is the 128-bit services, 1 too many"
        );
        // An umlaut is two bytes.
        assert_eq!(
            check(&advertisement(&"ü".repeat(15), &[], 0)),
            "the scan response has 31 bytes, but the name needs 32, 1 too many"
        );
        let service_data = BTreeMap::from([(uuid16(0xfd3d), vec![0; 25])]);
        let data = Advertisement { service_data, ..advertisement("L", &[], 0) };
        assert!(check(&data).contains("the service data of fd3d needs 29"));
    }
}
