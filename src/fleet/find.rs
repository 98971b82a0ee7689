//! Finds the bulbs that a target means: among what the system knows, else by a scan that ends as soon as it can.

use std::time::Duration;

use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{Instant, timeout_at};

use super::candidates::{Candidates, Completeness};
use super::target::{Selector, Target};
use crate::error::{Error, Result};
use crate::radio::{AdapterState, Deadline, Radio, SeenDevice, begin_scan, end_scan};

/// Scan time for a target that may mean any number of bulbs, or several, and for a name that only differs in case: three
/// times the longest advertising interval that bulbs are seen with (1 s).
const WINDOW: Duration = Duration::from_secs(3);
/// Extra scan time for a second bulb with a name that was found: three times the usual interval of 100 ms.
const NAMESAKE_WINDOW: Duration = Duration::from_millis(300);

#[derive(Debug)]
pub struct Found {
    /// The bulbs, in the order in which the target names them, each once.
    pub bulbs: Vec<SeenDevice>,
    /// Errors of single items of the target: not found, or ambiguous.
    pub failures: Vec<(String, Error)>,
    /// The rest of the time for a single bulb.
    pub deadline: Deadline,
}

/// Finds the bulbs of a target among what the system knows, without a scan.
pub async fn find_known(
    radio: &dyn Radio,
    target: &Target,
    deadline: Deadline,
    among: impl Fn(&SeenDevice) -> bool,
) -> Result<Found> {
    // The devices that the system knows cannot be reached if the adapter is off.
    radio.check_adapter().await?;
    let mut devices = Candidates::new(target);
    devices.add(radio.known_devices().await?.into_iter().filter(among));
    Ok(devices.resolve(Duration::ZERO, deadline))
}

/// Finds the bulbs of a target. Those that the system knows are not scanned for; the scan is over before this returns,
/// so that a connect can follow. A bulb that is not found is a failure in the result, not an error.
///
/// With `wait`, waits this long until every part of the target is in reach. The deadline starts after that.
pub async fn find(
    radio: &dyn Radio,
    target: &Target,
    deadline: Deadline,
    wait: Option<Duration>,
) -> Result<Found> {
    radio.check_adapter().await?;
    let start = Instant::now();
    let mut devices = Candidates::new(target);
    let known = radio.known_devices().await?.into_iter();
    // The system also remembers bulbs that have been out of reach for months.
    devices.add(known.filter(|device| wait.is_none() || device.connected));
    let open_end = target.selectors().iter().any(Selector::many);
    let mut rest = deadline;
    if open_end || devices.completeness() < Completeness::Exact {
        tracing::info!("scanning for {}", target.text());
        let mut search =
            Search { radio, reports: radio.seen_devices(), devices: &mut devices, open_end, start };
        begin_scan(radio, deadline).await?;
        let result = async {
            if let Some(wait) = wait {
                search.wait(Deadline::after(wait)).await?;
                rest = deadline.restarted();
            }
            search.collect(target, rest).await
        };
        let result = result.await;
        end_scan(radio).await;
        result?;
    }
    Ok(devices.resolve(start.elapsed(), rest))
}

/// A running scan and what it has found.
struct Search<'a, 'b> {
    radio: &'a dyn Radio,
    reports: broadcast::Receiver<SeenDevice>,
    devices: &'b mut Candidates<'a>,
    /// The target may mean any number of bulbs.
    open_end: bool,
    start: Instant,
}

impl Search<'_, '_> {
    /// Waits until there is a device for every part of the target, or the time is over.
    async fn wait(&mut self, until: Deadline) -> Result<()> {
        let end = Instant::now() + until.remaining();
        while self.devices.completeness() == Completeness::Missing {
            match self.next(end).await? {
                // The radio may also send devices that it saw before this scan.
                Some(device)
                    if device.connected || device.seen.is_some_and(|seen| seen.last >= self.start) =>
                {
                    self.devices.add(std::iter::once(device));
                }
                Some(_) => {}
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// Collects devices until the target is complete or the share of the time for the search is used up.
    async fn collect(&mut self, target: &Target, deadline: Deadline) -> Result<()> {
        // What was found needs time as well.
        let share = |longest: Duration| longest.min(deadline.remaining() / 2);
        let mut end = Instant::now()
            + match target.single() {
                Some(_) => deadline.remaining(),
                None => share(WINDOW),
            };
        let names = target.selectors().iter().any(|wanted| matches!(wanted, Selector::Exact(_)));
        let mut before = Completeness::Missing;
        loop {
            let now = self.devices.completeness();
            if !self.open_end && now > before {
                end = end.min(match now {
                    Completeness::Exact if !names => return Ok(()),
                    Completeness::Exact => Instant::now() + share(NAMESAKE_WINDOW),
                    // The bulb with the exact name may come late.
                    _ => Instant::now() + share(WINDOW),
                });
            }
            before = now;
            match self.next(end).await? {
                Some(device) => self.devices.add(std::iter::once(device)),
                None => return Ok(()),
            }
        }
    }

    /// The next device; `None` at the end of the time.
    async fn next(&mut self, end: Instant) -> Result<Option<SeenDevice>> {
        let mut adapter = self.radio.adapter_state();
        let lost = || Error::AdapterLost { adapter: self.radio.adapter().name };
        loop {
            let report = tokio::select! {
                report = timeout_at(end, self.reports.recv()) => report,
                state = adapter.wait_for(|state| *state != AdapterState::On) => {
                    drop(state);
                    return Err(lost());
                }
            };
            match report {
                Err(_) => return Ok(None),
                Ok(Err(RecvError::Closed)) => return Err(lost()),
                // What was missed is repeated by the next report of each device.
                Ok(Err(RecvError::Lagged(_))) => {}
                Ok(Ok(device)) => return Ok(Some(device)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tempfile::TempDir;

    use super::*;
    use crate::config::Config;
    use crate::radio::DeviceId;
    use crate::radio::sim::{SimOptions, open};

    const BULBS: &str = "rig = 1\n[[bulb]]\nname = \"Light-1\"\naddress = \"C4:11:00:00:00:01\"\n\
                         [[bulb]]\nname = \"Light-2\"\naddress = \"C4:11:00:00:00:02\"\n";

    /// A scan that still runs disturbs the connect that follows.
    #[tokio::test(start_paused = true)]
    async fn the_scan_is_over_when_the_bulbs_are_found_and_when_they_are_not() {
        for (target, bulbs) in [("Light-1", 1), ("C4:11:00:00:00:02", 1), ("Light-*", 2), ("Nobody", 0)] {
            let (_dir, radio) = radio("").await;
            let target = Target::parse(target, &Config::default(), &Arc::default()).unwrap();
            let deadline = Deadline::after(Duration::from_secs(10));
            let found = find(radio.as_ref(), &target, deadline, None).await.unwrap();
            assert_eq!(found.bulbs.len(), bulbs, "{}", target.text());
            let mut devices = radio.seen_devices();
            let next = tokio::time::timeout(Duration::from_secs(5), devices.recv()).await;
            assert!(next.is_err(), "{}: {next:?}", target.text());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn finding_takes_no_longer_than_what_is_meant_needs() {
        let ms = Duration::from_millis;
        // The target, the time for all, and from when to when the search ends. Bulbs advertise every 100 ms.
        for (target, seconds, least, most) in [
            ("C4:11:00:00:00:02", 10, ms(0), ms(250)),
            ("Light-1", 10, NAMESAKE_WINDOW, ms(600)),
            ("light-1", 10, WINDOW, ms(3200)),
            ("Light-*", 10, WINDOW, ms(3200)),
            ("Light-1,Light-*", 10, WINDOW, ms(3200)),
            ("all", 10, WINDOW, ms(3200)),
            ("Light-*", 4, ms(2000), ms(2200)),
        ] {
            let (_dir, radio) = radio("").await;
            let target = Target::parse(target, &Config::default(), &Arc::default()).unwrap();
            let start = Instant::now();
            let deadline = Deadline::after(Duration::from_secs(seconds));
            let found = find(radio.as_ref(), &target, deadline, None).await.unwrap();
            let taken = start.elapsed();
            assert!(!found.bulbs.is_empty());
            assert!((least..=most).contains(&taken), "{} within {seconds} s: {taken:?}", target.text());
        }
    }

    async fn radio(more: &str) -> (TempDir, Arc<dyn Radio>) {
        let dir = TempDir::new().unwrap();
        let rig = dir.path().join("rig.toml");
        std::fs::write(&rig, format!("{BULBS}{more}")).unwrap();
        let options = SimOptions { dir: Some(dir.path().join("world")), log: None };
        let radio = open(Some(&rig), options).await.unwrap();
        (dir, radio)
    }

    async fn found(radio: &dyn Radio, target: &str, wait: Option<Duration>) -> (usize, Duration) {
        let target = Target::parse(target, &Config::default(), &Arc::default()).unwrap();
        let start = Instant::now();
        let found = find(radio, &target, Deadline::after(Duration::from_secs(10)), wait).await.unwrap();
        (found.bulbs.len(), start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_bulb_that_comes_late_is_waited_for() {
        let event = |at: u8, what: &str| {
            format!("[[event]]\nat = \"{at}s\"\nbulb = \"C4:11:00:00:00:02\"\ndo = \"{what}\"\n")
        };
        let (_dir, radio) = radio(&format!("{}{}", event(0, "vanish"), event(7, "appear"))).await;
        let (bulbs, time) = found(radio.as_ref(), "C4:11:00:00:00:02", None).await;
        assert_eq!((bulbs, time.as_secs()), (1, 7));
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_system_knows_is_not_scanned_for_unless_it_has_to_be_in_reach() {
        let (_dir, radio) = radio("").await;
        let second = Some(Duration::from_secs(1));
        found(radio.as_ref(), "all", None).await;
        assert_eq!(found(radio.as_ref(), "C4:11:00:00:00:01", None).await, (1, Duration::ZERO));
        assert_ne!(found(radio.as_ref(), "C4:11:00:00:00:01", second).await.1, Duration::ZERO);
        let id = DeviceId::new("C4:11:00:00:00:01".to_owned());
        let _link = radio.connect(&id, Deadline::after(Duration::from_secs(10))).await.unwrap();
        assert_eq!(found(radio.as_ref(), "C4:11:00:00:00:01", second).await, (1, Duration::ZERO));
    }
}
