//! The names of numbers that are assigned, or in common use: companies, services, characteristics, descriptors.
//!
//! The lists are generated (`cargo xtask numbers`) from a maintained one; nothing in them is typed by hand. A number that is
//! not in them has no name.

use uuid::Uuid;

use crate::radio::gatt::short_of;

const COMPANIES: &str = include_str!("companies.txt");
const SERVICES: &str = include_str!("services.txt");
const CHARACTERISTICS: &str = include_str!("characteristics.txt");
const DESCRIPTORS: &str = include_str!("descriptors.txt");

/// The name of a company, by its identifier in manufacturer data.
#[must_use]
pub fn company(number: u16) -> Option<&'static str> {
    find(COMPANIES, &format!("{number:04x} "))
}

/// The name of a service. A 16-bit number of 0xFC00 or more that is not a service of its own gives who it was assigned to.
#[must_use]
pub fn service(uuid: Uuid) -> Option<&'static str> {
    find(SERVICES, &key(uuid))
}

/// The name of a characteristic.
#[must_use]
pub fn characteristic(uuid: Uuid) -> Option<&'static str> {
    find(CHARACTERISTICS, &key(uuid))
}

/// The name of a descriptor.
#[must_use]
pub fn descriptor(uuid: Uuid) -> Option<&'static str> {
    find(DESCRIPTORS, &key(uuid))
}

fn key(uuid: Uuid) -> String {
    short_of(uuid).map_or_else(|| format!("{uuid} "), |short| format!("{short:04x} "))
}

/// A search through some thousand short lines takes less than a millisecond, and few are made.
fn find(list: &'static str, key: &str) -> Option<&'static str> {
    list.lines().find_map(|line| line.strip_prefix(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::radio::gatt::uuid16;

    #[test]
    fn numbers_have_their_names() {
        assert_eq!(company(0x004c), Some("Apple, Inc."));
        assert_eq!(company(0xfffe), None);
        assert_eq!(service(uuid16(0x180A)), Some("Device Information"));
        assert_eq!(characteristic(uuid16(0x2A19)), Some("Battery Level"));
        assert_eq!(descriptor(uuid16(0x2902)), Some("Client Characteristic Configuration"));
        let uart = "6e400001-b5a3-f393-e0a9-e50e24dcca9e".parse().unwrap();
        assert_eq!(service(uart), Some("Nordic UART Service"));
    }

    #[test]
    fn every_line_is_a_number_and_a_name() {
        for list in [COMPANIES, SERVICES, CHARACTERISTICS, DESCRIPTORS] {
            assert!(list.lines().count() > 10);
            for line in list.lines().filter(|line| !line.starts_with('#')) {
                let (number, name) = line.split_once(' ').unwrap();
                assert!(number.chars().all(|c| c.is_ascii_hexdigit() || c == '-'), "{line}");
                assert!(!name.trim().is_empty() && !name.chars().any(char::is_control), "{line}");
            }
        }
    }
}
