//! The device information service of a bulb.

use bulb_protocol::text::trim_padding;

use crate::error::{Error, Result};
use crate::radio::{CharacteristicId, Deadline, Link, Properties};

/// Device information 0x180A (Bluetooth Assigned Numbers).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceInfo {
    /// 0x2A29.
    pub manufacturer: Option<String>,
    /// 0x2A24.
    pub model: Option<String>,
    /// 0x2A26.
    pub firmware: Option<String>,
    /// 0x2A27.
    pub hardware: Option<String>,
    /// 0x2A25.
    pub serial: Option<String>,
}

/// Reads the texts as they are (see `sanitise`). Leaves out those that are missing or unreadable.
pub async fn read_device_info(link: &dyn Link, deadline: Deadline) -> Result<DeviceInfo> {
    Ok(DeviceInfo {
        manufacturer: text(link, 0x2A29, deadline).await?,
        model: text(link, 0x2A24, deadline).await?,
        firmware: text(link, 0x2A26, deadline).await?,
        hardware: text(link, 0x2A27, deadline).await?,
        serial: text(link, 0x2A25, deadline).await?,
    })
}

async fn text(link: &dyn Link, characteristic: u16, deadline: Deadline) -> Result<Option<String>> {
    let id = CharacteristicId::short(0x180A, characteristic);
    if !link.table().properties(id).is_some_and(Properties::readable) {
        return Ok(None);
    }
    match link.read(id, deadline).await {
        Ok(value) => {
            let text = String::from_utf8_lossy(&value);
            let text = trim_padding(&text);
            Ok((!text.is_empty()).then(|| text.to_owned()))
        }
        Err(error @ Error::LinkLost { .. }) => Err(error),
        Err(error) => {
            tracing::info!("device information {characteristic:04x}: {error}");
            Ok(None)
        }
    }
}
