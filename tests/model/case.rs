//! Random cases: a rig with faults and events, and steps.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::strain::Strain;

pub(crate) const BULBS: usize = 3;
/// Initial brightness, percent.
pub(crate) const START: u8 = 50;

#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) strain: Strain,
    pub(crate) faults: Vec<Fault>,
    pub(crate) events: Vec<Event>,
    pub(crate) steps: Vec<Step>,
}

/// A fault of one bulb that ends after some time.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) bulb: usize,
    pub(crate) on: &'static str,
    does: &'static str,
    more: String,
    count: u8,
    /// How much later what it is about happens, ms.
    pub(crate) delay: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) at: u32,
    pub(crate) what: What,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    /// The adapter is off for this many ms.
    Off(u32),
    Drop(usize),
    /// The bulb is away for this many ms.
    Away(usize, u32),
    /// Someone else dims the bulb.
    Set(usize, u8),
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Starts a driver for a bulb, in desk mode or not.
    Hold(usize, bool),
    Stop(usize),
    Drop(usize),
    Dim(usize, u8),
    Toggle(usize),
    Hurry(usize),
    /// Dims the bulb in a separate session, as a verb does.
    Command(usize, u8),
    /// The same, cancelled after this many ms.
    GiveUp(usize, u8, u32),
    Wait(u32),
}

pub(crate) fn address(bulb: usize) -> String {
    format!("C4:11:00:00:00:{bulb:02X}")
}

impl Case {
    /// Returns a rig that can be run by hand.
    pub(crate) fn rig(&self) -> String {
        let mut rig = "rig = 1\nabout = \"a case of the model\"\n".to_owned();
        for bulb in 0..BULBS {
            rig += &format!(
                "\n[[bulb]]\nname = \"Light-{bulb}\"\naddress = \"{}\"\nbrightness = {START}\nbattery = 80\n",
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
        write!(f, "--- rig\n{}\n--- {:?}\n--- steps", self.rig(), self.strain)?;
        self.steps.iter().try_for_each(|step| write!(f, "\n{step:?}"))
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

const KINDS: [(&str, &[&str]); 6] = [
    ("connect", &["drop", "delay", "silent"]),
    ("discover", &["drop", "delay", "silent"]),
    ("read", &["drop", "delay", "silent", "error", "reply"]),
    ("write", &["drop", "delay", "silent", "error", "lose"]),
    ("subscribe", &["drop", "delay", "silent", "error"]),
    ("notify", &["drop", "delay", "lose", "reply"]),
];

fn fault() -> impl Strategy<Value = Fault> {
    let kinds: Vec<_> = KINDS.iter().flat_map(|(on, all)| all.iter().map(move |does| (*on, *does))).collect();
    (0..BULBS, select(kinds), 1..5_u8, 10..4000_u32, select(&ERRORS[..]), select(&WRONG[..])).prop_map(
        |(bulb, (on, does), count, time, att, bytes)| {
            let more = match does {
                "delay" => format!("for = \"{time}ms\"\n"),
                "error" => format!("att = {att}\n"),
                "reply" => format!("bytes = \"{bytes}\"\n"),
                _ => String::new(),
            };
            Fault { bulb, on, does, more, count, delay: if does == "delay" { time } else { 0 } }
        },
    )
}

/// Values that are no status and no battery level: nothing, pieces, a wrong tail, numbers that cannot be.
const WRONG: [&str; 7] = ["", "01", "01640102", "016401020304", "01ff010203", "0264010203", "ffffffffff"];

/// ATT errors for faults. None asks for a bond, which would stop a driver.
const ERRORS: [u8; 6] = [0x01, 0x03, 0x0e, 0x11, 0x80, 0xff];

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

/// Most cases are without strain of one kind or another: large numbers never strike.
fn strain() -> impl Strategy<Value = Strain> {
    let rarely = || prop_oneof![2 => Just(usize::MAX), 1 => 2..30_usize];
    (prop_oneof![2 => Just(BULBS), 1 => 1..BULBS], rarely(), rarely())
        .prop_map(|(slots, held, scan)| Strain { slots, held, scan })
}

/// Cases of about 150 steps.
pub(crate) fn cases() -> impl Strategy<Value = Case> {
    (strain(), vec(fault(), 0..10), vec(event(), 0..8), vec(step(), 1..300))
        .prop_map(|(strain, faults, events, steps)| Case { strain, faults, events, steps })
}
