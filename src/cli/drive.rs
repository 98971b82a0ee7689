//! `on`, `off`, `toggle`, `set`.

use std::cell::Cell;
use std::time::Duration;

use bulb_protocol::profile::{Feature, Light};

use super::args::{Bulbs, Confirm, Set, Switch};
use super::context::Context;
use crate::bulb::{Change, Power, refuse_unsupported};
use crate::error::{Error, Result};
use crate::output::{Record, StateRecord};

pub(crate) async fn power(args: &Switch, power: Power, context: &Context<'_>) -> Result<()> {
    run(&args.bulbs, Change::power(power), None, args.confirm, context).await
}

pub(crate) async fn set(args: &Set, context: &Context<'_>) -> Result<()> {
    let change = args.light.change();
    if change.is_empty() {
        return Err(Error::Usage(
            "nothing to set; use --on, --off, --brightness, --color, --white, --kelvin, --effect or --speed"
                .to_owned(),
        ));
    }
    run(&args.bulbs, change, args.fade, args.confirm, context).await
}

async fn run(
    bulbs: &Bulbs,
    change: Change,
    fade: Option<Duration>,
    confirm: Confirm,
    context: &Context<'_>,
) -> Result<()> {
    let target = bulbs.text();
    let dims = change.features().contains(Feature::Brightness);
    let noted = Cell::new(false);
    context
        .each_checked(
            bulbs,
            "setting",
            async |radio, device, deadline| {
                refuse_unsupported(&device, &context.families)?;
                let deadline = fade.map_or(deadline, |fade| deadline.later(fade));
                // Computed once, because a repeated toggle would undo itself.
                let mut wanted: Option<Light> = None;
                let outcome = context.with_session(radio.as_ref(), &device, deadline, async |session| {
                    let light = match &wanted {
                        Some(light) => light.clone(),
                        None => wanted.insert(session.wanted(&change, deadline).await?).clone(),
                    };
                    let outcome = match fade {
                        Some(fade) => session.fade(&light, fade, deadline).await?,
                        None => session.command(&light, deadline).await?,
                    };
                    Ok((outcome, session.profile().clone()))
                });
                let (outcome, profile) = outcome.await?;
                Ok(StateRecord::after(&target, &device, &profile, outcome))
            },
            |record| {
                if dims && record.scaled && !noted.replace(true) {
                    context.printer.note(&format!(
                        "{} bulbs have no brightness setting; bulbctl dims the colour instead",
                        record.profile
                    ));
                }
                context.printer.record(&Record::State(record))
            },
            |record| if confirm.required { record.unconfirmed() } else { None },
        )
        .await
}
