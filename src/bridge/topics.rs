//! Topics: their names, and the meaning of those that come in. They are made of identifiers alone, never of names.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::radio::SeenDevice;

/// The topic prefix, unless the configuration has another one.
pub const PREFIX: &str = "bulbctl";
/// The prefix of Home Assistant's discovery, unless the configuration has another one.
pub const DISCOVERY_PREFIX: &str = "homeassistant";
const UPTIME: &str = "$SYS/broker/uptime";
/// The longest identifier of a bulb, a group or a bridge.
const LONGEST_ID: usize = 64;

/// Names that have a meaning where a bulb's identifier could be.
const RESERVED: [&str; 2] = ["bridge", "group"];

/// The identifier of a bulb in topics: its address as 12 hex digits, else what the platform calls it. Only `a` to `z`, `0` to `9`,
/// `_` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BulbId(String);

impl BulbId {
    pub fn of(device: &SeenDevice) -> Self {
        let address = device.address.or_else(|| device.id.as_str().parse().ok());
        Self(match address {
            Some(address) => hex::encode(address.bytes()),
            None => slug(device.id.as_str(), '-'),
        })
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for BulbId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let valid = is_id(&text) && !RESERVED.contains(&text.as_str());
        valid.then_some(Self(text)).ok_or("not the identifier of a bulb")
    }
}

impl From<BulbId> for String {
    fn from(id: BulbId) -> Self {
        id.0
    }
}

impl fmt::Display for BulbId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns true if a text can be part of a topic, and of an identifier in Home Assistant.
pub fn is_id(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=LONGEST_ID).contains(&text.len()) && text.bytes().all(allowed)
}

/// Returns true if a text can be a topic prefix: identifiers with `/` between them.
pub fn is_prefix(text: &str) -> bool {
    text.split('/').all(is_id)
}

/// Makes an identifier from any text: lower case, and `filler` in place of everything else. A text without a letter or a digit
/// gets a number that depends on it.
pub fn slug(text: &str, filler: char) -> String {
    let mut slug = String::new();
    for c in text.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.ends_with(filler) && !slug.is_empty() {
            slug.push(filler);
        }
        if slug.len() == LONGEST_ID {
            break;
        }
    }
    let slug = slug.trim_end_matches(filler);
    if slug.is_empty() || RESERVED.contains(&slug) {
        // FNV-1a, which is enough to tell some names apart.
        let hash = text
            .bytes()
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        return format!("x{hash:08x}");
    }
    slug.to_owned()
}

/// What an incoming message is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A command for a bulb.
    Set(BulbId),
    /// A request to make a bulb blink.
    Identify(BulbId),
    /// The claim of the bridge that owns a bulb.
    Owner(BulbId),
    /// A request of another bridge to hand a bulb over.
    Bid(BulbId),
    /// A command for a group.
    SetGroup(String),
    /// Whether a bridge is online.
    BridgeState(String),
    /// An error that another bridge reports.
    OtherError,
    /// The facts about this bridge, which tell whether another one has its name.
    Info,
    /// A line of `run`.
    Run,
    /// Home Assistant started or ends.
    HomeAssistant,
    /// The time since the start of the broker, which mosquitto publishes.
    BrokerUptime,
}

/// The topics of one bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    prefix: String,
    discovery: String,
    bridge: String,
}

impl Topics {
    /// All three must be valid: see [`is_prefix`] and [`is_id`].
    pub fn new(prefix: &str, discovery: &str, bridge: &str) -> Self {
        Self { prefix: prefix.to_owned(), discovery: discovery.to_owned(), bridge: bridge.to_owned() }
    }

    /// The name of this bridge.
    pub fn bridge_name(&self) -> &str {
        &self.bridge
    }

    pub fn bulb(&self, id: &BulbId, leaf: BulbTopic) -> String {
        format!("{}/{id}/{}", self.prefix, leaf.name())
    }

    pub fn bid(&self, id: &BulbId, to: &str) -> String {
        format!("{}/{id}/bid/{to}", self.prefix)
    }

    pub fn group(&self, slug: &str, leaf: BulbTopic) -> String {
        format!("{}/group/{slug}/{}", self.prefix, leaf.name())
    }

    pub fn bridge(&self, leaf: BridgeTopic) -> String {
        self.other_bridge(&self.bridge, leaf)
    }

    pub fn other_bridge(&self, name: &str, leaf: BridgeTopic) -> String {
        format!("{}/bridge/{name}/{}", self.prefix, leaf.name())
    }

    /// The topic of a device's discovery.
    pub fn discovery(&self, node: &str) -> String {
        format!("{}/device/{node}/config", self.discovery)
    }

    /// The device that a topic of discovery is about.
    pub fn discovered<'a>(&self, topic: &'a str) -> Option<&'a str> {
        topic.strip_prefix(&self.discovery)?.strip_prefix("/device/")?.strip_suffix("/config")
    }

    fn home_assistant(&self) -> String {
        format!("{}/status", self.discovery)
    }

    /// The topics to subscribe to. Those of commands come first.
    pub fn subscriptions(&self) -> Vec<String> {
        let prefix = &self.prefix;
        vec![
            format!("{prefix}/+/set"),
            format!("{prefix}/+/identify"),
            format!("{prefix}/group/+/set"),
            self.bridge(BridgeTopic::Run),
            format!("{prefix}/+/owner"),
            format!("{prefix}/+/bid/{}", self.bridge),
            format!("{prefix}/bridge/+/state"),
            format!("{prefix}/bridge/+/errors"),
            self.bridge(BridgeTopic::Info),
            self.home_assistant(),
            UPTIME.to_owned(),
        ]
    }

    /// Returns true for filters of topics whose live messages come without their retain flag: it tells the old ones. A command
    /// keeps it, because a retained one is a mistake.
    pub fn is_live(filter: &str) -> bool {
        !["/set", "/identify", "/run"].iter().any(|command| filter.ends_with(command))
    }

    /// Parses a topic; `None` if it is not one of ours.
    pub fn parse(&self, topic: &str) -> Option<Incoming> {
        if topic == UPTIME {
            return Some(Incoming::BrokerUptime);
        }
        if topic == self.home_assistant() {
            return Some(Incoming::HomeAssistant);
        }
        let rest = topic.strip_prefix(&self.prefix)?.strip_prefix('/')?;
        let parts: Vec<&str> = rest.split('/').collect();
        let bulb = |id: &str| BulbId::try_from(id.to_owned()).ok();
        match *parts.as_slice() {
            ["bridge", name, "state"] if is_id(name) => Some(Incoming::BridgeState(name.to_owned())),
            ["bridge", name, "errors"] if name != self.bridge => Some(Incoming::OtherError),
            ["bridge", name, "info"] if name == self.bridge => Some(Incoming::Info),
            ["bridge", name, "run"] if name == self.bridge => Some(Incoming::Run),
            ["group", slug, "set"] if is_id(slug) => Some(Incoming::SetGroup(slug.to_owned())),
            [id, "set"] => bulb(id).map(Incoming::Set),
            [id, "identify"] => bulb(id).map(Incoming::Identify),
            [id, "owner"] => bulb(id).map(Incoming::Owner),
            [id, "bid", name] if name == self.bridge => bulb(id).map(Incoming::Bid),
            _ => None,
        }
    }
}

/// The topics below a bulb or a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BulbTopic {
    Set,
    Identify,
    State,
    Availability,
    Battery,
    Signal,
    LastSeen,
    Owner,
}

impl BulbTopic {
    /// The retained topics that a bulb leaves at the broker, except its claim.
    pub const RETAINED: [Self; 5] =
        [Self::State, Self::Availability, Self::Battery, Self::Signal, Self::LastSeen];

    const fn name(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Identify => "identify",
            Self::State => "state",
            Self::Availability => "availability",
            Self::Battery => "battery",
            Self::Signal => "signal",
            Self::LastSeen => "last_seen",
            Self::Owner => "owner",
        }
    }
}

/// The topics below a bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BridgeTopic {
    State,
    Info,
    Bulbs,
    Errors,
    Run,
}

impl BridgeTopic {
    const fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Info => "info",
            Self::Bulbs => "bulbs",
            Self::Errors => "errors",
            Self::Run => "run",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::radio::DeviceId;

    fn topics() -> Topics {
        Topics::new("home/bulbs", "homeassistant", "attic")
    }

    fn device(id: &str) -> SeenDevice {
        SeenDevice { id: DeviceId::new(id), name: Some("a/+#\0 name".to_owned()), ..SeenDevice::default() }
    }

    #[test]
    fn a_bulb_is_named_by_its_address() {
        assert_eq!(BulbId::of(&device("C4:11:00:00:00:01")).as_str(), "c41100000001");
        let mac = "2CFD5A2C-7E3B-0B12-6E0E-5AC2D4E4F0E1";
        assert_eq!(BulbId::of(&device(mac)).as_str(), "2cfd5a2c-7e3b-0b12-6e0e-5ac2d4e4f0e1");
        assert_eq!(BulbId::of(&device("a+b/#\0c")).as_str(), "a-b-c");
    }

    #[test]
    fn incoming_topics_are_told_apart() {
        let id = BulbId::try_from("c41100000001".to_owned()).unwrap();
        for (topic, meaning) in [
            ("home/bulbs/c41100000001/set", Some(Incoming::Set(id.clone()))),
            ("home/bulbs/c41100000001/identify", Some(Incoming::Identify(id.clone()))),
            ("home/bulbs/c41100000001/owner", Some(Incoming::Owner(id.clone()))),
            ("home/bulbs/c41100000001/bid/attic", Some(Incoming::Bid(id))),
            ("home/bulbs/c41100000001/bid/cellar", None),
            ("home/bulbs/group/office/set", Some(Incoming::SetGroup("office".to_owned()))),
            ("home/bulbs/bridge/cellar/state", Some(Incoming::BridgeState("cellar".to_owned()))),
            ("home/bulbs/bridge/cellar/errors", Some(Incoming::OtherError)),
            ("home/bulbs/bridge/attic/errors", None),
            ("home/bulbs/bridge/attic/info", Some(Incoming::Info)),
            ("home/bulbs/bridge/attic/run", Some(Incoming::Run)),
            ("home/bulbs/bridge/set", None),
            ("homeassistant/status", Some(Incoming::HomeAssistant)),
            ("home/bulbs/x/state", None),
            ("home/bulbs/x y/set", None),
            ("home/bulbs//set", None),
            ("home/bulbs", None),
            ("other/c41100000001/set", None),
        ] {
            assert_eq!(topics().parse(topic), meaning, "{topic}");
        }
    }

    #[test]
    fn prefixes_and_names_are_checked() {
        for (text, valid) in
            [("bulbctl", true), ("home/bulbs", true), ("", false), ("/a", false), ("a/", false)]
        {
            assert_eq!(is_prefix(text), valid, "{text}");
        }
        for text in ["a+b", "a#", "a/b", "ä", "a b", "a\0", &"x".repeat(65)] {
            assert!(!is_id(text), "{text}");
        }
    }

    /// A strange identifier crashed another bridge (saic-python-mqtt-gateway#99).
    #[test]
    fn p28_topics_are_made_of_identifiers_only() {
        proptest!(|(id in any::<String>(), group in any::<String>())| {
            let bulb = BulbId::of(&device(&id));
            prop_assert!(is_id(bulb.as_str()), "{bulb}");
            prop_assert!(BulbId::try_from(bulb.to_string()).is_ok());
            let slug = slug(&group, '_');
            prop_assert!(is_id(&slug), "{slug}");
            let topic = topics().group(&slug, BulbTopic::Set);
            prop_assert_eq!(topics().parse(&topic), Some(Incoming::SetGroup(slug)));
        });
    }
}
