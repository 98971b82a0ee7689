//! What comes in from the broker.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::command::LightCommand;
use super::super::mqtt::Delivery;
use super::super::outbox::Message;
use super::super::payload::ONLINE;
use super::super::topics::{BulbId, Incoming};
use super::Worker;
use super::bulb::{Blinking, LinkStage};
use super::queue::{COMMAND_TIME, Finished, Origin, Outcome};
use super::shared_errors::SharedError;
use crate::bulb::{Change, DriverEvent};
use crate::error::{Error, Result};
use crate::fleet::Target;
use crate::output::ErrorRecord;

/// The most commands for bulbs that have not been heard.
const MOST_UNHEARD: usize = 64;
/// The part of a payload that messages repeat.
const SHOWN: usize = 200;
/// Home Assistant gets everything again after this time, so that several bridges do not answer at once.
const JITTER: (f64, f64) = (1.0, 2.0);

/// A command for a bulb that has not been heard.
#[derive(Debug)]
pub(super) struct Unheard {
    id: BulbId,
    command: LightCommand,
    origin: Origin,
    at: Instant,
}

impl Worker {
    pub(super) fn delivered(&mut self, delivery: Delivery, now: Instant) {
        let Some(incoming) = self.settings.topics.parse(&delivery.topic) else { return };
        let text: String = String::from_utf8_lossy(&delivery.payload).chars().take(SHOWN).collect();
        match incoming {
            Incoming::BrokerUptime => self.broker_uptime(&delivery.payload),
            Incoming::Owner(_) | Incoming::Bid(_) => self.claim_delivered(incoming, &delivery),
            Incoming::BridgeState(name) => self.claims_bridge(&name, delivery.payload == ONLINE.as_bytes()),
            Incoming::OtherError => self.error_of_another(&delivery.payload, now),
            Incoming::Info => self.info_received(&delivery.payload, delivery.retain),
            Incoming::HomeAssistant if delivery.retain || delivery.payload != ONLINE.as_bytes() => {}
            Incoming::HomeAssistant => {
                let (least, more) = JITTER;
                let spread = Duration::from_secs_f64(least + more * self.spread());
                self.home_assistant_at = Some(now + spread);
            }
            // The end of a retained message.
            _ if delivery.payload.is_empty() && delivery.retain => {}
            command if delivery.retain => self.refuse_retained(&command, &delivery.topic, text),
            command => {
                let shared = command != Incoming::Run;
                let origin = Origin { text, reply: delivery.reply.clone(), several: false, shared };
                self.command(&command, &delivery.payload, origin, now);
            }
        }
    }

    /// Brokers repeat retained messages after each connect, and a bulb must not switch because of that.
    fn refuse_retained(&mut self, command: &Incoming, topic: &str, text: String) {
        // The bulb may not be known yet: they come with the connection.
        let is_anothers = match command {
            Incoming::Set(id) | Incoming::Identify(id) => self.another_carries_out(id),
            _ => false,
        };
        if !is_anothers {
            let error = Error::CommandRetained { topic: topic.to_owned() };
            let origin = Origin { text, shared: true, ..Origin::default() };
            self.finished(None, vec![(origin, Outcome::Failed(error))]);
        }
    }

    fn command(&mut self, command: &Incoming, payload: &[u8], origin: Origin, now: Instant) {
        let result = match command {
            Incoming::Set(id) | Incoming::Identify(id) if self.another_carries_out(id) => return,
            Incoming::Set(id) if !self.bulbs.contains_key(id) => {
                LightCommand::parse(payload).map(|command| {
                    self.wait_for_bulb(Unheard { id: id.clone(), command, origin: origin.clone(), at: now });
                    Vec::new()
                })
            }
            Incoming::Set(id) => LightCommand::parse(payload).map(|command| vec![(id.clone(), command)]),
            Incoming::SetGroup(slug) => {
                LightCommand::parse(payload).and_then(|command| self.group_commands(slug, &command))
            }
            Incoming::Run => str::from_utf8(payload)
                .map_err(|_| Error::CommandInvalid { detail: "it is not text in UTF-8".to_owned() })
                .and_then(|line| self.run_line(line)),
            Incoming::Identify(id) if self.bulbs.contains_key(id) => {
                self.identify(id, now);
                Ok(Vec::new())
            }
            Incoming::Identify(id) => Err(self.not_found(id.as_str(), Duration::ZERO)),
            _ => return,
        };
        match result {
            Ok(commands) => {
                let origin = Origin { several: commands.len() > 1, ..origin };
                for (id, command) in commands {
                    self.enqueue(&id, command, origin.clone(), now);
                }
            }
            Err(error) => {
                let id = match command {
                    Incoming::Set(id) | Incoming::Identify(id) => Some(id.clone()),
                    _ => None,
                };
                self.finished(id.as_ref(), vec![(origin, Outcome::Failed(error))]);
            }
        }
    }

    /// Splits a command to a group into one for each of its bulbs. Other bridges carry it out for theirs.
    fn group_commands(&self, slug: &str, command: &LightCommand) -> Result<Vec<(BulbId, LightCommand)>> {
        let members = self.group_members(slug);
        if members.is_empty() && !self.has_others() {
            return Err(self.not_found(&format!("@{slug}"), Duration::ZERO));
        }
        let ours = members.into_iter().filter(|id| !self.another_carries_out(id));
        Ok(ours.map(|id| (id, command.clone())).collect())
    }

    /// The bulbs that a line of `run` means, and what each gets.
    fn run_line(&self, line: &str) -> Result<Vec<(BulbId, LightCommand)>> {
        let (target, command) = (self.parse_line)(line)?;
        let parsed = Target::parse(&target, &self.settings.config, &self.settings.families)?;
        let meant: Vec<BulbId> = self
            .bulbs
            .values()
            .filter(|bulb| parsed.means(&bulb.device) && !self.another_carries_out(&bulb.id))
            .map(|bulb| bulb.id.clone())
            .collect();
        if meant.is_empty() {
            return Err(self.not_found(&target, Duration::ZERO));
        }
        Ok(meant.into_iter().map(|id| (id, command.clone())).collect())
    }

    pub(super) fn enqueue(&mut self, id: &BulbId, command: LightCommand, origin: Origin, now: Instant) {
        if let Some(error) = &self.adapter_error {
            return self.finished(Some(id), vec![(origin, Outcome::Failed(error.clone()))]);
        }
        self.claims_used(id);
        let no_turn = !self.may_drive(id);
        let Some(bulb) = self.bulbs.get_mut(id) else { return };
        bulb.last_command = Some(now);
        let mut finished = Vec::new();
        // The blinking ends first, in the same frame.
        if let Some(power) = bulb.blinking.take().and_then(|blinking| blinking.end()) {
            let end = LightCommand::of(Change::power(power), None);
            finished.extend(bulb.queue.push(end, Origin::default(), now));
        }
        finished.extend(bulb.queue.push(command, origin, now));
        // A bulb that nobody drives gets no turn. One whose link is being ended gets its turn with the next link.
        if matches!(bulb.link, LinkStage::Connecting(_) | LinkStage::Up(_)) || no_turn {
            bulb.queue.begin(now);
        }
        self.finished(Some(id), finished);
        self.send_commands(id);
        self.unplanned = true;
    }

    /// Gives a bulb's driver what waits for it, if there is a link.
    pub(super) fn send_commands(&mut self, id: &BulbId) {
        let Some(bulb) = self.bulbs.get_mut(id).filter(|bulb| bulb.is_up()) else { return };
        let Some(driver) = &bulb.driver else { return };
        if let Some((command, token)) = bulb.queue.take_unsent() {
            let profile = bulb.profile.as_ref().map(|profile| profile.0.as_ref());
            driver.command(command.for_bulb(profile, &bulb.state.light), token);
        }
    }

    fn identify(&mut self, id: &BulbId, now: Instant) {
        if let Some(bulb) = self.bulbs.get_mut(id) {
            let on = bulb.state.light().and_then(|light| light.power).unwrap_or(true);
            bulb.blinking = Some(Blinking::from(on, now));
        }
    }

    /// Carries out the steps of blinking that are due.
    pub(super) fn blink(&mut self, now: Instant) {
        let due: Vec<_> = self
            .bulbs
            .values_mut()
            .filter_map(|bulb| {
                let power = bulb.blinking.as_mut()?.step(now)?;
                Some((bulb.id.clone(), power))
            })
            .collect();
        for (id, power) in due {
            let blinking = self.bulbs.get_mut(&id).and_then(|bulb| bulb.blinking.take());
            let command = LightCommand::of(Change::power(power), None);
            self.enqueue(&id, command, Origin { text: "identify".to_owned(), ..Origin::default() }, now);
            if let Some(bulb) = self.bulbs.get_mut(&id) {
                bulb.blinking = blinking.filter(|blinking| !blinking.is_over());
            }
        }
    }

    /// A command for a bulb that has not been heard. It may be heard soon, or another bridge may have it.
    fn wait_for_bulb(&mut self, command: Unheard) {
        if self.unheard.len() == MOST_UNHEARD
            && let Some(oldest) = self.unheard.pop_front()
        {
            let error = self.not_found(oldest.id.as_str(), command.at.duration_since(oldest.at));
            self.finished(Some(&oldest.id), vec![(oldest.origin, Outcome::Failed(error))]);
        }
        self.unheard.push_back(command);
    }

    /// Carries out what waited for a bulb.
    pub(super) fn heard_at_last(&mut self, id: &BulbId) {
        let unheard = std::mem::take(&mut self.unheard);
        let (heard, unheard) = unheard.into_iter().partition(|command| command.id == *id);
        self.unheard = unheard;
        for Unheard { id, command, origin, at } in Vec::from(heard) {
            self.enqueue(&id, command, origin, at);
        }
    }

    fn not_found(&self, target: &str, waited: Duration) -> Error {
        let (target, seen, nearest) = (target.to_owned(), self.bulbs.len(), Vec::new());
        Error::TargetNotFound { target, seen, waited, nearest }
    }

    fn expire_unheard(&mut self, now: Instant) {
        let is_due = |oldest: &Unheard| oldest.at + COMMAND_TIME <= now;
        while self.unheard.front().is_some_and(is_due)
            && let Some(oldest) = self.unheard.pop_front()
        {
            if !self.another_carries_out(&oldest.id) {
                let error = self.not_found(oldest.id.as_str(), COMMAND_TIME);
                self.finished(Some(&oldest.id), vec![(oldest.origin, Outcome::Failed(error))]);
            }
        }
    }

    pub(super) fn expire_commands(&mut self, now: Instant) {
        self.expire_unheard(now);
        self.tell_shared_errors(now);
        let due = |bulb: &&mut super::Bulb| bulb.queue.wake().is_some_and(|wake| wake <= now);
        let finished: Vec<_> = self
            .bulbs
            .values_mut()
            .filter(due)
            .map(|bulb| {
                let driver = bulb.driver.as_ref();
                let finished =
                    bulb.queue.expire(&bulb.name, now, || driver.is_some_and(crate::bulb::Driver::withdraw));
                (bulb.id.clone(), finished)
            })
            .collect();
        for (id, finished) in finished {
            if !finished.is_empty() {
                self.unplanned = true;
                self.finished(Some(&id), finished);
                // What came between was held back.
                self.publish_state(&id);
            }
        }
    }

    pub(super) fn fail_commands(&mut self, id: &BulbId, error: &Error) {
        let finished = self.bulbs.get_mut(id).map(|bulb| bulb.queue.fail(error)).unwrap_or_default();
        self.finished(Some(id), finished);
    }

    /// Takes note of what a driver did with its commands.
    pub(super) fn commands_done(&mut self, id: &BulbId, event: &DriverEvent, now: Instant) {
        let Some(bulb) = self.bulbs.get_mut(id) else { return };
        let finished = bulb.queue.driver_event(event, &bulb.name);
        if finished.iter().any(|(_, outcome)| *outcome == Outcome::Confirmed) {
            bulb.availability.sign_of_life(now);
        }
        self.finished(Some(id), finished);
    }

    /// Tells the result of commands: errors to everybody, any result to a sender that asked for it.
    pub(super) fn finished(&mut self, id: Option<&BulbId>, finished: Vec<Finished>) {
        for (origin, outcome) in finished {
            let shared = origin.shared && !id.is_some_and(|id| self.may_drive(id));
            match outcome {
                Outcome::Failed(error) if shared => {
                    let (id, before) = (id.cloned(), self.bridges_before());
                    let error = SharedError { id, origin, error };
                    let error = self.shared_errors.failed(error, before, Instant::now());
                    error.into_iter().for_each(|error| self.tell_error(error));
                }
                outcome => self.tell_result(id, &origin, &outcome),
            }
        }
    }

    /// Reports the errors that another bridge should have reported.
    fn tell_shared_errors(&mut self, now: Instant) {
        self.shared_errors.due(now).into_iter().for_each(|error| self.tell_error(error));
    }

    fn tell_error(&mut self, SharedError { id, origin, error }: SharedError) {
        self.tell_result(id.as_ref(), &origin, &Outcome::Failed(error));
    }

    /// Another bridge has reported an error.
    fn error_of_another(&mut self, payload: &[u8], now: Instant) {
        let error: Value = serde_json::from_slice(payload).unwrap_or_default();
        let text = |key: &str| error.get(key).and_then(Value::as_str);
        if let Some(command) = text("command") {
            self.shared_errors.told(text("bulb"), command, now);
        }
    }

    fn tell_result(&mut self, id: Option<&BulbId>, origin: &Origin, outcome: &Outcome) {
        let result = match outcome {
            Outcome::Confirmed => json!({"result": "confirmed"}),
            Outcome::Written => json!({"result": "written"}),
            Outcome::Merged => json!({"result": "merged"}),
            Outcome::Failed(error) => {
                let ErrorRecord { code, message, hint, .. } = ErrorRecord::of(error, None);
                json!({"result": "failed", "code": code, "message": message, "hint": hint})
            }
        };
        if let Some(reply) = &origin.reply {
            let answer = Message::event(reply.topic.clone(), result.to_string());
            self.outbox.event(Message { correlation: reply.correlation.clone(), ..answer });
        }
        if let Outcome::Failed(error) = outcome {
            self.publish_error(error, id, Some(&origin.text));
            let name = id.and_then(|id| self.bulbs.get(id)).map(|bulb| bulb.name.clone());
            self.send(crate::output::Record::Error(ErrorRecord::of(error, name.as_deref())));
        }
    }
}
