//! The profile files.
#![cfg(feature = "profiles")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;

use bulb_protocol::profile::{Family, builtin};

#[test]
fn every_built_in_file_and_variant_compiles() {
    for (name, text) in builtin::FILES {
        let family = Family::parse(text).unwrap_or_else(|error| panic!("{name}.toml: {error}"));
        assert_eq!(family.name(), *name);
        family.check_variants().unwrap_or_else(|error| panic!("{name}.toml: {error}"));
    }
}

/// A file that is wrong says where and why.
#[test]
fn every_kind_of_mistake_says_where_and_what_was_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/profiles/invalid");
    let mut failures = Vec::new();
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        files += 1;
        let expected = fs::read_to_string(path.with_extension("txt")).unwrap();
        let result =
            Family::parse(&fs::read_to_string(&path).unwrap()).and_then(|family| family.check_variants());
        let text = result.map_or_else(|error| error.to_string(), |()| "it loads".to_owned());
        if !text.contains(expected.trim_end()) {
            failures.push(format!("{}: {text}", path.display()));
        }
    }
    assert!(files > 60);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
