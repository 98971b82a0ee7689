//! bash, which splits words at `:`, `=` and `@`, and quotes nothing that a function returns. So the script passes the line as it is
//! typed, and the candidates are quoted here.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};

use clap_complete::engine::{self, PathCompleter, ValueCompleter};

use super::words::{quoted, split, unquote, unquoted};

pub(super) const SHELL: &str = "bash";

/// Passes the line up to the cursor, and the part of it that bash will replace.
pub(super) const SCRIPT: &str = r#"_bulbctl() {
    local candidate
    COMPREPLY=()
    while IFS= read -r candidate; do
        COMPREPLY+=("$candidate")
    done < <(BULBCTL_COMPLETE=bash bulbctl -- "${COMP_LINE:0:COMP_POINT}" "$2" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[/=:] ]]; then
        compopt -o nospace 2>/dev/null
    fi
    return 0
}
complete -o nosort -F _bulbctl bulbctl 2>/dev/null || complete -F _bulbctl bulbctl
"#;

/// Writes the candidates, one a line.
pub(super) fn write(arguments: &[OsString], out: &mut dyn Write) -> io::Result<()> {
    let [line, replaced] = arguments else { return Ok(()) };
    let (line, replaced) = (line.to_string_lossy(), replaced.to_string_lossy());
    let typed = split(&line);
    let Some(current) = typed.words.last() else { return Ok(()) };
    let words: Vec<OsString> = typed.words.iter().map(|word| unquoted(word).into()).collect();
    let values: Vec<OsString> = match typed.redirected {
        true => values(PathCompleter::any().complete(OsStr::new(&unquoted(current)))),
        false => {
            let last = words.len().saturating_sub(1);
            let folder = std::env::current_dir().ok();
            values(engine::complete(&mut super::command(&words, true), words, last, folder.as_deref())?)
        }
    };
    // What stays before the part that is replaced.
    let (kept, quote) = unquote(current.strip_suffix(&*replaced).unwrap_or_default());
    for value in values {
        let rest = value.to_str().and_then(|value| value.strip_prefix(&kept));
        if let Some(text) = rest.and_then(|rest| quoted(rest, quote)) {
            writeln!(out, "{text}")?;
        }
    }
    Ok(())
}

fn values(candidates: Vec<engine::CompletionCandidate>) -> Vec<OsString> {
    candidates.into_iter().map(|candidate| candidate.get_value().to_owned()).collect()
}
