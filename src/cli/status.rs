//! `status`.

use super::args::Bulbs;
use super::context::Context;
use crate::bulb::{BulbState, Session};
use crate::error::Result;
use crate::report::{Body, StateRecord};

pub(crate) async fn run(args: &Bulbs, context: &Context<'_>) -> Result<()> {
    let profile = context.profile;
    context
        .each(
            &args.target,
            "reading",
            async |radio, report, deadline| {
                let session = Session::open(radio.as_ref(), &report, profile, deadline).await?;
                let state = BulbState::Reported(session.read_state(deadline).await?);
                Ok(StateRecord::of(&args.target, &report, profile.name, state))
            },
            |record| context.reporter.record(&Body::State(record)),
        )
        .await
}
