//! Checks of advertising, connecting and the GATT table.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bulb_protocol::profile::Profile;
use tokio::time::{Instant, sleep, sleep_until};

use super::board::{REQUEST_TIME, SETTLE_TIME};
use super::light::{power, require_unchanged};
use super::{Board, LINK_DROPPED, NotPassed, OrNotPassed, RunResult, blocked, failed, skipped};
use crate::bulb::{ACK_TIME, read_battery};
use crate::error::Error;
use crate::radio::gatt::uuid_text;
use crate::radio::{Deadline, WriteKind};

/// The limit of a connect with service discovery. BlueZ gives up after 25 s, people sooner.
const CONNECT_TIME: Duration = Duration::from_secs(5);
const RECONNECTS: usize = 2;
/// The score of an advertisement that identifies a family by itself (docs/PROFILES.md).
const IDENTIFIED: u32 = 50;

pub(super) const fn never_skipped(_: &Profile) -> Option<String> {
    None
}

pub(super) async fn advertises(board: &mut Board) -> RunResult {
    match board.advertisement().await? {
        Some((_, advertising)) => {
            let median = advertising.median().map(|gap| format!(", every {} ms", gap.as_millis()));
            let count = advertising.received;
            board.note = Some(format!("received {count} advertisements{}", median.unwrap_or_default()));
            Ok(())
        }
        None => Err(failed("it advertises within 7 s", "no advertisement was received")),
    }
}

pub(super) async fn name_and_services(board: &mut Board) -> RunResult {
    let Some((seen, _)) = board.advertisement().await? else {
        return Err(blocked("no advertisement was received, see advertises"));
    };
    let name = seen.trimmed_name().unwrap_or_default();
    // A profile chosen by the user matches any advertisement, so look at the scores.
    let score = board.families.score_own(&seen, &board.profile().name);
    // Some families have no name, and are recognised by their data.
    if name.is_empty() && score < IDENTIFIED {
        return Err(failed("it advertises its name", "no name"));
    }
    let lower = name.to_lowercase();
    let known = score > 0 || lower.contains("light") || lower.contains("bulb");
    if !known {
        let expected = "its name contains Light or Bulb, or is a name of its family";
        return Err(failed(expected, format!("the name {name:?}")));
    }
    let wanted = &board.profile().example.services;
    let missing = wanted.iter().filter(|service| !seen.services.contains(service));
    let missing: Vec<String> = missing.copied().map(uuid_text).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let have: Vec<String> = seen.services.iter().copied().map(uuid_text).collect();
    let have = if have.is_empty() { "none".to_owned() } else { have.join(", ") };
    Err(failed(format!("it advertises the services {}", missing.join(", ")), have))
}

pub(super) async fn connects_in_time(board: &mut Board) -> RunResult {
    let took = board.connect(CONNECT_TIME).await.or_failed("a link with its services within 5 s")?;
    board.note = Some(format!("{} ms", took.as_millis()));
    Ok(())
}

pub(super) async fn roles_and_properties(board: &mut Board) -> RunResult {
    let roles = board.roles().await?.or_failed("every characteristic of its family, with its properties")?;
    let link = board.link().await?;
    for role in &board.profile().roles {
        let Some(id) = roles.get(&role.name) else { continue };
        let properties = link.table().properties(id).unwrap_or_default();
        // The family uses write requests here so that the bulb can refuse.
        if role.write == Some(WriteKind::Request)
            && properties.writable()
            && !properties.allows(WriteKind::Request)
        {
            let expected = format!("the {} characteristic {id} takes write requests", role.name);
            return Err(failed(expected, format!("its properties are {properties}")));
        }
    }
    Ok(())
}

pub(super) async fn no_duplicates(board: &mut Board) -> RunResult {
    let link = board.link().await?;
    let mut services = BTreeSet::new();
    let mut twice = BTreeSet::new();
    for service in &link.table().services {
        if !services.insert(service.uuid) {
            twice.insert(format!("service {}", uuid_text(service.uuid)));
        }
        let mut seen = BTreeSet::new();
        for one in &service.characteristics {
            if !seen.insert(one.uuid) {
                let (service, one) = (uuid_text(service.uuid), uuid_text(one.uuid));
                twice.insert(format!("characteristic {service}/{one}"));
            }
        }
    }
    if twice.is_empty() {
        // A radio that knows no handles keeps one service and characteristic of each UUID.
        if link.table().services.iter().any(|service| service.handle.is_some()) {
            return Ok(());
        }
        return Err(skipped("this radio shows only one of each UUID"));
    }
    let twice: Vec<String> = twice.into_iter().collect();
    Err(failed("every service and characteristic exists once", format!("more than one {}", twice.join(", "))))
}

pub(super) fn reads_its_state(profile: &Profile) -> Option<String> {
    let readback = profile.readback();
    (!readback.read && !readback.query).then(|| "its family cannot be read or queried".to_owned())
}

pub(super) async fn state_readable(board: &mut Board) -> RunResult {
    board.prepare_link().await?;
    if !board.profile().readback().read {
        return match board.current_state(None).await {
            Ok(_) => Ok(()),
            Err(NotPassed::Blocked(seen)) => Err(failed("it answers the query for its state", seen)),
            Err(other) => Err(other),
        };
    }
    board.read_state().await.or_failed("a frame of its family")?;
    Ok(())
}

pub(super) fn notifies(profile: &Profile) -> Option<String> {
    let silent = profile.notifying_roles().next().is_none();
    silent.then(|| "its family notifies nothing".to_owned())
}

pub(super) async fn subscribes(board: &mut Board) -> RunResult {
    board.prepare_link().await?;
    let subscribed = board.is_subscribed();
    match board.subscribe_error() {
        Some(error) => Err(failed("its subscription is accepted", error.to_string())),
        None if subscribed => Ok(()),
        None => Err(skipped("this model lacks the optional characteristics that notify")),
    }
}

pub(super) async fn battery_in_range(board: &mut Board) -> RunResult {
    let link = board.link().await?;
    match read_battery(link.as_ref(), &board.device.label(), Deadline::after(REQUEST_TIME)).await {
        Ok(battery) => {
            board.note = Some(format!("{} %", battery.percent));
            Ok(())
        }
        Err(Error::NoBattery { service: true, .. }) => Err(skipped("it has no battery level")),
        Err(Error::NoBattery { .. }) => Err(skipped("it has no battery service")),
        result => result.or_failed("one byte, 0 to 100").map(drop),
    }
}

pub(super) async fn reconnect_keeps_state(board: &mut Board) -> RunResult {
    board.prepare(true).await?;
    let Some(before) = board.current_state(None).await? else {
        return Err(skipped("its family reports its state only when it changes"));
    };
    board.drop_link().await;
    board.prepare_link().await?;
    let after = board.current_state(None).await?.unwrap_or_default();
    require_unchanged(board, &before, &after, before.features(), "its state is the same after a reconnect")
}

pub(super) async fn second_connect(board: &mut Board) -> RunResult {
    board.link().await?;
    for number in 1..=RECONNECTS {
        let result = board.connect(REQUEST_TIME * 2).await;
        result.or_failed(&format!("connect number {} works as the first one did", number + 1))?;
    }
    Ok(())
}

pub(super) async fn idle(board: &mut Board) -> RunResult {
    board.prepare(false).await?;
    let profile = Arc::clone(board.profile());
    board.send(&power(true)).await.or_blocked("it refuses commands")?;
    // Required after the pause only if the bulb does it before the pause.
    let notifies = board.collect_status(ACK_TIME, |light| !light.features().is_empty()).await?.is_some();
    let end = Instant::now() + board.idle_time;
    let expected = format!("the link is up after {} s without a command", board.idle_time.as_secs());
    // The keep-alive writes of the family are part of holding a link.
    if let Some(keep) = profile.link_rules.keep_alive.clone() {
        while Instant::now() + keep.every < end {
            sleep(keep.every).await;
            board.write(&keep.write, Deadline::after(REQUEST_TIME)).await.or_failed(&expected)?;
        }
    }
    sleep_until(end).await;
    if !board.is_up() {
        return Err(failed(expected, LINK_DROPPED));
    }
    board.drain();
    board.send(&power(false)).await.or_failed("a command is accepted after that")?;
    if !notifies {
        return Ok(());
    }
    // notifies-in-time checks how soon it comes.
    let notified = board.next(ACK_TIME * 4).await?;
    sleep(SETTLE_TIME).await;
    match notified {
        Some(_) => Ok(()),
        None => Err(failed("a command is still reported after that", "no notification")),
    }
}
