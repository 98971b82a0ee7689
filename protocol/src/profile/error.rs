//! Mistakes in profile files.

use alloc::string::String;
use alloc::vec::Vec;

use crate::file::{self, ParseError};

/// One mistake in a file, or several.
#[derive(Clone, Debug)]
pub(crate) struct Mistake {
    at: usize,
    message: String,
    more: Vec<Mistake>,
}

pub(crate) type Validated<T = ()> = Result<T, Mistake>;

impl Mistake {
    pub(crate) fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into(), more: Vec::new() }
    }

    /// The first mistake in the file.
    pub(crate) fn in_text(self, text: &str) -> ParseError {
        let one = |mistake: &Self| ParseError {
            line: file::line(text, mistake.at),
            message: mistake.message.clone(),
        };
        let first = self.more.iter().chain([&self]).min_by_key(|mistake| mistake.at).unwrap_or(&self);
        one(first)
    }

    /// Every mistake.
    pub(crate) fn all_in_text(self, text: &str) -> impl Iterator<Item = ParseError> {
        let Self { at, message, more } = self;
        let one = |at, message| ParseError { line: file::line(text, at), message };
        core::iter::once((at, message))
            .chain(more.into_iter().map(|mistake| (mistake.at, mistake.message)))
            .map(move |(at, message)| one(at, message))
    }

    fn with(mut self, other: Self) -> Self {
        let Self { at, message, more } = other;
        self.more.push(Self::new(at, message));
        self.more.extend(more);
        self
    }
}

/// Both results, or the mistakes of both.
pub(crate) fn both<A, B>(one: Validated<A>, other: Validated<B>) -> Validated<(A, B)> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (Err(one), Err(other)) => Err(one.with(other)),
        (Err(mistake), Ok(_)) | (Ok(_), Err(mistake)) => Err(mistake),
    }
}

/// All results, or the mistakes of all.
pub(crate) fn all<T>(results: impl IntoIterator<Item = Validated<T>>) -> Validated<Vec<T>> {
    let (mut values, mut valid) = (Vec::new(), Ok(()));
    for result in results {
        values.extend(note(&mut valid, result));
    }
    valid.map(|()| values)
}

/// Adds the mistake of a result to those before.
pub(crate) fn note<T>(valid: &mut Validated, result: Validated<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(mistake) => {
            let before = core::mem::replace(valid, Ok(()));
            *valid = both(before, Err::<(), _>(mistake)).map(|_| ());
            None
        }
    }
}
