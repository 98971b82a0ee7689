//! Opens btleplug again when it is lost.

use std::sync::Arc;
use std::time::Duration;

use btleplug::api::{Central, CentralEvent, CentralState};
use tokio::time::{sleep, timeout};

use super::super::platform_error::PlatformError;
use super::super::shared::SharedState;
use super::super::system::Companion;
use super::events::{EventReader, adapter_state};
use super::gatt::UndroppedStream;
use super::{Backend, Plug};
use crate::radio::AdapterState;

/// The first and the longest pause before the next attempt.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Time limit for one attempt.
const TIME: Duration = Duration::from_secs(5);

/// Reads the events of an adapter. When their stream ends, or the companion has lost the system, the adapter is
/// lost: opens it again. On Linux the stream does not end when the bus does: bluez-async drops the handle of the
/// task that would tell. Never returns.
pub(super) async fn keep<B: Backend>(
    plug: Arc<Plug<B>>,
    shared: Arc<SharedState>,
    companion: Option<Arc<dyn Companion>>,
    name: String,
    opened: (B::Central, UndroppedStream<CentralEvent>),
) {
    let (mut central, mut events) = opened;
    loop {
        let reader = EventReader::new(plug.clone(), central, shared.clone(), companion.is_some());
        tokio::select! {
            () = reader.run(events) => tracing::info!("the events of btleplug have ended"),
            () = lost(companion.as_deref()) => tracing::info!("the connection to the system is lost"),
        }
        plug.replace(None);
        // A companion has already said so, and says when the adapter is there again.
        if companion.is_none() {
            shared.set_adapter(AdapterState::Absent);
        }
        if let Some(companion) = &companion {
            companion.reopened().await;
        }
        let state;
        (central, events, state) = again(&plug, &name).await;
        plug.replace(Some(central.clone()));
        if companion.is_none() {
            shared.set_adapter(adapter_state(&state));
        }
    }
}

async fn lost(companion: Option<&dyn Companion>) {
    match companion {
        Some(companion) => companion.lost().await,
        None => std::future::pending().await,
    }
}

type Reopened<C> = (C, UndroppedStream<CentralEvent>, CentralState);

async fn again<B: Backend>(plug: &Plug<B>, name: &str) -> Reopened<B::Central> {
    let mut pause = FIRST_PAUSE;
    loop {
        sleep(pause).await;
        match timeout(TIME, once(plug, name)).await {
            Ok(Ok(opened)) => return opened,
            Ok(Err(error)) => tracing::debug!("btleplug cannot be opened: {}", error.text()),
            Err(_) => tracing::debug!("btleplug is not open within {TIME:?}"),
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn once<B: Backend>(plug: &Plug<B>, name: &str) -> Result<Reopened<B::Central>, PlatformError> {
    let all = plug.backend.adapters().await?;
    let own = all.into_iter().find(|(own, _)| own == name);
    let (_, central) = own.ok_or_else(|| PlatformError::from(btleplug::Error::NoAdapterAvailable))?;
    let events = UndroppedStream::new(central.events().await?);
    let state = central.adapter_state().await?;
    Ok((central, events, state))
}
