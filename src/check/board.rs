//! The bulb under test: its link, what it is told and what it says, with nothing in between that could hide a fault.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bulb_protocol::Percent;
use bulb_protocol::Rgb;
use bulb_protocol::profile::{Feature, Features, Light, Profile, Write};
use futures::FutureExt;
use futures::future::{pending, select_all};
use tokio::time::{Instant, sleep, timeout};

use super::{NotPassed, OrNotPassed, failed};
use crate::bulb::{Advertising, Families, RestorePlan, Restorer, Roles, connect};
use crate::error::{Error, Result};
use crate::radio::{CharacteristicId, Deadline, Link, LinkState, Notifications, Radio, SeenDevice};

/// How long a connect may take where it is not what is checked.
const CONNECT_TIME: Duration = Duration::from_secs(15);
/// How long a single request may take where that is not what is checked.
pub(super) const REQUEST_TIME: Duration = Duration::from_secs(5);
/// How long a bulb has to report what it was commanded; what the other verbs allow.
pub(super) const ACK_TIME: Duration = Duration::from_secs(1);
/// How long is waited after what only prepares a check, so that its reports are over and even a slow lamp takes the next.
pub(super) const SETTLE: Duration = Duration::from_millis(150);
/// How long the bulb is listened to for its advertisement; some are heard late on a busy channel.
const LISTEN: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(5)];
/// How long an ending link may take: BlueZ closes two seconds after it was asked.
const END_TIME: Duration = Duration::from_secs(4);
/// How many frames are kept of a check.
const FRAMES: usize = 24;
/// What checks start from: a dim light of a colour none of whose parts is like another, so that a mix-up shows.
const DIM: Percent = Percent::clamped(30);
const TINT: Rgb = Rgb::new(200, 120, 40);

mod status;

/// A bulb under test.
#[derive(Debug)]
pub struct Board {
    radio: Arc<dyn Radio>,
    pub(super) report: SeenDevice,
    pub(super) families: Arc<Families>,
    profile: Arc<Profile>,
    up: Option<Up>,
    restorer: Restorer,
    /// What it was told last, as far as that went.
    pub(super) known: Light,
    /// What it notified since it was brought to what a check starts from.
    told: Option<Light>,
    sequence: u8,
    frames: VecDeque<String>,
    pub(super) note: Option<String>,
    /// How long long checks leave it alone.
    pub(super) idle_time: Duration,
    heard: Option<Option<(SeenDevice, Advertising)>>,
}

/// A link that is up.
#[derive(Debug)]
struct Up {
    link: Arc<dyn Link>,
    roles: Result<Roles>,
    ready: bool,
    ears: Vec<(CharacteristicId, Notifications)>,
    /// Why a subscription failed.
    subscribe_error: Option<Error>,
}

/// What was notified.
#[derive(Clone, Debug)]
pub(super) struct Notified {
    pub(super) id: CharacteristicId,
    pub(super) bytes: Vec<u8>,
    pub(super) at: Instant,
}

impl Board {
    /// A bulb, and the family that it has to be like.
    #[must_use]
    pub fn new(
        radio: Arc<dyn Radio>,
        report: SeenDevice,
        families: Arc<Families>,
        profile: Arc<Profile>,
    ) -> Self {
        let restorer = Restorer::new(Arc::clone(&radio), report.clone());
        let known = profile.starting_state(&Light::default());
        Self {
            radio,
            report,
            families,
            profile,
            up: None,
            restorer,
            known,
            told: None,
            sequence: 0,
            frames: VecDeque::new(),
            note: None,
            idle_time: Duration::ZERO,
            heard: None,
        }
    }

    /// The family that the bulb has to be like.
    #[must_use]
    pub const fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    /// The way back to the state that the bulb was found in.
    #[must_use]
    pub const fn restorer(&self) -> &Restorer {
        &self.restorer
    }

    pub(super) fn begin(&mut self) {
        self.frames.clear();
        self.note = None;
        // What was still on its way belongs to the check before.
        self.drain();
        self.frames.clear();
    }

    pub(super) fn end(&mut self) -> (Vec<String>, Option<String>) {
        (self.frames.drain(..).collect(), self.note.take())
    }

    pub(super) fn note_frame(&mut self, frame: String) {
        if self.frames.len() >= FRAMES {
            self.frames.pop_front();
        }
        self.frames.push_back(frame);
    }

    pub(super) fn device(&self) -> String {
        self.report.label()
    }

    // -- advertisement and link --------------------------------------------------------------------------------------

    /// What the bulb advertises; nothing where it was not heard. Listened to once.
    pub(super) async fn heard(&mut self) -> Result<Option<(SeenDevice, Advertising)>, NotPassed> {
        if let Some(heard) = &self.heard {
            return Ok(heard.clone());
        }
        if self.report.connected {
            return Err(NotPassed::Skipped(
                "it had a link before, and a bulb with a link does not advertise".to_owned(),
            ));
        }
        self.drop_link().await;
        let mut heard = None;
        for time in LISTEN {
            let mut device = [self.report.clone()];
            let found = crate::bulb::listen_to_advertisements(self.radio.as_ref(), &mut device, time)
                .await
                .or_blocked("no scan")?;
            let [device] = device;
            if let Some(advertising) = found.get(&device.id) {
                let whole = device.name.is_some();
                heard = Some((device, advertising.clone()));
                if whole {
                    break;
                }
            }
        }
        self.heard = Some(heard.clone());
        Ok(heard)
    }

    /// Ends the link, and waits for its end.
    pub(super) async fn drop_link(&mut self) {
        let Some(up) = self.up.take() else { return };
        self.restorer.link(None);
        let mut state = up.link.state();
        // A link that cannot be ended is seen by what comes next.
        if up.link.disconnect().await.is_ok() {
            let _ = timeout(END_TIME, state.wait_for(|state| *state == LinkState::Down)).await;
        }
    }

    /// Whether the link is up.
    pub(super) fn is_up(&self) -> bool {
        self.up.as_ref().is_some_and(|up| *up.link.state().borrow() == LinkState::Up)
    }

    /// Connects anew.
    pub(super) async fn connect(&mut self, time: Duration) -> Result<Duration> {
        self.drop_link().await;
        self.told = None;
        let start = Instant::now();
        // After a pause, the system may have forgotten it.
        let link = connect(self.radio.as_ref(), &self.report, Deadline::after(time)).await?;
        let roles = Roles::find(&self.profile, link.table(), &self.device());
        self.restorer.link(Some(Arc::clone(&link)));
        self.up = Some(Up { link, roles, ready: false, ears: Vec::new(), subscribe_error: None });
        Ok(start.elapsed())
    }

    /// The link; a new one where it is down.
    pub(super) async fn link(&mut self) -> Result<Arc<dyn Link>, NotPassed> {
        if !self.is_up() {
            self.connect(CONNECT_TIME).await.or_blocked("there is no link")?;
        }
        let up = self.up.as_ref().ok_or_else(|| NotPassed::Blocked("there is no link".to_owned()))?;
        Ok(Arc::clone(&up.link))
    }

    /// The characteristics, as they were found.
    pub(super) async fn roles(&mut self) -> Result<Result<Roles>, NotPassed> {
        self.link().await?;
        let up = self.up.as_ref().ok_or_else(|| NotPassed::Blocked("there is no link".to_owned()))?;
        Ok(up.roles.clone())
    }

    /// A link over which the bulb can be commanded: characteristics found, subscribed where that works, greeted.
    pub(super) async fn ready(&mut self) -> Result<Roles, NotPassed> {
        let roles = self.roles().await?.or_blocked("see roles-and-properties")?;
        if self.up.as_ref().is_some_and(|up| up.ready) {
            return Ok(roles);
        }
        let link = self.link().await?;
        let deadline = Deadline::after(REQUEST_TIME);
        if self.profile.link_rules.needs_bonding {
            link.bond(deadline).await.or_blocked("it cannot be paired with")?;
        }
        let subscribe_error = self.subscribe().await.err();
        if let Some(up) = &mut self.up {
            up.subscribe_error = subscribe_error;
            up.ready = true;
        }
        let profile = Arc::clone(&self.profile);
        for write in &profile.link_rules.first {
            self.write(write, deadline).await.or_blocked("its greeting was refused")?;
        }
        if let Ok(Some(found)) = self.current_state(None).await {
            self.restorer.note(RestorePlan::to(found.clone(), Arc::clone(&self.profile)));
        }
        Ok(roles)
    }

    /// Subscribes to whatever reports.
    async fn subscribe(&mut self) -> Result<()> {
        let Some(up) = &mut self.up else { return Ok(()) };
        let Ok(roles) = &up.roles else { return Ok(()) };
        for role in self.profile.notifying_roles() {
            let Some(id) = roles.get(&role.name) else { continue };
            if !roles.notifies(&role.name) || up.ears.iter().any(|(own, _)| *own == id) {
                continue;
            }
            let stream = up.link.subscribe(id, Deadline::after(REQUEST_TIME)).await?;
            up.ears.push((id, stream));
        }
        Ok(())
    }

    /// Why it cannot be listened to, if so.
    pub(super) fn subscribe_error(&self) -> Option<&Error> {
        self.up.as_ref()?.subscribe_error.as_ref()
    }

    /// Whether anything is subscribed to.
    pub(super) fn listens(&self) -> bool {
        self.up.as_ref().is_some_and(|up| !up.ears.is_empty())
    }

    // -- what it is told ---------------------------------------------------------------------------------------------

    /// Writes a frame as its family does, and waits as long as is to be waited after it.
    pub(super) async fn write(&mut self, write: &Write, deadline: Deadline) -> Result<()> {
        self.put(write, deadline).await?;
        sleep(write.delay.max(self.profile.link_rules.gap)).await;
        Ok(())
    }

    /// Writes a frame as its family does.
    async fn put(&mut self, write: &Write, deadline: Deadline) -> Result<()> {
        let device = self.device();
        let none = || Error::RoleMissing { device, role: write.role.to_string() };
        let Some(Up { link, roles: Ok(roles), .. }) = &self.up else { return Err(none()) };
        let Some(id) = roles.get(&write.role) else { return Err(none()) };
        let kind = roles.write_kind(&write.role, write.kind);
        let link = Arc::clone(link);
        let word = kind.name();
        self.note_frame(format!("write {id} {word} {}", hex::encode(&write.bytes)));
        // Before the write: it may be carried out though it is given up.
        let first = self.restorer.touch();
        let result = link.write(id, &write.bytes, kind, deadline).await;
        if let (true, Err(Error::Refused { .. })) = (first, &result) {
            self.restorer.untouched();
        }
        result
    }

    /// Writes what is wanted, on top of what the bulb was told before.
    pub(super) async fn send(&mut self, wanted: &Light) -> Result<()> {
        let sent = self
            .profile
            .encode(wanted, &self.known, self.sequence)
            .map_err(|refusal| Error::NotEncodable { profile: self.profile.full_name(), refusal })?;
        let deadline = Deadline::after(REQUEST_TIME);
        for write in &sent.writes {
            self.sequence = self.sequence.wrapping_add(1);
            self.write(write, deadline).await?;
        }
        self.known = sent.assumed;
        Ok(())
    }

    /// Writes the first frame of what is wanted, and says when it was answered, and when the first notification came in the
    /// meantime, if one did.
    pub(super) async fn write_and_watch(
        &mut self,
        wanted: &Light,
    ) -> Result<(Instant, Option<(Instant, Vec<u8>)>)> {
        let sent = self
            .profile
            .encode(wanted, &self.known, self.sequence)
            .map_err(|refusal| Error::NotEncodable { profile: self.profile.full_name(), refusal })?;
        self.sequence = self.sequence.wrapping_add(1);
        self.known = sent.assumed;
        let Some(write) = sent.writes.first() else { return Ok((Instant::now(), None)) };
        let mut ears: Vec<Notifications> =
            self.up.iter().flat_map(|up| &up.ears).map(|(_, stream)| stream.resubscribe()).collect();
        let streams = ears.iter_mut().map(|stream| stream.recv().boxed());
        let mut listening = match streams.len() {
            0 => pending().boxed(),
            _ => select_all(streams).map(|(frame, ..)| (Instant::now(), frame.unwrap_or_default())).boxed(),
        };
        let mut writing = pin!(self.put(write, Deadline::after(REQUEST_TIME)));
        let mut heard = None;
        loop {
            tokio::select! {
                biased;
                frame = &mut listening, if heard.is_none() => heard = Some(frame),
                result = &mut writing => return result.map(|()| (Instant::now(), heard)),
            }
        }
    }

    /// What checks start from: dim, of a colour of its own, on or off. Not looked at: the checks do.
    pub(super) async fn prepare(&mut self, power: bool) -> Result<(), NotPassed> {
        self.write_start_state(power).await?.or_blocked("it refuses commands, see command-on and command-off")
    }

    /// As [`base`](Self::base), for who looks at what becomes of that command too.
    pub(super) async fn write_start_state(&mut self, power: bool) -> Result<Result<()>, NotPassed> {
        self.ready().await?;
        self.told = None;
        let can = self.profile.settable();
        let (least, most) = self.profile.range(Feature::Brightness).unwrap_or((0, 100));
        let dim = Percent::clamped(u8::try_from(u32::from(DIM.get()).clamp(least, most)).unwrap_or(30));
        let wanted = Light {
            power: can.contains(Feature::Power).then_some(power),
            brightness: can.contains(Feature::Brightness).then_some(dim),
            color: can.contains(Feature::Color).then_some(TINT),
            ..Light::default()
        };
        if let Err(error) = self.send(&wanted).await {
            return Ok(Err(error));
        }
        sleep(SETTLE).await;
        self.drain();
        Ok(Ok(()))
    }

    /// Commands, and gives what the bulb says afterwards; nothing where its family never tells.
    pub(super) async fn command(&mut self, wanted: &Light) -> Result<Option<Light>, NotPassed> {
        self.drain();
        self.send(wanted).await.or_failed("the command is accepted")?;
        let asked = wanted.features();
        let (profile, assumed) = (Arc::clone(&self.profile), self.known.clone());
        let agrees = |light: &Light| {
            asked.and(light.features()) == asked.and(profile.reported())
                && profile.mismatches(asked, &assumed, light).is_empty()
        };
        let notified = self.listen(ACK_TIME, agrees).await?;
        self.current_state(notified).await
    }

    /// Commands, and has the bulb say that it is so: what is asked for, and `keeping` what it was.
    pub(super) async fn command_and_verify(
        &mut self,
        wanted: &Light,
        what: &str,
        keeping: Features,
    ) -> Result<(), NotPassed> {
        let Some(said) = self.command(wanted).await? else {
            self.note = Some("written and accepted; this family never tells".to_owned());
            return Ok(());
        };
        let asked = wanted.features().or(keeping);
        let wrong = self.profile.mismatches(asked, &self.known, &said);
        if wrong.is_empty() {
            return Ok(());
        }
        let parts: Vec<String> = wrong.iter().map(|item| part(item, &said)).collect();
        Err(failed(what, format!("it reports {}", parts.join(", "))))
    }
}

/// One part of a light, in words.
pub(super) fn part(item: Feature, light: &Light) -> String {
    let value = light.text(item).unwrap_or_else(|| "nothing".to_owned());
    format!("{item} {value}")
}
