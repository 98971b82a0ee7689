//! `man`: the pages of the manual, made from the argument types.

use std::path::Path;

use clap::Command;
use clap_mangen::Man as Page;
use clap_mangen::roff::{Inline, Roff, bold, roman};

use super::args::Man;
use super::check::write;
use super::help::{EXIT_CODES, Part, parts};
use super::parse::{self, each_command, subcommand};
use crate::error::{Error, Result};
use crate::output::Printer;

/// The variables that stand for no option.
const VARIABLES: [(&str, &str); 7] = [
    ("NO_COLOR", "If it is not empty, nothing is coloured."),
    ("FORCE_COLOR", "If it is not empty, the output is coloured in pipes too; 0 switches colours off."),
    ("CLICOLOR_FORCE", "If it is neither empty nor 0, the output is coloured in pipes too."),
    ("CLICOLOR", "0 switches colours off on terminals."),
    ("COLORTERM", "truecolor or 24bit: the terminal shows exact colours."),
    ("BULBCTL_SIM_DIR", "Folder of the state of virtual bulbs."),
    ("BULBCTL_SIM_LOG", "File to which virtual bulbs log what they see."),
];

const FILES: [(&str, &str); 4] = [
    ("~/.config/bulbctl/config.toml", "Your configuration: defaults, aliases, groups, families of bulbs."),
    ("~/.config/bulbctl/profiles/*.toml", "Your profiles of families."),
    ("~/.local/state/bulbctl/seen.json", "The bulbs that were seen in the last 30 days, for completion."),
    ("~/.local/state/bulbctl/sim/", "The state of virtual bulbs."),
];

pub(crate) fn run(args: &Man, printer: &Printer) -> Result<()> {
    let mut command = each_command(parse::for_people(), &|verb| {
        verb.disable_help_subcommand(true).subcommand_help_heading("VERBS")
    });
    command.build();
    if let Some(folder) = &args.all {
        let unwritable = |error: std::io::Error| Error::FileUnwritable {
            path: folder.display().to_string(),
            detail: error.to_string(),
        };
        std::fs::create_dir_all(folder).map_err(unwritable)?;
        return save(&command, folder);
    }
    let path: Vec<&str> = args.verb.iter().map(String::as_str).collect();
    let found = subcommand(&command, &path).ok_or_else(|| {
        let known = (0..path.len()).rev().find_map(|length| subcommand(&command, path.get(..length)?));
        let have = known.into_iter().flat_map(verbs).map(Command::get_name).collect::<Vec<_>>().join(", ");
        Error::Usage(format!("there is no verb {:?} (verbs: {have})", path.join(" ")))
    })?;
    printer.line(page(found)?.trim_end())
}

/// Writes the page of a command and those below it.
fn save(command: &Command, folder: &Path) -> Result<()> {
    let file = folder.join(format!("{}.1", name(command)));
    write(&file, page(command)?.as_bytes())?;
    verbs(command).try_for_each(|verb| save(verb, folder))
}

fn verbs(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|verb| !verb.is_hide_set())
}

/// The name of a page: `bulbctl-gatt-read`.
fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn page(command: &Command) -> Result<String> {
    let mut out = Vec::new();
    render(command, &mut out).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn render(command: &Command, out: &mut Vec<u8>) -> std::io::Result<()> {
    let page = Page::new(command.clone())
        .source(concat!("bulbctl ", env!("CARGO_PKG_VERSION")))
        .manual("Manual of bulbctl");
    page.render_title(out)?;
    page.render_name_section(out)?;
    page.render_synopsis_section(out)?;
    page.render_description_section(out)?;
    let text = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    let parts = parts(&text);
    let mut roff = Roff::new();
    for part in &parts {
        match part {
            Part::Prose(prose) => {
                roff.control("PP", []).text([roman(prose.as_str())]);
            }
            Part::Lines(lines) => as_they_are(&mut roff, lines),
            Part::Examples(_) => {}
        }
    }
    roff.to_writer(out)?;
    page.render_options_section(out)?;
    if verbs(command).next().is_some() {
        page.render_subcommands_section(out)?;
    }
    let mut roff = Roff::new();
    let root = !name(command).contains('-');
    if !root {
        roff.control("PP", []);
        roff.text([roman("The global options of "), bold("bulbctl"), roman("(1) work here too.")]);
    }
    roff.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in EXIT_CODES {
        item(&mut roff, &code.to_string(), meaning);
    }
    roff.control("SH", ["ENVIRONMENT"]);
    environment(&mut roff, command);
    roff.control("SH", ["FILES"]);
    FILES.iter().for_each(|(file, about)| item(&mut roff, file, about));
    let examples = parts.iter().filter_map(|part| match part {
        Part::Examples(lines) => Some(lines),
        _ => None,
    });
    for (number, lines) in examples.enumerate() {
        if number == 0 {
            roff.control("SH", ["EXAMPLES"]);
        }
        as_they_are(&mut roff, lines);
    }
    if !root {
        roff.control("SH", ["SEE ALSO"]).text([bold("bulbctl"), roman("(1)")]);
    }
    roff.to_writer(out)
}

/// The variables of the global options, which a verb has as hidden ones, and the others.
fn environment(roff: &mut Roff, command: &Command) {
    for argument in command.get_arguments() {
        let (Some(variable), Some(long)) = (argument.get_env(), argument.get_long()) else { continue };
        if !argument.is_global_set() {
            continue;
        }
        let about = format!("The value of --{long} if that is not given.");
        item(roff, &variable.to_string_lossy(), &about);
    }
    VARIABLES.iter().for_each(|(variable, about)| item(roff, variable, about));
    roff.control("PP", [])
        .text([roman("An empty variable counts as unset. Booleans are 1 or 0, true or false, yes or no.")]);
}

fn item(roff: &mut Roff, term: &str, about: &str) {
    let about: Inline = roman(about);
    roff.control("TP", []).text([bold(term)]).text([about]);
}

fn as_they_are(roff: &mut Roff, lines: &[&str]) {
    roff.control("PP", []).control("nf", []);
    for line in lines {
        roff.text([roman(*line)]);
    }
    roff.control("fi", []);
}
