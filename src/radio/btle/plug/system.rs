//! The system interface on btleplug: opening, scanning, connecting.

use std::sync::Arc;

use async_trait::async_trait;
use btleplug::api::{Central, Peripheral as _, ScanFilter};
use futures::TryFutureExt;
use tokio_util::task::AbortOnDropHandle;

use super::super::adapter_choice::{PowerBlock, choose};
use super::super::platform_error::{ErrorClass, PlatformError};
use super::super::registry::DeviceUpdate;
use super::super::shared::SharedState;
use super::super::system::{Gatt, System};
use super::super::{Opened, open_error, silent};
use super::events::{EventReader, adapter_state, read};
use super::gatt::UndroppedStream;
use super::{Plug, adapters, candidate, id_of, manager};
use crate::error::{Error, Operation, Result};
use crate::radio::{AdapterFacts, Deadline, DeviceId, Diagnosis};

#[derive(Debug)]
struct PlugSystem {
    plug: Plug,
    shared: Arc<SharedState>,
    _feed: AbortOnDropHandle<()>,
}

pub(in super::super) async fn open(wanted: Option<&str>) -> Result<Opened> {
    let to_error = |error: PlatformError| open_error(&error);
    let all = adapters(&manager().await.map_err(to_error)?).await.map_err(to_error)?;
    let mut candidates = Vec::new();
    for (name, adapter) in &all {
        candidates.push(candidate(name, adapter).await);
    }
    let chosen = choose(&mut candidates, wanted)?;
    let central = all.into_iter().find(|(name, _)| *name == chosen.info.name).map(|(_, adapter)| adapter);
    let Some(central) = central else { return Err(Error::AdapterNone) };
    let state = central.adapter_state().await.map_err(|error| to_error(error.into()))?;
    let shared = Arc::new(SharedState::new(adapter_state(&state)));
    let events = UndroppedStream::new(central.events().await.map_err(|error| to_error(error.into()))?);
    let feed = EventReader::new(central.clone(), shared.clone()).run(events);
    let system = PlugSystem {
        plug: Plug::new(central),
        shared: shared.clone(),
        _feed: AbortOnDropHandle::new(tokio::spawn(feed)),
    };
    Ok(Opened { info: chosen.info, shared, system: Arc::new(system) })
}

pub(in super::super) async fn diagnose(wanted: Option<&str>, deadline: Deadline) -> Diagnosis {
    let mut diagnosis = Diagnosis { system: "btleplug".to_owned(), ..Diagnosis::default() };
    let mut candidates = Vec::new();
    let looked = async {
        for (name, adapter) in adapters(&manager().await?).await? {
            candidates.push(candidate(&name, &adapter).await);
        }
        Ok::<_, PlatformError>(())
    };
    if let Err(error) = deadline.run(looked.map_err(|error| open_error(&error)), silent).await {
        diagnosis.error = Some(error);
        return diagnosis;
    }
    let chosen = choose(&mut candidates, wanted);
    let update = candidates.into_iter().map(|one| AdapterFacts {
        chosen: chosen.as_ref().is_ok_and(|chosen| chosen.info == one.info),
        info: one.info,
        powered: one.powered,
        blocked: one.block.map(|block| block.hard),
        discovering: None,
        whole: true,
    });
    diagnosis.adapters = update.collect();
    diagnosis.error = match chosen {
        Ok(chosen) => chosen.unusable(),
        Err(error) => Some(error),
    };
    diagnosis
}

#[async_trait]
impl System for PlugSystem {
    async fn start_scan(&self) -> Result<(), PlatformError> {
        // No filter: BlueZ merges the filters of all programs, and many bulbs do not advertise their service.
        Ok(self.plug.central.start_scan(ScanFilter::default()).await?)
    }

    async fn stop_scan(&self) -> Result<(), PlatformError> {
        Ok(self.plug.central.stop_scan().await?)
    }

    async fn refresh(&self) -> Result<(), PlatformError> {
        for peripheral in self.plug.central.peripherals().await? {
            let connected = peripheral.is_connected().await.ok();
            let update = DeviceUpdate { connected, rssi: None, ..read(&peripheral).await };
            self.shared.merge(&id_of(&peripheral), update);
        }
        Ok(())
    }

    async fn connect(&self, device: &DeviceId) -> Result<(), PlatformError> {
        let gatt = self.plug.gatt(device).await?;
        let result = gatt.peripheral.connect().await.map_err(PlatformError::from);
        let done = |error: &PlatformError| error.classify(&Operation::Connect) == ErrorClass::Done;
        if result.as_ref().err().is_none_or(done) {
            let link =
                DeviceUpdate { connected: Some(true), resolved: Some(true), ..DeviceUpdate::default() };
            self.shared.merge(device, link);
        }
        result
    }

    async fn disconnect(&self, device: &DeviceId) -> Result<(), PlatformError> {
        Ok(self.plug.gatt(device).await?.peripheral.disconnect().await?)
    }

    async fn gatt(&self, device: &DeviceId) -> Result<Arc<dyn Gatt>, PlatformError> {
        Ok(self.plug.gatt(device).await?)
    }

    async fn battery(&self, _: &DeviceId) -> Result<Option<u8>, PlatformError> {
        Ok(None)
    }

    fn is_running(&self) -> bool {
        true
    }

    async fn block(&self) -> Option<PowerBlock> {
        None
    }
}
