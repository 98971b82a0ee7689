//! Runs an operation on several bulbs at once: one result each, the others go on when one fails.

use std::future::Future;

use futures::StreamExt;

use super::find::Found;
use crate::error::{Error, Result};
use crate::radio::Report;

/// Runs `operation` for each bulb found, up to `limit` at once, and gives each result to `done` as it comes, with the
/// name of its bulb.
///
/// # Errors
/// For a single bulb its own error, which `done` is not told of. For several, [`Error::Partial`] if any failed:
/// each has been told to `done`.
pub async fn each<T, F>(
    found: Found,
    limit: usize,
    operation: impl Fn(Report) -> F,
    mut done: impl FnMut(&str, Result<T>) -> Result<()>,
) -> Result<()>
where
    F: Future<Output = Result<T>>,
{
    let of = found.bulbs.len() + found.failures.len();
    let mut exits = Vec::new();
    for (name, error) in found.failures {
        if of == 1 {
            return Err(error);
        }
        exits.push(error.exit());
        done(&name, Err(error))?;
    }
    let operations = found.bulbs.into_iter().map(|report| {
        let name = report.label();
        let running = operation(report);
        async move { (name, running.await) }
    });
    let mut results = futures::stream::iter(operations).buffer_unordered(limit.max(1));
    while let Some((name, result)) = results.next().await {
        match result {
            Err(error) if of == 1 => return Err(error),
            Err(error) => {
                exits.push(error.exit());
                done(&name, Err(error))?;
            }
            Ok(value) => done(&name, Ok(value))?,
        }
    }
    Error::partial(&exits, of).map_or(Ok(()), Err)
}
