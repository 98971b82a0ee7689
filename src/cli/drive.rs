//! `on`, `off`, `toggle`, `set`.

use super::args::{Bulbs, Set};
use super::context::Context;
use crate::bulb::{Change, Power, Session, reach};
use crate::error::{Error, Result};
use crate::report::{Body, StateRecord};

pub(crate) async fn power(args: &Bulbs, power: Power, context: &Context<'_>) -> Result<()> {
    run(&args.target, Change::power(power), context).await
}

pub(crate) async fn set(args: &Set, context: &Context<'_>) -> Result<()> {
    let change = args.light.change();
    if change == Change::default() {
        return Err(Error::Usage("set needs what to set: --on, --off, --brightness or --color".to_owned()));
    }
    run(&args.target, change, context).await
}

async fn run(target: &str, change: Change, context: &Context<'_>) -> Result<()> {
    let profile = context.profile;
    context
        .each(
            target,
            "setting",
            async |radio, report, deadline| {
                // Worked out once: a toggle that is repeated would undo itself.
                let mut wanted = change.complete();
                let outcome = reach(radio.as_ref(), &report.id, deadline, async |link| {
                    let mut session = Session::on(link, &report, profile)?;
                    // First, so that what the bulb says meanwhile is not missed.
                    session.subscribe(deadline).await?;
                    let state = match wanted {
                        Some(state) => state,
                        None => *wanted.insert(session.wanted(&change, deadline).await?),
                    };
                    session.command(state, deadline).await
                });
                Ok(StateRecord::after(target, &report, profile.name, outcome.await?))
            },
            |record| context.reporter.record(&Body::State(record)),
        )
        .await
}
