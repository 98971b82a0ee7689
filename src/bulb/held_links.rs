//! Links to the bulbs of a command, and of the commands of one `run` after each other.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::connect::{connect, ended};
use super::families::Families;
use super::session::Session;
use crate::error::{Error, Result};
use crate::radio::{Deadline, DeviceId, Link, LinkState, Radio, SeenDevice};

/// Gives a link to each operation. It closes after the operation, unless links are [held](Self::hold) for the next one.
#[derive(Debug, Default)]
pub struct HeldLinks {
    /// The largest number of links; not set if each closes after its operation.
    limit: OnceLock<usize>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Links that no operation uses, the least recently used first.
    idle: Vec<HeldBulb>,
    /// The number of links in use.
    busy: usize,
}

#[derive(Debug)]
struct HeldBulb {
    link: Arc<dyn Link>,
    session: Option<Session>,
    /// The link was up before this operation, so it may be about to end.
    was_there: bool,
}

/// Counts a link in use until it is dropped.
struct Use<'a>(&'a HeldLinks);

impl Drop for Use<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.busy = state.busy.saturating_sub(1);
    }
}

impl HeldLinks {
    /// From now on, holds up to `limit` links. One more closes the link that was not used for the longest time.
    pub fn hold(&self, limit: usize) {
        // A second call changes nothing: the first limit is as good.
        let _ = self.limit.set(limit.max(1));
    }

    /// Returns true if links stay up for the next operation.
    pub fn holds(&self) -> bool {
        self.limit.get().is_some()
    }

    /// Returns true if a link to this device is held and up.
    pub fn has(&self, device: &DeviceId) -> bool {
        self.state().idle.iter().any(|bulb| bulb.link.device() == device && bulb.is_up())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs an operation over a link. A link that was up before the operation may be one that is about to end: if it
    /// drops, the operation runs once more on a new link. So the operation must be repeatable.
    pub async fn with_link<T>(
        &self,
        radio: &dyn Radio,
        device: &SeenDevice,
        deadline: Deadline,
        mut operation: impl AsyncFnMut(Arc<dyn Link>) -> Result<T>,
    ) -> Result<T> {
        self.with_bulb(radio, device, deadline, async |bulb| operation(Arc::clone(&bulb.link)).await).await
    }

    /// As [`with_link`](Self::with_link), with a session: a new one, or the one that was held.
    pub async fn with_session<T>(
        &self,
        radio: &dyn Radio,
        device: &SeenDevice,
        families: &Families,
        deadline: Deadline,
        mut operation: impl AsyncFnMut(&mut Session) -> Result<T>,
    ) -> Result<T> {
        let holds = self.holds();
        self.with_bulb(radio, device, deadline, async |bulb| {
            let session = match &mut bulb.session {
                Some(session) => {
                    session.catch_up();
                    session
                }
                none => none.insert(Session::open(Arc::clone(&bulb.link), device, families, deadline).await?),
            };
            let result = operation(&mut *session).await;
            if holds && session.is_prepared() {
                session.keep_alive();
            }
            result
        })
        .await
    }

    async fn with_bulb<T>(
        &self,
        radio: &dyn Radio,
        device: &SeenDevice,
        deadline: Deadline,
        mut operation: impl AsyncFnMut(&mut HeldBulb) -> Result<T>,
    ) -> Result<T> {
        let _use = self.begin();
        let mut bulb = match self.take(&device.id) {
            Some(bulb) => bulb,
            None => self.connect(radio, device, deadline).await?,
        };
        let mut result = operation(&mut bulb).await;
        if bulb.was_there && matches!(result, Err(Error::LinkLost { .. })) {
            tracing::info!("{}: the existing link dropped, connecting again", device.label());
            // BlueZ refuses requests on a link that is about to end, but still reports it as connected.
            ended(bulb.link.as_ref()).await;
            drop(bulb);
            bulb = self.connect(radio, device, deadline).await?;
            result = operation(&mut bulb).await;
        }
        self.keep(bulb);
        result
    }

    fn begin(&self) -> Use<'_> {
        self.state().busy += 1;
        Use(self)
    }

    /// Takes the link to this device, if one is held and up.
    fn take(&self, device: &DeviceId) -> Option<HeldBulb> {
        let mut state = self.state();
        let index = state.idle.iter().position(|bulb| bulb.link.device() == device)?;
        let bulb = state.idle.remove(index);
        drop(state);
        if bulb.is_up() {
            return Some(HeldBulb { was_there: true, ..bulb });
        }
        tracing::info!("the held link to {device} dropped, connecting again");
        None
    }

    async fn connect(&self, radio: &dyn Radio, device: &SeenDevice, deadline: Deadline) -> Result<HeldBulb> {
        self.make_room();
        let link = connect(radio, device, deadline).await?;
        Ok(HeldBulb { was_there: link.was_up(), link, session: None })
    }

    /// Closes idle links until one more fits.
    fn make_room(&self) {
        let Some(limit) = self.limit.get() else { return };
        let mut state = self.state();
        state.idle.retain(HeldBulb::is_up);
        let surplus = (state.idle.len() + state.busy).saturating_sub(*limit).min(state.idle.len());
        let closed: Vec<_> = state.idle.drain(..surplus).collect();
        drop(state);
        for bulb in &closed {
            tracing::info!("closing the link to {}: there are {limit} at most", bulb.link.device());
        }
    }

    /// Holds a link for the next operation.
    fn keep(&self, bulb: HeldBulb) {
        if self.holds() && bulb.is_up() {
            self.state().idle.push(bulb);
        }
    }
}

impl HeldBulb {
    fn is_up(&self) -> bool {
        *self.link.state().borrow() == LinkState::Up
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tempfile::TempDir;

    use super::*;
    use crate::bulb::{Change, Power};
    use crate::radio::sim::{SimOptions, open_text};
    use crate::radio::{CharacteristicId, WriteKind};

    const CONTROL: CharacteristicId = CharacteristicId::short(0xFFF0, 0xFFF1);

    struct Bulbs {
        radio: Arc<dyn Radio>,
        all: Vec<SeenDevice>,
        _dir: TempDir,
    }

    impl Bulbs {
        async fn three(faults: &str) -> Self {
            let bulb = |number: u8| {
                format!(
                    "[[bulb]]\nname = \"Light-{number}\"\naddress = \"C4:11:00:00:00:0{number}\"\n{faults}"
                )
            };
            let rig = format!("rig = 1\n{}{}{}", bulb(1), bulb(2), bulb(3));
            let dir = TempDir::new().unwrap();
            let options = SimOptions { dir: Some(dir.path().to_owned()), log: None };
            let radio = open_text(&rig, "rig.toml", options).unwrap();
            radio.start_scan().await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
            radio.stop_scan().await.unwrap();
            let mut all = radio.known_devices().await.unwrap();
            all.sort_by(|one, other| one.id.cmp(&other.id));
            Self { radio, all, _dir: dir }
        }

        /// Writes to the bulb of this index. Returns the number of attempts.
        async fn write(&self, links: &HeldLinks, bulb: usize) -> (Result<()>, u8) {
            let deadline = Deadline::after(Duration::from_secs(10));
            let mut attempts = 0;
            let write = async |link: Arc<dyn Link>| {
                attempts += 1;
                link.write(CONTROL, &[1, 50, 0, 255, 0], WriteKind::Request, deadline).await
            };
            let result = links.with_link(self.radio.as_ref(), &self.all[bulb], deadline, write).await;
            (result, attempts)
        }

        fn held(&self, links: &HeldLinks) -> Vec<bool> {
            self.all.iter().map(|device| links.has(&device.id)).collect()
        }

        async fn connected(&self) -> usize {
            let known = self.radio.known_devices().await.unwrap();
            known.iter().filter(|device| device.connected).count()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_link_that_was_not_used_for_the_longest_time_is_closed_for_one_more() {
        let bulbs = Bulbs::three("").await;
        let links = HeldLinks::default();
        bulbs.write(&links, 0).await.0.unwrap();
        assert_eq!(bulbs.held(&links), [false; 3], "nothing is held unless that is asked for");
        links.hold(2);
        for bulb in [0, 1, 0] {
            bulbs.write(&links, bulb).await.0.unwrap();
        }
        assert_eq!((bulbs.held(&links), bulbs.connected().await), (vec![true, true, false], 2));
        assert_eq!(links.state().idle.len(), 2, "the third operation has used the first link");
        bulbs.write(&links, 2).await.0.unwrap();
        assert_eq!((bulbs.held(&links), bulbs.connected().await), (vec![true, false, true], 2));
        drop(links);
        assert_eq!(bulbs.connected().await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn only_over_a_link_that_was_there_an_operation_is_repeated() {
        let bulbs =
            Bulbs::three("[[bulb.fault]]\non = \"write\"\ndo = \"drop\"\nafter = 1\ncount = 1\n").await;
        let links = HeldLinks::default();
        links.hold(2);
        assert_eq!(bulbs.write(&links, 0).await.1, 1);
        let (result, attempts) = bulbs.write(&links, 0).await;
        assert_eq!((result.is_ok(), attempts), (true, 2));
        let fresh = HeldLinks::default();
        assert_eq!(bulbs.write(&fresh, 1).await.1, 1);
        let (result, attempts) = bulbs.write(&fresh, 1).await;
        assert_eq!((result.unwrap_err().code(), attempts), ("link.lost", 1));
    }

    struct Logged {
        radio: Arc<dyn Radio>,
        device: SeenDevice,
        log: std::path::PathBuf,
        _dir: TempDir,
    }

    impl Logged {
        async fn bulb(profile: &str) -> Self {
            let dir = TempDir::new().unwrap();
            let log = dir.path().join("log");
            let options = SimOptions { dir: Some(dir.path().join("world")), log: Some(log.clone()) };
            let rig =
                format!("rig = 1\n[[bulb]]\nprofile = \"{profile}\"\naddress = \"C4:11:00:00:00:01\"\n");
            let radio = open_text(&rig, "rig.toml", options).unwrap();
            let mut seen = radio.seen_devices();
            radio.start_scan().await.unwrap();
            let device = seen.recv().await.unwrap();
            radio.stop_scan().await.unwrap();
            Self { radio, device, log, _dir: dir }
        }

        async fn perform(&self, links: &HeldLinks, operation: impl AsyncFnMut(&mut Session) -> Result<()>) {
            let (families, deadline) = (Families::default(), Deadline::after(Duration::from_secs(10)));
            links
                .with_session(self.radio.as_ref(), &self.device, &families, deadline, operation)
                .await
                .unwrap();
        }

        /// The number of writes that begin like this.
        fn writes(&self, begin: &str) -> usize {
            let log = std::fs::read_to_string(&self.log).unwrap();
            let records = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
            let writes = records.filter(|record| record["event"] == "write");
            writes.filter(|record| record["hex"].as_str().unwrap().starts_with(begin)).count()
        }
    }

    /// Its keep-alive would be the first frame that such a bulb gets.
    #[tokio::test(start_paused = true)]
    async fn a_held_bulb_to_which_nothing_was_sent_is_not_kept_alive() {
        let bulb = Logged::bulb("govee:h6127").await;
        let links = HeldLinks::default();
        links.hold(1);
        bulb.perform(&links, async |_| Ok(())).await;
        tokio::time::sleep(Duration::from_secs(8)).await;
        assert!(links.has(&bulb.device.id));
        assert_eq!(bulb.writes(""), 0);
    }

    /// Somebody else may have changed it, and it does not say so.
    #[tokio::test(start_paused = true)]
    async fn a_held_bulb_that_only_answers_is_asked_again_after_a_while() {
        let bulb = Logged::bulb("zengge").await;
        let links = HeldLinks::default();
        links.hold(1);
        let mut asked = Vec::new();
        for pause in [0, 1, 10] {
            tokio::time::sleep(Duration::from_secs(pause)).await;
            let before = bulb.writes("ef0177");
            let toggle = Change::power(Power::Toggle);
            bulb.perform(&links, async |session| {
                session.apply(&toggle, Deadline::after(Duration::from_secs(10))).await.map(|_| ())
            })
            .await;
            asked.push(bulb.writes("ef0177") - before);
        }
        // For the state before and the confirmation; the second time only for the latter.
        assert_eq!(asked, [2, 1, 2]);
    }
}
