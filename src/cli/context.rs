//! The context of a verb: configuration, radio, printer and time limit.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::OnceCell;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::task::AbortOnDropHandle;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::args::{Bulbs, Wait};
use super::global::Global;
use crate::bulb::{Families, HeldLinks, Session};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::fleet::seen::{self, SeenBulb};
use crate::fleet::{self, Found, Target};
use crate::output::stream::STDERR;
use crate::output::{Printer, colored};
use crate::radio::record::Recorder;
use crate::radio::{self, AdapterChoice, ConnectRetry, Deadline, DeviceId, Radio, SeenDevice, trace::Traced};
use crate::sanitise::escaped;
use crate::tui::LogWriter;

const TIMEOUT: Duration = Duration::from_secs(10);
/// Time limit of a verb's own clean-up. Together with the radio's clean-up it has two seconds.
const EXIT_TIME: Duration = Duration::from_millis(1500);
/// The most targets whose bulbs are remembered.
const REMEMBERED_TARGETS: usize = 1000;
/// Operations shorter than this show no progress.
const PROGRESS_DELAY: Duration = Duration::from_millis(400);

pub(crate) struct Context<'a> {
    pub(crate) printer: &'a Printer,
    pub(crate) families: Arc<Families>,
    pub(crate) timeout: Duration,
    /// Largest number of simultaneous links, if set.
    pub(crate) max_links: Option<usize>,
    pub(crate) config: Config,
    /// Folder of the desk's scenes.
    pub(crate) scenes: Option<PathBuf>,
    pub(crate) links: HeldLinks,
    /// The bulbs of the targets of earlier lines, while links are held.
    remembered: RefCell<BTreeMap<String, Vec<SeenDevice>>>,
    line_timeout: Cell<Option<Duration>>,
    adapter: Option<AdapterChoice>,
    trace: bool,
    recorder: Option<Arc<Recorder>>,
    radio: Arc<OnceCell<Arc<dyn Radio>>>,
    /// Clean-up of the verb, run on every way out.
    exit: Mutex<Option<BoxFuture<'static, ()>>>,
}

impl<'a> Context<'a> {
    /// Resolves options, environment and configuration, in this order.
    pub(crate) fn new(global: &Global, printer: &'a Printer) -> Result<Self> {
        let config = Config::load(global.config.as_deref())?;
        let families = families(global, &config)?;
        let adapter = match (&global.adapter, &config.adapter) {
            (Some(adapter), _) => Some(adapter.clone()),
            (None, Some(text)) => text.parse().ok(),
            (None, None) => None,
        };
        let default = AdapterChoice::Named("default".to_owned());
        let adapter = adapter.filter(|adapter| *adapter != default);
        Ok(Self {
            printer,
            families: Arc::new(families),
            timeout: global.timeout.or(config.timeout).unwrap_or(TIMEOUT),
            max_links: global.max_links.map(usize::from).or(config.max_links),
            config,
            scenes: Config::scenes_folder(global.config.as_deref()),
            links: HeldLinks::default(),
            remembered: RefCell::default(),
            line_timeout: Cell::default(),
            adapter,
            trace: global.verbose >= 2,
            recorder: global.record.as_deref().map(Recorder::create).transpose()?.map(Arc::new),
            radio: Arc::default(),
            exit: Mutex::default(),
        })
    }

    /// The adapter, if the user named one.
    pub(crate) const fn adapter(&self) -> Option<&AdapterChoice> {
        self.adapter.as_ref()
    }

    /// Opens the radio on first use.
    pub(crate) async fn radio(&self) -> Result<&Arc<dyn Radio>> {
        self.radio
            .get_or_try_init(|| async {
                let late = |waited| Error::ServiceSilent {
                    detail: format!("no answer within {waited:.1?} when it was opened"),
                };
                let opening = open(self.adapter.as_ref(), self.recorder.as_deref());
                let radio = self.deadline().run(opening, late).await?;
                radio.prefer(self.families.wanted());
                tracing::info!("using adapter {}", radio.adapter());
                Ok(if self.trace { Arc::new(Traced::new(radio)) } else { radio })
            })
            .await
    }

    /// Opens the radio without logging frames, for the desk, which shows them itself. Can be called again after a failure.
    pub(crate) fn opener(
        &self,
    ) -> impl Fn() -> BoxFuture<'static, Result<Arc<dyn Radio>>> + Send + Sync + 'static {
        let (cell, adapter, recorder) = (self.radio.clone(), self.adapter.clone(), self.recorder.clone());
        let families = self.families.clone();
        move || {
            let (cell, adapter, recorder) = (cell.clone(), adapter.clone(), recorder.clone());
            let families = families.clone();
            async move {
                let open = || async {
                    let radio = open(adapter.as_ref(), recorder.as_deref()).await?;
                    radio.prefer(families.wanted());
                    Ok(radio)
                };
                cell.get_or_try_init(open).await.cloned()
            }
            .boxed()
        }
    }

    /// Sets the clean-up that runs before the links close, also after an interrupt. Replaces an earlier one.
    pub(crate) fn at_exit(&self, what: impl Future<Output = ()> + Send + 'static) {
        *self.exit.lock().unwrap_or_else(PoisonError::into_inner) = Some(what.boxed());
    }

    pub(crate) async fn close(&self) {
        let exit = self.exit.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(exit) = exit {
            // The radio needs the rest of the time.
            let _ = tokio::time::timeout(EXIT_TIME, exit).await;
        }
        if let Some(radio) = self.radio.get() {
            radio.close().await;
        }
    }

    pub(crate) async fn end_recording(&self) -> Result<()> {
        match &self.recorder {
            Some(recorder) => recorder.finish().await,
            None => Ok(()),
        }
    }

    pub(crate) fn deadline(&self) -> Deadline {
        Deadline::after(self.line_timeout.get().unwrap_or(self.timeout))
    }

    /// Parses a target with the aliases and groups of the configuration.
    pub(crate) fn target(&self, text: &str) -> Result<Target> {
        Target::parse(text, &self.config, &self.families)
    }

    pub(crate) async fn find(&self, target: &Target, wait: Wait) -> Result<Found> {
        let deadline = self.deadline();
        if let Some(found) = self.remembered(target, deadline, wait) {
            return Ok(found);
        }
        let radio = self.radio().await?;
        let doing = if wait.time.is_some() { "waiting for" } else { "looking for" };
        let _progress = self.progress(format!("{doing} {}", target.text()));
        let wanted = (target.clone(), self.families.wanted());
        radio.prefer(Arc::new(move |device| wanted.0.means(device) || wanted.1(device)));
        let found = fleet::find(radio.as_ref(), target, deadline, wait.time).await?;
        self.remember(target, &found);
        let labels: Vec<String> = found.bulbs.iter().map(SeenDevice::label).collect();
        self.printer.align(labels.iter().map(String::as_str));
        self.keep_seen(&found.bulbs);
        Ok(found)
    }

    /// Returns the bulbs that this target meant in an earlier line of `run`.
    fn remembered(&self, target: &Target, deadline: Deadline, wait: Wait) -> Option<Found> {
        let mut bulbs = self.remembered.borrow().get(target.text())?.clone();
        for device in &mut bulbs {
            device.connected = self.links.has(&device.id);
        }
        if wait.time.is_some() && !bulbs.iter().all(|device| device.connected) {
            return None;
        }
        Some(Found { bulbs, failures: Vec::new(), deadline })
    }

    fn remember(&self, target: &Target, found: &Found) {
        if !self.links.holds() || found.bulbs.is_empty() || !found.failures.is_empty() {
            return;
        }
        let mut remembered = self.remembered.borrow_mut();
        if remembered.len() >= REMEMBERED_TARGETS {
            remembered.clear();
        }
        remembered.insert(target.text().to_owned(), found.bulbs.clone());
    }

    /// Finds every target again.
    pub(crate) fn forget_targets(&self) {
        self.remembered.borrow_mut().clear();
    }

    /// Sets the time limit of the next operations, in place of that of the command line.
    pub(crate) fn set_line_timeout(&self, timeout: Option<Duration>) {
        self.line_timeout.set(timeout);
    }

    /// Keeps the bulbs among these devices for the completion of targets, unless they are virtual or in a recording.
    pub(crate) fn keep_seen<'d>(&self, devices: impl IntoIterator<Item = &'d SeenDevice>) {
        let real = !matches!(self.adapter, Some(AdapterChoice::Sim(_) | AdapterChoice::Replay(_)));
        let Some(file) = seen::file().filter(|_| real) else { return };
        let bulbs = devices.into_iter().filter(|device| self.families.looks_like_a_bulb(device));
        seen::add(
            &file,
            bulbs.map(|device| SeenBulb::of(device, self.families.advertised(device))).collect(),
        );
    }

    /// Finds the bulbs of a target, runs the operation on each, and prints each result as it arrives. A single bulb has one deadline
    /// for everything. With several, each has its own, which starts with its turn.
    pub(crate) async fn each<T, F>(
        &self,
        bulbs: &Bulbs,
        doing: &str,
        operation: impl Fn(Arc<dyn Radio>, SeenDevice, Deadline) -> F,
        done: impl Fn(T) -> Result<()>,
    ) -> Result<()>
    where
        F: Future<Output = Result<T>>,
    {
        self.each_checked(bulbs, doing, operation, done, |_| None).await
    }

    /// As [`each`](Self::each). A result for which `fault` returns an error is printed and then fails with that error.
    pub(crate) async fn each_checked<T, F>(
        &self,
        bulbs: &Bulbs,
        doing: &str,
        operation: impl Fn(Arc<dyn Radio>, SeenDevice, Deadline) -> F,
        done: impl Fn(T) -> Result<()>,
        fault: impl Fn(&T) -> Option<Error>,
    ) -> Result<()>
    where
        F: Future<Output = Result<T>>,
    {
        self.each_of(self.target(&bulbs.text())?, bulbs.wait, doing, operation, done, fault).await
    }

    /// As [`each_checked`](Self::each_checked), for a target that is parsed already.
    pub(crate) async fn each_of<T, F>(
        &self,
        target: Target,
        wait: Wait,
        doing: &str,
        operation: impl Fn(Arc<dyn Radio>, SeenDevice, Deadline) -> F,
        done: impl Fn(T) -> Result<()>,
        fault: impl Fn(&T) -> Option<Error>,
    ) -> Result<()>
    where
        F: Future<Output = Result<T>>,
    {
        let found = self.find(&target, wait).await?;
        let deadline = found.deadline;
        let single = found.bulbs.len() == 1;
        let radio = self.radio().await?;
        let limit = self.link_limit(radio.as_ref());
        let progress = self.progress(format!("{doing} {}", target.text()));
        let operation =
            |device| operation(Arc::clone(radio), device, if single { deadline } else { self.deadline() });
        progress.follow(radio.as_ref(), &found.bulbs);
        let done = |name: &str, result: Result<T>| {
            progress.suspend(|| match result {
                Ok(value) => done(value),
                Err(error) => self.printer.error(&error, Some(name)),
            })
        };
        fleet::run_each_checked(found, limit, fleet::OnConnectFailure::RetryAlone, operation, done, fault)
            .await
    }

    /// Runs an operation in a session with a bulb. It must be repeatable: a link that was there before may drop.
    pub(crate) async fn with_session<T>(
        &self,
        radio: &dyn Radio,
        device: &SeenDevice,
        deadline: Deadline,
        operation: impl AsyncFnMut(&mut Session) -> Result<T>,
    ) -> Result<T> {
        self.links.with_session(radio, device, &self.families, deadline, operation).await
    }

    pub(crate) fn link_limit(&self, radio: &dyn Radio) -> usize {
        self.max_links.unwrap_or_else(|| radio.link_limit())
    }

    /// Shows a spinner on stderr after a short delay, if that is a terminal.
    pub(crate) fn progress(&self, text: String) -> Progress {
        if !self.printer.progress() {
            return Progress(None);
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        bar.set_message(crate::output::sanitise(&text).into_owned());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} … {elapsed}") {
            bar.set_style(style);
        }
        let shown = bar.clone();
        let timer = tokio::spawn(async move {
            tokio::time::sleep(PROGRESS_DELAY).await;
            shown.set_draw_target(ProgressDrawTarget::stderr());
            shown.enable_steady_tick(Duration::from_millis(100));
        });
        Progress(Some(Spinner { bar, _timer: AbortOnDropHandle::new(timer), follower: OnceCell::new() }))
    }
}

/// All families, with the profiles that the user set for all bulbs or for some.
pub(crate) fn families(global: &Global, config: &Config) -> Result<Families> {
    let families = Families::new(Config::profiles_folder(global.config.as_deref()));
    let families = families.with_bulb_profiles(config.kept_profiles()).with_keys(config.family_keys()?);
    match &global.profile {
        Some(text) => families.with_profile(text),
        None => Ok(families),
    }
}

async fn open(adapter: Option<&AdapterChoice>, recorder: Option<&Recorder>) -> Result<Arc<dyn Radio>> {
    let radio = radio::open(adapter).await?;
    Ok(match recorder {
        Some(recorder) => recorder.wrap(radio),
        None => radio,
    })
}

/// A spinner that disappears when dropped.
pub(crate) struct Progress(Option<Spinner>);

struct Spinner {
    bar: ProgressBar,
    _timer: AbortOnDropHandle<()>,
    follower: OnceCell<AbortOnDropHandle<()>>,
}

impl Progress {
    /// Hides the spinner while something else is printed.
    pub(crate) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(shown) => shown.bar.suspend(print),
            None => print(),
        }
    }

    fn follow(&self, radio: &dyn Radio, bulbs: &[SeenDevice]) {
        let Some(Spinner { bar, follower, .. }) = &self.0 else { return };
        let names: HashMap<DeviceId, String> =
            bulbs.iter().map(|device| (device.id.clone(), device.label())).collect();
        let (mut attempts, bar) = (radio.connect_retries(), bar.clone());
        let task = tokio::spawn(async move {
            loop {
                match attempts.recv().await {
                    Ok(ConnectRetry { device, number, of, after }) => {
                        let name = names.get(&device).map_or(device.as_str(), String::as_str);
                        let text = format!("{name}: attempt {number} of {of} (the last one failed: {after})");
                        bar.set_message(crate::output::sanitise(&text).into_owned());
                    }
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                }
            }
        });
        // Called once.
        let _ = follower.set(AbortOnDropHandle::new(task));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(shown) = &self.0 {
            shown.bar.finish_and_clear();
        }
    }
}

/// Writes the log to stderr line by line and escapes control characters. Device names may contain them; the log itself only removes
/// escape sequences, so the only ones left are its own colours.
struct SafeLog;

impl Write for SafeLog {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let safe: Vec<_> = text.split('\u{1b}').map(escaped).collect();
        let safe = safe.join("\u{1b}");
        // Never return an error: tracing would report it on stderr, and panic.
        let _ = STDERR.write(move || writeln!(io::stderr(), "{safe}"));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Logs to stderr: warnings always, more with `-v`, libraries only with `-vvv`.
pub(crate) fn start_log(global: &Global, tui: bool) {
    let level = match global.verbose {
        _ if global.quiet => Level::ERROR,
        0 => Level::WARN,
        1 => Level::INFO,
        2 => Level::DEBUG,
        _ => Level::TRACE,
    };
    let mut targets = Targets::new().with_target("bulbctl", level);
    if global.verbose >= 3 {
        targets = targets.with_default(Level::TRACE);
    }
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(move || -> Box<dyn std::io::Write> {
            // The desk owns the screen and shows the log itself.
            if tui { Box::new(LogWriter) } else { Box::new(SafeLog) }
        })
        .with_ansi(!tui && colored::is_colored(&std::io::stderr()))
        .with_target(global.verbose >= 3)
        .with_timer(tracing_subscriber::fmt::time::uptime());
    // Fails only if there already is a subscriber.
    let _ = tracing_subscriber::registry().with(layer).with(targets).try_init();
}
