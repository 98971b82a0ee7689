//! Every file in fixtures/config: the valid ones load, each invalid one gives its message, with the file and the line.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};

use bulbctl::config::Config;

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/config").join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    assert!(!files.is_empty());
    files
}

#[test]
fn valid_files_load() {
    for file in files("valid") {
        Config::load(Some(&file)).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}

#[test]
fn invalid_files_say_where_and_why() {
    for file in files("invalid") {
        let expected = fs::read_to_string(file.with_extension("txt")).unwrap();
        let error = Config::load(Some(&file)).expect_err(&file.display().to_string());
        let text = error.to_string();
        assert!(text.contains(expected.trim_end_matches('\n')), "{}: {text}", file.display());
        assert!(text.contains(&file.display().to_string()), "{text}");
        assert_eq!(error.exit_code(), 2, "{text}");
    }
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let error = Config::load(Some(Path::new("/nowhere/bulbctl.toml"))).unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("usage.file", 2));
}
