//! `cargo xtask mutants`: changes the code and the profiles, and looks whether a test notices. See docs/TESTING.md.

mod list;
mod switch;
mod tree;
mod trial;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};

use crate::setup::{cargo, root, run as run_command, target};
use list::Mutant;
use tree::Tree;
use trial::Known;

/// Options of `cargo xtask mutants`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Try every Nth change of the Rust code only, so many that about this number remains of each path [default: all]
    #[arg(long, value_name = "N")]
    sample: Option<usize>,
    /// Folder or file, for example src/bulb or protocol/profiles; several times, each of them [default: those in
    /// docs/TESTING.md]
    #[arg(long = "in", value_name = "PATH")]
    paths: Vec<String>,
    /// Try only those that the last run of the path missed
    #[arg(long, conflicts_with = "sample")]
    missed: bool,
    /// Changes to try at once
    #[arg(long, value_name = "N", default_value_t = 2)]
    jobs: usize,
}

const MISSED: &str = "missed.txt";
const PROFILES: &str = "protocol/profiles";

/// A package to change, and the tests that should notice.
struct Part {
    folders: &'static [&'static str],
    package: &'static str,
    library: &'static str,
    /// Packages, each with arguments of `cargo test`.
    tests: &'static [(&'static str, &'static [&'static str])],
    /// Programs among the tests that take minutes. Only those of their tests run that reach a change.
    slow: &'static [&'static str],
}

const PARTS: &[Part] = &[
    Part {
        folders: &["protocol/src"],
        package: "bulb-protocol",
        library: "protocol/src/lib.rs",
        // The schema is compared there.
        tests: &[
            ("bulb-protocol", &["--all-features", "--lib", "--tests"]),
            ("bulbctl", &["--test=profiles"]),
        ],
        slow: &[],
    },
    Part {
        folders: &["src/bulb", "src/fleet", "src/radio", "src/check", "src/tui/update"],
        package: "bulbctl",
        library: "src/lib.rs",
        tests: &[(
            "bulbctl",
            &[
                "--lib",
                "--test=adverts",
                "--test=check",
                "--test=config",
                "--test=driver",
                "--test=faults",
                "--test=links",
                "--test=measure",
                "--test=radio_sim",
                "--test=rigs",
                "--test=bluez",
                "--test=scenarios",
                "--test=cli",
                "--test=tui",
            ],
        )],
        slow: &["scenarios", "cli", "tui"],
    },
];

pub(crate) fn run(options: &Options) -> Result<()> {
    let folders = || PARTS.iter().flat_map(|part| part.folders).copied();
    let all = || [PROFILES].into_iter().chain(folders());
    let mut wanted = options.paths.clone();
    if wanted.is_empty() {
        wanted = all().map(str::to_owned).collect();
    }
    for path in &wanted {
        let known: Vec<_> = all().collect();
        ensure!(
            known.iter().any(|folder| path.starts_with(folder)),
            "--in {path}: not in one of {}",
            known.join(", ")
        );
    }
    if wanted.iter().any(|path| path.starts_with(PROFILES)) {
        profiles()?;
    }
    for part in PARTS {
        let is_in = |path: &&String| part.folders.iter().any(|folder| path.starts_with(folder));
        let paths: Vec<&String> = wanted.iter().filter(is_in).collect();
        if !paths.is_empty() {
            rust(part, &paths, options)?;
        }
    }
    Ok(())
}

/// A slip in every fact of every profile, against the vectors.
fn profiles() -> Result<()> {
    let mut test = cargo();
    test.args(["test", "--quiet", "--locked", "--package", "bulb-protocol", "--all-features"]);
    test.args(["--test", "witnesses", "--", "--ignored", "--nocapture"]);
    run_command(test.env("SLIPS", "1"))
}

/// All changes are built at once, each behind a switch: a build takes longer than most tests.
fn rust(part: &Part, paths: &[&String], options: &Options) -> Result<()> {
    let mut mutants = Vec::new();
    let mut of_paths = Vec::new();
    for path in paths {
        let files = if root().join(path).is_dir() { format!("{path}/**/*.rs") } else { path.to_string() };
        let first = mutants.len() + 1;
        let all = list::list(part.package, &files)?;
        mutants.extend(if options.missed { missed(path, all)? } else { list::sample(all, options.sample) });
        of_paths.push((path, first..=mutants.len()));
    }
    let tree = Tree::copy()?;
    let left = tree.change(part.package, part.library, &mutants)?;
    let programs: Result<Vec<_>> =
        part.tests.iter().map(|(package, tests)| tree.programs(package, tests)).collect();
    let known = trial::know(programs?.concat(), part.slow)?;
    for (path, numbers) in of_paths {
        let (tried, untried): (Vec<usize>, Vec<usize>) = numbers.partition(|number| left.contains(number));
        let missed = try_all(&tried, &mutants, &known, options.jobs)?;
        report(path, &mutants, &tried, &missed, &untried)?;
    }
    Ok(())
}

/// Those that the last run missed.
fn missed(path: &str, mut all: Vec<Mutant>) -> Result<Vec<Mutant>> {
    let file = lists(path).join(MISSED);
    let names = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    all.retain(|mutant| names.lines().any(|name| name == mutant.name));
    Ok(all)
}

/// The folder of the lists of a path.
fn lists(path: &str) -> PathBuf {
    target().join("mutants").join(path.replace('/', "-"))
}

/// Returns those that no test noticed.
fn try_all(numbers: &[usize], mutants: &[Mutant], known: &[Known], jobs: usize) -> Result<Vec<usize>> {
    let next = AtomicUsize::new(0);
    let missed: Result<Vec<_>> = thread::scope(|scope| {
        let work = || {
            let mut missed = Vec::new();
            while let Some(&number) = numbers.get(next.fetch_add(1, Ordering::Relaxed)) {
                let name = name_of(mutants, number);
                match trial::try_one(number, known)? {
                    Some(test) => println!("noticed  {name} by {test}"),
                    None => {
                        println!("MISSED   {name}");
                        missed.push(number);
                    }
                }
            }
            Ok(missed)
        };
        let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().map_err(|_| anyhow!("a worker panicked"))?).collect()
    });
    let mut missed = missed?.concat();
    missed.sort_unstable();
    Ok(missed)
}

/// Numbers begin at 1.
fn name_of(mutants: &[Mutant], number: usize) -> &str {
    mutants.get(number - 1).map_or("", |mutant| &mutant.name)
}

fn report(
    path: &str,
    mutants: &[Mutant],
    tried: &[usize],
    missed: &[usize],
    untried: &[usize],
) -> Result<()> {
    let names = |numbers: &[usize]| {
        numbers.iter().map(|number| name_of(mutants, *number)).collect::<Vec<_>>().join("\n")
    };
    let folder = lists(path);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(MISSED), names(missed))?;
    fs::write(folder.join("untried.txt"), names(untried))?;
    println!(
        "{path}: {} tried, {} noticed; {} do not compile or cannot be switched; the lists are in {}",
        tried.len(),
        tried.len() - missed.len(),
        untried.len(),
        folder.display()
    );
    Ok(())
}
