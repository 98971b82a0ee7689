//! `[can]`: from the file's words to scales and numbers.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::can::{Can, Grade};
use super::error::{Mistake, Validated};
use super::file::{BrightnessDef, CanDef, EffectDef, KelvinDef, LevelDef, Located};
use super::light::{Item, Items};
use super::scale::Scale;
use crate::Rgb;

/// The abilities of a profile; `grade` is that of those that do not say their own.
pub(crate) fn compile(file: &CanDef, grade: Grade) -> Validated<Can> {
    let mut can = Can {
        declared: Items::NONE,
        grades: Vec::new(),
        power: (1, 0),
        brightness: Scale::PERCENT,
        scaled: false,
        color: Scale::CHANNEL,
        white: Scale::PERCENT,
        kelvin: Scale::PERCENT,
        tint: Vec::new(),
        effects: Vec::new(),
        numbered: None,
        speed: Scale::PERCENT,
    };
    let mut declare = |item: Item, own: Option<Grade>| {
        can.declared = can.declared.with(item);
        can.grades.push((item, own.unwrap_or(grade)));
    };
    if let Some(power) = &file.power {
        declare(Item::Power, power.value.grade);
        can.power = (power.value.on.unwrap_or(1), power.value.off.unwrap_or(0));
        if can.power.0 == can.power.1 {
            return Err(Mistake::new(power.at, "on and off have the same number"));
        }
    }
    if let Some(brightness) = &file.brightness {
        declare(Item::Brightness, brightness.value.grade);
        let BrightnessDef { range, raw, down, scaled, .. } = brightness.value;
        can.brightness = percent(brightness.at, range, raw, down)?;
        can.scaled = scaled;
    }
    if let Some(color) = &file.color {
        declare(Item::Color, color.value.grade);
        can.color = scale(color.at, (0, 255), color.value.raw, false)?;
    }
    if let Some(white) = &file.white {
        declare(Item::White, white.value.grade);
        can.white = level(white)?;
    }
    if let Some(kelvin) = &file.kelvin {
        declare(Item::Kelvin, kelvin.value.grade);
        (can.kelvin, can.tint) = temperature(kelvin)?;
    }
    if let Some(effect) = &file.effect {
        declare(Item::Effect, effect.value.grade);
        (can.effects, can.numbered) = effects(effect)?;
    }
    if let Some(speed) = &file.speed {
        declare(Item::Speed, speed.value.grade);
        can.speed = level(speed)?;
    }
    Ok(can)
}

fn level(level: &Located<LevelDef>) -> Validated<Scale> {
    percent(level.at, level.value.range, level.value.raw, level.value.down)
}

fn percent(at: usize, range: Option<(u32, u32)>, raw: Option<(u32, u32)>, down: bool) -> Validated<Scale> {
    let range = range.unwrap_or((0, 100));
    if range.1 > 100 {
        return Err(Mistake::new(at, format!("range ends at {}, and percent at 100", range.1)));
    }
    scale(at, range, raw, down)
}

fn scale(at: usize, range: (u32, u32), raw: Option<(u32, u32)>, down: bool) -> Validated<Scale> {
    let (least, most) = range;
    if least >= most {
        return Err(Mistake::new(at, format!("range is {least} to {most}: the first is to be the smaller")));
    }
    let raw = raw.unwrap_or(range);
    if raw.0 == raw.1 {
        return Err(Mistake::new(at, format!("raw is {} at both ends", raw.0)));
    }
    Ok(Scale { range, raw, down, inverse: false })
}

fn temperature(kelvin: &Located<KelvinDef>) -> Validated<(Scale, Vec<(u32, Rgb)>)> {
    let (at, kelvin) = (kelvin.at, &kelvin.value);
    let (warm, cold) = kelvin.range;
    if warm < 1000 || cold > 20_000 {
        return Err(Mistake::new(at, format!("range is {warm} to {cold} kelvin, not within 1000 to 20000")));
    }
    if kelvin.mired && kelvin.raw.is_some() {
        return Err(Mistake::new(at, "the numbers are either mireds or as `raw` says"));
    }
    let mut scale = scale(at, kelvin.range, kelvin.raw, false)?;
    scale.inverse = kelvin.mired;
    let mut tint = Vec::new();
    for (temperature, color) in &kelvin.tint {
        let wrong = || {
            Mistake::new(
                color.at,
                format!(
                    "`{temperature} = {:?}` is no kelvin with its colour, as 3600 = \"ffcb8d\"",
                    color.value
                ),
            )
        };
        let digits = color.value.len() == 6 && color.value.bytes().all(|digit| digit.is_ascii_hexdigit());
        let number = u32::from_str_radix(&color.value, 16).ok().filter(|_| digits).ok_or_else(wrong)?;
        let [_, red, green, blue] = number.to_be_bytes();
        tint.push((temperature.parse().map_err(|_| wrong())?, Rgb::new(red, green, blue)));
    }
    tint.sort_by_key(|(temperature, _)| *temperature);
    Ok((scale, tint))
}

type Numbered = Option<(u32, u32)>;

fn effects(effect: &Located<EffectDef>) -> Validated<(Vec<(String, u32)>, Numbered)> {
    let (at, effect) = (effect.at, &effect.value);
    if effect.names.is_empty() && effect.numbered.is_none() {
        return Err(Mistake::new(
            at,
            "there are no effects: `names` with their numbers, or `numbered` with the first and the last",
        ));
    }
    if let Some((first, last)) = effect.numbered
        && first >= last
    {
        return Err(Mistake::new(
            at,
            format!("numbered is {first} to {last}: the first is to be the smaller"),
        ));
    }
    for name in effect.names.keys() {
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || !name.chars().all(word) || name.parse::<u32>().is_ok() {
            return Err(Mistake::new(
                at,
                format!(
                    "{name:?} is no name of an effect: small letters, digits and hyphens, not digits alone"
                ),
            ));
        }
    }
    let mut names: Vec<_> = effect.names.iter().map(|(name, number)| (name.clone(), *number)).collect();
    names.sort_by_key(|(_, number)| *number);
    Ok((names, effect.numbered))
}

/// Takes an ability away.
pub(crate) fn remove(can: &mut CanDef, item: &Located<String>) -> Validated {
    match item.value.as_str() {
        "power" => can.power = None,
        "brightness" => can.brightness = None,
        "color" => can.color = None,
        "white" => can.white = None,
        "kelvin" => can.kelvin = None,
        "effect" => can.effect = None,
        "speed" => can.speed = None,
        other => {
            let known: Vec<_> = Item::ALL.iter().map(|item| item.name()).collect();
            return Err(Mistake::new(
                item.at,
                format!("a lamp has no {other:?}; there are {}", known.join(", ")),
            ));
        }
    }
    Ok(())
}

/// Puts the abilities of a variant in the place of the family's.
pub(crate) fn replace(can: &mut CanDef, by: CanDef) {
    can.power = by.power.or(can.power.take());
    can.brightness = by.brightness.or(can.brightness.take());
    can.color = by.color.or(can.color.take());
    can.white = by.white.or(can.white.take());
    can.kelvin = by.kelvin.or(can.kelvin.take());
    can.effect = by.effect.or(can.effect.take());
    can.speed = by.speed.or(can.speed.take());
}

/// Where an ability is declared.
pub(crate) fn place(can: &CanDef, item: Item) -> usize {
    let at = match item {
        Item::Power => can.power.as_ref().map(|ability| ability.at),
        Item::Brightness => can.brightness.as_ref().map(|ability| ability.at),
        Item::Color => can.color.as_ref().map(|ability| ability.at),
        Item::White => can.white.as_ref().map(|ability| ability.at),
        Item::Kelvin => can.kelvin.as_ref().map(|ability| ability.at),
        Item::Effect => can.effect.as_ref().map(|ability| ability.at),
        Item::Speed => can.speed.as_ref().map(|ability| ability.at),
    };
    at.unwrap_or(0)
}
