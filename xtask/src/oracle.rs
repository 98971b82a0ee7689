//! `cargo xtask oracle`: compares our frames with those of public Python libraries, byte for byte.
//!
//! For each library, a file in `xtask/oracle` calls the library's functions and prints the frames that they would write to
//! a bulb, and what they read in status frames and advertisements. We do the same with our engine. `differences.toml` lists
//! the known differences with their reasons. Any other difference is an error, and so is a listed one that has gone.
//!
//! Cases of models begin with an advertisement. The library finds the model in it, and so does our engine. `--write` keeps
//! the frames of these cases in `protocol/vectors/models`, where a test runs them.

mod cases;
mod differences;
mod models;
mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::bench;
use crate::setup::{self, command, output, root, run as run_command, target};
use cases::{Line, Profiles};
use differences::Differences;
use record::Record;

/// Options of `cargo xtask oracle`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Libraries to compare with [default: all]
    libraries: Vec<String>,
    /// Update docs/PROFILES.md and protocol/vectors/models
    #[arg(long)]
    write: bool,
    /// Show every case that differs
    #[arg(long)]
    verbose: bool,
}

/// The document that `--write` updates, between the markers named `oracle`.
const DOCUMENT: &str = "docs/PROFILES.md";

/// The case files, and the Python requirements of each.
const LIBRARIES: &[(&str, &str)] = &[
    ("led_ble", "requirements"),
    ("flux_led", "requirements"),
    ("hueble", "requirements"),
    ("switchbot", "requirements"),
    ("avea", "requirements"),
    ("sp110e", "requirements-sp110e"),
    ("flux_led_models", "requirements"),
    ("led_ble_models", "requirements"),
    ("switchbot_models", "requirements"),
    ("govee_ble_local", "requirements-models"),
    ("govee_h613b", "requirements-models"),
    ("govee_h6199", "requirements-models"),
    ("govee_led_wez", "requirements-models"),
    ("neewer", "requirements-models"),
    ("neewer_cli", "requirements-models"),
    ("neewerlite", "requirements-models"),
];

/// The results of a library's cases.
#[derive(Debug, Default)]
struct Tally {
    version: String,
    profiles: BTreeSet<String>,
    kinds: BTreeMap<String, usize>,
    same: usize,
    differ: usize,
}

impl Tally {
    /// Adds another case file of the same library.
    fn join(&mut self, other: Self) {
        self.version = other.version;
        self.profiles.extend(other.profiles);
        for (kind, count) in other.kinds {
            *self.kinds.entry(kind).or_default() += count;
        }
        self.same += other.same;
        self.differ += other.differ;
    }
}

/// Compares with every library, and prints the differences.
pub(crate) fn run(options: &Options) -> Result<()> {
    let known = |name: &str| LIBRARIES.iter().any(|(known, _)| *known == name);
    for name in &options.libraries {
        ensure!(known(name), "no case file for {name:?}");
    }
    ensure!(!options.write || options.libraries.is_empty(), "--write is for all libraries together");
    let wanted =
        |name: &str| options.libraries.is_empty() || options.libraries.iter().any(|want| want == name);
    let mut differences = Differences::load(&folder().join("differences.toml"))?;
    let mut profiles = Profiles::new()?;
    let mut record = Record::default();
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
                record.add(&tally.version, &line, None);
                continue;
            };
            tally.differ += 1;
            let why = differences.take(&line, difference.apart);
            if options.verbose || why.is_none() {
                let listed = if why.is_some() { "listed" } else { "NOT LISTED" };
                let Line { library, profile, model, case, .. } = &line;
                println!("{library} {profile} {model} {case}: {} ({listed})", difference.text);
            }
            match why {
                Some(why) => record.add(&tally.version, &line, Some(why)),
                None => unlisted.push(line.case),
            }
        }
        ensure!(tally.same > 0, "{name}: not one case agrees, or there is none");
        let all: &mut Tally = tallies.entry(library).or_default();
        all.join(tally);
    }
    let text = table(&tallies, &record, &differences);
    println!("{text}");
    ensure!(unlisted.is_empty(), "{} cases differ that are not in differences.toml", unlisted.len());
    differences.all_found(&tallies.keys().map(String::as_str).collect::<Vec<_>>())?;
    if options.write {
        let path = root().join(DOCUMENT);
        let document = fs::read_to_string(&path).context(DOCUMENT)?;
        let new =
            bench::replaced(&document, "oracle", &text).context("docs/PROFILES.md has no markers for it")?;
        fs::write(&path, new).context(DOCUMENT)?;
        record.write(&root().join("protocol/vectors/models"))?;
    }
    let (same, differ) =
        tallies.values().fold((0, 0), |(same, differ), tally| (same + tally.same, differ + tally.differ));
    println!("{same} cases are the same byte for byte, {differ} differ as listed");
    Ok(())
}

fn folder() -> PathBuf {
    root().join("xtask/oracle")
}

/// The Python of a virtual environment with the packages of a requirements file. Recreated if the file has changed.
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

/// Creates a virtual environment. On Debian, the module for that is in a separate package.
fn make_venv(venv: &Path) -> Result<()> {
    setup::debian("python3", "python3")?;
    let make = || run_command(command("python3").args(["-m", "venv", "--clear"]).arg(venv));
    make().or_else(|_| setup::install(&["python3-venv"]).and_then(|()| make()))
}

fn table(tallies: &BTreeMap<String, Tally>, record: &Record, differences: &Differences) -> String {
    let mut text = String::from(
        "| library | version | profiles | commands | queries | reports | advertisements | the same | different |\n|---|---|---|---:|---:|---:|---:|---:|---:|\n",
    );
    for (library, tally) in tallies.iter().filter(|(_, tally)| tally.kinds.keys().any(|kind| kind != "model"))
    {
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
    text += "\nModels, by family and library. A model counts once for each generation that makes a difference:\n\n";
    text += &record.table();
    text += "\nThe differences, and why:\n\n";
    text += &differences.table();
    text
}
