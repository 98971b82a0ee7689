//! The system interface on btleplug: opening, scanning, connecting.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use btleplug::api::{Central, CentralState, Peripheral as _, ScanFilter};
use futures::{StreamExt, TryFutureExt};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::super::adapter_choice::{Candidate, choose};
use super::super::platform_error::{ErrorClass, LOST_EARLY, PlatformError};
use super::super::registry::DeviceUpdate;
use super::super::shared::SharedState;
use super::super::system::{Companion, Gatt, System};
use super::super::{Opened, open_error, silent};
use super::events::{adapter_state, read};
use super::gatt::UndroppedStream;
use super::keeper::keep;
use super::platform::Platform;
use super::{Backend, Plug};
use crate::error::{Error, Operation, Result};
use crate::radio::{AdapterFacts, AdapterInfo, AdapterState, Address, Deadline, DeviceId, Diagnosis};

/// Interval at which to ask whether a link is up while connecting.
const LOOK: Duration = Duration::from_millis(500);

/// Time by which the answer to a connect may follow the news that the link dropped.
const ANSWER_GRACE: Duration = Duration::from_millis(300);
const SEND_PAUSE: Duration = Duration::from_millis(20);
/// The number of devices to ask about at once: on Linux, each is a round trip to BlueZ.
const AT_ONCE: usize = 8;

#[derive(Debug)]
struct PlugSystem<B: Backend> {
    plug: Arc<Plug<B>>,
    shared: Arc<SharedState>,
    companion: Option<Arc<dyn Companion>>,
    _keeper: AbortOnDropHandle<()>,
}

pub(in super::super) async fn open(wanted: Option<&str>) -> Result<Opened> {
    open_on(Platform, wanted).await
}

pub(in super::super) async fn open_on<B: Backend>(backend: B, wanted: Option<&str>) -> Result<Opened> {
    let to_error = |error: PlatformError| open_error(&error);
    let all = backend.adapters().await.map_err(to_error)?;
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
    let companion = backend.companion(&chosen.info, &shared).await.map_err(to_error)?;
    let companion: Option<Arc<dyn Companion>> = companion.map(Arc::from);
    let plug = Arc::new(Plug::new(backend, central.clone()));
    let name = chosen.info.name.clone();
    let keeper = keep(plug.clone(), shared.clone(), companion.clone(), name, (central, events));
    let _keeper = AbortOnDropHandle::new(tokio::spawn(keeper));
    let system = PlugSystem { plug, shared: shared.clone(), companion, _keeper };
    Ok(Opened { info: chosen.info, shared, system: Arc::new(system) })
}

async fn candidate(name: &str, adapter: &impl Central) -> Candidate {
    let address = adapter.adapter_address().await.ok().flatten();
    let address = address.map(|address| Address::new(address.into_inner()));
    // macOS reports "unknown" until it has decided, or if the program has no permission. Using the
    // adapter will tell.
    let powered = match adapter.adapter_state().await {
        Ok(CentralState::PoweredOn) => Some(true),
        Ok(CentralState::PoweredOff) => Some(false),
        Ok(CentralState::Unknown) | Err(_) => None,
    };
    Candidate { info: AdapterInfo { name: name.to_owned(), address }, powered, block: None }
}

pub(in super::super) async fn diagnose(wanted: Option<&str>, deadline: Deadline) -> Diagnosis {
    // BlueZ tells more than btleplug, and which of its adapters btleplug hides.
    #[cfg(target_os = "linux")]
    let base = super::super::bluez::diagnose(wanted, deadline).await;
    #[cfg(not(target_os = "linux"))]
    let base = Diagnosis::default();
    let mut diagnosis = Diagnosis { system: "btleplug".to_owned(), ..base };
    if diagnosis.error.is_some() {
        return diagnosis;
    }
    let mut candidates = Vec::new();
    let looked = async {
        for (name, adapter) in Platform.adapters().await? {
            candidates.push(candidate(&name, &adapter).await);
        }
        Ok::<_, PlatformError>(())
    };
    if let Err(error) = deadline.run(looked.map_err(|error| open_error(&error)), silent).await {
        diagnosis.error = Some(error);
        return diagnosis;
    }
    let chosen = choose(&mut candidates, wanted);
    if diagnosis.adapters.is_empty() {
        let facts = candidates.into_iter().map(|one| AdapterFacts {
            chosen: chosen.as_ref().is_ok_and(|chosen| chosen.info == one.info),
            info: one.info,
            powered: one.powered,
            blocked: None,
            discovering: None,
            whole: true,
        });
        diagnosis.adapters = facts.collect();
    }
    diagnosis.error = match chosen {
        Ok(chosen) => chosen.unusable(),
        Err(error) => Some(error),
    };
    diagnosis
}

impl<B: Backend> PlugSystem<B> {
    fn merge_link(&self, device: &DeviceId, up: bool, resolved: Option<bool>) {
        self.shared.merge(device, DeviceUpdate { connected: Some(up), resolved, ..DeviceUpdate::default() });
    }

    /// Looks for a link while it is made: BlueZ may not signal that it is up. It always signals the end. Never returns.
    async fn watch_link(&self, device: &DeviceId, peripheral: &B::Peripheral) {
        if !self.plug.backend.ways().asks {
            return std::future::pending().await;
        }
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut was_up = false;
        loop {
            looks.tick().await;
            let up = peripheral.is_connected().await.unwrap_or(was_up);
            if up && !was_up {
                self.merge_link(device, true, None);
            }
            was_up = up;
        }
    }
}

#[async_trait]
impl<B: Backend> System for PlugSystem<B> {
    async fn start_scan(&self) -> Result<(), PlatformError> {
        // No filter: BlueZ merges the filters of all programs, and many bulbs do not advertise their service.
        Ok(self.plug.central().await?.start_scan(ScanFilter::default()).await?)
    }

    async fn stop_scan(&self) -> Result<(), PlatformError> {
        Ok(self.plug.central().await?.stop_scan().await?)
    }

    async fn refresh(&self) -> Result<(), PlatformError> {
        let all = self.plug.central().await?.peripherals().await?;
        let asks = all.into_iter().map(async |peripheral| {
            // An answer may be older than the news that the link has ended. A companion tells both in their order.
            let connected =
                async { if self.companion.is_some() { None } else { peripheral.is_connected().await.ok() } };
            let (connected, rest) = futures::join!(connected, read(&peripheral));
            let update = DeviceUpdate { connected, rssi: None, remembered: true, ..rest };
            self.shared.merge(&B::id_of(&peripheral), update);
        });
        futures::stream::iter(asks).buffer_unordered(AT_ONCE).collect::<()>().await;
        Ok(())
    }

    async fn connect(&self, device: &DeviceId) -> Result<(), PlatformError> {
        let gatt = self.plug.gatt(device).await?;
        let mut link = self.shared.watch_link(device);
        let mut adapter = self.shared.adapter();
        let mut has_asked = false;
        let result = loop {
            let drops = link.borrow_and_update().drops;
            let dropped = async {
                // An error means that the radio is closed.
                let _ = link.wait_for(|now| now.drops != drops).await;
                // The answer may be on its way.
                sleep(ANSWER_GRACE).await;
            };
            let asked = async {
                loop {
                    match gatt.peripheral.connect().await.map_err(PlatformError::from) {
                        // The attempt in progress is the one before, of this loop.
                        Err(error) if has_asked && error.is_in_progress() => sleep(LOOK).await,
                        result => return result,
                    }
                }
            };
            tokio::select! {
                biased;
                result = asked => break result,
                // bluez-async waits 30 s for the services of the link that has ended (`await_service_discovery`).
                () = dropped => {
                    tracing::debug!("{device}: the link dropped while btleplug connects");
                    has_asked = true;
                }
                () = self.watch_link(device, &gatt.peripheral) => {}
                // btleplug would wait for its answer from a bus that is gone. The caller asks why.
                _ = adapter.wait_for(|state| *state != AdapterState::On) => {
                    break Err(PlatformError::unnamed(LOST_EARLY));
                }
            }
        };
        let done = |error: &PlatformError| error.classify(&Operation::Connect) == ErrorClass::Done;
        if result.as_ref().err().is_none_or(done) {
            self.merge_link(device, true, Some(true));
            // Its end may have been reported before.
            if let Ok(false) = gatt.peripheral.is_connected().await {
                self.merge_link(device, false, None);
            }
        }
        result
    }

    fn keeps_links(&self) -> bool {
        self.plug.backend.ways().keeps_links
    }

    async fn is_connected(&self, device: &DeviceId) -> Option<bool> {
        let asked = async { self.plug.gatt(device).await.ok()?.peripheral.is_connected().await.ok() };
        timeout(LOOK, asked).await.ok().flatten()
    }

    async fn disconnect(&self, device: &DeviceId) -> Result<(), PlatformError> {
        let central = self.plug.central().await?;
        let gatt = self.plug.gatt(device).await?;
        if !self.plug.backend.ways().asks {
            return Ok(gatt.peripheral.disconnect().await?);
        }
        // BlueZ takes two seconds to answer. The bus keeps the order: an answer to a later question shows that the
        // request has arrived.
        let answer = tokio::select! {
            biased;
            answer = gatt.peripheral.disconnect() => answer.map_err(PlatformError::from),
            Ok(_) = central.adapter_info() => Ok(()),
            else => Ok(()),
        };
        match answer {
            Err(error) if error.is_unsent() => {
                // It is about to be sent. The program must not end before.
                while central.adapter_info().await.is_err() {
                    sleep(SEND_PAUSE).await;
                }
                Ok(())
            }
            answer => answer,
        }
    }

    async fn gatt(&self, device: &DeviceId) -> Result<Arc<dyn Gatt>, PlatformError> {
        Ok(self.plug.gatt(device).await?)
    }

    fn companion(&self) -> Option<&dyn Companion> {
        self.companion.as_deref()
    }
}
