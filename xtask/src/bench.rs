//! `cargo xtask bench`: measurements, as Markdown tables.

mod bridge;
mod codec;
pub(crate) mod program;

use std::env;
use std::fs;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use crate::setup::{command, debian, output, root, xtask};

/// The document that `--write` updates. Each table goes between the two markers of its part.
const DOCUMENT: &str = "docs/BENCHMARKS.md";

/// Options of `cargo xtask bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Parts to measure [default: all]
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// Update docs/BENCHMARKS.md
    #[arg(long)]
    write: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Part {
    /// Instructions and allocations of codec calls, counted by valgrind
    Codec,
    /// Time to read the built-in profiles
    Profiles,
    /// Time from the start of the program to the first byte of its help
    Start,
    /// Size of the release binary
    Size,
    /// A hundred virtual bulbs compared with one
    Fleet,
    /// The TUI in a pseudo-terminal: CPU, frames, memory, time from key to write
    Tui,
    /// From a command to the light with more bulbs than links, and through a broker
    Bridge,
    /// The bridge compared with a script of paho and bleak on a real Bluetooth stack, in a virtual machine
    BridgeRealstack,
    /// bulbctl compared with other tools on a real Bluetooth stack, in a virtual machine
    Realstack,
}

impl Part {
    fn measure(self) -> Result<String> {
        match self {
            Self::Codec => codec::instructions(),
            Self::Profiles => codec::profiles(),
            Self::Start => program::start(),
            Self::Size => program::size(),
            Self::Fleet => program::fleet(),
            Self::Tui => program::tui(),
            Self::Bridge => bridge::measure(),
            Self::BridgeRealstack => real_stack("bridge"),
            Self::Realstack => real_stack("tools"),
        }
    }
}

/// Measures the parts one after the other.
pub(crate) fn run(options: &Options) -> Result<()> {
    let parts = if options.parts.is_empty() { Part::value_variants() } else { &options.parts };
    let machine = machine()?;
    for &part in parts {
        let value = part.to_possible_value().context("every part has a name")?;
        let name = value.get_name();
        let table = part.measure().with_context(|| format!("bench {name}"))?;
        let text = format!("{}\n\n`cargo xtask bench {name}`\non {machine}.\n", table.trim_end());
        println!("{text}");
        if options.write {
            write(name, &text)?;
        }
    }
    Ok(())
}

fn real_stack(what: &str) -> Result<String> {
    let (text, _) = output(xtask().args(["realstack", "--bench", what]))?;
    let rows: Vec<_> = text.lines().filter(|line| line.starts_with('|')).collect();
    ensure!(!rows.is_empty(), "the real-stack run printed no table");
    Ok(rows.join("\n"))
}

/// Describes the machine, so that readers can compare the numbers with theirs.
fn machine() -> Result<String> {
    let cores = thread::available_parallelism().context("number of cores")?;
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("an unknown processor", |(_, model)| model.trim());
    let virtual_machine = cpu.split_whitespace().any(|flag| flag == "hypervisor");
    let guest = if virtual_machine { " in a virtual machine" } else { "" };
    let (rustc, _) = output(command("rustc").arg("--version"))?;
    let rustc = rustc.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    Ok(format!("{cores} cores of {model}{guest}, {} {}, {rustc}", env::consts::OS, env::consts::ARCH))
}

/// Counts the instructions of a program with valgrind. The count does not depend on the machine's load.
fn instructions(program: &Command) -> Result<u64> {
    let options = ["--tool=callgrind", "--callgrind-out-file=/dev/null"];
    number(&valgrind(&options, program)?, "Collected :", "")
}

/// Counts the allocations of a program with valgrind.
fn allocations(program: &Command) -> Result<u64> {
    number(&valgrind(&["--tool=memcheck", "--leak-check=no"], program)?, "total heap usage:", "allocs")
}

/// Returns valgrind's report on a program.
fn valgrind(options: &[&str], program: &Command) -> Result<String> {
    debian("valgrind", "valgrind")?;
    let mut valgrind = command("valgrind");
    let (_, report) = output(valgrind.args(options).arg(program.get_program()).args(program.get_args()))?;
    Ok(report)
}

fn number(report: &str, before: &str, after: &str) -> Result<u64> {
    let text =
        report.lines().find_map(|line| line.split_once(before)).context("valgrind printed no count")?.1;
    let text = if after.is_empty() { text } else { text.split(after).next().unwrap_or_default() };
    text.trim().replace(',', "").parse().context("valgrind's count")
}

fn write(name: &str, text: &str) -> Result<()> {
    let path = root().join(DOCUMENT);
    let document = fs::read_to_string(&path).context(DOCUMENT)?;
    let document =
        replaced(&document, name, text).with_context(|| format!("{DOCUMENT} has no markers for {name}"))?;
    fs::write(&path, document).context(DOCUMENT)
}

/// Returns the document with new text between the markers of a part.
pub(crate) fn replaced(document: &str, name: &str, text: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->"));
    let (before, rest) = document.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}{text}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_is_replaced() {
        let document = "a\n<!-- begin x -->\nold\n<!-- end x -->\nb\n<!-- begin y -->\n<!-- end y -->\n";
        let new = replaced(document, "x", "new\n").unwrap();
        assert_eq!(new, "a\n<!-- begin x -->\nnew\n<!-- end x -->\nb\n<!-- begin y -->\n<!-- end y -->\n");
        assert_eq!(replaced(&new, "x", "new\n").unwrap(), new);
        assert_eq!(replaced(document, "z", ""), None);
    }
}
