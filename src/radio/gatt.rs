//! The GATT table of a link: services, characteristics, properties.

use std::fmt;

use uuid::Uuid;

/// The UUID that a 16-bit number stands for.
#[must_use]
pub const fn uuid16(short: u16) -> Uuid {
    Uuid::from_u128(0x0000_0000_0000_1000_8000_0080_5f9b_34fb | (short as u128) << 96)
}

/// The 16-bit number that stands for this UUID, if one does.
#[must_use]
pub fn short_of(uuid: Uuid) -> Option<u16> {
    let short = u16::try_from(uuid.as_u128() >> 96).ok()?;
    (uuid16(short) == uuid).then_some(short)
}

/// Shows a UUID as people write it: `fff0` where it has a 16-bit number, in full otherwise.
#[must_use]
pub fn uuid_text(uuid: Uuid) -> String {
    short_of(uuid).map_or_else(|| uuid.to_string(), |short| format!("{short:04x}"))
}

/// What a characteristic can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Properties {
    /// Can be read.
    pub read: bool,
    /// Can be written with an answer.
    pub write: bool,
    /// Can be written without an answer.
    pub write_without_response: bool,
    /// Sends notifications.
    pub notify: bool,
    /// Sends indications.
    pub indicate: bool,
}

impl Properties {
    /// Whether it can be written at all.
    #[must_use]
    pub const fn writable(self) -> bool {
        self.write || self.write_without_response
    }

    /// Whether it can be subscribed to.
    #[must_use]
    pub const fn notifies(self) -> bool {
        self.notify || self.indicate
    }
}

impl fmt::Display for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [
            (self.read, "read"),
            (self.write, "write"),
            (self.write_without_response, "write-without-response"),
            (self.notify, "notify"),
            (self.indicate, "indicate"),
        ];
        let names: Vec<&str> = named.into_iter().filter_map(|(has, name)| has.then_some(name)).collect();
        f.write_str(if names.is_empty() { "none" } else { "" })?;
        f.write_str(&names.join(", "))
    }
}

/// Which characteristic: its UUID is unique within its service only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CharacteristicId {
    /// The service.
    pub service: Uuid,
    /// The characteristic.
    pub characteristic: Uuid,
}

impl CharacteristicId {
    /// A characteristic and a service with 16-bit numbers.
    #[must_use]
    pub const fn short(service: u16, characteristic: u16) -> Self {
        Self { service: uuid16(service), characteristic: uuid16(characteristic) }
    }
}

impl fmt::Display for CharacteristicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&uuid_text(self.characteristic))
    }
}

/// A characteristic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Characteristic {
    /// Its UUID.
    pub uuid: Uuid,
    /// What it can do.
    pub properties: Properties,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its UUID.
    pub uuid: Uuid,
    /// Its characteristics, in the order of the table where the platform keeps it.
    pub characteristics: Vec<Characteristic>,
}

/// All services of a link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GattTable {
    /// The services.
    pub services: Vec<Service>,
}

impl GattTable {
    /// The service of this UUID.
    #[must_use]
    pub fn service(&self, uuid: Uuid) -> Option<&Service> {
        self.services.iter().find(|service| service.uuid == uuid)
    }

    /// The properties of this characteristic, if the table has it.
    #[must_use]
    pub fn properties(&self, id: CharacteristicId) -> Option<Properties> {
        let service = self.service(id.service)?;
        service.characteristics.iter().find(|c| c.uuid == id.characteristic).map(|c| c.properties)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_numbers_stand_for_whole_uuids() {
        assert_eq!(uuid16(0xFFF0).to_string(), "0000fff0-0000-1000-8000-00805f9b34fb");
        assert_eq!(short_of(uuid16(0x180F)), Some(0x180F));
        assert_eq!(uuid_text(uuid16(0xFFF1)), "fff1");
    }

    #[test]
    fn a_uuid_that_merely_contains_fff0_is_another() {
        let other = Uuid::from_u128(0xfff0_0000_0000_1000_8000_0080_5f9b_34fb_u128);
        assert_eq!(short_of(other), None);
        let vendor = Uuid::from_u128(0x0000_fff0_0000_1000_8000_0080_5f9b_34fc);
        assert_eq!(short_of(vendor), None);
    }
}
