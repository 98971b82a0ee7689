//! `status`.

use super::args::Bulbs;
use super::context::Context;
use crate::bulb::refuse_unsupported;
use crate::error::Result;
use crate::output::{Record, StateRecord};

pub(crate) async fn run(args: &Bulbs, context: &Context<'_>) -> Result<()> {
    let target = args.text();
    context
        .each(
            args,
            "reading",
            async |radio, device, deadline| {
                refuse_unsupported(&device, &context.families)?;
                let state = context.with_session(radio.as_ref(), &device, deadline, async |session| {
                    let state = session.read_state(deadline).await?;
                    Ok((session.or_advertised(state, &device), session.profile().clone()))
                });
                let (state, profile) = state.await?;
                Ok(StateRecord::of(&target, &device, &profile, state))
            },
            |record| context.printer.record(&Record::State(record)),
        )
        .await
}
