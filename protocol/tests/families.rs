//! The vectors of `vectors` in both directions, except those of the base codec.
#![cfg(feature = "profiles")]
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "shared/vectors.rs"]
mod vectors;

use bulb_protocol::profile::builtin;

#[test]
fn every_vector_holds() {
    let all = vectors::all();
    let run = |vectors: &vectors::Vectors| {
        vectors.run(&builtin::family(&vectors.profile).unwrap(), |_| true, false)
    };
    let failures: Vec<String> = all.iter().flat_map(run).collect();
    let has = |name: &str| name == "base" || all.iter().any(|vectors| vectors.profile == name);
    let without: Vec<_> = builtin::names().filter(|name| !has(name)).collect();
    assert!(without.is_empty(), "no vectors for {without:?}");
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
}
