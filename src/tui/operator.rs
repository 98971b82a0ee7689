//! The radio side: one task that owns the radio and the held bulbs, does what the desk wants done, and tells what happens.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::broadcast::{self, error::RecvError, error::TryRecvError};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use super::event::{Effect, RadioEvent};
use super::scanner;
use crate::bulb::{ConnectGate, Driver, DriverEvent, DriverMode, DriverPlan, Families, LinkPhase};
use crate::error::{Error, Result};
use crate::radio::trace::{Traced, TracedFrame};
use crate::radio::{AdapterState, DeviceId, Radio, SeenDevice};

/// Reports reach the desk at most so often, each device once.
const BATCH: Duration = Duration::from_millis(100);
/// How long after a failure the radio is opened again.
const REOPEN: Duration = Duration::from_secs(2);
/// The largest number of frames told at once.
const FRAMES: usize = 256;
/// How many things that happen to bulbs wait to be told.
const HAPPENINGS: usize = 64;

/// Opens the radio; again if it could not be opened, or has gone.
pub type Opener = Arc<dyn Fn() -> BoxFuture<'static, Result<Arc<dyn Radio>>> + Send + Sync>;

/// What the radio side needs.
pub(super) struct Operator {
    pub(super) open: Opener,
    pub(super) families: Arc<Families>,
    pub(super) timeout: Duration,
    pub(super) effects: mpsc::Receiver<Effect>,
    pub(super) words: mpsc::Sender<RadioEvent>,
}

/// The desk has gone: there is nobody to work for.
struct Gone;

impl Operator {
    /// Works until the desk has gone.
    pub(super) async fn run(mut self) {
        while let Ok(radio) = self.opened().await {
            if Shift::new(&self, radio).run(&mut self.effects).await.is_err() {
                return;
            }
        }
    }

    async fn opened(&mut self) -> Result<Arc<dyn Radio>, Gone> {
        loop {
            let error = tokio::select! {
                radio = (self.open)() => match radio {
                    Ok(radio) => return Ok(radio),
                    Err(error) => error,
                },
                () = self.words.closed() => return Err(Gone),
            };
            self.words.send(RadioEvent::Closed(error)).await.map_err(|_| Gone)?;
            tokio::select! {
                () = sleep(REOPEN) => {}
                () = self.words.closed() => return Err(Gone),
            }
        }
    }
}

/// The time with one radio.
struct Shift {
    radio: Arc<dyn Radio>,
    families: Arc<Families>,
    timeout: Duration,
    words: mpsc::Sender<RadioEvent>,
    frames: broadcast::Receiver<TracedFrame>,
    gate: Arc<ConnectGate>,
    scan: watch::Sender<bool>,
    drivers: HashMap<DeviceId, Driver>,
    /// What the drivers tell; and where they tell it.
    happenings: mpsc::Receiver<(DeviceId, DriverEvent)>,
    tells: mpsc::Sender<(DeviceId, DriverEvent)>,
    /// What the desk has not been told of yet, and when it will be.
    fresh: BTreeMap<DeviceId, SeenDevice>,
    due: Option<Instant>,
    files: JoinSet<Result<(usize, PathBuf)>>,
    _scanner: AbortOnDropHandle<()>,
}

impl Shift {
    fn new(operator: &Operator, radio: Arc<dyn Radio>) -> Self {
        let traced = Traced::new(radio);
        let frames = traced.frames();
        let radio: Arc<dyn Radio> = Arc::new(traced);
        let gate = Arc::new(ConnectGate::default());
        let (scan, wanted) = watch::channel(false);
        let (tells, happenings) = mpsc::channel(HAPPENINGS);
        let scanner = scanner::run(radio.clone(), wanted, gate.clone(), operator.words.clone());
        Self {
            radio,
            families: operator.families.clone(),
            timeout: operator.timeout,
            words: operator.words.clone(),
            frames,
            gate,
            scan,
            drivers: HashMap::new(),
            happenings,
            tells,
            fresh: BTreeMap::new(),
            due: None,
            files: JoinSet::new(),
            _scanner: AbortOnDropHandle::new(tokio::spawn(scanner)),
        }
    }

    /// Works until the radio has gone, or the desk has.
    async fn run(mut self, effects: &mut mpsc::Receiver<Effect>) -> Result<(), Gone> {
        let mut reports = self.radio.seen_devices();
        let mut adapter = self.radio.adapter_state();
        let state = *adapter.borrow_and_update();
        self.tell(RadioEvent::Open(self.radio.adapter().name, state)).await?;
        match self.radio.known().await {
            Ok(known) => known.into_iter().for_each(|report| self.heard(report)),
            Err(error) => self.tell(RadioEvent::Trouble(error)).await?,
        }
        loop {
            tokio::select! {
                effect = effects.recv() => self.act(effect.ok_or(Gone)?).await?,
                happening = self.happenings.recv() => {
                    if let Some((id, happening)) = happening {
                        self.happened(id, happening).await?;
                    }
                }
                frame = self.frames.recv() => self.passed(frame).await?,
                report = reports.recv() => match report {
                    Ok(report) => self.heard(report),
                    // What was missed is repeated by the next report of each device.
                    Err(RecvError::Lagged(missed)) => tracing::debug!("{missed} reports missed"),
                    Err(RecvError::Closed) => return Ok(()),
                },
                changed = adapter.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    let state = *adapter.borrow_and_update();
                    self.tell(RadioEvent::Adapter(state)).await?;
                    if state == AdapterState::On {
                        self.drivers.values().for_each(Driver::retry_now);
                    }
                }
                () = until(self.due) => self.flush().await?,
                Some(saved) = self.files.join_next() => self.saved(saved).await?,
            }
        }
    }

    async fn tell(&self, word: RadioEvent) -> Result<(), Gone> {
        self.words.send(word).await.map_err(|_| Gone)
    }

    fn heard(&mut self, report: SeenDevice) {
        self.fresh.insert(report.id.clone(), report);
        self.due.get_or_insert_with(|| Instant::now() + BATCH);
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        self.due = None;
        let reports = std::mem::take(&mut self.fresh).into_values().collect();
        self.tell(RadioEvent::Reports(reports)).await
    }

    async fn passed(&mut self, first: Result<TracedFrame, RecvError>) -> Result<(), Gone> {
        let (mut frames, mut missed) = (Vec::new(), 0);
        match first {
            Ok(frame) => frames.push(frame),
            Err(RecvError::Lagged(lost)) => missed += lost,
            // Cannot be: the radio that sends them is ours.
            Err(RecvError::Closed) => return Ok(()),
        }
        while frames.len() < FRAMES {
            match self.frames.try_recv() {
                Ok(frame) => frames.push(frame),
                Err(TryRecvError::Lagged(lost)) => missed += lost,
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        self.tell(RadioEvent::Frames(frames, missed)).await
    }

    async fn happened(&mut self, id: DeviceId, happening: DriverEvent) -> Result<(), Gone> {
        if happening == DriverEvent::Link(LinkPhase::Down) {
            self.drivers.remove(&id);
        }
        self.tell(RadioEvent::Bulb(id, happening)).await
    }

    async fn act(&mut self, effect: Effect) -> Result<(), Gone> {
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
            Effect::Hurry(id) => {
                if let Some(driver) = self.drivers.get(&id) {
                    driver.retry_now();
                }
            }
            Effect::Change(id, change, token) => {
                if let Some(driver) = self.drivers.get(&id) {
                    driver.change(change, token);
                }
            }
            Effect::Save(path, lines) => {
                self.files.spawn_blocking(move || save(path, &lines));
            }
            // These are the terminal's.
            Effect::Redraw | Effect::Suspend | Effect::Quit | Effect::Interrupt | Effect::Fail(_) => {}
        }
        Ok(())
    }

    fn connect(&mut self, report: SeenDevice) {
        let id = report.id.clone();
        if self.drivers.contains_key(&id) {
            return;
        }
        let plan = DriverPlan {
            radio: self.radio.clone(),
            report,
            families: self.families.clone(),
            gate: self.gate.clone(),
            timeout: self.timeout,
            mode: DriverMode::Desk,
        };
        self.drivers.insert(id, Driver::start(plan, self.tells.clone()));
    }

    async fn saved(
        &self,
        saved: Result<Result<(usize, PathBuf)>, tokio::task::JoinError>,
    ) -> Result<(), Gone> {
        self.tell(match saved {
            Ok(Ok((count, path))) => RadioEvent::Saved(count, path),
            Ok(Err(error)) => RadioEvent::Trouble(error),
            Err(error) => RadioEvent::Trouble(Error::Internal(error.to_string())),
        })
        .await
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Writes lines to a new file: what stands there already is not ours to overwrite.
fn save(path: PathBuf, lines: &[String]) -> Result<(usize, PathBuf)> {
    let write = || {
        let mut file = File::create_new(&path)?;
        lines.iter().try_for_each(|line| writeln!(file, "{line}"))
    };
    match write() {
        Ok(()) => Ok((lines.len(), path)),
        Err(error) => {
            Err(Error::FileUnwritable { path: path.display().to_string(), detail: error.to_string() })
        }
    }
}
