//! `status`.

use super::args::Bulbs;
use super::context::Context;
use crate::bulb::{BulbState, Session, reach};
use crate::error::Result;
use crate::report::{Body, StateRecord};

pub(crate) async fn run(args: &Bulbs, context: &Context<'_>) -> Result<()> {
    let profile = context.profile;
    context
        .each(
            &args.target,
            "reading",
            async |radio, report, deadline| {
                let state = reach(radio.as_ref(), &report.id, deadline, async |link| {
                    Session::on(link, &report, profile)?.read_state(deadline).await
                });
                let state = BulbState::Reported(state.await?);
                Ok(StateRecord::of(&args.target, &report, profile.name, state))
            },
            |record| context.reporter.record(&Body::State(record)),
        )
        .await
}
