//! Builds the programs that run in the machine.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::setup::{cargo, output, run, target};

/// Builds the scenarios and the `bulbctl` that they run. Returns the suite's executable.
pub(super) fn scenarios() -> Result<PathBuf> {
    let mut build = cargo();
    build.args(["test", "--quiet", "--locked", "--no-run", "--test", "scenarios"]);
    // Diagnostics go to the terminal, the list of files to stdout.
    build.args(["--message-format", "json-render-diagnostics"]);
    let (messages, _) = output(&mut build)?;
    executable(&messages, "scenarios").context("cargo did not build the scenarios")
}

/// Builds `bulbctl` in the dev profile.
pub(super) fn debug() -> Result<PathBuf> {
    run(cargo().args(["build", "--quiet", "--locked", "--package", "bulbctl"]))?;
    Ok(target().join("debug").join("bulbctl"))
}

pub(super) fn virtual_bulbs() -> Result<PathBuf> {
    let mut build = cargo();
    build.args(["build", "--quiet", "--locked", "--package", "bulbctl", "--example", "virtual_bulbs"]);
    build.args(["--message-format", "json-render-diagnostics"]);
    let (messages, _) = output(&mut build)?;
    executable(&messages, "virtual_bulbs").context("cargo did not build virtual_bulbs")
}

fn executable(messages: &str, target: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message.pointer("/target/name").and_then(Value::as_str) == Some(target))
        .find_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_found_among_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"other"},"executable":"/x"}
not json
{"reason":"compiler-artifact","target":{"name":"scenarios"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"scenarios"},"executable":"/t/scenarios-1"}"#;
        assert_eq!(executable(messages, "scenarios"), Some(PathBuf::from("/t/scenarios-1")));
        assert_eq!(executable(messages, "none"), None);
    }
}
