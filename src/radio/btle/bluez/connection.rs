//! Keeps a connection to the system bus: makes a new one when it is lost.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::super::platform_error::{ErrorClass, PlatformError};
use super::super::shared::SharedState;
use super::bus::{Bus, Subscribed};
use super::properties::Objects;
use super::signals::SignalReceiver;
use crate::error::Operation;

/// The first and the longest pause before the next attempt. A restarted bus is back within a
/// second.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Time limit for one attempt.
const TIME: Duration = Duration::from_secs(5);

/// The current connection. A lost one stays, and fails every request, until the next one is made.
#[derive(Debug)]
pub(super) struct BusConnection(watch::Sender<Arc<Bus>>);

impl BusConnection {
    pub(super) fn new(bus: Bus) -> Self {
        Self(watch::Sender::new(Arc::new(bus)))
    }

    pub(super) fn bus(&self) -> Arc<Bus> {
        self.0.borrow().clone()
    }

    /// Returns when there is a connection that is not lost.
    pub(super) async fn reopened(&self) {
        // The sender lives in `self`.
        let _ = self.0.subscribe().wait_for(|bus| bus.is_up()).await;
    }
}

/// Replaces lost connections, and looks at the objects of a BlueZ that was restarted. Never
/// returns.
pub(super) async fn keep(
    line: Arc<BusConnection>,
    signals: Arc<SignalReceiver>,
    adapter: String,
    shared: Arc<SharedState>,
) {
    loop {
        let bus = line.bus();
        tokio::select! {
            biased;
            () = bus.lost() => {}
            () = signals.new_owner() => {
                // Its first signals may have been sent before it owned the name.
                match timeout(TIME, bus.refresh(&signals)).await {
                    Ok(Ok(())) => tracing::info!("BlueZ was started"),
                    Ok(Err(error)) => tracing::debug!("BlueZ was started: {error}"),
                    Err(_) => tracing::debug!("BlueZ was started, and does not answer within {TIME:?}"),
                }
                continue;
            }
        }
        let (bus, owner, objects) = again(&signals).await;
        tracing::info!("the system bus is there again");
        line.0.send_replace(Arc::new(bus));
        signals.begin(adapter.clone(), shared.clone(), owner, objects.as_ref());
    }
}

/// A new connection, the owner of BlueZ's name, and the objects of BlueZ if it is running.
type Reopened = (Bus, Option<String>, Option<Objects>);

async fn again(signals: &Arc<SignalReceiver>) -> Reopened {
    let mut pause = FIRST_PAUSE;
    loop {
        sleep(pause).await;
        match timeout(TIME, once(signals)).await {
            Ok(Ok(opened)) => return opened,
            Ok(Err(error)) => tracing::debug!("the system bus is not there: {}", error.text()),
            Err(_) => tracing::debug!("the system bus does not answer within {TIME:?}"),
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn once(signals: &Arc<SignalReceiver>) -> Result<Reopened, PlatformError> {
    let bus = Bus::open(signals.clone()).await?;
    let Subscribed { owner, objects } = bus.subscribe(signals.scope()).await?;
    match objects.map_err(PlatformError::from) {
        Ok(objects) => Ok((bus, owner, Some(objects))),
        // BlueZ ends with the bus and starts after it. A signal announces that.
        Err(error) if error.classify(&Operation::QueryService) == ErrorClass::ServiceDown => {
            Ok((bus, owner, None))
        }
        Err(error) => Err(error),
    }
}
