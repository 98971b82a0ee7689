//! The task of the bridge: owns the radio, the drivers and the connection to the broker.

mod broker;
mod bulb;
mod bulbs;
mod claims;
mod commands;
mod links;
mod publish;
mod queue;
mod shared_errors;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use self::broker::Broker;
use self::bulb::Bulb;
use self::claims::Owners;
use self::commands::Unheard;
use self::shared_errors::SharedErrors;
use super::broker::Access;
use super::clock;
use super::command::LightCommand;
use super::links::Links;
use super::memory::{HostLock, Store, random};
use super::outbox::Outbox;
use super::systemd;
use super::topics::{BulbId, Topics, slug};
use crate::bulb::{ConnectGate, DriverEvent, Families};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::fleet::{ScanEvent, Target, keep_scanning};
use crate::output::{BridgePhase, BridgeRecord, ErrorRecord, Record};
use crate::radio::{AdapterState, DeviceId, Radio, SeenDevice};

const TICK: Duration = Duration::from_secs(1);
const SWEEP: Duration = Duration::from_millis(500);
/// A pause of the process of this length, by a stop or a suspend, makes everything uncertain: commands that wait in the socket are
/// old, and another bridge may own the bulbs.
const FROZEN: Duration = Duration::from_secs(5);
const DRIVER_EVENTS: usize = 64;
const SCAN_EVENTS: usize = 16;
/// Time to ask the system why the adapter is off.
const ADAPTER_TIME: Duration = Duration::from_secs(1);
/// Events that wait to be printed. What is beyond is dropped: a terminal that stands still must not stop the bridge.
const PRINTED: usize = 256;
/// Time for the farewell to the broker.
const FAREWELL: Duration = Duration::from_millis(800);
/// The most bulbs. Devices that use a new address every few minutes would fill the memory.
const MOST_BULBS: usize = 1000;

/// Parses a line of `run` to the target and what it gets.
pub type LineParser = Arc<dyn Fn(&str) -> Result<(String, LightCommand)> + Send + Sync>;

/// What can change while the bridge runs.
#[derive(Clone, Debug)]
pub struct Settings {
    pub config: Arc<Config>,
    pub families: Arc<Families>,
    pub access: Access,
    /// The bulbs, by target.
    pub target: Target,
    pub topics: Topics,
    /// Announce the bulbs to Home Assistant.
    pub discovery: bool,
    /// No other bridge is on this broker.
    pub alone: bool,
}

impl Settings {
    /// The name for people, which is the alias if there is one, and the room.
    pub(super) fn name_of(&self, device: &SeenDevice) -> (String, Option<String>) {
        let config = &self.config;
        let means =
            |text: &str| Target::parse(text, config, &self.families).is_ok_and(|target| target.means(device));
        let alias = config.aliases.iter().find(|(_, target)| means(target)).map(|(alias, _)| alias.clone());
        let area = config.bridge.areas.iter().find(|(bulb, _)| means(bulb)).map(|(_, area)| area.clone());
        (alias.unwrap_or_else(|| device.label()), area)
    }
}

/// What a bridge is made of.
pub struct Setup {
    pub settings: Settings,
    pub radio: Arc<dyn Radio>,
    /// The time limit of an operation on a bulb.
    pub timeout: Duration,
    /// The largest number of links.
    pub links: usize,
    pub parse_line: LineParser,
    /// The folder of what is kept between runs.
    pub folder: Option<PathBuf>,
}

/// An event for the user of the bridge.
#[derive(Debug)]
pub enum BridgeEvent {
    Record(Box<Record>),
    /// The bridge has ended by itself.
    Ended(Error),
}

/// A running bridge. Its task belongs to [`BridgeTask`].
#[derive(Debug)]
pub struct Bridge {
    events: mpsc::Receiver<BridgeEvent>,
    settings: watch::Sender<Settings>,
}

impl Bridge {
    /// Starts a bridge.
    ///
    /// # Errors
    /// [`Error::BridgeRunning`].
    pub fn start(setup: Setup) -> Result<(Self, BridgeTask)> {
        let lock = HostLock::take(setup.folder.as_deref())?;
        let (out, events) = mpsc::channel(PRINTED);
        let (settings, changed) = watch::channel(setup.settings.clone());
        let stop = CancellationToken::new();
        let worker = Worker::new(setup, out, changed, lock);
        let handle = AbortOnDropHandle::new(tokio::spawn(worker.run(stop.clone())));
        Ok((Self { events, settings }, BridgeTask { stop, handle }))
    }

    /// Waits for the next event; `None` after the end.
    pub async fn next(&mut self) -> Option<BridgeEvent> {
        self.events.recv().await
    }

    /// Continues with other settings.
    pub fn apply(&self, settings: Settings) {
        self.settings.send_replace(settings);
    }
}

/// The task of a bridge. It ends when this is dropped.
#[derive(Debug)]
pub struct BridgeTask {
    stop: CancellationToken,
    handle: AbortOnDropHandle<()>,
}

impl BridgeTask {
    /// Says farewell to the broker and disconnects the bulbs.
    pub async fn end(self) {
        self.stop.cancel();
        // A panic of the task has been reported.
        let _ = self.handle.await;
    }
}

struct Group {
    name: String,
    target: Target,
}

struct Worker {
    settings: Settings,
    changed: watch::Receiver<Settings>,
    radio: Arc<dyn Radio>,
    timeout: Duration,
    parse_line: LineParser,
    gate: Arc<ConnectGate>,
    links: Links,
    slots: usize,
    bulbs: BTreeMap<BulbId, Bulb>,
    by_device: HashMap<DeviceId, BulbId>,
    groups: BTreeMap<String, Group>,
    driver_events: mpsc::Receiver<(DeviceId, DriverEvent)>,
    driver_sender: mpsc::Sender<(DeviceId, DriverEvent)>,
    scan_events: mpsc::Receiver<ScanEvent>,
    outbox: Outbox,
    broker: Broker,
    store: Store,
    /// Random, to tell this process from another with its name.
    instance: String,
    started: SystemTime,
    unheard: VecDeque<Unheard>,
    shared_errors: SharedErrors,
    /// When Home Assistant, which has just started, gets everything again.
    home_assistant_at: Option<Instant>,
    out: mpsc::Sender<BridgeEvent>,
    /// Bulbs that are no longer meant, and since when.
    forgetting: BTreeMap<BulbId, Duration>,
    /// When the list of bulbs is published.
    bulbs_due: Option<Instant>,
    /// The adapter is on.
    powered: bool,
    /// Why it cannot be used, if it is not.
    adapter_error: Option<Error>,
    /// The links have to be planned again, at once or at a time.
    unplanned: bool,
    plan_at: Option<Instant>,
    /// Which bulbs are those of this bridge; `None` if it is alone.
    owners: Option<Owners>,
    last_turn: Duration,
    sweep_at: Instant,
    watchdog: Option<(Duration, Instant)>,
    _scan: watch::Sender<bool>,
    _scanner: AbortOnDropHandle<()>,
    _lock: HostLock,
}

impl Worker {
    fn new(
        setup: Setup,
        out: mpsc::Sender<BridgeEvent>,
        changed: watch::Receiver<Settings>,
        lock: HostLock,
    ) -> Self {
        let Setup { settings, radio, timeout, links, parse_line, folder } = setup;
        let gate = Arc::new(ConnectGate::with_limit(links));
        let instance = random();
        let store = Store::open(folder.as_deref(), settings.topics.bridge_name());
        let (owners, radio) = if settings.alone {
            (None, radio)
        } else {
            let earlier = store.memory().ended.clone();
            let (owners, radio) = Owners::new(settings.topics.bridge_name(), &instance, earlier, radio);
            (Some(owners), radio)
        };
        let (driver_sender, driver_events) = mpsc::channel(DRIVER_EVENTS);
        let (scan_sender, scan_events) = mpsc::channel(SCAN_EVENTS);
        let (scan, wanted) = watch::channel(true);
        let scanner = keep_scanning(radio.clone(), wanted, gate.clone(), scan_sender);
        Self {
            changed,
            timeout,
            parse_line,
            links: Links::new(links),
            slots: links,
            gate,
            bulbs: BTreeMap::new(),
            by_device: HashMap::new(),
            groups: BTreeMap::new(),
            driver_events,
            driver_sender,
            scan_events,
            outbox: Outbox::default(),
            broker: Broker::default(),
            store,
            instance,
            owners,
            started: SystemTime::now(),
            unheard: VecDeque::new(),
            shared_errors: SharedErrors::default(),
            home_assistant_at: None,
            out,
            forgetting: BTreeMap::new(),
            bulbs_due: None,
            powered: true,
            adapter_error: None,
            unplanned: true,
            plan_at: None,
            last_turn: clock::now(),
            sweep_at: Instant::now(),
            watchdog: systemd::watchdog().map(|every| (every, Instant::now())),
            radio,
            settings,
            _scan: scan,
            _scanner: AbortOnDropHandle::new(tokio::spawn(scanner)),
            _lock: lock,
        }
    }

    async fn run(mut self, stop: CancellationToken) {
        self.update_groups();
        self.restore_bulbs();
        let adapter = *self.radio.adapter_state().borrow();
        self.adapter_changed(adapter).await;
        match self.radio.known_devices().await {
            Ok(known) => {
                known.into_iter().filter(|device| device.connected).for_each(|device| self.seen(device))
            }
            Err(error) => self.report(&error, None),
        }
        systemd::ready();
        let ended = stop.run_until_cancelled(self.turns()).await;
        systemd::stopping();
        self.farewell().await;
        self.store.save();
        if let Some(error) = ended {
            // The user waits for nothing else.
            let _ = self.out.send(BridgeEvent::Ended(error)).await;
        }
    }

    /// Runs until something ends the bridge; returns that error.
    async fn turns(&mut self) -> Error {
        let mut seen = self.radio.seen_devices();
        let mut adapter = self.radio.adapter_state();
        loop {
            if let Some(error) = self.broker.fatal.take() {
                return error;
            }
            self.prepare_turn();
            let wake = self.wake();
            let turn = tokio::select! {
                event = self.broker.next() => Turn::Broker(event),
                Some((device, event)) = self.driver_events.recv() => Turn::Driver(device, event),
                device = seen.recv() => match device {
                    Ok(device) => Turn::Seen(Box::new(device)),
                    // The next advertisement of each device replaces the missed ones.
                    Err(RecvError::Lagged(_)) => Turn::Tick,
                    Err(RecvError::Closed) => return Error::ServiceDown,
                },
                changed = adapter.changed() => match changed {
                    Ok(()) => Turn::Adapter(*adapter.borrow_and_update()),
                    Err(_) => return Error::ServiceDown,
                },
                Some(event) = self.scan_events.recv() => Turn::Scan(event),
                Ok(()) = self.changed.changed() => Turn::Settings,
                () = sleep_until(wake) => Turn::Tick,
            };
            if self.was_frozen() {
                self.thaw();
                // What just came from the broker is old.
                if matches!(turn, Turn::Broker(_)) {
                    continue;
                }
            }
            self.turn(turn).await;
        }
    }

    async fn turn(&mut self, turn: Turn) {
        let now = Instant::now();
        match turn {
            Turn::Broker(event) => self.broker_event(event, now),
            Turn::Driver(device, event) => self.driver_event(&device, event, now),
            Turn::Seen(device) => self.seen(*device),
            Turn::Adapter(state) => self.adapter_changed(state).await,
            Turn::Scan(ScanEvent::Failed(error)) => self.report(&error, None),
            Turn::Scan(ScanEvent::Phase(_)) => {}
            Turn::Settings => self.apply_settings(),
            Turn::Tick => {}
        }
    }

    /// What is due, before the next event is waited for.
    fn prepare_turn(&mut self) {
        let now = Instant::now();
        self.connect_if_due(now);
        self.blink(now);
        if now >= self.sweep_at {
            // These look at every bulb or topic, which is too much for every advertisement.
            self.sweep_at = now + SWEEP;
            self.expire_commands(now);
            self.update_availability(now);
            self.forget_if_due();
            self.forget_removed();
            self.outbox.refresh(now);
            self.claims_tick();
        } else if self.claims_changed() {
            self.claims_tick();
        }
        if std::mem::take(&mut self.unplanned) || self.plan_at.is_some_and(|at| at <= now) {
            self.plan_links(now);
        }
        self.announce_if_due(now);
        self.publish_bulbs_if_due(now);
        // What was announced without being remembered could never be removed.
        self.store.save();
        self.flush();
        if let Some((every, next)) = self.watchdog.as_mut().filter(|(_, next)| *next <= now) {
            systemd::alive();
            *next = now + *every;
        }
    }

    /// The time until which nothing is due.
    fn wake(&self) -> Instant {
        let tick = Instant::now() + TICK;
        let blinking = self.bulbs.values().filter_map(|bulb| Some(bulb.blinking.as_ref()?.next));
        let due = [
            self.broker.connect_at,
            self.home_assistant_at,
            self.bulbs_due,
            self.plan_at,
            self.watchdog.map(|(_, next)| next),
        ];
        due.into_iter().flatten().chain(blinking).fold(tick, Instant::min)
    }

    /// Returns true if the process stood still, by a stop or a suspend.
    fn was_frozen(&mut self) -> bool {
        let now = clock::now();
        let stood = now.saturating_sub(self.last_turn);
        self.last_turn = now;
        stood > FROZEN
    }

    fn thaw(&mut self) {
        tracing::warn!("the process stood still for a while; connecting to the broker again");
        let now = Instant::now();
        self.broker_lost();
        self.broker.connect_at = Some(now);
        for bulb in self.bulbs.values_mut() {
            bulb.availability.forget();
        }
        let ids: Vec<BulbId> = self.bulbs.keys().cloned().collect();
        for id in ids {
            self.fail_commands(&id, &Error::Interrupted);
        }
    }

    /// Without an adapter no bulb is in reach, whatever was heard before.
    async fn adapter_changed(&mut self, state: AdapterState) {
        self.powered = state == AdapterState::On;
        if self.powered {
            self.adapter_error = None;
            self.bulbs.values_mut().for_each(Bulb::recovered);
        } else {
            let check = timeout(ADAPTER_TIME, self.radio.check_adapter()).await;
            let error = check.ok().and_then(Result::err);
            let known = self.adapter_error.as_ref().map(Error::code);
            if let Some(error) = error.as_ref().filter(|error| known != Some(error.code())) {
                self.report(error, None);
            }
            let ids: Vec<BulbId> = self.bulbs.keys().cloned().collect();
            for id in ids {
                if let Some(error) = &error {
                    self.fail_commands(&id, error);
                }
                if let Some(bulb) = self.bulbs.get_mut(&id) {
                    bulb.availability.forget();
                }
                self.publish_availability(&id);
            }
            self.adapter_error = error;
        }
        self.unplanned = true;
        self.publish_bridge();
    }

    /// Continues with the settings that were read again.
    fn apply_settings(&mut self) {
        systemd::reloading();
        let settings = self.changed.borrow_and_update().clone();
        if settings.topics != self.settings.topics {
            let what = "the name and the topics of a bridge change with a restart only".to_owned();
            self.report(&Error::Usage(what), None);
        }
        let reconnect = settings.access != self.settings.access;
        self.settings = Settings { topics: self.settings.topics.clone(), ..settings };
        let ids: Vec<BulbId> = self.bulbs.keys().cloned().collect();
        for id in ids {
            let Some(mut bulb) = self.bulbs.remove(&id) else { continue };
            self.name(&mut bulb);
            let meant = self.settings.target.means_remembered(&bulb.device);
            self.bulbs.insert(id.clone(), bulb);
            if meant {
                self.announce(&id);
            } else {
                self.remove(&id);
            }
        }
        self.update_groups();
        self.bulbs_changed();
        if reconnect {
            let now = Instant::now();
            self.broker_lost();
            self.broker.connect_at = Some(now);
        }
        self.unplanned = true;
        self.tell(BridgePhase::Reloaded, None);
        systemd::ready();
    }

    fn update_groups(&mut self) {
        let Settings { config, families, .. } = &self.settings;
        let groups = config.groups.keys().filter_map(|name| {
            let target = Target::parse(&format!("@{name}"), config, families).ok()?;
            Some((slug(name, '_'), Group { name: name.clone(), target }))
        });
        self.groups = groups.collect();
        self.announce_groups();
    }

    /// Reports an error of a bulb or of the bridge: on the output, and to the broker.
    fn report(&mut self, error: &Error, id: Option<&BulbId>) {
        let name = id.and_then(|id| self.bulbs.get(id)).map(|bulb| bulb.name.clone());
        self.publish_error(error, id, None);
        self.send(Record::Error(ErrorRecord::of(error, name.as_deref())));
    }

    fn tell(&self, phase: BridgePhase, cause: Option<String>) {
        let online = self.bulbs.values().filter(|bulb| bulb.availability.online()).count();
        systemd::status(&format!("{}, {online} of {} bulbs online", phase.name(), self.bulbs.len()));
        self.send(Record::Bridge(BridgeRecord {
            name: self.settings.topics.bridge_name().to_owned(),
            broker: self.settings.access.address.to_string(),
            state: phase,
            bulbs: self.bulbs.len(),
            cause,
        }));
    }

    fn send(&self, record: Record) {
        // The reader is slow, and the bridge must not be.
        let _ = self.out.try_send(BridgeEvent::Record(Box::new(record)));
    }

    /// Tells everybody that the bridge ends, and disconnects the bulbs.
    async fn farewell(&mut self) {
        let ids: Vec<BulbId> = self.bulbs.keys().cloned().collect();
        for id in &ids {
            self.fail_commands(id, &Error::Interrupted);
            if let Some(bulb) = self.bulbs.get_mut(id) {
                bulb.availability.forget();
                bulb.driver = None;
            }
            self.publish_availability(id);
        }
        self.claims_farewell();
        self.publish_offline();
        let deadline = Instant::now() + FAREWELL;
        while !self.outbox.is_empty() && self.broker.is_connected() {
            self.flush();
            match tokio::time::timeout_at(deadline, self.broker.next()).await {
                Ok(event) => self.acknowledge(event),
                Err(_) => break,
            }
        }
        self.broker.close().await;
    }
}

enum Turn {
    Broker(super::mqtt::BrokerEvent),
    Driver(DeviceId, DriverEvent),
    Seen(Box<SeenDevice>),
    Adapter(AdapterState),
    Scan(ScanEvent),
    Settings,
    /// Something may be due.
    Tick,
}
