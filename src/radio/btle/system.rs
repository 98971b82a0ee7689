//! What differs between the platforms: how to reach a device, and how to talk to it.

use std::fmt;
use std::sync::{Arc, Weak};

use async_trait::async_trait;

use super::adapter_choice::PowerBlock;
use super::platform_error::PlatformError;
use crate::radio::{CharacteristicId, DeviceDetails, DeviceId, GattTable, WriteKind};

/// One adapter of the system. What it hears goes into the shared that it was made with.
#[async_trait]
pub(super) trait System: fmt::Debug + Send + Sync {
    /// Starts the scan.
    async fn start_scan(&self) -> Result<(), PlatformError>;

    /// Ends the scan.
    async fn stop_scan(&self) -> Result<(), PlatformError>;

    /// Brings the shared up to date with all that the system knows.
    async fn refresh(&self) -> Result<(), PlatformError>;

    /// Connects, and returns when the system says that it has. Dropping the future does not cancel it:
    /// [`disconnect`](System::disconnect) does.
    async fn connect(&self, device: &DeviceId) -> Result<(), PlatformError>;

    /// Ends the link, or the attempt, and returns when that was sent.
    async fn disconnect(&self, device: &DeviceId) -> Result<(), PlatformError>;

    /// The way to the services of a connected device. The same device gives the same object each time.
    async fn gatt(&self, device: &DeviceId) -> Result<Arc<dyn Gatt>, PlatformError>;

    /// What else the system knows of a device.
    async fn details(&self, device: &DeviceId) -> Result<DeviceDetails, PlatformError> {
        let _ = device;
        Ok(DeviceDetails::default())
    }

    /// Bonds with a connected device. Dropping the future cancels that. Where the system bonds by itself when a device asks for it,
    /// there is nothing to do: macOS and Windows do, and btleplug has no call for it.
    async fn pair(&self, device: &DeviceId) -> Result<(), PlatformError> {
        let _ = device;
        Ok(())
    }

    /// The battery level that the system keeps, percent.
    async fn battery(&self, device: &DeviceId) -> Result<Option<u8>, PlatformError>;

    /// Whether the Bluetooth service is there.
    fn is_running(&self) -> bool;

    /// Whether the way to that service is there: on Linux, the message bus.
    fn has_bus(&self) -> bool {
        true
    }

    /// What holds the adapter off, if something does.
    async fn block(&self) -> Option<PowerBlock>;
}

/// Where notifications go.
pub(super) trait Listener: Send + Sync {
    /// A value came, notified or read.
    fn value(&self, characteristic: CharacteristicId, value: Vec<u8>);
}

/// The services of one device, over all the links to it.
#[async_trait]
pub(super) trait Gatt: fmt::Debug + Send + Sync {
    /// Reads the table from the system; again after each connect.
    async fn discover(&self) -> Result<GattTable, PlatformError>;

    /// The ATT MTU of the present link, bytes, where the platform tells.
    fn mtu(&self) -> Option<u16> {
        None
    }

    /// Opens the stream of values if it is not open, and has them go there from now on.
    async fn listen(&self, to: Weak<dyn Listener>) -> Result<(), PlatformError>;

    /// Whether what is read comes to the listener too.
    fn echoes_reads(&self) -> bool;

    /// Returns when all values that came before this call have gone to the listener.
    async fn settle(&self);

    /// Reads a value.
    async fn read(&self, characteristic: CharacteristicId) -> Result<Vec<u8>, PlatformError>;

    /// Writes a value.
    async fn write(
        &self,
        characteristic: CharacteristicId,
        value: &[u8],
        kind: WriteKind,
    ) -> Result<(), PlatformError>;

    /// Asks for notifications.
    async fn subscribe(&self, characteristic: CharacteristicId) -> Result<(), PlatformError>;

    /// Ends them.
    async fn unsubscribe(&self, characteristic: CharacteristicId) -> Result<(), PlatformError>;
}
