//! The radio task: owns the radio and the drivers of held bulbs, performs the desk's effects and sends back
//! events.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::broadcast::{self, error::RecvError, error::TryRecvError};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use super::desk::Setup;
use super::event::{CheckEvent, Effect, RadioEvent};
use super::tasks::{self, CheckTask, RunningCheck};
use crate::bulb::{
    ConnectGate, DrivenProfile, Driver, DriverEvent, DriverMode, DriverPlan, LinkPhase, RawGatt,
};
use crate::error::{Error, Result};
use crate::fleet::keep_scanning;
use crate::radio::trace::{Traced, TracedFrame};
use crate::radio::{AdapterState, DeviceId, Radio, SeenDevice};

const BATCH_INTERVAL: Duration = Duration::from_millis(100);
const REOPEN_DELAY: Duration = Duration::from_secs(2);
const FRAME_BATCH: usize = 256;
const DRIVER_EVENT_QUEUE: usize = 64;

/// Opens the radio. Called again after a failure.
pub type Opener = Arc<dyn Fn() -> BoxFuture<'static, Result<Arc<dyn Radio>>> + Send + Sync>;

pub(super) struct RadioWorker {
    pub(super) setup: Setup,
    pub(super) effects: mpsc::Receiver<Effect>,
    pub(super) radio_events: mpsc::Sender<RadioEvent>,
}

/// The desk was closed, so the task ends.
struct DeskClosed;

impl RadioWorker {
    pub(super) async fn run(mut self) {
        while let Ok(radio) = self.open_radio().await {
            if OpenRadio::new(&self, radio).run(&mut self.effects).await.is_err() {
                return;
            }
        }
    }

    async fn open_radio(&mut self) -> Result<Arc<dyn Radio>, DeskClosed> {
        loop {
            let error = tokio::select! {
                radio = (self.setup.open)() => match radio {
                    Ok(radio) => return Ok(radio),
                    Err(error) => error,
                },
                () = self.radio_events.closed() => return Err(DeskClosed),
            };
            self.radio_events.send(RadioEvent::OpenFailed(error)).await.map_err(|_| DeskClosed)?;
            tokio::select! {
                () = sleep(REOPEN_DELAY) => {}
                () = self.radio_events.closed() => return Err(DeskClosed),
            }
        }
    }
}

/// The result of a task, and the subscription that it made.
type Done = (RadioEvent, Option<(DeviceId, RawGatt)>);

struct OpenRadio {
    radio: Arc<dyn Radio>,
    /// The largest number of links.
    links: usize,
    setup: Setup,
    radio_events: mpsc::Sender<RadioEvent>,
    frames: broadcast::Receiver<TracedFrame>,
    gate: Arc<ConnectGate>,
    scan: watch::Sender<bool>,
    drivers: HashMap<DeviceId, Driver>,
    driver_events: mpsc::Receiver<(DeviceId, DriverEvent)>,
    event_sender: mpsc::Sender<(DeviceId, DriverEvent)>,
    /// Device reports that wait for the next batch.
    unsent: BTreeMap<DeviceId, SeenDevice>,
    flush_at: Option<Instant>,
    /// File and GATT operations.
    tasks: JoinSet<Done>,
    /// Subscriptions of the user, which end with the link.
    subscriptions: HashMap<DeviceId, Vec<RawGatt>>,
    check: Option<RunningCheck>,
    /// A check that waits until the desk's own link is down.
    next_check: Option<(SeenDevice, Option<DrivenProfile>)>,
    _scanner: AbortOnDropHandle<()>,
}

impl OpenRadio {
    fn new(worker: &RadioWorker, radio: Arc<dyn Radio>) -> Self {
        let traced = Traced::new(radio);
        let frames = traced.frames();
        let radio: Arc<dyn Radio> = Arc::new(traced);
        let links = worker.setup.max_links.unwrap_or_else(|| radio.link_limit());
        let gate = Arc::new(ConnectGate::with_limit(links));
        let (scan, wanted) = watch::channel(false);
        let (event_sender, driver_events) = mpsc::channel(DRIVER_EVENT_QUEUE);
        let scanner = keep_scanning(radio.clone(), wanted, gate.clone(), worker.radio_events.clone());
        Self {
            radio,
            links,
            setup: worker.setup.clone(),
            radio_events: worker.radio_events.clone(),
            frames,
            gate,
            scan,
            drivers: HashMap::new(),
            driver_events,
            event_sender,
            unsent: BTreeMap::new(),
            flush_at: None,
            tasks: JoinSet::new(),
            subscriptions: HashMap::new(),
            check: None,
            next_check: None,
            _scanner: AbortOnDropHandle::new(tokio::spawn(scanner)),
        }
    }

    /// Runs until the radio ends. Fails if the desk was closed.
    async fn run(mut self, effects: &mut mpsc::Receiver<Effect>) -> Result<(), DeskClosed> {
        let mut reports = self.radio.seen_devices();
        let mut adapter = self.radio.adapter_state();
        let state = *adapter.borrow_and_update();
        self.send(RadioEvent::Opened(self.radio.adapter().name, state, self.links)).await?;
        match self.radio.known_devices().await {
            Ok(known) => known.into_iter().for_each(|report| self.device_seen(report)),
            Err(error) => self.send(RadioEvent::Failed(error)).await?,
        }
        loop {
            tokio::select! {
                effect = effects.recv() => self.perform(effect.ok_or(DeskClosed)?).await?,
                event = self.driver_events.recv() => {
                    if let Some((id, event)) = event {
                        self.driver_event(id, event).await?;
                    }
                }
                frame = self.frames.recv() => self.frames_traced(frame).await?,
                report = reports.recv() => match report {
                    Ok(report) => self.device_seen(report),
                    // The next report of each device replaces the missed ones.
                    Err(RecvError::Lagged(missed)) => tracing::debug!("{missed} reports missed"),
                    Err(RecvError::Closed) => return Ok(()),
                },
                changed = adapter.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    let state = *adapter.borrow_and_update();
                    self.send(RadioEvent::Adapter(state)).await?;
                    if state == AdapterState::On {
                        self.drivers.values().for_each(Driver::retry_now);
                    }
                }
                () = until(self.flush_at) => self.flush().await?,
                Some(done) = self.tasks.join_next() => self.task_done(done).await?,
                event = next_result(&mut self.check) => self.check_event(event).await?,
            }
        }
    }

    async fn send(&self, event: RadioEvent) -> Result<(), DeskClosed> {
        self.radio_events.send(event).await.map_err(|_| DeskClosed)
    }

    fn device_seen(&mut self, report: SeenDevice) {
        self.unsent.insert(report.id.clone(), report);
        self.flush_at.get_or_insert_with(|| Instant::now() + BATCH_INTERVAL);
    }

    async fn flush(&mut self) -> Result<(), DeskClosed> {
        self.flush_at = None;
        let reports = std::mem::take(&mut self.unsent).into_values().collect();
        self.send(RadioEvent::DevicesSeen(reports)).await
    }

    async fn frames_traced(&mut self, first: Result<TracedFrame, RecvError>) -> Result<(), DeskClosed> {
        let (mut frames, mut missed) = (Vec::new(), 0);
        match first {
            Ok(frame) => frames.push(frame),
            Err(RecvError::Lagged(lost)) => missed += lost,
            // Never happens: `self.radio` holds the sender.
            Err(RecvError::Closed) => return Ok(()),
        }
        while frames.len() < FRAME_BATCH {
            match self.frames.try_recv() {
                Ok(frame) => frames.push(frame),
                Err(TryRecvError::Lagged(lost)) => missed += lost,
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        self.send(RadioEvent::Frames(frames, missed)).await
    }

    async fn driver_event(&mut self, id: DeviceId, event: DriverEvent) -> Result<(), DeskClosed> {
        if let DriverEvent::Link(phase) = &event {
            if *phase != LinkPhase::Up {
                self.subscriptions.remove(&id);
            }
            if *phase == LinkPhase::Down {
                self.drivers.remove(&id);
                if let Some((device, profile)) = self.next_check.take_if(|(device, _)| device.id == id) {
                    self.start_check(device, profile);
                }
            }
        }
        self.send(RadioEvent::Driver(id, event)).await
    }

    fn start_check(&mut self, device: SeenDevice, profile: Option<DrivenProfile>) {
        let task = CheckTask {
            radio: self.radio.clone(),
            device,
            profile,
            families: self.setup.families.clone(),
            gate: self.gate.clone(),
            time: self.setup.timeout,
            at_exit: self.setup.at_exit.clone(),
        };
        self.check = Some(task.start());
    }

    async fn check_event(&mut self, event: Option<CheckEvent>) -> Result<(), DeskClosed> {
        // A task that ends without a result has panicked.
        let event = event.unwrap_or_else(|| {
            CheckEvent::End(Err(Error::Internal("the task of the check has ended".to_owned())))
        });
        let Some(device) = self.check.as_ref().map(|check| check.device.clone()) else { return Ok(()) };
        if !matches!(event, CheckEvent::Finished(_)) {
            self.check = None;
        }
        self.send(RadioEvent::Check(device, event)).await
    }

    async fn perform(&mut self, effect: Effect) -> Result<(), DeskClosed> {
        match effect {
            Effect::Scan(wanted) => {
                self.scan.send_replace(wanted);
            }
            Effect::Connect(report) => self.connect(*report),
            Effect::Disconnect(id) => {
                if let Some(driver) = self.drivers.get(&id) {
                    driver.stop();
                }
            }
            Effect::RetryNow(id) => {
                if let Some(driver) = self.drivers.get(&id) {
                    driver.retry_now();
                }
            }
            Effect::Command(id, command, token) => {
                if let Some(driver) = self.drivers.get(&id) {
                    driver.command(command, token);
                }
            }
            Effect::Save(kind, path, lines) => self.blocking(move |_| tasks::save(kind, path, &lines)),
            Effect::ListScenes => self.blocking(|setup| tasks::list_scenes(setup.scenes.as_deref())),
            Effect::SaveScene(name, states) => {
                self.blocking(move |setup| tasks::save_scene(setup.scenes.as_deref(), &name, states));
            }
            Effect::ReadScene(name) => self.blocking(move |setup| tasks::read_scene(setup, &name)),
            Effect::Gatt(id, characteristic, request) => {
                if let Some(link) = self.drivers.get(&id).and_then(Driver::link) {
                    let time = self.setup.timeout;
                    self.tasks.spawn(async move {
                        let (outcome, raw) = tasks::gatt(link, characteristic, request, time).await;
                        (RadioEvent::Gatt(id.clone(), outcome), raw.map(|raw| (id, raw)))
                    });
                }
            }
            Effect::Check(device, profile) => match self.drivers.get(&device.id) {
                Some(driver) => {
                    driver.stop();
                    self.next_check = Some((*device, profile));
                }
                None => self.start_check(*device, profile),
            },
            Effect::StopCheck => {
                if let Some((device, _)) = self.next_check.take() {
                    self.send(RadioEvent::Check(device.id, CheckEvent::Stopped)).await?;
                }
                if let Some(check) = &self.check {
                    check.stop.cancel();
                }
            }
            // The terminal performs these.
            Effect::Redraw | Effect::Suspend | Effect::Quit | Effect::Interrupt | Effect::Fail(_) => {}
        }
        Ok(())
    }

    fn connect(&mut self, seen: SeenDevice) {
        let id = seen.id.clone();
        if self.drivers.contains_key(&id) {
            return;
        }
        let plan = DriverPlan {
            radio: self.radio.clone(),
            device: seen,
            families: self.setup.families.clone(),
            gate: self.gate.clone(),
            timeout: self.setup.timeout,
            mode: DriverMode::Desk,
        };
        self.drivers.insert(id, Driver::start(plan, self.event_sender.clone()));
    }

    /// Starts an operation on files.
    fn blocking(&mut self, operation: impl FnOnce(&Setup) -> RadioEvent + Send + 'static) {
        let setup = self.setup.clone();
        self.tasks.spawn_blocking(move || (operation(&setup), None));
    }

    async fn task_done(&mut self, done: Result<Done, tokio::task::JoinError>) -> Result<(), DeskClosed> {
        let (event, subscription) = match done {
            Ok(done) => done,
            Err(error) => (RadioEvent::Failed(Error::Internal(error.to_string())), None),
        };
        // The link may have ended in the meantime.
        if let Some((id, raw)) = subscription.filter(|(id, _)| self.drivers.contains_key(id)) {
            self.subscriptions.entry(id).or_default().push(raw);
        }
        self.send(event).await
    }
}

/// Waits for the next result of the check; forever if none runs.
async fn next_result(check: &mut Option<RunningCheck>) -> Option<CheckEvent> {
    match check {
        Some(check) => check.results.recv().await,
        None => std::future::pending().await,
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}
