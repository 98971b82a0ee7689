//! Virtual bulbs: reads, writes and steps, and the frames that they send and advertise.
#![cfg(feature = "profiles")]
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "shared/edge.rs"]
mod edge;

use bulb_protocol::gatt::uuid16;
use bulb_protocol::profile::{
    AdvertData, CharacteristicPath, DecodedCommand, Feature, Light, Mode, Profile, Relative, SentFrame,
    Trigger, VirtualBulb, WriteOutcome, builtin,
};

use edge::{colored, dim, percent, profile};

fn at(path: &str) -> CharacteristicPath {
    path.parse().unwrap()
}

fn bulb(profile: &Profile, light: Light) -> VirtualBulb {
    let table: Vec<_> = profile.table().into_iter().map(|(service, one, _)| (service, one)).collect();
    VirtualBulb::new(profile.clone(), &table, light)
}

fn sent(bulb: &mut VirtualBulb, trigger: Trigger<'_>) -> Vec<Vec<u8>> {
    bulb.status_frames(trigger).into_iter().map(|frame| frame.bytes).collect()
}

/// White is reported on a read only, so there is no frame for it when it changes.
const TWO_FRAMES: &str = "[can]\npower = {}\ncolor = {}\nwhite = {}\n\
    [commands]\npower = \"01 {power}\"\ncolor = \"02 {red} {green} {blue}\"\nwhite = \"03 {white}\"\n\
    [[report]]\nask = \"0A\"\non = [\"read\", \"command\", \"change\"]\nframe = \"A2 {red} {green} {blue}\"\n\
    [[report]]\non = [\"read\"]\nframe = \"A3 {white}\"\n";

#[test]
fn a_read_and_a_query_are_answered_in_every_mode_and_a_change_is_not() {
    let profile = profile(TWO_FRAMES);
    let light = Light { white: percent(40), mode: Some(Mode::White), ..colored(1, 2, 3) };
    let mut white = bulb(&profile, light.clone());
    assert_eq!(white.read(at("fff0/fff2")), Some(vec![0xA3, 40]));
    assert!(sent(&mut white, Trigger::Change).is_empty());
    assert!(sent(&mut white, Trigger::Command).is_empty());
    // There is no frame of white for this query: it answers with its colour.
    assert_eq!(sent(&mut white, Trigger::Query(0)), [[0xA2, 1, 2, 3]]);
    let mut color = bulb(&profile, Light { mode: Some(Mode::Color), ..light });
    assert_eq!(color.read(at("fff0/fff2")), Some(vec![0xA2, 1, 2, 3]));
    let frame = SentFrame { at: at("fff0/fff2"), bytes: vec![0xA2, 1, 2, 3] };
    assert_eq!(color.status_frames(Trigger::Change), [frame]);
    // What takes commands has no status to read, and another characteristic has nothing.
    assert_eq!((color.read(at("fff0/fff1")), color.read(at("fff0/fff9"))), (None, None));
}

#[test]
fn a_bulb_sends_its_status_when_its_profile_says() {
    for (on, command, change, read) in [
        ("[\"command\"]", true, false, false),
        // A command changes something, too.
        ("[\"change\"]", true, true, false),
        ("[\"read\"]", false, false, true),
        ("[\"maybe\"]", false, false, false),
    ] {
        let profile = profile(&format!(
            "[role.other]\nat = [\"fff0/fff3\"]\n[can]\npower = {{}}\n[commands]\npower = \"01 {{power}}\"\n\
             [[report]]\non = {on}\nframe = \"A0 {{power}}\"\n"
        ));
        let light = Light { power: Some(true), ..Light::default() };
        let sends = |trigger| !profile.status_frames(trigger, &light, 0).is_empty();
        let sent = (sends(Trigger::Command), sends(Trigger::Change), sends(Trigger::Read("status")));
        assert_eq!(sent, (command, change, read), "{on}");
        assert!(!sends(Trigger::Read("other")) && !sends(Trigger::Query(0)), "{on}");
    }
}

#[test]
fn a_write_is_the_command_that_fixes_most_of_its_bits_and_then_the_first() {
    let profile = profile(
        "[can]\npower = {}\nbrightness = {}\nwhite = {}\nspeed = {}\n[commands]\npower = \"01 {power}\"\n\
         brightness = \"02 {brightness} ??\"\nspeed = \"02 {speed} 09\"\nwhite = \"02 {white} ??\"\n",
    );
    for (bytes, light) in
        [([2, 50, 9], Light { speed: percent(50), ..Light::default() }), ([2, 50, 8], dim(50))]
    {
        assert_eq!(profile.decode_command("control", &bytes), Ok(DecodedCommand::Change(light)), "{bytes:?}");
    }
}

#[test]
fn a_virtual_bulb_says_what_became_of_a_write() {
    let profile = profile(TWO_FRAMES);
    let mut bulb = bulb(&profile, Light::default());
    let (control, status) = (at("fff0/fff1"), at("fff0/fff2"));
    assert!(bulb.has_role(control) && bulb.has_role(status) && !bulb.has_role(at("fff0/fff9")));
    for (path, bytes, accepted, outcome) in [
        (control, &[3, 40][..], Ok(()), WriteOutcome::Applied),
        (control, &[0x0A], Ok(()), WriteOutcome::Query(0)),
        // A wrong value has the error of the application, a wrong length that of the Bluetooth specification.
        (control, &[3, 101], Err(0x80), WriteOutcome::Ignored),
        (control, &[9, 9], Err(0x80), WriteOutcome::Ignored),
        (control, &[3, 40, 1], Err(0x0d), WriteOutcome::Ignored),
        (status, &[3, 41], Ok(()), WriteOutcome::Stored),
    ] {
        assert_eq!((bulb.accepts(path, bytes), bulb.write(path, bytes)), (accepted, outcome), "{bytes:?}");
    }
    assert_eq!(bulb.light(), &Light { white: percent(40), mode: Some(Mode::White), ..Light::default() });
    assert!(bulb.decode(status, &[3, 41]).is_none());
    assert_eq!(bulb.decode(control, &[3, 40]).map(|(role, _)| role), Some("control"));
}

#[test]
fn a_virtual_bulb_that_cannot_be_driven_takes_and_sends_nothing() {
    let mut profile = profile(TWO_FRAMES);
    profile.unsupported = Some("its frames are encrypted".to_owned());
    let mut bulb = bulb(&profile, colored(1, 2, 3));
    let control = at("fff0/fff1");
    assert_eq!(
        (bulb.accepts(control, &[3, 40]), bulb.write(control, &[3, 40])),
        (Err(0x80), WriteOutcome::Ignored)
    );
    assert_eq!(bulb.light(), &colored(1, 2, 3));
    assert!(sent(&mut bulb, Trigger::Change).is_empty());
}

#[test]
fn a_toggle_waits_for_the_first_writes_too() {
    let toggled =
        profile("[session]\nfirst = [{ frame = \"55\" }]\n[can]\npower = {}\n[commands]\ntoggle = \"01\"\n");
    let (control, light) = (at("fff0/fff1"), Light { power: Some(false), ..Light::default() });
    let mut bulb = bulb(&toggled, light);
    assert_eq!(bulb.write(control, &[1]), WriteOutcome::Ignored);
    // A first write is no command: it changes nothing.
    assert_eq!(bulb.write(control, &[0x55]), WriteOutcome::Ignored);
    assert_eq!(bulb.light().power, Some(false));
    assert_eq!(bulb.write(control, &[1]), WriteOutcome::Applied);
    assert_eq!(bulb.light().power, Some(true));
}

/// Tag, length and value: 2000 K is 500 mireds (01F4), candle is 1, and the speed goes up to 254.
#[test]
fn a_hue_bulb_reports_the_parts_of_its_mode() {
    let hue = builtin::load("hue", None).unwrap();
    let light = Light {
        power: Some(true),
        kelvin: Some(2000),
        effect: Some("candle".to_owned()),
        speed: percent(100),
        ..colored(255, 255, 255).merged(&dim(100))
    };
    let reported = |mode| {
        let light = Light { mode: Some(mode), ..light.clone() };
        hue.status_frames(Trigger::Read("combined"), &light, 0).remove(0).bytes
    };
    let common = [1, 1, 1, 2, 1, 254];
    // White is at 20495 and 21563 of 65535.
    let white = [4, 4, 0x0F, 0x50, 0x3B, 0x54];
    assert_eq!(reported(Mode::White), [&common[..], &[3, 2, 0xF4, 0x01]].concat());
    assert_eq!(reported(Mode::Color), [&common[..], &white].concat());
    assert_eq!(reported(Mode::Effect), [&common[..], &white, &[6, 1, 1, 8, 1, 254]].concat());
}

#[test]
fn a_virtual_bulb_counts_its_frames() {
    let lednetwf = builtin::load("lednetwf", None).unwrap();
    let mut bulb = bulb(&lednetwf, lednetwf.full_state(true));
    // The second byte is the number of the frame. There is one answer to a query.
    let numbers: Vec<u8> = (0..3).map(|_| sent(&mut bulb, Trigger::Query(0))[0][1]).collect();
    assert_eq!(numbers, [0, 1, 2]);
}

#[test]
fn a_virtual_bulb_echoes_the_commands_that_it_was_sent() {
    let bleddm = builtin::load("elk", Some("bleddm")).unwrap();
    let control = bleddm.role("control").unwrap().at[0];
    let mut bulb = bulb(&bleddm, bleddm.full_state(true));
    let colors = (0..20).map(|blue| {
        bleddm.encode(&colored(1, 2, blue), &Light::default(), 0).unwrap().writes.remove(0).bytes
    });
    let colors: Vec<Vec<u8>> = colors.collect();
    for color in &colors {
        assert_eq!(bulb.write(control, color), WriteOutcome::Applied);
    }
    assert!(sent(&mut bulb, Trigger::Change).is_empty());
    // It keeps 16, and sends each once.
    assert_eq!(sent(&mut bulb, Trigger::Command), colors[..16]);
    assert!(sent(&mut bulb, Trigger::Command).is_empty());
}

#[test]
fn a_virtual_bulb_advertises_its_present_state() {
    let profile = profile(
        "[can]\npower = {}\nbrightness = {}\n\
         [commands]\npower = \"01 {power}\"\nbrightness = \"02 {brightness}\"\n\
         [[advert]]\nservice_data = \"fd3d\"\nframe = \"EC ?? {power} {brightness} ...\"\n\
         [example]\nname = \"Edge-1\"\nservice = \"fd3d\"\nservice_data = \"EC 07 00 00 08 09\"\n",
    );
    let light = Light { power: Some(true), ..dim(50) };
    let mut bulb = bulb(&profile, light);
    let advert = |bytes: &[u8]| AdvertData {
        name: Some("Edge-1".to_owned()),
        service_data: vec![(uuid16(0xFD3D), bytes.to_vec())],
        ..AdvertData::default()
    };
    // The bytes that say nothing of the state are those of the example.
    assert_eq!(bulb.advertise(), advert(&[0xEC, 7, 1, 50, 8, 9]));
    bulb.set(Light { power: Some(false), ..dim(9) });
    assert_eq!(bulb.advertise(), advert(&[0xEC, 7, 0, 9, 8, 9]));
    // Without a brightness there is nothing to build: the example as it is.
    bulb.set(Light { power: Some(true), ..Light::default() });
    assert_eq!(bulb.advertise(), advert(&[0xEC, 7, 0, 0, 8, 9]));
}

#[test]
fn an_advertisement_that_means_on_or_off_is_of_that_state() {
    let profile = profile(
        "[can]\npower = {}\n[commands]\npower = \"01 {power}\"\n\
         [[advert]]\ncompany = [5, 7]\nframe = \"EC 0A\"\nmeans = { power = true }\n\
         [[advert]]\ncompany = 9\nframe = \"EC 0B\"\nmeans = { power = false }\n",
    );
    let advertised = |power| profile.advertise(&Light { power, ..Light::default() }).manufacturer;
    // The first of its companies, as the example has none.
    assert_eq!(advertised(Some(true)), [(5, vec![0xEC, 0x0A])]);
    assert_eq!(advertised(Some(false)), [(9, vec![0xEC, 0x0B])]);
    assert_eq!(advertised(None), []);
}

/// The steps of SP105E's scale are 0 to 6: of brightness, 17 % each.
#[test]
fn a_step_goes_to_the_next_number_and_stops_at_the_ends() {
    let sp105e = builtin::load("sp105e", None).unwrap();
    let step = |feature: Feature, up: bool, from: u16| {
        let light = Light::default().with_number(feature, from);
        sp105e.step(&light, Relative { feature, up }).number(feature)
    };
    for feature in [Feature::Brightness, Feature::Speed] {
        for (up, from, to) in [
            (true, 0, 17),
            (true, 17, 33),
            (true, 83, 100),
            (true, 100, 100),
            (false, 100, 83),
            (false, 17, 0),
            (false, 0, 0),
        ] {
            assert_eq!(step(feature, up, from), Some(to), "{feature} {up} {from}");
        }
    }
    let toggled = |power| {
        let light = Light { power, ..dim(9) };
        sp105e.step(&light, Relative { feature: Feature::Power, up: true })
    };
    assert_eq!(toggled(Some(true)), Light { power: Some(false), ..dim(9) });
    assert_eq!(toggled(Some(false)), Light { power: Some(true), ..dim(9) });
    assert_eq!(toggled(None), dim(9));
    // A level that is not known stays so.
    assert_eq!(step_of_nothing(&sp105e), Light::default());
}

fn step_of_nothing(profile: &Profile) -> Light {
    profile.step(&Light::default(), Relative { feature: Feature::Brightness, up: true })
}
