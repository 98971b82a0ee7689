//! Errors of commands that several bridges received, for a bulb that none of them owns. The first bridge by name reports such an
//! error. The next one waits, and reports it if nobody has, so that no command is lost without an error.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::super::topics::BulbId;
use super::queue::Origin;
use crate::error::Error;

/// The time that a bridge gives the one before it. Each looks for expired commands every half second.
const STEP: Duration = Duration::from_secs(2);
/// The longest time that a bridge waits for those before it.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// The most errors that wait, and the most of others that are remembered.
const MOST: usize = 64;

/// An error that another bridge may report.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SharedError {
    pub(super) id: Option<BulbId>,
    pub(super) origin: Origin,
    pub(super) error: Error,
}

impl SharedError {
    fn is_about(&self, bulb: Option<&str>, command: &str) -> bool {
        self.id.as_ref().map(BulbId::as_str) == bulb && self.origin.text == command
    }
}

/// An error that another bridge has reported.
#[derive(Debug)]
struct Told {
    at: Instant,
    bulb: Option<String>,
    command: String,
}

#[derive(Debug, Default)]
pub(super) struct SharedErrors {
    waiting: VecDeque<(Instant, SharedError)>,
    told: VecDeque<Told>,
}

impl SharedErrors {
    /// Takes an error. `before` is the number of bridges whose turn comes first. Returns the error to report now.
    pub(super) fn failed(&mut self, error: SharedError, before: usize, now: Instant) -> Option<SharedError> {
        let Ok(before @ 1..) = u32::try_from(before) else { return Some(error) };
        self.told.retain(|told| now < told.at + LONGEST_WAIT);
        let told = |told: &Told| error.is_about(told.bulb.as_deref(), &told.command);
        if let Some(index) = self.told.iter().position(told) {
            self.told.remove(index);
            return None;
        }
        self.waiting.push_back((now + STEP.saturating_mul(before).min(LONGEST_WAIT), error));
        let surplus = self.waiting.len() > MOST;
        surplus.then(|| self.waiting.pop_front()).flatten().map(|(_, oldest)| oldest)
    }

    /// Another bridge has reported the error of a command.
    pub(super) fn told(&mut self, bulb: Option<&str>, command: &str, now: Instant) {
        if let Some(index) = self.waiting.iter().position(|(_, error)| error.is_about(bulb, command)) {
            self.waiting.remove(index);
            return;
        }
        if self.told.len() == MOST {
            self.told.pop_front();
        }
        self.told.push_back(Told { at: now, bulb: bulb.map(str::to_owned), command: command.to_owned() });
    }

    /// Takes the errors that nobody has reported in time.
    pub(super) fn due(&mut self, now: Instant) -> Vec<SharedError> {
        let (due, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(|(at, _)| *at <= now);
        self.waiting = waiting;
        let due: VecDeque<_> = due;
        due.into_iter().map(|(_, error)| error).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BULB: &str = "c41100000001";

    fn error(command: &str) -> SharedError {
        SharedError {
            id: BulbId::try_from(BULB.to_owned()).ok(),
            origin: Origin { text: command.to_owned(), shared: true, ..Origin::default() },
            error: Error::Interrupted,
        }
    }

    #[test]
    fn the_first_bridge_tells_and_the_others_do_if_it_does_not() {
        let start = Instant::now();
        let mut errors = SharedErrors::default();
        assert_eq!(errors.failed(error("ON"), 0, start), Some(error("ON")), "the first one");
        assert_eq!(errors.failed(error("ON"), 1, start), None);
        assert_eq!(errors.due(start + STEP / 2), []);
        assert_eq!(errors.due(start + STEP), [error("ON")]);
        assert_eq!(errors.due(start + STEP), [], "once");
    }

    #[test]
    fn what_another_bridge_told_before_or_after_is_not_repeated() {
        let start = Instant::now();
        let mut errors = SharedErrors::default();
        errors.failed(error("ON"), 1, start);
        errors.failed(error("OFF"), 1, start);
        errors.told(Some(BULB), "ON", start);
        errors.told(Some("c41100000002"), "OFF", start);
        errors.told(None, "OFF", start);
        assert_eq!(errors.due(start + STEP), [error("OFF")], "that was about something else");
        errors.told(Some(BULB), "TOGGLE", start);
        assert_eq!(errors.failed(error("TOGGLE"), 1, start + STEP), None);
        assert_eq!(errors.due(start + LONGEST_WAIT), []);
        // The same command again is another one.
        errors.failed(error("TOGGLE"), 9, start + STEP);
        assert_eq!(errors.due(start + STEP + LONGEST_WAIT), [error("TOGGLE")]);
        // What was told long ago is about another command too.
        errors.told(Some(BULB), "ON", start);
        errors.failed(error("ON"), 1, start + LONGEST_WAIT);
        assert_eq!(errors.due(start + 2 * LONGEST_WAIT), [error("ON")]);
    }

    #[test]
    fn few_errors_wait_and_none_is_lost() {
        let start = Instant::now();
        let mut errors = SharedErrors::default();
        let told = (0..1000).filter_map(|n| errors.failed(error(&n.to_string()), 1, start)).count();
        assert_eq!(told + errors.due(start + STEP).len(), 1000);
        (0..1000).for_each(|n| errors.told(None, &n.to_string(), start));
        assert_eq!(errors.told.len(), MOST);
    }
}
