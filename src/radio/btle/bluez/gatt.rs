//! The GATT client of one device, over D-Bus.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, Weak};

use async_trait::async_trait;
use dbus::arg::{PropMap, RefArg, Variant};

use super::super::platform_error::PlatformError;
use super::super::shared::lock;
use super::super::system::{Gatt, Listener};
use super::bus::Bus;
use super::properties::{CHARACTERISTIC, DEVICE, PROPERTIES};
use super::signals::SignalReceiver;
use crate::radio::{CharacteristicId, GattTable, WriteKind};

pub(super) struct BusGatt {
    bus: Arc<Bus>,
    signals: Arc<SignalReceiver>,
    device: String,
    paths: Mutex<HashMap<CharacteristicId, String>>,
}

impl BusGatt {
    pub(super) fn new(bus: Arc<Bus>, signals: Arc<SignalReceiver>, device: String) -> Self {
        Self { bus, signals, device, paths: Mutex::default() }
    }

    fn path(&self, id: CharacteristicId) -> Result<String, PlatformError> {
        let known = lock(&self.paths).get(&id).cloned();
        known.ok_or_else(|| PlatformError::unnamed(format!("characteristic {id} is not in the table")))
    }
}

impl fmt::Debug for BusGatt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BusGatt").field(&self.device).finish()
    }
}

#[async_trait]
impl Gatt for BusGatt {
    async fn discover(&self) -> Result<GattTable, PlatformError> {
        if self.signals.was_just_resolved(&self.device) {
            // BlueZ announces objects in order, so "resolved" may come before some characteristics.
            // The answer to a request comes after all pending announcements.
            let question = (DEVICE, "ServicesResolved");
            let _: (Variant<Box<dyn RefArg>>,) =
                self.bus.call(&self.device, PROPERTIES, "Get", question).await?;
        }
        let (mut table, mut paths) = self.signals.table(&self.device);
        if table.services.is_empty() {
            // They may have been announced or not. Getting all objects decides.
            self.bus.refresh(&self.signals).await?;
            (table, paths) = self.signals.table(&self.device);
        }
        for (id, ..) in table.all().filter(|(id, ..)| id.nth == 1) {
            let characteristic = CharacteristicId { nth: 0, ..id };
            tracing::warn!("there are several characteristics {characteristic}: the first is used");
        }
        *lock(&self.paths) = paths;
        Ok(table)
    }

    fn mtu(&self) -> Option<u16> {
        self.signals.mtu(&self.device)
    }

    async fn listen(&self, to: Weak<dyn Listener>) -> Result<(), PlatformError> {
        self.signals.listen(&self.device, to);
        Ok(())
    }

    fn echoes_reads(&self) -> bool {
        true
    }

    /// BlueZ announces a value before it answers the read, and signals are taken in order.
    async fn settle(&self) {}

    async fn read(&self, characteristic: CharacteristicId) -> Result<Vec<u8>, PlatformError> {
        let path = self.path(characteristic)?;
        let (value,) = self.bus.call(&path, CHARACTERISTIC, "ReadValue", (PropMap::new(),)).await?;
        Ok(value)
    }

    async fn write(
        &self,
        characteristic: CharacteristicId,
        value: &[u8],
        kind: WriteKind,
    ) -> Result<(), PlatformError> {
        let path = self.path(characteristic)?;
        let options = PropMap::from([("type".to_owned(), Variant(Box::new(kind.name().to_owned()) as _))]);
        Ok(self.bus.call(&path, CHARACTERISTIC, "WriteValue", (value, options)).await?)
    }

    async fn subscribe(&self, characteristic: CharacteristicId) -> Result<(), PlatformError> {
        let path = self.path(characteristic)?;
        Ok(self.bus.call(&path, CHARACTERISTIC, "StartNotify", ()).await?)
    }

    async fn unsubscribe(&self, characteristic: CharacteristicId) -> Result<(), PlatformError> {
        let path = self.path(characteristic)?;
        Ok(self.bus.call(&path, CHARACTERISTIC, "StopNotify", ()).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::bus::played::played;
    use super::super::properties::{Objects, SERVICE};
    use super::super::signals::Scope;
    use super::*;
    use crate::radio::AdapterState;
    use crate::radio::gatt::uuid16;

    const ADAPTER: &str = "/org/bluez/hci0";
    const CONTROL: CharacteristicId = CharacteristicId::short(0xFFF0, 0xFFF1);

    #[tokio::test]
    async fn a_value_is_read_from_the_object_of_its_characteristic() {
        let device = format!("{ADAPTER}/dev_C4_11_00_00_00_01");
        let control = format!("{device}/service0001/char0002");
        let object = |path: &str, interface: &str, uuid: u16| {
            let uuid = Variant(Box::new(uuid16(uuid).to_string()) as Box<dyn RefArg>);
            let properties = PropMap::from([("UUID".to_owned(), uuid)]);
            (path.to_owned().into(), HashMap::from([(interface.to_owned(), properties)]))
        };
        let light = object(&format!("{device}/service0001"), SERVICE, 0xFFF0);
        let objects = Objects::from([light, object(&control, CHARACTERISTIC, 0xFFF1)]);
        let signals = Arc::new(SignalReceiver::new(Scope::Everything));
        let shared = Arc::new(super::super::SharedState::new(AdapterState::On));
        signals.begin(ADAPTER.to_owned(), shared, None, Some(&objects));
        let (bus, bluez) = played(signals.clone(), |call| Some(call.return_with_args((vec![7_u8, 8, 9],))));
        let gatt = BusGatt::new(Arc::new(bus), signals, device);
        // Not discovered yet.
        let text = gatt.read(CONTROL).await.unwrap_err().message;
        assert!(text.contains("is not in the table"), "{text}");
        gatt.discover().await.unwrap();
        assert_eq!(gatt.read(CONTROL).await, Ok(vec![7, 8, 9]));
        let read = bluez.sent(|sent| sent.member().as_deref() == Some("ReadValue"));
        let paths: Vec<_> = read.iter().map(|sent| sent.path().unwrap().to_string()).collect();
        assert_eq!(paths, [control]);
    }
}
