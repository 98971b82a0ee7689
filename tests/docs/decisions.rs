//! Each sentence of the decisions in ARCHITECTURE.md, of docs/CHECKS.md and of docs/FAULTS.md names the tests that fail if it
//! is untrue.

use std::path::Path;

use super::{named, read};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    sentence: Vec<Sentence>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Sentence {
    says: String,
    #[serde(default)]
    shown: Vec<String>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Pages {
    page: Vec<Page>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    path: String,
    sentence: Vec<Sentence>,
}

/// The sentences of a text in Markdown, each on one line and without bold type.
fn sentences(text: &str) -> Vec<String> {
    let mut sentences = Vec::new();
    for paragraph in text.split("\n\n") {
        let words: Vec<&str> = paragraph.split_whitespace().collect();
        let text = words.join(" ").replace("**", "");
        let mut start = 0;
        for (at, _) in text.match_indices(' ') {
            let (before, after) = text.split_at(at);
            let begins = |c: char| c.is_ascii_uppercase() || c == '`' || c == '[';
            if before.ends_with(['.', '!', '?']) && after.trim_start().starts_with(begins) {
                sentences.extend(text.get(start..at).map(|one| one.trim().to_owned()));
                start = at;
            }
        }
        sentences.extend(text.get(start..).map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()));
    }
    sentences
}

/// The text of a page outside of its tables, headings, comments and blocks of code.
fn prose(page: &str) -> String {
    let mut in_code = false;
    let mut lines = Vec::new();
    for line in page.lines() {
        let fence = line.starts_with("```");
        in_code ^= fence;
        let is_prose = !in_code && !fence && !line.starts_with(['|', '#', '<']);
        lines.push(if is_prose { line } else { "" });
    }
    lines.join("\n")
}

/// Asserts that a table has the sentences of a page, and that the tests exist. Returns how many name none.
fn compare(rows: &[Sentence], said: &[String], table: &str) -> usize {
    for (row, said) in rows.iter().zip(said) {
        assert_eq!(&row.says, said, "{table} has the sentences of the page, in their order");
    }
    assert_eq!(rows.len(), said.len(), "sentences of the page in {table}");
    rows.iter().flat_map(|row| &row.shown).for_each(|test| named::assert_test(test));
    rows.iter().filter(|row| row.shown.is_empty()).count()
}

#[test]
fn every_sentence_of_the_decisions_names_its_test() {
    let page = read(Path::new("ARCHITECTURE.md"));
    let (_, decisions) = page.split_once("\n## Decisions\n").unwrap();
    let Table { sentence: rows } = toml::from_str(include_str!("decisions.toml")).unwrap();
    let without = compare(&rows, &sentences(decisions), "tests/docs/decisions.toml");
    assert!(without < 10, "{without} sentences are only reasons");
}

#[test]
fn every_sentence_about_checks_and_faults_names_its_test() {
    let Pages { page: pages } = toml::from_str(include_str!("pages.toml")).unwrap();
    let paths: Vec<&str> = pages.iter().map(|page| page.path.as_str()).collect();
    assert_eq!(paths, ["docs/CHECKS.md", "docs/FAULTS.md"]);
    let without = |page: &Page| {
        compare(&page.sentence, &sentences(&prose(&read(Path::new(&page.path)))), "tests/docs/pages.toml")
    };
    let without: usize = pages.iter().map(without).sum();
    assert!(without < 12, "{without} sentences are only reasons, measurements and introductions");
}
