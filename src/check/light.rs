//! Checks of what a bulb does when it is commanded.

use std::sync::Arc;

use bulb_protocol::profile::{Item, Items, Light, Profile};
use bulb_protocol::{Percent, Rgb};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::stand::part;
use super::{Judge, Stand, Stop, Verdict, failed};

/// Colours whose parts are at their ends in every mix, and right beside them.
const CORNERS: [(u8, u8, u8); 6] =
    [(255, 255, 0), (0, 255, 255), (255, 0, 255), (0, 0, 0), (1, 1, 1), (254, 254, 254)];

fn lacks(profile: &Profile, item: Item) -> Option<String> {
    let lacks = !profile.settable().contains(item);
    lacks.then(|| format!("its family cannot set {}", item.name()))
}

pub(super) fn lacks_power(profile: &Profile) -> Option<String> {
    lacks(profile, Item::Power)
}

pub(super) fn lacks_color(profile: &Profile) -> Option<String> {
    lacks(profile, Item::Color)
}

pub(super) fn lacks_white(profile: &Profile) -> Option<String> {
    lacks(profile, Item::White)
}

pub(super) fn lacks_kelvin(profile: &Profile) -> Option<String> {
    lacks(profile, Item::Kelvin)
}

pub(super) fn lacks_effects(profile: &Profile) -> Option<String> {
    let none = || profile.effects().next().is_none().then(|| "its effects have no names".to_owned());
    lacks(profile, Item::Effect).or_else(none)
}

pub(super) fn lacks_brightness<const P: u8>(profile: &Profile) -> Option<String> {
    lacks(profile, Item::Brightness).or_else(|| {
        let (least, most) = profile.range(Item::Brightness)?;
        let out = u32::from(P) < least || u32::from(P) > most;
        out.then(|| format!("its family dims from {least} to {most} %"))
    })
}

pub(super) fn command_on(stand: &mut Stand) -> BoxFuture<'_, Verdict> {
    switch(stand, true).boxed()
}

pub(super) fn command_off(stand: &mut Stand) -> BoxFuture<'_, Verdict> {
    switch(stand, false).boxed()
}

async fn switch(stand: &mut Stand, on: bool) -> Verdict {
    stand.start_from(!on).await?.shall("a command is accepted")?;
    // One that is so already says nothing of the command.
    let before = stand.observe(None).await?.and_then(|light| light.power);
    if before == Some(on) {
        let other = if on { "command-off" } else { "command-on" };
        return Err(Stop::Blocked(format!("it does not take the opposite command, see {other}")));
    }
    let wanted = Light { power: Some(on), ..Light::default() };
    stand.obeys(&wanted, if on { "it reports on" } else { "it reports off" }, Items::NONE).await
}

pub(super) fn brightness<const P: u8>(stand: &mut Stand) -> BoxFuture<'_, Verdict> {
    async {
        stand.base(true).await?;
        let wanted = Light { brightness: Some(Percent::clamped(P)), ..Light::default() };
        // Dark is not off.
        let keeping = Items::NONE.with(Item::Power);
        stand.obeys(&wanted, &format!("it reports brightness {P} %, and on"), keeping).await
    }
    .boxed()
}

pub(super) fn color<const RGB: u32>(stand: &mut Stand) -> BoxFuture<'_, Verdict> {
    async {
        let [_, red, green, blue] = RGB.to_be_bytes();
        stand.base(true).await?;
        shines(stand, Rgb::new(red, green, blue)).await
    }
    .boxed()
}

pub(super) fn corners(stand: &mut Stand) -> BoxFuture<'_, Verdict> {
    async {
        stand.base(true).await?;
        for (red, green, blue) in CORNERS {
            shines(stand, Rgb::new(red, green, blue)).await?;
        }
        Ok(())
    }
    .boxed()
}

async fn shines(stand: &mut Stand, color: Rgb) -> Verdict {
    let wanted = Light { color: Some(color), ..Light::default() };
    // Black is not off.
    let keeping = Items::NONE.with(Item::Power);
    stand.obeys(&wanted, &format!("it reports the colour {color}, and on"), keeping).await
}

pub(super) fn white(stand: &mut Stand) -> BoxFuture<'_, Verdict> {
    async {
        stand.base(true).await?;
        let (least, most) = stand.profile().range(Item::White).unwrap_or((0, 100));
        for value in [least, most] {
            let white = Some(Percent::clamped(u8::try_from(value).unwrap_or(100)));
            let wanted = Light { white, ..Light::default() };
            stand.obeys(&wanted, &format!("it reports white {value} %"), Items::NONE).await?;
        }
        Ok(())
    }
    .boxed()
}

pub(super) fn kelvin(stand: &mut Stand) -> BoxFuture<'_, Verdict> {
    async {
        stand.base(true).await?;
        let (least, most) = stand.profile().range(Item::Kelvin).unwrap_or((2700, 6500));
        for value in [least, most] {
            let wanted = Light { kelvin: u16::try_from(value).ok(), ..Light::default() };
            stand.obeys(&wanted, &format!("it reports {value} K"), Items::NONE).await?;
        }
        Ok(())
    }
    .boxed()
}

pub(super) fn effects(stand: &mut Stand) -> BoxFuture<'_, Verdict> {
    async {
        let profile = Arc::clone(stand.profile());
        for name in profile.effects() {
            stand.base(true).await?;
            let wanted = Light { effect: Some(name.to_owned()), ..Light::default() };
            stand.obeys(&wanted, &format!("it reports the effect {name}"), Items::NONE).await?;
        }
        Ok(())
    }
    .boxed()
}

/// Off and on, then each of brightness and colour alone: after each, what was not named is as it was before.
pub(super) fn keeps_the_rest(stand: &mut Stand) -> BoxFuture<'_, Verdict> {
    async {
        stand.base(true).await?;
        let Some(mut before) = stand.observe(None).await? else {
            return Err(Stop::Skipped("its family tells its state only when it changes".to_owned()));
        };
        let can = stand.profile().settable();
        let none = Light::default;
        let changes = [
            Light { power: Some(false), ..none() },
            Light { power: Some(true), ..none() },
            Light { brightness: Some(Percent::clamped(35)), ..none() },
            Light { color: Some(Rgb::new(40, 120, 200)), ..none() },
        ];
        for change in changes {
            let named = change.items();
            if !named.less(can).is_empty() {
                continue;
            }
            // Only what its family can say alone is a promise.
            let Some(after) = stand.command(&change).await? else { break };
            if stand.profile().disagrees(named, &before, &after).is_empty() {
                let what = named.iter().map(Item::name).collect::<Vec<_>>().join(", ");
                return Err(Stop::Blocked(format!("a change of {what} is not carried out")));
            }
            let mut rest = before.items().less(named);
            if stand.profile().scales_brightness() {
                rest = rest.without(Item::Brightness).without(Item::Color);
            }
            let names: Vec<&str> = named.iter().map(Item::name).collect();
            keeping(
                stand,
                &before,
                &after,
                rest,
                &format!("{} alone changes, and the rest stays", names.join(", ")),
            )?;
            before = after;
        }
        Ok(())
    }
    .boxed()
}

/// That these parts are what they were.
pub(super) fn keeping(stand: &Stand, before: &Light, after: &Light, items: Items, what: &str) -> Verdict {
    let wrong = stand.profile().disagrees(items, before, after);
    if wrong.is_empty() {
        return Ok(());
    }
    let parts = |light: &Light| wrong.iter().map(|item| part(item, light)).collect::<Vec<_>>().join(", ");
    Err(failed(format!("{what} ({})", parts(before)), format!("it reports {}", parts(after))))
}
