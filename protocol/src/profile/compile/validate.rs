//! Checks of a profile file that do not depend on the variant.

use alloc::format;
use alloc::string::String;

use crate::profile::abilities::Field;
use crate::profile::error::{Mistake, Validated, all, both};
use crate::profile::file::{File, Located, MatchDef, VariantDef};
use crate::profile::text::FrameBytes;

const FORMAT: u32 = 1;
/// The most variants of a family. Each is compiled from all values of the file.
const MOST_VARIANTS: usize = 300;
/// The longest value of an attribute, bytes (Bluetooth Core 5.4, Vol 3, Part F, 3.2.9).
pub(super) const LONGEST_FRAME: usize = 512;

/// Checks the format and the limits of a file, before anything else is done with it.
pub(in crate::profile) fn validate_limits(file: &File) -> Validated {
    if file.profile.value != FORMAT {
        let message = format!("this is format {}; this version reads format {FORMAT}", file.profile.value);
        return Err(Mistake::new(file.profile.at, message));
    }
    if file.variant.len() > MOST_VARIANTS {
        return Err(Mistake::new(file.name.at, format!("there are more than {MOST_VARIANTS} variants")));
    }
    match file.frame_length {
        Some(length) if length > LONGEST_FRAME => {
            let message = format!("frame_length is {length}, but a frame has at most {LONGEST_FRAME} bytes");
            Err(Mistake::new(file.name.at, message))
        }
        _ => Ok(()),
    }
}

pub(in crate::profile) fn validate(file: &File) -> Validated {
    validate_limits(file)?;
    let variant = |(name, table): (&String, &Located<VariantDef>)| {
        let bytes = all(table.value.bytes.iter().map(|(name, bytes)| bytes_name(name, bytes)));
        let lineage = super::lineage(file, name).map(|_| ());
        both(both(validate_name(table.at, name), lineage), bytes).map(|_| ())
    };
    let names = both(
        validate_name(file.name.at, &file.name.value),
        all(file.bytes.iter().map(|(name, bytes)| bytes_name(name, bytes))),
    );
    let rules = both(
        all(file.variant.iter().map(variant)),
        all(file.matches.iter().map(|rule| match_rule(file, rule))),
    );
    both(names, rules).map(|_| ())
}

/// Checks the name and the value of bytes for frames.
fn bytes_name(name: &str, bytes: &Located<FrameBytes>) -> Validated {
    validate_name(bytes.at, name)?;
    if Field::named(name).is_some() || ["sum", "xor"].contains(&name) {
        return Err(Mistake::new(
            bytes.at,
            format!("{{{name}}} is a field of frames: give these bytes another name"),
        ));
    }
    if bytes.value.0.is_empty() {
        return Err(Mistake::new(bytes.at, format!("bytes.{name} needs at least one byte")));
    }
    if bytes.value.0.len() > LONGEST_FRAME {
        let message =
            format!("bytes.{name} has {} bytes, and a frame at most {LONGEST_FRAME}", bytes.value.0.len());
        return Err(Mistake::new(bytes.at, message));
    }
    Ok(())
}

fn match_rule(file: &File, rule: &Located<MatchDef>) -> Validated {
    let (at, rule) = (rule.at, &rule.value);
    let kinds =
        [rule.name.is_some(), rule.service.is_some(), rule.company.is_some(), rule.service_data.is_some()];
    if kinds.iter().filter(|present| **present).count() != 1 {
        return Err(Mistake::new(
            at,
            "[[match]] needs one of `name`, `service`, `company` and `service_data`",
        ));
    }
    if rule.data.is_some() && rule.company.is_none() && rule.service_data.is_none() {
        return Err(Mistake::new(at, "`data` needs `company` or `service_data`"));
    }
    if let (true, Some(variant)) = (rule.reads_model(), &rule.variant) {
        return Err(Mistake::new(
            variant.at,
            "a [[match]] with {model} cannot name a variant: the lists of models do",
        ));
    }
    if !(1..=100).contains(&rule.score.value) {
        return Err(Mistake::new(rule.score.at, format!("score is {}, not 1 to 100", rule.score.value)));
    }
    match &rule.variant {
        Some(variant) if !file.variant.contains_key(&variant.value) => {
            Err(Mistake::new(variant.at, format!("there is no variant {:?}", variant.value)))
        }
        _ => Ok(()),
    }
}

pub(in crate::profile) fn validate_name(at: usize, name: &str) -> Validated {
    let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.is_empty() && name.chars().all(valid) {
        return Ok(());
    }
    let message = format!("{name:?} is not a name: use lower-case letters, digits and hyphens");
    Err(Mistake::new(at, message))
}
