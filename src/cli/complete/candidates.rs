//! The candidates for each kind of value. They come from the configuration, from files, and from what was seen lately.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::Arc;

use bulb_protocol::profile::Profile;
use clap::Arg;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter};

use super::super::parse::{self, subcommand};
use crate::bulb::Families;
use crate::check::{CHECKS, profile_check_name};
use crate::config::Config;
use crate::fleet::seen::{self, SeenBulb};
use crate::radio::{AdapterChoice, Address, sim};
use crate::sanitise::sanitise;

type Candidates = Vec<CompletionCandidate>;

/// Gives an argument of a verb what completes its values. Files are completed by clap.
pub(super) fn complete(argument: Arg, verb: &str, typed: &Arc<Typed>) -> Arg {
    let id = argument.get_id().as_str().to_owned();
    let find: fn(&Typed, &str) -> Candidates = match (id.as_str(), verb) {
        ("target" | "targets", _) => |typed, current| listed(current, |item| typed.targets(item)),
        ("adapter", _) => |_, current| adapters(current),
        ("profile", _) | ("name", "show") | ("profiles", "emulate") => {
            |typed, current| typed.profiles(current)
        }
        ("effect", _) => |typed, current| matching(current, typed.effects()),
        ("role", _) => |typed, current| matching(current, typed.roles()),
        ("only", _) => |typed, current| matching(current, typed.checks()),
        ("color", _) => |_, current| matching(current, colors()),
        ("name", "scan") => |typed, current| matching(current, typed.names()),
        ("verb", "man") => |typed, current| matching(current, typed.verbs()),
        _ => return argument,
    };
    let typed = Arc::clone(typed);
    argument.add(ArgValueCompleter::new(move |current: &OsStr| {
        current.to_str().map_or_else(Vec::new, |current| find(&typed, current))
    }))
}

/// The words of the command line so far.
#[derive(Debug)]
pub(super) struct Typed {
    words: Vec<String>,
    /// Candidates are quoted before they get into the command line.
    quotes: bool,
}

impl Typed {
    pub(super) fn new(words: &[OsString], quotes: bool) -> Self {
        Self { words: words.iter().map(|word| word.to_string_lossy().into_owned()).collect(), quotes }
    }

    /// The value of a global option, typed or in its variable.
    fn option(&self, name: &str) -> Option<String> {
        let flag = format!("--{name}");
        let mut typed = None;
        for (word, next) in self.words.iter().zip(self.words.iter().skip(1)) {
            match word.strip_prefix(&flag) {
                Some("") => typed = Some(next.clone()),
                Some(value) if value.starts_with('=') => typed = value.strip_prefix('=').map(str::to_owned),
                _ => {}
            }
        }
        let variable = format!("BULBCTL_{}", name.to_uppercase());
        typed.or_else(|| std::env::var(variable).ok()).filter(|value| !value.is_empty())
    }

    fn config(&self) -> Config {
        Config::load(self.option("config").as_deref().map(Path::new)).unwrap_or_default()
    }

    fn families(&self) -> Families {
        Families::new(Config::profiles_folder(self.option("config").as_deref().map(Path::new)))
    }

    /// The bulbs of the rig, or those that were seen lately.
    fn bulbs(&self, config: &Config) -> Vec<SeenBulb> {
        let adapter = self.option("adapter").or_else(|| config.adapter.clone());
        match adapter.and_then(|adapter| adapter.parse().ok()) {
            Some(AdapterChoice::Sim(rig)) => {
                let bulbs = sim::bulbs(rig.as_deref()).unwrap_or_default();
                bulbs.into_iter().map(|(bulb, profile)| SeenBulb::of(&bulb, Some(profile))).collect()
            }
            Some(AdapterChoice::Replay(_)) => Vec::new(),
            _ => seen::file().map_or_else(Vec::new, |file| seen::load(&file)),
        }
    }

    fn targets(&self, current: &str) -> Candidates {
        let config = self.config();
        let bulbs = self.bulbs(&config);
        let aliases = config.aliases.iter().map(|(alias, of)| candidate(alias, of));
        let groups = config.groups.iter().map(|(group, of)| candidate(&format!("@{group}"), &of.join(", ")));
        let mut found: Candidates = aliases.chain(groups).collect();
        found.push(candidate("all", "every bulb in reach"));
        for bulb in &bulbs {
            let same = |other: &&SeenBulb| other.name == bulb.name;
            let name = bulb.name.as_deref().filter(|name| self.is_target(name));
            match name.filter(|_| bulbs.iter().filter(same).count() == 1) {
                Some(name) => found.push(candidate(name, &bulb.id)),
                None => found.push(candidate(&bulb.id, bulb.name.as_deref().unwrap_or_default())),
            }
        }
        let mut found = matching(current, found);
        // An address is offered to those who begin one.
        let begun = |id: &str| {
            !current.is_empty()
                && id.get(..current.len()).is_some_and(|start| start.eq_ignore_ascii_case(current))
        };
        for bulb in bulbs.iter().filter(|bulb| begun(&bulb.id)) {
            if !found.iter().any(|one| one.get_value() == bulb.id.as_str()) {
                let rest = bulb.id.get(current.len()..).unwrap_or_default();
                let help = bulb.name.as_deref().unwrap_or_default();
                found.push(candidate(&format!("{current}{rest}"), help));
            }
        }
        found
    }

    /// Returns true if a bulb can be named like this. Names are given by strangers: those with control characters are left out, and
    /// those that a shell would run.
    fn is_target(&self, name: &str) -> bool {
        let special = name.starts_with(['@', '-']) || name.contains([',', '*', '?']) || name == "all";
        let plain = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
        let safe = sanitise(name) == name && (self.quotes || name.chars().all(plain));
        !name.is_empty() && !special && safe && name.parse::<Address>().is_err()
    }

    /// The names of bulbs, as patterns that `scan` takes.
    fn names(&self) -> Candidates {
        let bulbs = self.bulbs(&self.config());
        let names: BTreeSet<&str> = bulbs.iter().filter_map(|bulb| bulb.name.as_deref()).collect();
        names.into_iter().filter(|name| self.is_target(name)).map(CompletionCandidate::new).collect()
    }

    /// Families, the variants of the one that is typed, and files.
    fn profiles(&self, current: &str) -> Candidates {
        let families = self.families();
        let mut found: Candidates = families.names().iter().map(CompletionCandidate::new).collect();
        if let Some((name, _)) = current.split_once(':')
            && let Ok((family, _)) = families.load(name)
        {
            let variants =
                family.variants().map(|(variant, title, _)| candidate(&format!("{name}:{variant}"), &title));
            found.extend(variants);
        }
        let mut found = matching(current, found);
        found.extend(paths(current, "toml"));
        found
    }

    /// The profile that is named, or that of the bulb in the command line.
    fn profile(&self) -> Option<Profile> {
        let families = self.families();
        if let Some(name) = self.option("profile") {
            return families.load(&name).ok().map(|(_, profile)| profile);
        }
        let config = self.config();
        let (before, _) = self.words.split_at(self.words.len().saturating_sub(1));
        let bulbs = self.bulbs(&config);
        let profile_of = |word: &String| {
            let named = config.profiles.get(word);
            let target = config.aliases.get(word).unwrap_or(word);
            let is_it = |bulb: &&SeenBulb| bulb.name.as_ref() == Some(target) || bulb.id == *target;
            named.cloned().or_else(|| bulbs.iter().find(is_it)?.profile.clone())
        };
        let name = before.iter().find_map(profile_of)?;
        families.load(&name).ok().map(|(_, profile)| profile)
    }

    /// The effects of the profile, or of all if it is not known.
    fn effects(&self) -> Candidates {
        let mut effects = BTreeSet::new();
        match self.profile() {
            Some(profile) => effects.extend(profile.effects().map(str::to_owned)),
            None => {
                for family in self.families().all() {
                    let variants = family.variants().map(|(name, ..)| Some(name));
                    for profile in variants.chain([None]).filter_map(|variant| family.profile(variant).ok()) {
                        effects.extend(profile.effects().map(str::to_owned));
                    }
                }
            }
        }
        effects.iter().map(CompletionCandidate::new).collect()
    }

    fn roles(&self) -> Candidates {
        let profile = self.option("profile").and_then(|name| self.families().load(&name).ok());
        let roles = profile.map(|(_, profile)| profile.roles).unwrap_or_default();
        roles.iter().map(|role| CompletionCandidate::new(&role.name)).collect()
    }

    fn checks(&self) -> Candidates {
        let mut found: Candidates = CHECKS.iter().map(|check| candidate(check.name, check.about)).collect();
        if let Some(profile) = self.profile() {
            let own = profile.checks.iter();
            found.extend(own.map(|check| candidate(&profile_check_name(&profile, check), &check.about)));
        }
        found
    }

    /// The verbs below those that are typed after `man`.
    fn verbs(&self) -> Candidates {
        let (before, _) = self.words.split_at(self.words.len().saturating_sub(1));
        let after = before.iter().skip_while(|word| *word != "man").skip(1).map(String::as_str);
        let above: Vec<&str> = after.filter(|word| !word.starts_with('-')).collect();
        let command = parse::command();
        let Some(verb) = subcommand(&command, &above) else { return Vec::new() };
        let verbs = verb.get_subcommands();
        verbs.map(|verb| CompletionCandidate::new(verb.get_name()).help(verb.get_about().cloned())).collect()
    }
}

/// Completes the last item of a list with commas.
fn listed(current: &str, find: impl Fn(&str) -> Candidates) -> Candidates {
    match current.rfind(',') {
        None => find(current),
        Some(comma) => {
            let (before, item) = current.split_at(comma + 1);
            find(item).into_iter().map(|one| one.add_prefix(before)).collect()
        }
    }
}

fn adapters(current: &str) -> Candidates {
    let mut found = Vec::new();
    // What the kernel lists; no adapter is asked.
    let entries = std::fs::read_dir("/sys/class/bluetooth").into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> =
        names.filter(|name| name.starts_with("hci") && !name.contains(':')).collect();
    names.sort();
    found.extend(names.iter().map(|name| candidate(name, "an adapter of this computer")));
    found.push(candidate("default", "the first powered adapter"));
    found.push(candidate("sim", "virtual bulbs"));
    found.push(candidate("sim:families", "a virtual bulb of each family"));
    let mut found = matching(current, found);
    for (prefix, extension) in [("sim:", "toml"), ("replay:", "jsonl")] {
        let file = match current.strip_prefix(prefix) {
            Some(file) => file,
            None if !current.is_empty() && prefix.starts_with(current) => "",
            None => continue,
        };
        found.extend(paths(file, extension).into_iter().map(|path| path.add_prefix(prefix)));
    }
    found
}

/// Files with this extension, and folders if a path has been begun.
fn paths(current: &str, extension: &str) -> Candidates {
    let wanted = extension.to_owned();
    let files = PathCompleter::any().filter(move |path| {
        path.is_file() && path.extension().is_some_and(|extension| extension == wanted.as_str())
    });
    let mut found = files.complete(OsStr::new(current));
    found.retain(|path| current.contains('/') || !path.get_value().to_string_lossy().ends_with('/'));
    found
}

fn colors() -> Candidates {
    csscolorparser::NAMED_COLORS.keys().map(|name| CompletionCandidate::new(name.as_str())).collect()
}

fn candidate(value: &str, help: &str) -> CompletionCandidate {
    CompletionCandidate::new(value).help((!help.is_empty()).then(|| sanitise(help).into_owned().into()))
}

fn matching(current: &str, mut candidates: Candidates) -> Candidates {
    candidates.retain(|one| one.get_value().to_str().is_some_and(|value| value.starts_with(current)));
    candidates
}

#[cfg(test)]
mod tests {
    use clap::{Command, ValueHint};

    use super::*;
    use crate::cli::parse::each_command;

    fn arguments(command: &Command) -> Vec<(String, Arg)> {
        let own = command.get_arguments().map(|argument| (command.get_name().to_owned(), argument.clone()));
        own.chain(command.get_subcommands().flat_map(arguments)).collect()
    }

    /// Files are completed where files are meant, and every target and family as such. A new argument has to say which it is.
    #[test]
    fn every_argument_is_completed_as_what_it_is() {
        let typed = Arc::new(Typed::new(&[], true));
        let command = each_command(parse::command(), &|verb| {
            let name = verb.get_name().to_owned();
            verb.mut_args(|argument| complete(argument, &name, &typed))
        });
        let all = arguments(&command);
        assert!(all.len() > 100, "{}", all.len());
        for (verb, argument) in all {
            let completed = argument.get::<ArgValueCompleter>().is_some();
            let names = argument.get_value_names().unwrap_or_default();
            let name = names.first().map(|name| name.to_string()).unwrap_or_default();
            let id = argument.get_id();
            let file = matches!(argument.get_value_hint(), ValueHint::FilePath | ValueHint::DirPath);
            let is = |word: &str| name.to_uppercase().contains(word);
            if is("TARGET") || is("PROFILE") || is("ADAPTER") {
                assert!(completed, "{verb} {id} {name}");
            } else if is("FILE")
                || is("DIR")
                || is("SCRIPT")
                || ["OLD", "NEW", "RIG.toml"].contains(&name.as_str())
            {
                assert!(file, "{verb} {id} {name}");
            } else {
                assert!(!file, "{verb} {id} {name}");
            }
        }
    }
}
