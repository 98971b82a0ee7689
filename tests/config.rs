//! The configuration file: a table of mistakes with their messages, and the files in fixtures/config/valid.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::fs;
use std::path::Path;

use bulbctl::config::Config;

#[test]
fn each_mistake_has_its_message() {
    let fixture: toml::Table = include_str!("../fixtures/config/mistakes.toml").parse().unwrap();
    for mistake in fixture["mistake"].as_array().unwrap() {
        let text = mistake["file"].as_str().unwrap();
        let error = Config::parse(text, "config.toml").expect_err(text);
        let start = format!("config.toml: {}", mistake["error"].as_str().unwrap());
        assert!(error.to_string().starts_with(&start), "{text}: {error}");
        assert_eq!(error.exit_code(), 2, "{text}");
    }
}

#[test]
fn valid_files_load() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/config/valid");
    let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty());
    for file in files {
        Config::load(Some(&file)).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}

#[test]
fn a_named_file_must_exist_and_be_text() {
    let error = Config::load(Some(Path::new("/nowhere/bulbctl.toml"))).unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("usage.file", 2));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    fs::write(&file, b"adapter = \"\xff\"").unwrap();
    let error = Config::load(Some(&file)).unwrap_err();
    assert!(
        error.to_string().contains("not text in UTF-8") && error.to_string().contains("config.toml"),
        "{error}"
    );
    assert_eq!(error.exit_code(), 2);
}
