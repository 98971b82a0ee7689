//! Every family and variant on the sim radio: after a command, a virtual bulb has and reports the commanded state.

use std::fs;
use std::sync::LazyLock;

use bulb_protocol::profile::{
    self, EncodeError, Feature, Features, Light, Mode, Profile, StatusParts, Write, builtin,
};
use bulb_protocol::{Percent, Rgb};
use bulbctl::radio::{Address, LinkState, Notifications};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, proptest};
use tokio::sync::broadcast::error::TryRecvError;
use tokio::time::sleep;

use super::*;

/// Every built-in profile that can be driven, with every variant.
static PROFILES: LazyLock<Vec<Profile>> = LazyLock::new(|| {
    let mut profiles = Vec::new();
    for family in builtin::families().unwrap() {
        profiles.push(family.profile(None).unwrap());
        profiles.extend(family.variants().map(|(name, ..)| family.profile(Some(name)).unwrap()));
    }
    profiles.retain(|profile| profile.unsupported.is_none());
    let address: Address = LIGHT.parse().unwrap();
    for profile in profiles.iter_mut().filter(|profile| profile.carries_address()) {
        profile.set_address(address.bytes());
    }
    profiles
});

fn id_of(profile: &Profile, role: &str) -> CharacteristicId {
    let at = profile.role(role).unwrap().at.iter().find(|at| at.service.is_some()).unwrap();
    CharacteristicId::new(at.service.unwrap(), at.characteristic)
}

struct Bulb<'a> {
    profile: &'a Profile,
    rig: TestRig,
    radio: Arc<dyn Radio>,
    link: Arc<dyn Link>,
    streams: Vec<(String, Notifications)>,
    parts: StatusParts,
    known: Light,
    sequence: u8,
}

impl<'a> Bulb<'a> {
    async fn open(profile: &'a Profile) -> Self {
        let rig = TestRig::with_bulb(&format!("profile = \"{}\"\npairing = true\n", profile.full_name()));
        let radio = rig.heard().await;
        let link = radio.connect(&light(), soon()).await.unwrap();
        if profile.link_rules.needs_bonding {
            link.bond(soon()).await.unwrap();
        }
        let mut streams = Vec::new();
        for role in profile.notifying_roles() {
            let stream = link.subscribe(id_of(profile, &role.name), soon()).await.unwrap();
            streams.push((role.name.clone(), stream));
        }
        let known = profile.starting_state(&Light::default());
        let parts = StatusParts::default();
        let mut bulb = Self { profile, rig, radio, link, streams, parts, known, sequence: 0 };
        for write in &profile.link_rules.first {
            bulb.write(write).await;
        }
        // What the first writes had it do is no concern of ours.
        sleep(ms(100)).await;
        bulb.notified();
        bulb.known = bulb.held().await;
        bulb
    }

    async fn write(&mut self, write: &Write) {
        let id = id_of(self.profile, &write.role);
        let properties = self.link.table().properties(id).unwrap();
        let kind =
            if properties.allows(WriteKind::Request) { WriteKind::Request } else { WriteKind::Command };
        self.link.write(id, &write.bytes, kind, soon()).await.unwrap();
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// Returns the states notified since the last call.
    fn notified(&mut self) -> Vec<Light> {
        let mut lights = Vec::new();
        for (role, stream) in &mut self.streams {
            loop {
                match stream.try_recv() {
                    Ok(bytes) => {
                        let whole = self.profile.join(&mut self.parts, &bytes);
                        lights.extend(whole.map(|whole| self.profile.decode(role, &whole).unwrap()));
                    }
                    Err(TryRecvError::Empty) => break,
                    Err(other) => panic!("{other}"),
                }
            }
        }
        lights
    }

    /// Commands a change, and gives all that the bulb says of itself afterwards. None if the family cannot do it in the mode
    /// that the bulb is in.
    async fn command(&mut self, change: &Light) -> Option<(Light, Vec<Light>)> {
        let sent = match self.profile.encode(change, &self.known, self.sequence) {
            Ok(sent) => sent,
            Err(EncodeError::WrongMode { .. }) => return None,
            Err(refusal) => panic!("{}: {change:?}: {refusal}", self.profile.full_name()),
        };
        for write in &sent.writes {
            self.write(write).await;
        }
        sleep(ms(100)).await;
        let mut said = self.notified();
        for role in self.profile.readable_roles() {
            let value = self.link.read(id_of(self.profile, &role.name), soon()).await.unwrap();
            said.push(self.profile.decode(&role.name, &value).unwrap());
        }
        for query in self.profile.queries(self.sequence) {
            self.write(&query).await;
            sleep(ms(100)).await;
            let answers = self.notified();
            assert!(!answers.is_empty(), "{} does not answer {:02x?}", self.profile.full_name(), query.bytes);
            said.extend(answers);
        }
        self.known = sent.assumed.clone();
        Some((sent.assumed, said))
    }

    async fn held(&self) -> Light {
        sleep(ms(100)).await;
        let dir = self.rig.dir.path().join("world");
        let file = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.extension().is_some_and(|extension| extension == "json"));
        let world: serde_json::Value = serde_json::from_slice(&fs::read(file.unwrap()).unwrap()).unwrap();
        let held = &world["devices"][LIGHT]["light"];
        let byte = |value: &serde_json::Value| Some(u8::try_from(value.as_u64()?).unwrap());
        let percent = |key: &str| byte(&held[key]).map(|value| Percent::new(value).unwrap());
        let color = held["color"].as_str().map(|text| {
            let part = |at: usize| u8::from_str_radix(text.get(at..at + 2).unwrap(), 16).unwrap();
            Rgb::new(part(1), part(3), part(5))
        });
        let modes = [Mode::Color, Mode::White, Mode::Effect];
        Light {
            power: held["power"].as_bool(),
            brightness: percent("brightness"),
            color,
            white: percent("white"),
            kelvin: held["kelvin"].as_u64().map(|kelvin| u16::try_from(kelvin).unwrap()),
            effect: held["effect"].as_str().map(str::to_owned),
            speed: percent("speed"),
            mode: modes.into_iter().find(|mode| held["mode"] == mode.name()),
        }
    }

    async fn obeys(&mut self, change: &Light) {
        let name = self.profile.full_name();
        let Some((assumed, said)) = self.command(change).await else { return };
        let held = self.held().await;
        // Where off is black, nothing tells them apart; and white of no level is black too.
        let black = assumed.brightness == Some(Percent::MIN)
            || (assumed.mode == Some(Mode::Color) && assumed.color == Some(Rgb::new(0, 0, 0)))
            || (assumed.mode == Some(Mode::White) && assumed.white == Some(Percent::MIN));
        let mut asked = change.features();
        if name == "playbulb" && (black || assumed.power == Some(false)) {
            asked = if black { Features::NONE } else { Features::NONE.with(Feature::Power) };
        }
        // Where brightness is scaled colour, the bulb keeps the product; in an effect that says nothing of either.
        let product = self.profile.scales_brightness() && held.mode == Some(Mode::Effect);
        let kept = if product { asked.without(Feature::Brightness) } else { asked };
        for (what, light, asked) in
            said.iter().map(|light| ("says", light, asked)).chain([("is", &held, kept)])
        {
            let differ = self.profile.mismatches(asked, &assumed, light);
            assert!(
                differ.is_empty(),
                "{name}: told {change:?}, it {what} {light:?}, not {assumed:?}: {differ} differ"
            );
        }
        // Power is told whatever the bulb shines with, and a colour while it shines.
        let told = said.iter().fold(Features::NONE, |all, light| all.or(light.features()));
        let mut due = Features::NONE.with(Feature::Power);
        if assumed.power == Some(true) && assumed.mode == Some(Mode::Color) && !black {
            due = due.with(Feature::Color);
        }
        let missing = asked.and(self.profile.reported()).and(due).less(told);
        assert!(missing.is_empty(), "{name}: told {change:?}, it says {said:?}");
        assert_eq!(*self.link.state().borrow(), LinkState::Up);
    }

    async fn close(self) {
        self.radio.close().await;
    }
}

/// A change of one item; which value it has is up to the number.
fn change(profile: &Profile, item: Feature, number: u32) -> Light {
    let in_range = || {
        let (least, most) = profile.range(item).unwrap_or((0, 100));
        least + number % (most - least + 1)
    };
    let percent = || Some(Percent::new(u8::try_from(in_range()).unwrap()).unwrap());
    let none = Light::default();
    match item {
        Feature::Power => Light { power: Some(number % 2 == 1), ..none },
        Feature::Brightness => Light { brightness: percent(), ..none },
        Feature::Color => {
            let [_, red, green, blue] = number.to_be_bytes();
            Light { color: Some(Rgb::new(red, green, blue)), ..none }
        }
        Feature::White => Light { white: percent(), ..none },
        Feature::Kelvin => Light { kelvin: Some(u16::try_from(in_range()).unwrap()), ..none },
        Feature::Speed => Light { speed: percent(), ..none },
        Feature::Effect => {
            let mut names: Vec<String> = profile.effects().map(str::to_owned).collect();
            if let Some((first, last)) = profile.numbered_effects() {
                names.extend((first..=last.min(first + 500)).map(|number| number.to_string()));
            }
            Light { effect: Some(names[number as usize % names.len()].clone()), ..none }
        }
    }
}

/// The numbers that make the least, the greatest and some other values of an item.
fn numbers(profile: &Profile, item: Feature) -> Vec<u32> {
    match (item, profile.range(item)) {
        (Feature::Power, _) => vec![1, 0, 1],
        (Feature::Color, _) => {
            vec![0x00ff_0000, 0x0000_ff00, 0x0000_00ff, 0x00ff_8800, 0x0012_3456, 0x00ff_ffff]
        }
        (Feature::Effect, _) => (0..8).collect(),
        (_, Some((least, most))) => vec![0, 1, (most - least) / 2, most - least],
        (_, None) => vec![1, 50, 100],
    }
}

#[tokio::test(start_paused = true)]
async fn every_bulb_does_every_thing_that_it_can() {
    let mut done = 0;
    for profile in PROFILES.iter() {
        let mut bulb = Bulb::open(profile).await;
        bulb.obeys(&Light { power: Some(true), ..Light::default() }).await;
        for item in profile.settable().iter() {
            for number in numbers(profile, item) {
                bulb.obeys(&change(profile, item, number)).await;
                done += 1;
            }
        }
        bulb.close().await;
    }
    assert!(done > 600, "{done}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Several changes in a row, each of several items, from whatever state the one before has left.
    #[test]
    fn every_bulb_follows_any_changes(
        which in any::<usize>(),
        turns in vec((any::<u8>(), any::<[u32; 7]>()), 1..6),
    ) {
        let profile = &PROFILES[which % PROFILES.len()];
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut bulb = Bulb::open(profile).await;
            for (items, numbers) in turns {
                let mut whole = Light::default();
                let chosen = Feature::ALL.into_iter().enumerate().filter(|(at, item)| {
                    items >> at & 1 == 1 && profile.settable().contains(*item)
                });
                for (at, item) in chosen {
                    // One thing to shine with.
                    if item.mode().is_none() || !whole.features().iter().any(|other| other.mode().is_some()) {
                        whole.merge(&change(profile, item, numbers[at]));
                    }
                }
                whole.mode = None;
                bulb.obeys(&whole).await;
            }
            bulb.close().await;
        });
    }
}

const MELK_ON: [u8; 9] = [0x7E, 0x00, 0x04, 0x01, 0x00, 0x00, 0x00, 0x00, 0xEF];
const ELK: CharacteristicId = CharacteristicId::short(0xFFF0, 0xFFF3);

#[tokio::test(start_paused = true)]
async fn a_bulb_that_wants_to_be_greeted_passes_over_what_comes_before() {
    let melk = builtin::load("elk", Some("melk")).unwrap();
    let rig = TestRig::with_bulb("profile = \"elk:melk\"");
    let radio = rig.heard().await;
    let link = radio.connect(&light(), soon()).await.unwrap();
    let mut bulb = Bulb {
        profile: &melk,
        rig,
        radio,
        link,
        streams: Vec::new(),
        parts: StatusParts::default(),
        known: Light::default(),
        sequence: 0,
    };
    let on = |link: Arc<dyn Link>| async move {
        link.write(ELK, &MELK_ON, WriteKind::Command, soon()).await.unwrap();
    };
    on(bulb.link.clone()).await;
    assert_eq!(bulb.held().await.power, Some(false));
    for write in &melk.link_rules.first {
        on(bulb.link.clone()).await;
        assert_eq!(bulb.held().await.power, Some(false));
        bulb.write(write).await;
    }
    on(bulb.link.clone()).await;
    assert_eq!(bulb.held().await.power, Some(true));
}

#[tokio::test(start_paused = true)]
async fn a_bulb_that_hears_nothing_for_too_long_ends_the_link() {
    let govee = builtin::load("govee", Some("h6127")).unwrap();
    let mut bulb = Bulb::open(&govee).await;
    let keep = govee.link_rules.keep_alive.clone().unwrap();
    for _ in 0..10 {
        sleep(keep.every).await;
        bulb.write(&keep.write).await;
    }
    assert_eq!(*bulb.link.state().borrow(), LinkState::Up);
    sleep(ms(9_900)).await;
    assert_eq!(*bulb.link.state().borrow(), LinkState::Up);
    sleep(ms(200)).await;
    assert_eq!(*bulb.link.state().borrow(), LinkState::Down);
    // A link that is left to the next command is no exception.
    let rig = TestRig::with_bulb("idle_drop = \"3s\"");
    let (radio, link) = connected(&rig).await;
    link.keep();
    radio.close().await;
    drop((radio, link));
    let radio = rig.open().await;
    sleep(ms(3_100)).await;
    assert!(!radio.known_devices().await.unwrap()[0].connected);
}

const HUE_POWER: &str = "932c32bd-0002-47a2-835a-a8d455b859dd";

#[tokio::test(start_paused = true)]
async fn a_bulb_that_wants_a_bond_takes_nothing_without() {
    let hue = builtin::load("hue", None).unwrap();
    let power = id_of(&hue, "control");
    assert_eq!(power.characteristic.to_string(), HUE_POWER);
    let shy = TestRig::with_bulb("profile = \"hue\"");
    let (_radio, link) = connected(&shy).await;
    for _ in 0..2 {
        assert_eq!(code(link.read(power, soon()).await), "bulb.needs_pairing");
        assert_eq!(code(link.write(power, &[1], WriteKind::Request, soon()).await), "bulb.needs_pairing");
        assert_eq!(code(link.subscribe(power, soon()).await), "bulb.needs_pairing");
        assert_eq!(code(link.bond(soon()).await), "bulb.needs_pairing");
    }
    let open = TestRig::with_bulb("profile = \"hue\"\npairing = true\n");
    let (radio, link) = connected(&open).await;
    assert_eq!(code(link.read(power, soon()).await), "bulb.needs_pairing");
    link.bond(soon()).await.unwrap();
    link.write(power, &[1], WriteKind::Request, soon()).await.unwrap();
    radio.close().await;
    drop((radio, link));
    // The bond is there for the next command.
    let (_radio, link) = connected(&open).await;
    assert_eq!(link.read(power, soon()).await.unwrap(), [1]);
}

#[tokio::test(start_paused = true)]
async fn an_advertisement_tells_the_state_as_it_was_when_heard_last() {
    let switchbot = builtin::load("switchbot", None).unwrap();
    let rig = TestRig::with_bulb("profile = \"switchbot\"\nbrightness = 20\ncolor = \"#ff0000\"\n");
    let radio = rig.open().await;
    let advertised = |device: &bulbctl::radio::SeenDevice| {
        let data: Vec<_> =
            device.manufacturer.iter().map(|(company, data)| (*company, data.as_slice())).collect();
        let advert = profile::Advert { manufacturer: &data, ..profile::Advert::default() };
        let light = switchbot.decode_advert(&advert).unwrap();
        (light.power, light.brightness.map(Percent::get))
    };
    heard(radio.as_ref()).await;
    assert_eq!(advertised(&radio.known_devices().await.unwrap()[0]), (Some(false), Some(20)));
    let link = radio.connect(&light(), soon()).await.unwrap();
    let on =
        switchbot.encode(&Light { power: Some(true), ..Light::default() }, &Light::default(), 0).unwrap();
    let control = id_of(&switchbot, "control");
    link.write(control, &on.writes[0].bytes, WriteKind::Request, soon()).await.unwrap();
    assert_eq!(advertised(&radio.known_devices().await.unwrap()[0]), (Some(false), Some(20)));
    radio.close().await;
    drop((radio, link));
    let radio = rig.open().await;
    assert_eq!(advertised(&radio.known_devices().await.unwrap()[0]), (Some(false), Some(20)));
    heard(radio.as_ref()).await;
    assert_eq!(advertised(&radio.known_devices().await.unwrap()[0]), (Some(true), Some(20)));
}

#[tokio::test(start_paused = true)]
async fn a_notification_is_cut_at_the_mtu() {
    let lednetwf = builtin::load("lednetwf", None).unwrap();
    for (mtu, most) in [(185, 182), (24, 21)] {
        let rig = TestRig::with_bulb(&format!("profile = \"lednetwf\"\nmtu = {mtu}\n"));
        let (_radio, link) = connected(&rig).await;
        assert_eq!(link.mtu(), Some(mtu));
        let mut status = link.subscribe(id_of(&lednetwf, "status"), soon()).await.unwrap();
        let query = &lednetwf.queries(0)[0];
        let control = id_of(&lednetwf, "control");
        link.write(control, &query.bytes, WriteKind::Request, soon()).await.unwrap();
        let answer = status.recv().await.unwrap();
        assert!(answer.len() <= most && answer.len() > 20, "{mtu}: {}", answer.len());
        assert_eq!(lednetwf.decode("status", &answer).is_ok(), mtu == 185);
    }
}

#[tokio::test(start_paused = true)]
async fn a_board_with_a_profile_file_of_its_own_is_played_too() {
    let rig = TestRig::new(&format!(
        "[[bulb]]\nprofile = \"./my-board.toml\"\naddress = \"{LIGHT}\"\nbrightness = 100\n"
    ));
    fs::write(rig.dir.path().join("my-board.toml"), include_str!("files/my-board.toml")).unwrap();
    let (radio, link) = connected(&rig).await;
    assert_eq!(radio.known_devices().await.unwrap()[0].name.as_deref(), Some("DESK-1"));
    let control = CharacteristicId::short(0xFFF0, 0xFFF7);
    let status = CharacteristicId::short(0xFFF0, 0xFFF8);
    assert_eq!(link.read(status, soon()).await.unwrap(), [0xAA, 0, 0xFF, 0xA9]);
    link.write(control, &[0x55, 1, 1, 0x57], WriteKind::Request, soon()).await.unwrap();
    assert_eq!(link.read(status, soon()).await.unwrap(), [0xAA, 1, 0xFF, 0xAA]);
    let wrong = link.write(control, &[0x55, 1, 1, 0x58], WriteKind::Request, soon()).await;
    assert!(matches!(wrong, Err(Error::Refused { att: 0x80, .. })), "{wrong:?}");
    let short = link.write(control, &[0x55], WriteKind::Request, soon()).await;
    assert!(matches!(short, Err(Error::Refused { att: 0x0d, .. })), "{short:?}");
}
