//! What README.md, docs/JSON.md and the guides show is what happens.
//!
//! Each block marked `console` is run: a line that starts with `$ ` is a command, of `bulbctl` alone (no pipes, no other
//! programs); the lines up to the next one are what it must write. `...` stands for any lines, `[..]` for anything within a
//! line, and `? 3` before the output for an exit code other than 0. All blocks share one world of virtual bulbs, from top to
//! bottom. A block marked `console,ignore` is for people only.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use tempfile::TempDir;
use trycmd::TestCases;

/// Where the virtual bulbs of the pages live.
static HOME: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());

/// The guide to profiles, whose folder has the board that it is about.
const GUIDE: &str = "docs/guide/write-a-profile";

#[test]
fn blocks_of_the_readme() {
    cases(&["README.md", "docs/JSON.md"]).run();
}

#[test]
fn blocks_of_the_guide() {
    cases(&[&format!("{GUIDE}.md")]).run();
    let read = |path: String| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let file = read(format!("{GUIDE}.in/profiles/lb7.toml"));
    assert!(
        read(format!("{GUIDE}.md")).contains(&format!("```toml\n{file}```")),
        "the page shows another file"
    );
}

/// The pages, each with what it runs.
fn cases(pages: &[&str]) -> TestCases {
    let cases = TestCases::new();
    cases.register_bin("bulbctl", Path::new(env!("CARGO_BIN_EXE_bulbctl")));
    cases.env("NO_COLOR", "1").timeout(Duration::from_secs(60));
    // Neither the user's own configuration nor the virtual bulbs' earlier state may show.
    let folder = HOME.path().to_str().unwrap();
    for name in ["HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "BULBCTL_SIM_DIR"] {
        cases.env(name, folder);
    }
    for page in pages {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
        // trycmd is content with a file that has nothing to run.
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.lines().any(|line| line == "```console"), "{page} shows no command");
        cases.case(path);
    }
    cases
}
