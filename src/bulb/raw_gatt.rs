//! Raw GATT access without a profile: read, write and subscribe to single characteristics.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

use crate::error::{Error, Operation, Result};
use crate::radio::gatt::{Characteristic, parse_uuid, uuid_text};
use crate::radio::{CharacteristicId, Deadline, GattTable, Link, Notifications, WriteKind};

/// A characteristic as it is named on the command line: `fff1`, a whole UUID, `fff0/fff1`, `fff1#2` for the second of that
/// UUID, or a handle, `@0x0011`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CharacteristicRef {
    /// By the handle of its declaration or of its value.
    Handle(u16),
    /// By its UUID.
    Uuid {
        /// The service that it is in, where that was said.
        service: Option<Uuid>,
        /// The characteristic.
        characteristic: Uuid,
        /// Which of several that fit, from 1, where that was said.
        number: Option<u8>,
    },
}

impl FromStr for CharacteristicRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is no characteristic: a UUID of 4 or 32 hex digits is needed (fff1), SERVICE/UUID, UUID#2 for the \
                 second of that UUID, or a handle (@0x0011)"
            )
        };
        if let Some(handle) = text.strip_prefix('@') {
            let digits = handle.strip_prefix("0x").unwrap_or(handle);
            let plain = digits.len() <= 4 && digits.chars().all(|c| c.is_ascii_hexdigit());
            let handle = u16::from_str_radix(digits, 16).ok().filter(|handle| plain && *handle > 0);
            return handle.map(Self::Handle).ok_or_else(wrong);
        }
        let (service, rest) = match text.split_once('/') {
            Some((service, rest)) => (Some(parse_uuid(service).ok_or_else(wrong)?), rest),
            None => (None, text),
        };
        let (uuid, number) = match rest.split_once('#') {
            Some((uuid, number)) => {
                let number = number.parse().ok().filter(|number| *number > 0);
                (uuid, Some(number.ok_or_else(wrong)?))
            }
            None => (rest, None),
        };
        Ok(Self::Uuid { service, characteristic: parse_uuid(uuid).ok_or_else(wrong)?, number })
    }
}

impl fmt::Display for CharacteristicRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handle(handle) => write!(f, "@0x{handle:04x}"),
            Self::Uuid { service, characteristic, number } => {
                if let Some(service) = service {
                    write!(f, "{}/", uuid_text(*service))?;
                }
                f.write_str(&uuid_text(*characteristic))?;
                number.map_or(Ok(()), |number| write!(f, "#{number}"))
            }
        }
    }
}

impl CharacteristicRef {
    /// Looks it up in a table.
    pub fn find<'a>(
        &self,
        table: &'a GattTable,
        device: &str,
    ) -> Result<(CharacteristicId, &'a Characteristic)> {
        let fits = |id: &CharacteristicId, found: &Characteristic| match self {
            Self::Handle(handle) => [found.handle, found.value_handle()].contains(&Some(*handle)),
            Self::Uuid { service, characteristic, .. } => {
                service.is_none_or(|service| service == id.service) && *characteristic == id.characteristic
            }
        };
        let fitting: Vec<_> = table.all().filter(|(id, _, found)| fits(id, found)).collect();
        let number = match self {
            Self::Uuid { number, .. } => *number,
            Self::Handle(_) => None,
        };
        let chosen = match (fitting.as_slice(), number) {
            ([one], None) => Some(one),
            ([_, _, ..], None) => {
                return Err(Error::CharacteristicAmbiguous {
                    device: device.to_owned(),
                    characteristic: self.to_string(),
                    candidates: candidates(&fitting.iter().map(|(id, _, c)| (*id, *c)).collect::<Vec<_>>()),
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

/// What to say for each of these: its service where that tells them apart, its number where not, and its handle.
fn candidates(all: &[(CharacteristicId, &Characteristic)]) -> String {
    let names = all.iter().enumerate().map(|(index, (id, found))| {
        let alike = all.iter().filter(|(other, _)| other.service == id.service).count();
        let name = if alike == 1 {
            format!("{}/{}", uuid_text(id.service), uuid_text(id.characteristic))
        } else {
            format!("{}#{}", uuid_text(id.characteristic), index + 1)
        };
        let handle = found.handle.map_or_else(String::new, |handle| format!(" or @0x{handle:04x}"));
        format!("{name}{handle} ({})", found.properties)
    });
    names.collect::<Vec<_>>().join(", ")
}

/// How a value is to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WriteChoice {
    /// As a request where the characteristic takes one: it is answered. Else as a command.
    #[default]
    Auto,
    /// In this way, if the characteristic takes it.
    Only(WriteKind),
}

/// What was done at a characteristic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GattOutcome {
    /// Which one.
    pub id: CharacteristicId,
    /// The handle of its value, where the platform tells.
    pub handle: Option<u16>,
    /// What was done.
    pub operation: GattOperation,
}

/// What can be done at a characteristic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GattOperation {
    /// This was read.
    Read(Vec<u8>),
    /// This was written so.
    Write(Vec<u8>, WriteKind),
    /// This came by itself.
    Notification(Vec<u8>),
    /// From now on, values come by themselves.
    Subscribe,
    /// They do not any more.
    Unsubscribe,
}

/// A link, and the streams that were opened on it.
#[derive(Debug)]
pub struct RawGatt {
    link: Arc<dyn Link>,
    device: String,
    streams: HashMap<CharacteristicId, Notifications>,
}

impl RawGatt {
    /// `device` is what to call it in errors.
    pub fn new(link: Arc<dyn Link>, device: String) -> Self {
        Self { link, device, streams: HashMap::new() }
    }

    /// The characteristic, if it can do what is needed.
    fn able(
        &self,
        place: &CharacteristicRef,
        need: &'static str,
        can: impl FnOnce(&Characteristic) -> bool,
    ) -> Result<(CharacteristicId, Option<u16>)> {
        let (id, found) = place.find(self.link.table(), &self.device)?;
        if can(found) {
            return Ok((id, found.value_handle()));
        }
        Err(Error::PropertyMissing {
            device: self.device.clone(),
            characteristic: place.to_string(),
            need: need.to_owned(),
            have: found.properties.to_string(),
        })
    }

    /// Reads a value.
    pub async fn read(&self, place: &CharacteristicRef, deadline: Deadline) -> Result<GattOutcome> {
        let (id, handle) = self.able(place, "be read", |found| found.properties.readable())?;
        let value = self.link.read(id, deadline).await?;
        Ok(GattOutcome { id, handle, operation: GattOperation::Read(value) })
    }

    /// Writes a value.
    pub async fn write(
        &self,
        place: &CharacteristicRef,
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
        let (id, handle) = self.able(place, need, |found| {
            let properties = found.properties;
            let auto =
                if properties.allows(WriteKind::Request) { WriteKind::Request } else { WriteKind::Command };
            kind = only.unwrap_or(auto);
            properties.allows(kind)
        })?;
        self.link.write(id, value, kind, deadline).await?;
        Ok(GattOutcome { id, handle, operation: GattOperation::Write(value.to_owned(), kind) })
    }

    /// Subscribes; once. What comes from then on waits for [`next`](Self::next), the newest 64.
    pub async fn subscribe(&mut self, place: &CharacteristicRef, deadline: Deadline) -> Result<GattOutcome> {
        let (id, handle) = self.able(place, "notify", |found| found.properties.notifies())?;
        if !self.streams.contains_key(&id) {
            self.streams.insert(id, self.link.subscribe(id, deadline).await?);
        }
        Ok(GattOutcome { id, handle, operation: GattOperation::Subscribe })
    }

    /// Ends a subscription; without one, nothing.
    pub async fn unsubscribe(
        &mut self,
        place: &CharacteristicRef,
        deadline: Deadline,
    ) -> Result<GattOutcome> {
        let (id, handle) = self.able(place, "notify", |_| true)?;
        self.streams.remove(&id);
        self.link.unsubscribe(id, deadline).await?;
        Ok(GattOutcome { id, handle, operation: GattOperation::Unsubscribe })
    }

    /// Waits for the next value that comes by itself where it was subscribed to. Without end: put a deadline over it, or
    /// drop it.
    pub async fn next(&mut self, place: &CharacteristicRef) -> Result<GattOutcome> {
        let (id, handle) = self.able(place, "notify", |_| true)?;
        let Some(stream) = self.streams.get_mut(&id) else {
            return Err(Error::Internal(format!("waiting for {place} without a subscription")));
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
                    let operation = Operation::WaitForNotification(place.to_string());
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
    fn a_characteristic_is_found_by_what_is_unique_of_it() {
        for (text, want) in [
            ("fff0/fff1", "fff0/fff1 @0002"),
            ("0xFFE0/0000fff1-0000-1000-8000-00805f9b34fb", "ffe0/fff1 @0009"),
            ("fff1#2", "ffe0/fff1 @0009"),
            ("fff0/fff2#2", "fff0/fff2#2 @0006"),
            ("@0x0006", "fff0/fff2#2 @0006"),
            // The handle of its value.
            ("@7", "fff0/fff2#2 @0006"),
        ] {
            assert_eq!(found(text), want, "{text}");
        }
    }

    #[test]
    fn what_is_not_unique_or_not_there_is_told_with_what_there_is() {
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
    fn what_is_no_name_of_a_characteristic_is_refused() {
        for text in ["", "fff", "fff1#0", "fff1#x", "@", "@0", "@10000", "/fff1", "fff0/", "x/fff1", "@+1"] {
            assert!(
                text.parse::<CharacteristicRef>().unwrap_err().contains("is no characteristic"),
                "{text}"
            );
        }
    }
}
