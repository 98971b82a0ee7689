//! Checks with frames that a bulb has to refuse, or pass over.

use std::sync::Arc;

use bulb_protocol::profile::{Light, Profile, Write};
use bulb_protocol::{Percent, Rgb};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::sleep;

use super::light::keeping;
use super::stand::{REQUEST_TIME, SETTLE};
use super::{Stand, Stop, Verdict, failed};
use crate::error::Error;
use crate::radio::Deadline;

/// How a frame is spoilt.
#[derive(Clone, Copy)]
enum Spoilt {
    Short,
    Long,
    OutOfRange,
}

pub(super) fn short(stand: &mut Stand) -> BoxFuture<'_, Verdict> {
    refuses(stand, Spoilt::Short).boxed()
}

pub(super) fn long(stand: &mut Stand) -> BoxFuture<'_, Verdict> {
    refuses(stand, Spoilt::Long).boxed()
}

pub(super) fn out_of_range(stand: &mut Stand) -> BoxFuture<'_, Verdict> {
    refuses(stand, Spoilt::OutOfRange).boxed()
}

/// The frames of a profile for two states that differ in everything.
fn frames(profile: &Profile) -> Vec<(Write, Option<Vec<u8>>)> {
    let can = profile.settable();
    let of = |power: bool, brightness: u8, color: Rgb| {
        use bulb_protocol::profile::Item;
        let wanted = Light {
            power: can.contains(Item::Power).then_some(power),
            brightness: can.contains(Item::Brightness).then(|| Percent::clamped(brightness)),
            color: can.contains(Item::Color).then_some(color),
            ..Light::default()
        };
        profile.encode(&wanted, &profile.starting(&Light::default()), 0).map(|sent| sent.writes)
    };
    let one = of(true, 77, Rgb::new(10, 200, 90)).unwrap_or_default();
    let other = of(false, 12, Rgb::new(210, 3, 33)).unwrap_or_default();
    one.into_iter()
        .map(|write| {
            let same = |twin: &&Write| twin.role == write.role && twin.bytes.len() == write.bytes.len();
            let twin = other.iter().find(same).map(|twin| twin.bytes.clone());
            (write, twin)
        })
        .collect()
}

/// Frames that its family does not know: never another opcode, only fewer bytes, more, or another value.
fn spoil(profile: &Profile, how: Spoilt) -> Vec<Write> {
    let mut spoilt = Vec::new();
    for (write, twin) in frames(profile) {
        let with = |bytes: Vec<u8>| Write { bytes, ..write.clone() };
        match how {
            Spoilt::Short => {
                let mut bytes = write.bytes.clone();
                bytes.pop();
                spoilt.push(with(bytes));
            }
            Spoilt::Long => {
                let mut bytes = write.bytes.clone();
                bytes.push(0);
                spoilt.push(with(bytes));
            }
            Spoilt::OutOfRange => {
                let Some(twin) = twin else { continue };
                let varies = write.bytes.iter().zip(&twin).enumerate().filter(|(_, (a, b))| a != b);
                for (place, _) in varies {
                    let mut bytes = write.bytes.clone();
                    if let Some(byte) = bytes.get_mut(place) {
                        *byte = 0xFF;
                    }
                    spoilt.push(with(bytes));
                }
            }
        }
    }
    spoilt.retain(|write| profile.decode_command(&write.role, &write.bytes).is_err());
    spoilt
}

pub(super) fn lacks_short(profile: &Profile) -> Option<String> {
    lacks(profile, Spoilt::Short)
}

pub(super) fn lacks_long(profile: &Profile) -> Option<String> {
    lacks(profile, Spoilt::Long)
}

pub(super) fn lacks_out_of_range(profile: &Profile) -> Option<String> {
    lacks(profile, Spoilt::OutOfRange)
}

fn lacks(profile: &Profile, how: Spoilt) -> Option<String> {
    spoil(profile, how).is_empty().then(|| "its family has no such frames".to_owned())
}

async fn refuses(stand: &mut Stand, how: Spoilt) -> Verdict {
    let profile = Arc::clone(stand.profile());
    for write in spoil(&profile, how) {
        stand.base(true).await?;
        let unchanged = format!("{} changes nothing, and the link stays up", hex::encode(&write.bytes));
        changes_nothing(stand, std::slice::from_ref(&write), &unchanged).await?;
    }
    Ok(())
}

/// Writes what may be refused, and is to have no effect.
pub(super) async fn changes_nothing(stand: &mut Stand, writes: &[Write], expected: &str) -> Verdict {
    let before = stand.observe(None).await?;
    for write in writes {
        match stand.write(write, Deadline::after(REQUEST_TIME)).await {
            Ok(()) | Err(Error::Refused { .. } | Error::Unsupported { .. } | Error::NeedsPairing { .. }) => {}
            Err(error) if matches!(error.exit(), 4 | 5) => return Err(Stop::Broken(error)),
            Err(error) => return Err(failed(expected, error.to_string())),
        }
    }
    sleep(SETTLE).await;
    if !stand.is_up() {
        return Err(failed(expected, "the link was lost"));
    }
    stand.drain();
    let after = stand.observe(None).await?;
    match (before, after) {
        (Some(before), Some(after)) => keeping(stand, &before, &after, before.items(), expected),
        _ => Ok(()),
    }
}
