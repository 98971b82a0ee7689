//! `cargo xtask oracle`: our frames against those of the public Python libraries, byte for byte.
//!
//! A file in `xtask/oracle` for each library calls its own functions and prints what they would have written to a lamp, and
//! what they read in reports and advertisements. The same is asked of our engine. Where both differ for a reason, that is in
//! `differences.toml`; any other difference fails, and so does one that is listed and gone.

mod cases;
mod differences;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::bench;
use crate::setup::{self, command, output, root, run as run_command, target};
use cases::{Line, Profiles};
use differences::Differences;

/// Options of `cargo xtask oracle`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Which library, by the name of its case file; all of them if left out.
    libraries: Vec<String>,
    /// Puts the results into docs/PROFILES.md too.
    #[arg(long)]
    write: bool,
    /// Shows every case that differs.
    #[arg(long)]
    verbose: bool,
}

/// Where `--write` puts the results, between the markers named `oracle`.
const DOCUMENT: &str = "docs/PROFILES.md";

/// The case files, and the requirements of the environment that each runs in.
const LIBRARIES: &[(&str, &str)] = &[
    ("led_ble", "requirements"),
    ("flux_led", "requirements"),
    ("hueble", "requirements"),
    ("switchbot", "requirements"),
    ("avea", "requirements"),
    ("sp110e", "requirements-sp110e"),
];

/// What came of one library's cases.
#[derive(Debug, Default)]
struct Tally {
    version: String,
    profiles: BTreeSet<String>,
    kinds: BTreeMap<String, usize>,
    same: usize,
    differ: usize,
}

/// Asks every library, compares, and says what differs.
///
/// # Errors
/// A library cannot be had or asked, or something differs that is not listed, or does not that is.
pub(crate) fn run(options: &Options) -> Result<()> {
    let known = |name: &str| LIBRARIES.iter().any(|(known, _)| *known == name);
    for name in &options.libraries {
        ensure!(known(name), "there is no case file for {name:?}");
    }
    ensure!(!options.write || options.libraries.is_empty(), "--write is for all libraries together");
    let wanted =
        |name: &str| options.libraries.is_empty() || options.libraries.iter().any(|want| want == name);
    let mut differences = Differences::load(&folder().join("differences.toml"))?;
    let mut profiles = Profiles::default();
    let mut tallies = BTreeMap::new();
    let mut unlisted = Vec::new();
    for &(name, requirements) in LIBRARIES.iter().filter(|(name, _)| wanted(name)) {
        let python = environment(requirements)?;
        let cases = folder().join(format!("cases_{name}.py"));
        let (text, _) = output(command(python).arg(cases).env("PYTHONDONTWRITEBYTECODE", "1"))?;
        let mut library = String::new();
        let mut tally = Tally::default();
        for line in text.lines() {
            let line: Line = serde_json::from_str(line).with_context(|| format!("{name}: {line}"))?;
            if let Some(version) = line.version {
                (library, tally.version) = (line.library, version);
                continue;
            }
            tally.profiles.insert(line.profile.clone());
            *tally.kinds.entry(line.kind.clone()).or_default() += 1;
            let Some(difference) = profiles.compare(&line)? else {
                tally.same += 1;
                continue;
            };
            tally.differ += 1;
            let listed = differences.take(&line.library, &line.profile, &line.case, difference.apart);
            if options.verbose || !listed {
                let listed = if listed { "listed" } else { "NOT LISTED" };
                println!("{} {} {}: {} ({listed})", line.library, line.profile, line.case, difference.text);
            }
            if !listed {
                unlisted.push(line.case);
            }
        }
        ensure!(tally.same > 0, "{name}: not one case agrees, or there is none");
        tallies.insert(library, tally);
    }
    let text = table(&tallies, &differences);
    println!("{text}");
    ensure!(unlisted.is_empty(), "{} cases differ that are not in differences.toml", unlisted.len());
    differences.all_found(&tallies.keys().map(String::as_str).collect::<Vec<_>>())?;
    if options.write {
        let path = root().join(DOCUMENT);
        let document = fs::read_to_string(&path).context(DOCUMENT)?;
        let new =
            bench::replaced(&document, "oracle", &text).context("docs/PROFILES.md has no markers for it")?;
        fs::write(&path, new).context(DOCUMENT)?;
    }
    let (same, differ) =
        tallies.values().fold((0, 0), |(same, differ), tally| (same + tally.same, differ + tally.differ));
    println!("{same} cases are the same byte for byte, {differ} differ as listed");
    Ok(())
}

fn folder() -> PathBuf {
    root().join("xtask/oracle")
}

/// The Python of a virtual environment with the packages of a requirements file, made anew when that has changed.
fn environment(requirements: &str) -> Result<PathBuf> {
    let file = folder().join(format!("{requirements}.txt"));
    let wanted = fs::read(&file).with_context(|| file.display().to_string())?;
    let venv = target().join("oracle").join(requirements);
    let (python, stamp) = (venv.join("bin/python"), venv.join("requirements.txt"));
    if fs::read(&stamp).is_ok_and(|had| had == wanted) {
        return Ok(python);
    }
    make_venv(&venv)?;
    let mut pip = command(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(&file);
    run_command(&mut pip)?;
    fs::write(&stamp, wanted).context("stamp of the environment")?;
    Ok(python)
}

/// Debian has the module that makes environments in a package of its own.
fn make_venv(venv: &Path) -> Result<()> {
    setup::debian("python3", "python3")?;
    let make = || run_command(command("python3").args(["-m", "venv", "--clear"]).arg(venv));
    make().or_else(|_| setup::install("python3-venv").and_then(|()| make()))
}

/// The results in Markdown.
fn table(tallies: &BTreeMap<String, Tally>, differences: &Differences) -> String {
    let mut text = String::from(
        "| library | version | profiles | commands | queries | reports | advertisements | the same | different |\n|---|---|---|---:|---:|---:|---:|---:|---:|\n",
    );
    for (library, tally) in tallies {
        let kind = |name: &str| tally.kinds.get(name).copied().unwrap_or(0);
        let profiles: Vec<_> = tally.profiles.iter().map(|name| format!("`{name}`")).collect();
        let _ = writeln!(
            text,
            "| {library} | {} | {} | {} | {} | {} | {} | {} | {} |",
            tally.version,
            profiles.join(", "),
            kind("encode"),
            kind("query"),
            kind("decode"),
            kind("advert"),
            tally.same,
            tally.differ,
        );
    }
    text += "\nThe differences, and why:\n\n";
    text += &differences.table();
    text
}
