//! Connects to a bulb, even if the system is about to end its link or has forgotten the bulb.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::time::timeout;

use crate::error::{Error, Result};
use crate::radio::{
    AdapterState, Deadline, DeviceId, Link, LinkState, Radio, SeenDevice, begin_scan, end_scan,
};

/// BlueZ ends a link two seconds after it was asked to (`DISCONNECT_TIMER` in its `src/device.c`), and says until then
/// that it is connected. A little more, for the news to arrive.
pub(super) const ENDING_TIME: Duration = Duration::from_millis(2300);
/// How often to start the scan again, in case another program stopped it.
const SCAN_TIME: Duration = Duration::from_secs(1);

/// Connects; a bulb that the system has forgotten since it was found is looked for again.
///
/// # Errors
/// What [`Radio::connect`] and [`rediscover`] give.
pub async fn connect(radio: &dyn Radio, report: &SeenDevice, deadline: Deadline) -> Result<Arc<dyn Link>> {
    match radio.connect(&report.id, deadline).await {
        Err(error @ Error::ConnectFailed { .. }) if is_forgotten(radio, &report.id).await => {
            tracing::info!("{error}; looking for it again");
            rediscover(radio, report, deadline).await?;
            radio.connect(&report.id, deadline).await
        }
        result => result,
    }
}

async fn is_forgotten(radio: &dyn Radio, device: &DeviceId) -> bool {
    radio.known_devices().await.is_ok_and(|known| known.iter().all(|report| report.id != *device))
}

/// Connects and runs the operation. A link that was up before we came may be one that the command before us has asked to
/// end: when it is lost on the way, the operation runs once more on a link of our own. So it must be one that can be repeated.
///
/// # Errors
/// What [`connect`] and the operation give.
pub async fn with_link<T>(
    radio: &dyn Radio,
    report: &SeenDevice,
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
pub async fn rediscover(radio: &dyn Radio, report: &SeenDevice, deadline: Deadline) -> Result<()> {
    if radio.known_devices().await?.iter().any(|known| known.id == report.id && known.connected) {
        // Another program holds it, so it does not advertise; its link can be shared.
        return Ok(());
    }
    let mut reports = radio.seen_devices();
    let heard = async {
        loop {
            // One who has found its bulb ends the scan of all.
            begin_scan(radio, deadline).await?;
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
    end_scan(radio).await;
    found
}

/// Connects, and leaves the link up for others. One that was up before we came is looked at for as long as it may take
/// to end; if it does, another takes its place.
///
/// # Errors
/// What [`connect`] gives.
pub async fn connect_and_keep(radio: &dyn Radio, report: &SeenDevice, deadline: Deadline) -> Result<()> {
    let mut link = connect(radio, report, deadline).await?;
    if link.was_up() && ended(link.as_ref()).await {
        link = connect(radio, report, deadline).await?;
    }
    link.keep();
    Ok(())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::radio::sim::{SimOptions, open};

    const BULB: &str = "rig = 1\n[[bulb]]\nname = \"Light-1\"\naddress = \"C4:11:00:00:00:01\"\n";
    const TIME: Duration = Duration::from_secs(10);

    /// A bulb that was heard, and so long ago that the system has forgotten it; and the folder of its world.
    async fn forgotten(more: &str) -> (Arc<dyn Radio>, SeenDevice, TempDir) {
        let dir = TempDir::new().unwrap();
        let rig = dir.path().join("rig.toml");
        std::fs::write(&rig, format!("{BULB}{more}")).unwrap();
        let options = SimOptions { dir: Some(dir.path().join("world")), log: None };
        let radio = open(Some(&rig), options).await.unwrap();
        let mut reports = radio.seen_devices();
        radio.start_scan().await.unwrap();
        let report = reports.recv().await.unwrap();
        radio.stop_scan().await.unwrap();
        sleep(Duration::from_secs(31)).await;
        assert!(is_forgotten(radio.as_ref(), &report.id).await);
        (radio, report, dir)
    }

    /// Whether a scan runs, by what is heard in a second.
    async fn scans(radio: &dyn Radio) -> bool {
        let mut reports = radio.seen_devices();
        timeout(Duration::from_secs(1), reports.recv()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_bulb_that_the_system_has_forgotten_is_looked_for_again() {
        let (radio, report, _dir) = forgotten("").await;
        let start = Instant::now();
        let refused = radio.connect(&report.id, Deadline::after(TIME)).await.unwrap_err();
        assert_eq!((refused.code(), start.elapsed()), ("connect.failed", Duration::ZERO), "{refused}");
        let table =
            with_link(radio.as_ref(), &report, Deadline::after(TIME), async |link| Ok(link.table().clone()));
        assert!(!table.await.unwrap().services.is_empty());
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
        // The link is gone, so the bulb would be heard.
        assert!(!scans(radio.as_ref()).await);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_not_heard_again_ends_at_the_deadline() {
        let gone = "[[event]]\nat = \"20s\"\nbulb = \"C4:11:00:00:00:01\"\ndo = \"vanish\"\n\
                    [[event]]\nat = \"50s\"\nbulb = \"C4:11:00:00:00:01\"\ndo = \"appear\"\n";
        let (radio, report, _dir) = forgotten(gone).await;
        let start = Instant::now();
        let error = connect(radio.as_ref(), &report, Deadline::after(TIME)).await.unwrap_err();
        assert_eq!((error.code(), start.elapsed().as_secs()), ("connect.timeout", TIME.as_secs()), "{error}");
        assert!(error.to_string().contains("not heard"), "{error}");
        sleep(TIME).await;
        assert!(!scans(radio.as_ref()).await);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_the_system_knows_is_not_looked_for() {
        let (radio, report, _dir) = forgotten("[[bulb.fault]]\non = \"connect\"\ndo = \"drop\"\n").await;
        rediscover(radio.as_ref(), &report, Deadline::after(TIME)).await.unwrap();
        let last_heard = async || radio.known_devices().await.unwrap()[0].seen.unwrap().last;
        let before = last_heard().await;
        let error = connect(radio.as_ref(), &report, Deadline::after(TIME)).await.unwrap_err();
        assert_eq!((error.code(), last_heard().await), ("connect.failed", before), "{error}");
    }
}
