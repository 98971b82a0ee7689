//! The models of a family: reading the model from an advertisement, and the table of what is known about each.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::str::FromStr;

use super::builtin::{BuiltIn, from_line, key_of};
use super::error::{Mistake, Validated, both, note};
use super::file::{File, Located};
use crate::text::glob;

/// The support of a family for a device that it recognises.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Support {
    /// Drive it, with the variant of the match.
    #[default]
    Driven,
    /// Nothing: it may belong to the family, but its model is unknown. The text says which model was read, if any.
    Unlisted(Option<String>),
    /// Nothing: the model is known, and cannot be driven for this reason.
    Unsupported(String),
    /// Nothing: it is not a bulb, but for example "a thermometer".
    NotABulb(String),
}

impl Support {
    /// Returns the reason why a device cannot be driven, without a capital and a full stop; `None` if it can.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        match self {
            Self::Driven => None,
            Self::Unlisted(Some(model)) => Some(format!("its profile does not list model {model}")),
            Self::Unlisted(None) => Some("neither its name nor its data say which model it is".to_string()),
            Self::Unsupported(reason) => Some(reason.clone()),
            Self::NotABulb(what) => Some(format!("it is {what}, not a bulb")),
        }
    }
}

/// A model in the table of a family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownModel {
    /// The model, in capitals: `H6159`, or `H6159@2.1` for one revision.
    pub model: String,
    /// The variant that drives it.
    pub variant: Option<String>,
    /// The support for it.
    pub support: Support,
}

/// The models of a family.
#[derive(Clone, Debug)]
pub(crate) enum Models {
    /// Those of a file.
    Listed(Listed),
    /// Those of a built-in profile, which are not read before one is looked up.
    BuiltIn(&'static BuiltIn),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Listed {
    exact: BTreeMap<String, KnownModel>,
    /// Models with a `?` for any character.
    patterns: Vec<KnownModel>,
}

impl Models {
    /// Collects the lists of a file.
    pub(super) fn new(file: &File) -> Validated<Self> {
        Listed::new(file).map(Self::Listed)
    }

    /// All models of the table.
    pub(super) fn all(&self) -> Vec<KnownModel> {
        match self {
            Self::Listed(listed) => listed.iter().cloned().collect(),
            Self::BuiltIn(built_in) => {
                let lines = built_in.models.lines().chain(built_in.patterns.lines());
                lines.filter_map(|line| known(built_in, line)).collect()
            }
        }
    }

    /// Finds a model: as this revision, else as any.
    pub(super) fn find(&self, model: &str, revision: Option<&str>) -> Option<KnownModel> {
        let model = model.to_ascii_uppercase();
        let of_revision = revision.and_then(|revision| self.named(&format!("{model}@{revision}")));
        of_revision.or_else(|| self.named(&model))
    }

    fn named(&self, model: &str) -> Option<KnownModel> {
        match self {
            Self::Listed(Listed { exact, patterns }) => {
                let pattern = || patterns.iter().find(|known| glob(&known.model, model));
                exact.get(model).or_else(pattern).cloned()
            }
            Self::BuiltIn(built_in) => {
                let first = from_line(built_in.models, model).lines().next();
                let line = first.filter(|line| key_of(line) == model);
                let pattern = || built_in.patterns.lines().find(|line| glob(key_of(line), model));
                line.or_else(pattern).and_then(|line| known(built_in, line))
            }
        }
    }

    /// Returns true if a model is in the table, in any revision.
    pub(super) fn lists(&self, model: &str) -> bool {
        let model = model.to_ascii_uppercase();
        let revision = || {
            let first = format!("{model}@");
            match self {
                Self::Listed(Listed { exact, .. }) => {
                    exact.range(first.clone()..).next().is_some_and(|(name, _)| name.starts_with(&first))
                }
                Self::BuiltIn(built_in) => from_line(built_in.models, &first).starts_with(&first),
            }
        };
        self.named(&model).is_some() || revision()
    }
}

/// A line of a built-in table.
fn known(built_in: &BuiltIn, line: &str) -> Option<KnownModel> {
    let mut parts = line.split('\t');
    let (model, variant, support) = (parts.next()?, parts.next()?, parts.next()?);
    let support = support.parse().ok().and_then(|number| built_in.supports.lines().nth(number));
    let support = match support.and_then(|line| line.split_at_checked(1)) {
        Some(("u", reason)) => Support::Unsupported(reason.to_string()),
        Some(("n", what)) => Support::NotABulb(what.to_string()),
        _ => Support::Driven,
    };
    let variant = Some(variant.to_string()).filter(|variant| !variant.is_empty());
    Some(KnownModel { model: model.to_string(), variant, support })
}

impl Listed {
    fn new(file: &File) -> Validated<Self> {
        let (mut models, mut valid) = (Self::default(), Ok(()));
        models.add(&file.models, None, &Support::Driven, &mut valid);
        for (name, variant) in &file.variant {
            let support = match &variant.value.unsupported {
                Some(reason) => Support::Unsupported(reason.clone()),
                None => Support::Driven,
            };
            models.add(&variant.value.models, Some(name), &support, &mut valid);
        }
        for row in &file.unsupported {
            models.add(&row.value.models, None, &Support::Unsupported(row.value.reason.clone()), &mut valid);
        }
        for row in &file.not_a_bulb {
            models.add(&row.value.models, None, &Support::NotABulb(row.value.is.clone()), &mut valid);
        }
        let reads = file.matches.iter().any(|rule| rule.value.reads_model());
        let first = models.iter().next().map(|known| known.model.clone());
        let readable = match first {
            Some(model) if !reads => Err(Mistake::new(
                file.name.at,
                format!(
                    "there is a list with model {:?}, but no [[match]] reads a model: put {{model}} into a `name` or `data`",
                    model
                ),
            )),
            _ => Ok(()),
        };
        both(valid, readable).map(|_| models)
    }

    fn add(
        &mut self,
        list: &[Located<String>],
        variant: Option<&str>,
        support: &Support,
        valid: &mut Validated,
    ) {
        for model in list {
            note(valid, validate(model));
            let name = model.value.to_ascii_uppercase();
            let known = KnownModel {
                model: name.clone(),
                variant: variant.map(ToOwned::to_owned),
                support: support.clone(),
            };
            let twice = match name.contains('?') {
                false => self.exact.insert(name, known).is_some(),
                true => {
                    let twice = self.patterns.iter().any(|other| other.model == name);
                    self.patterns.push(known);
                    twice
                }
            };
            if twice {
                let twice = format!("model {:?} is listed twice", model.value);
                note(valid, Err::<(), _>(Mistake::new(model.at, twice)));
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = &KnownModel> {
        self.exact.values().chain(&self.patterns)
    }
}

fn validate(model: &Located<String>) -> Validated {
    let (name, revision) = model.value.split_once('@').unwrap_or((&model.value, "0"));
    let valid = |c: char| c.is_ascii_alphanumeric() || " -.?".contains(c);
    let number = |part: &str| part.parse::<u8>().is_ok();
    if !name.is_empty() && name.chars().all(valid) && name.trim() == name && revision.split('.').all(number) {
        return Ok(());
    }
    Err(Mistake::new(
        model.at,
        format!(
            "{:?} is not a model: write letters and digits, `?` for any character, and @ before a revision, as in \"H6159@2.1\"",
            model.value
        ),
    ))
}

/// A pattern for names, which may say where the model is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamePattern {
    pub(crate) text: String,
    model: Option<ModelPart>,
}

/// `{model}` in a pattern, and what is around it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ModelPart {
    before: String,
    /// Text in front of the part that is read from the name: `H` in `{H+model:4}`.
    prefix: String,
    /// Its number of characters in the name; `None` if it ends where `after` begins.
    length: Option<usize>,
    after: String,
}

/// A name that matches a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NameMatch {
    /// The number of characters that the pattern fixes.
    pub(crate) letters: usize,
    /// The model that was read.
    pub(crate) model: Option<String>,
}

impl NamePattern {
    pub(crate) const fn reads_model(&self) -> bool {
        self.model.is_some()
    }

    /// Matches a name. `listed` says whether a model is in the table.
    pub(crate) fn matches(&self, name: &str, listed: impl Fn(&str) -> bool) -> Option<NameMatch> {
        let Some(part) = &self.model else {
            return glob(&self.text, name).then(|| NameMatch { letters: letters(&self.text), model: None });
        };
        let (read, rest) = name.split_at_checked(char_offset(name, part.before.chars().count())?)?;
        if !glob(&part.before, read) {
            return None;
        }
        let model = part.read(rest, listed)?;
        let letters = letters(&part.before) + model.chars().count() + letters(&part.after);
        Some(NameMatch { letters, model: Some(model) })
    }

    /// Builds a name of this model, for virtual bulbs; `None` if the pattern cannot have it.
    pub(crate) fn example(&self, model: &str) -> Option<String> {
        let part = self.model.as_ref()?;
        let rest = model.strip_prefix(part.prefix.as_str())?;
        let digits = |text: &str| text.replace('?', "0");
        let separate = part.length.is_some() || !part.after.starts_with('*');
        let after = digits(&part.after).replace('*', if separate { "1A2B" } else { "" });
        let name = format!("{}{}{after}", digits(&part.before), digits(rest));
        let read = self.matches(&name, |candidate| candidate.eq_ignore_ascii_case(&digits(model)))?;
        read.model.is_some_and(|read| glob(model, &read)).then_some(name)
    }
}

impl ModelPart {
    /// Reads the model at the start of `rest`.
    fn read(&self, rest: &str, listed: impl Fn(&str) -> bool) -> Option<String> {
        let whole = |text: &str| format!("{}{text}", self.prefix);
        let alphanumeric = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric());
        if let Some(length) = self.length {
            let (model, after) = rest.split_at_checked(char_offset(rest, length)?)?;
            return (alphanumeric(model) && glob(&self.after, after)).then(|| whole(model));
        }
        if self.after.starts_with('*') {
            // The longest listed model that ends where a word ends: "RGB660 PRO" before "RGB660", and "GL1" is not in "GL10".
            let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8());
            let whole_words = ends.filter(|end| {
                let next = rest.get(*end..).and_then(|after| after.chars().next());
                next.is_none_or(|next| !next.is_alphanumeric())
            });
            let candidates: Vec<&str> = whole_words.filter_map(|end| rest.get(..end)).collect();
            let longest = candidates.iter().rev().find(|model| listed(&whole(model)));
            return longest
                .or(candidates.first())
                .filter(|model| !model.is_empty())
                .map(|model| whole(model));
        }
        let end = match self.after.chars().next() {
            Some(first) => rest.find(first)?,
            None => rest.len(),
        };
        let (model, after) = rest.split_at_checked(end)?;
        (!model.is_empty() && glob(&self.after, after)).then(|| whole(model))
    }
}

/// The offset of a character; `None` if the text is shorter.
fn char_offset(text: &str, count: usize) -> Option<usize> {
    let ends = core::iter::once(0).chain(text.char_indices().map(|(at, c)| at + c.len_utf8()));
    ends.into_iter().nth(count)
}

fn letters(pattern: &str) -> usize {
    pattern.chars().filter(|c| *c != '*' && *c != '?').count()
}

impl FromStr for NamePattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not a pattern for names: write * and ? for other characters, and once {{model}}, {{model:4}} or \
                 {{H+model:4}} where the model is; a * may only be behind it"
            )
        };
        let text_only = || Self { text: text.to_string(), model: None };
        if text.is_empty() {
            return Err(wrong());
        }
        let Some((before, rest)) = text.split_once('{') else {
            return if text.contains('}') { Err(wrong()) } else { Ok(text_only()) };
        };
        let (part, after) = rest.split_once('}').ok_or_else(wrong)?;
        if before.contains(['*', '}']) || before.is_empty() || after.contains(['{', '}']) {
            return Err(wrong());
        }
        let (part, length) = match part.split_once(':') {
            None => (part, None),
            Some((part, length)) => {
                let length = length.parse().ok().filter(|length| (1..=32).contains(length));
                (part, Some(length.ok_or_else(wrong)?))
            }
        };
        if length.is_none() && after.starts_with('?') {
            return Err(wrong());
        }
        let prefix = match part.split_once('+') {
            None => "",
            Some((prefix, _)) => prefix,
        };
        if part != "model" && part.strip_prefix(prefix) != Some("+model") {
            return Err(wrong());
        }
        let model = ModelPart { before: before.into(), prefix: prefix.into(), length, after: after.into() };
        Ok(Self { text: text.to_string(), model: Some(model) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pattern: &str, name: &str) -> Option<String> {
        let listed = |model: &str| ["RGB660", "RGB660 PRO", "GL1", "GL1C", "SL90"].contains(&model);
        pattern.parse::<NamePattern>().unwrap().matches(name, listed)?.model
    }

    #[test]
    fn models_in_names() {
        for (pattern, name, model) in [
            ("Govee_{model}_*", "govee_H617A_1A2B", Some("H617A")),
            ("Govee_{model}_*", "Govee_H617A", None),
            ("Govee_{model}_*", "Govee__1A2B", None),
            ("A{model}_X", "A12_X", Some("12")),
            ("A{model}_X", "A12_Y", None),
            ("GV{model:5}*", "GVH600887FB", Some("H6008")),
            ("GV{model:5}*", "GVH5106_2811", Some("H5106")),
            ("GV{model:5}*", "GVH51", None),
            ("GV{H+model:4}*", "GV51085242", Some("H5108")),
            ("LEDnetWF??{model:4}*", "LEDnetWF020033112233", Some("0033")),
            ("LEDnetWF??{model:4}*", "LEDnetWF02é033112233", None),
            ("NEEWER-{model}*", "NEEWER-RGB660 PRO", Some("RGB660 PRO")),
            ("NEEWER-{model}*", "NEEWER-RGB660-1234", Some("RGB660")),
            ("NEEWER-{model}*", "NEEWER-GL1C", Some("GL1C")),
            // Not listed, and not GL1.
            ("NEEWER-{model}*", "NEEWER-GL10 X", Some("GL10")),
            ("NEEWER-{model}*", "NEEWER-", None),
            ("SL{SL+model}*", "SL90", Some("SL90")),
            ("SP{SP+model}", "SP611E", Some("SP611E")),
        ] {
            assert_eq!(read(pattern, name).as_deref(), model, "{pattern} {name}");
        }
        for pattern in
            ["", "{model}*", "*{model}", "A{model", "A{mode}", "A{model:0}", "A{model}{model}", "A}"]
        {
            assert!(pattern.parse::<NamePattern>().is_err(), "{pattern}");
        }
    }

    #[test]
    fn the_characters_that_a_pattern_fixes_are_counted() {
        for (pattern, name, letters) in [
            ("ELK-BLE*", "ELK-BLEDOM", 7),
            ("LEDnetWF??001D*", "LEDnetWF02001D112233", 12),
            ("Govee_{model}_*", "govee_H617A_1A2B", 12),
            ("LEDnetWF??{model:4}x*", "LEDnetWF020033x112233", 13),
            // The model has its prefix.
            ("GV{H+model:4}*", "GV51085242", 7),
        ] {
            let found = pattern.parse::<NamePattern>().unwrap().matches(name, |_| false);
            assert_eq!(found.map(|found| found.letters), Some(letters), "{pattern} {name}");
        }
    }

    #[test]
    fn names_of_models() {
        for (pattern, model, name) in [
            ("Govee_{model}_*", "H617A", Some("Govee_H617A_1A2B")),
            ("GV{H+model:4}*", "H5108", Some("GV51081A2B")),
            ("GV{H+model:4}*", "R1401", None),
            ("LEDnetWF??{model:4}*", "00A?", Some("LEDnetWF0000A01A2B")),
            ("NEEWER-{model}*", "RGB660 PRO", Some("NEEWER-RGB660 PRO")),
            ("NW-{model:8}*", "GL1", None),
        ] {
            let example = pattern.parse::<NamePattern>().unwrap().example(model);
            assert_eq!(example.as_deref(), name, "{pattern} {model}");
        }
    }
}
