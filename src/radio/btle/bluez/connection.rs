//! The connection to the system bus over time: where it has ended, another takes its place.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::super::platform_error::{ErrorClass, PlatformError};
use super::super::shared::{SharedState, lock};
use super::bus::Bus;
use super::properties::Objects;
use super::signals::SignalReceiver;
use crate::error::Operation;

/// The pause before the bus is looked for again: the first, and the longest. A bus that is started anew is back within a second.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long one look may take.
const TIME: Duration = Duration::from_secs(5);

/// Where the present connection is. One that has ended stays until there is another, and refuses all that is asked.
#[derive(Debug)]
pub(super) struct BusConnection(Mutex<Arc<Bus>>);

impl BusConnection {
    pub(super) fn new(bus: Bus) -> Self {
        Self(Mutex::new(Arc::new(bus)))
    }

    /// The present connection.
    pub(super) fn bus(&self) -> Arc<Bus> {
        lock(&self.0).clone()
    }
}

/// Puts another connection in the place of each that has ended, for as long as it is polled.
pub(super) async fn keep(
    line: Arc<BusConnection>,
    signals: Arc<SignalReceiver>,
    adapter: String,
    shared: Arc<SharedState>,
) {
    loop {
        line.bus().lost().await;
        let (bus, objects) = again(&signals).await;
        tracing::info!("the system bus is there again");
        *lock(&line.0) = Arc::new(bus);
        signals.begin(adapter.clone(), shared.clone(), objects.as_ref());
    }
}

/// Connects, with growing pauses, and gives what BlueZ has, if it is there yet.
async fn again(signals: &Arc<SignalReceiver>) -> (Bus, Option<Objects>) {
    let mut pause = FIRST_PAUSE;
    loop {
        sleep(pause).await;
        match timeout(TIME, once(signals)).await {
            Ok(Ok(opened)) => return opened,
            Ok(Err(fault)) => tracing::debug!("the system bus is not there: {}", fault.text()),
            Err(_) => tracing::debug!("the system bus does not answer within {TIME:?}"),
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn once(signals: &Arc<SignalReceiver>) -> Result<(Bus, Option<Objects>), PlatformError> {
    let bus = Bus::open(signals.clone()).await?;
    match bus.subscribe().await?.map_err(PlatformError::from) {
        Ok(objects) => Ok((bus, Some(objects))),
        // It ends with the bus, and is started anew after it: that is heard.
        Err(fault) if fault.classify(&Operation::QueryService) == ErrorClass::ServiceDown => Ok((bus, None)),
        Err(fault) => Err(fault),
    }
}
