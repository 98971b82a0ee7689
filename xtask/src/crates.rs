//! The crates as others get them: the oldest compiler for them, and what their packages hold.

use std::env;
use std::fs;
use std::process;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::setup::{cargo, command, output, run, target};

/// Compares the compiler that the workspace asks for with the compilers that its dependencies ask for.
pub(crate) fn rust_versions() -> Result<()> {
    let (metadata, _) =
        output(cargo().args(["metadata", "--locked", "--all-features", "--format-version=1"]))?;
    let metadata: Value = serde_json::from_str(&metadata).context("cargo metadata")?;
    let packages = metadata.get("packages").and_then(Value::as_array).context("cargo metadata")?;
    let ours = version(env!("CARGO_PKG_RUST_VERSION"));
    let newer: Vec<_> = packages.iter().filter_map(|package| newer(package, &ours)).collect();
    ensure!(newer.is_empty(), "rust-version in Cargo.toml is too low for {}", newer.join(", "));
    Ok(())
}

/// The package with its compiler, if that is newer than `ours`.
fn newer(package: &Value, ours: &[u32]) -> Option<String> {
    let text = |key| package.get(key).and_then(Value::as_str);
    let theirs = text("rust_version")?;
    (version(theirs).as_slice() > ours).then(|| format!("{} ({theirs})", text("name").unwrap_or_default()))
}

/// The numbers of a version, without zeros at the end, so that 1.89.0 is not newer than 1.89.
fn version(text: &str) -> Vec<u32> {
    let mut numbers: Vec<u32> = text.split('.').map_while(|number| number.parse().ok()).collect();
    while numbers.last() == Some(&0) {
        numbers.pop();
    }
    numbers
}

/// Packs both crates, builds each from its package, and runs the tests in that of the codec.
pub(crate) fn package() -> Result<()> {
    let mut package = cargo();
    package.args(["package", "--quiet", "--locked", "--allow-dirty"]);
    package.args(["--package", "bulb-protocol", "--package", "bulbctl"]);
    // The dependencies are built in that folder already.
    run(package.env("CARGO_TARGET_DIR", target()))?;
    let scratch = env::temp_dir().join(format!("bulbctl-package-{}", process::id()));
    fs::create_dir_all(&scratch).context("a folder for the package")?;
    let result = (|| {
        let name = concat!("bulb-protocol-", env!("CARGO_PKG_VERSION"));
        let archive = target().join("package").join(format!("{name}.crate"));
        run(command("tar").arg("--extract").arg("--file").arg(archive).arg("--directory").arg(&scratch))?;
        let mut test = cargo();
        test.args(["test", "--quiet", "--locked", "--all-features", "--tests"])
            .current_dir(scratch.join(name));
        run(test.env("CARGO_TARGET_DIR", target()).env("PROPTEST_RNG_SEED", "1"))
    })();
    fs::remove_dir_all(&scratch).context("removing the package")?;
    result
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_dependency_may_not_need_a_newer_compiler() {
        let ours = version("1.89");
        let of = |rust: Value| newer(&json!({ "name": "x", "rust_version": rust }), &ours);
        assert_eq!(of(json!("1.90.1")), Some("x (1.90.1)".to_owned()));
        assert_eq!(of(json!("1.89.1")), Some("x (1.89.1)".to_owned()));
        for old in [json!("1.89"), json!("1.89.0"), json!("1.9"), json!("1.88.2"), Value::Null] {
            assert_eq!(of(old), None);
        }
    }
}
