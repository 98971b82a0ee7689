//! GATT access without a profile: reads, writes and subscribes to single characteristics.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

use super::paced_writer::command_too_long;
use crate::error::{Error, Operation, Result};
use crate::radio::gatt::{Characteristic, parse_uuid, uuid_text};
use crate::radio::{CharacteristicId, Deadline, GattTable, Link, Notifications, WriteKind};

/// A UUID on the command line, or the first digits of one of 128 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UuidRef {
    Whole(Uuid),
    /// Lower-case hex digits, 5 to 31 of them.
    Prefix(String),
}

impl UuidRef {
    fn parse(text: &str) -> Option<Self> {
        if let Some(uuid) = parse_uuid(text) {
            return Some(Self::Whole(uuid));
        }
        let digits = text.strip_prefix("0x").unwrap_or(text).replace('-', "").to_lowercase();
        let hex = digits.chars().all(|c| c.is_ascii_hexdigit());
        (hex && (5..32).contains(&digits.len())).then_some(Self::Prefix(digits))
    }

    fn matches(&self, uuid: Uuid) -> bool {
        match self {
            Self::Whole(own) => *own == uuid,
            Self::Prefix(digits) => uuid.simple().to_string().starts_with(digits),
        }
    }
}

impl fmt::Display for UuidRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(uuid) => f.write_str(&uuid_text(*uuid)),
            Self::Prefix(digits) => f.write_str(digits),
        }
    }
}

/// A characteristic on the command line: `fff1`, a full UUID or the first digits of one, `fff0/fff1`, `fff1#2` for the second with that UUID, or a handle,
/// `@0x0011`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CharacteristicRef {
    /// The handle of the declaration or of the value.
    Handle(u16),
    Uuid {
        service: Option<UuidRef>,
        characteristic: UuidRef,
        /// The number among several that match, from 1.
        number: Option<u8>,
    },
}

impl FromStr for CharacteristicRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || {
            format!(
                "{text:?} is not a characteristic; give a UUID of 4 or 32 hex digits (fff1) or the first 5 digits or more of a \
                 long one, SERVICE/UUID, UUID#2 for the second with that UUID, or a handle (@0x0011)"
            )
        };
        if let Some(handle) = text.strip_prefix('@') {
            let digits = handle.strip_prefix("0x").unwrap_or(handle);
            let plain = digits.len() <= 4 && digits.chars().all(|c| c.is_ascii_hexdigit());
            let handle = u16::from_str_radix(digits, 16).ok().filter(|handle| plain && *handle > 0);
            return handle.map(Self::Handle).ok_or_else(invalid);
        }
        let (service, rest) = match text.split_once('/') {
            Some((service, rest)) => (Some(UuidRef::parse(service).ok_or_else(invalid)?), rest),
            None => (None, text),
        };
        let (uuid, number) = match rest.split_once('#') {
            Some((uuid, number)) => {
                let number = number.parse().ok().filter(|number| *number > 0);
                (uuid, Some(number.ok_or_else(invalid)?))
            }
            None => (rest, None),
        };
        Ok(Self::Uuid { service, characteristic: UuidRef::parse(uuid).ok_or_else(invalid)?, number })
    }
}

impl fmt::Display for CharacteristicRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handle(handle) => write!(f, "@0x{handle:04x}"),
            Self::Uuid { service, characteristic, number } => {
                if let Some(service) = service {
                    write!(f, "{service}/")?;
                }
                write!(f, "{characteristic}")?;
                number.map_or(Ok(()), |number| write!(f, "#{number}"))
            }
        }
    }
}

impl CharacteristicRef {
    /// The reference to exactly this characteristic.
    pub const fn exact(id: CharacteristicId) -> Self {
        Self::Uuid {
            service: Some(UuidRef::Whole(id.service)),
            characteristic: UuidRef::Whole(id.characteristic),
            number: Some(id.nth.saturating_add(1)),
        }
    }

    pub fn find<'a>(
        &self,
        table: &'a GattTable,
        device: &str,
    ) -> Result<(CharacteristicId, &'a Characteristic)> {
        let matches = |id: &CharacteristicId, found: &Characteristic| match self {
            Self::Handle(handle) => [found.handle, found.value_handle()].contains(&Some(*handle)),
            Self::Uuid { service, characteristic, .. } => {
                service.as_ref().is_none_or(|service| service.matches(id.service))
                    && characteristic.matches(id.characteristic)
            }
        };
        let matching: Vec<_> = table.all().filter(|(id, _, found)| matches(id, found)).collect();
        let number = match self {
            Self::Uuid { number, .. } => *number,
            Self::Handle(_) => None,
        };
        let chosen = match (matching.as_slice(), number) {
            ([one], None) => Some(one),
            ([_, _, ..], None) => {
                return Err(Error::CharacteristicAmbiguous {
                    device: device.to_owned(),
                    characteristic: self.to_string(),
                    candidates: candidates(&matching.iter().map(|(id, _, c)| (*id, *c)).collect::<Vec<_>>()),
                });
            }
            (several, Some(number)) => several.get(usize::from(number) - 1),
            ([], None) => None,
        };
        chosen.map(|(id, _, found)| (*id, *found)).ok_or_else(|| Error::CharacteristicUnknown {
            device: device.to_owned(),
            characteristic: self.to_string(),
            have: table.outline(),
        })
    }
}

/// Lists how to name each of these: by its UUID or its service if that is unique, else by number, and by handle.
fn candidates(all: &[(CharacteristicId, &Characteristic)]) -> String {
    let names = all.iter().enumerate().map(|(index, (id, found))| {
        let same = |other: &&(CharacteristicId, &Characteristic)| other.0.characteristic == id.characteristic;
        let in_service = all.iter().filter(same).filter(|(other, _)| other.service == id.service).count();
        let before = all.iter().take(index).filter(same).count();
        let name = match (all.iter().filter(same).count(), in_service) {
            (1, _) => uuid_text(id.characteristic),
            (_, 1) => format!("{}/{}", uuid_text(id.service), uuid_text(id.characteristic)),
            _ => format!("{}#{}", uuid_text(id.characteristic), before + 1),
        };
        let handle = found.handle.map_or_else(String::new, |handle| format!(" or @0x{handle:04x}"));
        format!("{name}{handle} ({})", found.properties)
    });
    names.collect::<Vec<_>>().join(", ")
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WriteChoice {
    /// A request, because it is answered. A command if the characteristic does not allow requests.
    #[default]
    Auto,
    Only(WriteKind),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GattOutcome {
    pub id: CharacteristicId,
    /// The handle of the value, if the platform knows it.
    pub handle: Option<u16>,
    pub operation: GattOperation,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GattOperation {
    Read(Vec<u8>),
    Write(Vec<u8>, WriteKind),
    /// A notification or an indication.
    Notification(Vec<u8>),
    Subscribe,
    Unsubscribe,
}

/// A link with its subscriptions.
#[derive(Debug)]
pub struct RawGatt {
    link: Arc<dyn Link>,
    device: String,
    streams: HashMap<CharacteristicId, Notifications>,
}

impl RawGatt {
    /// `device` is its name in errors.
    pub fn new(link: Arc<dyn Link>, device: String) -> Self {
        Self { link, device, streams: HashMap::new() }
    }

    /// Finds the characteristic and requires that it has the properties.
    fn find_with(
        &self,
        characteristic: &CharacteristicRef,
        need: &'static str,
        can: impl FnOnce(&Characteristic) -> bool,
    ) -> Result<(CharacteristicId, Option<u16>)> {
        let (id, found) = characteristic.find(self.link.table(), &self.device)?;
        if can(found) {
            return Ok((id, found.value_handle()));
        }
        Err(Error::PropertyMissing {
            device: self.device.clone(),
            characteristic: characteristic.to_string(),
            need: need.to_owned(),
            have: found.properties.to_string(),
        })
    }

    pub async fn read(&self, characteristic: &CharacteristicRef, deadline: Deadline) -> Result<GattOutcome> {
        let (id, handle) = self.find_with(characteristic, "be read", |found| found.properties.readable())?;
        let value = self.link.read(id, deadline).await?;
        Ok(GattOutcome { id, handle, operation: GattOperation::Read(value) })
    }

    pub async fn write(
        &self,
        characteristic: &CharacteristicRef,
        value: &[u8],
        choice: WriteChoice,
        deadline: Deadline,
    ) -> Result<GattOutcome> {
        let mut kind = WriteKind::Command;
        let (need, only) = match choice {
            WriteChoice::Auto => ("be written", None),
            WriteChoice::Only(kind @ WriteKind::Request) => ("be written by a request", Some(kind)),
            WriteChoice::Only(kind @ WriteKind::Command) => ("be written by a command", Some(kind)),
        };
        let (id, handle) = self.find_with(characteristic, need, |found| {
            let properties = found.properties;
            let auto =
                if properties.allows(WriteKind::Request) { WriteKind::Request } else { WriteKind::Command };
            kind = only.unwrap_or(auto);
            properties.allows(kind)
        })?;
        if let Some(mtu) = command_too_long(self.link.as_ref(), kind, value.len()) {
            let (device, characteristic) = (self.device.clone(), characteristic.to_string());
            return Err(Error::WriteTooLong { device, characteristic, length: value.len(), mtu });
        }
        self.link.write(id, value, kind, deadline).await?;
        Ok(GattOutcome { id, handle, operation: GattOperation::Write(value.to_owned(), kind) })
    }

    /// Subscribes once. [`next`](Self::next) returns the notifications; the newest 64 wait for it.
    pub async fn subscribe(
        &mut self,
        characteristic: &CharacteristicRef,
        deadline: Deadline,
    ) -> Result<GattOutcome> {
        let (id, handle) = self.find_with(characteristic, "notify", |found| found.properties.notifies())?;
        if !self.streams.contains_key(&id) {
            self.streams.insert(id, self.link.subscribe(id, deadline).await?);
        }
        Ok(GattOutcome { id, handle, operation: GattOperation::Subscribe })
    }

    pub async fn unsubscribe(
        &mut self,
        characteristic: &CharacteristicRef,
        deadline: Deadline,
    ) -> Result<GattOutcome> {
        let (id, handle) = self.find_with(characteristic, "notify", |_| true)?;
        self.streams.remove(&id);
        self.link.unsubscribe(id, deadline).await?;
        Ok(GattOutcome { id, handle, operation: GattOperation::Unsubscribe })
    }

    /// Waits for the next notification of a subscription. Never times out. Cancel-safe.
    pub async fn next(&mut self, characteristic: &CharacteristicRef) -> Result<GattOutcome> {
        let (id, handle) = self.find_with(characteristic, "notify", |_| true)?;
        let Some(stream) = self.streams.get_mut(&id) else {
            return Err(Error::Internal(format!("waiting for {characteristic} without a subscription")));
        };
        loop {
            match stream.recv().await {
                Ok(value) => {
                    return Ok(GattOutcome { id, handle, operation: GattOperation::Notification(value) });
                }
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!("{}: {missed} notifications missed", self.device);
                }
                Err(RecvError::Closed) => {
                    let operation = Operation::WaitForNotification(characteristic.to_string());
                    return Err(Error::LinkLost { device: self.device.clone(), operation });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::radio::Properties;
    use crate::radio::gatt::{Service, uuid16};

    fn table() -> GattTable {
        let one = |short| Characteristic::new(uuid16(short), Properties::default());
        GattTable {
            services: vec![
                Service::new(uuid16(0xFFF0), vec![one(0xFFF1), one(0xFFF2), one(0xFFF2)]),
                Service::new(uuid16(0xFFE0), vec![one(0xFFF1)]),
            ],
        }
        .numbered()
    }

    fn found(text: &str) -> String {
        match text.parse::<CharacteristicRef>().unwrap().find(&table(), "Light") {
            Ok((id, found)) => {
                format!("{}/{id} @{:04x}", uuid_text(id.service), found.handle.unwrap_or_default())
            }
            Err(error) => format!("{}: {error}", error.code()),
        }
    }

    #[test]
    fn a_characteristic_is_found_by_any_unique_name() {
        for (text, want) in [
            ("fff0/fff1", "fff0/fff1 @0002"),
            ("0xFFE0/0000fff1-0000-1000-8000-00805f9b34fb", "ffe0/fff1 @0009"),
            ("fff1#2", "ffe0/fff1 @0009"),
            ("fff0/fff2#2", "fff0/fff2#2 @0006"),
            ("@0x0006", "fff0/fff2#2 @0006"),
            // The handle of the value.
            ("@7", "fff0/fff2#2 @0006"),
        ] {
            assert_eq!(found(text), want, "{text}");
        }
    }

    #[test]
    fn errors_list_the_characteristics_that_exist() {
        assert_eq!(
            found("fff1"),
            "gatt.ambiguous: Light has several characteristics fff1: fff0/fff1 or @0x0002 (none), ffe0/fff1 or @0x0009 \
             (none)"
        );
        assert_eq!(
            found("fff0/fff2"),
            "gatt.ambiguous: Light has several characteristics fff0/fff2: fff2#1 or @0x0004 (none), fff2#2 or @0x0006 \
             (none)"
        );
        let one = |short| Characteristic::new(uuid16(short), Properties::default());
        let twice = Service::new(uuid16(0xFFF0), vec![one(0xFFF1), one(0xFFF1)]);
        let table =
            GattTable { services: vec![twice, Service::new(uuid16(0xFFE0), vec![one(0xFFF1)])] }.numbered();
        let error = "fff1".parse::<CharacteristicRef>().unwrap().find(&table, "Light").unwrap_err();
        assert!(
            error.to_string().contains(": fff1#1 or @0x0002 (none), fff1#2 or @0x0004 (none), ffe0/fff1 or "),
            "{error}"
        );
        let outline = "(it has: fff0 (fff1, fff2, fff2), ffe0 (fff1))";
        for text in ["2a19", "fff2#3", "@0x0020", "ffe0/fff2"] {
            let text_back = text.parse::<CharacteristicRef>().unwrap();
            assert_eq!(
                found(text),
                format!("gatt.no_characteristic: Light has no characteristic {text_back} {outline}")
            );
        }
    }

    #[test]
    fn a_long_uuid_can_be_shortened_where_it_is_unique() {
        let one = |uuid: &str| Characteristic::new(uuid.parse().unwrap(), Properties::default());
        let service = "69400001-b5a3-f393-e0a9-e50e24dcca99".parse().unwrap();
        let own = vec![
            one("69400002-b5a3-f393-e0a9-e50e24dcca99"),
            one("69400003-b5a3-f393-e0a9-e50e24dcca99"),
            one("69400003-b5a3-f393-e0a9-e50e24dcca99"),
        ];
        let table = GattTable { services: vec![Service::new(service, own)] }.numbered();
        let found = |text: &str| match text.parse::<CharacteristicRef>().unwrap().find(&table, "Light") {
            Ok((_, found)) => format!("@{:04x}", found.handle.unwrap_or_default()),
            Err(error) => error.to_string(),
        };
        for (text, want) in [
            ("69400002", "@0002"),
            ("0x69400002-B5A3", "@0002"),
            ("69400001/69400002", "@0002"),
            ("69400003#2", "@0006"),
        ] {
            assert_eq!(found(text), want, "{text}");
        }
        assert_eq!(
            found("69400"),
            "Light has several characteristics 69400: 69400002-b5a3-f393-e0a9-e50e24dcca99 or @0x0002 (none), \
             69400003-b5a3-f393-e0a9-e50e24dcca99#1 or @0x0004 (none), \
             69400003-b5a3-f393-e0a9-e50e24dcca99#2 or @0x0006 (none)"
        );
        assert!(
            found("69400009").starts_with("Light has no characteristic 69400009 "),
            "{}",
            found("69400009")
        );
        assert!("69400002-zz".parse::<CharacteristicRef>().is_err());
    }

    #[test]
    fn invalid_names_are_refused() {
        for text in ["", "fff", "fff1#0", "fff1#x", "@", "@0", "@10000", "/fff1", "fff0/", "x/fff1", "@+1"] {
            assert!(
                text.parse::<CharacteristicRef>().unwrap_err().contains("is not a characteristic"),
                "{text}"
            );
        }
    }
}
