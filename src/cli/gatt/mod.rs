//! `gatt`: raw access to characteristics.

mod args;
mod payload;
mod script;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bulb_protocol::profile::Profile;
use tokio::time::{Instant, sleep, timeout_at};

use super::args::Wait;
use super::context::Context;
use super::frame;
use crate::bulb::{BASE, CharacteristicRef, GattOutcome, RawGatt, Roles, recognise};
use crate::error::{Error, Result};
use crate::files::{self, LONGEST_TEXT};
use crate::fleet;
use crate::output::{FrameRecord, Record, ValueForm, ValueRecord};
use crate::radio::{Deadline, Link, SeenDevice};
pub(crate) use args::Gatt;
use args::{GattAction, GattRun, ValueOutput};
use script::{Operation, Step};

pub(crate) async fn run(args: &Gatt, context: &Context<'_>) -> Result<()> {
    let one = |operation| vec![Step { line: None, operation }];
    let plain = ValueOutput { text: false, decode: false };
    let (target, wait, steps, output, raw) = match &args.action {
        GattAction::Read(read) => {
            (&read.target, read.wait, one(Operation::Read(read.place.clone())), &read.output, read.raw)
        }
        GattAction::Write(write) => {
            let operation = Operation::Write(write.place.clone(), payload::of(write)?, write.op);
            (&write.target, write.wait, one(operation), &plain, false)
        }
        GattAction::Notify(notify) => {
            let (count, during) = (notify.count, notify.duration);
            let operation = Operation::Notify { place: notify.place.clone(), count, during };
            (&notify.target, notify.wait, one(operation), &notify.output, notify.raw)
        }
        GattAction::Run(run) => (&run.target, run.wait, script::parse(&text_of(run)?)?, &run.output, false),
    };
    let keep_going = matches!(&args.action, GattAction::Run(run) if run.keep_going);
    let job = GattJob {
        target,
        wait,
        steps,
        raw,
        keep_going,
        form: match output {
            ValueOutput { text: true, .. } => ValueForm::Text,
            ValueOutput { decode: true, .. } => ValueForm::Frame,
            _ => ValueForm::Hex,
        },
        context,
    };
    job.run().await
}

fn text_of(run: &GattRun) -> Result<String> {
    let path = Path::new(&run.script);
    match run.script.as_str() {
        "-" => files::text_of(std::io::stdin().lock(), LONGEST_TEXT),
        _ => files::try_text(path, LONGEST_TEXT),
    }
    .map_err(|error| files::unreadable(path, &error))
}

/// The operations to run on each bulb, and how to print their results.
struct GattJob<'a> {
    target: &'a str,
    wait: Wait,
    steps: Vec<Step>,
    form: ValueForm,
    raw: bool,
    keep_going: bool,
    context: &'a Context<'a>,
}

impl GattJob<'_> {
    async fn run(&self) -> Result<()> {
        let target = self.context.target(self.target)?;
        let found = self.context.find(&target, self.wait).await?;
        let deadline = found.deadline;
        let named = found.bulbs.len() + found.failures.len() > 1;
        if named && self.raw {
            return Err(Error::Usage(
                "--raw works with one bulb only: you could not tell the bytes of several apart".to_owned(),
            ));
        }
        let radio = self.context.radio().await?;
        fleet::run_each(
            found,
            self.context.link_limit(radio.as_ref()),
            fleet::OnConnectFailure::Failed,
            async |device| {
                let deadline = if named { self.context.deadline() } else { deadline };
                // Operations that succeeded are not repeated if a link that the system held drops and is replaced.
                let mut done = 0;
                self.context
                    .links
                    .with_link(radio.as_ref(), &device, deadline, async |link| {
                        let decoder = match self.form {
                            ValueForm::Frame => Some(self.decoder(link.as_ref(), &device, deadline).await?),
                            _ => None,
                        };
                        let bench = BulbJob { device: &device, job: self, named, decoder };
                        bench.run(RawGatt::new(link, device.label()), deadline, &mut done).await
                    })
                    .await
            },
            |name, result| match result {
                Ok(()) => Ok(()),
                Err(error) => self.context.printer.error(&error, Some(name)),
            },
        )
        .await
    }
}

impl GattJob<'_> {
    async fn decoder(
        &self,
        link: &dyn Link,
        device: &SeenDevice,
        deadline: Deadline,
    ) -> Result<FrameDecoder> {
        let profile = recognise(link, device, &self.context.families, deadline).await?;
        let roles = Roles::find(&profile, link.table(), &device.label())?;
        Ok(FrameDecoder { profile, roles })
    }
}

struct FrameDecoder {
    profile: Arc<Profile>,
    roles: Roles,
}

struct BulbJob<'a> {
    device: &'a SeenDevice,
    job: &'a GattJob<'a>,
    named: bool,
    /// Only with `--decode`.
    decoder: Option<FrameDecoder>,
}

impl BulbJob<'_> {
    /// Runs the steps from index `done` on. `deadline` applies to a single operation; each step of a script has its own.
    async fn run(&self, mut raw: RawGatt, deadline: Deadline, done: &mut usize) -> Result<()> {
        let steps = &self.job.steps;
        let context = self.job.context;
        let mut kinds = Vec::new();
        while let Some(step) = steps.get(*done) {
            let deadline = if step.line.is_some() { context.deadline() } else { deadline };
            let result = self.step(&mut raw, step, deadline).await;
            let Some(line) = step.line else { return result };
            match result {
                Ok(()) => {}
                Err(error @ (Error::OutputClosed | Error::Output(_))) => return Err(error),
                // The caller may connect again.
                Err(error @ Error::LinkLost { .. }) if *done == 0 => return Err(error),
                Err(error) => {
                    let place = format!("line {line}");
                    let place = if self.named { format!("{}, {place}", self.device.label()) } else { place };
                    context.printer.error(&error, Some(&place))?;
                    kinds.push(error.kind());
                    if !self.job.keep_going || matches!(error, Error::LinkLost { .. }) {
                        return Err(Error::Partial {
                            failed: kinds.len(),
                            of: steps.len(),
                            kind: error.kind(),
                        });
                    }
                }
            }
            *done += 1;
        }
        Error::partial(&kinds, steps.len()).map_or(Ok(()), Err)
    }

    async fn step(&self, raw: &mut RawGatt, step: &Step, deadline: Deadline) -> Result<()> {
        let passed = match &step.operation {
            Operation::Wait(time) => {
                sleep(*time).await;
                return Ok(());
            }
            Operation::Read(place) => raw.read(place, deadline).await?,
            Operation::Write(place, value, choice) => raw.write(place, value, *choice, deadline).await?,
            Operation::Subscribe(place) => raw.subscribe(place, deadline).await?,
            Operation::Unsubscribe(place) => raw.unsubscribe(place, deadline).await?,
            Operation::Notify { place, count, during } => {
                raw.subscribe(place, deadline).await?;
                return self.notifications(raw, step, place, *count, *during).await;
            }
        };
        self.show(&passed, step)
    }

    /// Prints `count` notifications, each within the time limit of an operation, or all that arrive within `during`.
    async fn notifications(
        &self,
        raw: &mut RawGatt,
        step: &Step,
        place: &CharacteristicRef,
        count: Option<u64>,
        during: Option<Duration>,
    ) -> Result<()> {
        let end = during.map(|during| Instant::now() + during);
        let mut left = count;
        while left != Some(0) {
            let passed = match (end, count) {
                (Some(end), _) => match timeout_at(end, raw.next(place)).await {
                    Ok(passed) => passed?,
                    Err(_) => return Ok(()),
                },
                (None, Some(_)) => {
                    let device = self.device.label();
                    let silent =
                        |waited| Error::NoNotification { device, characteristic: place.to_string(), waited };
                    self.job.context.deadline().run(raw.next(place), silent).await?
                }
                (None, None) => raw.next(place).await?,
            };
            self.show(&passed, step)?;
            left = left.map(|left| left - 1);
        }
        Ok(())
    }

    fn show(&self, passed: &GattOutcome, step: &Step) -> Result<()> {
        let mut record = ValueRecord::of(self.job.target, self.device, passed);
        let printer = self.job.context.printer;
        if self.job.raw {
            return printer.raw(&record.bytes);
        }
        record.line = step.line.or(printer.line_number());
        record.form = self.job.form;
        record.named = self.named;
        let mut wrong = None;
        match self.meaning(passed, &record.bytes) {
            Some(Ok(frame)) if record.hex.is_some() => record.frame = Some(frame),
            Some(Err(error)) if record.hex.is_some() => wrong = Some(error),
            _ => {}
        }
        // Bytes that are not a frame are worth seeing, too.
        printer.record(&Record::Value(record))?;
        wrong.map_or(Ok(()), Err)
    }

    /// Decodes a frame, if the characteristic has a role in the family.
    fn meaning(&self, passed: &GattOutcome, bytes: &[u8]) -> Option<Result<FrameRecord>> {
        let decoder = self.decoder.as_ref()?;
        // The base profile has its own codec.
        let profile = Some(decoder.profile.as_ref()).filter(|profile| profile.name != BASE);
        let mut meanings = decoder.roles.of(passed.id).map(|role| frame::meaning(bytes, Some(role), profile));
        let first = meanings.next()?;
        Some(if first.is_ok() { first } else { meanings.find(Result::is_ok).unwrap_or(first) })
    }
}
