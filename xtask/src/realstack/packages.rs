//! Installs or unpacks what the real-stack run needs from Debian and Python.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::{cache, guest};
use crate::setup::{self, command, output, run};

/// Debian 12 packages: for the machine, for the programs in it, and for its initramfs.
const DEBIAN: &[&str] = &[
    "bluez",
    "busybox-static",
    "cpio",
    "dbus",
    "kmod",
    "mosquitto",
    "mosquitto-clients",
    "python3",
    "python3-pip",
    "qemu-system-x86",
];

/// The package that depends on Debian's current kernel.
const KERNEL: &str = "linux-image-amd64";

/// Kernel modules in loading order, without their dependencies. `drbg` needs the two before it. Without a random number
/// generator and `cmac`, `bluetooth` has no LE security.
const MODULES: &[&str] = &[
    "virtio_pci",
    "9pnet_virtio",
    "9p",
    "overlay",
    "ctr",
    "sha512_generic",
    "drbg",
    "cmac",
    "ecb",
    "ccm",
    "algif_hash",
    "algif_skcipher",
    "bluetooth",
    "hci_vhci",
    "uhid",
];

#[derive(Debug)]
pub(super) struct Kernel {
    /// The folder with `vmlinuz`, `order` (the names of modules, one a line) and `modules/NAME.ko`.
    pub(super) folder: PathBuf,
}

pub(super) fn debian() -> Result<()> {
    let missing: Vec<_> = DEBIAN.iter().copied().filter(|package| !is_installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("realstack: installs {missing:?}");
    setup::install(&missing)
}

fn is_installed(package: &str) -> bool {
    output(command("dpkg-query").args(["--show", "--showformat", "${db:Status-Status}", package]))
        .is_ok_and(|(status, _)| status == "installed")
}

/// The folder with the Python packages, filled again when the requirements have changed.
pub(super) fn python() -> Result<PathBuf> {
    let requirements = guest().join("requirements.txt");
    let wanted = fs::read(&requirements).context("requirements.txt")?;
    let folder = cache().join("python");
    let stamp = folder.join("requirements.txt");
    if fs::read(&stamp).is_ok_and(|had| had == wanted) {
        return Ok(folder);
    }
    remove(&folder)?;
    let mut pip = command("/usr/bin/python3");
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check"]);
    pip.args(["--root-user-action=ignore", "--only-binary=:all:", "--target"]).arg(&folder);
    run(pip.arg("--requirement").arg(&requirements))?;
    fs::write(&stamp, wanted).context("stamp of the Python packages")?;
    Ok(folder)
}

/// The kernel, downloaded and unpacked the first time.
pub(super) fn kernel() -> Result<Kernel> {
    let folder = cache().join("kernel");
    if folder.join("order").is_file() {
        return Ok(Kernel { folder });
    }
    let scratch = cache().join("unpacked");
    remove(&folder)?;
    remove(&scratch)?;
    fs::create_dir_all(folder.join("modules"))?;
    fs::create_dir_all(&scratch)?;
    let package = kernel_package().or_else(|_| {
        run(command("apt-get").arg("update").stdout(std::process::Stdio::null()))?;
        kernel_package()
    })?;
    let mut download = command("apt-get");
    // apt warns if its unprivileged user cannot write to the folder.
    download.args(["--option", "APT::Sandbox::User=root", "--quiet=2", "download", &package]);
    run(download.current_dir(&scratch))?;
    let archive = only_file(&scratch)?;
    run(command("dpkg-deb").arg("--extract").arg(&archive).arg(&scratch))?;
    let release = package.strip_prefix("linux-image-").unwrap_or(&package);
    fs::copy(scratch.join("boot").join(format!("vmlinuz-{release}")), folder.join("vmlinuz"))
        .context("the kernel itself")?;
    let order = take_modules(&scratch, release, &folder.join("modules"))?;
    remove(&scratch)?;
    // Written last: if it exists, the kernel is complete.
    fs::write(folder.join("order"), order).context("order of modules")?;
    Ok(Kernel { folder })
}

/// The name of Debian's current kernel package.
fn kernel_package() -> Result<String> {
    let (text, _) = output(command("apt-cache").args(["depends", KERNEL]))?;
    let name = text.lines().find_map(|line| line.trim().strip_prefix("Depends: linux-image-"));
    Ok(format!("linux-image-{}", name.with_context(|| format!("apt does not know {KERNEL}"))?))
}

fn only_file(folder: &Path) -> Result<PathBuf> {
    let mut files = fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path()));
    files.next().with_context(|| format!("nothing was downloaded to {}", folder.display()))
}

/// Copies the modules and their dependencies. Returns their names in loading order.
fn take_modules(root: &Path, release: &str, to: &Path) -> Result<String> {
    run(command("/usr/sbin/depmod").arg("--basedir").arg(root).arg(release))?;
    let mut order: Vec<String> = Vec::new();
    for module in MODULES {
        let mut ask = command("/usr/sbin/modprobe");
        ask.arg("--dirname").arg(root).args(["--set-version", release, "--show-depends", module]);
        let (text, _) = output(&mut ask)?;
        // A line is `insmod FILE`, or `builtin NAME` for code in the kernel itself.
        for file in text.lines().filter_map(|line| line.strip_prefix("insmod ")) {
            let file = Path::new(file.trim());
            let name = file.file_stem().context("a module without a name")?.to_string_lossy().into_owned();
            if !order.contains(&name) {
                fs::copy(file, to.join(format!("{name}.ko"))).with_context(|| file.display().to_string())?;
                order.push(name);
            }
        }
    }
    ensure!(order.iter().any(|name| name == "hci_vhci"), "the kernel has no virtual HCI");
    Ok(order.join("\n") + "\n")
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| folder.display().to_string())
        }
        _ => Ok(()),
    }
}
