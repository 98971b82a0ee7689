//! The characteristics of a profile's roles in a bulb's GATT table.

use bulb_protocol::profile::{CharacteristicPath, DecodeError, Profile, Role};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::radio::gatt::{Service, uuid_text};
use crate::radio::{CharacteristicId, GattTable, Properties, WriteKind};

/// The characteristics by role. Optional ones may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles(Vec<(String, CharacteristicId, Properties)>);

impl Roles {
    /// Finds the characteristic of every role, with the required properties. Writes nothing.
    pub fn find(profile: &Profile, table: &GattTable, device: &str) -> Result<Self> {
        let found = profile.match_table(&flat(table)).roles;
        let mut roles = Vec::new();
        for role in &profile.roles {
            match found.iter().find(|one| one.role == role.name) {
                Some(one) => {
                    let id = CharacteristicId::new(one.service, one.characteristic);
                    roles.push((role.name.clone(), id, one.properties));
                }
                None if role.optional => {}
                None => return Err(missing(role, table, device)),
            }
        }
        Ok(Self(roles))
    }

    pub fn get(&self, role: &str) -> Option<CharacteristicId> {
        self.0.iter().find(|(name, ..)| name == role).map(|(_, id, _)| *id)
    }

    pub(super) fn uses(&self, service: Uuid) -> bool {
        self.0.iter().any(|(_, id, _)| id.service == service)
    }

    /// Several roles may share a characteristic.
    pub fn of(&self, id: CharacteristicId) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(_, found, _)| *found == id).map(|(name, ..)| name.as_str())
    }

    /// Returns the kind of write that the properties of a role allow, or `preferred` if they allow both.
    pub fn write_kind(&self, role: &str, preferred: WriteKind) -> WriteKind {
        let properties = self.0.iter().find(|(name, ..)| name == role).map(|(.., properties)| *properties);
        let properties = properties.unwrap_or_default();
        match (properties.allows(WriteKind::Request), properties.allows(WriteKind::Command)) {
            (true, false) => WriteKind::Request,
            (false, true) => WriteKind::Command,
            _ => preferred,
        }
    }

    pub fn can_write(&self, role: &str, kind: WriteKind) -> bool {
        self.0.iter().any(|(name, _, properties)| name == role && properties.allows(kind))
    }

    /// Decodes a frame with each role of its characteristic until one fits. If none does, returns the error of the closest one.
    /// `None` if the characteristic has no role.
    pub fn decode<T>(
        &self,
        id: CharacteristicId,
        decode: impl Fn(&str) -> Result<T, DecodeError>,
    ) -> Option<Result<T, DecodeError>> {
        let mut closest: Option<DecodeError> = None;
        for role in self.of(id) {
            match decode(role) {
                Ok(decoded) => return Some(Ok(decoded)),
                Err(error) => closest = Some(error.closer(closest)),
            }
        }
        closest.map(Err)
    }

    pub fn notifies(&self, role: &str) -> bool {
        self.0.iter().any(|(name, _, properties)| name == role && properties.notifies())
    }
}

/// Lists the (service, characteristic, properties) of a table, as [`Profile::match_table`] takes them.
pub(super) fn flat(table: &GattTable) -> Vec<(Uuid, Uuid, Properties)> {
    let characteristics = table
        .services
        .iter()
        .flat_map(|service| service.characteristics.iter().map(|c| (service.uuid, c.uuid, c.properties)));
    characteristics.collect()
}

/// The most exact error for a missing role: its service, its characteristic, or a property.
fn missing(role: &Role, table: &GattTable, device: &str) -> Error {
    let within = |place: &CharacteristicPath| -> Vec<&Service> {
        table
            .services
            .iter()
            .filter(|service| place.service.is_none_or(|wanted| wanted == service.uuid))
            .collect()
    };
    for place in &role.at {
        let found = within(place).into_iter().flat_map(|service| &service.characteristics);
        if let Some(found) = found.into_iter().find(|c| c.uuid == place.characteristic) {
            return Error::WrongProperties {
                device: device.to_owned(),
                role: role.name.as_str().into(),
                characteristic: uuid_text(found.uuid),
                need: need(role, found.properties).to_owned(),
                have: found.properties.to_string(),
            };
        }
    }
    let near = role.at.iter().find_map(|place| Some((place, *within(place).first()?, place.service?)));
    let names = |services: &[Service]| list(services.iter().map(|service| uuid_text(service.uuid)));
    match (near, role.at.first()) {
        (Some((place, service, _)), _) => Error::NoCharacteristic {
            device: device.to_owned(),
            role: role.name.as_str().into(),
            characteristic: uuid_text(place.characteristic),
            service: uuid_text(service.uuid),
            have: list(
                service.characteristics.iter().map(|c| format!("{} ({})", uuid_text(c.uuid), c.properties)),
            ),
        },
        (None, place) => Error::NoService {
            device: device.to_owned(),
            service: place.and_then(|place| place.service).map_or_else(|| "any".to_owned(), uuid_text),
            have: names(&table.services),
        },
    }
}

/// The first property that a role needs and its characteristic lacks.
fn need(role: &Role, have: Properties) -> &'static str {
    let lacks = role.properties.iter().find(|wanted| !have.any_of(**wanted)).copied().unwrap_or_default();
    let (request, command) = (lacks.allows(WriteKind::Request), lacks.allows(WriteKind::Command));
    match (request, command) {
        _ if lacks.readable() => "be read",
        (true, true) => "be written",
        (true, false) => "be written with an answer",
        (false, true) => "be written without an answer",
        (false, false) => "notify",
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() { "nothing".to_owned() } else { items.join(", ") }
}

#[cfg(test)]
mod tests {
    use bulb_protocol::profile::builtin;

    use super::*;
    use crate::radio::gatt::{Characteristic, uuid16};

    const NOTIFIES: Properties = Properties::READ.or(Properties::NOTIFY);
    const WRITES: Properties = Properties::WRITE;

    fn table(characteristics: &[(u16, Properties)]) -> GattTable {
        let characteristics =
            characteristics.iter().map(|&(uuid, properties)| Characteristic::new(uuid16(uuid), properties));
        GattTable { services: vec![Service::new(uuid16(0xFFF0), characteristics.collect())] }
    }

    fn base(table: &GattTable) -> Result<Roles> {
        Roles::find(&builtin::load("base", None).unwrap(), table, "x")
    }

    #[test]
    fn accepts_the_base_table_only() {
        let roles = base(&table(&[(0xFFF1, WRITES), (0xFFF2, NOTIFIES)])).unwrap();
        assert_eq!(roles.get("control"), Some(CharacteristicId::short(0xFFF0, 0xFFF1)));
        assert_eq!(roles.get("status"), Some(CharacteristicId::short(0xFFF0, 0xFFF2)));
        let code = |table: GattTable| base(&table).unwrap_err().code();
        assert_eq!(code(GattTable::default()), "profile.no_service");
        // ELK-BLEDOM has the same service. Then swapped roles, and the demo firmware whose FFF2 does not notify.
        assert_eq!(code(table(&[(0xFFF3, WRITES), (0xFFF4, NOTIFIES)])), "profile.no_characteristic");
        assert_eq!(code(table(&[(0xFFF1, NOTIFIES), (0xFFF2, WRITES)])), "profile.wrong_properties");
        let read = Properties::READ;
        assert_eq!(code(table(&[(0xFFF1, WRITES), (0xFFF2, read)])), "profile.wrong_properties");
        assert_eq!(code(table(&[])), "profile.no_characteristic");
    }

    #[test]
    fn errors_list_the_characteristics_that_exist() {
        let error = base(&table(&[(0xFFF3, WRITES)])).unwrap_err().to_string();
        assert_eq!(error, "x has no control characteristic fff1 (service fff0 has: fff3 (write))");
        let error = base(&table(&[(0xFFF1, NOTIFIES), (0xFFF2, WRITES)])).unwrap_err().to_string();
        assert!(error.contains("the control characteristic fff1 cannot be written"), "{error}");
    }

    #[test]
    fn properties_decide_the_kind_of_write_before_the_profile_does() {
        let command = Properties::WRITE_WITHOUT_RESPONSE;
        let both = WRITES.or(command);
        for (properties, preferred, kind) in [
            (both, WriteKind::Request, WriteKind::Request),
            (both, WriteKind::Command, WriteKind::Command),
            (WRITES, WriteKind::Command, WriteKind::Request),
            (command, WriteKind::Request, WriteKind::Command),
        ] {
            let roles = base(&table(&[(0xFFF1, properties), (0xFFF2, NOTIFIES)])).unwrap();
            assert_eq!(roles.write_kind("control", preferred), kind, "{properties}");
        }
    }
}
