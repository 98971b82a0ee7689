//! Profile files: their mistakes, and drafts of new ones.

use bulb_protocol::file::ParseError;
use serde::Serialize;

use super::records::Bulb;
use crate::sanitise::sanitise;

/// A profile file and its mistakes.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ProfileCheckRecord {
    pub file: String,
    /// Empty if the file can be used.
    pub mistakes: Vec<MistakeRecord>,
}

/// A mistake in a file.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MistakeRecord {
    pub line: usize,
    /// The mistake, and what was expected instead.
    pub message: String,
}

/// A draft of a profile file for a device.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ProfileDraftRecord {
    pub target: String,
    #[serde(flatten)]
    pub bulb: Bulb,
    /// The text of the file.
    pub text: String,
}

impl ProfileCheckRecord {
    pub fn of(file: &str, mistakes: Vec<ParseError>) -> Self {
        let mistakes =
            mistakes.into_iter().map(|ParseError { line, message }| MistakeRecord { line, message });
        Self { file: file.to_owned(), mistakes: mistakes.collect() }
    }

    /// `FILE:LINE: message`, as compilers write it.
    pub(super) fn text(&self) -> String {
        let file = sanitise(&self.file);
        if self.mistakes.is_empty() {
            return format!("{file}: no mistakes");
        }
        let lines = self.mistakes.iter().map(|mistake| {
            let message = mistake.message.lines().map(sanitise).collect::<Vec<_>>().join(" ");
            format!("{file}:{}: {message}", mistake.line)
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}
