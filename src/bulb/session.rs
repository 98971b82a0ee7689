//! A session with one bulb over one link, as its family wants it.

use std::sync::Arc;
use std::time::Duration;

use bulb_protocol::profile::{EncodeError, Feature, Features, Light, Mode, Profile, Readback};
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;

use super::change::Change;
use super::families::Families;
use super::paced_writer::PacedWriter;
use super::recognise::recognise;
use super::roles::Roles;
use super::state::{BulbState, Provenance};
use super::status::{Subscription, reader};
use crate::error::{Error, Operation, Result};
use crate::radio::{Deadline, Link, SeenDevice};

/// How long a bulb has to report what it was commanded. Bulbs answer within some tens of milliseconds; over a busy
/// link with a long connection interval it can take several hundred.
pub(super) const ACK_TIME: Duration = Duration::from_secs(1);
/// A bulb that reports otherwise when it is asked right after a command may not have carried it out yet: it is asked again.
const AGAIN: Duration = Duration::from_millis(300);

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandOutcome {
    /// The state as far as it is known now.
    pub state: BulbState,
    /// Whether the bulb reports what was asked for; nothing where it never reports that.
    pub confirmed: Option<bool>,
}

/// A link to a bulb whose family is known, and its characteristics checked.
///
/// Dropping it closes the link, unless that was up before or is to be kept.
#[derive(Debug)]
pub struct Session {
    pub(super) link: Arc<dyn Link>,
    pub(super) profile: Arc<Profile>,
    pub(super) roles: Arc<Roles>,
    pub(super) device: String,
    pub(super) pen: PacedWriter,
    /// What notifies, once that is subscribed to.
    pub(super) ears: Vec<Subscription>,
    /// What is known of the lamp, and which parts of it the lamp told.
    pub(super) known: Light,
    pub(super) told: Features,
    /// Whether its state has been read on this link.
    pub(super) informed: bool,
    /// Numbers the frames of families that count them.
    pub(super) sequence: u8,
    /// When a family that tells nothing by itself is asked next.
    pub(super) poll: Instant,
    ready: bool,
    keeper: Option<AbortOnDropHandle<()>>,
}

impl Session {
    /// Finds out how the bulb at the other end is driven, checks its characteristics, and pairs with it if its family wants
    /// that. Nothing is written to it by then.
    ///
    /// # Errors
    /// What [`recognise`] and [`Roles::find`] give; [`Error::PairingFailed`], [`Error::MtuTooSmall`].
    pub async fn open(
        link: Arc<dyn Link>,
        report: &SeenDevice,
        families: &Families,
        deadline: Deadline,
    ) -> Result<Self> {
        let profile = recognise(link.as_ref(), report, families, deadline).await?;
        Self::over(link, profile, report.label(), deadline).await
    }

    /// As [`open`](Self::open), for a bulb of which it is known how it is driven.
    pub(super) async fn over(
        link: Arc<dyn Link>,
        profile: Arc<Profile>,
        device: String,
        deadline: Deadline,
    ) -> Result<Self> {
        let roles = Arc::new(Roles::find(&profile, link.table(), &device)?);
        tracing::info!("{device}: is driven as {}", profile.full_name());
        if let (Some(mtu), Some(need)) = (link.mtu(), profile.link_rules.mtu)
            && mtu < need
        {
            return Err(Error::MtuTooSmall { device, profile: profile.full_name(), mtu, need });
        }
        if profile.link_rules.needs_bonding {
            bond(link.as_ref(), &profile, deadline).await?;
        }
        link.set_frame_decoder(reader(Arc::clone(&profile), Arc::clone(&roles)));
        let pen = PacedWriter::new(Arc::clone(&link), Arc::clone(&roles), &device, profile.link_rules.gap);
        Ok(Self {
            link,
            profile,
            roles,
            device,
            pen,
            ears: Vec::new(),
            known: Light::default(),
            told: Features::NONE,
            informed: false,
            sequence: 0,
            poll: Instant::now(),
            ready: false,
            keeper: None,
        })
    }

    /// The link that it runs over.
    #[must_use]
    pub const fn link(&self) -> &Arc<dyn Link> {
        &self.link
    }

    /// How the bulb is driven.
    #[must_use]
    pub const fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    /// The state as far as it is known.
    #[must_use]
    pub fn state(&self) -> BulbState {
        let items = self.known.features();
        if items.is_empty() {
            BulbState::unknown()
        } else if items.and(self.told).is_empty() {
            BulbState::assumed(self.known.clone())
        } else {
            BulbState { assumed: items.less(self.told), ..BulbState::reported(self.known.clone()) }
        }
    }

    /// Whether the bulb tells its state over a link.
    #[must_use]
    pub fn reports_state(&self) -> bool {
        reports_state(&self.profile)
    }

    /// Writes now and then what the family wants to keep its link, until the session ends.
    pub fn hold(&mut self) {
        if let (None, Some(keep)) = (&self.keeper, &self.profile.link_rules.keep_alive) {
            self.keeper = Some(self.pen.keep(keep.write.clone(), keep.every));
        }
    }

    /// Makes the bulb ready to be written to: subscribes to what it reports, and writes what its family wants first. Once.
    ///
    /// # Errors
    /// What [`Link::subscribe`] and [`Link::write`] give.
    pub async fn prepare(&mut self, deadline: Deadline) -> Result<()> {
        if self.ready {
            return Ok(());
        }
        if self.profile.link_rules.subscribe_first {
            self.subscribe(deadline).await?;
        }
        for write in &self.profile.link_rules.first {
            self.pen.write(write, deadline).await?;
        }
        self.subscribe(deadline).await?;
        self.ready = true;
        Ok(())
    }

    /// What a change comes to: a toggle is worked out from the state that the bulb reports, or that was written in this
    /// session.
    ///
    /// # Errors
    /// [`Error::WriteOnly`], [`Error::NotEncodable`], and what [`read_state`](Self::read_state) gives.
    pub async fn wanted(&mut self, change: &Change, deadline: Deadline) -> Result<Light> {
        let known = self.known.power;
        self.check(&change.wanted(known.or(Some(false))))?;
        if change.toggle {
            if self.reports_state() && !self.informed {
                self.prepare(deadline).await?;
                self.read_state(deadline).await?;
            }
            if self.known.power.is_none() {
                return Err(Error::WriteOnly {
                    device: self.device.clone(),
                    profile: self.profile.full_name(),
                    operation: Operation::Toggle,
                });
            }
        }
        Ok(change.wanted(self.known.power))
    }

    /// Commands a change: [`wanted`](Self::wanted), [`command`](Self::command).
    ///
    /// # Errors
    /// What these give.
    pub async fn apply(&mut self, change: &Change, deadline: Deadline) -> Result<CommandOutcome> {
        let wanted = self.wanted(change, deadline).await?;
        self.command(&wanted, deadline).await
    }

    /// Commands what is wanted, and has it confirmed by whichever way the family tells its state. The same may be commanded
    /// again, on another link too.
    ///
    /// # Errors
    /// [`Error::NotEncodable`], and what subscribing, reading and writing give. A command that is not confirmed is no error.
    pub async fn command(&mut self, wanted: &Light, deadline: Deadline) -> Result<CommandOutcome> {
        self.check(wanted)?;
        self.prepare(deadline).await?;
        self.inform(wanted, deadline).await?;
        self.write(wanted, deadline).await?;
        let outcome = self.confirm(wanted.features(), deadline).await?;
        self.complete(outcome, deadline).await
    }

    /// Reads the rest of the state from a bulb that has told only the part that was commanded, or nothing as it does not report
    /// that part.
    async fn complete(&mut self, mut outcome: CommandOutcome, deadline: Deadline) -> Result<CommandOutcome> {
        let usual =
            Features::NONE.with(Feature::Power).with(Feature::Brightness).and(self.profile.reported());
        if self.reports_state() && outcome.confirmed != Some(false) && !usual.less(self.told).is_empty() {
            let mode = self.known.mode;
            match self.fetch(deadline.within(ACK_TIME)).await {
                Ok(_) => {
                    // What it shines with is what was written, where it does not report that.
                    if outcome.confirmed.is_none() {
                        self.known.mode = mode.or(self.known.mode);
                    }
                    outcome.state = self.state();
                }
                Err(error @ Error::LinkLost { .. }) => return Err(error),
                Err(error) => tracing::info!("{}: reading the rest: {error}", self.device),
            }
        }
        Ok(outcome)
    }

    /// Reads the state, if what is to be written depends on it.
    pub(super) async fn inform(&mut self, wanted: &Light, deadline: Deadline) -> Result<()> {
        if !self.informed && self.reports_state() && !stands_alone(&self.profile, wanted) {
            self.read_state(deadline).await?;
        }
        Ok(())
    }

    /// Writes the frames of a change, and takes it for carried out.
    pub(super) async fn write(&mut self, wanted: &Light, deadline: Deadline) -> Result<()> {
        let sent = self
            .profile
            .encode(wanted, &self.known, self.sequence)
            .map_err(|refusal| self.refused(refusal))?;
        self.forget_old_notifications();
        for write in &sent.writes {
            self.sequence = self.sequence.wrapping_add(1);
            self.pen.write(write, deadline).await?;
        }
        self.told = self.told.less(wanted.features()).less(self.known.differing(&sent.assumed));
        self.known = sent.assumed;
        Ok(())
    }

    pub(super) fn check(&self, wanted: &Light) -> Result<()> {
        self.profile.validate(wanted).map_err(|refusal| self.refused(refusal))
    }

    fn refused(&self, refusal: EncodeError) -> Error {
        Error::NotEncodable { profile: self.profile.full_name(), refusal }
    }

    /// Waits until the bulb reports what was written, or asks it.
    pub(super) async fn confirm(&mut self, asked: Features, deadline: Deadline) -> Result<CommandOutcome> {
        let way = self.profile.readback();
        let asked = asked.and(self.profile.reported());
        if asked.is_empty() || !self.reports_state() {
            return Ok(CommandOutcome { state: self.state(), confirmed: None });
        }
        let assumed = self.known.clone();
        let mut heard = Light::default();
        let ack = deadline.within(ACK_TIME);
        if way.command || way.change {
            let profile = Arc::clone(&self.profile);
            let whole = |heard: &Light| agrees(&profile, asked, &assumed, heard) == Agreement::Whole;
            self.listen(&mut heard, ack, whole).await?;
            if agrees(&profile, asked, &assumed, &heard) == Agreement::Whole {
                return Ok(self.outcome(&assumed, Some(heard), true));
            }
            tracing::info!("{}: no confirmation within {ACK_TIME:?}, reading back", self.device);
        }
        loop {
            let late = !(way.command || way.change) && ack.remaining() > AGAIN;
            match self.fetch(deadline.within(ACK_TIME)).await {
                Ok(read) => heard.merge(&read),
                Err(error @ Error::LinkLost { .. }) => return Err(error),
                Err(error) => tracing::info!("{}: reading back failed: {error}", self.device),
            }
            let confirmed = agrees(&self.profile, asked, &assumed, &heard) != Agreement::None;
            if confirmed || !late {
                let heard = Some(heard).filter(|heard| !heard.features().is_empty());
                return Ok(self.outcome(&assumed, heard, confirmed));
            }
            sleep(AGAIN).await;
        }
    }

    /// How a command ended of which this was heard.
    fn outcome(&mut self, assumed: &Light, heard: Option<Light>, confirmed: bool) -> CommandOutcome {
        let Some(heard) = heard else {
            let state =
                BulbState { provenance: Provenance::Assumed, ..BulbState::assumed(self.known.clone()) };
            return CommandOutcome { state, confirmed: Some(false) };
        };
        if confirmed {
            // What the wire cannot tell apart agrees: what was asked for is what it is.
            let all = assumed.features();
            let mode = self.known.mode;
            let own = Light { brightness: assumed.brightness.or(heard.brightness), ..assumed.clone() };
            self.known.merge(&own.only(all.less(self.profile.mismatches(all, &own, &heard))));
            self.known.mode = mode;
        }
        CommandOutcome { state: self.state(), confirmed: Some(confirmed) }
    }
}

/// How far a report agrees with what was commanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Agreement {
    /// It says otherwise, or nothing of it.
    None,
    /// What it says agrees, and some it does not say.
    Part,
    /// It says all of it.
    Whole,
}

fn agrees(profile: &Profile, asked: Features, assumed: &Light, heard: &Light) -> Agreement {
    let said = asked.and(heard.features());
    let shines = asked.iter().any(|item| item.mode().is_some());
    // A brightness that was not known and not named is what it is.
    let assumed = &Light { brightness: assumed.brightness.or(heard.brightness), ..assumed.clone() };
    let other_mode = shines && matches!((assumed.mode, heard.mode), (Some(own), Some(other)) if own != other);
    if said.is_empty() || other_mode || !profile.mismatches(asked, assumed, heard).is_empty() {
        return Agreement::None;
    }
    if said == asked { Agreement::Whole } else { Agreement::Part }
}

/// Whether bulbs of this profile tell their state over a link.
pub(super) fn reports_state(profile: &Profile) -> bool {
    let Readback { read, command, change, query, advert: _ } = profile.readback();
    read || command || change || query
}

/// Pairs with a bulb that takes nothing without.
async fn bond(link: &dyn Link, profile: &Profile, deadline: Deadline) -> Result<()> {
    match link.bond(deadline).await {
        Err(Error::PairingFailed { device, detail, .. }) => {
            Err(Error::PairingFailed { device, detail, how: profile.link_rules.pairing_hint.clone() })
        }
        result => result,
    }
}

/// Whether what is written for a change is the same whatever the lamp does at present.
fn stands_alone(profile: &Profile, wanted: &Light) -> bool {
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
    fn what_depends_on_the_state_is_known() {
        let alone = |profile: &str, wanted: &Light| {
            let (name, variant) = builtin::split_name(profile);
            stands_alone(&builtin::load(name, variant.as_deref()).unwrap(), wanted)
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
}
