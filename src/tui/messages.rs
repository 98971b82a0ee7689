//! Messages: what happened, for how long it holds, and the log.

use std::collections::VecDeque;
use std::time::Duration;

use super::text::cut;
use crate::error::Error;
use crate::output::sanitise;
use crate::radio::DeviceId;

const MAX_MESSAGES: usize = 500;
/// Limit for the text of a message, in columns.
const MAX_WIDTH: usize = 2_000;
/// Time that a brief message stays in the message line.
const BRIEF_TIME: Duration = Duration::from_secs(6);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    Info,
    Warning,
    Error,
}

/// When a message no longer holds, so that it leaves the message line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// Never in the message line: a line of the log.
    InLog,
    /// For some seconds, or until the next key.
    Briefly,
    /// Until the user closes it.
    UntilClosed,
    /// Until this bulb is connected, or the user gives it up.
    UntilConnected(DeviceId),
    /// Until the next change of this bulb.
    UntilChanged(DeviceId),
    /// Until the radio works again.
    UntilScanning,
}

#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) at: Duration,
    pub(crate) severity: Severity,
    pub(crate) code: Option<&'static str>,
    pub(crate) text: String,
    pub(crate) hint: Option<String>,
    pub(crate) holds: Holds,
    /// True until it no longer holds or the user closes it.
    open: bool,
}

impl Message {
    pub(crate) fn new(at: Duration, severity: Severity, text: impl Into<String>, holds: Holds) -> Self {
        let open = holds != Holds::InLog;
        Self { at, severity, code: None, text: text.into(), hint: None, holds, open }
    }

    /// An error. `who` names the bulb if the error does not.
    pub(crate) fn of(at: Duration, error: &Error, who: Option<&str>, holds: Holds) -> Self {
        let text = error.to_string();
        let text = match who {
            Some(who) if !text.contains(who) => format!("{who}: {text}"),
            _ => text,
        };
        let text = sanitise(&text).into_owned();
        let (code, hint) = (Some(error.code()), error.hint());
        Self { code, hint, ..Self::new(at, Severity::Error, text, holds) }
    }

    /// A line of the log, such as `  17.934s  WARN the adapter is slow`. The desk shows its own time.
    pub(crate) fn of_log(at: Duration, line: &str) -> Self {
        const LEVELS: [(&str, Severity); 5] = [
            ("ERROR ", Severity::Error),
            ("WARN ", Severity::Warning),
            ("INFO ", Severity::Info),
            ("DEBUG ", Severity::Info),
            ("TRACE ", Severity::Info),
        ];
        let line = sanitise(line);
        let words = LEVELS.iter().filter_map(|(word, severity)| Some((line.find(word)?, word, *severity)));
        let (text, severity) = match words.min_by_key(|(at, ..)| *at) {
            // Nothing but the time is before it.
            Some((start, word, severity)) if start < 24 => {
                (line.get(start + word.len()..).unwrap_or_default().trim(), severity)
            }
            _ => (line.trim(), Severity::Warning),
        };
        Self::new(at, severity, text, Holds::InLog)
    }
}

/// The messages, oldest first.
#[derive(Debug, Default)]
pub(crate) struct MessageLog {
    entries: VecDeque<Message>,
    /// Warnings and errors since the log was last on the screen.
    pub(crate) unread: usize,
    /// Entries between the newest one and the bottom of the view.
    pub(crate) scrolled_back: usize,
}

impl MessageLog {
    pub(crate) fn push(&mut self, mut message: Message) {
        message.text = cut(&message.text, MAX_WIDTH).into_owned();
        // Repeating a failed key does not repeat its message.
        let again =
            |last: &Message| last.code.is_some() && (last.code, &last.text) == (message.code, &message.text);
        if self.entries.back().is_some_and(again) {
            self.entries.pop_back();
        } else if message.severity != Severity::Info {
            self.unread += 1;
        }
        self.entries.push_back(message);
        if self.entries.len() > MAX_MESSAGES {
            self.entries.pop_front();
        }
    }

    /// Returns the newest message that still holds.
    pub(crate) fn current(&self) -> Option<&Message> {
        self.entries.iter().rev().find(|message| message.open)
    }

    pub(crate) fn all(&self) -> impl DoubleEndedIterator<Item = &Message> + ExactSizeIterator {
        self.entries.iter()
    }

    /// Closes the messages for which this holds no longer. Returns true if one was open.
    pub(crate) fn close(&mut self, over: impl Fn(&Message) -> bool) -> bool {
        let mut any = false;
        for message in self.entries.iter_mut().filter(|message| message.open && over(message)) {
            message.open = false;
            any = true;
        }
        any
    }

    pub(crate) fn close_brief(&mut self) -> bool {
        self.close(|message| message.holds == Holds::Briefly)
    }

    pub(crate) fn expire(&mut self, now: Duration) {
        self.close(|one| one.holds == Holds::Briefly && now.saturating_sub(one.at) >= BRIEF_TIME);
    }

    /// Scrolls by entries; positive is towards older ones.
    pub(crate) fn scroll(&mut self, rows: isize, height: usize) {
        let most = self.entries.len().saturating_sub(height.max(1));
        self.scrolled_back = self.scrolled_back.saturating_add_signed(rows).min(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_log_loses_its_time_and_level() {
        for (line, text, severity) in [
            ("   17.934123456s  WARN the adapter is slow", "the adapter is slow", Severity::Warning),
            ("0.1s ERROR x", "x", Severity::Error),
            ("1.5s  INFO Light: WARN is a word", "Light: WARN is a word", Severity::Info),
            ("something else", "something else", Severity::Warning),
        ] {
            let message = Message::of_log(Duration::ZERO, line);
            assert_eq!((message.text.as_str(), message.severity), (text, severity), "{line}");
        }
    }

    #[test]
    fn the_newest_message_that_holds_is_shown() {
        let mut log = MessageLog::default();
        let id = DeviceId::new("x");
        let connected = Holds::UntilConnected(id.clone());
        log.push(Message::of(Duration::ZERO, &Error::ServiceDown, None, connected.clone()));
        log.push(Message::new(Duration::ZERO, Severity::Info, "brief", Holds::Briefly));
        log.push(Message::of_log(Duration::ZERO, "1s WARN raw"));
        assert_eq!(log.current().map(|message| message.text.as_str()), Some("brief"));
        log.expire(Duration::from_secs(6));
        assert_eq!(log.current().and_then(|message| message.code), Some("service.down"));
        assert!(log.close(|message| message.holds == connected));
        assert!(log.current().is_none());
        assert_eq!((log.all().len(), log.unread), (3, 2));
    }
}
