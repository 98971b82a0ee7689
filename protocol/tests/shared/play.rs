// Properties of every profile, for any bytes and any change. The property tests and the fuzz targets share them.
use bulb_protocol::Rgb;
use bulb_protocol::profile::{
    Advert, DecodedCommand, EncodeError, EncodedChange, Feature, Features, Key, Light, Mode, Profile,
    Trigger, builtin,
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
        profile.set_key(Key::new([0x42; Key::LEN]));
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
    bulb = carried_out(profile, &bulb, &encoded);
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
    for feature in changed.iter() {
        let only = bulb.only(Features::NONE.with(feature));
        if let Some(number) = bulb.number(feature) {
            least_change(profile, &bulb, &only.clone().with_number(feature, number.saturating_sub(1)));
            least_change(profile, &bulb, &only.with_number(feature, number.saturating_add(1)));
        } else if let Some(color) = only.color {
            let color = Some(Rgb { green: color.green ^ 2, ..color });
            least_change(profile, &bulb, &Light { color, ..only });
        }
    }
}

/// The state of a bulb after the frames of a change.
fn carried_out(profile: &Profile, bulb: &Light, encoded: &EncodedChange) -> Light {
    let mut bulb = bulb.clone();
    for write in &encoded.writes {
        match profile.decode_command(&write.role, &write.bytes) {
            Ok(DecodedCommand::Change(decoded)) => bulb.merge(&decoded),
            Ok(DecodedCommand::Relative(step)) => bulb = profile.step(&bulb, step),
            // What puts the bulb into the mode of the next frame.
            Ok(DecodedCommand::LinkRule) => {}
            other => panic!("{}: {:?} is decoded as {other:?}", profile.full_name(), write.bytes),
        }
    }
    bulb
}

/// A status after a small change agrees with it if the bulb carried it out. If the bulb ignored it, the status does not
/// agree, unless both are the same to the bulb.
fn least_change(profile: &Profile, bulb: &Light, change: &Light) {
    let changed = change.features();
    if profile.validate(change).is_err() {
        return;
    }
    let Ok(encoded) = profile.encode(change, bulb, 7) else { return };
    let after = carried_out(profile, bulb, &encoded);
    let name = profile.full_name();
    for (before, after) in statuses(profile, bulb).iter().zip(statuses(profile, &after)) {
        let disagree = |reported: &Light| {
            let assumed = &encoded.assumed;
            profile
                .mismatches(changed, assumed, reported)
                .or(profile.unchanged(changed, before, assumed, reported))
        };
        assert!(disagree(&after).is_empty(), "{name}: {bulb:?}, then {change:?}, reported as {after:?}");
        // A white of 0 % is reported as black, without a white.
        let knows = !before.features().and(after.features()).and(changed).is_empty();
        assert!(
            before == &after || !knows || !disagree(before).is_empty(),
            "{name}: {change:?} is ignored by {bulb:?}, which reports {before:?} and not {after:?}"
        );
    }
}
