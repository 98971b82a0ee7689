//! Each fact of a built-in profile is held by a vector that names its source: with a slip in the fact, a vector fails.
//!
//! docs/PROFILES.md lists the facts without one.
#![cfg(feature = "profiles")]
// Helpers of tests fail as tests do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

#[path = "shared/facts.rs"]
mod facts;
#[path = "shared/peers.rs"]
mod peers;
#[path = "shared/vectors.rs"]
mod vectors;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::rc::Rc;

use bulb_protocol::profile::{Family, FamilyMatch, builtin};
use facts::{Fact, Kind};

struct Checked {
    profile: String,
    fact: Fact,
    /// The slip, described.
    slip: String,
    witnessed: bool,
}

/// A model of another program, and what that program writes to it.
struct Peer {
    found: FamilyMatch,
    models: Rc<peers::Models>,
    device: usize,
}

impl Peer {
    /// Returns true if the family agrees with the peer's program in every case in which the built-in family does.
    fn agrees(&self, family: &Family) -> bool {
        let device = &self.models.devices[self.device];
        let profile = peers::driven(family, &self.found, device);
        let mut cases = self.models.cases.iter().filter(|case| case.differs.is_none());
        cases.all(|case| peers::same(profile.as_ref(), case, self.models.payload).is_ok())
    }
}

/// The models of other programs that a family drives: of those that are treated alike, one for each variant.
fn peers_of(family: &str) -> Vec<Peer> {
    let families = builtin::families().unwrap();
    let files = peers::all().into_iter().filter(|vectors| vectors.profile == family);
    let mut all: Vec<Peer> = Vec::new();
    for models in files.flat_map(|vectors| vectors.models) {
        let models = Rc::new(models);
        let mut variants = BTreeSet::new();
        for (place, device) in models.devices.iter().enumerate() {
            let found = peers::recognised(&families, device).filter(|found| found.family == family);
            if let Some(found) = found.filter(|found| variants.insert(found.variant.clone())) {
                all.push(Peer { found, models: Rc::clone(&models), device: place });
            }
        }
    }
    all
}

/// Tries a slip in every fact of every profile.
fn check_all() -> Vec<Checked> {
    let all = vectors::all();
    let check = |vectors: &vectors::Vectors| -> Vec<Checked> {
        let file = vectors::folder("profiles").join(&vectors.profile).with_extension("toml");
        let text = fs::read_to_string(file).unwrap();
        let whole = Family::parse(&text).unwrap();
        let failures = vectors.run(&whole, |_| true, false);
        assert!(failures.is_empty(), "{failures:?}");
        let variants = facts::Variants::of(&text);
        let resolved = vectors.variants(&whole);
        let peers = peers_of(&vectors.profile);
        let check = |fact: Fact| {
            let wrong = fact.slip(&text);
            // Only the vectors of this variant and of those that extend it can notice.
            let around = fact.variant.as_ref().map(|name| variants.around(name));
            let wrong = around.as_ref().map_or(wrong.clone(), |around| variants.reduced(&wrong, around));
            let is_around = |name: Option<&String>| {
                around.as_ref().is_none_or(|around| name.is_some_and(|name| around.contains(name)))
            };
            let concerned =
                |name: Option<&str>| is_around(name.and_then(|name| resolved.get(name)?.as_ref()));
            // A slip that is no profile any more is noticed when the file is read.
            let witnessed = Family::parse(&wrong).map_or(true, |family| {
                !vectors.run(&family, concerned, true).is_empty()
                    || peers
                        .iter()
                        .filter(|peer| is_around(peer.found.variant.as_ref()))
                        .any(|peer| !peer.agrees(&family))
            });
            Checked { profile: vectors.profile.clone(), slip: fact.describe(&text), fact, witnessed }
        };
        facts::of(&text).into_iter().map(check).collect()
    };
    // The largest file takes as long as all the others.
    std::thread::scope(|scope| {
        let (large, small): (Vec<_>, Vec<_>) = all.iter().partition(|vectors| vectors.profile == "govee");
        let large = scope.spawn(move || large.into_iter().flat_map(check).collect::<Vec<_>>());
        let mut checked: Vec<Checked> = small.into_iter().flat_map(check).collect();
        checked.extend(large.join().unwrap());
        checked
    })
}

#[test]
#[ignore = "takes a minute: cargo xtask test runs it"]
fn what_has_no_witness_is_listed() {
    let checked = check_all();
    if std::env::var_os("SLIPS").is_some() {
        print_figures(&checked);
    }
    let mut without = BTreeMap::<&str, Vec<&str>>::new();
    for one in checked.iter().filter(|one| !one.witnessed) {
        let keys = without.entry(&one.profile).or_default();
        if !keys.contains(&one.fact.key.as_str()) {
            keys.push(&one.fact.key);
        }
    }
    let mut rows = String::from("| profile | variant: facts |\n|---|---|\n");
    for (profile, keys) in without {
        // Those of a variant together.
        let mut variants = BTreeMap::<&str, Vec<&str>>::new();
        for key in keys {
            let (variant, fact) = key.split_once(": ").unwrap_or(("", key));
            variants.entry(variant).or_default().push(fact);
        }
        for (variant, facts) in variants {
            let name = if variant.is_empty() { profile.to_owned() } else { format!("{profile}:{variant}") };
            writeln!(rows, "| `{name}` | {} |", facts.join(", ")).unwrap();
        }
    }
    let page = vectors::folder("../docs/PROFILES.md");
    let known = fs::read_to_string(&page).unwrap();
    let (before, rest) = known.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let text = format!("{before}{BEGIN}{rows}{END}{after}");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&page, &text).unwrap();
    }
    assert!(
        known == text,
        "the list of facts without a witness in docs/PROFILES.md is out of date. Add a vector that has the fact and its \
         source. If there is no source: BLESS=1 cargo test -p bulb-protocol --all-features --test witnesses -- --ignored"
    );
}

const BEGIN: &str = "<!-- begin unwitnessed -->\n";
const END: &str = "<!-- end unwitnessed -->";

/// For `cargo xtask mutants`: the share of slips that are noticed, and those that are not.
fn print_figures(checked: &[Checked]) {
    for one in checked.iter().filter(|one| !one.witnessed) {
        println!("unnoticed: {}.toml {}", one.profile, one.slip);
    }
    let row = |what: &str, of: &dyn Fn(&Checked) -> bool| {
        let all: Vec<_> = checked.iter().filter(|one| of(one)).collect();
        let held = all.iter().filter(|one| one.witnessed).count();
        println!("| {what} | {held} | {} |", all.len());
    };
    for kind in Kind::ALL {
        row(kind.name(), &|one| one.fact.kind == kind);
    }
    let profiles: BTreeSet<&str> = checked.iter().map(|one| one.profile.as_str()).collect();
    for profile in profiles {
        row(&format!("`{profile}`"), &|one| one.profile == profile);
    }
    row("all", &|_| true);
}
