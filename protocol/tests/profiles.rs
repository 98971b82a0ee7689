//! The profile files.
#![cfg(feature = "profiles")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use bulb_protocol::profile::{Family, builtin};

#[test]
fn every_built_in_file_and_variant_compiles() {
    for (name, text) in builtin::FILES {
        let family = Family::parse(text).unwrap_or_else(|error| panic!("{name}.toml: {error}"));
        assert_eq!(family.name(), *name);
        family.check_variants().unwrap_or_else(|error| panic!("{name}.toml: {error}"));
    }
}
