//! Runs tests with one change switched on.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use super::tree::TestProgram;
use crate::setup::target;

/// A change that spins is noticed after this many times the usual time, and at least [`LEAST`].
const PATIENCE: u32 = 4;
const LEAST: Duration = Duration::from_secs(30);
/// The time for tests of the slow programs that reach a change, as they take without one. The quickest run.
const SLOW_TIME: Duration = Duration::from_secs(120);
/// The number of their tests to run at once without a change. They mostly wait.
const AT_ONCE: usize = 8;
/// Time limit for the tests of a program without a change.
const LONGEST: Duration = Duration::from_secs(300);

/// Tests that pass, the changes that they reach, and their time.
pub(super) struct Known {
    program: TestProgram,
    /// One test of a program that takes minutes; else all of them.
    test: Option<String>,
    asked: HashSet<usize>,
    time: Duration,
}

enum Ended {
    Passed,
    Failed(String),
    /// It was ended.
    TooLong,
}

/// Runs each program without a change, and those in `slow` test by test. Returns the quickest first.
pub(super) fn know(programs: Vec<TestProgram>, slow: &[&str]) -> Result<Vec<Known>> {
    let mut known = Vec::new();
    for program in programs {
        let start = Instant::now();
        if slow.contains(&program.name.as_str()) {
            known.extend(each(&program)?);
        } else {
            let one = one(&program, None)?;
            known.push(one.with_context(|| format!("{} fails without a change", program.name))?);
        }
        println!("{}: {:.1} s", program.name, start.elapsed().as_secs_f64());
    }
    known.sort_by_key(|known| known.time);
    Ok(known)
}

/// Runs each test of a program. One that fails alone is left out.
fn each(program: &TestProgram) -> Result<Vec<Known>> {
    let listing = command(program, None).args(["--list", "--format", "terse"]).output()?;
    let listing = String::from_utf8_lossy(&listing.stdout).into_owned();
    let names: Vec<_> = listing.lines().filter_map(|line| line.strip_suffix(": test")).collect();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let work = || {
            let mut known = Vec::new();
            while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                match one(program, Some(name))? {
                    Some(one) if one.asked.is_empty() => {}
                    Some(one) => known.push(one),
                    None => println!("{} {name} fails without a change, and is left out", program.name),
                }
            }
            Ok(known)
        };
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        let ended =
            workers.into_iter().map(|worker| worker.join().map_err(|_| anyhow!("a worker panicked"))?);
        Ok(ended.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    })
}

fn one(program: &TestProgram, test: Option<&str>) -> Result<Option<Known>> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let file = target().join("mutants").join(format!("asked-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
    let _ = fs::remove_file(&file);
    let start = Instant::now();
    let mut ended = run(command(program, test).env("MUTANTS_ASKED", &file), LONGEST)?;
    let time = start.elapsed();
    if !matches!(ended, Ended::Passed) {
        // A test that counts allocations fails if what it reaches is written down.
        ended = run(&mut command(program, test), LONGEST)?;
    }
    let asked = fs::read_to_string(&file).unwrap_or_default();
    let _ = fs::remove_file(&file);
    let asked = asked.lines().filter_map(|line| line.parse().ok()).collect();
    let known = Known { program: program.clone(), test: test.map(str::to_owned), asked, time };
    Ok(matches!(ended, Ended::Passed).then_some(known))
}

/// Switches a change on and runs the tests that reach it. Returns what noticed it.
pub(super) fn try_one(number: usize, known: &[Known]) -> Result<Option<String>> {
    let (tests, programs): (Vec<_>, Vec<_>) =
        known.iter().filter(|known| known.asked.contains(&number)).partition(|known| known.test.is_some());
    let quick = tests.into_iter().scan(Duration::ZERO, |sum, known| {
        *sum += known.time;
        (*sum <= SLOW_TIME).then_some(known)
    });
    for known in programs.into_iter().chain(quick) {
        let limit = LEAST.max(known.time * PATIENCE);
        let mut command = command(&known.program, known.test.as_deref());
        match run(command.env("MUTANT", number.to_string()), limit)? {
            Ended::Passed => {}
            Ended::Failed(test) => return Ok(Some(format!("{} {test}", known.program.name))),
            Ended::TooLong => return Ok(Some(format!("{} after {limit:.0?}", known.program.name))),
        }
    }
    Ok(None)
}

fn command(program: &TestProgram, test: Option<&str>) -> Command {
    let mut command = Command::new(&program.path);
    command.current_dir(&program.package).env("CARGO_MANIFEST_DIR", &program.package);
    command.env("PROPTEST_RNG_SEED", "1").env("PROPTEST_CASES", "64");
    if let Some(test) = test {
        command.args(["--exact", test]);
    }
    command
}

/// Runs a program up to the first test that fails.
fn run(command: &mut Command, limit: Duration) -> Result<Ended> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("a test program")?;
    let lines = child.stdout.take().context("the output of a test program")?;
    let (told, tells) = mpsc::channel();
    let reader = thread::spawn(move || {
        for line in BufReader::new(lines).lines().map_while(Result::ok) {
            if told.send(line).is_err() {
                break;
            }
        }
    });
    let ended = wait(&mut child, &tells, Instant::now() + limit);
    end(&mut child);
    drop(tells);
    let _ = reader.join();
    ended
}

fn wait(child: &mut Child, tells: &mpsc::Receiver<String>, end: Instant) -> Result<Ended> {
    loop {
        match tells.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                if let Some(test) = line.strip_prefix("test ").and_then(|line| line.strip_suffix("FAILED")) {
                    return Ok(Ended::Failed(test.trim_end_matches([' ', '.']).to_owned()));
                }
            }
            Err(mpsc::RecvTimeoutError::Timeout) => return Ok(Ended::TooLong),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let status = child.wait()?;
                return Ok(if status.success() { Ended::Passed } else { Ended::Failed(status.to_string()) });
            }
        }
    }
}

/// Ends the program and all that it has started.
fn end(child: &mut Child) {
    let _ = Command::new("kill")
        .args(["-KILL", "--"])
        .arg(format!("-{}", child.id()))
        .stderr(Stdio::null())
        .status();
    let _ = child.wait();
}
