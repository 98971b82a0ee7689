//! Measures the times of connects and of service discovery.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{BenchPlan, BenchResult, Part, Series, is_round_failure};
use crate::bulb::ended;
use crate::error::Result;
use crate::radio::{Deadline, DeviceId, Link, Radio};

const DISCONNECT_TIME: Duration = Duration::from_secs(5);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// The number of consecutive failures that ends the measurement.
const MAX_FAILURES: u32 = 3;

/// Connects. If a link that was up before us is about to end, connects again.
pub(super) async fn connect(radio: &dyn Radio, device: &DeviceId, time: Duration) -> Result<Arc<dyn Link>> {
    let link = radio.connect(device, Deadline::after(time)).await?;
    if !(link.was_up() && ended(link.as_ref()).await) {
        return Ok(link);
    }
    drop(link);
    radio.connect(device, Deadline::after(time)).await
}

/// Measures connects, and returns the link of the last one.
pub(super) async fn rounds(
    radio: &dyn Radio,
    first: Arc<dyn Link>,
    plan: &BenchPlan,
    result: &mut BenchResult,
) -> Result<Arc<dyn Link>> {
    let wanted = |part| plan.has(part);
    if first.was_up() {
        for part in [Part::Connect, Part::Discovery].into_iter().filter(|part| wanted(*part)) {
            result.skip(part, "the system keeps its link; end it with `bulbctl disconnect`");
        }
        return Ok(first);
    }
    let device = first.device().clone();
    let (mut connects, mut discoveries) = (Series::default(), Series::default());
    let mut tells_discovery = true;
    let mut failures = 0;
    let mut link = Some(first);
    for (_, counts) in plan.all_rounds() {
        if let Some(link) = link.take() {
            disconnect(radio, link).await?;
        }
        let start = Instant::now();
        match radio.connect(&device, Deadline::after(plan.timeout)).await {
            Ok(up) => {
                failures = 0;
                connects.add(counts, Some(start.elapsed()));
                tells_discovery &= up.info().discovery.is_some();
                if tells_discovery {
                    discoveries.add(counts, up.info().discovery);
                }
                link = Some(up);
            }
            Err(error) if is_round_failure(&error) && failures + 1 < MAX_FAILURES => {
                tracing::info!("{error}");
                failures += 1;
                connects.add(counts, None);
            }
            Err(error) => return Err(error),
        }
    }
    if wanted(Part::Connect) {
        result.connect = Some(connects);
    }
    if wanted(Part::Discovery) {
        if tells_discovery {
            result.discovery = Some(discoveries);
        } else {
            result.skip(
                Part::Discovery,
                "this system does not report when discovery starts; it is part of the connect time",
            );
        }
    }
    match link {
        Some(link) => Ok(link),
        None => radio.connect(&device, Deadline::after(plan.timeout)).await,
    }
}

/// Disconnects, and waits until the link is down: that must not be part of the next connect.
async fn disconnect(radio: &dyn Radio, link: Arc<dyn Link>) -> Result<()> {
    let device = link.device().clone();
    link.disconnect().await?;
    drop(link);
    let start = Instant::now();
    while start.elapsed() < DISCONNECT_TIME {
        let known = radio.known_devices().await?;
        if !known.iter().any(|known| known.id == device && known.connected) {
            return Ok(());
        }
        sleep(POLL_INTERVAL).await;
    }
    tracing::warn!("{device}: its link did not end within {DISCONNECT_TIME:?}");
    Ok(())
}
