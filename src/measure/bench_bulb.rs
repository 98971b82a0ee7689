//! The bulb under measurement: its brightness alternates between two values, and its status tells which one it has.

use std::sync::Arc;

use bulb_protocol::Percent;
use bulb_protocol::profile::{EncodeError, Feature, Features, Light, Profile, Write};

use super::BenchPlan;
use crate::bulb::{Families, Notification, PacedWriter, RestorePlan, Restorer, Session};
use crate::error::{Error, Result};
use crate::radio::{Deadline, Link, SeenDevice, WriteKind};

/// The largest difference between the two values, percent. Bulbs with 16 levels do not distinguish neighbours.
const MAX_DIFFERENCE: u8 = 10;

/// A bulb whose brightness alternates between two values.
pub(super) struct BenchBulb {
    pub(super) session: Session,
    pub(super) profile: Arc<Profile>,
    /// It sends a status after each command.
    pub(super) notifies: bool,
    known: Light,
    /// The brightness that the bulb ends with, and the one that alternates with it.
    brightnesses: [Percent; 2],
}

impl BenchBulb {
    /// Recognises the bulb and reads its state. Also returns the reason if its commands cannot be measured.
    pub(super) async fn open(
        link: Arc<dyn Link>,
        device: &SeenDevice,
        families: &Families,
        plan: &BenchPlan,
        restorer: &Restorer,
    ) -> Result<(Self, Option<String>)> {
        let deadline = Deadline::after(plan.timeout);
        let mut session = Session::open(link, device, families, deadline).await?;
        session.prepare(deadline).await?;
        session.keep_alive();
        let state = match session.read_state(deadline).await {
            Ok(state) => state,
            Err(error @ Error::LinkLost { .. }) => return Err(error),
            Err(error) => {
                tracing::warn!("{}: cannot read the state: {error}", device.label());
                session.state()
            }
        };
        let found = session.or_advertised(state, device).light().cloned();
        let profile = Arc::clone(session.profile());
        let readback = profile.readback();
        let notifies = (readback.command || readback.change) && session.channel().is_subscribed();
        let known = found.clone().unwrap_or_default();
        let mut bulb = Self { session, profile, notifies, known, brightnesses: [Percent::MIN; 2] };
        let reported = found.and_then(|light| light.brightness);
        let reason = bulb.choose_brightnesses(plan, reported);
        if reason.is_none() {
            bulb.prepare_restore(restorer, reported);
        }
        Ok((bulb, reason))
    }

    /// Chooses the two values, or returns the reason why there are none.
    fn choose_brightnesses(&mut self, plan: &BenchPlan, reported: Option<Percent>) -> Option<String> {
        if !self.profile.settable().contains(Feature::Brightness) {
            return Some(format!("the brightness of {} cannot be set", self.profile.full_name()));
        }
        let Some(base) = plan.brightness.or(reported) else {
            return Some(
                "the bulb does not report its brightness, so it could not be restored; give a value to start from \
                 with --brightness, which the bulb keeps"
                    .to_owned(),
            );
        };
        let base_frames = match self.frames(base) {
            Ok(frames) => frames,
            Err(refusal) => return Some(refusal.to_string()),
        };
        let near = |by: u8| {
            let (up, down) = (base.get().saturating_add(by), base.get().saturating_sub(by));
            // Zero switches some bulbs off.
            [Percent::new(up).ok(), Some(Percent::clamped(down)).filter(|down| down.get() > 0)]
        };
        // The status must tell them apart. That takes a larger difference if the brightness is part of the colour.
        let differs = |other: &Percent| {
            !self.agrees(base, &self.light_at(*other))
                && self.frames(*other).is_ok_and(|frames| frames != base_frames)
        };
        match (1..=MAX_DIFFERENCE).flat_map(near).flatten().find(differs) {
            Some(other) => self.brightnesses = [base, other],
            None => return Some("the bulb does not distinguish values near its brightness".to_owned()),
        }
        None
    }

    fn frames(&self, brightness: Percent) -> Result<Vec<Write>, EncodeError> {
        let change = Light { brightness: Some(brightness), ..Light::default() };
        Ok(self.profile.encode(&change, &self.known, 0)?.writes)
    }

    fn light_at(&self, brightness: Percent) -> Light {
        Light { brightness: Some(brightness), ..self.known.clone() }
    }

    fn agrees(&self, brightness: Percent, light: &Light) -> bool {
        let items = Features::NONE.with(Feature::Brightness);
        light.brightness.is_some()
            && self.profile.mismatches(items, &self.light_at(brightness), light).is_empty()
    }

    fn prepare_restore(&self, restorer: &Restorer, reported: Option<Percent>) {
        let [base, _] = self.brightnesses;
        restorer.note(RestorePlan {
            profile: Arc::clone(&self.profile),
            known: self.known.clone(),
            wanted: Light { brightness: Some(reported.unwrap_or(base)), ..Light::default() },
            found: reported.is_some(),
        });
        restorer.link(Some(Arc::clone(self.session.link())));
        restorer.before_write();
    }

    /// Encodes the command to the first brightness, or to the other.
    pub(super) fn command(&mut self, other: bool) -> Result<(Percent, Vec<Write>)> {
        let [base, second] = self.brightnesses;
        let brightness = if other { second } else { base };
        let change = Light { brightness: Some(brightness), ..Light::default() };
        let mut writes = self.session.channel().encode(&change, &self.known)?.writes;
        let writer = self.writer(None);
        // This model may lack an optional characteristic.
        writes.retain(|write| writer.destination(write).is_ok());
        Ok((brightness, writes))
    }

    /// A writer without pace. `kind` is used where the characteristic allows it.
    pub(super) fn writer(&mut self, kind: Option<WriteKind>) -> PacedWriter {
        self.session.channel().writer().unpaced(kind)
    }

    /// The kind of the last write of a command, if `wanted` is used where possible.
    pub(super) fn kind(&mut self, wanted: Option<WriteKind>) -> Result<Option<WriteKind>> {
        let (_, writes) = self.command(false)?;
        let writer = self.writer(wanted);
        Ok(writes.last().and_then(|write| Some(writer.destination(write).ok()?.1)))
    }

    pub(super) fn forget_old_notifications(&mut self) {
        self.session.channel().forget_old_notifications();
    }

    /// Waits for the next status; forever if the bulb does not notify. Returns the number of statuses since the call before, and
    /// true if the last one has this brightness. Cancel-safe.
    pub(super) async fn next_status(&mut self, brightness: Percent) -> Result<(u32, bool)> {
        if !self.notifies {
            return std::future::pending().await;
        }
        loop {
            let notification: Notification = self.session.channel().next().await?;
            // The bulb sent the missed ones too; we were slow to read them.
            let missed = notification.missed;
            match self.session.channel().decode(&notification) {
                Ok(light) if light.brightness.is_some() => {
                    return Ok((missed.saturating_add(1), self.agrees(brightness, &light)));
                }
                _ if missed > 0 => return Ok((missed, false)),
                _ => {}
            }
        }
    }

    /// Reads or queries the state, and returns true if it has this brightness.
    pub(super) async fn is_at(&mut self, brightness: Percent, deadline: Deadline) -> Result<bool> {
        match self.session.read_state(deadline).await {
            Ok(state) => Ok(state.light().is_some_and(|light| self.agrees(brightness, light))),
            Err(error @ Error::LinkLost { .. }) => Err(error),
            Err(error) => {
                tracing::info!("{}: {error}", self.session.link().device());
                Ok(false)
            }
        }
    }
}
