//! What is drawn: a rig with faults and events, and the steps.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;

/// How many bulbs there are.
pub(crate) const BULBS: usize = 3;
/// The brightness that they start with, percent.
pub(crate) const START: u8 = 50;

/// One case.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) faults: Vec<Fault>,
    pub(crate) events: Vec<Event>,
    pub(crate) steps: Vec<Step>,
}

/// A fault of one bulb, which comes to its end.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) bulb: usize,
    pub(crate) on: &'static str,
    does: &'static str,
    more: String,
    count: u8,
}

/// What happens by itself.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) at: u32,
    pub(crate) what: What,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    /// The adapter is off for so many ms.
    Off(u32),
    /// The bulb ends its link.
    Drop(usize),
    /// The bulb is away for so many ms.
    Away(usize, u32),
    /// Somebody else dims the bulb.
    Set(usize, u8),
}

/// What is done, one after the other.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Begins to hold a bulb; for a desk, or alone.
    Hold(usize, bool),
    /// Ends that, properly.
    Stop(usize),
    /// Drops the driver.
    Drop(usize),
    /// Dims it through its driver.
    Dim(usize, u8),
    /// Switches it over through its driver.
    Toggle(usize),
    /// Tries again at once.
    Hurry(usize),
    /// Dims it in a session of its own, as a verb does.
    Command(usize, u8),
    /// The same, given up after so many ms.
    GiveUp(usize, u8, u32),
    /// So many ms pass.
    Wait(u32),
}

/// The address of a bulb.
pub(crate) fn address(bulb: usize) -> String {
    format!("C4:11:00:00:00:{bulb:02X}")
}

impl Case {
    /// The rig, as it can be played by hand.
    pub(crate) fn rig(&self) -> String {
        let mut rig = "rig = 1\nabout = \"a case of the model\"\n".to_owned();
        for bulb in 0..BULBS {
            rig += &format!(
                "\n[[bulb]]\nname = \"Light-{bulb}\"\naddress = \"{}\"\nbrightness = {START}\n",
                address(bulb)
            );
            for Fault { on, does, more, count, .. } in self.faults.iter().filter(|fault| fault.bulb == bulb) {
                rig += &format!("[[bulb.fault]]\non = \"{on}\"\ndo = \"{does}\"\ncount = {count}\n{more}");
            }
        }
        for Event { at, what } in &self.events {
            let adapter =
                |at: u32, state: &str| format!("\n[[event]]\nat = \"{at}ms\"\nadapter = \"{state}\"\n");
            let own = |at: u32, bulb: usize, does: &str| {
                format!("\n[[event]]\nat = \"{at}ms\"\nbulb = \"{}\"\ndo = \"{does}\"\n", address(bulb))
            };
            rig += &match what {
                What::Off(time) => adapter(*at, "off") + &adapter(at + time, "on"),
                What::Drop(bulb) => own(*at, *bulb, "drop"),
                What::Away(bulb, time) => own(*at, *bulb, "vanish") + &own(at + time, *bulb, "appear"),
                What::Set(bulb, percent) => own(*at, *bulb, "set") + &format!("brightness = {percent}\n"),
            };
        }
        rig
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--- rig\n{}\n--- steps", self.rig())?;
        self.steps.iter().try_for_each(|step| write!(f, "\n{step:?}"))
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Where bulbs misbehave, and how.
const KINDS: [(&str, &str); 24] = [
    ("connect", "drop"),
    ("connect", "delay"),
    ("connect", "silent"),
    ("discover", "drop"),
    ("discover", "delay"),
    ("discover", "silent"),
    ("read", "drop"),
    ("read", "delay"),
    ("read", "silent"),
    ("read", "error"),
    ("read", "reply"),
    ("write", "drop"),
    ("write", "delay"),
    ("write", "silent"),
    ("write", "error"),
    ("write", "lose"),
    ("subscribe", "drop"),
    ("subscribe", "delay"),
    ("subscribe", "silent"),
    ("subscribe", "error"),
    ("notify", "drop"),
    ("notify", "delay"),
    ("notify", "lose"),
    ("notify", "reply"),
];

fn fault() -> impl Strategy<Value = Fault> {
    (
        0..BULBS,
        proptest::sample::select(&KINDS[..]),
        1..5_u8,
        10..4000_u32,
        proptest::sample::select(&ERRORS[..]),
    )
        .prop_map(|(bulb, (on, does), count, time, att)| {
            let more = match does {
                "delay" => format!("for = \"{time}ms\"\n"),
                "error" => format!("att = {att}\n"),
                // One byte short: no status at all.
                "reply" => "bytes = \"01640102\"\n".to_owned(),
                _ => String::new(),
            };
            Fault { bulb, on, does, more, count }
        })
}

/// ATT errors that bulbs answer with; none that asks for a bond, which ends a driver.
const ERRORS: [u8; 4] = [0x03, 0x0e, 0x11, 0x80];

fn event() -> impl Strategy<Value = Event> {
    let what = prop_oneof![
        1 => (100..20_000_u32).prop_map(What::Off),
        3 => (0..BULBS).prop_map(What::Drop),
        2 => (0..BULBS, 100..40_000_u32).prop_map(|(bulb, time)| What::Away(bulb, time)),
        2 => (0..BULBS, 1..=100_u8).prop_map(|(bulb, percent)| What::Set(bulb, percent)),
    ];
    (500..60_000_u32, what).prop_map(|(at, what)| Event { at, what })
}

fn step() -> impl Strategy<Value = Step> {
    let bulb = 0..BULBS;
    let percent = 1..=100_u8;
    prop_oneof![
        3 => (bulb.clone(), any::<bool>()).prop_map(|(bulb, desk)| Step::Hold(bulb, desk)),
        1 => bulb.clone().prop_map(Step::Stop),
        1 => bulb.clone().prop_map(Step::Drop),
        8 => (bulb.clone(), percent.clone()).prop_map(|(bulb, percent)| Step::Dim(bulb, percent)),
        2 => bulb.clone().prop_map(Step::Toggle),
        1 => bulb.clone().prop_map(Step::Hurry),
        2 => (bulb.clone(), percent.clone()).prop_map(|(bulb, percent)| Step::Command(bulb, percent)),
        1 => (bulb, percent, 0..800_u32).prop_map(|(bulb, percent, time)| Step::GiveUp(bulb, percent, time)),
        4 => (1..100_u32).prop_map(Step::Wait),
        2 => (100..5_000_u32).prop_map(Step::Wait),
    ]
}

/// Cases of some hundred and fifty steps.
pub(crate) fn cases() -> impl Strategy<Value = Case> {
    (vec(fault(), 0..10), vec(event(), 0..8), vec(step(), 1..300)).prop_map(|(faults, events, steps)| Case {
        faults,
        events,
        steps,
    })
}
