//! btleplug on the system that this program runs on.

#[cfg(target_os = "linux")]
use std::sync::Arc;

use async_trait::async_trait;
use btleplug::api::{Central as _, Manager as _};
use btleplug::platform::{Adapter, Manager, Peripheral};

use super::super::platform_error::PlatformError;
#[cfg(target_os = "linux")]
use super::super::shared::SharedState;
#[cfg(target_os = "linux")]
use super::super::system::Companion;
use super::{Backend, Ways};
#[cfg(target_os = "linux")]
use crate::radio::AdapterInfo;

#[derive(Debug)]
pub(super) struct Platform;

#[async_trait]
impl Backend for Platform {
    type Central = Adapter;
    type Peripheral = Peripheral;

    fn ways(&self) -> Ways {
        let linux = cfg!(target_os = "linux");
        Ways { asks: linux, keeps_links: linux, echoes_reads: linux, forgets: cfg!(target_vendor = "apple") }
    }

    async fn adapters(&self) -> Result<Vec<(String, Adapter)>, PlatformError> {
        let mut named = Vec::new();
        for adapter in manager().await?.adapters().await? {
            let name = name_of(&adapter.adapter_info().await?);
            named.push((name, adapter));
        }
        Ok(named)
    }

    #[cfg(target_os = "linux")]
    async fn companion(
        &self,
        adapter: &AdapterInfo,
        shared: &Arc<SharedState>,
    ) -> Result<Option<Box<dyn Companion>>, PlatformError> {
        let companion = super::super::bluez::BluezCompanion::open(adapter, shared.clone()).await?;
        Ok(Some(Box::new(companion)))
    }
}

async fn manager() -> Result<Manager, PlatformError> {
    #[cfg(target_os = "linux")]
    hush();
    // Connecting to the bus blocks.
    let runtime = tokio::runtime::Handle::current();
    match tokio::task::spawn_blocking(move || runtime.block_on(Manager::new())).await {
        Ok(manager) => Ok(manager?),
        Err(error) => Err(PlatformError::unnamed(error.to_string())),
    }
}

/// Keeps panic messages of bluez-async off the terminal. Its connect drops a stream, which starts a
/// task that panics if a signal comes at the wrong moment ("No match with that id found",
/// bluez-async 0.9.0). The panic ends only that task. All other panics are reported as before.
#[cfg(target_os = "linux")]
fn hush() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let of_library = panic.location().is_some_and(|place| place.file().contains("/bluez-async-"));
            if of_library {
                tracing::debug!("a task of bluez-async ended in a panic: {panic}");
            } else {
                others(panic);
            }
        }));
    });
}

/// Shortens `hci0 (usb:v1D6Bp0246d0552)` to `hci0`. Other platforms have one adapter with any
/// description.
fn name_of(info: &str) -> String {
    info.split(" (").next().unwrap_or(info).to_owned()
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn the_name_of_an_adapter_is_what_its_description_starts_with() {
        assert_eq!(name_of("hci0 (usb:v1D6Bp0246d0552)"), "hci0");
        assert_eq!(name_of("WinRT"), "WinRT");
    }
}
