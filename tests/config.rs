//! The configuration file: a table of mistakes with their messages, and the files in fixtures/config/valid.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::fs;
use std::path::Path;

use bulb_protocol::profile::Key;
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
        let config = Config::load(Some(&file)).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let settings = bulbctl::tui::Settings::of(&config.tui);
        assert!(settings.is_ok(), "{}: {settings:?}", file.display());
    }
}

/// The file of a key is beside the configuration, and has hex digits or the bytes. Errors and debug output don't show keys.
#[test]
fn keys_come_from_the_configuration_or_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    let hex = "00112233445566778899aabbccddeeff";
    let key: Key = hex.parse().unwrap();
    fs::write(folder.path().join("hex.key"), format!("{hex}\n")).unwrap();
    let bytes: Vec<u8> = (0..16).map(|index| index * 0x11).collect();
    fs::write(folder.path().join("bytes.key"), bytes).unwrap();
    let text = "[keys]\na = \"00112233445566778899AABBCCDDEEFF\"\nb = { file = \"hex.key\" }\nc = { file = \"bytes.key\" }\n";
    fs::write(&config, text).unwrap();
    let loaded = Config::load(Some(&config)).unwrap();
    let keys = loaded.family_keys().unwrap();
    assert_eq!(keys.into_iter().collect::<Vec<_>>(), ["a", "b", "c"].map(|name| (name.to_owned(), key)));
    assert!(!format!("{loaded:?}").to_lowercase().contains("aabb"), "{loaded:?}");

    fs::write(folder.path().join("hex.key"), "00112233445566778899aabbccddee").unwrap();
    let wrong = loaded.family_keys().unwrap_err().to_string();
    assert!(
        wrong.contains("hex.key: a key is 32 hex digits, or 16 bytes") && !wrong.contains("aabb"),
        "{wrong}"
    );
    fs::remove_file(folder.path().join("hex.key")).unwrap();
    let missing = loaded.family_keys().unwrap_err();
    assert_eq!((missing.code(), missing.exit_code()), ("usage.file", 2));
    assert!(missing.to_string().contains("hex.key"), "{missing}");
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
