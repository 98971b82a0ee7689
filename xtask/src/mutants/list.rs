//! The changes that cargo-mutants would make.

use std::process::Command;

use anyhow::{Context, Result};
use proc_macro2::{LineColumn, Span};
use serde::Deserialize;

use crate::setup::{command, output, tool};

const CARGO_MUTANTS: &str = "27.1.0";

/// A kind of change, in the words of cargo-mutants.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Hash)]
pub(super) enum Genre {
    FnValue,
    BinaryOperator,
    UnaryOperator,
    MatchArm,
    MatchArmGuard,
    StructField,
}

/// A range of a file by lines and columns, both from 1.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Hash)]
#[serde(from = "RawPlace")]
pub(super) struct Place {
    pub(super) start: (usize, usize),
    pub(super) end: (usize, usize),
}

#[derive(Deserialize)]
struct RawPlace {
    start: RawPoint,
    end: RawPoint,
}

#[derive(Deserialize)]
struct RawPoint {
    line: usize,
    column: usize,
}

impl From<RawPlace> for Place {
    fn from(raw: RawPlace) -> Self {
        let point = |point: RawPoint| (point.line, point.column);
        Self { start: point(raw.start), end: point(raw.end) }
    }
}

impl Place {
    pub(super) fn of(span: Span) -> Self {
        let point = |LineColumn { line, column }| (line, column + 1);
        Self { start: point(span.start()), end: point(span.end()) }
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Mutant {
    /// File, line, column and what is changed.
    pub(super) name: String,
    pub(super) file: String,
    pub(super) span: Place,
    pub(super) replacement: String,
    pub(super) genre: Genre,
}

/// Lists the changes of a package in these files. What prints, or formats for people, is held by tests of output.
pub(super) fn list(package: &str, files: &str) -> Result<Vec<Mutant>> {
    let mutants = tool("cargo-mutants", CARGO_MUTANTS, &[])?;
    let mut list: Command = command(&mutants);
    list.args(["mutants", "--list", "--json", "--package", package, "--file", files]);
    list.args([
        "--exclude-re",
        "impl (fmt::)?(Debug|Display)",
        "--exclude",
        "**/tests/**",
        "--exclude",
        "**/tests.rs",
    ]);
    let (text, _) = output(&mut list)?;
    serde_json::from_str(&text).context("the list of cargo-mutants")
}

/// About `count` of them, from everywhere: neighbours are alike.
pub(super) fn sample(all: Vec<Mutant>, count: Option<usize>) -> Vec<Mutant> {
    let Some(count) = count else { return all };
    let every = all.len().div_ceil(count.max(1)).max(1);
    all.into_iter().step_by(every).collect()
}
