//! The operations of `gatt` and the scripts that list them.

use std::time::Duration;

use super::super::args::duration;
use crate::bulb::{CharacteristicRef, WriteChoice};
use crate::bytes;
use crate::error::{Error, Result};
use crate::radio::WriteKind;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Read(CharacteristicRef),
    Write(CharacteristicRef, Vec<u8>, WriteChoice),
    Subscribe(CharacteristicRef),
    Unsubscribe(CharacteristicRef),
    /// Ends after `count` notifications or after `during`, whichever comes first.
    Notify {
        place: CharacteristicRef,
        count: Option<u64>,
        during: Option<Duration>,
    },
    Wait(Duration),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) line: Option<u64>,
    pub(super) operation: Operation,
}

/// Parses a script with one operation per line. Skips empty lines and lines that start with `#`.
///
/// # Errors
/// [`Error::Usage`] with the line number.
pub(super) fn parse(text: &str) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if !line.is_empty() && !line.starts_with('#') {
            let operation = operation(line).map_err(|what| Error::Usage(format!("line {number}: {what}")))?;
            steps.push(Step { line: Some(number), operation });
        }
    }
    if steps.is_empty() { Err(Error::Usage("the script has no operations".to_owned())) } else { Ok(steps) }
}

fn operation(line: &str) -> Result<Operation, String> {
    let words = words(line)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["read", place] => Ok(Operation::Read(place.parse()?)),
        // nRF Connect prints values like this.
        ["write", place, "(0x)", value, rest @ ..] | ["write", place, value, rest @ ..] => {
            let choice = match rest {
                [] => WriteChoice::Auto,
                [word] => choice(word)?,
                [_, more, ..] => {
                    return Err(format!("unexpected {more:?}: write the value without spaces"));
                }
            };
            Ok(Operation::Write(place.parse()?, value_of(value)?, choice))
        }
        ["subscribe", place] => Ok(Operation::Subscribe(place.parse()?)),
        ["unsubscribe", place] => Ok(Operation::Unsubscribe(place.parse()?)),
        ["notify", place, rest @ ..] => notify(place.parse()?, rest),
        ["wait", time] => Ok(Operation::Wait(duration(time)?)),
        _ => Err(format!(
            "unknown operation {line:?}; use read CHAR, write CHAR VALUE [request|command], subscribe CHAR, unsubscribe CHAR, \
             notify CHAR [count=N] [for=TIME] or wait TIME"
        )),
    }
}

fn notify(place: CharacteristicRef, words: &[&str]) -> Result<Operation, String> {
    let (mut count, mut during) = (None, None);
    for word in words {
        match word.split_once('=') {
            Some(("count", number)) => {
                let number = number.parse().ok().filter(|number| *number > 0);
                count = Some(number.ok_or_else(|| format!("{word:?}: the count must be at least 1"))?);
            }
            Some(("for", time)) => during = Some(duration(time)?),
            _ => return Err(format!("{word:?} is not count=N or for=TIME")),
        }
    }
    // Without a limit, a script would never end.
    let count = if count.is_none() && during.is_none() { Some(1) } else { count };
    Ok(Operation::Notify { place, count, during })
}

pub(super) fn choice(word: &str) -> Result<WriteChoice, String> {
    match word {
        "auto" => Ok(WriteChoice::Auto),
        "request" => Ok(WriteChoice::Only(WriteKind::Request)),
        "command" => Ok(WriteChoice::Only(WriteKind::Command)),
        _ => Err(format!("{word:?} is not request, command or auto")),
    }
}

fn value_of(word: &str) -> Result<Vec<u8>, String> {
    match word.strip_prefix('"') {
        Some(text) => bytes::limited(text.as_bytes().to_vec()),
        None => bytes::hex(word),
    }
}

/// Splits a line into words. A text in double quotes is one word and keeps its first quote as a marker.
fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('"') {
            Some(text) => {
                let (text, after) = text.split_once('"').ok_or("missing closing \"")?;
                (format!("\"{text}"), after)
            }
            None => {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                (word.to_owned(), after)
            }
        };
        words.push(word);
        rest = after.trim_start();
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_an_operation_a_line() {
        let script = "# comment\n\nread fff2\n write fff1 01:64:ff:00:00 command\nwrite 2a00 \"a name\"\n\
                      write fff1 (0x) 01-64 request\n                      notify fff2 count=3 for=2s\nnotify fff2\nwait 200ms\n";
        let place = |text: &str| text.parse::<CharacteristicRef>().unwrap();
        let steps = parse(script).unwrap();
        let lines: Vec<_> = steps.iter().filter_map(|step| step.line).collect();
        assert_eq!(lines, [3, 4, 5, 6, 7, 8, 9]);
        let operations: Vec<_> = steps.into_iter().map(|step| step.operation).collect();
        let command = WriteChoice::Only(WriteKind::Command);
        assert_eq!(
            operations,
            [
                Operation::Read(place("fff2")),
                Operation::Write(place("fff1"), vec![1, 0x64, 0xff, 0, 0], command),
                Operation::Write(place("2a00"), b"a name".to_vec(), WriteChoice::Auto),
                Operation::Write(place("fff1"), vec![1, 0x64], WriteChoice::Only(WriteKind::Request)),
                Operation::Notify {
                    place: place("fff2"),
                    count: Some(3),
                    during: Some(Duration::from_secs(2))
                },
                Operation::Notify { place: place("fff2"), count: Some(1), during: None },
                Operation::Wait(Duration::from_millis(200)),
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (script, want) in [
            ("read fff2\nreed fff2", "line 2: unknown operation \"reed fff2\""),
            ("read", "line 1: unknown operation \"read\""),
            ("read xyz", "line 1: \"xyz\" is not a characteristic"),
            ("write fff1 01zz", "line 1: \"01zz\" is not hex: byte 2 is \"zz\""),
            ("write fff1 01 64 ff", "line 1: unexpected \"ff\""),
            ("write fff1 01 maybe", "line 1: \"maybe\" is not request"),
            ("write fff1 \"open", "line 1: missing closing"),
            ("notify fff2 count=0", "line 1: \"count=0\": the count must be at least 1"),
            ("notify fff2 often", "line 1: \"often\" is not count=N"),
            ("wait 5", "line 1: a time needs a number and a unit"),
            ("# nothing\n", "the script has no operations"),
        ] {
            let error = parse(script).unwrap_err();
            assert_eq!(error.code(), "usage");
            assert!(error.to_string().starts_with(want), "{script}: {error}");
        }
    }
}
