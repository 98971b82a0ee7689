//! `watch`.

use std::cell::Cell;

use bulb_protocol::profile::Profile;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::args::Watch;
use super::context::Context;
use crate::bulb::{BulbState, Session, reach};
use crate::error::{Error, Result};
use crate::fleet;
use crate::radio::Report;
use crate::report::{Body, LinkKind, LinkRecord, StateRecord};

pub(crate) async fn run(args: &Watch, context: &Context<'_>) -> Result<()> {
    let target = context.target(&args.target)?;
    let found = context.find(&target, context.deadline()).await?;
    let watcher = Watcher { args, context, left: Cell::new(args.count), enough: CancellationToken::new() };
    let watching = fleet::each(
        found,
        // All at once: a bulb that waits for its turn would never be watched.
        usize::MAX,
        async |report| watcher.watch(&report).await,
        |name, result| match result {
            Ok(()) => Ok(()),
            Err(error) => context.reporter.error(&error, Some(name)),
        },
    );
    let watching = async {
        tokio::select! {
            result = watching => result,
            () = watcher.enough.cancelled() => Ok(()),
        }
    };
    match args.duration {
        None => watching.await,
        Some(duration) => timeout(duration, watching).await.unwrap_or(Ok(())),
    }
}

struct Watcher<'a> {
    args: &'a Watch,
    context: &'a Context<'a>,
    left: Cell<Option<u64>>,
    enough: CancellationToken,
}

impl Watcher<'_> {
    /// Reports the state of one bulb and every change of it, until the link is lost.
    async fn watch(&self, report: &Report) -> Result<()> {
        let deadline = self.context.deadline();
        let radio = self.context.radio().await?;
        let mut said: Option<BulbState> = None;
        let mut profile = None;
        let watching = reach(radio.as_ref(), &report.id, deadline, async |link| {
            let mut session = Session::open(link, report, &self.context.families, deadline).await?;
            let own = session.profile().clone();
            profile = Some(own.clone());
            if !session.tells() {
                return Err(Error::NeverTells {
                    device: report.label(),
                    profile: own.full_name(),
                    operation: "be watched",
                });
            }
            session.prepare(deadline).await?;
            session.hold();
            let mut state = session.read_state(deadline).await;
            loop {
                match state {
                    Ok(state) if said.as_ref() == Some(&state) => {}
                    Ok(state) => {
                        self.report(report, &own, state.clone())?;
                        said = Some(state);
                    }
                    // A bulb that sends one wrong frame may send right ones after it.
                    Err(error @ Error::MalformedStatus { .. }) if said.is_some() => {
                        self.context.reporter.error(&error, Some(&report.label()))?;
                    }
                    Err(error) => return Err(error),
                }
                state = session.next_state().await;
            }
        });
        let result = watching.await;
        if let Err(Error::LinkLost { .. }) = result {
            let record = LinkRecord::of(&self.args.target, report, LinkKind::Lost);
            self.context.reporter.record(&Body::Link(record))?;
            if let Some(profile) = profile {
                self.report(report, &profile, BulbState::unknown())?;
            }
        }
        result
    }

    fn report(&self, report: &Report, profile: &Profile, state: BulbState) -> Result<()> {
        let record = StateRecord::of(&self.args.target, report, profile, state);
        self.context.reporter.record(&Body::State(record))?;
        self.left.set(self.left.get().map(|left| left.saturating_sub(1)));
        if self.left.get() == Some(0) {
            self.enough.cancel();
        }
        Ok(())
    }
}
