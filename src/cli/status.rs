//! `status`.

use super::args::Bulbs;
use super::context::Context;
use crate::bulb::{Session, reach};
use crate::error::Result;
use crate::output::{Body, StateRecord};

pub(crate) async fn run(args: &Bulbs, context: &Context<'_>) -> Result<()> {
    context
        .each(
            &args.target,
            "reading",
            async |radio, report, deadline| {
                let state = reach(radio.as_ref(), &report, deadline, async |link| {
                    let mut session = Session::open(link, &report, &context.families, deadline).await?;
                    let state = session.read_state(deadline).await?;
                    Ok((session.or_advertised(state, &report), session.profile().clone()))
                });
                let (state, profile) = state.await?;
                Ok(StateRecord::of(&args.target, &report, &profile, state))
            },
            |record| context.reporter.record(&Body::State(record)),
        )
        .await
}
