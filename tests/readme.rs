//! What README.md and docs/JSON.md show is what happens.
//!
//! Each block marked `console` is run: a line that starts with `$ ` is a command, of `bulbctl` alone (no pipes, no other
//! programs); the lines up to the next one are what it must write. `...` stands for any lines, `[..]` for anything within a
//! line, and `? 3` before the output for an exit code other than 0. All blocks share one world of virtual bulbs, from top to
//! bottom. A block marked `console,ignore` is for people only.

use std::fs;
use std::path::Path;

#[test]
fn blocks_of_the_readme() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = fs::read_to_string(&readme).unwrap();
    // trycmd is content with a file that has nothing to run.
    assert!(text.lines().any(|line| line == "```console"), "README.md shows no command");
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_str().unwrap();
    let cases = trycmd::TestCases::new();
    cases.register_bin("bulbctl", Path::new(env!("CARGO_BIN_EXE_bulbctl")));
    // Neither the user's own configuration nor the virtual bulbs' earlier state may show.
    for name in ["HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "BULBCTL_SIM_DIR"] {
        cases.env(name, home);
    }
    cases
        .env("NO_COLOR", "1")
        .timeout(std::time::Duration::from_secs(60))
        .case(readme)
        .case("docs/JSON.md")
        .run();
}
