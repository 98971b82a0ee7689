//! Connecting, again and again.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::{BenchPlan, Measured, Part, Series, is_of_a_round};
use crate::error::Result;
use crate::radio::{Deadline, DeviceId, Link, LinkState, Radio};

/// BlueZ ends a link two seconds after it was asked to (`DISCONNECT_TIMER` in its `src/device.c`); a little more.
const ENDING_TIME: Duration = Duration::from_millis(2300);
/// How long the end of a link is waited for, and how often it is looked at.
const GONE_TIME: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(20);
/// So many rounds in a row that fail are no accident.
const HOPELESS: u32 = 3;

/// A link; one that is just about to end is not taken for one.
pub(super) async fn fresh(radio: &dyn Radio, device: &DeviceId, time: Duration) -> Result<Arc<dyn Link>> {
    let link = radio.connect(device, Deadline::after(time)).await?;
    if !link.was_up() {
        return Ok(link);
    }
    let mut state = link.state();
    if timeout(ENDING_TIME, state.wait_for(|state| *state == LinkState::Down)).await.is_err() {
        return Ok(link);
    }
    drop(link);
    radio.connect(device, Deadline::after(time)).await
}

/// Measures connects, and gives the link of the last one.
pub(super) async fn rounds(
    radio: &dyn Radio,
    first: Arc<dyn Link>,
    plan: &BenchPlan,
    measured: &mut Measured,
) -> Result<Arc<dyn Link>> {
    let wanted = |part| plan.has(part);
    if first.was_up() {
        for part in [Part::Connect, Part::Discovery].into_iter().filter(|part| wanted(*part)) {
            measured.skip(part, "its link is held by the system; `bulbctl disconnect` drops it");
        }
        return Ok(first);
    }
    let device = first.device().clone();
    let (mut connects, mut discoveries) = (Series::default(), Series::default());
    let mut apart = true;
    let mut in_a_row = 0;
    let mut link = Some(first);
    for (_, counts) in plan.all_rounds() {
        if let Some(link) = link.take() {
            end(radio, link).await?;
        }
        let start = Instant::now();
        match radio.connect(&device, Deadline::after(plan.timeout)).await {
            Ok(up) => {
                in_a_row = 0;
                connects.enter(counts, Some(start.elapsed()));
                apart &= up.info().discovery.is_some();
                if apart {
                    discoveries.enter(counts, up.info().discovery);
                }
                link = Some(up);
            }
            Err(error) if is_of_a_round(&error) && in_a_row + 1 < HOPELESS => {
                tracing::info!("{error}");
                in_a_row += 1;
                connects.enter(counts, None);
            }
            Err(error) => return Err(error),
        }
    }
    if wanted(Part::Connect) {
        measured.connect = Some(connects);
    }
    if wanted(Part::Discovery) {
        if apart {
            measured.discovery = Some(discoveries);
        } else {
            measured.skip(
                Part::Discovery,
                "this system tells only when both are done: it is part of the connect time",
            );
        }
    }
    match link {
        Some(link) => Ok(link),
        None => radio.connect(&device, Deadline::after(plan.timeout)).await,
    }
}

/// Ends a link, and waits until the system says so: its end must not be part of the next connect.
async fn end(radio: &dyn Radio, link: Arc<dyn Link>) -> Result<()> {
    let device = link.device().clone();
    link.disconnect().await?;
    drop(link);
    let start = Instant::now();
    while start.elapsed() < GONE_TIME {
        let known = radio.known_devices().await?;
        if !known.iter().any(|report| report.id == device && report.connected) {
            return Ok(());
        }
        sleep(LOOK).await;
    }
    tracing::warn!("{device}: its link did not end within {GONE_TIME:?}");
    Ok(())
}
