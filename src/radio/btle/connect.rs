//! Connects to a device: several attempts within one deadline. Giving up also cancels the attempt
//! in the system.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::link::{BtleLink, RadioHandle};
use super::platform_error::{Context, ErrorClass, LOST_EARLY, PlatformError};
use super::registry::SystemLink;
use super::system::Gatt;
use crate::error::{Error, Operation, Result};
use crate::radio::gatt::uuid16;
use crate::radio::retry::{self, ATTEMPTS};
use crate::radio::{Deadline, DeviceId, GattTable, LinkInfo, OnDrop};

/// Time limit for an old link to end. BlueZ takes two seconds after the request, and reports
/// the link as connected until then.
const CLOSING_TIME: Duration = Duration::from_secs(3);
/// Time between the end of a link, whoever ended it, and a request for the next one. BlueZ 5.66 reports the end of a link
/// before it closes its channel. A connect that it gets in between loses its own channel too, and is never answered.
const CLOSED_TIME: Duration = Duration::from_millis(250);
/// Time by which the answer to a connect may follow the news that the link dropped.
const ANSWER_GRACE: Duration = Duration::from_millis(250);
/// Time for which, and interval at which, to look again for a missing GATT table. After an abort, BlueZ reports
/// "resolved" about 800 ms before the services are there.
const TABLE_TIME: Duration = Duration::from_secs(2);
const TABLE_EVERY: Duration = Duration::from_millis(200);
/// The least remaining time for which a new link is worth it: BlueZ ends the old one in two
/// seconds, and discovery is given as long.
const FRESH_TIME: Duration = Duration::from_secs(5);

const DETAILS_TIME: Duration = Duration::from_secs(1);

enum Failure {
    Again(PlatformError),
    /// The link is up but has no useful services. A new link may have them.
    Bare,
    /// The adapter has no free connection, and this program holds some.
    Full(PlatformError),
    Final(Error),
}

/// The reason why a few attempts ended.
enum Ended {
    Final(Error),
    /// The reason of the last attempt.
    Tried(PlatformError),
}

struct Attempt<'a> {
    radio: &'a RadioHandle,
    device: &'a DeviceId,
    label: String,
    deadline: Deadline,
    last: Option<PlatformError>,
    /// A link without services was given up already. The next one is used as it is.
    bare: bool,
}

pub(super) async fn connect(
    radio: &RadioHandle,
    device: &DeviceId,
    deadline: Deadline,
) -> Result<Arc<BtleLink>> {
    let known = radio.shared.seen_device(device);
    let mut attempt = Attempt {
        radio,
        device,
        label: known.as_ref().map_or_else(|| device.to_string(), |device| device.label()),
        deadline,
        last: None,
        bare: false,
    };
    let turn = radio.shared.turn(device);
    let in_turn = async { Ok(turn.lock().await) };
    let _turn = deadline.run(in_turn, |waited| attempt.timed_out(waited)).await?;
    if let Some(link) = radio.shared.link(device) {
        return Ok(link);
    }
    attempt.wait_for_the_end_of_the_last().await;
    let mut freed = radio.shared.freed();
    let mut held = 0;
    if radio.shared.is_full(device) {
        // It may have room by now: other programs hold links too, and end them.
        let _ = timeout(CLOSING_TIME.min(deadline.remaining()), freed.changed()).await;
    }
    loop {
        freed.borrow_and_update();
        let error = match attempt.some().await {
            Ok(link) => {
                radio.shared.learn_slots(held);
                return Ok(link);
            }
            Err(Ended::Final(error)) => return Err(error),
            Err(Ended::Tried(error)) => error,
        };
        held = radio.shared.held_besides(device);
        let is_freed = freed.has_changed().unwrap_or_default();
        if !error.may_be_full() || (held == 0 && !is_freed) {
            return Err(attempt.with_the_bond(&error, attempt.error(&error)).await);
        }
        tracing::info!("{}: waiting for a free connection", attempt.label);
        let full = || attempt.error(&error);
        deadline.run(async { freed.changed().await.map_err(|_| full()) }, |_| full()).await?;
    }
}

impl Attempt<'_> {
    /// Makes a few attempts.
    async fn some(&mut self) -> Result<Arc<BtleLink>, Ended> {
        let mut last = PlatformError::unnamed("no attempt was made");
        for number in 1..=ATTEMPTS {
            if number > 1 {
                self.back_off(number, &last).await.map_err(Ended::Final)?;
                self.wait_for_the_end_of_the_last().await;
                self.last = Some(last);
            }
            last = match self.once().await {
                Ok(link) => return Ok(link),
                Err(Failure::Final(error)) => return Err(Ended::Final(error)),
                Err(Failure::Full(error)) => return Err(Ended::Tried(error)),
                Err(Failure::Again(error)) => error,
                Err(Failure::Bare) => {
                    self.bare = true;
                    PlatformError::unnamed("it has no services yet")
                }
            };
        }
        Err(Ended::Tried(last))
    }

    fn error(&self, error: &PlatformError) -> Error {
        if error.may_be_full() && self.radio.shared.held_besides(self.device) > 0 {
            return Error::ConnectLimit { device: self.label.clone(), limit: None };
        }
        let context = Context {
            adapter: &self.radio.adapter,
            device: &self.label,
            rssi: self.rssi(),
            waited: self.deadline.waited(),
        };
        error.to_error(&Operation::Connect, context)
    }

    /// A bulb that lost its bond cannot encrypt, and the link ends. BlueZ does not report this
    /// reason.
    async fn with_the_bond(&self, cause: &PlatformError, error: Error) -> Error {
        let details = self
            .deadline
            .within(DETAILS_TIME)
            .run(async { self.radio.system.details(self.device).await.map_err(|_| ()) }, |_| ());
        match error {
            Error::ConnectFailed { device, reason, rssi }
                if cause.is_abort() && details.await.is_ok_and(|known| known.bonded == Some(true)) =>
            {
                let id = self.device;
                let reason = format!(
                    "{reason}; it is paired with this computer; if it was reset, remove it with `bluetoothctl remove {id}` \
                     and pair again"
                );
                Error::ConnectFailed { device, reason, rssi }
            }
            error => error,
        }
    }

    fn timed_out(&self, waited: Duration) -> Error {
        let last = self.last.as_ref().map(PlatformError::reason);
        Error::ConnectTimeout { device: self.label.clone(), waited, rssi: self.rssi(), last }
    }

    fn unresolved(&self, waited: Duration) -> Failure {
        Failure::Final(Error::DiscoverTimeout { device: self.label.clone(), waited, rssi: self.rssi() })
    }

    fn rssi(&self) -> Option<i16> {
        self.radio.shared.seen_device(self.device).and_then(|device| device.rssi)
    }

    /// Waits for a link that was asked to end. Until it has ended, BlueZ reports it as connected.
    async fn wait_for_the_end_of_the_last(&self) {
        let mut system_link = self.radio.shared.watch_link(self.device);
        if self.radio.shared.is_closing(self.device) {
            tracing::debug!("{}: waiting for the last link to end", self.label);
            let limit = self.deadline.within(CLOSING_TIME);
            let ended = async {
                system_link.wait_for(|system_link| !system_link.connected).await.map(|_| ()).map_err(|_| ())
            };
            let _ = limit.run(ended, |_| ()).await;
        }
        let ended = system_link.borrow().ended;
        if let Some(ended) = ended.filter(|_| self.radio.system.keeps_links()) {
            let rest = CLOSED_TIME.saturating_sub(ended.elapsed());
            sleep(rest.min(self.deadline.remaining())).await;
        }
    }

    async fn back_off(&self, number: u32, error: &PlatformError) -> Result<()> {
        let pause = retry::pause(self.device, number);
        if self.deadline.remaining() <= pause {
            return Err(self.error(error));
        }
        self.radio.shared.attempts.tell(self.device, &self.label, number, &error.reason());
        sleep(pause).await;
        Ok(())
    }

    async fn check_adapter(&self) -> Result<(), Failure> {
        self.radio.check_adapter().await.map_err(Failure::Final)
    }

    async fn once(&self) -> Result<Arc<BtleLink>, Failure> {
        self.check_adapter().await?;
        let mut system_link = self.radio.shared.watch_link(self.device);
        let mut start = *system_link.borrow_and_update();
        // A connect can be given up at any point.
        let disconnect = || {
            self.radio.shared.set_closing(self.device);
            self.radio.disconnects.disconnect(self.device);
        };
        let mut cancel = OnDrop { armed: !start.connected, call: disconnect };
        let seen = system_link.clone();
        let rising = async {
            // If it is connected but not resolved, another program is connecting; this joins that
            // attempt.
            if !start.resolved {
                self.ask(&mut system_link, &mut start, &mut cancel).await?;
            }
            self.resolve(&mut system_link, start).await
        };
        let (risen, up) = noting_when_up(seen, rising).await;
        risen?;
        let (gatt, table) = self.discover(&mut system_link, start).await?;
        let discovery = up.filter(|_| !start.connected).map(|up| up.elapsed());
        let (device, label, was_up) = (self.device.clone(), self.label.clone(), start.connected);
        let info = LinkInfo { device, label, was_up, table, discovery };
        let link = Arc::new(BtleLink::new(self.radio.clone(), info, gatt));
        self.radio.shared.enter(self.device, &link);
        cancel.armed = false;
        // From here on the link is notified of drops. Drops before that are noticed here.
        if self.radio.shared.system_link(self.device).drops != start.drops {
            link.down();
            return Err(dropped());
        }
        Ok(link)
    }

    /// Asks the system to connect, and fails at once if the link drops meanwhile.
    async fn ask(
        &self,
        system_link: &mut watch::Receiver<SystemLink>,
        start: &mut SystemLink,
        cancel: &mut OnDrop<impl FnMut()>,
    ) -> Result<(), Failure> {
        let answer = self.radio.system.connect(self.device);
        tokio::pin!(answer);
        let race = async {
            loop {
                tokio::select! {
                    biased;
                    answer = &mut answer => return Ok::<_, Failure>(answer),
                    () = dropped_since(system_link, *start) => {}
                }
                if !start.connected {
                    return match timeout(ANSWER_GRACE, &mut answer).await {
                        Ok(Err(error)) => Ok(Err(error)),
                        _ => Err(dropped()),
                    };
                }
                // The link from before has dropped. The request makes a new one, which is ours to end.
                *start = SystemLink { connected: false, resolved: false, ..*system_link.borrow() };
                cancel.armed = true;
            }
        };
        // btleplug discovers the services before it answers.
        let late = |waited| match self.radio.shared.system_link(self.device).connected {
            true => self.unresolved(waited),
            false => Failure::Final(self.timed_out(waited)),
        };
        let Err(error) = self.deadline.run(race, late).await? else { return Ok(()) };
        let class = error.classify(&Operation::Connect);
        if class == ErrorClass::Done {
            return Ok(());
        }
        // A refused request leaves nothing of ours under way. Cancelling would hit the attempt of another program. But
        // btleplug's connect can fail with the link up.
        let is_up = self.radio.shared.system_link(self.device).connected;
        let stays = is_up && self.radio.system.keeps_links() && !error.is_abort();
        cancel.armed &= stays && !error.is_in_progress();
        if class == ErrorClass::Limit && self.radio.shared.held_besides(self.device) > 0 {
            return Err(Failure::Full(error));
        }
        if class != ErrorClass::Again {
            return Err(Failure::Final(self.error(&error)));
        }
        // Switching the adapter off gives the same error as a weak link.
        self.check_adapter().await?;
        Err(Failure::Again(error))
    }

    async fn resolve(
        &self,
        system_link: &mut watch::Receiver<SystemLink>,
        start: SystemLink,
    ) -> Result<(), Failure> {
        let resolved = async {
            let now = system_link.wait_for(|now| now.resolved || now.drops != start.drops).await;
            match now {
                Ok(now) if now.drops == start.drops => Ok(()),
                _ => Err(dropped()),
            }
        };
        self.deadline.run(resolved, |waited| self.unresolved(waited)).await
    }

    /// Gets the GATT table, again while it is empty.
    async fn discover(
        &self,
        system_link: &mut watch::Receiver<SystemLink>,
        start: SystemLink,
    ) -> Result<(Arc<dyn Gatt>, GattTable), Failure> {
        let gatt = self.radio.system.gatt(self.device).await.map_err(|error| self.unless_gone(&error))?;
        let patience = self.deadline.within(TABLE_TIME);
        loop {
            let look = async {
                tokio::select! {
                    biased;
                    table = gatt.discover() => Ok(table),
                    () = dropped_since(system_link, start) => Err(dropped()),
                }
            };
            let table = self.deadline.run(look, |waited| self.unresolved(waited)).await?;
            let over = patience.remaining() <= TABLE_EVERY;
            match table {
                // After an abort, BlueZ can report "resolved" on a link whose services never come
                // (bluez#1489). A link that was up before stays.
                Ok(table)
                    if over
                        && is_bare(&table)
                        && !self.bare
                        && !start.connected
                        && self.deadline.remaining() > FRESH_TIME =>
                {
                    return Err(Failure::Bare);
                }
                Ok(table) if over || !is_bare(&table) => return Ok((gatt, table)),
                Err(error) if over || error.classify(&Operation::QueryService) != ErrorClass::Gone => {
                    return Err(self.unless_gone(&error));
                }
                _ => tracing::debug!("{}: no services yet", self.label),
            }
            sleep(TABLE_EVERY).await;
        }
    }

    /// A device that disappears during discovery has dropped the link.
    fn unless_gone(&self, error: &PlatformError) -> Failure {
        match error.classify(&Operation::QueryService) {
            ErrorClass::Gone => Failure::Again(error.clone()),
            _ => Failure::Final(self.error(error)),
        }
    }
}

async fn dropped_since(system_link: &mut watch::Receiver<SystemLink>, start: SystemLink) {
    // An error means that the radio was dropped, and the link with it.
    let _ = system_link.wait_for(|now| now.drops != start.drops).await;
}

/// Runs `work` and returns its result with the time at which the link came up.
async fn noting_when_up<T>(
    mut system_link: watch::Receiver<SystemLink>,
    work: impl Future<Output = T>,
) -> (T, Option<Instant>) {
    tokio::pin!(work);
    let now = system_link.clone();
    let mut up = None;
    loop {
        tokio::select! {
            biased;
            _ = system_link.wait_for(|now| now.connected), if up.is_none() => up = Some(Instant::now()),
            done = &mut work => {
                // It may have come up and done everything without a pause.
                return (done, up.or_else(|| now.borrow().connected.then(Instant::now)));
            }
        }
    }
}

fn dropped() -> Failure {
    Failure::Again(PlatformError::unnamed(LOST_EARLY))
}

/// Returns true if the table has nothing but Generic Access, Generic Attribute and empty services.
fn is_bare(table: &GattTable) -> bool {
    let generic = [uuid16(0x1800), uuid16(0x1801)];
    table.services.iter().all(|service| generic.contains(&service.uuid) || service.characteristics.is_empty())
}
