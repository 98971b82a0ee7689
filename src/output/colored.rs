//! Decides which streams are coloured: as the user chose, or by NO_COLOR (no-color.org), FORCE_COLOR (force-color.org), CLICOLOR and
//! CLICOLOR_FORCE (bixense.com/clicolors).

use std::io::IsTerminal;

use anstream::ColorChoice;

/// The choice for a stream.
pub(crate) fn choice(stream: &impl IsTerminal) -> ColorChoice {
    match ColorChoice::global() {
        ColorChoice::Auto if by_environment(|name| std::env::var(name).ok(), stream.is_terminal()) => {
            ColorChoice::Always
        }
        ColorChoice::Auto => ColorChoice::Never,
        chosen => chosen,
    }
}

pub(crate) fn is_colored(stream: &impl IsTerminal) -> bool {
    choice(stream) != ColorChoice::Never
}

fn by_environment(env: impl Fn(&str) -> Option<String>, terminal: bool) -> bool {
    let set = |name: &str| env(name).filter(|value| !value.is_empty());
    if set("NO_COLOR").is_some() {
        return false;
    }
    if let Some(force) = set("FORCE_COLOR") {
        return force != "0" && force != "false";
    }
    if set("CLICOLOR_FORCE").is_some_and(|force| force != "0") {
        return true;
    }
    let able = set("TERM").map_or(cfg!(windows), |term| term != "dumb");
    terminal && set("CLICOLOR").map_or(able, |color| color != "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_colours_as_its_conventions_say() {
        // In a pipe, and on a terminal.
        for (variables, pipe, terminal) in [
            (&[][..], false, true),
            (&[("TERM", "dumb")], false, false),
            (&[("NO_COLOR", "1")], false, false),
            (&[("NO_COLOR", "")], false, true),
            (&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1"), ("FORCE_COLOR", "1")], false, false),
            (&[("CLICOLOR_FORCE", "1")], true, true),
            (&[("CLICOLOR_FORCE", "0")], false, true),
            (&[("CLICOLOR_FORCE", "")], false, true),
            (&[("CLICOLOR_FORCE", "1"), ("TERM", "dumb")], true, true),
            (&[("FORCE_COLOR", "1")], true, true),
            (&[("FORCE_COLOR", "3")], true, true),
            (&[("FORCE_COLOR", "0")], false, false),
            (&[("FORCE_COLOR", "false"), ("CLICOLOR_FORCE", "1")], false, false),
            (&[("FORCE_COLOR", "")], false, true),
            (&[("CLICOLOR", "0")], false, false),
            (&[("CLICOLOR", "1")], false, true),
            (&[("CLICOLOR", "0"), ("CLICOLOR_FORCE", "1")], true, true),
        ] {
            let env = |name: &str| {
                let found = variables.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
                found.or((name == "TERM").then_some("xterm")).map(str::to_owned)
            };
            assert_eq!(
                (by_environment(env, false), by_environment(env, true)),
                (pipe, terminal),
                "{variables:?}"
            );
        }
    }
}
