//! The board under test: its link and what is written to it. Nothing here may hide a fault of the board.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bulb_protocol::Percent;
use bulb_protocol::Rgb;
use bulb_protocol::profile::{Feature, Features, Light, Profile, Write};
use tokio::time::{Instant, sleep, timeout};

use super::{NotPassed, OrNotPassed, blocked, failed, skipped};
use crate::bulb::{
    ACK_TIME, Advertising, BulbChannel, Families, ListenTime, Notification, RestorePlan, Restorer, Roles,
    Transcript, connect, listen_to_advertisements,
};
use crate::error::{Error, Result};
use crate::radio::{Deadline, Link, LinkState, Radio, SeenDevice};

mod status;

/// The time limit of a connect in checks that do not test it.
const CONNECT_TIME: Duration = Duration::from_secs(15);
/// The time limit of a request in checks that do not test it.
pub(super) const REQUEST_TIME: Duration = Duration::from_secs(5);
/// The pause after the commands that prepare a check: then their notifications are over, and a slow board is ready again.
pub(super) const SETTLE_TIME: Duration = Duration::from_millis(150);
/// The first scan, and a longer one if it misses the board: a busy channel hides advertisements.
const LISTEN_TIMES: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(5)];
/// BlueZ takes two seconds to disconnect.
const DISCONNECT_TIME: Duration = Duration::from_secs(4);
/// The state that checks start from: dim, and a colour with three different parts, so that a mix-up shows.
const START_BRIGHTNESS: Percent = Percent::clamped(30);
const START_COLOR: Rgb = Rgb::new(200, 120, 40);

#[derive(Debug)]
pub struct Board {
    radio: Arc<dyn Radio>,
    pub(super) device: SeenDevice,
    pub(super) families: Arc<Families>,
    profile: Arc<Profile>,
    connection: Option<Connection>,
    restorer: Restorer,
    /// The state after the last command, if the board obeyed.
    pub(super) known: Light,
    /// The state that the board has notified since its start state was written.
    notified: Option<Light>,
    transcript: Transcript,
    pub(super) note: Option<String>,
    /// The length of the pause in long checks.
    pub(super) idle_time: Duration,
    advertisement: Option<Option<(SeenDevice, Advertising)>>,
}

#[derive(Debug)]
struct Connection {
    link: Arc<dyn Link>,
    /// The channel, or why the characteristics do not fit the profile.
    channel: Result<BulbChannel>,
    prepared: bool,
    subscribe_error: Option<Error>,
}

impl Board {
    pub fn new(
        radio: Arc<dyn Radio>,
        device: SeenDevice,
        families: Arc<Families>,
        profile: Arc<Profile>,
    ) -> Self {
        let restorer = Restorer::new(Arc::clone(&radio), device.clone());
        let known = profile.starting_state(&Light::default());
        Self {
            radio,
            device,
            families,
            profile,
            connection: None,
            restorer,
            known,
            notified: None,
            transcript: Transcript::default(),
            note: None,
            idle_time: Duration::ZERO,
            advertisement: None,
        }
    }

    pub const fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    pub const fn restorer(&self) -> &Restorer {
        &self.restorer
    }

    pub(super) fn begin_check(&mut self) {
        self.note = None;
        // Notifications that are still on their way belong to the check before.
        self.drain();
        self.transcript.take();
    }

    /// Ends a check and returns its last frames and its note.
    pub(super) fn end_check(&mut self) -> (Vec<String>, Option<String>) {
        (self.transcript.take(), self.note.take())
    }

    /// Scans once for the advertisement of the board. `None` if none was received.
    pub(super) async fn advertisement(&mut self) -> Result<Option<(SeenDevice, Advertising)>, NotPassed> {
        if let Some(advertisement) = &self.advertisement {
            return Ok(advertisement.clone());
        }
        if self.device.connected {
            let reason = "the bulb was connected before the check, and does not advertise while connected";
            return Err(skipped(reason));
        }
        self.drop_link().await;
        let mut advertisement = None;
        for time in LISTEN_TIMES {
            let mut devices = [self.device.clone()];
            let listening =
                listen_to_advertisements(self.radio.as_ref(), &mut devices, ListenTime::fixed(time));
            let mut received = listening.await.or_blocked("the scan failed")?;
            let [device] = devices;
            if let Some(advertising) = received.remove(&device.id).filter(|some| some.received > 0) {
                let has_name = device.name.is_some();
                advertisement = Some((device, advertising));
                if has_name {
                    break;
                }
            }
        }
        self.advertisement = Some(advertisement.clone());
        Ok(advertisement)
    }

    /// Disconnects, and waits until the link is down.
    pub(super) async fn drop_link(&mut self) {
        let Some(Connection { link, .. }) = self.connection.take() else { return };
        self.restorer.link(None);
        let mut state = link.state();
        // If this fails, the next connect shows it.
        if link.disconnect().await.is_ok() {
            let _ = timeout(DISCONNECT_TIME, state.wait_for(|state| *state == LinkState::Down)).await;
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.connection.as_ref().is_some_and(|up| *up.link.state().borrow() == LinkState::Up)
    }

    /// Connects on a new link, and returns how long that took.
    pub(super) async fn connect(&mut self, time: Duration) -> Result<Duration> {
        self.drop_link().await;
        self.notified = None;
        let start = Instant::now();
        let link = connect(self.radio.as_ref(), &self.device, Deadline::after(time)).await?;
        let channel = BulbChannel::new(Arc::clone(&link), Arc::clone(&self.profile), self.device.label());
        let channel = channel.map(|channel| channel.with_transcript(self.transcript.clone()));
        self.restorer.link(Some(Arc::clone(&link)));
        self.connection = Some(Connection { link, channel, prepared: false, subscribe_error: None });
        Ok(start.elapsed())
    }

    async fn connection(&mut self) -> Result<&mut Connection, NotPassed> {
        if !self.is_up() {
            self.connect(CONNECT_TIME).await.or_blocked("cannot connect")?;
        }
        self.connection.as_mut().ok_or_else(|| blocked("there is no link"))
    }

    /// Returns the link, or a new one if it is down.
    pub(super) async fn link(&mut self) -> Result<Arc<dyn Link>, NotPassed> {
        Ok(Arc::clone(&self.connection().await?.link))
    }

    /// The characteristics by role, or which one is missing or wrong.
    pub(super) async fn roles(&mut self) -> Result<Result<Arc<Roles>>, NotPassed> {
        let channel = &self.connection().await?.channel;
        Ok(channel.as_ref().map(|channel| Arc::clone(channel.roles())).map_err(Clone::clone))
    }

    fn channel(&mut self) -> Result<&mut BulbChannel> {
        let connection = self.connection.as_mut();
        let connection =
            connection.ok_or_else(|| Error::Internal("there is no link to the board".to_owned()))?;
        connection.channel.as_mut().map_err(|error| error.clone())
    }

    /// Makes the board ready for commands: connects, pairs, subscribes where that works, and writes the first frames.
    pub(super) async fn prepare_link(&mut self) -> Result<(), NotPassed> {
        self.roles().await?.or_blocked("see roles-and-properties")?;
        let profile = Arc::clone(&self.profile);
        let connection = self.connection().await?;
        if std::mem::replace(&mut connection.prepared, true) {
            return Ok(());
        }
        let deadline = Deadline::after(REQUEST_TIME);
        if profile.link_rules.needs_bonding
            && let Err(error) = connection.link.bond(deadline).await
        {
            connection.prepared = false;
            return Err(error).or_blocked("cannot pair");
        }
        if let Ok(channel) = &mut connection.channel {
            connection.subscribe_error = channel.subscribe(deadline).await.err();
        }
        for write in &profile.link_rules.first {
            self.write(write, deadline).await.or_blocked("the board refused the first frame of a session")?;
        }
        if let Ok(Some(found)) = self.current_state(None).await {
            self.restorer.note(RestorePlan::to(found, profile));
        }
        Ok(())
    }

    pub(super) fn subscribe_error(&self) -> Option<&Error> {
        self.connection.as_ref()?.subscribe_error.as_ref()
    }

    /// Writes a frame, then waits for its delay and the family's pace.
    pub(super) async fn write(&mut self, write: &Write, deadline: Deadline) -> Result<()> {
        let writer = self.channel()?.writer().clone();
        writer.destination(write)?;
        // Before the write: one that times out may be carried out all the same.
        let first = self.restorer.before_write();
        self.note_refusal(first, writer.write_without_delay(write, deadline).await)?;
        sleep(write.delay.max(self.profile.link_rules.gap)).await;
        Ok(())
    }

    /// If the board refused the first write, there is nothing to restore.
    fn note_refusal<T>(&self, first: bool, result: Result<T>) -> Result<T> {
        if let (true, Err(Error::Refused { .. } | Error::RefusedWithoutCode { .. })) = (first, &result) {
            self.restorer.refused();
        }
        result
    }

    /// Writes the frames of a change to the state that was written before.
    pub(super) async fn send(&mut self, wanted: &Light) -> Result<()> {
        let known = self.known.clone();
        let sent = self.channel()?.encode(wanted, &known)?;
        let deadline = Deadline::after(REQUEST_TIME);
        for write in &sent.writes {
            self.write(write, deadline).await?;
        }
        self.known = sent.assumed;
        Ok(())
    }

    /// Writes the first frame of a change. Returns when it was answered, and the first notification if one came before that.
    pub(super) async fn write_and_watch(
        &mut self,
        wanted: &Light,
    ) -> Result<(Instant, Option<Notification>)> {
        let known = self.known.clone();
        let sent = self.channel()?.encode(wanted, &known)?;
        self.known = sent.assumed;
        let Some(write) = sent.writes.first() else { return Ok((Instant::now(), None)) };
        let first = self.restorer.before_write();
        let channel = self.channel()?;
        let writer = channel.writer().clone();
        let mut writing = pin!(writer.write_without_delay(write, Deadline::after(REQUEST_TIME)));
        let mut received = None;
        let result = loop {
            tokio::select! {
                biased;
                notification = channel.next(), if received.is_none() => received = Some(notification.ok()),
                result = &mut writing => break result.map(|()| Instant::now()),
            }
        };
        let received = received.flatten();
        received.iter().for_each(|notification| self.record(notification));
        Ok((self.note_refusal(first, result)?, received))
    }

    /// Writes the start state: dim, coloured, on or off. Does not look at the result; the checks do.
    pub(super) async fn prepare(&mut self, power: bool) -> Result<(), NotPassed> {
        let written = self.write_start_state(power).await?;
        written.or_blocked("the board refuses commands, see command-on and command-off")
    }

    /// As [`prepare`](Self::prepare), for checks that look at the result of that command too.
    pub(super) async fn write_start_state(&mut self, power: bool) -> Result<Result<()>, NotPassed> {
        self.prepare_link().await?;
        self.notified = None;
        let settable = self.profile.settable();
        let (least, most) = self.profile.range(Feature::Brightness).unwrap_or((0, 100));
        let dim = u8::try_from(u32::from(START_BRIGHTNESS.get()).clamp(least, most)).unwrap_or(30);
        let wanted = Light {
            power: settable.contains(Feature::Power).then_some(power),
            brightness: settable.contains(Feature::Brightness).then(|| Percent::clamped(dim)),
            color: settable.contains(Feature::Color).then_some(START_COLOR),
            ..Light::default()
        };
        if let Err(error) = self.send(&wanted).await {
            return Ok(Err(error));
        }
        sleep(SETTLE_TIME).await;
        self.drain();
        Ok(Ok(()))
    }

    /// Commands a state, and returns the state that the board reports afterwards; `None` if its family never reports.
    pub(super) async fn command(&mut self, wanted: &Light) -> Result<Option<Light>, NotPassed> {
        self.drain();
        self.send(wanted).await.or_failed("the command is accepted")?;
        let commanded = wanted.features();
        let (profile, assumed) = (Arc::clone(&self.profile), self.known.clone());
        let agrees = |light: &Light| {
            commanded.and(light.features()) == commanded.and(profile.reported())
                && profile.inexact(commanded, &assumed, light).is_empty()
        };
        let notified = self.collect_status(ACK_TIME, agrees).await?;
        self.current_state(notified).await
    }

    /// The status that the family has for the commanded state.
    fn expected_status(&self) -> Vec<Light> {
        self.profile.status_of(&self.profile.full_state(true).merged(&self.known))
    }

    /// Commands a state, and requires that the board reports it and that the items in `keeping` stay as they were.
    pub(super) async fn command_and_verify(
        &mut self,
        wanted: &Light,
        expected: &str,
        keeping: Features,
    ) -> Result<(), NotPassed> {
        let Some(reported) = self.command(wanted).await? else {
            self.note = Some("written and accepted; this family never reports".to_owned());
            return Ok(());
        };
        let wanted = wanted.features();
        let expected_status = self.expected_status();
        // To some families black is off.
        let is_off = expected_status.iter().any(|light| light.power == Some(false));
        let keeping = if is_off { keeping.without(Feature::Power) } else { keeping };
        let wrong = self.profile.inexact(wanted.or(keeping), &self.known, &reported);
        // A bulb that shows something else may report nothing of what it was commanded.
        let all = expected_status.iter().fold(Features::NONE, |all, light| all.or(light.features()));
        let wrong = wrong.or(wanted.and(all).less(reported.features()));
        if wrong.is_empty() {
            return Ok(());
        }
        let parts: Vec<String> = wrong.iter().map(|item| describe(item, &reported)).collect();
        Err(failed(expected, format!("it reports {}", parts.join(", "))))
    }
}

pub(super) fn describe(item: Feature, light: &Light) -> String {
    let value = light.text(item).unwrap_or_else(|| "nothing".to_owned());
    format!("{item} {value}")
}
