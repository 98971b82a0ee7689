//! A BlueZ that says what the test wants: one adapter, some base bulbs, and for each method either what BlueZ does or
//! what the script says.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use dbus::Message;
use dbus::arg::{AppendAll, PropMap, RefArg, Variant};

use super::bus::{BUS, Bus, Clients, Service, error};

pub(crate) const ADAPTER: &str = "/org/bluez/hci0";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const OBJECTS: &str = "org.freedesktop.DBus.ObjectManager";
const IN_RANGE: Duration = Duration::from_millis(100);
/// Time that BlueZ takes to end a link.
const ENDING: Duration = Duration::from_secs(2);

/// A value of a property, of any type, right or wrong.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Bool(bool),
    Byte(u8),
    I16(i16),
    U32(u32),
    Text(String),
    Texts(Vec<String>),
    Bytes(Vec<u8>),
    Path(String),
}

impl Value {
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    fn variant(&self) -> Variant<Box<dyn RefArg>> {
        Variant(match self.clone() {
            Self::Bool(value) => Box::new(value),
            Self::Byte(value) => Box::new(value),
            Self::I16(value) => Box::new(value),
            Self::U32(value) => Box::new(value),
            Self::Text(value) => Box::new(value),
            Self::Texts(value) => Box::new(value),
            Self::Bytes(value) => Box::new(value),
            Self::Path(value) => Box::new(dbus::Path::from(value)),
        })
    }
}

pub(crate) type Properties = BTreeMap<String, Value>;
type Interfaces = BTreeMap<String, Properties>;

/// The answer of a method.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// As BlueZ answers.
    Usual,
    Error(&'static str, &'static str),
    /// A text, whatever the type of the answer should be.
    Text(&'static str),
    /// Nothing, ever.
    Silence,
}

pub(crate) const BUSY: Reply = Reply::Error("org.bluez.Error.InProgress", "In Progress");

#[derive(Default)]
struct World {
    owner: Option<String>,
    objects: BTreeMap<String, Interfaces>,
    /// Devices that a scan hears, with their properties, whether BlueZ knows them or not.
    air: BTreeMap<String, Properties>,
    scanning: bool,
    linked: BTreeSet<String>,
    /// The connections of the adapter, and what one more is refused with.
    slots: Option<(usize, &'static str)>,
    /// The next answers of each method; the last one repeats.
    script: HashMap<String, VecDeque<Reply>>,
    calls: Vec<String>,
    /// Properties that change without a signal.
    untold: BTreeSet<String>,
    /// The signals and answers of the client, in the order in which it sent them.
    sent: Vec<Message>,
}

/// The service, and what it is spoken to through.
pub(crate) struct Bluez {
    world: Mutex<World>,
    pub(crate) clients: Arc<Clients>,
}

/// A machine with the fake service on a bus of its own.
pub(crate) struct Machine {
    pub(crate) bluez: Arc<Bluez>,
    bus: Bus,
}

impl Machine {
    /// With bulbs `Light-1`, `Light-2`, … in range.
    pub(crate) fn new(bulbs: u8) -> Self {
        let clients: Arc<Clients> = Arc::default();
        let bluez = Arc::new(Bluez { world: Mutex::default(), clients: clients.clone() });
        bluez.world().owner = Some(":1.2".to_owned());
        bluez.put_adapter();
        bluez.put_managers();
        (1..=bulbs).for_each(|n| bluez.put_bulb(n));
        let bus = Bus::start(&clients, &bluez);
        let air = Arc::downgrade(&bluez);
        thread::spawn(move || {
            while let Some(bluez) = air.upgrade() {
                bluez.advertise();
                drop(bluez);
                thread::sleep(IN_RANGE);
            }
        });
        Self { bluez, bus }
    }

    /// The program, with the fake bus for its system bus.
    pub(crate) fn bulbctl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bulbctl"));
        command
            .env_clear()
            .args(arguments)
            .env("DBUS_SYSTEM_BUS_ADDRESS", self.bus.address())
            .env("HOME", self.bus.dir())
            .env("TERM", "xterm")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.bulbctl(arguments).output().unwrap()
    }
}

/// A UUID of 16 bits in full.
pub(crate) fn long(short: &str) -> String {
    format!("0000{short}-0000-1000-8000-00805f9b34fb")
}

/// The path of a bulb.
pub(crate) fn bulb(n: u8) -> String {
    format!("{ADAPTER}/dev_C4_11_00_00_00_{n:02X}")
}

/// The properties of a device that has these besides its address.
pub(crate) fn device(path: &str, more: &[(&str, Value)]) -> Properties {
    let address = path.rsplit_once("dev_").unwrap().1.replace('_', ":");
    let mut properties: Properties = BTreeMap::from([
        ("Address".to_owned(), Value::Text(address)),
        ("AddressType".to_owned(), Value::text("public")),
    ]);
    for name in ["Connected", "ServicesResolved", "Paired", "Trusted", "Blocked", "LegacyPairing"] {
        properties.insert(name.to_owned(), Value::Bool(false));
    }
    properties.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    properties
}

impl Bluez {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    pub(crate) fn put(&self, path: &str, interface: &str, properties: &[(&str, Value)]) {
        let properties = properties.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let mut world = self.world();
        world.objects.entry(path.to_owned()).or_default().insert(interface.to_owned(), properties);
    }

    fn put_adapter(&self) {
        self.put(
            ADAPTER,
            "org.bluez.Adapter1",
            &[
                ("Address", Value::text("02:B0:1B:00:00:01")),
                ("AddressType", Value::text("public")),
                ("Name", Value::text("machine")),
                ("Alias", Value::text("machine")),
                ("Powered", Value::Bool(true)),
                ("Pairable", Value::Bool(true)),
                ("Discovering", Value::Bool(false)),
                ("Discoverable", Value::Bool(false)),
                ("UUIDs", Value::Texts(["1800", "1801", "180a"].map(long).to_vec())),
                ("Modalias", Value::text("usb:v1D6Bp0246d0542")),
            ],
        );
    }

    fn put_managers(&self) {
        self.put(ADAPTER, "org.bluez.GattManager1", &[]);
        let instances = [("ActiveInstances", Value::Byte(0)), ("SupportedInstances", Value::Byte(5))];
        self.put(ADAPTER, "org.bluez.LEAdvertisingManager1", &instances);
    }

    /// A bulb that BlueZ learns of when a scan hears it.
    fn put_bulb(&self, n: u8) {
        let name = format!("Light-{n}");
        let service = Value::Texts(vec!["0000fff0-0000-1000-8000-00805f9b34fb".to_owned()]);
        self.advertise_as(
            &bulb(n),
            &[("Name", Value::text(&name)), ("UUIDs", service), ("RSSI", Value::I16(-50))],
        );
    }

    /// Puts a device into range that advertises this.
    pub(crate) fn advertise_as(&self, path: &str, more: &[(&str, Value)]) {
        self.world().air.insert(path.to_owned(), device(path, more));
    }

    /// BlueZ knows a bulb without a scan.
    pub(crate) fn know(&self, n: u8) {
        let properties = self.world().air[&bulb(n)].clone();
        self.world().objects.entry(bulb(n)).or_default().insert("org.bluez.Device1".to_owned(), properties);
    }

    fn put_table(&self, device: &str) {
        let uuid = |short: &str| Value::Text(long(short));
        let service = format!("{device}/service0001");
        self.put(
            &service,
            "org.bluez.GattService1",
            &[
                ("UUID", uuid("fff0")),
                ("Primary", Value::Bool(true)),
                ("Device", Value::Path(device.to_owned())),
            ],
        );
        for (handle, short, flags) in [("2", "fff1", &["write"][..]), ("4", "fff2", &["read", "notify"])] {
            let flags = Value::Texts(flags.iter().map(|&flag| flag.to_owned()).collect());
            self.put(
                &format!("{service}/char000{handle}"),
                "org.bluez.GattCharacteristic1",
                &[("UUID", uuid(short)), ("Flags", flags), ("Value", Value::Bytes(vec![0, 100, 255, 0, 0]))],
            );
        }
    }

    /// Scripts what a method answers from now on: these in turn, the last one for ever.
    pub(crate) fn script(&self, method: &str, replies: impl IntoIterator<Item = Reply>) {
        self.world().script.insert(method.to_owned(), replies.into_iter().collect());
    }

    /// The adapter has this many connections.
    pub(crate) fn limit(&self, slots: usize, refusal: &'static str) {
        self.world().slots = Some((slots, refusal));
    }

    /// Returns the number of calls of a method.
    pub(crate) fn count(&self, method: &str) -> usize {
        self.world().calls.iter().filter(|call| *call == method).count()
    }

    /// The calls since this was asked last, in their order.
    pub(crate) fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.world().calls)
    }

    /// Waits until a method was called for the nth time.
    pub(crate) fn wait_for(&self, method: &str, times: usize) {
        for _ in 0..500 {
            if self.count(method) >= times {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("{method} was called {} times, not {times}", self.count(method));
    }

    // -- a client that is a bulb ---------------------------------------------------------------------------------

    /// Calls a method of the client, as BlueZ. Returns the answer.
    pub(crate) fn ask(&self, path: &str, interface: &str, member: &str, body: impl AppendAll) -> Message {
        let sender = self.world().owner.clone().unwrap();
        let serial = self.clients.ask(&sender, path, interface, member, body);
        self.wait_for_sent(member, |message| message.get_reply_serial() == Some(serial))
    }

    /// Calls a method without waiting for the answer.
    pub(crate) fn ask_as(
        &self,
        sender: &str,
        path: &str,
        interface: &str,
        member: &str,
        body: impl AppendAll,
    ) -> u32 {
        self.clients.ask(sender, path, interface, member, body)
    }

    /// Waits until the client has sent a message.
    pub(crate) fn wait_for_sent(&self, what: &str, is_it: impl Fn(&Message) -> bool) -> Message {
        for _ in 0..500 {
            if let Some(found) = self.world().sent.iter().find(|message| is_it(message)) {
                return found.duplicate().unwrap();
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("the client sent nothing for {what}");
    }

    /// What the client has sent so far: `answer 7`, or `signal` and its member.
    pub(crate) fn sent(&self) -> Vec<String> {
        let world = self.world();
        let sent = world.sent.iter().map(|message| match (message.get_reply_serial(), message.member()) {
            (Some(serial), _) => format!("answer {serial}"),
            (None, member) => format!("signal {}", member.as_deref().unwrap_or_default()),
        });
        sent.collect()
    }

    /// The value of a property.
    pub(crate) fn property(&self, path: &str, interface: &str, name: &str) -> Option<Value> {
        self.world().objects.get(path)?.get(interface)?.get(name).cloned()
    }

    fn set(&self, path: &str, call: &Message) -> Message {
        let (interface, name, value): (&str, &str, Variant<Box<dyn RefArg>>) = call.read3().unwrap();
        let text = value.0.as_str().unwrap_or_default();
        // BlueZ falls back to the name of the system.
        let value = match (name, text) {
            ("Alias", "") => self.property(path, interface, "Name"),
            _ => None,
        };
        self.change(path, interface, name, value.unwrap_or_else(|| Value::text(text)));
        call.method_return()
    }

    /// Registers an object of the client, as BlueZ does: it looks at it before it answers.
    fn register(&self, call: &Message) -> Message {
        let path: dbus::Path<'_> = call.get1().unwrap();
        // BlueZ asks an advertisement for this too.
        let objects = self.ask(&path, OBJECTS, "GetManagedObjects", ());
        if call.member().as_deref() == Some("RegisterAdvertisement") {
            let advertisement = self.ask(&path, PROPERTIES, "GetAll", ("org.bluez.LEAdvertisement1",));
            assert!(advertisement.get1::<PropMap>().is_some(), "{advertisement:?}");
        } else {
            assert_eq!(objects.msg_type(), dbus::message::MessageType::MethodReturn, "{objects:?}");
        }
        call.method_return()
    }

    /// The bus gives the name to another program, or to none.
    pub(crate) fn owned_by(&self, owner: Option<&str>) {
        let before = std::mem::replace(&mut self.world().owner, owner.map(str::to_owned));
        let body = ("org.bluez", before.unwrap_or_default(), owner.unwrap_or_default());
        self.clients.signal(BUS, "/org/freedesktop/DBus", BUS, "NameOwnerChanged", body);
    }

    /// BlueZ ends, and with it its scan and its objects.
    pub(crate) fn ends(&self) {
        self.forgets();
        self.owned_by(None);
    }

    /// BlueZ forgets everything, as one that was started anew.
    pub(crate) fn forgets(&self) {
        let mut world = self.world();
        world.scanning = false;
        world.linked.clear();
        world.objects.clear();
    }

    /// BlueZ forgets its devices, as it does 30 s after it heard them last.
    pub(crate) fn forgets_devices(&self) {
        self.world().objects.retain(|path, _| path == ADAPTER);
    }

    /// Another BlueZ takes the name, and finds the adapter.
    pub(crate) fn starts(&self, owner: &str) {
        self.put_adapter();
        self.put_managers();
        self.owned_by(Some(owner));
    }

    /// From now on, this property changes without a signal.
    pub(crate) fn does_not_signal(&self, name: &str) {
        self.world().untold.insert(name.to_owned());
    }

    /// Changes a property, and tells.
    pub(crate) fn change(&self, path: &str, interface: &str, name: &str, value: Value) {
        let Some(owner) = self.world().owner.clone() else { return };
        if !self.world().untold.contains(name) {
            self.change_as(&owner, path, interface, name, &value);
        }
        let mut world = self.world();
        let interfaces = world.objects.entry(path.to_owned()).or_default();
        interfaces.entry(interface.to_owned()).or_default().insert(name.to_owned(), value);
    }

    /// Tells of a change as this sender, whoever that is.
    pub(crate) fn change_as(&self, sender: &str, path: &str, interface: &str, name: &str, value: &Value) {
        let changed = PropMap::from([(name.to_owned(), value.variant())]);
        let body = (interface, changed, Vec::<String>::new());
        self.clients.signal(sender, path, PROPERTIES, "PropertiesChanged", body);
    }

    /// Tells of a device as this sender.
    pub(crate) fn announce_as(&self, sender: &str, path: &str, properties: Properties) {
        let interfaces = Interfaces::from([("org.bluez.Device1".to_owned(), properties)]);
        let body = (dbus::Path::from(path.to_owned()), of_interfaces(&interfaces));
        self.clients.signal(sender, "/", OBJECTS, "InterfacesAdded", body);
    }

    /// Tells of the services and characteristics of a device, as BlueZ does while it discovers them.
    fn announce_table(&self, device: &str) {
        let Some(owner) = self.world().owner.clone() else { return };
        let below = format!("{device}/");
        let objects: Vec<_> = {
            let world = self.world();
            let table = world.objects.iter().filter(|(path, _)| path.starts_with(&below));
            table.map(|(path, interfaces)| (path.clone(), of_interfaces(interfaces))).collect()
        };
        for (path, interfaces) in objects {
            self.clients.signal(
                &owner,
                "/",
                OBJECTS,
                "InterfacesAdded",
                (dbus::Path::from(path), interfaces),
            );
        }
    }

    /// One round of advertisements, while a scan runs.
    fn advertise(&self) {
        let (owner, air) = {
            let world = self.world();
            match &world.owner {
                Some(owner) if world.scanning => (owner.clone(), world.air.clone()),
                _ => return,
            }
        };
        for (path, properties) in air {
            let known = self.world().objects.contains_key(&path);
            if known {
                if let Some(rssi) = properties.get("RSSI") {
                    self.change_as(&owner, &path, "org.bluez.Device1", "RSSI", rssi);
                }
            } else {
                let interfaces = Interfaces::from([("org.bluez.Device1".to_owned(), properties.clone())]);
                self.world().objects.insert(path.clone(), interfaces);
                self.announce_as(&owner, &path, properties);
            }
        }
    }

    fn connect(&self, device: &str, call: &Message) -> Message {
        let failed = |text| error(call, "org.bluez.Error.Failed", text);
        {
            let mut world = self.world();
            if let Some((slots, refusal)) = world.slots
                && !world.linked.contains(device)
                && world.linked.len() >= slots
            {
                return failed(refusal);
            }
            world.linked.insert(device.to_owned());
        }
        let new = !self.world().objects.keys().any(|path| path.starts_with(&format!("{device}/")));
        self.put_table(device);
        if new {
            self.announce_table(device);
        }
        for name in ["Connected", "ServicesResolved"] {
            self.change(device, "org.bluez.Device1", name, Value::Bool(true));
        }
        call.method_return()
    }

    fn disconnect(&self, device: &str, call: &Message) -> Message {
        thread::sleep(ENDING);
        self.world().linked.remove(device);
        self.change(device, "org.bluez.Device1", "ServicesResolved", Value::Bool(false));
        self.change(device, "org.bluez.Device1", "Connected", Value::Bool(false));
        call.method_return()
    }

    fn write(&self, path: &str, call: &Message) -> Message {
        let value: Vec<u8> = call.get1().unwrap_or_default();
        let status = path.replace("char0002", "char0004");
        self.change(&status, "org.bluez.GattCharacteristic1", "Value", Value::Bytes(value));
        call.method_return()
    }

    fn get(&self, path: &str, call: &Message) -> Message {
        let (Some(interface), Some(name)) = call.get2::<&str, &str>() else { return call.method_return() };
        let world = self.world();
        match world.objects.get(path).and_then(|all| all.get(interface)?.get(name)) {
            Some(value) => call.return_with_args((value.variant(),)),
            None => error(call, "org.freedesktop.DBus.Error.InvalidArgs", "No such interface"),
        }
    }

    fn usual(&self, call: &Message) -> Message {
        let path = call.path().map(|path| path.to_string()).unwrap_or_default();
        match call.member().as_deref() {
            Some("GetManagedObjects") => {
                let objects: HashMap<dbus::Path<'static>, _> = self
                    .world()
                    .objects
                    .iter()
                    .map(|(path, all)| (dbus::Path::from(path.clone()), of_interfaces(all)))
                    .collect();
                call.return_with_args((objects,))
            }
            Some("Set") => self.set(&path, call),
            Some("RegisterApplication" | "RegisterAdvertisement") => self.register(call),
            Some("StartDiscovery") => {
                self.world().scanning = true;
                call.method_return()
            }
            Some("StopDiscovery") => {
                self.world().scanning = false;
                call.method_return()
            }
            Some("Connect") => self.connect(&path, call),
            Some("Disconnect") => self.disconnect(&path, call),
            Some("WriteValue") => self.write(&path, call),
            Some("ReadValue") => {
                let world = self.world();
                match world
                    .objects
                    .get(&path)
                    .and_then(|all| all["org.bluez.GattCharacteristic1"].get("Value"))
                {
                    Some(Value::Bytes(value)) => call.return_with_args((value.clone(),)),
                    _ => error(call, "org.bluez.Error.Failed", "Not connected"),
                }
            }
            Some("RemoveDevice") => {
                let device: dbus::Path<'_> = call.get1().unwrap_or_default();
                self.world().objects.retain(|path, _| !path.starts_with(&*device));
                call.method_return()
            }
            Some("Get") => self.get(&path, call),
            Some("GetAll") => {
                let interface: &str = call.get1().unwrap_or_default();
                let world = self.world();
                let all = world.objects.get(&path).and_then(|all| all.get(interface));
                call.return_with_args((all.map(of_properties).unwrap_or_default(),))
            }
            _ => call.method_return(),
        }
    }
}

impl Service for Bluez {
    fn owner(&self) -> Option<String> {
        self.world().owner.clone()
    }

    fn call(&self, call: &Message) -> Option<Message> {
        let method = match (call.member().map(|member| member.to_string()), call.get1::<&str>()) {
            (Some(get), Some(interface)) if get == "Get" => format!("Get {interface}"),
            (method, _) => method.unwrap_or_default(),
        };
        let (reply, owner) = {
            let mut world = self.world();
            world.calls.push(method.clone());
            let reply = match world.script.get_mut(&method) {
                Some(script) if script.len() > 1 => script.pop_front(),
                Some(script) => script.front().cloned(),
                None => None,
            };
            (reply.unwrap_or(Reply::Usual), world.owner.clone())
        };
        let mut answer = match (owner, reply) {
            (None, _) => error(
                call,
                "org.freedesktop.DBus.Error.ServiceUnknown",
                "The name org.bluez was not provided",
            ),
            (_, Reply::Silence) => return None,
            (_, Reply::Text(text)) => call.return_with_args((text,)),
            (_, Reply::Error(name, text)) => error(call, name, text),
            (_, Reply::Usual) => self.usual(call),
        };
        let owner = self.world().owner.clone();
        answer.set_sender(owner.map(Into::into));
        Some(answer)
    }

    fn take(&self, message: Message) {
        self.world().sent.push(message);
    }
}

fn of_properties(properties: &Properties) -> PropMap {
    properties.iter().map(|(name, value)| (name.clone(), value.variant())).collect()
}

fn of_interfaces(interfaces: &Interfaces) -> HashMap<String, PropMap> {
    interfaces.iter().map(|(name, properties)| (name.clone(), of_properties(properties))).collect()
}
