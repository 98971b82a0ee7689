//! `cargo xtask mutants`: changes the code and the profiles, and looks whether a test notices. See docs/TESTING.md.

mod list;
mod switch;
mod tree;
mod trial;

use std::collections::HashSet;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Result, anyhow, ensure};

use crate::setup::{cargo, root, run as run_command, target};
use list::Mutant;
use tree::Tree;

/// Options of `cargo xtask mutants`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Try every Nth change of the Rust code only, so many that about this number remains [default: all]
    #[arg(long, value_name = "N")]
    sample: Option<usize>,
    /// Folder or file, for example src/bulb or protocol/profiles [default: each of those in docs/TESTING.md]
    #[arg(long = "in", value_name = "PATH")]
    path: Option<String>,
    /// Changes to try at once
    #[arg(long, value_name = "N", default_value_t = 2)]
    jobs: usize,
}

/// A folder to change, and the tests that should notice.
struct Part {
    path: &'static str,
    package: &'static str,
    library: &'static str,
    /// Packages, each with arguments of `cargo test`.
    tests: &'static [(&'static str, &'static [&'static str])],
    /// Programs among the tests that take minutes. Only those of their tests run that reach a change.
    slow: &'static [&'static str],
}

const PROFILES: &str = "protocol/profiles";

const CODEC: Part = Part {
    path: "protocol/src",
    package: "bulb-protocol",
    library: "protocol/src/lib.rs",
    // The schema is compared there.
    tests: &[("bulb-protocol", &["--all-features", "--lib", "--tests"]), ("bulbctl", &["--test=profiles"])],
    slow: &[],
};

const fn of_the_program(path: &'static str) -> Part {
    let tests: &[(&str, &[&str])] = &[(
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
    )];
    Part { path, package: "bulbctl", library: "src/lib.rs", tests, slow: &["scenarios", "cli", "tui"] }
}

const PARTS: &[Part] = &[
    CODEC,
    of_the_program("src/bulb"),
    of_the_program("src/fleet"),
    of_the_program("src/radio"),
    of_the_program("src/check"),
    of_the_program("src/tui/update"),
];

pub(crate) fn run(options: &Options) -> Result<()> {
    let wanted = options.path.as_deref();
    if wanted.is_none_or(|path| path.starts_with(PROFILES)) {
        profiles()?;
    }
    let parts: Vec<&Part> =
        PARTS.iter().filter(|part| wanted.is_none_or(|path| path.starts_with(part.path))).collect();
    ensure!(
        !parts.is_empty() || wanted.is_some_and(|path| path.starts_with(PROFILES)),
        "--in wants one of {PROFILES}, {}",
        PARTS.iter().map(|part| part.path).collect::<Vec<_>>().join(", ")
    );
    parts.into_iter().try_for_each(|part| rust(part, wanted.unwrap_or(part.path), options))
}

/// A slip in every fact of every profile, against the vectors.
fn profiles() -> Result<()> {
    let mut test = cargo();
    test.args(["test", "--quiet", "--locked", "--package", "bulb-protocol", "--all-features"]);
    test.args(["--test", "witnesses", "--", "--ignored", "--nocapture"]);
    run_command(test.env("SLIPS", "1"))
}

/// All changes are built at once, each behind a switch: a build takes longer than most tests.
fn rust(part: &Part, path: &str, options: &Options) -> Result<()> {
    let files = if root().join(path).is_dir() { format!("{path}/**/*.rs") } else { path.to_owned() };
    let mutants = list::sample(list::list(part.package, &files)?, options.sample);
    let tree = Tree::copy()?;
    let left = tree.change(part.package, part.library, &mutants)?;
    let programs: Result<Vec<_>> =
        part.tests.iter().map(|(package, tests)| tree.programs(package, tests)).collect();
    let known = trial::know(programs?.concat(), part.slow)?;
    let numbers: Vec<usize> = (1..=mutants.len()).filter(|number| left.contains(number)).collect();
    let next = AtomicUsize::new(0);
    let outcomes = thread::scope(|scope| {
        let work = || {
            let mut outcomes = Vec::new();
            while let Some(&number) = numbers.get(next.fetch_add(1, Ordering::Relaxed)) {
                let noticed = trial::try_one(number, &known)?;
                let name = name_of(&mutants, number);
                match &noticed {
                    Some(test) => println!("noticed  {name} by {test}"),
                    None => println!("MISSED   {name}"),
                }
                outcomes.push((number, noticed));
            }
            Ok(outcomes)
        };
        let workers: Vec<_> = (0..options.jobs.max(1)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().map_err(|_| anyhow!("a worker panicked"))?).collect()
    });
    report(path, &mutants, &left, outcomes)
}

/// Numbers begin at 1.
fn name_of(mutants: &[Mutant], number: usize) -> &str {
    mutants.get(number - 1).map_or("", |mutant| &mutant.name)
}

type Outcomes = Vec<(usize, Option<String>)>;

fn report(
    path: &str,
    mutants: &[Mutant],
    left: &HashSet<usize>,
    outcomes: Result<Vec<Outcomes>>,
) -> Result<()> {
    let mut outcomes = outcomes?.concat();
    outcomes.sort_by_key(|(number, _)| *number);
    let name_of = |number| name_of(mutants, number);
    let missed: Vec<&str> = outcomes
        .iter()
        .filter(|(_, noticed)| noticed.is_none())
        .map(|(number, _)| name_of(*number))
        .collect();
    let untried: Vec<&str> =
        (1..=mutants.len()).filter(|number| !left.contains(number)).map(name_of).collect();
    let folder = target().join("mutants").join(path.replace('/', "-"));
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("missed.txt"), missed.join("\n"))?;
    fs::write(folder.join("untried.txt"), untried.join("\n"))?;
    println!(
        "{path}: {} tried, {} noticed; {} do not compile or cannot be switched; the lists are in {}",
        outcomes.len(),
        outcomes.len() - missed.len(),
        untried.len(),
        folder.display()
    );
    Ok(())
}
