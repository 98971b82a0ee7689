//! Profile files: the built-in ones, and every kind of mistake.
#![cfg(feature = "profiles")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::fs;
use std::path::Path;

use bulb_protocol::profile::{Advert, Family, builtin};

#[test]
fn every_built_in_file_and_variant_compiles() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
    for name in builtin::names() {
        let text = fs::read_to_string(folder.join(name).with_extension("toml")).unwrap();
        let family = Family::parse(&text).unwrap_or_else(|error| panic!("{name}.toml: {error}"));
        assert_eq!(family.name(), name);
        family.validate_variants().unwrap_or_else(|error| panic!("{name}.toml: {error}"));
    }
}

#[derive(serde::Deserialize)]
struct Mistakes {
    valid: String,
    mistake: Vec<Mistake>,
}

#[derive(serde::Deserialize)]
struct Mistake {
    part: String,
    replacement: String,
    error: String,
}

#[test]
fn every_mistake_has_an_error_with_its_line() {
    let Mistakes { valid, mistake } = toml::from_str(include_str!("profile_mistakes.toml")).unwrap();
    let compile = |text: &str| Family::parse(text).and_then(|family| family.validate_variants());
    compile(&valid).unwrap();
    assert_eq!(all(&valid), Vec::<String>::new());
    for Mistake { part, replacement, error: expected } in mistake {
        assert!(valid.contains(&part), "{part}");
        let text = valid.replacen(&part, &replacement, 1);
        let found = all(&text);
        let has = found.iter().any(|error| error.starts_with(&expected));
        assert!(has, "{text}\n  has the errors {found:#?}\n  without    {expected}");
        // Whoever loads the file gets the first.
        assert_eq!(compile(&text).expect_err(&text).to_string(), found[0], "{text}");
    }
}

#[test]
fn the_limits_of_a_file_are_valid_and_the_next_number_is_not() {
    let Mistakes { valid, .. } = toml::from_str(include_str!("profile_mistakes.toml")).unwrap();
    let is_valid = |part: &str, by: &str| {
        let text = valid.replacen(part, by, 1);
        assert_ne!(text, valid);
        Family::parse(&text).and_then(|family| family.validate_variants()).is_ok()
    };
    let kelvin = |least: u32, most: u32| {
        let can = format!("kelvin = {{ range = [{least}, {most}] }}\n[commands]\nkelvin = '{{kelvin:le}}'\n");
        is_valid("[commands]\n", &can)
    };
    assert!(kelvin(1000, 20_000) && !kelvin(999, 20_000) && !kelvin(1000, 20_001));
    let score = |score: u32| is_valid("[role", &format!("[[match]]\nname = 'A*'\nscore = {score}\n[role"));
    assert!(score(1) && score(100) && !score(0) && !score(101));
    let longest = |length: u32| is_valid("[role", &format!("frame_length = {length}\n[role"));
    assert!(longest(512) && !longest(513));
    let bits = |bits: u32| is_valid("{power}", &format!("{{_:{bits}|power:{}}}", 32 - bits));
    assert!(bits(16) && !bits(15) && !bits(17));
    let share = |full: u32| {
        let can = format!("white = {{}}\n[commands]\nwhite = '{{white}} {{white/{full}}}'\n");
        is_valid("[commands]\n", &can)
    };
    assert!(share(1) && share(255) && !share(0) && !share(256));
    // Each variant is compiled from the whole file.
    let variants = |count: usize| {
        let variants: String = (0..count).map(|number| format!("[variant.v{number}]\n")).collect();
        let text = format!("{valid}{variants}");
        Family::parse(&text).err().map(|error| error.to_string())
    };
    assert_eq!(variants(300), None);
    assert_eq!(variants(301).as_deref(), Some("line 2: there are more than 300 variants"));
}

/// Every mistake of a file.
fn all(text: &str) -> Vec<String> {
    Family::mistakes(text).iter().map(ToString::to_string).collect()
}

#[test]
fn every_mistake_of_a_file_is_found_at_once() {
    let text = "profile = 1\nname = 'My Board'\ntitle = 'A board'\nmodels = ['?@x', 'A', 'A']\n\
                [[match]]\nname = 'X*'\nscore = 0\n\
                [role.control]\nat = ['fff0/fff1']\n[role.status]\nat = []\n\
                [can]\npower = { on = 1, off = 1 }\nbrightness = { range = [9, 1] }\ncolor = {}\nspeed = {}\n\
                [commands]\npower = '{power'\nblink = '55'\nwhite = '55'\n\
                [[report]]\nframe = 'AA'\n[[check]]\nname = 'X'\nabout = 'x'\n";
    let found = all(text);
    let lines: Vec<_> = found.iter().map(|error| error.split(':').next().unwrap_or_default()).collect();
    let expected = [2, 2, 4, 4, 7, 10, 13, 14, 18, 19, 20, 21, 24].map(|line| format!("line {line}"));
    assert_eq!(lines, expected, "{found:#?}");
    // The types of values come first: without them, nothing else can be said.
    let text = "profile = 'x'\nname = 3\ntitle = 'A'\n[role.control]\nat = ['fff0']\n[can]\nbrightness = { raw = [1] }\n";
    let found = all(text);
    assert_eq!(found.len(), 4, "{found:#?}");
}

/// The built-in profiles are kept in parts, which the build script makes. They must say what the files say.
#[test]
fn the_parts_of_a_built_in_file_say_what_it_says() {
    for name in builtin::names() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("profiles/{name}.toml"));
        let (file, parts) =
            (Family::parse(&fs::read_to_string(path).unwrap()).unwrap(), builtin::family(name).unwrap());
        let variants: Vec<_> = file.variants().collect();
        assert_eq!(parts.variants().collect::<Vec<_>>(), variants, "{name}");
        let names = variants.iter().map(|(variant, ..)| Some(*variant));
        for variant in std::iter::once(None).chain(names) {
            let profiles = [&file, &parts].map(|family| format!("{:?}", family.profile(variant).unwrap()));
            assert_eq!(profiles[0], profiles[1], "{name} {variant:?}");
        }
        let models = file.models();
        assert_eq!(parts.models(), models, "{name}");
        for known in models.iter().map(|known| &known.model) {
            let adverts = file.model_adverts(known);
            assert_eq!(parts.model_adverts(known), adverts, "{name} {known}");
            for data in adverts {
                let manufacturer: Vec<_> =
                    data.manufacturer.iter().map(|(company, data)| (*company, data.as_slice())).collect();
                let service_data: Vec<_> =
                    data.service_data.iter().map(|(service, data)| (*service, data.as_slice())).collect();
                let advert = Advert {
                    name: data.name.as_deref(),
                    services: &data.services,
                    manufacturer: &manufacturer,
                    service_data: &service_data,
                };
                assert_eq!(parts.recognise(&advert), file.recognise(&advert), "{name} {known}");
            }
            let named = |family: &Family| format!("{:?}", family.profile(Some(known)));
            assert_eq!(named(&parts), named(&file), "{name} {known}");
        }
        let error = |family: &Family| family.profile(Some("no-such")).unwrap_err();
        assert_eq!(error(&parts), error(&file), "{name}");
    }
}
