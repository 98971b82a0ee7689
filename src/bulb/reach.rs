//! A link to work on, also where the one that is there is about to end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::time::timeout;

use crate::error::{Error, Result};
use crate::radio::{AdapterState, Deadline, DeviceId, Link, LinkState, Radio, Report};

/// BlueZ ends a link two seconds after it was asked to (`DISCONNECT_TIMER` in its `src/device.c`), and says until then
/// that it is connected. A little more, for the news to arrive.
pub(super) const ENDING_TIME: Duration = Duration::from_millis(2300);
/// How often a scan for a bulb is looked after.
const SCAN_TIME: Duration = Duration::from_secs(1);

/// Connects; a bulb that the system has forgotten since it was found is looked for again.
async fn connect(radio: &dyn Radio, report: &Report, deadline: Deadline) -> Result<Arc<dyn Link>> {
    match radio.connect(&report.id, deadline).await {
        Err(error @ Error::ConnectFailed { .. }) if is_forgotten(radio, &report.id).await => {
            tracing::info!("{error}; looking for it again");
            find_again(radio, report, deadline).await?;
            radio.connect(&report.id, deadline).await
        }
        result => result,
    }
}

async fn is_forgotten(radio: &dyn Radio, device: &DeviceId) -> bool {
    radio.known().await.is_ok_and(|known| known.iter().all(|report| report.id != *device))
}

/// Connects and runs the operation. A link that was up before we came may be one that the command before us has asked to
/// end: when it is lost on the way, the operation runs once more on a link of our own. So it must be one that can be repeated.
///
/// # Errors
/// What [`Radio::connect`], [`find_again`] and the operation give.
pub async fn reach<T>(
    radio: &dyn Radio,
    report: &Report,
    deadline: Deadline,
    mut operation: impl AsyncFnMut(Arc<dyn Link>) -> Result<T>,
) -> Result<T> {
    let link = connect(radio, report, deadline).await?;
    match operation(Arc::clone(&link)).await {
        Err(Error::LinkLost { .. }) if link.was_up() => {
            tracing::info!("{}: the link that was there has ended, connecting anew", report.label());
            // BlueZ refuses what is asked of a link that is about to end, and says all the same that it is connected.
            ended(link.as_ref()).await;
            drop(link);
            operation(connect(radio, report, deadline).await?).await
        }
        result => result,
    }
}

/// Waits for the end of a link for as long as it may take, and says whether it came.
pub(super) async fn ended(link: &dyn Link) -> bool {
    let mut state = link.state();
    timeout(ENDING_TIME, state.wait_for(|state| *state == LinkState::Down)).await.is_ok()
}

/// Scans until the bulb is heard. The system forgets devices: BlueZ 30 s after it last heard them, and all when it is
/// started anew.
///
/// # Errors
/// [`Error::ConnectTimeout`], [`Error::AdapterLost`], and what scanning gives.
pub async fn find_again(radio: &dyn Radio, report: &Report, deadline: Deadline) -> Result<()> {
    if radio.known().await?.iter().any(|known| known.id == report.id && known.connected) {
        // Another program holds it, so it does not advertise; its link can be shared.
        return Ok(());
    }
    let mut reports = radio.reports();
    let heard = async {
        loop {
            // One who has found its bulb ends the scan of all.
            radio.start_scan().await?;
            let heard = async {
                loop {
                    match reports.recv().await {
                        Ok(heard) if heard.id == report.id => return,
                        Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                        Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                    }
                }
            };
            if timeout(SCAN_TIME, heard).await.is_ok() {
                return Ok(());
            }
        }
    };
    let late = |waited| Error::ConnectTimeout {
        device: report.label(),
        waited,
        rssi: report.rssi,
        last: Some("it was not heard".to_owned()),
    };
    let mut adapter = radio.adapter_state();
    let found = tokio::select! {
        found = deadline.run(heard, late) => found,
        _ = adapter.wait_for(|state| *state != AdapterState::On) => {
            Err(Error::AdapterLost { adapter: radio.adapter().name })
        }
    };
    // A scan that was ended with the adapter is no trouble.
    let stopped = radio.stop_scan().await;
    found?;
    stopped
}

/// Connects, and leaves the link up for others. One that was up before we came is looked at for as long as it may take
/// to end; if it does, another takes its place.
///
/// # Errors
/// What [`Radio::connect`] gives.
pub async fn hold(radio: &dyn Radio, device: &DeviceId, deadline: Deadline) -> Result<()> {
    let mut link = radio.connect(device, deadline).await?;
    if link.was_up() && ended(link.as_ref()).await {
        link = radio.connect(device, deadline).await?;
    }
    link.keep();
    Ok(())
}
