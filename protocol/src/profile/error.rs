//! Mistakes in profile files.

use alloc::string::String;

use crate::file::{self, ParseError};

#[derive(Clone, Debug)]
pub(crate) struct Mistake {
    at: usize,
    message: String,
}

pub(crate) type Validated<T = ()> = Result<T, Mistake>;

impl Mistake {
    pub(crate) fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }

    pub(crate) fn in_text(self, text: &str) -> ParseError {
        ParseError { line: file::line(text, self.at), message: self.message }
    }
}
