//! Parsing of frame templates. docs/PROFILES.md describes their syntax.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::abilities::{Abilities, Field};
use super::light::{Features, Mode};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// A fixed byte. A frame that is read must match it in the bits of the mask.
    Byte { value: u8, mask: u8 },
    /// `...`: zeros up to the length of the frame; any bytes in a frame that is read.
    Rest,
    /// One to four bytes of fields, the highest bits first.
    Fields { fields: Vec<BitField>, bytes: usize, little_endian: bool },
    /// The Bluetooth address of the bulb, as it is printed: six bytes.
    Address,
    /// A checksum over the bytes before it, starting at `from`.
    Checksum { kind: Checksum, from: usize },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BitField {
    pub(crate) content: Content,
    pub(crate) bits: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A value, and the number to send if the value is not known.
    Value { field: Field, default: Option<u32> },
    /// A level, on a scale from 0 to `full`, rounded down. A frame that is read has it only beside the level.
    Share { field: Field, full: u32 },
    /// Fixed bits.
    Constant(u32),
    /// Zeros; any bits in a frame that is read.
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checksum {
    /// The sum, modulo 256.
    Sum,
    Xor,
}

impl Checksum {
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

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) tokens: Vec<Token>,
    /// The length of a frame with a [`Token::Rest`]; without it, the rest may have any length.
    pub(crate) length: Option<usize>,
    /// The length without the rest.
    pub(crate) min_len: usize,
    pub(crate) has_rest: bool,
}

impl Template {
    pub(crate) fn parse(
        text: &str,
        abilities: &Abilities,
        frame_length: Option<usize>,
    ) -> Result<Self, String> {
        let tokens = words(text)?.into_iter().map(|word| token(word, abilities));
        let tokens = tokens.collect::<Result<Vec<_>, _>>()?;
        let min_len = tokens.iter().map(Token::len).sum();
        let rests = tokens.iter().filter(|token| **token == Token::Rest).count();
        if tokens.is_empty() {
            return Err("a frame needs at least one byte".to_string());
        }
        if rests > 1 {
            return Err("a frame can only have one `...`".to_string());
        }
        if rests == 1 && frame_length.is_some_and(|length| length < min_len) {
            return Err(format!("the frame is longer than frame_length: {min_len} bytes without `...`"));
        }
        let template = Self { tokens, length: frame_length, min_len, has_rest: rests == 1 };
        template.validate_colors()?;
        Ok(template)
    }

    fn validate_colors(&self) -> Result<(), String> {
        let has: Vec<Field> = self.fields().map(|(field, _)| field).collect();
        for color in [
            &[Field::Red, Field::Green, Field::Blue][..],
            &[Field::Hue, Field::Saturation],
            &[Field::X, Field::Y],
        ] {
            let present = color.iter().filter(|field| has.contains(field)).count();
            if present != 0 && present != color.len() {
                let names: Vec<_> = color.iter().map(|field| format!("{{{}}}", field.name())).collect();
                return Err(format!("a colour needs all of {}", names.join(", ")));
            }
        }
        Ok(())
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = (Field, bool)> {
        self.tokens.iter().flat_map(Token::fields).filter_map(|field| match field.content {
            Content::Value { field, default } => Some((field, default.is_some())),
            _ => None,
        })
    }

    pub(crate) fn features(&self) -> Features {
        self.fields().filter(|(field, _)| field.carries_state()).map(|(field, _)| field.feature()).collect()
    }

    /// The number of fixed bits. Of two templates that match a frame, the one with more is the better match.
    pub(crate) fn fixed_bits(&self) -> u32 {
        let constant = |field: &BitField| matches!(field.content, Content::Constant(_));
        let bits = |token: &Token| match token {
            Token::Byte { mask, .. } => mask.count_ones(),
            Token::Checksum { .. } => 8,
            Token::Rest | Token::Address => 0,
            Token::Fields { fields, .. } => {
                fields.iter().filter(|field| constant(field)).map(|field| field.bits).sum()
            }
        };
        self.tokens.iter().map(bits).sum()
    }

    pub(crate) fn mode(&self) -> Option<Mode> {
        self.features().mode()
    }
}

impl Token {
    pub(crate) const fn len(&self) -> usize {
        match self {
            Self::Byte { .. } | Self::Checksum { .. } => 1,
            Self::Rest => 0,
            Self::Address => 6,
            Self::Fields { bytes, .. } => *bytes,
        }
    }

    fn fields(&self) -> &[BitField] {
        match self {
            Self::Fields { fields, .. } => fields,
            _ => &[],
        }
    }
}

fn words(text: &str) -> Result<Vec<&str>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = if rest.starts_with('{') {
            rest.find('}').ok_or("this frame has a { without a }")? + 1
        } else {
            rest.find([' ', '\t', '{']).unwrap_or(rest.len())
        };
        let (word, after) = rest.split_at(end);
        words.push(word);
        rest = after.trim_start();
    }
    Ok(words)
}

fn token(word: &str, abilities: &Abilities) -> Result<Token, String> {
    if word == "..." {
        return Ok(Token::Rest);
    }
    if word == "??" {
        return Ok(Token::Byte { value: 0, mask: 0 });
    }
    if let Some(inner) = word.strip_prefix('{').and_then(|word| word.strip_suffix('}')) {
        return braces(inner.trim(), abilities);
    }
    let (value, mask) = match (word.strip_suffix('?'), word.split_once('/')) {
        (Some(value), _) => (value, "00"),
        (_, Some((value, mask))) => (value, mask),
        _ => (word, "FF"),
    };
    match (byte(value), byte(mask)) {
        (Some(value), Some(mask)) => Ok(Token::Byte { value, mask }),
        _ => Err(format!(
            "`{word}` is not a part of a frame: write 7E for a byte, 7E? for a byte that is not checked when \
             read, 75/7F for a byte with a mask, ?? for any byte, ... for the rest, or {{red}} for a field"
        )),
    }
}

pub(crate) fn byte(text: &str) -> Option<u8> {
    let digits = text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    digits.then(|| u8::from_str_radix(text, 16).ok()).flatten()
}

fn braces(inner: &str, abilities: &Abilities) -> Result<Token, String> {
    if let Some(checksum) = checksum(inner)? {
        return Ok(checksum);
    }
    if inner == "address" {
        return Ok(Token::Address);
    }
    if inner.contains('|') || inner.starts_with(|first: char| first == '_' || first.is_ascii_digit()) {
        return bits(inner, abilities);
    }
    if let (name, Some(full)) = split(inner, '/') {
        let content = share(name, full, abilities)?;
        return Ok(Token::Fields {
            fields: alloc::vec![BitField { content, bits: 8 }],
            bytes: 1,
            little_endian: false,
        });
    }
    let (name, default) = split(inner, '=');
    let (name, order) = split(name, ':');
    let (bytes, little_endian) = match order {
        None if name == Field::Tint.name() => (3, false),
        None => (1, false),
        Some("le") => (2, true),
        Some("be") => (2, false),
        Some(other) => {
            return Err(format!(
                "`{other}` is not a byte order: write {{{name}:le}} for two bytes, low byte first, {{{name}:be}} for high \
                 byte first, or {{{name}:7|_:1}} for bits"
            ));
        }
    };
    let bits = match bytes {
        1 => 8,
        2 => 16,
        _ => 24,
    };
    let content = field(name, default, bits, abilities)?;
    Ok(Token::Fields { fields: alloc::vec![BitField { content, bits }], bytes, little_endian })
}

fn share(name: &str, full: &str, abilities: &Abilities) -> Result<Content, String> {
    let Content::Value { field, .. } = field(name, None, 16, abilities)? else {
        return Err(format!("{{{name}}} is not a level"));
    };
    let full = full.parse().ok().filter(|full| (1..=255).contains(full));
    match (field, full) {
        (Field::Brightness | Field::White | Field::Speed, Some(full)) => Ok(Content::Share { field, full }),
        _ => {
            Err(format!("{{{name}/…}} needs a level, and its number for 100 %, 1 to 255: {{brightness/32}}"))
        }
    }
}

fn checksum(inner: &str) -> Result<Option<Token>, String> {
    let (name, from) = split(inner, ':');
    let kind = match name {
        "sum" => Checksum::Sum,
        "xor" => Checksum::Xor,
        _ => return Ok(None),
    };
    let from = match from {
        None => 0,
        Some(text) => text.parse().map_err(|_| {
            format!("`{text}` is not a number of bytes: {{{name}:2}} skips the first two bytes")
        })?,
    };
    Ok(Some(Token::Checksum { kind, from }))
}

/// Parses bit fields: `power:1|brightness:7`, `0x8:4|white:12|le`.
fn bits(inner: &str, abilities: &Abilities) -> Result<Token, String> {
    let (inner, little_endian) = inner.strip_suffix("|le").map_or((inner, false), |inner| (inner, true));
    let mut fields = Vec::new();
    for text in inner.split('|') {
        let (text, default) = split(text, '=');
        let (name, bits) = split(text, ':');
        let bits = bits
            .and_then(|bits| bits.parse().ok())
            .filter(|bits| (1..=16).contains(bits))
            .ok_or_else(|| format!("`{text}` needs its number of bits, 1 to 16, as in {{power:1|_:7}}"))?;
        let content = match constant(name) {
            _ if name == "_" => Content::Any,
            Some(value) if value >> bits == 0 => Content::Constant(value),
            Some(_) => return Err(format!("{name} does not fit into {bits} bits")),
            None => field(name, default, bits, abilities)?,
        };
        fields.push(BitField { content, bits });
    }
    let total: u32 = fields.iter().map(|field| field.bits).sum();
    if !total.is_multiple_of(8) || total > 32 {
        return Err(format!("{{{inner}}} is {total} bits long, not 8, 16, 24 or 32"));
    }
    let bytes = usize::try_from(total / 8).unwrap_or(0);
    Ok(Token::Fields { fields, bytes, little_endian })
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

fn field(name: &str, default: Option<&str>, bits: u32, abilities: &Abilities) -> Result<Content, String> {
    let field = Field::named(name).ok_or_else(|| {
        let known: Vec<_> = Field::names().collect();
        format!(
            "there is no field {{{name}}}; the fields are {}, address, and the checksums sum and xor",
            known.join(", ")
        )
    })?;
    let feature = field.feature();
    if !abilities.declared.contains(feature) {
        return Err(format!("{{{name}}} needs `{feature}` in [can], which lists what the bulb can do"));
    }
    if (!field.carries_state() || field == Field::Tint) && abilities.tint.is_empty() {
        return Err(format!("{{{name}}} needs can.kelvin.tint, the preview colours by kelvin"));
    }
    if abilities.max_number(field) >> bits != 0 {
        return Err(format!(
            "{{{name}}} has numbers up to {}, which do not fit into {bits} bits",
            abilities.max_number(field)
        ));
    }
    let default = match default {
        None => None,
        Some(text) => Some(default_number(field, text, abilities)?),
    };
    Ok(Content::Value { field, default })
}

fn default_number(field: Field, text: &str, abilities: &Abilities) -> Result<u32, String> {
    let wrong = |need: &str| format!("`{text}` is not a value for {{{}}}: use {need}", field.name());
    let number = || text.parse::<u32>().ok();
    match field {
        Field::Effect => abilities.effect_number(text).ok_or_else(|| wrong("the name of an effect")),
        Field::Power => match text {
            "on" => Ok(abilities.power.0),
            "off" => Ok(abilities.power.1),
            _ => Err(wrong("on or off")),
        },
        Field::Red | Field::Green | Field::Blue => {
            number().filter(|n| *n <= 255).map(|n| abilities.color.to_raw(n)).ok_or_else(|| wrong("0 to 255"))
        }
        _ => {
            let scale = abilities
                .scale_of(field.feature())
                .ok_or_else(|| "this field cannot have a default".to_string())?;
            let (min, max) = scale.range;
            let inside = number().filter(|number| (min..=max).contains(number));
            inside.map(|n| scale.to_raw(n)).ok_or_else(|| wrong(&format!("{min} to {max}")))
        }
    }
}
