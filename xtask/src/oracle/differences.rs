//! The known differences, with their reasons.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use wildmatch::WildMatch;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Differences {
    #[serde(default)]
    difference: Vec<Difference>,
}

/// Cases that differ for the same reason.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    library: String,
    profile: String,
    cases: String,
    /// Number of them that differ. Others may agree by chance.
    count: usize,
    /// Greatest difference of a byte, if the reason is rounding.
    within: Option<u8>,
    why: String,
    #[serde(skip)]
    found: usize,
}

impl Differences {
    pub(super) fn load(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        toml::from_str(&text).with_context(|| path.display().to_string())
    }

    /// Returns true if the difference is listed. Counts it for the first entry that fits.
    pub(super) fn take(&mut self, library: &str, profile: &str, case: &str, apart: Option<u8>) -> bool {
        let fits = |entry: &&mut Difference| {
            entry.library == library
                && entry.profile == profile
                && WildMatch::new(&entry.cases).matches(case)
                && entry.within.is_none_or(|within| apart.is_some_and(|apart| apart <= within))
        };
        let entry = self.difference.iter_mut().find(fits);
        entry.map(|entry| entry.found += 1).is_some()
    }

    /// Checks that all listed differences of these libraries were found, as often as listed.
    pub(super) fn all_found(&self, asked: &[&str]) -> Result<()> {
        for entry in self.difference.iter().filter(|entry| asked.contains(&entry.library.as_str())) {
            ensure!(
                entry.found == entry.count,
                "differences.toml says that {} cases of {} {} {:?} differ; now it is {}",
                entry.count,
                entry.library,
                entry.profile,
                entry.cases,
                entry.found
            );
        }
        Ok(())
    }

    pub(super) fn table(&self) -> String {
        let mut text =
            String::from("| library | profile | cases | different | why |\n|---|---|---|---:|---|\n");
        for entry in &self.difference {
            let Difference { library, profile, cases, count, why, .. } = entry;
            let _ = writeln!(text, "| {library} | `{profile}` | `{cases}` | {count} | {why} |");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listed_has_to_be_there_and_no_more() {
        let text =
            "[[difference]]\nlibrary = \"a\"\nprofile = \"p\"\ncases = \"on *\"\ncount = 1\nwhy = \"x\"\n";
        let mut differences: Differences = toml::from_str(text).unwrap();
        assert!(!differences.take("a", "p", "off 1", None));
        assert!(!differences.take("b", "p", "on 1", None));
        assert!(differences.all_found(&["a"]).is_err(), "it is gone");
        assert!(differences.all_found(&["b"]).is_ok(), "another library was asked");
        assert!(differences.take("a", "p", "on 1", None));
        assert!(differences.all_found(&["a"]).is_ok());
        assert!(differences.take("a", "p", "on 2", None));
        assert!(differences.all_found(&["a"]).is_err(), "there are more");
        differences.difference[0].within = Some(1);
        assert!(differences.take("a", "p", "on 3", Some(1)));
        assert!(!differences.take("a", "p", "on 3", Some(2)), "too far apart");
        assert!(!differences.take("a", "p", "on 3", None), "of another length");
    }
}
