//! The options that every verb has.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum, ValueHint};

use super::args::duration;
use super::environment::{boolean, count};
use crate::output::ColorChoice;
use crate::radio::AdapterChoice;

/// Options that work before and after the verb.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Radio to use: hci1, an adapter's address, sim, sim:families, sim:RIG.toml, replay:FILE, or
    /// default: the first powered adapter, also if the configuration names another
    #[arg(long, global = true, env = "BULBCTL_ADAPTER", hide_env_values = true, value_name = "ADAPTER")]
    pub(crate) adapter: Option<AdapterChoice>,
    /// Family of the bulb, if bulbctl should not detect it: NAME, NAME:VARIANT or FILE.toml
    #[arg(long, global = true, env = "BULBCTL_PROFILE", hide_env_values = true, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// Time limit of an operation, such as 500ms or 1m [default: 10s]
    #[arg(long, global = true, env = "BULBCTL_TIMEOUT", hide_env_values = true, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// Largest number of simultaneous links [default: 5, which most adapters can hold]
    #[arg(long, global = true, env = "BULBCTL_MAX_LINKS", hide_env_values = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) max_links: Option<u16>,
    /// Print JSON lines on stdout, errors included
    #[arg(long, global = true, env = "BULBCTL_JSON", hide_env_values = true, value_parser = boolean)]
    pub(crate) json: bool,
    /// Colour the output
    #[arg(
        long,
        global = true,
        env = "BULBCTL_COLOR_OUTPUT",
        hide_env_values = true,
        value_enum,
        ignore_case = true,
        hide_possible_values = true,
        value_name = "auto|always|never"
    )]
    pub(crate) color_output: Option<When>,
    /// Read this configuration file instead of yours
    #[arg(long, global = true, env = "BULBCTL_CONFIG", hide_env_values = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// Record all radio traffic to a file, for --adapter replay:FILE
    #[arg(long, global = true, env = "BULBCTL_RECORD", hide_env_values = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) record: Option<PathBuf>,
    /// Log to stderr: -v steps, -vv every frame, -vvv the libraries too
    #[arg(short, long, global = true, env = "BULBCTL_VERBOSE", hide_env_values = true, action = ArgAction::Count, value_parser = count)]
    pub(crate) verbose: u8,
    /// Print only errors on stderr
    #[arg(
        short,
        long,
        global = true,
        env = "BULBCTL_QUIET",
        hide_env_values = true,
        value_parser = boolean,
        conflicts_with = "verbose"
    )]
    pub(crate) quiet: bool,
}

impl Global {
    /// These options, and others where these are not set.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            adapter: self.adapter.or(other.adapter),
            profile: self.profile.or(other.profile),
            timeout: self.timeout.or(other.timeout),
            max_links: self.max_links.or(other.max_links),
            json: self.json || other.json,
            color_output: self.color_output.or(other.color_output),
            config: self.config.or(other.config),
            record: self.record.or(other.record),
            verbose: self.verbose.max(other.verbose),
            quiet: self.quiet || other.quiet,
        }
    }
}

/// Choice of coloured output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl From<When> for ColorChoice {
    fn from(when: When) -> Self {
        match when {
            When::Auto => Self::Auto,
            When::Always => Self::Always,
            When::Never => Self::Never,
        }
    }
}
