//! Runs an operation on several bulbs at once: one result each, the others go on when one fails.

use std::future::Future;

use futures::StreamExt;

use super::find::Found;
use crate::error::{Error, Result};
use crate::radio::SeenDevice;

/// The handling of bulbs that could not be connected to, while others could.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnConnectFailure {
    Failed,
    /// They are tried once more alone at the end: what was in their way may have been the others. Nothing was written to them.
    RetryAlone,
}

/// Runs `operation` for each bulb found, up to `limit` at once, and gives each result to `done` with the name of its
/// bulb. Returns the error of a single bulb without calling `done`; for several, [`Error::Partial`] if any failed.
pub async fn run_each<T, F>(
    found: Found,
    limit: usize,
    missed: OnConnectFailure,
    operation: impl Fn(SeenDevice) -> F,
    done: impl FnMut(&str, Result<T>) -> Result<()>,
) -> Result<()>
where
    F: Future<Output = Result<T>>,
{
    run_each_checked(found, limit, missed, operation, done, |_| None).await
}

/// As [`run_each`]. A result for which `fault` returns an error is given to `done` first, and then fails with that error.
pub async fn run_each_checked<T, F>(
    found: Found,
    limit: usize,
    missed: OnConnectFailure,
    operation: impl Fn(SeenDevice) -> F,
    mut done: impl FnMut(&str, Result<T>) -> Result<()>,
    fault: impl Fn(&T) -> Option<Error>,
) -> Result<()>
where
    F: Future<Output = Result<T>>,
{
    let again = missed == OnConnectFailure::RetryAlone;
    let of = found.bulbs.len() + found.failures.len();
    let mut kinds = Vec::new();
    let mut tell = |name: &str, result: Result<T>| {
        let error = match result {
            Ok(value) => {
                let fault = fault(&value);
                done(name, Ok(value))?;
                fault
            }
            Err(error) => Some(error),
        };
        match error {
            None => Ok(()),
            Some(error) if of == 1 => Err(error),
            Some(error) => {
                kinds.push(error.kind());
                done(name, Err(error))
            }
        }
    };
    for (name, error) in found.failures {
        tell(&name, Err(error))?;
    }
    let bulbs = found.bulbs.len();
    let labels: Vec<String> = found.bulbs.iter().map(SeenDevice::label).collect();
    // Of several with one name, each has its identifier.
    let name_of = |device: &SeenDevice| {
        let label = device.label();
        let several = labels.iter().filter(|other| **other == label).count() > 1;
        if several { device.id.to_string() } else { label }
    };
    let operations = found.bulbs.into_iter().map(|report| {
        let running = operation(report.clone());
        async move { (report, running.await) }
    });
    let mut results = futures::stream::iter(operations).buffer_unordered(limit.max(1));
    let mut missed = Vec::new();
    while let Some((report, result)) = results.next().await {
        match result {
            Err(error) if again && bulbs > 1 && !connected(&error) => missed.push((report, error)),
            result => tell(&name_of(&report), result)?,
        }
    }
    let some = missed.len() < bulbs;
    for (report, error) in missed {
        let name = name_of(&report);
        if some {
            tracing::info!("{name}: once more, alone, after: {error}");
            tell(&name, operation(report).await)?;
        } else {
            tell(&name, Err(error))?;
        }
    }
    Error::partial(&kinds, of).map_or(Ok(()), Err)
}

/// Returns true if there was a link to the bulb when this error happened.
const fn connected(error: &Error) -> bool {
    !matches!(
        error,
        Error::ConnectFailed { .. }
            | Error::ConnectTimeout { .. }
            | Error::ConnectLimit { .. }
            | Error::DiscoverTimeout { .. }
    )
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::error::Operation;
    use crate::radio::{Deadline, DeviceId};

    fn bulbs(count: usize) -> Found {
        let device = |number| SeenDevice {
            id: DeviceId::new(format!("C4:11:00:00:00:{number:02X}")),
            name: Some(format!("Light-{number}")),
            ..SeenDevice::default()
        };
        let deadline = Deadline::after(Duration::from_secs(10));
        Found { bulbs: (0..count).map(device).collect(), failures: Vec::new(), deadline }
    }

    #[tokio::test(start_paused = true)]
    async fn bulbs_of_one_name_are_told_apart_by_their_identifiers() {
        let mut found = bulbs(3);
        found.bulbs[1].name = Some("Light-0".to_owned());
        let mut names = Vec::new();
        let done = |name: &str, _: Result<()>| {
            names.push(name.to_owned());
            Ok(())
        };
        run_each(found, 1, OnConnectFailure::RetryAlone, async |_| Ok(()), done).await.unwrap();
        assert_eq!(names, ["C4:11:00:00:00:00", "C4:11:00:00:00:01", "Light-2"]);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_limit_run_at_once() {
        for (limit, wanted) in [(0, 1), (1, 1), (3, 3), (20, 8)] {
            let (running, most) = (Cell::new(0_usize), Cell::new(0_usize));
            let operation = |_: SeenDevice| async {
                running.set(running.get() + 1);
                most.set(most.get().max(running.get()));
                tokio::time::sleep(Duration::from_millis(10)).await;
                running.set(running.get() - 1);
                Ok(())
            };
            let mut done = 0;
            let all = run_each(bulbs(8), limit, OnConnectFailure::RetryAlone, operation, |_, _| {
                done += 1;
                Ok(())
            });
            all.await.unwrap();
            assert_eq!((most.get(), done), (wanted, 8), "limit {limit}");
        }
    }

    /// Runs three bulbs of which the second fails, and returns how often each ran and how the second ended.
    async fn with_failure(error: Error, missed: OnConnectFailure) -> (Vec<usize>, bool) {
        let runs = RefCell::new(BTreeMap::<String, usize>::new());
        let operation = |device: SeenDevice| {
            let first = {
                let mut runs = runs.borrow_mut();
                let count = runs.entry(device.label()).or_default();
                *count += 1;
                *count == 1
            };
            let fails = first && device.label() == "Light-1";
            let error = error.clone();
            async move { if fails { Err(error) } else { Ok(()) } }
        };
        let mut ok = false;
        let result = run_each(bulbs(3), 3, missed, operation, |name, result| {
            ok |= name == "Light-1" && result.is_ok();
            Ok(())
        });
        assert_eq!(result.await.is_ok(), ok);
        (runs.into_inner().into_values().collect(), ok)
    }

    #[tokio::test]
    async fn only_a_bulb_without_a_link_is_tried_again() {
        let device = || "Light-1".to_owned();
        let waited = Duration::from_secs(1);
        // A link existed: the command may have been carried out, and must not be sent twice.
        for error in [
            Error::LinkLost { device: device(), operation: Operation::WaitForStatus },
            Error::Silent { device: device(), operation: Operation::RequestStatus, waited },
            Error::NeedsPairing { device: device(), operation: Operation::WaitForStatus },
        ] {
            assert_eq!(
                with_failure(error.clone(), OnConnectFailure::RetryAlone).await,
                (vec![1, 1, 1], false),
                "{error}"
            );
        }
        let without = Error::ConnectTimeout { device: device(), waited, rssi: None, last: None };
        assert_eq!(with_failure(without.clone(), OnConnectFailure::RetryAlone).await, (vec![1, 2, 1], true));
        assert_eq!(with_failure(without.clone(), OnConnectFailure::Failed).await, (vec![1, 1, 1], false));
        // Nothing says that the others were in the way.
        let runs = Cell::new(0);
        let operation = |_: SeenDevice| {
            runs.set(runs.get() + 1);
            std::future::ready(Err::<(), _>(without.clone()))
        };
        let all = run_each(bulbs(3), 3, OnConnectFailure::RetryAlone, operation, |_, _| Ok(())).await;
        assert_eq!((all.is_err(), runs.get()), (true, 3));
    }
}
