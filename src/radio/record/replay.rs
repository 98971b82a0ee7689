//! A radio that replays a recording.
//!
//! Each call gets its recorded answer after the recorded delay. Other events follow the preceding
//! call by the recorded time, so that a program that is slightly slower or faster than the recorded
//! one sees the same.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, broadcast, oneshot, watch};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::format::{Answer, Call, Event, Hex, Line};
use super::read::Recording;
use crate::error::{Error, Result};
use crate::radio::{
    AdapterInfo, AdapterState, CharacteristicId, Deadline, DeviceDetails, DeviceId, GattTable, Link,
    LinkInfo, LinkState, NOTIFICATION_QUEUE, Notifications, Radio, SEEN_DEVICE_QUEUE, SeenDevice, WriteKind,
    lock,
};

pub fn open(path: &Path) -> Result<Arc<dyn Radio>> {
    radio(Recording::load(path)?)
}

pub fn radio(recording: Recording) -> Result<Arc<dyn Radio>> {
    Ok(Arc::new(Replay::new(recording)?))
}

#[derive(Debug)]
struct Replay {
    adapter: AdapterInfo,
    links: usize,
    player: Arc<Player>,
    _task: AbortOnDropHandle<()>,
}

impl Replay {
    fn new(recording: Recording) -> Result<Self> {
        let Some((_, Line { event: Event::Recording { adapter, address, links, state, .. }, .. })) =
            recording.lines.first()
        else {
            let detail = "it does not begin with a line of type recording".to_owned();
            return Err(Error::RecordingInvalid { path: recording.path, detail });
        };
        let address = address.as_ref().and_then(|text| text.parse().ok());
        let adapter = AdapterInfo { name: adapter.clone(), address };
        let (links, state) = (*links, *state);
        if recording.lines.iter().any(|(_, line)| matches!(line.event, Event::Lost { .. })) {
            tracing::warn!("{}: the recording could not keep up, and lacks lines", recording.path);
        }
        let player = Arc::new(Player::new(recording, state));
        let task = AbortOnDropHandle::new(tokio::spawn(play(Arc::clone(&player))));
        Ok(Self { adapter, links, player, _task: task })
    }
}

async fn play(player: Arc<Player>) {
    loop {
        let woken = player.wake.notified();
        match player.play_due() {
            Some(next) => tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = woken => {}
            },
            None => woken.await,
        }
    }
}

#[derive(Debug)]
struct Player {
    path: String,
    lines: Vec<(usize, Line)>,
    began: Instant,
    /// The numbers of the calls that have an answer.
    answered: HashSet<u32>,
    state: Mutex<State>,
    wake: Notify,
    seen_devices: broadcast::Sender<SeenDevice>,
    adapter: watch::Sender<AdapterState>,
}

#[derive(Debug, Default)]
struct State {
    /// Calls not made yet, as indices into `lines`, oldest first, by what they ask for.
    calls: HashMap<String, VecDeque<usize>>,
    /// Events that follow each call, by its number: index into `lines`, and delay after the call.
    follows: HashMap<u32, Vec<(usize, Duration)>>,
    /// Scheduled events, as indices into `lines`.
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    /// The receivers of pending answers, by the number of the call.
    waiting: HashMap<u32, oneshot::Sender<Result<Answer>>>,
    links: HashMap<u32, LinkEnds>,
    /// The line of the last call that was made.
    last: usize,
}

#[derive(Debug)]
struct LinkEnds {
    state: watch::Sender<LinkState>,
    streams: HashMap<CharacteristicId, broadcast::Sender<Vec<u8>>>,
}

impl Player {
    fn new(recording: Recording, adapter: AdapterState) -> Self {
        let began = Instant::now();
        let mut state = State { last: 1, ..State::default() };
        let mut begun: HashMap<u32, u64> = HashMap::new();
        let mut answered = HashSet::new();
        // The call that seen devices follow, and the last call of each link.
        let mut scan = None;
        let mut of_link: HashMap<u32, u32> = HashMap::new();
        for (place, (_, line)) in recording.lines.iter().enumerate() {
            let after = match &line.event {
                Event::Call { n, call } => {
                    begun.insert(*n, line.t);
                    if matches!(call, Call::StartScan) {
                        scan = Some(*n);
                    }
                    of_link.insert(call.link().unwrap_or(*n), *n);
                    state.calls.entry(key(call)).or_default().push_back(place);
                    continue;
                }
                Event::Done { n, .. } | Event::Failed { n, .. } => {
                    answered.insert(*n);
                    Some(*n)
                }
                Event::SeenDevice(_) | Event::Adapter { .. } => scan,
                Event::Notification { link, .. } | Event::Link { link, .. } => of_link.get(link).copied(),
                Event::Recording { .. } | Event::Dropped { .. } | Event::Lost { .. } => continue,
            };
            match after.and_then(|n| Some((n, line.t.saturating_sub(*begun.get(&n)?)))) {
                Some((n, t)) => state.follows.entry(n).or_default().push((place, Duration::from_micros(t))),
                None => state.due.push(Reverse((later(began, Duration::from_micros(line.t)), place))),
            }
        }
        Self {
            path: recording.path,
            lines: recording.lines,
            began,
            answered,
            state: Mutex::new(state),
            wake: Notify::new(),
            seen_devices: broadcast::channel(SEEN_DEVICE_QUEUE).0,
            adapter: watch::channel(adapter).0,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Makes a call. Returns its number and the receiver of its answer.
    fn call(&self, call: &Call) -> Result<(u32, oneshot::Receiver<Result<Answer>>)> {
        let mut state = self.state();
        let place = state.calls.get_mut(&key(call)).and_then(VecDeque::pop_front);
        let found = place.and_then(|place| self.lines.get(place));
        let Some((number, Line { event: Event::Call { n, .. }, .. })) = found else {
            return Err(Error::NotRecorded {
                path: self.path.clone(),
                asked: call.to_string(),
                line: state.last,
            });
        };
        state.last = *number;
        let now = Instant::now();
        for (place, after) in state.follows.remove(n).unwrap_or_default() {
            state.due.push(Reverse((later(now, after), place)));
        }
        let (sender, receiver) = oneshot::channel();
        state.waiting.insert(*n, sender);
        if matches!(call, Call::Connect { .. }) {
            state
                .links
                .insert(*n, LinkEnds { state: watch::channel(LinkState::Up).0, streams: HashMap::new() });
        }
        drop(state);
        self.wake.notify_one();
        Ok((*n, receiver))
    }

    /// Makes a call and waits for its answer. If the recorded program stopped waiting, there is
    /// none; then it waits until `deadline`.
    async fn ask(&self, call: Call, deadline: Option<Deadline>) -> Result<(u32, Answer)> {
        let (n, answer) = self.call(&call)?;
        let none = || {
            let line = self.state().last;
            Error::NotRecorded { path: self.path.clone(), asked: call.to_string(), line }
        };
        // A recorded answer may take exactly the time that the deadline allows, so it does not
        // count here.
        let answered = async { answer.await.unwrap_or_else(|_| Err(none())) };
        let result = match deadline {
            _ if self.answered.contains(&n) => answered.await,
            Some(deadline) => deadline.run(answered, |_| none()).await,
            None => Err(none()),
        };
        result.map(|answer| (n, answer))
    }

    /// Plays all due events in recorded order. Returns the time of the next one.
    fn play_due(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut state = self.state();
        while let Some(&Reverse((at, place))) = state.due.peek() {
            if at > now {
                return Some(at);
            }
            state.due.pop();
            if let Some((_, line)) = self.lines.get(place) {
                self.play_event(&mut state, &line.event);
            }
        }
        None
    }

    /// Having no receiver is no error.
    fn play_event(&self, state: &mut State, event: &Event) {
        match event {
            Event::Done { n, answer } => {
                if let Some(waiting) = state.waiting.remove(n) {
                    let _ = waiting.send(Ok(answer.clone()));
                }
            }
            Event::Failed { n, error, .. } => {
                if let Some(waiting) = state.waiting.remove(n) {
                    let _ = waiting.send(Err(error.clone()));
                }
            }
            Event::SeenDevice(device) => {
                let _ = self.seen_devices.send(device.to_seen(self.began));
            }
            Event::Adapter { state } => {
                self.adapter.send_replace(*state);
            }
            Event::Notification { link, characteristic, hex } => {
                let link_ends = state.links.get(link);
                let stream = link_ends.and_then(|link_ends| link_ends.streams.get(characteristic));
                let _ = stream.map(|stream| stream.send(hex.0.clone()));
            }
            Event::Link { link, up } => {
                if let Some(link_ends) = state.links.get_mut(link) {
                    link_ends.state.send_replace(if *up { LinkState::Up } else { LinkState::Down });
                    if !up {
                        link_ends.streams.clear();
                    }
                }
            }
            Event::Recording { .. } | Event::Call { .. } | Event::Dropped { .. } | Event::Lost { .. } => {}
        }
    }
}

/// A key that is equal for calls that ask for the same.
fn key(call: &Call) -> String {
    format!("{call:?}")
}

fn later(from: Instant, by: Duration) -> Instant {
    from.checked_add(by).unwrap_or(from)
}

#[async_trait]
impl Radio for Replay {
    fn adapter(&self) -> AdapterInfo {
        self.adapter.clone()
    }

    fn link_limit(&self) -> usize {
        self.links
    }

    fn adapter_state(&self) -> watch::Receiver<AdapterState> {
        self.player.adapter.subscribe()
    }

    fn seen_devices(&self) -> broadcast::Receiver<SeenDevice> {
        self.player.seen_devices.subscribe()
    }

    async fn start_scan(&self) -> Result<()> {
        self.player.ask(Call::StartScan, None).await.map(|_| ())
    }

    async fn stop_scan(&self) -> Result<()> {
        self.player.ask(Call::StopScan, None).await.map(|_| ())
    }

    async fn known_devices(&self) -> Result<Vec<SeenDevice>> {
        let (_, answer) = self.player.ask(Call::Known, None).await?;
        Ok(answer
            .devices
            .unwrap_or_default()
            .iter()
            .map(|device| device.to_seen(self.player.began))
            .collect())
    }

    async fn details(&self, device: &DeviceId) -> Result<DeviceDetails> {
        let (_, answer) = self.player.ask(Call::Details { device: device.to_string() }, None).await?;
        Ok(answer.details.unwrap_or_default())
    }

    async fn connect(&self, device: &DeviceId, deadline: Deadline) -> Result<Arc<dyn Link>> {
        let call = Call::Connect { device: device.to_string() };
        let (number, answer) = self.player.ask(call, Some(deadline)).await?;
        let connected = answer.connected.ok_or_else(|| Error::RecordingInvalid {
            path: self.player.path.clone(),
            detail: format!("call {number} connected, and there is no table"),
        })?;
        let info = LinkInfo {
            device: device.clone(),
            label: device.to_string(),
            was_up: connected.was_up,
            table: GattTable { services: connected.services },
            discovery: None,
        };
        Ok(Arc::new(ReplayLink { player: Arc::clone(&self.player), number, info, mtu: connected.mtu }))
    }

    async fn close(&self) {}
}

#[derive(Debug)]
struct ReplayLink {
    player: Arc<Player>,
    number: u32,
    info: LinkInfo,
    mtu: Option<u16>,
}

#[async_trait]
impl Link for ReplayLink {
    fn info(&self) -> &LinkInfo {
        &self.info
    }

    fn state(&self) -> watch::Receiver<LinkState> {
        let state = self.player.state();
        state
            .links
            .get(&self.number)
            .map_or_else(|| watch::channel(LinkState::Down).1, |link_ends| link_ends.state.subscribe())
    }

    async fn read(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<Vec<u8>> {
        let call = Call::Read { link: self.number, characteristic };
        let (_, answer) = self.player.ask(call, Some(deadline)).await?;
        Ok(answer.hex.unwrap_or_default().0)
    }

    async fn write(
        &self,
        characteristic: CharacteristicId,
        value: &[u8],
        kind: WriteKind,
        deadline: Deadline,
    ) -> Result<()> {
        let (characteristic, hex, response) =
            (characteristic, Hex(value.to_vec()), kind == WriteKind::Request);
        let call = Call::Write { link: self.number, characteristic, hex, response };
        self.player.ask(call, Some(deadline)).await.map(|_| ())
    }

    async fn subscribe(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<Notifications> {
        let (sender, receiver) = broadcast::channel(NOTIFICATION_QUEUE);
        if let Some(link_ends) = self.player.state().links.get_mut(&self.number) {
            link_ends.streams.insert(characteristic, sender);
        }
        let call = Call::Subscribe { link: self.number, characteristic };
        self.player.ask(call, Some(deadline)).await.map(|_| receiver)
    }

    async fn unsubscribe(&self, characteristic: CharacteristicId, deadline: Deadline) -> Result<()> {
        let call = Call::Unsubscribe { link: self.number, characteristic };
        self.player.ask(call, Some(deadline)).await?;
        if let Some(link_ends) = self.player.state().links.get_mut(&self.number) {
            link_ends.streams.remove(&characteristic);
        }
        Ok(())
    }

    async fn system_battery(&self) -> Result<Option<u8>> {
        self.player.ask(Call::Battery { link: self.number }, None).await.map(|(_, answer)| answer.percent)
    }

    fn mtu(&self) -> Option<u16> {
        self.mtu
    }

    async fn bond(&self, deadline: Deadline) -> Result<()> {
        self.player.ask(Call::Bond { link: self.number }, Some(deadline)).await.map(|_| ())
    }

    fn keep(&self) {}

    async fn disconnect(&self) -> Result<()> {
        self.player.ask(Call::Disconnect { link: self.number }, None).await.map(|_| ())
    }
}
