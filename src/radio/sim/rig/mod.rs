//! A rig: virtual bulbs, the bystanders around them, and the events that happen on their own. [`parse`] reads it from a
//! file and validates it.

use std::collections::BTreeMap;
use std::time::Duration;

use bulb_protocol::Percent;
use bulb_protocol::profile::{Light, VirtualBulb};
use uuid::Uuid;

use crate::radio::gatt::Characteristic;
use crate::radio::{Address, CharacteristicId, GattTable, gatt};

mod file;
mod profile;
mod text;
mod validate;

pub(super) use validate::{parse, parse_fault, parse_with};

/// The number of links that the adapter can hold unless the rig says otherwise: that of a good controller.
const LINKS: usize = 20;

#[derive(Debug)]
pub(super) struct Rig {
    /// One line for people.
    pub(super) about: String,
    pub(super) adapter: InitialAdapter,
    /// The number of links that the adapter can hold, at least one.
    pub(super) links: usize,
    pub(super) devices: Vec<DeviceSpec>,
    pub(super) events: Vec<Event>,
    /// The texts of the profile files that the rig names, one after the other.
    pub(super) profiles: String,
}

impl Rig {
    /// Sets the signals to those at a place.
    pub(super) fn move_to(&mut self, place: &str) {
        for Advert { heard, rssi, in_range, .. } in self.devices.iter_mut().map(|device| &mut device.advert) {
            match heard.get(place) {
                Some(here) => *rssi = *here,
                None => *in_range = heard.is_empty(),
            }
        }
    }
}

/// The state of Bluetooth when the radio is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum InitialAdapter {
    #[default]
    On,
    Off,
    /// Blocked by rfkill.
    Blocked,
    Absent,
    NoService,
    NoBus,
    Denied,
}

#[derive(Debug)]
pub(super) struct DeviceSpec {
    /// Unique in the rig.
    pub(super) address: Address,
    /// The sim radio treats both types the same.
    pub(super) address_type: AddressType,
    pub(super) advert: Advert,
    /// `None` for a bystander, to which nobody can connect.
    pub(super) bulb: Option<BulbSpec>,
}

#[derive(Clone, Copy, Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum AddressType {
    #[default]
    Public,
    Random,
}

#[derive(Debug)]
pub(super) struct Advert {
    pub(super) name: Option<String>,
    pub(super) name_in_response: bool,
    /// Signal strength in dBm, -127 to 20.
    pub(super) rssi: i16,
    /// The signal strength at each place. Empty if it is heard everywhere.
    pub(super) heard: BTreeMap<String, i16>,
    /// It is heard at the place of this radio.
    pub(super) in_range: bool,
    /// The advertising interval, never zero.
    pub(super) interval: Duration,
    pub(super) services: Vec<Uuid>,
    /// By company identifier. `None` for the profile's manufacturer data, which contains the state.
    pub(super) manufacturer: Option<BTreeMap<u16, Vec<u8>>>,
    /// By service. `None` for the profile's service data, which contains the state.
    pub(super) service_data: Option<BTreeMap<Uuid, Vec<u8>>>,
}

#[derive(Debug)]
pub(super) struct BulbSpec {
    /// The bulb in its present state.
    pub(super) virtual_bulb: VirtualBulb,
    pub(super) battery: Option<Battery>,
    /// The time from a command to its status notification.
    pub(super) status_latency: Duration,
    pub(super) connect_latency: Duration,
    /// All services, including battery and device information.
    pub(super) table: GattTable,
    /// The bulb ends a link after this time without a write.
    pub(super) idle_drop: Option<Duration>,
    pub(super) mtu: u16,
    /// Its family's characteristics are closed to centrals without a bond.
    pub(super) needs_bonding: bool,
    pub(super) pairing: bool,
    /// The values of characteristics that are neither the family's nor the battery level.
    pub(super) values: BTreeMap<CharacteristicId, Vec<u8>>,
    pub(super) start: Light,
    pub(super) defects: Vec<Defect>,
    pub(super) faults: Vec<Fault>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Battery {
    pub(super) level: Percent,
    /// The time in which it loses one percent, never zero.
    pub(super) drain: Option<Duration>,
}

impl Battery {
    pub(super) fn level_at(&self, age: Duration) -> u8 {
        let lost = self.drain.map_or(0, |drain| age.as_nanos() / drain.as_nanos().max(1));
        u8::try_from(lost).map_or(0, |lost| self.level.get().saturating_sub(lost))
    }

    /// The age of the world at which the level changes next.
    pub(super) fn next_change(&self, age: Duration) -> Option<Duration> {
        let drain = self.drain.filter(|_| self.level_at(age) > 0)?;
        let gone = u32::try_from(age.as_nanos() / drain.as_nanos().max(1)).ok()?;
        drain.checked_mul(gone + 1)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) trigger: FaultTrigger,
    pub(super) action: FaultAction,
    /// The characteristic at which it acts. `None` for any.
    pub(super) characteristic: Option<Uuid>,
    /// Number of times that it acts in the life of the world. `None` for always.
    pub(super) count: Option<u32>,
    /// Number of times that it does not act before that.
    pub(super) after: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum FaultTrigger {
    Connect,
    Discover,
    Read,
    Write,
    Subscribe,
    Notify,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FaultAction {
    /// The bulb ends the link.
    Drop,
    /// The bulb never responds.
    Silent,
    /// The bulb responds with this ATT error.
    Error(u8),
    /// The bulb sends these bytes instead of the correct ones.
    Reply(Vec<u8>),
    /// The bulb acts and responds as usual, but later.
    Delay(Duration),
    /// The frame is lost. A write request gets its response all the same.
    Lose,
}

/// A firmware defect that no single fault can express.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Defect {
    /// Swaps red and blue in its status.
    SwapsRedAndBlue,
    /// Reports brightness as 0 to 255, in frames of the base protocol.
    #[serde(rename = "brightness-255")]
    Brightness255,
    /// Its status frames lack the last byte.
    ShortReports,
    /// Its status frames have one byte too many.
    LongReports,
    /// Reports the state from before the newest command.
    OneBehind,
    /// Turns off at brightness 0.
    ZeroIsOff,
    /// Turns off at black.
    BlackIsOff,
    /// Turns white when it is turned off.
    OffForgetsColor,
    /// Cannot be turned off.
    StaysOn,
    /// Accepts frames of any length with any values, in the base protocol.
    TakesMalformed,
    /// Ends the link when it gets an unknown frame.
    HangsUpOnMalformed,
    /// Answers an unknown frame, and ends the link 50 ms later.
    HangsUpAfterMalformed,
    /// Responds to a write 200 ms after carrying it out.
    AnswersLate,
    /// Loses a write that comes less than 20 ms after another.
    LosesQuickWrites,
    /// Loses every write after the tenth of a burst.
    LosesLongBursts,
    /// Accepts white, colour temperatures or effects, and shows what it showed before.
    IgnoresWhite,
    IgnoresKelvin,
    IgnoresEffects,
    /// Sends no notifications from one minute after the connect.
    MuteAfterAMinute,
    /// Returns to its initial state when a link ends.
    ForgetsOnDisconnect,
}

/// An event that happens on its own.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// The time since the radio was opened.
    pub(super) at: Duration,
    pub(super) kind: EventKind,
}

#[derive(Clone, Debug)]
pub(super) enum EventKind {
    AdapterPowered(bool),
    Bulb(Address, BulbEvent),
}

#[derive(Clone, Debug)]
pub(super) enum BulbEvent {
    /// Someone else changes its state.
    Set(Light),
    Drop,
    /// The bulb stops advertising and ends its link.
    Vanish,
    Appear,
    Rename(String),
}

/// Battery level 0x2A19 in the battery service 0x180F (Bluetooth Assigned Numbers).
pub(super) const BATTERY_LEVEL: CharacteristicId = CharacteristicId::short(0x180F, 0x2A19);

#[derive(Default)]
pub(super) struct TableBuilder {
    pub(super) table: GattTable,
    pub(super) values: BTreeMap<CharacteristicId, Vec<u8>>,
}

impl TableBuilder {
    pub(super) fn add(&mut self, service: Uuid, characteristics: Vec<(Characteristic, Vec<u8>)>) {
        let (characteristics, values): (Vec<_>, Vec<_>) = characteristics.into_iter().unzip();
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
