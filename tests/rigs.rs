//! All rigs in fixtures/rigs: valid ones open, and each invalid one gives its message with the file and the line.

// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};

use bulbctl::radio::sim::{SimOptions, open};

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rigs").join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files
}

#[tokio::test]
async fn valid_rigs_open() {
    let dir = tempfile::tempdir().unwrap();
    let options = SimOptions { dir: Some(dir.path().to_owned()), log: None };
    let rigs = [files("."), files("scenarios"), files("faults"), files("defects")].concat();
    assert!(!rigs.is_empty());
    for file in rigs {
        match open(Some(&file), options.clone()).await {
            Err(error) if error.code() == "rig.invalid" => panic!("{}: {error}", file.display()),
            // With some rigs, Bluetooth is unusable.
            _ => {}
        }
    }
    open(None, options).await.unwrap();
}

#[tokio::test]
async fn invalid_rigs_say_where_and_why() {
    let rigs = files("invalid");
    assert!(!rigs.is_empty());
    for file in rigs {
        let error = open(Some(&file), SimOptions::default()).await.expect_err(&file.display().to_string());
        let text = error.to_string();
        if std::env::var_os("BLESS").is_some() {
            let detail = text.split_once(&format!("{}: ", file.display())).unwrap().1;
            fs::write(file.with_extension("txt"), format!("{detail}\n")).unwrap();
        }
        let expected = fs::read_to_string(file.with_extension("txt")).unwrap();
        assert!(text.ends_with(expected.trim_end_matches('\n')), "{}: {text}", file.display());
        assert!(text.contains(&file.display().to_string()), "{text}");
        assert_eq!(error.exit_code(), 2, "{text}");
    }
}

#[tokio::test]
async fn a_rig_that_was_named_must_be_there() {
    let error = open(Some(Path::new("/nowhere/rig.toml")), SimOptions::default()).await.unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("usage.file", 2));
}
