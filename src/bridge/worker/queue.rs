//! The commands of one bulb on their way to its driver, and their results.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::super::command::LightCommand;
use super::super::mqtt::Reply;
use crate::bulb::{DriverEvent, LinkPhase};
use crate::error::Error;

/// A command that was not written within this time is dropped: a bulb must not switch minutes later. If it is for several bulbs,
/// the time begins for each when the bridge connects to it.
pub(super) const COMMAND_TIME: Duration = Duration::from_secs(10);
/// The time for a command to several bulbs in all. A hundred bulbs on five links take 90 s.
const SEVERAL_TIME: Duration = Duration::from_secs(120);
/// The most commands that wait for their result. The next one ends the wait of the oldest.
const MOST: usize = 64;

/// The sender of a command.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Origin {
    /// The payload, for messages.
    pub(super) text: String,
    pub(super) reply: Option<Reply>,
    /// It is for several bulbs.
    pub(super) several: bool,
    /// Other bridges received it too.
    pub(super) shared: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// The bulb reports what was commanded.
    Confirmed,
    /// It was written. The family does not report it.
    Written,
    /// It was merged with later commands, of which there were too many to wait for each.
    Merged,
    Failed(Error),
}

#[derive(Clone, Debug)]
struct Waiting {
    token: u64,
    at: Instant,
    origin: Origin,
}

/// The commands that have no result yet. The driver merges those that it has not started.
#[derive(Debug, Default)]
pub(super) struct CommandQueue {
    token: u64,
    waiting: VecDeque<Waiting>,
    /// What waits for a link, merged.
    unsent: Option<LightCommand>,
    /// The result of the command that the driver carries out, until its state follows.
    result: Option<Outcome>,
    /// When the bridge began to carry them out.
    turn: Option<Instant>,
}

pub(super) type Finished = (Origin, Outcome);

impl CommandQueue {
    /// Returns the command whose wait ends, if there are too many.
    pub(super) fn push(&mut self, command: LightCommand, origin: Origin, now: Instant) -> Option<Finished> {
        self.token += 1;
        if self.waiting.is_empty() {
            self.turn = None;
        }
        self.waiting.push_back(Waiting { token: self.token, at: now, origin });
        self.unsent = Some(match self.unsent.take() {
            Some(before) => before.then(command),
            None => command,
        });
        let surplus = self.waiting.len() > MOST;
        surplus.then(|| self.waiting.pop_front()).flatten().map(|oldest| (oldest.origin, Outcome::Merged))
    }

    /// Takes the command for the driver, with the token of the newest that is merged into it.
    pub(super) fn take_unsent(&mut self) -> Option<(LightCommand, u64)> {
        Some((self.unsent.take()?, self.token))
    }

    /// The time of the oldest command that waits.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.waiting.front().map(|waiting| waiting.at)
    }

    /// Returns true if the newest command is for several bulbs.
    pub(super) fn is_for_several(&self) -> bool {
        self.waiting.back().is_some_and(|newest| newest.origin.several)
    }

    /// It is the turn of this bulb: it has a link, or gets one.
    pub(super) fn begin(&mut self, now: Instant) {
        self.turn.get_or_insert(now);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes note of what the driver does, and returns the commands that have a result now.
    pub(super) fn driver_event(&mut self, event: &DriverEvent, device: &str) -> Vec<Finished> {
        match event {
            DriverEvent::Confirmed(_) => self.result = Some(Outcome::Confirmed),
            DriverEvent::Written => self.result = Some(Outcome::Written),
            DriverEvent::Unconfirmed => {
                let (device, why) = (device.to_owned(), "the bulb does not report its effect".to_owned());
                self.result = Some(Outcome::Failed(Error::NotConfirmed { device, why }));
            }
            DriverEvent::Trouble(error) => self.result = Some(Outcome::Failed(error.clone())),
            DriverEvent::State(_, token) => {
                if let Some(result) = self.result.take() {
                    return self.finish(*token, &result);
                }
            }
            // The driver forgets what waits when it loses the link.
            DriverEvent::Link(LinkPhase::Waiting(_) | LinkPhase::Down) if self.unsent.is_none() => {
                let result = self.result.take().unwrap_or_else(|| {
                    Outcome::Failed(Error::CommandExpired {
                        device: device.to_owned(),
                        waited: Duration::ZERO,
                    })
                });
                return self.finish(u64::MAX, &result);
            }
            DriverEvent::Link(LinkPhase::Up) => self.result = None,
            _ => {}
        }
        Vec::new()
    }

    /// Drops the commands, if the newest of them waits for too long and `withdraw` gets it back from the driver. One that is being
    /// written has a time limit of its own.
    pub(super) fn expire(
        &mut self,
        device: &str,
        now: Instant,
        withdraw: impl FnOnce() -> bool,
    ) -> Vec<Finished> {
        let Some(newest) = self.waiting.back() else { return Vec::new() };
        let waited = now.duration_since(newest.at);
        if now < self.deadline(newest) || !(self.unsent.take().is_some() || withdraw()) {
            return Vec::new();
        }
        let error = Error::CommandExpired { device: device.to_owned(), waited };
        self.finish(u64::MAX, &Outcome::Failed(error))
    }

    /// Ends the wait of all commands.
    pub(super) fn fail(&mut self, error: &Error) -> Vec<Finished> {
        self.unsent = None;
        self.finish(u64::MAX, &Outcome::Failed(error.clone()))
    }

    /// Drops the commands: another bridge carries them out.
    pub(super) fn clear(&mut self) {
        self.unsent = None;
        self.waiting.clear();
    }

    /// The next time at which [`expire`](Self::expire) may do something.
    pub(super) fn wake(&self) -> Option<Instant> {
        self.waiting.back().map(|newest| self.deadline(newest))
    }

    fn deadline(&self, newest: &Waiting) -> Instant {
        let whole = if newest.origin.several { SEVERAL_TIME } else { COMMAND_TIME };
        let turn = self.turn.map(|turn| turn.max(newest.at) + COMMAND_TIME);
        turn.unwrap_or(newest.at + whole).min(newest.at + whole)
    }

    fn finish(&mut self, token: u64, outcome: &Outcome) -> Vec<Finished> {
        let count = self.waiting.iter().take_while(|waiting| waiting.token <= token).count();
        self.waiting.drain(..count).map(|waiting| (waiting.origin, outcome.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bulb::BulbState;
    use crate::error::Operation;

    fn origin(text: &str) -> Origin {
        Origin { text: text.to_owned(), ..Origin::default() }
    }

    fn queue(commands: &[&str], now: Instant) -> CommandQueue {
        let mut queue = CommandQueue::default();
        for command in commands {
            assert_eq!(
                queue.push(LightCommand::parse(command.as_bytes()).unwrap(), origin(command), now),
                None
            );
        }
        queue
    }

    fn texts(finished: &[Finished]) -> Vec<&str> {
        finished.iter().map(|(origin, _)| &*origin.text).collect()
    }

    fn state(token: u64) -> DriverEvent {
        DriverEvent::State(BulbState::unknown(), token)
    }

    #[test]
    fn p16_what_waits_is_one_command_and_each_has_a_result() {
        let mut queue = queue(&["ON", "{\"brightness\":30}"], Instant::now());
        let (command, token) = queue.take_unsent().unwrap();
        assert_eq!(command, LightCommand::parse(b"{\"state\":\"ON\",\"brightness\":30}").unwrap());
        assert_eq!((token, queue.take_unsent()), (2, None));
        queue.push(LightCommand::parse(b"OFF").unwrap(), origin("OFF"), Instant::now());
        // The state that the driver assumes before it writes is no result.
        assert_eq!(queue.driver_event(&state(2), "Desk"), []);
        assert_eq!(queue.driver_event(&DriverEvent::Confirmed(None), "Desk"), []);
        let finished = queue.driver_event(&state(2), "Desk");
        assert_eq!(texts(&finished), ["ON", "{\"brightness\":30}"]);
        assert!(!queue.is_empty());
    }

    #[test]
    fn p17_a_command_expires_unless_it_is_being_written() {
        let start = Instant::now();
        let mut queue = queue(&["ON", "OFF"], start);
        assert_eq!(queue.expire("Desk", start + COMMAND_TIME - Duration::from_millis(1), || true), []);
        let finished = queue.expire("Desk", start + COMMAND_TIME, || false);
        assert_eq!(texts(&finished), ["ON", "OFF"]);
        let Outcome::Failed(error) = &finished[0].1 else { panic!("{finished:?}") };
        assert_eq!(error.code(), "command.expired");
        assert_eq!(queue.take_unsent(), None, "it does not come later");

        queue.push(LightCommand::parse(b"ON").unwrap(), origin("ON"), start);
        queue.take_unsent();
        assert_eq!(queue.expire("Desk", start + 2 * COMMAND_TIME, || false), [], "the driver has begun");
        assert_eq!(texts(&queue.expire("Desk", start + 2 * COMMAND_TIME, || true)), ["ON"]);
    }

    #[test]
    fn p17_a_command_to_several_bulbs_has_its_time_from_the_turn_of_each() {
        let start = Instant::now();
        let several = || Origin { several: true, ..origin("ON") };
        let pushed = || {
            let mut queue = CommandQueue::default();
            queue.push(LightCommand::parse(b"ON").unwrap(), several(), start);
            queue
        };
        let mut queue = pushed();
        assert_eq!(queue.wake(), Some(start + SEVERAL_TIME));
        queue.begin(start + 3 * COMMAND_TIME);
        queue.begin(start + 4 * COMMAND_TIME);
        assert_eq!(queue.wake(), Some(start + 4 * COMMAND_TIME), "a second attempt gets no more time");
        assert_eq!(queue.expire("Desk", start + 4 * COMMAND_TIME, || false).len(), 1);
        // The turn of a command is not that of the next one.
        queue.push(LightCommand::parse(b"ON").unwrap(), several(), start);
        assert_eq!(queue.wake(), Some(start + SEVERAL_TIME));

        let mut queue = pushed();
        queue.begin(start + SEVERAL_TIME - Duration::from_secs(1));
        assert_eq!(queue.wake(), Some(start + SEVERAL_TIME), "no bulb switches minutes later");
        // A command to this bulb alone came after it.
        queue.push(LightCommand::parse(b"OFF").unwrap(), origin("OFF"), start + COMMAND_TIME);
        assert_eq!(queue.wake(), Some(start + 2 * COMMAND_TIME));
    }

    #[test]
    fn a_lost_link_ends_what_the_driver_had() {
        let mut queue = queue(&["ON"], Instant::now());
        queue.take_unsent();
        let lost = Error::LinkLost { device: "Desk".to_owned(), operation: Operation::Idle };
        queue.driver_event(&DriverEvent::Trouble(lost.clone()), "Desk");
        let finished = queue.driver_event(&DriverEvent::Link(LinkPhase::Down), "Desk");
        assert_eq!(finished, [(origin("ON"), Outcome::Failed(lost))]);
    }

    #[test]
    fn few_commands_wait_for_their_result() {
        let now = Instant::now();
        let mut queue = CommandQueue::default();
        let ended = (0..1000)
            .filter_map(|n| queue.push(LightCommand::parse(b"ON").unwrap(), origin(&n.to_string()), now));
        assert_eq!(ended.count(), 1000 - MOST);
        assert_eq!(queue.fail(&Error::Interrupted).len(), MOST);
    }
}
