//! `completions` and `man`, generated from the argument types.

use std::collections::BTreeSet;

use clap::builder::PossibleValuesParser;

use super::args::{Completions, Global, Man};
use super::parse::{self, each_command};
use super::profiles;
use crate::error::{Error, Result};
use crate::output::Printer;

pub(crate) fn completions(args: &Completions, global: &Global, printer: &Printer) -> Result<()> {
    let effects = effects(global);
    let mut commands = each_command(parse::command(), &|verb| {
        let has_effects = verb.get_arguments().any(|argument| argument.get_id() == "effect");
        let names = || PossibleValuesParser::new(effects.clone());
        if has_effects { verb.mut_arg("effect", |effect| effect.value_parser(names())) } else { verb }
    });
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut commands, "bulbctl", &mut script);
    printer.line(String::from_utf8_lossy(&script).trim_end())
}

/// Named effects of all families and variants, including the user's.
fn effects(global: &Global) -> BTreeSet<String> {
    let mut effects = BTreeSet::new();
    for family in profiles::all(global).all() {
        let variants = family.variants().map(|(name, ..)| Some(name));
        for profile in variants.chain([None]).filter_map(|variant| family.profile(variant).ok()) {
            effects.extend(profile.effects().map(str::to_owned));
        }
    }
    effects
}

pub(crate) fn man(args: &Man, printer: &Printer) -> Result<()> {
    let mut command = parse::command();
    command.build();
    let page = match &args.verb {
        None => command,
        Some(verb) => command.find_subcommand(verb).cloned().ok_or_else(|| {
            let have: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
            Error::Usage(format!("there is no verb {verb:?} (verbs: {})", have.join(", ")))
        })?,
    };
    let mut roff = Vec::new();
    clap_mangen::Man::new(page).render(&mut roff).map_err(|error| Error::Internal(error.to_string()))?;
    printer.line(String::from_utf8_lossy(&roff).trim_end())
}
