//! Shared by all commands: the workspace's folders, child processes, and tools to install.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_path_buf()
}

pub(crate) fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// A program that runs in the workspace's root, without input.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// The cargo that runs this program.
pub(crate) fn cargo() -> Command {
    let mut command = command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Set for this crate. Other crates must not see them: the build script of ring runs again if one of them changes, and
    // then everything above it is built again.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_MANIFEST_") || text.starts_with("CARGO_PKG_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Another xtask command, in its own process. It runs through cargo, because a build may have replaced the running file.
pub(crate) fn xtask() -> Command {
    let mut command = cargo();
    command.args(["run", "--quiet", "--locked", "--package", "xtask", "--"]);
    command
}

/// Runs a program and waits for it.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", shown(command)))?;
    ensure!(status.success(), "{} ended with {status}", shown(command));
    Ok(())
}

/// Runs a program and returns its stdout and stderr.
pub(crate) fn output(command: &mut Command) -> Result<(String, String)> {
    let output = command.output().with_context(|| format!("cannot start {}", shown(command)))?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{} ended with {}\n{stderr}", shown(command), output.status);
    let stdout = String::from_utf8(output.stdout).with_context(|| format!("output of {}", shown(command)))?;
    Ok((stdout, stderr))
}

pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut words = vec![program.file_name().unwrap_or(program.as_os_str()).to_string_lossy()];
    words.extend(command.get_args().map(OsStr::to_string_lossy));
    words.join(" ")
}

/// Installs the Debian package `package`, unless `program` is there already.
pub(crate) fn debian(program: &str, package: &str) -> Result<()> {
    if on_path(program).is_some() {
        return Ok(());
    }
    if on_path("apt-get").is_none() {
        bail!("{program} is missing. Install it, and try again");
    }
    install(&[package])
}

/// Installs the shells whose completion is tested. Returns false if that is not possible.
pub(crate) fn shells() -> bool {
    ["bash", "zsh", "fish"].into_iter().all(|shell| debian(shell, shell).is_ok())
}

/// Installs systemd, which checks the unit of the bridge. Returns false if that is not possible.
pub(crate) fn systemd() -> bool {
    debian("systemd-analyze", "systemd").is_ok()
}

/// Installs mosquitto and its clients, with which the bridge is tested. Returns false if that is not possible.
pub(crate) fn mosquitto() -> bool {
    // Debian has it in a folder that is not on every path.
    let broker = Path::new("/usr/sbin/mosquitto").is_file() || debian("mosquitto", "mosquitto").is_ok();
    broker && debian("mosquitto_rr", "mosquitto-clients").is_ok()
}

/// The target that this toolchain builds for.
pub(crate) fn host() -> Result<String> {
    let (text, _) = output(command("rustc").arg("-vV"))?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not say its host")?.to_owned())
}

pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let apt = |words: &[&str]| {
        let mut command = command("apt-get");
        run(command.args(words).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null()))
    };
    // Another step may be installing.
    let install =
        [&["-o", "DPkg::Lock::Timeout=300", "install", "--yes", "--no-install-recommends"], packages]
            .concat();
    // The package lists of a fresh machine are empty or old.
    apt(&install).or_else(|_| apt(&["update"]).and_then(|()| apt(&install)))
}

/// Builds the program for release. Returns its path.
pub(crate) fn release() -> Result<PathBuf> {
    run(cargo().args(["build", "--quiet", "--locked", "--release", "--package", "bulbctl"]))?;
    Ok(target().join("release").join("bulbctl"))
}

/// Installs a cargo tool of this version below the target folder, unless it is there already. Returns its path.
pub(crate) fn tool(name: &str, version: &str, options: &[&str]) -> Result<PathBuf> {
    let folder = target().join("tools");
    let installed = folder.join("bin").join(name);
    for candidate in [Some(installed.clone()), on_path(name)].into_iter().flatten() {
        if is_version(&candidate, version) {
            return Ok(candidate);
        }
    }
    let mut install = cargo();
    install
        .args(["install", "--quiet", "--locked", "--version", version, "--root"])
        .arg(&folder)
        .arg(name)
        .args(options);
    // It runs for a second: not worth optimising.
    install.args(["--debug", "--target-dir"]).arg(folder.join("build"));
    install.env("CARGO_PROFILE_DEV_DEBUG", "0");
    run(&mut install)?;
    Ok(installed)
}

fn is_version(program: &Path, version: &str) -> bool {
    let says = |words: &[&str]| {
        output(command(program).args(words))
            .is_ok_and(|(stdout, _)| stdout.split_whitespace().any(|word| word == version))
    };
    // Some know it only as the command of cargo that they are.
    let name = program.file_name().and_then(OsStr::to_str).unwrap_or_default();
    says(&["--version"]) || says(&[name.trim_start_matches("cargo-"), "--version"])
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}
