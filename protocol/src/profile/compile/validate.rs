//! Checks of a profile file that do not depend on the variant.

use alloc::format;

use crate::profile::error::{Mistake, Validated};
use crate::profile::file::{File, Located, MatchDef};

const FORMAT: u32 = 1;

pub(in crate::profile) fn validate(file: &File) -> Validated {
    if file.profile.value != FORMAT {
        let message = format!("this is format {}; this version reads format {FORMAT}", file.profile.value);
        return Err(Mistake::new(file.profile.at, message));
    }
    validate_name(file.name.at, &file.name.value)?;
    for (variant, table) in &file.variant {
        validate_name(table.at, variant)?;
    }
    file.matches.iter().try_for_each(|rule| match_rule(file, rule))
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
