//! `completions` and `man`: made from the argument types.

use super::args::{Cli, Completions, Man};
use crate::error::{Error, Result};
use crate::report::Reporter;

pub(crate) fn completions(args: &Completions, reporter: &Reporter) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::commands(), "bulbctl", &mut script);
    reporter.line(String::from_utf8_lossy(&script).trim_end())
}

pub(crate) fn man(args: &Man, reporter: &Reporter) -> Result<()> {
    let mut command = Cli::commands();
    command.build();
    let page = match &args.verb {
        None => command,
        Some(verb) => command.find_subcommand(verb).cloned().ok_or_else(|| {
            let have: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
            Error::Usage(format!("there is no verb {verb:?} (there is: {})", have.join(", ")))
        })?,
    };
    let mut roff = Vec::new();
    clap_mangen::Man::new(page).render(&mut roff).map_err(|error| Error::Internal(error.to_string()))?;
    reporter.line(String::from_utf8_lossy(&roff).trim_end())
}
