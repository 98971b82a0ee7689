//! Each sentence of the decisions in ARCHITECTURE.md names the tests that fail if it is untrue.

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

#[test]
fn every_sentence_of_the_decisions_names_its_test() {
    let page = read(Path::new("ARCHITECTURE.md"));
    let (_, decisions) = page.split_once("\n## Decisions\n").unwrap();
    let Table { sentence: rows } = toml::from_str(include_str!("decisions.toml")).unwrap();
    let said = sentences(decisions);
    for (row, said) in rows.iter().zip(&said) {
        assert_eq!(
            &row.says, said,
            "tests/docs/decisions.toml has the sentences of the page, in their order"
        );
    }
    assert_eq!(rows.len(), said.len(), "sentences of the page in tests/docs/decisions.toml");
    rows.iter().flat_map(|row| &row.shown).for_each(|test| named::assert_test(test));
    let without = rows.iter().filter(|row| row.shown.is_empty()).count();
    assert!(without < 10, "{without} sentences are only reasons");
}
