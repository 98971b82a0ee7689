//! Recordings: a decorator that writes every call and answer of a radio to a file, and a radio that
//! replays such a file.
//!
//! A problem at a user's bulb becomes a test fixture this way. docs/RECORDINGS.md specifies the
//! format.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use async_trait::async_trait;
use tokio::io::{AsyncWriteExt, BufWriter};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::{
    AdapterInfo, AdapterState, CharacteristicId, ConnectRetry, Deadline, DeviceDetails, DeviceId, Link,
    LinkInfo, LinkState, NOTIFICATION_QUEUE, Notifications, Radio, SEEN_DEVICE_QUEUE, SeenDevice, Wanted,
    WriteKind, forward, lock,
};
use crate::error::{Error, Result};
use crate::sanitise::json_safe;
use format::{Answer, Call, Connected, Event, Hex, Line, RecordedDevice, micros};

mod format;
mod from_frames;
mod read;
mod redact;
mod replay;
#[cfg(test)]
mod tests;

pub use from_frames::{TracedDevice, from_frames};
pub use read::Recording;
pub use redact::redact;
pub use replay::{open, radio};

/// Capacity of the queue to the disk. When it is full, lines are dropped and the recording says how
/// many.
const QUEUE: usize = 4096;

#[derive(Debug)]
pub struct Recorder {
    path: PathBuf,
    /// The file, until [`wrap`](Self::wrap) takes it.
    file: Mutex<Option<File>>,
    writer: Mutex<Option<AbortOnDropHandle<()>>>,
    log: Mutex<Option<Arc<RecordingLog>>>,
    failure: Arc<OnceLock<String>>,
}

impl Recorder {
    /// Creates the file, readable by its owner only because it reveals which devices are near.
    /// Replaces an existing file.
    pub fn create(path: &Path) -> Result<Self> {
        let mut options = File::options();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).and_then(|file| {
            // An existing file may be open to others. Permissions of devices such as /dev/stdout
            // stay.
            #[cfg(unix)]
            if file.metadata()?.is_file() {
                file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
            }
            Ok(file)
        });
        let file = file.map_err(|error| unwritable(path, &error.to_string()))?;
        Ok(Self {
            path: path.to_owned(),
            file: Mutex::new(Some(file)),
            writer: Mutex::default(),
            log: Mutex::default(),
            failure: Arc::default(),
        })
    }

    /// Records this radio from now on. A recorder records one radio; it returns a second one
    /// unchanged.
    pub fn wrap(&self, radio: Arc<dyn Radio>) -> Arc<dyn Radio> {
        let Some(file) = lock(&self.file).take() else {
            return radio;
        };
        let (lines, queue) = mpsc::channel(QUEUE);
        let write =
            write(tokio::fs::File::from_std(file), queue, self.path.clone(), Arc::clone(&self.failure));
        let log = Arc::new(RecordingLog {
            began: Instant::now(),
            lines: Mutex::new(Some(lines)),
            next: AtomicU32::new(0),
            lost: AtomicU64::new(0),
        });
        *lock(&self.writer) = Some(AbortOnDropHandle::new(tokio::spawn(write)));
        *lock(&self.log) = Some(Arc::clone(&log));
        let adapter = radio.adapter();
        log.write(Event::Recording {
            version: format::VERSION,
            program: concat!("bulbctl ", env!("CARGO_PKG_VERSION")).to_owned(),
            adapter: adapter.name,
            address: adapter.address.map(|address| address.to_string()),
            links: radio.link_limit(),
            state: *radio.adapter_state().borrow(),
        });
        let (seen_devices, _) = broadcast::channel(SEEN_DEVICE_QUEUE);
        let states = radio.adapter_state();
        let (state, adapter) = forward_states(states, &log, |state| Event::Adapter { state });
        let recorded = Arc::clone(&log);
        let devices = forward(radio.seen_devices(), seen_devices.clone(), false, move |device| {
            recorded.write(match device {
                Ok(device) => Event::SeenDevice(RecordedDevice::of(device, recorded.began)),
                Err(lines) => Event::Lost { lines },
            });
        });
        let forwarders = vec![devices, adapter];
        Arc::new(Recorded { radio, log, seen_devices, state, forwarders: Mutex::new(forwarders) })
    }

    /// Writes the remaining lines.
    pub async fn finish(&self) -> Result<()> {
        if let Some(log) = lock(&self.log).take() {
            log.end();
        }
        let writer = lock(&self.writer).take();
        if let Some(writer) = writer {
            // A panic of the writer shows as missing lines.
            let _ = writer.await;
        }
        self.failure.get().map_or(Ok(()), |detail| Err(unwritable(&self.path, detail)))
    }
}

fn unwritable(path: &Path, detail: &str) -> Error {
    Error::FileUnwritable { path: path.display().to_string(), detail: detail.to_owned() }
}

/// Writes lines until the queue closes. A full disk ends the recording but not the command.
async fn write(
    file: tokio::fs::File,
    mut queue: mpsc::Receiver<String>,
    path: PathBuf,
    failure: Arc<OnceLock<String>>,
) {
    let mut file = BufWriter::new(file);
    let mut lines = async || -> std::io::Result<()> {
        while let Some(line) = queue.recv().await {
            file.write_all(line.as_bytes()).await?;
            file.write_all(b"\n").await?;
            // Flush whenever the queue is empty, so that a later crash loses nothing.
            if queue.is_empty() {
                file.flush().await?;
            }
        }
        file.flush().await
    };
    if let Err(error) = lines().await {
        tracing::warn!("the recording ends here: cannot write {}: {error}", path.display());
        let _ = failure.set(error.to_string());
    }
}

#[derive(Debug)]
struct RecordingLog {
    began: Instant,
    lines: Mutex<Option<mpsc::Sender<String>>>,
    next: AtomicU32,
    lost: AtomicU64,
}

impl RecordingLog {
    fn write(&self, event: Event) {
        let lines = lock(&self.lines);
        let Some(lines) = lines.as_ref() else { return };
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 && !self.send(lines, Event::Lost { lines: lost }) {
            self.lost.fetch_add(lost, Ordering::Relaxed);
        }
        if !self.send(lines, event) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn send(&self, lines: &mpsc::Sender<String>, event: Event) -> bool {
        let line = Line { t: micros(self.began.elapsed()), event };
        match serde_json::to_string(&line).map(json_safe) {
            // A closed queue means that the writer failed and has logged why.
            Ok(line) => !matches!(lines.try_send(line), Err(mpsc::error::TrySendError::Full(_))),
            Err(_) => false,
        }
    }

    fn end(&self) {
        lock(&self.lines).take();
    }

    /// Logs a call. The result completes it.
    fn call(self: &Arc<Self>, call: Call) -> PendingCall {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        self.write(Event::Call { n, call });
        PendingCall { log: Arc::clone(self), n, open: true }
    }
}

/// A call without an answer yet. Dropping it records that the program stopped waiting.
struct PendingCall {
    log: Arc<RecordingLog>,
    n: u32,
    open: bool,
}

impl PendingCall {
    fn finish<T>(mut self, result: Result<T>, answer: impl FnOnce(&T) -> Answer) -> Result<T> {
        self.open = false;
        let n = self.n;
        self.log.write(match &result {
            Ok(value) => Event::Done { n, answer: answer(value) },
            Err(error) => Event::Failed { n, code: error.code().to_owned(), error: error.to_recorded() },
        });
        result
    }
}

impl Drop for PendingCall {
    fn drop(&mut self) {
        if self.open {
            self.log.write(Event::Dropped { n: self.n });
        }
    }
}

fn nothing(_: &()) -> Answer {
    Answer::default()
}

// Events are recorded before the program receives them, so that the recording has cause before
// effect.

fn forward_states<T: Copy + Send + Sync + 'static>(
    mut states: watch::Receiver<T>,
    log: &Arc<RecordingLog>,
    what: impl Fn(T) -> Event + Send + 'static,
) -> (watch::Receiver<T>, AbortOnDropHandle<()>) {
    let (to, forwarded) = watch::channel(*states.borrow_and_update());
    let log = Arc::clone(log);
    let task = AbortOnDropHandle::new(tokio::spawn(async move {
        while states.changed().await.is_ok() {
            let state = *states.borrow_and_update();
            log.write(what(state));
            to.send_replace(state);
        }
    }));
    (forwarded, task)
}

#[derive(Debug)]
struct Recorded {
    radio: Arc<dyn Radio>,
    log: Arc<RecordingLog>,
    seen_devices: broadcast::Sender<SeenDevice>,
    state: watch::Receiver<AdapterState>,
    forwarders: Mutex<Vec<AbortOnDropHandle<()>>>,
}

#[async_trait]
impl Radio for Recorded {
    pass_on! {
        radio: adapter -> AdapterInfo,
        link_limit -> usize,
        keeps_links -> bool,
        connect_retries -> broadcast::Receiver<ConnectRetry>
    }

    fn adapter_state(&self) -> watch::Receiver<AdapterState> {
        self.state.clone()
    }

    fn seen_devices(&self) -> broadcast::Receiver<SeenDevice> {
        self.seen_devices.subscribe()
    }

    fn prefer(&self, wanted: Wanted) {
        self.radio.prefer(wanted);
    }

    async fn start_scan(&self) -> Result<()> {
        let call = self.log.call(Call::StartScan);
        call.finish(self.radio.start_scan().await, nothing)
    }

    async fn stop_scan(&self) -> Result<()> {
        let call = self.log.call(Call::StopScan);
        call.finish(self.radio.stop_scan().await, nothing)
    }

    async fn check_adapter(&self) -> Result<()> {
        self.radio.check_adapter().await
    }

    async fn known_devices(&self) -> Result<Vec<SeenDevice>> {
        let call = self.log.call(Call::Known);
        let answer = |seen_devices: &Vec<SeenDevice>| {
            let devices =
                seen_devices.iter().map(|device| RecordedDevice::of(device, self.log.began)).collect();
            Answer { devices: Some(devices), ..Answer::default() }
        };
        call.finish(self.radio.known_devices().await, answer)
    }

    async fn details(&self, device: &DeviceId) -> Result<DeviceDetails> {
        let call = self.log.call(Call::Details { device: device.to_string() });
        let answer = |details: &DeviceDetails| Answer { details: Some(details.clone()), ..Answer::default() };
        call.finish(self.radio.details(device).await, answer)
    }

    async fn connect(&self, device: &DeviceId, deadline: Deadline) -> Result<Arc<dyn Link>> {
        let call = self.log.call(Call::Connect { device: device.to_string() });
        let number = call.n;
        let answer = |link: &Arc<dyn Link>| {
            let services = link.table().services.clone();
            let connected = Connected { was_up: link.was_up(), mtu: link.mtu(), services };
            Answer { connected: Some(connected), ..Answer::default() }
        };
        let link = call.finish(self.radio.connect(device, deadline).await, answer)?;
        let what = move |state| Event::Link { link: number, up: state == LinkState::Up };
        let (state, forwarder) = forward_states(link.state(), &self.log, what);
        let (log, forwarders) = (Arc::clone(&self.log), Mutex::new(vec![forwarder]));
        Ok(Arc::new(RecordedLink { link, log, number, state, forwarders }))
    }

    async fn close(&self) {
        self.radio.close().await;
        lock(&self.forwarders).clear();
    }
}

#[derive(Debug)]
struct RecordedLink {
    link: Arc<dyn Link>,
    log: Arc<RecordingLog>,
    number: u32,
    state: watch::Receiver<LinkState>,
    forwarders: Mutex<Vec<AbortOnDropHandle<()>>>,
}

#[async_trait]
impl Link for RecordedLink {
    pass_on! {
        link: info -> &LinkInfo,
        mtu -> Option<u16>
    }

    fn state(&self) -> watch::Receiver<LinkState> {
        self.state.clone()
    }

    async fn read(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<Vec<u8>> {
        let call = self.log.call(Call::Read { link: self.number, characteristic });
        let answer = |value: &Vec<u8>| Answer { hex: Some(Hex(value.clone())), ..Answer::default() };
        call.finish(self.link.read(characteristic, deadline).await, answer)
    }

    async fn write(
        &self,
        characteristic: CharacteristicId,
        value: &[u8],
        kind: WriteKind,
        deadline: Deadline,
    ) -> Result<()> {
        let call = self.log.call(Call::Write {
            link: self.number,
            characteristic,
            hex: Hex(value.to_vec()),
            response: kind == WriteKind::Request,
        });
        call.finish(self.link.write(characteristic, value, kind, deadline).await, nothing)
    }

    async fn subscribe(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<Notifications> {
        let call = self.log.call(Call::Subscribe { link: self.number, characteristic });
        let inner =
            call.finish(self.link.subscribe(characteristic, deadline).await, |_| Answer::default())?;
        let (sender, receiver) = broadcast::channel(NOTIFICATION_QUEUE);
        let (log, link) = (Arc::clone(&self.log), self.number);
        let forward = forward(inner, sender, true, move |value| {
            log.write(match value {
                Ok(value) => Event::Notification { link, characteristic, hex: Hex(value.clone()) },
                Err(lines) => Event::Lost { lines },
            });
        });
        lock(&self.forwarders).push(forward);
        Ok(receiver)
    }

    async fn unsubscribe(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<()> {
        let call = self.log.call(Call::Unsubscribe { link: self.number, characteristic });
        call.finish(self.link.unsubscribe(characteristic, deadline).await, nothing)
    }

    async fn system_battery(&self) -> Result<Option<u8>> {
        let call = self.log.call(Call::Battery { link: self.number });
        let answer = |percent: &Option<u8>| Answer { percent: *percent, ..Answer::default() };
        call.finish(self.link.system_battery().await, answer)
    }

    async fn bond(&self, deadline: Deadline) -> Result<()> {
        let call = self.log.call(Call::Bond { link: self.number });
        call.finish(self.link.bond(deadline).await, nothing)
    }

    fn keep(&self) {
        self.link.keep();
    }

    async fn disconnect(&self) -> Result<()> {
        let call = self.log.call(Call::Disconnect { link: self.number });
        call.finish(self.link.disconnect().await, nothing)
    }
}
