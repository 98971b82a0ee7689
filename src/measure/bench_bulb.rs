//! A bulb whose brightness can be moved to and fro, and what it says to that.

use std::sync::Arc;

use bulb_protocol::Percent;
use bulb_protocol::profile::{EncodeError, Feature, Features, Light, Profile, Write};
use futures::FutureExt;
use futures::future::select_all;
use tokio::sync::broadcast::error::RecvError;

use super::BenchPlan;
use crate::bulb::{Families, RestorePlan, Restorer, Roles, Session};
use crate::error::{Error, Operation, Result};
use crate::radio::{CharacteristicId, Deadline, Link, Notifications, SeenDevice, WriteKind};

/// The furthest that the brightness moves, percent: lamps with 16 levels do not tell one percent from another.
const FURTHEST: u8 = 10;

/// A bulb whose brightness can be moved to and fro.
pub(super) struct BenchBulb {
    pub(super) link: Arc<dyn Link>,
    pub(super) session: Session,
    pub(super) profile: Arc<Profile>,
    pub(super) roles: Arc<Roles>,
    /// What notifies its state by itself.
    streams: Vec<(CharacteristicId, Notifications)>,
    known: Light,
    /// The two brightnesses: the one to end with, and the one beside it.
    swing: [Percent; 2],
    sequence: u8,
    device: String,
}

impl BenchBulb {
    /// Recognises the bulb and reads its state; or says why it cannot be written to.
    pub(super) async fn open(
        link: Arc<dyn Link>,
        report: &SeenDevice,
        families: &Families,
        plan: &BenchPlan,
        restorer: &Restorer,
    ) -> Result<(Self, Option<String>)> {
        let deadline = Deadline::after(plan.timeout);
        let mut session = Session::open(Arc::clone(&link), report, families, deadline).await?;
        let (profile, device) = (Arc::clone(session.profile()), report.label());
        let roles = Arc::new(Roles::find(&profile, link.table(), &device)?);
        session.prepare(deadline).await?;
        session.hold();
        let state = match session.read_state(deadline).await {
            Ok(state) => state,
            Err(error @ Error::LinkLost { .. }) => return Err(error),
            Err(error) => {
                tracing::warn!("{device}: its state: {error}");
                session.state()
            }
        };
        let found = session.or_advertised(state, report).light().cloned();
        let mut bulb = Self {
            link,
            session,
            roles,
            streams: Vec::new(),
            known: found.clone().unwrap_or_default(),
            swing: [Percent::MIN; 2],
            sequence: 0,
            device,
            profile,
        };
        let reported = found.as_ref().and_then(|light| light.brightness);
        let reason = bulb.choose(plan, reported);
        if reason.is_none() {
            bulb.listen(deadline).await?;
            bulb.note_the_way_back(restorer, reported);
        }
        Ok((bulb, reason))
    }

    /// Chooses what to write; or says why nothing can be.
    fn choose(&mut self, plan: &BenchPlan, reported: Option<Percent>) -> Option<String> {
        if !self.profile.settable().contains(Feature::Brightness) {
            return Some(format!("the brightness of {} cannot be set", self.profile.full_name()));
        }
        let Some(base) = plan.brightness.or(reported) else {
            return Some(
                "it does not tell its brightness, so that could not be put back; --brightness says where to begin, and it \
                 stays there"
                    .to_owned(),
            );
        };
        let at = |percent: Percent| self.frames(percent);
        let here = match at(base) {
            Ok(frames) => frames,
            Err(refusal) => return Some(refusal.to_string()),
        };
        let near = |by: u8| {
            let (up, down) = (base.get().saturating_add(by), base.get().saturating_sub(by));
            // Not to nought, which switches some lamps off.
            [Percent::new(up).ok(), Some(Percent::clamped(down)).filter(|down| down.get() > 0)]
        };
        // What it reports has to tell one from the other, which takes more where brightness is in the colour.
        let apart = |other: Percent| {
            let (here, there) = (self.light_at(base), self.light_at(other));
            !self.profile.mismatches(Features::NONE.with(Feature::Brightness), &here, &there).is_empty()
        };
        let differs = |other: &Percent| apart(*other) && at(*other).is_ok_and(|frames| frames != here);
        let other = (1..=FURTHEST).flat_map(near).flatten().find(differs);
        match other {
            Some(other) => self.swing = [base, other],
            None => return Some("all brightnesses near its own are the same to it".to_owned()),
        }
        None
    }

    fn frames(&self, brightness: Percent) -> Result<Vec<Write>, EncodeError> {
        let change = Light { brightness: Some(brightness), ..Light::default() };
        Ok(self.profile.encode(&change, &self.known, 0)?.writes)
    }

    /// What it is like at this brightness.
    fn light_at(&self, brightness: Percent) -> Light {
        Light { brightness: Some(brightness), ..self.known.clone() }
    }

    async fn listen(&mut self, deadline: Deadline) -> Result<()> {
        let way = self.profile.readback();
        if !(way.command || way.change) {
            return Ok(());
        }
        for role in self.profile.notifying_roles() {
            let Some(id) = self.roles.get(&role.name) else { continue };
            if self.roles.notifies(&role.name) && !self.streams.iter().any(|(own, _)| *own == id) {
                self.streams.push((id, self.link.subscribe(id, deadline).await?));
            }
        }
        Ok(())
    }

    /// From now on the bulb is touched.
    fn note_the_way_back(&self, restorer: &Restorer, reported: Option<Percent>) {
        let back = Light { brightness: Some(reported.unwrap_or(self.base())), ..Light::default() };
        restorer.note(RestorePlan {
            profile: Arc::clone(&self.profile),
            known: self.known.clone(),
            back,
            found: reported.is_some(),
        });
        restorer.link(Some(Arc::clone(&self.link)));
        restorer.touch();
    }

    fn refused(&self, refusal: EncodeError) -> Error {
        Error::NotEncodable { profile: self.profile.full_name(), refusal }
    }

    fn base(&self) -> Percent {
        let [base, _] = self.swing;
        base
    }

    /// Whether it notifies its state.
    pub(super) fn notifies(&self) -> bool {
        !self.streams.is_empty()
    }

    /// The next command: to the one brightness, or to the other.
    pub(super) fn command(&mut self, other: bool) -> Result<(Percent, Vec<Write>)> {
        let [base, beside] = self.swing;
        let brightness = if other { beside } else { base };
        let change = Light { brightness: Some(brightness), ..Light::default() };
        let sent = self.profile.encode(&change, &self.known, self.sequence);
        let sent = sent.map_err(|refusal| self.refused(refusal))?;
        self.sequence = self.sequence.wrapping_add(1);
        Ok((brightness, sent.writes))
    }

    /// How a write is sent: as is wanted where its characteristic can be written so, else as usual.
    pub(super) fn kind(
        &self,
        write: &Write,
        wanted: Option<WriteKind>,
    ) -> Option<(CharacteristicId, WriteKind)> {
        let id = self.roles.get(&write.role)?;
        let usual = self.roles.write_kind(&write.role, write.kind);
        let can = |kind: &WriteKind| {
            self.link.table().properties(id).is_some_and(|properties| properties.allows(*kind))
        };
        Some((id, wanted.filter(can).unwrap_or(usual)))
    }

    /// The kinds in which its commands can be written.
    pub(super) fn kinds(&mut self) -> Result<Vec<WriteKind>> {
        let (_, writes) = self.command(false)?;
        let fits = |kind: &WriteKind| {
            let of = |write: &Write| self.kind(write, Some(*kind)).map(|(_, kind)| kind);
            writes.last().and_then(of) == Some(*kind)
        };
        Ok([WriteKind::Request, WriteKind::Command].into_iter().filter(fits).collect())
    }

    /// Notifications from before are not answers to what comes.
    pub(super) fn forget(&mut self) {
        for (_, stream) in &mut self.streams {
            *stream = stream.resubscribe();
        }
    }

    /// How many reports have come, and whether the last one is of this brightness; at the next one. For ever where it does not notify.
    pub(super) async fn next_report(&mut self, brightness: Percent) -> Result<(u32, bool)> {
        loop {
            if self.streams.is_empty() {
                return std::future::pending().await;
            }
            let next = self.streams.iter_mut().map(|(id, stream)| {
                let id = *id;
                stream.recv().map(move |frame| (id, frame)).boxed()
            });
            let ((id, frame), ..) = select_all(next).await;
            match frame {
                Ok(frame) => {
                    if let Some(agrees) = self.agrees(id, &frame, brightness) {
                        return Ok((1, agrees));
                    }
                }
                // They have come, and only we were too slow for them.
                Err(RecvError::Lagged(missed)) => {
                    return Ok((u32::try_from(missed).unwrap_or(u32::MAX), false));
                }
                Err(RecvError::Closed) => return Err(self.lost()),
            }
        }
    }

    /// Whether a notification tells this brightness; nothing if it tells none.
    fn agrees(&self, id: CharacteristicId, frame: &[u8], brightness: Percent) -> Option<bool> {
        let own = self.light_at(brightness);
        let told = self.roles.of(id).find_map(|role| self.profile.decode(role, frame).ok())?;
        told.brightness?;
        Some(self.profile.mismatches(Features::NONE.with(Feature::Brightness), &own, &told).is_empty())
    }

    /// Whether this brightness is what it tells when it is read or asked.
    pub(super) async fn is_at(&mut self, brightness: Percent, deadline: Deadline) -> Result<bool> {
        let own = self.light_at(brightness);
        match self.session.read_state(deadline).await {
            Ok(state) => {
                let told = state.light().cloned().unwrap_or_default();
                let asked = Features::NONE.with(Feature::Brightness);
                Ok(told.brightness.is_some() && self.profile.mismatches(asked, &own, &told).is_empty())
            }
            Err(error @ Error::LinkLost { .. }) => Err(error),
            Err(error) => {
                tracing::info!("{}: {error}", self.device);
                Ok(false)
            }
        }
    }

    fn lost(&self) -> Error {
        Error::LinkLost { device: self.device.clone(), operation: Operation::WaitForStatus }
    }
}
