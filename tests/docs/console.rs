//! Runs the commands in the pages and compares their output.
//!
//! Every block marked `console` is run. A line that starts with `$ ` is a `bulbctl` command, without pipes. The lines below
//! it are its output. `...` stands for any lines, or for the rest of a line, and `$ echo $?` shows the exit code of the command
//! before it. Values that differ from run to run (times, signal strengths) may differ from those on the page.
//!
//! Each page has its own virtual bulbs, which keep their state from block to block. A page `NAME.md` runs in the folder
//! `NAME.in` beside it, if there is one; otherwise at the root of the repository.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use regex::Regex;
use tempfile::TempDir;
use trycmd::TestCases;

use super::{pages, read, root};

/// Values that differ from run to run.
static VARYING: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        // A date and time.
        r"\d{4}-\d\d-\d\dT[\d:.]+Z",
        // The time on the log, since the start.
        r"^ +\d+\.\d{9}",
        // Durations, alone or with the range that they were in.
        r"\d+(\.\d+)? ?(ms|µs|s)\b( \(\d+ to \d+; \d+ heard in \d+ ms\))?",
        // Signal strengths.
        r"[\t:]-\d+\b|-\d+ dBm",
        r"heard \d+ times",
        // A row of a measurement, and its histogram.
        r"p50 .*",
        r" {20,}\S*[▁▂▃▄▅▆▇█].*",
    ]
    .map(|pattern| Regex::new(pattern).unwrap())
    .into()
});

#[test]
fn commands_in_the_pages_print_what_is_shown() {
    let pages: Vec<_> = pages().into_iter().filter(|page| blocks(&read(page)) > 0).collect();
    assert!(pages.len() > 3, "{pages:?}");
    thread::scope(|scope| {
        for page in &pages {
            scope.spawn(|| run(page));
        }
    });
}

#[test]
fn files_in_the_pages_are_the_ones_that_are_run() {
    for (page, file) in [
        ("docs/guide/write-a-profile", "profiles/lb7.toml"),
        ("docs/configuration", "config.toml"),
        ("docs/virtual-bulbs", "rig.toml"),
    ] {
        let text = read(Path::new(&format!("{page}.md")));
        let file = read(Path::new(&format!("{page}.in/{file}")));
        assert!(text.contains(&format!("```toml\n{file}```")), "{page}.md shows another file");
    }
}

fn blocks(page: &str) -> usize {
    page.lines().filter(|line| *line == "```console").count()
}

/// Runs a copy of the page that has the marks of trycmd in it.
fn run(page: &Path) {
    let folder = TempDir::new().unwrap();
    let copy = folder.path().join(page.file_name().unwrap());
    fs::write(&copy, marked(&read(page))).unwrap();
    copy_folder(&root().join(page.with_extension("in")), &copy.with_extension("in"));

    let cases = TestCases::new();
    cases.register_bin("bulbctl", Path::new(env!("CARGO_BIN_EXE_bulbctl")));
    cases.env("NO_COLOR", "1").timeout(Duration::from_secs(60));
    // Several bulbs then come in the same order each time.
    cases.env("BULBCTL_MAX_LINKS", "1");
    // Keeps out the user's own configuration and the state of other virtual bulbs.
    for name in ["HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "BULBCTL_SIM_DIR"] {
        cases.env(name, folder.path().join("home").to_str().unwrap());
    }
    cases.case(&copy).run();
}

fn copy_folder(from: &Path, to: &Path) {
    let Ok(entries) = fs::read_dir(from) else { return };
    fs::create_dir(to).unwrap();
    for entry in entries {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// The page as trycmd reads it: `[..]` where values vary, `? 3` for exit codes, a blank line after each command.
fn marked(page: &str) -> String {
    let mut marked = String::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        marked.push_str(line);
        marked.push('\n');
        if line == "```console" {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            marked.push_str(&marked_block(&block));
            marked.push_str("```\n");
        }
    }
    marked
}

fn marked_block(block: &[&str]) -> String {
    // Commands, each with its output.
    let mut runs: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in block {
        match (line.strip_prefix("$ "), runs.last_mut()) {
            (Some(command), _) => runs.push((command, Vec::new())),
            (None, Some((_, output))) => output.push(line),
            (None, None) => panic!("output without a command: {line}"),
        }
    }
    let mut marked = String::new();
    for (index, (command, output)) in runs.iter().enumerate() {
        if *command == "echo $?" {
            continue;
        }
        let exit = match runs.get(index + 1) {
            Some(("echo $?", code)) => code.concat(),
            _ if output.iter().any(|line| line.starts_with("error: ")) => "failed".to_owned(),
            _ => "0".to_owned(),
        };
        let output = output.join("\n");
        let output = output.trim_end();
        let unordered = command.contains(" scan") && output.contains('\n');
        let output: Vec<String> =
            output.lines().map(if unordered { mark_device } else { mark_varying }).collect();
        marked.push_str(&format!("$ {command}\n? {exit}\n{}\n\n", output.join("\n")));
    }
    marked
}

/// A scan prints devices in the order of their advertisements, which differs on a busy machine.
fn mark_device(line: &str) -> String {
    if line.contains('\t') { ["[..]"; 4].join("\t") } else { line.to_owned() }
}

fn mark_varying(line: &str) -> String {
    let mut line = match line.strip_suffix("...") {
        Some(begin) if !begin.is_empty() => format!("{begin}[..]"),
        _ => line.to_owned(),
    };
    for pattern in VARYING.iter() {
        line = pattern.replace_all(&line, "[..]").into_owned();
    }
    // trycmd turns each backslash in the output into a slash.
    line.replace('\\', "/")
}
