//! The broker: its address, and what this bridge shows it.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::config::BridgeConfig;
use crate::error::{Error, Result};
use crate::files;

/// The longest file with a password or certificates, bytes.
const LONGEST_FILE: u64 = 1 << 20;
/// The systemd credential with the password, see `LoadCredential=` in systemd.exec(5).
const CREDENTIAL: &str = "bulbctl-mqtt-password";
const PASSWORD_VARIABLE: &str = "BULBCTL_MQTT_PASSWORD";

/// The address of a broker: `mqtt://HOST[:PORT]`, or `mqtts://` for TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerAddress {
    pub host: String,
    pub port: u16,
    pub tls: bool,
    pub user: Option<String>,
}

impl BrokerAddress {
    /// Parses an address. Errors do not repeat it: it may have a password in it.
    pub fn parse(text: &str) -> Result<Self> {
        let usage = |what: &str| {
            Error::Usage(format!("{what}; --broker is mqtt://HOST[:PORT] or mqtts://HOST[:PORT]"))
        };
        let (tls, rest) = match text.split_once("://") {
            Some(("mqtt", rest)) => (false, rest),
            Some(("mqtts", rest)) => (true, rest),
            Some(_) => return Err(usage("the address of the broker has an unknown scheme")),
            None => return Err(usage("the address of the broker has no scheme")),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user, rest) = match rest.rsplit_once('@') {
            Some((user, _)) if user.contains(':') => {
                return Err(Error::Usage(format!(
                    "the address of the broker must not contain a password: other users can read it; put it into a file \
                     (--password-file), into {PASSWORD_VARIABLE}, or into the systemd credential {CREDENTIAL}"
                )));
            }
            Some((user, rest)) => (Some(user.to_owned()), rest),
            None => (None, rest),
        };
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => {
                (host, Some(port.strip_prefix(':').ok_or_else(|| usage("a port is missing"))?))
            }
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
        if host.is_empty() || !host.chars().all(allowed) {
            return Err(usage("the address of the broker has no valid host"));
        }
        let port = match port {
            None if tls => 8883,
            None => 1883,
            Some(port) => match port.parse() {
                Ok(port) if port > 0 => port,
                _ => return Err(usage("the port of the broker is 1 to 65535")),
            },
        };
        Ok(Self { host: host.to_owned(), port, tls, user })
    }
}

impl fmt::Display for BrokerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// A password. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: String) -> Self {
        Self(text)
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Certificates and keys for TLS.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificates that the broker's must come from; those of the system if there are none.
    pub ca: Option<Vec<u8>>,
    /// The certificate and the key of this client.
    pub client: Option<(Vec<u8>, Vec<u8>)>,
}

impl fmt::Debug for TlsFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsFiles")
            .field("ca", &self.ca.is_some())
            .field("client", &self.client.is_some())
            .finish()
    }
}

/// Everything that a connection needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    pub address: BrokerAddress,
    pub user: Option<String>,
    pub password: Option<Secret>,
    pub tls: Option<TlsFiles>,
}

/// The options of the command line that replace those of the configuration.
#[derive(Clone, Debug, Default)]
pub struct AccessOptions {
    pub broker: Option<String>,
    pub user: Option<String>,
    pub password_file: Option<PathBuf>,
    pub ca_file: Option<PathBuf>,
    pub certificate_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
}

impl Access {
    /// No broker, for messages that are only printed.
    pub fn none() -> Self {
        let address = BrokerAddress { host: "none".to_owned(), port: 1883, tls: false, user: None };
        Self { address, user: None, password: None, tls: None }
    }

    /// Reads what the options, the environment and the configuration name, in this order.
    ///
    /// # Errors
    /// [`Error::Usage`] without a broker, [`Error::FileUnreadable`].
    pub fn read(options: &AccessOptions, config: &BridgeConfig) -> Result<Self> {
        let text = options.broker.as_ref().or(config.broker.as_ref()).ok_or_else(|| {
            Error::Usage(
                "which broker? Name it with --broker mqtt://HOST, or as broker in the [bridge] table of the configuration"
                    .to_owned(),
            )
        })?;
        let address = BrokerAddress::parse(text)?;
        let user = options.user.clone().or_else(|| address.user.clone()).or_else(|| config.username.clone());
        let password = password(options.password_file.as_deref().or(config.password_file.as_deref()))?;
        let read = |option: &Option<PathBuf>, config: &Option<PathBuf>| {
            option.as_deref().or(config.as_deref()).map(bytes).transpose()
        };
        let ca = read(&options.ca_file, &config.ca_file)?;
        let certificate = read(&options.certificate_file, &config.certificate_file)?;
        let client = certificate.zip(read(&options.key_file, &config.key_file)?);
        if !address.tls && (ca.is_some() || client.is_some()) {
            return Err(Error::Usage("certificates need TLS: write mqtts:// in place of mqtt://".to_owned()));
        }
        let tls = address.tls.then_some(TlsFiles { ca, client });
        Ok(Self { address, user, password, tls })
    }
}

/// The password from a file, else from the environment, else from systemd.
fn password(file: Option<&Path>) -> Result<Option<Secret>> {
    if let Some(file) = file {
        return first_line(file).map(Some);
    }
    if let Some(password) = std::env::var(PASSWORD_VARIABLE).ok().filter(|password| !password.is_empty()) {
        return Ok(Some(Secret(password)));
    }
    let credential =
        std::env::var_os("CREDENTIALS_DIRECTORY").map(|folder| Path::new(&folder).join(CREDENTIAL));
    // One that cannot be read is an error here. Without it, the broker would only refuse the credentials.
    let is_there = |file: &PathBuf| file.try_exists().unwrap_or(true);
    credential.filter(is_there).map(|file| first_line(&file)).transpose()
}

fn first_line(file: &Path) -> Result<Secret> {
    let text = files::text(file, LONGEST_FILE)?;
    Ok(Secret(text.lines().next().unwrap_or_default().to_owned()))
}

fn bytes(file: &Path) -> Result<Vec<u8>> {
    std::fs::File::open(file)
        .and_then(|open| files::bytes_of(open, LONGEST_FILE))
        .map_err(|error| files::unreadable(file, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_parsed() {
        for (text, host, port, tls, user) in [
            ("mqtt://broker.lan", "broker.lan", 1883, false, None),
            ("mqtts://broker.lan/", "broker.lan", 8883, true, None),
            ("mqtt://me@10.0.0.1:1884", "10.0.0.1", 1884, false, Some("me")),
            ("mqtts://[fe80::1%eth0]:8884", "fe80::1%eth0", 8884, true, None),
            ("mqtt://[::1]", "::1", 1883, false, None),
        ] {
            let address = BrokerAddress::parse(text).unwrap();
            assert_eq!(
                (&*address.host, address.port, address.tls, address.user.as_deref()),
                (host, port, tls, user)
            );
        }
        let shown = |text: &str| BrokerAddress::parse(text).unwrap().to_string();
        assert_eq!(
            (shown("mqtt://me@a:1"), shown("mqtt://[::1]")),
            ("a:1".to_owned(), "[::1]:1883".to_owned())
        );
    }

    #[test]
    fn p27_a_password_is_neither_taken_from_an_address_nor_repeated() {
        let error = BrokerAddress::parse("mqtt://me:hunter2@broker").unwrap_err().to_string();
        assert!(error.contains("--password-file") && !error.contains("hunter2"), "{error}");
        assert_eq!(format!("{:?}", Secret::new("hunter2".to_owned())), "(hidden)");
    }

    #[test]
    fn wrong_addresses_are_refused() {
        for (text, want) in [
            ("broker.lan", "no scheme"),
            ("http://broker", "unknown scheme"),
            ("mqtt://", "no valid host"),
            ("mqtt://a b", "no valid host"),
            ("mqtt://a/b", "no valid host"),
            ("mqtt://a:0", "1 to 65535"),
            ("mqtt://a:99999", "1 to 65535"),
            ("mqtt://a:", "1 to 65535"),
            ("mqtt://[::1]1", "a port is missing"),
        ] {
            let error = BrokerAddress::parse(text).unwrap_err().to_string();
            assert!(error.contains(want), "{text}: {error}");
        }
    }
}
