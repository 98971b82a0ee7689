//! The characteristics of a profile's roles in a bulb's GATT table.

use bulb_protocol::profile::{self, CharacteristicPath, Profile, Role};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::radio::gatt::{Service, uuid_text};
use crate::radio::{CharacteristicId, GattTable, Properties, WriteKind};

/// The characteristics by role, as they were found. Optional ones may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles(Vec<(String, CharacteristicId, Properties)>);

impl Roles {
    /// Looks for the characteristics of every role and their properties, and writes nothing.
    ///
    /// # Errors
    /// [`Error::NoService`], [`Error::NoCharacteristic`], [`Error::WrongProperties`], each with what was found.
    pub fn find(profile: &Profile, table: &GattTable, device: &str) -> Result<Self> {
        let flat = flat(table);
        let found: Vec<_> = profile.fit(&flat).roles;
        let mut roles = Vec::new();
        for role in &profile.roles {
            match found.iter().find(|one| one.role == role.name) {
                Some(one) => {
                    let id = CharacteristicId::new(
                        Uuid::from_u128(one.service.0),
                        Uuid::from_u128(one.characteristic.0),
                    );
                    roles.push((role.name.clone(), id, table.properties(id).unwrap_or_default()));
                }
                None if role.optional => {}
                None => return Err(missing(role, table, device)),
            }
        }
        Ok(Self(roles))
    }

    /// The characteristic of a role.
    #[must_use]
    pub fn get(&self, role: &str) -> Option<CharacteristicId> {
        self.0.iter().find(|(name, ..)| name == role).map(|(_, id, _)| *id)
    }

    /// The roles of a characteristic: several may share one.
    pub fn of(&self, id: CharacteristicId) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(_, own, _)| *own == id).map(|(name, ..)| name.as_str())
    }

    /// How a role is written: as its properties allow, and where they allow both, as the profile prefers.
    #[must_use]
    pub fn write_kind(&self, role: &str, preferred: profile::WriteKind) -> WriteKind {
        let properties = self.0.iter().find(|(name, ..)| name == role).map(|(.., properties)| *properties);
        let properties = properties.unwrap_or_default();
        match (properties.write, properties.write_without_response, preferred) {
            (true, false, _) => WriteKind::Request,
            (false, true, _) | (_, _, profile::WriteKind::Command) => WriteKind::Command,
            _ => WriteKind::Request,
        }
    }

    /// Whether a role can be subscribed to.
    #[must_use]
    pub fn notifies(&self, role: &str) -> bool {
        self.0.iter().any(|(name, _, properties)| name == role && properties.notifies())
    }
}

/// A GATT table as the codec has it.
#[must_use]
pub(super) fn flat(table: &GattTable) -> Vec<(profile::Uuid, profile::Uuid, profile::Properties)> {
    let bits = |properties: Properties| {
        let bits = [
            (properties.read, profile::Properties::READ),
            (properties.write, profile::Properties::WRITE),
            (properties.write_without_response, profile::Properties::WRITE_WITHOUT_RESPONSE),
            (properties.notify, profile::Properties::NOTIFY),
            (properties.indicate, profile::Properties::INDICATE),
        ];
        let there = bits.into_iter().filter_map(|(has, bit)| has.then_some(bit));
        there.fold(profile::Properties::default(), profile::Properties::or)
    };
    let uuid = |uuid: Uuid| profile::Uuid(uuid.as_u128());
    let characteristics = table.services.iter().flat_map(|service| {
        service.characteristics.iter().map(move |c| (uuid(service.uuid), uuid(c.uuid), bits(c.properties)))
    });
    characteristics.collect()
}

/// What is missing of a role, as exactly as can be said: its service, its characteristic, or what that has to be able to do.
fn missing(role: &Role, table: &GattTable, device: &str) -> Error {
    let service_of = |place: &CharacteristicPath| place.service.map(|service| Uuid::from_u128(service.0));
    let within = |place: &CharacteristicPath| -> Vec<&Service> {
        let own = service_of(place);
        table.services.iter().filter(|service| own.is_none_or(|own| own == service.uuid)).collect()
    };
    let characteristic = |place: &CharacteristicPath| Uuid::from_u128(place.characteristic.0);
    for place in &role.at {
        let found = within(place).into_iter().flat_map(|service| &service.characteristics);
        if let Some(found) = found.into_iter().find(|c| c.uuid == characteristic(place)) {
            return Error::WrongProperties {
                device: device.to_owned(),
                role: role.name.as_str().into(),
                characteristic: uuid_text(found.uuid),
                need: need(role, found.properties),
                have: found.properties.to_string(),
            };
        }
    }
    let near = role.at.iter().find_map(|place| Some((place, *within(place).first()?, service_of(place)?)));
    let names = |services: &[Service]| list(services.iter().map(|service| uuid_text(service.uuid)));
    match (near, role.at.first()) {
        (Some((place, service, _)), _) => Error::NoCharacteristic {
            device: device.to_owned(),
            role: role.name.as_str().into(),
            characteristic: uuid_text(characteristic(place)),
            service: uuid_text(service.uuid),
            have: list(
                service.characteristics.iter().map(|c| format!("{} ({})", uuid_text(c.uuid), c.properties)),
            ),
        },
        (None, place) => Error::NoService {
            device: device.to_owned(),
            service: place.and_then(service_of).map_or_else(|| "any".to_owned(), uuid_text),
            have: names(&table.services),
        },
    }
}

/// What a role has to be able to do that its characteristic cannot.
fn need(role: &Role, have: Properties) -> &'static str {
    let any = |wanted: profile::Properties| {
        let words = [
            (profile::Properties::READ, have.read),
            (profile::Properties::WRITE, have.write),
            (profile::Properties::WRITE_WITHOUT_RESPONSE, have.write_without_response),
            (profile::Properties::NOTIFY, have.notify),
            (profile::Properties::INDICATE, have.indicate),
        ];
        words.into_iter().any(|(bit, has)| has && wanted.any_of(bit))
    };
    let lacks = role.properties.iter().find(|wanted| !any(**wanted)).copied().unwrap_or_default();
    let (write, command) = (profile::Properties::WRITE, profile::Properties::WRITE_WITHOUT_RESPONSE);
    match lacks {
        lacks if lacks.any_of(profile::Properties::READ) => "be read",
        lacks if lacks.any_of(write) && lacks.any_of(command) => "be written",
        lacks if lacks.any_of(write) => "be written with an answer",
        lacks if lacks.any_of(command) => "be written without an answer",
        _ => "notify",
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

    const NONE: Properties = Properties {
        read: false,
        notify: false,
        write: false,
        write_without_response: false,
        indicate: false,
    };
    const NOTIFIES: Properties = Properties { read: true, notify: true, ..NONE };
    const WRITES: Properties = Properties { write: true, ..NONE };

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
        // ELK-BLEDOM, which has the same service; then swapped roles, and the demo firmware whose FFF2 does not notify.
        assert_eq!(code(table(&[(0xFFF3, WRITES), (0xFFF4, NOTIFIES)])), "profile.no_characteristic");
        assert_eq!(code(table(&[(0xFFF1, NOTIFIES), (0xFFF2, WRITES)])), "profile.wrong_properties");
        let read = Properties { notify: false, ..NOTIFIES };
        assert_eq!(code(table(&[(0xFFF1, WRITES), (0xFFF2, read)])), "profile.wrong_properties");
        assert_eq!(code(table(&[])), "profile.no_characteristic");
    }

    #[test]
    fn says_what_was_found_instead() {
        let error = base(&table(&[(0xFFF3, WRITES)])).unwrap_err().to_string();
        assert_eq!(error, "x has no control characteristic fff1 (service fff0 has: fff3 (write))");
        let error = base(&table(&[(0xFFF1, NOTIFIES), (0xFFF2, WRITES)])).unwrap_err().to_string();
        assert!(error.contains("the control characteristic fff1 cannot be written"), "{error}");
    }

    #[test]
    fn properties_decide_how_it_is_written_before_the_profile_does() {
        let both = Properties { write_without_response: true, ..WRITES };
        let command = Properties { write: false, ..both };
        for (properties, preferred, kind) in [
            (both, profile::WriteKind::Request, WriteKind::Request),
            (both, profile::WriteKind::Command, WriteKind::Command),
            (WRITES, profile::WriteKind::Command, WriteKind::Request),
            (command, profile::WriteKind::Request, WriteKind::Command),
        ] {
            let roles = base(&table(&[(0xFFF1, properties), (0xFFF2, NOTIFIES)])).unwrap();
            assert_eq!(roles.write_kind("control", preferred), kind, "{properties}");
        }
    }
}
