//! The known differences, with their reasons.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use wildmatch::WildMatch;

use super::cases::Line;

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
    /// Patterns of the models, if the cases are of models.
    #[serde(default)]
    models: Vec<String>,
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

    /// Returns the reason of a difference, if it is listed. Counts it for the first entry that fits.
    pub(super) fn take(&mut self, line: &Line, apart: Option<u8>) -> Option<&str> {
        let fits = |entry: &&mut Difference| {
            let of_model = |pattern: &String| WildMatch::new(pattern).matches(&line.model);
            entry.library == line.library
                && entry.profile == line.profile
                && (entry.models.is_empty() && line.model.is_empty() || entry.models.iter().any(of_model))
                && WildMatch::new(&entry.cases).matches(&line.case)
                && entry.within.is_none_or(|within| apart.is_some_and(|apart| apart <= within))
        };
        let entry = self.difference.iter_mut().find(fits)?;
        entry.found += 1;
        Some(&entry.why)
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
            let Difference { library, profile, models, cases, count, why, .. } = entry;
            let models = if models.is_empty() { String::new() } else { format!(": {}", models.join(", ")) };
            let _ = writeln!(text, "| {library} | `{profile}`{models} | `{cases}` | {count} | {why} |");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(library: &str, model: &str, case: &str) -> Line {
        let text = format!(r#"{{"library":"{library}","profile":"p","model":"{model}","case":"{case}"}}"#);
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn what_is_listed_has_to_be_there_and_no_more() {
        let text =
            "[[difference]]\nlibrary = \"a\"\nprofile = \"p\"\ncases = \"on *\"\ncount = 1\nwhy = \"x\"\n";
        let mut differences: Differences = toml::from_str(text).unwrap();
        assert_eq!(differences.take(&line("a", "", "off 1"), None), None);
        assert_eq!(differences.take(&line("b", "", "on 1"), None), None);
        assert_eq!(differences.take(&line("a", "H6008", "on 1"), None), None, "it is for no model");
        assert!(differences.all_found(&["a"]).is_err(), "it is gone");
        assert!(differences.all_found(&["b"]).is_ok(), "another library was asked");
        assert_eq!(differences.take(&line("a", "", "on 1"), None), Some("x"));
        assert!(differences.all_found(&["a"]).is_ok());
        assert_eq!(differences.take(&line("a", "", "on 2"), None), Some("x"));
        assert!(differences.all_found(&["a"]).is_err(), "there are more");
        differences.difference[0].within = Some(1);
        assert_eq!(differences.take(&line("a", "", "on 3"), Some(1)), Some("x"));
        assert_eq!(differences.take(&line("a", "", "on 3"), Some(2)), None, "too far apart");
        assert_eq!(differences.take(&line("a", "", "on 3"), None), None, "of another length");
        differences.difference[0].within = None;
        differences.difference[0].models = vec!["H60*".to_owned(), "H7001".to_owned()];
        assert_eq!(differences.take(&line("a", "H6008", "on 4"), None), Some("x"));
        assert_eq!(differences.take(&line("a", "H7002", "on 4"), None), None, "another model");
    }
}
