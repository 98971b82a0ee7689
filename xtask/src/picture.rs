//! `cargo xtask picture`: draws the picture of the TUI in README.md.

use std::fs;

use anyhow::{Context, Result};

use crate::setup::{cargo, output, root};

const PICTURE: &str = "docs/tui.svg";

/// Runs a session on virtual bulbs and draws its last screen.
pub(crate) fn run() -> Result<()> {
    let words = ["run", "--quiet", "--locked", "--package", "bulbctl", "--example", "picture"];
    let (svg, _) = output(cargo().args(words))?;
    fs::write(root().join(PICTURE), svg).context(PICTURE)
}
