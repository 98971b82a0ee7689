//! `connect` and `disconnect`.

use super::args::Bulbs;
use super::context::Context;
use crate::bulb::hold;
use crate::error::Result;
use crate::fleet;
use crate::output::{Body, LinkKind, LinkRecord};

pub(crate) async fn connect(args: &Bulbs, context: &Context<'_>) -> Result<()> {
    context
        .each(
            &args.target,
            "connecting to",
            async |radio, report, deadline| {
                hold(radio.as_ref(), &report, deadline).await?;
                Ok(LinkRecord::of(&args.target, &report, LinkKind::Connected))
            },
            |record| context.reporter.record(&Body::Link(record)),
        )
        .await
}

/// Asks only for bulbs that the system knows: one that it does not know has no link to drop.
pub(crate) async fn disconnect(args: &Bulbs, context: &Context<'_>) -> Result<()> {
    let target = context.target(&args.target)?;
    let radio = context.radio().await?;
    let many = target.single().is_none();
    let mut found = fleet::find_known(radio.as_ref(), &target, |report| report.connected || !many).await?;
    if many {
        // Of a pattern or of all, those that are connected are meant; that there are none is what was asked for.
        found.failures.clear();
    }
    fleet::each(
        found,
        context.links(radio.as_ref()),
        fleet::OnConnectFailure::Failed,
        async |report| {
            if report.connected {
                radio.connect(&report.id, context.deadline()).await?.disconnect().await?;
            }
            Ok(LinkRecord::of(&args.target, &report, LinkKind::Disconnected))
        },
        |name, result| match result {
            Ok(record) => context.reporter.record(&Body::Link(record)),
            Err(error) => context.reporter.error(&error, Some(name)),
        },
    )
    .await
}
