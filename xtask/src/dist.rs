//! `cargo xtask dist`: the files that people install, in target/dist.

mod install;

use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};

use crate::bench::program;
use crate::setup::{self, cargo, command, output, root, run as run_command, target};

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The version of cargo-deb that Cargo.toml's `package.metadata.deb` is for.
const CARGO_DEB: &str = "3.8.0";
/// As in `package.metadata.deb`.
const MAINTAINER: &str = "The bulbctl contributors <bulbctl@contributors.invalid>";
const CARGO_CYCLONEDX: &str = "0.5.9";

/// Options of `cargo xtask dist`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Install the package into a new Debian, and run both programs
    #[arg(long)]
    test: bool,
    /// Do not optimise the program, to try the rest in a tenth of the time
    #[arg(long)]
    dev: bool,
}

/// The profile of the program.
#[derive(Clone, Copy)]
struct Profile {
    name: &'static str,
    /// Its folder in the target folder.
    folder: &'static str,
    /// For rustc, and the program alone.
    flags: &'static [&'static str],
}

const RELEASE: Profile = Profile { name: "release", folder: "release", flags: &[] };
const DEV: Profile = Profile { name: "dev", folder: "debug", flags: &["-C", "strip=symbols"] };

impl Profile {
    fn folder(self) -> PathBuf {
        target().join(self.folder)
    }

    /// Builds the program, with the system's libraries. Returns its path.
    fn build(self) -> Result<PathBuf> {
        self.build_with(&[])
    }

    /// Builds the program with all libraries in it, in place of the other. Only the program itself is compiled for that,
    /// because it decides how all are linked.
    fn build_static(self) -> Result<PathBuf> {
        let names = self.folder().join("names.o");
        run_command(command("cc").args(["-O2", "-Wall", "-c", "xtask/static/names.c", "-o"]).arg(&names))?;
        let names = format!("link-arg={}", names.display());
        self.build_with(&["-C", "target-feature=+crt-static", "-C", &names])
    }

    fn build_with(self, flags: &[&str]) -> Result<PathBuf> {
        let mut build = cargo();
        build.args(["rustc", "--quiet", "--locked", "--package", "bulbctl", "--bin", "bulbctl"]);
        build.args(["--profile", self.name, "--"]).args(self.flags);
        run_command(build.args(flags))?;
        Ok(self.folder().join("bulbctl"))
    }
}

/// The programs of others that make the files.
struct Tools {
    deb: PathBuf,
    cyclonedx: PathBuf,
}

/// The paths of what `make` made.
struct Made {
    package: PathBuf,
    archive: PathBuf,
}

/// Makes the files, and tries them if asked to.
pub(crate) fn run(options: &Options) -> Result<()> {
    ensure!(cfg!(target_os = "linux"), "packages can only be made on Linux");
    let profile = if options.dev { DEV } else { RELEASE };
    // The end of a release build is a single thread, so the rest is prepared meanwhile.
    let (prepared, bulbctl) = thread::scope(|scope| {
        let prepared = scope.spawn(|| prepare(options));
        let bulbctl = profile.build();
        (prepared.join(), bulbctl)
    });
    let (tools, debian) = prepared.map_err(|_| anyhow!("the preparation panicked"))??;
    let bulbctl = bulbctl?;
    if !options.dev {
        program::bytes(&bulbctl)?;
    }
    let made = make(profile, &bulbctl, &tools)?;
    if let Some(debian) = debian {
        debian.try_package(&made.package)?;
        install::try_archive(&made.archive)?;
    }
    Ok(())
}

/// Makes and tries the packages. Without optimisation, which would take most of ten minutes; releases have it.
pub(crate) fn try_packages() -> Result<()> {
    run(&Options { test: true, dev: true })
}

fn prepare(options: &Options) -> Result<(Tools, Option<install::Debian>)> {
    // It names the packages of the libraries that the program needs.
    setup::debian("dpkg-shlibdeps", "dpkg-dev")?;
    let debian = if options.test { Some(install::Debian::begin()?) } else { None };
    let tools = Tools {
        deb: setup::tool("cargo-deb", CARGO_DEB, &["--no-default-features"])?,
        cyclonedx: setup::tool("cargo-cyclonedx", CARGO_CYCLONEDX, &[])?,
    };
    Ok((tools, debian))
}

fn folder() -> PathBuf {
    target().join("dist")
}

fn make(profile: Profile, bulbctl: &Path, tools: &Tools) -> Result<Made> {
    let folder = folder();
    fresh(&folder)?;
    let usr = installed(bulbctl)?;
    let package = package(&folder, tools)?;
    // It replaces the program that links the system's libraries.
    let archive = archive(profile, &folder, &usr.join("share"))?;
    let components = components(&folder, tools)?;
    sums(&folder, &[&package, &archive, &components])?;
    for file in [&package, &archive, &components] {
        let size = fs::metadata(file).context("a file of the release")?.len();
        println!("{:>9} bytes  {}", size, file.display());
    }
    Ok(Made { package, archive })
}

/// Puts the program, its manual pages and completions, and the changelogs where Cargo.toml expects them, as below /usr.
/// Returns that folder.
fn installed(bulbctl: &Path) -> Result<PathBuf> {
    // cargo-deb finds target/release, wherever the target folder is.
    let usr = RELEASE.folder().join("package");
    fresh(&usr)?;
    let programs = usr.join("bin");
    fs::create_dir_all(&programs).context("a folder for the program")?;
    fs::copy(bulbctl, programs.join("bulbctl")).context("the program")?;
    let share = usr.join("share");
    let pages = share.join("man").join("man1");
    fs::create_dir_all(&pages).context("a folder for the manual pages")?;
    run_command(command(bulbctl).args(["man", "--all"]).arg(&pages))?;
    for (shell, file) in [
        ("bash", "bash-completion/completions/bulbctl"),
        ("zsh", "zsh/vendor-completions/_bulbctl"),
        ("fish", "fish/vendor_completions.d/bulbctl.fish"),
    ] {
        let (script, _) = output(command(bulbctl).args(["completions", shell]))?;
        let file = share.join(file);
        fs::create_dir_all(file.parent().unwrap_or(&share)).context("a folder for a completion")?;
        fs::write(file, script).with_context(|| format!("the completion of {shell}"))?;
    }
    let documents = share.join("doc").join("bulbctl");
    fs::create_dir_all(&documents).context("a folder for the changelog")?;
    fs::copy(root().join("CHANGELOG.md"), documents.join("changelog")).context("CHANGELOG.md")?;
    debian_changelog(&documents.join("changelog.Debian"))?;
    run_command(command("gzip").args(["--best", "--no-name", "--recursive"]).args([pages, documents]))?;
    Ok(usr)
}

/// Writes the changelog of the package, in Debian's format.
fn debian_changelog(file: &Path) -> Result<()> {
    let text = fs::read_to_string(root().join("CHANGELOG.md")).context("CHANGELOG.md")?;
    let heading = format!("## [{VERSION}] - ");
    let date = text.lines().find_map(|line| line.strip_prefix(&heading));
    let date = date.with_context(|| format!("CHANGELOG.md has no {heading}DATE"))?;
    let (date, _) = output(command("date").args(["--utc", "--rfc-email", "--date", date]))?;
    let entry = format!(
        "bulbctl ({VERSION}-1) unstable; urgency=medium\n\n  * Release {VERSION}. changelog.gz has the \
         changes.\n\n -- {MAINTAINER}  {}\n",
        date.trim()
    );
    fs::write(file, entry).context("Debian's changelog")
}

/// Packs the program that links the system's libraries.
fn package(folder: &Path, tools: &Tools) -> Result<PathBuf> {
    let mut deb = command(&tools.deb);
    deb.args(["--no-build", "--package", "bulbctl", "--output"]).arg(folder);
    run_command(&mut deb)?;
    let made = fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path()));
    made.into_iter()
        .find(|file| file.extension().is_some_and(|ending| ending == "deb"))
        .context("cargo-deb made no package")
}

/// Packs a program that needs no library, with its pages, completions and licences.
fn archive(profile: Profile, folder: &Path, share: &Path) -> Result<PathBuf> {
    let name = format!("bulbctl-{VERSION}-{ARCH}-linux");
    let packed = folder.join(&name);
    fs::create_dir_all(&packed).context("a folder for the archive")?;
    fs::copy(profile.build_static()?, packed.join("bulbctl")).context("the static program")?;
    for file in ["LICENSE-APACHE", "LICENSE-MIT"] {
        fs::copy(root().join(file), packed.join(file)).context(file)?;
    }
    run_command(command("cp").arg("--recursive").arg(share).arg(&packed))?;
    let archive = folder.join(format!("{name}.tar.gz"));
    let mut tar = command("tar");
    tar.args(["--owner=0", "--group=0", "--sort=name", "--create", "--gzip", "--file"]).arg(&archive);
    run_command(tar.arg("--directory").arg(folder).arg(&name))?;
    fs::remove_dir_all(&packed).context("removing what was packed")?;
    Ok(archive)
}

/// Lists the crates in the program, with their versions and licences, as CycloneDX.
fn components(folder: &Path, tools: &Tools) -> Result<PathBuf> {
    let mut list = command(&tools.cyclonedx);
    list.args(["cyclonedx", "--quiet", "--quiet", "--format", "json", "--spec-version", "1.5"]);
    run_command(list.args(["--override-filename", "components.tmp"]))?;
    // It writes a list beside each Cargo.toml of the workspace.
    for member in ["protocol", "xtask"] {
        fs::remove_file(root().join(member).join("components.tmp.json")).context("the list of a member")?;
    }
    let file = folder.join(format!("bulbctl-{VERSION}.cdx.json"));
    let made = root().join("components.tmp.json");
    fs::copy(&made, &file).context("the list of components")?;
    fs::remove_file(&made).context("the list of components")?;
    Ok(file)
}

fn sums(folder: &Path, files: &[&PathBuf]) -> Result<()> {
    let names = files.iter().filter_map(|file| file.file_name());
    let (sums, _) = output(command("sha256sum").args(names).current_dir(folder))?;
    fs::write(folder.join("SHA256SUMS"), sums).context("SHA256SUMS")
}

/// Empties a folder, or makes it.
fn fresh(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())
}
