//! `on`, `off`, `toggle`, `set`.

use super::args::{Bulbs, Set};
use super::context::Context;
use crate::bulb::{Change, Power, Session};
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
                let mut session = Session::open(radio.as_ref(), &report, profile, deadline).await?;
                let outcome = session.apply(&change, deadline).await?;
                Ok(StateRecord::after(target, &report, profile.name, outcome))
            },
            |record| context.reporter.record(&Body::State(record)),
        )
        .await
}
