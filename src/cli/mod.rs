//! The command line: argument types, and one file per verb. The only place that names clap.

mod args;
mod battery;
mod bench;
mod capture;
mod check;
mod context;
mod doctor;
mod drive;
mod frame;
mod gatt;
mod generate;
#[cfg(test)]
mod hostile;
mod info;
mod link;
mod profiles;
mod redact;
mod scan;
mod status;
mod tui;
mod watch;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::output::{Printer, Settings};
use args::{Cli, Profiles, ProfilesAction, Verb};
use context::Context;

/// How long the clean-up may take on the way out.
const CLOSE_TIME: Duration = Duration::from_secs(2);

/// Runs the program with these arguments, and gives its exit code. All errors have been printed by then.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::read(&arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, &arguments),
    };
    let printer = Printer::new(Settings {
        json: cli.global.json,
        color: cli.global.color.unwrap_or_default().into(),
        quiet: cli.global.quiet,
    });
    context::start_log(&cli.global, matches!(cli.verb, Verb::Tui));
    match start(cli, &printer) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => finish(&error, &printer),
    }
}

/// Whether the program would run with these arguments; nothing is run.
///
/// # Errors
/// What it would print instead: what is wrong, or the help that was asked for.
pub fn validate_arguments(arguments: impl IntoIterator<Item = OsString>) -> Result<(), String> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    Cli::read(&arguments).map(drop).map_err(|error| error.render().to_string())
}

/// Says what was wrong with the arguments, or prints the help that was asked for.
fn usage(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    let json = arguments.iter().any(|argument| argument == "--json")
        || std::env::var("BULBCTL_JSON").is_ok_and(|value| value == "true");
    if error.use_stderr() && json {
        let printer = Printer::new(Settings { json, ..Settings::default() });
        let text = error.render().to_string();
        // The rest says how to get help, which is for people.
        let text = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
        return finish(&Error::Usage(text.split_whitespace().collect::<Vec<_>>().join(" ")), &printer);
    }
    // A reader that closes the pipe ends the help, which is no failure.
    let _ = error.print();
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Prints the error that a command ended with.
fn finish(error: &Error, printer: &Printer) -> ExitCode {
    let silent = match error {
        Error::OutputClosed => true,
        // The shell and the user know; a program that reads JSON is told.
        Error::Interrupted => !printer.json(),
        _ => false,
    };
    if !silent {
        // Where it cannot be printed, the exit code still tells.
        let _ = printer.error(error, None);
    }
    ExitCode::from(error.exit_code())
}

/// Runs the verbs that need no radio at once, the others on a runtime.
fn start(cli: Cli, printer: &Printer) -> Result<()> {
    match cli.verb {
        Verb::Frame(args) => return frame::run(&args, &cli.global, printer),
        Verb::Profiles(Profiles { action: ProfilesAction::List }) => {
            return profiles::list(&cli.global, printer);
        }
        Verb::Profiles(Profiles { action: ProfilesAction::Show(args) }) => {
            return profiles::show(&args, &cli.global, printer);
        }
        Verb::Bench(args) if args.target.is_none() => return bench::compare(&args, printer),
        Verb::Redact(args) => return redact::run(&args, printer),
        Verb::Check(args) if args.list => return check::list(&args, &cli.global, printer),
        Verb::Completions(args) => return generate::completions(&args, &cli.global, printer),
        Verb::Man(args) => return generate::man(&args, printer),
        _ => {}
    }
    let context = Context::new(&cli.global, printer)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Error::Internal(error.to_string()))?;
    let result = runtime.block_on(async {
        let result = tokio::select! {
            // First, so that whatever the verb does, there is somebody who hears the signal.
            biased;
            result = interrupted() => result,
            result = run(cli.verb, &context) => result,
        };
        tokio::select! {
            () = context.close() => {}
            () = tokio::time::sleep(CLOSE_TIME) => tracing::warn!("clean-up did not end within {CLOSE_TIME:?}"),
            // The second interrupt skips the clean-up.
            _ = interrupted() => {}
        }
        // The verb's own failure says more than that of its recording.
        match (result, context.end_recording().await) {
            (Ok(()), recorded) => recorded,
            (failed, _) => failed,
        }
    });
    // A blocking call of the platform's must not hold the process.
    runtime.shutdown_timeout(Duration::from_millis(50));
    result
}

async fn run(verb: Verb, context: &Context<'_>) -> Result<()> {
    match verb {
        Verb::Scan(args) => scan::run(&args, context).await,
        Verb::On(args) => drive::power(&args, crate::bulb::Power::On, context).await,
        Verb::Off(args) => drive::power(&args, crate::bulb::Power::Off, context).await,
        Verb::Toggle(args) => drive::power(&args, crate::bulb::Power::Toggle, context).await,
        Verb::Set(args) => drive::set(&args, context).await,
        Verb::Status(args) => status::run(&args, context).await,
        Verb::Watch(args) => watch::run(&args, context).await,
        Verb::Battery(args) => battery::run(&args, context).await,
        Verb::Connect(args) => link::connect(&args, context).await,
        Verb::Disconnect(args) => link::disconnect(&args, context).await,
        Verb::Info(args) => info::run(&args, context).await,
        Verb::Gatt(args) => gatt::run(&args, context).await,
        Verb::Bench(args) => bench::run(&args, context).await,
        Verb::Check(args) => check::run(&args, context).await,
        Verb::Doctor => doctor::run(context).await,
        Verb::Tui => tui::run(context).await,
        Verb::Profiles(Profiles { action: ProfilesAction::Detect(args) }) => {
            profiles::detect(&args, context).await
        }
        Verb::Frame(_) | Verb::Profiles(_) | Verb::Completions(_) | Verb::Man(_) | Verb::Redact(_) => Ok(()),
        // Were replaced by what they run.
        Verb::Record(_) | Verb::Replay(_) => Ok(()),
    }
}

/// Waits until the user or the system asks us to end.
#[cfg(unix)]
async fn interrupted() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| signal(kind).map_err(|error| Error::Internal(error.to_string()));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Err(Error::Interrupted)
}

/// Waits until the user asks us to end.
#[cfg(not(unix))]
async fn interrupted() -> Result<()> {
    tokio::signal::ctrl_c().await.map_err(|error| Error::Internal(error.to_string()))?;
    Err(Error::Interrupted)
}
