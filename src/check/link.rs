//! Checks of advertising, connecting and the GATT table.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bulb_protocol::profile::{Light, Profile};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::sleep;

use super::board::{REQUEST_TIME, SETTLE_TIME};
use super::light::require_unchanged;
use super::{Board, NotPassed, OrNotPassed, RunResult, failed};
use crate::bulb::{ACK_TIME, read_battery};
use crate::error::Error;
use crate::radio::gatt::uuid_text;
use crate::radio::{Deadline, WriteKind};

/// The limit of a connect with service discovery. BlueZ gives up after 25 s, people sooner.
const CONNECT: Duration = Duration::from_secs(5);
/// The number of reconnects.
const AGAIN: usize = 2;

pub(super) const fn never_skipped(_: &Profile) -> Option<String> {
    None
}

pub(super) fn advertises(board: &mut Board) -> BoxFuture<'_, RunResult> {
    async {
        match board.advertisement().await? {
            Some((_, advertising)) => {
                let median = advertising.median().map(|gap| format!(", every {} ms", gap.as_millis()));
                board.note = Some(format!(
                    "received {} advertisements{}",
                    advertising.heard,
                    median.unwrap_or_default()
                ));
                Ok(())
            }
            None => Err(failed("it advertises within 7 s", "no advertisement was received")),
        }
    }
    .boxed()
}

pub(super) fn name_and_services(board: &mut Board) -> BoxFuture<'_, RunResult> {
    async {
        let Some((report, _)) = board.advertisement().await? else {
            return Err(NotPassed::Blocked("no advertisement was received, see advertises".to_owned()));
        };
        let name = report.trimmed_name().unwrap_or_default();
        if name.is_empty() {
            return Err(failed("it advertises its name", "no name"));
        }
        // A profile chosen by the user matches any advertisement, so look at the scores.
        let weighed = board.families.score_advertisement(&report);
        let own = weighed.iter().find(|one| one.family == board.profile().name);
        let lower = name.to_lowercase();
        let known = own.is_some_and(|own| own.score > 0) || lower.contains("light") || lower.contains("bulb");
        if !known {
            let expected = "its name contains Light or Bulb, or is one of its family's";
            return Err(failed(expected, format!("the name {name:?}")));
        }
        let wanted = board.profile().example.services.clone();
        let missing: Vec<String> = wanted
            .iter()
            .filter(|service| !report.services.contains(service))
            .copied()
            .map(uuid_text)
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let have: Vec<String> = report.services.iter().copied().map(uuid_text).collect();
        let have = if have.is_empty() { "none".to_owned() } else { have.join(", ") };
        Err(failed(format!("it advertises the services {}", missing.join(", ")), have))
    }
    .boxed()
}

pub(super) fn connects_in_time(board: &mut Board) -> BoxFuture<'_, RunResult> {
    async {
        let took = board.connect(CONNECT).await.or_failed("a link with its services within 5 s")?;
        board.note = Some(format!("{} ms", took.as_millis()));
        Ok(())
    }
    .boxed()
}

pub(super) fn roles_and_properties(board: &mut Board) -> BoxFuture<'_, RunResult> {
    async {
        let roles =
            board.roles().await?.or_failed("every characteristic of its family, with its properties")?;
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
    .boxed()
}

pub(super) fn no_duplicates(board: &mut Board) -> BoxFuture<'_, RunResult> {
    async {
        let link = board.link().await?;
        let mut seen = BTreeSet::new();
        let mut twice = BTreeSet::new();
        for service in &link.table().services {
            if !seen.insert(service.uuid) {
                twice.insert(format!("service {}", uuid_text(service.uuid)));
            }
        }
        for service in &link.table().services {
            let mut own = BTreeSet::new();
            for one in &service.characteristics {
                if !own.insert(one.uuid) {
                    let (service, one) = (uuid_text(service.uuid), uuid_text(one.uuid));
                    twice.insert(format!("characteristic {service}/{one}"));
                }
            }
        }
        if twice.is_empty() {
            return Ok(());
        }
        let twice: Vec<String> = twice.into_iter().collect();
        Err(failed(
            "every service and characteristic is there once",
            format!("more than one {}", twice.join(", ")),
        ))
    }
    .boxed()
}

pub(super) fn reads_its_state(profile: &Profile) -> Option<String> {
    let way = profile.readback();
    (!way.read && !way.query).then(|| "its family cannot be read or queried".to_owned())
}

pub(super) fn state_readable(board: &mut Board) -> BoxFuture<'_, RunResult> {
    async {
        board.prepare_link().await?;
        if !board.profile().readback().read {
            return match board.current_state(None).await {
                Ok(_) => Ok(()),
                Err(NotPassed::Blocked(seen)) => Err(failed("it answers the question for its state", seen)),
                Err(stop) => Err(stop),
            };
        }
        board.read_state().await.or_failed("a frame of its family")?;
        Ok(())
    }
    .boxed()
}

pub(super) fn notifies(profile: &Profile) -> Option<String> {
    let silent = profile.notifying_roles().next().is_none();
    silent.then(|| "its family notifies nothing".to_owned())
}

pub(super) fn subscribes(board: &mut Board) -> BoxFuture<'_, RunResult> {
    async {
        board.prepare_link().await?;
        let subscribed = board.is_subscribed();
        match board.subscribe_error() {
            Some(error) => Err(failed("its subscription is accepted", error.to_string())),
            None if subscribed => Ok(()),
            None => Err(NotPassed::Skipped(
                "this model lacks the optional characteristics that notify".to_owned(),
            )),
        }
    }
    .boxed()
}

pub(super) fn battery_in_range(board: &mut Board) -> BoxFuture<'_, RunResult> {
    async {
        let link = board.link().await?;
        match read_battery(link.as_ref(), &board.device.label(), Deadline::after(REQUEST_TIME)).await {
            Ok(battery) => {
                board.note = Some(format!("{} %", battery.percent));
                Ok(())
            }
            Err(Error::NoBattery { .. }) => Err(NotPassed::Skipped("it has no battery service".to_owned())),
            result => result.or_failed("one byte, 0 to 100").map(drop),
        }
    }
    .boxed()
}

pub(super) fn reconnect_keeps_state(board: &mut Board) -> BoxFuture<'_, RunResult> {
    async {
        board.prepare(true).await?;
        let Some(before) = board.current_state(None).await? else {
            return Err(NotPassed::Skipped("its family tells its state only when it changes".to_owned()));
        };
        board.drop_link().await;
        board.prepare_link().await?;
        let after = board.current_state(None).await?.unwrap_or_default();
        require_unchanged(
            board,
            &before,
            &after,
            before.features(),
            "after another connect, what it was before",
        )
    }
    .boxed()
}

pub(super) fn second_connect(board: &mut Board) -> BoxFuture<'_, RunResult> {
    async {
        board.link().await?;
        for number in 1..=AGAIN {
            let result = board.connect(REQUEST_TIME * 2).await;
            result.or_failed(&format!("connect number {} is served as the first one was", number + 1))?;
        }
        Ok(())
    }
    .boxed()
}

pub(super) fn idle(board: &mut Board) -> BoxFuture<'_, RunResult> {
    async {
        board.prepare(false).await?;
        let profile = Arc::clone(board.profile());
        let on = Light { power: Some(true), ..Light::default() };
        board.send(&on).await.or_blocked("it refuses commands")?;
        // Required after the pause only if the bulb does it before the pause.
        let told = board.collect_status(ACK_TIME, |light| !light.features().is_empty()).await?.is_some();
        let end = tokio::time::Instant::now() + board.idle_time;
        let minutes = format!("the link is up after {} s without a command", board.idle_time.as_secs());
        // The keep-alive writes of the family are part of holding a link.
        if let Some(keep) = profile.link_rules.keep_alive.clone() {
            while tokio::time::Instant::now() + keep.every < end {
                sleep(keep.every).await;
                board.write(&keep.write, Deadline::after(REQUEST_TIME)).await.or_failed(&minutes)?;
            }
        }
        tokio::time::sleep_until(end).await;
        if !board.is_up() {
            return Err(failed(minutes, "the link was lost"));
        }
        board.drain();
        let off = Light { power: Some(false), ..Light::default() };
        board.send(&off).await.or_failed("a command is accepted after that")?;
        if !told {
            return Ok(());
        }
        // notifies-in-time checks how soon it comes.
        let heard = board.next(ACK_TIME * 4).await?;
        sleep(SETTLE_TIME).await;
        match heard {
            Some(_) => Ok(()),
            None => Err(failed("a command is still reported after that", "no notification")),
        }
    }
    .boxed()
}
