//! Bulb families: how to recognise one, and its characteristics by role.

use bulb_protocol::base;

use crate::error::{Error, Result};
use crate::radio::gatt::{Service, uuid_text, uuid16};
use crate::radio::{CharacteristicId, GattTable, Properties, Report};

/// A bulb family.
#[derive(Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its name on the command line.
    pub name: &'static str,
    /// Where commands are written.
    pub control: CharacteristicId,
    /// Where the state is read and notified.
    pub status: CharacteristicId,
}

/// The base protocol: service FFF0, control FFF1, status FFF2.
pub static BASE: Profile = Profile {
    name: "base",
    control: CharacteristicId::short(base::SERVICE, base::CONTROL),
    status: CharacteristicId::short(base::SERVICE, base::STATUS),
};

impl Profile {
    /// Looks for the characteristics of every role and their properties, and writes nothing.
    ///
    /// Returns the properties of the control characteristic, which decide how it is written.
    ///
    /// # Errors
    /// [`Error::NoService`], [`Error::NoCharacteristic`], [`Error::WrongProperties`], each with what was found.
    pub fn check(&self, table: &GattTable, device: &str) -> Result<Properties> {
        let service = table.service(self.control.service).ok_or_else(|| Error::NoService {
            device: device.to_owned(),
            service: uuid_text(self.control.service),
            have: list(table.services.iter().map(|service| uuid_text(service.uuid))),
        })?;
        let control = self.role(service, "control", self.control, device)?;
        let status = self.role(service, "status", self.status, device)?;
        let wrong = |role, id: CharacteristicId, need, have: Properties| Error::WrongProperties {
            device: device.to_owned(),
            role,
            characteristic: id.to_string(),
            need,
            have: have.to_string(),
        };
        if !control.writable() {
            return Err(wrong("control", self.control, "be written", control));
        }
        if !status.read {
            return Err(wrong("status", self.status, "be read", status));
        }
        if !status.notifies() {
            return Err(wrong("status", self.status, "notify", status));
        }
        Ok(control)
    }

    fn role(
        &self,
        service: &Service,
        role: &'static str,
        id: CharacteristicId,
        device: &str,
    ) -> Result<Properties> {
        let found = service.characteristics.iter().find(|c| c.uuid == id.characteristic);
        found.map(|c| c.properties).ok_or_else(|| Error::NoCharacteristic {
            device: device.to_owned(),
            role,
            characteristic: id.to_string(),
            service: uuid_text(service.uuid),
            have: list(
                service.characteristics.iter().map(|c| format!("{} ({})", uuid_text(c.uuid), c.properties)),
            ),
        })
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() { "nothing".to_owned() } else { items.join(", ") }
}

/// The profile that an advertisement speaks for: the base profile where service FFF0 is advertised. A name with Light or
/// Bulb in it is too weak to tell families apart.
#[must_use]
pub fn profile_of(report: &Report) -> Option<&'static Profile> {
    report.services.contains(&uuid16(base::SERVICE)).then_some(&BASE)
}

/// Whether a device is listed as a bulb: its advertised name contains Light or Bulb in any case, or a profile
/// recognises it.
#[must_use]
pub fn looks_like_a_bulb(report: &Report) -> bool {
    let named = report.name.as_ref().is_some_and(|name| {
        let name = name.to_lowercase();
        name.contains("light") || name.contains("bulb")
    });
    named || profile_of(report).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::radio::gatt::Characteristic;

    const NOTIFIES: Properties =
        Properties { read: true, notify: true, write: false, write_without_response: false, indicate: false };
    const WRITES: Properties = Properties {
        read: false,
        notify: false,
        write: true,
        write_without_response: false,
        indicate: false,
    };

    fn table(characteristics: &[(u16, Properties)]) -> GattTable {
        let characteristics =
            characteristics.iter().map(|&(uuid, properties)| Characteristic::new(uuid16(uuid), properties));
        GattTable { services: vec![Service::new(uuid16(0xFFF0), characteristics.collect())] }
    }

    #[test]
    fn accepts_the_base_table_only() {
        assert_eq!(BASE.check(&table(&[(0xFFF1, WRITES), (0xFFF2, NOTIFIES)]), "x"), Ok(WRITES));
        let code = |table: GattTable| BASE.check(&table, "x").unwrap_err().code();
        assert_eq!(code(GattTable::default()), "profile.no_service");
        // ELK-BLEDOM, which has the same service; then swapped roles, and the demo firmware whose FFF2 does not notify.
        assert_eq!(code(table(&[(0xFFF3, WRITES), (0xFFF4, NOTIFIES)])), "profile.no_characteristic");
        assert_eq!(code(table(&[(0xFFF1, NOTIFIES), (0xFFF2, WRITES)])), "profile.wrong_properties");
        let read = Properties { notify: false, ..NOTIFIES };
        assert_eq!(code(table(&[(0xFFF1, WRITES), (0xFFF2, read)])), "profile.wrong_properties");
        assert_eq!(code(table(&[])), "profile.no_characteristic");
    }

    #[test]
    fn says_what_was_found_instead() {
        let error = BASE.check(&table(&[(0xFFF3, WRITES)]), "ELK").unwrap_err().to_string();
        assert_eq!(error, "ELK has no control characteristic fff1 (service fff0 has: fff3 (write))");
    }
}
