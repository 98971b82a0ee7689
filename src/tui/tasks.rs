//! Tasks of the radio worker: files, scenes, GATT operations, and the conformance suite.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::desk::Setup;
use super::event::{CheckEvent, GattRequest, RadioEvent, SavedKind};
use crate::bulb::{
    CharacteristicRef, ConnectGate, DrivenProfile, Families, GattOutcome, RawGatt, Restorer, WriteChoice,
};
use crate::check::{self, Board, CheckPlan};
use crate::error::{Error, Result};
use crate::files::{self, LONGEST_TEXT};
use crate::fleet::Target;
use crate::output::{Record, SavedState, SnapshotRecord, json_line};
use crate::radio::{Deadline, DeviceId, Link, Radio, SeenDevice};

/// The end of the name of a scene's file.
const SCENE: &str = "jsonl";
/// Limit for the scenes in the list.
const MAX_SCENES: usize = 1_000;
/// Limit for results of checks on their way to the desk. There are far fewer checks.
const CHECK_QUEUE: usize = 1_024;

/// Restores the bulb under check if the program ends during the check.
#[derive(Clone, Debug, Default)]
pub struct RestoreAtExit(Arc<Mutex<Option<Restorer>>>);

impl RestoreAtExit {
    fn set(&self, restorer: Option<Restorer>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = restorer;
    }

    pub async fn run(&self) {
        let restorer = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(restorer) = restorer {
            restorer.run().await;
        }
    }
}

/// Writes lines to a new file. Never overwrites a file.
pub(super) fn save(kind: SavedKind, path: PathBuf, lines: &[String]) -> RadioEvent {
    let write = || {
        let mut options = File::options();
        options.write(true).create_new(true);
        // A recording tells which devices are near.
        #[cfg(unix)]
        if kind == SavedKind::Recording {
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        }
        let mut file = options.open(&path)?;
        lines.iter().try_for_each(|line| writeln!(file, "{line}"))
    };
    match write() {
        Ok(()) => RadioEvent::Saved(kind, lines.len(), path),
        Err(error) => RadioEvent::Failed(unwritable(&path, &error)),
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    Error::FileUnwritable { path: path.display().to_string(), detail: error.to_string() }
}

/// Returns the path of a scene: in the folder of scenes, unless the name is a path.
fn scene_path(folder: Option<&Path>, name: &str) -> PathBuf {
    match folder {
        Some(folder) if !name.contains(['/', '\\']) => folder.join(format!("{name}.{SCENE}")),
        _ => PathBuf::from(name),
    }
}

pub(super) fn save_scene(folder: Option<&Path>, name: &str, states: Vec<SnapshotRecord>) -> RadioEvent {
    let lines =
        states.into_iter().map(|state| json_line(&Record::Snapshot(state))).collect::<Result<Vec<_>>>();
    let lines = match lines {
        Ok(lines) => lines,
        Err(error) => return RadioEvent::Failed(error),
    };
    let path = scene_path(folder, name);
    if let Some(folder) = folder.filter(|folder| path.starts_with(folder))
        && let Err(error) = fs::create_dir_all(folder)
    {
        return RadioEvent::Failed(unwritable(folder, &error));
    }
    save(SavedKind::Scene, path, &lines)
}

pub(super) fn list_scenes(folder: Option<&Path>) -> RadioEvent {
    let mut names = Vec::new();
    // Without the folder there are no scenes.
    for entry in folder.and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == SCENE)
            && let Some(name) = path.file_stem().and_then(|name| name.to_str())
            && names.len() < MAX_SCENES
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    RadioEvent::Scenes(names)
}

pub(super) fn read_scene(setup: &Setup, name: &str) -> RadioEvent {
    let path = scene_path(setup.scenes.as_deref(), name);
    let read = || {
        let text = files::text(&path, LONGEST_TEXT)?;
        let invalid = |detail| Error::SnapshotInvalid { path: path.display().to_string(), detail };
        let states = SavedState::read(&text).map_err(invalid)?;
        let parse = |state: SavedState| {
            Ok((Target::parse(&state.target, &setup.config, &setup.families)?, state.light))
        };
        states.into_iter().map(parse).collect::<Result<Vec<_>>>()
    };
    match read() {
        Ok(states) => RadioEvent::SceneRead(name.to_owned(), states),
        Err(error) => RadioEvent::Failed(error),
    }
}

/// Performs an operation. Returns the link with the subscription if it subscribed.
pub(super) async fn gatt(
    link: Arc<dyn Link>,
    characteristic: CharacteristicRef,
    request: GattRequest,
    time: Duration,
) -> (Result<GattOutcome>, Option<RawGatt>) {
    let mut raw = RawGatt::new(Arc::clone(&link), link.info().label.clone());
    let deadline = Deadline::after(time);
    let outcome = match &request {
        GattRequest::Read => raw.read(&characteristic, deadline).await,
        GattRequest::Write(value) => raw.write(&characteristic, value, WriteChoice::Auto, deadline).await,
        GattRequest::Subscribe => raw.subscribe(&characteristic, deadline).await,
        GattRequest::Unsubscribe => raw.unsubscribe(&characteristic, deadline).await,
    };
    let keep = request == GattRequest::Subscribe && outcome.is_ok();
    (outcome, keep.then_some(raw))
}

/// The check that runs.
#[derive(Debug)]
pub(super) struct RunningCheck {
    pub(super) device: DeviceId,
    pub(super) stop: CancellationToken,
    pub(super) results: mpsc::Receiver<CheckEvent>,
    pub(super) _task: tokio_util::task::AbortOnDropHandle<()>,
}

pub(super) struct CheckTask {
    pub(super) radio: Arc<dyn Radio>,
    pub(super) device: SeenDevice,
    pub(super) profile: Option<DrivenProfile>,
    pub(super) families: Arc<Families>,
    pub(super) gate: Arc<ConnectGate>,
    pub(super) time: Duration,
    pub(super) at_exit: RestoreAtExit,
}

impl CheckTask {
    pub(super) fn start(self) -> RunningCheck {
        let (sender, results) = mpsc::channel(CHECK_QUEUE);
        let stop = CancellationToken::new();
        let device = self.device.id.clone();
        let task = tokio::spawn(self.run(sender, stop.clone()));
        RunningCheck { device, stop, results, _task: tokio_util::task::AbortOnDropHandle::new(task) }
    }

    async fn run(self, results: mpsc::Sender<CheckEvent>, stop: CancellationToken) {
        let at_exit = self.at_exit.clone();
        let end = match stop.run_until_cancelled(self.check(&results)).await {
            Some(summary) => CheckEvent::End(summary),
            None => CheckEvent::Stopped,
        };
        // The bulb goes back to the state that it was found in, also if the check was stopped.
        at_exit.run().await;
        // Without a reader nobody needs the result.
        let _ = results.send(end).await;
    }

    async fn check(self, results: &mpsc::Sender<CheckEvent>) -> Result<check::Summary> {
        let Self { radio, device, profile, families, gate, time, at_exit } = self;
        let _slot = gate.slot().await;
        // The scan pauses meanwhile, and nothing else connects: other traffic would distort the times.
        let _turn = gate.enter().await;
        let profile = match profile {
            Some(profile) => profile.0,
            None => check::profile_for(radio.as_ref(), &device, &families, Deadline::after(time)).await?,
        };
        let mut board = Board::new(radio, device, families, profile);
        at_exit.set(Some(board.restorer().clone()));
        let finished = |done: &check::FinishedCheck| {
            // The queue holds more than all checks.
            let _ = results.try_send(CheckEvent::Finished(Box::new(done.clone())));
            Ok(())
        };
        check::run(&mut board, &CheckPlan::default(), finished).await
    }
}
