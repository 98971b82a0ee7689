//! The command line: argument types, and one file per verb. The only place that names clap.

mod args;
mod battery;
mod bench;
mod bridge;
mod capture;
mod check;
mod complete;
mod context;
mod doctor;
mod drive;
mod emulate;
mod environment;
mod frame;
mod gatt;
mod global;
mod help;
#[cfg(test)]
mod hostile;
mod info;
mod light;
mod link;
mod man;
mod parse;
mod profiles;
mod redact;
mod run;
mod scan;
mod signals;
mod snapshot;
mod status;
mod tui;
mod watch;

use std::ffi::OsString;
use std::io::Write;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use crate::bulb::Power;
use crate::error::{Error, Result};
use crate::output::{Printer, Settings, colored, stream};
use args::{Profiles, ProfilesAction, Verb};
use context::Context;
use global::Global;
use parse::Cli;
use signals::{Heeded, Signals};

const CLOSE_TIME: Duration = Duration::from_secs(2);

/// Runs the program and returns its exit code. Errors have been printed.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if complete::answer(&arguments) {
        return ExitCode::SUCCESS;
    }
    let Cli { global, verb } = match Cli::parse(&arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, &arguments),
    };
    let printer = Printer::new(Settings {
        json: global.json,
        color: global.color_output.unwrap_or_default().into(),
        quiet: global.quiet,
    });
    context::start_log(&global, verb.has_tui());
    match run(verb, &global, &printer) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => finish(&error, &printer),
    }
}

/// Parses these arguments without running anything.
///
/// # Errors
/// The text to print instead of running: an error of the command line, or the requested help.
pub fn validate_arguments(arguments: impl IntoIterator<Item = OsString>) -> Result<(), String> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    Cli::parse(&arguments).map(drop).map_err(|error| error.render().to_string())
}

/// Prints what is wrong with the arguments, or the help that was asked for.
fn usage(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    let json = error.use_stderr()
        && (arguments.iter().any(|argument| argument == "--json") || environment::is_true("BULBCTL_JSON"));
    let color = parse::color_of_usage_error(arguments).unwrap_or_default().into();
    let printer = Printer::new(Settings { json, color, ..Settings::default() });
    if json {
        return finish(&Error::Usage(parse::error_text(error)), &printer);
    }
    // clap has other conventions.
    let choice = if error.use_stderr() {
        colored::choice(&std::io::stderr())
    } else {
        colored::choice(&std::io::stdout())
    };
    choice.write_global();
    let printed = error.print().and_then(|()| std::io::stdout().flush());
    if !error.use_stderr()
        && let Err(error) = printed
    {
        return finish(&stream::error(&error), &printer);
    }
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn finish(error: &Error, printer: &Printer) -> ExitCode {
    let silent = match error {
        Error::OutputClosed => true,
        // Users know that they pressed Ctrl-C; programs that read JSON do not.
        Error::Interrupted => !printer.json(),
        _ => false,
    };
    if !silent {
        // If it cannot be printed, the exit code still tells.
        let _ = printer.error(error, None);
    }
    ExitCode::from(error.exit_code())
}

/// Runs a verb: one that needs a radio on a runtime, any other at once.
fn run(verb: Verb, global: &Global, printer: &Printer) -> Result<()> {
    let ends_with_reader = verb.ends_with_reader();
    match verb {
        Verb::Scan(args) => {
            on_radio(global, printer, ends_with_reader, async |context| scan::run(&args, context).await)
        }
        Verb::Watch(args) => {
            on_radio(global, printer, ends_with_reader, async |context| watch::run(&args, context).await)
        }
        Verb::Snapshot(args) => {
            on_radio(global, printer, ends_with_reader, async |context| snapshot::save(&args, context).await)
        }
        Verb::Restore(args) => on_radio(global, printer, ends_with_reader, async |context| {
            snapshot::restore(&args, context).await
        }),
        Verb::Run(args) => {
            on_radio(global, printer, ends_with_reader, async |context| run::run(&args, context).await)
        }
        Verb::Emulate(args) => {
            on_radio(global, printer, ends_with_reader, async |context| emulate::run(&args, context).await)
        }
        Verb::Bench(args) if args.target.is_none() => bench::compare(&args, printer),
        Verb::Bench(args) => {
            on_radio(global, printer, ends_with_reader, async |context| bench::run(&args, context).await)
        }
        Verb::Check(args) if args.list => check::list(&args, global, printer),
        Verb::Check(args) => {
            on_radio(global, printer, ends_with_reader, async |context| check::run(&args, context).await)
        }
        Verb::Doctor => {
            on_radio(global, printer, ends_with_reader, async |context| doctor::run(context).await)
        }
        Verb::Bridge(args) => on_radio_with(
            global,
            printer,
            Heeded { reload: true, ..Heeded::default() },
            async |context, signals| bridge::run(&args, global, context, signals).await,
        ),
        Verb::Tui => on_radio(global, printer, ends_with_reader, async |context| tui::run(context).await),
        Verb::Frame(args) => frame::run(&args, global, printer),
        Verb::Profiles(Profiles { action }) => match action {
            ProfilesAction::List => profiles::list(global, printer),
            ProfilesAction::Show(args) => profiles::show(&args, global, printer),
            ProfilesAction::Detect(args) => on_radio(global, printer, ends_with_reader, async |context| {
                profiles::detect(&args, context).await
            }),
            ProfilesAction::New(args) => on_radio(global, printer, ends_with_reader, async |context| {
                profiles::draft(&args, context).await
            }),
            ProfilesAction::Check(args) => profiles::check(&args, printer),
        },
        Verb::Redact(args) => redact::run(&args, printer),
        Verb::Completions(args) => {
            let script = complete::script(args.shell).map_err(|error| Error::Usage(error.to_string()))?;
            printer.line(script.trim_end())
        }
        Verb::Man(args) => man::run(&args, printer),
        verb => on_radio(global, printer, ends_with_reader, async |context| bulb_verb(&verb, context).await),
    }
}

/// Runs a verb that also works in a line of `run`.
async fn bulb_verb(verb: &Verb, context: &Context<'_>) -> Result<()> {
    match verb {
        Verb::On(args) => drive::power(args, Power::On, context).await,
        Verb::Off(args) => drive::power(args, Power::Off, context).await,
        Verb::Toggle(args) => drive::power(args, Power::Toggle, context).await,
        Verb::Set(args) => drive::set(args, context).await,
        Verb::Status(args) => status::run(args, context).await,
        Verb::Battery(args) => battery::run(args, context).await,
        Verb::Connect(args) => link::connect(args, context).await,
        Verb::Disconnect(args) => link::disconnect(args, context).await,
        Verb::Info(args) => info::run(args, context).await,
        Verb::Gatt(args) => gatt::run(args, context).await,
        _ => Err(Error::Internal("this verb needs no bulb".to_owned())),
    }
}

fn on_radio(
    global: &Global,
    printer: &Printer,
    ends_with_reader: bool,
    verb: impl AsyncFnOnce(&Context<'_>) -> Result<()>,
) -> Result<()> {
    let heeded = Heeded { ends_with_reader, ..Heeded::default() };
    on_radio_with(global, printer, heeded, async |context, _| verb(context).await)
}

fn on_radio_with(
    global: &Global,
    printer: &Printer,
    heeded: Heeded,
    verb: impl AsyncFnOnce(&Context<'_>, &Signals) -> Result<()>,
) -> Result<()> {
    let context = Context::new(global, printer)?;
    let signals = Signals::listen(heeded)?;
    until_interrupted(&context, &signals, Box::pin(verb(&context, &signals)))
}

fn until_interrupted(
    context: &Context<'_>,
    signals: &Signals,
    verb: Pin<Box<dyn Future<Output = Result<()>> + '_>>,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Error::Internal(error.to_string()))?;
    let result = runtime.block_on(async {
        let result = tokio::select! {
            // Polled first, so that signals are caught before the verb does anything.
            biased;
            why = signals.end() => Err(why),
            result = verb => result,
        };
        tokio::select! {
            () = context.close() => {}
            () = tokio::time::sleep(CLOSE_TIME) => tracing::warn!("clean-up took longer than {CLOSE_TIME:?}"),
            // A second interrupt skips the clean-up.
            () = signals.second() => {}
        }
        // If both failed, the verb's error says more than that of its recording.
        match (result, context.end_recording().await) {
            (Ok(()), recorded) => recorded,
            (failed, _) => failed,
        }
    });
    // A blocking call of the platform must not keep the process alive.
    runtime.shutdown_timeout(Duration::from_millis(50));
    result
}
