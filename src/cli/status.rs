//! `status`.

use std::sync::Arc;

use bulb_protocol::profile::Profile;

use super::args::Bulbs;
use super::context::Context;
use crate::bulb::{BulbState, refuse_unsupported};
use crate::error::Result;
use crate::output::{Record, StateRecord};
use crate::radio::{Deadline, Radio, SeenDevice};

pub(crate) async fn run(args: &Bulbs, context: &Context<'_>) -> Result<()> {
    let target = args.text();
    context
        .each(
            args,
            "reading",
            async |radio, device, deadline| {
                let (state, profile) = read(radio.as_ref(), &device, deadline, context).await?;
                Ok(StateRecord::of(&target, &device, &profile, state))
            },
            |record| context.printer.record(&Record::State(record)),
        )
        .await
}

/// Reads the state of a bulb, or takes the advertised one if it reports none.
pub(super) async fn read(
    radio: &dyn Radio,
    device: &SeenDevice,
    deadline: Deadline,
    context: &Context<'_>,
) -> Result<(BulbState, Arc<Profile>)> {
    refuse_unsupported(device, &context.families)?;
    let read = context.with_session(radio, device, deadline, async |session| {
        let state = session.read_state(deadline).await?;
        Ok((session.or_advertised(state, device), session.profile().clone()))
    });
    read.await
}
