//! The interface to the platform: adapters, devices, and their GATT tables.

use std::fmt;
use std::sync::{Arc, Weak};

use async_trait::async_trait;

use super::adapter_choice::PowerBlock;
use super::platform_error::PlatformError;
use crate::radio::{CharacteristicId, DeviceDetails, DeviceId, GattTable, WriteKind};

/// An adapter. It reports what it receives to its [`SharedState`](super::shared::SharedState).
#[async_trait]
pub(super) trait System: fmt::Debug + Send + Sync {
    async fn start_scan(&self) -> Result<(), PlatformError>;

    async fn stop_scan(&self) -> Result<(), PlatformError>;

    /// Updates the shared state with everything that the system knows.
    async fn refresh(&self) -> Result<(), PlatformError>;

    /// Connects and returns when the system reports success. Dropping the future does not cancel
    /// it: [`disconnect`](System::disconnect) does.
    async fn connect(&self, device: &DeviceId) -> Result<(), PlatformError>;

    /// Ends the link or the attempt. Returns when the request was sent.
    async fn disconnect(&self, device: &DeviceId) -> Result<(), PlatformError>;

    /// The GATT client of a connected device. Returns the same object for the same device.
    async fn gatt(&self, device: &DeviceId) -> Result<Arc<dyn Gatt>, PlatformError>;

    /// Returns true if the system keeps a link when the program that made it ends.
    fn keeps_links(&self) -> bool {
        true
    }

    /// Asks whether a device is connected. `None` where its end is reported without asking.
    async fn is_connected(&self, device: &DeviceId) -> Option<bool> {
        let _ = device;
        None
    }

    /// A second way to ask the system, for facts that this interface lacks.
    fn companion(&self) -> Option<&dyn Companion> {
        None
    }

    async fn details(&self, device: &DeviceId) -> Result<DeviceDetails, PlatformError> {
        match self.companion() {
            Some(companion) => companion.details(device).await,
            None => Ok(DeviceDetails::default()),
        }
    }

    /// Bonds with a connected device. Dropping the future cancels it. Does nothing on macOS and
    /// Windows, which bond when a device asks for it.
    async fn pair(&self, device: &DeviceId) -> Result<(), PlatformError> {
        match self.companion() {
            Some(companion) => companion.pair(device).await,
            None => Ok(()),
        }
    }

    /// The battery level that the system keeps, percent.
    async fn battery(&self, device: &DeviceId) -> Result<Option<u8>, PlatformError> {
        match self.companion() {
            Some(companion) => companion.battery(device).await,
            None => Ok(None),
        }
    }

    /// Returns true if the Bluetooth service runs.
    fn is_running(&self) -> bool {
        self.companion().is_none_or(Companion::is_running)
    }

    /// Returns true if the service can be reached: on Linux, through the message bus.
    fn has_bus(&self) -> bool {
        self.companion().is_none_or(Companion::has_bus)
    }

    /// Returns why the adapter is off.
    async fn block(&self) -> Option<PowerBlock> {
        match self.companion() {
            Some(companion) => companion.block().await,
            None => None,
        }
    }
}

/// Facts about devices and the adapter that the system gives on a way of its own. On Linux that is BlueZ's bus. It
/// keeps the state of the adapter up to date.
#[async_trait]
pub(super) trait Companion: fmt::Debug + Send + Sync {
    async fn details(&self, device: &DeviceId) -> Result<DeviceDetails, PlatformError>;

    async fn pair(&self, device: &DeviceId) -> Result<(), PlatformError>;

    async fn battery(&self, device: &DeviceId) -> Result<Option<u8>, PlatformError>;

    fn is_running(&self) -> bool;

    fn has_bus(&self) -> bool;

    /// Returns when the connection to the system is lost.
    async fn lost(&self);

    /// Returns when there is a connection to the system again.
    async fn reopened(&self);

    async fn block(&self) -> Option<PowerBlock>;
}

pub(super) trait Listener: Send + Sync {
    fn value(&self, characteristic: CharacteristicId, value: Vec<u8>);
}

#[async_trait]
pub(super) trait Gatt: fmt::Debug + Send + Sync {
    /// Gets the GATT table from the system. Call it after each connect.
    async fn discover(&self) -> Result<GattTable, PlatformError>;

    fn mtu(&self) -> Option<u16> {
        None
    }

    async fn listen(&self, to: Weak<dyn Listener>) -> Result<(), PlatformError>;

    /// Returns true if the listener also receives values that were read.
    fn echoes_reads(&self) -> bool;

    /// Returns when all values that came before this call were delivered.
    async fn settle(&self);

    async fn read(&self, characteristic: CharacteristicId) -> Result<Vec<u8>, PlatformError>;

    async fn write(
        &self,
        characteristic: CharacteristicId,
        value: &[u8],
        kind: WriteKind,
    ) -> Result<(), PlatformError>;

    async fn subscribe(&self, characteristic: CharacteristicId) -> Result<(), PlatformError>;

    async fn unsubscribe(&self, characteristic: CharacteristicId) -> Result<(), PlatformError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A system whose companion says all that it can.
    #[derive(Debug)]
    struct Both;

    #[async_trait]
    impl System for Both {
        async fn start_scan(&self) -> Result<(), PlatformError> {
            Ok(())
        }

        async fn stop_scan(&self) -> Result<(), PlatformError> {
            Ok(())
        }

        async fn refresh(&self) -> Result<(), PlatformError> {
            Ok(())
        }

        async fn connect(&self, _: &DeviceId) -> Result<(), PlatformError> {
            Ok(())
        }

        async fn disconnect(&self, _: &DeviceId) -> Result<(), PlatformError> {
            Ok(())
        }

        async fn gatt(&self, _: &DeviceId) -> Result<Arc<dyn Gatt>, PlatformError> {
            Err(PlatformError::unnamed("it has none"))
        }

        fn companion(&self) -> Option<&dyn Companion> {
            Some(self)
        }
    }

    #[async_trait]
    impl Companion for Both {
        async fn details(&self, _: &DeviceId) -> Result<DeviceDetails, PlatformError> {
            Ok(DeviceDetails { bonded: Some(true), ..DeviceDetails::default() })
        }

        async fn pair(&self, _: &DeviceId) -> Result<(), PlatformError> {
            Err(PlatformError::unnamed("it does not pair"))
        }

        async fn battery(&self, _: &DeviceId) -> Result<Option<u8>, PlatformError> {
            Ok(Some(87))
        }

        fn is_running(&self) -> bool {
            false
        }

        fn has_bus(&self) -> bool {
            false
        }

        async fn lost(&self) {}

        async fn reopened(&self) {}

        async fn block(&self) -> Option<PowerBlock> {
            Some(PowerBlock { hard: true })
        }
    }

    #[tokio::test]
    async fn a_system_knows_what_its_companion_knows() {
        let (system, device): (&dyn System, _) = (&Both, DeviceId::new("C4:11:00:00:00:01"));
        assert_eq!(system.battery(&device).await, Ok(Some(87)));
        assert_eq!(system.details(&device).await.map(|details| details.bonded), Ok(Some(true)));
        assert!(system.pair(&device).await.is_err());
        assert_eq!((system.is_running(), system.has_bus()), (false, false));
        assert!(system.block().await.is_some_and(|block| block.hard));
    }
}
