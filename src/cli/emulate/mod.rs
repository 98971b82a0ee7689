//! `emulate`: this computer is the bulb.

mod line;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueHint};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use super::args::duration;
use super::context::Context;
use super::run::Tally;
use super::tui;
use crate::emulate::{Emulation, Next, address_of};
use crate::error::{Error, Result};
use crate::lines::{Line, Lines};
use crate::output::{Bulb, DoneRecord, EmulatedRecord, Record};
use crate::radio::sim::emulated::{EmulatedBulbs, ProfileBulb};
use crate::radio::{self, Address};
use crate::tui::emulate::{EmulateOptions, ParsedLine};
use line::Statement;
#[cfg(test)]
pub(super) use line::parse as parse_line;

const EXAMPLES: &str = "\
The computer advertises as a bulb of the family, serves its GATT table and behaves as the bulb. Each
command that arrives is printed, decoded.

While it runs, you can type lines:
  set --brightness 30          on, off, toggle, set: change the state as a button does
  drop                         end the link; vanish, appear: leave the air and come back
  fault on=write do=lose       play a fault, with the keys of a rig; fault clear
  rename NAME, wait TIME, quit
With several bulbs, add --bulb NAME to a line.

On the sim radio, any other bulbctl on this computer finds the bulb with --adapter sim.

Examples:
  bulbctl emulate elk --adapter sim          then, in another terminal:
  bulbctl --adapter sim on ELK-BLEDOM
  bulbctl emulate base zengge --adapter sim --json
  bulbctl emulate --rig my-board.toml --adapter sim";

/// The most lines that wait.
const LINES: usize = 16;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Emulate {
    /// Family: NAME, NAME:VARIANT or FILE.toml; several make several bulbs. With --rig, its bulbs of these families
    #[arg(value_name = "PROFILE", required_unless_present = "rig")]
    pub(crate) profiles: Vec<String>,
    /// Advertised name [default: one that the family uses]; with --rig, its bulb of this name
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Address of the bulb, on a radio that can choose it
    #[arg(long, value_name = "ADDRESS", conflicts_with = "rig")]
    pub(crate) address: Option<Address>,
    /// Play the bulbs of this rig, with their names, data, services, defects and faults
    #[arg(long, value_name = "RIG.toml", value_hint = ValueHint::FilePath)]
    pub(crate) rig: Option<PathBuf>,
    /// Show the bulbs and what arrives on the whole terminal, with keys to change them
    #[arg(long)]
    pub(crate) tui: bool,
    /// Stop after this time
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<Duration>,
}

pub(crate) async fn run(args: &Emulate, context: &Context<'_>) -> Result<()> {
    let bulbs = bulbs(args, context)?;
    let settings = args.tui.then(|| tui::settings(context)).transpose()?;
    let late =
        |waited| Error::ServiceSilent { detail: format!("no answer within {waited:.1?} when it was opened") };
    let opening = radio::open_peripheral(context.adapter());
    let radio = context.deadline().run(opening, late).await?;
    tracing::info!("using adapter {}", radio.adapter());
    let closing = Arc::clone(&radio);
    context.at_exit(async move { closing.close().await });
    let emulation = Emulation::start(radio, bulbs, context.deadline()).await?;
    let end = args.duration.map(|duration| Instant::now() + duration);
    if let Some(settings) = settings {
        let (size, depth, parse) = ((0, 0), tui::depth(), Box::new(typed));
        return crate::tui::emulate::run(emulation, EmulateOptions { size, depth, settings, end, parse })
            .await;
    }
    let labels: Vec<String> =
        (0..emulation.bulbs().count()).map(|bulb| emulation.bulbs().label(bulb).to_owned()).collect();
    context.printer.align(labels.iter().map(String::as_str));
    Session { emulation, context, tally: Tally::default(), resume: None, ended: false }.run(end).await
}

/// Parses a line that is typed in the TUI; `None` if it ends the emulation.
fn typed(text: &str, emulation: &Emulation) -> Result<Option<ParsedLine>, String> {
    match line::parse(text)? {
        Some(Statement::Act(None, action)) => Ok(Some((None, action))),
        Some(Statement::Act(Some(bulb), action)) => match emulation.find(Some(&bulb)) {
            Ok(bulb) => Ok(Some((Some(bulb), action))),
            Err(error) => Err(error.to_string()),
        },
        Some(Statement::Quit) => Ok(None),
        Some(Statement::Wait(_)) => Err("`wait` is for lines of standard input".to_owned()),
        None => Err("the line is empty".to_owned()),
    }
}

/// The bulbs that the arguments name.
fn bulbs(args: &Emulate, context: &Context<'_>) -> Result<EmulatedBulbs> {
    let mut profiles = Vec::new();
    for text in &args.profiles {
        let profile = context.families.load(text)?.1;
        if let Some(reason) = &profile.unsupported {
            return Err(Error::ProfileUnsupported {
                device: text.clone(),
                profile: profile.full_name(),
                reason: reason.clone(),
            });
        }
        profiles.push(profile);
    }
    if let Some(rig) = &args.rig {
        let wanted = |name: Option<&str>, profile: &bulb_protocol::profile::Profile| {
            let named = args.name.as_deref().is_none_or(|wanted| name == Some(wanted));
            let of = |wanted: &bulb_protocol::profile::Profile| wanted.full_name() == profile.full_name();
            named && (profiles.is_empty() || profiles.iter().any(of))
        };
        return EmulatedBulbs::of_rig(rig, wanted);
    }
    if profiles.len() > 1 && (args.name.is_some() || args.address.is_some()) {
        return Err(Error::Usage("--name and --address are for one bulb; use a rig for several".to_owned()));
    }
    let bulbs = profiles.into_iter().enumerate().map(|(number, profile)| {
        // A family without a name of its own: one that people look for.
        let named = || profile.example.name.is_none().then(|| format!("Light-{}", number + 1));
        let name = args.name.clone().or_else(named);
        let address = args.address.unwrap_or_else(|| address_of(&profile, name.as_deref(), number));
        ProfileBulb { profile, address, name }
    });
    EmulatedBulbs::of_profiles(bulbs.collect())
}

struct Session<'a> {
    emulation: Emulation,
    context: &'a Context<'a>,
    tally: Tally,
    /// The end of a `wait`, and the number of its line.
    resume: Option<(Instant, u64)>,
    /// A line ended the emulation.
    ended: bool,
}

impl Session<'_> {
    async fn run(mut self, end: Option<Instant>) -> Result<()> {
        let (lines, mut input) = mpsc::channel(LINES);
        // Ends with the emulation, or with the process if the system is still reading.
        let _reader = AbortOnDropHandle::new(tokio::spawn(read_lines(lines)));
        let mut open = stdin_is_ours();
        while !self.ended {
            self.tell()?;
            tokio::select! {
                next = self.emulation.next() => {
                    let next: Next = next?;
                    self.emulation.handle(next).await?;
                }
                line = input.recv(), if open && self.resume.is_none() => match line {
                    Some(line) => self.line(line).await?,
                    // A pipe without lines does not end the emulation.
                    None => open = false,
                },
                () = until(self.resume.map(|(at, _)| at)) => self.resume()?,
                () = until(end) => break,
            }
        }
        self.tell()?;
        self.tally.result(true)
    }

    /// Prints what happened.
    fn tell(&mut self) -> Result<()> {
        while let Some(event) = self.emulation.next_told() {
            let bulbs = self.emulation.bulbs();
            let address = self.emulation.address(event.bulb).map(|address| address.to_string());
            let name = self.emulation.name(event.bulb).to_owned();
            let id = address.clone().unwrap_or_else(|| name.clone());
            let bulb = Bulb { id, address, name: Some(name) };
            let profile = bulbs.profile(event.bulb).map(|profile| profile.full_name()).unwrap_or_default();
            let record = EmulatedRecord::of(bulb, &profile, &self.emulation.adapter(), &event.kind);
            if let Some(record) = record {
                self.context.printer.record(&Record::Emulated(Box::new(record)))?;
            }
        }
        Ok(())
    }

    async fn line(&mut self, line: Line) -> Result<()> {
        let Line { number, text } = line;
        let statement = match text.and_then(|text| line::parse(&text)) {
            Ok(None) => return Ok(()),
            Ok(Some(statement)) => statement,
            Err(what) => return self.done(number, Err(Error::Usage(what))),
        };
        let result = match statement {
            Statement::Wait(time) => {
                self.resume = Some((Instant::now() + time, number));
                return Ok(());
            }
            Statement::Quit => {
                self.ended = true;
                Ok(())
            }
            Statement::Act(bulb, action) => match self.emulation.find(bulb.as_deref()) {
                Ok(bulb) => self.emulation.act(bulb, action).await,
                Err(error) => Err(error),
            },
        };
        self.tell()?;
        self.done(number, result)
    }

    /// Ends a `wait`.
    fn resume(&mut self) -> Result<()> {
        match self.resume.take() {
            Some((_, number)) => self.done(number, Ok(())),
            None => Ok(()),
        }
    }

    /// Prints the end of a line. The emulation goes on if the line failed.
    fn done(&mut self, number: u64, result: Result<()>) -> Result<()> {
        let printer = self.context.printer;
        printer.set_line(Some(number));
        let exit = result.as_ref().map_or_else(Error::exit_code, |()| 0);
        self.tally.of += 1;
        if let Err(error) = result {
            self.tally.fail(error.kind());
            printer.error(&error, None)?;
        }
        printer.record(&Record::Done(DoneRecord { exit }))?;
        printer.set_line(None);
        Ok(())
    }
}

/// Waits until this time, if there is one.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Reads lines until the input ends.
async fn read_lines(to: mpsc::Sender<Line>) {
    if !stdin_is_ours() {
        return;
    }
    let mut lines = Lines::new(tokio::io::stdin());
    loop {
        match lines.next().await {
            Ok(Some(line)) => {
                if to.send(line).await.is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => {
                tracing::warn!("standard input cannot be read: {error}");
                return;
            }
        }
    }
}

/// Returns false in the background of a terminal, where reading from it would stop the process.
#[cfg(unix)]
fn stdin_is_ours() -> bool {
    match rustix::termios::tcgetpgrp(std::io::stdin()) {
        Ok(foreground) => foreground == rustix::process::getpgrp(),
        // It is no terminal.
        Err(_) => true,
    }
}

#[cfg(not(unix))]
fn stdin_is_ours() -> bool {
    true
}
