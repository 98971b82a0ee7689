//! What a rig says, as values that cannot be wrong. [`parse`] reads them from the file.

use std::collections::BTreeMap;
use std::time::Duration;

use bulb_protocol::Percent;
use bulb_protocol::profile::{Light, VirtualBulb};
use uuid::Uuid;

use crate::radio::gatt::Characteristic;
use crate::radio::{Address, CharacteristicId, GattTable, gatt};

mod check;
mod file;
mod lamp;
mod text;

pub(super) use check::parse;

/// Virtual bulbs, what else is in the air, and what happens by itself.
#[derive(Debug)]
pub(super) struct Rig {
    /// One line for people.
    pub(super) about: String,
    /// How Bluetooth is when the radio is opened.
    pub(super) adapter: Start,
    /// Bulbs and bystanders.
    pub(super) devices: Vec<Device>,
    /// What happens by itself, in the order of the file.
    pub(super) events: Vec<Event>,
    /// The texts of the profile files that it names, one after the other.
    pub(super) profiles: String,
}

/// How Bluetooth is when the radio is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Start {
    /// Powered.
    #[default]
    On,
    /// Not powered.
    Off,
    /// Blocked by rfkill.
    Blocked,
    /// There is no adapter.
    Absent,
    /// The Bluetooth service does not run.
    NoService,
    /// There is no message bus to reach it through.
    NoBus,
    /// The user may not.
    Denied,
}

/// What advertises.
#[derive(Debug)]
pub(super) struct Device {
    /// Its address, which no other one has.
    pub(super) address: Address,
    /// What it sends while it has no link.
    pub(super) advert: Advert,
    /// What it is besides, unless it is a bystander, to which nobody can connect.
    pub(super) bulb: Option<Bulb>,
}

/// An advertisement.
#[derive(Debug)]
pub(super) struct Advert {
    /// The name, if it has one.
    pub(super) name: Option<String>,
    /// Whether the name comes in the scan response only.
    pub(super) name_in_response: bool,
    /// Signal strength, dBm, -127 to 20.
    pub(super) rssi: i16,
    /// From one to the next; never zero.
    pub(super) interval: Duration,
    /// Services.
    pub(super) services: Vec<Uuid>,
    /// Manufacturer data by company identifier; the family's, with the state in it, where the rig has none.
    pub(super) manufacturer: Option<BTreeMap<u16, Vec<u8>>>,
    /// Service data by service; as manufacturer data.
    pub(super) service_data: Option<BTreeMap<Uuid, Vec<u8>>>,
}

/// A bulb behind an advertisement.
#[derive(Debug)]
pub(super) struct Bulb {
    /// What it plays, in the state that it starts with.
    pub(super) board: VirtualBulb,
    /// Its battery, if it has one.
    pub(super) battery: Option<Battery>,
    /// From a command to its status notification.
    pub(super) status_latency: Duration,
    /// What a connect takes.
    pub(super) connect_latency: Duration,
    /// All services, those of battery and device information among them.
    pub(super) table: GattTable,
    /// The bulb ends a link to which nothing was written for so long.
    pub(super) idle_drop: Option<Duration>,
    /// The ATT MTU of its links, bytes.
    pub(super) mtu: u16,
    /// It takes nothing from a computer that it is not bonded with.
    pub(super) needs_bonding: bool,
    /// It agrees to be bonded with.
    pub(super) pairing: bool,
    /// What a read returns, for characteristics that are neither the family's own nor the battery level.
    pub(super) values: BTreeMap<CharacteristicId, Vec<u8>>,
    /// The state that it starts with.
    pub(super) start: Light,
    /// What is wrong with its firmware.
    pub(super) defects: Vec<Defect>,
    /// How it misbehaves.
    pub(super) faults: Vec<Fault>,
}

/// A battery.
#[derive(Clone, Copy, Debug)]
pub(super) struct Battery {
    /// The level that it starts with.
    pub(super) level: Percent,
    /// How long it takes to lose one percent; never zero.
    pub(super) drain: Option<Duration>,
}

impl Battery {
    /// The level at this age of the world.
    pub(super) fn level_at(&self, age: Duration) -> u8 {
        let lost = self.drain.map_or(0, |drain| age.as_nanos() / drain.as_nanos().max(1));
        u8::try_from(lost).map_or(0, |lost| self.level.get().saturating_sub(lost))
    }

    /// The age of the world at which the level will be another one.
    pub(super) fn next_change(&self, age: Duration) -> Option<Duration> {
        let drain = self.drain.filter(|_| self.level_at(age) > 0)?;
        let gone = u32::try_from(age.as_nanos() / drain.as_nanos().max(1)).ok()?;
        drain.checked_mul(gone + 1)
    }
}

/// A fault.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    /// Where it acts.
    pub(super) point: Point,
    /// What it does there.
    pub(super) act: Act,
    /// The only characteristic where it acts.
    pub(super) characteristic: Option<Uuid>,
    /// How many times it acts in the life of the world; always, if it does not say.
    pub(super) count: Option<u32>,
    /// How many times it lets pass first.
    pub(super) after: u32,
}

/// Where a fault acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Point {
    /// While the link comes up.
    Connect,
    /// While the services are resolved.
    Discover,
    /// At a read.
    Read,
    /// At a write.
    Write,
    /// At a subscription.
    Subscribe,
    /// At a notification.
    Notify,
}

/// What a fault does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// The bulb ends the link.
    Drop,
    /// It never answers.
    Silent,
    /// It answers with this ATT error.
    Error(u8),
    /// It sends these bytes in place of the right ones.
    Reply(Vec<u8>),
    /// It does the same, so much later.
    Delay(Duration),
    /// The frame is dropped without a word.
    Lose,
}

/// What can be wrong with a board's firmware that no single fault says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Defect {
    /// It reports red as blue and blue as red.
    SwapsRedAndBlue,
    /// It reports brightness as 0 to 255, in frames of the base protocol.
    #[serde(rename = "brightness-255")]
    Brightness255,
    /// What it reports has a byte less.
    ShortReports,
    /// What it reports has a byte more.
    LongReports,
    /// It reports the state from before the newest command.
    OneBehind,
    /// Brightness 0 switches it off.
    ZeroIsOff,
    /// Black switches it off.
    BlackIsOff,
    /// It forgets its colour when it is switched off.
    OffForgetsColor,
    /// It cannot be switched off.
    StaysOn,
    /// It takes frames of any length and any values, in the way of the base protocol.
    TakesMalformed,
    /// It ends the link at a frame that it does not know.
    HangsUpOnMalformed,
    /// It answers a write 200 ms after it has carried it out.
    AnswersLate,
    /// It loses a write that comes less than 20 ms after another.
    LosesQuickWrites,
    /// It notifies nothing from a minute after the link came up.
    MuteAfterAMinute,
    /// It is as it was at first whenever a link ends.
    ForgetsOnDisconnect,
}

/// Something that happens by itself.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// When, counted from the opening of the radio.
    pub(super) at: Duration,
    /// What.
    pub(super) what: What,
}

/// What happens by itself.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// The adapter is switched on or off.
    Adapter(bool),
    /// Something with one bulb.
    Bulb(Address, Deed),
}

/// What happens to a bulb by itself.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    /// Somebody else changes it.
    Set(Light),
    /// It ends the link.
    Drop,
    /// It stops advertising, and ends the link.
    Vanish,
    /// It advertises again.
    Appear,
    /// It advertises another name.
    Rename(String),
}

/// Battery level 0x2A19 in the battery service 0x180F (Bluetooth Assigned Numbers).
pub(super) const BATTERY_LEVEL: CharacteristicId = CharacteristicId::short(0x180F, 0x2A19);

/// A characteristic with what a read of it returns.
pub(super) struct Valued {
    pub(super) characteristic: Characteristic,
    pub(super) value: Vec<u8>,
}

/// Collects a table and the values in it.
#[derive(Default)]
pub(super) struct Tables {
    pub(super) table: GattTable,
    pub(super) values: BTreeMap<CharacteristicId, Vec<u8>>,
}

impl Tables {
    pub(super) fn add(&mut self, service: Uuid, characteristics: Vec<Valued>) {
        let (characteristics, values): (Vec<_>, Vec<_>) =
            characteristics.into_iter().map(|valued| (valued.characteristic, valued.value)).unzip();
        let before = self.table.all().count();
        self.table.services.push(gatt::Service::new(service, characteristics));
        let ids = self.table.all().skip(before).map(|(id, ..)| id);
        self.values.extend(ids.zip(values));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_battery_drains_by_the_age_of_the_world_and_never_below_zero() {
        let minute = Duration::from_secs(60);
        let battery = Battery { level: Percent::clamped(2), drain: Some(minute) };
        let levels: Vec<u8> = [0, 59, 60, 120, 100_000_000]
            .map(|seconds| battery.level_at(Duration::from_secs(seconds)))
            .to_vec();
        assert_eq!(levels, [2, 2, 1, 0, 0]);
        assert_eq!(battery.next_change(Duration::from_secs(30)), Some(minute));
        assert_eq!(battery.next_change(minute), Some(minute * 2));
        assert_eq!(battery.next_change(minute * 2), None);
        let mains = Battery { drain: None, ..battery };
        assert_eq!((mains.level_at(minute * 1000), mains.next_change(minute)), (2, None));
    }
}
