//! Emulated bulbs without a radio: what they make of its events.

use std::sync::{Arc, Mutex};

use bulb_protocol::profile::builtin;
use tokio::time::{advance, sleep_until};

use super::*;
use crate::radio::DeviceId;
use crate::radio::peripheral::{AdvertisementRoom, PeripheralEvent, PeripheralEventKind};

const CONTROL: CharacteristicId = CharacteristicId::short(0xFFF0, 0xFFF1);
const STATUS: CharacteristicId = CharacteristicId::short(0xFFF0, 0xFFF2);
const ON: [u8; 5] = [1, 100, 255, 0, 0];
const BULB: &str = "[[bulb]]\nname = \"Light\"\naddress = \"C4:11:00:00:00:01\"\n";

fn bulbs(rig: &str) -> EmulatedBulbs {
    let rig = parse_with(&format!("rig = 1\n{rig}"), "test", BTreeMap::new()).unwrap();
    EmulatedBulbs::new(rig)
}

/// What the bulbs sent, in order.
type Sent = Arc<Mutex<Vec<String>>>;

struct Played {
    bulbs: EmulatedBulbs,
    sent: Sent,
}

impl Played {
    fn new(rig: &str) -> Self {
        Self { bulbs: bulbs(rig), sent: Sent::default() }
    }

    fn reply(&self, name: &str) -> Responder {
        let (sent, name) = (Arc::clone(&self.sent), name.to_owned());
        Responder::new(move |reply| sent.lock().unwrap().push(format!("{name}: {reply:?}")))
    }

    fn event(&mut self, link: u64, kind: PeripheralEventKind) {
        self.bulbs.handle(PeripheralEvent { bulb: 0, link, kind });
        self.take();
    }

    fn connect(&mut self, link: u64) {
        let central = Central { id: DeviceId::new("phone"), name: None };
        let reply = self.reply("connect");
        self.event(link, PeripheralEventKind::Connected { central, mtu: None, reply });
    }

    fn subscribe(&mut self, link: u64) {
        let reply = self.reply("subscribe");
        self.event(link, PeripheralEventKind::Subscribe { characteristic: STATUS, reply });
    }

    fn write(&mut self, link: u64, value: &[u8], offset: u16) {
        let (reply, value) = (self.reply("write"), value.to_vec());
        let (characteristic, kind) = (CONTROL, Some(WriteKind::Request));
        self.event(link, PeripheralEventKind::Write { characteristic, offset, value, kind, reply });
    }

    fn read(&mut self, link: u64, offset: u16) {
        let reply = self.reply("read");
        self.event(link, PeripheralEventKind::Read { characteristic: STATUS, offset, reply });
    }

    fn take(&mut self) {
        while let Some(action) = self.bulbs.next_action() {
            let text = match action {
                Action::Reply(responder, reply) => {
                    responder.send(reply);
                    continue;
                }
                Action::Notify { link, value, .. } => format!("notify {link}: {}", hex::encode(value)),
                Action::DropLink { link, .. } => format!("drop {link}"),
                Action::Advertise(_, sent) => format!("advertise {:?}", sent.and_then(|sent| sent.name)),
                Action::Tell(_, BulbEventKind::Disconnected(by_bulb)) => format!("disconnected {by_bulb}"),
                Action::Tell(..) => continue,
            };
            self.sent.lock().unwrap().push(text);
        }
    }

    /// Waits until nothing is due any more, and returns what was sent.
    async fn sent(&mut self) -> Vec<String> {
        while let Some(due) = self.bulbs.next_due() {
            sleep_until(due).await;
            self.bulbs.advance();
            self.take();
        }
        std::mem::take(&mut self.sent.lock().unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_comes_before_its_notification() {
    for latency in ["20ms", "0ms"] {
        let mut played = Played::new(&format!("{BULB}status_latency = \"{latency}\"\n"));
        played.connect(1);
        played.subscribe(1);
        played.sent().await;
        played.write(1, &ON, 0);
        assert_eq!(played.sent().await, ["write: Done", "notify 1: 0164ff0000"], "{latency}");
    }
}

#[tokio::test(start_paused = true)]
async fn values_begin_at_the_offset_and_notifications_end_at_the_mtu() {
    let mut played = Played::new(BULB);
    played.connect(1);
    played.sent().await;
    played.read(1, 0);
    played.read(1, 3);
    played.read(1, 5);
    played.read(1, 6);
    played.write(1, &ON, 1);
    assert_eq!(
        played.sent().await,
        [
            "read: Value([0, 50, 255, 255, 255])",
            "read: Value([255, 255])",
            "read: Value([])",
            "read: AttError(7)",
            "write: AttError(7)"
        ]
    );
    let mut played = Played::new(BULB);
    played.connect(1);
    // Below the least that LE allows, so that a frame of five bytes is cut.
    played.event(1, PeripheralEventKind::Mtu(7));
    played.subscribe(1);
    played.sent().await;
    played.write(1, &ON, 0);
    assert_eq!(played.sent().await, ["write: Done", "notify 1: 0164ff00"]);
}

/// BlueZ may tell of a subscription or a disconnect after the next link is up.
#[tokio::test(start_paused = true)]
async fn events_of_a_link_that_is_over_do_nothing() {
    let mut played = Played::new(BULB);
    played.connect(1);
    played.event(1, PeripheralEventKind::Disconnected);
    played.connect(2);
    assert_eq!(played.sent().await, ["disconnected false", "connect: Done", "connect: Done"]);
    played.event(1, PeripheralEventKind::Disconnected);
    played.subscribe(1);
    played.write(1, &ON, 0);
    played.read(1, 0);
    assert_eq!(played.sent().await, [""; 0]);
    // The subscription ended with its link.
    played.write(2, &ON, 0);
    assert_eq!(played.sent().await, ["write: Done"]);
    // A radio that missed the end of a link does not confuse the bulb.
    played.connect(3);
    played.write(3, &ON, 0);
    assert_eq!(played.sent().await, ["disconnected false", "write: Done", "connect: Done"]);
}

#[tokio::test(start_paused = true)]
async fn the_user_changes_drops_and_renames() {
    let mut played = Played::new(BULB);
    played.connect(1);
    played.subscribe(1);
    played.sent().await;
    let off = Light { power: Some(true), ..Light::default() };
    played.bulbs.set(0, &off).unwrap();
    played.take();
    assert_eq!(played.sent().await, ["notify 1: 0132ffffff"]);
    let kelvin = Light { kelvin: Some(2700), ..Light::default() };
    assert!(matches!(played.bulbs.set(0, &kelvin), Err(Error::NotEncodable { .. })));
    assert!(played.bulbs.drop_link(0));
    assert!(!played.bulbs.drop_link(0));
    played.bulbs.rename(0, "New".to_owned());
    played.bulbs.vanish(0);
    played.take();
    assert_eq!(
        played.sent().await,
        ["disconnected true", "drop 1", "advertise Some(\"New\")", "advertise None"]
    );
    played.connect(2);
    assert_eq!(played.sent().await, ["drop 2"]);
    played.bulbs.appear(0);
    played.take();
    assert_eq!(played.sent().await, ["advertise Some(\"New\")"]);
}

#[tokio::test(start_paused = true)]
async fn faults_of_the_rig_and_of_the_user_act() {
    let fault = "[[bulb.fault]]\non = \"write\"\ndo = \"delay\"\nfor = \"1s\"\ncount = 1\n";
    let mut played = Played::new(&format!("{BULB}{fault}"));
    assert_eq!(played.bulbs.behaviours(), []);
    played.connect(1);
    played.subscribe(1);
    played.sent().await;
    played.write(1, &ON, 0);
    advance(Duration::from_millis(900)).await;
    played.bulbs.advance();
    played.take();
    assert!(played.sent.lock().unwrap().is_empty());
    assert_eq!(played.sent().await, ["write: Done", "notify 1: 0164ff0000"]);

    let silent = NewFault::parse("on = \"read\"\ndo = \"silent\"").unwrap();
    assert_eq!(silent.behaviour(), Some(Behaviour::Silence));
    played.bulbs.add_fault(0, &silent);
    played.read(1, 0);
    assert_eq!(played.sent().await, [""; 0]);
    played.bulbs.clear_faults(0);
    played.read(1, 0);
    assert_eq!(played.sent().await, ["read: Value([1, 100, 255, 0, 0])"]);
    let refused = NewFault::parse("on = \"subscribe\"\ndo = \"error\"\natt = 5").unwrap();
    assert_eq!(refused.behaviour(), Some(Behaviour::SubscribeFault));
}

#[tokio::test(start_paused = true)]
async fn a_bulb_that_drops_while_it_is_connected_to_answers_first() {
    let fault = "[[bulb.fault]]\non = \"connect\"\ndo = \"drop\"\ncount = 1\n";
    let mut played = Played::new(&format!("{BULB}{fault}"));
    assert_eq!(played.bulbs.behaviours(), [("Light".to_owned(), Behaviour::ConnectFault)]);
    played.connect(1);
    let sent = played.sent().await;
    assert!(sent.contains(&"drop 1".to_owned()), "{sent:?}");
    played.connect(2);
    assert_eq!(played.sent().await, ["connect: Done"]);
}

/// docs/EMULATE.md lists the families whose advertisement leaves no room for flags.
#[tokio::test]
async fn every_family_fits_on_bluez_some_without_flags() {
    let mut long = std::collections::BTreeSet::new();
    let [with, without] = [true, false].map(|flags| AdvertisementRoom { flags, name_in_response: true });
    for family in builtin::families().unwrap() {
        let variants: Vec<_> = family.variants().map(|(name, ..)| Some(name.to_owned())).collect();
        for variant in [None].into_iter().chain(variants) {
            let profile = family.profile(variant.as_deref()).unwrap();
            let name = Some("Light-1".to_owned()).filter(|_| profile.example.name.is_none());
            let (address, bulb) = (Address::new([0xC4, 0x11, 0, 0, 0, 1]), profile.full_name());
            let bulbs = EmulatedBulbs::of_profiles(vec![ProfileBulb { profile, address, name }]).unwrap();
            let advertisement = bulbs.advertisement(0).unwrap();
            assert_eq!(without.check(advertisement), Ok(()), "{bulb}");
            if with.check(advertisement).is_err() {
                long.insert(family.name().to_owned());
            }
        }
    }
    let page = include_str!("../../../../docs/EMULATE.md");
    let row = page.lines().find(|line| line.starts_with("| 1 |")).unwrap();
    let listed: Vec<String> = long.iter().map(|name| format!("`{name}`")).collect();
    assert!(row.contains(&listed.join(", ")), "the families are {}", listed.join(", "));
}
