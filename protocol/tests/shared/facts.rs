//! The facts in the text of a profile, and what each would be if somebody had made a slip: another byte, another UUID,
//! another number.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// A fact, and where it is.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) kind: Kind,
    /// `variant.melk.commands.on`
    pub(crate) key: String,
    pub(crate) variant: Option<String>,
    pub(crate) line: usize,
    place: Range<usize>,
    wrong: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Command,
    Report,
    Advert,
    Session,
    Uuid,
    Effect,
    Range,
}

impl Kind {
    pub(crate) const ALL: [Self; 7] =
        [Self::Command, Self::Report, Self::Advert, Self::Session, Self::Uuid, Self::Effect, Self::Range];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Command => "bytes and fields of commands",
            Self::Report => "bytes and fields of status frames and queries",
            Self::Advert => "bytes and fields of advertisements",
            Self::Session => "bytes of greetings and keep-alives",
            Self::Uuid => "UUIDs",
            Self::Effect => "effect numbers",
            Self::Range => "ends of ranges",
        }
    }
}

impl Fact {
    /// The text of the profile with a slip in this fact.
    pub(crate) fn slip(&self, text: &str) -> String {
        let mut text = text.to_owned();
        text.replace_range(self.place.clone(), &self.wrong);
        text
    }

    pub(crate) fn describe(&self, text: &str) -> String {
        format!("line {}: {} {} for {}", self.line, self.key, self.wrong, &text[self.place.clone()])
    }
}

/// Finds the facts. It reads the lines of our own files, not any TOML: a header or `key =` begins at the start of a line.
pub(crate) fn of(text: &str) -> Vec<Fact> {
    let mut facts = Vec::new();
    let (mut section, mut key) = (String::new(), String::new());
    let aliases = lines_of_aliases(text);
    let mut reports = 0;
    let mut start = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let code = without_comment(line);
        if let Some(header) = code.trim_end().strip_prefix('[') {
            section = header.trim_matches(['[', ']']).to_owned();
            key.clear();
            if section.ends_with("report") || section.ends_with("advert") {
                reports += 1;
            }
        } else {
            let mut from = 0;
            if let Some((name, _)) = code.split_once('=').filter(|_| !code.starts_with([' ', '}', ']'])) {
                key = name.trim().to_owned();
                from = name.len() + 1;
            }
            let mut path: Vec<&str> =
                section.split('.').chain(key.split('.')).filter(|part| !part.is_empty()).collect();
            let variant = match path.as_slice() {
                ["variant", name, ..] => Some((*name).to_owned()),
                _ => None,
            };
            if variant.is_some() {
                path.drain(..2);
            }
            let full = path.join(".");
            let number = if matches!(path.first(), Some(&("report" | "advert"))) {
                format!(" {reports}")
            } else {
                String::new()
            };
            let named = match &variant {
                Some(name) => format!("{name}: {full}{number}"),
                None => format!("{full}{number}"),
            };
            let mut add = |kind: Kind, place: Range<usize>, wrong: String| {
                let place = start + place.start..start + place.end;
                facts.push(Fact {
                    kind,
                    key: named.clone(),
                    variant: variant.clone(),
                    line: index + 1,
                    place,
                    wrong,
                });
            };
            let alias = code.contains(ALIAS) || aliases.contains(&index);
            look(&path, &code[from..], from, alias, &mut add);
        }
        start += line.len();
    }
    facts
}

/// Marks a command that bulbs accept and bulbctl never sends.
const ALIAS: &str = "alias = true";

/// The lines of sections that are such a command.
fn lines_of_aliases(text: &str) -> BTreeSet<usize> {
    let lines: Vec<&str> = text.lines().collect();
    let mut start = 0;
    let sections = lines.chunk_by(|_, next| !next.starts_with('[')).map(|section| {
        let place = start..start + section.len();
        start = place.end;
        (place, section)
    });
    sections
        .filter(|(_, section)| section.iter().any(|line| line.starts_with(ALIAS)))
        .flat_map(|(place, _)| place)
        .collect()
}

/// The variants of a file: which extends which, and which the rules of recognition name.
pub(crate) struct Variants {
    extends: BTreeMap<String, String>,
    matched: BTreeSet<String>,
}

impl Variants {
    pub(crate) fn of(text: &str) -> Self {
        let (mut extends, mut matched) = (BTreeMap::new(), BTreeSet::new());
        let mut section = "";
        for line in text.lines() {
            let code = without_comment(line).trim();
            let value = |key: &str| {
                Some(code.strip_prefix(key)?.trim().strip_prefix('=')?.trim().trim_matches('"').to_owned())
            };
            if code.starts_with('[') {
                section = code.trim_matches(['[', ']']);
            } else if let (Some(own), Some(base)) = (section.strip_prefix("variant."), value("extends")) {
                extends.insert(own.to_owned(), base);
            } else if let ("match", Some(variant)) = (section, value("variant")) {
                matched.insert(variant);
            }
        }
        Self { extends, matched }
    }

    fn bases(&self, name: &str) -> Vec<String> {
        let bases = std::iter::successors(Some(name), |name| self.extends.get(*name).map(String::as_str));
        bases.map(str::to_owned).collect()
    }

    /// A variant and all that extend it.
    pub(crate) fn around(&self, name: &str) -> BTreeSet<String> {
        let extending = self.extends.keys().filter(|other| self.bases(other).iter().any(|base| base == name));
        extending.cloned().chain([name.to_owned()]).collect()
    }

    /// The text with these variants, those that they extend, and no other. It is read much faster.
    pub(crate) fn reduced(&self, text: &str, around: &BTreeSet<String>) -> String {
        let needed = around.iter().chain(&self.matched).flat_map(|name| self.bases(name));
        let needed: BTreeSet<String> = needed.collect();
        let mut keeps = true;
        let keep = |line: &&str| {
            if line.starts_with('[') {
                let section = line.trim_start_matches('[');
                let name = section.strip_prefix("variant.");
                let name = name.map(|rest| rest.split(['.', ']']).next().unwrap_or_default());
                keeps = name.is_none_or(|name| needed.contains(name));
            }
            keeps
        };
        text.split_inclusive('\n').filter(keep).collect()
    }
}

type Add<'a> = dyn FnMut(Kind, Range<usize>, String) + 'a;

fn look(path: &[&str], value: &str, at: usize, alias: bool, add: &mut Add<'_>) {
    match path {
        ["commands", ..] | ["bytes", ..] => templates(Kind::Command, value, at, alias, add),
        ["report", "frame"] => templates(Kind::Report, value, at, true, add),
        ["report", ..] | ["parts"] => templates(Kind::Report, value, at, false, add),
        ["advert", "frame"] => templates(Kind::Advert, value, at, true, add),
        ["session", ..] => templates(Kind::Session, value, at, false, add),
        ["role", _, "at"] => {
            for (place, uuid) in strings(value) {
                for (part, offset) in parts(uuid, '/') {
                    if part != "*" {
                        let last = at + place + offset + first_group(part);
                        let digit = value.as_bytes()[last - at - 1];
                        add(
                            Kind::Uuid,
                            last - 1..last,
                            char::from(if digit == b'7' { b'8' } else { b'7' }).to_string(),
                        );
                    }
                }
            }
        }
        ["can", "effect", "names", ..] => numbers(Kind::Effect, value, at, add),
        ["can", "effect", "numbered"] => numbers(Kind::Range, value, at, add),
        ["can", "effect"] => match value.find("names") {
            Some(names) => {
                numbers(Kind::Range, &value[..names], at, add);
                numbers(Kind::Effect, &value[names..], at + names, add);
            }
            None => numbers(Kind::Range, value, at, add),
        },
        ["can", _, "tint", ..] | ["can", _, "grade"] => {}
        ["can", ..] => numbers(Kind::Range, value, at, add),
        _ => {}
    }
}

/// The length of the first group of a long UUID, or of a short one: the last digits of long ones are often those of a vendor.
fn first_group(uuid: &str) -> usize {
    uuid.find('-').unwrap_or(uuid.len())
}

/// Another byte for each byte, and two fields in each other's place.
///
/// `only_read`: bulbctl never sends this frame, and reads `7E?` as any byte. So no other byte is wrong there.
fn templates(kind: Kind, value: &str, at: usize, only_read: bool, add: &mut Add<'_>) {
    for (place, text) in strings(value) {
        let tokens: Vec<(&str, usize)> = parts(text, ' ').collect();
        if !tokens.iter().all(|(token, _)| is_template(token)) {
            continue;
        }
        for (token, offset) in &tokens {
            if only_read && token.ends_with('?') {
                continue;
            }
            if let Some(byte) = token.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                let from = at + place + offset;
                add(kind, from..from + 2, format!("{:02X}", byte ^ 1));
            }
        }
        let fields: Vec<&(&str, usize)> = tokens.iter().filter(|(token, _)| is_field(token)).collect();
        for pair in fields.windows(2) {
            let ((one, from), (other, to)) = (pair[0], pair[1]);
            if one != other {
                let between = &text[from + one.len()..*to];
                add(kind, at + place + from..at + place + to + other.len(), format!("{other}{between}{one}"));
            }
        }
    }
}

/// A field that takes one byte, so that another can be in its place.
fn is_field(token: &str) -> bool {
    token.starts_with('{') && !token.contains([':', '|', '_']) && token != "{sum}" && token != "{xor}"
}

fn is_template(token: &str) -> bool {
    let digits = token.len() >= 2 && token.is_char_boundary(2) && u8::from_str_radix(&token[..2], 16).is_ok();
    token == "..."
        || token == "??"
        || token.starts_with('{')
        || (digits && matches!(token.get(2..3), None | Some("?" | "/")))
}

/// Another number for each number: the ends of ranges, the numbers of effects.
fn numbers(kind: Kind, value: &str, at: usize, add: &mut Add<'_>) {
    let mut rest = value;
    while let Some(begin) = rest.find(|c: char| c.is_ascii_digit()) {
        let from = value.len() - rest.len() + begin;
        let text = &value[from..];
        let length = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
        let word = &text[..length];
        let after_name =
            value[..from].ends_with(|c: char| c.is_alphanumeric() || c == '-' || c == '_' || c == '"');
        let number = match word.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => word.parse().ok(),
        };
        if let Some(number) = number.filter(|_| !after_name) {
            add(kind, at + from..at + from + length, (number + 1).to_string());
        }
        rest = &value[from + length..];
    }
}

/// The strings in a value, each with the place of its first character.
fn strings(value: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut place = 0;
    value.split('"').enumerate().filter_map(move |(index, text)| {
        let here = place;
        place += text.len() + 1;
        (index % 2 == 1).then_some((here, text))
    })
}

/// The parts between separators, each with its place.
fn parts(text: &str, separator: char) -> impl Iterator<Item = (&str, usize)> {
    let mut place = 0;
    text.split(separator).filter_map(move |part| {
        let here = place;
        place += part.len() + 1;
        (!part.is_empty()).then_some((part, here))
    })
}

fn without_comment(line: &str) -> &str {
    let mut inside = false;
    let end = line.find(|c: char| {
        inside ^= c == '"';
        c == '#' && !inside
    });
    &line[..end.unwrap_or(line.len())]
}
