//! Tests of the Markdown pages: the commands that they show, their links, and their layout.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod console;
mod decisions;
#[path = "../named/mod.rs"]
mod named;
mod prose;
mod traps;

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<PathBuf> {
    files("", ".md")
}

/// All files below the folder whose names end like this, as paths below the root.
fn files(folder: &str, end: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if name.ends_with(end) {
                files.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    files.sort();
    assert!(files.len() > 10, "{files:?}");
    files
}

fn read(page: &Path) -> String {
    fs::read_to_string(root().join(page)).unwrap()
}
