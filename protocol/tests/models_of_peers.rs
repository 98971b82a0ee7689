//! The vectors of `vectors/models`: what other programs write for the models that they know. The model and the variant are
//! found in the advertisement, as on a radio.
#![cfg(feature = "profiles")]
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "shared/peers.rs"]
mod peers;

use std::collections::BTreeSet;

use bulb_protocol::profile::builtin;

#[test]
fn every_model_of_other_programs_gets_its_frames() {
    let families = builtin::families().unwrap();
    let mut failures = Vec::new();
    for vectors in peers::all() {
        for models in &vectors.models {
            for device in &models.devices {
                let found = peers::recognised(&families, device);
                let profile = found.and_then(|found| {
                    let family = families.iter().find(|family| family.name() == found.family).unwrap();
                    peers::driven(family, &found, device)
                });
                if let Some(profile) = &profile {
                    assert_eq!(profile.name, vectors.profile, "{}", device.model);
                }
                for case in &models.cases {
                    let result = peers::same(profile.as_ref(), case, models.payload);
                    let failure = match (result, &case.differs) {
                        (Ok(()), None) | (Err(_), Some(_)) => continue,
                        (Ok(()), Some(why)) => format!("it is the same, despite: {why}"),
                        (Err(error), None) => error,
                    };
                    let asked = case.hex.as_deref().unwrap_or_default();
                    failures.push(format!("{} {} {asked}: {failure}", models.peer, device.model));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
}

/// Without the files, the test above would pass.
#[test]
fn the_models_are_there() {
    let models = |family: &str| {
        let files = peers::all().into_iter().filter(|vectors| vectors.profile == family);
        let devices = files.flat_map(|vectors| vectors.models).flat_map(|models| models.devices);
        devices.map(|device| device.model).collect::<BTreeSet<_>>().len()
    };
    for (family, least) in
        [("govee", 500), ("neewer", 60), ("lednetwf", 50), ("switchbot", 100), ("zengge", 5)]
    {
        assert!(models(family) >= least, "{family} has vectors for {} models", models(family));
    }
}
