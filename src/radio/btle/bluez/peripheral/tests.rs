//! Bulbs on a BlueZ that is played: what is registered there, and what is left.

use std::collections::{BTreeMap, HashMap, VecDeque};

use dbus::Message;
use dbus::arg::RefArg;

use super::super::bus::played::{OWNER, PlayedBluez, error, played};
use super::super::signals::{Scope, SignalReceiver};
use super::*;
use crate::radio::peripheral::tests::{CONTROL, STATUS, served_bulb};
use crate::radio::peripheral::{PeripheralEventKind, Reply};
use crate::radio::{Address, DeviceId};

const PATH: &str = "/org/bluez/hci0";
const PHONE: &str = "/org/bluez/hci0/dev_4C_00_00_00_00_01";
const TABLET: &str = "/org/bluez/hci0/dev_4C_00_00_00_00_02";

/// What BlueZ keeps.
#[derive(Default)]
struct World {
    alias: String,
    /// The devices that it knows, and whether each is paired.
    devices: BTreeMap<String, bool>,
    removed: Vec<String>,
    /// The errors that the next calls of a method have.
    errors: HashMap<String, VecDeque<&'static str>>,
}

impl World {
    fn device(&self, path: &str) -> Option<PropMap> {
        let address = path.rsplit_once("dev_")?.1.replace('_', ":");
        let paired = *self.devices.get(path)?;
        Some(properties(vec![("Address", Box::new(address)), ("Paired", Box::new(paired))]))
    }

    fn objects(&self) -> Objects {
        let one = |path: &str, interface: &str, properties: PropMap| {
            (path.to_owned().into(), HashMap::from([(interface.to_owned(), properties)]))
        };
        let devices = self.devices.keys().map(|path| one(path, DEVICE, self.device(path).unwrap()));
        devices.chain([one(PATH, ADAPTER, PropMap::new())]).collect()
    }

    fn answer(&mut self, call: &Message) -> Message {
        let member = call.member().unwrap().to_string();
        let path = call.path().unwrap().to_string();
        if let Some(name) = self.errors.get_mut(&member).and_then(VecDeque::pop_front) {
            return error(call, name);
        }
        match member.as_str() {
            "GetManagedObjects" => call.return_with_args((self.objects(),)),
            "GetAll" => match self.device(&path) {
                Some(properties) => call.return_with_args((properties,)),
                None => error(call, "org.freedesktop.DBus.Error.UnknownObject"),
            },
            "Get" => {
                let (_, name) = call.read2::<&str, &str>().unwrap();
                if name == "Pairable" {
                    return call.return_with_args((Variant(true),));
                }
                let text = if name == "Alias" { self.alias.clone() } else { "machine".to_owned() };
                call.return_with_args((Variant(text),))
            }
            "Set" => {
                let (_, _, alias) = call.read3::<&str, &str, Variant<String>>().unwrap();
                self.alias = if alias.0.is_empty() { "machine".to_owned() } else { alias.0 };
                call.method_return()
            }
            "RemoveDevice" => {
                let device = call.read1::<dbus::Path<'_>>().unwrap().to_string();
                self.devices.remove(&device);
                self.removed.push(device);
                call.method_return()
            }
            _ => call.method_return(),
        }
    }
}

fn properties(all: Vec<(&str, Box<dyn RefArg>)>) -> PropMap {
    all.into_iter().map(|(name, value)| (name.to_owned(), Variant(value))).collect()
}

struct Stage {
    radio: BluezPeripheral,
    bluez: Arc<PlayedBluez>,
    world: Arc<Mutex<World>>,
}

impl Stage {
    /// With devices that BlueZ knows, and whether each is paired.
    fn new(devices: &[(&str, bool)]) -> Self {
        let devices = devices.iter().map(|(path, paired)| ((*path).to_owned(), *paired)).collect();
        let world = World { alias: "machine".to_owned(), devices, ..World::default() };
        let world = Arc::new(Mutex::new(world));
        let signals = Arc::new(SignalReceiver::new(Scope::Everything));
        let answers = world.clone();
        let (bus, bluez) = played(signals.clone(), move |call| Some(lock(&answers).answer(call)));
        let shared = Arc::new(SharedState::new(AdapterState::On));
        // Without an address there is no file about the adapter.
        let info = AdapterInfo { name: "hci0".to_owned(), address: None };
        let owner = Some(OWNER.to_owned());
        let objects = lock(&world).objects();
        let companion = BluezCompanion::new(&info, bus, signals, shared.clone(), owner, Some(&objects));
        let features = Features { advertisements: Some(5), has_gatt: true, ..Features::default() };
        let bluez_of_it = Arc::new(OpenBluez { shared, companion });
        let radio = BluezPeripheral { info, bluez: bluez_of_it, features, running: Mutex::default() };
        Self { radio, bluez, world }
    }

    async fn start(&self, bulb: ServedBulb) -> Result<Events> {
        let deadline = Deadline::after(Duration::from_secs(10));
        self.radio.start(vec![bulb], deadline).await.map(Events)
    }

    /// BlueZ reports that a device is connected, or no longer.
    fn link(&self, device: &str, up: bool) {
        let changed = Message::new_signal(device, PROPERTIES, "PropertiesChanged").unwrap();
        let now = properties(vec![("Connected", Box::new(up))]);
        self.bluez.send(changed.append3(DEVICE, now, Vec::<String>::new()));
    }

    /// BlueZ calls a characteristic for the phone.
    async fn ask(&self, member: &str, path: &str) -> Message {
        let options = properties(vec![("device", Box::new(dbus::Path::from(PHONE)))]);
        match member {
            "ReadValue" => self.bluez.ask(path, CHARACTERISTIC, member, (options,)).await,
            _ => self.bluez.ask(path, CHARACTERISTIC, member, ()).await,
        }
    }
}

struct Events(mpsc::Receiver<PeripheralEvent>);

impl Events {
    async fn next(&mut self) -> PeripheralEventKind {
        timeout(Duration::from_secs(10), self.0.recv()).await.unwrap().unwrap().kind
    }

    /// Waits for a central. Returns its identifier.
    async fn connected(&mut self) -> DeviceId {
        match self.next().await {
            PeripheralEventKind::Connected { central, .. } => central.id,
            other => panic!("{other:?}"),
        }
    }
}

const STATUS_PATH: &str = "/org/bulbctl/emulate/bulb/service0000/char0001";
const CONTROL_PATH: &str = "/org/bulbctl/emulate/bulb/service0000/char0000";

#[tokio::test]
async fn a_bulb_is_registered_once_and_taken_back_at_the_end() {
    let stage = Stage::new(&[(PHONE, false)]);
    let mut events = stage.start(served_bulb()).await.unwrap();
    assert_eq!(
        (stage.bluez.count("RegisterApplication"), stage.bluez.count("RegisterAdvertisement")),
        (1, 1)
    );
    assert_eq!(lock(&stage.world).alias, "Light");
    stage.link(PHONE, true);
    assert_eq!(events.connected().await.as_str(), "4C:00:00:00:00:01");
    stage.bluez.called("UnregisterAdvertisement", 1).await;
    stage.link(PHONE, false);
    assert!(matches!(events.next().await, PeripheralEventKind::Disconnected));
    stage.bluez.called("RegisterAdvertisement", 2).await;
    stage.radio.close().await;
    assert_eq!(stage.bluez.count("RegisterApplication"), 1);
    assert_eq!(
        (stage.bluez.count("UnregisterApplication"), stage.bluez.count("UnregisterAdvertisement")),
        (1, 2)
    );
    assert_eq!(lock(&stage.world).alias, "machine");
}

#[tokio::test]
async fn every_call_of_bluez_has_its_answer() {
    let stage = Stage::new(&[(PHONE, false)]);
    let mut events = stage.start(served_bulb()).await.unwrap();
    let mut refused = stage.ask("ReadValue", STATUS_PATH).await;
    assert_eq!(refused.as_result().unwrap_err().name(), Some("org.bluez.Error.NotAuthorized"), "no link");
    stage.link(PHONE, true);
    events.connected().await;
    let asked = async {
        let PeripheralEventKind::Read { characteristic: STATUS, reply, .. } = events.next().await else {
            panic!("no read");
        };
        reply.send(Reply::Value(vec![1, 50]));
    };
    let (read, ()) = tokio::join!(stage.ask("ReadValue", STATUS_PATH), asked);
    assert_eq!(read.get1(), Some(vec![1_u8, 50]));
    stage.ask("StartNotify", STATUS_PATH).await.as_result().unwrap();
    assert!(matches!(events.next().await, PeripheralEventKind::Subscribe { characteristic: STATUS, .. }));
    stage.ask("StopNotify", STATUS_PATH).await.as_result().unwrap();
    assert!(matches!(events.next().await, PeripheralEventKind::Unsubscribed(STATUS)));
}

#[tokio::test]
async fn the_bond_that_a_central_made_is_removed_and_no_other() {
    for (before, removed) in [(false, vec![PHONE.to_owned()]), (true, Vec::new())] {
        let stage = Stage::new(&[(PHONE, before), (TABLET, true)]);
        let closed = BTreeSet::from([CONTROL]);
        let mut events = stage.start(ServedBulb { closed, ..served_bulb() }).await.unwrap();
        stage.link(PHONE, true);
        events.connected().await;
        if !before {
            // It pairs, and then uses what is closed to others.
            lock(&stage.world).devices.insert(PHONE.to_owned(), true);
            stage.ask("StartNotify", CONTROL_PATH).await;
        }
        assert!(matches!(events.next().await, PeripheralEventKind::Paired));
        stage.radio.close().await;
        assert_eq!(lock(&stage.world).removed, removed);
    }
}

#[tokio::test]
async fn a_central_that_waits_is_next_when_the_first_one_goes() {
    let stage = Stage::new(&[(PHONE, false), (TABLET, false)]);
    let mut events = stage.start(served_bulb()).await.unwrap();
    stage.link(PHONE, true);
    events.connected().await;
    stage.link(TABLET, true);
    stage.link(PHONE, false);
    assert!(matches!(events.next().await, PeripheralEventKind::Disconnected));
    assert_eq!(events.connected().await.as_str(), "4C:00:00:00:00:02");
}

#[tokio::test]
async fn an_adapter_that_is_switched_off_is_told_at_once() {
    let stage = Stage::new(&[]);
    let mut events = stage.start(served_bulb()).await.unwrap();
    stage.radio.bluez.shared.set_adapter(AdapterState::Off);
    assert!(matches!(events.next().await, PeripheralEventKind::OffAir(_)));
    stage.radio.bluez.shared.set_adapter(AdapterState::On);
    assert!(matches!(events.next().await, PeripheralEventKind::OnAir));
}

#[tokio::test]
async fn a_registration_that_fails_twice_is_told_and_tried_again() {
    let stage = Stage::new(&[]);
    let mut events = stage.start(served_bulb()).await.unwrap();
    let failed = "org.bluez.Error.Failed";
    lock(&stage.world).errors.insert("RegisterAdvertisement".to_owned(), [failed, failed].into());
    let advertisement = "/org/bulbctl/emulate/advertisement";
    stage.bluez.ask(advertisement, "org.bluez.LEAdvertisement1", "Release", ()).await;
    assert!(matches!(events.next().await, PeripheralEventKind::OffAir(_)));
    assert!(matches!(events.next().await, PeripheralEventKind::OnAir));
    assert_eq!(stage.bluez.count("RegisterAdvertisement"), 4);
}

/// BlueZ may have registered what it gave no answer about.
#[tokio::test]
async fn what_may_be_registered_is_taken_back() {
    for (method, name, taken_back) in [
        ("RegisterApplication", "org.freedesktop.DBus.Error.NoReply", 1),
        ("RegisterApplication", "org.bluez.Error.Failed", 0),
        ("RegisterAdvertisement", "org.freedesktop.DBus.Error.NoReply", 1),
        ("RegisterAdvertisement", "org.bluez.Error.Failed", 0),
    ] {
        let stage = Stage::new(&[]);
        lock(&stage.world).errors.insert(method.to_owned(), [name].into());
        assert!(stage.start(served_bulb()).await.is_err(), "{method} {name}");
        assert_eq!(
            stage.bluez.count(&format!("Un{}", method.replace('R', "r"))),
            taken_back,
            "{method} {name}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn closing_waits_for_bluez_but_not_for_ever() {
    let stage = Stage::new(&[]);
    let (wanted, _) = watch::channel(None);
    let (_link, link) = watch::channel(None);
    *lock(&stage.radio.running) = Some(Running {
        label: "Light".to_owned(),
        _keeper: AbortOnDropHandle::new(tokio::spawn(std::future::pending())),
        closing: CancellationToken::new(),
        ended: CancellationToken::new(),
        exports: Arc::new(Exports::new(&served_bulb())),
        wanted,
        link,
    });
    let start = tokio::time::Instant::now();
    stage.radio.close().await;
    assert_eq!(start.elapsed(), CLOSE_TIME * 2);
}

#[tokio::test]
async fn bonds_that_a_killed_program_has_left_are_removed_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let adapter = Address::new([2, 0xB0, 0x1B, 0, 0, 1]);
    let mut killed = ChangesFile::lock(folder.path(), adapter).unwrap().unwrap();
    killed.add_bond("4C:00:00:00:00:01");
    killed.add_bond("4C:00:00:00:00:02");
    // Removed by somebody else meanwhile.
    killed.add_bond("4C:00:00:00:00:03");
    assert!(ChangesFile::lock(folder.path(), adapter).unwrap().is_none(), "one program for an adapter");
    drop(killed);
    let keyboard = "/org/bluez/hci0/dev_4C_00_00_00_00_09";
    let stage = Stage::new(&[(PHONE, true), (TABLET, true), (keyboard, true)]);
    let mut file = ChangesFile::lock(folder.path(), adapter).unwrap().unwrap();
    let restored = file.restore(&stage.radio.bus(), PATH).await.unwrap();
    assert_eq!(restored, Restored { alias: None, bonds: 2 });
    assert_eq!(lock(&stage.world).devices.keys().collect::<Vec<_>>(), [keyboard]);
    assert_eq!(file.restore(&stage.radio.bus(), PATH).await.unwrap(), Restored::default());
}

#[test]
fn an_adapter_with_less_room_than_an_advertisement_has_is_refused() {
    let bulb = served_bulb();
    for (room, fits) in [(None, true), (Some(31), true), (Some(251), true), (Some(30), false)] {
        let features = Features { advertisements: Some(5), has_gatt: true, room, ..Features::default() };
        let checked = features.check("hci0", &bulb);
        assert_eq!(checked.is_ok(), fits, "{room:?}: {checked:?}");
    }
}
