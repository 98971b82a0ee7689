//! Connects to a bulb, even if the system is about to end its link or has forgotten the bulb.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::time::timeout;

use crate::error::{Error, Result};
use crate::radio::{
    AdapterState, Deadline, DeviceId, Link, LinkState, Radio, SeenDevice, begin_scan, end_scan,
};

/// BlueZ ends a link two seconds after a disconnect (`DISCONNECT_TIMER` in its `src/device.c`), and reports it as connected
/// until then. A little more, for the signal to arrive.
pub(super) const ENDING_TIME: Duration = Duration::from_millis(2300);
/// Interval at which to start the scan again, in case another program stopped it.
const SCAN_TIME: Duration = Duration::from_secs(1);

/// Connects. If the system has forgotten the bulb since it was found, scans for it first.
pub async fn connect(radio: &dyn Radio, device: &SeenDevice, deadline: Deadline) -> Result<Arc<dyn Link>> {
    match radio.connect(&device.id, deadline).await {
        Err(error @ Error::ConnectFailed { .. }) if is_forgotten(radio, &device.id).await => {
            tracing::info!("{error}; scanning for it again");
            rediscover(radio, device, deadline).await?;
            radio.connect(&device.id, deadline).await
        }
        result => result,
    }
}

async fn is_forgotten(radio: &dyn Radio, device: &DeviceId) -> bool {
    radio.known_devices().await.is_ok_and(|known| known.iter().all(|known| known.id != *device))
}

/// Waits until a link that may be about to end is down; false if it stays up.
pub(crate) async fn ended(link: &dyn Link) -> bool {
    let mut state = link.state();
    timeout(ENDING_TIME, state.wait_for(|state| *state == LinkState::Down)).await.is_ok()
}

/// Scans until the bulb advertises. BlueZ forgets a device 30 s after its last advertisement, and all devices when it
/// restarts.
pub async fn rediscover(radio: &dyn Radio, device: &SeenDevice, deadline: Deadline) -> Result<()> {
    if radio.known_devices().await?.iter().any(|known| known.id == device.id && known.connected) {
        // Another program is connected to it, so it does not advertise. The link can be shared.
        return Ok(());
    }
    let mut devices = radio.seen_devices();
    let scan = async {
        loop {
            // Another task that has found its bulb stops the scan for all.
            begin_scan(radio, deadline).await?;
            let heard = async {
                loop {
                    match devices.recv().await {
                        Ok(seen) if seen.id == device.id => return,
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
        device: device.label(),
        waited,
        rssi: device.rssi,
        last: Some("no advertisement was received".to_owned()),
    };
    let mut adapter = radio.adapter_state();
    let found = tokio::select! {
        found = deadline.run(scan, late) => found,
        _ = adapter.wait_for(|state| *state != AdapterState::On) => {
            Err(Error::AdapterLost { adapter: radio.adapter().name })
        }
    };
    end_scan(radio).await;
    found
}

/// Connects, and leaves the link up for other commands. If a link that was up before us is about to end, connects again.
pub async fn connect_and_keep(radio: &dyn Radio, device: &SeenDevice, deadline: Deadline) -> Result<()> {
    if !radio.keeps_links() {
        return Err(Error::LinkNotKept { device: device.label() });
    }
    let mut link = connect(radio, device, deadline).await?;
    if link.was_up() && ended(link.as_ref()).await {
        link = connect(radio, device, deadline).await?;
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

    /// A bulb that the system has forgotten since its last advertisement, and the folder of its world.
    async fn forgotten(more: &str) -> (Arc<dyn Radio>, SeenDevice, TempDir) {
        let dir = TempDir::new().unwrap();
        let rig = dir.path().join("rig.toml");
        std::fs::write(&rig, format!("{BULB}{more}")).unwrap();
        let options = SimOptions { dir: Some(dir.path().join("world")), log: None };
        let radio = open(Some(&rig), options).await.unwrap();
        let mut devices = radio.seen_devices();
        radio.start_scan().await.unwrap();
        let device = devices.recv().await.unwrap();
        radio.stop_scan().await.unwrap();
        sleep(Duration::from_secs(31)).await;
        assert!(is_forgotten(radio.as_ref(), &device.id).await);
        (radio, device, dir)
    }

    /// Returns true if a device is seen within a second.
    async fn scans(radio: &dyn Radio) -> bool {
        let mut devices = radio.seen_devices();
        timeout(Duration::from_secs(1), devices.recv()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_forgotten_bulb_is_scanned_for_again() {
        let (radio, device, _dir) = forgotten("").await;
        let start = Instant::now();
        let refused = radio.connect(&device.id, Deadline::after(TIME)).await.unwrap_err();
        assert_eq!((refused.code(), start.elapsed()), ("connect.failed", Duration::ZERO), "{refused}");
        let table =
            connect(radio.as_ref(), &device, Deadline::after(TIME)).await.map(|link| link.table().clone());
        assert!(!table.unwrap().services.is_empty());
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
        // The link is gone, so the bulb advertises again.
        assert!(!scans(radio.as_ref()).await);
    }

    #[tokio::test(start_paused = true)]
    async fn scanning_for_a_silent_bulb_ends_at_the_deadline() {
        let gone = "[[event]]\nat = \"20s\"\nbulb = \"C4:11:00:00:00:01\"\ndo = \"vanish\"\n\
                    [[event]]\nat = \"50s\"\nbulb = \"C4:11:00:00:00:01\"\ndo = \"appear\"\n";
        let (radio, device, _dir) = forgotten(gone).await;
        let start = Instant::now();
        let error = connect(radio.as_ref(), &device, Deadline::after(TIME)).await.unwrap_err();
        assert_eq!((error.code(), start.elapsed().as_secs()), ("connect.timeout", TIME.as_secs()), "{error}");
        assert!(error.to_string().contains("no advertisement"), "{error}");
        sleep(TIME).await;
        assert!(!scans(radio.as_ref()).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_that_was_about_to_end_is_made_again() {
        // An earlier command has disconnected, and the link ends two seconds after ours is there.
        let ends = "[[event]]\nat = \"34s\"\nbulb = \"C4:11:00:00:00:01\"\ndo = \"drop\"\n";
        for (event, time) in [(ends, 1..=3), ("", 2..=3)] {
            let (radio, device, _dir) = forgotten(event).await;
            let start = Instant::now();
            rediscover(radio.as_ref(), &device, Deadline::after(TIME)).await.unwrap();
            connect_and_keep(radio.as_ref(), &device, Deadline::after(TIME)).await.unwrap();
            assert!(start.elapsed() < Duration::from_millis(500), "nobody was there before");
            sleep(Duration::from_secs(1)).await;
            let start = Instant::now();
            connect_and_keep(radio.as_ref(), &device, Deadline::after(TIME)).await.unwrap();
            assert!(time.contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
            let known = radio.known_devices().await.unwrap();
            assert!(known.iter().any(|known| known.id == device.id && known.connected));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_link_to_the_bulb_itself_makes_a_scan_needless() {
        let (radio, device, _dir) =
            forgotten("[[bulb]]\nname = \"Light-2\"\naddress = \"C4:11:00:00:00:02\"\n").await;
        let rediscovered = async || {
            rediscover(radio.as_ref(), &device, Deadline::after(TIME)).await.unwrap();
            let known = radio.known_devices().await.unwrap();
            let known = known.into_iter().find(|known| known.id == device.id);
            known.and_then(|known| known.seen).map(|seen| seen.last)
        };
        let other = SeenDevice { id: DeviceId::new("C4:11:00:00:00:02".to_owned()), ..device.clone() };
        let linked = connect(radio.as_ref(), &other, Deadline::after(TIME)).await.unwrap();
        let first = rediscovered().await;
        assert!(first.is_some(), "the other bulb has a link, this one is forgotten");
        sleep(Duration::from_secs(1)).await;
        let second = rediscovered().await;
        assert!(second > first, "it is known, and may be gone");
        let _link = connect(radio.as_ref(), &device, Deadline::after(TIME)).await.unwrap();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(rediscovered().await, second, "it does not advertise");
        drop(linked);
    }

    #[tokio::test(start_paused = true)]
    async fn a_known_bulb_is_not_scanned_for() {
        let (radio, device, _dir) = forgotten("[[bulb.fault]]\non = \"connect\"\ndo = \"drop\"\n").await;
        rediscover(radio.as_ref(), &device, Deadline::after(TIME)).await.unwrap();
        let last_heard = async || radio.known_devices().await.unwrap()[0].seen.unwrap().last;
        let before = last_heard().await;
        let error = connect(radio.as_ref(), &device, Deadline::after(TIME)).await.unwrap_err();
        assert_eq!((error.code(), last_heard().await), ("connect.failed", before), "{error}");
    }
}
