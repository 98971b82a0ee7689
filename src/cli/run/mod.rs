//! `run`: verbs line by line over held links.

mod parse;

use std::path::Path;

use clap::{Args, ValueHint};
use tokio::fs::File;
use tokio::io::AsyncRead;
use tokio::time::sleep;

use super::bulb_verb;
use super::context::Context;
use crate::bulb::refuse_unsupported;
use crate::error::{Error, ErrorKind, Result};
use crate::files;
use crate::lines::{Line, Lines};
use crate::output::{DoneRecord, Record, StateRecord};
pub(crate) use parse::{Action, LineParser};
use parse::{Expect, Statement};

const EXAMPLES: &str = "\
Each line is a verb with its arguments, quoted as in a shell. # begins a comment.
  set desk --brightness 30
  wait 2s
  expect desk --on --brightness 30 --within 3s
The verbs are on, off, toggle, set, status, battery, info, gatt read|write|notify, connect,
disconnect, expect (compares the state) and wait. A line may have its own --timeout.

Links stay up until the end of the input. The first line that fails ends the run with its exit code.

Examples:
  bulbctl run scene.txt
  my-test-rig | bulbctl --json run -";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Run {
    /// File with the lines; - reads stdin, line by line as they arrive
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: String,
    /// Continue after a line that failed
    #[arg(long)]
    pub(crate) keep_going: bool,
}

pub(crate) async fn run(args: &Run, context: &Context<'_>) -> Result<()> {
    if args.file == "-" {
        return lines(Lines::new(tokio::io::stdin()), args, context).await;
    }
    let file = File::open(&args.file).await.map_err(|error| unreadable(args, &error))?;
    lines(Lines::new(file), args, context).await
}

fn unreadable(args: &Run, error: &std::io::Error) -> Error {
    files::unreadable(Path::new(&args.file), error)
}

async fn lines(mut lines: Lines<impl AsyncRead + Unpin>, args: &Run, context: &Context<'_>) -> Result<()> {
    let radio = context.radio().await?;
    context.links.hold(context.link_limit(radio.as_ref()));
    let mut parser = LineParser::new();
    let mut tally = Tally::default();
    while let Some(line) = lines.next().await.map_err(|error| unreadable(args, &error))? {
        let Line { number, text } = line;
        let statement = match text.and_then(|text| parser.parse(&text)) {
            Ok(None) => continue,
            Ok(Some(statement)) => Ok(statement),
            Err(what) => Err(Error::Usage(what)),
        };
        context.printer.set_line(Some(number));
        let result = match statement {
            Ok(statement) => execute(statement, context).await,
            Err(error) => Err(error),
        };
        let exit = result.as_ref().map_or_else(Error::exit_code, |()| 0);
        tally.of += 1;
        if let Err(error) = result {
            if matches!(error, Error::OutputClosed | Error::Output(_)) {
                return Err(error);
            }
            context.printer.error(&error, None)?;
            tally.fail(error.kind());
            // A board may have been replaced by another one with its name.
            context.forget_targets();
        }
        context.printer.record(&Record::Done(DoneRecord { exit }))?;
        context.printer.set_line(None);
        if exit != 0 && !args.keep_going {
            break;
        }
    }
    tally.result(args.keep_going)
}

async fn execute(statement: Statement, context: &Context<'_>) -> Result<()> {
    context.set_line_timeout(statement.timeout);
    match statement.action {
        Action::Verb(verb) => bulb_verb(&verb, context).await,
        Action::Expect(args) => expect(&args, context).await,
        Action::Wait(time) => {
            sleep(time).await;
            Ok(())
        }
    }
}

async fn expect(args: &Expect, context: &Context<'_>) -> Result<()> {
    let wanted = args.light.settings()?;
    if wanted.features().is_empty() {
        return Err(Error::Usage(
            "expect needs at least one value, such as --on or --brightness 30".to_owned(),
        ));
    }
    let target = args.bulbs.text();
    context
        .each(
            &args.bulbs,
            "reading",
            async |radio, device, deadline| {
                refuse_unsupported(&device, &context.families)?;
                let deadline = deadline.later(args.within);
                let state = context.with_session(radio.as_ref(), &device, deadline, async |session| {
                    let state = session.expect(&wanted, args.within, deadline).await?;
                    Ok((state, session.profile().clone()))
                });
                let (state, profile) = state.await?;
                Ok(StateRecord::of(&target, &device, &profile, state))
            },
            |record| context.printer.record(&Record::State(record)),
        )
        .await
}

/// The lines so far, and those that failed.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) of: usize,
    failed: usize,
    /// The kind of all failures, or [`ErrorKind::Partial`] if they differ.
    kind: Option<ErrorKind>,
}

impl Tally {
    pub(super) fn fail(&mut self, kind: ErrorKind) {
        self.failed += 1;
        self.kind = match self.kind {
            Some(other) if other != kind => Some(ErrorKind::Partial),
            _ => Some(kind),
        };
    }

    pub(super) fn result(self, keep_going: bool) -> Result<()> {
        let Self { of, failed, kind } = self;
        let Some(kind) = kind else { return Ok(()) };
        let kind = if keep_going && failed < of { ErrorKind::Partial } else { kind };
        Err(Error::Partial { failed, of, kind })
    }
}
