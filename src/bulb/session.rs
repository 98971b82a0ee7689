//! A session with one bulb: commands it as its family requires, and confirms the commands.

use std::sync::Arc;
use std::time::Duration;

use bulb_protocol::profile::{Feature, Features, Light, Mode, Profile, Readback};
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;

use super::change::Change;
use super::channel::{ACK_TIME, BulbChannel, frame_decoder};
use super::families::Families;
use super::recognise::recognise;
use super::state::{BulbState, Provenance};
use crate::error::{Error, Operation, Result};
use crate::radio::{Deadline, Link, SeenDevice};

/// The pause before a second read: right after a command, a bulb may still report the old state.
const READ_AGAIN_AFTER: Duration = Duration::from_millis(300);

/// The result of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandOutcome {
    pub state: BulbState,
    /// True if the bulb reports the commanded state; `None` if it never reports it.
    pub confirmed: Option<bool>,
}

/// A link to a bulb of a known family that has the characteristics of that family.
///
/// Dropping it closes the link, unless the link was up before or is to be kept.
#[derive(Debug)]
pub struct Session {
    pub(super) channel: BulbChannel,
    /// The state as reported or written.
    pub(super) known: Light,
    /// The value of each part that the bulb reported last.
    pub(super) last_reported: Light,
    /// The parts of `known` that the bulb reported.
    pub(super) reported: Features,
    pub(super) state_was_read: bool,
    pub(super) next_poll: Instant,
    prepared: bool,
    keep_alive: Option<AbortOnDropHandle<()>>,
}

impl Session {
    /// Recognises the bulb, checks its characteristics, and pairs with it if its family needs that. Writes nothing to it.
    pub async fn open(
        link: Arc<dyn Link>,
        device: &SeenDevice,
        families: &Families,
        deadline: Deadline,
    ) -> Result<Self> {
        let profile = recognise(link.as_ref(), device, families, deadline).await?;
        Self::with_profile(link, profile, device.label(), deadline).await
    }

    /// As [`open`](Self::open), for a bulb whose profile is known.
    pub(super) async fn with_profile(
        link: Arc<dyn Link>,
        profile: Arc<Profile>,
        device: String,
        deadline: Deadline,
    ) -> Result<Self> {
        let channel = BulbChannel::new(Arc::clone(&link), Arc::clone(&profile), device.clone())?;
        tracing::info!("{device}: uses the profile {}", profile.full_name());
        if let (Some(mtu), Some(need)) = (link.mtu(), profile.link_rules.mtu)
            && mtu < need
        {
            return Err(Error::MtuTooSmall { device, profile: profile.full_name(), mtu, need });
        }
        if profile.link_rules.needs_bonding {
            bond(link.as_ref(), &profile, deadline).await?;
        }
        link.set_frame_decoder(frame_decoder(profile, Arc::clone(channel.roles())));
        Ok(Self {
            channel,
            known: Light::default(),
            last_reported: Light::default(),
            reported: Features::NONE,
            state_was_read: false,
            next_poll: Instant::now(),
            prepared: false,
            keep_alive: None,
        })
    }

    pub const fn link(&self) -> &Arc<dyn Link> {
        self.channel.link()
    }

    pub const fn profile(&self) -> &Arc<Profile> {
        self.channel.profile()
    }

    pub(crate) const fn channel(&mut self) -> &mut BulbChannel {
        &mut self.channel
    }

    pub fn state(&self) -> BulbState {
        let items = self.known.features();
        if items.is_empty() {
            BulbState::unknown()
        } else if items.and(self.reported).is_empty() {
            BulbState::assumed(self.known.clone())
        } else {
            BulbState { assumed: items.less(self.reported), ..BulbState::reported(self.known.clone()) }
        }
    }

    pub fn reports_state(&self) -> bool {
        reports_state(self.profile())
    }

    pub(super) const fn is_prepared(&self) -> bool {
        self.prepared
    }

    /// Writes the family's keep-alive frame at its interval until the session ends.
    pub fn keep_alive(&mut self) {
        if let (None, Some(keep)) = (&self.keep_alive, &self.profile().link_rules.keep_alive) {
            self.keep_alive = Some(self.channel.writer().keep_alive(keep.write.clone(), keep.every));
        }
    }

    /// Subscribes to status notifications and writes the family's first frames, once.
    pub async fn prepare(&mut self, deadline: Deadline) -> Result<()> {
        if self.prepared {
            return Ok(());
        }
        let profile = Arc::clone(self.profile());
        if profile.link_rules.subscribe_first {
            self.channel.subscribe(deadline).await?;
        }
        for write in &profile.link_rules.first {
            self.channel.writer().write(write, deadline).await?;
        }
        self.channel.subscribe(deadline).await?;
        self.prepared = true;
        Ok(())
    }

    /// Returns the values to write for a change. A toggle and a step need the values that the bulb reports, or that were
    /// written in this session.
    pub async fn wanted(&mut self, change: &Change, deadline: Deadline) -> Result<Light> {
        let known = self.known.power;
        let some = |light: Light, feature: &Feature| {
            let least = self.profile().range(*feature).map_or(0, |(least, _)| least);
            light.with_number(*feature, u16::try_from(least).unwrap_or_default())
        };
        self.validate(&change.steps.keys().fold(change.wanted(known.or(Some(false))), some))?;
        if !change.toggle && change.steps.is_empty() {
            return Ok(change.wanted(known));
        }
        // A bulb that does not notify may have been changed by others since.
        let outdated = !change.steps.is_empty() && !self.profile().readback().change;
        if self.reports_state() && (!self.state_was_read || outdated) {
            self.prepare(deadline).await?;
            self.read_state(deadline).await?;
        }
        if change.toggle && self.known.power.is_none() {
            return Err(self.never_reports(Operation::Toggle));
        }
        let change = change.with_values(self.profile(), &self.known).map_err(|feature| {
            if !self.reports_state() {
                return self.never_reports(Operation::Adjust);
            }
            let device = self.channel.device().to_owned();
            Error::StateUnknown { device, feature: feature.to_string() }
        })?;
        Ok(change.wanted(self.known.power))
    }

    /// Commands a change: [`wanted`](Self::wanted), then [`command`](Self::command).
    pub async fn apply(&mut self, change: &Change, deadline: Deadline) -> Result<CommandOutcome> {
        let wanted = self.wanted(change, deadline).await?;
        self.command(&wanted, deadline).await
    }

    /// Commands a state and waits for its confirmation. An unconfirmed command is not an error. Repeatable, also on another link.
    pub async fn command(&mut self, wanted: &Light, deadline: Deadline) -> Result<CommandOutcome> {
        self.validate(wanted)?;
        self.prepare(deadline).await?;
        // A toggle or a step is right only from the state that the bulb has now.
        let relative = self.profile().is_relative(wanted);
        if (relative || !self.state_was_read)
            && self.reports_state()
            && !is_independent_of_state(self.profile(), wanted)
        {
            self.read_state(deadline).await?;
        }
        let before = self.last_reported.clone();
        self.write(wanted, deadline).await?;
        let outcome = self.confirm(wanted.features(), &before, deadline).await?;
        self.read_the_rest(outcome, deadline).await
    }

    /// Reads the whole state if the bulb has reported only the commanded part of it, or nothing because it does not report
    /// that part.
    async fn read_the_rest(
        &mut self,
        mut outcome: CommandOutcome,
        deadline: Deadline,
    ) -> Result<CommandOutcome> {
        let usual =
            Features::NONE.with(Feature::Power).with(Feature::Brightness).and(self.profile().reported());
        if self.reports_state() && outcome.confirmed != Some(false) && !usual.less(self.reported).is_empty() {
            let mode = self.known.mode;
            match self.query_state(deadline.within(ACK_TIME)).await {
                Ok(_) => {
                    // A bulb that does not report its mode is in the mode that was written.
                    if outcome.confirmed.is_none() {
                        self.known.mode = mode.or(self.known.mode);
                    }
                    outcome.state = self.state();
                }
                Err(error @ Error::LinkLost { .. }) => return Err(error),
                Err(error) => {
                    tracing::info!("{}: reading the rest of the state: {error}", self.channel.device());
                }
            }
        }
        Ok(outcome)
    }

    /// Writes the frames of a change and assumes that it is carried out.
    pub(super) async fn write(&mut self, wanted: &Light, deadline: Deadline) -> Result<()> {
        let sent = self.channel.encode(wanted, &self.known)?;
        self.channel.forget_old_notifications();
        for write in &sent.writes {
            self.channel.writer().write(write, deadline).await?;
        }
        self.reported = self.reported.less(wanted.features()).less(self.known.differing(&sent.assumed));
        self.known = sent.assumed;
        Ok(())
    }

    pub(super) fn validate(&self, wanted: &Light) -> Result<()> {
        self.profile().validate(wanted).map_err(|refusal| self.channel.not_encodable(refusal))
    }

    pub(super) fn never_reports(&self, operation: Operation) -> Error {
        Error::WriteOnly {
            device: self.channel.device().to_owned(),
            profile: self.profile().full_name(),
            operation,
        }
    }

    /// Waits until the bulb reports the written state, or queries it. `before` is what it reported before the command.
    async fn confirm(
        &mut self,
        commanded: Features,
        before: &Light,
        deadline: Deadline,
    ) -> Result<CommandOutcome> {
        let profile = Arc::clone(self.profile());
        let readback = profile.readback();
        let commanded = commanded.and(profile.reported());
        if commanded.is_empty() || !self.reports_state() {
            return Ok(CommandOutcome { state: self.state(), confirmed: None });
        }
        let assumed = self.known.clone();
        let agreement = |reported: &Light| agreement(&profile, commanded, before, &assumed, reported);
        let mut reported = Light::default();
        let ack = deadline.within(ACK_TIME);
        let notifies = readback.command || readback.change;
        if notifies {
            let whole = |reported: &Light| agreement(reported) == Agreement::Whole;
            self.collect_status(&mut reported, ack, whole).await?;
            if whole(&reported) {
                return Ok(self.outcome(&assumed, Some(reported), true));
            }
            tracing::info!("{}: no confirmation within {ACK_TIME:?}, reading back", self.channel.device());
        }
        loop {
            let may_retry = !notifies && ack.remaining() > READ_AGAIN_AFTER;
            match self.query_state(deadline.within(ACK_TIME)).await {
                Ok(light) => reported.merge(&light),
                Err(error @ Error::LinkLost { .. }) => return Err(error),
                Err(error) => tracing::info!("{}: reading back failed: {error}", self.channel.device()),
            }
            let confirmed = agreement(&reported) != Agreement::None;
            if confirmed || !may_retry {
                let reported = Some(reported).filter(|reported| !reported.features().is_empty());
                return Ok(self.outcome(&assumed, reported, confirmed));
            }
            sleep(READ_AGAIN_AFTER).await;
        }
    }

    fn outcome(&mut self, assumed: &Light, reported: Option<Light>, confirmed: bool) -> CommandOutcome {
        let Some(reported) = reported else {
            let state =
                BulbState { provenance: Provenance::Assumed, ..BulbState::assumed(self.known.clone()) };
            return CommandOutcome { state, confirmed: Some(false) };
        };
        if confirmed {
            // The frames round some values. A reported value that encodes to the same bytes is the commanded one.
            let all = assumed.features();
            let mode = self.known.mode;
            let written = Light { brightness: assumed.brightness.or(reported.brightness), ..assumed.clone() };
            self.known.merge(&written.only(all.less(self.profile().inexact(all, &written, &reported))));
            self.known.mode = mode;
        }
        CommandOutcome { state: self.state(), confirmed: Some(confirmed) }
    }
}

/// The extent to which a status agrees with the commanded state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Agreement {
    /// It differs, or contains no commanded part.
    None,
    /// Some commanded parts agree, and the others are missing.
    Part,
    Whole,
}

fn agreement(
    profile: &Profile,
    commanded: Features,
    before: &Light,
    assumed: &Light,
    reported: &Light,
) -> Agreement {
    let present = commanded.and(reported.features());
    let sets_mode = commanded.iter().any(|item| item.mode().is_some());
    // A brightness that was neither known nor commanded is the reported one.
    let assumed = &Light { brightness: assumed.brightness.or(reported.brightness), ..assumed.clone() };
    let other_mode =
        sets_mode && matches!((assumed.mode, reported.mode), (Some(wanted), Some(other)) if wanted != other);
    let differing = profile.mismatches(commanded, assumed, reported);
    let unchanged = profile.unchanged(commanded, before, assumed, reported);
    if present.is_empty() || other_mode || !differing.or(unchanged).is_empty() {
        return Agreement::None;
    }
    if present == commanded { Agreement::Whole } else { Agreement::Part }
}

/// Returns true if bulbs of this profile report their state over a link, not only in advertisements.
pub(super) fn reports_state(profile: &Profile) -> bool {
    let Readback { read, command, change, query, advert: _ } = profile.readback();
    read || command || change || query
}

async fn bond(link: &dyn Link, profile: &Profile, deadline: Deadline) -> Result<()> {
    match link.bond(deadline).await {
        Err(Error::PairingFailed { device, detail, .. }) => {
            Err(Error::PairingFailed { device, detail, how: profile.link_rules.pairing_hint.clone() })
        }
        result => result,
    }
}

/// Returns true if the frames of a change are the same in every state. We encode the change against no state and two different states:
/// equal bytes mean that no read is needed.
fn is_independent_of_state(profile: &Profile, wanted: &Light) -> bool {
    let one = profile.full_state(true);
    let other = Light {
        power: one.power.map(|on| !on),
        brightness: one.brightness.map(|_| bulb_protocol::Percent::clamped(37)),
        color: one.color.map(|_| bulb_protocol::Rgb::new(1, 130, 70)),
        white: one.white.map(|_| bulb_protocol::Percent::clamped(11)),
        kelvin: one.kelvin.map(|kelvin| kelvin.saturating_add(500)),
        effect: profile.effects().last().map(str::to_owned).or_else(|| one.effect.clone()),
        speed: one.speed.map(|_| bulb_protocol::Percent::clamped(13)),
        mode: [
            (one.white.is_some() || one.kelvin.is_some(), Mode::White),
            (one.effect.is_some(), Mode::Effect),
        ]
        .into_iter()
        .find_map(|(has, mode)| has.then_some(mode))
        .or(one.mode),
    };
    let writes = |known: &Light| profile.encode(wanted, known, 0).ok().map(|sent| sent.writes);
    let alone = writes(&Light::default());
    alone.is_some() && alone == writes(&one) && alone == writes(&other)
}

#[cfg(test)]
mod tests {
    use bulb_protocol::profile::builtin;
    use bulb_protocol::{Percent, Rgb};

    use super::*;

    #[test]
    fn finds_changes_that_depend_on_the_state() {
        let alone = |profile: &str, wanted: &Light| {
            let (name, variant) = builtin::split_name(profile);
            is_independent_of_state(&builtin::load(name, variant.as_deref()).unwrap(), wanted)
        };
        let on = Light { power: Some(true), ..Light::default() };
        let red = Light { color: Some(Rgb::new(255, 0, 0)), ..Light::default() };
        let dim = Light { brightness: Some(Percent::clamped(30)), ..Light::default() };
        let whole = Light { power: Some(true), ..red.clone().merged(&dim) };
        for (profile, wanted, expected) in [
            ("base", &on, false),
            ("base", &red, false),
            ("base", &whole, true),
            ("elk", &on, true),
            ("elk", &red, true),
            ("elk", &dim, true),
            // Scaled brightness is in the colour.
            ("zengge", &on, true),
            ("zengge", &red, false),
            ("zengge", &dim, false),
            // Its colour frame carries the brightness too.
            ("lednetwf", &red, false),
            ("govee:h6127", &dim, true),
            ("hue", &on, true),
        ] {
            assert_eq!(alone(profile, wanted), expected, "{profile} {wanted:?}");
        }
    }

    #[test]
    fn one_way_to_report_is_enough() {
        for (profile, reports) in [("playbulb", true), ("zengge", true), ("base", true), ("elk", false)] {
            assert_eq!(reports_state(&builtin::load(profile, None).unwrap()), reports, "{profile}");
        }
    }
}
