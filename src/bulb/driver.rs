//! A driver holds one bulb: its task keeps the session, applies changes, and reports events.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bulb_protocol::profile::{Feature, Profile};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::battery::{Battery, read_battery};
use super::change::Change;
use super::connect::{ENDING_TIME, ended, rediscover};
use super::connect_gate::ConnectGate;
use super::families::Families;
use super::info::{DeviceInfo, read_device_info};
use super::recognise::refuse_unsupported;
use super::session::Session;
use super::state::BulbState;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::radio::{AdapterState, Deadline, DeviceId, Link, LinkState, Radio, SeenDevice, spread};

/// The pauses before a lost link is tried again, at the most; the last one stays.
const BACK_OFF: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
    Duration::from_secs(30),
];
/// After a link of this length, the pauses start again at the shortest.
const STEADY: Duration = Duration::from_secs(10);
/// How often the battery level is read: it changes by a percent in minutes.
const BATTERY_PAUSE: Duration = Duration::from_secs(60);
/// How long a read beside the commands may take.
const READ_TIME: Duration = Duration::from_secs(5);
/// How long a disconnect may take to be sent.
const DISCONNECT_TIME: Duration = Duration::from_secs(2);

/// The phase of a driver's link.
#[derive(Clone, Debug, PartialEq)]
pub enum LinkPhase {
    /// It is being made, or waits for its turn; the number of the attempt, from 1.
    Connecting(u32),
    /// It is up, and this is a bulb of the profile.
    Up,
    /// It was lost or not made; when it will be tried again.
    Waiting(Instant),
    /// It is down, and stays so: nobody wants it, or there is no use in trying. The driver has ended.
    Down,
}

/// An event of a driver.
#[derive(Clone, Debug, PartialEq)]
pub enum DriverEvent {
    /// The link changed. Anything but [`LinkPhase::Up`] makes the state unknown.
    Link(LinkPhase),
    /// How the bulb is driven has been found out, or was named for it.
    Recognised(DrivenProfile),
    /// The state changed, with the token of the last change that it takes into account.
    State(BulbState, u64),
    /// The bulb confirmed a change after this time.
    Confirmed(Duration),
    /// A change was written, and the bulb did not confirm it.
    Unconfirmed,
    /// A change was written, and the family never tells whether it was carried out.
    Written,
    /// The battery level; nothing if the bulb has none.
    Battery(Option<Battery>),
    /// What the bulb says of itself.
    Info(DeviceInfo),
    /// Something failed. The driver goes on unless [`LinkPhase::Down`] follows.
    Trouble(Error),
}

/// The profile that a bulb is driven by. Two are the same if they have the same name.
#[derive(Clone, Debug)]
pub struct DrivenProfile(pub Arc<Profile>);

impl DrivenProfile {
    /// Whether the bulb tells its state over a link.
    #[must_use]
    pub fn reports_state(&self) -> bool {
        super::session::reports_state(&self.0)
    }
}

impl PartialEq for DrivenProfile {
    fn eq(&self, other: &Self) -> bool {
        self.0.full_name() == other.0.full_name()
    }
}

/// Who uses a driver, and so how much it does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriverMode {
    /// A desk, which scans, and wants to know all that there is to know of the bulb.
    Desk,
    /// Nothing: the driver scans itself for a bulb that does not connect any more, follows the state alone, and leaves a link up
    /// that was up before it came.
    Standalone,
}

/// The inputs of a driver.
#[derive(Clone, Debug)]
pub struct DriverPlan {
    /// The radio.
    pub radio: Arc<dyn Radio>,
    /// What is known of the bulb.
    pub report: SeenDevice,
    /// The families that it may be of.
    pub families: Arc<Families>,
    /// Where connects take turns.
    pub gate: Arc<ConnectGate>,
    /// How long an operation may take.
    pub timeout: Duration,
    /// Who uses the driver.
    pub mode: DriverMode,
}

/// Holds a bulb: connects, reconnects with growing pauses, follows its state, and writes the newest change whenever the bulb has
/// taken the one before. Dropping it closes the link.
#[derive(Debug)]
pub struct Driver {
    pending: Arc<PendingChange>,
    stop: CancellationToken,
    _task: AbortOnDropHandle<()>,
}

/// The next change. A new one is merged into one that still waits.
#[derive(Debug, Default)]
struct PendingChange {
    next: Mutex<Option<(Change, u64)>>,
    filled: Notify,
    retry_now: Notify,
}

impl PendingChange {
    fn take(&self) -> Option<(Change, u64)> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Driver {
    /// Starts to hold the bulb. What happens goes to `out` with the bulb's identifier; a reader that lags makes the driver
    /// wait.
    #[must_use]
    pub fn start(plan: DriverPlan, out: mpsc::Sender<(DeviceId, DriverEvent)>) -> Self {
        let pending = Arc::new(PendingChange::default());
        let stop = CancellationToken::new();
        let driver = DriverTask {
            plan,
            pending: pending.clone(),
            out,
            link: None,
            token: 0,
            attempt: 0,
            missed: false,
        };
        let task = tokio::spawn(driver.run(stop.clone()));
        Self { pending, stop, _task: AbortOnDropHandle::new(task) }
    }

    /// Asks for a change. It is merged with one that still waits, so that a slider sends no more than the bulb takes and
    /// the last value always arrives. States that take it into account carry a token of at least `token`.
    pub fn change(&self, change: Change, token: u64) {
        let mut next = self.pending.next.lock().unwrap_or_else(PoisonError::into_inner);
        let merged = match next.take() {
            Some((before, _)) => before.then(change),
            None => change,
        };
        *next = Some((merged, token));
        drop(next);
        self.pending.filled.notify_one();
    }

    /// Ends the pause and reconnects now.
    pub fn retry_now(&self) {
        self.pending.retry_now.notify_one();
    }

    /// Gives the bulb up. [`LinkPhase::Down`] says when that is done; keep the driver until then.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

/// The task of a driver.
struct DriverTask {
    plan: DriverPlan,
    pending: Arc<PendingChange>,
    out: mpsc::Sender<(DeviceId, DriverEvent)>,
    /// The link, to be closed when the user says so even if it was up before we came.
    link: Option<Arc<dyn Link>>,
    /// The token of the last change that was taken.
    token: u64,
    attempt: u32,
    /// Whether the last connect came to nothing: the system may have forgotten the bulb, which a scan brings back.
    missed: bool,
}

impl DriverTask {
    async fn run(mut self, stop: CancellationToken) {
        let outcome = stop.run_until_cancelled(self.hold()).await;
        if let Some(link) = self.link.take() {
            let deadline = Deadline::after(DISCONNECT_TIME);
            let late = |waited| Error::Silent {
                device: self.plan.report.label(),
                operation: Operation::Disconnect,
                waited,
            };
            if let Err(error) = deadline.run(link.disconnect(), late).await {
                self.tell(DriverEvent::Trouble(error)).await;
            }
        }
        if let Some(error) = outcome {
            self.tell(DriverEvent::Trouble(error)).await;
        }
        self.tell(DriverEvent::Link(LinkPhase::Down)).await;
    }

    async fn tell(&self, what: DriverEvent) {
        // A reader that has gone wants to know nothing any more.
        let _ = self.out.send((self.plan.report.id.clone(), what)).await;
    }

    /// Holds the link for as long as there is use in it; gives the error that made an end.
    async fn hold(&mut self) -> Error {
        let mut anew = true;
        loop {
            self.attempt += 1;
            self.tell(DriverEvent::Link(LinkPhase::Connecting(self.attempt))).await;
            let start = Instant::now();
            let error = match self.open().await {
                Ok(session) => {
                    let error = self.drive(session).await;
                    if start.elapsed() >= STEADY {
                        self.attempt = 0;
                    }
                    error
                }
                Err(error) => error,
            };
            let link = self.link.take();
            // A link that was there may be one that the command before us has asked to end. That is no loss.
            let ending = matches!(error, Error::LinkLost { .. }) && start.elapsed() <= ENDING_TIME;
            if let Some(link) = link.filter(|link| ending && link.was_up() && std::mem::take(&mut anew)) {
                ended(link.as_ref()).await;
                self.attempt = 0;
                continue;
            }
            // A change that was meant for a bulb in reach must not switch it minutes later.
            if let Some((_, token)) = self.pending.take() {
                self.token = token;
            }
            if hopeless(&error) {
                return error;
            }
            self.tell(DriverEvent::Trouble(error)).await;
            self.wait().await;
        }
    }

    async fn open(&mut self) -> Result<Session> {
        let DriverPlan { radio, report, families, gate, timeout, mode } = &self.plan;
        refuse_unsupported(report, families)?;
        let turn = gate.enter().await;
        let deadline = Deadline::after(*timeout);
        if std::mem::replace(&mut self.missed, true) && *mode == DriverMode::Standalone {
            rediscover(radio.as_ref(), report, deadline).await?;
        }
        let link = radio.connect(&report.id, deadline).await?;
        self.missed = false;
        self.link = Some(link.clone());
        drop(turn);
        let mut session = Session::open(link, report, families, deadline).await?;
        session.prepare(deadline).await?;
        session.keep_alive();
        let state = session.read_state(deadline).await;
        self.tell(DriverEvent::Recognised(DrivenProfile(session.profile().clone()))).await;
        self.tell(DriverEvent::Link(LinkPhase::Up)).await;
        match state {
            Ok(state) => self.state(state).await,
            Err(error @ Error::LinkLost { .. }) => return Err(error),
            // It may report better ones later, and it can be commanded meanwhile.
            Err(error) => self.tell(DriverEvent::Trouble(error)).await,
        }
        Ok(session)
    }

    /// The pause before the next attempt; shorter if somebody is in a retry_now or the adapter comes back.
    async fn wait(&self) {
        let index = usize::try_from(self.attempt.saturating_sub(1)).unwrap_or(usize::MAX);
        let last = BACK_OFF.len() - 1;
        let pause = BACK_OFF.get(index.min(last)).copied().unwrap_or(STEADY);
        let pause = spread(pause, &self.plan.report.id, self.attempt);
        let until = Instant::now() + pause;
        self.tell(DriverEvent::Link(LinkPhase::Waiting(until))).await;
        let mut adapter = self.plan.radio.adapter_state();
        let was_on = *adapter.borrow_and_update() == AdapterState::On;
        tokio::select! {
            () = sleep_until(until) => {}
            () = self.pending.retry_now.notified() => {}
            () = back(&mut adapter), if !was_on => {}
        }
    }

    /// Follows and commands the bulb until its link is lost; gives the error that says so.
    async fn drive(&mut self, mut session: Session) -> Error {
        let link = session.link().clone();
        let mut down = link.state();
        let (device, out) = (self.plan.report.label(), self.out.clone());
        let mut beside = std::pin::pin!(beside(link.as_ref(), &device, &out));
        loop {
            tokio::select! {
                biased;
                () = self.pending.filled.notified() => {
                    if let Some((change, token)) = self.pending.take()
                        && let Err(error) = self.apply(&mut session, change, token).await
                    {
                        return error;
                    }
                }
                state = session.next_state() => match state {
                    Ok(state) => self.state(state).await,
                    Err(error @ Error::MalformedStatus { .. }) => self.tell(DriverEvent::Trouble(error)).await,
                    Err(error) => return error,
                },
                () = until_down(&mut down) => {
                    return Error::LinkLost { device: device.clone(), operation: Operation::Idle };
                }
                () = &mut beside, if self.plan.mode == DriverMode::Desk => {}
            }
        }
    }

    async fn state(&self, state: BulbState) {
        self.tell(DriverEvent::State(state, self.token)).await;
    }

    /// Writes a change.
    ///
    /// # Errors
    /// The link was lost. Any other failure has been told, and the state put back.
    async fn apply(&mut self, session: &mut Session, change: Change, token: u64) -> Result<()> {
        self.token = token;
        if change.is_empty() {
            return Ok(());
        }
        let present = session.state().light;
        // What is not known cannot be switched over before the bulb was asked.
        if !change.toggle || present.features().contains(Feature::Power) {
            self.state(BulbState::assumed(change.apply(&present))).await;
        }
        let start = Instant::now();
        match session.apply(&change, Deadline::after(self.plan.timeout)).await {
            Ok(outcome) => {
                self.tell(match outcome.confirmed {
                    Some(true) => DriverEvent::Confirmed(start.elapsed()),
                    Some(false) => DriverEvent::Unconfirmed,
                    None => DriverEvent::Written,
                })
                .await;
                self.state(outcome.state).await;
                Ok(())
            }
            Err(error @ Error::LinkLost { .. }) => Err(error),
            Err(error) => {
                self.tell(DriverEvent::Trouble(error)).await;
                match session.read_state(Deadline::after(READ_TIME)).await {
                    Ok(state) => self.state(state).await,
                    Err(error @ Error::LinkLost { .. }) => return Err(error),
                    Err(_) => self.state(BulbState::unknown()).await,
                }
                Ok(())
            }
        }
    }
}

/// What is read beside the commands: once what the bulb says of itself, and now and then the battery level.
async fn beside(link: &dyn Link, device: &str, out: &mpsc::Sender<(DeviceId, DriverEvent)>) {
    let tell = async |what| {
        let _ = out.send((link.device().clone(), what)).await;
    };
    let mut has_battery = true;
    let mut info = true;
    loop {
        if has_battery {
            match read_battery(link, device, Deadline::after(READ_TIME)).await {
                Ok(battery) => tell(DriverEvent::Battery(Some(battery))).await,
                Err(Error::NoBattery { .. }) => {
                    has_battery = false;
                    tell(DriverEvent::Battery(None)).await;
                }
                // That the link is lost, the driver tells.
                Err(Error::LinkLost { .. }) => {}
                Err(error) => tell(DriverEvent::Trouble(error)).await,
            }
        }
        if std::mem::take(&mut info)
            && let Ok(info) = read_device_info(link, Deadline::after(READ_TIME)).await
        {
            tell(DriverEvent::Info(info)).await;
        }
        sleep(BATTERY_PAUSE).await;
    }
}

async fn until_down(link: &mut watch::Receiver<LinkState>) {
    // A link whose radio has gone is down as well.
    let _ = link.wait_for(|state| *state == LinkState::Down).await;
}

/// Waits until the adapter is on; for ever if its radio is gone.
async fn back(adapter: &mut watch::Receiver<AdapterState>) {
    if adapter.wait_for(|state| *state == AdapterState::On).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Whether trying again cannot help: it is not a bulb that can be driven, or the user may not.
fn hopeless(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::NotDrivable)
        || matches!(error, Error::NeedsPairing { .. } | Error::PairingFailed { .. })
}
