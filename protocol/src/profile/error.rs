//! What is wrong with a profile file.

use alloc::string::String;
use core::fmt;

use crate::file::{self, Mistake};

/// A profile file that does not say what is understood: the line, and what was expected there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl core::error::Error for ProfileError {}

/// What is wrong, and at which byte of the text.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    at: usize,
    message: String,
}

pub(crate) type Checked<T = ()> = Result<T, Fault>;

impl Fault {
    pub(crate) fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }

    pub(crate) fn of(mistake: &Mistake) -> Self {
        // The first line says what is wrong; a list of what would be right may follow.
        Self::new(mistake.at(), mistake.message())
    }

    pub(crate) fn within(self, text: &str) -> ProfileError {
        ProfileError { line: file::line(text, self.at), message: self.message }
    }
}
