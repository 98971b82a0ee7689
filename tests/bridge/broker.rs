//! mosquitto and its clients.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;

use super::*;

/// A free port of this computer, another at each call. It is below those that the system gives to connections, which could
/// take it before its user does.
pub(crate) fn free_port() -> u16 {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    until("a free port", || {
        let number = std::process::id().wrapping_mul(101).wrapping_add(CALLS.fetch_add(1, Ordering::Relaxed));
        let port = 10_000 + u16::try_from(number % 22_000).unwrap();
        TcpListener::bind(("127.0.0.1", port)).is_ok().then_some(port)
    })
}

fn installed() -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let has = |name: &str| std::env::split_paths(&folders).any(|folder| folder.join(name).is_file());
    let all = has("mosquitto") || Path::new("/usr/sbin/mosquitto").is_file();
    let all = all && has("mosquitto_pub") && has("mosquitto_sub") && has("mosquitto_rr");
    assert!(all || std::env::var_os("BULBCTL_MOSQUITTO").is_none(), "there is no mosquitto");
    if !all {
        eprintln!("skipped: mosquitto and its clients are not installed");
    }
    all
}

fn mosquitto() -> Command {
    let sbin = Path::new("/usr/sbin/mosquitto");
    if sbin.is_file() { Command::new(sbin) } else { Command::new("mosquitto") }
}

/// A broker of its own, on a free port, in a temporary folder.
pub(crate) struct Mosquitto {
    pub(crate) port: u16,
    pub(crate) folder: TempDir,
    child: Child,
    /// How mosquitto's own clients connect.
    client: Vec<String>,
}

impl Mosquitto {
    /// Anybody may connect, and nothing is kept.
    pub(crate) fn start() -> Option<Self> {
        Self::with(|_| "allow_anonymous true\n".to_owned(), &[])
    }

    /// Retained messages and sessions survive a restart.
    pub(crate) fn persistent() -> Option<Self> {
        let config = |folder: &Path| {
            let folder = folder.display();
            format!(
                "allow_anonymous true\npersistence true\npersistence_location {folder}/\nautosave_interval 1\n"
            )
        };
        Self::with(config, &[])
    }

    /// A broker with this configuration. `client` are the options with which the witness and the publishers connect.
    pub(crate) fn with(config: impl FnOnce(&Path) -> String, client: &[&str]) -> Option<Self> {
        if !installed() {
            return None;
        }
        let folder = TempDir::new().unwrap();
        let config = config(folder.path());
        let client = client.iter().map(|word| word.replace("{folder}", &folder.path().display().to_string()));
        let client = client.collect();
        // Another program may take the free port before mosquitto does.
        let (port, child) = until("mosquitto starts", || {
            let port = free_port();
            // It starts as root in tests, and must not give that up: its folder is not another user's.
            let text = format!("listener {port} 127.0.0.1\nuser root\nlog_type all\n{config}");
            std::fs::write(folder.path().join("mosquitto.conf"), text).unwrap();
            let mut child = launch(folder.path());
            wait_until_open(port, &mut child).then_some((port, child))
        });
        Some(Self { port, client, folder, child })
    }

    pub(crate) fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Ends it as `kill -9` or a power cut does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on the same port.
    pub(crate) fn restart(&mut self) {
        self.child = until("mosquitto starts again", || {
            let mut child = launch(self.folder.path());
            wait_until_open(self.port, &mut child).then_some(child)
        });
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.args(["-h", "127.0.0.1", "-V", "5", "-p", &self.port.to_string()]).args(&self.client);
        command.stdin(Stdio::null());
        command
    }

    /// Publishes with QoS 1. `more` are options of mosquitto_pub.
    pub(crate) fn publish(&self, topic: &str, payload: &str, more: &[&str]) {
        let mut publish = self.tool("mosquitto_pub");
        let output = publish.args(["-q", "1", "-t", topic, "-m", payload]).args(more).output().unwrap();
        assert!(output.status.success(), "mosquitto_pub {topic} {payload}: {output:?}\n{}", self.log());
    }

    /// Publishes many messages over one connection. Returns false if that was lost.
    pub(crate) fn publish_lines(&self, topic: &str, lines: &str, more: &[&str]) -> bool {
        let mut publish = self.tool("mosquitto_pub");
        let publish = publish
            .args(["-q", "1", "-l", "-t", topic])
            .args(more)
            .stdin(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = publish.spawn().unwrap();
        let sent = child.stdin.take().unwrap().write_all(lines.as_bytes()).is_ok();
        child.wait().unwrap().success() && sent
    }

    /// Sends a command and returns the answer to it.
    pub(crate) fn request(&self, topic: &str, payload: &str) -> Value {
        let reply = format!("reply/{}", free_port());
        let mut request = self.tool("mosquitto_rr");
        let output =
            request.args(["-q", "1", "-W", "60", "-t", topic, "-e", &reply, "-m", payload]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no answer to {payload}"))
    }

    /// Starts to read all topics.
    pub(crate) fn witness(&self) -> Witness {
        let mut subscribe = self.tool("mosquitto_sub");
        let mut child = subscribe
            .args(["-q", "1", "-t", "#", "--retain-as-published", "-F", "%j"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let messages: Arc<Mutex<Vec<Message>>> = Arc::default();
        let (all, lines) = (Arc::clone(&messages), BufReader::new(child.stdout.take().unwrap()).lines());
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                all.lock().unwrap().extend(Message::of(&line));
            }
        });
        let witness = Witness { child, messages };
        // It is subscribed when it sees this.
        self.publish("probe", "1", &["-r"]);
        witness.wait("the probe", |message| message.topic == "probe");
        self.publish("probe", "", &["-r"]);
        witness
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns false if it has ended instead.
fn wait_until_open(port: u16, child: &mut Child) -> bool {
    until("mosquitto listens", || {
        let ended = child.try_wait().unwrap().is_some();
        // Without a listener, a socket that happens to get this port is connected with itself.
        let open =
            TcpStream::connect(("127.0.0.1", port)).is_ok_and(|to| to.local_addr().unwrap().port() != port);
        (ended || open).then_some(!ended)
    })
}

fn launch(folder: &Path) -> Child {
    let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
    let mut command = mosquitto();
    command.arg("-c").arg(folder.join("mosquitto.conf")).stdin(Stdio::null());
    command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

/// A message as the broker delivered it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) text: String,
    pub(crate) retain: bool,
    /// Message expiry interval, seconds.
    pub(crate) expiry: Option<u64>,
    pub(crate) at: std::time::Instant,
}

impl Message {
    fn of(line: &str) -> Option<Self> {
        let json: Value = serde_json::from_str(line).ok()?;
        let text = match &json["payload"] {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        Some(Self {
            topic: json["topic"].as_str()?.to_owned(),
            text,
            retain: json["retain"] == 1,
            expiry: json["properties"]["message-expiry-interval"].as_u64(),
            at: std::time::Instant::now(),
        })
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{self:?}: {error}"))
    }
}

/// Reads everything that the broker delivers.
pub(crate) struct Witness {
    child: Child,
    messages: Arc<Mutex<Vec<Message>>>,
}

impl Witness {
    pub(crate) fn all(&self) -> Vec<Message> {
        self.messages.lock().unwrap().clone()
    }

    /// The messages of one topic.
    pub(crate) fn of(&self, topic: &str) -> Vec<Message> {
        self.all().into_iter().filter(|message| message.topic == topic).collect()
    }

    /// The last message of a topic.
    pub(crate) fn last(&self, topic: &str) -> Option<Message> {
        self.of(topic).pop()
    }

    pub(crate) fn count(&self) -> usize {
        self.messages.lock().unwrap().len()
    }

    pub(crate) fn wait(&self, what: &str, wanted: impl Fn(&Message) -> bool) -> Message {
        until(what, || self.messages.lock().unwrap().iter().find(|message| wanted(message)).cloned())
    }

    /// Waits for a message after the first `from`.
    pub(crate) fn wait_after(&self, from: usize, what: &str, wanted: impl Fn(&Message) -> bool) -> Message {
        until(what, || {
            self.messages.lock().unwrap().iter().skip(from).find(|message| wanted(message)).cloned()
        })
    }

    /// Waits until the last message of a topic is this text.
    pub(crate) fn wait_last(&self, topic: &str, text: &str) {
        until(&format!("{topic} is {text}"), || self.last(topic).filter(|message| message.text == text));
    }

    /// Waits until the last state of a bulb has these values.
    pub(crate) fn wait_state(&self, id: &str, want: &Value) -> Value {
        let has = |state: &Value| {
            want.as_object().unwrap().iter().all(|(key, value)| state.get(key) == Some(value))
        };
        until(&format!("the state {want} of {id}, not {:?}", self.last(&state(id))), || {
            self.last(&state(id)).map(|message| message.json()).filter(has)
        })
    }

    /// Waits until a bulb has reported its state.
    pub(crate) fn wait_for_state(&self, id: &str) -> Value {
        self.wait_state(id, &json!({"provenance": "reported"}))
    }

    /// Waits for an error with this code.
    pub(crate) fn wait_error(&self, code: &str) -> Value {
        let error = |message: &Message| message.topic.ends_with("/errors") && message.json()["code"] == code;
        self.wait(code, error).json()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lets some time pass in which nothing may happen.
pub(crate) fn quiet(time: Duration) {
    std::thread::sleep(time);
}
