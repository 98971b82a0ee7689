//! Profile files: the built-in ones, and every kind of mistake.
#![cfg(feature = "profiles")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use bulb_protocol::profile::{Family, builtin};

#[test]
fn every_built_in_file_and_variant_compiles() {
    for (name, text) in builtin::FILES {
        let family = Family::parse(text).unwrap_or_else(|error| panic!("{name}.toml: {error}"));
        assert_eq!(family.name(), *name);
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
    for Mistake { part, replacement, error: expected } in mistake {
        assert!(valid.contains(&part), "{part}");
        let text = valid.replacen(&part, &replacement, 1);
        let error = compile(&text).expect_err(&text).to_string();
        assert!(error.starts_with(&expected), "{text}\n  has the error {error}\n  instead of    {expected}");
    }
}
