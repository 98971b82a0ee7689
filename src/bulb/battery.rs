//! The battery level, by GATT or from the system.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::radio::{CharacteristicId, Deadline, Link, Properties};

/// Battery level 0x2A19 in the battery service 0x180F (Bluetooth Assigned Numbers).
const LEVEL: CharacteristicId = CharacteristicId::short(0x180F, 0x2A19);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Battery {
    /// 0 to 100.
    pub percent: u8,
    pub source: BatterySource,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum BatterySource {
    Gatt,
    /// The level that BlueZ last read. It hides the battery service from programs.
    Bluez,
}

/// Reads the battery level from the bulb, or from BlueZ where that hides the service.
pub async fn read_battery(link: &dyn Link, device: &str, deadline: Deadline) -> Result<Battery> {
    let levels = link
        .table()
        .all()
        .filter(|(_, service, level)| (service.uuid, level.uuid) == (LEVEL.service, LEVEL.characteristic))
        .count();
    if levels > 1 {
        tracing::warn!("{device} has {levels} battery levels; read the others with `gatt read`");
    }
    if link.table().properties(LEVEL).is_some_and(Properties::readable) {
        let value = link.read(LEVEL, deadline).await?;
        return match *value.as_slice() {
            [percent @ 0..=100] => Ok(Battery { percent, source: BatterySource::Gatt }),
            _ => Err(Error::MalformedBattery { device: device.to_owned(), hex: hex::encode(value) }),
        };
    }
    match link.system_battery().await? {
        Some(percent @ 101..) => {
            Err(Error::MalformedBattery { device: device.to_owned(), hex: hex::encode([percent]) })
        }
        Some(percent) => Ok(Battery { percent, source: BatterySource::Bluez }),
        None => {
            let service = link.table().services.iter().any(|service| service.uuid == LEVEL.service);
            Err(Error::NoBattery { device: device.to_owned(), service })
        }
    }
}
