//! Keeps one bulb connected, writes changes to it, and reports events.

use std::sync::Arc;
use std::time::Duration;

use bulb_protocol::profile::{Feature, Light, Profile};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::battery::{Battery, read_battery};
use super::change::Change;
use super::connect::{ENDING_TIME, ended, rediscover};
use super::connect_gate::{ConnectGate, LinkSlot};
use super::families::Families;
use super::info::{DeviceInfo, read_device_info};
use super::pending_command::{DriverCommand, PendingCommand};
use super::recognise::refuse_unsupported;
use super::restore::RestorePlan;
use super::session::{CommandOutcome, Session};
use super::state::BulbState;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::radio::{
    AdapterState, CharacteristicId, Deadline, DeviceId, GattTable, Link, LinkState, Radio, SeenDevice, spread,
};

/// The longest pauses before each reconnect; the last one repeats.
const BACK_OFF: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
    Duration::from_secs(30),
];
/// After a link that lasted this long, the pauses start again at the shortest.
const STEADY_TIME: Duration = Duration::from_secs(10);
/// A battery takes minutes to change by a percent.
const BATTERY_INTERVAL: Duration = Duration::from_secs(60);
const READ_TIME: Duration = Duration::from_secs(5);
const DISCONNECT_TIME: Duration = Duration::from_secs(2);

#[derive(Clone, Debug, PartialEq)]
pub enum LinkPhase {
    /// Waits until another bulb gives up its link: the limit of links is reached.
    Queued,
    /// With the number of the attempt, from 1. It may still wait for its turn.
    Connecting(u32),
    Up,
    /// Until the next attempt at this time.
    Waiting(Instant),
    /// The driver has ended: it was stopped, or another attempt cannot help.
    Down,
}

#[derive(Clone, Debug, PartialEq)]
pub enum DriverEvent {
    /// The link changed. Anything but [`LinkPhase::Up`] makes the state unknown.
    Link(LinkPhase),
    /// The link itself came up then. [`LinkPhase::Up`] follows when the bulb is recognised and prepared.
    Connected(Instant),
    Recognised(DrivenProfile),
    /// The state changed, with the token of the last change that it takes into account.
    State(BulbState, u64),
    /// The bulb confirmed a change after this time, or a fade.
    Confirmed(Option<Duration>),
    /// A change was written, and the bulb did not confirm it.
    Unconfirmed,
    /// A change was written to a family that confirms nothing.
    Written,
    /// `None` if the bulb has no battery level.
    Battery(Option<Battery>),
    /// The GATT table of the bulb, and the characteristics that the driver is subscribed to.
    Table(Arc<GattTable>, Vec<CharacteristicId>),
    Info(DeviceInfo),
    /// The driver goes on after this error unless [`LinkPhase::Down`] follows.
    Trouble(Error),
}

/// The profile that drives a bulb. Profiles with the same name are equal.
#[derive(Clone, Debug)]
pub struct DrivenProfile(pub Arc<Profile>);

impl DrivenProfile {
    pub fn reports_state(&self) -> bool {
        super::session::reports_state(&self.0)
    }
}

impl PartialEq for DrivenProfile {
    fn eq(&self, other: &Self) -> bool {
        self.0.full_name() == other.0.full_name()
    }
}

/// The user of a driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriverMode {
    /// The desk. It scans by itself, and also shows the battery level and the device information.
    Desk,
    /// A command that follows only the state. The driver scans for a bulb that no longer connects.
    Standalone,
}

#[derive(Clone, Debug)]
pub struct DriverPlan {
    pub radio: Arc<dyn Radio>,
    pub device: SeenDevice,
    pub families: Arc<Families>,
    pub gate: Arc<ConnectGate>,
    /// The time limit of each operation.
    pub timeout: Duration,
    pub mode: DriverMode,
}

/// Connects a bulb, reconnects with growing pauses, follows its state, and writes the newest change when the one before is done.
/// Dropping it closes the link.
#[derive(Debug)]
pub struct Driver {
    pending: Arc<PendingCommand>,
    stop: CancellationToken,
    _task: AbortOnDropHandle<()>,
}

impl Driver {
    /// Sends events to `out`, each with the identifier of the bulb. A slow reader makes the driver wait.
    pub fn start(plan: DriverPlan, out: mpsc::Sender<(DeviceId, DriverEvent)>) -> Self {
        let pending = Arc::new(PendingCommand::default());
        let stop = CancellationToken::new();
        let driver = DriverTask {
            plan,
            pending: pending.clone(),
            out,
            link: None,
            slot: None,
            token: 0,
            attempt: 0,
            last_connect_failed: false,
        };
        let task = tokio::spawn(driver.run(stop.clone()));
        Self { pending, stop, _task: AbortOnDropHandle::new(task) }
    }

    /// Requests a change. It is merged with one that still waits: a slider sends no more than the bulb takes, and its last
    /// value always arrives. States that include the change carry this token or a greater one.
    pub fn change(&self, change: Change, token: u64) {
        self.command(DriverCommand::Change(change), token);
    }

    /// As [`change`](Self::change). A fade ends the one that runs, and any command ends a fade.
    pub fn command(&self, command: DriverCommand, token: u64) {
        self.pending.push(command, token);
    }

    /// Drops a command that has not been started. Returns false if there is none.
    pub fn withdraw(&self) -> bool {
        self.pending.take().is_some()
    }

    /// The link, if there is one.
    pub fn link(&self) -> Option<Arc<dyn Link>> {
        self.pending.link()
    }

    /// Ends the pause and reconnects now.
    pub fn retry_now(&self) {
        self.pending.retry_now.notify_one();
    }

    /// Starts to disconnect. Keep the driver until [`LinkPhase::Down`] arrives.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

struct DriverTask {
    plan: DriverPlan,
    pending: Arc<PendingCommand>,
    out: mpsc::Sender<(DeviceId, DriverEvent)>,
    /// [`Driver::stop`] closes it even if it was up before we connected.
    link: Option<Arc<dyn Link>>,
    /// Held for as long as there may be a link.
    slot: Option<LinkSlot>,
    /// The token of the last change that was started.
    token: u64,
    attempt: u32,
    /// Then the system may have forgotten the bulb, and needs a scan to connect again.
    last_connect_failed: bool,
}

impl DriverTask {
    async fn run(mut self, stop: CancellationToken) {
        let outcome = stop.run_until_cancelled(self.keep_connected()).await;
        let link = self.link.take();
        self.set_link(None);
        if let Some(link) = link {
            let deadline = Deadline::after(DISCONNECT_TIME);
            let late = |waited| Error::Silent {
                device: self.plan.device.label(),
                operation: Operation::Disconnect,
                waited,
            };
            if let Err(error) = deadline.run(link.disconnect(), late).await {
                self.send(DriverEvent::Trouble(error)).await;
            }
        }
        if let Some(error) = outcome {
            self.send(DriverEvent::Trouble(error)).await;
        }
        self.send(DriverEvent::Link(LinkPhase::Down)).await;
    }

    async fn send(&self, event: DriverEvent) {
        // Without a reader nobody needs the event.
        let _ = self.out.send((self.plan.device.id.clone(), event)).await;
    }

    /// Reconnects until an error shows that it cannot help; returns that error.
    async fn keep_connected(&mut self) -> Error {
        let mut may_be_ending = true;
        loop {
            self.take_slot().await;
            self.attempt += 1;
            self.send(DriverEvent::Link(LinkPhase::Connecting(self.attempt))).await;
            let start = Instant::now();
            let error = match self.open().await {
                Ok(session) => {
                    let error = self.drive(session).await;
                    if start.elapsed() >= STEADY_TIME {
                        self.attempt = 0;
                    }
                    error
                }
                Err(error) => error,
            };
            let link = self.link.take();
            self.set_link(None);
            // A link that was up before us may be one that an earlier command has disconnected. That is not a failure.
            let ending = matches!(error, Error::LinkLost { .. }) && start.elapsed() <= ENDING_TIME;
            if let Some(link) =
                link.filter(|link| ending && link.was_up() && std::mem::take(&mut may_be_ending))
            {
                ended(link.as_ref()).await;
                self.attempt = 0;
                continue;
            }
            self.forget_pending();
            if is_permanent(&error) {
                return error;
            }
            self.send(DriverEvent::Trouble(error)).await;
            // During the pause, another bulb may have the link.
            self.slot = None;
            self.wait().await;
        }
    }

    fn set_link(&mut self, link: Option<Arc<dyn Link>>) {
        self.pending.set_link(link.clone());
        self.link = link;
    }

    /// Waits for the permission to hold a link.
    async fn take_slot(&mut self) {
        if self.slot.is_some() {
            return;
        }
        let gate = &self.plan.gate;
        if let Some(slot) = gate.try_slot() {
            self.slot = Some(slot);
            return;
        }
        self.send(DriverEvent::Link(LinkPhase::Queued)).await;
        let start = Instant::now();
        self.slot = Some(gate.slot().await);
        if start.elapsed() > self.plan.timeout {
            self.forget_pending();
        }
    }

    /// Drops a change that waited for too long: a bulb must not switch minutes after the change was requested.
    fn forget_pending(&mut self) {
        if let Some((_, token)) = self.pending.take() {
            self.token = token;
        }
    }

    async fn open(&mut self) -> Result<Session> {
        let DriverPlan { radio, device, families, gate, timeout, mode } = &self.plan.clone();
        refuse_unsupported(device, families)?;
        let turn = gate.enter().await;
        let deadline = Deadline::after(*timeout);
        if std::mem::replace(&mut self.last_connect_failed, true) && *mode == DriverMode::Standalone {
            rediscover(radio.as_ref(), device, deadline).await?;
        }
        let link = radio.connect(&device.id, deadline).await?;
        self.last_connect_failed = false;
        drop(turn);
        self.set_link(Some(link.clone()));
        self.send(DriverEvent::Connected(Instant::now())).await;
        let mut session = Session::open(link, device, families, deadline).await?;
        session.prepare(deadline).await?;
        session.keep_alive();
        let state = session.read_state(deadline).await;
        self.send(DriverEvent::Recognised(DrivenProfile(session.profile().clone()))).await;
        self.send(DriverEvent::Link(LinkPhase::Up)).await;
        match state {
            Ok(state) => self.state(state).await,
            Err(error @ Error::LinkLost { .. }) => return Err(error),
            // Later states may be well formed, and commands work.
            Err(error) => self.send(DriverEvent::Trouble(error)).await,
        }
        if self.plan.mode == DriverMode::Desk {
            let table = Arc::new(session.link().table().clone());
            let followed = session.channel().followed();
            self.send(DriverEvent::Table(table, followed)).await;
        }
        Ok(session)
    }

    /// Pauses before the next attempt. [`Driver::retry_now`] and an adapter that is switched on end the pause.
    async fn wait(&self) {
        let index = usize::try_from(self.attempt.saturating_sub(1)).unwrap_or(usize::MAX);
        let last = BACK_OFF.len() - 1;
        let pause = BACK_OFF.get(index.min(last)).copied().unwrap_or(STEADY_TIME);
        let pause = spread(pause, &self.plan.device.id, self.attempt);
        let until = Instant::now() + pause;
        self.send(DriverEvent::Link(LinkPhase::Waiting(until))).await;
        let mut adapter = self.plan.radio.adapter_state();
        let was_on = *adapter.borrow_and_update() == AdapterState::On;
        tokio::select! {
            () = sleep_until(until) => {}
            () = self.pending.retry_now.notified() => {}
            () = until_on(&mut adapter), if !was_on => {}
        }
    }

    /// Follows and commands the bulb until an error ends the link; returns that error.
    async fn drive(&mut self, mut session: Session) -> Error {
        let link = session.link().clone();
        let mut down = link.state();
        let (device, out) = (self.plan.device.label(), self.out.clone());
        let mut details = std::pin::pin!(read_details(link.as_ref(), &device, &out));
        loop {
            tokio::select! {
                biased;
                () = self.pending.filled.notified() => {
                    if let Some((command, token)) = self.pending.take()
                        && let Err(error) = self.perform(&mut session, command, token).await
                    {
                        return error;
                    }
                }
                state = session.next_state() => match state {
                    Ok(state) => self.state(state).await,
                    Err(error @ Error::MalformedStatus { .. }) => self.send(DriverEvent::Trouble(error)).await,
                    Err(error) => return error,
                },
                () = until_down(&mut down) => {
                    return Error::LinkLost { device: device.clone(), operation: Operation::Idle };
                }
                () = &mut details, if self.plan.mode == DriverMode::Desk => {}
            }
        }
    }

    async fn state(&self, state: BulbState) {
        self.send(DriverEvent::State(state, self.token)).await;
    }

    async fn perform(&mut self, session: &mut Session, command: DriverCommand, token: u64) -> Result<()> {
        self.token = token;
        let change = match command {
            DriverCommand::Change(change) => change,
            DriverCommand::Fade(light, over) => return self.fade(session, &light, over).await,
            DriverCommand::Restore(light) => {
                RestorePlan::to(light, Arc::clone(session.profile())).wanted.into()
            }
        };
        self.apply(session, change).await
    }

    /// Writes a change. Fails only if the link drops; sends other errors as events, and then the state of the bulb.
    async fn apply(&mut self, session: &mut Session, change: Change) -> Result<()> {
        if change.is_empty() {
            return Ok(());
        }
        let present = session.state().light;
        // An unknown power cannot be toggled before the bulb reports it.
        if !change.toggle || present.features().contains(Feature::Power) {
            self.state(BulbState::assumed(change.apply(&present))).await;
        }
        let start = Instant::now();
        let outcome = session.apply(&change, Deadline::after(self.plan.timeout)).await;
        self.outcome(session, outcome, Some(start)).await
    }

    /// Fades until the end, or until the next command.
    async fn fade(&mut self, session: &mut Session, light: &Light, over: Duration) -> Result<()> {
        let deadline = Deadline::after(over.saturating_add(self.plan.timeout));
        let outcome = tokio::select! {
            outcome = session.fade(light, over, deadline) => outcome,
            () = self.pending.filled.notified() => {
                // The next command is still there.
                self.pending.filled.notify_one();
                return Ok(());
            }
        };
        // The time of the last frame alone is not known.
        self.outcome(session, outcome, None).await
    }

    async fn outcome(
        &self,
        session: &mut Session,
        outcome: Result<CommandOutcome>,
        start: Option<Instant>,
    ) -> Result<()> {
        match outcome {
            Ok(outcome) => {
                self.send(match outcome.confirmed {
                    Some(true) => DriverEvent::Confirmed(start.map(|start| start.elapsed())),
                    Some(false) => DriverEvent::Unconfirmed,
                    None => DriverEvent::Written,
                })
                .await;
                self.state(outcome.state).await;
                Ok(())
            }
            Err(error @ Error::LinkLost { .. }) => Err(error),
            Err(error) => {
                self.send(DriverEvent::Trouble(error)).await;
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

/// Reads the device information once, and the battery level repeatedly.
async fn read_details(link: &dyn Link, device: &str, out: &mpsc::Sender<(DeviceId, DriverEvent)>) {
    let send = async |event| {
        let _ = out.send((link.device().clone(), event)).await;
    };
    let mut has_battery = true;
    let mut info = true;
    loop {
        if has_battery {
            match read_battery(link, device, Deadline::after(READ_TIME)).await {
                Ok(battery) => send(DriverEvent::Battery(Some(battery))).await,
                Err(Error::NoBattery { .. }) => {
                    has_battery = false;
                    send(DriverEvent::Battery(None)).await;
                }
                // The driver sends this error.
                Err(Error::LinkLost { .. }) => {}
                Err(error) => send(DriverEvent::Trouble(error)).await,
            }
        }
        if std::mem::take(&mut info)
            && let Ok(info) = read_device_info(link, Deadline::after(READ_TIME)).await
        {
            send(DriverEvent::Info(info)).await;
        }
        sleep(BATTERY_INTERVAL).await;
    }
}

async fn until_down(link: &mut watch::Receiver<LinkState>) {
    // A link whose radio is gone is down too.
    let _ = link.wait_for(|state| *state == LinkState::Down).await;
}

/// Waits until the adapter is on; forever if its radio is gone.
async fn until_on(adapter: &mut watch::Receiver<AdapterState>) {
    if adapter.wait_for(|state| *state == AdapterState::On).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Returns true if reconnecting cannot help.
fn is_permanent(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::NotDrivable)
        || matches!(error, Error::NeedsPairing { .. } | Error::PairingFailed { .. })
}
