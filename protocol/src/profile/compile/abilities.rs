//! Compiling the `[can]` table.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::Rgb;
use crate::profile::abilities::{Abilities, Field, Grade};
use crate::profile::error::{Mistake, Validated, note};
use crate::profile::file::{AbilitiesDef, BrightnessDef, EffectDef, KelvinDef, LevelDef, Located, Pair};
use crate::profile::light::{Feature, Features};
use crate::profile::scale::Scale;

/// The abilities, with the defaults in place of those that are wrong.
pub(super) fn compile(file: &AbilitiesDef, grade: Grade) -> (Abilities, Validated) {
    let mut valid = Ok(());
    let mut abilities = Abilities {
        declared: Features::NONE,
        grades: Vec::new(),
        power: (1, 0),
        brightness: Scale::PERCENT,
        scaled: false,
        color: Scale::CHANNEL,
        saturation: Scale::PERCENT,
        white: Scale::PERCENT,
        kelvin: Scale::PERCENT,
        tint: Vec::new(),
        effects: Vec::new(),
        numbered: None,
        speed: Scale::PERCENT,
        address: None,
    };
    let mut declare = |feature: Feature, of_feature: Option<Grade>| {
        abilities.declared = abilities.declared.with(feature);
        abilities.grades.push((feature, of_feature.unwrap_or(grade)));
    };
    if let Some(power) = &file.power {
        declare(Feature::Power, power.value.grade);
        abilities.power = (power.value.on.unwrap_or(1), power.value.off.unwrap_or(0));
        if abilities.power.0 == abilities.power.1 {
            note(&mut valid, Err::<(), _>(Mistake::new(power.at, "on and off need different numbers")));
        }
    }
    if let Some(brightness) = &file.brightness {
        declare(Feature::Brightness, brightness.value.grade);
        let BrightnessDef { range, raw, down, scaled, .. } = brightness.value;
        abilities.brightness =
            note(&mut valid, percent(brightness.at, range, raw, down)).unwrap_or(Scale::PERCENT);
        abilities.scaled = scaled;
    }
    if let Some(color) = &file.color {
        declare(Feature::Color, color.value.grade);
        abilities.color =
            note(&mut valid, scale(color.at, (0, 255), color.value.raw.map(Pair::numbers), false))
                .unwrap_or(Scale::CHANNEL);
        let full = color.value.saturation.map(|full| (0, full));
        abilities.saturation =
            note(&mut valid, scale(color.at, (0, 100), full, false)).unwrap_or(Scale::PERCENT);
    }
    if let Some(white) = &file.white {
        declare(Feature::White, white.value.grade);
        abilities.white = note(&mut valid, level(white)).unwrap_or(Scale::PERCENT);
    }
    if let Some(kelvin) = &file.kelvin {
        declare(Feature::Kelvin, kelvin.value.grade);
        if let Some((scale, tint)) = note(&mut valid, temperature(kelvin)) {
            (abilities.kelvin, abilities.tint) = (scale, tint);
        }
    }
    if let Some(effect) = &file.effect {
        declare(Feature::Effect, effect.value.grade);
        if let Some((names, numbered)) = note(&mut valid, effects(effect)) {
            (abilities.effects, abilities.numbered) = (names, numbered);
        }
    }
    if let Some(speed) = &file.speed {
        declare(Feature::Speed, speed.value.grade);
        abilities.speed = note(&mut valid, level(speed)).unwrap_or(Scale::PERCENT);
    }
    (abilities, valid)
}

fn level(level: &Located<LevelDef>) -> Validated<Scale> {
    percent(level.at, level.value.range, level.value.raw, level.value.down)
}

fn percent(at: usize, range: Option<Pair>, raw: Option<Pair>, down: bool) -> Validated<Scale> {
    let range = range.map_or((0, 100), Pair::numbers);
    if range.1 > 100 {
        return Err(Mistake::new(at, format!("range ends at {}, but a percentage at 100", range.1)));
    }
    scale(at, range, raw.map(Pair::numbers), down)
}

fn scale(at: usize, range: (u32, u32), raw: Option<(u32, u32)>, down: bool) -> Validated<Scale> {
    let (min, max) = range;
    if min >= max {
        return Err(Mistake::new(at, format!("range is {min} to {max}: the first number must be smaller")));
    }
    let raw = raw.unwrap_or(range);
    if raw.0 == raw.1 {
        return Err(Mistake::new(at, format!("raw needs two different numbers, not {} twice", raw.0)));
    }
    Ok(Scale { range, raw, down, inverse: false })
}

fn temperature(kelvin: &Located<KelvinDef>) -> Validated<(Scale, Vec<(u32, Rgb)>)> {
    let (at, kelvin) = (kelvin.at, &kelvin.value);
    let range @ (warm, cold) = kelvin.range.numbers();
    if warm < 1000 || cold > 20_000 {
        return Err(Mistake::new(
            at,
            format!("range is {warm} to {cold} kelvin, but must be within 1000 to 20000"),
        ));
    }
    if kelvin.mired && kelvin.raw.is_some() {
        return Err(Mistake::new(at, "use either `mired` or `raw`"));
    }
    let mut scale = scale(at, range, kelvin.raw.map(Pair::numbers), false)?;
    scale.inverse = kelvin.mired;
    let mut tint = Vec::new();
    for (temperature, color) in &kelvin.tint {
        let wrong = || {
            Mistake::new(
                color.at,
                format!(
                    "`{temperature} = {:?}` is not a tint: write kelvin and colour, for example 3600 = \"ffcb8d\", or several \
                     colours, each for 100 K more",
                    color.value
                ),
            )
        };
        let mut at: u32 = temperature.parse().map_err(|_| wrong())?;
        for color in color.value.split(' ') {
            let digits = color.len() == 6 && color.bytes().all(|digit| digit.is_ascii_hexdigit());
            let number = u32::from_str_radix(color, 16).ok().filter(|_| digits).ok_or_else(wrong)?;
            let [_, red, green, blue] = number.to_be_bytes();
            tint.push((at, Rgb::new(red, green, blue)));
            at = at.saturating_add(100);
        }
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
            "there are no effects: add `names` with their numbers, or `numbered` with the first and the last number",
        ));
    }
    let numbered = effect.numbered.map(Pair::numbers);
    if let Some((first, last)) = numbered
        && first >= last
    {
        return Err(Mistake::new(
            at,
            format!("numbered is {first} to {last}: the first number must be smaller"),
        ));
    }
    for name in effect.names.keys() {
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || !name.chars().all(word) || name.parse::<u32>().is_ok() {
            return Err(Mistake::new(
                at,
                format!(
                    "{name:?} is not a name of an effect: use lower-case letters, digits and hyphens, not only digits"
                ),
            ));
        }
    }
    let mut names: Vec<_> = effect.names.iter().map(|(name, number)| (name.clone(), *number)).collect();
    names.sort_by_key(|(_, number)| *number);
    for ((one, number), (other, same)) in names.iter().zip(names.iter().skip(1)) {
        if number == same {
            return Err(Mistake::new(
                at,
                format!("the effects {one:?} and {other:?} have the same number, {number}: keep one name"),
            ));
        }
    }
    Ok((names, numbered))
}

pub(super) fn remove(can: &mut AbilitiesDef, feature: &Located<String>) -> Validated {
    match feature.value.as_str() {
        "power" => can.power = None,
        "brightness" => can.brightness = None,
        "color" => can.color = None,
        "white" => can.white = None,
        "kelvin" => can.kelvin = None,
        "effect" => can.effect = None,
        "speed" => can.speed = None,
        other => {
            let known: Vec<_> = Feature::ALL.iter().map(|feature| feature.name()).collect();
            return Err(Mistake::new(
                feature.at,
                format!("there is no feature {other:?}; the features are: {}", known.join(", ")),
            ));
        }
    }
    Ok(())
}

/// Returns true if the text of a frame has a field of a feature.
pub(super) fn carries(frame: &str, feature: &str) -> bool {
    let names =
        frame.split(['{', '|']).skip(1).filter_map(|field| field.split(['}', ':', '=', '|', '/']).next());
    names.filter_map(|name| Field::named(name.trim())).any(|field| field.feature().name() == feature)
}

pub(super) fn replace(can: &mut AbilitiesDef, by: AbilitiesDef) {
    can.power = by.power.or(can.power.take());
    can.brightness = by.brightness.or(can.brightness.take());
    can.color = by.color.or(can.color.take());
    can.white = by.white.or(can.white.take());
    can.kelvin = match (by.kelvin, can.kelvin.take()) {
        // The preview colours are a property of the family, not of a range.
        (Some(mut new), Some(old)) if new.value.tint.is_empty() => {
            new.value.tint = old.value.tint;
            Some(new)
        }
        (new, old) => new.or(old),
    };
    can.effect = by.effect.or(can.effect.take());
    can.speed = by.speed.or(can.speed.take());
}

pub(super) fn position(can: &AbilitiesDef, feature: Feature) -> usize {
    let at = match feature {
        Feature::Power => can.power.as_ref().map(|feature| feature.at),
        Feature::Brightness => can.brightness.as_ref().map(|feature| feature.at),
        Feature::Color => can.color.as_ref().map(|feature| feature.at),
        Feature::White => can.white.as_ref().map(|feature| feature.at),
        Feature::Kelvin => can.kelvin.as_ref().map(|feature| feature.at),
        Feature::Effect => can.effect.as_ref().map(|feature| feature.at),
        Feature::Speed => can.speed.as_ref().map(|feature| feature.at),
    };
    at.unwrap_or(0)
}
