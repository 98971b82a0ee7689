//! What the real-stack run needs of Debian and of Python, installed or unpacked where it is missing.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::{cache, guest};
use crate::setup::{command, output, run};

/// Debian 12 packages: the machine, what runs in it, and what makes its first files.
const DEBIAN: &[&str] =
    &["bluez", "busybox-static", "cpio", "dbus", "kmod", "python3", "python3-pip", "qemu-system-x86"];

/// The package that depends on Debian's present kernel.
const KERNEL: &str = "linux-image-amd64";

/// Kernel modules, in the order of loading; their dependencies go before them. `drbg` needs its parts, and `bluetooth`
/// a random generator and `cmac`: without them the kernel has no LE security.
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

/// A kernel with the modules that we load.
#[derive(Debug)]
pub(super) struct Kernel {
    /// Its folder: `vmlinuz`, `order` (names of modules, one a line), `modules/NAME.ko`.
    pub(super) folder: PathBuf,
}

/// Installs the Debian packages that are missing.
pub(super) fn debian() -> Result<()> {
    let missing: Vec<_> = DEBIAN.iter().filter(|package| !is_installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("realstack: installs {missing:?}");
    let apt = |words: &[&str], packages: &[&&str]| {
        let mut command = command("apt-get");
        command.args(words).args(packages).env("DEBIAN_FRONTEND", "noninteractive");
        run(command.stdout(std::process::Stdio::null()))
    };
    let install = ["install", "--yes", "--no-install-recommends"];
    // The package lists of a fresh machine are empty or old.
    apt(&install, &missing).or_else(|_| apt(&["update"], &[]).and_then(|()| apt(&install, &missing)))
}

fn is_installed(package: &str) -> bool {
    output(command("dpkg-query").args(["--show", "--showformat", "${db:Status-Status}", package]))
        .is_ok_and(|(status, _)| status == "installed")
}

/// The folder with the Python packages, filled anew when the requirements have changed.
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
    // Only root can write there, and apt would say so.
    download.args(["--option", "APT::Sandbox::User=root", "--quiet=2", "download", &package]);
    run(download.current_dir(&scratch))?;
    let archive = only_file(&scratch)?;
    run(command("dpkg-deb").arg("--extract").arg(&archive).arg(&scratch))?;
    let release = package.strip_prefix("linux-image-").unwrap_or(&package);
    fs::copy(scratch.join("boot").join(format!("vmlinuz-{release}")), folder.join("vmlinuz"))
        .context("the kernel itself")?;
    let order = take_modules(&scratch, release, &folder.join("modules"))?;
    remove(&scratch)?;
    // Last: its presence says that all the rest is there.
    fs::write(folder.join("order"), order).context("order of modules")?;
    Ok(Kernel { folder })
}

/// The kernel package that Debian's present one is.
fn kernel_package() -> Result<String> {
    let (text, _) = output(command("apt-cache").args(["depends", KERNEL]))?;
    let name = text.lines().find_map(|line| line.trim().strip_prefix("Depends: linux-image-"));
    Ok(format!("linux-image-{}", name.with_context(|| format!("apt knows no {KERNEL}"))?))
}

fn only_file(folder: &Path) -> Result<PathBuf> {
    let mut files = fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path()));
    files.next().with_context(|| format!("nothing was downloaded to {}", folder.display()))
}

/// Copies the modules and all that they depend on; gives their names in the order of loading.
fn take_modules(root: &Path, release: &str, to: &Path) -> Result<String> {
    run(command("/usr/sbin/depmod").arg("--basedir").arg(root).arg(release))?;
    let mut order: Vec<String> = Vec::new();
    for module in MODULES {
        let mut ask = command("/usr/sbin/modprobe");
        ask.arg("--dirname").arg(root).args(["--set-version", release, "--show-depends", module]);
        let (text, _) = output(&mut ask)?;
        // Lines are `insmod FILE`, or `builtin NAME` for what the kernel has in itself.
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
