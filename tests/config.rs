//! The configuration file: a table of mistakes with their messages, and the files in fixtures/config/valid.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::fs;
use std::path::Path;

use bulbctl::config::Config;

/// Configuration files with one mistake each, and how their messages begin.
const MISTAKES: &[(&str, &str)] = &[
    ("adaptor = \"hci1\"", "line 1: unknown field `adaptor`, expected one of `adapter`, `timeout`, "),
    ("adapter = \"hci1\"\n[aliases", "line 2: "),
    ("[aliases]\ndesk = 3", "line 2: invalid type: integer `3`, expected a string"),
    ("[aliases]\nall = \"C4:11:00:00:00:01\"", "\"all\" cannot be the name of an alias or group"),
    ("[aliases]\n\"a,b\" = \"C4:11:00:00:00:01\"", "\"a,b\" cannot be the name of an alias or group"),
    ("[groups]\n\"\" = [\"desk\"]", "\"\" cannot be the name of an alias or group"),
    ("[groups]\noffice = \"desk\"", "line 2: invalid type: string \"desk\", expected a sequence"),
    (
        "[groups]\noffice = [\"@cellar\"]",
        "group \"office\" contains \"@cellar\", but there is no group \"cellar\"",
    ),
    ("adapter = \"hci1\"\ntimeout = \"10\"", "line 2: "),
    ("timeout = \"0s\"", "timeout must be longer than zero"),
    ("timeout = \"600000000years\"", "timeout must not exceed a year"),
    ("max_links = 0", "max_links must be at least 1"),
];

#[test]
fn each_mistake_has_its_message() {
    for (text, message) in MISTAKES {
        let error = Config::parse(text, "config.toml").expect_err(text);
        let start = format!("config.toml: {message}");
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
        error.to_string().contains("valid UTF-8") && error.to_string().contains("config.toml"),
        "{error}"
    );
    assert_eq!(error.exit_code(), 2);
}
