//! The text of a template, as a profile file has it, taken apart. What the words mean is in docs/PROFILES.md.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::can::{Can, Field, Grade};
use super::light::{Item, Items};
use crate::profile::Mode;

/// A part of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// A byte that is sent so. Read, it must be the same in the bits of the mask.
    Byte { value: u8, mask: u8 },
    /// Sent as zeros up to the frame's length; whatever else is there when read.
    Rest,
    /// One to four bytes that hold fields, the highest bits first.
    Fields { parts: Vec<Part>, bytes: usize, little: bool },
    /// A check over all bytes before it, from this one on.
    Check { kind: Check, from: usize },
}

/// A field within its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) what: What,
    pub(crate) bits: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A value, and its number where it is not known.
    Field { field: Field, default: Option<u32> },
    /// Bits that are always so.
    Constant(u32),
    /// Sent as zeros; whatever else is there when read.
    Any,
}

/// What a check byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// The lowest eight bits of the sum.
    Sum,
    /// The exclusive or.
    Xor,
}

impl Check {
    pub(crate) fn of(self, bytes: &[u8]) -> u8 {
        match self {
            Self::Sum => bytes.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte)),
            Self::Xor => bytes.iter().fold(0, |xor, byte| xor ^ byte),
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Xor => "xor",
        }
    }
}

/// A frame as a sequence of parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) tokens: Vec<Token>,
    /// The length of the frame where the template has a rest; without it the rest is as long as it comes.
    pub(crate) length: Option<usize>,
}

impl Template {
    /// Reads the text of a template.
    pub(crate) fn parse(text: &str, can: &Can, frame_length: Option<usize>) -> Result<Self, String> {
        let tokens = words(text)?.into_iter().map(|word| token(word, can)).collect::<Result<Vec<_>, _>>()?;
        let template = Self { tokens, length: frame_length };
        if template.tokens.is_empty() {
            return Err("a frame has at least one byte".to_string());
        }
        if template.tokens.iter().filter(|token| **token == Token::Rest).count() > 1 {
            return Err("a frame has one `...` at most".to_string());
        }
        if template.has_rest() && frame_length.is_some_and(|length| length < template.fixed_len()) {
            return Err(format!(
                "the frame is longer than frame_length: {} bytes without `...`",
                template.fixed_len()
            ));
        }
        template.colours_are_whole()?;
        Ok(template)
    }

    fn colours_are_whole(&self) -> Result<(), String> {
        let has: Vec<Field> = self.fields().map(|(field, _)| field).collect();
        for whole in [
            &[Field::Red, Field::Green, Field::Blue][..],
            &[Field::Hue, Field::Saturation],
            &[Field::X, Field::Y],
        ] {
            let there = whole.iter().filter(|field| has.contains(field)).count();
            if there != 0 && there != whole.len() {
                let names: Vec<_> = whole.iter().map(|field| format!("{{{}}}", field.name())).collect();
                return Err(format!("a colour needs all of {}", names.join(", ")));
            }
        }
        Ok(())
    }

    pub(crate) fn has_rest(&self) -> bool {
        self.tokens.contains(&Token::Rest)
    }

    /// The length without the rest.
    pub(crate) fn fixed_len(&self) -> usize {
        self.tokens.iter().map(Token::len).sum()
    }

    /// The fields, and whether each has a number where its value is not known.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (Field, bool)> {
        self.tokens.iter().flat_map(Token::parts).filter_map(|part| match part.what {
            What::Field { field, default } => Some((field, default.is_some())),
            _ => None,
        })
    }

    /// What can be said with it.
    pub(crate) fn items(&self) -> Items {
        self.fields().filter(|(field, _)| field.tells()).map(|(field, _)| field.item()).collect()
    }

    /// How many of its bits are always the same: of two templates, the one with more is tried first.
    pub(crate) fn fixed_bits(&self) -> u32 {
        self.tokens
            .iter()
            .map(|token| match token {
                Token::Byte { mask, .. } => mask.count_ones(),
                Token::Check { .. } => 8,
                Token::Rest => 0,
                Token::Fields { parts, .. } => parts
                    .iter()
                    .map(|part| if matches!(part.what, What::Constant(_)) { part.bits } else { 0 })
                    .sum(),
            })
            .sum()
    }

    /// The mode that a frame with it puts the lamp into, or reports.
    pub(crate) fn mode(&self) -> Option<Mode> {
        [Item::Effect, Item::Color, Item::White, Item::Kelvin]
            .into_iter()
            .find(|item| self.items().contains(*item))
            .and_then(Item::mode)
    }
}

impl Token {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Byte { .. } | Self::Check { .. } => 1,
            Self::Rest => 0,
            Self::Fields { bytes, .. } => *bytes,
        }
    }

    fn parts(&self) -> &[Part] {
        match self {
            Self::Fields { parts, .. } => parts,
            _ => &[],
        }
    }
}

/// Words stand apart by spaces; braces hold theirs together.
fn words(text: &str) -> Result<Vec<&str>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = if rest.starts_with('{') {
            rest.find('}').ok_or("a { without its }")? + 1
        } else {
            rest.find([' ', '\t', '{']).unwrap_or(rest.len())
        };
        let (word, after) = rest.split_at(end);
        words.push(word);
        rest = after.trim_start();
    }
    Ok(words)
}

fn token(word: &str, can: &Can) -> Result<Token, String> {
    if word == "..." {
        return Ok(Token::Rest);
    }
    if word == "??" {
        return Ok(Token::Byte { value: 0, mask: 0 });
    }
    if let Some(inner) = word.strip_prefix('{').and_then(|word| word.strip_suffix('}')) {
        return braces(inner.trim(), can);
    }
    let (value, mask) = match (word.strip_suffix('?'), word.split_once('/')) {
        (Some(value), _) => (value, "00"),
        (_, Some((value, mask))) => (value, mask),
        _ => (word, "FF"),
    };
    match (byte(value), byte(mask)) {
        (Some(value), Some(mask)) => Ok(Token::Byte { value, mask }),
        _ => Err(format!(
            "`{word}` is no part of a frame: a byte is two hex digits (7E), 7E? one that reads as anything, \
             75/7F one under a mask, ?? any byte, ... the rest, {{red}} a field"
        )),
    }
}

/// A byte of two hex digits.
pub(crate) fn byte(text: &str) -> Option<u8> {
    let digits = text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    digits.then(|| u8::from_str_radix(text, 16).ok()).flatten()
}

fn braces(inner: &str, can: &Can) -> Result<Token, String> {
    if let Some(check) = check(inner)? {
        return Ok(check);
    }
    if inner.contains('|') || inner.starts_with(|first: char| first == '_' || first.is_ascii_digit()) {
        return bits(inner, can);
    }
    let (name, default) = split(inner, '=');
    let (name, order) = split(name, ':');
    let (bytes, little) = match order {
        None => (1, false),
        Some("le") => (2, true),
        Some("be") => (2, false),
        Some(other) => {
            return Err(format!(
                "`{other}` is no byte order: {{{name}:le}} is two bytes with the low one first, {{{name}:be}} with the high one; \
                 bits are written {{{name}:7|_:1}}"
            ));
        }
    };
    let bits = if bytes == 1 { 8 } else { 16 };
    let what = field(name, default, bits, can)?;
    Ok(Token::Fields { parts: alloc::vec![Part { what, bits }], bytes, little })
}

fn check(inner: &str) -> Result<Option<Token>, String> {
    let (name, from) = split(inner, ':');
    let kind = match name {
        "sum" => Check::Sum,
        "xor" => Check::Xor,
        _ => return Ok(None),
    };
    let from = match from {
        None => 0,
        Some(text) => text
            .parse()
            .map_err(|_| format!("`{text}` is no position: {{{name}:2}} leaves out the first two bytes"))?,
    };
    Ok(Some(Token::Check { kind, from }))
}

/// `{power:1|brightness:7}`, `{0x8:4|white:12|le}`.
fn bits(inner: &str, can: &Can) -> Result<Token, String> {
    let (inner, little) = inner.strip_suffix("|le").map_or((inner, false), |inner| (inner, true));
    let mut parts = Vec::new();
    for text in inner.split('|') {
        let (text, default) = split(text, '=');
        let (name, bits) = split(text, ':');
        let bits =
            bits.and_then(|bits| bits.parse().ok()).filter(|bits| (1..=16).contains(bits)).ok_or_else(
                || format!("`{text}` does not say its number of bits, 1 to 16, as {{power:1|_:7}} does"),
            )?;
        let what = match constant(name) {
            _ if name == "_" => What::Any,
            Some(value) if value >> bits == 0 => What::Constant(value),
            Some(_) => return Err(format!("{name} has more than {bits} bits")),
            None => field(name, default, bits, can)?,
        };
        parts.push(Part { what, bits });
    }
    let total: u32 = parts.iter().map(|part| part.bits).sum();
    if !total.is_multiple_of(8) || total > 32 {
        return Err(format!("{{{inner}}} is {total} bits long, not 8, 16, 24 or 32"));
    }
    let bytes = usize::try_from(total / 8).unwrap_or(0);
    Ok(Token::Fields { parts, bytes, little })
}

fn constant(name: &str) -> Option<u32> {
    match name.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => name.parse().ok(),
    }
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    match text.split_once(at) {
        Some((before, after)) => (before.trim(), Some(after.trim())),
        None => (text.trim(), None),
    }
}

fn field(name: &str, default: Option<&str>, bits: u32, can: &Can) -> Result<What, String> {
    let field = Field::named(name).ok_or_else(|| {
        let known: Vec<_> = Field::names().collect();
        format!("there is no field {{{name}}}; there are {}, and the checks sum and xor", known.join(", "))
    })?;
    let item = field.item();
    if !can.declared.contains(item) {
        return Err(format!("{{{name}}} needs `{item}` in [can], which says what the lamp can do"));
    }
    if !field.tells() && can.tint.is_empty() {
        return Err(format!("{{{name}}} needs can.kelvin.tint, the preview colours by kelvin"));
    }
    if can.greatest(field) >> bits != 0 {
        return Err(format!(
            "{{{name}}} has numbers up to {}, which {bits} bits do not hold",
            can.greatest(field)
        ));
    }
    let default = match default {
        None => None,
        Some(text) => Some(default_number(field, text, can)?),
    };
    Ok(What::Field { field, default })
}

fn default_number(field: Field, text: &str, can: &Can) -> Result<u32, String> {
    let wrong = |need: &str| format!("`{text}` is no value for {{{}}}: {need} is needed", field.name());
    let number = || text.parse::<u32>().ok();
    match field {
        Field::Effect => can.effect_number(text).ok_or_else(|| wrong("the name of an effect")),
        Field::Power => match text {
            "on" => Ok(can.power.0),
            "off" => Ok(can.power.1),
            _ => Err(wrong("on or off")),
        },
        Field::Red | Field::Green | Field::Blue => {
            number().filter(|n| *n <= 255).map(|n| can.color.to_raw(n)).ok_or_else(|| wrong("0 to 255"))
        }
        _ => {
            let scale =
                can.scale_of(field.item()).ok_or_else(|| "this field takes no default".to_string())?;
            let (least, most) = scale.range;
            let inside = number().filter(|number| (least..=most).contains(number));
            inside.map(|n| scale.to_raw(n)).ok_or_else(|| wrong(&format!("{least} to {most}")))
        }
    }
}

impl Grade {
    /// Whether support is to be called experimental.
    #[must_use]
    pub fn experimental(self) -> bool {
        self == Self::C
    }
}
