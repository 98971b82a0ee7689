//! A copy of the workspace with the changes in it, and the test programs that are built from it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::list::Mutant;
use super::switch::{SWITCH, switched};
use crate::setup::{cargo, command, output, root, target};

/// The most times to build again without the changes that do not compile. The compiler does not report all mistakes at
/// once.
const BUILDS: usize = 40;

pub(super) struct Tree {
    folder: PathBuf,
    build: PathBuf,
}

/// A program with tests.
#[derive(Clone, Debug)]
pub(super) struct TestProgram {
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// The folder of its package, in which it runs.
    pub(super) package: PathBuf,
}

/// The changes of a file and where they are in its text.
type Regions = HashMap<String, Vec<(Range<usize>, usize)>>;

/// The reasons why the changed code does not compile.
#[derive(Default)]
struct Mistakes {
    numbers: HashSet<usize>,
    /// Names of functions that have to be constant.
    constant: HashSet<String>,
}

impl Tree {
    /// Copies the workspace, without what git ignores.
    pub(super) fn copy() -> Result<Self> {
        let folder = target().join("mutants").join("tree");
        let build = target().join("mutants").join("build");
        let (listing, _) =
            output(command("git").args(["ls-files", "--cached", "--others", "--exclude-standard"]))?;
        let tree = Self { folder, build };
        for file in listing.lines() {
            // A file that was deleted is still listed.
            if let Ok(content) = fs::read(root().join(file)) {
                tree.write(file, &content)?;
            }
        }
        Ok(tree)
    }

    /// Writes a file, unless it is so already: cargo builds what is newer again.
    fn write(&self, file: &str, content: &[u8]) -> Result<()> {
        let path = self.folder.join(file);
        if fs::read(&path).is_ok_and(|old| old == content) {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, content).with_context(|| path.display().to_string())
    }

    fn cargo(&self) -> Command {
        let mut cargo = cargo();
        cargo.current_dir(&self.folder).env("CARGO_TARGET_DIR", &self.build);
        cargo.env("CARGO_PROFILE_DEV_DEBUG", "0").env("RUSTFLAGS", "--cap-lints=warn");
        cargo
    }

    /// Puts the changes of a package into the copy. Returns the numbers of those that compile; numbers begin at 1.
    pub(super) fn change(&self, package: &str, library: &str, mutants: &[Mutant]) -> Result<HashSet<usize>> {
        let mut left: HashSet<usize> = (1..=mutants.len()).collect();
        let mut constant = HashSet::new();
        for _ in 0..BUILDS {
            let regions = self.put(library, mutants, &left, &constant)?;
            let placed: HashSet<usize> = regions.values().flatten().map(|(_, number)| *number).collect();
            left.retain(|number| placed.contains(number));
            let Some(mistakes) = self.mistakes(package, &regions)? else { return Ok(left) };
            left.retain(|number| !mistakes.numbers.contains(number));
            constant.extend(mistakes.constant);
        }
        bail!("after {BUILDS} builds there are still changes that do not compile")
    }

    fn put(
        &self,
        library: &str,
        mutants: &[Mutant],
        left: &HashSet<usize>,
        constant: &HashSet<String>,
    ) -> Result<Regions> {
        let mut files: BTreeMap<&str, Vec<(usize, &Mutant)>> = BTreeMap::new();
        for (at, mutant) in mutants.iter().enumerate() {
            let of_file = files.entry(&mutant.file).or_default();
            if left.contains(&(at + 1)) {
                of_file.push((at + 1, mutant));
            }
        }
        let mut regions = Regions::new();
        let mut has_switch = false;
        for (file, changes) in files {
            let source = fs::read_to_string(root().join(file)).with_context(|| file.to_owned())?;
            let mut changed = switched(&source, &changes, constant).with_context(|| file.to_owned())?;
            if file == library {
                changed.text.push_str(SWITCH);
                has_switch = true;
            }
            self.write(file, changed.text.as_bytes())?;
            regions.insert(file.to_owned(), changed.regions);
        }
        if !has_switch {
            let source = fs::read_to_string(root().join(library)).with_context(|| library.to_owned())?;
            self.write(library, format!("{source}{SWITCH}").as_bytes())?;
        }
        Ok(regions)
    }

    /// Returns what does not compile.
    fn mistakes(&self, package: &str, regions: &Regions) -> Result<Option<Mistakes>> {
        let mut check = self.cargo();
        check.args(["check", "--quiet", "--locked", "--message-format=json", "--lib", "--all-features"]);
        let answer = check.args(["--package", package]).output()?;
        if answer.status.success() {
            return Ok(None);
        }
        let mut mistakes = Mistakes::default();
        let mut unknown = String::new();
        for line in String::from_utf8_lossy(&answer.stdout).lines() {
            let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
            let Some(message) =
                message.get("message").filter(|message| text(message, "/level") == Some("error"))
            else {
                continue;
            };
            let numbers = numbers_of(message, regions);
            if !numbers.is_empty() {
                mistakes.numbers.extend(numbers);
            } else if let Some(name) = constant_of(message) {
                mistakes.constant.insert(name);
            } else {
                unknown.push_str(text(message, "/rendered").unwrap_or_default());
            }
        }
        let is_known = !mistakes.numbers.is_empty() || !mistakes.constant.is_empty();
        ensure!(is_known, "the changed code does not compile:\n{unknown}");
        Ok(Some(mistakes))
    }

    /// Builds the test programs of these targets.
    pub(super) fn programs(&self, package: &str, tests: &[&str]) -> Result<Vec<TestProgram>> {
        let mut build = self.cargo();
        build.args([
            "test",
            "--quiet",
            "--locked",
            "--no-run",
            "--message-format=json",
            "--package",
            package,
        ]);
        let (listing, _) = output(build.args(tests))?;
        let mut programs = Vec::new();
        for line in listing.lines() {
            let message: Value = serde_json::from_str(line).context("a message of cargo")?;
            let (Some(path), Some(name)) = (text(&message, "/executable"), text(&message, "/target/name"))
            else {
                continue;
            };
            let package = text(&message, "/manifest_path").and_then(|path| Path::new(path).parent());
            let package = package.unwrap_or(&self.folder).to_owned();
            // The program itself is built too, for the tests that run it.
            if message.pointer("/profile/test") == Some(&Value::Bool(true)) {
                programs.push(TestProgram { name: name.to_owned(), path: path.into(), package });
            }
        }
        Ok(programs)
    }
}

/// The changes that an error of the compiler is in: the innermost around the place it points at, or else around another
/// place it names.
fn numbers_of(message: &Value, regions: &Regions) -> Vec<usize> {
    let list =
        |value: &'static str, of| Value::pointer(of, value).and_then(Value::as_array).into_iter().flatten();
    let others = list("/children", message).flat_map(|child| list("/spans", child));
    let (first, second): (Vec<_>, Vec<_>) =
        list("/spans", message).partition(|span| span.get("is_primary") == Some(&Value::Bool(true)));
    let around = |span: &Value| {
        let at = usize::try_from(span.get("byte_start")?.as_u64()?).ok()?;
        let of_file = regions.get(text(span, "/file_name")?)?;
        let around: Vec<_> = of_file.iter().filter(|(range, _)| range.contains(&at)).collect();
        let least = around.iter().map(|(range, _)| range.len()).min()?;
        let inner = around.into_iter().filter(|(range, _)| range.len() == least);
        Some(inner.map(|(_, number)| *number).collect())
    };
    first.into_iter().chain(second).chain(others).find_map(around).unwrap_or_default()
}

/// The name of the function that a constant calls.
fn constant_of(message: &Value) -> Option<String> {
    text(message, "/code/code").filter(|code| *code == "E0015")?;
    let path = text(message, "/message")?.split('`').nth(1)?;
    let path = path.split(['<', '(']).next()?.trim_end_matches(':');
    Some(path.rsplit("::").next()?.to_owned())
}

fn text<'a>(value: &'a Value, at: &str) -> Option<&'a str> {
    value.pointer(at)?.as_str()
}
