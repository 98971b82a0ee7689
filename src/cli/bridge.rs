//! `bridge`.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use clap::{Args, ValueHint};

use super::args::Verb;
use super::context::{Context, families};
use super::global::Global;
use super::run::{Action, LineParser};
use super::signals::Signals;
use crate::bridge::{
    self, Access, AccessOptions, Bridge as RunningBridge, BridgeEvent, DISCOVERY_PREFIX, LightCommand,
    PREFIX, Settings, Setup, Topics, is_id, slug,
};
use crate::bulb::{Change, DrivenProfile, Families, Power, read_battery};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::files;
use crate::fleet::Target;
use crate::output::Record;

const EXAMPLES: &str = "\
The broker is mosquitto 2 or any other for MQTT 5. Home Assistant finds the bulbs by itself.
docs/BRIDGE.md describes the topics. The password comes from --password-file, from
BULBCTL_MQTT_PASSWORD or from the systemd credential bulbctl-mqtt-password.

Examples:
  bulbctl bridge --broker mqtt://broker.lan
  bulbctl bridge 'Light-*' @office --broker mqtts://broker.lan --user bulbs --password-file pw
  bulbctl bridge --once                      print what would be published
  mosquitto_pub -t bulbctl/c41100000001/set -m '{\"state\":\"ON\",\"brightness\":30}'";

#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Bridge {
    /// Bulbs: address, name, alias, pattern ('Light-*'), @group or all [default: bridge.bulbs in the configuration, else all]
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// Broker: `mqtt://HOST[:PORT]`, or `mqtts://…` for TLS
    #[arg(long, env = "BULBCTL_BROKER", hide_env_values = true, value_name = "URL", value_hint = ValueHint::Url)]
    broker: Option<String>,
    /// Name of this bridge in topics [default: the name of this computer]
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: Option<String>,
    /// User name at the broker
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// File with the password in its first line
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    password_file: Option<PathBuf>,
    /// Certificates (PEM) that the broker's must come from [default: those of the system]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    ca_file: Option<PathBuf>,
    /// Certificate of this client (PEM)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "key_file")]
    cert_file: Option<PathBuf>,
    /// Key of that certificate (PEM)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "cert_file")]
    key_file: Option<PathBuf>,
    /// Announce nothing to Home Assistant
    #[arg(long)]
    no_discovery: bool,
    /// No other bridge is on this broker: drive every bulb at once, without claiming it
    #[arg(long)]
    alone: bool,
    /// Print what would be published, without a broker, and exit
    #[arg(long)]
    once: bool,
}

fn name(text: &str) -> Result<String, String> {
    let rule = || "up to 64 of a-z, A-Z, 0-9, _ and -".to_owned();
    is_id(text).then(|| text.to_owned()).ok_or_else(rule)
}

pub(crate) async fn run(
    args: &Bridge,
    global: &Global,
    context: &Context<'_>,
    signals: &Signals,
) -> Result<()> {
    if args.once {
        return once(args, context).await;
    }
    let access = args.access(&context.config)?;
    let settings = args.settings(Arc::new(context.config.clone()), context.families.clone(), access)?;
    let radio = context.radio().await?.clone();
    let setup = Setup {
        settings,
        links: context.link_limit(radio.as_ref()),
        radio,
        timeout: context.timeout,
        parse_line: line_parser(),
        folder: files::state_folder(),
    };
    let (mut running, task) = RunningBridge::start(setup)?;
    context.at_exit(task.end());
    loop {
        let event = tokio::select! {
            event = running.next() => event,
            () = signals.reload() => {
                match args.read_again(global) {
                    Ok(settings) => running.apply(settings),
                    // The bridge goes on as it is.
                    Err(error) => context.printer.error(&error, None)?,
                }
                continue;
            }
        };
        match event {
            Some(BridgeEvent::Record(record)) => context.printer.record(&record)?,
            Some(BridgeEvent::Ended(error)) => return Err(error),
            None => return Err(Error::Internal("the task of the bridge has ended".to_owned())),
        }
    }
}

impl Bridge {
    fn read_again(&self, global: &Global) -> Result<Settings> {
        let config = Config::load(global.config.as_deref())?;
        let families = Arc::new(families(global, &config)?);
        let access = self.access(&config)?;
        self.settings(Arc::new(config), families, access)
    }

    fn access(&self, config: &Config) -> Result<Access> {
        let options = AccessOptions {
            broker: self.broker.clone(),
            user: self.user.clone(),
            password_file: self.password_file.clone(),
            ca_file: self.ca_file.clone(),
            certificate_file: self.cert_file.clone(),
            key_file: self.key_file.clone(),
        };
        Access::read(&options, &config.bridge)
    }

    fn settings(&self, config: Arc<Config>, families: Arc<Families>, access: Access) -> Result<Settings> {
        let bridge = &config.bridge;
        let targets = if self.targets.is_empty() { &bridge.bulbs } else { &self.targets };
        let target = if targets.is_empty() { "all".to_owned() } else { targets.join(",") };
        let name = self.name.clone().or_else(|| bridge.name.clone()).unwrap_or_else(computer);
        let prefix = bridge.prefix.as_deref().unwrap_or(PREFIX);
        let discovery = bridge.discovery_prefix.as_deref().unwrap_or(DISCOVERY_PREFIX);
        Ok(Settings {
            target: Target::parse(&target, &config, &families)?,
            topics: Topics::new(prefix, discovery, &name),
            discovery: !self.no_discovery && bridge.discovery.unwrap_or(true),
            alone: self.alone || bridge.alone,
            access,
            families,
            config,
        })
    }
}

/// Connects to each bulb once, and prints what would be published.
async fn once(args: &Bridge, context: &Context<'_>) -> Result<()> {
    // No broker is needed, and none is named.
    let access = Access::none();
    let settings = args.settings(Arc::new(context.config.clone()), context.families.clone(), access)?;
    let settings = &settings;
    let operation = async |radio: Arc<dyn crate::radio::Radio>, device, deadline| {
        let found = context.with_session(radio.as_ref(), &device, deadline, async |session| {
            session.prepare(deadline).await?;
            let state = session.read_state(deadline).await?;
            let battery = read_battery(session.link().as_ref(), &device.label(), deadline).await.ok();
            Ok((DrivenProfile(session.profile().clone()), state, battery.map(|battery| battery.percent)))
        });
        let (profile, state, battery) = found.await?;
        Ok(bridge::messages(settings, &device, &profile, &state, battery))
    };
    let print = |messages: Vec<_>| {
        messages.into_iter().try_for_each(|message| context.printer.record(&Record::Message(message)))
    };
    let target = settings.target.clone();
    context.each_of(target, super::args::Wait::default(), "reading", operation, print, |_| None).await
}

/// Parses lines of `run`, of which the bridge carries out those that set something.
fn line_parser() -> bridge::LineParser {
    let parser = Mutex::new(LineParser::new());
    Arc::new(move |line| {
        let invalid = |detail: String| Error::CommandInvalid { detail };
        let statement = parser.lock().unwrap_or_else(PoisonError::into_inner).parse(line).map_err(invalid)?;
        let statement = statement.ok_or_else(|| invalid("the line is empty".to_owned()))?;
        let Action::Verb(verb) = statement.action else {
            return Err(invalid("the verbs for the bridge are on, off, toggle and set".to_owned()));
        };
        let power = |power| LightCommand::of(Change::power(power), None);
        Ok(match *verb {
            Verb::On(args) => (args.bulbs.text(), power(Power::On)),
            Verb::Off(args) => (args.bulbs.text(), power(Power::Off)),
            Verb::Toggle(args) => (args.bulbs.text(), power(Power::Toggle)),
            Verb::Set(args) => {
                let change = match args.fade {
                    Some(_) => args.light.settings()?.into(),
                    None => args.light.change(),
                };
                if change.is_empty() {
                    return Err(invalid("the line sets nothing".to_owned()));
                }
                (args.bulbs.text(), LightCommand::of(change, args.fade))
            }
            _ => return Err(invalid("the verbs for the bridge are on, off, toggle and set".to_owned())),
        })
    })
}

/// The name of this computer, as it can be in a topic.
fn computer() -> String {
    let name = system_name();
    slug(name.split('.').next().unwrap_or_default(), '-')
}

#[cfg(unix)]
fn system_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(not(unix))]
fn system_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_run_are_commands() {
        let parse = line_parser();
        let parsed = |line: &str| {
            let (target, command) = parse(line).unwrap();
            (target, command)
        };
        let command = |payload: &str| LightCommand::parse(payload.as_bytes()).unwrap();
        assert_eq!(parsed("on desk shelf"), ("desk,shelf".to_owned(), command("ON")));
        assert_eq!(
            parsed("set 'Light Desk' --on --brightness 30 --fade 2s"),
            ("Light Desk".to_owned(), command(r#"{"state":"ON","brightness":30,"transition":2}"#))
        );
        for (line, want) in [
            ("", "the line is empty"),
            ("set desk", "the line sets nothing"),
            ("set desk --brightness 130", "invalid value '130'"),
            ("set desk --brightness +10 --fade 2s", "a step of brightness"),
            ("status desk", "the verbs for the bridge are on, off, toggle and set"),
            ("wait 2s", "the verbs for the bridge are on, off, toggle and set"),
        ] {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains(want), "{line}: {error}");
        }
    }
}
