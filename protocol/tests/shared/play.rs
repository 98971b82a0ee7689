// Properties of every profile, for any bytes and any change. The property tests and the fuzz targets share them.
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
    for profile in &mut profiles {
        profile.set_address([0xC4, 0x11, 0, 0, 0, 1]);
    }
    profiles
}

/// Both sides decode or refuse any bytes. A decoded status can be encoded again, with the same meaning.
pub(crate) fn bytes(profile: &Profile, bytes: &[u8]) {
    for role in &profile.roles {
        match profile.decode(&role.name, bytes) {
            Ok(light) => encodes_again(profile, &light),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
        match profile.decode_command(&role.name, bytes) {
            Ok(DecodedCommand::Change(light)) => is_valid(profile, &light),
            Ok(DecodedCommand::Query(query)) => assert!(query < profile.queries(0).len()),
            Ok(DecodedCommand::Relative(_) | DecodedCommand::LinkRule) => {}
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    for company in [0, 0x0969, 0x5A02] {
        let manufacturer = [(company, bytes)];
        let advert = Advert { manufacturer: &manufacturer, ..Advert::default() };
        if let Some(light) = profile.decode_advert(&advert) {
            encodes_again(profile, &light);
        }
    }
}

/// The statuses of a bulb in a decoded state agree with that state.
fn encodes_again(profile: &Profile, light: &Light) {
    for reported in statuses(profile, light) {
        let differ = profile.mismatches(light.features(), light, &reported);
        assert!(differ.is_empty(), "{}: {light:?} is reported as {reported:?}", profile.full_name());
    }
}

/// A decoded command only has values that can be set.
fn is_valid(profile: &Profile, light: &Light) {
    let mut change = light.clone();
    // A bulb without brightness decodes every colour at 100 %.
    if profile.scales_brightness() {
        change.brightness = None;
    }
    if change.features().iter().all(|feature| profile.settable().contains(feature)) {
        profile
            .validate(&change)
            .unwrap_or_else(|error| panic!("{}: {change:?}: {error}", profile.full_name()));
    }
}

/// Every status frame of a bulb in this state, decoded.
pub(crate) fn statuses(profile: &Profile, state: &Light) -> Vec<Light> {
    let queries = (0..profile.queries(0).len()).map(Trigger::Query);
    let reads = profile.roles.iter().map(|role| Trigger::Read(&role.name));
    let triggers = queries.chain(reads).chain([Trigger::Command, Trigger::Change]);
    let frames = triggers.flat_map(|trigger| profile.status_frames(trigger, state, 0));
    frames
        .map(|frame| {
            profile.decode(&frame.role, &frame.bytes).unwrap_or_else(|error| {
                panic!("{} cannot decode a status of its own: {error}", profile.full_name())
            })
        })
        .collect()
}

/// The bulb decodes an encoded change as that change, and reports it.
pub(crate) fn change(profile: &Profile, change: &Light) {
    let name = profile.full_name();
    if profile.unsupported.is_some() {
        assert!(profile.encode(change, &Light::default(), 0).is_err());
        return;
    }
    let mut bulb = profile.full_state(false);
    let encoded = match profile.encode(change, &bulb, 7) {
        Ok(encoded) => encoded,
        // Many bulbs cannot dim an effect, and some not the white of a colour temperature.
        Err(EncodeError::WrongMode { feature: Feature::Brightness, mode: Mode::Effect })
            if change.effect.is_some() =>
        {
            return;
        }
        Err(EncodeError::WrongMode { feature: Feature::Brightness, mode: Mode::White })
            if change.kelvin.is_some() && profile.scales_brightness() =>
        {
            return;
        }
        Err(error) => panic!("{name}: {change:?} is refused: {error}"),
    };
    for write in &encoded.writes {
        match profile.decode_command(&write.role, &write.bytes) {
            Ok(DecodedCommand::Change(decoded)) => bulb.merge(&decoded),
            Ok(DecodedCommand::Relative(step)) => bulb = profile.step(&bulb, step),
            // What puts the bulb into the mode of the next frame.
            Ok(DecodedCommand::LinkRule) => {}
            other => panic!("{name}: {change:?}: {:?} is decoded as {other:?}", write.bytes),
        }
    }
    // Where black is off, nothing tells black and white at 0 % from off.
    let black = encoded.writes.iter().filter(|write| write.bytes.starts_with(&[0; 4])).count();
    if profile.name == "playbulb" && black > usize::from(change.power == Some(false)) {
        return;
    }
    let changed = change.features();
    let differ = profile.mismatches(changed, &encoded.assumed, &bulb);
    assert!(differ.is_empty(), "{name}: {change:?} is decoded as {bulb:?}: {differ} differ");
    for reported in statuses(profile, &bulb) {
        let differ = profile.mismatches(changed, &encoded.assumed, &reported);
        assert!(differ.is_empty(), "{name}: {change:?} is reported as {reported:?}: {differ} differ");
    }
}
