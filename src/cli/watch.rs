//! `watch`.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::args::Watch;
use super::context::Context;
use crate::bulb::{
    BulbState, ConnectGate, DrivenProfile, Driver, DriverEvent, DriverMode, DriverPlan, LinkPhase,
};
use crate::error::{Error, Operation, Result};
use crate::fleet;
use crate::output::{LinkKind, LinkRecord, Record, StateRecord, millis};
use crate::radio::SeenDevice;

/// Events that may wait to be printed. While the buffer is full, the driver waits and the radio keeps the newest.
const EVENT_BUFFER: usize = 64;

pub(crate) async fn run(args: &Watch, context: &Context<'_>) -> Result<()> {
    let target = context.target(&args.bulbs.text())?;
    let mut found = context.find(&target, args.bulbs.wait).await?;
    // Each watched bulb keeps its link, so bulbs over the limit cannot take turns.
    if let Some(limit) = context.max_links {
        let many = found.bulbs.split_off(limit.min(found.bulbs.len()));
        found.failures.extend(many.into_iter().map(|device| {
            let device = device.label();
            (device.clone(), Error::ConnectLimit { device, limit: Some(limit) })
        }));
    }
    let left = Cell::new(args.count);
    let watcher = Watcher { target: target.text(), context, left, enough: CancellationToken::new() };
    let of = found.bulbs.len() + found.failures.len();
    let failed = RefCell::new(Vec::new());
    let watching = fleet::run_each(
        found,
        // All at once: a bulb that waits for its turn would never get it.
        usize::MAX,
        fleet::OnConnectFailure::Failed,
        async |device| watcher.watch(device).await,
        |name, result| match result {
            Ok(()) => Ok(()),
            Err(error) => {
                failed.borrow_mut().push(error.kind());
                context.printer.error(&error, Some(name))
            }
        },
    );
    let watching = async {
        tokio::select! {
            result = watching => result.map_err(Some),
            () = watcher.enough.cancelled() => Err(None),
        }
    };
    let ended = match args.duration {
        None => watching.await,
        Some(duration) => timeout(duration, watching).await.unwrap_or(Err(None)),
    };
    match ended {
        Ok(()) => Ok(()),
        Err(Some(error)) => Err(error),
        // The others were watched to the end, those that failed were not.
        Err(None) => Error::partial(&failed.borrow(), of).map_or(Ok(()), Err),
    }
}

struct Watcher<'a> {
    target: &'a str,
    context: &'a Context<'a>,
    left: Cell<Option<u64>>,
    enough: CancellationToken,
}

struct Watched {
    since: Instant,
    driven: Option<DrivenProfile>,
    printed: Option<BulbState>,
    last_error: Option<Error>,
    /// Time of the drop and number of reconnect attempts since.
    gap: Option<(Instant, u32)>,
}

impl Watcher<'_> {
    /// Prints the state of one bulb and every change. Reconnects a link that dropped, but fails if the first connect fails.
    async fn watch(&self, device: SeenDevice) -> Result<()> {
        let (out, mut events) = mpsc::channel(EVENT_BUFFER);
        let plan = DriverPlan {
            radio: Arc::clone(self.context.radio().await?),
            device: device.clone(),
            families: Arc::clone(&self.context.families),
            // Not shared: a bulb that does not answer must not delay the others.
            gate: Arc::new(ConnectGate::default()),
            timeout: self.context.timeout,
            mode: DriverMode::Standalone,
        };
        let _driver = Driver::start(plan, out);
        let mut watched =
            Watched { since: Instant::now(), driven: None, printed: None, last_error: None, gap: None };
        while let Some((_, event)) = events.recv().await {
            if self.enough.is_cancelled() {
                // The watch is over, but this future may be polled once more: events that wait must not be printed.
                std::future::pending::<()>().await;
            }
            match event {
                DriverEvent::Recognised(driven) if !driven.reports_state() => {
                    return Err(Error::WriteOnly {
                        device: device.label(),
                        profile: driven.0.full_name(),
                        operation: Operation::Watch,
                    });
                }
                DriverEvent::Recognised(driven) => watched.driven = Some(driven),
                DriverEvent::State(state, _) => self.state(&device, &mut watched, state)?,
                DriverEvent::Trouble(error) => self.trouble(&device, &mut watched, error)?,
                DriverEvent::Link(LinkPhase::Down) => break,
                DriverEvent::Link(phase) => self.link(&device, &mut watched, &phase)?,
                _ => {}
            }
        }
        Err(watched
            .last_error
            .unwrap_or_else(|| Error::Internal("the watch ended without an error".to_owned())))
    }

    fn state(&self, device: &SeenDevice, watched: &mut Watched, state: BulbState) -> Result<()> {
        if let Some(driven) = &watched.driven
            && watched.printed.as_ref() != Some(&state)
        {
            let record = StateRecord::of(self.target, device, &driven.0, state.clone());
            self.context.printer.record(&Record::State(record))?;
            watched.printed = Some(state);
            self.left.set(self.left.get().map(|left| left.saturating_sub(1)));
            if self.left.get() == Some(0) {
                self.enough.cancel();
            }
        }
        Ok(())
    }

    fn trouble(&self, device: &SeenDevice, watched: &mut Watched, error: Error) -> Result<()> {
        let up = watched.driven.is_some() && watched.gap.is_none();
        if up && !matches!(error, Error::LinkLost { .. }) {
            // Later frames may be valid.
            self.context.printer.error(&error, Some(&device.label()))?;
        }
        watched.last_error = Some(error);
        Ok(())
    }

    fn link(&self, device: &SeenDevice, watched: &mut Watched, phase: &LinkPhase) -> Result<()> {
        let cause = watched.last_error.as_ref().map(ToString::to_string);
        let (kind, attempt, gap) = match (phase, &mut watched.gap) {
            // A link that dropped while connecting is retried within the time limit.
            (LinkPhase::Waiting(until), None)
                if matches!(watched.last_error, Some(Error::LinkLost { .. }))
                    && watched.driven.is_none()
                    && until.saturating_duration_since(watched.since) < self.context.timeout =>
            {
                return Ok(());
            }
            (LinkPhase::Waiting(_), None) if watched.driven.is_none() => {
                return Err(watched.last_error.take().unwrap_or(Error::Interrupted));
            }
            (LinkPhase::Waiting(_), None) => (LinkKind::Lost, None, None),
            // There is no limit here.
            (LinkPhase::Queued, _) => return Ok(()),
            (LinkPhase::Connecting(_), Some((_, attempts))) => {
                *attempts += 1;
                (LinkKind::Reconnecting, Some(*attempts), None)
            }
            (LinkPhase::Up, Some((since, _))) => (LinkKind::Connected, None, Some(since.elapsed())),
            _ => return Ok(()),
        };
        let gap_ms = gap.map(millis);
        let record = LinkRecord { attempt, gap_ms, ..LinkRecord::of(self.target, device, kind) };
        let record = LinkRecord { cause: cause.filter(|_| kind != LinkKind::Connected), ..record };
        self.context.printer.record(&Record::Link(record))?;
        match kind {
            LinkKind::Lost => {
                watched.gap = Some((Instant::now(), 0));
                self.state(device, watched, BulbState::unknown())?;
            }
            LinkKind::Connected => watched.gap = None,
            _ => {}
        }
        Ok(())
    }
}
