//! Tries what `cargo xtask dist` made: the package in a new Debian, the static program in a folder without anything else.

use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{VERSION, folder, fresh};
use crate::setup::{self, command, output, run, target};

/// Files that the package installs, besides the program: one of each kind.
const INSTALLED: &[&str] = &[
    "usr/share/man/man1/bulbctl.1.gz",
    "usr/share/man/man1/bulbctl-set.1.gz",
    "usr/share/bash-completion/completions/bulbctl",
    "usr/share/zsh/vendor-completions/_bulbctl",
    "usr/share/fish/vendor_completions.d/bulbctl.fish",
    "usr/lib/systemd/system/bulbctl-bridge.service",
    "usr/share/doc/bulbctl/copyright",
    "usr/share/doc/bulbctl/changelog.Debian.gz",
    "usr/share/doc/bulbctl/changelog.gz",
];

/// A new Debian in a folder, of the release of this machine. Needs root.
pub(super) struct Debian {
    root: PathBuf,
    making: Child,
}

impl Debian {
    /// Starts to make it from the packages of the mirror.
    pub(super) fn begin() -> Result<Self> {
        setup::debian("mmdebstrap", "mmdebstrap")?;
        let root = target().join("dist-test").join("debian");
        fresh(&root)?;
        let release = fs::read_to_string("/etc/os-release").context("/etc/os-release")?;
        let release = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
        let mut make = command("mmdebstrap");
        make.args(["--quiet", "--mode=root", "--variant=apt", "--skip=cleanup/apt"]);
        // Nothing of this machine belongs in there; and containers may not mount.
        make.arg("--skip=chroot/mount");
        make.arg(release.context("this system has no code name")?).arg(&root);
        let making = make.spawn().context("mmdebstrap")?;
        Ok(Self { root, making })
    }

    /// Installs the package, looks for its files, runs the program, and removes the package again.
    pub(super) fn try_package(mut self, package: &Path) -> Result<()> {
        ensure!(self.making.wait().context("mmdebstrap")?.success(), "mmdebstrap failed");
        fs::copy(package, self.root.join("bulbctl.deb")).context("the package")?;
        let mut install = self.inside("apt-get");
        install.args([
            "install",
            "--yes",
            "--no-install-recommends",
            "--option",
            "Dpkg::Use-Pty=0",
            "/bulbctl.deb",
        ]);
        run(install.env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null()))?;
        for file in INSTALLED {
            ensure!(self.root.join(file).is_file(), "the package installs no /{file}");
        }
        scans(self.inside("bulbctl"))?;
        let completion = INSTALLED.iter().find(|file| file.contains("bash")).context("a completion")?;
        run(self
            .inside("bash")
            .args(["-c", &format!("source /{completion} && complete -p bulbctl >/dev/null")]))?;
        run(self.inside("dpkg").args(["--purge", "bulbctl"]).stdout(Stdio::null()))?;
        ensure!(!self.root.join("usr/bin/bulbctl").exists(), "the package leaves its program behind");
        fs::remove_dir_all(&self.root).context("removing the Debian")?;
        println!("the package installs into a new Debian, runs there, and goes again");
        Ok(())
    }

    fn inside(&self, program: &str) -> Command {
        inside(&self.root, program)
    }
}

impl Drop for Debian {
    /// Waits for the end, so that nothing writes into the folder afterwards.
    fn drop(&mut self) {
        let _ = self.making.wait();
    }
}

/// Unpacks the archive, and runs the program in a folder where it is the only file: there is no libc. Then there is a
/// module that glibc would load to look up a user or a host, which the program must not: see xtask/static.
pub(super) fn try_archive(archive: &Path) -> Result<()> {
    run(command("sha256sum").args(["--quiet", "--check", "SHA256SUMS"]).current_dir(folder()))?;
    let scratch = target().join("dist-test").join("static");
    fresh(&scratch)?;
    run(command("tar").arg("--extract").arg("--file").arg(archive).arg("--directory").arg(&scratch))?;
    let unpacked = scratch.join(format!("bulbctl-{VERSION}-{ARCH}-linux"));
    let alone = scratch.join("alone");
    fs::create_dir_all(&alone).context("an empty folder")?;
    fs::rename(unpacked.join("bulbctl"), alone.join("bulbctl")).context("the program in the archive")?;
    scans(inside(&alone, "/bulbctl"))?;
    fs::create_dir_all(alone.join("etc")).context("a folder for the module")?;
    fs::create_dir_all(alone.join("lib")).context("a folder for the module")?;
    fs::write(alone.join("etc/nsswitch.conf"), "passwd: trap\ngroup: trap\nhosts: trap\n")
        .context("nsswitch.conf")?;
    let mut module = command("cc");
    module.args(["-shared", "-nostdlib", "-fPIC", "xtask/static/trap.c", "-o"]);
    run(module.arg(alone.join("lib/libnss_trap.so.2")))?;
    // Without HOME it looks the user up.
    scans(inside(&alone, "/bulbctl"))?;
    fs::remove_dir_all(&scratch).context("removing what was unpacked")?;
    println!("the static program runs without any library");
    Ok(())
}

/// A program that takes this folder for the root of the file system, and knows nothing of this machine.
fn inside(root: &Path, program: &str) -> Command {
    let mut command = command("/usr/sbin/chroot");
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").arg(root).arg(program);
    command
}

/// Scans for virtual bulbs, and reads what it prints.
fn scans(mut bulbctl: Command) -> Result<()> {
    let (lines, _) = output(bulbctl.args(["--adapter", "sim", "scan", "--json"]))?;
    let records = lines.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>();
    let records = records.context("the scan printed no JSON")?;
    let found = |name: &str| records.iter().any(|record| record.get("name") == Some(&name.into()));
    ensure!(found("Light-Desk") && found("Light-Shelf"), "the scan found no virtual bulbs:\n{lines}");
    Ok(())
}
