// What holds for every profile, whatever bytes or values it is given: for the properties and for the fuzzer.
use bulb_protocol::profile::{
    Advert, DecodedCommand, EncodeError, Feature, Light, Mode, Profile, Trigger, builtin,
};

/// Every built-in profile, with every variant.
pub(crate) fn profiles() -> Vec<Profile> {
    let mut profiles = Vec::new();
    for family in builtin::families().unwrap() {
        profiles.push(family.profile(None).unwrap());
        let variants: Vec<String> = family.variants().map(|(name, ..)| name.to_owned()).collect();
        profiles.extend(variants.iter().map(|variant| family.profile(Some(variant)).unwrap()));
    }
    profiles
}

/// Any bytes are read or refused, by either side. What is read can be told again, and says the same.
pub(crate) fn bytes(profile: &Profile, bytes: &[u8]) {
    for role in &profile.roles {
        match profile.decode(&role.name, bytes) {
            Ok(light) => told_again(profile, &light),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
        match profile.decode_command(&role.name, bytes) {
            Ok(DecodedCommand::Change(light)) => obeyed(profile, &light),
            Ok(DecodedCommand::Query(question)) => assert!(question < profile.queries(0).len()),
            Ok(DecodedCommand::LinkRule) => {}
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    for company in [0, 0x0969, 0x5A02] {
        let manufacturer = [(company, bytes)];
        let advert = Advert { manufacturer: &manufacturer, ..Advert::default() };
        if let Some(light) = profile.decode_advert(&advert) {
            told_again(profile, &light);
        }
    }
}

/// A lamp in a state that was reported reports one that does not disagree with it.
fn told_again(profile: &Profile, light: &Light) {
    for reported in told(profile, light) {
        let differ = profile.mismatches(light.features(), light, &reported);
        assert!(differ.is_empty(), "{}: {light:?} is told as {reported:?}", profile.full_name());
    }
}

/// What a lamp can do when it is told, a program can ask for: the values are in the declared ranges.
fn obeyed(profile: &Profile, light: &Light) {
    let mut asked = light.clone();
    // A lamp without a brightness of its own hears of full colour.
    if profile.scales_brightness() {
        asked.brightness = None;
    }
    if asked.features().iter().all(|item| profile.settable().contains(item)) {
        profile
            .validate(&asked)
            .unwrap_or_else(|refusal| panic!("{}: {asked:?}: {refusal}", profile.full_name()));
    }
}

/// All that a lamp in this state says, decoded.
pub(crate) fn told(profile: &Profile, state: &Light) -> Vec<Light> {
    let questions = (0..profile.queries(0).len()).map(Trigger::Query);
    let reads = profile.roles.iter().map(|role| Trigger::Read(&role.name));
    let occasions = questions.chain(reads).chain([Trigger::Command, Trigger::Change]);
    let answers = occasions.flat_map(|occasion| profile.status_frames(occasion, state, 0));
    answers
        .map(|answer| {
            profile.decode(&answer.role, &answer.bytes).unwrap_or_else(|error| {
                panic!("{} cannot read what its lamp says: {error}", profile.full_name())
            })
        })
        .collect()
}

/// A change is encoded, heard by the lamp as what it is, and reported as it was asked for.
pub(crate) fn change(profile: &Profile, change: &Light) {
    let name = profile.full_name();
    if profile.unsupported.is_some() {
        assert!(profile.encode(change, &Light::default(), 0).is_err());
        return;
    }
    let mut lamp = profile.full_state(false);
    let sent = match profile.encode(change, &lamp, 7) {
        Ok(sent) => sent,
        // Many lamps cannot dim an effect.
        Err(EncodeError::WrongMode { feature: Feature::Brightness, mode: Mode::Effect })
            if change.effect.is_some() =>
        {
            return;
        }
        Err(refusal) => panic!("{name}: {change:?} is refused: {refusal}"),
    };
    for write in &sent.writes {
        match profile.decode_command(&write.role, &write.bytes) {
            Ok(DecodedCommand::Change(heard)) => lamp.merge(&heard),
            other => panic!("{name}: {change:?}: {:?} is heard as {other:?}", write.bytes),
        }
    }
    // Where off is black, nothing tells them apart; and white of no level is black too.
    let black = sent.writes.iter().filter(|write| write.bytes.starts_with(&[0; 4])).count();
    if profile.name == "playbulb" && black > usize::from(change.power == Some(false)) {
        return;
    }
    let asked = change.features();
    let differ = profile.mismatches(asked, &sent.assumed, &lamp);
    assert!(differ.is_empty(), "{name}: {change:?} is heard as {lamp:?}: {differ} differ");
    for reported in told(profile, &lamp) {
        let differ = profile.mismatches(asked, &sent.assumed, &reported);
        assert!(differ.is_empty(), "{name}: {change:?} is reported as {reported:?}: {differ} differ");
    }
}
