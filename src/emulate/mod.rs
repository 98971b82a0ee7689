//! `emulate`: bulbs of this computer for the centrals of another.
//!
//! [`EmulatedBulbs`] is the bulbs, a [`Peripheral`] is the radio. An [`Emulation`] passes the events of the radio to the
//! bulbs and what the bulbs do to the radio, and tells what happened.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bulb_protocol::profile::{DecodedCommand, Light, Profile};
use bulb_protocol::text::trim_padding;
use tokio::sync::mpsc;
use tokio::time::{sleep_until, timeout};

use crate::bulb::Change;
use crate::error::{Error, Result};
use crate::radio::peripheral::{self, Peripheral, PeripheralEvent};
pub use crate::radio::sim::emulated::BulbEventKind;
use crate::radio::sim::emulated::{Action, EmulatedBulbs, NewFault, WrittenValue};
use crate::radio::{Address, Deadline};

/// Time limit of a call to the radio. It needs one round trip over a local socket.
const CALL_TIME: Duration = Duration::from_secs(2);

/// Something that happened at a bulb.
#[derive(Clone, Debug)]
pub struct BulbEvent {
    /// The index of the bulb.
    pub bulb: usize,
    pub kind: BulbEventKind,
}

/// What the user does to a bulb.
#[derive(Clone, Debug)]
pub enum BulbAction {
    Set(Change),
    Drop,
    Vanish,
    Appear,
    Rename(String),
    AddFault(NewFault),
    ClearFaults,
}

/// What an emulation has to deal with next.
#[derive(Debug)]
pub enum Next {
    /// An event of the radio.
    Radio(PeripheralEvent),
    /// A bulb does something by itself.
    Due,
}

/// Bulbs on the air.
#[derive(Debug)]
pub struct Emulation {
    radio: Arc<dyn Peripheral>,
    bulbs: EmulatedBulbs,
    events: mpsc::Receiver<PeripheralEvent>,
    told: VecDeque<BulbEvent>,
}

impl Emulation {
    /// Checks that the radio can play the bulbs, and puts them on the air.
    ///
    /// # Errors
    /// The radio cannot play them, or cannot be used. Nothing was touched then.
    pub async fn start(radio: Arc<dyn Peripheral>, bulbs: EmulatedBulbs, deadline: Deadline) -> Result<Self> {
        let served = bulbs.served();
        peripheral::check(radio.as_ref(), &served, &bulbs.behaviours())?;
        let late = |waited| Error::ServiceSilent { detail: format!("no answer within {waited:.1?}") };
        let events = deadline.run(radio.start(served, deadline), late).await?;
        let on_air = (0..bulbs.count()).filter_map(|bulb| {
            let advertisement = bulbs.advertisement(bulb)?.clone();
            Some(BulbEvent { bulb, kind: BulbEventKind::Advertising(advertisement) })
        });
        let told = on_air.collect();
        Ok(Self { radio, bulbs, events, told })
    }

    pub const fn bulbs(&self) -> &EmulatedBulbs {
        &self.bulbs
    }

    /// The adapter, and the address at which centrals see a bulb, if it is known.
    pub fn address(&self, bulb: usize) -> Option<Address> {
        if self.radio.limits().chosen_addresses {
            self.bulbs.address(bulb)
        } else {
            self.radio.adapter().address
        }
    }

    /// The name that a bulb advertises, or its label.
    pub fn name(&self, bulb: usize) -> &str {
        let name = self.bulbs.advertisement(bulb).and_then(|sent| sent.name.as_deref()).map(trim_padding);
        name.unwrap_or_else(|| self.bulbs.label(bulb))
    }

    /// The bulb that the user names: by its name, address or number from 1. The only one has no need of it.
    ///
    /// # Errors
    /// There is no such bulb, or there are several.
    pub fn find(&self, wanted: Option<&str>) -> Result<usize> {
        let count = self.bulbs.count();
        let Some(wanted) = wanted else {
            return match count {
                1 => Ok(0),
                count => Err(Error::Usage(format!("there are {count} bulbs: name one with --bulb"))),
            };
        };
        let address = wanted.parse::<Address>().ok();
        let is_meant = |bulb: &usize| {
            self.bulbs.label(*bulb) == wanted
                || self.name(*bulb) == wanted
                || (address.is_some() && self.bulbs.address(*bulb) == address)
                || wanted.parse() == Ok(*bulb + 1)
        };
        (0..count).find(is_meant).ok_or_else(|| {
            let have: Vec<&str> = (0..count).map(|bulb| self.bulbs.label(bulb)).collect();
            Error::Usage(format!("there is no bulb {wanted:?}; there are {}", have.join(", ")))
        })
    }

    pub fn adapter(&self) -> String {
        self.radio.adapter().name
    }

    /// What happened, oldest first; `None` if all of it was told.
    pub fn next_told(&mut self) -> Option<BulbEvent> {
        self.told.pop_front()
    }

    /// Waits for what is next. Dropping the future loses nothing.
    ///
    /// # Errors
    /// The radio is gone for good.
    pub async fn next(&mut self) -> Result<Next> {
        let due = self.bulbs.next_due();
        let due = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = self.events.recv() => match event {
                Some(event) => Ok(Next::Radio(event)),
                None => Err(Error::AdapterLost { adapter: self.adapter() }),
            },
            () = due => Ok(Next::Due),
        }
    }

    /// Deals with what [`next`](Self::next) returned.
    ///
    /// # Errors
    /// The radio is gone.
    pub async fn handle(&mut self, next: Next) -> Result<()> {
        match next {
            Next::Radio(event) => self.bulbs.handle(event),
            Next::Due => self.bulbs.advance(),
        }
        self.carry_out().await
    }

    /// Does what the user asks of a bulb.
    ///
    /// # Errors
    /// The bulb or the radio cannot do it.
    pub async fn act(&mut self, bulb: usize, action: BulbAction) -> Result<()> {
        match action {
            BulbAction::Set(change) => self.set(bulb, &change)?,
            BulbAction::Drop => {
                if !self.bulbs.drop_link(bulb) {
                    return Err(Error::Usage(format!("{} has no link to drop", self.bulbs.label(bulb))));
                }
            }
            BulbAction::Vanish => self.bulbs.vanish(bulb),
            BulbAction::Appear => self.bulbs.appear(bulb),
            BulbAction::Rename(name) => self.rename(bulb, name)?,
            BulbAction::AddFault(fault) => self.add_fault(bulb, &fault)?,
            BulbAction::ClearFaults => self.bulbs.clear_faults(bulb),
        }
        self.carry_out().await
    }

    fn set(&mut self, bulb: usize, change: &Change) -> Result<()> {
        let label = || self.bulbs.label(bulb).to_owned();
        let (Some(profile), Some(light)) = (self.bulbs.profile(bulb), self.bulbs.light(bulb)) else {
            return Ok(());
        };
        let unknown = |feature: bulb_protocol::profile::Feature| Error::StateUnknown {
            device: label(),
            feature: feature.name().to_owned(),
        };
        let wanted = change.with_values(profile, light).map_err(unknown)?.wanted(light.power);
        self.bulbs.set(bulb, &wanted)
    }

    fn rename(&mut self, bulb: usize, name: String) -> Result<()> {
        if let (Some(room), Some(sent)) = (self.radio.limits().room, self.bulbs.advertisement(bulb)) {
            let renamed = peripheral::Advertisement { name: Some(name.clone()), ..sent.clone() };
            room.check(&renamed).map_err(|detail| Error::AdvertisementTooLong {
                device: self.bulbs.label(bulb).to_owned(),
                adapter: self.adapter(),
                detail,
            })?;
        }
        self.bulbs.rename(bulb, name);
        Ok(())
    }

    fn add_fault(&mut self, bulb: usize, fault: &NewFault) -> Result<()> {
        if let Some((behaviour, reason)) =
            fault.behaviour().and_then(|behaviour| Some((behaviour, self.radio.refusal(behaviour)?)))
        {
            let (adapter, what) = (self.adapter(), behaviour.to_string());
            return Err(Error::NotPlayable { adapter, what, reason: reason.to_owned() });
        }
        self.bulbs.add_fault(bulb, fault);
        Ok(())
    }

    async fn carry_out(&mut self) -> Result<()> {
        while let Some(action) = self.bulbs.next_action() {
            match action {
                Action::Reply(responder, reply) => responder.send(reply),
                Action::Notify { bulb, link, characteristic, value } => {
                    self.call(self.radio.notify(bulb, link, characteristic, value)).await?;
                }
                Action::DropLink { bulb, link } => self.call(self.radio.drop_link(bulb, link)).await?,
                Action::Advertise(bulb, advertisement) => {
                    self.call(self.radio.advertise(bulb, advertisement)).await?;
                }
                Action::Tell(bulb, kind) => {
                    self.log(bulb, &kind);
                    self.told.push_back(BulbEvent { bulb, kind });
                }
            }
        }
        Ok(())
    }

    async fn call(&self, call: impl Future<Output = Result<()>>) -> Result<()> {
        match timeout(CALL_TIME, call).await {
            Ok(result) => result,
            Err(_) => Err(Error::ServiceSilent { detail: format!("no answer within {CALL_TIME:.1?}") }),
        }
    }

    /// Logs a frame.
    fn log(&self, bulb: usize, event: &BulbEventKind) {
        if let Some(frame) = frame_text(event) {
            tracing::debug!("{}: {frame}", self.bulbs.label(bulb));
        }
    }
}

/// The text of a frame; `None` if the event is none.
pub fn frame_text(event: &BulbEventKind) -> Option<String> {
    let hex = |value: &[u8]| if value.is_empty() { "(empty)".to_owned() } else { hex::encode(value) };
    Some(match event {
        BulbEventKind::Read(id, Some(value)) => format!("read {id} -> {}", hex(value)),
        BulbEventKind::Read(id, None) => format!("read {id}, refused"),
        BulbEventKind::Written(written @ WrittenValue { characteristic, kind, value, .. }) => {
            let meaning = Meaning::of(written);
            let kind = kind.map_or_else(String::new, |kind| format!("{} ", kind.name()));
            format!("write {kind}{characteristic} <- {}  {meaning}", hex(value))
        }
        BulbEventKind::Notified(id, value) => format!("notification {id} -> {}", hex(value)),
        _ => return None,
    })
}

/// What a write means to a bulb.
#[derive(Clone, Debug, PartialEq)]
pub enum Meaning {
    /// A command with these settings. They are empty for a step.
    Command(Light),
    /// A question for the state.
    Query,
    /// A frame that opens or keeps the session.
    Session,
    /// No frame of the family begins like this.
    Unknown(String),
    /// A known frame with something wrong.
    Malformed(String),
    /// The characteristic takes no commands: its value is stored.
    Value,
}

impl fmt::Display for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(light) => light.fmt(f),
            Self::Query => f.write_str("a query"),
            Self::Session => f.write_str("a session frame"),
            Self::Unknown(reason) => write!(f, "unknown: {reason}"),
            Self::Malformed(reason) => write!(f, "malformed: {reason}"),
            Self::Value => f.write_str("a value"),
        }
    }
}

impl Meaning {
    pub fn of(written: &WrittenValue) -> Self {
        match &written.frame {
            None => Self::Value,
            Some((_, Ok(DecodedCommand::Change(light)))) => Self::Command(light.clone()),
            Some((_, Ok(DecodedCommand::Relative(_)))) => Self::Command(Light::default()),
            Some((_, Ok(DecodedCommand::Query(_)))) => Self::Query,
            Some((_, Ok(DecodedCommand::LinkRule))) => Self::Session,
            Some((_, Err(error))) if error.is_unknown() => Self::Unknown(error.to_string()),
            Some((_, Err(error))) => Self::Malformed(error.to_string()),
        }
    }
}

/// The address of a bulb of a profile: the same in every run, and different for each name.
pub fn address_of(profile: &Profile, name: Option<&str>, number: usize) -> Address {
    let text = format!("{}/{}/{number}", profile.full_name(), name.unwrap_or_default());
    // FNV-1a, 32 bits: the same in every release.
    let hash =
        text.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let [_, a, b, c] = hash.to_be_bytes();
    // The two highest bits of a random static address are set (Bluetooth Core 5.4, Vol 6, Part B, 1.3.2.1).
    Address::new([0xC4, 0x11, 0xE0, a, b, c])
}
